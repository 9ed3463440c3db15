#!/usr/bin/env bash
# fuzz.sh [TIME]: runs every fuzz target of the tree, one after the other, for
# TIME (20s) each. A crasher is written to the package's testdata/fuzz, as
# `go test -fuzz` does, and ends the run.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
time=${1:-20s}

found=0
for package in $(go list ./...); do
	for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		found=$((found + 1))
		echo "$package $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package"
	done
done
echo "$found fuzz targets ran for $time each"
