"""The weights and inputs of `--random-weights=SEED`: a tensor is a function of the seed, its name and its shape (docs/random-weights.md).

Exact in float32: no library's random generator, no exp, no log.
"""
import numpy as np

_GAMMA, _MIX1, _MIX2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def _splitmix64(x):
    """Steele, Lea and Flood 2014, figure 16, on an array of uint64."""
    with np.errstate(over="ignore"):
        x = x + _GAMMA
        x = (x ^ (x >> np.uint64(30))) * _MIX1
        x = (x ^ (x >> np.uint64(27))) * _MIX2
        return x ^ (x >> np.uint64(31))


def _fnv1a(text):
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = ((h ^ byte) * 0x100000001B3) % 2**64
    return np.uint64(h)


def uniform(name, shape, seed=0):
    """float32 in [-1, 1), multiples of 2^-23."""
    key = _fnv1a(name) ^ _splitmix64(np.array([seed], np.uint64))[0]
    with np.errstate(over="ignore"):
        z = _splitmix64(key + np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.uint64))
    return ((z >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1).astype(np.float32).reshape(shape)


def tensor(name, shape, seed=0):
    """A parameter by its name in a torch state dict (a Flax kernel, whose fan-in is another, is not among them)."""
    u = uniform(name, shape, seed)
    if len(shape) <= 1:
        one = name.endswith(("weight", "scale", "running_var"))
        return np.float32(1) + np.float32(0.25) * u if one else np.float32(0.125) * u
    if shape[0] == 1:
        return np.float32(0.5) * u
    return np.float32(np.sqrt(3.0 / np.prod(shape[1:]))) * u


def images(shape, seed=0):
    """An input batch [B, C, H, W] in [-2, 2)."""
    return np.float32(2) * uniform("input", shape, seed)
