package traffic

import (
	"fmt"
	"path"
	"strconv"
	"time"

	"github.com/tidwall/gjson"
)

// appendCall appends the event as a track call of Segment's tracking API.
func appendCall(b []byte, id EventID) []byte {
	b = fmt.Appendf(b, `{"type":"track","event":"crash","userId":"u%d","messageId":"%v","properties":`, id.Sender, id)
	return append(AppendEvent(b, id), '}')
}

// appendCalls appends the body of one request.
func appendCalls(b []byte, ids []EventID) []byte {
	b = append(b, `{"batch":[`...)
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendCall(b, id)
	}
	return append(b, `],"context":{"library":{"name":"crash","version":"1"}}}`...)
}

// readCall checks one line of a raw log: the event is whole, and stands in the
// directory of the day that it says it was received.
func readCall(line []byte, key string) (EventID, error) {
	if !gjson.ValidBytes(line) {
		return EventID{}, fmt.Errorf("not JSON: %.200q", line)
	}
	doc := gjson.ParseBytes(line)
	id, err := readEvent([]byte(doc.Get("properties").Raw), false)
	if err != nil {
		return id, err
	}
	if got := doc.Get("messageId").Str; got != id.String() {
		return id, fmt.Errorf("event %v has messageId %q", id, got)
	}
	if doc.Get("type").Str != "track" || doc.Get("context.library.name").Str != "crash" || doc.Get("version").Int() != 2 {
		return id, fmt.Errorf("event %v is no raw log line: %.300q", id, line)
	}
	received, err := time.Parse("2006-01-02T15:04:05.000Z", doc.Get("receivedAt").Str)
	if err != nil {
		return id, fmt.Errorf("event %v: receivedAt: %w", id, err)
	}
	day := strconv.FormatInt(received.Truncate(24*time.Hour).UnixMilli(), 10)
	if dir := path.Base(path.Dir(key)); dir != day {
		return id, fmt.Errorf("event %v was received at %v and stands in the directory of day %s", id, received, dir)
	}
	return id, nil
}
