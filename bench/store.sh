#!/bin/sh
# How fast does the main thread write results to SQLite, and is a worker delayed by it?
#
#   bench/store.sh [ROUNDS]       (default 3; BUILD names the build folder, default build)
#
# Runs llmbench against the mock with large plain answers, streams in bulk and short answers. Prints for each, as medians: the
# database's MB, the main thread's CPU, MB of database a second of that CPU, what share of a core main used, and the
# loop lag of the worker beside that of the same run with --store none.
set -eu
cd "$(dirname "$0")/.."
exec python3 -B bench/store.py "${BUILD:-build}/llmbench" "${1:-3}"
