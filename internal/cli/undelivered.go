package cli

import (
	"fmt"
	"strings"
	"time"

	"strm/internal/api/apiv1"
)

// The states of an exporter that commands act on.
const (
	stateBlocked  = "blocked"
	stateRetrying = "retrying"
	statePaused   = "paused"
)

// undelivered returns an error when a new exporter cannot write to its bucket
// yet. The exporter exists; the error says what comes next.
func undelivered(e apiv1.Exporter) error {
	if e.Status.State != stateBlocked && e.Status.State != stateRetrying {
		return nil
	}
	reason := e.Status.Reason
	if reason == "" {
		reason = "its state is " + e.Status.State
	}
	next := "it tries again by itself"
	if t := e.Status.NextRetryAt; t != nil {
		next += ", next at " + t.UTC().Format(time.RFC3339)
	}
	return fmt.Errorf("batch exporter %s was created but cannot deliver yet: %s. Mend the sink, the bucket or its permissions: %s "+
		"(`strm get batch-exporter %s` shows how it fares)", e.Name, strings.TrimRight(reason, ". "), next, e.Name)
}
