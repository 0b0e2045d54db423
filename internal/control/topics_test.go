package control_test

import (
	"slices"
	"testing"
	"time"

	"strm/internal/control"
	"strm/internal/control/controltest"
	"strm/internal/problem"
	"strm/internal/stream"
)

func TestStreamsOnTopics(t *testing.T) {
	w, b := controltest.NewOverKafka(t)
	own, err := w.CreateStream(t.Context(), control.NewStream{Name: "clicks"})
	want := stream.Topic{Name: "clicks", Values: stream.ValuesJSON, Invalid: stream.InvalidBlock}
	if err != nil || own.Topic.Name != want.Name || own.Topic.Adopted || own.Topic.Values != want.Values || own.Topic.Invalid != want.Invalid || own.Partitions != 3 ||
		!own.StrmMeta || own.Retention.MaxAge != control.DefaultRetention {
		t.Errorf("%+v, %v", own, err)
	}
	if s, err := w.CreateStream(t.Context(), control.NewStream{Name: "views", Partitions: 7, Topic: control.NewTopic{Invalid: stream.InvalidDrop}}); err != nil || s.Partitions != 7 || s.Topic.Invalid != stream.InvalidDrop {
		t.Errorf("%+v, %v", s, err)
	}
	theirs, err := w.CreateStream(t.Context(), control.NewStream{Name: "orders-in", Topic: control.NewTopic{Adopt: "orders", Values: stream.ValuesRegistry}})
	if err != nil || theirs.Topic.Name != "orders" || !theirs.Topic.Adopted || theirs.Topic.Values != stream.ValuesRegistry || theirs.Partitions != 5 || theirs.StrmMeta || theirs.Retention != (stream.Retention{}) {
		t.Errorf("%+v, %v", theirs, err)
	}
	if b.Bound[theirs.ID] != "orders" || b.Bound[own.ID] != "clicks" {
		t.Errorf("bound %v", b.Bound)
	}
	if got, err := w.DB.TopicStream(t.Context(), theirs.ID); err != nil || got.Topic.Name != "orders" || !got.Topic.Adopted {
		t.Errorf("stored %+v, %v", got, err)
	}

	drop, bad := stream.InvalidDrop, stream.Invalid("skip")
	if s, err := w.UpdateStream(t.Context(), "orders-in", control.StreamChange{Invalid: &drop}); err != nil || s.Topic.Invalid != drop {
		t.Errorf("%+v, %v", s, err)
	}
	for _, c := range []struct {
		stream string
		change control.StreamChange
		text   string
	}{
		{"orders-in", control.StreamChange{Invalid: &bad}, `"skip" is none of block, drop`},
		{"orders-in", control.StreamChange{Retention: &stream.Retention{MaxAge: time.Hour}}, "retention.ms"},
		{"clicks", control.StreamChange{Retention: &stream.Retention{MaxBytes: 1}}, "retention.bytes of topic clicks"},
		{"orders-in", control.StreamChange{StrmMeta: new(true)}, "strmMeta"},
	} {
		_, err := w.UpdateStream(t.Context(), c.stream, c.change)
		wantKind(t, err, problem.Invalid, c.text)
	}

	// Whoever writes to a topic with schema ids, it is not strm.
	_, err = w.OpenStream(t.Context(), "orders-in")
	wantKind(t, err, problem.Conflict, "does not write")
	_, err = w.OpenStream(t.Context(), "clicks")
	if err != nil {
		t.Error(err)
	}
	_, err = w.CreateSource(t.Context(), control.NewSource{Name: "web", Stream: "orders-in"})
	wantKind(t, err, problem.Conflict, "does not write")

	if _, err := w.DeleteStream(t.Context(), "orders-in", false); err != nil {
		t.Error(err)
	}
	if again, err := w.CreateStream(t.Context(), control.NewStream{Name: "orders-in", Topic: control.NewTopic{Adopt: "orders"}}); err != nil || again.ID == theirs.ID {
		t.Errorf("adopted again: %+v, %v", again, err)
	}
}

func TestCreateStreamOnTopicRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		n     control.NewStream
		kind  problem.Kind
		text  string
		asked bool // the brokers
	}{
		"size bound":      {control.NewStream{Retention: &stream.Retention{MaxAge: time.Hour, MaxBytes: 1}}, problem.Invalid, "cannot measure", false},
		"age of theirs":   {control.NewStream{Retention: &stream.Retention{MaxAge: time.Hour}, Topic: control.NewTopic{Adopt: "orders"}}, problem.Invalid, "strm removes nothing from it", false},
		"own registry":    {control.NewStream{Topic: control.NewTopic{Values: stream.ValuesRegistry}}, problem.Invalid, "--topic", false},
		"values":          {control.NewStream{Topic: control.NewTopic{Adopt: "orders", Values: "avro"}}, problem.Invalid, `"avro" is none of json, registry`, false},
		"invalid":         {control.NewStream{Topic: control.NewTopic{Invalid: "x"}}, problem.Invalid, `"x" is none of block, drop`, false},
		"odd name":        {control.NewStream{Topic: control.NewTopic{Adopt: "a/b"}}, problem.Invalid, "names of topics", false},
		"meta of theirs":  {control.NewStream{StrmMeta: new(true), Topic: control.NewTopic{Adopt: "orders", Values: stream.ValuesRegistry}}, problem.Invalid, "strmMeta", false},
		"not there":       {control.NewStream{Topic: control.NewTopic{Adopt: "nope"}}, problem.NotFound, "no topic nope", true},
		"partitions":      {control.NewStream{Partitions: 4, Topic: control.NewTopic{Adopt: "orders"}}, problem.Invalid, "has 5, not 4", true},
		"many partitions": {control.NewStream{Topic: control.NewTopic{Adopt: "wide"}}, problem.Invalid, "at most 256", true},
		"is there":        {control.NewStream{Name: "orders"}, problem.Conflict, "adopt it (strm create stream NAME --topic orders)", true},
		"taken":           {control.NewStream{Topic: control.NewTopic{Adopt: "taken"}}, problem.Conflict, `belongs to stream "taken" already`, false},
	} {
		t.Run(name, func(t *testing.T) {
			w, b := controltest.NewOverKafka(t)
			mustStream(t, w, "taken", 1)
			b.Made = nil
			w.Faults.Clear()
			if c.n.Name == "" {
				c.n.Name = "demo"
			}
			_, err := w.CreateStream(t.Context(), c.n)
			wantKind(t, err, c.kind, c.text)
			if asked := len(b.Made) > 0; asked != c.asked {
				t.Errorf("asked the brokers: %v", asked)
			}
			if slices.Contains(w.Faults.Calls, "CreateStream") {
				t.Error("a row was written")
			}
			if logs, err := w.EventLog.Streams(t.Context()); err != nil || len(logs) != 1 {
				t.Errorf("bound to %v, %v", logs, err)
			}
		})
	}
}

func TestTopicOptionsNeedKafka(t *testing.T) {
	w := controltest.New(t)
	for _, topic := range []control.NewTopic{{Adopt: "orders"}, {Values: stream.ValuesJSON}, {Invalid: stream.InvalidDrop}} {
		_, err := w.CreateStream(t.Context(), control.NewStream{Name: "demo", Topic: topic})
		wantKind(t, err, problem.Invalid, "strm serve --log kafka://")
	}
	if s := mustStream(t, w, "demo", 0); s.Partitions != 1 || s.Topic.Name != "" {
		t.Errorf("%+v", s)
	}
	drop := stream.InvalidDrop
	_, err := w.UpdateStream(t.Context(), "demo", control.StreamChange{Invalid: &drop})
	wantKind(t, err, problem.Invalid, "on Kafka topics")
}

// Whatever fails on the way, no row is without its topic, and a topic is dropped
// only if no row can have it.
func TestCreateStreamOnTopicFaults(t *testing.T) {
	lost := problem.New(problem.Unavailable, "the answer was lost: %w", controltest.ErrInjected)
	for name, c := range map[string]struct {
		inject        func(*controltest.Broker, *controltest.Faults)
		exists, drops bool
	}{
		"make: request lost": {func(b *controltest.Broker, _ *controltest.Faults) { b.Fail = lost }, false, true},
		"make: answer lost":  {func(b *controltest.Broker, _ *controltest.Faults) { b.Lost = lost }, false, true},
		"make: refused": {func(b *controltest.Broker, _ *controltest.Faults) {
			b.Fail = problem.New(problem.Invalid, "%w", controltest.ErrInjected)
		}, false, false},
		"catalog: request lost": {func(_ *controltest.Broker, f *controltest.Faults) { f.LoseRequest("CreateStream") }, false, true},
		"catalog: answer lost":  {func(_ *controltest.Broker, f *controltest.Faults) { f.LoseAnswer("CreateStream") }, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			w, b := controltest.NewOverKafka(t)
			c.inject(b, w.Faults)
			s, err := w.CreateStream(t.Context(), control.NewStream{Name: "demo"})
			if dropped := slices.Contains(w.Faults.Calls, "Drop"); dropped != c.drops {
				t.Errorf("dropped: %v", dropped)
			}
			if !c.exists {
				wantInjected(t, err)
				if ids, err := w.DB.TopicStreams(t.Context()); err != nil || len(ids) != 0 {
					t.Errorf("rows %v, %v", ids, err)
				}
				return
			}
			if err != nil || b.Bound[s.ID] != "demo" {
				t.Fatalf("%+v, %v", s, err)
			}
			if _, err := w.EventLog.Bounds(t.Context(), s.ID); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFinishDeletionsOverKafkaLooksForNoStrangers(t *testing.T) {
	w, _ := controltest.NewOverKafka(t)
	gone := mustStream(t, w, "gone", 1)
	w.Faults.LoseRequest("Drop")
	if _, err := w.DeleteStream(t.Context(), "gone", false); err == nil {
		t.Fatal("deleted without its log")
	}
	w.Faults.Clear()
	const other = "00000000000000aa" // of a node that is making a stream just now
	if err := w.EventLog.Create(t.Context(), other, 1); err != nil {
		t.Fatal(err)
	}
	if strangers, err := w.FinishDeletions(t.Context()); err != nil || len(strangers) != 0 {
		t.Errorf("%v, %v", strangers, err)
	}
	if logs, err := w.EventLog.Streams(t.Context()); err != nil || !slices.Equal(logs, []string{other}) {
		t.Errorf("logs %v (%s is gone), %v", logs, gone.ID, err)
	}
}

// A topic in the way of a stream that a source or an importer needs is told, and
// not taken for a stream that somebody else has made.
func TestTopicInTheWayOfAMadeStream(t *testing.T) {
	w, _ := controltest.NewOverKafka(t)
	mustSink(t, w, "s3")
	_, err := w.CreateSource(t.Context(), control.NewSource{Name: "orders", Kind: "segment"})
	wantKind(t, err, problem.Conflict, "--topic orders")
	_, _, err = w.CreateImporter(t.Context(), control.NewImporter{Name: "orders", Environments: []string{"*"}, StatusPrefix: "status"})
	wantKind(t, err, problem.Conflict, "--topic orders")
	if _, err := w.CreateStream(t.Context(), control.NewStream{Name: "raw", Topic: control.NewTopic{Adopt: "orders"}}); err != nil {
		t.Fatal(err)
	}
	_, err = w.CreateSource(t.Context(), control.NewSource{Name: "seg", Kind: "segment", Stream: "raw"})
	wantKind(t, err, problem.Conflict, "to which others write")
}
