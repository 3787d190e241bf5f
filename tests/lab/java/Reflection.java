import java.lang.reflect.Field;
import java.lang.reflect.Method;

/** Reaches what releases name alike, whatever their types are. */
final class Reflection {
    private Reflection() {
    }

    static Class<?> any(String... names) throws ClassNotFoundException {
        for (String name : names) {
            try {
                return Class.forName(name);
            } catch (ClassNotFoundException in_another_package) {
                continue;
            }
        }
        throw new ClassNotFoundException(names[0]);
    }

    static Object make(String name) throws Exception {
        return Class.forName(name).getDeclaredConstructor().newInstance();
    }

    /** Sets a property as the broker does; one that the release does not know is passed over. */
    static void set(Object bean, String key, String value) throws Exception {
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

    static Object call(Object on, String name) throws Exception {
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

    static Object field(Object of, String name) throws Exception {
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

    static String quoted(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char letter : text.toCharArray()) {
            quoted.append(letter < 0x20 || letter > 0x7e || letter == '"' || letter == '\\'
                ? String.format("\\u%04x", (int) letter) : String.valueOf(letter));
        }
        return quoted.append('"').toString();
    }

    /** The method of that name, with those types or, without any, whatever it takes. */
    static Method method(Class<?> of, String name, Class<?>... types) throws NoSuchMethodException {
        for (Class<?> type = of; type != null; type = type.getSuperclass()) {
            for (Method method : type.getDeclaredMethods()) {
                if (method.getName().equals(name) && (types.length == 0 || java.util.Arrays.equals(method.getParameterTypes(), types))) {
                    method.setAccessible(true);
                    return method;
                }
            }
        }
        throw new NoSuchMethodException(of + "." + name);
    }
}
