#!/usr/bin/env bash
# From a fresh clone to a measured run in one command: installs what is needed, builds, starts the built-in mock server on a
# free port, runs the main job against it with the bundled questions, prints the tables, stops the server.
# Needs no network but Debian's packages, and none at all the second time.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/deps.sh build
cmake -S . -B build/release -G Ninja -DBUILD_TESTING=OFF >/dev/null
cmake --build build/release

work=$(mktemp -d)
mock=""
finish() {
    [ -n "$mock" ] && kill "$mock" 2>/dev/null && wait "$mock" 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT

build/release/llmbench mock --port 0 --ttft 50ms --itl 10ms --jitter 10% --tokens 32 >"$work/mock" &
mock=$!
for _ in $(seq 100); do
    url=$(grep -o 'http://[0-9.:]*' "$work/mock" || true)
    [ -n "$url" ] && break
    sleep 0.05
done
if [ -z "$url" ]; then
    echo "quickstart.sh: the mock server did not start" >&2
    exit 1
fi

command=(build/release/llmbench -s lua/apis/openai.lua --dataset openqa --offline --url "$url/v1/chat/completions"
    --model mock --parallel 20 --number 200 --stream --log-every-n-query 50)
printf '+ %s\n' "${command[*]}"
"${command[@]}"
