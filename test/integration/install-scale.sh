#!/usr/bin/env bash
# The part of install.sh for several nodes: what stands around Kafka and PostgreSQL.
# Each function installs one thing, pinned, into .integration/.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dest=$(cd "$here/../.." && pwd)/.integration
mkdir -p "$dest/done"

have() { [ -f "$dest/done/$1" ] && [ "$(cat "$dest/done/$1")" = "$2" ]; }
mark() { printf '%s' "$2" >"$dest/done/$1"; }

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
    rm -rf "$root/venv"
    python3 -m venv "$root/venv"
    # Without looking dependencies up: the client asks for a later certifi than there is everywhere.
    "$root/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --no-deps -r "$here/requirements-registry.txt"
    mark confluent-kafka "$wanted"
  fi
}

registry
