#!/usr/bin/env bash
# Writes what jinja2 makes of the chat templates in the source of llama-cpp-python 0.3.36 to OUT.json, for
# tests/frontend/jinja_slow_test.cpp. The source is fetched once, into build/models, and never committed.
#
#     bash tests/golden/published_templates.sh OUT.json
set -euo pipefail
out=$(realpath "$1")
cd "$(dirname "$0")/../.."

python=python3
if [ -x .venv/bin/python ]; then python=.venv/bin/python; fi
"$python" -c "import jinja2" || exit 1

templates=build/models/llama-cpp-python-0.3.36
sum=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e
if [ ! -d "$templates" ]; then
    download=$(mktemp -d)
    trap 'rm -rf "$download"' EXIT
    "$python" -m pip download -q --no-deps --no-binary :all: -d "$download" llama-cpp-python==0.3.36 >&2
    archive=$download/llama_cpp_python-0.3.36.tar.gz
    echo "$sum  $archive" | sha256sum --check --quiet >&2
    tar -xzf "$archive" -C "$download" --wildcards '*/models/templates/*.jinja'
    mkdir -p build/models
    mv "$download"/llama_cpp_python-0.3.36/vendor/llama.cpp/models/templates "$templates"
fi
exec "$python" tests/golden/make_jinja.py "$out" "$templates"/*.jinja
