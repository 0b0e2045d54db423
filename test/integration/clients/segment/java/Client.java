import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.segment.analytics.Analytics;
import com.segment.analytics.Callback;
import com.segment.analytics.messages.AliasMessage;
import com.segment.analytics.messages.GroupMessage;
import com.segment.analytics.messages.IdentifyMessage;
import com.segment.analytics.messages.Message;
import com.segment.analytics.messages.MessageBuilder;
import com.segment.analytics.messages.PageMessage;
import com.segment.analytics.messages.ScreenMessage;
import com.segment.analytics.messages.TrackMessage;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Runs Segment's Java client. Outcomes are those of its callback. */
public final class Client {
  private static final List<Map<String, Object>> events = new ArrayList<>();
  private static final Map<String, String> outcomes = new ConcurrentHashMap<>();

  public static void main(String[] args) throws Exception {
    JsonObject plan = JsonParser.parseString(args[0]).getAsJsonObject();
    boolean load = plan.get("mode").getAsString().equals("load");
    List<MessageBuilder<?, ?>> calls = load ? numbered(plan) : types(plan);
    CountDownLatch rest = new CountDownLatch(calls.size());
    Analytics client =
        Analytics.builder(plan.get("writeKey").getAsString())
            .endpoint(plan.get("host").getAsString())
            .flushQueueSize(load ? 20 : 250) // its retries are far apart
            .callback(
                new Callback() {
                  @Override
                  public void success(Message message) {
                    tell(message, "");
                  }

                  @Override
                  public void failure(Message message, Throwable error) {
                    tell(message, String.valueOf(error));
                  }

                  private void tell(Message message, String reason) {
                    if (outcomes.put(message.messageId(), reason) == null) {
                      rest.countDown();
                    }
                  }
                })
            .build();
    for (MessageBuilder<?, ?> call : calls) {
      client.enqueue(call);
    }
    client.flush();
    rest.await(3, TimeUnit.MINUTES);
    client.shutdown();
    for (Map<String, Object> event : events) {
      String reason = outcomes.get(event.get("messageId"));
      event.put("outcome", reason == null ? "unknown" : reason.isEmpty() ? "delivered" : "failed");
      event.put("reason", reason);
    }
    new PrintStream(System.out, true, StandardCharsets.UTF_8)
        .println(new Gson().toJson(Collections.singletonMap("events", events)));
    System.exit(0); // the client's threads would keep the process for a while
  }

  /** Notes a call with its number and message id. */
  private static <T extends Message, V extends MessageBuilder<T, V>> V call(
      V builder, String type, String id) {
    Map<String, Object> event = new HashMap<>();
    event.put("n", events.size());
    event.put("type", type);
    event.put("messageId", id);
    events.add(event);
    return builder.messageId(id);
  }

  private static List<MessageBuilder<?, ?>> numbered(JsonObject plan) {
    String name = plan.get("name").getAsString();
    List<MessageBuilder<?, ?>> calls = new ArrayList<>();
    for (int n = 0; n < plan.get("events").getAsInt(); n++) {
      calls.add(
          call(TrackMessage.builder("Load"), "track", name + "-" + n)
              .userId("user-" + n % 7)
              .properties(Map.of("name", name, "n", n)));
    }
    return calls;
  }

  private static List<MessageBuilder<?, ?>> types(JsonObject plan) {
    String name = plan.get("name").getAsString();
    Map<String, Object> order = new HashMap<>();
    order.put("revenue", 39.95);
    order.put("items", List.of(1, 2));
    order.put("nested", Collections.singletonMap("a", null));
    order.put("text", "één → 日本 \" \\ </script>");
    order.put("n", 1);
    List<MessageBuilder<?, ?>> calls = new ArrayList<>();
    calls.add(
        call(IdentifyMessage.builder(), "identify", name + "-0")
            .userId("u1")
            .traits(Map.of("email", "a@b.c", "plan", "pro", "n", 0)));
    calls.add(
        call(TrackMessage.builder("Order Completed"), "track", name + "-1")
            .userId("u1")
            .properties(order)
            .timestamp(Date.from(Instant.parse("2024-01-02T03:04:05.678Z")))
            .enableIntegration("Salesforce", false)
            .context(Map.of("ip", "203.0.113.7")));
    calls.add(
        call(PageMessage.builder("Home"), "page", name + "-2")
            .anonymousId("anon1")
            .category("Docs")
            .properties(Map.of("n", 2)));
    calls.add(
        call(ScreenMessage.builder("Main"), "screen", name + "-3")
            .anonymousId("anon1")
            .properties(Map.of("n", 3)));
    calls.add(
        call(GroupMessage.builder("g1"), "group", name + "-4")
            .userId("u1")
            .traits(Map.of("name", "Initech", "n", 4)));
    calls.add(call(AliasMessage.builder("old1"), "alias", name + "-5").userId("u1"));
    calls.add(
        call(TrackMessage.builder("Own Id"), "track", "own-" + name)
            .userId("u1")
            .properties(Map.of("n", 6)));
    return calls;
  }
}
