"""Compares what two runs of `vit-run classify --json` say of the same pictures: same_classes.py A.json B.json TOLERANCE"""
import json
import sys

first, second, tolerance = sys.argv[1], sys.argv[2], float(sys.argv[3])


def read(path):
    with open(path) as file:
        return {line["path"]: {c["index"]: c["probability"] for c in line["classes"]} for line in map(json.loads, file)}


a, b = read(first), read(second)
if not a or a.keys() != b.keys():
    sys.exit(f"{first} is of {sorted(a)}, {second} of {sorted(b)}")
worst = 0.0
for path in a:
    if a[path].keys() != b[path].keys():
        sys.exit(f"{path}: classes {sorted(a[path])} and {sorted(b[path])}")
    worst = max([worst] + [abs(a[path][index] - b[path][index]) for index in a[path]])
if not worst <= tolerance:
    sys.exit(f"probabilities differ by {worst}, tolerance {tolerance}")
