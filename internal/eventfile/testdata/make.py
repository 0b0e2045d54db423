# Writes the Parquet files in this directory, with pyarrow and DuckDB. The rows
# are those of fixtureRow in fixtures_test.go. The files java-* have the same rows, written by
# parquet-java 1.15 (parquet-hadoop; its LZO by aircompressor), java-v1-legacy with a map as Hive
# has it and texts without annotation; the .bz2 is pyarrow-v1-none.parquet by bzip2 -9.
import duckdb, pyarrow as pa, pyarrow.parquet as pq

N = 300


def row(i, required):
    env = "env-1" if i % 3 else "env-2"
    if i % 50 == 7:
        env = "env-9"
    if i % 97 == 5 and not required:
        env = None
    props = [("plan", f"p{i % 4}"), ("n", str(i)), ("note", None if i % 6 == 0 else 'é\x01 "')]
    if i % 7 == 3:
        props = None
    if i % 7 == 4:
        props = []
    return {
        "environmentId": env,
        "trafficTypeId": "user",
        "eventTypeId": f"event.{i % 7}",
        "key": f'k"\\ü\n{i}' if i % 11 == 0 else f"key-{i}",
        "timestamp": 1795161463 + i if i % 60 == 13 else 1795161463647 + i * 1000,
        "value": None if i % 5 == 0 else float(i) if i % 4 == 0 else i / 3,
        "properties": props,
    }


def table(required):
    null = not required
    text = lambda name: pa.field(name, pa.string(), nullable=null)
    schema = pa.schema([
        pa.field("ignored", pa.list_(pa.int32())),
        text("environmentId"), text("trafficTypeId"), text("eventTypeId"), text("key"),
        pa.field("timestamp", pa.int64(), nullable=null), pa.field("value", pa.float64()),
        pa.field("properties", pa.map_(pa.string(), pa.string())),
    ])
    rows = [dict(row(i, required), ignored=[i, i]) for i in range(N)]
    return pa.Table.from_pylist(rows, schema=schema)


def write(name, required=False, **kw):
    kw = dict(dict(compression="none", data_page_size=1500, row_group_size=170), **kw)
    pq.write_table(table(required), name + ".parquet", **kw)


for codec in ["none", "snappy", "gzip", "zstd", "lz4", "brotli"]:
    write("pyarrow-v1-" + codec, compression=codec)
write("pyarrow-v2-snappy", compression="snappy", data_page_version="2.0")
write("pyarrow-v2-zstd-required", True, compression="zstd", data_page_version="2.0")
write("pyarrow-v1-plain-crc", use_dictionary=False, write_page_checksum=True, compression="snappy")
write("pyarrow-v1-required", True, compression="snappy")
write("pyarrow-v2-delta", use_dictionary=False, data_page_version="2.0", compression="zstd", column_encoding={
    "ignored.list.element": "PLAIN", "environmentId": "DELTA_BYTE_ARRAY", "trafficTypeId": "DELTA_LENGTH_BYTE_ARRAY",
    "eventTypeId": "DELTA_BYTE_ARRAY", "key": "DELTA_LENGTH_BYTE_ARRAY", "timestamp": "DELTA_BINARY_PACKED",
    "value": "BYTE_STREAM_SPLIT", "properties.key_value.key": "DELTA_BYTE_ARRAY", "properties.key_value.value": "DELTA_LENGTH_BYTE_ARRAY"})

arrow = table(False)
db = duckdb.connect()
for codec in ["uncompressed", "snappy", "gzip", "zstd", "lz4_raw", "brotli"]:
    version = "V2" if codec in ("snappy", "brotli") else "V1"
    db.execute(f"COPY (SELECT * FROM arrow) TO 'duckdb-{version.lower()}-{codec}.parquet' (FORMAT parquet, COMPRESSION {codec}, PARQUET_VERSION {version})")
