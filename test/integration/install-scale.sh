#!/usr/bin/env bash
# Installs what the tests of several nodes need, pinned, into .integration/ at
# the root of the repository: Apache Kafka with its own tools, from Maven
# Central (the versions are in kafka/pom.xml), and librdkafka's Python client. Quick when it is there already.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/install-lib.sh"

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
  venv "$dest/kafka/venv"
  "$dest/kafka/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --no-deps -r "$here/kafka/requirements.txt"
  mark kafka "$wanted"
}

# registry: Apicurio Registry, whose API Confluent's clients speak, and Confluent's
# client with its serializers.
registry() {
  local version=2.6.13.Final sum=3cda1b34aa020fb4ac4dd6a66018d757e81e437f97e20a1f92d366b70091c6ba
  local root=$dest/registry wanted
  if ! have apicurio "$version" || [ ! -d "$root/apicurio/lib" ]; then
    echo "installing Apicurio Registry $version"
    rm -rf "$root/apicurio" "$root/download"
    mkdir -p "$root/apicurio" "$root/download"
    mvn --quiet --batch-mode org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
      -Dartifact="io.apicurio:apicurio-registry-app:$version:tar.gz:all" -DoutputDirectory="$root/download"
    echo "$sum  $root/download/apicurio-registry-app-$version-all.tar.gz" | sha256sum --check --quiet
    tar -xzf "$root/download/apicurio-registry-app-$version-all.tar.gz" -C "$root/apicurio"
    rm -rf "$root/download"
    mark apicurio "$version"
  fi
  wanted=$(cksum <"$here/requirements-registry.txt")
  if ! have confluent-kafka "$wanted" || [ ! -x "$root/venv/bin/python" ]; then
    echo "installing Confluent's Kafka client"
    venv "$root/venv"
    # Without looking dependencies up: the client asks for a later certifi than there is everywhere.
    "$root/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --no-deps -r "$here/requirements-registry.txt"
    mark confluent-kafka "$wanted"
  fi
}

# postgres: Debian's server, any version that strm works with. Tests start
# servers of their own from it (test/servers); Debian's own is not needed.
postgres() {
  if ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then return; fi
  if command -v pg_config >/dev/null && [ -x "$(pg_config --bindir)/initdb" ]; then return; fi
  system postgresql
}

# Arguments name what is wanted; everything if there are none.
for part in ${*:-kafka registry postgres}; do $part; done
