"""Reads a file of impressions with pyarrow and with DuckDB and compares every
value with the stored impressions, which may be in another order. What is missing is the empty text, but null
in the two columns of the machine.

usage: fme.py FILE EVENTS.ndjson
prints {"codecs", "columns", "types": {column: type, "not null" where so}, "annotated", "rows", "differences"}
"""

import json
import sys

import duckdb
import pyarrow.parquet

NULLABLE = ("machineName", "machineIp")


def main(file, events):
    with open(events, encoding="utf-8") as f:
        events = [json.loads(line) for line in f]
    parquet = pyarrow.parquet.ParquetFile(file)
    meta, schema = parquet.metadata, parquet.schema_arrow
    columns = schema.names
    want = [tuple(e.get(c) if c in NULLABLE else e.get(c, "") for c in columns) for e in events]
    tables = {
        "pyarrow": [tuple(r.values()) for r in parquet.read().to_pylist()],
        "duckdb": duckdb.connect().execute("SELECT * FROM read_parquet(?)", [file]).fetchall(),
    }
    at = columns.index("timestamp")  # no two have the same
    want.sort(key=lambda r: r[at])
    differences = []
    for reader, rows in tables.items():
        rows.sort(key=lambda r: r[at])
        if len(rows) != len(want):
            differences.append(f"{reader}: {len(rows)} rows, not {len(want)}")
        differences += [f"{reader}: row {i}: {a!r}, not {b!r}" for i, (a, b) in enumerate(zip(rows, want)) if a != b]
    physical = [parquet.schema.column(i) for i in range(len(columns))]
    print(json.dumps({
        "codecs": sorted({meta.row_group(g).column(c).compression for g in range(meta.num_row_groups) for c in range(meta.num_columns)}),
        "columns": columns,
        "types": {f.name: f"{f.type}" + ("" if f.nullable else " not null") for f in schema},
        "annotated": [c.name for c in physical if c.physical_type == "INT64" and c.logical_type.type != "NONE"],
        "rows": len(tables["pyarrow"]),
        "differences": differences[:20],
    }))


main(*sys.argv[1:])
