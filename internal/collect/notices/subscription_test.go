package notices_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"strm/internal/collect/notices"
	"strm/internal/stream"
	"strm/test/snsdouble"
)

// after is a time of a message, by seconds from now.
func after(seconds int) time.Time {
	return time.Now().Add(time.Duration(seconds) * time.Second).Truncate(time.Millisecond)
}

func TestSubscriptionIsConfirmedOnce(t *testing.T) {
	r := newRig(t)
	name := r.sns.NewToken(topic)
	m := r.sns.Confirmation(topic, name)
	m.At = after(-60)
	r.wants("confirmation", m, http.StatusOK, notices.Confirmed)
	s := r.ledger.subscription()
	if s.State != stream.SubscriptionConfirmed || !strings.HasPrefix(s.ARN, topic+":") || !r.sns.Confirmed(name) {
		t.Errorf("%+v", s)
	}
	r.wants("its repetition", m, http.StatusOK, notices.Repeated)
	if n := r.sns.Count("confirm"); n != 1 || r.ledger.subscription() != s {
		t.Errorf("visited %d times; %+v", n, r.ledger.subscription())
	}
}

func TestConfirmationWhoseResultIsLost(t *testing.T) {
	r := newRig(t)
	name := r.sns.NewToken(topic)
	r.ledger.breaks("subscription")
	m := r.sns.Confirmation(topic, name)
	if status, tries := r.deliver(m); status != http.StatusServiceUnavailable || tries != 3 || !r.sns.Confirmed(name) {
		t.Errorf("%d after %d tries", status, tries)
	}
	r.ledger.breaks("")
	if status, _ := r.deliver(m); status != http.StatusServiceUnavailable {
		t.Errorf("the token is used up, but the answer is %d", status)
	}
	// The first notification shows how it stands.
	r.wants("notification", snsdouble.Message{Text: event("in-bucket", "events/a.parquet", "e1")}, http.StatusOK, notices.Recorded)
	if s := r.ledger.subscription(); s.State != stream.SubscriptionConfirmed {
		t.Errorf("%+v", s)
	}
}

func TestSubscriptionEnds(t *testing.T) {
	r := newRig(t)
	first := r.sns.Confirmation(topic, r.sns.NewToken(topic))
	first.At = after(-100)
	r.wants("confirmation", first, http.StatusOK, notices.Confirmed)
	visits := r.sns.Count("confirm")
	end := snsdouble.Message{Type: snsdouble.Unsubscription, Token: r.sns.NewToken(topic), At: after(-50)}
	r.wants("end", end, http.StatusOK, notices.Unsubscribed)
	if s := r.ledger.subscription(); s.State != stream.SubscriptionEnded || !s.At.Equal(end.At) {
		t.Errorf("%+v", s)
	}
	r.wants("end again", end, http.StatusOK, notices.Repeated)
	// What was sent before does not bring it back; files count all the same.
	r.wants("late confirmation", first, http.StatusOK, notices.Repeated)
	r.wants("late notification", snsdouble.Message{At: after(-70), Text: event("in-bucket", "events/a.parquet", "e1")}, http.StatusOK, notices.Recorded)
	if s := r.ledger.subscription(); s.State != stream.SubscriptionEnded || r.sns.Count("confirm") != visits {
		t.Errorf("%+v, %d visits", s, r.sns.Count("confirm"))
	}
	second := r.sns.Confirmation(topic, r.sns.NewToken(topic))
	second.At = after(-20)
	r.wants("a new subscription", second, http.StatusOK, notices.Confirmed)
	r.wants("late end of the old one", end, http.StatusOK, notices.Repeated)
	if s := r.ledger.subscription(); s.State != stream.SubscriptionConfirmed || !s.At.Equal(second.At) {
		t.Errorf("%+v", s)
	}
}

func TestRawDeliveryIsShownUntilItIsSwitchedOff(t *testing.T) {
	r := newRig(t)
	for _, noHeader := range []bool{false, true} {
		m := snsdouble.Message{Raw: true, NoHeader: noHeader, Text: event("in-bucket", "events/a.parquet", "e1")}
		r.wants("raw", m, http.StatusForbidden, notices.Raw)
		stored := r.ledger.stored
		r.wants("raw again", m, http.StatusForbidden, notices.Raw)
		if s := r.ledger.subscription(); s.State != stream.SubscriptionRaw || r.ledger.stored != stored || len(r.ledger.files) != 0 {
			t.Errorf("%+v, stored %d times more", s, r.ledger.stored-stored)
		}
		r.ledger.importer.Subscription = stream.Subscription{}
	}
	r.ledger.importer.Subscription.State = stream.SubscriptionRaw
	r.wants("signed", snsdouble.Message{Text: event("in-bucket", "events/a.parquet", "e1")}, http.StatusOK, notices.Recorded)
	if s := r.ledger.subscription(); s.State != stream.SubscriptionConfirmed {
		t.Errorf("%+v", s)
	}
}
