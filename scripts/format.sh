#!/usr/bin/env bash
# clang-format over the tree's C and C++, or over the given files or folders: scripts/format.sh [--check] [PATH...].
# With --check nothing is written; exits with 1 if something would change.
set -euo pipefail
cd "$(dirname "$0")/.."

how=(-i)
if [[ ${1:-} == --check ]]; then
  how=(--dry-run --Werror)
  shift
fi
git ls-files -z -- "${@:-.}" | grep -z -E '\.(cpp|h|c)$' | xargs -0 -r clang-format-22 "${how[@]}"
