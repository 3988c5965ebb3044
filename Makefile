# Everything a developer or an operator runs by hand. Each target sets up what it needs; `make help`
# lists them. Build results are kept outside the checkout, so that a clean clone starts warm.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE := $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/concordat
export CARGO_TARGET_DIR ?= $(CACHE)/target

# RocksDB's C++ is compiled once for its version and then linked from the cache: no change of
# profile, feature or checkout compiles it again.
ROCKSDB_VERSION := $(shell awk '/^name = "librocksdb-sys"/{getline; gsub(/"/, "", $$3); print $$3}' Cargo.lock)
export ROCKSDB_LIB_DIR := $(CACHE)/rocksdb-$(ROCKSDB_VERSION)
export ROCKSDB_STATIC := 1
ROCKSDB := $(ROCKSDB_LIB_DIR)/librocksdb.a

# The size of a simulation run: the number of seeds, and the least simulated seconds.
# Without explicit seeds, half of them are the same ones each time, and only these can fail the run: the
# finding of a fresh one is printed and kept in the ledger, so that no change fails by chance.
GATE := $(if $(or $(COUNT),$(FROM)),,--gate --ledger tests/sim/ledger.tsv \
  --commit $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown))
COUNT ?= 99
# Every commit has seeds of its own, so that what one run of it has found the next one finds too.
FROM ?= $(shell git rev-parse --short=8 HEAD 2>/dev/null | sed 's/^/0x/' | xargs -r printf '%d')
SIM_S ?= 5400

# Debian packages that the machine must have: to link a program without RocksDB, and for all else.
APT_DEMO := gcc libc6-dev make
APT_PACKAGES := g++ make curl libclang1-14 libclang-common-14-dev strace python3-venv

# Installs what is missing of some packages, and looks for Rust.
define install
	@missing=(); for package in $(1); do \
	  dpkg-query -W -f='$${Status}' "$$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$$package"); \
	done; \
	if [ "$${#missing[@]}" -gt 0 ]; then \
	  if [ "$$(id -u)" = 0 ]; then root=; elif command -v sudo >/dev/null; then root=sudo; \
	  else echo "please install: $${missing[*]}" >&2; exit 1; fi; \
	  $$root apt-get update -qq; \
	  DEBIAN_FRONTEND=noninteractive $$root apt-get install -y -qq "$${missing[@]}" >/dev/null; \
	fi; \
	command -v cargo >/dev/null || { echo "please install Rust 1.95 or newer (rustup, or Debian's rustup package)" >&2; exit 1; }
endef

.PHONY: help
help: ## This list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install what is missing (apt where root or sudo, otherwise it says what)
	$(call install,$(APT_PACKAGES))

.PHONY: setup-demo
setup-demo:
	$(call install,$(APT_DEMO))

$(ROCKSDB): | setup
	@echo "Compiling RocksDB once (about five minutes on two cores) …"
	@mkdir -p $(ROCKSDB_LIB_DIR)
	@node/rocksdb.sh $@.part && mv $@.part $@

.PHONY: rocksdb
rocksdb: $(ROCKSDB)

PROFILE ?= dev
BINARIES := $(CARGO_TARGET_DIR)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))

.PHONY: build
build: setup $(ROCKSDB) ## Build concordatd and concordat (PROFILE=release for use)
	cargo build --locked --profile $(PROFILE) -p concordat-node -p concordat-client --bins

# What an image needs that is made where no registry is reachable (node/Dockerfile).
PACK := mkdir -p target && node/image-root.sh target/image-root.tar $(BINARIES)/concordatd $(BINARIES)/concordat

.PHONY: image-root
image-root: build ## Pack the built programs for an image without a registry
	$(PACK)

# A demo without a data directory keeps its state in memory. So where RocksDB has not been compiled yet,
# it is built without, unoptimized (a first look shall not wait for the optimizer), and in a folder of its
# own: `debug/concordatd` always has RocksDB.
DEMO_HAS_ROCKSDB := $(or $(wildcard $(ROCKSDB)),$(findstring --data-dir,$(ARGS)))
DEMO_TARGET_DIR := $(CARGO_TARGET_DIR)$(if $(DEMO_HAS_ROCKSDB),,/without-rocksdb)
DEMO_FEATURES := $(if $(DEMO_HAS_ROCKSDB),,--no-default-features --profile demo)
DEMO_BINARY := $(DEMO_TARGET_DIR)/$(if $(DEMO_HAS_ROCKSDB),debug,demo)/concordatd

.PHONY: demo
demo: $(if $(DEMO_HAS_ROCKSDB),setup $(ROCKSDB),setup-demo) ## A whole cluster in one process, with its tour
	cargo build --locked --target-dir $(DEMO_TARGET_DIR) -p concordat-node --bin concordatd $(DEMO_FEATURES)
	$(DEMO_BINARY) demo $(ARGS)

# Nothing is linked against RocksDB here: its C++ need not be compiled.
.PHONY: check
check: setup ## Formatting, lints, rules of layout, the pure core: under two minutes when warm, writes nothing
	cargo fmt --all --check
	cargo test --locked --quiet -p concordat-tidy
	cargo clippy --locked --quiet --workspace --all-targets -- -D warnings
	cargo check --locked --quiet -p concordat-cluster --no-default-features
	cargo test --locked --quiet -p concordat-cluster --no-default-features --lib
	cargo test --locked --quiet -p concordat-proto

.PHONY: unit
unit: setup $(ROCKSDB) ## The unit tests of all crates
	cargo test --locked --quiet --workspace --lib --bins

.PHONY: test
test: setup $(ROCKSDB) ## All tests (what CI runs)
	cargo fmt --all --check
	cargo check --locked --quiet -p concordat-cluster --no-default-features
	cargo build --locked --workspace --all-targets
	cargo test --locked --workspace
	$(MAKE) --no-print-directory grpc-test
	$(MAKE) --no-print-directory $(SCHEMATHESIS)
	$(FUZZ_API) --seed 1 --examples 20
	$(MAKE) --no-print-directory sim

# Clients of another make, of the versions that the tests were written with.
GRPC_VENV := $(CACHE)/grpc-venv

$(GRPC_VENV)/installed: tests/api/grpc/requirements.txt | setup
	python3 -m venv --clear $(GRPC_VENV)
	$(GRPC_VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.PHONY: grpc-test
grpc-test: setup $(ROCKSDB) $(GRPC_VENV)/installed ## By clients of another make: gRPC, gRPC-Web, reflection, health, the samples of the dialects' documents
	cargo build --locked --workspace --all-targets
	$(GRPC_VENV)/bin/python -B tests/api/grpc/run.py $(CARGO_TARGET_DIR)/debug/concordatd
	$(GRPC_VENV)/bin/python -B tests/api/samples/run.py $(CARGO_TARGET_DIR)/debug/concordatd

.PHONY: openapi
openapi: setup $(ROCKSDB) ## Write docs/openapi.json from the code
	UPDATE_EXPECT=1 cargo test --locked --quiet -p concordat-node --lib openapi::

# Generated requests against a demo, whose answers must be as /openapi.json says.
SCHEMATHESIS_VERSION := 4.32.5
SCHEMATHESIS_DIR := $(CACHE)/schemathesis-$(SCHEMATHESIS_VERSION)
SCHEMATHESIS := $(SCHEMATHESIS_DIR)/bin/schemathesis
FUZZ_API = python3 tests/fuzz-api/run.py --server $(CARGO_TARGET_DIR)/debug/concordatd --schemathesis $(SCHEMATHESIS)

$(SCHEMATHESIS): | setup
	@rm -rf $(SCHEMATHESIS_DIR)
	python3 -m venv $(SCHEMATHESIS_DIR)
	$(SCHEMATHESIS_DIR)/bin/pip install --quiet --disable-pip-version-check schemathesis==$(SCHEMATHESIS_VERSION) \
	  || { rm -rf $(SCHEMATHESIS_DIR); exit 1; }

.PHONY: fuzz-api
fuzz-api: setup $(ROCKSDB) $(SCHEMATHESIS) ## Generated requests against a demo: COUNT=n (200) for each operation, or a run again (SEED=n)
	cargo build --locked --workspace --all-targets
	$(FUZZ_API) --examples $(if $(filter file,$(origin COUNT)),200,$(COUNT)) $(if $(SEED),--seed $(SEED))

.PHONY: sim
sim: setup $(ROCKSDB) ## Simulated clusters: fixed seeds and fresh ones (COUNT=n, SIM_S=n, FROM=n), or one again (SEED=n)
	cargo build --locked --workspace --all-targets --quiet
ifdef SEED
	$(CARGO_TARGET_DIR)/debug/concordat-sim-seed --seed $(SEED) --show --log warn $(ARGS)
else
	$(CARGO_TARGET_DIR)/debug/concordat-sim-seed --latency
	$(CARGO_TARGET_DIR)/debug/concordat-sim-seed --lost-log
	$(CARGO_TARGET_DIR)/debug/concordat-sim twice --count 10 $(if $(GATE),--from 1,$(if $(FROM),--from $(FROM)))
	$(CARGO_TARGET_DIR)/debug/concordat-sim sweep --count $(COUNT) --simulated-s $(SIM_S) $(if $(FROM),--from $(FROM)) $(GATE) $(ARGS)
endif

.PHONY: sim-planted
sim-planted: setup $(ROCKSDB) ## Whether the simulation finds bugs that were put in on purpose
	cargo build --locked -p concordat-sim --features planted
	$(CARGO_TARGET_DIR)/debug/concordat-sim planted --count 300 --first $(ARGS)
	@touch tests/sim/Cargo.toml # the next build is one without them

.PHONY: compose-test
compose-test: setup $(ROCKSDB) ## docker-compose.yml as users run it, where a Docker engine answers
	@if ! docker version >/dev/null 2>&1; then \
	  echo "compose-test: skipped, no Docker engine answers here"; exit 0; fi; \
	if ! docker compose version >/dev/null 2>&1 && ! docker-compose version >/dev/null 2>&1; then \
	  echo "compose-test: skipped, there is no Docker Compose here"; exit 0; fi; \
	cargo build --locked --workspace --all-targets; \
	$(PACK); \
	CONCORDAT_COMPOSE_TEST=1 cargo test --locked --workspace --test compose -- --nocapture

FAULTS := soak::at_once::nothing_is_lost_when_all_happens_at_once \
	soak::long_run::nothing_is_lost_whatever_breaks crashes::damage::a_damaged_node_refuses_or_is_right \
	crashes::leader_killed::no_acknowledged_write_is_lost_with_the_leader \
	crashes::recovery::a_region_catches_up_and_a_full_cluster_comes_back

.PHONY: faults
faults: setup $(ROCKSDB) ## Break nine processes for MINUTES=n (10), by faults and commands that SEED=n draws; recovery times
	cargo build --locked -p concordat-node -p concordat-tests --bins --tests
	CONCORDAT_FAULTS_MINUTES=$(or $(MINUTES),10) CONCORDAT_FAULTS_KILLS=20 \
	  $(if $(SEED),CONCORDAT_SEED=$(SEED)) \
	  cargo test --locked -p concordat-tests --test faults -- --nocapture --exact $(FAULTS)

# The last release: of the feature level before this one.
PREVIOUS ?= af3a7cf
PREVIOUS_DIR := $(CACHE)/previous-$(PREVIOUS)

$(PREVIOUS_DIR)/concordatd: $(ROCKSDB)
	@mkdir -p $(PREVIOUS_DIR)
	git archive $(PREVIOUS) | tar -x -C $(PREVIOUS_DIR)
	cd $(PREVIOUS_DIR) && CARGO_TARGET_DIR=$(PREVIOUS_DIR)/target \
	  cargo build --locked -p concordat-node --bin concordatd
	cp $(PREVIOUS_DIR)/target/debug/concordatd $@
	rm -rf $(PREVIOUS_DIR)/target

.PHONY: two-builds
two-builds: setup $(ROCKSDB) $(PREVIOUS_DIR)/concordatd ## Nodes of the last release (PREVIOUS=commit) and of this one in one cluster, under load
	cargo build --locked -p concordat-node -p concordat-tests --bins --tests
	CONCORDAT_PREVIOUS=$(PREVIOUS_DIR)/concordatd \
	  cargo test --locked -p concordat-tests --test faults -- --nocapture --ignored two_builds

.PHONY: golden
golden: setup $(ROCKSDB) $(PREVIOUS_DIR)/concordatd ## Write the data that the last release (PREVIOUS=commit) leaves, for the test that starts on them
	cargo build --locked --workspace --all-targets
	CONCORDAT_RECORD_BY=$(PREVIOUS_DIR)/concordatd \
	  cargo test --locked --workspace --test faults -- --nocapture record_last_version

# Minutes of faults, and seeds of which each one that fails ends the run. Two cores take about two hours for the
# default: the faults with their figures 75 minutes, the seeds a quarter of an hour, the planted bugs the rest.
SOAK_MINUTES := $(or $(MINUTES),60)
SOAK_COUNT := $(if $(filter file,$(origin COUNT)),1000,$(COUNT))

.PHONY: soak
soak: ## Long runs, about two hours: MINUTES=n (60) of faults, COUNT=n (1000) fresh seeds, the planted bugs
	@echo "$(SOAK_MINUTES) minutes of faults, then $(SOAK_COUNT) seeds, then the planted bugs; two hours by default"
	$(MAKE) --no-print-directory faults MINUTES=$(SOAK_MINUTES)
	$(MAKE) --no-print-directory sim COUNT=$(SOAK_COUNT)
	$(MAKE) --no-print-directory sim-planted

.PHONY: lint
lint: setup ## Clippy with all the house's lints
	cargo clippy --locked --workspace --all-targets -- -D warnings

.PHONY: bench
bench: setup $(ROCKSDB) ## Writes, reads, CPU and fsyncs, as a table (ARGS=--help for its options; ARGS="--before PROGRAM" compares)
	cargo build --locked --release -p concordat-node -p concordat-tests --bins
	$(CARGO_TARGET_DIR)/release/concordat-bench $(ARGS)

.PHONY: clean
clean: ## Drop build results (RocksDB's library stays)
	rm -rf $(CARGO_TARGET_DIR)
