import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;

/**
 * Whether the release on the class path takes a text for a table of `config/`. A line in: the table and the text in hexadecimal digits; a
 * line out: `true` or `false`. Both copies of the table have the text. Argument: a directory that may be written.
 */
public final class TableLoad {
    private static Object broker, lightBroker, store;
    private static File root;

    private TableLoad() {
    }

    public static void main(String[] args) throws Exception {
        PrintStream out = System.out;
        System.setOut(System.err);
        root = new File(args[0]);
        broker = broker(false);
        lightBroker = broker(true);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split("\t", 2);
            try {
                out.println("@" + takes(words[0], HexFormat.of().parseHex(words[1])));
                out.flush();
            } catch (Throwable of_a_release_that_is_not_known) {
                of_a_release_that_is_not_known.printStackTrace();
                // The brokers' threads would keep the process.
                Runtime.getRuntime().halt(1);
            }
        }
        Runtime.getRuntime().halt(0);
    }

    private static Object broker(boolean isLight) throws Exception {
        Object config = Reflection.make("org.apache.rocketmq.common.BrokerConfig");
        Object store = Reflection.make("org.apache.rocketmq.store.config.MessageStoreConfig");
        Reflection.set(store, "storePathRootDir", root.getPath());
        Reflection.set(store, "enableLmq", String.valueOf(isLight));
        Reflection.set(store, "enableMultiDispatch", String.valueOf(isLight));
        Object server = Reflection.make("org.apache.rocketmq.remoting.netty.NettyServerConfig");
        Object client = Reflection.make("org.apache.rocketmq.remoting.netty.NettyClientConfig");
        Class<?> controller = Class.forName("org.apache.rocketmq.broker.BrokerController");
        return controller.getConstructor(config.getClass(), server.getClass(), client.getClass(), store.getClass())
            .newInstance(config, server, client, store);
    }

    private static boolean takes(String table, byte[] text) throws Exception {
        if (table.equals("delayOffset")) {
            // Its load() wants a store that is loaded.
            Object delays = delays();
            Method decode = Reflection.method(delays.getClass(), "decode", String.class);
            try {
                decode.invoke(delays, new String(text, StandardCharsets.UTF_8));
                return true;
            } catch (ReflectiveOperationException thrown) {
                return false;
            }
        }
        Object manager = manager(table);
        if (manager == null) {
            throw new IllegalArgumentException(table + " is not known to this release");
        }
        Path file = Path.of((String) Reflection.method(manager.getClass(), "configFilePath").invoke(manager));
        Files.createDirectories(file.getParent());
        Files.write(file, text);
        Files.write(Path.of(file + ".bak"), text);
        return (Boolean) Reflection.call(manager, "load");
    }

    private static Object delays() throws Exception {
        Class<?> type = Reflection.any("org.apache.rocketmq.broker.schedule.ScheduleMessageService",
            "org.apache.rocketmq.store.schedule.ScheduleMessageService");
        Constructor<?> made = type.getConstructors()[0];
        if (made.getParameterTypes()[0].isInstance(broker)) {
            return made.newInstance(broker);
        }
        if (store == null) {
            store = RealStore.build(new String[] {root.getPath(), "plain"});
        }
        return made.newInstance(store);
    }

    /** A new one for each text: what one text left behind is nothing to the next. */
    private static Object manager(String table) throws Exception {
        switch (table) {
            case "topics":
                return of(broker, "TopicConfigManager");
            case "topics of a light broker":
                return of(lightBroker, "TopicConfigManager");
            case "consumerOffset":
                return of(broker, "ConsumerOffsetManager");
            case "lmqConsumerOffset":
                return of(lightBroker, "ConsumerOffsetManager");
            case "subscriptionGroup":
                return of(broker, "SubscriptionGroupManager");
            case "subscriptionGroup of a light broker":
                return of(lightBroker, "SubscriptionGroupManager");
            case "consumerFilter":
                return of(broker, "ConsumerFilterManager");
            case "topicQueueMapping":
                return of(broker, "TopicQueueMappingManager");
            case "consumerOrderInfo":
                return of(broker, "ConsumerOrderInfoManager");
            case "timermetrics":
                return Class.forName("org.apache.rocketmq.store.timer.TimerMetrics").getConstructor(String.class)
                    .newInstance(root.getPath() + "/config/timermetrics");
            default:
                return null;
        }
    }

    private static Object of(Object broker, String manager) throws Exception {
        Class<?> type = Reflection.call(broker, "get" + manager).getClass();
        for (Constructor<?> made : type.getConstructors()) {
            if (made.getParameterCount() == 1 && made.getParameterTypes()[0].isInstance(broker)) {
                return made.newInstance(broker);
            }
        }
        throw new NoSuchMethodException(type + " of a broker");
    }
}
