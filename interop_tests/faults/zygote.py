"""Python peers that start fast: a process with NumPy and goring imported, which forks.

On stdin, one line of JSON for each: {"start": [command, ..]} starts a peer that is given
these commands, and answers its pid; {"kill": pid} kills it and answers when it is gone.
goring's library is not loaded before the fork.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import pypeer


def start(commands: list[str], parent: int) -> None:
    """The child's life."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    sys.stdin = io.StringIO("\n".join(commands) + "\n")
    with contextlib.suppress(BaseException):
        pypeer.main()
    os._exit(0)


def main() -> None:
    replies = os.dup(1)
    os.dup2(2, 1)  # the peers' replies are for people
    parent = os.getpid()
    for line in sys.stdin:
        order = json.loads(line)
        if "start" in order:
            pid = os.fork()
            if not pid:
                start(order["start"], parent)
        else:
            pid = order["kill"]
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.write(replies, b"%d\n" % pid)


main()
