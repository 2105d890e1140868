#!/usr/bin/env bash
# Run every check and every test; go on after a failure, and fail at the end. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh dev
PNEUMOSCOPE_CHROMIUM=$(scripts/browser.sh)
export PNEUMOSCOPE_CHROMIUM
export TF_CPP_MIN_LOG_LEVEL=${TF_CPP_MIN_LOG_LEVEL:-3}
echo "Browser: $PNEUMOSCOPE_CHROMIUM"
if [ -n "${PNEUMOSCOPE_DATA:-}" ]; then
    echo "Real data: $PNEUMOSCOPE_DATA"
else
    echo "PNEUMOSCOPE_DATA is not set: the tests that need the full data sets are skipped, and listed below."
fi
.venv/bin/python -m model.artifacts --films || echo "Going on with the synthetic films."

failed=()
check() {
    local name=$1
    shift
    echo "--- $name"
    "$@" || failed+=("$name")
}
check "ruff check" .venv/bin/python -m ruff check .
check "ruff format" .venv/bin/python -m ruff format --check .
check "mypy" .venv/bin/python -m mypy
check "pytest" .venv/bin/python -m pytest "$@"
if [ ${#failed[@]} -gt 0 ]; then
    printf 'Failed: %s\n' "${failed[@]}" >&2
    exit 1
fi
