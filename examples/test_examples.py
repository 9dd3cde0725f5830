"""The examples, and the code in the README, run as printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PNG = ROOT / "examples" / "pictures" / "testdata"


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="goring-examples-", dir="/dev/shm") as path:
        monkeypatch.setenv("GORING_DIR", path)
        yield Path(path)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> str:
    program = str(tmp_path_factory.mktemp("pictures") / "pictures")
    subprocess.run(["go", "build", "-o", program, "./examples/pictures"], cwd=ROOT, check=True)
    return program


def run_pictures(program: str, *extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, "-images", str(PNG), "-seconds", "0.3", "-python", sys.executable, *extra],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_pictures_come_back_verified(pictures: str, folder: Path) -> None:
    done = run_pictures(pictures)
    assert done.returncode == 0, done.stderr
    assert "every frame came back once" in done.stdout
    assert "stripes.png" in done.stdout
    assert list(folder.iterdir()) == []


def test_pictures_with_a_worker_that_lies_or_dies_fail(
    pictures: str, folder: Path, tmp_path: Path
) -> None:
    text = (ROOT / "examples" / "pictures" / "worker.py").read_text()
    liar = tmp_path / "liar.py"
    liar.write_text(text.replace("zlib.crc32(frame)", "zlib.crc32(frame) ^ 1"))
    done = run_pictures(pictures, "-worker", str(liar))
    assert done.returncode == 1
    assert "wrong" in done.stderr
    dead = tmp_path / "dead.py"
    dead.write_text("raise SystemExit(3)")
    done = run_pictures(pictures, "-worker", str(dead))
    assert done.returncode == 1
    assert "exit status 3" in done.stderr
    assert list(folder.iterdir()) == []


def test_pictures_without_pictures_say_so(pictures: str, tmp_path: Path) -> None:
    done = run_pictures(pictures, "-images", str(tmp_path))
    assert done.returncode == 1
    assert "no JPEG or PNG" in done.stderr


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> str:
    program = str(tmp_path_factory.mktemp("service") / "service")
    subprocess.run(["go", "build", "-o", program, "./examples/service"], cwd=ROOT, check=True)
    return program


def run_service(program: str, *extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, "-demo", "-images", str(PNG), "-python", sys.executable, *extra],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_service_answers_everybody_although_a_worker_is_killed(service: str) -> None:
    done = run_service(service, "-seconds", "2")
    assert done.returncode == 0, done.stderr
    assert "every request was answered, although" in done.stdout
    assert "stripes.png" in done.stdout


def test_the_service_fails_when_its_workers_do(service: str, tmp_path: Path) -> None:
    (tmp_path / "looker.py").write_text("def look(photo):\n    raise ValueError('blind')\n")
    done = run_service(service, "-seconds", "0.5", "-dir", str(tmp_path))
    assert done.returncode == 1
    assert "ValueError: blind" in done.stderr
    (tmp_path / "looker.py").write_text("import no_such_thing\n")
    done = run_service(service, "-dir", str(tmp_path))
    assert done.returncode == 1
    assert "No module named 'no_such_thing'" in done.stderr


def test_many_workers_lose_no_batch() -> None:
    program = str(ROOT / "examples" / "many_workers" / "loader.py")
    done = subprocess.run(
        [sys.executable, program, "--images", str(PNG), "--samples", "1600"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "1 worker replaced, no batch lost" in done.stdout


def readme_code(language: str, containing: str = "") -> str:
    text = (ROOT / "README.md").read_text()
    found = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return next(code for code in found if containing in code)


GO = """package main

import (
	"context"
	"fmt"
	"log"

	"example.com/goring/goring"
	"example.com/goring/goring/cuda"
	"example.com/goring/layout"
	"example.com/goring/pool"
)

var (
	_ = goring.Slots
	_ = layout.Bytes
	_ = cuda.Device
	_ = pool.New
)

type cam struct{}

func (cam) Render(b []byte) {
	for i := range b {
		b[i] = 7
	}
}

func main() {
	ctx, camera := context.Background(), cam{}
	schema, picture, faces := layout.Bytes(8), []byte("picture"), []map[string]int{}
	pixels := make([]byte, 480*640*4)
	_, _, _, _, _ = camera, schema, picture, pixels, ctx
BODY
	if err != nil {
		log.Fatal(err)
	}
AFTER
	fmt.Println(faces)
}
"""


def go_run(body: str, after: str = "", **env: str) -> str:
    """The output of a program with that body."""
    main = ROOT / "examples" / f"readme_{os.getpid()}"
    main.mkdir()
    try:
        (main / "main.go").write_text(GO.replace("BODY", body).replace("AFTER", after))
        done = subprocess.run(
            ["go", "run", f"./examples/{main.name}"],
            cwd=ROOT,
            env=os.environ | env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        (main / "main.go").unlink()
        main.rmdir()
    assert done.returncode == 0, done.stderr
    return done.stdout


def python_run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_the_readme_runs_as_printed(folder: Path) -> None:
    go_run(readme_code("go"))
    assert (folder / "goring.frames").exists()
    assert python_run(readme_code("python")) == "[7. 7. 7.]\n"


CAMERA = """
import goring, time
producer = goring.create("frames", dtype="u1", shape=2).producer(name="camera")
producer.write(__import__("numpy").array([0, 7], "u1"))
print("ready")
time.sleep(60)
"""


def start(code: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-u", "-c", code]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def test_the_readmes_reader_survives_its_producer(folder: Path) -> None:
    camera = start(CAMERA)
    assert camera.stdout is not None
    assert camera.stdout.readline() == "ready\n"
    reader = start(readme_code("python", "PeerDead"))
    assert reader.stdout is not None
    assert reader.stdout.readline() == "7\n"
    camera.kill()
    camera.communicate()
    assert reader.communicate(timeout=30)[0] == "producer camera died\n"


def test_the_readmes_broadcast_ring(folder: Path) -> None:
    go_run(readme_code("go", "goring.Broadcast"), "_ = ring.Close()")
    assert python_run("import goring; print(goring.open('ticks').mode)") == "broadcast\n"


def test_the_readmes_service(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "faces.py").write_text(readme_code("python", "def find"))
    out = go_run(
        readme_code("go", "pool.New"),
        "_ = workers.Close()",
        PYTHONPATH=f"{tmp_path}:{ROOT / 'pybridge' / 'python'}",
        PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    )
    assert out == "[map[x:1 y:2]]\n"


@pytest.mark.parametrize("module", ["goring.compat.queue", "goring.compat.shm_ring_buffer"])
def test_the_readmes_doors(module: str) -> None:
    python_run(readme_code("python", module))


def test_gpu_example_runs_on_the_emulated_driver(folder: Path) -> None:
    done = subprocess.run(
        ["examples/gpu/run.sh", "-frames", "40"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert first.startswith(("there is no GPU here", "on {"))
    assert "40 frames, each as it was written" in done.stdout
    assert list(folder.iterdir()) == []


def emulated_driver(folder: Path) -> dict[str, str]:
    """The environment of a program that runs on the emulated driver."""
    build = [sys.executable, "interop_tests/fakecuda/double.py"]
    library = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {"GORING_LIBCUDA": library.strip(), "FAKECUDA_DIR": str(folder / "state")}


def test_the_readmes_gpu_program_in_go_runs_on_the_emulated_driver(folder: Path) -> None:
    go_run(readme_code("go", "cuda.Device"), "_ = producer.Close()", **emulated_driver(folder))
    assert (folder / "goring.depth").exists()


def test_readme_gpu_program_runs_on_the_emulated_driver(folder: Path, tmp_path: Path) -> None:
    """With a stand-in for CuPy, which needs hardware."""
    (tmp_path / "cupy.py").write_text("def asarray(view): return view.copy_to_host()\n")
    done = subprocess.run(
        [sys.executable, "-c", readme_code("python", 'device="cuda:0"')],
        env=os.environ | {"PYTHONPATH": str(tmp_path)} | emulated_driver(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "1.0\n"), done.stderr
