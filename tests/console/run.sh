#!/usr/bin/env bash
# The emulator's page in a headless browser: what it shows, that names are text, and a screenshot.
# Usage: run.sh [SCREENSHOT.png]. Needs cargo, python3 and chromium.
set -euo pipefail
cd "$(dirname "$0")"

place=$(mktemp -d)
emulator=
cleanup() {
    if [ -n "$emulator" ]; then kill "$emulator" 2>/dev/null || true; fi
    rm -rf "$place"
}
trap cleanup EXIT

cargo build --quiet -p ossup-emulator --example emulator
target=$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json,sys; print(json.load(sys.stdin)["target_directory"])')
"$target/debug/examples/emulator" --checks off --bucket pictures --bucket empty >"$place/emulator.json" &
emulator=$!
for _ in $(seq 200); do
    [ -s "$place/emulator.json" ] && break
    kill -0 "$emulator" || exit 1
    sleep 0.05
done
python3 page.py "$place" "${1:-$place/console.png}"
