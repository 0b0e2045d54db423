"""Makes calls through boto3, each [service, operation, parameters], and tells
as JSON what came of each: the code of the refusal, "" if there was none."""

import json
import sys

import boto3
from botocore.exceptions import ClientError


def ask(service, operation, parameters):
    try:
        getattr(boto3.client(service), operation)(**parameters)
    except ClientError as e:
        # radosgw's refusals of AssumeRole are not in the form that boto3 knows.
        return e.response.get("Error", {}).get("Code") or str(e.response["ResponseMetadata"]["HTTPStatusCode"])
    return ""


json.dump([ask(*call) for call in json.loads(sys.argv[1])], sys.stdout)
