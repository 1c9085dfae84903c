#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# arm64.sh [arguments of tests/run.py; default: the suites unit and ops]: built by a cross
# compiler in a Debian 13 in a folder, with arm64's libraries, tested by qemu-user. The
# last line is "N passed, N failed".
source "$(dirname "$(readlink -f "$0")")/tree.sh"
tree_make arm64

packages=(meson ninja-build pkg-config gcc libc6-dev binutils python3 python3-numpy
          python3-h5py python3-yaml gcc-aarch64-linux-gnu g++-aarch64-linux-gnu
          qemu-user libc6-dev:arm64 libgomp1:arm64 libyaml-dev:arm64
          libhdf5-dev:arm64 zlib1g-dev:arm64 libdnnl-dev:arm64)
if [ ! -e "$tree/installed" ] || [ "$(cat "$tree/installed")" != "${packages[*]}" ]; then
    say "installing the cross compiler and arm64's libraries"
    quietly inside dpkg --add-architecture arm64
    quietly inside "${apt[@]}" update
    quietly inside "${apt[@]}" install -y --no-install-recommends "${packages[@]}"
    echo "${packages[*]}" >"$tree/installed"
fi
if [ ! -e "$tree/root/runner/build/build.ninja" ]; then
    quietly inside meson setup build --cross-file tests/systems/arm64.ini
fi
quietly inside ninja -C build --quiet all meson-test-prereq
[ $# -gt 0 ] || set -- --suite unit --suite ops
# The kernel here may not know how to start programs of arm64: those that the runner
# itself starts are scripts that do it. Its compiler of regions is arm64's.
emulated() { # PROGRAM, in the build folder
    local file=$tree/root/runner/build/$1
    [ "$(head -c 4 "$file" | tail -c 3)" = ELF ] || return 0
    mv "$file" "$file.arm64"
    # shellcheck disable=SC2016
    printf '#!/bin/sh\nexec qemu-aarch64 "$0.arm64" "$@"\n' >"$file"
    chmod +x "$file"
}
emulated plugins/source/hdf5-read
mkdir -p "$tree/root/bin"
ln -sf /usr/bin/aarch64-linux-gnu-gcc "$tree/root/bin/cc"
inside env PATH=/root/bin:/usr/sbin:/usr/bin:/sbin:/bin python3 tests/run.py "$@"
