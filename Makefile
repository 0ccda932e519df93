# mysql-recycler. `make help` lists the targets. A fresh Debian machine needs git, make and a
# network of package registries; whatever else a target needs, .ci/deps installs first (with
# apt-get, as root or through sudo) and does nothing when it is there.

SHELL := /bin/sh
.DEFAULT_GOAL := help

GO := $(shell .ci/go)
# GOTOOLCHAIN=local on a Go that is too old would only fail; a newer one is left alone.
export GOTOOLCHAIN := $(shell .ci/go toolchain)

CACHE   ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mysql-recycler
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS  = -s -w -X main.version=$(VERSION)

# Packages at once and how long one may take: two real-server packages fill two cores.
TEST_FLAGS ?= -p 2 -timeout 10m
# The packages where goroutines meet; the rest is left to `make test`. Of the engine, storage and the program only
# the tests in which they do: SQLite in Go is twenty times slower under the race detector, and what kills whole
# processes takes minutes and meets nobody in its own. Skipped are pictures and long cards, which one goroutine
# draws, and what takes long by waiting, or by many rounds of what other tests do once.
RACE ?= ./bot/... ./cmd/recycler/demo ./configs/... ./engine/dbconn ./engine/guard/... ./engine/plugin \
	./engine/rebuild ./engine/throttle/... ./engine/topology ./storage/queue/...
RACE_SKIP ?= Picture|ChartOf|Gallery|HugePlans|SmallTables|FailoverInLongRebuild|LongJobIsLeftAlone|StartsAtItsTime|ServerThatHangs|Kill9|FrozenOwner|ApplierStartsLate|ApplierDoesNotStop|PurgeLimit|PurgeGap|OnlineLog
RACE_ENGINE ?= AtOnce|Cancel|Caught|Hooks$$|Knows|Pause|Promot.*Lifted|Recycle|Shutdown|Sibling|Skip
RACE_STORAGE ?= SameMoment|LateClicks|Concurrent|OneDecision|OneTakes|EventsAppear|Lease|Frozen|Progress|Outbox|Keeper
RACE_PROGRAM ?= Alerts|APIEventsLive|APIIdempotency|EveryAct|InTheChat|OverProcesses|OverTheAPI|Progress|Reload

LINT_VERSION ?= v2.15.0
LINT = $(CACHE)/bin/golangci-lint-$(LINT_VERSION)

# Go code of this repository, without what npm brings.
FOLDERS = approvals bot cmd configs engine storage
IMAGE  ?= mysql-recycler

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: deps-go ## Build the static binary bin/recycler
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/recycler ./cmd/recycler

.PHONY: release
release: deps-go ## Build dist/ for linux/amd64 and arm64, with checksums and SBOMs; the same source gives the same bytes
	@rm -rf dist && mkdir -p dist
	@set -e; for arch in amd64 arm64; do \
		out=dist/recycler-linux-$$arch; \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch $(GO) build -trimpath -buildvcs=false -tags timetzdata -ldflags '$(LDFLAGS) -buildid=' -o $$out ./cmd/recycler; \
		.ci/sbom $$out '$(VERSION)' >$$out.spdx; \
	done
	@cd dist && sha256sum recycler-* >SHA256SUMS && cat SHA256SUMS

.PHONY: test
test: deps-test ## Vet and test everything, on real servers and a real browser
	$(GO) vet ./...
	$(GO) test $(TEST_FLAGS) ./...

.PHONY: test-race
test-race: deps-test deps-race ## Run the race detector where goroutines meet
	CGO_ENABLED=1 $(GO) test -race $(TEST_FLAGS) -skip '$(RACE_SKIP)' $(RACE)
	CGO_ENABLED=1 $(GO) test -race $(TEST_FLAGS) -skip 'KilledAtRandom' -run '$(RACE_ENGINE)' ./engine
	CGO_ENABLED=1 $(GO) test -race $(TEST_FLAGS) -run '$(RACE_STORAGE)' ./approvals ./storage ./storage/backup
	CGO_ENABLED=1 $(GO) test -race $(TEST_FLAGS) -run '$(RACE_PROGRAM)' ./cmd/recycler

.PHONY: demo
demo: deps-demo build ## Boot a cluster, a chat workspace and the bot; ONCE=1 plays and checks the story (within WITHIN=3m), FLAVOR=mysql on MySQL
	./bin/recycler demo $(if $(ONCE),--once) $(if $(FLAVOR),--flavor $(FLAVOR)) $(if $(WITHIN),--within $(WITHIN))

.PHONY: bench
bench: deps-test ## Run the benchmarks of the packages that have some
	@packages=$$(grep -rl --include='*_test.go' '^func Benchmark' $(FOLDERS) | xargs -r -n1 dirname | sort -u | sed 's|^|./|'); \
	if [ -z "$$packages" ]; then echo 'no package has a benchmark yet'; exit 0; fi; \
	$(GO) test -p 1 -timeout 90m -run '^$$' -bench . -benchmem $$packages

.PHONY: cover
cover: deps-test ## Test with coverage and print the total
	$(GO) test $(TEST_FLAGS) -coverprofile=coverage.out -coverpkg=./... ./...
	$(GO) tool cover -func=coverage.out | tail -n 1

.PHONY: lint
lint: deps-go $(LINT) ## Run golangci-lint; built once into the cache
	$(LINT) run ./...

# A pinned linter of its own, because its dependencies do not belong into our go.mod.
$(LINT):
	@mkdir -p $(CACHE)/bin/building
	GOBIN=$(CACHE)/bin/building $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	@mv $(CACHE)/bin/building/golangci-lint $@

.PHONY: fmt
fmt: deps-go ## Format the Go code
	$(dir $(shell $(GO) env GOROOT)/bin/x)gofmt -w $(FOLDERS)

.PHONY: image
image: ## Build the container image with docker or podman
	@engine=$$(command -v docker || command -v podman) || { echo 'make image needs docker or podman' >&2; exit 1; }; \
	"$$engine" build --build-arg VERSION='$(VERSION)' -t $(IMAGE) .

.PHONY: deps-go deps-test deps-race deps-demo
deps-go:
	@.ci/deps go
deps-test:
	@.ci/deps go mariadb mysql percona galera postgres browser node fonts promtool
deps-race:
	@.ci/deps gcc
deps-demo:
	@.ci/deps go $(or $(FLAVOR),mariadb)
