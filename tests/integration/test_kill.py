"""kill -9 in the middle of an import: what was acknowledged is there, and a repetition makes the whole exact.

A producer appends batches with write identities over the wire, WINDOW of them in flight, and records what was acknowledged. It
strikes itself: a worker, the coordinator or everything, once a random number of batches is acknowledged, WINDOW batches are out
and others are still unsent. So every kill falls into the import on any machine; a pause of a random part of the time that a
window takes there only shifts how far the batches in flight have come. The command line's import runs through a relay that stops
before the whole file can have passed. RV_KILLS sets the number of rounds (default 3; `tests/run long` takes 20).
"""
import os
import select
import socket
import subprocess
import threading
import time

import harness
import wire

ROUNDS = int(os.environ.get("RV_KILLS", "3"))
BATCHES, EVENTS, CONTACTS, WINDOW = 60, 120, 400, 4
RETRYABLE = (4, 8, 14)  # DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE: again, with the same identity
BASE_MS = 1_600_000_000_000


class Producer:
    """Batches of one round, each named by its source, so that its presence can be counted."""

    def __init__(self, cluster, number, random):
        self.cluster, self.random, self.id = cluster, random, wire.uuid7()
        self.batches = [self.batch(f"r{number}b{b}") for b in range(BATCHES)]
        self.acked = {}  # batch -> set of indices known to be durable
        self.waiting, self.todo = {}, []  # request -> batch; batches to be sent

    def batch(self, source):
        draw = self.random
        return [(f"k{draw.randrange(CONTACTS):05d}", BASE_MS + draw.randrange(10**9), "purchase", f"e{i}", draw.randrange(1, 10**6), source)
                for i in range(EVENTS)]

    def whole(self, b):
        return len(self.acked.get(b, ())) == EVENTS

    def done(self):
        return sum(self.whole(b) for b in range(BATCHES))

    def fill(self, client):
        while self.todo and len(self.waiting) < WINDOW:
            b = self.todo.pop(0)
            request = wire.append(self.batches[b], self.id, b + 1)
            self.waiting[client.send("reveille.v1.EventService/Append", request, timeout_ms=int(5000 * harness.SLOW))] = b

    def take(self, client, seconds):
        """One reply, if it comes in time; what is not wholly acknowledged is to be sent again."""
        got = client.receive(seconds)
        b = self.waiting.pop(got[0].request_id, None) if got else None
        if b is None:
            return bool(got)
        status, body = got[0].status, got[1]
        if status.code == 0:
            self.note(b, wire.event_pb2.AppendResponse.FromString(body).result)
        elif status.code not in RETRYABLE:
            raise wire.CallError(status)
        if not self.whole(b):
            self.todo.append(b)
        return True

    def send_until(self, client, enough):
        """Sends and takes answers until enough() with a full window, or until everything is acknowledged."""
        deadline = time.monotonic() + 120 * harness.SLOW
        self.todo = [b for b in range(BATCHES) if not self.whole(b)]
        self.fill(client)
        while (self.todo or self.waiting) and not enough():
            if time.monotonic() > deadline:
                raise AssertionError(f"batches {self.todo} {list(self.waiting.values())} are not acknowledged")
            self.take(client, 0.05)
            self.fill(client)

    def send_all(self):
        self.waiting = {}
        with wire.Client(self.cluster.endpoint) as client:
            self.send_until(client, lambda: False)

    def send_and_strike(self, moment, kill):
        """Sends until `moment` batches are acknowledged, strikes, and takes the answers that came before the end. Returns how many
        batches were in flight and how many unsent at the stroke."""
        with wire.Client(self.cluster.endpoint) as client:
            begin = time.monotonic()
            self.send_until(client, lambda: self.done() >= moment)
            state = len(self.waiting), len(self.todo)
            window_seconds = (time.monotonic() - begin) / moment * WINDOW
            threading.Event().wait(self.random.uniform(0, window_seconds))
            kill()
            while self.take(client, 0.05):
                pass
        return state

    def note(self, b, result):
        done = self.acked.setdefault(b, set())
        for part in result.partitions:
            if part.status.code == 0:
                done.update(part.items or range(EVENTS))

    def total(self):
        return sum(row[4] for batch in self.batches for row in batch)


class Relay:
    """One connection to the cluster, through which `limit` bytes pass towards it and then nothing any more, in either direction."""

    def __init__(self, endpoint, limit):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = "tcp://127.0.0.1:%d" % self.listener.getsockname()[1]
        host, port = endpoint.removeprefix("tcp://").split(":")
        self.cluster = socket.create_connection((host, int(port)))
        self.limit, self.full, self.over = limit, threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.pass_on)
        self.thread.start()

    def pass_on(self):
        try:
            self.listener.settimeout(60 * harness.SLOW)
            with self.listener.accept()[0] as client:
                left = self.limit
                while left:
                    for ready in select.select([client, self.cluster], [], [])[0]:
                        data = ready.recv(min(65536, left) if ready is client else 65536)
                        if not data:
                            return
                        (self.cluster if ready is client else client).sendall(data)
                        left -= len(data) if ready is client else 0
                self.full.set()
                self.over.wait()  # both connections stay open
        except OSError:
            pass  # an end went away: `full` is not set, which the test sees

    def close(self):
        self.over.set()
        for s in (self.listener, self.cluster):
            s.close()
        self.thread.join()


class Kill(harness.TestCase):
    def presence(self, c, producer):
        """How many events of each batch are there."""
        exprs = [f"sum(count(purchase where source = '{batch[0][5]}'))" for batch in producer.batches]
        row = c.json("aggregate", "--compute", ", ".join(exprs))["rows"][0]
        return [row[e] for e in exprs]

    def rounds(self, victims_of):
        c = self.cluster(workers=2, partitions=8).start()
        rows = coefficients = 0
        for number in range(ROUNDS):
            producer, victims = Producer(c, number, self.random), victims_of()
            flying, unsent = producer.send_and_strike(self.random.randrange(1, BATCHES - WINDOW), lambda: c.kill(*victims))
            self.assertEqual(flying, WINDOW)
            self.assertGreater(unsent, 0, "the kill falls into the import")
            c.up()
            there = self.presence(c, producer)
            for b in range(BATCHES):
                acked = len(producer.acked.get(b, ()))
                self.assertGreaterEqual(there[b], acked, f"round {number}: batch {b}: acknowledged events are gone")
                self.assertLessEqual(there[b], EVENTS, f"round {number}: batch {b}: events stand twice")
            producer.acked.clear()
            producer.send_all()
            rows, coefficients = rows + BATCHES * EVENTS, coefficients + producer.total()
            self.assertEqual(self.presence(c, producer), [EVENTS] * BATCHES)
            total = c.json("aggregate", "--compute", "sum(count(purchase)), sum(sum(value of purchase))")["rows"][0]
            self.assertEqual(total["sum(count(purchase))"], rows)
            self.assertEqual(total["sum(sum(value of purchase))"] * 100, coefficients)
        c.kill()
        c.up()
        self.assertEqual(c.json("aggregate", "--compute", "sum(count(purchase))")["rows"][0]["sum(count(purchase))"], rows)

    def test_a_worker_is_killed(self):
        self.rounds(lambda: [self.random.choice(["worker-1", "worker-2"])])

    def test_the_coordinator_is_killed(self):
        self.rounds(lambda: ["coordinator"])

    def test_everything_is_killed(self):
        self.rounds(lambda: [])

    def test_an_import_by_the_command_line_is_killed_with_its_cluster_and_repeated(self):
        c = self.cluster(workers=2, partitions=8).start()
        rows = [(f"event-number-{i:012d}", f"k{i % 997:05d}", 1_600_000_000 + i, self.random.randrange(1, 10**5)) for i in range(100_000 * ROUNDS)]
        file = c.write("events.csv", "event,contact,at,type,value\n" +
                       "".join(f"{e},{k},{t},purchase,{v // 100}.{v % 100:02d}\n" for e, k, t, v in rows))
        share = sum(len(row[0]) for row in rows) // ROUNDS  # the ids alone are more bytes than all rounds together let through
        for _ in range(ROUNDS):
            relay = Relay(c.endpoint, self.random.randrange(1, share))
            importer = subprocess.Popen([harness.BIN / "reveille", "--endpoint", relay.endpoint, "import", "events", file],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                harness.wait(lambda: relay.full.is_set() or importer.poll() is not None, "the import gets going")
                self.assertIsNone(importer.poll(), "an import that cannot send its file goes on")
            finally:
                importer.kill()
                importer.wait()
                c.kill()
                relay.close()
            c.up()
        c.cli("import", "events", file)
        answer = c.json("aggregate", "--compute", "count, sum(count(purchase)), sum(sum(value of purchase))")["rows"][0]
        self.assertEqual(answer["count"], 997)
        self.assertEqual(answer["sum(count(purchase))"], len(rows))
        self.assertEqual(answer["sum(sum(value of purchase))"] * 100, sum(r[3] for r in rows))
