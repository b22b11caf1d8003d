#!/usr/bin/env python3
"""Compiles and runs every model that there is a reference for, and compares the numbers; Python's standard library only.

    test/full/check.py --bin=build/bin [FAMILY or PATTERN of names ...]

A line for each model: its error, the bound, seconds to compile and to run, the largest anonymous memory of vitc. Without FAMILY: all of
them. References that lie in VITC_SHARED (default: ../shared) are left out where that folder is absent. Exit codes: 0 all equal, 1 not,
2 bad usage, 77 nothing to do.
"""
import argparse
import fnmatch
import os
import shutil
import subprocess
import sys
import tempfile
import time

import arrays
import cases

SKIPPED = 77


class Failure(Exception):
    pass


def run(command):
    """Seconds, and the high-water mark of RssAnon in MB (sampled; a run under 20 ms may show less)."""
    start, peak = time.monotonic(), 0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status") as f:
                peak = max([peak] + [int(line.split()[1]) for line in f if line.startswith("RssAnon")])
        except (OSError, ProcessLookupError):
            pass
        time.sleep(0.02)
    errors = process.stderr.read()
    if process.returncode:
        lines = [line for line in errors.splitlines() if "error" in line] or errors.splitlines() or [f"exit code {process.returncode}"]
        raise Failure(lines[0] if process.returncode > 0 else f"{os.path.basename(command[0])} ended by signal {-process.returncode}")
    return time.monotonic() - start, peak / 1024


def check(case, binaries, target, folder):
    artifact, output, image = f"{folder}/model.vitx", f"{folder}/output.npy", f"{folder}/input.npy"
    case.prepare(folder)
    arguments = [argument.replace("{tmp}", folder) for argument in case.arguments]
    compiling, memory = run([f"{binaries}/vitc", *arguments, f"--target={target}", "-o", artifact])
    arrays.write_npy(image, *case.input())
    running, _ = run([f"{binaries}/vit-run", "infer", artifact, f"--input={image}", f"--output={output}"])
    result = arrays.read_npy(output)
    return max(error(result) for error in case.expected), compiling, running, memory


def selected(patterns, shared):
    every = list(cases.all_cases(shared))
    if not patterns:
        return every
    return [case for case in every if any(p == case.family or fnmatch.fnmatch(case.name, p) for p in patterns)]


def started_for_another_reason():
    """A plain `ctest` names no label: this test is not for it."""
    try:
        with open(f"/proc/{os.getppid()}/cmdline") as f:
            words = f.read().split("\0")
    except OSError:
        return False
    return os.path.basename(words[0]) == "ctest" and not any("full" in word for word in words[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patterns", nargs="*", metavar="FAMILY|NAME")
    parser.add_argument("--bin", default=os.path.join(cases.HERE, "../../build/bin"), help="folder of vitc and vit-run")
    parser.add_argument("--target", default="cpu")
    parser.add_argument("--shared", default=os.path.join(cases.HERE, "../../../shared"))
    parser.add_argument("--list", action="store_true", help="print family and name of each case and stop")
    options = parser.parse_args()
    options.shared = os.environ.get("VITC_SHARED") or options.shared
    if started_for_another_reason():
        print("the whole list of models runs by `ctest -L full`")
        return SKIPPED
    chosen = selected(options.patterns, options.shared)
    if options.list:
        for case in chosen:
            print(f"{case.family}\t{case.name}\t{' '.join(case.arguments)}")
        return 0
    if not chosen:
        print(f"no references for {' '.join(options.patterns)}")
        return SKIPPED
    print(f"{'model':44} {'error':>9} {'bound':>9} {'compile':>8} {'run':>7} {'RssAnon':>9}", flush=True)
    failed = 0
    for case in chosen:
        folder = tempfile.mkdtemp(prefix="vitc-full-")
        try:
            error, compiling, running, memory = check(case, options.bin, options.target, folder)
            wrong = not error <= case.bound
            figures = f"{error:9.2e} {case.bound:9.2e} {compiling:6.2f} s {running:5.2f} s {memory:6.0f} MB"
            print(f"{case.name:44} {figures}{'  DIFFERS' if wrong else ''}", flush=True)
            failed += wrong
        except Failure as failure:
            print(f"{case.name:44} {failure}", flush=True)
            failed += 1
        finally:
            shutil.rmtree(folder)
    print(f"{len(chosen) - failed} of {len(chosen)} equal their reference")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
