"""Companies are in every partition: whatever dies in the middle of an upsert, all partitions come to say the same as the
company's home, without a repetition by the client, and with every column of updates that named only some.

Contacts of many partitions belong to each company, so a count by a company's attribute asks all copies of it.
"""
import os
import signal

import harness
import wire
from wire import V, company_pb2, write_pb2

PARTITIONS, PEOPLE = 8, 96
UPSERT = "reveille.v1.CompanyService/Upsert"


def upsert(keys, industry=None, employees=None, identity=None):
    columns = []
    if industry is not None:
        columns.append(wire.text_column("industry", [industry] * len(keys)))
    if employees is not None:
        columns.append(V.Column(name="employees", type=V.VALUE_TYPE_INT, ints=[employees] * len(keys)))
    return company_pb2.CompanyServiceUpsertRequest(
        identity=identity, batch=write_pb2.EntityBatch(keys=wire.strings(keys), attributes=columns))


class Company(harness.TestCase):
    def people(self, c, *companies):
        """Contacts of each company in every partition."""
        c.import_csv("contacts", "contact,company\n" +
                     "".join(f"{company}-{i},{company}\n" for company in companies for i in range(PEOPLE)))

    def homes(self, c, client, keys):
        """key -> the worker that holds its home partition."""
        result = client.call("CompanyService/Upsert", upsert(keys), company_pb2.CompanyServiceUpsertResponse).result
        worker = {p["partition"]: p["worker"] for p in c.json("cluster", "status")["partitions"]}
        return {keys[i]: worker[part.partition] for part in result.partitions for i in (part.items or range(len(keys)))}

    def one_of(self, homes, worker):
        return next(key for key, home in homes.items() if home == worker)

    def at_home(self, client, key):
        """Names of the columns that have a value."""
        return {column.name for column in client.call("CompanyService/Get", company_pb2.CompanyServiceGetRequest(key=key),
                                                      company_pb2.CompanyServiceGetResponse).attributes}

    def assert_everywhere(self, c, company, **values):
        for name, value in values.items():
            shown = f"'{value}'" if isinstance(value, str) else value
            self.assertEqual(c.count(f"company = '{company}' and company.{name} = {shown}"), PEOPLE,
                             f"{company}: {name} = {value} is not in every partition")

    def test_an_update_that_is_overtaken_on_its_way_loses_no_column(self):
        c = self.cluster(workers=2, partitions=PARTITIONS).start()
        with wire.Client(c.endpoint) as client:
            homes = self.homes(c, client, [f"c{i}" for i in range(40)])
            first, second = self.one_of(homes, "worker-1"), self.one_of(homes, "worker-2")
            self.people(c, first, second)
            frozen = c.members()["worker-2"]
            os.kill(frozen, signal.SIGSTOP)  # for less than a lease
            try:
                slow = client.send(UPSERT, upsert([first, second], industry="steel"))
                fast = client.send(UPSERT, upsert([first], employees=7))
                with wire.Client(c.endpoint) as other:
                    harness.wait(lambda: self.at_home(other, first) == {"industry", "employees"}, "its home has both", 1.5)
            finally:
                os.kill(frozen, signal.SIGCONT)
            for _ in range(2):
                header, _ = client.receive()
                self.assertIn(header.request_id, (slow, fast))
                self.assertEqual(header.status.code, 0, header.status.message)
        self.assert_everywhere(c, first, industry="steel", employees=7)
        self.assert_everywhere(c, second, industry="steel")
