import java.io.File;
import java.io.InputStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.StandardCopyOption;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.store.stats.BrokerStatsManager;

/** Prints what load() of the store in a directory says, and the nanoseconds that it takes. */
public class LoadTime {
    public static void main(String[] args) throws Exception {
        logAsTheBrokerDoes(new File(args[0]).getAbsoluteFile().getParentFile());
        MessageStoreConfig config = new MessageStoreConfig();
        config.setStorePathRootDir(args[0]);
        config.setStorePathCommitLog(new File(args[0], "commitlog").getPath());
        config.setMappedFileSizeConsumeQueue(Integer.parseInt(args[1]));
        config.setHaListenPort(0);
        for (Constructor<?> make : Class.forName("org.apache.rocketmq.store.DefaultMessageStore").getConstructors()) {
            if (make.getParameterCount() != 5) {
                continue;
            }
            Class<?> listener = make.getParameterTypes()[2];
            Object nobody = Proxy.newProxyInstance(LoadTime.class.getClassLoader(), new Class<?>[] {listener}, (p, m, a) -> null);
            Object store = make.newInstance(config, new BrokerStatsManager("c", false), nobody, new BrokerConfig(), new ConcurrentHashMap<>());
            long began = System.nanoTime();
            Object is_loaded = store.getClass().getMethod("load").invoke(store);
            System.out.println("load " + is_loaded + " " + (System.nanoTime() - began));
            System.out.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    /** With the configuration that comes with the broker: WARN lines go to files below the home directory. */
    private static void logAsTheBrokerDoes(File home) throws Exception {
        File configuration = new File(home, "logback.xml");
        try (InputStream found = LoadTime.class.getResourceAsStream("/rmq.broker.logback.xml")) {
            Files.copy(found, configuration.toPath(), StandardCopyOption.REPLACE_EXISTING);
        }
        System.setProperty("rmq.logback.configurationFile", configuration.getPath());
        System.setProperty("user.home", home.getPath());
    }
}
