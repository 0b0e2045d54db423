#!/usr/bin/env bash
# Installs what the tests of several nodes need, pinned, into .integration/ at
# the root of the repository: Apache Kafka with its own tools, from Maven
# Central (the versions are in kafka/pom.xml), and librdkafka's Python client. Quick when it is there already.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dest=$(cd "$here/../.." && pwd)/.integration
mkdir -p "$dest/done"

# have NAME VERSION: was this version installed by an earlier run?
have() { [ -f "$dest/done/$1" ] && [ "$(cat "$dest/done/$1")" = "$2" ]; }
mark() { printf '%s' "$2" >"$dest/done/$1"; }

# system PACKAGE... : install Debian packages if we may, say what is missing otherwise.
system() {
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing Debian packages: $*"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
  else
    echo "missing: please install $* (Debian names), then run this again" >&2
    exit 1
  fi
}

kafka() {
  local wanted major
  wanted=$(cat "$here"/kafka/* | cksum)
  if have kafka "$wanted" && [ -d "$dest/kafka/libs" ]; then return; fi
  command -v java >/dev/null || system default-jdk-headless
  command -v mvn >/dev/null || system maven
  major=$(java -version 2>&1 | sed -n -E 's/.* version "([0-9]+).*/\1/p')
  [ "$major" -ge 17 ] || { echo "missing: please install Java 17 or newer; this is $major" >&2; exit 1; }
  echo "fetching Apache Kafka"
  rm -rf "$dest/kafka"
  mkdir -p "$dest/kafka"
  # Maven compares the checksums (-C: a wrong one is an error).
  mvn --quiet --batch-mode -C --file "$here/kafka/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$dest/kafka/libs"
  cp "$here/kafka/log4j.properties" "$dest/kafka/"
  command -v python3 >/dev/null || system python3 python3-venv
  python3 -m venv "$dest/kafka/venv" 2>/dev/null || { rm -rf "$dest/kafka/venv"; system python3-venv; python3 -m venv "$dest/kafka/venv"; }
  "$dest/kafka/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --no-deps -r "$here/kafka/requirements.txt"
  mark kafka "$wanted"
}

kafka
