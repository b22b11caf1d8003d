#!/usr/bin/env bash
# Configures a preset of CMakePresets.json: scripts/configure.sh PRESET FOLDER, FOLDER being the preset's build folder.
# Quiet unless something is wrong. A build folder that was moved here with its tree is configured afresh.
set -euo pipefail
cd "$(dirname "$0")/.."

fresh=()
if [[ -e $2/CMakeCache.txt ]] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$(pwd -P)" "$2/CMakeCache.txt"; then
  fresh=(--fresh)
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! cmake --preset "$1" "${fresh[@]}" >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
