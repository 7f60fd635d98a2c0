"""The mock cluster of librdkafka, which speaks Kafka's protocol over the loopback interface, and a real
consumer that reads back what it holds.

    kafka_mock.py BROKERS

prints a list of the brokers' addresses, as JSON, and then answers each line of its input, a list of a
command and its arguments, with a line of its output. It ends with its input.
"""

import base64
import ctypes
import glob
import json
import os
import sys

import confluent_kafka
import confluent_kafka.admin
import kafka_sasl

# Keys of requests (protocol guide, "Api Keys").
PRODUCE = 0


def library():
    """librdkafka as the wheel brings it along, with the types of what is used of it."""
    folder = os.path.dirname(confluent_kafka.__file__) + ".libs"
    (path,) = glob.glob(os.path.join(folder, "librdkafka-*.so*"))
    kafka = ctypes.CDLL(path)
    text, number, pointer = ctypes.c_char_p, ctypes.c_int32, ctypes.c_void_p
    for name, result, arguments in [
        ("rd_kafka_new", pointer, [number, pointer, text, ctypes.c_size_t]),
        ("rd_kafka_mock_cluster_new", pointer, [pointer, number]),
        ("rd_kafka_mock_cluster_bootstraps", text, [pointer]),
        ("rd_kafka_mock_topic_create", number, [pointer, text, number, number]),
        ("rd_kafka_mock_topic_set_error", None, [pointer, text, number]),
        ("rd_kafka_mock_partition_set_leader", number, [pointer, text, number, number]),
        ("rd_kafka_mock_broker_set_down", number, [pointer, number]),
        ("rd_kafka_mock_broker_set_up", number, [pointer, number]),
        ("rd_kafka_mock_broker_set_rtt", number, [pointer, number, number]),
        ("rd_kafka_mock_broker_set_host_port", None, [pointer, number, text, number]),
        (
            "rd_kafka_mock_push_request_errors_array",
            None,
            [pointer, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(number)],
        ),
        # The rest of its arguments are errors, and none of them is declared.
        (
            "rd_kafka_mock_partition_push_request_errors",
            number,
            [pointer, text, number, ctypes.c_int16, ctypes.c_size_t],
        ),
        ("rd_kafka_mock_set_apiversion", number, [pointer, ctypes.c_int16] + [ctypes.c_int16] * 2),
    ]:
        function = getattr(kafka, name)
        function.restype, function.argtypes = result, arguments
    return kafka


class Cluster:
    """A cluster, and what a test may do to it. Brokers are numbered from 1."""

    def __init__(self, brokers):
        self.kafka = library()
        complaint = ctypes.create_string_buffer(512)
        client = self.kafka.rd_kafka_new(0, None, complaint, len(complaint))
        assert client, complaint.value
        self.cluster = self.kafka.rd_kafka_mock_cluster_new(client, brokers)
        assert self.cluster, "no cluster"
        self.brokers = self.kafka.rd_kafka_mock_cluster_bootstraps(self.cluster).decode().split(",")
        self.advertised = {}

    def mock(self, function, *arguments):
        arguments = [a.encode() if isinstance(a, str) else a for a in arguments]
        error = getattr(self.kafka, "rd_kafka_mock_" + function)(self.cluster, *arguments)
        assert not error, f"{function}{arguments}: error {error}"

    def create(self, topic, partitions):
        self.mock("topic_create", topic, partitions, len(self.brokers))

    def topic_error(self, topic, error):
        self.mock("topic_set_error", topic, error)

    def leader(self, topic, partition, broker):
        """Moves a partition; to broker -1, it has no leader."""
        self.mock("partition_set_leader", topic, partition, broker)

    def down(self, broker):
        self.mock("broker_set_down", broker)

    def up(self, broker):
        self.mock("broker_set_up", broker)

    def advertise(self, broker, host, port):
        """Where the cluster says that a broker is."""
        self.advertised[broker] = (host, port)
        self.mock("broker_set_host_port", broker, host, port)

    def produce_errors(self, errors):
        """The next Produce requests fail with these errors, one after the other."""
        self.mock(
            "push_request_errors_array", PRODUCE, len(errors), (ctypes.c_int32 * len(errors))(*errors)
        )

    def partition_errors(self, topic, partition, errors):
        """The same for one partition alone."""
        self.mock(
            "partition_push_request_errors",
            topic,
            partition,
            PRODUCE,
            len(errors),
            *[ctypes.c_int32(error) for error in errors],
        )

    def delay(self, milliseconds):
        """All answers take this long."""
        self.mock("broker_set_rtt", -1, milliseconds)

    def produce(self, topic, keys):
        """Puts a record for each key, with the partitioner of the Java client."""
        producer = confluent_kafka.Producer(
            {"bootstrap.servers": ",".join(self.brokers), "partitioner": "murmur2"}
        )
        for key in keys:
            producer.produce(topic, key=key, value=key)
        assert producer.flush(30) == 0

    def produce_versions(self, least, most):
        self.mock("set_apiversion", PRODUCE, least, most)

    def records(self, topic):
        """Everything that the topic holds, by partition and in order; read from the brokers themselves,
        whatever stands between them and others."""
        for broker in self.advertised:
            host, port = self.brokers[broker - 1].rsplit(":", 1)
            self.mock("broker_set_host_port", broker, host, int(port))
        try:
            return self.read(topic)
        finally:
            for broker, (host, port) in self.advertised.items():
                self.mock("broker_set_host_port", broker, host, port)

    def read(self, topic):
        consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": ",".join(self.brokers),
                "group.id": "judge",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "check.crcs": True,
            }
        )
        try:
            partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
            waiting = set(partitions)
            consumer.assign(
                [confluent_kafka.TopicPartition(topic, partition, 0) for partition in partitions]
            )
            records = []
            while waiting:
                message = consumer.poll(30)
                assert message, f"no end of the partitions {waiting}"
                if not message.error():
                    records.append(record(message))
                elif message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                    waiting.discard(message.partition())
                else:
                    raise confluent_kafka.KafkaException(message.error())
        finally:
            consumer.close()
        return sorted(records, key=lambda record: (record["partition"], record["offset"]))

    def gate(self, mechanism, user, password, certificate=None, key=None):
        """A listener of broker 1 that asks for a login, over TLS if it has a certificate; the cluster then
        says that the broker is there."""
        host, port = self.brokers[0].rsplit(":", 1)
        gate = kafka_sasl.Gate((host, int(port)), mechanism, user, password, certificate, key)
        self.advertise(1, "127.0.0.1", gate.port)
        return gate.port

    def login(self, port, mechanism, user, password):
        """Whether librdkafka gets through a gate."""
        client = confluent_kafka.admin.AdminClient(
            {
                "bootstrap.servers": f"127.0.0.1:{port}",
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": mechanism,
                "sasl.username": user,
                "sasl.password": password,
            }
        )
        try:
            client.list_topics(timeout=5)
        except confluent_kafka.KafkaException:
            return False
        return True


def record(message):
    timestamp_type, timestamp = message.timestamp()
    return {
        "partition": message.partition(),
        "offset": message.offset(),
        "key": message.key() and message.key().decode(),
        "value": base64.b64encode(message.value()).decode(),
        "headers": {name: value.decode() for name, value in message.headers() or []},
        "timestamp": timestamp if timestamp_type == confluent_kafka.TIMESTAMP_CREATE_TIME else None,
    }


def main():
    cluster = Cluster(int(sys.argv[1]))
    print(json.dumps(cluster.brokers), flush=True)
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        print(json.dumps(getattr(cluster, command)(*arguments)), flush=True)


main()
