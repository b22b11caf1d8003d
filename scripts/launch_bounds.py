#!/usr/bin/env python3
"""What each launch of a compiled model takes at least on a GPU, and which ones keep too few of its multiprocessors busy.

    vit-run inspect MODEL.vitx --target=cuda:sm_90a --json | python3 scripts/launch_bounds.py --images=64

For every kind of launch: its blocks, the bytes of its operands and results once through memory, its FLOP, and the time in microseconds that the
slower of the two takes at the rates of --bandwidth and --tflops (an H100's by default). A '!' marks launches of more than a megabyte whose blocks
are fewer than --multiprocessors: no schedule of theirs can reach those rates. Caches, latency and the time between launches are not in it, so the
sum is a bound and no prediction.
"""
import argparse
import collections
import json
import math
import re
import sys


def blocks_of(launch, images):
    kernel = launch
    for larger in launch["larger"]:
        if larger["images"] <= images:
            kernel = larger
    return math.ceil(images * kernel["rows_of_image"] / kernel["rows_of_task"]) * kernel["column_tasks"], kernel["schedule"]


def bytes_of(buffer, images, weight_bytes):
    if buffer["kind"] == "Weight":
        return math.prod(buffer["shape"]) * (weight_bytes if len(buffer["shape"]) > 1 else 4)
    return buffer["bytes_per_image"] * (images if buffer["kind"] in ("Input", "Output", "Arena") else 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1, help="images of a group")
    parser.add_argument("--program", help="one program alone (default: all)")
    parser.add_argument("--bandwidth", type=float, default=3.35, help="TB/s")
    parser.add_argument("--tflops", type=float, default=700, help="of products")
    parser.add_argument("--multiprocessors", type=int, default=132)
    parser.add_argument("--weight-bytes", type=int, default=2, help="of an element of a packed matrix")
    args = parser.parse_args()
    model = json.load(sys.stdin)
    for program in model["programs"]:
        if args.program and program["name"] != args.program:
            continue
        kinds = collections.OrderedDict()
        for launch in program["launches"]:
            buffers = [program["buffers"][number] for number in launch["operand_buffers"]]
            moved = sum(bytes_of(buffer, args.images, args.weight_bytes) for buffer in buffers)
            blocks, schedule = blocks_of(launch, args.images)
            types = " ".join(buffer.get("type", "weight") for buffer in buffers)
            key = (launch["kind"], re.sub(r"\d+", "N", launch["layer"]), blocks, moved, launch["flop_per_image"] * args.images, schedule, types)
            kinds[key] = kinds.get(key, 0) + 1
        print(f"{program['name']}: {len(program['launches'])} launches, {args.images} images")
        total = 0
        for (kind, layer, blocks, moved, flop, schedule, types), count in kinds.items():
            memory, products = moved / args.bandwidth / 1e6, flop / args.tflops / 1e6
            total += count * max(memory, products)
            mark = "!" if moved > 1 << 20 and blocks < args.multiprocessors else " "
            print(f"{mark}{count:4d} x {kind:22s} {layer:44s} {blocks:7d} blocks {moved / 1e6:8.1f} MB {memory:8.1f} us memory {products:8.1f} us products  "
                  f"{types}  {schedule}")
        print(f"at least {total:.0f} us\n")


if __name__ == "__main__":
    main()
