# For 64-bit Arm, on a Debian of another architecture: cmake --toolchain cmake/arm64.cmake. Wants g++-aarch64-linux-gnu, and
# in the folder that VITRO_ARM64_ROOT names the libraries for arm64, unpacked: tests/arm64_slow.sh brings them. What it
# builds runs by qemu-aarch64 (qemu-user).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH "$ENV{VITRO_ARM64_ROOT}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)
set(arm64_libraries "$ENV{VITRO_ARM64_ROOT}/usr/lib/aarch64-linux-gnu")
set(ENV{PKG_CONFIG_LIBDIR} "${arm64_libraries}/pkgconfig:/usr/share/pkgconfig")
set(ENV{PKG_CONFIG_SYSROOT_DIR} "$ENV{VITRO_ARM64_ROOT}")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-Wl,-rpath-link,${arm64_libraries}:$ENV{VITRO_ARM64_ROOT}/lib/aarch64-linux-gnu")
