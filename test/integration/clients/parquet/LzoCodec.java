package com.hadoop.compression.lzo;

/** The name by which parquet-java looks for LZO; the codec is airlift's. */
public final class LzoCodec extends io.airlift.compress.lzo.LzoCodec {}
