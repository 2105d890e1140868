#!/usr/bin/env bash
# Make .venv and install one of the lock files into it: scripts/setup.sh app | dev
#
# What is there and up to date is left alone, without a network. PYTHON names another interpreter than the first
# suitable one.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/system.sh

kind=${1:-app}
case $kind in
    app) lock=requirements.lock ;;
    dev) lock=requirements-dev.lock ;;
    *) echo "scripts/setup.sh takes app or dev, not '$kind'." >&2; exit 2 ;;
esac
stamp=.venv/.installed-$kind

suitable() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3.11 python3 python3.12 python3.13 python}; do
        if suitable "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    echo "Pneumoscope needs Python 3.11, 3.12 or 3.13, and none was found. Install one" \
        "(Debian: apt-get install python3 python3-venv), or name it: make app PYTHON=/path/to/python3.11" >&2
    return 1
}

make_venv() {
    local python version
    python=$(find_python)
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        apt_install "python$version-venv" || {
            echo "$python cannot make virtual environments. Run: sudo apt-get install python$version-venv" >&2
            return 1
        }
    fi
    echo "Making .venv with Python $version ($python)"
    rm -rf .venv
    "$python" -m venv .venv
}

check_opencv() {
    local said
    said=$(.venv/bin/python -c 'import cv2' 2>&1) && return
    # opencv-python links against the desktop's libraries, which a server may lack; packages.txt lists them.
    if apt_install $(cat packages.txt) && .venv/bin/python -c 'import cv2' 2>/dev/null; then
        return
    fi
    echo "OpenCV cannot be loaded: ${said##*$'\n'}" >&2
    echo "Run: sudo apt-get install $(tr '\n' ' ' <packages.txt)" >&2
    return 1
}

wanted="$(.venv/bin/python -V 2>/dev/null || true) $PWD $(sha256sum "$lock" | cut -d ' ' -f 1)"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    exit 0
fi
if ! suitable .venv/bin/python || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    make_venv
fi
echo "Installing $lock (the first time this takes a few minutes and 3 GB) ..."
quiet=()
[ -t 1 ] || quiet=(--quiet --quiet)
.venv/bin/python -m pip install --no-input --disable-pip-version-check --require-hashes "${quiet[@]}" -r "$lock"
check_opencv
echo "$(.venv/bin/python -V) $PWD $(sha256sum "$lock" | cut -d ' ' -f 1)" >"$stamp"
