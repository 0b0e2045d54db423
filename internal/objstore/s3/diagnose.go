package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"strm/internal/objstore"
)

// Diagnose implements objstore.Diagnoser. A bucket's policy can demand the
// encryption header or refuse it, and says "denied" either way. So key is put
// with each header that the sink does not send, and without where it does (with
// aws:kms the account's own key serves); if one is let through, and the sink's
// own setting still is not, header and policy do not agree. At most five
// requests; if one of them fails for another reason, the next is tried.
func (b *Bucket) Diagnose(ctx context.Context, key string, c objstore.Content, refused *objstore.Error) *objstore.Error {
	if refused.Op != "put" || refused.Outcome != objstore.Rejected || refused.Reason != objstore.Denied || strings.HasPrefix(refused.Action, "kms:") {
		return refused
	}
	if refused.Key != key {
		// The permission may be bound to keys. Only if this one is refused too
		// does it tell something that another setting is not.
		if err := b.Create(ctx, key, c); err == nil || objstore.AsError(err).Reason != objstore.Denied {
			return refused
		}
	}
	own, others := b.encryptions(c.Encrypt)
	for _, other := range others {
		if !b.lets(ctx, key, c, Config{Encryption: other}) {
			continue
		}
		if b.lets(ctx, key, c, b.cfg) {
			return refused // permitted in the meantime, which has nothing to do with it
		}
		e := *refused
		e.Action = ""
		e.Err = objstore.Story(fmt.Sprintf("the bucket's policy and the sink's encryption do not agree: objects %s are refused, objects %s are let through. "+
			"Give the sink --encryption %s (strm update sink), or change the policy", header(own), header(other), other), refused)
		return &e
	}
	return refused
}

// encryptions returns what is sent, and what to try instead.
func (b *Bucket) encryptions(wanted bool) (own Encryption, others []Encryption) {
	own = b.cfg.Encryption
	if own == ByContent {
		own = ByBucket
		if wanted {
			own = SSES3
		}
	}
	switch own {
	case SSES3:
		return own, []Encryption{ByBucket, SSEKMS}
	case SSEKMS:
		return own, []Encryption{ByBucket, SSES3}
	case ByBucket, ByContent:
	}
	return own, []Encryption{SSES3, SSEKMS}
}

func header(e Encryption) string {
	switch e {
	case SSES3:
		return "with the encryption header AES256"
	case SSEKMS:
		return "with the encryption header aws:kms"
	case ByBucket, ByContent:
	}
	return "without an encryption header"
}

// lets reports whether the store lets an object through that is encrypted as a
// configuration says: that its key is taken shows only after the permission.
func (b *Bucket) lets(ctx context.Context, key string, c objstore.Content, as Config) bool {
	ctx, cancel := context.WithTimeoutCause(ctx, timeLimit(c.Size), errors.New("the store took too long"))
	defer cancel()
	region, err := b.Region(ctx)
	if err != nil {
		return false
	}
	failed := b.put(ctx, region, key, c, as)
	return failed == nil || failed.Outcome == objstore.Exists
}
