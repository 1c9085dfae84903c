# SPDX-License-Identifier: Apache-2.0
# Sourced: a Debian in a folder, made by debootstrap, with this checkout in it. What is
# there already is used again: packages, and what was built. Needs root.
# shellcheck shell=bash
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
release=trixie

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }

# Where a Debian in a folder is impossible the reason is printed, and nothing fails.
skip() {
    echo "SKIP: $*"
    exit 0
}

# quietly COMMAND...: its output only if it fails.
quietly() {
    local log status=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 || status=$?
    [ $status -eq 0 ] || tail -n 40 "$log" >&2
    rm -f "$log"
    return $status
}

apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq)

# Packages for this machine itself.
need_here() {
    local missing=() p
    for p in "$@"; do
        dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed ||
            missing+=("$p")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    command -v apt-get >/dev/null || skip "missing: ${missing[*]}, and no apt-get"
    quietly "${apt[@]}" update
    quietly "${apt[@]}" install -y --no-install-recommends "${missing[@]}"
}

# Where this machine's own apt gets Debian from; DEBIAN_MIRROR names another place.
mirror() {
    [ -z "${DEBIAN_MIRROR:-}" ] || { echo "$DEBIAN_MIRROR"; return; }
    apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' |
        head -n 1
}

# inside COMMAND...: in the tree, as its root, in the checkout. What is mounted for it
# is seen by it alone and is gone when it ends.
inside() {
    # shellcheck disable=SC2016
    unshare --mount bash -c '
        mount --bind "$1" "$1" && mount -t proc proc "$1/proc" &&
            mount --rbind /dev "$1/dev" || exit 1
        exec chroot "$1" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
            LANG=C.UTF-8 bash -c "cd /root/runner && \"\$@\"" inside "${@:2}"' \
        unshare "$tree" "$@"
}

# tree_make NAME: the folder of that Debian, in $tree, with the present state of this
# checkout.
tree_make() {
    tree=${RUNNER_SYSTEMS:-$top/.cache/systems}/$1
    [ "$(id -u)" = 0 ] || skip "a Debian in a folder is made by root only"
    [[ $tree != *[[:space:]]* ]] ||
        skip "debootstrap takes no folder with a blank in its name: set RUNNER_SYSTEMS"
    need_here debootstrap
    unshare --mount mount -t proc proc /proc 2>/dev/null ||
        skip "no mounts of one's own here (unshare)"
    if [ ! -e "$tree/made" ]; then
        rm -rf "$tree"
        mkdir -p "$tree"
        say "making Debian $release in $tree"
        quietly unshare --mount debootstrap --variant=minbase "$release" "$tree" "$(mirror)" ||
            skip "debootstrap fails here"
        touch "$tree/made"
    fi
    # A folder that can be made again need not survive a power cut: dpkg syncs no file.
    echo force-unsafe-io >"$tree/etc/dpkg/dpkg.cfg.d/folder"
    [ ! -e /etc/resolv.conf ] || cp -L /etc/resolv.conf "$tree/etc/resolv.conf"
    copy_checkout
}

# What git tracks here and what it does not ignore. Files that did not change keep their
# times, so that only what changed is built again; files that are gone here go there.
copy_checkout() {
    local next=$tree/root/next to=$tree/root/runner file
    rm -rf "$next"
    mkdir -p "$next" "$to"
    (cd "$top" && git ls-files -z --cached --others --exclude-standard |
        tar --create --null --ignore-failed-read --files-from - 2>/dev/null) |
        tar --extract --directory "$next" --no-same-owner
    (cd "$to" && find . -path './build*' -prune -o -type f -print0) |
        while IFS= read -r -d '' file; do
            [ -e "$next/$file" ] || rm -f "$to/$file"
        done
    (cd "$next" && find . -type f -print0) |
        while IFS= read -r -d '' file; do
            cmp -s "$next/$file" "$to/$file" && continue
            mkdir -p "$(dirname "$to/$file")"
            cp "$next/$file" "$to/$file"
        done
    rm -rf "$next"
}
