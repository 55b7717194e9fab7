#!/usr/bin/env bash
# Installs what is needed, builds and runs every test: gcc, then the same under address and undefined-behaviour sanitizers, then
# threads under the thread sanitizer, then a build with clang; warnings are errors throughout.
# Usage: scripts/test.sh [all|quick]     (quick: the gcc build and its tests alone)
set -euo pipefail
cd "$(dirname "$0")/.."
mode=${1:-all}
jobs=$(nproc)

scripts/deps.sh test

step() { printf '\n==== %s\n' "$*"; }

build() { # NAME OPTIONS…: configures and builds build/NAME
    local name=$1
    shift
    cmake -S . -B "build/$name" -G Ninja -DWERROR=ON "$@" >/dev/null
    cmake --build "build/$name" -j "$jobs" | tail -n 1
}

check() { # NAME CTEST-OPTIONS…
    local name=$1
    shift
    ctest --test-dir "build/$name" --output-on-failure --no-tests=error -j "$jobs" "$@"
}

step "style"
git ls-files -z '*.c' '*.h' | xargs -0 clang-format --dry-run -Werror
luacheck --quiet lua examples

step "gcc, Release"
build gcc -DCMAKE_C_COMPILER=gcc
check gcc
[ "$mode" = quick ] && exit 0

step "address and undefined-behaviour sanitizers"
build asan -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSANITIZE=address,undefined
check asan

step "thread sanitizer: what has threads"
build tsan -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSANITIZE=thread
check tsan -R '^(base|io|script|run|mock|out|app)\.|^e2e\.test_(main_job|load|hostile|terminal|wandb|tls|hook_timeout|script_done|script_metrics|experiment)$'

step "clang"
build clang -DCMAKE_C_COMPILER=clang
check clang -E '^(e2e|fuzz)\.'
