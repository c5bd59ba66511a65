#!/usr/bin/env bash
# Certified OpenID clients drive a sandbox from outside (test/oidc). Arguments, if any, are the test files to run.
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}
./scripts/node.sh oidc 20

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$GO" build -o "$work/vidan" ./cmd/vidan
cd test/oidc
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --ignore-scripts --no-audit --no-fund --silent
fi
node run.mjs --vidan="$work/vidan" "$@"
