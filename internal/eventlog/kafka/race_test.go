//go:build race

package kafka

// modelChecks is how many runs the model has. The race detector makes everything some ten times as slow.
const modelChecks = "12"
