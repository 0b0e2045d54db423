"""Shows a bucket through boto3, as JSON: for every object below a prefix its
key, size, CRC-32, type, encoding, encryption and lines. Reads gzip by its first
bytes, not by its name."""

import base64
import gzip
import json
import sys
import zlib

import boto3


def main(bucket, prefix):
    s3 = boto3.client("s3")
    out = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            got = s3.get_object(Bucket=bucket, Key=entry["Key"])
            body = got["Body"].read()
            text = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
            if text and not text.endswith(b"\n"):
                raise SystemExit(f"{entry['Key']}: the last line has no end")
            out.append({
                "key": entry["Key"],
                "size": entry["Size"],
                "read": len(body),
                "crc32": base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode(),
                "sse": got.get("ServerSideEncryption", ""),
                "kms": got.get("SSEKMSKeyId", ""),
                "type": got.get("ContentType", ""),
                "encoding": got.get("ContentEncoding", ""),
                "lines": text.decode("utf-8").splitlines(),
            })
    json.dump(out, sys.stdout)


main(*sys.argv[1:])
