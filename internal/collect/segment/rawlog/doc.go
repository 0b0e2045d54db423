// Package rawlog turns the body of one request of Segment's tracking API into
// raw-log lines: the lines that Segment's Amazon S3 destination would have
// written for the calls in it. It does no I/O and knows no HTTP.
//
// A line is the call with what the server adds, on one line, all keys sorted
// by the bytes of their decoded text, without white space. Numbers and strings
// stay byte for byte as they were sent, escapes included; what has no form of
// its own in JSON is mended so that nothing else is lost: of equal keys the last
// one counts, and a byte that is not UTF-8 becomes U+FFFD.
//
// What the server decides, whatever the call says:
//
//   - channel, projectId, version and receivedAt. writeKey stands in a line only
//     if Facts ask for it.
//   - context and integrations: those of the envelope merged with those of the
//     call, deeply; the call wins. integrations is {} where there is none.
//     context.ip is set where there is none (null is none) and the channel is
//     "client" or context.direct is true.
//   - messageId: generated where it is missing, null or empty.
//   - type: the call's, else the one that the path named.
//   - sentAt: the call's, else the envelope's, else none.
//   - originalTimestamp: the timestamp of the call, else its originalTimestamp,
//     else receivedAt.
//   - timestamp: receivedAt - (sentAt - originalTimestamp), in whole milliseconds,
//     so that the sum holds for what is printed. Without sentAt, or where the
//     result is no year of four digits, it is originalTimestamp; where the call
//     has no time of its own it is receivedAt.
//
// Everything else passes through. A time that cannot be read counts as missing;
// parseTime says which can.
package rawlog
