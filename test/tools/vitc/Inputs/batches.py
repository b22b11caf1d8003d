"""Writes PREFIX.N.npy, the first N of 100 images of 1x28x28, and checks that PREFIX.N.out.npy are the first N rows of PREFIX.all.npy. No numpy needed."""
import ast
import struct
import sys

SIZES = (0, 1, 3, 8, 100)


def write(path, count):
    values = [((image * 7919 + pixel * 104729) % 2001) / 1000.0 - 1.0 for image in range(count) for pixel in range(28 * 28)]
    header = str({"descr": "<f4", "fortran_order": False, "shape": (count, 1, 28, 28)}).encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + struct.pack(f"<{len(values)}f", *values))


def rows(path):
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<H", data[8:10])
    header = ast.literal_eval(data[10 : 10 + length].decode())
    body = data[10 + length :]
    size = len(body) // header["shape"][0]
    return [body[i : i + size] for i in range(0, len(body), size)]


prefix = sys.argv[1]
if "--check" in sys.argv:
    everything = rows(prefix + ".all.npy")
    assert len(everything) == 100
    for size in (1, 3, 8):
        assert rows(f"{prefix}.{size}.out.npy") == everything[:size], f"a batch of {size} differs"
else:
    for size in SIZES:
        write(f"{prefix}.{size}.npy", size)
