"""Compares the gradients of two programs: same_gradients.py ACTUAL.npz EXPECTED.npz TOLERANCE [--subset] [--differs].

The largest difference of a tensor may be so many times its largest value, or 1/100 of the largest of all: some gradients are 0 but for
rounding. With --subset tensors that ACTUAL lacks are left out. Says how many there are.
With --differs a tensor must be further off than that; shapes are the same and values are numbers even so.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../full"))
import arrays


def relative_errors(actual, expected):
    """By name; infinite where shapes differ or a value is not a number."""
    floor = max(max(map(abs, values)) for _, values in expected.values()) / 100
    errors = {}
    for name, (shape, values) in expected.items():
        differences = [abs(a - b) for a, b in zip(actual[name][1], values)]
        valid = actual[name][0] == shape and all(d == d for d in differences)
        errors[name] = max(differences) / max(max(map(abs, values)), floor) if valid else float("inf")
    return errors


def main():
    actual, expected, tolerance = arrays.read_npz(sys.argv[1]), arrays.read_npz(sys.argv[2]), float(sys.argv[3])
    if "--subset" in sys.argv[4:]:
        expected = {name: tensor for name, tensor in expected.items() if name in actual}
    if not expected or sorted(actual) != sorted(expected):
        sys.exit(f"not the same tensors: {sorted(actual)} and {sorted(expected)}")
    errors = relative_errors(actual, expected)
    wrong = {name: error for name, error in errors.items() if not error <= tolerance}
    for name, error in wrong.items():
        print(f"{name}: differs by {error:.2g} of its largest value")
    if "--differs" in sys.argv[4:]:
        sys.exit(not wrong or max(errors.values()) == float("inf"))
    if wrong:
        sys.exit(1)
    print(f"{len(expected)} tensors agree")


if __name__ == "__main__":
    main()
