// Package answer is what collectors that stand in for another vendor's API have
// in common between a request and its answer: refusals with a status that SDKs
// understand, CORS for pages of any origin, a share of memory for those who do
// not say at once who they are, and a log that a wrong sender cannot flood.
package answer
