"""Compares what an Airbyte source said with what is in a bucket, record by
record. Knows nothing of strm: formats are read by Python's own modules and by
pyarrow, objects by boto3.

usage: airbyte.py MESSAGES CATALOG.json BUCKET PREFIX
prints {"source": {stream: n}, "bucket": {stream: n}, "objects": n, "states": n, "differences": [...]}
"""

import collections
import csv
import datetime
import gzip
import io
import json
import sys

import boto3
import pyarrow.parquet

UTC = datetime.timezone.utc


class Number(str):
    """A number as it was written."""


def loads(text):
    return json.loads(text, parse_int=Number, parse_float=Number)


def instant(text):
    t = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (t.replace(tzinfo=UTC) if t.tzinfo is None else t.astimezone(UTC)).isoformat()


def plain(v):
    """A value in a form that can be compared, numbers by their value."""
    if isinstance(v, Number):
        return ("n", float(v))
    if isinstance(v, bool) or v is None or isinstance(v, str):
        return v
    if isinstance(v, (int, float)):
        return ("n", float(v))
    if isinstance(v, datetime.datetime):
        return instant(v.isoformat())
    if isinstance(v, dict):
        return tuple(sorted((k, plain(x)) for k, x in v.items() if x is not None))
    return tuple(plain(x) for x in v)


def typed(v, schema):
    """The same for what a typed column must hold."""
    if v is None:
        return None
    if schema.get("format") == "date-time":
        return instant(v)
    if isinstance(v, dict) and "properties" in schema:
        return tuple(sorted((k, typed(x, schema["properties"][k])) for k, x in v.items() if x is not None and k in schema["properties"]))
    return plain(v)


def cell(v):
    """What a cell of a flat CSV file holds."""
    if v is None:
        return ""
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, str):
        return str(v)
    return plain(v)


def read(key, body):
    """Yields id, time, kind and data of every record of an object."""
    if key.endswith(".gz"):
        key, body = key[:-3], gzip.decompress(body)
    if key.endswith(".jsonl"):
        for line in body.decode().split("\n")[:-1]:
            r = loads(line)
            yield r["_airbyte_raw_id"], int(r["_airbyte_extracted_at"]), "json", r["_airbyte_data"]
    elif key.endswith(".csv"):
        csv.field_size_limit(1 << 30)
        for r in csv.DictReader(io.StringIO(body.decode(), newline="")):
            if "_airbyte_data" in r:
                yield r["_airbyte_raw_id"], int(r["_airbyte_extracted_at"]), "json", loads(r["_airbyte_data"])
            else:
                yield r["_airbyte_raw_id"], int(r["_airbyte_extracted_at"]), "cells", {k: v for k, v in r.items() if not k.startswith("_airbyte_")}
    elif key.endswith(".parquet"):
        for r in pyarrow.parquet.read_table(io.BytesIO(body)).to_pylist():
            at = r["_airbyte_extracted_at"]
            at = at if at.tzinfo else at.replace(tzinfo=UTC)
            yield r["_airbyte_raw_id"], round(at.timestamp() * 1000), "typed", {k: v for k, v in r.items() if not k.startswith("_airbyte_")}
    else:
        raise ValueError(key)


def main(messages, catalog, bucket, prefix):
    schemas = {s["stream"]["name"]: s["stream"]["json_schema"]["properties"] for s in json.load(open(catalog))["streams"]}
    said, states = collections.defaultdict(list), 0
    for line in open(messages, newline="\n"):
        try:
            m = loads(line)
        except ValueError:
            continue
        if m.get("type") == "RECORD":
            said[m["record"]["stream"]].append((int(m["record"]["emitted_at"]), m["record"]["data"]))
        states += m.get("type") == "STATE"

    s3, ids, objects = boto3.client("s3"), set(), 0
    stored, differences, kinds = collections.defaultdict(list), [], set()
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for o in page.get("Contents", []):
            objects += 1
            stream = o["Key"][len(prefix):].split("/")[0]
            for id, at, kind, data in read(o["Key"], s3.get_object(Bucket=bucket, Key=o["Key"])["Body"].read()):
                if id in ids:
                    differences.append(f"{o['Key']}: id {id} comes twice")
                ids.add(id)
                kinds.add(kind)
                stored[stream].append((at, data))

    for stream in sorted(set(said) | set(stored)):
        columns = schemas[stream]

        def wanted(at, data):
            if kinds == {"json"}:
                return at, plain(data)
            if kinds == {"cells"}:
                return at, tuple((c, cell(data.get(c))) for c in sorted(columns))
            return at, tuple((c, typed(data.get(c), columns[c])) for c in sorted(columns))

        def found(at, data):
            if kinds == {"json"}:
                return at, plain(data)
            if kinds == {"cells"}:
                nested = {c for c, s in columns.items() if {"object", "array"} & set([s["type"]] if isinstance(s["type"], str) else s["type"])}
                return at, tuple((c, plain(loads(data[c])) if c in nested and data[c] else data[c]) for c in sorted(columns))
            return at, tuple((c, plain(data[c])) for c in sorted(columns))

        want, got = collections.Counter(wanted(*r) for r in said[stream]), collections.Counter(found(*r) for r in stored[stream])
        for r in list((want - got).elements())[:3]:
            differences.append(f"{stream}: missing {r}")
        for r in list((got - want).elements())[:3]:
            differences.append(f"{stream}: not said {r}")
    print(json.dumps({
        "source": {k: len(v) for k, v in said.items()}, "bucket": {k: len(v) for k, v in stored.items()},
        "objects": objects, "states": states, "differences": differences,
    }))


main(*sys.argv[1:])
