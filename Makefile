# leadgenctl. `make help` lists the targets from the comments behind them.
.DEFAULT_GOAL := help
.PHONY: help build demo test lint bench chaos exactly-once healthy fuzz install playground setup clean

PKG ?= ./...
RUN ?= .
PREFIX ?= /usr/local
FUZZTIME ?= 10s
TESTFLAGS ?=
BENCHFLAGS ?=
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS ?= -s -w -X github.com/leadgenctl/leadgenctl/internal/command/versioncmd.Version=$(VERSION)
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/leadgenctl, one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/leadgenctl ./cmd/leadgenctl

demo: build ## carry a private old platform to the global breaker and back, with real output
	@scripts/setup --demo
	@go run ./scripts/withservers -platform -- scripts/demo

test: setup ## run every test on private servers (PKG=./breaker RUN=TestX TESTFLAGS=-count=1)
	@go run ./scripts/withservers -- go test -race -timeout 15m -run '$(RUN)' $(TESTFLAGS) $(PKG)

lint: ## gofmt, go vet, staticcheck, import direction, known vulnerabilities
	@scripts/lint $(STATICCHECK) $(GOVULNCHECK)

bench: setup ## run the benchmarks (PKG=./queue RUN=BenchmarkPause BENCHFLAGS=-count=3)
	@go run ./scripts/withservers -- go test -run '^$$' -bench '$(RUN)' -benchmem -timeout 2h $(BENCHFLAGS) $(PKG)

chaos: setup ## kill commands at random moments for 200 rounds, with workers, foreign writers and outages beside them
	@LEADGENCTL_CHAOS_ROUNDS=200 go run ./scripts/withservers -- go test -count=1 -v -run TestChaos -timeout 1h ./internal/command/queuecmd

exactly-once: setup ## let real workers on Redis and on RabbitMQ run 10,000 resumed jobs each, each job once
	@LEADGENCTL_RESUMED_JOBS=10000 go run ./scripts/withservers -- go test -count=1 -v -run 'TestAWorker.*RunsEachResumedJobOnce' -timeout 1h ./queue/celery

healthy: setup ## look 500 times at a platform under load, where the checks must find nothing
	@LEADGENCTL_HEALTHY_RUNS=500 go run ./scripts/withservers -- go test -count=1 -v -run TestNothingIsFoundUnderLoad -timeout 1h ./internal/consistency

fuzz: ## run every fuzz target for FUZZTIME (default 10s) each
	@scripts/fuzz $(FUZZTIME)

install: build ## install to $(PREFIX)/bin (PREFIX=/usr/local)
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 bin/leadgenctl $(DESTDIR)$(PREFIX)/bin/leadgenctl

playground: ## a private platform in its old state, to play with until Ctrl-C
	@scripts/playground

setup: ## find or install the servers that tests and demo run on
	@scripts/setup

clean: ## remove what was built
	rm -rf bin
