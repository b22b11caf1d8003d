"""Judges training runs whose products round to bf16: bf16_training.py EXPECTED MEASURE ACTUAL..., each a path without its endings: .json, what
vit-run train --json said, and .gradients.npz. EXPECTED ran in f32, MEASURE in bf16 on the CPU.

Of a run: the greatest difference of a loss to that of EXPECTED, relative; and the root mean square of its gradients' differences, relative to
that of the gradients, of all tensors together and of the worst one. Tensors that are zero but for rounding are left out of the worst. Losses may
differ by 5e-3, as the second and later steps begin from different weights, and gradients by 1.5 times as much as those of MEASURE.
"""
import json
import math
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../full"))
import arrays

MORE = 1.5
LOSSES = 5e-3


def losses(path):
    with open(path + ".json") as file:
        return [line["loss"] for line in map(json.loads, file) if "step" in line]


def norm(values):
    return math.sqrt(sum(value * value for value in values))


def errors(expected, actual):
    """Of losses, all gradients, the worst tensor's gradient."""
    pairs = list(zip(losses(expected), losses(actual), strict=True))
    if len(pairs) < 2:
        sys.exit(f"{actual}: fewer than two steps")
    of_losses = max(abs(b - a) / abs(a) for a, b in pairs)
    first, second = (arrays.read_npz(path + ".gradients.npz") for path in (expected, actual))
    if not first or {name: shape for name, (shape, _) in first.items()} != {name: shape for name, (shape, _) in second.items()}:
        sys.exit(f"{actual}: not the tensors of {expected}")
    differences = {name: norm(b - a for a, b in zip(values, second[name][1])) for name, (_, values) in first.items()}
    norms = {name: norm(values) for name, (_, values) in first.items()}
    whole = norm(norms.values())
    worst = max(differences[name] / norms[name] for name in norms if norms[name] > 1e-4 * whole)
    return of_losses, norm(differences.values()) / whole, worst


def main():
    expected, measure, *actual = sys.argv[1:]
    names = ("losses", "gradients", "the worst gradient")
    bounds = errors(expected, measure)
    print("measure: " + ", ".join(f"{name} {bound:.2g}" for name, bound in zip(names, bounds)))
    if not all(bounds):
        sys.exit(f"{measure} did not round anything")
    for path in actual:
        found = errors(expected, path)
        print(os.path.basename(path) + ": " + ", ".join(f"{name} {error:.2g}" for name, error in zip(names, found)))
        for name, error, bound in zip(names, found, (LOSSES, MORE * bounds[1], MORE * bounds[2])):
            if not error <= bound:
                sys.exit(f"{path}: {name} differ by {error:.3g}, by more than {bound:.3g}")


if __name__ == "__main__":
    main()
