import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.ResponseCode;
import org.apache.rocketmq.remoting.protocol.admin.TopicOffset;
import org.apache.rocketmq.remoting.protocol.body.ClusterInfo;
import org.apache.rocketmq.remoting.protocol.route.BrokerData;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/**
 * Client of the broker that the lab drives: one command a line on stdin (words separated by tabs), one JSON object a
 * line on the real stdout. Whatever the client libraries print goes to stderr.
 *
 * <pre>
 * ready    BROKER_NAME BROKER_ADDR                 is it registered as master
 * create   BROKER_ADDR TOPIC QUEUES
 * produce  BROKER_NAME TOPIC,TOPIC QUEUES FIRST COUNT BODY   messages k-FIRST.. round robin over topics and queues
 * offsets  BROKER_ADDR                             the broker's own min and max of every queue
 * consume  GROUP BROKER_NAME TOPIC,TOPIC QUEUES COUNT        reads COUNT a queue from 0 and commits
 * delete   NAMESRV_ADDR BROKER_ADDR TOPIC
 * </pre>
 */
public class LabClient {
    private final String nameServer;
    private final DefaultMQAdminExt admin = new DefaultMQAdminExt(5000);
    private DefaultMQProducer producer;

    LabClient(String nameServer) throws Exception {
        this.nameServer = nameServer;
        admin.setNamesrvAddr(nameServer);
        admin.setInstanceName("lab-admin");
        admin.start();
    }

    public static void main(String[] args) throws Exception {
        PrintStream answers = System.out;
        System.setOut(System.err);
        LabClient client = new LabClient(args[0]);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String answer;
            try {
                answer = client.run(line.split("\t"));
            } catch (Throwable problem) {
                answer = "{\"error\":\"" + String.valueOf(problem).replaceAll("[\"\\\\\\p{Cntrl}]", " ") + "\"}";
            }
            answers.println(answer);
            answers.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    private String run(String[] words) throws Exception {
        switch (words[0]) {
            case "id": return id(words[1], words[2]);
            case "create": return create(words[1], words[2], Integer.parseInt(words[3]));
            case "produce": return produce(words[1], words[2].split(","), Integer.parseInt(words[3]),
                Integer.parseInt(words[4]), Integer.parseInt(words[5]), Integer.parseInt(words[6]));
            case "time": return time(words[1], words[2], Integer.parseInt(words[3]), Integer.parseInt(words[4]),
                Integer.parseInt(words[5]), Integer.parseInt(words[6]));
            case "offsets": return offsets(words[1]);
            case "consume": return consume(words[1], words[2], words[3].split(","), Integer.parseInt(words[4]),
                Integer.parseInt(words[5]));
            case "delete": return delete(words[1], words[2], words[3]);
            default: return "{\"error\":\"unknown command\"}";
        }
    }

    /** The id under which a broker that answers is registered, 0 being the master's; -1 if it is not. */
    private String id(String name, String address) throws Exception {
        ClusterInfo cluster = admin.examineBrokerClusterInfo();
        BrokerData data = cluster.getBrokerAddrTable() == null ? null : cluster.getBrokerAddrTable().get(name);
        long id = -1;
        if (data != null) {
            for (Map.Entry<Long, String> each : data.getBrokerAddrs().entrySet()) {
                id = each.getValue().equals(address) ? each.getKey() : id;
            }
        }
        if (id >= 0) {
            admin.fetchBrokerRuntimeStats(address);
        }
        return "{\"id\":" + id + "}";
    }

    private String create(String address, String topic, int queues) throws Exception {
        admin.createAndUpdateTopicConfig(address, new TopicConfig(topic, queues, queues, 6));
        return "{\"created\":\"" + topic + "\"}";
    }

    private String produce(String broker, String[] topics, int queues, int first, int count, int bodyLength)
        throws Exception {
        if (producer == null) {
            producer = new DefaultMQProducer("lab-producer");
            producer.setNamesrvAddr(nameServer);
            producer.setInstanceName("lab-producer");
            producer.setCompressMsgBodyOverHowmuch(Integer.MAX_VALUE);
            producer.setRetryTimesWhenSendFailed(0);
            producer.start();
        }
        for (int i = first; i < first + count; i++) {
            String topic = topics[i % topics.length];
            int queue = i / topics.length % queues;
            Message message = new Message(topic, "lab", "k-" + i, body(i, bodyLength));
            // The client's own unique key holds the address of the machine; this one says loopback.
            MessageAccessor.putProperty(message, MessageConst.PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX,
                String.format("7F000001%024X", i));
            send(message, new MessageQueue(topic, broker, queue));
        }
        return "{\"sent\":" + count + "}";
    }

    /** Puts one message after the other for so long, and tells how long each took (microseconds). */
    private String time(String broker, String topic, int queues, int first, int millis, int bodyLength)
        throws Exception {
        List<Long> took = new ArrayList<>();
        long end = System.nanoTime() + millis * 1_000_000L;
        while (System.nanoTime() < end) {
            int number = first + took.size();
            Message message = new Message(topic, "lab", "k-" + number, body(number, bodyLength));
            long began = System.nanoTime();
            send(message, new MessageQueue(topic, broker, number % queues));
            took.add((System.nanoTime() - began) / 1000);
        }
        Collections.sort(took);
        return "{\"sent\":" + took.size() + ",\"median\":" + took.get(took.size() / 2)
            + ",\"p99\":" + took.get(took.size() * 99 / 100) + "}";
    }

    /** A broker on a slow machine turns requests away before it looks at them; those are sent again. */
    private void send(Message message, MessageQueue queue) throws Exception {
        for (int left = 100; ; left--) {
            try {
                producer.send(message, queue);
                return;
            } catch (MQBrokerException problem) {
                if (problem.getResponseCode() != ResponseCode.SYSTEM_BUSY || left == 0) {
                    throw problem;
                }
                Thread.sleep(50);
            }
        }
    }

    private static byte[] body(int number, int length) {
        StringBuilder text = new StringBuilder();
        while (text.length() < length) {
            text.append("message ").append(number).append(" of the lab; ");
        }
        return text.substring(0, length).getBytes(StandardCharsets.US_ASCII);
    }

    private String offsets(String address) throws Exception {
        Set<String> topics = admin.getAllTopicConfig(address, 5000).getTopicConfigTable().keySet();
        Map<String, String> rows = new TreeMap<>();
        for (String topic : topics) {
            for (Map.Entry<MessageQueue, TopicOffset> row
                : admin.examineTopicStats(address, topic).getOffsetTable().entrySet()) {
                rows.put(topic + "/" + row.getKey().getQueueId(),
                    "[" + row.getValue().getMinOffset() + "," + row.getValue().getMaxOffset() + "]");
            }
        }
        StringBuilder json = new StringBuilder();
        rows.forEach((queue, pair) -> json.append(json.length() == 0 ? "" : ",")
            .append('"').append(queue).append("\":").append(pair));
        return "{\"queues\":{" + json + "}}";
    }

    private String consume(String group, String broker, String[] topics, int queues, int count) throws Exception {
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(group);
        consumer.setNamesrvAddr(nameServer);
        consumer.setInstanceName("lab-consumer");
        consumer.start();
        int read = 0;
        try {
            for (String topic : topics) {
                consumer.fetchSubscribeMessageQueues(topic);
                for (int queue = 0; queue < queues; queue++) {
                    MessageQueue from = new MessageQueue(topic, broker, queue);
                    long next = 0;
                    while (next < count) {
                        PullResult result = consumer.pull(from, "*", next, (int) Math.min(32, count - next));
                        if (result.getPullStatus() != PullStatus.FOUND) {
                            break;
                        }
                        read += result.getMsgFoundList().size();
                        next = result.getNextBeginOffset();
                    }
                    consumer.updateConsumeOffset(from, next);
                    consumer.getOffsetStore().persistAll(Collections.singleton(from));
                    admin.updateConsumeOffset(addressOf(broker), group, from, next);
                }
            }
        } finally {
            consumer.shutdown();
        }
        return "{\"consumed\":" + read + "}";
    }

    private String addressOf(String broker) throws Exception {
        return admin.examineBrokerClusterInfo().getBrokerAddrTable().get(broker).getBrokerAddrs().get(0L);
    }

    private String delete(String nameServer, String address, String topic) throws Exception {
        admin.deleteTopicInBroker(Collections.singleton(address), topic);
        admin.deleteTopicInNameServer(Collections.singleton(nameServer), topic);
        return "{\"deleted\":\"" + topic + "\"}";
    }
}
