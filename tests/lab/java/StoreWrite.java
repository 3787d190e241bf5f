import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Writes stores with the real store code of whatever release is on the class path, several at a time.
 *
 * A request is a line of tab separated words as for StoreLoad, with what to write behind "write." (see RandomMessages, and here count,
 * expireAt, expireFiles, settleMs, flush, end). The answer is a line of JSON behind "@", with the directory. A store to be killed is left as
 * it is, for somebody to copy; "end DIR" ends it then.
 */
public class StoreWrite {
    private static final PrintStream OUT = System.out;
    /** Stores at a time; each waits most of its time, for its leader or its end. */
    private static final int AT_A_TIME = 8;
    private static final long PUT_MS = 120_000;
    private static final long DISPATCH_MS = 5_000;
    private static final Map<String, Object> WRITTEN = new ConcurrentHashMap<>();

    public static void main(String[] args) throws Exception {
        System.setOut(System.err);
        ExecutorService writers = Executors.newFixedThreadPool(AT_A_TIME);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split("\t");
            if (words[0].equals("end")) {
                Object store = WRITTEN.remove(words[1]);
                writers.execute(() -> end(store));
            } else {
                writers.execute(() -> answer(words));
            }
        }
        Runtime.getRuntime().halt(0);
    }

    private static void end(Object store) {
        try {
            Reflection.call(store, "shutdown");
        } catch (Exception of_a_store_that_nobody_needs) {
            of_a_store_that_nobody_needs.printStackTrace();
        }
    }

    private static void answer(String[] words) {
        String why = "null";
        try {
            write(words);
        } catch (Throwable thrown) {
            Throwable cause = thrown instanceof InvocationTargetException && thrown.getCause() != null ? thrown.getCause() : thrown;
            why = Reflection.quoted(cause.toString());
        }
        synchronized (OUT) {
            OUT.println("@{\"dir\":" + Reflection.quoted(words[0]) + ",\"why\":" + why + "}");
            OUT.flush();
        }
    }

    private static void write(String[] words) throws Exception {
        Map<String, String> plan = new HashMap<>();
        for (String word : words) {
            if (word.startsWith("write.")) {
                plan.put(word.substring(6, word.indexOf('=')), word.substring(word.indexOf('=') + 1));
            }
        }
        Object store = RealStore.build(words);
        if (!(Boolean) Reflection.call(store, "load")) {
            throw new IllegalStateException("load() is false");
        }
        Object log = Reflection.call(store, "getCommitLog");
        if (words[1].equals("dledger")) {
            Object server = Reflection.call(log, "getdLedgerServer");
            RealStore.hurryElection(server);
            Reflection.set(Reflection.call(server, "getdLedgerConfig"), "checkPointInterval", plan.get("ledgerCheckpointMs"));
        }
        Reflection.call(store, "start");
        if (words[1].equals("controller")) {
            becomeMaster(store);
        }
        RandomMessages messages = new RandomMessages(plan);
        Class<?> inner = Reflection.any("org.apache.rocketmq.common.message.MessageExtBrokerInner", "org.apache.rocketmq.store.MessageExtBrokerInner");
        Method put = Reflection.method(store.getClass(), "putMessage", inner);
        int count = Integer.parseInt(plan.get("count")), expireAt = Integer.parseInt(plan.get("expireAt"));
        long pause = Long.parseLong(plan.get("pauseMs")), end = System.currentTimeMillis() + PUT_MS;
        for (int number = 0; number < count; number++) {
            if (number == expireAt) {
                dispatched(store);
                expire(store, log, words[1], Integer.parseInt(plan.get("expireFiles")));
            }
            Object message = messages.next(inner, number);
            for (Object done = put.invoke(store, message); !(Boolean) Reflection.call(done, "isOk"); done = put.invoke(store, message)) {
                // A group has no leader yet.
                if (System.currentTimeMillis() > end) {
                    throw new IllegalStateException("not put: " + Reflection.call(done, "getPutMessageStatus"));
                }
                Thread.sleep(20);
            }
            Thread.sleep(pause);
        }
        if (plan.get("dispatched").equals("true")) {
            dispatched(store);
        }
        Thread.sleep(Long.parseLong(plan.get("settleMs")));
        if (plan.get("flush").equals("true")) {
            Reflection.call(Reflection.call(store, "getStoreCheckpoint"), "flush");
        }
        if (plan.get("end").equals("clean")) {
            Reflection.call(store, "shutdown");
        } else {
            WRITTEN.put(words[0], store);
        }
    }

    private static void dispatched(Object store) throws Exception {
        long end = System.currentTimeMillis() + DISPATCH_MS;
        while (((Number) Reflection.call(store, "dispatchBehindBytes")).longValue() > 0 && System.currentTimeMillis() < end) {
            Thread.sleep(5);
        }
    }

    /** As for retention: the oldest segments go, then what points into them. */
    private static void expire(Object store, Object log, String mode, int count) throws Exception {
        boolean isLedger = mode.equals("dledger");
        Object files = isLedger ? Reflection.call(Reflection.field(log, "dLedgerFileStore"), "getDataFileList") : Reflection.field(log, "mappedFileQueue");
        List<?> all = (List<?>) Reflection.call(files, "getMappedFiles");
        List<?> old = new ArrayList<>(all.subList(0, Math.max(0, Math.min(count, all.size() - 2))));
        for (Object file : old) {
            Reflection.method(file.getClass(), "destroy", long.class).invoke(file, 0L);
        }
        Reflection.method(files.getClass(), isLedger ? "deleteExpiredFiles" : "deleteExpiredFile", List.class).invoke(files, old);
        Object cleaner;
        try {
            cleaner = Reflection.field(store, "cleanConsumeQueueService");
        } catch (NoSuchFieldException since_5_4_0) {
            cleaner = Reflection.field(Reflection.field(store, "consumeQueueStore"), "cleanConsumeQueueService");
        }
        Reflection.call(cleaner, "run");
    }

    /** Of a group without other brokers, as its controller makes it. */
    private static void becomeMaster(Object store) throws Exception {
        Object replication = Reflection.call(store, "getHaService");
        for (String setter : new String[] {"setLocalBrokerId", "setBrokerControllerId"}) {
            try {
                Reflection.method(replication.getClass(), setter, Long.class).invoke(replication, 1L);
            } catch (NoSuchMethodException of_other_releases) {
                continue;
            }
        }
        Reflection.method(replication.getClass(), "setSyncStateSet", Set.class).invoke(replication, new HashSet<>(Set.of(1L)));
        Reflection.method(replication.getClass(), "changeToMaster", int.class).invoke(replication, 1);
        Reflection.set(Reflection.call(store, "getMessageStoreConfig"), "brokerRole", "SYNC_MASTER");
        Object flags = Reflection.call(store, "getRunningFlags");
        Reflection.method(flags.getClass(), "makeFenced", boolean.class).invoke(flags, false);
    }
}
