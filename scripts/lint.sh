#!/usr/bin/env bash
# What a reviewer should not have to say: formatting, vet, sizes, promises of later work, words about the workplace.
set -euo pipefail
cd "$(dirname "$0")/.."
bad=0
say() { echo "lint: $*" >&2; bad=1; }

files=$(git ls-files --cached --others --exclude-standard '*.go')
unformatted=$(gofmt -l $files)
[ -z "$unformatted" ] || say "not gofmt-clean: $unformatted"

while read -r lines file; do
  case $file in
  total | *_gen.go | *.gen.go) ;;
  *_test.go) [ "$lines" -le 1200 ] || say "$file has $lines lines (tests: 1,200)" ;;
  *) [ "$lines" -le 800 ] || say "$file has $lines lines (800)" ;;
  esac
done < <(wc -l $files)

for name in utils helpers common types; do
  found=$(echo "$files" | grep -E "(^|/)$name\.go$" || true)
  [ -z "$found" ] || say "name files by noun or step, not $found"
done

if grep -nE '\b(TODO|FIXME|XXX|HACK)\b|not implemented|unimplemented' $files; then say "words that promise later work"; fi
if grep -nE 't\.Skip(f|Now)?\(' $files; then say "skipped tests"; fi
# A sleep in a synctest bubble takes no time; its line says that it is in one.
if grep -nE '\btime\.Sleep\(' $(echo "$files" | grep '_test\.go$') | grep -v 'bubble'; then say "tests that sleep"; fi

# Packages do not read the clock (STYLE: pass now); commands and the outside client own theirs.
if grep -nE '\btime\.(Now|Since|Until)\(' $(echo "$files" | grep -vE '_test\.go$|^cmd/|^bench|^internal/(localpg|pgtest|outside)/'); then
  say "a package reads the clock: take now func() time.Time"
fi

go vet ./... || bad=1
exit $bad
