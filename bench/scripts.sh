#!/bin/sh
# What does each script cost: requests composed and events scored a second by one core?
#
#   bench/scripts.sh [ROUNDS]     (default 5; some 10 s a round)
#
# Has llmbench's mock server answer each protocol with a stream of 200 tokens, records that answer, and lets bench/scripts.c compose
# requests and score the answer in one thread, again and again. Prints a table of medians.
set -eu
cd "$(dirname "$0")/.."
cmake -S . -B build/measure -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build build/measure --target llmbench scripts | tail -n 1
exec python3 -B bench/scripts.py build/measure "${1:-5}"
