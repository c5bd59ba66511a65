#!/usr/bin/env bash
# Runs every fuzz target of the module for FUZZTIME each.
set -euo pipefail
cd "$(dirname "$0")/.."
grep -rnoE --include='*_test.go' 'func (Fuzz[A-Za-z0-9_]+)\(' . | sed -E 's|^\./([^:]*)/[^/:]+_test\.go:[0-9]+:func (Fuzz[A-Za-z0-9_]+)\(|\1 \2|' |
  while read -r pkg target; do
    echo "fuzz $pkg $target"
    go test "./$pkg" -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-10s}" </dev/null
  done
