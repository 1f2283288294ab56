"""Clusters for the integration tests: real daemons on free ports of this machine, in directories of their own.

A test case asks for a Cluster, talks to it through the command line (`cli`, `json`) or the wire (wire.py), stops, kills and
starts its members, and leaves: whatever happened, the processes that were started from its directory are ended and the
directory is removed. Nothing here sleeps for a fixed time; `wait` polls a condition and says which one never came true. Time
limits only end what hangs: no test passes or fails by how fast the machine is or what else runs on it.

Environment: RV_BIN (directory of the executables, default build/dev/bin), RV_SHARED (data sets, default ../shared beside the
project), RV_SCRATCH (where directories are made), RV_KEEP=1 (leave them), RV_SEED (of everything random; printed). For sanitizer builds: RV_SLOW, RV_MEMORY_SLACK_MIB, RV_ORDERLY=1
(stop clusters in order, so that leaks are reported).
"""
import atexit
import ctypes
import functools
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from decimal import Decimal

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("RV_BIN", ROOT / "build/dev/bin")).resolve()
SHARED = pathlib.Path(os.environ.get("RV_SHARED", ROOT.parent / "shared"))
SCRATCH = os.environ.get("RV_SCRATCH") or tempfile.gettempdir()
SLOW = float(os.environ.get("RV_SLOW", "1"))  # factor for every time limit: sanitizer builds are slower
SEED = int(os.environ.get("RV_SEED") or random.SystemRandom().randrange(1 << 32))
MEMORY_SLACK = int(os.environ.get("RV_MEMORY_SLACK_MIB", "0")) << 20  # what a sanitizer holds back for its own purposes
SANITIZER_REPORT = r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:"
POLL = 0.01

SCHEMA = """
contact:
  key: contact
  attributes:
    country: {type: string}
    age: {type: int}
    weight: {type: double}
    ltv: {type: decimal, scale: 2}
    vip: {type: bool}
    joined: {type: time}
    birthday: {type: date}
    tags: {type: set}
    company: {type: company}
company:
  key: company
  attributes: {industry: {type: string}, employees: {type: int}}
event:
  id: event
  properties: {topic: {type: string}, value: {type: decimal, scale: 2}, quantity: {type: int}}
  types: [email_sent, {name: email_click, channel: email}, purchase, page_view]
  groups: {engaged: [email_click, purchase, page_view]}
scores:
  engagement: {half_life: 30 days, events: {email_click: 5, purchase: 25, page_view: 2}}
"""


class Result:
    """What a command left: exit status, standard output, standard error, seconds."""

    def __init__(self, args, code, out, err, seconds):
        self.args, self.code, self.out, self.err, self.seconds = args, code, out, err, seconds

    def json(self):
        return json.loads(self.out, parse_float=Decimal)

    def __str__(self):
        return f"{' '.join(map(str, self.args))[:300]}: exit {self.code}\nstdout: {self.out[:2000]}\nstderr: {self.err[:2000]}"


def ports():
    """Ports from which outgoing connections do not take theirs, 10000 and above; all of those where there are none."""
    try:
        low, high = map(int, pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    except (OSError, ValueError):
        low, high = 32768, 60999
    return [port for port in range(10000, 65536) if not low <= port <= high] or list(range(10000, 65536))


def free_port():
    """A port that nobody listens on now. Another process may take it before we do: see Cluster.up."""
    choice, candidates = random.SystemRandom(), ports()
    while True:
        port = choice.choice(candidates)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def wait(condition, what, timeout=90.0):
    """Returns the first true value of condition()."""
    deadline, pause = time.monotonic() + timeout * SLOW, threading.Event()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout * SLOW:.0f} s still not so: {what}")
        pause.wait(POLL)


def alive(pid):
    """A thread of the process still runs: it may hold files and locks although the process shows as a zombie."""
    try:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            if (task / "stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX":
                return True
    except OSError:
        pass
    return False


@functools.cache
def slowness():
    """How many times longer this machine takes for the same work than the slowest that the figures were written for, at least 1."""
    def once():
        begin = time.process_time()
        sum(i * i for i in range(1_000_000))
        return time.process_time() - begin
    return max(1.0, min(once() for _ in range(5)) / 0.1)


def without_huge_pages():
    """What this process starts gets memory page by page: the kernel joins pages to large ones when it likes, and a process grows by
    2 MiB at a time that has asked for nothing."""
    PR_SET_THP_DISABLE = 41
    ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)


def cpu_ns(pid):
    """Processor time of all threads of a process in nanoseconds."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except OSError:
            continue
    return total


def private_memory(pid):
    """Bytes that are not pages of files, in memory or swapped out."""
    status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return sum(int(status[name].split()[0]) * 1024 for name in ("RssAnon", "VmSwap") if name in status or name == "RssAnon")


class Cluster:
    def __init__(self, workers=2, partitions=8, directory=None):
        self.dir = pathlib.Path(directory or tempfile.mkdtemp(prefix="reveille-test-", dir=SCRATCH)).resolve()
        self.data = self.dir / "data"
        self.endpoint = f"tcp://127.0.0.1:{free_port()}"
        self.workers, self.partitions = workers, partitions

    def command(self, *args):
        return [str(BIN / "reveille"), "--endpoint", self.endpoint, *map(str, args)]

    def run(self, *args, stdin=None, timeout=600, env=None):
        """Runs the command line to its end, whatever its exit status."""
        begin = time.monotonic()
        done = subprocess.run(self.command(*args), input=stdin if stdin is not None else b"", capture_output=True,
                              timeout=timeout * SLOW, env={**os.environ, **(env or {})})
        return Result(args, done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"),
                      time.monotonic() - begin)

    def cli(self, *args, **kw):
        """Runs the command line and expects success."""
        result = self.run(*args, **kw)
        if result.code != 0:
            raise AssertionError(str(result))
        return result

    def json(self, *args, **kw):
        return self.cli(*args, "--format", "json", **kw).json()

    def count(self, filter_text="", *args):
        return self.json("count", filter_text, *args)["count"]

    def up_args(self, workers=None):
        args = ["up", "--data", self.data, "--workers", workers or self.workers, "--detach"]
        return args if self.data.exists() else [*args, "--partitions", self.partitions]

    def up(self, workers=None, *more):
        """Up; at another port when another process has taken this one."""
        self.workers = workers or self.workers
        for _ in range(10):
            result = self.run(*self.up_args(), *more)
            if result.code == 0 or "Address already in use" not in result.err:
                break
            self.kill()
            self.endpoint = f"tcp://127.0.0.1:{free_port()}"
        if result.code != 0:
            raise AssertionError(str(result))
        return result

    def down(self):
        return self.cli("down", "--data", self.data)

    def start(self, schema=SCHEMA):
        """Up, with a schema."""
        self.up()
        if schema:
            self.apply(schema)
        return self

    def apply(self, schema):
        self.cli("schema", "apply", self.write("schema.yaml", schema))

    def write(self, name, content):
        """A file in the test's directory."""
        path = self.dir / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def import_csv(self, what, content, *args):
        return self.cli("import", what, self.write(f"{what}-{random.randrange(1 << 30)}.csv", content), *args)

    def members(self):
        """name -> process id of the daemons that run on this cluster's data."""
        found = {}
        for pid in self.processes():
            try:
                args = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"--data" in args and os.path.basename(args[0]).startswith((b"reveille-coordinator", b"reveille-worker")):
                found[os.path.basename(args[args.index(b"--data") + 1]).decode()] = pid
        return found

    def owns(self, pid):
        """By its command line, or, in the middle of exec, where it shows none, by its standard output: the log of a member."""
        try:
            args = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            return str(self.data).encode() in args or os.readlink(f"/proc/{pid}/fd/1").startswith(f"{self.data}/")
        except OSError:
            return False

    def processes(self):
        """All processes that were started on this cluster's data."""
        return [int(p.name) for p in pathlib.Path("/proc").iterdir()
                if p.name.isdigit() and int(p.name) != os.getpid() and self.owns(int(p.name)) and alive(int(p.name))]

    def kill(self, *names):
        """kill -9 of members (all of them when none is named), at once; returns when they are gone."""
        if names:
            members = self.members()
            return self.end([members[n] for n in names])
        while pids := self.processes():  # again: one of them may just have started another
            self.end(pids)

    @staticmethod
    def end(pids):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        wait(lambda: not any(alive(p) for p in pids), "the killed processes are gone")

    def placement(self):
        """partition directory -> member that holds it."""
        found = {}
        for worker in self.data.glob("worker-*"):
            try:
                found |= {p.name: worker.name for p in worker.iterdir() if re.fullmatch("p[0-9]+", p.name)}
            except FileNotFoundError:
                pass  # `up` has just removed this worker
        return found

    def log_tails(self, lines=15):
        out = []
        for path in sorted(self.data.glob("*/log")):
            tail = path.read_text(errors="replace").splitlines()[-lines:]
            out.append(f"--- {path.parent.name}/log\n" + "\n".join(tail))
        return "\n".join(out)

    def all_logs(self):
        return "".join(path.read_text(errors="replace") for path in self.data.glob("*/log"))

    def close(self):
        self.kill()
        if not os.environ.get("RV_KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)


class TestCase(unittest.TestCase):
    """A test with clusters; a failure shows the last lines of their logs."""

    maxDiff = 4000

    def setUp(self):
        self.random = random.Random(f"{SEED} {self.id()}")
        self.clusters = []

    def cluster(self, **kw):
        cluster = Cluster(**kw)
        self.clusters.append(cluster)
        return cluster

    def tearDown(self):
        try:
            for cluster in self.clusters:
                if os.environ.get("RV_ORDERLY") and cluster.members():
                    cluster.down()  # a leak is reported by a process that ends by itself
                self.assertNotRegex(cluster.all_logs(), SANITIZER_REPORT)
        finally:
            self.leave()

    def leave(self):
        result = self._outcome.result
        if any(test is self for test, _ in [*result.failures, *result.errors]):
            print(f"seed {SEED}", *[c.log_tails() for c in self.clusters], sep="\n", file=sys.stderr)
        for cluster in self.clusters:
            cluster.close()

    def assert_fails(self, result, code, *needles):
        """The command failed with this exit status and says all of the needles on standard error."""
        self.assertEqual(result.code, code, str(result))
        for needle in needles:
            self.assertIn(needle, result.err, str(result))

    def shared(self, name):
        """A data set, or None (with a line that says so) where it is not at hand."""
        path = SHARED / "data" / name
        if (path / "events.csv").exists():
            return path
        print(f"{self.id()}: nothing checked, {name} is not in {SHARED} (set RV_SHARED)", file=sys.stderr)
        return None


@functools.cache
def workload(contacts=100000):
    """Directory with the generated workload, made once for all tests of a run."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="reveille-workload-", dir=SCRATCH))
    if not os.environ.get("RV_KEEP"):
        atexit.register(shutil.rmtree, path, ignore_errors=True)
    subprocess.run([str(BIN / "workload_gen"), str(path), str(contacts)], check=True, capture_output=True)
    return path
