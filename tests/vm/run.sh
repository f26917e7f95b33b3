#!/bin/bash
# run.sh: boots Debian's kernel in QEMU (software emulation, so it works everywhere) with cgroup v2
# and nothing of the host, and runs suite.sh inside. `make test-vm`. PARTS="rust" runs some of it in one boot.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo=${CARGO:-cargo}
target=${CARGO_TARGET_DIR:-target}
fixtures=$target/fixtures
results=$target/results
sudo=
[ "$(id -u)" = 0 ] || sudo="sudo -n"
# shellcheck source=tests/fixtures/packages.sh
. tests/fixtures/packages.sh

"$cargo" build --locked --workspace --bins
$sudo tests/fixtures/images.sh "$fixtures"
mkdir -p "$results"

work=$(mktemp -d "${TMPDIR:-/tmp}/longshore-test-vm.XXXXXX")
registry=
cleanup() {
    if [ -n "$registry" ]; then
        kill "$registry" 2>/dev/null || true
        wait "$registry" 2>/dev/null || true
    fi
    $sudo rm -rf "$work"
}
trap cleanup EXIT

# Debian's kernel for virtual machines, unpacked and not installed.
kernel=$fixtures/kernel
if [ ! -e "$kernel/stamp" ]; then
    rm -rf "$kernel"
    mkdir -p "$kernel/debs" "$kernel/tree"
    package=$(apt-cache depends "linux-image-cloud-$(dpkg --print-architecture)" | sed -n 's/.*Depends: \(linux-image-.*\)/\1/p' | head -1)
    fetch_only "$kernel/debs" "${package:-linux-image-cloud-$(dpkg --print-architecture)}"
    dpkg-deb --fsys-tarfile "$kernel"/debs/linux-image-*.deb | tar -x -C "$kernel/tree" --exclude='./usr/share/*'
    [ ! -d "$kernel/tree/usr/lib/modules" ] || mv "$kernel/tree/usr/lib" "$kernel/tree/lib"
    release=$(ls "$kernel/tree/lib/modules")
    /sbin/depmod -b "$kernel/tree" "$release"
    rm -r "$kernel/debs"
    echo "$release" >"$kernel/stamp"
fi
release=$(cat "$kernel/stamp")

# The test programs that `make test` has built or will.
tests=
built() { # TEST PACKAGE-OPTION...
    local name=$1 program
    shift
    program=$("$cargo" test --locked --quiet "$@" --test "$name" --no-run --message-format=json |
        jq -r --arg name "$name" 'select(.reason == "compiler-artifact" and .target.name == $name and .executable) | .executable')
    tests="$tests $name=$program"
}
# The packages together as in `tests/run.sh`, or else some would be built once more with other features.
built container --workspace --exclude tests
built e2e -p tests

# The first world is only there to mount the second, which is on a disk.
first=$work/first
mkdir -p "$first"/{bin,dev,new,lib/modules}
cp "$(command -v busybox)" "$first/bin/busybox"
for module in overlay veth bridge nf_tables nft_chain_nat nft_nat nft_masq nft_redir nft_ct nft_fib nft_fib_inet \
    nft_fib_ipv4 nft_fib_ipv6 nft_reject_inet nf_conntrack virtio_pci virtio_blk ext4 crc32c_generic dummy; do
    # --show-depends names what is compiled in as well, which has no file.
    /sbin/modprobe -d "$kernel/tree" -S "$release" --show-depends "$module" | sed -n 's/^insmod \(\S*\).*/\1/p'
done | awk '!seen[$0]++' >"$work/modules"
while read -r module; do
    cp "$module" "$first/lib/modules/"
    echo "/lib/modules/${module##*/}" >>"$first/modules"
done <"$work/modules"
cp tests/vm/init "$first/init"
(cd "$first" && find . | cpio --quiet -o -H newc) | gzip -1 >"$work/initramfs"

# The store is on the disk, so that it outlives a reboot; the images in it were pulled out here.
root=$work/root
store=$root/var/lib/longshore
mkdir -p "$store"
TESTS=$tests REPOSITORIES=busybox tests/vm/world.sh "$root"
cp tests/vm/init tests/vm/*.sh "$root/"
pwd >"$root/disk/top"
echo "${PARTS:-all}" >"$root/disk/parts"
tests/fixtures/registry.sh "$fixtures" "$work" &
registry=$!
for _ in $(seq 100); do
    if [ -e "$work/registries.conf" ]; then break; fi
    sleep 0.1
done
$sudo env CONTAINERS_REGISTRIES_CONF="$work/registries.conf" LONGSHORE_ROOT="$store" LONGSHORE_RUN="$work/run" \
    "$target/debug/img-pull" -q busybox >/dev/null
[ -z "$sudo" ] || $sudo chown -R 0:0 "$root"
truncate -s 1G "$work/disk"
$sudo /sbin/mke2fs -q -t ext4 -d "$root" "$work/disk"
[ -z "$sudo" ] || $sudo chown "$(id -u)" "$work/disk"

# Two minutes and half of one on an idle machine; a busy one gets its time. A reboot ends QEMU, and the second
# one begins with the disk and nothing else.
# Without no_timer_check a kernel whose first ticks come late, as on a busy machine, gives up at once.
boot() {
    timeout --foreground 1200 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -M q35 -smp 2 -m 1024 \
        -nographic -no-user-config -nodefaults -serial stdio -monitor none -net none -no-reboot \
        -kernel "$kernel/tree/boot/vmlinuz-$release" -initrd "$work/initramfs" \
        -append "console=ttyS0 no_timer_check quiet panic=-1 loglevel=3" \
        -drive "file=$work/disk,format=raw,if=virtio" </dev/null | sed -u 's/\r\|\x1b[^a-zA-Z]*[a-zA-Z]//g' ||
        echo "the virtual machine ended with an error or was too slow"
}
started=$(date +%s)
{ boot && { [ -n "${PARTS:-}" ] || boot; }; } | tee "$results/vm.log"
echo "the virtual machine has run for $(($(date +%s) - started)) s"

# Its verdict comes over the console; without one it has failed, whatever the reason.
counts=$(sed -n 's/^vm: \([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$results/vm.log" | tail -1)
echo "${counts:-0 1 0}" >"$results/vm"
tests/summary.sh vm
case $counts in
*" 0 "*) ;;
*) exit 1 ;;
esac
