package cli

import "strings"

// gen1Options are the two-letter options with one dash of generation 1. Cobra
// would read -en as -e with the value "n".
func gen1Options() map[string]string {
	return map[string]string{
		"-bn": "--bucket-name", "-cf": "--credentials-file", "-en": "--exporter-name",
		"-sn": "--sink-name", "-st": "--sink-type", "-pp": "--path-prefix",
	}
}

// gen1Values are all options of the generation 1 commands, and of the root,
// that take the next word as their value.
func gen1Values() map[string]bool {
	m := map[string]bool{}
	for _, o := range []string{
		"--bucket-name", "--credentials", "--credentials-file", "--exporter-name", "--sink-name", "--sink-type", "--path-prefix",
		"--interval", "--name", "--description", "--tag", "-c", "-i", "-n", "-d", "-t",
		"--server", "--token", "--token-file", "--data", "--ca-cert", "--config", "--output", "-o",
	} {
		m[o] = true
	}
	return m
}

// normalise rewrites generation 1's command lines for cobra. All others come
// back as they are.
func normalise(argv []string) []string {
	values := gen1Values()
	at := 0
	for at < len(argv) && strings.HasPrefix(argv[at], "-") {
		if values[argv[at]] {
			at++
		}
		at++
	}
	if at >= len(argv) {
		return argv
	}
	switch argv[at] {
	case "sinks", "exporters", "streams":
	default:
		return argv
	}
	long := gen1Options()
	out := append([]string(nil), argv[:at+1]...)
	for i := at + 1; i < len(argv); i++ {
		word := argv[i]
		if word == "--" {
			return append(out, argv[i:]...)
		}
		option, value, glued := strings.Cut(word, "=")
		if l, ok := long[option]; ok {
			option = l
		}
		if glued {
			option += "=" + value
		}
		out = append(out, option)
		if !glued && values[option] && i+1 < len(argv) {
			i++
			out = append(out, argv[i]) // a value is never an option, whatever it looks like
		}
	}
	return out
}
