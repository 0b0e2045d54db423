"""Runs segment-analytics-python. What it does not report to on_error it
believes delivered, once shutdown has returned."""

import datetime
import json
import logging
import sys

from segment.analytics.client import Client


def calls(plan, client):
    """Makes the calls of the plan; yields what the client made of each."""
    if plan["mode"] == "load":
        for n in range(plan["events"]):
            yield client.track(f"user-{n % 7}", "Load", {"name": plan["name"], "n": n})
        return
    when = datetime.datetime(2024, 1, 2, 3, 4, 5, 678000, tzinfo=datetime.timezone.utc)
    order = {"revenue": 39.95, "items": [1, 2], "nested": {"a": None}, "text": 'één → 日本 " \\ </script>', "n": 1}
    yield client.identify("u1", {"email": "a@b.c", "plan": "pro", "n": 0})
    yield client.track("u1", "Order Completed", order, context={"ip": "203.0.113.7"}, timestamp=when,
                       integrations={"All": True, "Salesforce": False})
    yield client.page(anonymous_id="anon1", category="Docs", name="Home", properties={"n": 2})
    yield client.screen(anonymous_id="anon1", name="Main", properties={"n": 3})
    yield client.group("u1", "g1", {"name": "Initech", "n": 4})
    yield client.alias("old1", "u1")
    yield client.track("u1", "Own Id", {"n": 6}, message_id=f"own-{plan['name']}")


def main(plan):
    logging.getLogger("segment").setLevel(logging.CRITICAL)  # on_error tells the same
    failed = {}

    def on_error(err, batch):
        for message in batch:
            failed[message["messageId"]] = str(err)

    size = 5 if plan["mode"] == "load" else 100
    client = Client(plan["writeKey"], host=plan["host"], gzip=plan["gzip"], on_error=on_error, upload_size=size)
    events = []
    for n, (queued, message) in enumerate(calls(plan, client)):
        if not queued:
            failed[message["messageId"]] = "the queue is full"
        events.append({"n": n, "type": message["type"], "messageId": message["messageId"]})
    client.shutdown()
    for event in events:
        event["reason"] = failed.get(event["messageId"], "")
        event["outcome"] = "failed" if event["messageId"] in failed else "delivered"
    json.dump({"events": events}, sys.stdout)


main(json.loads(sys.argv[1]))
