# `make help` lists the targets. Two commands matter: `make run` and `make test`.
GO      ?= go
PKGS    ?= ./...
LDFLAGS := -s -w
export CGO_ENABLED ?= 0

.PHONY: help run test demo bench race fuzz lint verify test-oidc test-browser build generate licences ci postgres clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

run: postgres ## start a complete wallet with its own PostgreSQL and a sandbox; Ctrl-C stops everything
	@$(GO) run ./cmd/vidan serve --sandbox

test: postgres ## all tests, on a real PostgreSQL of their own
	@$(GO) test -shuffle=on -timeout 10m $(PKGS)

demo: postgres ## play the story of a newborn over HTTP against a fresh server
	@$(GO) run ./cmd/vidan demo

bench: build postgres ## token, refresh, introspect, store, read, prefill beside their floors (about 2 minutes); JSON lines
	@./bin/vidan bench

race: postgres ## all tests with the race detector
	@CGO_ENABLED=1 $(GO) test -race -shuffle=on -timeout 20m $(PKGS)

fuzz: ## every fuzz target for FUZZTIME (default 10s) each
	@FUZZTIME=$${FUZZTIME:-10s} ./scripts/fuzz.sh

lint: ## formatting, vet, file sizes, words that promise later work
	@./scripts/lint.sh

verify: ## generated files are current, the API documents are sound, generated clients compile
	@./scripts/verify.sh

test-oidc: postgres ## certified OpenID clients from npm drive a sandbox from outside
	@./scripts/oidc.sh

test-browser: postgres ## Chromium signs in by every way; each page held against the rules of accessibility
	@./scripts/browser.sh

generate: ## write openapi/openapi.yaml and openapi-3.0.yaml anew
	@$(GO) run ./cmd/vidan openapi --out openapi

build: ## one static binary in bin/
	@mkdir -p bin && $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/vidan ./cmd/vidan

licences: ## list the modules linked into the binary with their licences
	@./scripts/licences.sh

ci: lint verify test test-oidc ## what every change must pass

postgres:
	@./scripts/postgres.sh

clean: ## remove what was built; the data in .vidan/ stays
	@rm -rf bin
