#!/usr/bin/env python3
"""Measures vitc beside ONNX Runtime on this machine's CPU: the same weights, the same images, the same cores, in turns.

    pip install numpy onnx onnxruntime
    python3 benchmarks/compare_onnxruntime.py [--models vit_tiny_patch16_224,vit_base_patch16_224] [--batches 1,8] [--threads 1]

Both programs run pinned, each in its own process, in alternating rounds; a row holds the best round's medians. "cpu ms" is the
process's CPU time for a batch, which a busy neighbour spoils less than the clock. "% peak" is of the multiply-add rate that fma_peak.c
reached beside the rounds, counting two operations for each multiply-add of the matrix products and of the two products in attention; at one
thread it uses the CPU time. "error" is the largest difference of image 0's logits from a forward pass in double precision
(scripts/make_goldens.py). ONNX Runtime gets the graph that suits it best: Gemm, MultiHeadAttention and Gelu nodes with static
shapes, all optimizations on; both its input and its output are bound before the clock runs.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../scripts"))
import make_goldens
import random_weights

MODELS = {f"vit_{name}_patch16_224": {"image_size": 224, "patch_size": 16, "in_channels": 3, "num_classes": 1000, "embed_dim": dim,
                                      "depth": 12, "num_heads": dim // 64}
          for name, dim in (("tiny", 192), ("small", 384), ("base", 768))}


def flop(config, batch):
    d, tokens = config["embed_dim"], (config["image_size"] // config["patch_size"]) ** 2 + 1
    block = 12 * tokens * d * d + 2 * tokens * tokens * d
    return 2 * batch * ((tokens - 1) * d * 3 * config["patch_size"] ** 2 + config["depth"] * block + d * config["num_classes"])


def onnx_graph(config, batch):
    from onnx import TensorProto, helper, numpy_helper

    nodes, weights, fused = [], {}, "com.microsoft"
    size, p, d, heads, classes = (config[k] for k in ("image_size", "patch_size", "embed_dim", "num_heads", "num_classes"))
    grid = size // p
    tokens = grid * grid + 1

    def constant(name, value):
        weights[name] = numpy_helper.from_array(np.array(value, order="C"), name)
        return name

    def node(kind, inputs, domain="", results=1, **attributes):
        outputs = [f"{kind}.{len(nodes)}.{i}" for i in range(results)]
        nodes.append(helper.make_node(kind, inputs, outputs, domain=domain, **attributes))
        return outputs[0] if results == 1 else outputs

    def reshape(x, *shape):
        return node("Reshape", [x, constant("shape" + "x".join(map(str, shape)), np.array(shape, np.int64))])

    def parameter(name, *shape):
        return constant(name, random_weights.tensor(name, shape))

    def linear(x, name, inputs, outputs, shape=None):
        weight = random_weights.tensor(name + ".weight", shape or (outputs, inputs)).reshape(outputs, inputs)
        return node("Gemm", [x, constant(name + ".weight", weight), parameter(name + ".bias", outputs)], transB=1)

    def norm(x, name):
        return node("LayerNormalization", [x, parameter(name + ".weight", d), parameter(name + ".bias", d)], epsilon=1e-6)

    x = node("Transpose", [reshape("images", batch, 3, grid, p, grid, p)], perm=[0, 2, 4, 1, 3, 5])
    x = linear(reshape(x, batch * grid * grid, 3 * p * p), "patch_embed.proj", 3 * p * p, d, (d, 3, p, p))
    token = constant("cls_token", np.broadcast_to(random_weights.tensor("cls_token", (1, 1, d)), (batch, 1, d)))
    x = node("Concat", [token, reshape(x, batch, grid * grid, d)], axis=1)
    x = reshape(node("Add", [x, parameter("pos_embed", 1, tokens, d)]), batch * tokens, d)
    for i in range(config["depth"]):
        block = f"blocks.{i}."
        qkv = reshape(linear(norm(x, block + "norm1"), block + "attn.qkv", d, 3 * d), batch, tokens, 3 * d)
        parts = node("Split", [qkv, constant("thirds", np.array([d] * 3, np.int64))], results=3, axis=2)
        y = reshape(node("MultiHeadAttention", parts, fused, num_heads=heads), batch * tokens, d)
        x = node("Add", [x, linear(y, block + "attn.proj", d, d)])
        y = node("Gelu", [linear(norm(x, block + "norm2"), block + "mlp.fc1", d, 4 * d)], fused)
        x = node("Add", [x, linear(y, block + "mlp.fc2", 4 * d, d)])
    x = node("Gather", [reshape(x, batch, tokens, d), constant("first", np.array(0, np.int64))], axis=1)
    logits = linear(norm(x, "norm"), "head", d, classes)
    graph = helper.make_graph(nodes, "vit", [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, size, size])],
                              [helper.make_tensor_value_info(logits, TensorProto.FLOAT, [batch, classes])], list(weights.values()))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(fused, 1)], ir_version=8)


def resident(key):
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(key))


def worker(args):
    """One round of ONNX Runtime, in a process of its own; prints what `vit-run bench --json` prints."""
    import onnxruntime

    images = np.load(args.input)
    base, begin = resident("VmRSS:"), time.perf_counter()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = args.worker_threads, 1
    session = onnxruntime.InferenceSession(args.worker, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_ortvalue_input("images", onnxruntime.OrtValue.ortvalue_from_numpy(images))
    binding.bind_output(session.get_outputs()[0].name)
    session.run_with_iobinding(binding)
    load = time.perf_counter() - begin
    for _ in range(2):
        session.run_with_iobinding(binding)
    wall, cpu, end = [], [], time.perf_counter() + args.seconds
    while time.perf_counter() < end or len(wall) < 3:
        start, start_cpu = time.perf_counter(), time.process_time()
        session.run_with_iobinding(binding)
        cpu.append(1e3 * (time.process_time() - start_cpu))
        wall.append(1e3 * (time.perf_counter() - start))
    np.save(args.output, binding.get_outputs()[0].numpy())
    print(json.dumps({"median_ms": float(np.median(wall)), "min_ms": min(wall), "cpu_ms": float(np.median(cpu)), "n": len(wall),
                      "load_s": load, "base_kb": base, "peak_kb": resident("VmHWM:")}), flush=True)
    os._exit(0)


def pinned(command, cores):
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, cores))
    if run.returncode:
        sys.exit(f"{' '.join(command)} failed with exit code {run.returncode}")
    return run.stdout.strip().splitlines()[-1]


def measure(model, batch, threads, args, folder, cores):
    config = MODELS[model]
    images, vitx, graph = f"{folder}/{batch}.npy", f"{folder}/{model}.vitx", f"{folder}/{model}.{batch}.onnx"
    np.save(images, random_weights.images((batch, 3, config["image_size"], config["image_size"])))
    if not os.path.exists(vitx):
        begin = time.perf_counter()
        subprocess.check_call([args.vitc, model, "--random-weights=0", "-o", vitx])
        print(f"{model}: compiled in {time.perf_counter() - begin:.1f} s", file=sys.stderr)
    if not os.path.exists(graph):
        with open(graph, "wb") as f:
            f.write(onnx_graph(config, batch).SerializeToString())
    reference = f"{folder}/{model}.reference.npy"
    if not os.path.exists(reference):
        np.save(reference, make_goldens.Model(config, make_goldens.random_weight)(np.load(images)[:1].astype(np.float64)))
    commands = {
        "vitc": lambda out: [args.vit_run, "bench", vitx, f"--threads={threads}", f"--seconds={args.seconds}", f"--input={images}",
                             f"--output={out}", "--json"],
        "ONNX Runtime": lambda out: [sys.executable, __file__, "--worker", graph, "--worker-threads", str(threads),
                                     "--seconds", str(args.seconds), "--input", images, "--output", out],
    }
    rows, peak = {}, 0.0
    for _ in range(args.rounds):
        peak = max(peak, float(pinned([f"{folder}/fma_peak"], cores[:1])) * threads)
        for name, command in commands.items():
            row = json.loads(pinned(command(f"{folder}/out.npy"), cores))
            row["error"] = float(np.abs(np.load(f"{folder}/out.npy").reshape(batch, -1)[:1] - np.load(reference)).max())
            best = rows.setdefault(name, row)
            for key in ("median_ms", "cpu_ms", "load_s"):
                best[key] = min(best[key], row[key])
    for name, row in rows.items():
        busy = row["cpu_ms"] if threads == 1 else row["median_ms"]
        rate = flop(config, batch) / busy / 1e6
        print(f"| {model} | {batch} | {threads} | {name} | {row['median_ms']:.2f} | {row['cpu_ms']:.2f} "
              f"| {1e3 * batch / row['median_ms']:.1f} | {100 * rate / peak:.0f} | {row['peak_kb'] / 1024:.0f} | {row['load_s']:.2f} | {row['error']:.1e} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tools = os.path.join(HERE, "../build/bin")
    for flag, default, text in (("models", "vit_tiny_patch16_224,vit_base_patch16_224", "of " + ", ".join(MODELS)),
                                ("batches", "1,8", "images at once"), ("threads", "1", "one row for each"),
                                ("vitc", f"{tools}/vitc", "the compiler"), ("vit-run", f"{tools}/vit-run", "the runner")):
        parser.add_argument("--" + flag, default=default, help=text)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="of each round and program")
    for hidden in ("worker", "input", "output"):
        parser.add_argument("--" + hidden, help=argparse.SUPPRESS)
    parser.add_argument("--worker-threads", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return worker(args)
    cores = sorted(os.sched_getaffinity(0), reverse=True)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.check_call(["cc", "-O2", "-march=native", f"{HERE}/fma_peak.c", "-o", f"{folder}/fma_peak"])
        print("| model | batch | threads | program | median ms | cpu ms | images/s | % peak | peak MB | load s | error |")
        print("|---|---|---|---|---|---|---|---|---|---|---|")
        for threads in map(int, args.threads.split(",")):
            if threads > len(cores):
                parser.error(f"--threads={threads}, but only {len(cores)} cores may be used")
            for model in args.models.split(","):
                for batch in map(int, args.batches.split(",")):
                    measure(model, batch, threads, args, folder, cores[:threads])


if __name__ == "__main__":
    main()
