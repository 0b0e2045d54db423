package embedded

import (
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
)

// engineLogger carries the engine's log to slog: its chatter at debug level,
// its end of the process to Options.Fatal.
type engineLogger struct {
	log   *slog.Logger
	fatal func(error)
}

var _ pebble.Logger = engineLogger{}

// Infof logs at debug level: the engine talks about every flush.
func (l engineLogger) Infof(format string, args ...any) {
	l.log.Debug("engine", slog.String("detail", fmt.Sprintf(format, args...)))
}

// Errorf logs at error level.
func (l engineLogger) Errorf(format string, args ...any) {
	l.log.Error("engine", slog.String("detail", fmt.Sprintf(format, args...)))
}

// Fatalf does not return: the engine relies on it.
func (l engineLogger) Fatalf(format string, args ...any) {
	l.fatal(fmt.Errorf(format, args...))
	panic("embedded: Options.Fatal returned")
}

func (l engineLogger) backgroundError(err error) {
	l.log.Warn("background work failed and is tried again", slog.Any("error", err))
}

func (l engineLogger) dataCorruption(info pebble.DataCorruptionInfo) {
	l.log.Error("stored data is damaged", slog.String("path", info.Path), slog.Any("error", info.Details))
}
