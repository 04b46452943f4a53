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

# install_redis: make sure that there is a Redis server to start, which tests/full_stack does.
install_redis() {
    if ! command -v redis-server >/dev/null; then
        apt-get update -qq
        RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
            apt-get install -qq --no-install-recommends redis-server >/dev/null
    fi
    redis-server --version
}

# install_mysqlclient PYTHON: build the driver that the mysql provider asks for, with the headers that it needs.
install_mysqlclient() {
    if ! pkg-config --exists mysqlclient 2>/dev/null && ! pkg-config --exists libmariadb 2>/dev/null; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends \
            build-essential pkg-config default-libmysqlclient-dev >/dev/null
    fi
    # Not in the project's folder, where uv leaves it out (pyproject.toml).
    (cd / && uv pip install --quiet --python "$1" "mysqlclient>=2.2.5")
}

# start_mariadb FOLDER: make sure that a MariaDB answers where the tests look for one, 127.0.0.1:3306 for root
# without a password; one that is not there yet keeps its data in FOLDER until stop_mariadb.
start_mariadb() {
    local folder=$1
    export PATH=$PATH:/usr/sbin
    if ! command -v mariadbd >/dev/null; then
        apt-get update -qq
        # In run level 1 the package does not start a server of its own, which would take the port.
        RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
            apt-get install -qq --no-install-recommends mariadb-server >/dev/null
    fi
    if ! mariadb_answers; then
        mariadb-install-db --no-defaults --auth-root-authentication-method=normal --skip-test-db \
            --user="$(id -un)" --datadir="$folder" >/dev/null
        mariadbd --no-defaults --user="$(id -un)" --datadir="$folder" --socket="$folder/socket" \
            --bind-address=127.0.0.1 --port=3306 >"$folder/log" 2>&1 &
        mariadb_pid=$!
    fi
    for _ in {1..60}; do
        if mariadb_answers; then
            mariadb --no-defaults --protocol=tcp --host=127.0.0.1 --user=root --skip-column-names \
                --execute "SELECT CONCAT('MariaDB ', VERSION())"
            return
        fi
        sleep 0.5
    done
    echo "No MariaDB answers at 127.0.0.1:3306 for root without a password." >&2
    [ ! -f "$folder/log" ] || tail -n 20 "$folder/log" >&2
    return 1
}

mariadb_answers() {
    mariadb-admin --no-defaults --protocol=tcp --host=127.0.0.1 --user=root status >/dev/null 2>&1
}

stop_mariadb() {
    if [ -n "${mariadb_pid-}" ]; then
        kill "$mariadb_pid" 2>/dev/null || true
        wait "$mariadb_pid" 2>/dev/null || true
    fi
}
