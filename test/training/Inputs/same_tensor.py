"""same_tensor.py A.npz B.npz PATTERN [--differs]: whether the tensors whose names match have the same bytes in both files.

With --differs each of them must have other bytes. Either way there must be one, and both files must have it.
"""
import fnmatch
import sys
import zipfile

first, second = (zipfile.ZipFile(path) for path in sys.argv[1:3])
listed = [[name for name in file.namelist() if fnmatch.fnmatch(name.removesuffix(".npy"), sys.argv[3])] for file in (first, second)]
names = listed[0]
if not names or sorted(names) != sorted(listed[1]):
    sys.exit(f"{sys.argv[3]} names {listed[0]} and {listed[1]}, expected the same tensors, at least one")
differing = [name for name in names if first.read(name) != second.read(name)]
print(f"{len(names)} tensors, {len(differing)} differ")
sys.exit(len(differing) != (len(names) if "--differs" in sys.argv[4:] else 0))
