package notices

import (
	"context"
	"net/http"
	"strings"
	"time"

	"strm/internal/notice"
	"strm/internal/stream"
)

// Messages about a subscription are repeated and come in any order, so each
// is held against the time of the one that made the present state. Times are
// SNS's own, but for State "raw", which nobody has signed.

// change stores what to makes of an importer's subscription, if it changes
// anything. It reads the newest state first, under a lock, since its state is
// stored whole. Repeating it changes nothing.
func (h *Handler) change(ctx context.Context, i stream.Importer, to func(*stream.Subscription)) error {
	unlock, err := h.Subscribing.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	now, err := h.Ledger.ImporterByToken(ctx, i.Token)
	if err != nil {
		return err
	}
	s := now.Subscription
	to(&s)
	if s == now.Subscription {
		return nil
	}
	return h.Ledger.SetSubscription(ctx, now.ID, s)
}

// settled reports whether a message of a given time tells nothing new of a
// subscription.
func settled(s stream.Subscription, at time.Time) bool {
	known := s.State == stream.SubscriptionConfirmed || s.State == stream.SubscriptionEnded
	return known && !at.After(s.At)
}

// subscribe confirms. What if ...
//
//   - the answer of SNS is lost, or ours, or the process dies before it is stored:
//     SNS posts the message again, and we confirm again;
//   - SNS then says that the token is used up: 503 until it gives up, and the first
//     signed notification says that the subscription is confirmed (alive);
//   - it runs twice: the second finds it stored.
func (h *Handler) subscribe(ctx context.Context, i stream.Importer, e *notice.Envelope, at time.Time) answer {
	if settled(i.Subscription, at) {
		return answer{status: http.StatusOK, outcome: Repeated, text: "known already"}
	}
	arn, err := h.Verifier.Confirm(ctx, e)
	if err != nil {
		return refuse(err)
	}
	err = h.change(ctx, i, func(s *stream.Subscription) {
		if !settled(*s, at) {
			s.State, s.ARN, s.At = stream.SubscriptionConfirmed, arn, at
		}
	})
	if err != nil {
		return later("the subscription is confirmed, but that cannot be stored now", err)
	}
	return answer{status: http.StatusOK, outcome: Confirmed, text: "confirmed"}
}

// unsubscribe notes that somebody has ended the subscription. The message's
// SubscribeURL, which would undo that, is left alone.
func (h *Handler) unsubscribe(ctx context.Context, i stream.Importer, at time.Time) answer {
	if settled(i.Subscription, at) {
		return answer{status: http.StatusOK, outcome: Repeated, text: "known already"}
	}
	err := h.change(ctx, i, func(s *stream.Subscription) {
		if !settled(*s, at) {
			s.State, s.At = stream.SubscriptionEnded, at
		}
	})
	if err != nil {
		return later("the end of the subscription cannot be stored now", err)
	}
	return answer{status: http.StatusOK, outcome: Unsubscribed, text: "noted: new files will be found by listing only"}
}

// alive notes that the subscription is confirmed if a notification shows that it
// is, whatever was known of it before.
func (h *Handler) alive(ctx context.Context, i stream.Importer, at time.Time) answer {
	if i.Subscription.State == stream.SubscriptionConfirmed || settled(i.Subscription, at) {
		return answer{}
	}
	err := h.change(ctx, i, func(s *stream.Subscription) {
		if s.State == stream.SubscriptionConfirmed || settled(*s, at) {
			return
		}
		s.State, s.At = stream.SubscriptionConfirmed, at
		if !strings.HasPrefix(s.ARN, i.TopicARN+":") {
			s.ARN = "" // of another topic; this one's is not in anything that is signed
		}
	})
	if err != nil {
		return later("the subscription's state cannot be stored now", err)
	}
	return answer{}
}

// raw refuses a message without a signature, and shows why nothing arrives.
func (h *Handler) raw(ctx context.Context, i stream.Importer) answer {
	if i.Subscription.State != stream.SubscriptionRaw {
		err := h.change(ctx, i, func(s *stream.Subscription) {
			if s.State != stream.SubscriptionRaw {
				s.State, s.At = stream.SubscriptionRaw, time.Now().UTC()
			}
		})
		if err != nil {
			return later("the subscription's state cannot be stored now", err)
		}
	}
	return answer{status: http.StatusForbidden, outcome: Raw,
		text: "raw message delivery has no signature: switch it off for this subscription"}
}

// tested notes that the bucket is configured to notify.
func (h *Handler) tested(ctx context.Context, i stream.Importer, t notice.Test) answer {
	at := t.At
	if at.IsZero() {
		at = time.Now().UTC()
	}
	err := h.Ledger.SetTested(ctx, i.ID, at, t.Bucket)
	if err != nil {
		return later("the test event cannot be recorded now", err)
	}
	return answer{status: http.StatusOK, outcome: Tested, text: "test event recorded"}
}
