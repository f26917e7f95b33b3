#!/bin/bash
# world.sh ROOT: fills ROOT with the world inside the virtual machine: programs of Debian packages with their
# libraries, ours, the test programs that are named in TESTS (NAME=PATH ...), the images of the fixtures that
# they pull, and in /disk/source what they read from the source tree.
set -euo pipefail
root=${1:?usage: world.sh ROOT}
target=${CARGO_TARGET_DIR:-target}

mkdir -p "$root"/{bin,sbin,usr/bin,usr/local/bin,lib,dev,proc,sys,run,tmp,root,etc,disk/tmp,disk/tests,var/lib}
ln -s lib "$root/lib64"
ln -s ../lib "$root/usr/lib"
chmod 1777 "$root/tmp" "$root/disk/tmp"
echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
mkdir -p "$root/lib/locale"
cp -r /usr/lib/locale/C.utf8 "$root/lib/locale/"
echo '127.0.0.1 localhost' >"$root/etc/hosts"

# What Debian calls essential, and what the tests run. Busybox is in /bin, behind all of them in the PATH.
packages=(bash coreutils curl dash docker-registry dpkg findutils grep gzip iproute2 jq mawk mount nftables procps
    sed strace tar util-linux)
busybox=$(command -v busybox)
cp "$busybox" "$root/bin/busybox"
ln -s ../usr/bin/bash "$root/bin/bash" # scripts ask for it there
"$busybox" --list | while read -r applet; do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
programs() {
    dpkg -L "${packages[@]}" | grep -E '^(/usr)?/s?bin/[^/]+$' | while read -r path; do
        echo "$path" "$root/usr/bin/${path##*/}"
    done
    echo "$(command -v awk)" "$root/usr/bin/awk"
    for tool in tools/*; do
        echo "$target/debug/${tool##*/}" "$root/usr/local/bin/${tool##*/}"
    done
    for test in $TESTS; do
        echo "${test#*=}" "$root/disk/tests/${test%%=*}"
    done
}
# To the place that each looks in. Symbols are of no use inside.
programs | while read -r from to; do
    cp -L "$from" "$to"
    chmod 755 "$to"
    [ "${from#"$target"/}" = "$from" ] || strip "$to"
    ldd "$from" 2>/dev/null | grep -o '/[^ ]*' || true
done | sort -u | while read -r library; do
    cp -L --parents "$library" "$root/"
done

# One repository of the registry with the blobs that it links to.
registry=docker/registry/v2
fixtures=$root/disk/fixtures
mkdir -p "$fixtures/registry/$registry/repositories/library" "$root/disk/source"
cp "$target/fixtures/images.stamp" "$fixtures/"
(
    cd "$target/fixtures/registry/$registry"
    for repository in $REPOSITORIES; do
        cp -a "repositories/library/$repository" "$fixtures/registry/$registry/repositories/library/"
        find "repositories/library/$repository" -name link -exec cat {} + | grep -oE 'sha256:[0-9a-f]{64}' | sort -u
    done | sort -u | while IFS=: read -r _ digest; do
        cp -a --parents "blobs/sha256/${digest:0:2}/$digest" "$fixtures/registry/$registry/"
    done
)
cp -a --parents Cargo.toml man tests/fixtures tests/golden tests/schema "$root/disk/source/" # what is read at run time
for tool in tools/*; do
    mkdir -p "$root/disk/source/$tool"
done
