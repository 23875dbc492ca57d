# Dunlin: what one does with this repository. `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME ?= 60s
BENCHFOR ?= 30s
SIMSEEDS ?= 400
TOOL     := go tool -modfile=tools.mod
PROTO    := go tool -modfile=../tools.mod buf generate
GOFILES   = $(shell git ls-files -co --exclude-standard '*.go' ':!rollupapi/gen')

.PHONY: help build test race fuzz sim mutants bench clients lint format generate docs devnet clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/dunlin, the same bytes on every machine
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/dunlin ./cmd/dunlin

devnet: build ## start a local network of four validators; Ctrl-C ends it
	bin/dunlin devnet

test: ## run all tests
	go test -timeout 30m ./...

race: ## run all tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 go test -timeout 60m -race ./...

fuzz: ## run every fuzz target for FUZZTIME each (60s)
	@for dir in $$(git ls-files -co --exclude-standard '*_test.go' | xargs grep -l '^func Fuzz' | xargs -n1 dirname | sort -u); do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' $$dir/*_test.go); do \
			echo "== $$dir $$target"; \
			go test ./$$dir -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x; \
		done; \
	done

sim: build ## search SIMSEEDS (400) seeds of four validators, and some of more, for violations
	bin/dunlin sim --validators 4 --seeds 1..$(SIMSEEDS)
	for n in 5 6 7 12; do bin/dunlin sim --validators $$n --seeds 1..$$(($(SIMSEEDS) / 8 + 1)); done
	for n in 10 13; do bin/dunlin sim --validators $$n --seeds 1..$$(($(SIMSEEDS) / 16 + 1)); done
	bin/dunlin sim --validators 25 --rounds 50 --seeds 1..$$(($(SIMSEEDS) / 200 + 1))
	bin/dunlin sim --validators 4 --rounds 50 --signing real --seeds 1..$$(($(SIMSEEDS) / 20 + 1))
	bin/dunlin sim latency

mutants: ## plant errors in the order and see that simulations or tests notice each
	go run -tags mutants,tiny ./test/mutants

bench: build ## measure packages, then a network of four under 20,000 tx/s for BENCHFOR (30s)
	go test -run '^$$' -bench . -benchmem ./...
	bin/dunlin devnet --validators 4 --rate 20000 --namespace open --size 512 --for $(BENCHFOR) --json

clients: ## run wallets, js-libp2p and a Rollkit node against a live network (needs Node.js; builds for minutes)
	DUNLIN_CLIENTS=1 go test -count=1 -v -timeout 60m ./test/clients

lint: ## check format, vet, staticcheck and that generated files are fresh
	@unformatted=$$($(TOOL) gofumpt -l $(GOFILES)); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run 'make format':"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	$(TOOL) staticcheck ./...
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	(cd rollupapi && $(PROTO) --output "$$fresh"); \
	diff -r "$$fresh/gen" rollupapi/gen || { echo "rollupapi/gen is stale, run 'make generate'"; exit 1; }
	go test -count=1 -run 'TestDocs' ./cmd/dunlin ./rollupapi

format: ## format the Go files
	$(TOOL) gofumpt -w $(GOFILES)

generate: ## write the generated code anew
	cd rollupapi && $(PROTO)

docs: ## write the derived documents anew
	go test -count=1 -run 'TestDocs' ./cmd/dunlin ./rollupapi -update

clean: ## remove what make has built
	rm -rf bin
