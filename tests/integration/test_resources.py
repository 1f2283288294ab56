"""What an idle cluster costs and what queries leave behind. RV_LONG=1 takes the full figures (60 s, 100,000 queries)."""
import os
import threading
import time

import harness
import wire
from harness import cpu_ns, private_memory

LONG = os.environ.get("RV_LONG") == "1"
MIB = 1 << 20


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

    def test_queries_leave_nothing_behind(self):
        c = self.loaded()
        first, last = (10_000, 100_000) if LONG else (2_000, 6_000)
        members, texts = c.members(), ["country = 'DE'", "count(purchase) >= 3", "sum(value of purchase) > 100.5 and age < 50", "contry = 1"]
        with wire.Client(c.endpoint) as client:
            def floor(numbers):
                """The least memory of each member while these queries run: what an allocator holds for a moment is no growth."""
                least = dict.fromkeys(members, 1 << 62)
                for i in numbers:
                    try:
                        client.count(texts[i % len(texts)])
                    except wire.CallError as e:
                        self.assertEqual(e.code, "INVALID_ARGUMENT", e)
                    if i % 50 == 0:
                        least = {n: min(m, private_memory(members[n])) for n, m in least.items()}
                return least
            floor(range(first - first // 5))
            before = floor(range(first - first // 5, first))
            for begin in (first, last, 2 * last, 3 * last):  # what every query leaves is left in each of these, a table that grew once is not
                floor(range(begin, begin + last - first - first // 5))
                after = floor(range(begin, begin + first // 5))
                growth, before = {n: m - before[n] for n, m in after.items()}, after
                if max(growth.values()) < MIB:
                    break
        print(f"between query {first} and {last}: " + ", ".join(f"{n} {g / 1024:+.0f} KiB" for n, g in sorted(growth.items())))
        self.assertEqual(c.members(), members)
        for name, grown in growth.items():
            self.assertLess(grown, MIB, name)
