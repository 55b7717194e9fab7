#!/usr/bin/env bash
# How fast are texts encoded, beside npm's `tokenizers` and tiktoken, on one core?
#
#   bench/tokens.sh [ROUNDS]     (default 7; some 10 s a round)
#
# The clients take turns, each with its tokenizer loaded; prints MB for each second of CPU by the medians, how many times as much CPU as llmbench
# each takes, and what loading takes. llmbench forgets between rounds the words that it has met, the others do not.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/oracle.sh bench
cmake -S . -B build/measure -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build build/measure --target tokens | tail -n 1
exec python3 -B bench/tokens.py build/measure/bench/bench_tokens "${1:-7}"
