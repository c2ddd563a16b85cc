#!/usr/bin/env bash
# The emulator's page in a headless browser: what it shows while an upload is cut off and resumed, that names are text,
# and a screenshot. Usage: run.sh [SCREENSHOT.png]. Needs cargo and python3; Chromium is installed by apt where it is
# missing and that is possible; else this fails, unless OSSUP_NO_BROWSER=1 says that the page need not be looked at.
set -euo pipefail
cd "$(dirname "$0")"

browser() { command -v chromium || command -v chromium-browser || command -v google-chrome; }
if ! browser >/dev/null && command -v apt-get >/dev/null; then
    if [ "$(id -u)" = 0 ]; then as_root=(env); else as_root=(sudo --non-interactive); fi
    "${as_root[@]}" apt-get install --yes --quiet --no-install-recommends chromium >/dev/null 2>&1 ||
        { "${as_root[@]}" apt-get update --quiet &&
            "${as_root[@]}" apt-get install --yes --quiet --no-install-recommends chromium; } >/dev/null 2>&1 || true
fi
if ! browser >/dev/null; then
    echo 'There is no Chromium here and none could be installed; the page was not looked at.' >&2
    [ "${OSSUP_NO_BROWSER:-}" = 1 ] || exit 1
    echo 'SKIPPED, as OSSUP_NO_BROWSER says.'
    exit 0
fi

place=$(mktemp -d)
emulator=
cleanup() {
    if [ -n "$emulator" ]; then kill "$emulator" 2>/dev/null || true; fi
    rm -rf "$place"
}
trap cleanup EXIT

cargo build --quiet --locked -p ossup-emulator --example emulator
target=$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json,sys; print(json.load(sys.stdin)["target_directory"])')
"$target/debug/examples/emulator" --checks off --bucket pictures --bucket empty >"$place/emulator.json" &
emulator=$!
for _ in $(seq 200); do
    [ -s "$place/emulator.json" ] && break
    kill -0 "$emulator" || exit 1
    sleep 0.05
done
export PYTHONDONTWRITEBYTECODE=1 NO_PROXY=localhost,127.0.0.1 no_proxy=localhost,127.0.0.1
python3 page.py "$place" "${1:-$place/console.png}"
