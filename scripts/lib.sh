# What the scripts share: virtual environments with pinned packages. Sourced by bash, never run.

export PIP_DISABLE_PIP_VERSION_CHECK=1

die() {
    printf '%s: %s\n' "$0" "$1" >&2
    exit 1
}

# Print the first Python that is new enough; $PYTHON, when set, is the only candidate.
find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.11 python3.12 python3.13 python3.14}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    die "Python 3.11 or newer is needed, found none of: ${PYTHON:-python3 python3.11 … python3.14}.
Install it, or name one: PYTHON=/path/to/python $0"
}

# make_venv DIR: make an empty virtual environment, unless DIR is a working one.
make_venv() {
    "$1/bin/python" -m pip --version >/dev/null 2>&1 && return
    local python
    python=$(find_python) || exit 1
    "$python" -c 'import ensurepip' 2>/dev/null || die "$python cannot make virtual environments.
On Debian and Ubuntu: apt-get install $("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    "$python" -m venv --clear "$1" || die "cannot make a virtual environment in $1"
}

# install_pinned DIR FILE: install FILE's packages, unless they are there. Each has a version and a hash,
# and none is built from source, which would bring build tools that nobody pinned.
install_pinned() {
    make_venv "$1"
    cmp -s "$2" "$1/installed.txt" && return
    printf 'Installing %s into %s (once) …\n' "$2" "$1"
    "$1/bin/python" -m pip install -qq --require-hashes --only-binary :all: -r "$2" ||
        die "cannot install $2: see above"
    cp "$2" "$1/installed.txt"
}
