"""Reads deliveries with the CloudEvents SDK (PyPI `cloudevents`) and prints what it read.

A line of the input file is a delivery: {"headers": {…}, "body": "…"} of a webhook, or {"body": "…"}
of an MQTT message, which has no headers in MQTT 3.1.1. The SDK raises where one is not CloudEvents.
"""
import json
import sys

from cloudevents.core.bindings.http import HTTPMessage, from_http
from cloudevents.core.formats.json import JSONFormat

for line in open(sys.argv[1], encoding="utf-8"):
    delivery = json.loads(line)
    body = delivery["body"].encode()
    if "headers" in delivery:
        event = from_http(HTTPMessage(delivery["headers"], body), JSONFormat())
    else:
        event = JSONFormat().read(None, body)
    read = {
        "specversion": event.get_specversion(),
        "id": event.get_id(),
        "source": event.get_source(),
        "type": event.get_type(),
        "subject": event.get_subject(),
        "seconds": event.get_time().timestamp(),
        "datacontenttype": event.get_datacontenttype(),
        "data": event.get_data(),
    }
    print(json.dumps(read), flush=True)
