#!/usr/bin/env bash
# The part of install.sh for several nodes: servers that they share.
set -euo pipefail

# postgres: Debian's server, any version that strm works with. Tests start
# servers of their own from it (test/servers); Debian's own is not needed.
postgres() {
  if ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then return; fi
  if command -v pg_config >/dev/null && [ -x "$(pg_config --bindir)/initdb" ]; then return; fi
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "missing: please install postgresql (the server, 13 or later), then run this again" >&2
    exit 1
  fi
  echo "installing PostgreSQL"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
}

postgres
