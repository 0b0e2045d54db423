import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Paths;
import java.util.Iterator;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.column.ParquetProperties;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.example.data.simple.SimpleGroupFactory;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.hadoop.ParquetFileWriter;
import org.apache.parquet.hadoop.ParquetReader;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.example.ExampleParquetWriter;
import org.apache.parquet.hadoop.example.GroupReadSupport;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.apache.parquet.hadoop.util.HadoopInputFile;
import org.apache.parquet.io.LocalOutputFile;
import org.apache.parquet.schema.GroupType;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.MessageTypeParser;
import org.apache.parquet.schema.PrimitiveType;
import org.apache.parquet.schema.Type;
import shaded.parquet.com.fasterxml.jackson.databind.JsonNode;
import shaded.parquet.com.fasterxml.jackson.databind.ObjectMapper;
import shaded.parquet.com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * Event files by parquet-java, and a reader of any flat Parquet file by it.
 *
 * write DIRECTORY: JSON lines on standard input become files: {"file": name, "codec": codec, "version": version}
 * begins one, and the lines up to the next are its rows.
 * read FILE: its schema on the first line of standard output, then its rows as JSON lines.
 */
public final class EventFiles {
  private static final ObjectMapper JSON = new ObjectMapper();

  private static final MessageType SCHEMA =
      MessageTypeParser.parseMessageType(
          "message event {\n"
              + "  optional binary environmentId (STRING);\n"
              + "  optional binary trafficTypeId (STRING);\n"
              + "  optional binary eventTypeId (STRING);\n"
              + "  optional binary key (STRING);\n"
              + "  optional int64 timestamp;\n"
              + "  optional double value;\n"
              + "  optional group properties (MAP) { repeated group key_value {\n"
              + "    required binary key (STRING); optional binary value (STRING); } }\n"
              + "}");

  private static final SimpleGroupFactory ROWS = new SimpleGroupFactory(SCHEMA);

  public static void main(String[] args) throws Exception {
    switch (args[0]) {
      case "write" -> write(args[1]);
      case "read" -> read(args[1]);
      default -> throw new IllegalArgumentException(args[0]);
    }
  }

  private static void write(String directory) throws Exception {
    ParquetWriter<Group> out = null;
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      JsonNode from = JSON.readTree(line);
      if (from.has("file")) {
        if (out != null) out.close();
        out = open(Paths.get(directory, from.get("file").asText()), from.get("codec").asText(), from.get("version").asText());
      } else {
        out.write(row(from));
      }
    }
    if (out != null) out.close();
  }

  private static ParquetWriter<Group> open(java.nio.file.Path file, String codec, String version) throws Exception {
    return ExampleParquetWriter.builder(new LocalOutputFile(file))
        .withType(SCHEMA)
        .withConf(new Configuration())
        .withCompressionCodec(CompressionCodecName.valueOf(codec))
        .withWriterVersion(ParquetProperties.WriterVersion.valueOf(version))
        .withWriteMode(ParquetFileWriter.Mode.OVERWRITE)
        .withRowGroupSize(256L << 10)
        .withPageSize(16 << 10)
        .build();
  }

  private static Group row(JsonNode from) {
    Group row = ROWS.newGroup();
    for (String name : new String[] {"environmentId", "trafficTypeId", "eventTypeId", "key"}) {
      if (from.hasNonNull(name)) row.append(name, from.get(name).asText());
    }
    if (from.hasNonNull("timestamp")) row.append("timestamp", from.get("timestamp").asLong());
    if (from.hasNonNull("value")) row.append("value", from.get("value").asDouble());
    if (from.hasNonNull("properties")) {
      Group map = row.addGroup("properties");
      for (Iterator<Map.Entry<String, JsonNode>> i = from.get("properties").fields(); i.hasNext(); ) {
        Map.Entry<String, JsonNode> e = i.next();
        map.addGroup("key_value").append("key", e.getKey()).append("value", e.getValue().asText());
      }
    }
    return row;
  }

  private static void read(String file) throws Exception {
    Path path = new Path("file://" + Paths.get(file).toAbsolutePath());
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    try (ParquetFileReader f = ParquetFileReader.open(HadoopInputFile.fromPath(path, new Configuration()))) {
      out.println(JSON.writeValueAsString(f.getFileMetaData().getSchema().toString()));
    }
    try (ParquetReader<Group> rows = ParquetReader.builder(new GroupReadSupport(), path).build()) {
      for (Group row = rows.read(); row != null; row = rows.read()) {
        out.println(JSON.writeValueAsString(json(row)));
      }
    }
    out.flush();
  }

  private static ObjectNode json(Group row) {
    ObjectNode to = JSON.createObjectNode();
    GroupType type = row.getType();
    for (Type field : type.getFields()) {
      String name = field.getName();
      if (row.getFieldRepetitionCount(name) == 0) {
        to.putNull(name);
        continue;
      }
      PrimitiveType.PrimitiveTypeName kind = field.asPrimitiveType().getPrimitiveTypeName();
      switch (kind) {
        case INT64 -> to.put(name, row.getLong(name, 0));
        case DOUBLE -> to.put(name, row.getDouble(name, 0));
        case BINARY -> to.put(name, row.getString(name, 0));
        default -> throw new IllegalStateException(name + " is " + kind);
      }
    }
    return to;
  }

  private EventFiles() {}
}
