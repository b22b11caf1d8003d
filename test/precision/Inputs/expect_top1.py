#!/usr/bin/env python3
"""expect_top1.py EVAL.json N TOP1: fails unless `vit-run eval --json` saw N images and got the share TOP1 of them right at least."""
import json
import sys

path, n, top1 = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
with open(path) as f:
    found = json.load(f)
if found["n"] != n or found["top1"] < top1:
    sys.exit(f"{path}: {found['top1']} of {found['n']} images are right, expected at least {top1} of {n}")
