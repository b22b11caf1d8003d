#!/usr/bin/env python3
"""Measures vitc and its rivals on this machine's CPU in one run: the same weights, images and cores for all, in turns.

    python3 benchmarks/compare.py [--models=tiny,base] [--batches=1,8] [--threads=1] [--only=vitc,OpenVINO] [--python=.venv/bin/python]

Needs numpy, a C compiler and a build of vitc. A rival is measured if one of the interpreters of --python has its packages, and left out
with a sentence if not: onnx and onnxruntime; torch (2.6 or later); torch, openvino and nncf; jax.

Each program runs in its own process, bound to the same cores, in alternating rounds; a row holds the best round's median. The columns:

  ms         for a batch. On one thread all times are the process's CPU time where that is less than the clock's, which neighbours spoil.
  % of peak  of the rate of multiply-adds in that number type (peaks.c, measured before each round): two operations for each multiply-add
             of the model's products and of the two in attention, whatever a program leaves out.
  first, s   to the first result, with everything compiled: of a rival from the end of its imports, of vitc from the start of the process.
  compile    seconds on the cores of the run and megabytes of what is compiled ahead, once.
  MB         high-water mark of the process.
  error      the largest difference of any logit from a forward pass in double precision (logits have a standard deviation of about 1).
             A row above the bound of its number type (f32 1e-4, bf16 0.1, int8 0.5) is struck out and does not count.
  busy       percent of the cores that other programs took while it ran, at worst. Measure again where it is not near 0.

--json keeps everything; report.py makes the table and the roofline picture out of such files again.
"""
import argparse
import ctypes.util
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

import report
import vit
import worker

HERE = os.path.dirname(os.path.abspath(__file__))
VITC = {"vitc f32": ("f32", []), "vitc f32, AVX2": ("f32", ["--target-cpu=haswell"]), "vitc bf16": ("bf16", ["--precision=bf16"]),
        "vitc int8": ("int8", ["--precision=int8"])}
BOUNDS = {"f32": 1e-4, "bf16": 0.1, "int8": 0.5}


class Unavailable(Exception):
    """Why a program is not measured, in a sentence."""


def core_times():
    """core -> (busy, all) in ticks"""
    with open("/proc/stat") as f:
        rows = [line.split() for line in f if line.startswith("cpu") and not line.startswith("cpu ")]
    ticks = {int(row[0][3:]): [int(v) for v in row[1:9]] for row in rows}
    return {core: (sum(v) - v[3] - v[4], sum(v)) for core, v in ticks.items()}


def run(command, cores, environment=None):
    """Runs a command on `cores`; returns its last line of JSON, seconds (on one core of CPU time, if that is less), and percent of the
    cores that others took meanwhile."""
    before, begin = core_times(), time.perf_counter()
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=output, stderr=errors, env={**os.environ, **(environment or {})},
                                   preexec_fn=lambda: os.sched_setaffinity(0, cores))
        _, status, usage = os.wait4(process.pid, 0)
        seconds, after = time.perf_counter() - begin, core_times()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0), errors.seek(0)
        lines = [line for line in output if line.startswith("{")]
        if process.returncode:
            said = [line for line in errors.read().splitlines() if line.strip()]
            raise Unavailable((said or [f"exit code {process.returncode}"])[-1][:200])
    busy, ticks = (sum(after[c][i] - before[c][i] for c in cores) for i in (0, 1))
    own = (usage.ru_utime + usage.ru_stime) * os.sysconf("SC_CLK_TCK")
    if len(cores) == 1:
        seconds = min(seconds, usage.ru_utime + usage.ru_stime)
    return json.loads(lines[-1]) if lines else {}, seconds, max(0.0, 100 * (busy - own) / max(ticks, 1))


def measured_compile(command, cores):
    """-> seconds and megabytes of a compiler, its children among them"""
    code = ("import json, resource, subprocess, sys, time; b = time.perf_counter(); c = subprocess.call(sys.argv[1:], stdout=2);"
            "s, u = time.perf_counter() - b, resource.getrusage(resource.RUSAGE_CHILDREN);"
            "print(json.dumps({'s': s, 'cpu_s': u.ru_utime + u.ru_stime, 'kb': u.ru_maxrss})); sys.exit(c)")
    row, _, _ = run([sys.executable, "-c", code, *command], cores)
    return min(row["s"], row["cpu_s"]) if len(cores) == 1 else row["s"], row["kb"] / 1024


class Program:
    """One row's program for one model, batch and number of threads. `prepare` raises Unavailable."""

    def __init__(self, name, precision, files, args, cores):
        self.name, self.precision, self.files, self.args, self.cores = name, precision, files, args, cores
        self.output, self.compiled = files.stem + ".out.npy", {}

    def measure(self):
        row = self.sample()
        row["error"] = self.files.error(np.load(self.output))
        return row


class Vitc(Program):
    def prepare(self):
        self.vitx = f"{self.files.folder}/{self.files.name}.{self.name.replace(' ', '_').replace(',', '')}.vitx"
        command = [self.args.vitc, self.files.name, f"--weights={self.files.weights}", "-o", self.vitx, *VITC[self.name][1]]
        seconds, megabytes = measured_compile(command, self.cores)
        self.compiled = {"compile_s": seconds, "compile_mb": megabytes}

    def sample(self):
        threads, images = f"--threads={self.args.threads_now}", f"--input={self.files.input}"
        row, _, busy = run([self.args.vit_run, "bench", self.vitx, threads, images, f"--seconds={self.args.seconds}",
                            f"--output={self.output}", "--json"], self.cores)
        _, first, _ = run([self.args.vit_run, "infer", self.vitx, threads, images, f"--output={self.files.stem}.first.npy"], self.cores)
        return {**row, "first_s": first, "busy": busy}


class Rival(Program):
    def prepare(self):
        _, packages, ahead = worker.RIVALS[self.name]
        find = f"import importlib.util as u, sys; sys.exit(any(u.find_spec(p) is None for p in {packages!r}))"
        self.python = next((p for p in self.args.python.split(",") if subprocess.call([p, "-c", find]) == 0), None)
        if not self.python:
            raise Unavailable(f"no interpreter of --python has {' and '.join(packages)}")
        stamp = f"{self.files.stem}.t{self.args.threads_now}.{self.name.replace(' ', '_')}.json"
        if ahead and (self.args.recompile or not os.path.exists(stamp)):
            seconds, megabytes = measured_compile(self.command() + ["--prepare"], self.cores)
            with open(stamp, "w") as f:
                json.dump({"compile_s": seconds, "compile_mb": megabytes}, f)
        if ahead:
            with open(stamp) as f:
                self.compiled = json.load(f)

    def command(self):
        return [self.python, HERE + "/worker.py", self.name, f"--model={self.files.name}", f"--batch={self.files.batch}",
                f"--threads={self.args.threads_now}", f"--folder={self.files.folder}", f"--seconds={self.args.seconds}",
                f"--output={self.output}"]

    def sample(self):
        environment = {"OMP_NUM_THREADS": str(self.args.threads_now)}
        # PyTorch's tuning guide recommends it; glibc's allocator costs torch 10 to 20 % at batch 8.
        if "torch" in self.name and (allocator := ctypes.util.find_library("tcmalloc_minimal")):
            environment["LD_PRELOAD"] = allocator
        row, _, busy = run(self.command(), self.cores, environment)
        return {**row, "busy": busy}


def wanted(name, args):
    matches = lambda parts: any(part and part in name for part in parts.split(","))
    return (not args.only or matches(args.only)) and not matches(args.skip)


def measure(name, batch, args, cores, peaks_program):
    files = vit.Files(args.folder, name, batch)
    files.make()
    programs = [Vitc(n, p, files, args, cores) for n, (p, _) in VITC.items()]
    programs += [Rival(n, p, files, args, cores) for n, (p, _, _) in worker.RIVALS.items()]
    table = {"model": name, "batch": batch, "threads": len(cores), "gflop": vit.flop(files.config, batch) / 1e9,
             "weights": vit.weight_count(files.config), "peaks": {}, "rows": {}}
    ready = []
    for program in (p for p in programs if wanted(p.name, args)):
        try:
            program.prepare()
            ready.append(program)
        except Unavailable as reason:
            print(f"{program.name} is left out for {name}: {reason}", file=sys.stderr)
    for _ in range(args.rounds):
        peaks, _, _ = run([peaks_program, *map(str, cores)], cores)
        table["peaks"] = {kind: max(rate, table["peaks"].get(kind, 0)) for kind, rate in peaks.items()}
        for program in list(ready):
            try:
                row = program.measure()
            except Unavailable as reason:
                print(f"{program.name} failed for {name}: {reason}", file=sys.stderr)
                ready.remove(program)
                continue
            best = table["rows"].setdefault(program.name, {**row, **program.compiled, "precision": program.precision})
            for key in ("median_ms", "min_ms", "cpu_ms", "first_s"):
                best[key] = min(best[key], row[key])
            for key in ("busy", "error", "peak_kb"):
                best[key] = max(best[key], row[key])
    for row in table["rows"].values():
        row["counts"] = row["error"] <= BOUNDS[row["precision"]]
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tools = os.path.normpath(os.path.join(HERE, "../build/bin"))
    for flag, default, text in (("models", "tiny,base", "of tiny, small, base, large"), ("batches", "1,8", "images at once"),
                                ("threads", "1", "a table for each"), ("only", "", "programs with one of these words in their names"),
                                ("skip", "AVX2", "programs left out, likewise"),
                                ("python", sys.executable, "interpreters that rivals may run in"),
                                ("vitc", f"{tools}/vitc", "the compiler"), ("vit-run", f"{tools}/vit-run", "the runner"),
                                ("folder", os.path.normpath(f"{tools}/../benchmarks-data"), "where weights and compiled models are kept"),
                                ("json", "", "write all figures there"),
                                ("docs", "", "page to put the table into, see report.py")):
        parser.add_argument("--" + flag, default=default, help=f"{text} (default: {default or 'none'})")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2, help="of each round and program")
    parser.add_argument("--recompile", action="store_true", help="compile the rivals' models again")
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0), reverse=True)
    args.folder = os.path.abspath(args.folder)
    os.makedirs(args.folder, exist_ok=True)
    peaks_program, tables = args.folder + "/peaks", []
    subprocess.check_call(["cc", "-O2", "-march=native", "-pthread", HERE + "/peaks.c", "-o", peaks_program])
    for threads in map(int, args.threads.split(",")):
        if threads > len(cores):
            parser.error(f"--threads={threads}, but only {len(cores)} cores may be used")
        args.threads_now = threads
        for model in args.models.split(","):
            if vit.full_name(model) not in vit.MODELS:
                parser.error(f"--models={model}, expected names out of {', '.join(vit.MODELS)}")
            for batch in map(int, args.batches.split(",")):
                tables.append(measure(vit.full_name(model), batch, args, cores[:threads], peaks_program))
                print("\n" + report.markdown(tables[-1:]), flush=True)
    if args.json:
        with open(args.json, "w") as f:
            json.dump(tables, f, indent=1)
    if args.docs:
        report.update(args.docs, tables)


if __name__ == "__main__":
    main()
