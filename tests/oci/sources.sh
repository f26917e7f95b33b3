# shellcheck shell=bash
# The suites' sources and what builds them, from Debian's archive. Sourced by run.sh.
#
# An apt of its own (lists, sources, cache below the scratch directory) asks the archive that this
# machine already uses for the releases that hold these versions, so the machine's own apt never
# learns of them. What apt fetches is signed; the tarballs are compared with sums written here too,
# because a mirror may lack a .dsc and the suites must be the ones whose counts are written down.

# NAME VERSION SHA256 TARBALL
oci_tarballs() {
    cat <<'LIST'
golang-github-opencontainers-runtime-tools 0.9.0.109.ge931285-1 203989a1ea98cf2aaced79155bbda09270b20db19b03376dde91ab12e5e6a0fe golang-github-opencontainers-runtime-tools_0.9.0.109.ge931285.orig.tar.xz
runc 1.1.5+ds1-1+deb12u1 e936cc563c4557178b3416aa1bb9e8231c53011beb8df67adedbfbaba4eacce7 runc_1.1.5+ds1.orig.tar.xz
crun 1.8.1-1+deb12u1 01b68269d94e5fe11106a9b14c2f144be03b16ec798951f4efa6aa16ba9da29a crun_1.8.1.orig.tar.xz
LIST
}

# The libraries that runtime-tools is built with, and the compiler that its release had.
GO_RELEASE=1.19
GO_PACKAGES=("golang-$GO_RELEASE-go" "golang-$GO_RELEASE-src" golang-gocapability-dev golang-golang-x-sys-dev golang-gopkg-yaml.v3-dev)
for library in blang-semver google-uuid hashicorp-go-multierror hashicorp-errwrap mrunalp-fileutils opencontainers-specs \
    opencontainers-selinux sirupsen-logrus stretchr-testify urfave-cli xeipuuv-gojsonschema xeipuuv-gojsonpointer \
    xeipuuv-gojsonreference russross-blackfriday-v2 cpuguy83-go-md2man-v2 burntsushi-toml davecgh-go-spew pmezard-go-difflib; do
    GO_PACKAGES+=("golang-github-$library-dev")
done

# The archive of this machine, from its own lists.
debian_archive() {
    # shellcheck disable=SC2016 # apt fills in the $()
    apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
        awk '$1 !~ /-/ && $2 == "main" { print $3; exit }'
}

# Writes the private apt's configuration and fetches its lists.
private_apt() { # DIR
    local dir=$1 archive release
    archive=$(debian_archive)
    if [ -z "$archive" ]; then
        ${SUDO:-} apt-get -qq update >&2
        archive=$(debian_archive)
    fi
    [ -n "$archive" ] || { echo "test-oci: this machine's apt knows no Debian archive to take the suites from" >&2; return 1; }
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/none"
    local key="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    for release in bookworm trixie sid; do echo "deb-src $key $archive $release main"; done >"$dir/sources.list"
    echo "deb $key $archive bookworm main" >>"$dir/sources.list"
    cat >"$dir/apt.conf" <<CONF
Dir::Etc::sourcelist "$dir/sources.list";
Dir::Etc::sourceparts "$dir/none";
Dir::State::lists "$dir/lists";
Dir::Cache "$dir/cache";
APT::Sandbox::User "";
CONF
    APT_CONFIG=$dir/apt.conf apt-get -qq update >&2
    : >"$dir/complete"
}

# Fetches what is not there yet into DIR/tarballs and DIR/debs.
fetch_sources() { # DIR
    local dir=$1 name version sum file
    mkdir -p "$dir/tarballs" "$dir/debs"
    [ -e "$dir/apt/complete" ] || private_apt "$dir/apt"
    while read -r name version sum file; do
        if ! sum_is "$sum" "$dir/tarballs/$file"; then
            say "fetching the source of $name $version"
            # The tarball is all that is used; whether apt got the rest does not matter.
            (cd "$dir/tarballs" && APT_CONFIG=$dir/apt/apt.conf apt-get -qq source --download-only "$name=$version") >"$dir/apt/log" 2>&1 || true
            sum_is "$sum" "$dir/tarballs/$file" || { cat "$dir/apt/log" >&2; echo "test-oci: $file: not fetched, or not what it was" >&2; return 1; }
        fi
    done < <(oci_tarballs)
    if [ ! -e "$dir/debs/complete" ]; then
        say "fetching Go and its libraries"
        (cd "$dir/debs" && APT_CONFIG=$dir/apt/apt.conf apt-get -qq download "${GO_PACKAGES[@]}") >&2
        : >"$dir/debs/complete"
    fi
}

sum_is() { # SHA256 FILE
    [ -e "$2" ] && [ "$(sha256sum <"$2" | cut -d' ' -f1)" = "$1" ]
}
