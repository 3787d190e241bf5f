import java.io.File;
import java.lang.reflect.Constructor;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;

/** Builds the `DefaultMessageStore` of whatever release is on the class path, as its broker does. */
final class RealStore {
    private static Object stats;

    private RealStore() {
    }

    /**
     * Words of a request: the directory, the mode, and key=value for the store's configuration, key=value behind "broker." for the
     * broker's.
     */
    static Object build(String[] words) throws Exception {
        File dir = new File(words[0]);
        String mode = words[1];
        Object config = Reflection.make("org.apache.rocketmq.store.config.MessageStoreConfig");
        Object broker = Reflection.make("org.apache.rocketmq.common.BrokerConfig");
        Reflection.set(config, "storePathRootDir", dir.getPath());
        Reflection.set(config, "storePathCommitLog", new File(dir, "commitlog").getPath());
        Reflection.set(config, "haListenPort", "0");
        if (mode.equals("dledger")) {
            Reflection.set(config, "enableDLegerCommitLog", "true");
            Reflection.set(config, "dLegerGroup", "g0");
            Reflection.set(config, "dLegerSelfId", "n0");
            try (ServerSocket free = new ServerSocket(0)) {
                Reflection.set(config, "dLegerPeers", "n0-localhost:" + free.getLocalPort());
            }
        }
        if (mode.equals("controller")) {
            Reflection.set(broker, "enableControllerMode", "true");
        }
        for (int at = 2; at < words.length; at++) {
            String[] pair = words[at].split("=", 2);
            boolean isBroker = pair[0].startsWith("broker.");
            Reflection.set(isBroker ? broker : config, isBroker ? pair[0].substring(7) : pair[0], pair[1]);
        }
        return build(config, broker, dir);
    }

    private static synchronized Object build(Object config, Object broker, File dir) throws Exception {
        if (stats == null) {
            stats = Class.forName("org.apache.rocketmq.store.stats.BrokerStatsManager")
                .getConstructor(String.class, boolean.class).newInstance("c", false);
        }
        for (Constructor<?> made : Class.forName("org.apache.rocketmq.store.DefaultMessageStore").getConstructors()) {
            Class<?>[] wants = made.getParameterTypes();
            if (wants.length < 4 || wants.length > 5) {
                continue;
            }
            Object nobody = Proxy.newProxyInstance(RealStore.class.getClassLoader(), new Class<?>[] {wants[2]}, (p, m, a) -> null);
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
            topics.putAll((Map<?, ?>) Reflection.call(read, "getTopicConfigTable"));
        }
        return topics;
    }

    /** A group of one, which need not wait long until it has a leader. */
    static void hurryElection(Object server) throws Exception {
        Object times = Reflection.call(server, "getdLedgerConfig");
        Reflection.set(times, "minVoteIntervalMs", "100");
        Reflection.set(times, "maxVoteIntervalMs", "200");
        Reflection.set(times, "heartBeatTimeIntervalMs", "200");
    }
}
