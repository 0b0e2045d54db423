"""Event files: made, and turned into JSON lines by DuckDB or by pyarrow, on one
thread where that can be said, so that CPU times compare.

usage: eventfiles.py make ROWS FILE.parquet...
       eventfiles.py duckdb|pyarrow|plain TO FILE.parquet...
duckdb and pyarrow compress what they write with zstd, the fastest that both have,
as strm compresses what it stores; plain is DuckDB without that.
prints {"cpu": seconds of the work, "rows": n}
"""

import json
import resource
import sys


def used():
    u = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime + u.ru_stime


def make(rows, *files):
    import duckdb
    import pyarrow.parquet

    rows = int(rows)
    db = duckdb.connect()
    began = used()
    for n, name in enumerate(files):
        first, last = rows * n // len(files), rows * (n + 1) // len(files)
        table = db.sql(f"""
            SELECT 'prod-' || (h % 3) AS environmentId, ['user', 'account'][1 + h % 2] AS trafficTypeId,
                ['page.load', 'checkout', 'search', 'error.shown', 'cart.add'][1 + h // 7 % 5] AS eventTypeId,
                printf('user-%08x-%04x', h % 4000000000, h // 11 % 65536) AS key, 1795161463647 + i * 3 AS timestamp,
                CASE WHEN h // 13 % 4 > 0 THEN (h // 17 % 100000) / 100 END::DOUBLE AS value,
                CASE WHEN h // 19 % 3 > 0 THEN map {{
                    'browser': ['firefox', 'chrome', 'safari'][1 + h // 23 % 3], 'country': ['DE', 'NL', 'US', 'FR'][1 + h // 29 % 4],
                    'session': printf('%08x', h // 31 % 4000000000), 'path': '/shop/' || (h // 37 % 5000)}} END AS properties
            FROM (SELECT i, (hash(i) // 4)::BIGINT AS h FROM range({first}, {last}) AS r(i))""").to_arrow_table()
        pyarrow.parquet.write_table(table, name, compression="snappy")
    return used() - began, rows


def by_duckdb(target, *files, codec="zstd"):
    import duckdb

    db = duckdb.connect()
    db.execute("SET threads = 1")
    began = used()
    db.execute(f"COPY (SELECT * FROM read_parquet({list(files)!r})) TO '{target}' (FORMAT json, COMPRESSION {codec})")
    return used() - began, count(target, codec)


def plain(target, *files):
    return by_duckdb(target, *files, codec="uncompressed")


def by_pyarrow(target, *files):
    import pyarrow
    import pyarrow.parquet

    pyarrow.set_cpu_count(1)
    began = used()
    with pyarrow.output_stream(target, compression="zstd") as out:
        for name in files:
            for batch in pyarrow.parquet.ParquetFile(name).iter_batches(batch_size=8192, use_threads=False):
                lines = []
                for row in batch.to_pylist():
                    if row["properties"] is not None:
                        row["properties"] = dict(row["properties"])
                    lines.append(json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n")
                out.write("".join(lines).encode())
    return used() - began, count(target, "zstd")


def count(name, codec):
    import pyarrow

    lines = 0
    with pyarrow.input_stream(name, compression="zstd" if codec == "zstd" else None) as f:
        while block := f.read(1 << 20):
            lines += block.count(b"\n")
    return lines


cpu, rows = {"make": make, "duckdb": by_duckdb, "pyarrow": by_pyarrow, "plain": plain}[sys.argv[1]](*sys.argv[2:])
print(json.dumps({"cpu": cpu, "rows": rows}))
