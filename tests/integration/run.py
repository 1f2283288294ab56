"""Runs the integration tests: `run.py [-v] [NAME...]`, where a NAME is part of test_FILE.Class.test_method; all without one.

Standard output ends with one line, "N passed, N failed".
"""
import pathlib
import sys
import time
import unittest

import harness

HERE = pathlib.Path(__file__).resolve().parent


def flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


class Report(unittest.TestResult):
    """A line a test, with its time; what failed at once and in full."""

    def startTest(self, test):
        super().startTest(test)
        self.begin = time.monotonic()
        print(f"  {test.id()} ... ", end="", flush=True)

    def addSuccess(self, test):
        print(f"ok ({time.monotonic() - self.begin:.1f} s)", flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        print(f"FAILED ({time.monotonic() - self.begin:.1f} s)\n{self.failures[-1][1]}", flush=True)

    def addError(self, test, err):
        super().addError(test, err)
        print(f"ERROR\n{self.errors[-1][1]}", flush=True)


def main():
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    if not (harness.BIN / "reveille").exists():
        sys.exit(f"{harness.BIN}/reveille does not exist: build first, or set RV_BIN")
    tests = list(flatten(unittest.defaultTestLoader.discover(str(HERE), pattern="test_*.py")))
    chosen = [t for t in tests if not names or any(n in t.id() for n in names)]
    if not chosen:
        sys.exit(f"no test is named like {', '.join(names)}")
    print(f"{len(chosen)} tests, seed {harness.SEED} (RV_SEED repeats it), {harness.BIN}")
    result = Report()
    unittest.TestSuite(chosen).run(result)
    bad = {str(getattr(t, "test_case", t)) for t, _ in [*result.failures, *result.errors]}
    print(f"{result.testsRun - len(bad)} passed, {len(bad)} failed")
    sys.exit(1 if bad or not result.testsRun else 0)


if __name__ == "__main__":
    main()
