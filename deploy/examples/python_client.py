"""A whole client in 40 lines: counts a segment and appends events, with nothing of ours but the .proto files.

  protoc -I proto --python_out=OUT proto/reveille/v1/*.proto
  PYTHONPATH=OUT /usr/bin/python3 deploy/examples/python_client.py tcp://127.0.0.1:7600 "country = 'DE'"
"""
import os
import sys
import time

import zmq
from reveille.v1 import envelope_pb2, event_pb2, segment_pb2, value_pb2, write_pb2


def call(socket, method, request, response):
    header = envelope_pb2.RequestHeader(method="reveille.v1." + method, request_id=os.urandom(8), timeout_ms=5000)
    socket.send_multipart([b"RVL1", header.SerializeToString(), request.SerializeToString()])
    _, header, body = socket.recv_multipart()
    status = envelope_pb2.ReplyHeader.FromString(header).status
    if status.code:
        sys.exit(f"{method}: {status.message}")
    response.ParseFromString(body)
    return response


def strings(*values):
    return value_pb2.StringColumn(data="".join(values).encode(), lengths=[len(v.encode()) for v in values])


socket = zmq.Context().socket(zmq.REQ)
socket.setsockopt(zmq.RCVTIMEO, 6000)
socket.connect(sys.argv[1])
now = int(time.time() * 1000)
batch = write_pb2.EventBatch(
    contact_keys=strings("python-1", "python-2"), contacts=[0, 1, 1], times_ms=[now, now, now], type_names=["purchase"],
    types=[0, 0, 0], event_id=value_pb2.Column(type=value_pb2.VALUE_TYPE_STRING, strings=strings("a", "b", "c")),
    properties=[value_pb2.Column(name="value", type=value_pb2.VALUE_TYPE_DECIMAL, scale=2, ints=[1999, 500, 250])])
result = call(socket, "EventService/Append", event_pb2.AppendRequest(batch=batch), event_pb2.AppendResponse()).result
print(f"appended {result.applied} events")
answer = call(socket, "SegmentService/Count", segment_pb2.CountRequest(filter=sys.argv[2]), segment_pb2.CountResponse())
print(f"counted {answer.count} contacts")
