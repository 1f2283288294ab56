"""The public protocol as any client speaks it: python3-zmq, python3-protobuf, and classes generated from proto/."""
import itertools
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import zmq

ROOT = pathlib.Path(__file__).resolve().parents[2]
_generated = tempfile.TemporaryDirectory(prefix="reveille-pb2-")
subprocess.run(["protoc", "-I", str(ROOT / "proto"), f"--python_out={_generated.name}",
                *map(str, sorted((ROOT / "proto").glob("reveille/v1/*.proto")))], check=True)
sys.path.insert(0, _generated.name)
from reveille.v1 import (cluster_pb2, company_pb2, contact_pb2, envelope_pb2, event_pb2, schema_pb2, segment_pb2,  # noqa: E402,F401
                         status_pb2, value_pb2, write_pb2)

V = value_pb2
CALL, DATA, END, CANCEL, CREDIT = (envelope_pb2.KIND_CALL, envelope_pb2.KIND_DATA, envelope_pb2.KIND_END,
                                   envelope_pb2.KIND_CANCEL, envelope_pb2.KIND_CREDIT)


class CallError(Exception):
    def __init__(self, status):
        self.status = status
        self.code = status_pb2.Code.Name(status.code).removeprefix("CODE_")
        self.reasons = [d.reason for d in status.details]
        super().__init__(f"{self.code} {self.reasons}: {status.message}")


class Client:
    def __init__(self, endpoint, timeout=120.0):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RECONNECT_IVL, 20)
        self.socket.connect(endpoint)
        self.timeout = timeout
        self.ids = itertools.count(1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.context.destroy(linger=0)

    def send(self, method, request=b"", kind=CALL, seq=0, request_id=None, timeout_ms=0):
        """One request frame; returns its request id."""
        request_id = request_id or b"%d" % next(self.ids)
        header = envelope_pb2.RequestHeader(method=method, request_id=request_id, kind=kind, seq=seq, timeout_ms=timeout_ms)
        body = request if isinstance(request, bytes) else request.SerializeToString()
        self.socket.send_multipart([b"", b"RVL1", header.SerializeToString(), body])
        return request_id

    def receive(self, timeout=None):
        """The next reply, as (header, body), or None when none came in time."""
        limit = self.timeout if timeout is None else timeout
        if not self.socket.poll(max(0, int(limit * 1000))):
            return None
        frames = self.socket.recv_multipart()
        assert len(frames) == 4 and frames[0] == b"" and frames[1] == b"RVL1", frames
        return envelope_pb2.ReplyHeader.FromString(frames[2]), frames[3]

    def reply(self, request_id, timeout=None):
        """The next reply to this request; replies to others are dropped."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            got = self.receive(deadline - time.monotonic())
            if got is None:
                raise TimeoutError(f"no reply to {request_id!r}")
            if got[0].request_id == request_id:
                return got

    def call(self, method, request, response_type, timeout=None):
        header, body = self.reply(self.send("reveille.v1." + method, request), timeout)
        if header.status.code:
            raise CallError(header.status)
        return response_type.FromString(body)

    def stream(self, method, request, response_type):
        """All messages of a server stream; grants credit as they come."""
        name = "reveille.v1." + method
        request_id = self.send(name, request)
        while True:
            header, body = self.reply(request_id)
            if header.status.code:
                raise CallError(header.status)
            yield response_type.FromString(body)
            if not header.more:
                return
            self.send(name, kind=CREDIT, seq=1, request_id=request_id)

    def count(self, filter_text="", **options):
        return self.call("SegmentService/Count", segment_pb2.CountRequest(filter=filter_text, options=options),
                         segment_pb2.CountResponse).count


def uuid7():
    """A producer: a UUIDv7, 16 bytes."""
    raw = bytearray(int(time.time() * 1000).to_bytes(6, "big") + os.urandom(10))
    raw[6] = raw[6] & 0x0F | 0x70
    raw[8] = raw[8] & 0x3F | 0x80
    return bytes(raw)


def strings(values):
    data = [v.encode() if isinstance(v, str) else v for v in values]
    return V.StringColumn(data=b"".join(data), lengths=[len(d) for d in data])


def text_column(name, values):
    return V.Column(name=name, type=V.VALUE_TYPE_STRING, strings=strings(values))


def event_batch(rows):
    """rows: (contact, time in ms, type, id, coefficient of `value` with two decimals, source)."""
    keys = sorted({r[0] for r in rows})
    types = sorted({r[2] for r in rows})
    return write_pb2.EventBatch(
        contact_keys=strings(keys), contacts=[keys.index(r[0]) for r in rows], times_ms=[r[1] for r in rows],
        type_names=types, types=[types.index(r[2]) for r in rows],
        event_id=text_column("event", [r[3] for r in rows]), source=text_column("source", [r[5] for r in rows]),
        properties=[V.Column(name="value", type=V.VALUE_TYPE_DECIMAL, scale=2, ints=[r[4] for r in rows])])


def append(rows, producer=None, sequence=1):
    identity = write_pb2.WriteIdentity(producer=producer, sequence=sequence) if producer else None
    return event_pb2.AppendRequest(identity=identity, batch=event_batch(rows))
