#!/bin/sh
# Soaks against the mock.
#
#   bench/soak.sh [REQUESTS]       short requests: does memory grow with their number? (default 1000000)
#   bench/soak.sh --faults [--seconds N] [--streams N] [--no-memory]
#                                  mixed faults, a third of all requests: does every request have its one outcome, and does
#                                  everything come back? (default 3600 seconds of 500 streams)
#   bench/soak.sh --fault-memory [--streams N]
#                                  the most that llmbench holds while each fault befalls every one of 1000 streams
#
# BUILD names the build folder, default build. The first samples the resident memory of the running program, and prints requests
# a second and how much it grew in every 100,000 requests of the second half; exit 1 when that is 1 MB or more. The others
# print PASS or FAIL for each statement, with its figures; exit 1 when one fails.
set -eu
cd "$(dirname "$0")/.."
program="${BUILD:-build}/llmbench"
case "${1:-}" in
    --faults) exec python3 -B bench/soak_faults.py "$program" "$@" ;;
    --fault-memory) shift; exec python3 -B bench/fault_memory.py "$program" "$@" ;;
esac
exec python3 -B bench/soak.py "$program" "${1:-1000000}"
