# For 64-bit Arm, on a Debian of another architecture: cmake --toolchain cmake/arm64.cmake. Wants g++-aarch64-linux-gnu and
# the libraries for arm64 (dpkg --add-architecture arm64; libfmt-dev:arm64, …; libsentencepiece0:arm64 cannot be installed
# beside the machine's own: unpack it with dpkg -x). What it builds runs by qemu-aarch64 (qemu-user).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64)
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig)
