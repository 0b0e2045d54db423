"""Turns a JSON file with one flat array of objects into NDJSON without
touching the text of a value, and prints the number of rows."""

import json
import sys


def main(source, target):
    with open(source, encoding="utf-8") as f:
        text = f.read().strip()
    rows = json.loads(text)
    lines = text[1:-1].replace("},{", "}\n{").split("\n")
    if len(lines) != len(rows) or any(json.loads(line) != row for line, row in zip(lines, rows)):
        raise SystemExit(f"{source}: not the flat array that this program can divide")
    with open(target, "w", encoding="utf-8", newline="\n") as f:
        f.write("\n".join(lines) + "\n")
    print(len(rows))


main(*sys.argv[1:])
