"""Reads the lines of the clients' tests, prints a table of case by client, and counts."""

import sys

rows, columns, failures = {}, [], []
for line in sys.stdin:
    fields = line.rstrip("\n").split("\t")
    if len(fields) < 3 or fields[0] not in ("ok", "FAIL"):
        continue
    verdict, client, name = fields[:3]
    if client not in columns:
        columns.append(client)
    rows.setdefault(name, {})[client] = verdict
    if verdict == "FAIL":
        failures.append(f"{client}: {name}: {' '.join(fields[3:])}")

print("| | " + " | ".join(columns) + " |")
print("| --- |" + " --- |" * len(columns))
for name, verdicts in rows.items():
    print(f"| {name} | " + " | ".join(verdicts.get(client, "–") for client in columns) + " |")
print()
for failure in failures:
    print(f"FAIL {failure}")
passed = sum(verdict == "ok" for verdicts in rows.values() for verdict in verdicts.values())
print(f"{passed} passed, {len(failures)} failed")
sys.exit(bool(failures) or not passed)
