#!/usr/bin/env bash
# Start the page. PORT and ADDRESS say where; the Makefile sets them.
set -euo pipefail
cd "$(dirname "$0")/.."
port=${PORT:-8501}
address=${ADDRESS:-127.0.0.1}

.venv/bin/python - "$address" "$port" <<'PYTHON' || exit 1
import socket, sys

address, port = sys.argv[1:]
if not port.isdigit() or not 0 < int(port) < 65536:
    sys.exit(f"PORT should be a number from 1 to 65535, not {port}.")
with socket.socket() as probe:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((address, int(port)))
    except OSError as error:
        sys.exit(f"Port {port} of {address} cannot be used ({error.strerror}). Try: make app PORT={int(port) % 65535 + 1}")
PYTHON

.venv/bin/python -m model.artifacts --films || echo "Going on with the synthetic films."
shown=$address
[ "$address" = 127.0.0.1 ] || [ "$address" = 0.0.0.0 ] && shown=localhost
echo
echo "Pneumoscope is at http://$shown:$port  (Ctrl-C stops it)"
echo
exec .venv/bin/python -m streamlit run app.py \
    --server.port="$port" --server.address="$address" --server.headless=true </dev/null
