"""Compares the rows below a prefix of a bucket with the rows of the original
JSON file, as multisets. Numbers are compared as they were written, so a value
that was read and printed again in another way would be noticed. What strm
adds, strmMeta, is taken off (and has to be there, or not, as told)."""

import collections
import gzip
import json
import sys

import boto3


def row(value):
    return tuple(sorted(value.items()))


def main(source, bucket, prefix, meta):
    exact = {"parse_float": str, "parse_int": str}
    with open(source, encoding="utf-8") as f:
        want = collections.Counter(row(r) for r in json.load(f, **exact))
    got = collections.Counter()
    objects = 0
    s3 = boto3.client("s3")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            if body[:2] == b"\x1f\x8b":
                body = gzip.decompress(body)
            if body:
                objects += 1
            for line in body.decode("utf-8").splitlines():
                value = json.loads(line, **exact)
                if ("strmMeta" in value) != (meta == "meta"):
                    raise SystemExit(f"{entry['Key']}: strmMeta is not as expected: {line[:300]}")
                value.pop("strmMeta", None)
                got[row(value)] += 1
    missing, extra = want - got, got - want
    json.dump({
        "rows": sum(want.values()),
        "delivered": sum(got.values()),
        "objects": objects,
        "missing": sum(missing.values()),
        "extra": sum(extra.values()),
        "examples": [str(r) for r in list(missing)[:3] + list(extra)[:3]],
    }, sys.stdout)


main(*sys.argv[1:])
