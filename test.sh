#!/usr/bin/env bash
# Sets this Debian 12 machine up, builds everything and runs every test: first all of them on the Release build, then the runtime's
# under AddressSanitizer with UndefinedBehaviorSanitizer, and what has threads under ThreadSanitizer.
#   ./test.sh           all of it
#   ./test.sh --quick   without the sanitizers
set -euo pipefail
cd "$(dirname "$0")"

sanitizers=on
case ${1:-} in
  "") ;;
  --quick) sanitizers=off ;;
  *)
    echo "test.sh: error: unknown option '$1'; the only one is --quick" >&2
    exit 2
    ;;
esac

say() { printf '\n== %s\n' "$*"; }
reports=()
failed=no

# run_suite FOLDER [ctest options]: runs the tests of a build; failures are counted at the end.
run_suite() {
  local folder=$1 report=$1/tests.xml
  shift
  rm -f "$report"
  ctest --test-dir "$folder" -j "$(nproc)" --output-on-failure --no-tests=error --output-junit tests.xml --test-output-size-passed 1000000 "$@" || failed=yes
  reports+=("$report")
}

say "Setting up"
scripts/setup.sh

say "Building into build/"
scripts/configure.sh release build
cmake --build build
say "Testing"
run_suite build -LE full

if [[ $sanitizers == on ]]; then
  say "Building the runtime with AddressSanitizer and UndefinedBehaviorSanitizer into build-asan/"
  scripts/configure.sh asan build-asan
  cmake --build build-asan
  say "Testing under AddressSanitizer and UndefinedBehaviorSanitizer"
  run_suite build-asan

  say "Building the runtime with ThreadSanitizer into build-tsan/"
  scripts/configure.sh tsan build-tsan
  cmake --build build-tsan --target runtime_tests vitrt_tests training-data-tests
  say "Testing what has threads under ThreadSanitizer"
  run_suite build-tsan -R "Thread|Session|BatchReader|Emulator"
fi

say "Summary"
python3 scripts/summarize_tests.py "${reports[@]}" || failed=yes
[[ $failed == no ]]
