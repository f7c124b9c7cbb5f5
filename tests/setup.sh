# Sourced by tests/run and tests/benchmark/run: finds or installs what they need. Defines `python`.

# Debian packages the tests call by name.
set_up_debian() {
    local missing=()
    command -v psql >/dev/null || missing+=(postgresql-client-15)
    # The scripts' answers are held against the real thing.
    [ -x /usr/lib/postgresql/15/bin/initdb ] || missing+=(postgresql-15)
    # For pgjdbc.
    command -v javac >/dev/null || missing+=(openjdk-17-jdk-headless)
    [ -e /usr/share/java/postgresql.jar ] || missing+=(libpostgresql-jdbc-java)
    command -v cc >/dev/null || missing+=(gcc libc6-dev)
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3 python3-venv)
    [ ${#missing[@]} -eq 0 ] && return
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "missing: ${missing[*]}. Install them (Debian 12: sudo apt-get install ${missing[*]}) or run this as root." >&2
        exit 1
    fi
    echo "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    # The tests start a cluster of their own; Debian's need not be created or started.
    mkdir -p /etc/postgresql-common/createcluster.d
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/arbalest-tests.conf
    apt-get update -qq </dev/null
    apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >/dev/null
}

set_up_rust() {
    if ! command -v cargo >/dev/null; then
        echo "missing: a Rust toolchain (https://rustup.rs)" >&2
        exit 1
    fi
    export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/arbalest/target}"
}

# python_environment NAME REQUIREMENTS: makes target/NAME, again only when the requirements have changed.
python_environment() {
    local environment="target/$1" requirements="$2"
    if ! cmp -s "$requirements" "$environment/requirements.txt"; then
        echo "making $environment"
        rm -rf "$environment"
        python3 -m venv "$environment"
        "$environment/bin/pip" install --quiet --disable-pip-version-check -r "$requirements" </dev/null
        cp "$requirements" "$environment/requirements.txt"
    fi
}
