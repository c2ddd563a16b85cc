"""What the tests of the Python clients share: the emulator's addresses, its admin interface, and the report."""

import base64
import http.server
import json
import os
import random
import socket
import sys
import threading
import traceback
import urllib.request

ENDPOINT = os.environ["EMULATOR_ENDPOINT"]
ADMIN = os.environ["EMULATOR_ADMIN"]
KEY_ID = os.environ["EMULATOR_ACCESS_KEY_ID"]
SECRET = os.environ["EMULATOR_ACCESS_KEY_SECRET"]
REGION = os.environ["EMULATOR_REGION"]
PORT = ENDPOINT.rsplit(":", 1)[1]
VIRTUAL = f"http://localhost:{PORT}"

# Names whose encoding, normalisation or escaping clients and servers have got wrong.
ODD_KEYS = [
    "plain.bin", "dir/sub dir/a b.txt", "a+b=c&d?e#f%20g.bin", "报告 2024 (终稿).pdf", "emoji/😀/naïve.txt",
    "100% real~file_name-v1.2.tar.gz", "quotes/'single'\"double\"/(paren)*star!.txt", "a//b///c", "@:$,;=!/",
    ".hidden/..data/.../file.", "back\\slash|pipe<angle>^caret`tick{brace}[bracket]", "tab\tnew\nline/ctrl\x01.bin",
    "长" * 341,
]

# Resolvers differ in whether they know *.localhost.
_resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: _resolve(
    "127.0.0.1" if isinstance(host, str) and host.endswith("localhost") else host, *rest, **more)


def admin(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(ADMIN + path, data=data, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def fault(**rule):
    return admin("POST", "/faults", rule)["id"]


def journal(operation=None):
    entries = admin("GET", "/journal")["entries"]
    return [entry for entry in entries if operation in (None, entry["operation"])]


def sts(lifetime=3600):
    return admin("POST", "/sts", {"lifetime_seconds": lifetime})


def content(size, seed=1):
    return random.Random(seed).randbytes(size)


def pasted(client, https=False):
    """What `ossup emulator` printed for a client: the lines below its heading."""
    with open(os.environ["EMULATOR_LINES_HTTPS" if https else "EMULATOR_LINES"], encoding="utf-8") as lines:
        section = lines.read().split(f"# {client}", 1)[1].split("\n", 1)[1]
    return section.split("\n\n", 1)[0]


class Application:
    """An application's server, called once: `received` is the callback request."""

    def __init__(self, status=200, body=b'{"Status":"OK"}'):
        application = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers["Content-Length"])
                application.received = (self.path, self.headers, self.rfile.read(length).decode())
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.received = None
        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/%E5%9B%9E?key=v"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def callback(url, body, body_type=None):
    parameters = {"callbackUrl": url, "callbackBody": body}
    if body_type:
        parameters["callbackBodyType"] = body_type
    return base64.b64encode(json.dumps(parameters).encode()).decode()


class Clock:
    """The emulator's clock, moved for the time of a `with`."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __enter__(self):
        admin("POST", "/clock", {"advance_seconds": self.seconds})

    def __exit__(self, *_):
        admin("POST", "/clock", {"advance_seconds": -self.seconds})


_cases = []


def case(name):
    """Marks a test; `name` is the row of the table. What it returns is the cell, unless that is `ok`."""
    def mark(function):
        _cases.append((name, function))
        return function
    return mark


def expect(error, code, call, attribute="code"):
    """The call fails with OSS's code."""
    try:
        call()
    except error as found:
        seen = getattr(found, attribute, None)
        assert seen == code, f"{seen} instead of {code}: {found}"
        return found
    raise AssertionError(f"no error instead of {code}")


def run(client, *arguments):
    """Runs every case with the arguments; prints `ok` or `FAIL`, client and case."""
    for name, function in _cases:
        admin("DELETE", "/faults")
        admin("DELETE", "/journal")
        try:
            cell = function(*arguments) or "ok"
            print(f"ok\t{client}\t{name}\t{cell}", flush=True)
        except Exception as error:  # noqa: BLE001: every failure is a line of the report
            reason = str(error).replace("\n", " ")[:300] or type(error).__name__
            print(f"FAIL\t{client}\t{name}\t{reason}", flush=True)
            traceback.print_exc(file=sys.stderr)
