#!/usr/bin/env bash
# Pin every dependency with its hashes, for Python 3.11 and later on any platform.
set -euo pipefail
cd "$(dirname "$0")/.."
export UV_CUSTOM_COMPILE_COMMAND="make lock"
for name in requirements requirements-dev; do
    .venv/bin/python -m uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
        --no-annotate --system-certs --output-file "$name.lock" "$name.txt"
    echo "Wrote $name.lock"
done
