"""The one command that moves the module's path, and the README's ways to use it as it is."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PATH = "example.com/goring"  # moves with the module
OWN = "/".join(("github.com", "someone", "rings"))  # not in one piece: moving back must not find it

USER = """package main

import (
	"fmt"

	"example.com/goring/goring"
	"example.com/goring/layout"
)

func main() { fmt.Println(goring.Version, layout.Bytes(8).Kind) }
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the tree without the files that git ignores."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    copy = tmp_path / "goring"
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


def run(where: Path, *command: str, ok: bool = True, flags: str = "-mod=mod") -> str:
    env = os.environ | {"GOFLAGS": flags, "GOWORK": ""}
    done = subprocess.run(command, cwd=where, env=env, capture_output=True, text=True, timeout=240)
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    return done.stdout + done.stderr


def texts(tree: Path) -> dict[Path, bytes]:
    return {p.relative_to(tree): p.read_bytes() for p in tree.rglob("*") if p.is_file()}


def test_a_moved_module_builds_and_can_be_moved_back(checkout: Path) -> None:
    before = texts(checkout)
    run(checkout, "scripts/move_module.sh", OWN)
    moved = texts(checkout)
    left = [p for p, text in moved.items() if f"{PATH}/".encode() in text and b"\0" not in text]
    assert left == []
    assert run(checkout, "go", "list", "-m").strip() == OWN
    run(checkout, "go", "build", "./layout/...")
    run(checkout, "go", "list", "-deps", "./goring/...", "./cmd/...", "./pool")
    run(checkout, "scripts/move_module.sh", PATH)
    assert texts(checkout) == before


@pytest.mark.parametrize("path", ["", "goring", "../goring", "github.com/you/goring/"])
def test_a_path_that_is_none_changes_nothing(checkout: Path, path: str) -> None:
    before = texts(checkout)
    assert "usage" in run(checkout, "scripts/move_module.sh", path, ok=False)
    assert texts(checkout) == before


def program(where: Path) -> Path:
    where.mkdir()
    (where / "main.go").write_text(USER)
    run(where, "go", "mod", "init", "example.org/program")
    return where


def test_an_outside_program_replaces_the_path_and_may_vendor(tmp_path: Path) -> None:
    user = program(tmp_path / "program")
    (tmp_path / "goring").symlink_to(ROOT)
    run(user, "go", "mod", "edit", f"-require={PATH}@v0.0.0", f"-replace={PATH}=../goring")
    assert run(user, "go", "run", ".").endswith(" bytes\n")
    run(user, "go", "mod", "vendor")
    (tmp_path / "goring").unlink()
    assert run(user, "go", "run", ".", flags="-mod=vendor").endswith(" bytes\n")


def test_an_outside_program_shares_a_workspace(tmp_path: Path) -> None:
    user = program(tmp_path / "program")
    run(user, "go", "work", "init", ".", str(ROOT), flags="")
    assert run(user, "go", "run", ".", flags="").endswith(" bytes\n")
