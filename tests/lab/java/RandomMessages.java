import java.lang.reflect.Method;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;

/**
 * Messages as a broker hands them to its store, by a seed: ordinary, delayed, transactional, in batches, with light queues. Of the plan:
 * seed, topics, queues, maxBody, special, batch, light (how many), longTopic, hostV6.
 */
final class RandomMessages {
    private static final int TRANSACTIONS = 0xC, INNER_BATCH = 0x80, BORN_V6 = 0x10, STORED_V6 = 0x20;

    private final Map<String, String> plan;
    private final Random random;

    RandomMessages(Map<String, String> plan) {
        this.plan = plan;
        this.random = new Random(Long.parseLong(plan.get("seed")));
    }

    Object next(Class<?> inner, int number) throws Exception {
        Map<String, String> properties = new HashMap<>();
        int extent = random.nextInt(4);
        if (extent > 0) {
            properties.put("UNIQ_KEY", String.format("%032X", number));
        }
        if (extent > 1) {
            properties.put("KEYS", "k" + random.nextInt(50) + (random.nextBoolean() ? " x" + number : ""));
        }
        if (extent > 2) {
            properties.put("TAGS", "tag" + random.nextInt(5));
        }
        String topic = "T" + random.nextInt(of("topics"));
        int queue = random.nextInt(of("queues")), flag = 0, kind = random.nextInt(20);
        if (of("batch") > 0 && random.nextBoolean()) {
            topic = "B" + random.nextInt(of("batch"));
            // One without a number is a batch of one.
            if (random.nextInt(8) != 0) {
                flag = INNER_BATCH;
                properties.put("INNER_NUM", "" + (1 + random.nextInt(9)));
            }
        } else if (plan.get("special").equals("true") && kind == 0) {
            int level = 1 + random.nextInt(18);
            properties.put("DELAY", "" + level);
            properties.put("REAL_TOPIC", topic);
            properties.put("REAL_QID", "" + queue);
            topic = "SCHEDULE_TOPIC_XXXX";
            queue = level - 1;
        } else if (plan.get("special").equals("true") && kind == 1) {
            topic = "RMQ_SYS_TRANS_HALF_TOPIC";
            queue = 0;
            properties.put("TRAN_MSG", "true");
        } else if (plan.get("special").equals("true") && kind <= 4) {
            flag = new int[] {0x4, 0x8, TRANSACTIONS}[kind - 2];
        } else if (plan.get("longTopic").equals("true") && kind == 5) {
            topic = "L" + "x".repeat(150);
        } else if (of("light") > 0 && random.nextBoolean()) {
            StringBuilder names = new StringBuilder();
            for (int light = 0; light < of("light"); light++) {
                if (random.nextBoolean()) {
                    names.append(names.length() > 0 ? "," : "").append("%LMQ%g").append(light);
                }
            }
            if (names.length() > 0) {
                properties.put("INNER_MULTI_DISPATCH", names.toString());
            }
        }
        boolean isV6 = plan.get("hostV6").equals("true") && random.nextInt(3) == 0;
        return message(inner, topic, queue, isV6 ? flag | BORN_V6 | STORED_V6 : flag, properties);
    }

    private Object message(Class<?> inner, String topic, int queue, int flag, Map<String, String> properties) throws Exception {
        Object message = inner.getDeclaredConstructor().newInstance();
        // Reached in the class above.
        Reflection.method(inner, "setProperties", Map.class).invoke(message, properties);
        Method text = Class.forName("org.apache.rocketmq.common.message.MessageDecoder").getMethod("messageProperties2String", Map.class);
        String host = (flag & BORN_V6) == 0 ? "127.0.0.1" : "::1";
        InetSocketAddress address = new InetSocketAddress(InetAddress.getByName(host), 10911);
        set(message, "setPropertiesString", String.class, text.invoke(null, properties));
        set(message, "setTopic", String.class, topic);
        set(message, "setQueueId", int.class, queue);
        set(message, "setSysFlag", int.class, flag);
        set(message, "setBody", byte[].class, body());
        set(message, "setBornTimestamp", long.class, System.currentTimeMillis());
        set(message, "setBornHost", SocketAddress.class, address);
        set(message, "setStoreHost", SocketAddress.class, address);
        return message;
    }

    /** Mostly short; letters, so that no magic number stands in it. */
    private byte[] body() {
        int most = random.nextInt(4) == 0 ? of("maxBody") : Math.max(1, of("maxBody") / 8);
        byte[] body = new byte[random.nextInt(most + 1)];
        for (int at = 0; at < body.length; at++) {
            body[at] = (byte) ('a' + random.nextInt(26));
        }
        return body;
    }

    private int of(String key) {
        return Integer.parseInt(plan.get(key));
    }

    private static void set(Object on, String setter, Class<?> type, Object value) throws Exception {
        Reflection.method(on.getClass(), setter, type).invoke(on, value);
    }
}
