# Functions of .ci/run; sourced, not run.
# shellcheck shell=bash

# step TEXT: say what comes next, and how many seconds have passed.
step() {
    printf '\n=== %s [%d s]\n' "$1" "$SECONDS"
}

# find_python X.Y: print the path of such an interpreter, or fail.
# A shim of pyenv is no interpreter: it is on PATH for versions that it then refuses to run.
find_python() {
    local wanted=$1 candidate
    local pyenv_root=${PYENV_ROOT:-$HOME/.pyenv}
    for candidate in "python$wanted" "$pyenv_root/versions/$wanted".*/bin/python "/usr/bin/python$wanted" python3; do
        if "$candidate" -c "import sys, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] != '$wanted')" \
            >/dev/null 2>&1; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    # The last resort is one that uv downloads.
    if uv python install --quiet "$wanted" && uv python find --managed-python "$wanted"; then
        return
    fi
    echo "No Python $wanted: install it, or make it known to pyenv." >&2
    return 1
}

# ensure_mariadb: the tests start a MariaDB server of their own; it has to be installed.
ensure_mariadb() {
    export PATH=$PATH:/usr/sbin
    if ! command -v mariadbd >/dev/null; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends mariadb-server >/dev/null
    fi
    mariadbd --version
}
