"""deploy/examples/python_client.py does what it says: a client in 40 lines without any code of ours."""
import os
import subprocess
import tempfile

import harness


class PythonClient(harness.TestCase):
    def test_the_example_appends_and_counts(self):
        example = harness.ROOT / "deploy/examples/python_client.py"
        self.assertLessEqual(len(example.read_text().splitlines()), 40)
        c = self.cluster().start()
        c.import_csv("contacts", "contact,country\na,DE\nb,DE\nc,FR\n")
        with tempfile.TemporaryDirectory() as generated:
            protos = map(str, sorted((harness.ROOT / "proto").glob("reveille/v1/*.proto")))
            subprocess.run(["protoc", "-I", str(harness.ROOT / "proto"), f"--python_out={generated}", *protos], check=True)
            run = lambda text: subprocess.run(["/usr/bin/python3", str(example), c.endpoint, text], capture_output=True, text=True,  # noqa: E731
                                              timeout=600, env={**os.environ, "PYTHONPATH": generated})
            first, second, wrong = run("country = 'DE'"), run("exists(purchase)"), run("contry = 'DE'")
        self.assertEqual(first.stdout, "appended 3 events\ncounted 2 contacts\n", first.stderr)
        self.assertEqual(second.stdout, "appended 3 events\ncounted 2 contacts\n", second.stderr)
        self.assertNotEqual(wrong.returncode, 0)
        self.assertIn("did you mean 'country'?", wrong.stderr)
        self.assertEqual(c.count("sum(value of purchase) = 59.97 and contact = 'python-1'"), 1)
