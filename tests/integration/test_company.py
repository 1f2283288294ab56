"""Companies are in every partition: whatever dies in the middle of an upsert, all partitions come to say the same as the
company's home, without a repetition by the client, and with every column of updates that named only some.

Contacts of all partitions belong to each company, so the groups of contacts by a company's attributes ask all copies of
it. Each test kills at one place; the last one at random places (RV_KILLS rounds, default 3).
"""
import os
import signal
import threading
import time

import harness
import wire
from wire import V, company_pb2, write_pb2

ROUNDS = int(os.environ.get("RV_KILLS", "3"))
PEOPLE = 96
UPSERT = "reveille.v1.CompanyService/Upsert"
UNAVAILABLE = 14
SCHEMA = harness.SCHEMA.replace("employees: {type: int}", "employees: {type: int}, notes: {type: string}")


def upsert(keys, identity=None, **values):
    columns = [V.Column(name=name, type=V.VALUE_TYPE_INT, ints=[value] * len(keys)) if isinstance(value, int) else
               wire.text_column(name, [value] * len(keys)) for name, value in values.items()]
    return company_pb2.CompanyServiceUpsertRequest(
        identity=identity, batch=write_pb2.EntityBatch(keys=wire.strings(keys), attributes=columns))


class Company(harness.TestCase):
    def start(self, workers=2, partitions=8, companies=12):
        """A cluster where every company has people in every partition, and every company has an industry."""
        c = self.cluster(workers=workers, partitions=partitions).start(SCHEMA)
        self.keys = [f"c{i}" for i in range(companies)]
        with wire.Client(c.endpoint) as client:
            result = self.upsert(client, self.keys, industry="old").result
        holder = {p["partition"]: p["worker"] for p in c.json("cluster", "status")["partitions"]}
        self.home = {self.keys[i]: holder[part.partition] for part in result.partitions for i in part.items}
        c.import_csv("contacts", "contact,company\n" + "".join(f"{k}-{i},{k}\n" for k in self.keys for i in range(PEOPLE)))
        return c

    def upsert(self, client, keys, identity=None, **values):
        return client.call("CompanyService/Upsert", upsert(keys, identity, **values), company_pb2.CompanyServiceUpsertResponse)

    def one_of(self, worker):
        return next(key for key, home in self.home.items() if home == worker)

    def at_home(self, client, key):
        """Names of the columns that have a value."""
        return {column.name for column in client.call("CompanyService/Get", company_pb2.CompanyServiceGetRequest(key=key),
                                                      company_pb2.CompanyServiceGetResponse).attributes}

    def groups(self, c):
        """(company, industry, employees) -> people whose partitions say so."""
        rows = c.json("aggregate", "--by", "company, company.industry, company.employees", "--compute", "count")["rows"]
        return {(r["company"], r["company.industry"], r["company.employees"]): r["count"] for r in rows}

    def assert_everywhere(self, c, industry="old", employees=None, **others):
        """All copies of each company say the same: these values, or those given for it as (industry, employees)."""
        self.assertEqual(self.groups(c), {(k, *others.get(k, (industry, employees))): PEOPLE for k in self.keys})

    def die(self, c, request, *faults):
        """The cluster is started anew with these fault points armed; one of its members dies of the request."""
        c.down()
        c.cli(*c.up_args(), env={"REV_FAULT": ",".join(faults)})
        before = c.members()
        with wire.Client(c.endpoint) as client:
            client.send(UPSERT, request)
            gone = harness.wait(lambda: before.keys() - c.members().keys(), "the fault point strikes")
        self.assertEqual(len(gone), 1)
        return gone.pop()

    def test_an_update_that_is_overtaken_on_its_way_loses_no_column(self):
        c = self.start()
        first, second = self.one_of("worker-1"), self.one_of("worker-2")
        frozen = c.members()["worker-2"]
        with wire.Client(c.endpoint) as client, wire.Client(c.endpoint) as other:
            os.kill(frozen, signal.SIGSTOP)  # for less than a lease
            try:
                slow = client.send(UPSERT, upsert([first, second], industry="steel"))
                fast = client.send(UPSERT, upsert([first], employees=7))
                harness.wait(lambda: self.at_home(other, first) == {"industry", "employees"}, "its home has both", 1.5)
            finally:
                os.kill(frozen, signal.SIGCONT)
            for _ in range(2):
                header, _ = client.receive()
                self.assertIn(header.request_id, (slow, fast))
                self.assertEqual(header.status.code, 0, header.status.message)
        self.assert_everywhere(c, **{first: ("steel", 7), second: ("steel", None)})

    def test_a_coordinator_that_dies_before_the_home_write_starts_as_if_nothing_had_been(self):
        c = self.start()
        self.assertEqual(self.die(c, upsert(self.keys, employees=5), "fanout-noted:kill"), "coordinator")
        c.up()
        self.assert_everywhere(c)

    def test_a_coordinator_that_dies_between_home_and_fan_out_completes_it(self):
        c = self.start()
        self.assertEqual(self.die(c, upsert(self.keys, employees=5), "fanout-ready:kill"), "coordinator")
        c.up()
        self.assert_everywhere(c, employees=5)
        self.assertIn("fan-out-resumes", c.all_logs())

    def test_everything_dies_between_home_and_fan_out_and_starts_with_more_workers(self):
        c = self.start()
        self.die(c, upsert(self.keys, employees=5), "fanout-ready:kill")
        c.kill()
        c.up(workers=3)
        self.assert_everywhere(c, employees=5)
        c.down()
        c.up(workers=1)
        self.assert_everywhere(c, employees=5)

    def test_a_coordinator_that_dies_after_a_part_of_the_fan_out_completes_it(self):
        c = self.start(partitions=64)
        large = upsert(self.keys, employees=5, notes="n" * 60_000)  # so large that not all partitions get it at once
        self.assertEqual(self.die(c, large, "fanout-slice:kill"), "coordinator")
        c.up()
        self.assert_everywhere(c, employees=5)
        self.assertEqual(c.count(f"company.notes = '{'n' * 60_000}'"), PEOPLE * len(self.keys))

    def worker_dies_in_the_home_write(self, moment, employees):
        c = self.start()
        key = self.one_of("worker-1")
        self.assertEqual(self.die(c, upsert([key], employees=5), f"{moment}:kill"), "worker-1")
        c.kill("worker-2")  # it has the same fault point armed
        c.up()
        harness.wait(lambda: self.groups(c).get((key, "old", employees)) == PEOPLE, "all copies are the same")
        self.assert_everywhere(c, **{key: ("old", employees)})

    def test_a_worker_that_dies_before_its_log_has_the_home_write_leaves_no_trace_of_it(self):
        self.worker_dies_in_the_home_write("wal-before-commit", None)

    def test_a_worker_that_dies_with_the_home_write_in_its_log_completes_it_when_it_is_back(self):
        self.worker_dies_in_the_home_write("wal-after-commit", 5)

    def test_a_worker_that_is_lost_in_the_fan_out_gets_its_copies_when_it_is_back(self):
        c = self.start()
        key = self.one_of("worker-1")
        with wire.Client(c.endpoint) as client:
            os.kill(c.members()["worker-2"], signal.SIGSTOP)
            request = client.send(UPSERT, upsert([key], employees=5))
            harness.wait(lambda: self.at_home(client, key) == {"industry", "employees"}, "its home has it")
            c.kill("worker-2")
            header, _ = client.reply(request)
            self.assertEqual(header.status.code, UNAVAILABLE)
            self.assertEqual([d.reason for d in header.status.details], ["OUTCOME_UNKNOWN"])
            refused, _ = client.reply(client.send(UPSERT, upsert([key], employees=6)))
            self.assertEqual([d.reason for d in refused.status.details], ["INCOMPLETE"])
        c.up()
        harness.wait(lambda: self.groups(c).get((key, "old", 5)) == PEOPLE, "all copies are the same")
        self.assert_everywhere(c, **{key: ("old", 5)})

    def test_a_repetition_after_a_newer_update_takes_no_effect_again(self):
        c = self.start()
        identity = write_pb2.WriteIdentity(producer=wire.uuid7(), sequence=1)
        with wire.Client(c.endpoint) as client:
            self.upsert(client, self.keys, identity, industry="first")
            self.upsert(client, self.keys, industry="second")
            again = self.upsert(client, self.keys, identity, industry="first").result
            self.assertEqual((again.applied, again.duplicates), (0, len(self.keys)))
            self.assert_everywhere(c, industry="second")
            with self.assertRaises(wire.CallError) as caught:
                self.upsert(client, self.keys, identity, industry="third")
            self.assertEqual(caught.exception.reasons, ["CONFLICT"])
        self.assert_everywhere(c, industry="second")

    def strike(self, c, victims):
        """Updates of one column each, many at once, until some members are killed; returns the last one acknowledged."""
        acked, waiting = 0, {}
        moment = self.random.randrange(5, 40)
        killer = threading.Thread(target=c.kill, args=victims)
        deadline = time.monotonic() + 20 * harness.SLOW
        with wire.Client(c.endpoint) as client:
            while time.monotonic() < deadline:
                while len(waiting) < 8 and self.value < 1 << 30:
                    self.value += 1
                    keys = self.random.sample(self.keys, self.random.randrange(1, len(self.keys)))
                    name = self.random.choice(["industry", "employees"])
                    value = f"v{self.value:06d}" if name == "industry" else self.value
                    waiting[client.send(UPSERT, upsert(keys, **{name: value}), timeout_ms=1000)] = (keys, name, value)
                got = client.receive(0.05)
                if got is None and killer.ident and not killer.is_alive():
                    break
                if got is None:
                    continue
                keys, name, value = waiting.pop(got[0].request_id)
                if got[0].status.code == 0:
                    acked += 1
                    for key in keys:
                        self.least[key, name] = max(value, self.least.get((key, name), value))
                elif killer.ident:
                    break
                if acked == moment and not killer.ident:
                    killer.start()
        killer.join()
        self.assertGreaterEqual(acked, moment)

    def test_kills_at_any_moment_leave_all_copies_the_same(self):
        c = self.start()
        self.value, self.least = 0, {}
        for number in range(ROUNDS):
            self.strike(c, self.random.choice([("coordinator",), ("worker-1",), ("worker-2",), ()]))
            c.up()
            harness.wait(lambda: len(self.groups(c)) == len(self.keys), f"round {number}: all copies are the same")
            for (key, industry, employees), people in self.groups(c).items():
                self.assertEqual(people, PEOPLE)
                self.assertGreaterEqual(industry, self.least.get((key, "industry"), industry), key)
                self.assertGreaterEqual(employees or 0, self.least.get((key, "employees"), 0), key)
