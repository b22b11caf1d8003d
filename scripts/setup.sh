#!/usr/bin/env bash
# Installs what building and testing need and this Debian 12 machine lacks; does nothing when all is there.
#   scripts/setup.sh          what demo.sh and test.sh need
#   scripts/setup.sh --dev    also clang-format and clang-tidy
set -euo pipefail

packages=(
  # LLVM, MLIR and lld 22, their tools (tablegen, FileCheck, lit), the compiler and its sanitizers
  llvm-22-dev llvm-22-tools libmlir-22-dev mlir-22-tools clang-22 lld-22 liblld-22-dev libclang-rt-22-dev
  libzstd-dev zlib1g-dev
  # the build
  cmake ninja-build ccache git pkg-config python3
  # libraries
  libflatbuffers-dev flatbuffers-compiler libfmt-dev libcli11-dev nlohmann-json3-dev libxxhash-dev libjpeg62-turbo-dev libpng-dev
  libgtest-dev libgmock-dev
  # the emulator's fibers
  libboost-context-dev
  # runs the kernels for AArch64 in a test
  qemu-user
  # 70,000 real images for the demonstration and the tests
  dataset-fashion-mnist
)
[[ ${1:-} == --dev ]] && packages+=(clang-format-22 clang-tidy-22)

if ! command -v dpkg-query >/dev/null; then
  echo "setup.sh: error: this machine has no dpkg; install the equivalents of these Debian 12 packages yourself: ${packages[*]}" >&2
  exit 1
fi

missing=()
for package in "${packages[@]}"; do
  [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  exit 0
fi

echo "Going to install from Debian: ${missing[*]}"
as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "setup.sh: error: not root and no sudo; run as root: apt-get update && apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
"${as_root[@]}" apt-get update -q
for package in "${missing[@]}"; do
  if [[ -z $(apt-cache madison "$package") ]]; then
    echo "setup.sh: error: no apt source of this machine has $package; Debian 12 with its security archive (bookworm, bookworm-security) has it" >&2
    exit 1
  fi
done
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
