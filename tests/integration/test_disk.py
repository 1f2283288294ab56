"""Faults 17, 20 and 22: what goes missing, comes back older or has no room. No answer is lower without saying so, what is
refused is named with its place, and a disk with room again is used again."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import harness
import wire

ROUNDS = int(os.environ.get("RV_KILLS", "5"))
PURCHASES = "sum(count(purchase))"


class Disk(harness.TestCase):
    def write(self, c, first, last, source="s", size=0):
        """40 events for each of the writes first to last - 1. Returns how many were acknowledged, and what the first partition
        that refused its share said; a write that is refused whole raises."""
        acknowledged, refusal = 0, None
        with wire.Client(c.endpoint) as client:
            for i in range(first, last):
                rows = [(f"k{i * 7 + j:04d}", 1_650_000_000_000 + j, "purchase", f"u{j}" + "y" * size, 100 + j, source) for j in range(40)]
                result = client.call("EventService/Append", wire.append(rows, wire.uuid7(), 1), wire.event_pb2.AppendResponse).result
                for share in result.partitions:
                    if share.status.code == 0:
                        acknowledged += len(share.items) or len(rows)
                    else:
                        refusal = refusal or share.status.message
        return acknowledged, refusal

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

    def test_22_a_coordinator_older_than_its_workers_is_named(self):
        c = self.cluster(workers=1, partitions=2).start()
        self.write(c, 0, 2)
        c.down()
        shutil.copytree(c.data / "coordinator", c.dir / "early")
        c.up()
        c.cli("segment", "save", "germans", "country = 'DE'")
        c.kill()
        shutil.rmtree(c.data / "coordinator")
        shutil.copytree(c.dir / "early", c.data / "coordinator")
        up = c.run(*c.up_args())
        self.assertNotEqual(up.code, 0)
        self.assertIn("the coordinator's data are an older copy", up.err)
        self.assertIn("the coordinator's data are an older copy", c.run("count").err)

    def small_disk(self, size):
        """A file system of its own, whose room `fill` takes away and `free` gives back."""
        place = pathlib.Path(tempfile.mkdtemp(prefix="reveille-disk-", dir=harness.SCRATCH))
        self.addCleanup(place.rmdir)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True).returncode:
            self.skipTest("mounting a small disk is not permitted")
        self.addCleanup(subprocess.run, ["umount", "-l", place], check=True)
        c = harness.Cluster(workers=2, partitions=4, directory=place)
        self.addCleanup(c.close)
        return c

    def fill(self, c, leave=0):
        with open(c.dir / "filler", "ab", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                file.truncate(max(0, os.fstat(file.fileno()).st_size - leave))

    def free(self, c):
        (c.dir / "filler").unlink()

    def refused(self, c, *command):
        """The command fails, names the disk, and everything is read as before."""
        result = c.run(*command, "--timeout", "10")
        self.assertNotEqual(result.code, 0, str(result))
        self.assertRegex(result.err, "disk of .* is full|No space left", str(result))
        self.assertEqual(len(c.members()), 3)
        return result

    def test_17_a_full_disk_refuses_writes_and_answers_on(self):
        c = self.small_disk("64m").start()
        self.write(c, 0, 20)
        c.cli("cluster", "compact", "--wait")
        self.write(c, 20, 30)
        for leave in (0, 3 * 4096, 40 * 4096):
            self.fill(c, leave)
            with self.assertRaisesRegex(wire.CallError, "RESOURCE_EXHAUSTED.*disk of .* is full"):
                self.write(c, 30, 31)
            if leave:
                c.run("cluster", "compact", "--wait")  # some of it may find room
            else:
                self.refused(c, "cluster", "compact", "--wait")
            self.refused(c, "events", "delete", "--source", "s")
            self.assertEqual(self.purchases(c), 30 * 40)
            self.free(c)
        self.fill(c)
        saved = c.run("segment", "save", "germans", "country = 'DE'")
        self.assertTrue(saved.code == 0 or "no room on its disk" in saved.err, str(saved))  # in the coordinator's free pages
        c.kill()
        c.up()  # it is read after a start as well
        self.assertEqual(self.purchases(c), 30 * 40)
        self.free(c)
        harness.wait(lambda: c.run("segment", "save", "french", "country = 'FR'").code == 0, "a change of the catalog", 5)
        self.write(c, 30, 40)
        c.cli("cluster", "compact", "--wait")
        self.assertEqual(self.purchases(c), 40 * 40)
        self.assertNotEqual(c.cli("events", "delete", "--source", "s"), None)
        self.assertEqual(self.purchases(c), 0)
        c.kill()
        c.up()
        self.assertEqual(self.purchases(c), 0)

    def test_17_a_disk_that_fills_up_by_writes_loses_nothing_acknowledged(self):
        c = self.small_disk("48m").start()
        acknowledged, refusal, number = 0, None, 0
        while not refusal and number < 5000:
            try:
                more, refusal = self.write(c, number, number + 1, size=900)
                acknowledged += more
            except wire.CallError as error:
                refusal = str(error)
            number += 1
        self.assertRegex(str(refusal), "disk of .* is full")
        self.assertGreater(acknowledged, 100 * 40)
        for _ in range(2):
            self.assertEqual(self.purchases(c), acknowledged)
            c.kill()
            c.up()
        subprocess.run(["mount", "-o", "remount,size=200m", c.dir], check=True)
        self.assertEqual(self.write(c, number, number + 5, size=900), (5 * 40, None))
        c.cli("cluster", "compact", "--wait")
        self.assertEqual(self.purchases(c), acknowledged + 5 * 40)

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
