"""What the scripts that measure uploads share: the file, the server that drains, and one way to take time."""

import contextlib
import os
import random
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def build():
    command = ["cargo", "build", "--release", "--locked", "-p", "ossup-cli", "-p", "ossup-bench"]
    subprocess.run(command, cwd=ROOT, check=True)


def target():
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"


def make_file(path, mib):
    block = random.Random(7).randbytes(1 << 20)
    with open(path, "wb") as file:
        for number in range(mib):
            file.write(number.to_bytes(8, "little") + block[8:])


def said_by(server, end):
    """What a server says of itself, up to a line that is `end`."""
    lines = []
    for line in server.stdout:
        if line == end:
            return lines
        lines.append(line)
        if end is None:
            return lines
    sys.exit(f"{server.args[0]} ended with {server.wait()} before it had begun")


@contextlib.contextmanager
def drain():
    """The URL of a server that drains."""
    with subprocess.Popen([target() / "drain", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True) as server:
        try:
            yield said_by(server, None)[0].split()[-1]
        finally:
            server.kill()


@contextlib.contextmanager
def emulator(*more):
    """What `ossup emulator` says of itself, and so its URLs, keys unchecked."""
    command = [target() / "ossup", "emulator", "--listen", "127.0.0.1:0", "--bucket", "bench", "--unsigned", *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            lines = said_by(server, "\n")
            yield re.findall(r"(?:on|fail:) (http://[0-9.]+:[0-9]+)", "".join(lines))
        finally:
            server.kill()


def environment():
    """That of the clients: no proxies, and keys that nobody checks."""
    env = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return env | {"OSS_ACCESS_KEY_ID": "id", "OSS_ACCESS_KEY_SECRET": "secret"}


@contextlib.contextmanager
def on_two_cores():
    """What is begun meanwhile has two cores, as many as is promised for, however many there are."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    all_cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(all_cores)[:2])
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_cores)


def measure(command, env, code=0):
    """Wall and CPU seconds, and the peak of resident memory in MiB, of a command that ends with `code`."""
    # A child's peak begins with that of its parent, which for Python is more than most of these need.
    command = ["/usr/bin/time", "--quiet", "--format", "%M", *command]
    begun = time.perf_counter()
    with on_two_cores():
        process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    told = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != code:
        sys.exit(f"{command[4]} ended with {process.returncode}: {told}")
    return wall, usage.ru_utime + usage.ru_stime, int(told.split()[-1]) / 1024


def rounds(contenders, count, env):
    """The medians of each, all run once in each round, in an order that changes."""
    taken = {name: [] for name in contenders}
    for _ in range(count):
        order = list(contenders)
        random.shuffle(order)
        for name in order:
            taken[name].append(measure(contenders[name], env))
    return {name: [statistics.median(column) for column in zip(*figures)] for name, figures in taken.items()}


def table(taken, base):
    """The figures, with the ratios to those of `base`."""
    print("| | wall s | to the floor | CPU s | to the floor | peak MiB |\n| --- | --- | --- | --- | --- | --- |")
    base_wall, base_cpu, _ = taken[base]
    for name, (wall, cpu, memory) in taken.items():
        print(f"| {name} | {wall:.3f} | {wall / base_wall:.2f} | {cpu:.3f} | {cpu / base_cpu:.2f} | {memory:.1f} |")
    sys.stdout.flush()


def split(file, part_mib, folder):
    folder.mkdir()
    subprocess.run(["split", "-b", f"{part_mib}M", "-a", "5", "-d", file, folder / "part"], check=True)
    return sorted(folder.iterdir())


def curl(url, parts, parallel):
    command = ["curl", "--silent", "--show-error", "--fail", "--header", "Expect:"]
    if parallel > 1:
        command += ["--parallel", "--parallel-immediate", "--parallel-max", str(parallel)]
    for number, part in enumerate(parts, 1):
        command += ["--upload-file", str(part), f"{url}/curl?partNumber={number}&uploadId=D0"]
    return command


def floor(url, file, part_mib, threads, integrity):
    address = url.removeprefix("http://")
    return [target() / "floor", address, file, str(int(part_mib * (1 << 20))), str(threads), integrity]


def adapter(kind, url, file, part_mib, parallel, integrity):
    return [target() / "adapter", kind, url, file, str(part_mib << 20), str(parallel), integrity]


def ossup(url, file, part_size, parallel, integrity, *more, program=None):
    return [
        program or target() / "ossup", "upload", file, "oss://bench/object", "--endpoint", url, "--region", "cn-hangzhou", "--quiet",
        "--part-size", part_size, "--parallel", str(parallel), "--integrity", integrity, *more,
    ]  # fmt: skip
