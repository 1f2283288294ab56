"""What an idle cluster costs, what a flush and queries leave behind. RV_LONG=1 takes the full figures (60 s, 100,000 queries).

The short form sees a leak of 100 bytes a query: a megabyte over its window. Without a leak less than 200 KB have been seen there."""
import collections
import os
import threading
import time

import harness
import wire
from harness import cpu_ns, private_memory

LONG = os.environ.get("RV_LONG") == "1"
MIB = 1 << 20
FIRST, LAST, SPAN = (10_000, 100_000, 2_000) if LONG else (6_000, 18_000, 1_000)  # queries; a floor is taken over SPAN of them
LIMIT = MIB if LONG else 600_000  # bytes

S, C = wire.segment_pb2, wire.contact_pb2
REPLIES = {"SegmentService/Count": S.CountResponse, "SegmentService/Aggregate": S.AggregateResponse, "SegmentService/Select": S.SelectResponse,
           "SegmentService/Funnel": S.FunnelResponse, "SegmentService/Retention": S.RetentionResponse, "SegmentService/Overlap": S.OverlapResponse,
           "ContactService/Get": C.ContactServiceGetResponse, "ContactService/Timeline": C.TimelineResponse}
QUESTIONS = [
    ("SegmentService/Count", lambda i: S.CountRequest(filter=f"country = 'DE' and age != {i}")),
    ("SegmentService/Count", lambda i: S.CountRequest(filter=f"sum(value of purchase) > {i}.5 or country = 'x{i}'")),
    ("SegmentService/Count", lambda i: S.CountRequest(filter=f"exists(purchase where value > {i % 100}.25 within {i + 1} days) or age * {i} > 7000 / (2 + 3)")),
    ("SegmentService/Count", lambda i: S.CountRequest(filter=f"contry{i} = 1")),
    ("SegmentService/Count", lambda i: S.CountRequest(filter=f"age = and ( {i}")),
    ("SegmentService/Select", lambda i: S.SelectRequest(filter=f"age < {i % 80}", fields=f"contact, country, age + {i}", order_by="age desc", limit=200)),
    ("SegmentService/Select", lambda i: S.SelectRequest(filter=f"age != {i}", fields="contact, score(engagement)", order_by="score(engagement) desc", limit=100)),
    ("SegmentService/Aggregate", lambda i: S.AggregateRequest(filter=f"age != {i}", by="country, age", compute=f"count, sum(age), avg(age + {i})")),
    ("SegmentService/Aggregate", lambda i: S.AggregateRequest(by="bucket(count(purchase), 2, 4)", compute=f"count, sum(sum(value of purchase) + {i})")),
    ("SegmentService/Aggregate", lambda i: S.AggregateRequest(by="country", compute=f"sum(age * 4000000000000000000 * {i + 9})")),
    ("SegmentService/Funnel", lambda i: S.FunnelRequest(filter=f"age != {i}", steps="purchase then purchase", within=f"{1 + i % 30} days")),
    ("SegmentService/Retention", lambda i: S.RetentionRequest(filter=f"age != {i}", start="first(purchase)", cohort="30 days", event="engaged", period="30 days", periods=4)),
    ("SegmentService/Overlap", lambda i: S.OverlapRequest(segments=[S.NamedFilter(name="a", filter=f"age > {i % 80}"), S.NamedFilter(name="b", filter=f"age != {i}")])),
    ("ContactService/Get", lambda i: C.ContactServiceGetRequest(key=f"k{i}")),
    ("ContactService/Timeline", lambda i: C.TimelineRequest(key=f"k{i % 5000}")),
]


class Resources(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        harness.without_huge_pages()

    def loaded(self):
        """The number of threads is given, for each has memory of its own and the machine may have any number of processors."""
        c = self.cluster(workers=2, partitions=64)
        c.up(None, "--threads", 2)
        c.apply(harness.SCHEMA)
        c.import_csv("contacts", "contact,country,age\n" + "".join(f"k{i},{'DE' if i % 3 else 'FR'},{i % 80}\n" for i in range(5000)))
        c.import_csv("events", "event,contact,at,type,value\n" +
                     "".join(f"e{i},k{i % 5000},{1_600_000_000 + i},purchase,{i % 100}.50\n" for i in range(20000)))
        c.cli("cluster", "compact", "--wait")  # otherwise the flush of an ageing tail falls into the measurement
        return c

    def test_an_idle_cluster_takes_less_than_half_a_percent_of_a_core(self):
        c, window = self.loaded(), 60 if LONG else 10
        members = c.members()
        limit = 0.005 * harness.SLOW * harness.slowness()
        harness.wait(lambda: self.share(members, 1) < 0.02 * harness.slowness(), "the work of the import has ended")
        for _ in range(4):  # what is left of the import's work may fall into one window, not into all
            shares = self.shares(members, window)
            if max(shares.values()) < limit:
                break
        print(f"idle over {window} s: " + ", ".join(f"{name} {100 * s:.3f} %" for name, s in sorted(shares.items())))
        for name, share in shares.items():
            self.assertLess(share, limit, name)

    def shares(self, members, window):
        """Share of a core that each member took over a window of time."""
        before, begin = {n: cpu_ns(p) for n, p in members.items()}, time.monotonic()
        threading.Event().wait(window)
        elapsed = time.monotonic() - begin
        return {n: (cpu_ns(p) - before[n]) / 1e9 / elapsed for n, p in members.items()}

    def share(self, members, window):
        return max(self.shares(members, window).values())

    def test_a_flush_leaves_nothing_behind(self):
        """What it took goes back to the system before the housekeeper sleeps."""
        members = self.loaded().members()
        for name, pid in members.items():
            harness.wait(lambda: private_memory(pid) < 16 * MIB + harness.MEMORY_SLACK, f"{name} has given back what the flush took")
        print("after a flush of 25,000 rows: " + ", ".join(f"{n} {private_memory(p) / MIB:.1f} MiB" for n, p in sorted(members.items())))

    def ask(self, client, i):
        """The i-th of many questions: all kinds in turn, no two with the same texts."""
        kind, request = QUESTIONS[i % len(QUESTIONS)]
        try:
            for _ in client.stream(kind, request(i), REPLIES[kind]):
                pass
        except wire.CallError as e:
            return e.code
        return "OK"

    def cancel(self, client, i):
        """A question that is taken back at once: it may have been answered before."""
        name = "reveille.v1.SegmentService/Select"
        request_id = client.send(name, S.SelectRequest(filter=f"age != {i}"))
        client.send(name, kind=wire.CANCEL, request_id=request_id)
        while (header := client.reply(request_id)[0]).more and not header.status.code:
            pass

    def test_queries_leave_nothing_behind(self):
        c = self.loaded()
        members, outcomes = c.members(), collections.Counter()
        with wire.Client(c.endpoint) as client:
            def floor(first, last):
                """The least memory of each member while these queries run: what an allocator holds for a moment is no growth."""
                least = dict.fromkeys(members, 1 << 62)
                for i in range(first, last):
                    outcomes[self.ask(client, i)] += 1
                    if i % 50 == 0:
                        self.cancel(client, i)
                        least = {n: min(m, private_memory(members[n])) for n, m in least.items()}
                return least
            floor(0, FIRST - SPAN)
            before = floor(FIRST - SPAN, FIRST)
            floor(FIRST, LAST - SPAN)
            growth = {n: m - before[n] for n, m in floor(LAST - SPAN, LAST).items()}
        print(f"between query {FIRST} and {LAST}, {dict(outcomes)}: " + ", ".join(f"{n} {g / 1024:+.0f} KiB" for n, g in sorted(growth.items())))
        self.assertEqual(c.members(), members)
        self.assertLessEqual(outcomes.keys(), {"OK", "INVALID_ARGUMENT", "NOT_FOUND"})
        self.assertGreater(outcomes["OK"], LAST // 2)
        for name, grown in growth.items():
            self.assertLess(grown, LIMIT, name)
