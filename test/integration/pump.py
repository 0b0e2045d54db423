"""Takes messages out of an SQS queue until it has seen a number of records, and
prints their bodies.

usage: pump.py QUEUE-URL RECORDS
"""

import json
import sys
import time

import boto3


def main(queue, records):
    sqs, bodies, seen, end = boto3.client("sqs"), [], 0, time.monotonic() + 120
    while seen < int(records):
        if time.monotonic() > end:
            raise SystemExit(f"{seen} records in two minutes, not {records}")
        got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        for m in got:
            bodies.append(m["Body"])
            seen += len(json.loads(m["Body"]).get("Records", []))
        if got:
            sqs.delete_message_batch(QueueUrl=queue, Entries=[{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(got)])
    print(json.dumps(bodies))


main(*sys.argv[1:])
