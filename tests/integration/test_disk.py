"""Faults 17, 20 and 22: what goes missing, comes back older or has no room. No answer is lower without saying so, what is
refused is named with its place, and a disk with room again is used again."""
import os
import shutil
import subprocess
import time

import harness
import wire

ROUNDS = int(os.environ.get("RV_KILLS", "5"))
PURCHASES = "sum(count(purchase))"


class Disk(harness.TestCase):
    def write(self, c, first, last, source="s", size=0):
        """40 events for each of the writes first to last - 1; every one is acknowledged."""
        with wire.Client(c.endpoint) as client:
            for i in range(first, last):
                rows = [(f"k{i * 7 + j:04d}", 1_650_000_000_000 + j, "purchase", f"u{j}" + "y" * size, 100 + j, source) for j in range(40)]
                client.call("EventService/Append", wire.append(rows, wire.uuid7(), 1), wire.event_pb2.AppendResponse)

    def purchases(self, c):
        return c.json("aggregate", "--compute", PURCHASES)["rows"][0][PURCHASES]

    def test_22_what_is_missing_or_older_is_named_and_never_a_lower_answer(self):
        c = self.cluster(workers=2, partitions=4).start()
        self.write(c, 0, 10)
        c.down()
        early, late, worker = c.dir / "early", c.dir / "late", c.data / "worker-1"
        shutil.copytree(c.data, early)
        c.up()
        self.write(c, 10, 20)
        c.cli("cluster", "compact", "--wait")
        self.write(c, 20, 30)
        held = [name for name, member in c.placement().items() if member == "worker-1"]
        c.kill()
        shutil.copytree(c.data, late)

        def older(name):
            shutil.rmtree(worker / name)
            shutil.copytree(early / "worker-1" / name, worker / name)

        cases = [
            ("wal/data.mdb' is missing", lambda: (worker / "wal/data.mdb").unlink()),
            ("wal/data.mdb' is missing", lambda: shutil.rmtree(worker / "wal")),
            ("older copy", lambda: older("wal")),
            ("worker' is missing", lambda: (worker / "worker").unlink()),
            ("older than the log", lambda: older(held[0])),
            (f"{held[0]}' is missing", lambda: shutil.rmtree(worker / held[0])),
            ("is missing", lambda: (worker / held[0]).rename(c.data / "worker-2" / held[0])),
        ]
        for what, break_it in cases:
            c.kill()
            shutil.rmtree(c.data)
            shutil.copytree(late, c.data)
            break_it()
            up = c.run(*c.up_args())
            self.assertNotEqual(up.code, 0, what)
            self.assertIn(what, up.err)
            answer = c.run("aggregate", "--compute", PURCHASES)
            self.assertNotEqual(answer.code, 0, f"{what}: {answer}")
        c.kill()
        shutil.rmtree(c.data)
        shutil.copytree(late, c.data)
        c.up()
        self.assertEqual(self.purchases(c), 30 * 40)

    def test_partitions_change_workers_though_killed_at_any_moment(self):
        c = self.cluster(workers=2, partitions=12).start()
        written = 0
        for number in range(ROUNDS):
            self.write(c, written, written + 10)
            written += 10
            c.kill() if number % 2 else c.down()
            workers = [3, 1, 4, 2][number % 4]
            up = subprocess.Popen(c.command(*c.up_args(workers)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            at = time.monotonic() + self.random.uniform(0, 0.5)
            harness.wait(lambda: time.monotonic() > at or up.poll() is not None, "the moment of the kill")
            up.kill()
            up.wait()
            c.kill()
            c.up(workers)
            self.assertEqual(self.purchases(c), written * 40, f"round {number}, {workers} workers")
            self.assertEqual(len(c.placement()), 12)
