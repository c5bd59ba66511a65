#!/usr/bin/env bash
# Node and npm of the distribution, for checking alone: no program of ours runs on them. Usage: node.sh WHO NEEDS THEM [OLDEST MAJOR VERSION]
set -euo pipefail
if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "$1: needs node and npm (Debian: apt-get install nodejs npm)" >&2
    exit 1
  fi
  echo "$1: no node and npm found: installing the distribution's packages"
  apt-get update -qq
  env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null
fi
major=$(node -p 'process.versions.node.split(".")[0]')
if [ "$major" -lt "${2:-18}" ]; then
  echo "$1: needs node ${2:-18} or newer, found $(node --version)" >&2
  exit 1
fi
