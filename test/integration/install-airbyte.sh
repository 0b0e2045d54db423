#!/usr/bin/env bash
# Installs the Airbyte sources and the client that test strm as a destination,
# pinned, into .integration/. install.sh calls it.
set -euo pipefail

pyairbyte=0.71.3

here=$(cd "$(dirname "$0")" && pwd)
. "$here/install-lib.sh"

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
# PyAirbyte pulls in more than can be pinned here, and takes minutes: for make smoke.
if [ -n "${PYAIRBYTE:-}" ] && { ! have pyairbyte "$pyairbyte" || [ ! -x "$dest/pyairbyte/bin/pyab" ]; }; then
  [ -n "$python" ] || { echo "missing: please install Python 3.10, 3.11 or 3.12" >&2; exit 1; }
  echo "installing PyAirbyte $pyairbyte"
  rm -rf "$dest/pyairbyte"
  "$python" -m venv "$dest/pyairbyte"
  "$dest/pyairbyte/bin/pip" install --quiet --disable-pip-version-check "airbyte==$pyairbyte"
  mark pyairbyte "$pyairbyte"
fi

wanted=$(cksum <"$here/faros/package.json")
if ! have faros "$wanted" || [ ! -d "$dest/faros/node_modules/faros-airbyte-cdk" ]; then
  echo "installing a source on another CDK"
  rm -rf "$dest/faros"
  mkdir -p "$dest/faros"
  cp "$here/faros/package.json" "$dest/faros/"
  (cd "$dest/faros" && npm install --no-audit --no-fund --silent)
  mark faros "$wanted"
fi
cp "$here/faros/source.js" "$dest/faros/source.js"
