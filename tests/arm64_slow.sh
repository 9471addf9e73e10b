#!/usr/bin/env bash
# usage: arm64_slow.sh FOLDER
# Compiles for 64-bit Arm, with NEON, by Debian's cross compiler, and runs there by QEMU: the bundled model, every kernel
# against its reference, and the tests of whole rooms. The libraries for arm64 are unpacked into FOLDER, not installed.
set -euo pipefail
source=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1/packages" "$1/lists/partial" "$1/root"
folder=$(cd "$1" && pwd)
for tool in aarch64-linux-gnu-g++ qemu-aarch64 apt-get dpkg; do
    command -v "$tool" >/dev/null || { echo "skipped: there is no $tool" >&2; exit 77; }
done

libraries=(libfmt-dev libfmt9 libonig-dev libonig5 libutf8proc-dev libutf8proc2 libedit-dev libedit2 libbsd-dev libbsd0
           libmd0 libncurses-dev libtinfo6 libsentencepiece-dev libsentencepiece0 libprotobuf-lite32 zlib1g)
if [ ! -f "$folder/root/complete" ]; then
    # Lists of its own: this machine's packages stay as they are.
    apt=(apt-get -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o "Dir::State::Lists=$folder/lists"
         -o Dir::State::status=/dev/null -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=)
    "${apt[@]}" update || { echo "skipped: no packages for arm64 can be had" >&2; exit 77; }
    (cd "$folder/packages" && "${apt[@]}" download "${libraries[@]}")
    for package in "$folder"/packages/*.deb; do dpkg -x "$package" "$folder/root"; done
    touch "$folder/root/complete"
fi

export VITRO_ARM64_ROOT=$folder/root
cmake -S "$source" -B "$folder/build" -G Ninja -DCMAKE_BUILD_TYPE=Release --toolchain "$source/cmake/arm64.cmake"
rooms=(base graph ops passes)
cmake --build "$folder/build" --target vitro "${rooms[@]/#/test_}"

# The C library is the compiler's, also where the machine has another one for arm64.
on_arm64() {
    local libraries=/usr/aarch64-linux-gnu/lib path
    for path in usr/lib lib; do libraries+=:$folder/root/$path/aarch64-linux-gnu; done
    timeout 3000 qemu-aarch64 -L /usr/aarch64-linux-gnu -E "LD_LIBRARY_PATH=$libraries" "$@"
}
vitro=$folder/build/vitro
on_arm64 "$vitro" --version
on_arm64 "$vitro" run -m "$source/models/bundled/tiny-phi3" "The capital of France is" -n 6 | tee "$folder/text"
grep -q Paris "$folder/text" || { echo "expected Paris" >&2; exit 1; }
on_arm64 "$vitro" ops --check
for room in "${rooms[@]}"; do
    # No emulated cards, whose threads QEMU would emulate once more.
    on_arm64 "$folder/build/tests/test_$room" --source-file-exclude='*cuda*,*_slow_test.cpp' --no-intro
done
