#!/usr/bin/env bash
# test.sh: the whole suite of both modules with the race detector. A failure in
# the first module does not hide those of the second; the exit code covers both.
# The last lines say in words what was not tested. `make test` prepares the tools,
# the images and the binary, and calls this.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root" || exit 1
export E2E_BINARY=${E2E_BINARY:-$root/.tools/bin/drawbridge-e2e}

# The longest packages, which begin first. What is not named here follows.
longest=(docs compose replicas clients gateway store packages faults)

# Prints the output of a job of the background when that has ended, and takes its status.
collect() {
	wait "$1" || status=1
	cat "$2"
	rm -f "$2"
}

status=0
units=$(mktemp)
go test -race -timeout 15m ./... >"$units" 2>&1 &
unit=$!
# -count=1: a result against servers that have changed since is worth nothing. More
# packages at once than processors, since most of them wait for servers to start, to
# fail and to come back. -vet=off: `make check` and .ci/run have done it. The console's
# tests wait: a browser gives up its requests whenever the machine's network changes,
# which the containers of the others do.
(cd e2e && { printf './%s\n' "${longest[@]}"; go list ./... | sed 's|^drawbridge/e2e|.|' | grep -v '^./console$'; } |
	awk '!seen[$0]++' | xargs go test -race -vet=off -count=1 -p "$(($(nproc) + 1))" -timeout 25m) || status=1
collect "$unit" "$units"
console=$(mktemp)
(cd e2e && go test -race -vet=off -count=1 -timeout 10m ./console) >"$console" 2>&1 &
browser=$!
# Modules of their own: the registries' versions exclude each other, and the server needs
# nothing of what makes a release.
for module in e2e/verify2 e2e/verify3 deploy/release; do
	(cd "$module" && go test -race -vet=off -count=1 -timeout 10m ./...) || status=1
done
collect "$browser" "$console"

if ! timeout 20 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; then
	echo "NOT TESTED: no Docker engine answers here, so the tests of docker-compose.yml,"
	echo "of the images and of the docker client were skipped."
	if [ "${CI:-}" = true ]; then
		echo "CI=true: that counts as a failure."
		status=1
	fi
fi
if [ "$status" = 0 ]; then echo "all tests passed"; else echo "FAIL: see above"; fi
exit "$status"
