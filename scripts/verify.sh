#!/usr/bin/env bash
# What is generated is current, the API documents are sound, and clients generated from them compile.
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}

# Two tools of the distribution, for checking alone: no program of ours runs on them.
if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "verify: needs node and npm (Debian: apt-get install nodejs npm)" >&2
    exit 1
  fi
  echo "verify: no node and npm found: installing the distribution's packages"
  apt-get update -qq
  env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null
fi

# Both languages at once: neither waits for the other's compiler.
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

typescript() {
  cd clients/ts
  if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    npm ci --no-audit --no-fund --silent
  fi
  mkdir -p dist
  npm run --silent lint
  npm run --silent types
  npm run --silent check
}

golang() {
  cd clients/go
  mkdir -p vidan
  "$GO" tool oapi-codegen -config generate.yaml ../../openapi/openapi-3.0.yaml
  "$GO" vet ./...
}

(typescript) >"$logs/ts" 2>&1 &
ts=$!
bad=0
"$GO" run ./cmd/vidan openapi --out openapi --check || bad=1
(golang) || { echo "verify: the Go client does not compile" >&2; bad=1; }
wait "$ts" || { cat "$logs/ts" >&2; echo "verify: the documents or their TypeScript types are not sound" >&2; bad=1; }
[ "$bad" = 0 ] && echo "verify: documents current and sound, TypeScript and Go clients compile"
exit "$bad"
