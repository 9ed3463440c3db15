# Drawbridge: every task of the tree. `make` alone lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
TOOLS   := $(CURDIR)/.tools/bin
LINT    := $(TOOLS)/golangci-lint
# Every Go module of the tree but the tools.
MODULES := $(shell git ls-files go.mod '*/go.mod' | grep -v '^e2e/tools/' | xargs -n1 dirname)
# How long each fuzz target runs in `make fuzz`.
FUZZTIME ?= 20s

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the static binary bin/drawbridge
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/drawbridge ./cmd/drawbridge

.PHONY: demo
demo: ## run the main job on the embedded default: log in, push, pull, be refused
	@e2e/scripts/demo.sh

.PHONY: check
check: lint ## lint, vet, unit tests and fuzz seeds: no servers, no Docker
	go vet ./...
	go test -short ./...

.PHONY: test
test: tools images e2e-binary ## the whole suite with the race detector, against real servers
	e2e/scripts/test.sh

.PHONY: lint
lint: ## golangci-lint over every module
	@e2e/scripts/tools.sh golangci-lint
	@for module in $(MODULES); do echo "lint $$module"; \
		(cd $$module && $(LINT) run --config $(CURDIR)/.golangci.yml ./...) || exit 1; done

.PHONY: fmt
fmt: ## format the Go sources
	@e2e/scripts/tools.sh golangci-lint
	@for module in $(MODULES); do \
		(cd $$module && $(LINT) fmt --config $(CURDIR)/.golangci.yml ./...) || exit 1; done

.PHONY: openapi
openapi: ## write docs/openapi.json anew, and the client that the tests generate from it
	@e2e/scripts/tools.sh oapi-codegen
	go test -count=1 ./server/admin -run TestCommittedOpenAPI -update
	cd e2e/api/client && $(TOOLS)/oapi-codegen -config config.yaml -o client.gen.go ../../../docs/openapi.json

.PHONY: release
release: ## make archives, packages, the image, SBOMs and checksums in dist/release
	@e2e/scripts/tools.sh nfpm
	PATH=$(TOOLS):$$PATH VERSION=$(VERSION) deploy/release/release.sh dist/release

.PHONY: manifests
manifests: ## write deploy/kubernetes anew from the Helm chart
	@e2e/scripts/tools.sh helm
	HELM=$(TOOLS)/helm deploy/kubernetes/render.sh

.PHONY: tools
tools: ## install the Debian packages and build the programs that the tests use
	@e2e/scripts/tools.sh

.PHONY: images
images: tools ## get the base images; make stand-ins where none can be pulled
	@e2e/scripts/images.sh

.PHONY: e2e-binary
e2e-binary: tools ## build the race-detecting binary that the end-to-end tests start
	go build -race -trimpath -ldflags '-X main.version=$(VERSION)' -o $(TOOLS)/drawbridge-e2e ./cmd/drawbridge

.PHONY: bench
bench: tools ## measure everything and write bench/RESULTS.md (45 minutes)
	$(BENCH) 'Figures$$'

BENCH = cd e2e && go test -count=1 -timeout 90m ./bench -args -write ../../bench/RESULTS.md -test.run

.PHONY: bench-server bench-connections bench-directory bench-mixes bench-memory bench-gateways bench-store bench-replicas
bench-server: tools ## measure the server and its parts (5 minutes)
	$(BENCH) '^TestFigures$$'
bench-connections: tools ## measure the token endpoint with 1, 16 and 64 connections (4 minutes)
	$(BENCH) '^TestConnectionFigures$$'
bench-directory: tools ## measure a login that nothing remembers beside a bare LDAP client (1 minute)
	$(BENCH) '^TestDirectoryFigures$$'
bench-mixes: tools ## measure loads as a company's day has them (3 minutes)
	$(BENCH) '^TestMixFigures$$'
bench-memory: tools ## measure memory with 100,000 people, and over ten minutes (15 minutes)
	$(BENCH) '^TestMemoryFigures$$'
bench-gateways: tools ## measure /verify and introspection (2 minutes)
	$(BENCH) '^TestGatewayFigures$$'
bench-store: tools ## measure the store: writes, a million revocations and sessions (10 minutes)
	$(BENCH) '^TestStoreFigures$$'
bench-replicas: tools ## measure how long a revocation takes to reach a replica
	$(BENCH) '^TestReplicaFigures$$'

.PHONY: screenshots
screenshots: e2e-binary ## write a picture of every console page to dist/screenshots
	rm -rf dist/screenshots
	cd e2e && go test -count=1 -timeout 10m -run '^TestPages$$' ./console -args -screenshots $(CURDIR)/dist/screenshots

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (20s)
	@e2e/scripts/fuzz.sh $(FUZZTIME)

.PHONY: clean
clean: ## remove what was built, but not the tools
	rm -rf bin dist $(TOOLS)/drawbridge-e2e
