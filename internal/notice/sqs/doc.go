// Package sqs takes S3's notices from an Amazon SQS queue: sent there by S3
// itself, or by a topic, raw or not. Messages are told apart by their bodies.
//
// A message is deleted only when what it says is durable, so it may come twice,
// and never goes missing with us. A message that nobody understands is left where
// it is: the queue's redrive policy moves it to a dead-letter queue, or it ends
// with the queue's retention; until then it is part of the problem that is told.
//
// Who may put messages into the queue is settled by its policy, so envelopes of a
// topic are not verified; they must be of the configured topic, if there is one.
package sqs
