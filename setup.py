"""Tells setuptools how the shared library is built; everything else is in pyproject.toml."""

from pathlib import Path

import build_ext as native
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext


class BuildNative(build_ext):
    def run(self):
        in_tree = self.inplace or self.editable_mode
        native.build(native.IN_TREE if in_tree else Path(self.build_lib, "goring/_native"))


setup(
    ext_modules=[Extension("goring._native._pybridge", [])],
    cmdclass={"build_ext": BuildNative},
)
