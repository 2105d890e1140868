# Helpers for the other scripts: install Debian packages where that is allowed without a question.

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        return 1
    fi
}

apt_install() {
    command -v apt-get >/dev/null && as_root true || return 1
    echo "Installing with apt-get: $*" >&2
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@")
    # The package lists may be absent or old: fetch them and try again.
    as_root "${install[@]}" </dev/null >/dev/null 2>&1 ||
        { as_root apt-get update -qq </dev/null >&2 && as_root "${install[@]}" </dev/null >&2; }
}
