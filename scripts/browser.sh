#!/usr/bin/env bash
# Print the path of a Chromium that starts, installing one where there is none.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/system.sh

find_browser() {
    local name path
    for name in "${PNEUMOSCOPE_CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable chrome; do
        path=$([ -n "$name" ] && command -v "$name") || continue
        if "$path" --version >/dev/null 2>&1; then
            echo "$path"
            return
        fi
    done
    return 1
}

playwrights_own() {
    .venv/bin/python - <<'PYTHON'
import subprocess
from playwright.sync_api import sync_playwright

with sync_playwright() as driver:
    path = driver.chromium.executable_path
subprocess.run([path, "--version"], check=True, capture_output=True)
print(path)
PYTHON
}

if find_browser || playwrights_own 2>/dev/null; then
    exit 0
fi
echo "The browser tests need Chromium; there is none, so one is installed." >&2
if apt_install chromium && find_browser; then
    exit 0
fi
if .venv/bin/python -m playwright install chromium >&2 && playwrights_own; then
    exit 0
fi
cat >&2 <<'TEXT'
No Chromium could be found or installed, and the browser tests are never skipped. Install one and run again:
    sudo apt-get install chromium
or name one you have: make test PNEUMOSCOPE_CHROMIUM=/path/to/chrome
TEXT
exit 1
