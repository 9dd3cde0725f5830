"""Sealed rings through Unix sockets, between the languages that open rings themselves."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket

import maker
import pytest
from cases import BYTES
from peers import Peer

FULL = ("go", "py")
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


@pytest.fixture
def memfd():
    fd = os.memfd_create("goring", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, maker.segment("", BYTES, slots=4))
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)
    yield fd
    os.close(fd)


@pytest.mark.parametrize("receiver", FULL)
@pytest.mark.parametrize("sender", FULL)
def test_a_sealed_ring(commands, folder, memfd, sender, receiver):
    here, there = socket.socketpair()
    with here, there, contextlib.ExitStack() as stack:
        one = Peer(sender, commands[sender], folder, fds=(memfd, here.fileno()))
        stack.callback(one.end)
        other = Peer(receiver, commands[receiver], folder, fds=(there.fileno(),))
        stack.callback(other.end)
        one.must(f"openfd {memfd}")
        one.must(f"send {here.fileno()}")
        other.must(f"receive {there.fileno()}")
        one.must("producer w")
        assert other.ask("producer w").error == "busy"
        other.must("consumer r")
        one.must("write abcd")
        assert other.must("read 1000").data == b"\xab\xcd"
        one.kill()
        other.must("producer w")
