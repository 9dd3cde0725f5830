# shellcheck shell=bash
# Sourced from the root of the tree: the environment of every target, and of a shell to work in.
export VIRTUAL_ENV="$PWD/.venv"
export PATH="$VIRTUAL_ENV/bin:$PATH"
CGO_CFLAGS=$(python scripts/build_ext.py --cflags) # Python.h, for go vet ./... and the like
CGO_LDFLAGS=-Wl,--unresolved-symbols=ignore-all    # Go tests of pybridge link without a Python
export CGO_CFLAGS CGO_LDFLAGS
