#!/usr/bin/env python3
"""One row of another harness: compiles a preset with a weight file, runs `vit-run bench` and adds "compile_s" to its line of JSON.

    vitc_row.py MODEL WEIGHTS INPUT.npy BATCH THREADS CORE ITERS WARMUP SECONDS OUTPUT.npy [OPTIONS OF VITC...]
    vitc_row.py ... LABELS.npy --train [OPTIONS OF VITC...]        steps of training; the labels take the output's place

Binds itself to CORE, and for two threads to CORE ^ 1 too. VITC_BIN names the folder of vitc and vit-run (default: ../build/bin).
"""
import json
import os
import subprocess
import sys
import tempfile
import time


def main():
    if len(sys.argv) < 11:
        sys.exit(__doc__.strip())
    model, weights, images, batch, threads, core, iters, warmup, seconds, output, *options = sys.argv[1:]
    tools = os.environ.get("VITC_BIN", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../build/bin"))
    os.sched_setaffinity(0, [int(core)] if threads == "1" else [int(core), int(core) ^ 1])
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        subprocess.check_call([tools + "/vitc", model, "--weights=" + weights, "-o", folder + "/model.vitx", *options])
        compiled = time.perf_counter() - begin
        what = ["--train", "--labels=" + output] if "--train" in options else ["--output=" + output]
        line = subprocess.check_output([tools + "/vit-run", "bench", folder + "/model.vitx", "--input=" + images, "--batch=" + batch,
                                        "--threads=" + threads, "--iters=" + iters, "--warmup=" + warmup, "--seconds=" + seconds, "--json",
                                        *what], text=True)
    print(json.dumps({**json.loads(line), "compile_s": compiled}))


if __name__ == "__main__":
    main()
