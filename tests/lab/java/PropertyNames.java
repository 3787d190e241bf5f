import java.lang.reflect.Method;
import java.util.TreeSet;

/** Names of the properties that the release on the class path takes from `broker.conf`: `MixAll.properties2Object`. */
public final class PropertyNames {
    private PropertyNames() {
    }

    public static void main(String[] args) throws Exception {
        TreeSet<String> names = new TreeSet<>();
        of(names, "org.apache.rocketmq.common.BrokerConfig");
        of(names, "org.apache.rocketmq.store.config.MessageStoreConfig");
        of(names, "org.apache.rocketmq.remoting.netty.NettyServerConfig");
        of(names, "org.apache.rocketmq.remoting.netty.NettyClientConfig");
        try {
            of(names, "org.apache.rocketmq.auth.config.AuthConfig");
        } catch (ClassNotFoundException before_5_3_0) {
            // Nothing to add.
        }
        names.forEach(System.out::println);
    }

    private static void of(TreeSet<String> names, String bean) throws ClassNotFoundException {
        for (Method method : Class.forName(bean).getMethods()) {
            String name = method.getName();
            if (name.startsWith("set") && name.length() > 3 && method.getParameterCount() == 1) {
                names.add(name.substring(3, 4).toLowerCase() + name.substring(4));
            }
        }
    }
}
