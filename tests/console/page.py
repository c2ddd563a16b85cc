"""Fills the emulator, looks at its page with a browser, and checks what the browser made of it."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.parse
import urllib.request

PLACE, PICTURE = sys.argv[1], os.path.abspath(sys.argv[2])
ENDPOINT = json.load(open(os.path.join(PLACE, "emulator.json")))["endpoint"]
HOST, PORT = ENDPOINT.removeprefix("http://").split(":")
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>&amp;.bin"


def send(method, key, query="", body=b""):
    where = f"{ENDPOINT}/pictures/{urllib.parse.quote(key)}{query}"
    with urllib.request.urlopen(urllib.request.Request(where, data=body, method=method)) as answer:
        return answer.read().decode()


def begin(key):
    return re.search("<UploadId>(.*)</UploadId>", send("POST", key, "?uploads")).group(1)


send("PUT", HOSTILE, body=b"x" * 1234)
send("PUT", "2024/报告 终稿.pdf", body=b"x" * 5_000_000)
film, other = begin("films/holiday.mp4"), begin(HOSTILE)
for number in [*range(1, 71), *range(75, 90), 95]:
    send("PUT", "films/holiday.mp4", f"?partNumber={number}&uploadId={film}", b"x" * 1000)
send("PUT", HOSTILE, f"?partNumber=1&uploadId={other}", b"x")
flying = []
for number, part in ((71, 30_000), (72, 80_000), (90, 55_000)):
    connection = socket.create_connection((HOST, int(PORT)))
    connection.sendall(f"PUT /pictures/films/holiday.mp4?partNumber={number}&uploadId={film} HTTP/1.1\r\n"
                       f"Host: {HOST}\r\nContent-Length: 100000\r\n\r\n".encode() + b"x" * part)
    flying.append(connection)

browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
assert browser, "no chromium here"
common = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1200,900",
          f"--user-data-dir={PLACE}/profile", "--virtual-time-budget=3000"]
page = subprocess.run([*common, "--dump-dom", f"{ENDPOINT}/_console"], check=True, capture_output=True, text=True,
                      timeout=120).stdout
subprocess.run([*common, f"--screenshot={PICTURE}", f"{ENDPOINT}/_console"], check=True, capture_output=True,
               timeout=120)

checks = {
    "the title is the page's own": "<title>ossup emulator</title>" in page,
    "a hostile name is text": "&lt;img src=x onerror=" in page and "<img" not in page.split("</style>")[1],
    "buckets are there": "<h2>pictures</h2>" in page and "<h2>empty</h2>" in page,
    "a key of any language is there": "2024/报告 终稿.pdf" in page,
    "stored parts are counted": "86 parts stored" in page and page.count('class="done"') == 86 + 1 + 1,
    "parts in flight are shown as far as they are": "3 in flight" in page
    and re.search('title="part 72: [0-9.]+ KiB of 97.7 KiB" class="fly"', page) is not None,
    "missing parts are counted": "6 missing" in page and 'title="part 73: missing"' in page,
    "a screenshot was taken": os.path.getsize(PICTURE) > 10_000,
}
for name, holds in checks.items():
    print("ok" if holds else "FAIL", name)
passed = sum(checks.values())
print(f"{passed} passed, {len(checks) - passed} failed")
if passed < len(checks):
    print(page, file=sys.stderr)
    sys.exit(1)
