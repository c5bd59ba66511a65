#!/usr/bin/env bash
# Lists every module linked into the binary with the first line that names its licence.
set -euo pipefail
cd "$(dirname "$0")/.."
echo "# Licences of what the binary contains"
echo
echo "| module | version | licence |"
echo "|---|---|---|"
go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/vidan | sort -u |
  while read -r path version dir; do
    [ -n "$path" ] || continue
    file=$(find "$dir" -maxdepth 1 -iname "LICEN[SC]E*" -o -maxdepth 1 -iname "COPYING*" | sort | head -n 1)
    text=$(head -c 4000 "${file:-/dev/null}" | tr -s ' \n' ' ')
    case $text in
    *"Apache License"*) kind=Apache-2.0 ;;
    *"Mozilla Public License"*) kind=MPL-2.0 ;;
    *"Permission is hereby granted, free of charge"*) kind=MIT ;;
    *"Permission to use, copy, modify, and"*"distribute this software"*) kind=ISC ;;
    *"Redistribution and use in source"*"Neither the name"* | *"Redistribution and use in source"*"endorse or promote"*) kind=BSD-3-Clause ;;
    *"Redistribution and use in source"*) kind=BSD-2-Clause ;;
    *) kind="see ${file##*/}" ;;
    esac
    echo "| $path | $version | $kind |"
  done
