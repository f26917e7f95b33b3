#!/bin/bash
# run.sh: boots Debian's kernel in QEMU (software emulation, so it works everywhere) with cgroup v2
# and nothing of the host, and runs suite.sh inside. `make test-vm`.
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

# The world inside: busybox, our tools with their libraries, the modules they need, the suite.
root=$work/root
mkdir -p "$root"/{bin,sbin,lib,usr/bin,dev,proc,sys,run,tmp,var/lib,etc,new} "$root/lib/modules/$release"
ln -s lib "$root/lib64"
ln -s ../lib "$root/usr/lib"
cp "$(command -v busybox)" "$root/bin/busybox"
programs=("$(command -v nft)")
for tool in tools/*; do
    programs+=("$target/debug/${tool##*/}")
done
for program in "${programs[@]}"; do
    cp "$program" "$root/usr/bin/"
    strip "$root/usr/bin/${program##*/}"
    ldd "$program" 2>/dev/null | grep -o '/[^ ]*' || true
done | sort -u | while read -r library; do
    cp -L --parents "$library" "$root/" # to the place that the program looks in
done
for module in overlay veth bridge nf_tables nft_chain_nat nft_nat nft_masq nft_redir nft_ct nft_fib nft_fib_inet \
    nft_fib_ipv4 nft_fib_ipv6 nft_reject_inet nf_conntrack virtio_pci virtio_blk ext4 crc32c_generic; do
    # --show-depends names what is compiled in as well, which has no file.
    /sbin/modprobe -d "$kernel/tree" -S "$release" --show-depends "$module" | sed -n 's/^insmod \(\S*\).*/\1/p'
done | awk '!seen[$0]++' >"$work/modules"
while read -r module; do
    cp "$module" "$root/lib/modules/$release/"
    echo "/lib/modules/$release/${module##*/}" >>"$root/etc/modules"
done <"$work/modules"
cp tests/vm/init "$root/init"
cp tests/vm/suite.sh tests/vm/first-boot.sh tests/vm/oci.sh tests/vm/second-boot.sh "$root/"
(cd "$root" && find . | cpio --quiet -o -H newc) | gzip -1 >"$work/initramfs"

# The store is a disk, so that it outlives a reboot; the images in it were pulled out here.
store=$work/disk.d/store
mkdir -p "$store"
tests/fixtures/registry.sh "$fixtures" "$work" &
registry=$!
for _ in $(seq 100); do
    if [ -e "$work/registries.conf" ]; then break; fi
    sleep 0.1
done
$sudo env CONTAINERS_REGISTRIES_CONF="$work/registries.conf" LONGSHORE_ROOT="$store" LONGSHORE_RUN="$work/run" \
    "$target/debug/img-pull" -q busybox >/dev/null
truncate -s 256M "$work/disk"
$sudo /sbin/mke2fs -q -t ext4 -d "$work/disk.d" "$work/disk"
[ -z "$sudo" ] || $sudo chown "$(id -u)" "$work/disk"

# About half a minute each on an idle machine; a busy one gets its time. A reboot ends QEMU, and the second
# one begins with the disk and nothing else.
boot() {
    timeout --foreground 240 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -M q35 -smp 2 -m 1024 \
        -nographic -no-user-config -nodefaults -serial stdio -monitor none -net none -no-reboot \
        -kernel "$kernel/tree/boot/vmlinuz-$release" -initrd "$work/initramfs" \
        -append "console=ttyS0 quiet panic=-1 loglevel=3" \
        -drive "file=$work/disk,format=raw,if=virtio" </dev/null | sed -u 's/\r\|\x1b[^a-zA-Z]*[a-zA-Z]//g' ||
        echo "the virtual machine ended with an error or was too slow"
}
started=$(date +%s)
{ boot && boot; } | tee "$results/vm.log"
echo "the virtual machine has run for $(($(date +%s) - started)) s"

# Its verdict comes over the console; without one it has failed, whatever the reason.
counts=$(sed -n 's/^vm: \([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$results/vm.log" | tail -1)
echo "${counts:-0 1} 0" >"$results/vm"
tests/summary.sh vm
case $counts in
*" 0") ;;
*) exit 1 ;;
esac
