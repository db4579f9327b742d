#!/bin/sh
# Sets the project up in .venv, for a person who has python3 >= 3.11 and nothing else of Python.
#
# Decides: which interpreter, where pip comes from, and whether there is anything to do at all. Leaves to
# requirements.lock what is installed (every file by its hash, wheels only), and to pip's own configuration where from.
# Installs nothing outside this folder and asks for no privilege. Says what it does on stderr; is silent when all is done.
set -eu
umask 022 # the front end runs as another user and must be able to read the packages
cd "$(dirname "$0")/.."

top=$(pwd -P)
venv=.venv
cache=$top/.cache/setup
stamp=$venv/.ssh-jit-setup

say() { printf 'setup: %s\n' "$*" >&2; }
die() {
    printf 'setup: %s\n' "$1" >&2
    [ $# -lt 2 ] || printf 'hint: %s\n' "$2" >&2
    exit 1
}

# ------------------------------------------------------------------------------------------------ is there work?

# What the venv was made from. Its own folder belongs to it: the launchers in .venv/bin hold absolute paths.
key() {
    { cat requirements.lock pyproject.toml demo/setup.sh && "$venv/bin/python" -VV && echo "$top"; } 2>/dev/null | sha256sum
}

done_already() { [ -s "$stamp" ] && [ "$(key)" = "$(cat "$stamp")" ]; }

done_already && exit 0

mkdir -p "$cache"
if command -v flock >/dev/null; then # two makes at once: the second waits, and then finds everything done
    exec 9>"$cache/lock"
    flock 9
    done_already && exit 0
fi

# ----------------------------------------------------------------------------------------------- the interpreter

find_python() {
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.11 python3.12 python3.13 python3.14; do
        command -v "$candidate" >/dev/null || continue
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        "$candidate" -c 'import ssl, sqlite3, venv' 2>/dev/null || continue
        printf '%s\n' "$candidate"
        return
    done
    die "there is no Python 3.11 or newer with ssl, sqlite3 and venv here" "apt-get install python3"
}

# A venv that was moved here, or whose interpreter was upgraded away, does not start or believes to be elsewhere.
venv_works() {
    [ -x "$venv/bin/python" ] &&
        "$venv/bin/python" -c 'import os, sys; sys.exit(os.path.realpath(sys.prefix) != os.path.realpath(".venv"))' 2>/dev/null
}

make_venv() {
    python=$(find_python)
    say "making $venv with $("$python" --version)"
    rm -rf "$venv"
    if "$python" -c 'import ensurepip' 2>/dev/null && "$python" -m venv "$venv" 2>"$cache/venv.log"; then
        return
    fi
    rm -rf "$venv" # Debian keeps ensurepip in a package of its own, and venv leaves a half behind
    "$python" -m venv --without-pip "$venv" || die "python -m venv failed"
}

# ------------------------------------------------------------------- Debian packages, unpacked and never installed

own_apt() {
    apt=$cache/apt
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial"
    apt-get -q -o Dir::State="$apt/state" -o Dir::State::status=/var/lib/dpkg/status -o Dir::Cache="$apt/cache" \
        -o Acquire::Languages=none -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=true "$@"
}

# unpack PACKAGE: leaves its files in $cache/PACKAGE. First by the system's package lists, then by fresh ones of our own.
unpack() {
    package=$1
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    download=$cache/$package.download
    rm -rf "$download" "${cache:?}/$package"
    mkdir -p "$download"
    say "fetching Debian's $package (unpacked in $cache, not installed)"
    if ! (cd "$download" && apt-get -q download "$package") >"$cache/apt.log" 2>&1; then
        { own_apt update && (cd "$download" && own_apt download "$package"); } >>"$cache/apt.log" 2>&1 || return 1
    fi
    dpkg-deb -x "$download"/*.deb "$cache/$package" && rm -rf "$download"
}

# ------------------------------------------------------------------------------------------------------------ pip

get_pip() {
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 && return
    unpack python3-pip-whl || die "there is no pip, and Debian's could not be fetched (see $cache/apt.log)" \
        "apt-get install python3-venv"
    wheel=$(find "$cache/python3-pip-whl" -name 'pip-*.whl')
    "$venv/bin/python" "$wheel/pip" install -q --no-index --no-deps "$wheel" || die "pip could not install itself"
}

# A system without ca-certificates can check nobody on the network. Debian's archive signs the same list.
get_authorities() {
    [ -z "${PIP_CERT:-}${SSL_CERT_FILE:-}${REQUESTS_CA_BUNDLE:-}" ] || return 0
    [ -e /etc/debian_version ] && [ ! -s /etc/ssl/certs/ca-certificates.crt ] || return 0
    unpack ca-certificates || die "there are no certificate authorities here" "apt-get install ca-certificates"
    cat "$cache"/ca-certificates/usr/share/ca-certificates/mozilla/*.crt >"$cache/authorities.pem"
    PIP_CERT=$cache/authorities.pem
    export PIP_CERT
}

pip() {
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore "$venv/bin/python" -m pip "$@"
}

# ---------------------------------------------------------------------------------------------------------- doing

venv_works || make_venv
rm -f "$stamp"
get_pip
get_authorities
say "installing what requirements.lock lists"
pip install -q --require-hashes --only-binary=:all: -r requirements.lock >&2 ||
    die "pip could not install requirements.lock" "check the network, or pip's configuration (pip config list)"
pip install -q --no-deps --no-build-isolation --no-index -e . >&2 || die "the project could not be installed into $venv"
key >"$stamp"
say "done"
