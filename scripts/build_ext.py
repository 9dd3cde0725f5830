#!/usr/bin/env python3
"""Build the shared library of the Python package: gopy's classes and the C module `_core`.

    python scripts/build_ext.py            build beside the Python sources, for work in the tree
    python scripts/build_ext.py --cflags   print CGO_CFLAGS, for go vet and friends on that C code

One file holds both, so a process has one Go runtime. The steps are those of `gopy build`, which
itself compiles C with -Ofast (licence to invent stores that another process would see) and writes
the builder's library folder into the file as RUNPATH, and links twice.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import toolchain

ROOT = Path(__file__).resolve().parent.parent
IN_TREE = ROOT / "pybridge/python/goring/_native"
PACKAGE = "example.com/goring/pybridge"
LIBRARY = "_pybridge" + (sysconfig.get_config_var("EXT_SUFFIX") or ".so")
PRODUCTS = ("__init__.py", "go.py", "pybridge.py", LIBRARY)


def build(target):
    """Bring the library and gopy's modules in `target` up to date with the sources."""
    toolchain.check_python()
    toolchain.check_c()
    toolchain.check_go()
    # "_": the go command's ./... passes over such folders.
    work = ROOT / "build/_gopy" / sysconfig.get_config_var("SOABI")
    work.mkdir(parents=True, exist_ok=True)
    with open(work / "stamp", "a+") as stamp:
        fcntl.flock(stamp, fcntl.LOCK_EX)  # two builds in one tree take turns
        stamp.seek(0)
        digest = _digest()
        if stamp.read() != digest:
            _generate(work)
            _compile(work)
            stamp.truncate(0)
            stamp.write(digest)
        _install(work, Path(target))


def cgo_cflags():
    """CGO_CFLAGS with the headers of this Python and its NumPy.

    They are named here rather than in C_INCLUDE_PATH because the Go build cache knows CGO_CFLAGS:
    objects made for one Python are not taken for another.
    """
    import numpy

    flags = os.environ.get("CGO_CFLAGS", "-O2 -g")
    for include in (sysconfig.get_path("include"), numpy.get_include()):
        if include not in flags:
            flags += f' "-I{include}"'
    return flags


def _digest():
    """Return a hash over the library's sources: the Go packages that it links, and this script."""
    in_module = "{{with .Module}}{{if .Main}}{{$.Dir}}{{end}}{{end}}"
    folders = _run("go", "list", "-deps", "-f", in_module, PACKAGE).split()
    sources = [ROOT / "go.mod", ROOT / "go.sum", Path(__file__)]
    sources += sorted((ROOT / "include/goring").glob("*.h"))
    for folder in sorted(folders):
        files = (f for f in Path(folder).iterdir() if f.suffix in {".go", ".c", ".h", ".inc", ".s"})
        sources += sorted(f for f in files if not f.name.endswith("_test.go"))
    digest = hashlib.sha256((sys.version + cgo_cflags()).encode())
    for source in sources:
        digest.update(source.name.encode() + hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()


def _generate(work):
    """gopy writes Go and Python sources, pybindgen the C between them."""
    _run("go", "install", "github.com/go-python/gopy", "golang.org/x/tools/cmd/goimports")
    # By relative names: gopy copies its command line into its output.
    flags = ["-no-make", "-dynamic-link=true", "-vm=" + Path(sys.executable).name]
    _run("gopy", "gen", *flags, f"-output={work.relative_to(ROOT)}", PACKAGE)
    glue = work / "pybridge.go"
    glue.write_text(re.sub(r"(?m)^#cgo LDFLAGS:.*\n", "", glue.read_text()))
    _run("goimports", "-w", glue.name, cwd=work)
    # gopy links once only to get this header; cgo writes the same one for the C files beside it.
    (work / "pybridge_go.h").write_text('#include "_cgo_export.h"\n')
    _run(sys.executable, "build.py", cwd=work)


def _compile(work):
    flags = ["-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"]
    _run("go", "build", *flags, "-o", LIBRARY, ".", cwd=work)


def _install(work, target):
    """Copy the changed files, by rename: a process may have the old library mapped."""
    target.mkdir(parents=True, exist_ok=True)
    for name in PRODUCTS:
        new, old = work / name, target / name
        if not old.exists() or old.read_bytes() != new.read_bytes():
            shutil.copyfile(new, target / (name + ".new"))
            os.replace(target / (name + ".new"), old)


def _run(*command, cwd=ROOT):
    """Run a build step; its output is shown only when it fails."""
    tools = ROOT / "build/tools"
    path = os.pathsep.join([str(tools), os.path.dirname(sys.executable), os.environ["PATH"]])
    env = dict(os.environ, PATH=path, GOBIN=str(tools), CGO_ENABLED="1", CGO_CFLAGS=cgo_cflags())
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}\ngoring: `{' '.join(command)}` failed")
    return done.stdout


if __name__ == "__main__":
    if sys.argv[1:] == ["--cflags"]:
        print(cgo_cflags())
    else:
        build(IN_TREE)
