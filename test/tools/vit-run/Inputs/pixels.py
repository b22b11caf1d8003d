"""Writes an .npy of bytes that look random: pixels.py FILE N H W C"""
import struct
import sys

path, shape = sys.argv[1], tuple(map(int, sys.argv[2:]))
count = 1
for size in shape:
    count *= size
header = repr({"descr": "|u1", "fortran_order": False, "shape": shape}).ljust(117).encode() + b"\n"
with open(path, "wb") as file:
    file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    file.write(bytes(i * i * 2654435761 >> 13 & 255 for i in range(count)))
