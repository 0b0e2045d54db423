#!/usr/bin/env bash
# The part of install.sh for Harness FME: Split's SDKs for Node.js, browsers and
# Go, and parquet-java, which writes event files and reads impressions.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/install-lib.sh"
clients=$here/clients

wanted=$(cat "$clients/split/package.json" "$clients/split/package-lock.json" "$clients/split/page.js" | cksum)
if ! have split-npm "$wanted" || [ ! -f "$dest/npm/split/bundle.js" ]; then
  echo "installing Split's npm packages"
  rm -rf "$dest/npm/split" && mkdir -p "$dest/npm/split"
  cp "$clients/split/package.json" "$clients/split/package-lock.json" "$clients/split/page.js" "$dest/npm/split/"
  (cd "$dest/npm/split" && npm ci --silent --ignore-scripts --no-audit --no-fund &&
    node_modules/.bin/esbuild page.js --bundle --format=iife --global-name=splitio --outfile=bundle.js --log-level=warning)
  mark split-npm "$wanted"
fi

wanted=$(cat "$clients"/split/go/* | cksum)
if ! have split-go "$wanted" || [ ! -x "$dest/bin/split-go" ]; then
  echo "building Split's Go client"
  (cd "$clients/split/go" && GOFLAGS='' GOWORK=off go build -o "$dest/bin/split-go" .)
  mark split-go "$wanted"
fi

wanted=$(cat "$clients"/parquet/* | cksum)
if ! have parquet-java "$wanted" || [ ! -f "$dest/java/parquet/EventFiles.class" ]; then
  echo "building parquet-java's programs"
  rm -rf "$dest/java/parquet" && mkdir -p "$dest/java/parquet"
  mvn --quiet --batch-mode --file "$clients/parquet/pom.xml" dependency:copy-dependencies -DoutputDirectory="$dest/java/parquet/lib"
  javac -encoding UTF-8 -d "$dest/java/parquet" -cp "$dest/java/parquet/lib/*" "$clients"/parquet/*.java
  mark parquet-java "$wanted"
fi
