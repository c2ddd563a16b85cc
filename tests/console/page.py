"""Fills the emulator, looks at its page with a browser, and watches an upload being resumed on it."""

import json
import os
import re
import shutil
import socket
import sys
import time
import urllib.parse
import urllib.request

from browser import Browser

PLACE, PICTURE = sys.argv[1], os.path.abspath(sys.argv[2])
ENDPOINT = json.load(open(os.path.join(PLACE, "emulator.json")))["endpoint"]
HOST, PORT = ENDPOINT.removeprefix("http://").split(":")
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>&amp;.bin"
FILM = "films/holiday.mp4"
LENGTH = 100 * 1024
FAILED = []


def send(method, key, query="", body=b"", headers=None):
    where = f"{ENDPOINT}/pictures/{urllib.parse.quote(key)}{query}"
    request = urllib.request.Request(where, data=body, method=method, headers=headers or {})
    with urllib.request.urlopen(request) as answer:
        return answer.read().decode()


def begin(key):
    return re.search("<UploadId>(.*)</UploadId>", send("POST", key, "?uploads")).group(1)


def part(number, body=b"x" * LENGTH):
    send("PUT", FILM, f"?partNumber={number}&uploadId={film}", body)


def fly(number, sent):
    """Begins to send a part, and stops in the middle."""
    connection = socket.create_connection((HOST, int(PORT)))
    connection.sendall(f"PUT /pictures/{FILM}?partNumber={number}&uploadId={film} HTTP/1.1\r\n"
                       f"Host: {HOST}\r\nContent-Length: {LENGTH}\r\n\r\n".encode() + b"x" * sent)
    return connection


def check(name, holds, seen=None):
    print("ok" if holds else "FAIL", name)
    if not holds:
        FAILED.append(f"{name}: {seen}")


# What the map of an upload shows, a letter for each number: done, flying, missing.
MAP = """(key => {
  const upload = [...document.querySelectorAll(".upload")].find(u => u.querySelector(".key").textContent === key);
  return upload && [...upload.querySelectorAll(".map i")].map(cell =>
    getComputedStyle(cell).display === "none" ? "?" : (cell.className || "missing")[0]).join("");
})(%s)"""


# The first cell of that map.
CELL = """[...document.querySelectorAll(".upload")].find(u => u.querySelector(".key").textContent === %s)
  .querySelector(".map i")""" % json.dumps(FILM)


def shown(browser, wanted, seconds=20):
    """Waits until the page, never loaded again, shows this map; gives back what it shows in the end."""
    end = time.monotonic() + seconds
    while (seen := browser.value(MAP % json.dumps(FILM))) != wanted and time.monotonic() < end:
        time.sleep(0.05)
    return seen


send("PUT", HOSTILE, body=b"x" * 1234)
send("PUT", "2024/报告 终稿.pdf", body=b"x" * 5_000_000)
film, other = begin(FILM), begin(HOSTILE)
# More numbers than fit into one map after another.
huge = [(key, begin(key)) for key in ("huge/1", "huge/2", "huge/3")]
for key, upload in huge:
    for number in (1, 10_000):
        send("PUT", key, f"?partNumber={number}&uploadId={upload}", b"x")
for done in [*range(1, 71), *range(75, 90), 95]:
    part(done)
send("PUT", HOSTILE, f"?partNumber=1&uploadId={other}", b"x")
flying = {number: fly(number, sent) for number, sent in ((71, LENGTH // 4), (72, LENGTH // 4 * 3), (90, LENGTH // 2))}

program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
with Browser(program, os.path.join(PLACE, "profile"), (1200, 900)) as browser:
    browser.open(f"{ENDPOINT}/_console")
    before = "d" * 70 + "ff" + "mm" + "d" * 15 + "f" + "mmmm" + "d"
    seen = shown(browser, before)
    check("done, flying and missing parts are where they are", seen == before, seen)
    browser.value("window.untouched = true")
    browser.value(CELL + ".kept = true")
    text = browser.value("document.body.innerText")
    check("they are counted", "86 parts stored" in text and "3 in flight" in text and "6 missing" in text, text)
    titles = browser.value("[...document.querySelectorAll('.map i')].map(cell => cell.title)")
    check("a part in flight tells how far it is", "part 72: 75.0 KiB of 100.0 KiB" in titles, titles[70:75])
    check("a missing part is told", "part 73: missing" in titles, titles[70:75])
    bars = browser.value("[...document.querySelectorAll('.map i.f b, .map i.fly b')].map(bar => bar.style.height)")
    check("and shown as far as it is", bars == ["25%", "75%", "50%"], bars)
    colours = browser.value("['done', 'fly', 'gap'].map(name => getComputedStyle("
                            "document.querySelector(`.key-of-map i.${name}`)).backgroundColor)")
    check("three states have three colours, which the legend names", len(set(colours)) == 3, colours)
    check("buckets are there", all(name in text for name in ("pictures", "empty")), text)
    check("a key of any language is there", "2024/报告 终稿.pdf" in text, text)
    check("a hostile name is text", HOSTILE in text and browser.value("document.title") == "ossup emulator"
          and browser.value("document.querySelectorAll('main img, main script').length") == 0, text)
    wide = browser.value("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    check("nothing is wider than the page", wide == 0, wide)
    maps = browser.value("[...document.querySelectorAll('.upload')].map(u => [u.querySelector('.key').textContent, "
                         "u.querySelectorAll('.map i').length, u.innerText.includes('too many on this page')])")
    check("a map has a cell for each of 10,000 numbers", ["huge/1", 10_000, False] in maps, maps)
    check("a map that is not drawn is told", ["huge/3", 0, True] in maps, maps)
    browser.screenshot(PICTURE)
    check("a screenshot was taken", os.path.getsize(PICTURE) > 10_000)

    # The upload is resumed: one that flew arrives, one that was lost with its connection begins again.
    flying[71].sendall(b"x" * (LENGTH - LENGTH // 4))
    now = before[:70] + "d" + before[71:]
    check("a part that arrives is seen to", (seen := shown(browser, now)) == now, seen)
    flying[72].close()
    now = now[:71] + "m" + now[72:]
    check("a part whose connection ends is missing", (seen := shown(browser, now)) == now, seen)
    again = fly(72, 10_000)
    now = now[:71] + "f" + now[72:]
    check("a part that is sent again is seen to fly", (seen := shown(browser, now)) == now, seen)
    again.sendall(b"x" * (LENGTH - 10_000))
    flying[90].sendall(b"x" * (LENGTH - LENGTH // 2))
    for missing in (73, 74, 91, 92, 93, 94):
        part(missing)
    now = "d" * 95
    check("only what changes is drawn again", browser.value(CELL + ".kept") is True)
    check("the map fills up", (seen := shown(browser, now)) == now, seen)
    send("POST", FILM, f"?uploadId={film}", headers={"x-oss-complete-all": "yes"})
    check("an upload that is completed is gone", (seen := shown(browser, None)) is None, seen)
    table = browser.value("[...document.querySelectorAll('td.key')].map(cell => cell.textContent)")
    check("and is an object", FILM in table, table)
    check("the page was never loaded again", browser.value("window.untouched") is True)

for failure in FAILED:
    print("FAIL", failure, file=sys.stderr)
sys.exit(bool(FAILED))
