"""Makes Parquet of impressions in gzip NDJSON with zstd pages, by DuckDB or by
pyarrow, on one thread where that can be said, so that CPU times compare.

usage: parquet.py duckdb|pyarrow FROM.json.gz TO.parquet
prints {"cpu": seconds of the work, "rows": n}
"""

import json
import resource
import sys

TEXTS = "key label treatment splitName properties environmentId trafficTypeId sdk sdkVersion machineName machineIp".split()
ORDER = ("key label treatment splitName splitVersion properties environmentId trafficTypeId sdk sdkVersion "
         "machineName machineIp timestamp receptionTimestamp").split()


def used():
    u = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime + u.ru_stime


def by_duckdb(source, target):
    import duckdb

    db = duckdb.connect()
    db.execute("SET threads = 1")
    columns = ", ".join(f"'{n}': '{'VARCHAR' if n in TEXTS else 'BIGINT'}'" for n in ORDER)
    began = used()
    db.execute(f"COPY (SELECT * FROM read_json('{source}', format='newline_delimited', columns={{{columns}}})) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
    return used() - began


def by_pyarrow(source, target):
    import pyarrow
    import pyarrow.json
    import pyarrow.parquet

    pyarrow.set_cpu_count(1)
    schema = pyarrow.schema([(n, pyarrow.string() if n in TEXTS else pyarrow.int64()) for n in ORDER])
    began = used()
    with pyarrow.input_stream(source, compression="gzip") as f:
        reader = pyarrow.json.open_json(
            f,
            read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=4 << 20),
            parse_options=pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
        )
        with pyarrow.parquet.ParquetWriter(target, schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(batch)
    return used() - began


def main(tool, source, target):
    cpu = {"duckdb": by_duckdb, "pyarrow": by_pyarrow}[tool](source, target)
    import pyarrow.parquet

    print(json.dumps({"cpu": cpu, "rows": pyarrow.parquet.ParquetFile(target).metadata.num_rows}))


main(*sys.argv[1:])
