"""Reads every Parquet file below a directory with pyarrow and with DuckDB, and
says what is in them. Knows nothing of strm.

usage: impressions.py DIRECTORY
prints {"files": n, "columns": ["name type nullability", ...], "codecs": [...], "rows": [...], "differences": [...]}
"""

import json
import pathlib
import sys

import duckdb
import pyarrow.parquet


def main(directory):
    out = {"files": 0, "columns": [], "codecs": set(), "rows": [], "differences": []}
    for file in sorted(pathlib.Path(directory).rglob("*.parquet")):
        if file.name.startswith("."):
            continue
        f = pyarrow.parquet.ParquetFile(file)
        columns = [f"{c.name} {c.type} {'null' if c.nullable else 'not null'}" for c in f.schema_arrow]
        if out["files"] and columns != out["columns"]:
            out["differences"].append(f"{file.name} has other columns: {columns}")
        out["columns"], out["files"] = columns, out["files"] + 1
        out["codecs"] |= {f.metadata.row_group(g).column(c).compression for g in range(f.metadata.num_row_groups) for c in range(f.metadata.num_columns)}
        rows = f.read().to_pylist()
        duck = duckdb.connect().execute("SELECT * FROM read_parquet(?)", [str(file)]).to_arrow_table().to_pylist()
        if rows != duck:
            out["differences"].append(f"{file.name}: pyarrow reads {len(rows)} rows, DuckDB {len(duck)}, or others")
        out["rows"] += rows
    print(json.dumps({**out, "codecs": sorted(out["codecs"])}))


main(*sys.argv[1:])
