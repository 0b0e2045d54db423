"""Reads a table with DuckDB and with pyarrow (CSV: and with Python's csv) and
compares every value with what the events and their JSON Schema say. Knows
nothing of strm: what a column must hold is worked out here from the JSON.

usage: tables.py parquet|csv FILE EVENTS.ndjson SCHEMA.json
prints {"rows": n, "columns": n, "codecs": [...], "row_groups": n, "differences": [...]}
"""

import csv
import datetime
import json
import sys

import duckdb
import pyarrow.csv
import pyarrow.parquet

UTC = datetime.timezone.utc


def instant(text):
    t = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return t.replace(tzinfo=UTC) if t.tzinfo is None else t.astimezone(UTC)


def branch(schema, v):
    """The name of the branch of a list of types that a value belongs to."""
    for name, kinds in {"boolean": bool, "integer": int, "number": (int, float), "string": str, "object": dict, "array": list}.items():
        if name in schema["type"] and isinstance(v, kinds) and (name == "boolean" or not isinstance(v, bool)):
            return name
    return "string"


def expect(schema, v):
    """What a column of this schema must hold for a JSON value."""
    types = schema.get("type", [])
    types = [t for t in (types if isinstance(types, list) else [types]) if t != "null"]
    if v is None:
        return None
    if schema.get("strm_type") == "map":
        return [(k, x if x is None or isinstance(x, str) else ("json", x)) for k, x in v.items()]
    if len(types) > 1:
        b = branch(schema, v)
        out = {"type": b, **{t: None for t in types}}
        out[b] = expect({**schema, "type": b}, v)
        return out
    kind, form = (types or [None])[0], schema.get("format")
    if kind == "string" and form is None:
        return v if isinstance(v, str) else ("json", v)
    try:
        if kind == "string" and form == "date":
            return datetime.date.fromisoformat(v)
        if kind == "string" and form == "date-time":
            return instant(v)
        if kind == "string" and form == "time":
            return instant("2000-01-01T" + v).time()
    except (TypeError, ValueError, AttributeError):
        return None
    if kind == "boolean":
        return v if isinstance(v, bool) else None
    if kind == "integer":
        return v if isinstance(v, int) and not isinstance(v, bool) and -(2**63) <= v < 2**63 else None
    if kind == "number":
        return float(v) if isinstance(v, (int, float)) and not isinstance(v, bool) else None
    if kind == "object" and schema.get("properties"):
        return {k: expect(s, v.get(k)) for k, s in schema["properties"].items()} if isinstance(v, dict) else None
    if kind == "array" and schema.get("items"):
        return [expect(schema["items"], x) for x in v] if isinstance(v, list) else None
    return ("json", v)


def same(want, got):
    if isinstance(want, tuple):  # JSON text
        return isinstance(got, str) and json.loads(got) == want[1]
    if isinstance(want, dict):
        return isinstance(got, dict) and want.keys() == got.keys() and all(same(want[k], got[k]) for k in want)
    if isinstance(want, list):
        return isinstance(got, list) and len(want) == len(got) and all(
            a[0] == b[0] and same(a[1], b[1]) if isinstance(a, tuple) and isinstance(b, tuple) else same(a, b) for a, b in zip(want, got))
    if isinstance(got, datetime.time):
        got = got.replace(tzinfo=None)
    return type(want) is type(got) and want == got


class Fraction(float):
    """A number with a point or an exponent, and how the event writes it."""

    def __new__(cls, written):
        f = super().__new__(cls, written)
        f.written = written
        return f


def text(v):
    """What a cell of CSV must hold."""
    if v is None:
        return ""
    return v if isinstance(v, str) else inner(v)


def inner(v):
    if isinstance(v, Fraction):
        return v.written
    if isinstance(v, dict):
        return "{" + ",".join(inner(k) + ":" + inner(x) for k, x in v.items()) + "}"
    if isinstance(v, list):
        return "[" + ",".join(inner(x) for x in v) + "]"
    return json.dumps(v, ensure_ascii=False)


def main(kind, file, events, schema):
    with open(events, encoding="utf-8", newline="\n") as f:
        events = [json.loads(line, parse_float=Fraction) for line in f.read().split("\n") if line]
    with open(schema, encoding="utf-8") as f:
        properties = json.load(f)["properties"]
    differences, out = [], {"rows": 0, "columns": 0, "codecs": [], "row_groups": 0}

    def compare(reader, names, rows, want):
        out["rows"], out["columns"] = len(rows), len(names)
        if list(names) != list(properties):
            differences.append(f"{reader}: columns {list(names)}")
        if len(rows) != len(events):
            differences.append(f"{reader}: {len(rows)} rows, not {len(events)}")
        for i, (event, row) in enumerate(zip(events, rows)):
            for name, s in properties.items():
                w = want(s, event.get(name))
                if not same(w, row.get(name)):
                    differences.append(f"{reader}: row {i}, {name}: {row.get(name)!r}, not {w!r}")

    db = duckdb.connect()
    db.execute("SET TimeZone='UTC'")
    if kind == "parquet":
        meta = pyarrow.parquet.ParquetFile(file).metadata
        out["row_groups"] = meta.num_row_groups
        out["codecs"] = sorted({meta.row_group(g).column(c).compression for g in range(meta.num_row_groups) for c in range(meta.num_columns)})
        table = pyarrow.parquet.read_table(file)
        compare("pyarrow", table.column_names, table.to_pylist(), expect)
        table = db.execute("SELECT * FROM read_parquet(?)", [file]).to_arrow_table()
        compare("duckdb", table.column_names, table.to_pylist(), expect)
    else:
        with open(file, encoding="utf-8", newline="") as f:
            reader = csv.DictReader(f, strict=True)
            rows = list(reader)
        compare("csv", reader.fieldnames, rows, lambda s, v: text(v))
        options = pyarrow.csv.ConvertOptions(column_types={n: pyarrow.string() for n in properties}, strings_can_be_null=False)
        table = pyarrow.csv.read_csv(file, parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True), convert_options=options)
        compare("pyarrow", table.column_names, table.to_pylist(), lambda s, v: text(v))
        table = db.execute("SELECT * FROM read_csv(?, header=true, all_varchar=true, quote='\"', escape='\"', delim=',', strict_mode=true)", [file]).to_arrow_table()
        compare("duckdb", table.column_names, [{k: v or "" for k, v in r.items()} for r in table.to_pylist()], lambda s, v: text(v))
    out["differences"] = differences[:20]
    print(json.dumps(out))


main(*sys.argv[1:])
