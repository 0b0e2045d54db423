#!/usr/bin/env bash
# Installs what the integration tests need, pinned, into .integration/ at the
# root of the repository: independent servers (versitygw: S3 and IAM; Ceph's
# radosgw: S3, IAM and STS; moto: S3, IAM, STS and KMS), the AWS CLI and boto3,
# a public data set, the clients of other vendors that send to strm, and Airbyte
# sources (install-airbyte.sh), and what several nodes need (install-scale.sh). jq,
# Node.js, Java and Chromium are Debian's. Quick when everything is there already.
set -euo pipefail

versitygw=v1.8.0
dataset=vega-datasets@3.2.1
ceph='16.2.15*' # as in Debian 12; apt knows the checksums

here=$(cd "$(dirname "$0")" && pwd)
. "$here/install-lib.sh"

command -v go >/dev/null || { echo "missing: please install Go" >&2; exit 1; }

if ! have versitygw "$versitygw" || [ ! -x "$dest/bin/versitygw" ]; then
  echo "building versitygw $versitygw (about two minutes)"
  # Outside of the repository, so that its go.mod has no say.
  (cd "$dest" && GOFLAGS='' GOWORK=off GOBIN="$dest/bin" CGO_ENABLED=0 go install "github.com/versity/versitygw/cmd/versitygw@$versitygw")
  mark versitygw "$versitygw"
fi

wanted=$(cksum <"$here/requirements.txt")
if ! have python "$wanted" || ! "$dest/venv/bin/python" -c 'import boto3, moto.server' 2>/dev/null; then
  venv "$dest/venv"
  echo "installing the AWS CLI, boto3, moto, pyarrow and DuckDB"
  "$dest/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --no-deps -r "$here/requirements.txt"
  "$dest/venv/bin/pip" check --disable-pip-version-check
  mark python "$wanted"
fi

# Debian's packages, extracted: nothing is installed into the system.
rgw=$dest/radosgw
rgw_runs() {
  local lib
  for lib in "$rgw"/usr/lib/*-linux-gnu; do
    LD_LIBRARY_PATH=$lib:$lib/ceph:$rgw/lib/${lib##*/} "$rgw/usr/bin/radosgw" --version >/dev/null && return
  done
  return 1
}
rgw_fetch() ( # into the present directory
  set -euo pipefail
  aims=("radosgw=$ceph" "ceph-mon=$ceph" "ceph-osd=$ceph")
  apt-get install --print-uris --reinstall -y -qq --no-install-recommends "${aims[@]}" >uris
  # Of what they depend on, the programs are for real clusters.
  mapfile -t names < <(awk '{print $2}' uris | sed -n -E 's/^((lib|ceph-|radosgw)[^_]*)_.*/\1/p')
  apt-get download -qq -o APT::Sandbox::User=root "${names[@]}"
)
if ! have radosgw "$ceph" || [ ! -x "$rgw/usr/bin/radosgw" ]; then
  if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
    echo "missing: apt-get and dpkg: radosgw is taken from the packages of Debian 12" >&2
    exit 1
  fi
  echo "fetching radosgw $ceph"
  rm -rf "$rgw" "$dest/radosgw.debs"
  mkdir -p "$rgw" "$dest/radosgw.debs"
  cd "$dest/radosgw.debs"
  if ! rgw_fetch 2>/dev/null; then # no lists of packages yet, or old ones
    [ "$(id -u)" = 0 ] && apt-get update -qq
    rgw_fetch || { echo "missing: apt has no radosgw $ceph (Debian 12), or its lists are old: apt-get update, then run this again" >&2; exit 1; }
  fi
  for deb in ./*.deb; do dpkg -x "$deb" "$rgw"; done
  cd "$here"
  rm -rf "$rgw/usr/share" "$dest/radosgw.debs"
  rgw_runs || { echo "radosgw does not run on this machine" >&2; exit 1; }
  mark radosgw "$ceph"
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

missing=()
for pair in jq:jq node:nodejs npm:npm chromium:chromium javac:default-jdk-headless mvn:maven; do
  command -v "${pair%:*}" >/dev/null || missing+=("${pair#*:}")
done
[ ${#missing[@]} = 0 ] || system "${missing[@]}"

[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || { echo "missing: please install Node.js 20 or newer; this is $(node --version)" >&2; exit 1; }

clients=$here/clients/segment

wanted=$(cat "$clients/package.json" "$clients/package-lock.json" | cksum)
if ! have segment-npm "$wanted" || [ ! -d "$dest/npm/segment/node_modules" ]; then
  echo "installing Segment's npm packages"
  rm -rf "$dest/npm/segment" && mkdir -p "$dest/npm/segment"
  cp "$clients/package.json" "$clients/package-lock.json" "$dest/npm/segment/"
  (cd "$dest/npm/segment" && npm ci --silent --ignore-scripts --no-audit --no-fund)
  mark segment-npm "$wanted"
fi

wanted=$(cat "$clients"/go/* | cksum)
if ! have segment-go "$wanted" || [ ! -x "$dest/bin/segment-go" ]; then
  echo "building Segment's Go clients"
  (cd "$clients/go" && GOFLAGS='' GOWORK=off go build -o "$dest/bin/segment-go" .)
  mark segment-go "$wanted"
fi

wanted=$(cat "$clients"/java/* | cksum)
if ! have segment-java "$wanted" || [ ! -f "$dest/java/segment/Client.class" ]; then
  echo "building Segment's Java client"
  rm -rf "$dest/java/segment" && mkdir -p "$dest/java/segment"
  mvn --quiet --batch-mode --file "$clients/java/pom.xml" dependency:copy-dependencies -DoutputDirectory="$dest/java/segment/lib"
  javac -encoding UTF-8 -d "$dest/java/segment" -cp "$dest/java/segment/lib/*" "$clients/java/Client.java"
  mark segment-java "$wanted"
fi

wanted=$(cksum <"$clients/requirements.txt")
if ! have segment-python "$wanted" || ! "$dest/segment-venv/bin/python" -c 'import segment.analytics' 2>/dev/null; then
  echo "installing Segment's Python client"
  rm -rf "$dest/segment-venv"
  python3 -m venv "$dest/segment-venv"
  "$dest/segment-venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --no-deps -r "$clients/requirements.txt"
  "$dest/segment-venv/bin/pip" check --disable-pip-version-check
  mark segment-python "$wanted"
fi

bash "$here/install-airbyte.sh"
bash "$here/install-fme.sh"
bash "$here/install-scale.sh"

echo "integration tools ready in $dest"
