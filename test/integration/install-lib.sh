# What the install scripts share; each sources it after `here` is set.
# shellcheck shell=bash
dest=$(cd "$here/../.." && pwd)/.integration
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

# venv DIR: a new Python environment.
venv() {
  command -v python3 >/dev/null || system python3 python3-venv
  rm -rf "$1"
  python3 -m venv "$1" 2>/dev/null || { rm -rf "$1"; system python3-venv; python3 -m venv "$1"; }
}
