package sns

import (
	"context"
	"encoding/xml"
	"net/http"
	"strings"

	"strm/internal/notice"
	"strm/internal/problem"
)

// confirmed is what SNS answers to a confirmation, or why it does not confirm.
type confirmed struct {
	SubscriptionARN string `xml:"ConfirmSubscriptionResult>SubscriptionArn"`
	Error           struct {
		Code    string `xml:"Code"`
		Message string `xml:"Message"`
	} `xml:"Error"`
}

// Confirm visits the SubscribeURL of a SubscriptionConfirmation that Verify has
// returned, and returns the ARN of the subscription. If the answer is lost, SNS
// posts the message again; to confirm once more changes nothing, though SNS may
// say that the token is used up. Errors are *Error; those with CheckConfirm came
// from the visit.
func (v *Verifier) Confirm(ctx context.Context, e *notice.Envelope) (subscriptionARN string, err error) {
	if e.Type != notice.TypeSubscription {
		// That of an UnsubscribeConfirmation would subscribe us again.
		return "", failed(CheckSubscribe, problem.Internal, "a message of type %s confirms no subscription", e.Type)
	}
	topic, err := notice.ParseTopic(e.TopicARN)
	if err != nil {
		return "", &Error{Check: CheckSubscribe, Err: err}
	}
	if err := checkSubscribeURL(e, topic); err != nil {
		return "", &Error{Check: CheckSubscribe, Err: err}
	}
	status, body, err := get(ctx, v.client, e.SubscribeURL)
	if err != nil {
		return "", failed(CheckConfirm, problem.Unavailable, "confirm the subscription: %w", err)
	}
	var answer confirmed
	wrong := xml.Unmarshal(body, &answer)
	switch {
	case status != http.StatusOK && wrong == nil && answer.Error.Code != "":
		return "", failed(CheckConfirm, problem.Unavailable, "confirm the subscription: SNS answers with status %d: %s: %s", status, notice.OneLine(answer.Error.Code), notice.OneLine(answer.Error.Message))
	case status != http.StatusOK:
		return "", failed(CheckConfirm, problem.Unavailable, "confirm the subscription: SNS answers with status %d", status)
	case wrong != nil:
		return "", failed(CheckConfirm, problem.Unavailable, "confirm the subscription: the answer is not that of SNS: %w", wrong)
	case !strings.HasPrefix(answer.SubscriptionARN, e.TopicARN+":") || len(answer.SubscriptionARN) > len(e.TopicARN)+100:
		return "", failed(CheckConfirm, problem.Unavailable, "confirm the subscription: the answer names no subscription of the topic")
	}
	return answer.SubscriptionARN, nil
}
