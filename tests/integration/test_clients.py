"""Clients that vanish, do not read, or ask for too much at once: what they hold is given back, and others are served."""
import socket
import subprocess
import unittest

import harness
import rawzmtp
import wire
from wire import CALL, CREDIT, END, contact_pb2, envelope_pb2, event_pb2, segment_pb2, write_pb2

HOUR_MS = 3600000
SELECT = "reveille.v1.SegmentService/Select"
IMPORT = "reveille.v1.EventService/Import"
ROWS = 40000  # more than the pages that a stream may send without further credit
WIDE = 16500  # rows of 6 KB
MIB = 1 << 20


def start_of(name):
    return event_pb2.EventServiceImportRequest(start=write_pb2.ImportStart(name=name))


class Clients(harness.TestCase):
    def loaded(self, rows=ROWS):
        c = self.cluster(workers=2, partitions=4).start()
        c.import_csv("contacts", "contact,country\n" + "".join(f"k{i:06d},DE\n" for i in range(rows)))
        return c

    def crowd(self, cluster, n):
        clients = [wire.Client(cluster.endpoint) for _ in range(n)]
        for client in clients:
            self.addCleanup(client.close)
        return clients

    def open_calls(self, crowd, n, method, request):
        """n calls of each client, every one with its first reply."""
        for client in crowd:
            open_ids = {client.send(method, request, timeout_ms=HOUR_MS) for _ in range(n)}
            while open_ids:
                header, _ = client.receive()
                self.assertEqual((header.status.code, header.more), (0, True), header)
                open_ids.discard(header.request_id)

    def refusal(self, client, method, request):
        """The status with which a call is refused."""
        return client.reply(client.send(method, request))[0].status

    def test_queries_of_clients_that_vanish_end_with_them(self):
        c = self.loaded()
        crowd = self.crowd(c, 4)
        self.open_calls(crowd, 64, SELECT, segment_pb2.SelectRequest(fields="contact,country"))
        status = self.refusal(crowd[0], SELECT, segment_pb2.SelectRequest())
        self.assertIn("64 queries of this connection", status.message)
        self.assert_fails(c.run("count"), 1, "RESOURCE_EXHAUSTED", "the coordinator is busy: 256 queries")
        for client in crowd:
            client.close()
        harness.wait(lambda: c.run("count").out.strip() == str(ROWS), "the places are free again")

    def test_imports_of_clients_that_vanish_end_with_them(self):
        c = self.cluster(workers=1, partitions=2).start()
        crowd = self.crowd(c, 4)
        self.open_calls(crowd, 1024, IMPORT, start_of("stream"))
        self.assert_fails(c.run("cluster", "status"), 1, "RESOURCE_EXHAUSTED", "the coordinator is busy: 4096 calls")
        for client in crowd:
            client.close()
        events = "event,contact,at,type,value\na,k1,1600000000,purchase,1.00\n"
        harness.wait(lambda: c.run("cluster", "status").code == 0, "the places are free again")
        c.import_csv("events", events)
        self.assertEqual(c.count(), 1)

    def test_an_import_of_companies_outlives_a_worker_that_comes_back(self):
        c = self.cluster(workers=2, partitions=4).start()
        n = 60000
        path = c.write("companies.csv", "company,industry,employees\n" + "".join(f"co{i},toys,{i % 7}\n" for i in range(n)))
        c.kill("worker-1")
        command = subprocess.Popen(c.command("import", "companies", path), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(command.stderr.close)
        self.addCleanup(command.wait)
        self.addCleanup(command.kill)
        self.assertIn("trying again", command.stderr.readline())
        c.up()
        said = command.stderr.read()
        self.assertEqual(command.wait(), 0, said)
        self.assertIn(f"{n} rows read", said)
        c.import_csv("contacts", "contact,company\n" + "".join(f"k{i},co{i}\n" for i in range(0, n, 100)))
        self.assertEqual(c.count("company.industry = 'toys'"), n // 100)

    def memory(self, cluster):
        return {name: harness.private_memory(pid) for name, pid in cluster.members().items()}

    def wide(self):
        """A cluster whose contacts have 100 MB of text, started anew so that its memory is small."""
        c = self.cluster(workers=2, partitions=4).start()
        with wire.Client(c.endpoint) as client:
            for first in range(0, WIDE, 150):
                keys = [f"k{i:06d}" for i in range(first, first + 150)]
                column = wire.text_column("country", [f"{self.random.randrange(10 ** 6):06d}" * 1000 for _ in keys])
                batch = write_pb2.EntityBatch(keys=wire.strings(keys), attributes=[column])
                client.call("ContactService/Upsert", contact_pb2.ContactServiceUpsertRequest(batch=batch),
                            contact_pb2.ContactServiceUpsertResponse)
        c.cli("cluster", "compact", "--wait")
        c.down()
        c.up()
        return c

    def test_31_a_client_that_does_not_read_costs_little(self):
        c = self.wide()
        self.assertEqual(c.count(), WIDE)
        before = self.memory(c)
        peer = rawzmtp.Peer(c.endpoint)
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        for kind, seq, body in ((CALL, 0, segment_pb2.SelectRequest(fields="contact,country").SerializeToString()), (CREDIT, 1 << 40, b"")):
            header = envelope_pb2.RequestHeader(method=SELECT, request_id=b"slow", kind=kind, seq=seq, timeout_ms=HOUR_MS)
            peer.send(b"".join(rawzmtp.frame(part, more) for part, more in
                               ((b"", 1), (b"RVL1", 1), (header.SerializeToString(), 1), (body, 0))))
        self.assertTrue(peer.socket.recv(1), "the answer comes")
        for _ in range(50):
            self.assertEqual(c.count(), WIDE)
            self.assertLess(self.memory(c)["coordinator"], before["coordinator"] + 16 * MIB + harness.MEMORY_SLACK)
        peer.close()
        limits = {name: size + 16 * MIB + harness.MEMORY_SLACK for name, size in before.items()}
        harness.wait(lambda: all(size < limits[name] for name, size in self.memory(c).items()), "the result is given back")

    def test_an_import_under_way_is_not_undone_until_its_client_is_gone(self):
        c = self.cluster(workers=1, partitions=2).start()
        rows = [("k", 1600000000000 + i, "purchase", f"e{i}", 100, "") for i in range(10)]
        batch = event_pb2.EventServiceImportRequest(batch=wire.event_batch(rows), offset=77)
        client, = self.crowd(c, 1)
        call = client.send(IMPORT, start_of("stream"), timeout_ms=HOUR_MS)
        client.reply(call)
        client.send(IMPORT, batch, kind=wire.DATA, seq=1, request_id=call, timeout_ms=HOUR_MS)
        client.reply(call)
        self.assert_fails(c.run("import", "undo", "1"), 1, "FAILED_PRECONDITION", "import 1 is under way: stop it first")
        client.close()
        harness.wait(lambda: c.run("import", "undo", "1").code == 0, "the import is not under way any more")
        self.assertEqual(c.count("count(purchase) > 0"), 0)
        again, = self.crowd(c, 1)
        call = again.send(IMPORT, start_of("stream"))
        progress = event_pb2.EventServiceImportResponse.FromString(again.reply(call)[1]).progress
        self.assertEqual((progress.import_id, progress.acknowledged_offset), (1, 0))
        again.send(IMPORT, batch, kind=wire.DATA, seq=1, request_id=call)
        again.send(IMPORT, kind=END, request_id=call)
        while again.reply(call)[0].more:
            pass
        self.assertEqual(c.count("count(purchase) = 10"), 1)


if __name__ == "__main__":
    unittest.main()
