#!/usr/bin/env bash
# Installs what the integration tests need, pinned, into .integration/ at the
# root of the repository: versitygw (an independent S3 and IAM server), the AWS
# CLI and boto3, a public data set, and Airbyte sources. Quick when everything is there already.
set -euo pipefail

versitygw=v1.8.0
dataset=vega-datasets@3.2.1
pyairbyte=0.71.3

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
dest=$root/.integration
mkdir -p "$dest/bin" "$dest/done"

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

command -v go >/dev/null || { echo "missing: please install Go" >&2; exit 1; }

if ! have versitygw "$versitygw" || [ ! -x "$dest/bin/versitygw" ]; then
  echo "building versitygw $versitygw (about two minutes)"
  # Outside of the repository, so that its go.mod has no say.
  (cd "$dest" && GOFLAGS='' GOWORK=off GOBIN="$dest/bin" CGO_ENABLED=0 go install "github.com/versity/versitygw/cmd/versitygw@$versitygw")
  mark versitygw "$versitygw"
fi

wanted=$(cksum <"$here/requirements.txt")
if ! have python "$wanted" || ! "$dest/venv/bin/python" -c 'import boto3' 2>/dev/null; then
  command -v python3 >/dev/null || system python3 python3-venv
  rm -rf "$dest/venv"
  python3 -m venv "$dest/venv" 2>/dev/null || { rm -rf "$dest/venv"; system python3-venv; python3 -m venv "$dest/venv"; }
  echo "installing the AWS CLI and boto3"
  "$dest/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --no-deps -r "$here/requirements.txt"
  "$dest/venv/bin/pip" check --disable-pip-version-check
  mark python "$wanted"
fi

if ! have dataset "$dataset" || [ ! -s "$dest/data/flights-200k.json" ]; then
  command -v npm >/dev/null || system npm
  echo "fetching $dataset"
  tmp=$(mktemp -d)
  trap 'rm -rf "$tmp"' EXIT
  (cd "$tmp" && npm pack --silent "$dataset" >/dev/null && tar -xzf ./*.tgz package/data/flights-200k.json)
  mkdir -p "$dest/data"
  mv "$tmp/package/data/flights-200k.json" "$dest/data/flights-200k.json"
  mark dataset "$dataset"
fi

# Airbyte's sources and its own client want a Python of their choice: 3.10 to 3.12.
python=
for p in python3.11 python3.12 python3.10 python3; do
  if command -v "$p" >/dev/null && "$p" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then python=$p; break; fi
done
wanted=$(cksum <"$here/requirements-faker.txt")
if ! have faker "$wanted" || [ ! -x "$dest/faker/bin/source-faker" ]; then
  [ -n "$python" ] || { echo "missing: please install Python 3.10, 3.11 or 3.12" >&2; exit 1; }
  echo "installing Airbyte's source-faker"
  rm -rf "$dest/faker"
  "$python" -m venv "$dest/faker"
  "$dest/faker/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/requirements-faker.txt"
  mark faker "$wanted"
fi
if ! have pyairbyte "$pyairbyte" || [ ! -x "$dest/pyairbyte/bin/pyab" ]; then
  [ -n "$python" ] || { echo "missing: please install Python 3.10, 3.11 or 3.12" >&2; exit 1; }
  echo "installing PyAirbyte $pyairbyte"
  rm -rf "$dest/pyairbyte"
  "$python" -m venv "$dest/pyairbyte"
  "$dest/pyairbyte/bin/pip" install --quiet --disable-pip-version-check "airbyte==$pyairbyte"
  mark pyairbyte "$pyairbyte"
fi

wanted=$(cksum <"$here/faros/package.json")
if ! have faros "$wanted" || [ ! -d "$dest/faros/node_modules/faros-airbyte-cdk" ]; then
  command -v npm >/dev/null || system nodejs npm
  echo "installing a source on another CDK"
  rm -rf "$dest/faros"
  mkdir -p "$dest/faros"
  cp "$here/faros/package.json" "$dest/faros/"
  (cd "$dest/faros" && npm install --no-audit --no-fund --silent)
  mark faros "$wanted"
fi
cp "$here/faros/source.js" "$dest/faros/source.js"

echo "integration tools ready in $dest"
