"""Compares the rows of delivered tables with those of a JSON file, as multisets,
with DuckDB alone. usage: same.py FILE.json KIND GLOB COLUMN...
prints {"want": n, "got": n, "missing": n, "extra": n, "types": [...]}
"""

import json
import sys

import duckdb


def main(source, kind, files, *columns):
    db = duckdb.connect()
    db.execute("CREATE TABLE want AS SELECT * FROM read_json(?, maximum_object_size=100000000)", [source])
    db.execute(f"CREATE TABLE got AS SELECT * FROM read_{kind}(?)", [files])
    names = ", ".join(f'CAST("{c}" AS DOUBLE)' for c in columns)
    one = lambda sql: db.execute(sql).fetchone()[0]
    print(json.dumps({
        "want": one("SELECT count(*) FROM want"),
        "got": one("SELECT count(*) FROM got"),
        "missing": one(f"SELECT count(*) FROM (SELECT {names} FROM want EXCEPT ALL SELECT {names} FROM got)"),
        "extra": one(f"SELECT count(*) FROM (SELECT {names} FROM got EXCEPT ALL SELECT {names} FROM want)"),
        "types": [f"{r[0]} {r[1]}" for r in db.execute("DESCRIBE got").fetchall()],
    }))


main(*sys.argv[1:])
