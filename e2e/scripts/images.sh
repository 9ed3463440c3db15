#!/usr/bin/env bash
# images.sh: the base images that Dockerfile, deploy/openldap/Dockerfile and
# docker-compose.yml name, and the two registries of the tests, on this machine's
# Docker engine.
#
# An image that is there stays. One that is missing is pulled. Where nothing can
# be pulled, a stand-in is made under the same name from Debian packages and from
# programs built here, with the public image's entry point, user, paths and ports,
# so that the shipped files run unchanged. A stand-in carries a label with the
# version of its recipe and is made anew when that changes; an image without the
# label is a real one and is never touched.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=$root/.tools/images
label=drawbridge.stand-in
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
pull_timeout=300

# recipe counts the changes to the stand-ins below.
recipe=1

say() { printf 'images: %s\n' "$*" >&2; }
die() {
	say "$*"
	exit 1
}

# version_of tells what the stand-in of an image is made from.
version_of() {
	case $1 in
	golang:*) printf '%s-%s' "$recipe" "$(go env GOVERSION)" ;;
	*) printf '%s' "$recipe" ;;
	esac
}

# present tells whether the engine has an image: a real one, or a stand-in of
# the recipe's version.
present() {
	local have
	have=$(docker image inspect --format "{{index .Config.Labels \"$label\"}}" "$1" 2>/dev/null) || return 1
	[ -z "$have" ] || [ "$have" = "$(version_of "$1")" ]
}

# is_stand_in tells whether what the engine has was made here: such a one is
# replaced without asking a registry again.
is_stand_in() {
	[ -n "$(docker image inspect --format "{{index .Config.Labels \"$label\"}}" "$1" 2>/dev/null)" ]
}

# build makes a stand-in from the Dockerfile on standard input and a context
# folder.
build() {
	local image=$1 context=$2
	docker build -q --label "$label=$(version_of "$image")" -t "$image" -f - "$context" >/dev/null
}

# debian_tarball is a minimal Debian, made once.
debian_tarball() {
	local tarball=$cache/debian-bookworm.tar.gz tree
	if [ ! -s "$tarball" ]; then
		[ "$(id -u)" = 0 ] || die "debootstrap needs root"
		say "debootstrap of Debian bookworm"
		tree=$(mktemp -d "$cache/tree.XXXXXX")
		debootstrap --variant=minbase bookworm "$tree" "$mirror" >&2 || { rm -rf "$tree"; return 1; }
		rm -f "$tree"/var/cache/apt/archives/*.deb
		tar -C "$tree" --numeric-owner -c . | gzip -1 >"$tarball.new"
		mv "$tarball.new" "$tarball"
		rm -rf "$tree"
	fi
	printf '%s' "$tarball"
}

make_debian() {
	local tarball
	tarball=$(debian_tarball)
	docker import --change 'CMD ["bash"]' --change "LABEL $label=$(version_of "$1")" \
		"$tarball" "$1" >/dev/null
}

# make_golang adds this machine's Go, its CA bundle and its proxy settings, so
# that modules can be fetched in a build wherever they can be fetched here.
make_golang() {
	local context status=0 name
	need debian:bookworm-slim
	context=$(mktemp -d "$cache/context.XXXXXX")
	tar -C "$(go env GOROOT)" --exclude=./test --numeric-owner --owner=0 --group=0 \
		-c . >"$context/go.tar"
	cp /etc/ssl/certs/ca-certificates.crt "$context/"
	{
		cat <<-'DOCKERFILE'
			FROM debian:bookworm-slim
			ADD go.tar /usr/local/go/
			COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
			ENV PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
			ENV GOPATH=/go GOTOOLCHAIN=local
			WORKDIR /go
		DOCKERFILE
		for name in GOPROXY GOSUMDB GONOSUMDB GONOPROXY GOFLAGS; do
			[ -z "$(go env "$name")" ] || printf 'ENV %s="%s"\n' "$name" "$(go env "$name")"
		done
	} | build "$1" "$context" || status=$?
	rm -rf "$context"
	return "$status"
}

make_redis() {
	need debian:bookworm-slim
	build "$1" "$cache/empty" <<-'DOCKERFILE'
		FROM debian:bookworm-slim
		RUN groupadd -r -g 999 redis && useradd -r -g redis -u 999 -d /data redis \
		 && apt-get update \
		 && apt-get install -y --no-install-recommends redis-server \
		 && rm -rf /var/lib/apt/lists/* \
		 && mkdir -p /data && chown redis:redis /data
		VOLUME /data
		WORKDIR /data
		USER redis
		EXPOSE 6379
		CMD ["redis-server"]
	DOCKERFILE
}

# make_nginx has nothing of the public image's entry point, which edits the
# configuration that the stack replaces.
make_nginx() {
	need debian:bookworm-slim
	build "$1" "$cache/empty" <<-'DOCKERFILE'
		FROM debian:bookworm-slim
		RUN groupadd -r -g 101 nginx && useradd -r -g nginx -u 101 -d /nonexistent -s /bin/false nginx \
		 && apt-get update \
		 && apt-get install -y --no-install-recommends nginx-light ca-certificates curl \
		 && rm -rf /var/lib/apt/lists/*
		EXPOSE 80
		STOPSIGNAL SIGQUIT
		CMD ["nginx", "-g", "daemon off;"]
	DOCKERFILE
}

# registry_entrypoint is what the public registry images do with their arguments.
registry_entrypoint() {
	cat <<-'SH'
		#!/bin/sh
		set -e
		case "$1" in
		*.yaml | *.yml) set -- registry serve "$@" ;;
		serve | garbage-collect | help | -*) set -- registry "$@" ;;
		esac
		exec "$@"
	SH
}

# registry_config is the configuration inside the public images.
registry_config() {
	cat <<-'YAML'
		version: 0.1
		log: {fields: {service: registry}}
		storage: {filesystem: {rootdirectory: /var/lib/registry}}
		http: {addr: ":5000", headers: {X-Content-Type-Options: [nosniff]}}
	YAML
}

# make_registry makes a registry image around a program; busybox gives the wget
# that the Alpine image has.
make_registry() {
	local image=$1 program=$2 config=$3 context status=0
	need debian:bookworm-slim
	[ -x "$program" ] || die "$program is missing; run e2e/scripts/tools.sh first"
	context=$(mktemp -d "$cache/context.XXXXXX")
	cp -L "$program" "$context/registry"
	registry_entrypoint >"$context/entrypoint.sh"
	registry_config >"$context/config.yml"
	chmod 755 "$context/entrypoint.sh" "$context/registry"
	build "$image" "$context" <<-DOCKERFILE || status=$?
		FROM debian:bookworm-slim
		RUN apt-get update \
		 && apt-get install -y --no-install-recommends ca-certificates busybox \
		 && ln -s /bin/busybox /usr/bin/wget \
		 && rm -rf /var/lib/apt/lists/*
		ENV OTEL_TRACES_EXPORTER=none
		COPY registry /bin/registry
		COPY config.yml $config
		COPY entrypoint.sh /entrypoint.sh
		VOLUME /var/lib/registry
		EXPOSE 5000
		ENTRYPOINT ["/entrypoint.sh"]
		CMD ["$config"]
	DOCKERFILE
	rm -rf "$context"
	return "$status"
}

# make_stand_in knows the recipe of every name in main.
make_stand_in() {
	case $1 in
	debian:*) make_debian "$1" ;;
	golang:*) make_golang "$1" ;;
	redis:*) make_redis "$1" ;;
	nginx:*) make_nginx "$1" ;;
	registry:2.8) make_registry "$1" /usr/bin/docker-registry /etc/docker/registry/config.yml ;;
	registry:*) make_registry "$1" "$root/.tools/bin/registry-${1#*:}" /etc/distribution/config.yml ;;
	*) die "no recipe for $1" ;;
	esac
}

# need makes sure of one image.
need() {
	present "$1" && return
	if ! is_stand_in "$1" && timeout "$pull_timeout" docker pull -q "$1" >/dev/null 2>&1; then
		say "$1: pulled"
		return
	fi
	say "$1: cannot be pulled, making a stand-in"
	make_stand_in "$1"
}

main() {
	local image
	if ! timeout 20 docker version >/dev/null 2>&1; then
		say "no Docker engine answers; no images were made"
		[ "${CI:-}" != true ] || die "CI=true: that counts as a failure"
		return
	fi
	mkdir -p "$cache/empty"
	exec 9>"$cache/lock"
	flock 9
	for image in debian:bookworm-slim golang:1.26-bookworm redis:7.2-bookworm \
		nginx:1.28-bookworm registry:2.8 registry:3.1.1; do
		need "$image"
	done
}

main "$@"
