//go:build race

package upload

// How often properties are tried: little, as the race detector makes packing slow.
const (
	rapidChecks   = "20" // files
	exactSeeds    = 4    // histories of faults and kills
	overDaysSeeds = 10   // histories over days
)
