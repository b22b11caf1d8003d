#!/usr/bin/env python3
"""compare.py EXPECTED.json: reads what `vit-run classify --json` says of one picture; fails where a probability differs by over 1e-5."""
import json
import sys

with open(sys.argv[1]) as file:
    expected = json.load(file)
found = {entry["index"]: entry["probability"] for entry in json.loads(sys.stdin.read())["classes"]}
errors = [abs(found[i] - p) for i, p in enumerate(expected)]
print(f"largest difference {max(errors):.3g}")
sys.exit(len(found) != len(expected) or max(errors) > 1e-5)
