"""The script that the vendor's page suggests: reads status reports, leaves out
entries that were told before, and sums the rows of each file. Knows nothing of strm.

usage: statuses.py DIRECTORY
prints {"reports": n, "repeated": n, "files": {name: {"valid": n, "invalid": {"CODE,CODE": n}}}, "wrong": [...]}
"""

import json
import pathlib
import re
import sys

NAME = re.compile(r"^\d{4}-\d\d-\d\d/\d\d-\d\d-\d\d\.\d{3}\.UTC_report\.status$")
FIELDS = ["originalCreationTime", "entryId", "valid", "numberOfRows", "errors", "errorsDetails", "warnings"]


def main(directory):
    root, seen = pathlib.Path(directory), {}
    out = {"reports": 0, "repeated": 0, "files": {}, "wrong": []}
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        name = str(path.relative_to(root))
        if not NAME.match(name):
            out["wrong"].append(f"{name}: not the name of a report")
            continue
        out["reports"] += 1
        report = json.loads(path.read_text(encoding="utf-8"))
        if not report:
            out["wrong"].append(f"{name}: says nothing")
        for file, entries in report.items():
            for e in entries:
                if list(e) != FIELDS or e["valid"] != (not e["errors"]) or len(e["errors"]) != len(e["errorsDetails"]):
                    out["wrong"].append(f"{name}: {file}: {e}")
                triple = (file, e["originalCreationTime"], e["entryId"])
                if triple in seen:
                    out["repeated"] += 1
                    if seen[triple] != e:
                        out["wrong"].append(f"{name}: {file}: {e} was {seen[triple]}")
                    continue
                seen[triple] = e
                sums = out["files"].setdefault(file, {"valid": 0, "invalid": {}})
                if e["valid"]:
                    sums["valid"] += e["numberOfRows"]
                else:
                    codes = ",".join(e["errors"])
                    sums["invalid"][codes] = sums["invalid"].get(codes, 0) + e["numberOfRows"]
    out["wrong"] = out["wrong"][:20]
    print(json.dumps(out))


main(*sys.argv[1:])
