#!/usr/bin/env bash
# Measures llmbench beside a raw-epoll client, an aiohttp client and wrk against its own mock server, and prints ratios.
# Usage: bench/run.sh [CASE…]     all cases take some 15 minutes of a quiet machine; ROUNDS=1 is quicker and rougher
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/deps.sh bench
cmake -S . -B build/measure -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build build/measure --target llmbench raw | tail -n 1
exec /usr/bin/python3 -B bench/run.py build/measure "$@"
