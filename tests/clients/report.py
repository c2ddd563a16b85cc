"""Reads the lines of the clients' tests, prints a table of case by client, and compares it with the one in
docs/emulator.md. Usage: report.py DOCS [--write]"""

import json
import re
import sys

rows, columns, failures = {}, [], []
for line in sys.stdin:
    fields = line.rstrip("\n").split("\t")
    if len(fields) < 4 or fields[0] not in ("ok", "FAIL"):
        continue
    verdict, client, name, rest = fields[:4]
    if client not in columns:
        columns.append(client)
    rows.setdefault(name, {})[client] = rest if verdict == "ok" else "FAIL"
    if verdict == "FAIL":
        failures.append(f"{client}: {name}: {rest}")

with open("requirements.txt", encoding="utf-8") as file:
    versions = dict(line.strip().split("==") for line in file if "==" in line)
with open("package.json", encoding="utf-8") as file:
    versions |= json.load(file)["dependencies"]


def heading(column):
    client, signature = column.split(" ")
    return f"{client} {versions[client]}, {signature.upper()}"


table = ["| | " + " | ".join(map(heading, columns)) + " |", "| --- |" + " --- |" * len(columns)]
for name, cells in rows.items():
    table.append(f"| {name} | " + " | ".join(cells.get(client, "–") for client in columns) + " |")
print("\n".join(table), end="\n\n")
for failure in failures:
    print(f"FAIL {failure}")

with open(sys.argv[1], encoding="utf-8") as file:
    text = file.read()
known = re.search(r"(?:^\|.*\n)+", text[text.index("## Judged by the official clients"):], re.MULTILINE).group()
same = known == "\n".join(table) + "\n"
if not same and sys.argv[2:] == ["--write"]:
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write(text.replace(known, "\n".join(table) + "\n"))
elif not same:
    print(f"FAIL the table in {sys.argv[1]} is another one; OSSUP_RENDER=1 writes this one")
passed = sum(cell != "FAIL" for cells in rows.values() for cell in cells.values())
print(f"{passed} passed, {len(failures)} failed")
sys.exit(bool(failures) or not passed or (not same and sys.argv[2:] != ["--write"]))
