// Package notices is what Amazon SNS speaks to us over HTTP: it tells importers
// of new files. POST /notices/{token} takes a message that the importer's topic
// has signed, records what files it names and answers; the importing comes later.
//
// SNS tries again after a 5xx, a 429 and no answer, and takes every other refusal
// for its last word. So what may pass later is refused with 503, and 4xx is for
// what will never be wanted. It must be answered within 15 s.
//
//	200  recorded; known already; a test event; a (un)subscription noted
//	400  not what SNS or S3 send            404  no such endpoint
//	403  not from the topic, stale, raw     405  not a POST
//	413  too large                          429  too many at once
//	503  the state, the certificate or SNS cannot be reached
package notices
