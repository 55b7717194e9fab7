#!/usr/bin/env bash
# clang-tidy (.clang-tidy says what) and cppcheck over all of src. What is not meant to be changed is suppressed where it stands, with the reason.
# Usage: scripts/lint.sh [--analyze]
#     --analyze   the clang analyzer too: it takes many minutes, and wants reading, since it does not know that err_set is always false
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=$(nproc)
cmake -S . -B build/lint -G Ninja -DCMAKE_C_COMPILER=clang -DBUILD_TESTING=OFF >/dev/null

defines=(-D_GNU_SOURCE '-DLLMBENCH_VERSION="1"' '-DLLMBENCH_SHARE="s"' '-DLLMBENCH_BIN_FOLDER="b"' '-DLLMBENCH_SHARE_FOLDER="s"')
# The rest of cppcheck's styles is a matter of taste, and its search for unused functions does not see other folders' uses.
cppcheck -q -j "$jobs" --enable=warning,performance,portability --std=c11 --platform=unix64 --library=posix --inline-suppr \
    "${defines[@]}" -Isrc --error-exitcode=1 src

[ "${1:-}" = --analyze ] && more="" || more="--checks=-clang-analyzer-*"
if ! git ls-files -z 'src/*.c' | xargs -0 -P "$jobs" -n 8 clang-tidy -p build/lint --quiet $more >build/lint/tidy.log 2>/dev/null; then
    grep -A 12 -E '(error|warning): ' build/lint/tidy.log | head -n 200
    echo "lint.sh: clang-tidy has complaints" >&2
    exit 1
fi
