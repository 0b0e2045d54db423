//go:build !race

package upload

// How often properties are tried.
const (
	rapidChecks   = "100" // files
	exactSeeds    = 12    // histories of faults and kills
	overDaysSeeds = 30    // histories over days
)
