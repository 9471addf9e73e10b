#!/usr/bin/env bash
# usage: bundle.sh VITRO OUT
# Puts the binary, the libraries that a bare Linux machine has not, and all that gpu_check.py needs into one folder.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
vitro=$1 out=$2
rm -rf "$out"
mkdir -p "$out/lib" "$out/bench/gpu" "$out/models/bundled"
cp "$vitro" "$out/vitro"
# What comes with every C library is taken from the machine: mixing two of them does not work.
ldd "$vitro" | awk '$2 == "=>" { print $1, $3 }' | while read -r name path; do
    case $name in
        libc.so.* | libm.so.* | libdl.so.* | librt.so.* | libpthread.so.* | ld-linux*) ;;
        *) cp -L "$path" "$out/lib/$name" ;;
    esac
done
cp "$root"/bench/gpu/{gpu_check.py,ncu.py,processes.py,report.py,sanitizer.py,parity.py,transformers_bench.py} \
    "$root"/bench/gpu/{torch_device.py,phi3_mini.json} "$out/bench/gpu/"
cp "$root/bench/make_random_model.py" "$out/bench/"
cp -r "$root/models/bundled/tiny-phi3" "$out/models/bundled/"
cat > "$out/gpu-check" <<'T'
#!/usr/bin/env bash
# Everything there is to verify and measure; see bench/gpu/gpu_check.py --help.
exec python3 "$(dirname "$0")/bench/gpu/gpu_check.py" "$@"
T
chmod +x "$out/gpu-check"

# It must start with nothing but itself and the C library (the one it is built with, or a newer one).
missing=$(env -i ldd "$out/vitro" | grep -E 'not found' || true)
outside=$(env -i ldd "$out/vitro" | awk '$2 == "=>" { print $3 }' |
    grep -vE "^$(cd "$out" && pwd)/lib/|/(libc|libm|libdl|librt|libpthread)\.so\." || true)
[ -z "$missing$outside" ] || { echo "error: the binary needs more than the bundle has: $missing $outside" >&2; exit 1; }
env -i "$out/vitro" devices

# In a root that has nothing but the bundle and the C library it must run, too. There is no /proc, by which the dynamic
# linker knows where a program stands: LD_ORIGIN_PATH tells it.
bare=$(mktemp -d)
trap 'rm -rf "$bare"' EXIT
cp -r "$out" "$bare/bundle"
for library in $(env -i ldd "$out/vitro" | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }'); do
    case $library in
        "$(cd "$out" && pwd)"/*) ;;
        *) cp -L --parents "$library" "$bare" ;;
    esac
done
root=(chroot)
[ "$(id -u)" = 0 ] || root=(unshare --map-root-user chroot)
if LD_ORIGIN_PATH=/bundle "${root[@]}" "$bare" /bundle/vitro --version >/dev/null 2>&1 || [ "$(id -u)" = 0 ]; then
    LD_ORIGIN_PATH=/bundle "${root[@]}" "$bare" /bundle/vitro run -m /bundle/models/bundled/tiny-phi3 "The capital of France is" -n 3
else
    echo "not checked in a bare root: this user may not make one" >&2
fi
bytes=$(du -sb "$out" | cut -f1)
[ "$bytes" -lt $((64 << 20)) ] || { echo "error: $out has $bytes bytes, more than 64 MiB" >&2; exit 1; }
echo "$out: $((bytes >> 20)) MiB; on the GPU's machine: ./gpu-check"
