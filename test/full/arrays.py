"""Arrays as goldens keep them and as vitc and vit-run read them; standard library only. An array is (shape, values)."""
import array
import ast
import json
import math
import struct
import zipfile

MASK = 2**64 - 1
TYPES = {"<f4": "f", "<f8": "d", "<i8": "q", "<i4": "i"}


def parse_npy(raw):
    major = raw[6]
    (length,) = struct.unpack_from("<H" if major == 1 else "<I", raw, 8)
    start = (10 if major == 1 else 12) + length
    header = ast.literal_eval(raw[start - length : start].decode("latin-1"))
    if header["fortran_order"]:
        raise ValueError("a column-major array")
    return tuple(header["shape"]), array.array(TYPES[header["descr"]], raw[start:])


def read_npy(path):
    with open(path, "rb") as f:
        return parse_npy(f.read())


def read_npz(path):
    with zipfile.ZipFile(path) as file:
        return {name.removesuffix(".npy"): parse_npy(file.read(name)) for name in file.namelist()}


def read_safetensors(path):
    with open(path, "rb") as f:
        raw = f.read()
    (length,) = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, tensor in header.items():
        begin, end = (8 + length + offset for offset in tensor["data_offsets"])
        tensors[name] = tuple(tensor["shape"]), array.array({"F32": "f", "F64": "d", "I64": "q"}[tensor["dtype"]], raw[begin:end])
    return tensors


def npy(shape, values):
    """Of an array of integers ("q") i64, else f32."""
    kind = "q" if isinstance(values, array.array) and values.typecode == "q" else "f"
    descr = "<i8" if kind == "q" else "<f4"
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({''.join(f'{n},' for n in shape)}), }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + array.array(kind, values).tobytes()


def write_npy(path, shape, values):
    with open(path, "wb") as f:
        f.write(npy(shape, values))


def write_npz(path, tensors):
    with zipfile.ZipFile(path, "w") as file:
        for name, (shape, values) in tensors.items():
            file.writestr(name + ".npy", npy(shape, values))


def write_safetensors(path, tensors):
    header, offset = {}, 0
    for name, (shape, values) in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, offset + 4 * len(values)]}
        offset += 4 * len(values)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(array.array("f", values).tobytes() for _, values in tensors.values()))


def splitmix64(x):
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


def uniform(name, count, seed=0):
    """docs/random-weights.md: multiples of 2^-23 in [-1, 1)."""
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = (key ^ byte) * 0x100000001B3 & MASK
    key ^= splitmix64(seed)
    return [(splitmix64(key + i & MASK) >> 40) * 2.0**-23 - 1 for i in range(count)]


def random_images(shape):
    return [2 * u for u in uniform("input", math.prod(shape))]


def random_tensor(name, shape):
    """The value of a weight for seed 0, rounded to float32 once (the factor of a matrix is rounded before)."""
    u = uniform(name, math.prod(shape))
    if len(shape) <= 1:
        return [1 + 0.25 * v for v in u] if name.endswith(("weight", "scale", "running_var")) else [0.125 * v for v in u]
    if name.endswith("kernel"):
        inputs = shape[0] if len(shape) == 3 and not name.endswith("out/kernel") else math.prod(shape[:-1])
    elif shape[0] == 1:
        return [0.5 * v for v in u]
    else:
        inputs = math.prod(shape[1:])
    (factor,) = struct.unpack("<f", struct.pack("<f", math.sqrt(3 / inputs)))
    return [factor * v for v in u]


def to_channels_first(shape, values):
    """[B, H, W, C] to [B, C, H, W]."""
    batch, height, width, channels = shape
    size = height * width * channels
    planes = (values[i * size + c : (i + 1) * size : channels] for i in range(batch) for c in range(channels))
    return (batch, channels, height, width), [v for plane in planes for v in plane]
