#!/usr/bin/env bash
# ODL 1.0.0 registers a pytest plugin whose hook takes an argument, `path`, that pytest 9 no longer
# has; ODL itself asks for pytest 9.0.2 or later. With ODL installed beside it, pytest 9.1.0 stops
# before it collects anything, whether or not a test has to do with ODL: PluginValidationError.
# PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 runs the same test. Exits non-zero if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check odl==1.0.0 pytest==9.1.0
cd "$folder"
echo 'def test_nothing(): pass' > test_nothing.py
found=$("$folder/venv/bin/python" -m pytest test_nothing.py 2>&1) && status=0 || status=$?
echo "$found" | tail -4
echo "exit status $status"
without=0
PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 "$folder/venv/bin/python" -m pytest -q test_nothing.py || without=$?
if [ "$status" -ne 0 ] && [ "$without" -eq 0 ] && grep -q "hook 'pytest_ignore_collect'" <<< "$found"; then
    echo "as described"
else
    echo "the behaviour has changed"
    exit 1
fi
