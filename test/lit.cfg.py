# The lit suite. Tools are found by name (vitc, vit-opt, vit-run from the build; FileCheck, not, count, split-file from LLVM).
#
# %data    test/data                       %models  models
# %shared  optional data (VITC_SHARED)     %src     the source tree
# %fake-driver  a libcuda.so.1 that needs no GPU (test/support/fake_cuda); %vit-run  the program's path
#
# Features: compiler, avx2, avx512 (f, bw, dq, vl), bf16-products, int8-products, fashion-mnist (Debian's package), shared-data, root,
# ptxas (of a CUDA toolkit).
import os
import shutil

import lit.formats

config.name = "vitc"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["unit", "data", "Inputs"]
config.test_source_root = os.path.join(config.vitc_source_dir, "test")
config.test_exec_root = os.path.join(config.vitc_binary_dir, "test")

config.environment["PATH"] = os.pathsep.join(
    [os.path.join(config.vitc_binary_dir, "bin"), config.llvm_tools_dir, os.environ.get("PATH", "")]
)
# A CUDA toolkit is where CUDA_HOME says, in PATH, or where it is installed by default.
tools = os.path.join(os.environ.get("CUDA_HOME", "/usr/local/cuda"), "bin")
config.environment["PATH"] += os.pathsep + tools
if shutil.which("ptxas", path=config.environment["PATH"]):
    config.available_features.add("ptxas")
for name in os.environ:
    if name.startswith(("ASAN_", "UBSAN_", "TSAN_", "LSAN_")):
        config.environment[name] = os.environ[name]

# Schedules that the user measured are not for tests.
config.environment["XDG_CACHE_HOME"] = os.path.join(config.test_exec_root, "no-cache")

shared = os.environ.get("VITC_SHARED") or config.vitc_shared
config.environment["VITC_SHARED"] = shared
config.substitutions += [
    ("%data", os.path.join(config.test_source_root, "data")),
    ("%models", os.path.join(config.vitc_source_dir, "models")),
    ("%shared", shared),
    ("%src", config.vitc_source_dir),
    ("%vit-run", os.path.join(config.vitc_binary_dir, "bin", "vit-run")),
    ("%fake-driver", os.path.join(config.vitc_binary_dir, "lib", "libfake_cuda.so")),
]

if config.vitc_compiler:
    config.available_features.add("compiler")
if os.path.isdir(os.path.join(shared, "data")):
    config.available_features.add("shared-data")
if os.path.exists("/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz"):
    config.available_features.add("fashion-mnist")
if os.geteuid() == 0:  # permission errors cannot be provoked as root
    config.available_features.add("root")

try:
    with open("/proc/cpuinfo") as file:
        flags = next((set(line.split()) for line in file if line.startswith("flags")), set())
except OSError:
    flags = set()
if {"avx2", "fma"} <= flags:
    config.available_features.add("avx2")
if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= flags:
    config.available_features.add("avx512")
    if "avx512_bf16" in flags:
        config.available_features.add("bf16-products")
    if "avx512_vnni" in flags:
        config.available_features.add("int8-products")
if "avx2" in config.available_features and "avx_vnni" in flags:
    config.available_features.add("int8-products")
