#!/usr/bin/env python3
"""One rival in a process of its own; compare.py starts it. RIVALS names them, with the packages that each needs.

    worker.py RIVAL --model=NAME --batch=N --threads=N --folder=DIR --seconds=S --output=Y.npy [--prepare]

--prepare compiles what can be compiled ahead into a folder of its own and prints {"compile_s"}. Without it the worker prints one line of
JSON, with the keys of `vit-run bench --json` and `first_s`, the time from the end of the imports to the first result.
"""
import argparse
import importlib
import json
import os
import shutil
import sys
import time
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

# name -> (precision, Python packages, the first of them all that it runs with, whether it compiles ahead)
RIVALS = {
    "ONNX Runtime f32": ("f32", ["onnxruntime", "onnx"], True),
    "ONNX Runtime int8": ("int8", ["onnxruntime", "onnx"], True),
    "OpenVINO f32": ("f32", ["openvino", "torch"], True),
    "OpenVINO bf16": ("bf16", ["openvino", "torch"], True),
    "OpenVINO int8": ("int8", ["openvino", "torch", "nncf"], True),
    "torch eager f32": ("f32", ["torch"], False),
    "torch AOTInductor f32": ("f32", ["torch._inductor.package"], True),
    "torch AOTInductor bf16": ("bf16", ["torch._inductor.package"], True),
    "XLA f32": ("f32", ["jax"], False),
}


def status(key):
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(key))


def onnxruntime(files, args, precision):
    import onnxruntime as ort
    path = args.artifact + "/model.onnx"
    if args.prepare:
        import onnx_graph
        with open(path, "wb") as f:
            f.write(onnx_graph.build(files, precision == "int8").SerializeToString())
        return None
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = args.threads, 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    images = ort.OrtValue.ortvalue_from_numpy(np.load(files.input))
    binding.bind_ortvalue_input("images", images)
    binding.bind_output(session.get_outputs()[0].name)

    def step():
        session.run_with_iobinding(binding)
        return binding.get_outputs()[0].numpy()
    return step


def openvino(files, args, precision):
    import openvino as ov
    path, images = args.artifact + "/model.xml", np.load(files.input)
    if args.prepare:
        import torch
        import torch_vit
        model = ov.convert_model(torch_vit.load(files), example_input=torch.from_numpy(images), input=list(images.shape))
        if precision == "int8":
            import nncf
            samples = [vit.random_weights.images(images.shape, seed) for seed in range(1, 5)]
            model = nncf.quantize(model, nncf.Dataset(samples), subset_size=len(samples), model_type=nncf.ModelType.TRANSFORMER,
                                  preset=nncf.QuantizationPreset.PERFORMANCE)
        ov.save_model(model, path, compress_to_fp16=False)
        return None
    # Without the hint it takes bf16 wherever the CPU has it; what int8 leaves in floats is fastest in bf16, and allowed to be.
    hint = "f32" if precision == "f32" or not bf16_instructions() else "bf16"
    model = ov.Core().compile_model(path, "CPU", {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": args.threads,
                                                  "INFERENCE_PRECISION_HINT": hint})
    request = model.create_infer_request()
    request.set_input_tensor(ov.Tensor(images, shared_memory=True))

    def step():
        step.images = images  # shared with the request, which does not keep it
        request.infer()
        return request.get_output_tensor().data
    return step


def bf16_instructions():
    with open("/proc/cpuinfo") as f:
        flags = f.read()
    return "avx512_bf16" in flags or "amx_bf16" in flags


def torch(files, args, precision):
    import torch
    import torch_vit
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = args.artifact
    torch.set_num_threads(args.threads)
    torch.set_grad_enabled(False)
    dtype, package = torch.bfloat16 if precision == "bf16" else torch.float32, args.artifact + "/model.pt2"
    images = torch.from_numpy(np.load(files.input)).to(dtype)
    if args.prepare:
        import torch._inductor.config
        torch._inductor.config.freezing = True
        program = torch.export.export(torch_vit.load(files).to(dtype), (images,))
        torch._inductor.aoti_compile_and_package(program, package_path=package)
        return None
    model = torch._inductor.aoti_load_package(package) if "AOTInductor" in args.rival else torch_vit.load(files).to(dtype)
    return lambda: model(images).float().numpy()


def xla(files, args, precision):
    import jax
    import jax.numpy as jnp
    config, weights, images = files.config, files.tensors(), np.load(files.input)
    heads, p, grid = config["num_heads"], config["patch_size"], config["image_size"] // config["patch_size"]

    def norm(w, x, name):
        x = x - x.mean(-1, keepdims=True)
        return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-6) * w[name + ".weight"] + w[name + ".bias"]

    def linear(w, x, name):
        return x @ w[name + ".weight"] + w[name + ".bias"]

    def forward(w, x):
        b = len(x)
        x = x.reshape(b, 3, grid, p, grid, p).transpose(0, 2, 4, 1, 3, 5).reshape(b, grid * grid, -1)
        x = linear(w, x, "patch_embed.proj")
        x = jnp.concatenate([jnp.broadcast_to(w["cls_token"], (b, 1, x.shape[-1])), x], 1) + w["pos_embed"]
        for i in range(config["depth"]):
            qkv = linear(w, norm(w, x, f"blocks.{i}.norm1"), f"blocks.{i}.attn.qkv")
            q, k, v = jnp.moveaxis(qkv.reshape(b, x.shape[1], 3, heads, -1), 2, 0)
            x = x + linear(w, jax.nn.dot_product_attention(q, k, v).reshape(x.shape), f"blocks.{i}.attn.proj")
            y = jax.nn.gelu(linear(w, norm(w, x, f"blocks.{i}.norm2"), f"blocks.{i}.mlp.fc1"), approximate=False)
            x = x + linear(w, y, f"blocks.{i}.mlp.fc2")
        return linear(w, norm(w, x[:, 0], "norm"), "head")
    # XLA multiplies fastest by matrices [inputs, outputs].
    packed = {name: jnp.asarray(t.reshape(len(t), -1).T if t.ndim in (2, 4) else t) for name, t in weights.items()}
    program, images = jax.jit(forward), jnp.asarray(images)
    return lambda: np.asarray(program(packed, images))


PROGRAMS = {"ONNX Runtime": onnxruntime, "OpenVINO": openvino, "torch": torch, "XLA": xla}


def measure(step, args):
    base, begin, begin_cpu = status("VmRSS:"), time.perf_counter(), time.process_time()
    run = step()
    logits = run()
    first = time.perf_counter() - begin
    if args.threads == 1:
        first = min(first, time.process_time() - begin_cpu)
    for _ in range(2):
        run()
    wall, cpu, end = [], [], time.perf_counter() + args.seconds
    while len(wall) < 3 or time.perf_counter() < end:
        start, start_cpu = time.perf_counter(), time.process_time()
        logits = run()
        cpu.append(1e3 * (time.process_time() - start_cpu))
        wall.append(1e3 * (time.perf_counter() - start))
    np.save(args.output, np.asarray(logits, np.float32))
    print(json.dumps({"median_ms": float(np.median(wall)), "min_ms": min(wall), "cpu_ms": float(np.median(cpu)), "n": len(wall),
                      "first_s": first, "base_kb": base, "peak_kb": status("VmHWM:")}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("rival", choices=RIVALS)
    for name, kind in (("model", str), ("folder", str), ("output", str), ("batch", int), ("threads", int), ("seconds", float)):
        parser.add_argument("--" + name, type=kind)
    parser.add_argument("--prepare", action="store_true")
    args = parser.parse_args()
    files, precision = vit.Files(args.folder, args.model, args.batch), RIVALS[args.rival][0]
    program = next(function for name, function in PROGRAMS.items() if args.rival.startswith(name))
    for package in RIVALS[args.rival][1][:None if args.prepare else 1]:
        importlib.import_module(package)
    args.artifact = f"{files.stem}.t{args.threads}.{args.rival.replace(' ', '_')}"
    if args.prepare:
        shutil.rmtree(args.artifact, ignore_errors=True)
        os.makedirs(args.artifact)
        begin = time.perf_counter()
        program(files, args, precision)
        print(json.dumps({"compile_s": time.perf_counter() - begin}))
    else:
        measure(lambda: program(files, args, precision), args)
    sys.stdout.flush()
    os._exit(0)  # some frameworks take seconds to tear down


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    # Thread pools read the affinity mask when they are imported.
    import numpy as np
    import vit
    main()
