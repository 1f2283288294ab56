"""kill -9 at random moments of an import: what was acknowledged is there, and a repetition makes the whole exact.

A producer appends batches with write identities over the wire, several in flight, and records what was acknowledged; a killer
strikes a worker, the coordinator or everything after a random number of acknowledgements. RV_KILLS sets the number of rounds
(default 3; `tests/run long` takes 20).
"""
import os
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
        self.complete = threading.Event()

    def batch(self, source):
        draw = self.random
        return [(f"k{draw.randrange(CONTACTS):05d}", BASE_MS + draw.randrange(10**9), "purchase", f"e{i}", draw.randrange(1, 10**6), source)
                for i in range(EVENTS)]

    def send_all(self, stop, seconds=60):
        """Sends every batch until it is wholly acknowledged; ends early when `stop` is set."""
        deadline = time.monotonic() + seconds * harness.SLOW
        with wire.Client(self.cluster.endpoint) as client:
            waiting, todo = {}, [b for b in range(BATCHES) if len(self.acked.get(b, ())) < EVENTS]
            while (todo or waiting) and not stop.is_set():
                if time.monotonic() > deadline:
                    raise AssertionError(f"batches {todo} {list(waiting.values())} are not acknowledged after {seconds} s")
                while todo and len(waiting) < WINDOW:
                    b = todo.pop(0)
                    request = wire.append(self.batches[b], self.id, b + 1)
                    waiting[client.send("reveille.v1.EventService/Append", request, timeout_ms=5000)] = b
                got = client.receive(0.05)
                if got is None:
                    continue
                header, body = got
                b = waiting.pop(header.request_id, None)
                if b is None:
                    continue
                if header.status.code == 0:
                    self.note(b, wire.event_pb2.AppendResponse.FromString(body).result)
                elif header.status.code not in RETRYABLE:
                    raise wire.CallError(header.status)
                if len(self.acked.get(b, ())) < EVENTS:
                    todo.append(b)
            if not todo and not waiting:
                self.complete.set()

    def note(self, b, result):
        done = self.acked.setdefault(b, set())
        for part in result.partitions:
            if part.status.code == 0:
                done.update(part.items or range(EVENTS))

    def total(self):
        return sum(row[4] for batch in self.batches for row in batch)


class Kill(harness.TestCase):
    def presence(self, c, producer):
        """How many events of each batch are there."""
        exprs = [f"sum(count(purchase where source = '{batch[0][5]}'))" for batch in producer.batches]
        row = c.json("aggregate", "--compute", ", ".join(exprs))["rows"][0]
        return [row[e] for e in exprs]

    def strike(self, c, producer, victims):
        """Lets the import run until a random number of batches is acknowledged, then kills."""
        stop, moment = threading.Event(), self.random.randrange(1, BATCHES // 2)  # so that there is more to come
        sender = threading.Thread(target=producer.send_all, args=(stop,))
        sender.start()
        try:
            harness.wait(lambda: len(producer.acked) >= moment or not sender.is_alive(), "the import gets going")
            threading.Event().wait(self.random.uniform(0, 0.01))
            during = not producer.complete.is_set()
            c.kill(*victims)
        finally:
            stop.set()
            sender.join()
        return during

    def rounds(self, victims_of):
        c = self.cluster(workers=2, partitions=8).start()
        rows = coefficients = struck = 0
        for number in range(ROUNDS):
            producer = Producer(c, number, self.random)
            struck += self.strike(c, producer, victims_of())
            c.up()
            there = self.presence(c, producer)
            for b in range(BATCHES):
                acked = len(producer.acked.get(b, ()))
                self.assertGreaterEqual(there[b], acked, f"round {number}: batch {b}: acknowledged events are gone")
                self.assertLessEqual(there[b], EVENTS, f"round {number}: batch {b}: events stand twice")
            producer.acked.clear()
            producer.send_all(threading.Event())
            rows, coefficients = rows + BATCHES * EVENTS, coefficients + producer.total()
            self.assertEqual(self.presence(c, producer), [EVENTS] * BATCHES)
            total = c.json("aggregate", "--compute", "sum(count(purchase)), sum(sum(value of purchase))")["rows"][0]
            self.assertEqual(total["sum(count(purchase))"], rows)
            self.assertEqual(total["sum(sum(value of purchase))"] * 100, coefficients)
        self.assertGreaterEqual(struck * 2, ROUNDS, "most kills must fall into the import, or they show nothing")
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
        rows = [(f"e{i}", f"k{i % 997:05d}", 1_600_000_000 + i, self.random.randrange(1, 10**5)) for i in range(200_000)]
        file = c.write("events.csv", "event,contact,at,type,value\n" +
                       "".join(f"{e},{k},{t},purchase,{v // 100}.{v % 100:02d}\n" for e, k, t, v in rows))
        for _ in range(ROUNDS):
            up_to = self.random.randrange(1, len(rows) // 2)
            importer = subprocess.Popen(c.command("import", "events", file), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                harness.wait(lambda: importer.poll() is not None or self.stored(c) >= up_to, "the import gets going", 60)
            finally:
                importer.kill()
                importer.wait()
                c.kill()
            c.up()
        c.cli("import", "events", file)
        answer = c.json("aggregate", "--compute", "count, sum(count(purchase)), sum(sum(value of purchase))")["rows"][0]
        self.assertEqual(answer["count"], 997)
        self.assertEqual(answer["sum(count(purchase))"], len(rows))
        self.assertEqual(answer["sum(sum(value of purchase))"] * 100, sum(r[3] for r in rows))

    def stored(self, c):
        answer = c.run("cluster", "status", "--format", "json")
        return sum(p["events"] for p in answer.json()["partitions"]) if answer.code == 0 else 0
