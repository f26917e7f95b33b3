# Longshore. `make help` lists what there is.
#
# A fresh Debian 12 (or later) with a Rust toolchain is enough: each goal installs the packages it
# needs and finds missing, asks nothing, and is instant when nothing is missing.

PREFIX ?= /usr/local
DESTDIR ?=
CARGO ?= cargo
BINDIR = $(PREFIX)/bin
MANDIR = $(PREFIX)/share/man

SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
TARGET = $(or $(CARGO_TARGET_DIR),target)
TOOLS = $(notdir $(wildcard tools/*))
SCRIPTS = .ci/run $(wildcard tests/*.sh tests/*/*.sh tests/vm/init tests/oci/suites/* tests/oci/engines/*.sh)

# What each goal needs from Debian, beyond the essential packages.
BUILD_PACKAGES = gcc libc6-dev pkg-config make libnftnl-dev libmnl-dev
IMAGE_PACKAGES = docker-registry skopeo umoci busybox-static jq curl ca-certificates zstd perl-base
TEST_PACKAGES = $(BUILD_PACKAGES) $(IMAGE_PACKAGES) iproute2 nftables util-linux procps strace
VM_PACKAGES = $(TEST_PACKAGES) qemu-system-x86 cpio kmod e2fsprogs binutils mawk
OCI_PACKAGES = $(BUILD_PACKAGES) runc crun bats jq gawk busybox-static python3 dpkg-dev xz-utils iproute2 util-linux bsdextrautils libc-bin podman docker.io containerd umoci
LINT_PACKAGES = $(BUILD_PACKAGES) mandoc shellcheck
DEMO_PACKAGES = $(BUILD_PACKAGES) $(IMAGE_PACKAGES) iproute2 nftables
FUZZ_PACKAGES = $(BUILD_PACKAGES) g++ libseccomp-dev
BENCH_PACKAGES = $(BUILD_PACKAGES) $(IMAGE_PACKAGES) iproute2 nftables e2fsprogs

.PHONY: build demo test soak test-vm test-oci test-conformance probe fuzz bench bench-oci lint man install help
.PHONY: toolchain man-packages build-packages test-packages vm-packages oci-packages lint-packages demo-packages fuzz-packages bench-packages

build: build-packages ## Build the tools (release) into target/release
	$(CARGO) build --release --locked --workspace --bins

demo: demo-packages build ## Show the whole course on screen in under a minute
	$(SUDO) tests/demo/demo.sh $(TARGET)/release

test: test-packages ## Build and run every test with hermetic stores; a leak on the host fails it
	CARGO="$(CARGO)" tests/run.sh

soak: test-packages ## Every call that can go wrong, a thousand containers, long races: takes hours
	CARGO="$(CARGO)" tests/soak.sh

test-vm: vm-packages ## Run tests of runtime and engine in a small virtual machine with cgroup v2 (PARTS="rust")
	CARGO="$(CARGO)" PARTS="$(PARTS)" tests/vm/run.sh

test-oci: oci-packages ## Run the suites of runtime-tools, crun and runc, and three engines, on ctr-oci (RUNTIMES=... SUITES=... CASES=...)
	@[ ! -d tools/ctr-oci ] || $(CARGO) build --locked -p ctr-oci
	RUNTIMES="$(RUNTIMES)" SUITES="$(SUITES)" CASES="$(CASES)" FRESH="$(FRESH)" tests/oci/run.sh

test-conformance: build-packages ## Run the conformance suite of the distribution specification on img-serve (CONFORMANCE=PROGRAM or GO=go)
	$(CARGO) build --locked -p img-serve
	CONFORMANCE="$(CONFORMANCE)" GO="$(GO)" tests/conformance/run.sh

probe: bench-packages build ## Show what a container can reach, beside podman and docker.io where installed
	rustc --edition 2024 -C target-feature=+crt-static -C panic=abort -O tests/probe/main.rs -o $(TARGET)/probe
	$(SUDO) tests/bench/bench.sh $(TARGET)/release $(abspath $(TARGET)/probe)

fuzz: fuzz-packages ## Run the fuzz targets (TARGETS="users log ..." SECONDS=60)
	CARGO="$(CARGO)" tests/fuzz/run.sh "$(or $(TARGETS),all)" "$(or $(SECONDS),60)"

bench: bench-packages build ## Compare speed and size with podman and docker.io, where installed (ROUNDS=10 GROUP=starts|lists|pulls)
	$(CARGO) build --release --locked -p tests --example bench
	$(SUDO) tests/bench/bench.sh $(TARGET)/release "$(or $(ROUNDS),10)" "$(GROUP)"

bench-oci: build-packages ## Compare ctr-oci run with runc and crun, where installed
	$(CARGO) build --release --locked -p ctr-oci
	$(SUDO) tests/bench/oci.sh $(TARGET)/release/ctr-oci $(ROUNDS)

lint: lint-packages ## Formatting, clippy, dependency arrows, man pages, scripts
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) build --locked --workspace --bins
	$(CARGO) test --locked --quiet -p tests --test contract
	tests/lint-man.sh
	shellcheck --external-sources $(SCRIPTS)

man: man-packages ## Read the first page; the others are named at its end
	man -l man/longshore.7

install: ## Install tools and pages below $(DESTDIR)$(PREFIX); `make` first
	@test -x $(TARGET)/release/ctr-run || { echo "run 'make' first: there is nothing to install in $(TARGET)/release" >&2; exit 1; }
	install -d $(DESTDIR)$(BINDIR)
	for tool in $(TOOLS); do install -m 755 $(TARGET)/release/$$tool $(DESTDIR)$(BINDIR)/$$tool || exit 1; done
	for section in 1 5 7; do \
		install -d $(DESTDIR)$(MANDIR)/man$$section && \
		for page in man/*.$$section; do \
			[ ! -e $$page ] || install -m 644 $$page $(DESTDIR)$(MANDIR)/man$$section/ || exit 1; \
		done; \
	done

help: ## List the goals
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r goal text; do printf '  make %-9s %s\n' "$$goal" "$$text"; done

# One line instead of a page of compiler errors.
toolchain:
	@command -v "$(CARGO)" >/dev/null || { echo "cargo is missing: install a Rust toolchain from https://rustup.rs, then run make again" >&2; exit 1; }
	@want=$$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml); have=$$("$(CARGO)" --version | cut -d' ' -f2); \
	printf '%s\n%s\n' "$$want" "$$have" | sort -C -V || \
		{ echo "cargo $$have is too old, $$want or newer is needed: run 'rustup update stable', then make again" >&2; exit 1; }

# $(call ensure,PACKAGES): installs those that dpkg does not have, and only then asks for root.
define ensure
	@missing=; for p in $(sort $(1)); do \
		[ "$$(dpkg-query -Wf '$${db:Status-Status}' "$$p" 2>/dev/null)" = installed ] || missing="$$missing $$p"; \
	done; [ -z "$$missing" ] || { echo "installing:$$missing"; SUDO=$(SUDO) tests/fixtures/install.sh $$missing; }
endef

build-packages: toolchain
	$(call ensure,$(BUILD_PACKAGES))
test-packages: toolchain
	$(call ensure,$(TEST_PACKAGES))
vm-packages: toolchain
	$(call ensure,$(VM_PACKAGES))
oci-packages: toolchain
	$(call ensure,$(OCI_PACKAGES))
lint-packages: toolchain
	$(call ensure,$(LINT_PACKAGES))
demo-packages: toolchain
	$(call ensure,$(DEMO_PACKAGES))
fuzz-packages: toolchain
	$(call ensure,$(FUZZ_PACKAGES))
bench-packages: toolchain
	$(call ensure,$(BENCH_PACKAGES))
man-packages:
	@command -v man >/dev/null || { echo "installing: man-db"; SUDO=$(SUDO) tests/fixtures/install.sh man-db; }
