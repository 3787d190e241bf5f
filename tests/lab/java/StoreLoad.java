import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.security.MessageDigest;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import java.util.TreeMap;

/**
 * Lets the real store code of whatever release is on the class path load stores, and prints what it then holds in memory.
 *
 * A request is a line of tab separated words (see RealStore.build). The answer is a line of JSON behind "@". A store that ends the
 * process ends this one. The request "start" starts the store that was loaded last, and has it end by itself behind the answer.
 */
public class StoreLoad {
    private static final PrintStream OUT = System.out;
    /** Between two looks at a store that dispatches. */
    private static final long LOOK_MS = 50;
    /** Looks at which nothing has moved, after which dispatch is taken for stuck; for at its end. */
    private static final int STUCK_LOOKS = 40;
    private static final int END_LOOKS = 3;
    private static final long START_MS = 60_000;
    private static Object store;
    private static String mode;

    public static void main(String[] args) throws Exception {
        System.setOut(System.err);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String answer;
            boolean isStart = line.equals("start");
            try {
                answer = isStart ? start() : load(line.split("\t"));
            } catch (Throwable thrown) {
                Throwable cause = thrown instanceof InvocationTargetException && thrown.getCause() != null ? thrown.getCause() : thrown;
                answer = "{\"load\":\"threw\",\"why\":" + Reflection.quoted(cause.toString()) + "}";
            }
            OUT.println("@" + answer);
            OUT.flush();
            if (isStart) {
                end(store);
            }
        }
        Runtime.getRuntime().halt(0);
    }

    /** A store takes seconds to end, and may fail at it: its directory is soon gone. */
    private static void end(Object started) {
        Thread ending = new Thread(() -> {
            try {
                Reflection.call(started, "shutdown");
            } catch (Exception of_a_store_that_nobody_needs) {
                of_a_store_that_nobody_needs.printStackTrace();
            }
        }, "end");
        ending.setDaemon(true);
        ending.start();
    }

    private static String load(String[] words) throws Exception {
        mode = words[1];
        store = RealStore.build(words);
        if (mode.equals("controller")) {
            // As the broker does before it loads: nobody has made it a master yet. The first releases do not know it.
            Object flags = Reflection.call(store, "getRunningFlags");
            for (Method method : flags.getClass().getMethods()) {
                if (method.getName().equals("makeFenced")) {
                    method.invoke(flags, true);
                }
            }
        }
        boolean isLoaded = (Boolean) Reflection.call(store, "load");
        StringJoiner json = new StringJoiner(",", "{", "}");
        json.add("\"load\":" + isLoaded);
        if (isLoaded) {
            json.add("\"max\":" + Reflection.call(store, "getMaxPhyOffset"));
            json.add("\"end\":" + end());
            json.add("\"min\":" + Reflection.call(store, "getMinPhyOffset"));
            json.add("\"confirm\":" + Reflection.call(Reflection.call(store, "getCommitLog"), "getConfirmOffset"));
            if (mode.equals("dledger")) {
                json.add("\"ledger\":" + ledger());
            }
            json.add("\"queues\":" + queues());
        }
        return json.toString();
    }

    /** Starts the loaded store, and waits until dispatch is at the end of the log or nothing moves any more. */
    private static String start() throws Exception {
        Object log = Reflection.call(store, "getCommitLog");
        Object server = mode.equals("dledger") ? Reflection.call(log, "getdLedgerServer") : null;
        if (server != null) {
            RealStore.hurryElection(server);
        }
        Throwable[] thrown = new Throwable[1];
        Thread starting = new Thread(() -> {
            try {
                Reflection.call(store, "start");
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
                return "{\"start\":\"threw\",\"why\":" + Reflection.quoted(thrown[0].toString()) + "}";
            }
            if (System.currentTimeMillis() > end) {
                return "{\"start\":\"timeout\"}";
            }
            Thread.sleep(LOOK_MS);
            if (!isConfirmed && !starting.isAlive()) {
                // As a broker does that has become the master and has no slaves.
                store.getClass().getMethod("setConfirmOffset", long.class).invoke(store, Reflection.call(store, "getMaxPhyOffset"));
                isConfirmed = true;
            }
            String now = Reflection.field(Reflection.field(store, "reputMessageService"), "reputFromOffset") + " " + starting.isAlive();
            isAtEnd = !starting.isAlive() && ((Number) Reflection.call(store, "dispatchBehindBytes")).longValue() <= 0;
            if (server != null) {
                Object kept = Reflection.field(log, "dLedgerFileStore");
                Object last = Reflection.call(kept, "getLedgerEndIndex");
                Object committed = Reflection.call(kept, "getCommittedIndex");
                boolean isLeader = (Boolean) Reflection.call(Reflection.call(server, "getMemberState"), "isLeader");
                isAtEnd &= isLeader && (last.equals(-1L) || last.equals(committed));
                // What is not committed cannot be dispatched: no leader, no progress.
                now += isLeader ? " " + committed : " " + System.nanoTime();
            }
            still = now.equals(before) ? still + 1 : 0;
            before = now;
        }
        if (server != null && isAtEnd) {
            // As a broker does that has become the leader and has caught up.
            Reflection.call(store, "recoverTopicQueueTable");
        }
        return "{\"start\":" + !starting.isAlive() + ",\"at_end\":" + isAtEnd
            + ",\"reput\":" + Reflection.field(Reflection.field(store, "reputMessageService"), "reputFromOffset") + ",\"queues\":" + queues() + "}";
    }

    /** The end of the log, committed or not. */
    private static Object end() throws Exception {
        if (!mode.equals("dledger")) {
            return Reflection.call(store, "getMaxPhyOffset");
        }
        Object data = Reflection.field(Reflection.field(Reflection.call(store, "getCommitLog"), "dLedgerFileStore"), "dataFileList");
        return Reflection.call(data, "getMaxWrotePosition");
    }

    /** DLedger's own numbers, by the names of the forecast. */
    private static String ledger() throws Exception {
        Object kept = Reflection.field(Reflection.call(store, "getCommitLog"), "dLedgerFileStore");
        return "{\"begin_index\":" + Reflection.call(kept, "getLedgerBeginIndex") + ",\"end_index\":" + Reflection.call(kept, "getLedgerEndIndex")
            + ",\"committed_index\":" + Reflection.call(kept, "getCommittedIndex") + ",\"committed_offset\":" + Reflection.call(kept, "getCommittedPos")
            + ",\"end_offset\":" + end() + "}";
    }

    private static String queues() throws Exception {
        Object table;
        try {
            table = Reflection.call(store, "getConsumeQueueTable");
        } catch (NoSuchMethodException in_its_own_store) {
            table = Reflection.call(Reflection.field(store, "consumeQueueStore"), "getConsumeQueueTable");
        }
        Map<?, ?> next = nextOffsets("topicQueueTable"), nextOfBatches = nextOffsets("batchTopicQueueTable");
        TreeMap<String, String> found = new TreeMap<>();
        for (Map.Entry<?, ?> topic : ((Map<?, ?>) table).entrySet()) {
            for (Map.Entry<?, ?> queue : ((Map<?, ?>) topic.getValue()).entrySet()) {
                boolean isBatch = queue.getValue().getClass().getSimpleName().equals("BatchConsumeQueue");
                Object offset = (isBatch ? nextOfBatches : next).get(topic.getKey() + "-" + queue.getKey());
                found.put(topic.getKey() + "/" + queue.getKey(), queue(queue.getValue(), offset));
            }
        }
        StringJoiner json = new StringJoiner(",", "{", "}");
        found.forEach((name, queue) -> json.add(Reflection.quoted(name) + ":" + queue));
        return json.toString();
    }

    /** What the next message of each queue gets; the table has wandered from class to class. */
    private static Map<?, ?> nextOffsets(String table) throws Exception {
        for (String keeper : new String[] {"queueOffsetOperator", "queueOffsetAssigner"}) {
            try {
                return (Map<?, ?>) Reflection.field(Reflection.field(Reflection.field(store, "consumeQueueStore"), keeper), table);
            } catch (NoSuchFieldException elsewhere) {
                continue;
            }
        }
        for (Object keeper : new Object[] {Reflection.call(store, "getCommitLog"), store}) {
            try {
                return (Map<?, ?>) Reflection.field(keeper, table);
            } catch (NoSuchFieldException elsewhere) {
                continue;
            }
        }
        return Collections.emptyMap();
    }

    private static String queue(Object queue, Object next) throws Exception {
        List<?> files = (List<?>) Reflection.call(Reflection.field(queue, "mappedFileQueue"), "getMappedFiles");
        MessageDigest sha1 = MessageDigest.getInstance("SHA-1");
        StringJoiner wrote = new StringJoiner(",", "{", "}");
        long units = 0;
        for (Object file : files) {
            int length = ((Number) Reflection.call(file, "getWrotePosition")).intValue();
            String name = (String) Reflection.call(file, "getFileName");
            wrote.add(Reflection.quoted(name) + ":" + length);
            units += length / (name.contains("/batchconsumequeue/") ? 46 : 20);
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
            physical = Reflection.call(queue, "getMaxPhysicOffset");
        } catch (NoSuchMethodException of_a_batch_queue) {
            physical = Reflection.field(queue, "maxMsgPhyOffsetInCommitLog");
        }
        return "{\"next\":" + next + ",\"min\":" + Reflection.call(queue, "getMinOffsetInQueue") + ",\"max\":" + Reflection.call(queue, "getMaxOffsetInQueue")
            + ",\"physical\":" + physical + ",\"files\":" + files.size() + ",\"units\":" + units + ",\"wrote\":" + wrote + ",\"sha1\":\"" + digest + "\"}";
    }
}
