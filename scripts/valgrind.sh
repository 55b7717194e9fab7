#!/usr/bin/env bash
# Unit tests and a few runs of the whole program under valgrind: no use of what was not written, no lost memory.
# Usage: scripts/valgrind.sh BUILD-FOLDER     (built without sanitizers)
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(realpath "${1:-build/gcc}")
memcheck=(valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

one() { # TEST-PROGRAM
    local said
    if ! said=$("${@}" 2>&1); then
        tail -n 60 <<<"$said"
        echo "valgrind.sh: ${!#} failed"
        return 1
    fi
}
export -f one
# Not io, run, mock and app, which are about times, nor base, model and test_sse, which take many minutes and have ASan.
for floor in wire script out; do
    for source in tests/$floor/test_*.c; do
        [ "$source" = tests/wire/test_sse.c ] || printf '%s\0' "$build/tests/$(basename "$source" .c)"
    done
done | xargs -0 -P "$(nproc)" -n 1 bash -c 'one "$@"' one "${memcheck[@]}"

# the program itself, as the end-to-end tests start it
printf '#!/bin/sh\nexec %s %s "$@"\n' "${memcheck[*]}" "$build/llmbench" >"$work/llmbench"
chmod +x "$work/llmbench"
for test in test_storing; do
    LLMBENCH="$work/llmbench" LLMBENCH_SOURCE=$PWD LLMBENCH_SANITIZE=valgrind python3 -B "tests/e2e/$test.py"
done
