#!/usr/bin/env bash
# The official clients of OSS against the emulator, over sockets, signatures checked.
# Installs them, at the versions of requirements.txt and package-lock.json, into a place that is thrown away, and compares what
# comes out with the table in docs/emulator.md, which OSSUP_RENDER=1 writes. Needs cargo, python3 and npm.
set -euo pipefail
cd "$(dirname "$0")"

place=$(mktemp -d)
emulator=
programs=()
cleanup() {
    for process in $emulator "${programs[@]}"; do kill "$process" 2>/dev/null || true; done
    rm -rf "$place"
}
trap cleanup EXIT

cargo build --quiet -p ossup-emulator --example emulator
cargo build --quiet -p ossup-cli
target=$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json,sys; print(json.load(sys.stdin)["target_directory"])')

python3 -m venv "$place/python"
"$place/python/bin/pip" install --quiet --disable-pip-version-check --requirement requirements.txt
mkdir "$place/node"
cp package.json package-lock.json "$place/node"
npm ci --silent --no-audit --no-fund --prefix "$place/node" >"$place/npm.log" 2>&1 || { cat "$place/npm.log" >&2; exit 1; }

"$target/debug/examples/emulator" --admin 127.0.0.1:0 >"$place/emulator.json" &
emulator=$!
for _ in $(seq 200); do
    [ -s "$place/emulator.json" ] && break
    kill -0 "$emulator" || exit 1
    sleep 0.05
done
# The program prints what users of each client are to paste; the last line ends it.
for way in http https; do
    more=()
    if [ $way = https ]; then more=(--https "$place/certificate.pem"); fi
    "$target/debug/ossup" emulator --listen 127.0.0.1:0 --bucket pasted "${more[@]}" >"$place/pasted-$way" &
    programs+=("$!")
    for _ in $(seq 200); do
        grep -q '^});' "$place/pasted-$way" && break
        kill -0 "${programs[-1]}" || exit 1
        sleep 0.05
    done
done
export EMULATOR_LINES="$place/pasted-http" EMULATOR_LINES_HTTPS="$place/pasted-https"
# What those are told to do who speak https.
export REQUESTS_CA_BUNDLE="$place/certificate.pem" NODE_EXTRA_CA_CERTS="$place/certificate.pem"
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
render=()
if [ "${OSSUP_RENDER:-}" = 1 ]; then render=(--write); fi
python3 report.py ../../docs/emulator.md "${render[@]}" <"$place/lines" || { cat "$place/errors" >&2; exit 1; }
