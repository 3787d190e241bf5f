import java.io.BufferedReader;
import java.io.File;
import java.io.FileInputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.security.MessageDigest;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;

/**
 * Lets the real store code of whatever release is on the class path load stores, and prints what it then holds in memory.
 *
 * A request is a line of tab separated words: the directory, the mode, and key=value for the store's configuration, key=value
 * behind "broker." for the broker's. The answer is a line of JSON behind "@". A store that ends the process ends this one. The
 * request "start" starts the store that was loaded last; a started store does not end, so this process is then of no more use.
 */
public class StoreLoad {
    private static final PrintStream OUT = System.out;
    /** Between two looks at a store that dispatches. */
    private static final long LOOK_MS = 50;
    /** Looks at which nothing has moved, after which dispatch is taken for stuck; for at its end. */
    private static final int STUCK_LOOKS = 40;
    private static final int END_LOOKS = 3;
    private static final long START_MS = 60_000;
    private static Object stats;
    private static Object store;
    private static String mode;

    public static void main(String[] args) throws Exception {
        System.setOut(System.err);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String answer;
            try {
                answer = line.equals("start") ? start() : load(line.split("\t"));
            } catch (Throwable thrown) {
                Throwable cause = thrown instanceof InvocationTargetException && thrown.getCause() != null ? thrown.getCause() : thrown;
                answer = "{\"load\":\"threw\",\"why\":" + quoted(cause.toString()) + "}";
            }
            OUT.println("@" + answer);
            OUT.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    private static String load(String[] words) throws Exception {
        File dir = new File(words[0]);
        mode = words[1];
        Object config = make("org.apache.rocketmq.store.config.MessageStoreConfig");
        Object broker = make("org.apache.rocketmq.common.BrokerConfig");
        set(config, "storePathRootDir", dir.getPath());
        set(config, "storePathCommitLog", new File(dir, "commitlog").getPath());
        set(config, "haListenPort", "0");
        if (mode.equals("dledger")) {
            set(config, "enableDLegerCommitLog", "true");
            set(config, "dLegerGroup", "g0");
            set(config, "dLegerSelfId", "n0");
            try (ServerSocket free = new ServerSocket(0)) {
                set(config, "dLegerPeers", "n0-localhost:" + free.getLocalPort());
            }
        }
        if (mode.equals("controller")) {
            set(broker, "enableControllerMode", "true");
        }
        for (int at = 2; at < words.length; at++) {
            String[] pair = words[at].split("=", 2);
            boolean isBroker = pair[0].startsWith("broker.");
            set(isBroker ? broker : config, isBroker ? pair[0].substring(7) : pair[0], pair[1]);
        }
        store = store(config, broker, dir);
        if (mode.equals("controller")) {
            // As the broker does before it loads: nobody has made it a master yet. The first releases do not know it.
            Object flags = call(store, "getRunningFlags");
            for (Method method : flags.getClass().getMethods()) {
                if (method.getName().equals("makeFenced")) {
                    method.invoke(flags, true);
                }
            }
        }
        boolean isLoaded = (Boolean) call(store, "load");
        StringJoiner json = new StringJoiner(",", "{", "}");
        json.add("\"load\":" + isLoaded);
        if (isLoaded) {
            json.add("\"max\":" + call(store, "getMaxPhyOffset"));
            json.add("\"end\":" + end());
            json.add("\"min\":" + call(store, "getMinPhyOffset"));
            json.add("\"confirm\":" + call(call(store, "getCommitLog"), "getConfirmOffset"));
            json.add("\"queues\":" + queues());
        }
        return json.toString();
    }

    /** Starts the loaded store, and waits until dispatch is at the end of the log or nothing moves any more. */
    private static String start() throws Exception {
        Object log = call(store, "getCommitLog");
        Object server = mode.equals("dledger") ? call(log, "getdLedgerServer") : null;
        if (server != null) {
            Object times = call(server, "getdLedgerConfig");
            set(times, "minVoteIntervalMs", "100");
            set(times, "maxVoteIntervalMs", "200");
            set(times, "heartBeatTimeIntervalMs", "200");
        }
        Throwable[] thrown = new Throwable[1];
        Thread starting = new Thread(() -> {
            try {
                call(store, "start");
            } catch (Throwable error) {
                thrown[0] = error.getCause() == null ? error : error.getCause();
            }
        }, "start");
        starting.setDaemon(true);
        starting.start();
        boolean isConfirmed = !mode.equals("controller");
        long end = System.currentTimeMillis() + START_MS;
        boolean isAtEnd = false;
        String before = "";
        for (int still = 0; still < (isAtEnd ? END_LOOKS : STUCK_LOOKS); ) {
            if (thrown[0] != null) {
                return "{\"start\":\"threw\",\"why\":" + quoted(thrown[0].toString()) + "}";
            }
            if (System.currentTimeMillis() > end) {
                return "{\"start\":\"timeout\"}";
            }
            Thread.sleep(LOOK_MS);
            if (!isConfirmed && !starting.isAlive()) {
                // As a broker does that has become the master and has no slaves.
                store.getClass().getMethod("setConfirmOffset", long.class).invoke(store, call(store, "getMaxPhyOffset"));
                isConfirmed = true;
            }
            String now = field(field(store, "reputMessageService"), "reputFromOffset") + " " + starting.isAlive();
            isAtEnd = !starting.isAlive() && ((Number) call(store, "dispatchBehindBytes")).longValue() <= 0;
            if (server != null) {
                Object kept = field(log, "dLedgerFileStore");
                Object last = call(kept, "getLedgerEndIndex");
                Object committed = call(kept, "getCommittedIndex");
                boolean isLeader = (Boolean) call(call(server, "getMemberState"), "isLeader");
                isAtEnd &= isLeader && (last.equals(-1L) || last.equals(committed));
                // What is not committed cannot be dispatched: no leader, no progress.
                now += isLeader ? " " + committed : " " + System.nanoTime();
            }
            still = now.equals(before) ? still + 1 : 0;
            before = now;
        }
        if (server != null && isAtEnd) {
            // As a broker does that has become the leader and has caught up.
            call(store, "recoverTopicQueueTable");
        }
        return "{\"start\":" + !starting.isAlive() + ",\"at_end\":" + isAtEnd
            + ",\"reput\":" + field(field(store, "reputMessageService"), "reputFromOffset") + ",\"queues\":" + queues() + "}";
    }

    private static Object store(Object config, Object broker, File dir) throws Exception {
        if (stats == null) {
            stats = Class.forName("org.apache.rocketmq.store.stats.BrokerStatsManager")
                .getConstructor(String.class, boolean.class).newInstance("c", false);
        }
        for (Constructor<?> made : Class.forName("org.apache.rocketmq.store.DefaultMessageStore").getConstructors()) {
            Class<?>[] wants = made.getParameterTypes();
            if (wants.length < 4 || wants.length > 5) {
                continue;
            }
            Object nobody = Proxy.newProxyInstance(StoreLoad.class.getClassLoader(), new Class<?>[] {wants[2]}, (p, m, a) -> null);
            if (wants.length == 5) {
                return made.newInstance(config, stats, nobody, broker, topics(dir));
            }
            Object older = made.newInstance(config, stats, nobody, broker);
            // Releases before 5.1.1 are told behind their constructor; 4.9 has no kinds of topics.
            for (Method method : older.getClass().getMethods()) {
                if (method.getName().equals("setTopicConfigTable")) {
                    method.invoke(older, topics(dir));
                }
            }
            return older;
        }
        throw new IllegalStateException("no constructor of DefaultMessageStore is known");
    }

    /** The topics of config/topics.json, read by the broker's own classes: batch queues go by them. */
    private static ConcurrentMap<Object, Object> topics(File dir) throws Exception {
        ConcurrentMap<Object, Object> topics = new ConcurrentHashMap<>();
        File file = new File(dir, "config/topics.json");
        if (file.isFile()) {
            Class<?> wrapper;
            try {
                wrapper = Class.forName("org.apache.rocketmq.remoting.protocol.body.TopicConfigSerializeWrapper");
            } catch (ClassNotFoundException before_it_moved) {
                wrapper = Class.forName("org.apache.rocketmq.common.protocol.body.TopicConfigSerializeWrapper");
            }
            Object read = Class.forName("org.apache.rocketmq.remoting.protocol.RemotingSerializable")
                .getMethod("fromJson", String.class, Class.class).invoke(null, Files.readString(file.toPath()), wrapper);
            topics.putAll((Map<?, ?>) call(read, "getTopicConfigTable"));
        }
        return topics;
    }

    /** The end of the log, committed or not. */
    private static Object end() throws Exception {
        if (!mode.equals("dledger")) {
            return call(store, "getMaxPhyOffset");
        }
        Object data = field(field(call(store, "getCommitLog"), "dLedgerFileStore"), "dataFileList");
        return call(data, "getMaxWrotePosition");
    }

    private static String queues() throws Exception {
        Object table;
        try {
            table = call(store, "getConsumeQueueTable");
        } catch (NoSuchMethodException in_its_own_store) {
            table = call(field(store, "consumeQueueStore"), "getConsumeQueueTable");
        }
        TreeMap<String, String> found = new TreeMap<>();
        for (Map.Entry<?, ?> topic : ((Map<?, ?>) table).entrySet()) {
            for (Map.Entry<?, ?> queue : ((Map<?, ?>) topic.getValue()).entrySet()) {
                found.put(topic.getKey() + "/" + queue.getKey(), queue(queue.getValue()));
            }
        }
        StringJoiner json = new StringJoiner(",", "{", "}");
        found.forEach((name, queue) -> json.add(quoted(name) + ":" + queue));
        return json.toString();
    }

    private static String queue(Object queue) throws Exception {
        List<?> files = (List<?>) call(field(queue, "mappedFileQueue"), "getMappedFiles");
        MessageDigest sha1 = MessageDigest.getInstance("SHA-1");
        StringJoiner wrote = new StringJoiner(",", "{", "}");
        for (Object file : files) {
            int length = ((Number) call(file, "getWrotePosition")).intValue();
            String name = (String) call(file, "getFileName");
            wrote.add(quoted(name) + ":" + length);
            try (FileInputStream bytes = new FileInputStream(name)) {
                sha1.update(bytes.readNBytes(length));
            }
        }
        StringBuilder digest = new StringBuilder();
        for (byte octet : sha1.digest()) {
            digest.append(String.format("%02x", octet));
        }
        Object physical;
        try {
            physical = call(queue, "getMaxPhysicOffset");
        } catch (NoSuchMethodException of_a_batch_queue) {
            physical = field(queue, "maxMsgPhyOffsetInCommitLog");
        }
        return "{\"min\":" + call(queue, "getMinOffsetInQueue") + ",\"max\":" + call(queue, "getMaxOffsetInQueue")
            + ",\"physical\":" + physical + ",\"files\":" + files.size() + ",\"wrote\":" + wrote + ",\"sha1\":\"" + digest + "\"}";
    }

    private static Object make(String name) throws Exception {
        return Class.forName(name).getDeclaredConstructor().newInstance();
    }

    /** Sets a property as the broker does; one that the release does not know is passed over. */
    private static void set(Object bean, String key, String value) throws Exception {
        for (Method method : bean.getClass().getMethods()) {
            if (!method.getName().equalsIgnoreCase("set" + key) || method.getParameterCount() != 1) {
                continue;
            }
            Class<?> type = method.getParameterTypes()[0];
            if (type == int.class) {
                method.invoke(bean, Integer.parseInt(value));
            } else if (type == long.class) {
                method.invoke(bean, Long.parseLong(value));
            } else if (type == boolean.class) {
                method.invoke(bean, Boolean.parseBoolean(value));
            } else if (type == String.class) {
                method.invoke(bean, value);
            } else {
                continue;
            }
            return;
        }
    }

    private static Object call(Object on, String name) throws Exception {
        for (Class<?> of = on.getClass(); of != null; of = of.getSuperclass()) {
            for (Method method : of.getDeclaredMethods()) {
                if (method.getName().equals(name) && method.getParameterCount() == 0) {
                    method.setAccessible(true);
                    return method.invoke(on);
                }
            }
        }
        throw new NoSuchMethodException(on.getClass() + "." + name);
    }

    private static Object field(Object of, String name) throws Exception {
        for (Class<?> type = of.getClass(); type != null; type = type.getSuperclass()) {
            try {
                Field field = type.getDeclaredField(name);
                field.setAccessible(true);
                return field.get(of);
            } catch (NoSuchFieldException in_a_class_above) {
                continue;
            }
        }
        throw new NoSuchFieldException(of.getClass() + "." + name);
    }

    private static String quoted(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char letter : text.toCharArray()) {
            quoted.append(letter < 0x20 || letter > 0x7e || letter == '"' || letter == '\\'
                ? String.format("\\u%04x", (int) letter) : String.valueOf(letter));
        }
        return quoted.append('"').toString();
    }
}
