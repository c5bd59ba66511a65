#!/usr/bin/env bash
# Makes sure that PostgreSQL binaries exist; installs the distribution's package only when there are none.
set -euo pipefail

have() {
  [ -n "${DATABASE_URL:-}" ] || [ -n "${TEST_DATABASE_URL:-}" ] && return 0
  [ -n "${PG_BIN:-}" ] && [ -x "$PG_BIN/initdb" ] && return 0
  command -v initdb >/dev/null 2>&1 && return 0
  ls /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb /opt/homebrew/opt/postgresql@*/bin/initdb >/dev/null 2>&1
}

have && exit 0
as_root=()
if [ "$(id -u)" != 0 ]; then
  if sudo -n true 2>/dev/null; then as_root=(sudo -n); else as_root=(false); fi
fi
if ! command -v apt-get >/dev/null 2>&1 || [ "${as_root[0]:-}" = false ]; then
  echo "No PostgreSQL found. Install it once (Debian: sudo apt-get install postgresql) or set DATABASE_URL." >&2
  exit 1
fi
echo "No PostgreSQL found: installing the distribution's package (about 20 MB). No server is started by it."
# The package must not create and start a cluster of its own.
"${as_root[@]}" mkdir -p /etc/postgresql-common
[ -e /etc/postgresql-common/createcluster.conf ] ||
  printf 'create_main_cluster = false\n' | "${as_root[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
have || { echo "PostgreSQL was installed but its binaries were not found." >&2; exit 1; }
