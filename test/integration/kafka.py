"""Reads and writes topics with librdkafka, as others do who share them with strm.

consume BROKERS TOPIC COUNT     prints the first COUNT committed records as JSON
transactions BROKERS TOPIC      twenty transactions of ten events each, every second one
                                aborted; prints the committed ids as JSON
open BROKERS TOPIC              begins a transaction with ten events, prints a line, and
                                commits it when standard input ends
"""

import json
import sys

from confluent_kafka import Consumer, Producer, TopicPartition


def consume(brokers, topic, count):
    c = Consumer({"bootstrap.servers": brokers, "group.id": "python", "isolation.level": "read_committed", "enable.auto.commit": False})
    parts = c.list_topics(topic, timeout=30).topics[topic].partitions
    c.assign([TopicPartition(topic, p, 0) for p in parts])
    out = []
    while len(out) < int(count):
        m = c.poll(30)
        if m is None:
            raise SystemExit(f"only {len(out)} records within 30 s")
        if m.error():
            raise SystemExit(str(m.error()))
        out.append({"partition": m.partition(), "offset": m.offset(), "value": m.value().decode(), "kind": m.timestamp()[0]})
    c.close()
    json.dump(out, sys.stdout)


def producer(brokers, name):
    p = Producer({"bootstrap.servers": brokers, "transactional.id": name, "linger.ms": 0})
    p.init_transactions(60)
    return p


def event(n):
    return json.dumps({"id": n}).encode()


def transactions(brokers, topic):
    p = producer(brokers, "python-transactions")
    kept = []
    for i in range(20):
        ids = [f"{i}-{n}" for n in range(10)]
        p.begin_transaction()
        for n in ids:
            p.produce(topic, event(n))
        p.flush(60)
        if i % 2:
            p.abort_transaction(60)
        else:
            p.commit_transaction(60)
            kept += ids
    json.dump(kept, sys.stdout)


def open_one(brokers, topic):
    p = producer(brokers, "python-open")
    p.begin_transaction()
    for n in range(10):
        p.produce(topic, event(f"open-{n}"))
    p.flush(60)
    print("open", flush=True)
    sys.stdin.read()
    p.commit_transaction(60)


{"consume": consume, "transactions": transactions, "open": open_one}[sys.argv[1]](*sys.argv[2:])
