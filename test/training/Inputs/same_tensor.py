"""same_tensor.py A.npz B.npz PATTERN: whether the tensors whose names match have the same bytes in both files; there must be one."""
import fnmatch
import sys
import zipfile

first, second = (zipfile.ZipFile(path) for path in sys.argv[1:3])
names = [name for name in first.namelist() if fnmatch.fnmatch(name.removesuffix(".npy"), sys.argv[3])]
differing = [name for name in names if first.read(name) != second.read(name)]
print(f"{len(names)} tensors, {len(differing)} differ")
sys.exit(0 if names and not differing else 1)
