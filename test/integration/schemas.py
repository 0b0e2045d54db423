"""Values as Confluent's own serializers write them, and as its deserializers read
them. Arrays of bytes are base64.

  schemas.py produce URL FILE N    registers schemas with the registry at URL, and
                                   writes N values of each, one a line
  schemas.py judge URL FILE LINES  reads the same values back and compares them with
                                   the JSON lines; prints {"compared", "kinds", "differences"}
"""

import base64
import datetime
import decimal
import json
import random
import string
import struct
import sys
import uuid

from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

USER = """{"type": "record", "name": "User", "namespace": "shop", "fields": [
  {"name": "name", "type": "string"},
  {"name": "friends", "type": {"type": "array", "items": "User"}, "default": []}]}"""

ORDER = """{"type": "record", "name": "Order", "namespace": "shop", "fields": [
  {"name": "nothing", "type": "null"},
  {"name": "yes", "type": "boolean"},
  {"name": "i", "type": "int"},
  {"name": "l", "type": "long"},
  {"name": "f", "type": "float"},
  {"name": "d", "type": "double"},
  {"name": "s", "type": "string"},
  {"name": "b", "type": "bytes"},
  {"name": "fixed", "type": {"type": "fixed", "name": "Four", "size": 4}},
  {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW", "PAID", "SENT"]}},
  {"name": "maybe", "type": ["null", "string"], "default": null},
  {"name": "any", "type": ["null", "long", "string", {"type": "array", "items": "double"}]},
  {"name": "tags", "type": {"type": "map", "values": ["null", "int"]}},
  {"name": "matrix", "type": {"type": "array", "items": {"type": "array", "items": "int"}}},
  {"name": "day", "type": {"type": "int", "logicalType": "date"}},
  {"name": "t_millis", "type": {"type": "int", "logicalType": "time-millis"}},
  {"name": "t_micros", "type": {"type": "long", "logicalType": "time-micros"}},
  {"name": "ts_millis", "type": {"type": "long", "logicalType": "timestamp-millis"}},
  {"name": "ts_micros", "type": {"type": "long", "logicalType": "timestamp-micros"}},
  {"name": "lts_millis", "type": {"type": "long", "logicalType": "local-timestamp-millis"}},
  {"name": "lts_micros", "type": {"type": "long", "logicalType": "local-timestamp-micros"}},
  {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 4}},
  {"name": "total", "type": {"type": "fixed", "name": "Total", "size": 12, "logicalType": "decimal", "precision": 25, "scale": 2}},
  {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
  {"name": "by", "type": "shop.User"},
  {"name": "to", "type": ["null", "shop.User"]}]}"""

VIEW = """{"$schema": "http://json-schema.org/draft-07/schema#", "title": "View", "type": "object",
  "properties": {"page": {"type": "string"}, "n": {"type": "integer"}, "more": {}}, "required": ["page"]}"""


def text(r):
    alphabet = string.printable + "äß€\u2028\u0000\u0001\\\"/😀"
    return "".join(r.choice(alphabet) for _ in range(r.randrange(12)))


def user(r, depth=0):
    return {"name": text(r), "friends": [user(r, depth + 1) for _ in range(r.randrange(3) if depth < 3 else 0)]}


def moment(r, step):
    at = datetime.datetime(1900, 1, 1) + datetime.timedelta(microseconds=r.randrange(200 * 365 * 86400 * 10**6))
    return at.replace(microsecond=at.microsecond // step * step)


def number(r, digits, scale):
    return decimal.Decimal(r.randrange(-10**digits, 10**digits)).scaleb(-scale, decimal.Context(prec=40))


def order(r):
    utc = datetime.timezone.utc
    return {
        "nothing": None, "yes": r.random() < 0.5,
        "i": r.choice([0, -1, 2**31 - 1, -(2**31), r.randrange(1000)]), "l": r.choice([0, 2**63 - 1, -(2**63), r.getrandbits(53)]),
        "f": struct.unpack("f", struct.pack("f", r.uniform(-1e6, 1e6)))[0], "d": r.choice([0.0, 1e300, -1e-300, r.random(), r.uniform(-1e25, 1e25)]),
        "s": text(r), "b": r.randbytes(r.randrange(20)), "fixed": r.randbytes(4), "state": r.choice(["NEW", "PAID", "SENT"]),
        "maybe": r.choice([None, text(r)]), "any": r.choice([None, r.getrandbits(40), text(r), [r.random()] * r.randrange(3)]),
        "tags": {text(r): r.choice([None, r.randrange(9)]) for _ in range(r.randrange(6))},
        "matrix": [[r.randrange(-9, 9)] * r.randrange(3) for _ in range(r.randrange(3))],
        "day": moment(r, 1).date(), "t_millis": moment(r, 1000).time(), "t_micros": moment(r, 1).time(),
        "ts_millis": moment(r, 1000).replace(tzinfo=utc), "ts_micros": moment(r, 1).replace(tzinfo=utc),
        "lts_millis": moment(r, 1000), "lts_micros": moment(r, 1),
        "price": number(r, 20, 4), "total": number(r, 25, 2), "id": str(uuid.UUID(int=r.getrandbits(128))),
        "by": user(r), "to": r.choice([None, user(r)]),
    }


def view(r):
    return {"page": text(r), "n": r.randrange(-9, 9), "more": [{"a": text(r)}, None, True, r.random()]}


def context(kind):
    return SerializationContext(kind, MessageField.VALUE)


def produce(url, path, n):
    registry = SchemaRegistryClient({"url": url})
    registry.register_schema("users", Schema(USER, "AVRO"))
    write = {
        "orders": (AvroSerializer(registry, Schema(ORDER, "AVRO", [SchemaReference("shop.User", "users", 1)])), order),
        "views": (JSONSerializer(VIEW, registry), view),
    }
    r = random.Random(7)
    with open(path, "w") as out:
        for kind, (serialize, make) in write.items():
            for _ in range(int(n)):
                out.write(f"{kind} {base64.b64encode(serialize(make(r), context(kind))).decode()}\n")


def plain(name, value):
    """What docs/topics.md says becomes of a value."""
    if isinstance(value, dict):
        return {k: plain(k, v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(name, v) for v in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, decimal.Decimal):
        return f"{value:f}"
    if isinstance(value, uuid.UUID):
        return str(value)
    spec = "milliseconds" if name.endswith("_millis") else "microseconds"
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None).isoformat(timespec=spec) + ("Z" if value.tzinfo else "")
    if isinstance(value, datetime.time):
        return value.replace(tzinfo=None).isoformat(timespec=spec)
    if isinstance(value, datetime.date):
        return value.isoformat()
    return value


def same(name, want, got):
    if type(want) is not type(got) and not {type(want), type(got)} <= {int, float}:
        return False
    if isinstance(want, dict):
        return want.keys() == got.keys() and all(same(k, want[k], got[k]) for k in want)
    if isinstance(want, list):
        return len(want) == len(got) and all(same(name, a, b) for a, b in zip(want, got))
    if name == "f" and isinstance(want, float):  # written so short that it reads back as the same four bytes
        return struct.pack("f", want) == struct.pack("f", got)
    return want == got


def once(pairs):
    keys = [k for k, _ in pairs]
    assert len(keys) == len(set(keys)), f"a key twice among {keys}"
    return dict(pairs)


def judge(url, path, lines):
    registry = SchemaRegistryClient({"url": url})
    read = {"orders": AvroDeserializer(registry), "views": JSONDeserializer(None, schema_registry_client=registry)}
    fields = [f["name"] for f in json.loads(ORDER)["fields"]]
    kinds, differences = {}, []
    with open(path) as values, open(lines, newline="\n") as out:
        for value, line in zip(values, out, strict=True):
            kind, packed = value.split()
            want = plain("", read[kind](base64.b64decode(packed), context(kind)))
            got = json.loads(line, object_pairs_hook=once)
            kinds[kind] = kinds.get(kind, 0) + 1
            ordered = kind != "orders" or list(got) == fields and list(got["tags"]) == sorted(got["tags"], key=str.encode)
            if not ordered or not same("", want, got):
                differences.append({"want": want, "got": got})
    print(json.dumps({"compared": sum(kinds.values()), "kinds": kinds, "differences": differences[:3]}))


{"produce": produce, "judge": judge}[sys.argv[1]](*sys.argv[2:])
