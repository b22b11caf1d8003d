#!/usr/bin/env bash
# clang-tidy over the tree, or over the given files or folders: scripts/tidy.sh [PATH...]. Needs the compile commands of build/ (./test.sh
# makes them; VITC_BUILD names another folder). Fails if anything is found.
set -euo pipefail
cd "$(dirname "$0")/.."

build=${VITC_BUILD:-build}
if [[ ! -e $build/compile_commands.json ]]; then
  echo "tidy.sh: error: $build has no compile_commands.json; configure first: cmake --preset release" >&2
  exit 1
fi
git ls-files -z -- "${@:-.}" | grep -z '\.cpp$' |
  xargs -0 -r -n 1 -P "$(nproc)" clang-tidy-22 -p "$build" --quiet 2> >(grep -v 'warnings generated' >&2)
