"""CDNOW, a real log of purchases: the published totals, whatever the order of arrival, exact to the cent."""
import csv
import random
from collections import defaultdict
from decimal import Decimal

import harness

SCHEMA = """
contact:
  key: contact
  created: signed_up_at
  attributes: {signed_up_at: {type: time}, in_sample: {type: bool}}
event:
  id: event
  properties: {quantity: {type: int}, value: {type: decimal, scale: 2}}
  types: [purchase]
"""
AS_OF = ["--as-of", "1998-07-01T00:00:00Z"]
TOTAL = Decimal("2500315.63")


def backwards(source, target):
    """The same file with its rows in the opposite order."""
    head, *rows = source.read_bytes().splitlines(keepends=True)
    target.write_bytes(head + b"".join(reversed(rows)))
    return target


def sums_by_contact(path):
    sums = defaultdict(Decimal)
    with open(path / "events.csv", newline="") as f:
        for row in csv.DictReader(f):
            sums[row["contact"]] += Decimal(row["value"])
    return sums


class Cdnow(harness.TestCase):
    def check_published(self, c):
        self.assertEqual(c.count("", *AS_OF), 23570)
        self.assertEqual(c.count("count(purchase) >= 2", *AS_OF), 11662)
        self.assertEqual(c.count("last(purchase) <= 1997-07-01", *AS_OF), 15258)
        self.assertEqual(c.count("sum(value of purchase) >= 300.005", *AS_OF), 1747)
        best = c.json("select", "--fields", "contact,sum(value of purchase)", "--order-by", "sum(value of purchase) desc",
                      "--limit", "100", *AS_OF)["rows"]
        self.assertEqual(len(best), 100)
        self.assertEqual(sum(r["sum(value of purchase)"] for r in best), Decimal("247679.82"))
        all_of_it = c.json("aggregate", "--compute", "count, sum(count(purchase)), sum(sum(value of purchase)), sum(sum(quantity of purchase))",
                           *AS_OF)["rows"]
        self.assertEqual([all_of_it[0][k] for k in ("count", "sum(count(purchase))", "sum(sum(value of purchase))", "sum(sum(quantity of purchase))")],
                         [23570, 69659, TOTAL, 167881])

    def check_cents(self, c, sums):
        """At, just below and just above sums that contacts really have."""
        chosen = random.Random(f"{harness.SEED}").sample(sorted(set(sums.values())), 6)
        for edge in [Decimal("300.00"), Decimal("300.005"), Decimal("299.995"), *chosen]:
            for op, test in ((">=", edge.__le__), (">", edge.__lt__), ("=", edge.__eq__), ("<=", edge.__ge__), ("<", edge.__gt__)):
                expected = sum(1 for s in sums.values() if test(s))
                self.assertEqual(c.count(f"sum(value of purchase) {op} {edge}", *AS_OF), expected, f"{op} {edge}")

    def load(self, path, reverse, events_first=False):
        c = self.cluster(workers=2, partitions=16).start(SCHEMA)
        files = {what: path / f"{what}.csv" for what in ("contacts", "events")}
        if reverse:
            files = {what: backwards(file, c.dir / f"{what}.csv") for what, file in files.items()}
        for what in ("events", "contacts") if events_first else ("contacts", "events"):
            c.cli("import", what, files[what])
        return c

    def test_published_numbers_hold_before_and_after_compaction_and_restart(self):
        path = self.shared("cdnow")
        if not path:
            return
        sums = sums_by_contact(path)
        c = self.load(path, reverse=False)
        self.check_published(c)
        self.check_cents(c, sums)
        c.cli("cluster", "compact", "--wait")
        self.check_published(c)
        self.check_cents(c, sums)
        c.down()
        c.up()
        self.check_published(c)

    def test_the_same_when_imported_in_reverse(self):
        path = self.shared("cdnow")
        if not path:
            return
        c = self.load(path, reverse=True, events_first=True)
        self.check_published(c)
        self.check_cents(c, sums_by_contact(path))
        c.kill()
        c.up()
        self.check_published(c)
        c.cli("cluster", "compact", "--wait")
        self.check_published(c)
