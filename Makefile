# strm: every task by name. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash

GOBUILD  = CGO_ENABLED=0 go build -trimpath -ldflags "-s -w"
TIMEOUT  ?= 90m
FUZZTIME ?= 10s
ROUNDS   ?= 200
SEED     ?= 0

.PHONY: help build run demo test race lint fmt fuzz sim crash cluster bench scale integration servers smoke golden check clean

help: ## print this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

build: ## bin/strm, one static binary
	$(GOBUILD) -o bin/strm ./cmd/strm

run: build ## a server with its state in ./.strm
	bin/strm serve --data .strm

demo: build ## the main job, start to end, on this machine; ends by itself
	bin/strm demo

test: ## everything that needs nothing but Go
	go vet ./...
	go test -timeout $(TIMEOUT) ./...

race: ## the same with the race detector
	go test -race -timeout $(TIMEOUT) ./...

lint: ## format and linters, each with its reason in .golangci.yml
	@out=$$(gofmt -l .); test -z "$$out" || { echo "gofmt: $$out"; exit 1; }
	GOLANGCI_LINT_CACHE=$(CURDIR)/.cache/lint go tool -modfile=tools/go.mod golangci-lint run ./...

fmt: ## format the code
	gofmt -w .

fuzz: ## every fuzz target for FUZZTIME (10s)
	./test/fuzz.sh $(FUZZTIME)

sim: ## seeded simulation; SEED=n replays one
	STRM_SIM_SEED=$(SEED) STRM_SIM_RUNS=200 go test -count=1 -timeout 60m -run TestSimulation ./internal/sim

crash: build ## kill the real binary ROUNDS (200) times under faults and count every event
	go run ./test/crash -binary bin/strm -rounds $(ROUNDS) -seed $(SEED)

cluster: build ## three nodes on Kafka and PostgreSQL, all of it broken in turn ROUNDS (200) times
	./test/integration/install-scale.sh kafka postgres
	go run ./test/cluster -binary bin/strm -rounds $(ROUNDS) -seed $(SEED)

bench: build ## events/s, CPU and memory beside a floor of the same run
	go run ./test/bench -binary bin/strm

scale: build ## Kafka to S3 by one to three nodes: CPU and memory beside a floor of the same run
	./test/integration/install-scale.sh kafka postgres
	go run ./test/bench -binary bin/strm -scale

integration: build ## against real servers and clients; installs what it needs into .integration
	./test/integration/install.sh
	go test -count=1 -timeout $(TIMEOUT) -p 2 -parallel 8 -tags integration ./test/integration ./internal/eventlog/kafka ./internal/catalog ./internal/catalog/postgres ./internal/server
	go test -count=1 -timeout $(TIMEOUT) -p 1 -tags integration ./test/servers ./test/cluster

servers: ## a real Kafka and PostgreSQL on this machine, to try several nodes; ends with Ctrl-C
	./test/integration/install-scale.sh kafka postgres
	go run ./test/try

smoke: ## PyAirbyte's smoke test of destinations against strm airbyte; some minutes
	PYAIRBYTE=1 ./test/integration/install.sh
	go test -count=1 -timeout 30m -tags integration,pyairbyte -run TestAirbyteSmoke ./test/integration

golden: ## rewrite golden files (read the diff)
	go test ./... -update

check: lint test race ## what a change must pass

clean: ## remove what was built
	rm -rf bin .strm .cache
