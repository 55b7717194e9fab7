#!/usr/bin/env bash
# Installs what is needed, builds and runs every test: gcc, then the same under address and undefined-behaviour sanitizers, then
# threads under the thread sanitizer, then a build with clang, then the fuzzing targets; warnings are errors
# throughout.
# Usage: scripts/test.sh [all|quick] [--all] [--long]
#     quick     the gcc build and its tests alone
#     --all     tokenizers are compared on the files of eight models rather than two (downloads some 200 MB once)
#     --long    tests that end when they were long enough take longer
set -euo pipefail
cd "$(dirname "$0")/.."
mode=all
for word in "$@"; do
    case $word in
        all | quick) mode=$word ;;
        --all) export LLMBENCH_ALL=1 ;;
        --long) export LLMBENCH_LONG=1 ;;
        *)
            echo "test.sh: \"$word\" is none of all, quick, --all and --long" >&2
            exit 2
            ;;
    esac
done
jobs=$(nproc)

scripts/deps.sh test

step() { printf '\n==== %s\n' "$*"; }

step "oracles for tokenizers"
if scripts/oracle.sh ${LLMBENCH_ALL:+all}; then
    export LLMBENCH_ORACLE=1 # a test that needs them fails without them
elif [ $? = 3 ]; then
    echo "SKIPPED: e2e.test_tokenizer_oracle, which compares llmbench with npm's tokenizers, for npm is missing"
else
    exit 1
fi

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
git ls-files -z '*.c' '*.cc' '*.h' | xargs -0 clang-format --dry-run -Werror
luacheck --quiet lua examples
scripts/lint.sh

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

step "fuzzing"
scripts/fuzz.sh "$([ -n "${LLMBENCH_LONG:-}" ] && echo 300 || echo 20)"

if [ -n "${LLMBENCH_LONG:-}" ]; then
    step "valgrind"
    scripts/valgrind.sh build/gcc
fi
