"""The benchmark's 18 answers are those on which DuckDB and ClickHouse agree, on 2 workers and after any change of their number."""
import json
import random
import re
import subprocess
import threading

import harness

EXPECTED = harness.ROOT / "bench/expected-100k.json"
QUERIES = 18


class Workload(harness.TestCase):
    """The tests share one loaded directory, so they run in the order of their names."""

    def answers(self, directory, workers, *more):
        """Runs the benchmark's runner, which brings the cluster up and down, and returns what it printed."""
        for _ in range(10):
            done = subprocess.run(["node", str(harness.ROOT / "bench/run.mjs"), str(directory), "--engines", "reveille",
                                   "--bin", str(harness.BIN), "--workers", str(workers), "--expected", str(EXPECTED),
                                   "--endpoint", f"tcp://127.0.0.1:{harness.free_port()}", *more],
                                  capture_output=True, text=True, timeout=1800 * harness.SLOW)
            if done.returncode == 0 or "Address already in use" not in done.stderr:
                break
        self.assertEqual(done.returncode, 0, done.stdout[-6000:] + done.stderr[-3000:])
        return done.stdout

    def check(self, output):
        verdicts = [line.split("\t")[-1] for line in output.splitlines() if re.match(r"q\d\d_", line)]
        self.assertEqual(verdicts, ["same"] * QUERIES, output[-6000:])

    def loaded(self):
        """A cluster object over the directory that the runner fills; loads it when no test did before."""
        directory = harness.workload(100000)
        if not (directory / "reveille-data").exists():
            self.check(self.answers(directory, 2))
        c = self.cluster(directory=directory)
        c.data = directory / "reveille-data"
        c.close = c.kill
        return c

    def test_1_all_answers_are_right_and_bear_their_timing_out(self):
        directory = harness.workload(100000)
        output = self.answers(directory, 2)
        self.check(output)
        self.assertNotIn("NOTE", output)
        self.assertEqual(json.loads((directory / "results.json").read_text())["wrong"], 0)

    def test_2_other_numbers_of_workers_give_the_same_answers_though_killed_in_between(self):
        c = self.loaded()
        for workers in (1, 3, 5):
            for moment in ("while it moves", "at random"):
                self.interrupted_up(c, workers, moment)
            self.check(self.answers(c.dir, workers, "--keep", "--runs", "1"))
            held = [m for m in c.placement().values()]
            self.assertEqual(len(held), 64)
            shares = [held.count(f"worker-{i + 1}") for i in range(workers)]
            self.assertEqual(sum(shares), 64)
            self.assertLessEqual(max(shares) - min(shares), 1, shares)

    def interrupted_up(self, c, workers, moment):
        """`up` with this many workers, it and all that it started killed at the moment."""
        before = c.placement()
        c.workers = workers
        up = subprocess.Popen(c.command(*c.up_args()), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            if moment == "while it moves":
                harness.wait(lambda: c.placement() != before or up.poll() is not None, "a partition moves", 60)
            else:
                threading.Event().wait(random.Random(f"{harness.SEED}{workers}").uniform(0, 0.5))
        finally:
            up.kill()
            up.wait()
            c.kill()
        self.assertEqual(set(c.placement()), set(before), "no partition is lost or made")
