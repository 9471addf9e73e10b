#!/usr/bin/env bash
# Makes the pictures of the README from the binary itself: docs/pictures.sh [build/release/vitro]. Needs Debian's chromium.
set -euo pipefail
cd "$(dirname "$0")/.."
vitro=${1:-build/release/vitro}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$vitro" graph --format html -o "$work/graph.html"
chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1600,900 --virtual-time-budget=5000 \
    --screenshot="$work/fuse_attention.png" "file://$work/graph.html#stage=fuse_attention&path=model.layers.0.self_attn.attention" \
    2> "$work/log" || { cat "$work/log" >&2; exit 1; }
mv "$work/fuse_attention.png" docs/fuse_attention.png
