"""The command line: exit statuses, formats, errors with their place, partial answers, --repeat, rejects, imports that go on."""
import csv
import io
import json
import os
import re
import signal
import subprocess
from decimal import Decimal

import harness

CONTACTS = """contact,country,age,weight,ltv,vip,joined,birthday,tags,company
ann,DE,31,61.5,12.50,yes,2024-01-02T03:04:05.678Z,1993-02-28,news;shop,acme
bob,FR,44,,0.10,0,2024-06-01T00:00:00+02:00,,,acme
cem,DE,,80,,TRUE,,,"shop",beta
dee,,,,,,,,,
"""
COMPANIES = "company,industry,employees\nacme,software,1200\nbeta,retail,12\n"
EVENTS = """event,contact,at,type,channel,topic,value,quantity
e1,ann,2024-02-01T00:00:00Z,purchase,web,books,19.99,1
e2,ann,2024-03-01T00:00:00Z,email_click,,books,,
e3,bob,2024-03-02T00:00:00Z,purchase,store,toys,0.01,3
e4,ann,2024-03-03T00:00:00Z,purchase,web,toys,5.00,2
e5,new,2024-03-04T00:00:00Z,page_view,web,books,,
"""
AS_OF = ["--as-of", "2024-04-01T00:00:00Z"]


class CommandLine(harness.TestCase):
    def loaded(self, **kw):
        c = self.cluster(**kw).start()
        c.import_csv("companies", COMPANIES)
        c.import_csv("contacts", CONTACTS)
        c.import_csv("events", EVENTS)
        return c

    def test_exit_statuses(self):
        c = self.loaded()
        self.assertEqual(c.cli("count").out, "5\n")
        self.assert_fails(c.run("count", "contry = 'DE'"), 1, "reveille: count: INVALID_ARGUMENT: 1:1: ", "contry", "did you mean 'country'?")
        self.assert_fails(c.run("count", "country = 'DE' and count(purchse) > 1"), 1, "1:26: ", "did you mean 'purchase'?")
        self.assert_fails(c.run("count", "country = 'DE'\nand age >= 'x'"), 1, "INVALID_ARGUMENT: 2:")
        self.assert_fails(c.run("count", "recency(purchase) > 3 * cadence(purchase)"), 1, "UNIMPLEMENTED", "1:25", "cadence")
        for wrong in (["cuont"], ["count", "--nosuch"], ["count", "a", "b"], [], ["select", "--limit", "ten"], ["count", "--format", "xml"]):
            self.assertEqual(c.run(*wrong).code, 2, wrong)
        self.assertEqual(c.run("--help").code, 0)
        for verb in ("up", "count", "select", "aggregate", "import", "segment", "cluster"):
            self.assertIn(verb, c.cli(verb, "--help").out)
        c.down()
        result = c.run("count", "--timeout", "1")
        self.assert_fails(result, 4, "reveille: count: ", c.endpoint)
        self.assertLess(result.seconds, 25, "not the time that a call has by default")
        self.assertEqual(c.run("down", "--data", c.data).code, 0, "down of what is down is done")

    def test_data_goes_to_stdout_and_the_rest_to_stderr(self):
        c = self.loaded()
        self.assertEqual(c.run("count", "age > 40").err, "")
        wrong = c.run("count", "age >")
        self.assertEqual(wrong.out, "")
        self.assertTrue(wrong.err.startswith("reveille: count: INVALID_ARGUMENT: 1:"), wrong.err)
        self.assertEqual(c.run("count", env={"REVEILLE_ENDPOINT": "tcp://127.0.0.1:1"}).code, 0, "--endpoint is nearer than the environment")

    def test_formats_agree(self):
        c = self.loaded()
        fields = "contact,country,age,weight,ltv,vip,joined,birthday,tags,company"
        rows = c.json("select", "company is set", "--fields", fields, *AS_OF)["rows"]
        self.assertEqual([r["contact"] for r in rows], ["ann", "bob", "cem"])
        self.assertEqual(rows[0], {"contact": "ann", "country": "DE", "age": 31, "weight": harness.Decimal("61.5"), "ltv": harness.Decimal("12.50"),
                                   "vip": True, "joined": "2024-01-02T03:04:05.678Z", "birthday": "1993-02-28", "tags": ["news", "shop"], "company": "acme"})
        self.assertEqual((rows[1]["weight"], rows[1]["vip"], rows[1]["joined"], rows[1]["birthday"]), (None, False, "2024-05-31T22:00:00.000Z", None))
        self.assertEqual(str(rows[1]["ltv"]), "0.10")
        text = c.cli("select", "company is set", "--fields", fields, "--format", "csv", *AS_OF).out
        table = list(csv.DictReader(io.StringIO(text, newline="")))
        self.assertEqual([r["contact"] for r in table], ["ann", "bob", "cem"])
        self.assertEqual((table[0]["tags"], table[0]["ltv"], table[1]["weight"]), ("news;shop", "12.50", ""))
        lines = [json.loads(x, parse_float=harness.Decimal) for x in
                 c.cli("select", "company is set", "--fields", fields, "--format", "ndjson", *AS_OF).out.splitlines()]
        self.assertEqual([x for x in lines if "contact" in x], rows)
        shown = c.cli("select", "company is set", "--fields", fields, *AS_OF).out
        for word in ("ann", "bob", "cem", "acme", "12.50"):
            self.assertIn(word, shown)

    def test_questions_about_groups_and_paths(self):
        c = self.loaded()
        rows = c.json("aggregate", "--by", "country", "--compute", "count, sum(sum(value of purchase)), avg(age)", *AS_OF)["rows"]
        self.assertEqual({r["country"]: (r["count"], str(r["sum(sum(value of purchase))"]), r["avg(age)"]) for r in rows},
                         {"DE": (2, "24.99", 31), "FR": (1, "0.01", 44), None: (2, "0.00", None)})
        steps = c.json("funnel", "--steps", "purchase then email_click then purchase", "--in", "60 days", *AS_OF)["steps"]
        self.assertEqual([s["contacts"] for s in steps], [2, 1, 1])
        overlap = c.json("overlap", "--segment", "de=country = 'DE'", "--segment", "buyers=exists(purchase)", *AS_OF)
        self.assertEqual([(s["segment"], s["count"]) for s in overlap["sizes"]], [("de", 2), ("buyers", 2)])
        self.assertEqual([(p["a"], p["b"], p["count"]) for p in overlap["pairs"]], [("de", "buyers", 1)])
        cells = c.json("retention", "--start", "joined", "--cohort", "30 days", "--event", "engaged", "--period", "30 days", "--periods", "4", *AS_OF)["rows"]
        self.assertEqual([(r["period"], r["contacts"]) for r in cells if r["contacts"]], [(0, 1), (1, 1), (2, 1)])
        self.assertEqual(c.count("country = $c and company.industry = $i", "--param", "c='DE'", "--param", "i='software'"), 1)

    def test_one_contact(self):
        c = self.loaded()
        self.assertIn("12.50", c.cli("contact", "get", "ann").out)
        events = c.json("contact", "timeline", "ann", *AS_OF)["events"]
        self.assertEqual([(e["event"], e["type"], e["channel"]) for e in events],
                         [("e1", "purchase", "web"), ("e2", "email_click", "email"), ("e4", "purchase", "web")])
        self.assert_fails(c.run("contact", "get", "nobody"), 1, "NOT_FOUND", "'nobody'")
        self.assert_fails(c.run("contact", "timeline", "nobody"), 1, "NOT_FOUND", "'nobody'")
        c.cli("contact", "delete", "ann", "--wait")
        self.assertEqual(c.count(), 4)
        self.assert_fails(c.run("contact", "get", "ann"), 1, "NOT_FOUND")
        self.assertEqual(c.count("exists(purchase)"), 1)

    def test_segments_and_scores(self):
        c = self.loaded()
        c.cli("segment", "save", "german", "country = 'DE'")
        c.cli("segment", "save", "german-buyers", "segment('german') and exists(purchase)")
        self.assertEqual(c.count("segment('german-buyers')"), 1)
        self.assertIn("segment('german')", c.cli("segment", "show", "german-buyers").out)
        self.assertIn("german-buyers", c.cli("segment", "list").out)
        self.assert_fails(c.run("segment", "save", "german", "segment('german-buyers')"), 1, "german")
        self.assert_fails(c.run("count", "segment('germans')"), 1, "did you mean 'german'?")
        c.cli("segment", "delete", "german-buyers")
        self.assert_fails(c.run("segment", "show", "german-buyers"), 1, "NOT_FOUND")
        self.assertIn("engagement", c.cli("score", "list").out)
        best = c.json("select", "--fields", "contact,score(engagement)", "--order-by", "score(engagement) desc", "--limit", "1", *AS_OF)["rows"]
        self.assertEqual(best[0]["contact"], "ann")

    def test_repeat_measures_and_answers_at_t(self):
        c = self.loaded()
        answer = c.json("count", "last(purchase) > 5 seconds ago", "--as-of", "2024-03-03T00:00:04Z", "--repeat", "9")
        self.assertEqual(answer["count"], 1)
        timing = answer["timing"]
        self.assertEqual(timing["runs"], 9)
        self.assertTrue(0 < timing["min_ms"] <= timing["median_ms"] <= timing["p99_ms"] <= timing["max_ms"], timing)

    def test_a_partial_answer_says_so(self):
        c = self.loaded(workers=2, partitions=8)
        c.kill("worker-2")
        self.assert_fails(harness.wait(lambda: self.failing(c), "the loss is noticed"), 1, "UNAVAILABLE")
        partial = c.run("count", "--allow-partial", "--format", "json")
        self.assertEqual(partial.code, 3, str(partial))
        coverage = partial.json()["coverage"]
        self.assertEqual((coverage["partitions_expected"], coverage["partitions_answered"], len(coverage["missing"])), (8, 4, 4))
        self.assertIn("partial", partial.err)
        c.up()
        self.assertEqual(c.count(), 5)

    def test_up_right_after_kill_9_brings_back_what_is_still_dying(self):
        c = self.loaded(workers=2, partitions=8)
        for victims in (["worker-1"], ["coordinator"], ["worker-2", "coordinator"], ["coordinator", "worker-1", "worker-2"]) * 2:
            before = c.members()
            for name in victims:
                os.kill(before[name], signal.SIGKILL)  # and nobody waits for its end
            c.up()
            self.assertEqual(c.count(), 5)
            after = c.members()
            self.assertEqual({name for name in before if before[name] != after.get(name)}, set(victims))

    def test_a_worker_whose_removal_is_cut_off_comes_back_as_a_new_one(self):
        c = self.loaded(workers=2, partitions=8)
        c.down()
        self.assertEqual(c.run(*c.up_args(1), env={"REV_FAULT": "worker_left:kill"}).code, -signal.SIGKILL)
        self.assertTrue((c.data / "left-2/wal").is_dir())
        (c.data / "left-2/wal/data.mdb").unlink()  # as far as the removal may have come
        for workers in (2, 1):
            c.up(workers)
            self.assertEqual(c.count(), 5)
            self.assertEqual({p["worker"] for p in c.json("cluster", "status")["partitions"]},
                             {f"worker-{w + 1}" for w in range(workers)})
            self.assertEqual(list(c.data.glob("left-*")), [])
            c.down()

    def test_down_and_up_do_not_believe_the_number_in_a_lock_that_another_process_has_now(self):
        c = self.loaded(workers=2, partitions=8)
        c.kill()
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
            for member in ("coordinator", "worker-1", "worker-2"):
                (c.data / member / "lock").write_text(f"{other.pid}\n")
            self.assertIn("nothing runs", c.down().err)
            c.up()
            self.assertEqual(c.count(), 5)
            for member in ("coordinator", "worker-1", "worker-2"):
                self.assertEqual(int((c.data / member / "lock").read_text()), c.members()[member])
            (c.data / "worker-1/lock").write_text(f"{other.pid}\n")
            worker = c.members()["worker-1"]
            down = subprocess.Popen(c.command("down", "--data", c.data), stderr=subprocess.PIPE)
            harness.wait(lambda: set(c.members()) == {"worker-1"} or None, "the other two have stopped")
            os.kill(worker, signal.SIGTERM)
            self.assertEqual(down.communicate()[1], b"reveille: down: stopped 3 processes\n")
            self.assertIsNone(other.poll(), "a process that only has the number of an earlier one is left alone")
            other.stdin.close()

    @staticmethod
    def failing(c):
        result = c.run("count")
        return result if result.code else None

    def test_rejects_name_line_and_reason_and_can_be_repaired(self):
        c = self.loaded()
        rejects = c.dir / "rejects.csv"
        source = c.write("more.csv", "contact,country,age\nx1,DE,1\nx2,DE,old\nx3,FR,3\n")
        result = c.run("import", "contacts", source, "--rejects", rejects)
        self.assertIn("1 ", result.err)
        text = rejects.read_text()
        self.assertRegex(text, r"\b3\b")
        self.assertIn("old", text)
        self.assertEqual(c.count("contact in ('x1', 'x2', 'x3')"), 2)

    def test_maps_ignored_columns_ndjson_and_standard_input(self):
        c = self.loaded()
        c.cli("import", "contacts", "-", "--map", "country=Land", "--ignore", "note", stdin=b"contact,Land,note\ny1,AT,hello\n")
        c.cli("import", "contacts", c.write("y.ndjson", '{"contact": "y2", "country": "AT", "age": 7, "tags": ["a", "b"]}\n{"contact": "y1", "country": null}\n'))
        self.assertEqual(c.count("country = 'AT'"), 1)
        self.assertEqual(c.json("select", "age = 7", "--fields", "contact,tags")["rows"], [{"contact": "y2", "tags": ["a", "b"]}])
        c.cli("import", "contacts", c.write("z.csv", 'contact,country,age\nann,,32\nbob,"",\n'))
        self.assertEqual(c.count("contact = 'ann' and country = 'DE' and age = 32"), 1, "an empty cell leaves a known contact as it is")
        self.assertEqual(c.count("contact = 'bob' and country = '' and age = 44"), 1, "a quoted empty cell is the empty string")
        c.cli("import", "contacts", c.write("z2.csv", "contact,country\nann,\n"), "--empty-unsets")
        self.assertEqual(c.count("contact = 'ann' and country is unset"), 1)

    def test_ndjson_is_exact_and_its_output_can_be_imported_again(self):
        c = self.loaded()
        c.import_csv("contacts", 'contact,country,age,weight,ltv,vip,joined,birthday,tags\n'
                     'w1,DE,9223372036854775807,1e300,123456789012345678901234567890.12,1,1969-12-31T23:59:59.999Z,1900-01-01,"a;""b"""\n'
                     'w2,"",-9223372036854775808,-0.1,-0.01,0,9999-12-31T23:59:59.999Z,0001-01-01,c\n')
        fields = "contact,country,age,weight,ltv,vip,joined,birthday,tags,company"
        lines = c.cli("select", "--fields", fields, "--format", "ndjson").out
        c.cli("contact", "delete", *[json.loads(line)["contact"] for line in lines.splitlines()], "--wait")
        self.assertEqual(c.count(), 0)
        c.cli("import", "contacts", c.write("again.ndjson", lines))
        self.assertEqual(c.cli("select", "--fields", fields, "--format", "ndjson").out, lines)
        bad = c.run("import", "contacts", c.write("bad.ndjson", '{"contact":"b1","ltv":1.00000000000000000001}\n{"contact":"b2","age":0.99999999999999999999}\n'
                                                  '{"contact":"b3","ltv":12345678901234.56,"weight":12345678901234567890}\n'))
        self.assert_fails(bad, 1, "bad.ndjson:1: ltv: ", "bad.ndjson:2: age: ", "2 rejected")
        self.assertEqual(c.json("select", "contact in ('b1', 'b2', 'b3')", "--fields", "contact,ltv")["rows"], [{"contact": "b3", "ltv": Decimal("12345678901234.56")}])

    def test_importing_twice_changes_nothing_and_undo_takes_it_back(self):
        c = self.loaded()
        before = c.json("aggregate", "--compute", "count, sum(count(any))")["rows"]
        c.import_csv("events", EVENTS)
        self.assertEqual(c.json("aggregate", "--compute", "count, sum(count(any))")["rows"], before)
        c.import_csv("events", "event,contact,at,type,value\nu1,ann,2024-03-05T00:00:00Z,purchase,1.00\nu2,bob,2024-03-06T00:00:00Z,purchase,2.00\n")
        self.assertEqual(c.count("exists(purchase from 2024-03-05)", *AS_OF), 2)
        number = self.newest_import(c)
        c.cli("import", "undo", number)
        self.assertEqual(c.count("exists(purchase from 2024-03-05)", *AS_OF), 0)
        self.assertEqual(c.json("aggregate", "--compute", "count, sum(count(any))")["rows"], before)

    def test_contacts_that_come_again_and_again_in_one_batch_are_one_contact(self):
        c = self.loaded()
        rows = [f"r{i},{'k' if i < 30000 else 'n'}{i % 5000},2024-03-{1 + i // 5000:02},page_view\n" for i in range(60000)]
        said = c.import_csv("events", "event,contact,at,type\n" + "".join(rows)).err
        self.assertIn("60000 applied, 0 duplicates, 0 duplicates without id, 10000 contacts created, 0 rejected", said)
        self.assertEqual(c.count("count(page_view) = 6", *AS_OF), 10000)
        self.assertEqual(c.count(), 10005)

    def newest_import(self, c):
        import wire
        with wire.Client(c.endpoint) as client:
            answer = client.call("ClusterService/ListImports", wire.cluster_pb2.ListImportsRequest(), wire.cluster_pb2.ListImportsResponse)
        return answer.imports[0].progress.import_id

    def test_events_are_deleted_by_source(self):
        c = self.loaded()
        c.import_csv("events", "event,contact,at,type,source\ns1,ann,2024-03-07T00:00:00Z,purchase,till\ns2,bob,2024-03-07T00:00:00Z,purchase,till\n")
        self.assertEqual(c.count("exists(purchase where source = 'till')"), 2)
        c.cli("events", "delete", "--source", "till")
        self.assertEqual(c.count("exists(purchase where source = 'till')"), 0)
        self.assertEqual(c.count("exists(purchase)"), 2)

    def test_a_row_that_names_no_event_is_a_reject_of_events_delete(self):
        c = self.loaded()
        wrong = c.write("wrong.csv", "contact,type,at,event\nann,purchse,2024-02-01T00:00:00Z,e1\nann,purchase,2024-02-01T00:00:00Z,e1\nann,purchase,soon,e1\n"
                        "ann,purchase,2024-02-01T00:00:00Z,other\nx,y\n")
        result = c.run("events", "delete", "--file", wrong)
        self.assert_fails(result, 1, "wrong.csv:2: type: 'purchse' is not declared, did you mean 'purchase'?", "wrong.csv:4: at: ", "wrong.csv:6: ",
                          "3 rows", "1 events removed, 1 were not there")
        self.assertEqual(c.count("contact = 'ann' and count(purchase) = 1", *AS_OF), 1)
        right = c.write("right.csv", "contact,type,at,event\nann,purchase,2024-03-03T00:00:00Z,e4\n")
        self.assertIn("1 events removed, 0 were not there", c.cli("events", "delete", "--file", right).err)

    def test_mistakes_are_told_where_they_are(self):
        c = self.loaded()
        people = c.write("people.csv", "contact,Land\nz1,DE\n")
        self.assert_fails(c.run("import", "contacts", people, "--map", "country=nope"), 1, "--map country=nope: the file has no column 'nope'")
        self.assert_fails(c.run("import", "contacts", people, "--rejects", "-", "--ignore", "Land"), 2, "/dev/stdout")
        self.assertIn("no column 'nope' to ignore", c.cli("import", "contacts", people, "--ignore", "Land", "--ignore", "nope").err)
        self.assert_fails(c.run("import", "contacts", c.write("s.csv", '"contact";"country"\nz2;DE\n')), 1, "separated by semicolons")
        self.assert_fails(c.run("count", "COUNTRY = 'DE'"), 1, "did you mean 'country'?")
        self.assert_fails(c.run("count", b"country = '\xff'".decode("utf-8", "surrogateescape")), 1, "the filter is not valid UTF-8 at byte 12")
        self.assert_fails(c.run("select", "--limit", "0"), 2, "--limit takes a whole number from 1")
        self.assertIn("without it they make the exit status 1", c.cli("import", "contacts", "--help").out)
        self.assert_fails(c.run("events", "delete", "--file", c.write("e.csv", "contact;at\n")), 1, "semicolons")
        c.endpoint = "nonsense"
        self.assert_fails(c.run("count"), 2, "'nonsense' is not an endpoint")

    def test_values_at_the_edges_are_printed_as_they_are_read(self):
        c = self.cluster().start(harness.SCHEMA.replace("key: contact", "key: customer"))
        c.import_csv("contacts", "customer,joined,birthday,weight\na,9999-12-31T23:59:59.999Z,9999-12-31,1e308\nb,0001-01-01T00:00:00.000Z,0001-01-01,\n")
        fields = "joined + 1 second, joined - 1 second, joined - 367 days, birthday + 1 day, birthday - 367 days"
        edges = {"a": ["+10000-01-01T00:00:00.999Z", "9999-12-31T23:59:58.999Z", "9998-12-29T23:59:59.999Z", "+10000-01-01", "9998-12-29"],
                 "b": ["0001-01-01T00:00:01.000Z", "0000-12-31T23:59:59.000Z", "-0001-12-31T00:00:00.000Z", "0001-01-02", "-0001-12-31"]}
        for key, wanted in edges.items():
            one = ["select", f"customer = '{key}'", "--fields", fields]
            self.assertEqual([str(v)[:len(w)] for v, w in zip(c.json(*one)["rows"][0].values(), wanted)], wanted)
            for form in ("csv", "table"):
                shown = c.cli(*one, "--format", form).out
                for text in wanted:
                    self.assertIn(text, shown)
        self.assertEqual(c.count("joined + 1 second >= $t", "--param", "t=+10000-01-01T00:00:00Z"), 1)
        self.assertEqual(c.count("joined - 367 days < 0000-01-01"), 1)
        self.assertEqual(c.json("select", "weight > 1", "--fields", "weight * 10, -weight * 10, weight * 10")["rows"], [{"weight * 10": "Infinity", "-weight * 10": "-Infinity"}])
        self.assertEqual(c.cli("select", "weight > 1", "--fields", "weight * 10, -weight * 10", "--format", "csv").out.splitlines()[1], "Infinity,-Infinity")
        self.assertRegex(c.cli("contact", "get", "a").out, r"(?m)^customer +a$")

    def test_schema_show_and_infer(self):
        c = self.loaded()
        shown = c.cli("schema", "show").out
        again = c.write("shown.yaml", shown)
        c.cli("schema", "apply", again)
        self.assertEqual(c.cli("schema", "show").out, shown, "what is shown can be applied, and changes nothing")
        inferred = c.cli("schema", "infer", c.write("c.csv", CONTACTS)).out
        for line in ("age", "int", "birthday", "date", "joined", "time"):
            self.assertIn(line, inferred)

    def test_other_addresses_than_loopback_are_refused_without_keys(self):
        c = self.cluster()
        c.endpoint = f"tcp://0.0.0.0:{harness.free_port()}"
        result = c.run("up", "--data", c.data, "--detach")
        self.assertIn(result.code, (1, 2), str(result))
        self.assertIn("CURVE keys", result.err)
        self.assertEqual(c.processes(), [])

    def test_up_holds_none_of_the_callers_descriptors_and_status_shows_the_cluster(self):
        c = self.loaded(workers=2, partitions=8)
        status = c.json("cluster", "status")
        self.assertTrue(status["ready"])
        self.assertEqual([w["name"] for w in status["workers"]], ["worker-1", "worker-2"])
        harness.wait(lambda: self.held(c) == (5, 5), "the status counts 5 contacts and 5 events")
        before, after = map(int, re.search(r"(\d+) bytes before, (\d+) after", c.cli("cluster", "compact", "--wait").err).groups())
        self.assertGreaterEqual(before, after, "what was still in memory is counted on both sides")
        self.assertEqual(c.count("exists(purchase)"), 2)

    def test_status_lists_the_workers_that_belong_to_the_cluster_now(self):
        c = self.loaded(workers=4, partitions=8)
        for workers in (2, 3):
            c.down()
            c.up(workers)
            listed = {w["name"]: (w["alive"], w["partitions"]) for w in c.json("cluster", "status")["workers"]}
            self.assertEqual(sorted(listed), [f"worker-{i + 1}" for i in range(workers)])
            self.assertTrue(all(alive for alive, _ in listed.values()))
            self.assertEqual(sum(n for _, n in listed.values()), 8)
            self.assertEqual(c.count(), 5)

    @staticmethod
    def held(c):
        partitions = c.json("cluster", "status")["partitions"]
        return sum(p["contacts"] for p in partitions), sum(p["events"] for p in partitions)
