#!/usr/bin/env bash
# demo.sh: the main job on the embedded default, from nothing: builds Drawbridge
# and two tools, starts Drawbridge with no configuration and a registry that asks
# it for tokens, logs in, pushes, pulls, and is refused. Everything it starts ends
# with it; --keep leaves the servers running until Ctrl-C, to try docker against.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD
keep=${1:-}
work=$(mktemp -d)
registry=localhost:5000

step() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
shown() {
	printf '$ %s\n' "$*"
	"$@"
}

# shellcheck disable=SC2329 # the trap calls it
cleanup() {
	local pid
	for pid in $(jobs -p); do kill "$pid" 2>/dev/null || true; done
	wait
	rm -rf "$work"
}
trap cleanup EXIT

# wait_for runs a command until it succeeds, for at most 30 seconds.
wait_for() {
	local what=$1 try
	shift
	for try in $(seq 300); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.1
	done
	printf 'demo: %s did not come up; its log:\n' "$what" >&2
	cat "$work"/*.log >&2
	exit 1
}

step "Build (the first time takes a few minutes)"
e2e/scripts/tools.sh packages crane registry
make --no-print-directory build
export PATH=$root/bin:$root/.tools/bin:$PATH

step "Start Drawbridge: no configuration, everything under $work/data"
cd "$work"
drawbridge serve >audit.log 2>drawbridge.log &
wait_for drawbridge drawbridge health
grep -v '^{' drawbridge.log
password=$(sed -n 's/^  password  //p' drawbridge.log)

step "Start a registry with the settings it printed"
{
	printf 'version: 0.1\nstorage: { filesystem: { rootdirectory: %s/registry } }\nhttp: { addr: "127.0.0.1:5000" }\n' "$work"
	drawbridge registry-config | sed "s|/etc/distribution/drawbridge-ca.pem|$work/data/keys/signing-ca.pem|"
} >registry.yml
OTEL_TRACES_EXPORTER=none registry-3.1.1 serve registry.yml >registry.log 2>&1 &
wait_for registry curl -s "http://$registry/v2/"

# Clients have to trust the certificate that Drawbridge made for itself. They
# read the machine's own bundle no more then, so it is not an `export` for all.
export SSL_CERT_FILE=$work/data/tls/server.crt DOCKER_CONFIG=$work/docker

step "Log in, push, pull"
printf '$ crane auth login %s -u admin -p ********\n' "$registry"
crane auth login "$registry" -u admin -p "$password"
mkdir layer && echo "hello from drawbridge" >layer/hello && tar -C layer -cf layer.tar hello
shown crane append --new_layer layer.tar --new_tag "$registry/demo/hello:1"
shown crane pull "$registry/demo/hello:1" pulled.tar

step "Somebody who is not logged in is refused"
if DOCKER_CONFIG=$work/nobody shown crane append --new_layer layer.tar --new_tag "$registry/demo/hello:2"; then
	echo "demo: the anonymous push was NOT refused" >&2
	exit 1
fi

step "Why?"
drawbridge access explain anonymous push demo/hello || true

step "What the audit log has of it"
tail -n 3 audit.log

step "It works."
if [ "$keep" = --keep ]; then
	printf 'Drawbridge and the registry keep running until Ctrl-C. Try:\n\n  docker login -u admin -p %s %s\n\n' "$password" "$registry"
	wait
fi
