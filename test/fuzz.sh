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

count=0
# An error of go list ends the script here, not in the loop below.
packages=$(go list -f '{{.ImportPath}} {{.Dir}}{{range .TestGoFiles}} {{.}}{{end}}{{range .XTestGoFiles}} {{.}}{{end}}' ./...)
while read -r package dir files; do
	for file in $files; do
		targets=$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*\*testing\.F).*/\1/p' "$dir/$file")
		for target in $targets; do
			if ! go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" "$package" </dev/null >"$output" 2>&1; then
				echo "FAIL $package $target" >&2
				cat "$output" >&2
				exit 1
			fi
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
