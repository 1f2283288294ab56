"""--explain: the answer is the same, its parts add up to the whole, runs outside a window are skipped, partial answers have one too."""
import json
import subprocess

import harness

ADDED = ("time_ns", "events", "bytes", "runs_read", "runs_skipped")
SCRIPT = """
import {queries, AS_OF} from './bench/queries.mjs';
console.log(JSON.stringify({asOf: AS_OF, queries: Object.fromEntries(Object.entries(queries).map(([name, q]) => [name, q.reveille[0]]))}));
"""


class Explain(harness.TestCase):
    def workload(self, **kw):
        directory = harness.workload(3000)
        c = self.cluster(**kw).start((harness.ROOT / "bench/schema.yaml").read_text())
        for what in ("companies", "contacts", "events"):
            c.cli("import", what, directory / f"{what}.csv")
        c.cli("cluster", "compact", "--wait")
        return c

    def asked(self):
        done = subprocess.run(["node", "--input-type=module", "-e", SCRIPT], cwd=harness.ROOT, check=True, capture_output=True, text=True)
        asked = json.loads(done.stdout)
        self.assertEqual(len(asked["queries"]), 18)
        return asked["asOf"], asked["queries"]

    def check(self, e, partitions):
        """What is said of the nodes is the sum of what is said of them in the workers, and in the partitions."""
        self.assertEqual((e["nodes_left_out"], e["workers_left_out"], e["partitions_left_out"]), (0, 0, 0))
        self.assertEqual(sorted(p["partition"] for p in e["partitions"]), partitions)
        self.assertEqual(sum(w["partitions"] for w in e["workers"]), len(partitions))
        for i, node in enumerate(e["nodes"]):
            for parts in (e["workers"], e["partitions"]):
                for name, value in node["total"].items():
                    self.assertEqual(value, sum(part["nodes"][i][name] for part in parts), (node, name))
        for part in (*e["workers"], *e["partitions"], {"total": e["total"], "nodes": [n["total"] for n in e["nodes"]]}):
            for name in ADDED:
                self.assertEqual(part["total"][name], sum(n[name] for n in part["nodes"]))
            self.assertEqual(part["total"]["rows_in"], part["nodes"][0]["rows_in"])
            self.assertEqual(part["total"]["rows_out"], part["nodes"][-1]["rows_out"])
        for worker in e["workers"]:
            self.assertGreater(worker["scan_ns"], 0)
            self.assertGreaterEqual(e["wait_ns"], worker["answer_ns"])
            self.assertGreaterEqual(worker["scan_ns"] * worker["threads"], worker["total"]["time_ns"])
        times = [p["total"]["time_ns"] for p in e["partitions"]]
        self.assertEqual(times, sorted(times, reverse=True))

    def test_all_answers_are_the_same_and_their_parts_add_up(self):
        c = self.workload(workers=2, partitions=8)
        as_of, queries = self.asked()
        for name, args in queries.items():
            plain = c.json(*args, "--as-of", as_of)
            explained = c.json(*args, "--as-of", as_of, "--explain")
            e = explained.pop("explain")
            self.assertEqual(explained, plain, name)
            self.assertNotIn("explain", plain)
            self.check(e, sorted(version["partition"] for version in explained["coverage"]["data_version"]))
            if args[0] == "contact":
                continue
            self.assertEqual(len(e["partitions"]), 8, name)
            self.assertEqual((e["nodes"][0]["kind"], e["nodes"][-1]["kind"]), ("scan", "result"), name)
            self.assertEqual(e["total"]["rows_in"], 3000, name)
            self.assertGreater(e["plan_ns"], 0)
            self.assertEqual(sorted(w["name"] for w in e["workers"]), ["worker-1", "worker-2"])

    def test_runs_are_skipped_where_nothing_in_them_matters(self):
        c = self.workload(workers=1, partitions=4)

        def runs(text):
            e = c.json("count", text, "--as-of", "2026-11-01", "--explain")["explain"]
            walk = next(n for n in e["nodes"] if n["kind"] == "events")
            return walk["total"]

        read = runs("exists(purchase)")
        self.assertEqual((read["runs_read"], read["runs_skipped"]), (4, 0))
        self.assertGreater(read["events"], 0)
        for text in ("exists(purchase from 2000-01-01 to 2001-01-01)", "lower(country) = 'nowhere' and exists(purchase)"):
            skipped = runs(text)
            self.assertEqual((skipped["runs_read"], skipped["runs_skipped"], skipped["events"], skipped["bytes"]), (0, 4, 0, 0), text)

    def test_every_verb_and_format_takes_it(self):
        c = self.workload(workers=2, partitions=4)
        table = c.cli("count", "exists(purchase)", "--explain")
        self.assertEqual(table.out, c.cli("count", "exists(purchase)").out)
        for needle in ("coordinator: plan ", "exists(purchase)", "worker-2", "partition"):
            self.assertIn(needle, table.err)
        contact = c.json("select", "exists(purchase)", "--limit", "1")["rows"][0]["contact"]
        for args in (["contact", "get", contact], ["contact", "timeline", contact], ["select", "--limit", "5"], ["aggregate", "--by", "country"]):
            plain, explained = c.json(*args), c.json(*args, "--explain")
            e = explained.pop("explain")
            for answer in (plain, explained):
                answer["coverage"].pop("as_of")
            self.assertEqual(explained, plain)
            self.assertGreater(e["total"]["time_ns"], 0)
            for form in ("table", "csv", "ndjson"):
                result = c.cli(*args, "--explain", "--format", form)
                self.assertEqual(result.out, c.cli(*args, "--format", form).out)
                self.assertIn("coordinator: plan ", result.err)
        events = len(c.json("contact", "timeline", contact)["events"])
        e = c.json("contact", "timeline", contact, "--explain")["explain"]
        self.assertEqual([n["kind"] for n in e["nodes"]], ["lookup"])
        self.assertEqual((e["total"]["events"], len(e["partitions"])), (events, 1))
        repeated = c.json("count", "--repeat", "3", "--explain")
        self.assertEqual((repeated["timing"]["runs"], repeated["explain"]["total"]["rows_in"]), (3, 3000))

    def test_a_partial_answer_is_explained_as_far_as_it_goes(self):
        c = self.workload(workers=2, partitions=4)
        c.kill("worker-2")
        harness.wait(lambda: c.run("count").code == 1, "the loss is noticed")
        partial = c.run("count", "exists(purchase)", "--allow-partial", "--explain", "--format", "json")
        self.assertEqual(partial.code, 3, str(partial))
        answer = partial.json()
        here = sorted(set(range(4)) - set(answer["coverage"]["missing"]))
        self.check(answer["explain"], here)
        self.assertEqual([w["name"] for w in answer["explain"]["workers"]], ["worker-1"])
