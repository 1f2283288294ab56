"""Faults 25 and 26: malformed protobuf and raw ZMTP abuse. The cluster answers on, and its memory stays bounded."""
import struct
import time

import harness
import rawzmtp
import wire
from harness import private_memory

MIB = 1 << 20
COUNT = "reveille.v1.SegmentService/Count"


def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def nested(field, depth):
    body = b""
    for _ in range(depth):
        body = varint(field << 3 | 2) + varint(len(body)) + body
    return body


class Faults(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        harness.without_huge_pages()

    def setUp(self):
        super().setUp()
        self.c = self.cluster(workers=1, partitions=4).start()
        self.c.import_csv("contacts", "contact,country\na,DE\nb,FR\n")
        self.coordinator = self.c.members()["coordinator"]

    def answers(self):
        with wire.Client(self.c.endpoint) as client:
            self.assertEqual(client.count("country = 'DE'"), 1)
        self.assertEqual(self.c.members()["coordinator"], self.coordinator, "the coordinator was restarted")

    def corpus(self):
        count = wire.segment_pb2.CountRequest(filter="country = 'DE'", options={"as_of_ms": 5, "parameters": [{"name": "x"}]}).SerializeToString()
        batch = wire.append([("k", 5, "purchase", "e", 1, "s")] * 3, wire.uuid7()).SerializeToString()
        append = "reveille.v1.EventService/Append"
        yield from ((COUNT, nested(f, d)) for f in (1, 2, 3, 15) for d in (40, 10000))
        yield append, nested(2, 10000)
        yield append, b"\x12\x00" * (MIB // 2)  # a million empty sub-messages
        yield append, b"\x12" + varint(MIB - 10) + b"\x3a\x00" * ((MIB - 10) // 2)
        yield COUNT, b"\xf8\x07\x01" * (MIB // 3)  # unknown fields
        yield COUNT, b"\x12" + varint(MIB - 12) + b"\x1a\x00" * ((MIB - 12) // 2)
        yield COUNT, b"\x0a\x04\xf0\x28\x8c\x28"  # not UTF-8
        yield append, b"\x12\x06\x32\x04\x18" + varint(1 << 31)[:3]
        yield append, wire.append([("k", 5, "purchase", "e", 1, "s")]).SerializeToString().replace(b"\x18\x04", b"\x18" + varint(1 << 31))
        yield COUNT, b"\x0b" * 5000  # groups
        yield COUNT, b"\xff" * 5000
        yield COUNT, b"\x12" + varint((1 << 32) - 1)
        for method, good in ((COUNT, count), (append, batch)):
            yield from ((method, good[:n]) for n in range(1, len(good), 3))
            for _ in range(200):
                bad = bytearray(good)
                for _ in range(self.random.randrange(1, 4)):
                    bad[self.random.randrange(len(bad))] ^= 1 << self.random.randrange(8)
                yield method, bytes(bad)

    @staticmethod
    def timed(client, method, body):
        begin = time.monotonic()
        header, _ = client.reply(client.send(method, body))
        return header, time.monotonic() - begin

    def test_25_malformed_protobuf_gets_an_answer_at_once(self):
        self.answers()
        before, slow, limit = private_memory(self.coordinator), [], 0.010 * harness.SLOW * harness.slowness()
        with wire.Client(self.c.endpoint) as client:
            for method, body in self.corpus():
                header, took = self.timed(client, method, body)
                if header.status.code == wire.status_pb2.CODE_INVALID_ARGUMENT:
                    # Another process may have had the processor, once or twice: slow is what is never answered in time.
                    for _ in range(50):
                        if took > limit:
                            took = self.timed(client, method, body)[1]
                    if took > limit:
                        slow.append((took, method, body[:16]))
                if header.status.code:
                    self.assertNotIn(header.status.code, (wire.status_pb2.CODE_INTERNAL, wire.status_pb2.CODE_UNKNOWN), str(header.status))
                    self.assertTrue(header.status.message)
        self.assertEqual(slow, [], f"not answered within {1000 * limit:.0f} ms")
        self.assertLess(private_memory(self.coordinator) - before, 16 * MIB + harness.MEMORY_SLACK)
        self.answers()

    def test_25_headers_of_any_shape(self):
        header = wire.envelope_pb2.RequestHeader(method=COUNT, request_id=b"header", kind=wire.CALL, timeout_ms=9, traceparent="t").SerializeToString()
        before = private_memory(self.coordinator)
        with wire.Client(self.c.endpoint) as client:
            for _ in range(400):
                bad = bytearray(header)
                for _ in range(self.random.randrange(1, 4)):
                    bad[self.random.randrange(len(bad))] ^= 1 << self.random.randrange(8)
                client.socket.send_multipart([b"", b"RVL1", bytes(bad), b""])
            client.socket.send_multipart([b"", b"RVL1", nested(1, 10000), b""])
            client.socket.send_multipart([b"", b"RVL1", b"\x0a" + varint(MIB) + b"m" * MIB, b""])
            self.assertEqual(client.count("country = 'DE'"), 1)
        self.assertLess(private_memory(self.coordinator) - before, 16 * MIB + harness.MEMORY_SLACK)
        self.answers()

    def bounded(self, before, what):
        self.assertLess(private_memory(self.coordinator) - before, 32 * MIB + harness.MEMORY_SLACK, what)
        self.answers()

    def test_26_claims_of_size_are_not_believed(self):
        before = private_memory(self.coordinator)
        peers = [rawzmtp.Peer(self.c.endpoint) for _ in range(20)]
        for peer in peers:
            peer.send(struct.pack(">BQ", rawzmtp.LONG, 1 << 30) + b"x" * 100)
        self.bounded(before, "20 frames that claim 1 GiB")
        self.assertTrue(all(p.cut() for p in peers), "a frame that claims 1 GiB cuts its connection")

    def test_26_large_empty_and_miscounted_frames(self):
        before = private_memory(self.coordinator)
        for size, cut in ((2 * MIB, False), (5 * MIB, True)):
            peer = rawzmtp.Peer(self.c.endpoint)
            peer.send(rawzmtp.frame(b"", rawzmtp.MORE) + rawzmtp.frame(b"RVL1", rawzmtp.MORE) + rawzmtp.frame(b"h", rawzmtp.MORE))
            peer.send(rawzmtp.frame(b"x" * size))
            self.assertTrue(not cut or peer.cut(), f"{size} bytes are above the limit of a frame")
            peer.close()
        peer = rawzmtp.Peer(self.c.endpoint)
        for frames in range(1, 60):
            peer.send(rawzmtp.frame(b"", rawzmtp.MORE) * (frames - 1) + rawzmtp.frame(b""))
        peer.send(rawzmtp.frame(b"", rawzmtp.MORE) * 100000 + rawzmtp.frame(b""))
        peer.close()
        self.bounded(before, "frames of no bytes and in wrong numbers")

    def test_26_greetings_that_lead_nowhere(self):
        before = private_memory(self.coordinator)
        for start in (b"", b"\xff", rawzmtp.GREETING[:30], b"GET / HTTP/1.1\r\n\r\n", rawzmtp.GREETING, b"\x00" * 64):
            peer = rawzmtp.Peer(self.c.endpoint, handshake=False)
            peer.send(start)
            self.answers()
            peer.close()
        self.bounded(before, "half a greeting")

    def test_26_endless_more_frames(self):
        """One message that never ends: at most 256 MiB are sent, in frames of 64 KiB."""
        before, peer = private_memory(self.coordinator), rawzmtp.Peer(self.c.endpoint)
        part = rawzmtp.frame(b"x" * 65536, rawzmtp.MORE)
        peak, sent = 0, 0
        while sent < 256 * MIB and peer.send(part):
            sent += len(part)
            if sent % MIB < len(part):
                peak = max(peak, private_memory(self.coordinator) - before)
        self.assertLess(peak, 32 * MIB + harness.MEMORY_SLACK, f"of {sent / MIB:.0f} MiB sent")
        self.assertTrue(sent < 256 * MIB or peer.cut(), "the connection is cut")
        peer.close()
        self.bounded(before, "an endless message")
