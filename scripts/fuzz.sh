#!/usr/bin/env bash
# Runs the fuzzing targets with libFuzzer under the address and undefined-behaviour sanitizers, each for some seconds, as many at once
# as there are cores; what it finds stays in build/fuzz/found. Usage: scripts/fuzz.sh [SECONDS [TARGET…]]     (20 seconds, all targets)
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-20}
shift || true
build=build/fuzz # without libsentencepiece, whose C++ may be of a compiler that does not know libFuzzer
cmake -S . -B $build -G Ninja -DWERROR=ON -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DSANITIZE=address,undefined -DFUZZ=ON -DSENTENCEPIECE=OFF >/dev/null
cmake --build $build --target fuzzers -j "$(nproc)" | tail -n 1
mkdir -p $build/found

one() { # TARGET 'SEED-FOLDER…': a corpus of its own keeps what is new, the seeds are only read
    local seeds
    read -ra seeds <<<"$2"
    mkdir -p "$build/corpus/$1"
    if ! "$build/tests/fuzz/libfuzzer_$1" -max_total_time="$seconds" -max_len=8192 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$build/found/$1-" "$build/corpus/$1" "${seeds[@]}" >"$build/found/$1.log" 2>&1; then
        grep -vE '^#[0-9]+' "$build/found/$1.log" | tail -n 60
        echo "fuzz.sh: $1 failed; the input is in $build/found"
        return 1
    fi
    echo "$1: $(sed -n 's/^stat::number_of_executed_units: *//p' "$build/found/$1.log") inputs"
}
export -f one
export build seconds
while read -r name folders; do
    if [ $# = 0 ] || [[ " $* " == *" $name "* ]]; then
        printf '%s\0%s\0' "$name" "$folders"
    fi
done <$build/fuzzers.txt | xargs -0 -n 2 -P "$(nproc)" bash -c 'one "$@"' one
