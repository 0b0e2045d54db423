#!/usr/bin/env bash
# Runs every fuzz target of the tree for FUZZTIME (say 10s), one after the other.
#
#   test/fuzz.sh [FUZZTIME]
#
# Prints one line a target and stops at the first failure, with its output; the
# input that failed is then in testdata/fuzz of the target's package.
set -euo pipefail
cd "$(dirname "$0")/.."
fuzztime=${1:-10s}

output=$(mktemp)
trap 'rm -f "$output"' EXIT

# ended_late TARGET: the run found nothing, and failed only because Go took the end of
# the time itself for a failure (go.dev/issue/75804; Go 1.27 has it mended). Whatever
# an input does has more to say, or leaves that input behind. It is no pass either: the
# target runs again.
ended_late() {
	! grep -q 'Failing input written to\|^panic\|hung or terminated' "$output" &&
		[ "$(sed -n '/^--- FAIL: /,$p' "$output" | sed 1d | sed '/^FAIL\|^exit status 1$/d')" = '    context deadline exceeded' ] &&
		[ "$(grep -c "^--- FAIL: $1 " "$output")" -eq 1 ]
}

count=0
# An error of go list ends the script here, not in the loop below.
packages=$(go list -f '{{.ImportPath}} {{.Dir}}{{range .TestGoFiles}} {{.}}{{end}}{{range .XTestGoFiles}} {{.}}{{end}}' ./...)
while read -r package dir files; do
	for file in $files; do
		targets=$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*\*testing\.F).*/\1/p' "$dir/$file")
		for target in $targets; do
			tries=1
			until go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" "$package" </dev/null >"$output" 2>&1; do
				if [ "$tries" -eq 5 ] || ! ended_late "$target"; then
					echo "FAIL $package $target" >&2
					cat "$output" >&2
					exit 1
				fi
				tries=$((tries + 1))
			done
			execs=$(sed -n 's/.*execs: \([0-9]*\).*/\1/p' "$output" | tail -n 1)
			echo "ok   $package $target: ${execs:-0} inputs"
			count=$((count + 1))
		done
	done
done <<<"$packages"

if [ "$count" -eq 0 ]; then
	echo "no fuzz targets found" >&2
	exit 1
fi
echo "$count fuzz targets ran for $fuzztime each"
