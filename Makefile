# Thin: each target is a script one can run by hand after `. scripts/env.sh`.

PYTHON  ?= python3
IMAGES  ?=
SECONDS ?= 5
MINUTES ?= 30
ROUNDS  ?= 3

stamp := .venv/.set-up

.PHONY: help setup build test test-gpu test-arm64 models soak fuzz format lint demo bench bench-peers bench-pool bench-charts embeddings wheel lock clean

help:
	@echo 'make demo    photographs from Go to Python workers, every frame verified; then an HTTP service'
	@echo '             (IMAGES=folder for your own, SECONDS=5 to repeat the set for so long)'
	@echo 'make test    everything that must hold: linters, Go and Python tests, interop, examples'
	@echo 'make setup   .venv with the pinned tools (after make clean: PYTHON=python3.12 for another interpreter)'
	@echo 'make build   the shared library of the Python package, beside its sources'
	@echo 'make format  format Go, Python and C in place'
	@echo 'make lint    the formatters, linters and type checkers of make test alone'
	@echo 'make test-gpu  the tests of GPU rings on the GPU of this machine, with a record of the results'
	@echo 'make test-arm64  the tests of Go and C as arm64 programs under qemu-user (function only)'
	@echo 'make soak    the fault rows for MINUTES=30, and a report of their figures'
	@echo 'make fuzz    every fuzz target, Go and C, for SECONDS=5 each'
	@echo 'make models  the models of the protocol, the larger ones too (needs spin, minutes)'
	@echo 'make bench   every path beside the limits of this machine, measured in C (ROUNDS=3, two minutes)'
	@echo 'make bench-peers  that, then the peers of Go and Python, which it fetches (ROUNDS=3, 25 minutes,'
	@echo '             ONLY=zmq for some of them), then make bench-pool'
	@echo 'make embeddings  a text model behind a Go service (fetches the model, 90 MB)'
	@echo 'make bench-pool  the worker pool beside gRPC, HTTP and pipes (fetches those)'
	@echo 'make bench-charts  take the last results of both into bench/README.md'
	@echo 'make wheel   a wheel for every CPython found, each tried in an empty environment'
	@echo 'make lock    pin the newest tools of development and of GPU tests, and the newest peers of the benchmarks'
	@echo 'make clean   remove the products of the others'

setup: $(stamp)

$(stamp): requirements-dev.txt scripts/setup.sh scripts/toolchain.py
	@PYTHON='$(PYTHON)' scripts/setup.sh
	@touch $@

build: setup
	@.venv/bin/python scripts/build_ext.py

test: build
	@scripts/test.sh

test-gpu: build
	@scripts/test_gpu.sh

test-arm64: build
	@scripts/arm64.sh

soak: build
	@scripts/soak.sh '$(MINUTES)'

fuzz: setup
	@scripts/fuzz.sh '$(SECONDS)'

models:
	@spec/models/run.sh --require --deep

format: setup
	@scripts/format.sh

lint: build
	@scripts/lint.sh

demo: build
	@scripts/demo.sh '$(IMAGES)' '$(SECONDS)'

bench: build
	@bench/run.sh own '$(ROUNDS)'

bench-peers: build
	@bench/run.sh all '$(ROUNDS)'
	@bench/pool/run.sh -rounds '$(ROUNDS)'

bench-pool: build
	@bench/pool/run.sh -rounds '$(ROUNDS)'

bench-charts:
	@mkdir -p bench/charts
	@cp bench/results/*.json bench/results/*.svg bench/charts/

embeddings: build
	@examples/embeddings/run.sh

wheel: setup
	@scripts/wheel.sh

lock: setup
	@scripts/lock.sh

clean:
	rm -rf .venv .tools build dist pybridge/python/goring.egg-info pybridge/python/goring/_native
