#!/usr/bin/env bash
# release.sh DIR: makes everything that a release consists of, into DIR.
#
#   VERSION            such as v1.2.3; anything else becomes a 0.0.0-dev version
#   RELEASE_PLATFORMS  default: linux/amd64 linux/arm64 darwin/arm64
#   SOURCE_DATE_EPOCH  the time in all archives; default: that of the last commit
#   CA_BUNDLE          what the image trusts; default: Debian's ca-certificates, without
#                      what was added on this machine
#   MAINTAINER         whom the packages name
#
# The same source, version, time and Go give the same bytes, wherever it is built.
# Needs nfpm in PATH, GNU tar, and Go.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
out=$(mkdir -p "$1" && cd "$1" && pwd)
VERSION=${VERSION:-dev}
platforms=${RELEASE_PLATFORMS:-linux/amd64 linux/arm64 darwin/arm64}
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct || stat -c %Y "$root/CHANGELOG.md")}
export MAINTAINER=${MAINTAINER:-Drawbridge maintainers <drawbridge@localhost>}
# Neither the person's umask, locale nor Go settings are in what is made.
umask 022
export LC_ALL=C CGO_ENABLED=0 GOFLAGS= GOWORK=off

semver=${VERSION#v}
[[ $semver =~ ^[0-9]+\.[0-9]+\.[0-9]+ ]] || semver=0.0.0-dev+$VERSION

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { printf 'release: %s\n' "$*" >&2; }

# archive FROM NAME... writes a .tar of what is in a folder to standard output.
archive() {
	tar -C "$1" --sort=name --format=ustar --owner=0 --group=0 --numeric-owner \
		--mode=u+rw,go=rX --mtime="@$SOURCE_DATE_EPOCH" -c "${@:2}"
}

# build GOOS GOARCH TO compiles the program. The version is in it; how git stands is
# not, which a source archive cannot tell.
build() {
	(cd "$root" && GOOS=$1 GOARCH=$2 go build -trimpath -buildvcs=false \
		-ldflags "-s -w -X main.version=$VERSION" -o "$3" ./cmd/drawbridge)
}

# tool NAME builds one of the programs beside this script.
tool() { (cd "$root/deploy/release" && go build -o "$work/$1" "./$1"); }

# documents makes what the program itself prints: manual pages and completions.
documents() {
	local page
	mkdir -p "$work/man" "$work/completions" "$work/doc"
	build "$(go env GOHOSTOS)" "$(go env GOHOSTARCH)" "$work/drawbridge"
	"$work/drawbridge" man "$work/man"
	"$work/drawbridge" completion bash >"$work/completions/drawbridge.bash"
	"$work/drawbridge" completion zsh >"$work/completions/_drawbridge"
	"$work/drawbridge" completion fish >"$work/completions/drawbridge.fish"
	for page in "$work"/man/*.1; do gzip -9n "$page"; done
	gzip -9nc "$root/CHANGELOG.md" >"$work/doc/changelog.gz"
	cp "$root/configs/drawbridge.yaml" "$work/doc/"
	licenses >"$work/doc/copyright"
	cp -r "$root/deploy/systemd" "$root/deploy/packages" "$work/"
}

# licenses prints what the authors of the modules in the program ask to be printed.
licenses() {
	local path version dir file
	echo "Drawbridge $VERSION contains these Go modules, under these licenses."
	(cd "$root" && go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/drawbridge) |
		sort -u | while read -r path version dir; do
		for file in "$dir"/LICENSE* "$dir"/LICENCE* "$dir"/COPYING* "$dir"/NOTICE*; do
			[ -f "$file" ] || continue
			printf '\n%s\n%s %s, %s\n%s\n\n' ------------------------------ "$path" "$version" "${file##*/}" ------------------------------
			cat "$file"
		done
	done
}

# packages ARCH makes the .deb and the .rpm of one program.
packages() {
	local rpmarch=$1
	[ "$1" = amd64 ] && rpmarch=x86_64
	[ "$1" = arm64 ] && rpmarch=aarch64
	mkdir -p "$work/bin"
	cp "$work/linux-$1/drawbridge" "$work/bin/drawbridge"
	(
		cd "$work"
		export ARCH=$1 VERSION=$semver
		nfpm package --config packages/nfpm.yaml --packager deb --target "$out/drawbridge_${semver}_$1.deb" >&2
		nfpm package --config packages/nfpm.yaml --packager rpm --target "$out/drawbridge-$semver.$rpmarch.rpm" >&2
	)
}

# tarball OS ARCH makes the archive for those who install by hand.
tarball() {
	local name=drawbridge-$semver-$1-$2 dir
	dir=$work/tar/$name
	mkdir -p "$dir"
	cp "$work/$1-$2/drawbridge" "$root/README.md" "$root/CHANGELOG.md" "$dir/"
	cp -r "$work/man" "$work/completions" "$dir/"
	cp "$work/doc/copyright" "$dir/LICENSES"
	[ "$1" != linux ] || cp -r "$root/deploy/systemd" "$dir/"
	archive "$work/tar" "$name" | gzip -9n >"$out/$name.tar.gz"
}

# image makes one image of all Linux programs, as an OCI archive.
image() {
	local bundle=${CA_BUNDLE:-$work/ca.pem} platform
	local -a programs=()
	[ -n "${CA_BUNDLE:-}" ] || cat /usr/share/ca-certificates/mozilla/*.crt >"$work/ca.pem"
	for platform in $platforms; do
		case $platform in linux/*) programs+=("$platform=$work/linux-${platform#*/}/drawbridge") ;; esac
	done
	[ "${#programs[@]}" -gt 0 ] || return 0
	"$work/image" -out "$work/layout" -ca "$bundle" -version "$VERSION" "${programs[@]}"
	archive "$work/layout" . >"$out/drawbridge-$semver-image.tar"
}

# chart packs the Helm chart, with the version of the release in it.
chart() {
	mkdir -p "$work/chart"
	cp -r "$root/deploy/helm/drawbridge" "$work/chart/"
	rm -r "$work/chart/drawbridge/ci"
	sed -i "s/^version: .*/version: $semver/; s/^appVersion: .*/appVersion: \"$semver\"/" "$work/chart/drawbridge/Chart.yaml"
	archive "$work/chart" drawbridge | gzip -9n >"$out/drawbridge-chart-$semver.tgz"
}

main() {
	local platform os arch
	say "drawbridge $VERSION for $platforms"
	rm -f "$out"/drawbridge[-_]* "$out/SHA256SUMS"
	tool sbom
	tool image
	documents
	for platform in $platforms; do
		os=${platform%/*} arch=${platform#*/}
		say "$platform"
		mkdir -p "$work/$os-$arch"
		build "$os" "$arch" "$work/$os-$arch/drawbridge"
		"$work/sbom" -version "$VERSION" "$work/$os-$arch/drawbridge" >"$out/drawbridge-$semver-$os-$arch.cdx.json"
		tarball "$os" "$arch"
		[ "$os" != linux ] || packages "$arch"
	done
	image
	chart
	(cd "$out" && sha256sum drawbridge[-_]* >SHA256SUMS)
	say "$(wc -l <"$out/SHA256SUMS") files and SHA256SUMS in $out"
}

main
