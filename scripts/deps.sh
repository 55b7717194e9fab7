#!/usr/bin/env bash
# Installs what is missing of the Debian packages that llmbench needs. Usage: scripts/deps.sh build|test|bench
# As root (or with password-less sudo) it installs; otherwise it says what to install and ends with 1. Needs no network when nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

strip() { sed 's/#.*//' <<<"$1" | tr -s ' \n' ' '; }

wanted=$(strip "$BUILD_PACKAGES")
[ "${1:-build}" = test ] && wanted="$wanted $(strip "$TEST_PACKAGES")"

[ "${1:-build}" = bench ] && wanted="$wanted $(strip "$BENCH_PACKAGES")"

if ! command -v dpkg-query >/dev/null; then
    echo "deps.sh: this is no Debian system; install the equivalents of:$wanted" >&2
    exit 1
fi

missing=""
for package in $wanted; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=""
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root="sudo"
else
    echo "deps.sh: not root, and these packages are missing. Have them installed, then run this again:" >&2
    echo "    apt-get install --no-install-recommends$missing" >&2
    exit 1
fi

echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086  # a list of words is meant
$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
