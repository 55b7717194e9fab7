#!/bin/sh
# A soak of short requests against the mock: does memory grow with the number of requests?
#
#   bench/soak.sh [REQUESTS]       (default 1000000; BUILD names the build folder, default build)
#
# Samples the resident memory of the running program, and prints requests a second and how much it grew in every 100,000
# requests of the second half. Exit 1 when that is 1 MB or more.
set -eu
cd "$(dirname "$0")/.."
exec python3 -B bench/soak.py "${BUILD:-build}/llmbench" "${1:-1000000}"
