//go:build !race

package kafka

const modelChecks = "60"
