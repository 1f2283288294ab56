"""Hillstrom's e-mail test: who visited and who bought, by arm, as published."""
from decimal import Decimal

import harness

SCHEMA = """
contact:
  key: contact
  attributes:
    recency_months: {type: int}
    history_segment: {type: string}
    history: {type: decimal, scale: 2}
    mens: {type: bool}
    womens: {type: bool}
    zip_code: {type: string}
    newbie: {type: bool}
    channel: {type: string}
    arm: {type: string}
event:
  id: event
  properties: {topic: {type: string}, value: {type: decimal, scale: 2}}
  types: [email_sent, visit, purchase]
"""
AS_OF = ["--as-of", "2008-05-01T00:00:00Z"]
ARMS = {"Mens E-Mail": (21307, 3894, 267, Decimal("30311.69")), "No E-Mail": (21306, 2262, 122, Decimal("13908.33")),
        "Womens E-Mail": (21387, 3238, 189, Decimal("23038.11"))}


class Hillstrom(harness.TestCase):
    def check(self, c):
        measures = ["count", "sum(count(visit))", "sum(count(purchase))", "sum(sum(value of purchase))"]
        rows = c.json("aggregate", "--by", "arm", "--compute", ", ".join(measures), *AS_OF)["rows"]
        self.assertEqual({r["arm"]: tuple(r[m] for m in measures) for r in rows}, ARMS)
        for arm, (_, visits, purchases, _) in ARMS.items():
            self.assertEqual(c.count(f"arm = '{arm}' and exists(visit)", *AS_OF), visits)
            self.assertEqual(c.count(f"arm = '{arm}' and exists(purchase)", *AS_OF), purchases)

    def test_visits_and_purchases_by_arm(self):
        path = self.shared("hillstrom")
        if not path:
            return
        c = self.cluster(workers=2, partitions=8).start(SCHEMA)
        c.cli("import", "contacts", path / "contacts.csv")
        c.cli("import", "events", path / "events.csv")
        self.check(c)
        c.cli("cluster", "compact", "--wait")
        self.check(c)
