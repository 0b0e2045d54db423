package cli

import (
	"crypto/rand"
	"fmt"
	"math/big"
)

// nameOr returns the first argument, or a made-up name.
func nameOr(args []string, make func() (string, error)) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	return make()
}

// randomName makes a name a person can read out: "quiet-river-4821".
func randomName() (string, error) {
	adjectives := []string{
		"amber", "bold", "brisk", "calm", "clear", "cool", "deep", "early", "fair", "fresh", "gentle", "golden", "green", "keen",
		"light", "lively", "merry", "mild", "noble", "proud", "quick", "quiet", "rapid", "silver", "still", "swift", "warm", "wide",
	}
	nouns := []string{
		"bay", "beck", "bourn", "brook", "canal", "channel", "cove", "creek", "current", "delta", "eddy", "fjord", "ford", "inlet",
		"lagoon", "lake", "marsh", "mere", "pond", "rapids", "reach", "river", "shore", "sound", "spring", "strait", "tide", "weir",
	}
	pick := func(n int) (int, error) {
		i, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
		if err != nil {
			return 0, fmt.Errorf("random name: %w", err)
		}
		return int(i.Int64()), nil
	}
	a, err := pick(len(adjectives))
	if err != nil {
		return "", err
	}
	n, err := pick(len(nouns))
	if err != nil {
		return "", err
	}
	d, err := pick(9000)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s-%s-%d", adjectives[a], nouns[n], 1000+d), nil
}
