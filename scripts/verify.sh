#!/usr/bin/env bash
# What is generated is current, the API documents are sound, and clients generated from them compile.
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}

./scripts/node.sh verify

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
