# Drawbridge: every task of the tree. `make` alone lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
TOOLS   := $(CURDIR)/.tools/bin
LINT    := $(TOOLS)/golangci-lint
# Every Go module of the tree but the tools, which hold no code.
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
bench: tools ## measure the server and its parts, and write bench/RESULTS.md (5 minutes)
	cd e2e && go test -count=1 -timeout 20m -run TestFigures ./bench -args -write ../../bench/RESULTS.md

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (20s)
	@e2e/scripts/fuzz.sh $(FUZZTIME)

.PHONY: clean
clean: ## remove what was built, but not the tools
	rm -rf bin dist $(TOOLS)/drawbridge-e2e
