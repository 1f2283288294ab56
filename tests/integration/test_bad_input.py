"""Bad input gets a clear error, loses nothing and leaves the cluster answering."""
import shutil
import socket
import subprocess
import threading

import harness
import wire
from harness import BIN

CONTACTS, EVENTS = 300, 900


class BadInput(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.c = self.loaded()

    def loaded(self):
        c = self.cluster(workers=2, partitions=8).start()
        c.import_csv("contacts", "contact,country,age\n" + "".join(f"k{i:04d},DE,{i % 90}\n" for i in range(CONTACTS)))
        c.import_csv("events", "event,contact,at,type,value\n" +
                     "".join(f"e{i},k{i % CONTACTS:04d},{1_600_000_000 + i},purchase,1.01\n" for i in range(EVENTS)))
        return c

    def whole(self, c=None):
        """The cluster answers, and all of its data is there."""
        row = (c or self.c).json("aggregate", "--compute", "count, sum(count(purchase)), sum(sum(value of purchase))")["rows"][0]
        self.assertEqual([float(v) for v in row.values()], [CONTACTS, EVENTS, EVENTS * 1.01])

    def client(self):
        client = wire.Client(self.c.endpoint)
        self.addCleanup(client.close)
        return client

    # wire

    def header(self, **kw):
        values = {"method": "reveille.v1.SegmentService/Count", "request_id": b"wrong", "kind": wire.CALL, **kw}
        return wire.envelope_pb2.RequestHeader(**values).SerializeToString()

    def test_malformed_frames(self):
        good = wire.segment_pb2.CountRequest().SerializeToString()
        for frames in ([b""], [b"", b"RVL1"], [b"", b"RVL1", self.header()], [b"", b"", b"", b""], [b"x" * 100], [b"", b"RVL1", b"\xff" * 50, good],
                       [b"", b"RVL1", self.header(), good, b"more"], [b"", b"RVL1", self.header(request_id=b""), good],
                       [b"", b"RVL1", self.header(request_id=b"x" * 65), good], [b"", b"RVL1", self.header(kind=77), good],
                       [b"", b"RVL1", self.header(kind=wire.DATA, seq=5), good], [b"", b"RVL1", self.header(kind=wire.CREDIT, seq=1 << 63), b""],
                       [b"", b"RVL1", self.header(kind=wire.END), b""], [b"", b"RVL1", self.header(kind=wire.CANCEL), b""]):
            client = self.client()
            client.socket.send_multipart(frames)
            self.assertEqual(client.count(), CONTACTS, frames)
        self.whole()

    def test_another_major_version_is_told_so(self):
        client = self.client()
        client.socket.send_multipart([b"", b"RVL2", self.header(), b""])
        header, _ = client.receive()
        self.assertEqual(header.status.code, wire.status_pb2.CODE_FAILED_PRECONDITION)
        self.assertIn("RVL1", header.status.message)
        self.whole()

    def test_malformed_protobuf_unknown_method_and_oversized_request(self):
        client, name = self.client(), "reveille.v1.SegmentService/Count"
        for method, body, code, reason in ((name, b"\x0a\xff\xff\xff\xff\x0f", "INVALID_ARGUMENT", "REQUEST"),
                                           (name, b"\x0a\x02\xc3\x28", "INVALID_ARGUMENT", "REQUEST"),
                                           (name, b"\x0a\x05abc", "INVALID_ARGUMENT", "REQUEST"),
                                           ("reveille.v1.SegmentService/Guess", b"", "UNIMPLEMENTED", "METHOD"),
                                           ("", b"", "UNIMPLEMENTED", "METHOD"),
                                           (name, b"\x00" * ((1 << 20) + 1), "INVALID_ARGUMENT", "LIMIT")):
            header, answer = client.reply(client.send(method, body))
            self.assertEqual((wire.status_pb2.Code.Name(header.status.code), [d.reason for d in header.status.details], answer),
                             ("CODE_" + code, [reason], b""), f"{method} {body[:8]!r}: {header.status}")
            self.assertTrue(header.status.message)
        huge = self.client()
        huge.send(name, b"x" * (5 << 20))
        self.assertEqual(self.client().count(), CONTACTS)
        self.whole()

    def test_appends_that_contradict_themselves(self):
        client = self.client()
        good = [("k0001", 1_600_000_000_000, "purchase", "x", 100, "s")]

        def refused(change, code="INVALID_ARGUMENT"):
            request = wire.append(good)
            change(request.batch)
            try:
                result = client.call("EventService/Append", request, wire.event_pb2.AppendResponse).result
            except wire.CallError as e:
                self.assertEqual(e.code, code, str(e))
                return
            self.assertEqual((result.applied, result.refused), (0, 1), str(result))

        refused(lambda b: b.contacts.__setitem__(0, 9))
        refused(lambda b: b.types.__setitem__(0, 9))
        refused(lambda b: b.type_names.__setitem__(0, "purchse"))
        refused(lambda b: b.times_ms.append(5))
        refused(lambda b: b.contact_keys.lengths.__setitem__(0, 400))
        refused(lambda b: b.contact_keys.lengths.append(0xFFFFFFFF))
        refused(lambda b: setattr(b.properties[0], "name", "valeu"))
        refused(lambda b: setattr(b.properties[0], "scale", 40))
        refused(lambda b: b.properties[0].ints.append(1))
        refused(lambda b: setattr(b.properties[0], "wide", b"12345"))
        refused(lambda b: setattr(b.contact_keys, "data", b"\xff\xfe\x00\x01\x02"))
        refused(lambda b: setattr(b.event_id.strings, "data", b"\x00"))
        for year in (1583, 1969, 2106, 2300):
            refused(lambda b, y=year: b.times_ms.__setitem__(0, (y - 1970) * 31_556_952_000))
        refused(lambda b: b.times_ms.__setitem__(0, -(1 << 63)))
        self.whole()

    # texts and files

    def test_filters(self):
        for text in ("(" * 30000 + "true" + ")" * 30000, "not " * 15000 + "vip", "-" * 60000 + "1 = 1", "(" * 60000, "'" + "x" * 60000,
                     "a" * 70000, "1" * 60000 + " = 1", "at " * 20000, "\x01", "country = 'D\u0000E'".replace("\u0000", "\x7f") + ")"):
            result = self.c.run("count", "--", text)
            self.assert_fails(result, 1, "INVALID_ARGUMENT")
            self.assertLess(len(result.err), 2000)
        self.whole()

    def rejects(self, what, content, reasons, *args):
        """The import names the bad lines with their reasons, and takes the others."""
        rejects = self.c.dir / "rejects.csv"
        rejects.unlink(missing_ok=True)
        result = self.c.run("import", what, self.c.write("bad.csv", content), "--rejects", rejects, *args)
        self.assertIn(result.code, (0, 1), str(result))
        said = (rejects.read_bytes().decode("utf-8", "replace") if rejects.exists() else "") + result.err
        for line, reason in reasons:
            self.assertRegex(said, rf"(?i)\b{line}\b[^\n]*{reason}", str(result))
        return result

    def test_csv_of_contacts(self):
        self.rejects("contacts", b"contact,country,age\nn1,DE,12\nn2,DE,twelve\nn3,D\x00E,1\nn4,\xff\xfe,1\nn5,DE\nn6,DE,1,2\n,DE,3\nn7,DE,99999999999999999999\nn8,FR,4\n",
                     [(3, "age|twelve"), (4, "NUL"), (5, "UTF-8"), (6, "column|field|cell"), (7, "column|field|cell"), (8, "key|contact"), (9, "age|range|64")])
        self.assertEqual(self.c.count("contact in ('n1', 'n8')"), 2)
        self.assertEqual(self.c.count(), CONTACTS + 2)

    def test_csv_with_broken_quotes(self):
        self.rejects("contacts", b'contact,country\nq1,DE\nq2,"D"E\nq3,"open\nq4,DE\n', [(3, "quote")])
        self.assertEqual(self.c.count("contact = 'q1'"), 1)
        self.assertEqual(self.c.count("contact = 'q2'"), 0)

    def test_csv_of_events(self):
        self.rejects("events", "event,contact,at,type,value\nx1,k0001,1583-02-03T00:00:00Z,purchase,1\nx2,k0001,2300-01-01T00:00:00Z,purchase,1\n"
                     "x3,k0001,yesterday,purchase,1\nx4,k0001,2020-02-30T00:00:00Z,purchase,1\nx5,k0001,2020-02-01T00:00:00Z,purchse,1\n"
                     "x6,k0001,2020-02-01T00:00:00Z,purchase,1.005\nx7,k0001,2020-02-01T00:00:00Z,purchase,1e400\n",
                     [(2, "1583|1970|time"), (3, "2300|2105|time|future|later"), (4, "time|yesterday"), (5, "time|date|day"), (6, "purchse"), (7, "scale|digits|decimal"), (8, "decimal|number")])
        self.whole()

    def test_an_event_known_with_other_properties_is_refused(self):
        self.rejects("events", "event,contact,at,type,value\ne5,k0005,1600000005,purchase,7.00\n", [(2, "CONFLICT|other")])
        self.whole()

    def test_unknown_columns_and_empty_files(self):
        self.assert_fails(self.c.run("import", "contacts", self.c.write("a.csv", "contact,contry\nz,DE\n")), 1, "contry", "country")
        self.assert_fails(self.c.run("import", "contacts", self.c.write("b.csv", "")), 1)
        self.assert_fails(self.c.run("import", "events", self.c.dir / "there-is-none.csv"), 1, "there-is-none.csv")
        self.whole()

    def test_schemas(self):
        for text, needle in (("contact: [", ""), ("contact:\n  kee: x\n", "kee"), ("contact:\n  key: contact\n  attributes: {a: {type: strin}}\n", "strin"),
                             ("contact:\n  key: contact\n  attributes: {not: {type: string}}\n", "not"), ("\x00", ""), ("[1, 2]", "")):
            self.assert_fails(self.c.run("schema", "apply", self.c.write("bad.yaml", text)), 1, needle)
        for change, needle in ((("age: {type: int}", "age: {type: double}"), "UNIMPLEMENTED"), (("age: {type: int}", "age: {type: int, alias: years}"), "UNIMPLEMENTED"),
                               (("company: {type: company}\ncompany:\n  key: company\n  attributes: {industry: {type: string}, employees: {type: int}}\n", "\n"),
                                "company.key is missing from the new schema; it is company and cannot be removed")):
            self.assertIn(change[0], harness.SCHEMA)
            self.assert_fails(self.c.run("schema", "apply", self.c.write("bad.yaml", harness.SCHEMA.replace(*change))), 1, needle)
        self.whole()

    # directories

    def test_a_second_process_on_the_same_directory_is_refused(self):
        for member, argv in (("worker-1", ["reveille-worker", "--name", "worker-1", "--data", self.c.data / "worker-1",
                                           "--coordinator-endpoints", self.c.data / "coordinator/endpoints"]),
                             ("coordinator", ["reveille-coordinator", "--data", self.c.data / "coordinator", "--endpoint",
                                              f"tcp://127.0.0.1:{harness.free_port()}", "--workers", "2", "--partitions", "8"])):
            done = subprocess.run([str(BIN / argv[0]), *map(str, argv[1:])], capture_output=True, text=True, timeout=600)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(f"in use by process {self.c.members()[member]}", done.stderr + done.stdout)
        before = self.c.members()
        self.c.up()
        self.assertEqual(self.c.members(), before)
        self.whole()

    def test_another_directory_under_a_workers_name_is_refused(self):
        c = self.cluster(workers=2, partitions=4).start()
        c.import_csv("contacts", "contact,country\n" + "".join(f"k{i},DE\n" for i in range(100)))
        endpoints = c.data / "coordinator" / "endpoints"
        for directory, name in (("new", "worker-1"), ("new", "worker-2")):
            done = subprocess.run([str(harness.BIN / "reveille-worker"), "--name", name, "--data", str(c.dir / directory),
                                   "--coordinator-endpoints", str(endpoints)], capture_output=True, text=True, timeout=60 * harness.SLOW)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(f"{name} holds 2 partitions of this cluster, and there is none of them", done.stderr)
            self.assertEqual(c.count(), 100)
        c.kill("worker-1")  # its own next start is taken, as soon as the old one's lease has lapsed
        c.up()
        self.assertEqual(c.count(), 100)

    def test_a_worker_of_another_cluster_is_refused_and_left_as_it_is(self):
        other = self.loaded()
        self.whole(other)
        other.down()
        self.c.down()
        shutil.move(self.c.data / "worker-2", self.c.dir / "kept")
        shutil.copytree(other.data / "worker-2", self.c.data / "worker-2")
        result = self.c.run(*self.c.up_args())
        self.assertNotEqual(result.code, 0, str(result))
        self.assertRegex(result.err + self.c.log_tails(40), "another cluster|other cluster|foreign|belongs to cluster")
        self.c.kill()
        shutil.rmtree(self.c.data / "worker-2")
        shutil.move(self.c.dir / "kept", self.c.data / "worker-2")
        self.c.up()
        self.whole()
        other.up()
        self.whole(other)

    def test_up_does_not_take_another_cluster_for_its_own(self):
        other = self.cluster(workers=1, partitions=4)
        other.endpoint = self.c.endpoint
        for _ in range(4):  # the directory is new, then it is not
            self.assert_fails(other.run(*other.up_args()), 1, self.c.endpoint, "another cluster", "2 workers, 8 partitions")
            self.assertEqual(other.members(), {})
            self.assertLess(other.down().seconds, 15 * harness.SLOW)
        with socket.create_server(("127.0.0.1", harness.free_port())) as server:
            other.endpoint = f"tcp://127.0.0.1:{server.getsockname()[1]}"
            self.assert_fails(other.run(*other.up_args()), 1, other.endpoint, "in use")
            self.assertEqual(other.members(), {})
        self.whole()
        other.endpoint = f"tcp://127.0.0.1:{harness.free_port()}"
        other.up()
        other.apply(harness.SCHEMA)
        self.assertEqual((other.count(), self.c.count()), (0, CONTACTS))

    def test_a_directory_that_up_left_half_written_is_finished_by_the_next_up(self):
        for _ in range(5):
            c = self.cluster(workers=2, partitions=4)
            up = subprocess.Popen(c.command(*c.up_args()), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            threading.Event().wait(self.random.uniform(0, 0.15))
            up.kill()
            up.wait()
            c.kill()
            c.cli("up", "--data", c.data, "--workers", 2, "--partitions", 4, "--detach")
            c.apply(harness.SCHEMA)
            self.assertEqual(c.count(), 0)
            c.down()

    def test_a_directory_that_holds_something_else_is_refused_and_left_as_it_is(self):
        c = self.cluster()
        c.data.mkdir(parents=True)
        (c.data / "letters.txt").write_text("dear")
        self.assert_fails(c.run("up", "--data", c.data, "--detach"), 1, "FAILED_PRECONDITION", str(c.data))
        self.assertEqual([p.name for p in c.data.iterdir()], ["letters.txt"])

    def test_a_truncated_partition_is_named_and_the_rest_goes_on(self):
        self.c.cli("cluster", "compact", "--wait")
        self.c.down()
        victim = sorted(self.c.data.glob("worker-*/p[0-9]*/data.mdb"))[3]
        number, whole = int(victim.parent.name[1:]), victim.read_bytes()
        for size in (0, 4096, len(whole) // 3, len(whole) - 4096):
            victim.write_bytes(whole[:size])
            self.c.run(*self.c.up_args())
            self.assert_fails(self.c.run("count", ""), 1, "UNAVAILABLE", str(number))
            partial = self.c.run("count", "", "--allow-partial", "--format", "json")
            self.assertEqual(partial.code, 3, str(partial))
            self.assertEqual(partial.json()["coverage"]["partitions_answered"], 7)
            self.c.kill()
        victim.write_bytes(whole)
        self.c.up()
        self.whole()
