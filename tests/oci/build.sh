# shellcheck shell=bash
# Makes the suites runnable below the scratch directory. Sourced by run.sh. Every step writes a stamp
# last, so an interrupted run goes on where it was.
#
# $scratch is where.
: "${scratch:?}"

# Runs a step once, or again when it has a new version.
step() { # NAME VERSION FUNCTION
    local stamp=$scratch/stamps/$1 status
    [ "$(cat "$stamp" 2>/dev/null)" != "$2" ] || return 0
    say "building $1"
    # Not `function || …`: the shell would then not stop at a failing command of the function.
    set +e
    (set -e; "$3") >"$scratch/$1.log" 2>&1
    status=$?
    set -e
    if [ "$status" != 0 ]; then
        tail -n 30 "$scratch/$1.log" >&2
        say "building $1 failed, see $scratch/$1.log"
        return 1
    fi
    mkdir -p "$scratch/stamps"
    echo "$2" >"$stamp"
}

build_suites() {
    step go 1 unpack_go
    step runtime-tools 1 build_runtime_tools
    step crun-tests 1 build_crun_tests
    step images 1 build_images
    step runc-bats 1 build_runc_bats
}

fresh() { # DIR: an empty directory
    rm -rf "$1"
    mkdir -p "$1"
}

unpack_go() {
    local deb
    fresh "$scratch/go"
    for deb in "$scratch"/debs/*.deb; do
        dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$scratch/go" --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*'
    done
    # Not in Debian, and not needed beyond the little that is here.
    install -D -m 644 tests/oci/tap/tap.go "$scratch/go/usr/share/gocode/src/github.com/mndrix/tap-go/tap.go"
}

# 58 programs and the one that they put into their containers. The Go way of before modules: what is
# imported is found below GOPATH, and nothing is asked for over the network.
build_runtime_tools() {
    local tree link go directory name
    tree=$scratch/runtime-tools
    link=$scratch/go/usr/share/gocode/src/github.com/opencontainers/runtime-tools
    fresh "$tree"
    tar -x -f "$scratch"/tarballs/golang-github-opencontainers-runtime-tools_*.orig.tar.xz -C "$tree" --strip 1
    ln -sfn "$tree" "$link"
    cd "$link"
    export GO111MODULE=off GOPATH=$scratch/go/usr/share/gocode GOROOT=$scratch/go/usr/lib/go-$GO_RELEASE GOCACHE=$scratch/go-cache
    export GOTOOLCHAIN=local GOFLAGS=-p=${JOBS:-2} CGO_ENABLED=0
    go=$GOROOT/bin/go
    "$go" build -tags 'netgo osusergo' -o runtimetest ./cmd/runtimetest
    for directory in validation/*/; do
        name=$(basename "$directory")
        [ "$name" = util ] || "$go" build -o "validation/$name/$name.t" "./validation/$name"
    done
    "$go" clean -cache
}

# crun's tests are Python and need one small program as the container's init.
build_crun_tests() {
    local tree=$scratch/crun-tests
    fresh "$tree"
    tar -x -f "$scratch"/tarballs/crun_*.orig.tar.xz -C "$tree" --strip 2 --wildcards '*/tests/*'
    echo '#define HAVE_ERROR_H 1' >"$tree/config.h"
    gcc -static -O1 -w -I "$tree" -o "$tree/init" "$tree/init.c"
}

# What the bats expect as images, from what Debian ships: busybox, and a shell with a few tools.
build_images() {
    local root program applet
    root=$scratch/images/busybox
    fresh "$root"
    mkdir -p "$root"/{bin,etc,root,tmp,usr,var,home,dev} # no /proc and no /sys: tests make links there
    cp "$(command -v busybox)" "$root/bin/busybox"
    for applet in $(busybox --list); do
        [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
    done
    accounts "$root"
    tar -C "$root" -cJf "$scratch/images/busybox.tar.xz" .

    root=$scratch/images/debian
    fresh "$root"
    mkdir -p "$root"/{usr/bin,usr/sbin,usr/lib,etc,root,tmp,var,dev,proc,sys}
    for program in bin sbin lib lib64; do
        mkdir -p "$root/usr/$program"
        ln -s "usr/$program" "$root/$program"
    done
    for program in bash sh ls cat true sleep grep stat id chrt ionice; do
        with_libraries "$root" "$(type -P "$program")"
    done
    for program in /sbin/ldconfig /sbin/ldconfig.real; do
        [ ! -e "$program" ] || with_libraries "$root" "$program"
    done
    accounts "$root"
    : >"$root/etc/ld.so.conf"
    tar -C "$root" -cJf "$scratch/images/debian.tar.xz" .
}

accounts() { # ROOT
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n' >"$1/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$1/etc/group"
}

with_libraries() { # ROOT PROGRAM
    local library
    cp -L --remove-destination "$2" "$1$2"
    { ldd "$2" 2>/dev/null | grep -o '/[^ ]*' || true; } | while read -r library; do
        mkdir -p "$1$(dirname "$library")"
        cp -L --remove-destination "$library" "$1$library"
    done
}

# runc's tests, with our images and our helpers where theirs would be.
build_runc_bats() {
    local tree=$scratch/runc
    fresh "$tree"
    tar -x -f "$scratch"/tarballs/runc_*.orig.tar.xz -C "$tree" --strip 1
    cat >"$tree/tests/integration/get-images.sh" <<SCRIPT
#!/bin/sh
echo "BUSYBOX_IMAGE=$scratch/images/busybox.tar.xz"
echo "HELLO_IMAGE=$scratch/images/busybox.tar.xz"
echo "DEBIAN_IMAGE=$scratch/images/debian.tar.xz"
SCRIPT
    install -m 755 tests/oci/helpers/recvtty "$tree/contrib/cmd/recvtty/recvtty"
    install -m 755 tests/oci/helpers/seccompagent "$tree/contrib/cmd/seccompagent/seccompagent"
}
