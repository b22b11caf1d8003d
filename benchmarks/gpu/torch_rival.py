#!/usr/bin/env python3
"""The rival on an NVIDIA GPU: timm's models in bf16 under torch.compile(mode="max-autotune"), their training steps (autocast to bf16, fused AdamW,
compiled), and a library's product of 8192^3.

    python3 torch_rival.py --models=vit_base_patch16_224 --batches=1,64 --train=vit_base_patch16_224 --train-batches=64 > torch.jsonl

A line of JSON for each measurement. Times are CUDA events around ten batches that are on the GPU already, medians of at least 20 after the
warm-up; weights and images are random, because zeros take less power and run faster. --device=cpu checks that the script runs.
"""

import argparse
import json
import statistics
import time

import timm
import torch


def median_ms(step, device, seconds, least=20):
    """Median time of step() in milliseconds."""
    on_gpu = device.type == "cuda"
    for _ in range(5 if on_gpu else 1):
        step()
    times, end = [], time.monotonic() + seconds
    while len(times) < (least if on_gpu else 2) or time.monotonic() < end:
        if on_gpu:
            # Several steps at once, so that the GPU does not wait for Python between the events.
            begin, finish = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            for _ in range(10):
                step()
            finish.record()
            finish.synchronize()
            times.append(begin.elapsed_time(finish) / 10)
        else:
            start = time.perf_counter()
            step()
            times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def say(**fields):
    print(json.dumps(fields, separators=(",", ":")), flush=True)


def training_step(name, batch, device):
    """A step of AdamW on random images that are on the device already; weights stay f32."""
    on_gpu = device.type == "cuda"
    model = timm.create_model(name, pretrained=False).train().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05, fused=on_gpu)
    images = torch.randn(batch, 3, 224, 224, device=device)
    labels = torch.arange(batch, device=device) % 1000

    def loss_of(images, labels):
        with torch.autocast(device.type, torch.bfloat16):
            scores = model(images)
        return torch.nn.functional.cross_entropy(scores.float(), labels)

    compiled = torch.compile(loss_of, mode="max-autotune") if on_gpu else loss_of

    def step():
        compiled(images, labels).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--models", default="vit_tiny_patch16_224,vit_base_patch16_224,vit_large_patch16_224")
    parser.add_argument("--batches", default="1,64,256")
    parser.add_argument("--train", default="vit_tiny_patch16_224,vit_base_patch16_224", help="models whose training steps are measured")
    parser.add_argument("--train-batches", default="64")
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    device = torch.device(options.device)
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.set_device(device)
    torch.manual_seed(0)

    size = 8192 if on_gpu else 128
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    ms = median_ms(lambda: a @ b, device, options.seconds)
    say(tool="gemm", size=size, ms=ms, tflops=2e-9 * size**3 / ms, torch=torch.__version__)
    del a, b

    for name in filter(None, options.models.split(",")):
        for batch in map(int, options.batches.split(",")):
            torch._dynamo.reset()
            model = timm.create_model(name, pretrained=False).eval().to(device, torch.bfloat16)
            images = torch.randn(batch, 3, 224, 224, device=device, dtype=torch.bfloat16)
            step = torch.compile(model, mode="max-autotune") if on_gpu else model
            with torch.inference_mode():
                start = time.monotonic()
                step(images)
                compile_seconds = time.monotonic() - start
                ms = median_ms(lambda: step(images), device, options.seconds)
            say(tool="torch", model=name, batch=batch, ms=ms, compile_s=compile_seconds)

    for name in filter(None, options.train.split(",")):
        for batch in map(int, options.train_batches.split(",")):
            torch._dynamo.reset()
            step = training_step(name, batch, device)
            start = time.monotonic()
            step()
            compile_seconds = time.monotonic() - start
            ms = median_ms(step, device, options.seconds)
            say(tool="torch-train", model=name, batch=batch, ms=ms, compile_s=compile_seconds)


if __name__ == "__main__":
    main()
