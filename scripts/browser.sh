#!/usr/bin/env bash
# Chromium signs in at a sandbox of its own and looks at every page (test/browser). CHROMIUM names another browser than the distribution's.
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}
./scripts/node.sh browser
export CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
if [ ! -x "$CHROMIUM" ]; then
  if [ "$CHROMIUM" != /usr/bin/chromium ] || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "browser: needs $CHROMIUM (Debian: apt-get install chromium; CHROMIUM names another)" >&2
    exit 1
  fi
  echo "browser: no Chromium found: installing the distribution's package"
  apt-get update -qq
  env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(
  cd test/browser
  if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    npm ci --ignore-scripts --no-audit --no-fund --silent
  fi
)
"$GO" vet -tags browser ./test/browser
"$GO" build -o "$work/vidan" ./cmd/vidan
VIDAN_BINARY="$work/vidan" "$GO" test -tags browser -count=1 -timeout 10m -v ./test/browser |
  sed '/^ *=== /d'
