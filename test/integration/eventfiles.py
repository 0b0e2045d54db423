"""Writes event files with pyarrow and with DuckDB. Knows nothing of strm.

usage: eventfiles.py DIRECTORY < LINES
{"file": name, "writer": "pyarrow" or "duckdb", "codec": codec, "version": "1.0" or "2.0", "wrap": "", "gzip" or "bz2", "strict": bool}
begins a file, and the lines up to the next are its rows as JSON. With strict the
columns that may not be null are declared so (pyarrow).
"""

import bz2
import gzip
import json
import os
import sys

import duckdb
import pyarrow
import pyarrow.parquet

REQUIRED = ["environmentId", "trafficTypeId", "eventTypeId", "key", "timestamp"]


def schema(strict):
    text, types = pyarrow.string(), {"timestamp": pyarrow.int64()}
    fields = [pyarrow.field(n, types.get(n, text), nullable=not strict) for n in REQUIRED]
    return pyarrow.schema(fields + [pyarrow.field("value", pyarrow.float64()), pyarrow.field("properties", pyarrow.map_(text, text))])


def write(directory, head, rows):
    path = os.path.join(directory, head["file"])
    plain = path + ".plain" if head.get("wrap") else path
    columns = {f.name: [r.get(f.name) for r in rows] for f in schema(False)}
    columns["properties"] = [None if p is None else list(p.items()) for p in columns["properties"]]
    table = pyarrow.table(columns, schema=schema(head.get("strict", False)))
    if head["writer"] == "duckdb":
        db = duckdb.connect()
        db.register("events", table)
        db.execute(f"COPY (SELECT * FROM events) TO '{plain}' (FORMAT parquet, COMPRESSION {head['codec']}, ROW_GROUP_SIZE 2048)")
    else:
        pyarrow.parquet.write_table(table, plain, compression=head["codec"], data_page_version=head.get("version", "1.0"), row_group_size=500)
    if head.get("wrap"):
        opener = {"gzip": gzip.open, "bz2": bz2.open}[head["wrap"]]
        with open(plain, "rb") as source, opener(path, "wb") as target:
            target.write(source.read())
        os.remove(plain)


def main(directory):
    head, rows, files = None, [], 0
    for line in sys.stdin:
        row = json.loads(line)
        if "file" not in row:
            rows.append(row)
            continue
        if head:
            write(directory, head, rows)
        head, rows, files = row, [], files + 1
    if head:
        write(directory, head, rows)
    print(json.dumps({"files": files}))


main(*sys.argv[1:])
