#!/usr/bin/env python3
"""Adds up JUnit files of ctest: scripts/summarize_tests.py build/tests.xml...

A lit suite is one test of ctest but many tests to a reader, so its own count (in its output) is taken. Prints a line per file, the
names of failed and skipped tests, and last `N passed, N failed, N skipped`. Exits with 1 if something failed or a file is missing.
"""
import re
import sys
import xml.etree.ElementTree as ElementTree

LIT_COUNT = re.compile(r"^  (Passed|Failed|Unsupported|Unresolved|Timed Out|Unexpectedly Passed|Expectedly Failed|Skipped)\s*:\s*(\d+)", re.M)
LIT_RESULT = re.compile(r"^(FAIL|UNRESOLVED|TIMEOUT|XPASS|UNSUPPORTED|SKIPPED): vitc :: (\S+)", re.M)
KIND = {"Passed": "passed", "Expectedly Failed": "passed", "Unsupported": "skipped", "Skipped": "skipped"}


def read(path):
    """Counts of one file and the names of its failed and skipped tests."""
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    names = {"failed": [], "skipped": []}
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name, status = case.get("name"), case.get("status")
        output = case.findtext("system-out") or ""
        lit = LIT_COUNT.findall(output) if name.startswith("lit.") else []
        if lit:
            for kind, count in lit:
                counts[KIND.get(kind, "failed")] += int(count)
            for result, test in LIT_RESULT.findall(output):
                names["skipped" if result in ("UNSUPPORTED", "SKIPPED") else "failed"].append(test)
            continue
        # An executable that was not built is also "skipped" to ctest, with another message.
        skip = case.find("skipped")
        asked_for = skip is not None and skip.get("message", "").startswith("SKIP_")
        kind = "passed" if status == "run" else "skipped" if asked_for else "failed"
        counts[kind] += 1
        if kind != "passed":
            names[kind].append(name)
    return counts, names


def main(paths):
    total = {"passed": 0, "failed": 0, "skipped": 0}
    for path in paths:
        try:
            counts, names = read(path)
        except (OSError, ElementTree.ParseError) as error:
            print(f"{path}: no report: {error}")
            counts, names = {"passed": 0, "failed": 1, "skipped": 0}, {"failed": [], "skipped": []}
        print(f"{path}: {counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
        for kind in ("failed", "skipped"):
            for name in names[kind]:
                print(f"  {kind}: {name}")
        for kind, count in counts.items():
            total[kind] += count
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] or not total["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
