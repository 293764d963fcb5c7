"""Counts of passed, failed and skipped tests, and how each kind of runner reports them."""

import json
import re
import xml.etree.ElementTree as xml
from dataclasses import dataclass


@dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def line(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def _gtest_number(word, output):
    found = re.findall(rf"\[  {word}\s*\] (\d+) test", output)
    return int(found[-1]) if found else 0


def _failed_cases(output):
    """The part of a GoogleTest binary's output that belongs to its failed cases; all of it without any."""
    blocks = re.findall(r"^\[ RUN      \](?:(?!^\[ RUN      \]|^\[       OK \]).)*^\[  FAILED  \][^\n]*",
                        output, re.M | re.S)
    return "\n".join(blocks) or output


def of_junit(path):
    """Cases of a ctest run: GoogleTest binaries count their own cases, anything else is one case."""
    counts, failures = Counts(), []
    for case in xml.parse(path).getroot().iter("testcase"):
        output = case.findtext("system-out") or ""
        ok = case.get("status") == "run" and case.find("failure") is None
        passed, failed = _gtest_number("PASSED", output), _gtest_number("FAILED", output)
        skipped = _gtest_number("SKIPPED", output)
        if passed + failed == 0:
            passed, failed = (1, 0) if ok else (0, 1)
        if not ok and failed == 0:
            failed = 1  # crashed or timed out after some cases had passed
        if not ok:
            failures.append((case.get("name"), _failed_cases(output)))
        counts.add(Counts(passed, failed, skipped))
    return counts, failures


def of_go_json(lines):
    """Cases of `go test -json`: every test and subtest without children counts once."""
    results, outputs, package_failed = {}, {}, False
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        action, test = event.get("Action"), event.get("Test")
        if test is None:
            package_failed |= action == "fail"
            continue
        if action == "output":
            outputs.setdefault(test, []).append(event.get("Output", ""))
        elif action in ("pass", "fail", "skip"):
            results[test] = action
    leaves = [t for t in results if not any(o.startswith(t + "/") for o in results)]
    counts = Counts(*(sum(results[t] == a for t in leaves) for a in ("pass", "fail", "skip")))
    if package_failed and counts.failed == 0:
        counts.failed = 1  # did not build, timed out, or ended without a verdict
    failures = [(t, "".join(outputs.get(t, []))) for t in results if results[t] == "fail"]
    return counts, failures
