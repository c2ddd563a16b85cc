#!/usr/bin/env bash
# The official clients of OSS against the emulator, over sockets, signatures checked.
# Installs them, at the versions below, into a place that is thrown away. Needs cargo, python3 and npm.
set -euo pipefail
cd "$(dirname "$0")"

place=$(mktemp -d)
emulator=
program=
cleanup() {
    for process in $emulator $program; do kill "$process" 2>/dev/null || true; done
    rm -rf "$place"
}
trap cleanup EXIT

cargo build --quiet -p ossup-emulator --example emulator
cargo build --quiet -p ossup-cli
target=$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json,sys; print(json.load(sys.stdin)["target_directory"])')

python3 -m venv "$place/python"
"$place/python/bin/pip" install --quiet --disable-pip-version-check oss2==2.19.1 alibabacloud-oss-v2==1.4.1
npm install --silent --no-audit --no-fund --prefix "$place/node" ali-oss@6.23.0 >"$place/npm.log" 2>&1 ||
    { cat "$place/npm.log" >&2; exit 1; }

"$target/debug/examples/emulator" --admin 127.0.0.1:0 >"$place/emulator.json" &
emulator=$!
for _ in $(seq 200); do
    [ -s "$place/emulator.json" ] && break
    kill -0 "$emulator" || exit 1
    sleep 0.05
done
# The program prints what users of each client are to paste; the last line ends it.
"$target/debug/ossup" emulator --listen 127.0.0.1:0 --bucket pasted >"$place/pasted" &
program=$!
for _ in $(seq 200); do
    grep -q '^});' "$place/pasted" && break
    kill -0 "$program" || exit 1
    sleep 0.05
done
export EMULATOR_LINES="$place/pasted"
say() { python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$place/emulator.json" "$1"; }
EMULATOR_ENDPOINT=$(say endpoint)
EMULATOR_ADMIN=$(say admin)
EMULATOR_REGION=$(say region)
EMULATOR_ACCESS_KEY_ID=$(say access_key_id)
EMULATOR_ACCESS_KEY_SECRET=$(say access_key_secret)
export EMULATOR_ENDPOINT EMULATOR_ADMIN EMULATOR_REGION EMULATOR_ACCESS_KEY_ID EMULATOR_ACCESS_KEY_SECRET
export ALI_OSS="$place/node" PYTHONDONTWRITEBYTECODE=1
# Proxies of this machine are not to be asked for the way to it.
export NO_PROXY=localhost,127.0.0.1 no_proxy=localhost,127.0.0.1

{
    "$place/python/bin/python" oss2_test.py
    "$place/python/bin/python" oss_v2_test.py
    node ali_oss_test.js
} >"$place/lines" 2>"$place/errors" || { cat "$place/lines" "$place/errors" >&2; exit 1; }
python3 report.py <"$place/lines" || { cat "$place/errors" >&2; exit 1; }
