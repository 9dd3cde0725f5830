"""Names and files that are no ring to be trusted: section 10, checks 1 to 5."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

import maker
import pytest
from cases import BYTES, LANGS, every_full_lang, every_lang, every_pair
from peers import Peer

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="giving files away takes root")


@pytest.fixture
def path(folder, new_name):
    """The path of a ring's file that is not there yet."""
    p = folder / f"goring.{new_name()}"
    yield p
    if p.is_dir() and not p.is_symlink():
        p.rmdir()
    else:
        p.unlink(missing_ok=True)


def ask(crew, lang: str, path):
    return crew.get(lang).ask(f"open {path.name.removeprefix('goring.')}")


@pytest.fixture
def segment() -> bytes:
    return bytes(maker.segment("file", BYTES, slots=4))


@every_full_lang
@pytest.mark.parametrize("name", [".hidden", "..", "a/b", "../x", "x" * 201, "a:b", "naïve", "a*"])
def test_names(crew, lang, name):
    assert crew.get(lang).ask(f"open {name}").error == "name"


@every_lang
def test_names_that_are_legal(crew, folder, segment, lang):
    for name in ("x" * 200, "a", "-", "_", "A.b-C_9", "0..."):
        path = folder / f"goring.{name}"
        path.write_bytes(segment)
        path.chmod(0o600)
        try:
            assert ask(crew, lang, path).error == "ok", name
        finally:
            path.unlink()


@every_lang
def test_not_found(crew, path, lang):
    assert ask(crew, lang, path).error == "notexist"


def symlink(path, segment):
    target = path.with_name("target")
    target.write_bytes(segment)
    path.symlink_to(target)


def dangling(path, segment):
    path.symlink_to("/nonexistent")


def fifo(path, segment):
    os.mkfifo(path, 0o600)


def folder_there(path, segment):
    path.mkdir()


def unix_socket(path, segment):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(path))


@every_lang
@pytest.mark.parametrize("make", [symlink, dangling, fifo, folder_there, unix_socket])
def test_file_types(crew, folder, path, segment, lang, make):
    make(path, segment)
    try:
        assert ask(crew, lang, path).error == "filetype"
    finally:
        (folder / "target").unlink(missing_ok=True)


@every_lang
@pytest.mark.parametrize(
    ("mode", "error"),
    [
        (0o600, "ok"),
        (0o640, "ok"),
        (0o644, "ok"),
        (0o660, "mode"),
        (0o620, "mode"),
        (0o602, "mode"),
        (0o666, "mode"),
        (0o777, "mode"),
    ],
)
def test_modes(crew, path, segment, lang, mode, error):
    path.write_bytes(segment)
    path.chmod(mode)
    assert ask(crew, lang, path).error == error


@ROOT
@every_lang
def test_owner(crew, path, segment, lang):
    path.write_bytes(segment)
    path.chmod(0o600)
    os.chown(path, 12345, 12345)
    assert ask(crew, lang, path).error == "owner"


@ROOT
@pytest.mark.parametrize("lang", [x for x in LANGS if x != "py"])
def test_owner_is_root_or_oneself(commands, folder, path, segment, lang):
    """A peer without rights: root's ring and its own are opened, another user's is not."""
    path.write_bytes(segment)
    folder.chmod(0o755)
    *start, program = commands[lang]
    copy = folder / "program"  # where a user without rights may run it
    copy.write_bytes(Path(program).read_bytes())
    copy.chmod(0o755)
    peer = Peer(lang, [*start, str(copy)], folder, user=65534)
    try:
        for owner, mode, error in [
            (65534, 0o600, "ok"),
            (0, 0o606, "mode"),
            (12345, 0o606, "owner"),
        ]:
            os.chown(path, owner, owner)
            path.chmod(mode)
            assert peer.ask(f"open {path.name.removeprefix('goring.')}").error == error, owner
    finally:
        peer.end()
        copy.unlink()
        folder.chmod(0o700)


@every_lang
def test_nothing_is_left_open(crew, path, segment, lang):
    """A refusal leaks no descriptor and no mapping."""
    peer = crew.get(lang)
    name = path.name.removeprefix("goring.")
    bad = bytearray(segment)
    bad[252] ^= 1
    counts = []
    for _ in range(3):
        for content, error in (
            (segment[:4095], "truncated"),
            (bytes(bad), "checksum"),
            (segment, "ok"),
        ):
            path.write_bytes(content)
            path.chmod(0o600)
            for _ in range(20):
                assert peer.ask(f"open {name}").error == error
                peer.must("close")
        fds = len(os.listdir(f"/proc/{peer.process.pid}/fd"))
        with open(f"/proc/{peer.process.pid}/maps") as f:
            maps = sum(name in line for line in f)
        counts.append((fds, maps))
    assert len(set(counts)) == 1, counts
    assert counts[0][1] == 0, "a refused segment is still mapped"


@pytest.fixture
def memfd(segment):
    """An anonymous ring as section 1 has it: a sealed memfd."""
    fd = os.memfd_create("goring", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, segment)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    yield fd
    os.close(fd)


@every_pair
def test_anonymous_by_descriptor(commands, folder, memfd, writer, reader):
    """An inherited descriptor shares its description: the seats' locks must not be on it."""
    peers = [Peer(lang, commands[lang], folder, fds=(memfd,)) for lang in (writer, reader)]
    try:
        for peer in peers:
            peer.must(f"openfd {memfd}")
        peers[0].must("producer w")
        assert peers[1].ask("producer w").error == "busy"
        peers[1].must("consumer r")
        peers[0].must("write abcd")
        assert peers[1].must("read 1000").data == b"\xab\xcd"
        peers[0].kill()
        peers[1].must("producer w")
    finally:
        for peer in peers:
            peer.end()
