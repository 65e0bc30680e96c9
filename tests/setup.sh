# What `tests/run` and `tests/full` prepare alike; both source it at the project's root.

# Debian packages, each after a program that it brings: `installed program:package...`.
installed() {
    local missing=() wanted
    for wanted in "$@"; do
        command -v "${wanted%%:*}" > /dev/null || missing+=("${wanted#*:}")
    done
    [ ${#missing[@]} -eq 0 ] || { apt-get update -qq; apt-get install -y --no-install-recommends "${missing[@]}" > /dev/null; }
}

# Into target/venv: what pip is told, or what the tests of Python need.
packages() {
    [ $# -gt 0 ] || set -- -r tests/requirements.txt
    [ -x target/venv/bin/python ] || python3 -m venv target/venv
    target/venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"
}

# What the tests of Python need, and the wheel of this tree.
wheel() {
    packages
    rm -rf target/wheels
    target/venv/bin/maturin build --quiet --release -m covmap-py/Cargo.toml --out target/wheels
    target/venv/bin/python -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps target/wheels/covmap-*.whl
}
