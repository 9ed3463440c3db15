#!/usr/bin/env bash
# tools.sh [NAME...]: puts what lint and the tests need on this machine.
#
#   tools.sh                  everything: the Debian packages and all Go programs
#   tools.sh packages         the Debian packages alone
#   tools.sh golangci-lint    one Go program (any name of the table below)
#
# Debian packages are installed as root with apt-get, and only those that are
# missing; no service that such a package brings is started or enabled. Go
# programs are built once into .tools/bin, which git ignores, under a name that
# holds their version: a new version in the table below is a new build, the old
# one stays for other checkouts of the same tree. With everything in place the
# script returns in well under a second.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bin=$root/.tools/bin
jobs=${TOOLS_JOBS:-2}

# Debian packages: what the tests start, what they start it with, and the C
# compiler that the race detector needs.
packages=(
	slapd ldap-utils redis-server docker-registry
	postgresql age skopeo podman apache2-utils debootstrap nginx-light chromium fonts-dejavu-core
	haproxy prometheus
	samba samba-ad-provision samba-dsdb-modules samba-vfs-modules python3-samba ldb-tools winbind
	openssl ca-certificates curl jq git make gcc libc6-dev systemd rpm
)

# Services that the packages above would run, as package:service where the names
# differ. The tests start their own.
services=(
	slapd redis-server docker-registry postgresql nginx-light:nginx haproxy prometheus
	samba:smbd samba:nmbd samba:samba-ad-dc winbind
)

# name, version, plain name ("-" for none), and how it is built: a package for
# `go install`, or the folder of a tools module and the package to build in it.
table() {
	cat <<-'TABLE'
		golangci-lint  v2.15.0 golangci-lint  install github.com/golangci/golangci-lint/v2/cmd/golangci-lint
		crane          v0.22.1 crane          install github.com/google/go-containerregistry/cmd/crane
		registry       3.0.0   -              install github.com/distribution/distribution/v3/cmd/registry
		registry       3.1.1   -              install github.com/distribution/distribution/v3/cmd/registry
		helm           v3.22.0 helm           install helm.sh/helm/v3/cmd/helm
		nfpm           v2.43.4 nfpm           install github.com/goreleaser/nfpm/v2/cmd/nfpm
		oapi-codegen   v2.8.2  oapi-codegen   install github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen
		openapi-validate v0.152.0 openapi-validate install github.com/getkin/kin-openapi/cmd/validate
		caddy          v2.11.9 caddy          install github.com/caddyserver/caddy/v2/cmd/caddy
		pebble         v2.10.1 pebble         install github.com/letsencrypt/pebble/v2/cmd/pebble
		docker-compose v2.40.3 docker-compose module  e2e/tools/compose github.com/docker/compose/v2/cmd
		otelcol        v0.158.0 otelcol       module  e2e/tools/otelcol drawbridge/e2e/tools/otelcol
	TABLE
}

say() { printf 'tools: %s\n' "$*" >&2; }
die() {
	say "$*"
	exit 1
}

# missing_packages prints the packages that are not installed.
missing_packages() {
	local name state installed=" "
	while read -r state name; do
		[ "$state" = installed ] && installed+="${name%%:*} "
	done < <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null || true)
	for name in "${packages[@]}"; do
		case $installed in *" $name "*) ;; *) printf '%s\n' "$name" ;; esac
	done
}

# hold_services keeps apt from starting what it installs: Debian's own switch for
# that is /usr/sbin/policy-rc.d. An existing one belongs to the machine and stays.
hold_services() {
	[ -e /usr/sbin/policy-rc.d ] && return
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
	chmod 755 /usr/sbin/policy-rc.d
	trap 'rm -f /usr/sbin/policy-rc.d' EXIT
}

# rest_service stops one freshly installed service and keeps it from starting
# with the machine.
rest_service() {
	if [ -d /run/systemd/system ]; then
		systemctl disable --now "$1" >/dev/null 2>&1 || true
		return
	fi
	update-rc.d "$1" disable >/dev/null 2>&1 || true
	# A policy-rc.d of the machine may have let it start.
	if [ -x "/etc/init.d/$1" ] && "/etc/init.d/$1" status >/dev/null 2>&1; then
		"/etc/init.d/$1" stop >/dev/null 2>&1 || true
	fi
}

install_packages() {
	local -a missing
	mapfile -t missing < <(missing_packages)
	[ "${#missing[@]}" -eq 0 ] && return
	command -v apt-get >/dev/null ||
		die "no apt-get here; install by other means: ${missing[*]}"
	[ "$(id -u)" = 0 ] ||
		die "not root; run: sudo apt-get install --no-install-recommends ${missing[*]}"
	say "installing ${missing[*]}"
	hold_services
	export DEBIAN_FRONTEND=noninteractive
	apt-get -q -o Acquire::Retries=3 update >&2
	apt-get -q -y -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 \
		install --no-install-recommends "${missing[@]}" >&2
	local service
	for service in "${services[@]}"; do
		# One that was here before is somebody's; it is left alone.
		case " ${missing[*]} " in *" ${service%%:*} "*) rest_service "${service#*:}" ;; esac
	done
}

# build_program makes one row of the table, in a folder of its own so that an
# interrupted build leaves nothing that looks finished.
build_program() {
	local name=$1 version=$2 how=$3 tmp tag
	shift 3
	tmp=$(mktemp -d "$bin/.build.XXXXXX")
	say "building $name $version"
	if [ "$how" = install ]; then
		tag=v${version#v}
		GOBIN=$tmp CGO_ENABLED=0 GOWORK=off \
			go install -trimpath -ldflags '-s -w' "$1@$tag" || { rm -rf "$tmp"; return 1; }
	else
		(cd "$root/$1" && CGO_ENABLED=0 GOWORK=off go build -trimpath \
			-ldflags "-s -w -X github.com/docker/compose/v2/internal.Version=$version" \
			-o "$tmp/$name" "$2") || { rm -rf "$tmp"; return 1; }
	fi
	mv "$tmp"/* "$bin/$name-$version"
	rmdir "$tmp"
}

# build_programs builds what is missing, a few at a time, and points the plain
# names at the versions of the table.
build_programs() {
	local wanted=" $* " name version plain rest failed=0 running=0
	local -a args
	mkdir -p "$bin"
	while read -r name version plain rest; do
		[ "$wanted" = "  " ] || [[ $wanted == *" $name "* ]] || continue
		if [ ! -x "$bin/$name-$version" ]; then
			command -v go >/dev/null || die "go is not in PATH; install Go 1.26 or later"
			if [ "$running" -ge "$jobs" ]; then
				wait -n || failed=1
				running=$((running - 1))
			fi
			read -ra args <<<"$rest"
			build_program "$name" "$version" "${args[@]}" &
			running=$((running + 1))
		fi
		[ "$plain" = - ] || ln -sfn "$name-$version" "$bin/$plain"
	done < <(table)
	while [ "$running" -gt 0 ]; do
		wait -n || failed=1
		running=$((running - 1))
	done
	[ "$failed" = 0 ] || die "a program could not be built; its errors are above"
}

# known_name tells whether the table or the packages can give what was asked.
known_name() {
	[ "$1" = packages ] || table | grep -q "^$1 "
}

main() {
	local name want_packages=0
	local -a programs=()
	for name in "$@"; do
		known_name "$name" || die "unknown name $name; see the table in ${BASH_SOURCE[0]}"
		if [ "$name" = packages ]; then want_packages=1; else programs+=("$name"); fi
	done
	# Two runs at once wait for each other.
	mkdir -p "$bin"
	exec 9>"$root/.tools/lock"
	flock 9
	if [ $# -eq 0 ] || [ "$want_packages" = 1 ]; then install_packages; fi
	if [ $# -eq 0 ] || [ "${#programs[@]}" -gt 0 ]; then build_programs "${programs[@]}"; fi
}

main "$@"
