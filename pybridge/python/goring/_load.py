"""Loading the shared library, once, at the first use.

One file answers under two names: gopy's classes (the control plane, which starts the
Go runtime) and the C module ``_fast`` (the data plane, which needs no Go).
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from . import _errors, _layout
from ._schema import dtype_of

if TYPE_CHECKING:
    from . import _fast

FORKED = (
    "goring was loaded before os.fork(), and the Go runtime does not survive that: "
    "use the 'spawn' start method, or open the ring inside the child only"
)

_lock = threading.Lock()
_control: Any = None
_data: ModuleType | None = None
_forked = False


def _after_fork() -> None:
    global _forked
    _forked = True
    if _data is not None:
        _data.after_fork()


def forked() -> bool:
    """Whether this process is a forked child of one that had loaded the library."""
    return _forked


def _tensor_dtypes() -> dict[int, np.dtype[Any]]:
    return {code: dtype_of(name) for code, (name, _) in _layout.DTYPES.items()}


def _decode_meta(raw: bytes) -> Any:
    try:
        return msgspec.msgpack.decode(raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as e:
        raise _errors.CorruptError(f"metadata that is not one msgpack value: {e}") from e


def _load() -> None:
    global _control, _data
    package = importlib.import_module("goring._native.pybridge")
    library = importlib.import_module("goring._native._pybridge").__file__
    assert library is not None
    loader = importlib.machinery.ExtensionFileLoader("goring._fast", library)
    spec = importlib.util.spec_from_loader("goring._fast", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    names = "Error Full Empty TooLarge SchemaError CorruptError ForkError Closed Held".split()
    module.configure(
        **{n: getattr(_errors, n) for n in names},
        encode_meta=msgspec.msgpack.Encoder().encode,
        decode_meta=_decode_meta,
        dtypes=_tensor_dtypes(),
    )
    sys.modules["goring._fast"] = module
    os.register_at_fork(after_in_child=_after_fork)
    _data, _control = module, package


def library() -> None:
    """Load the library if need be.

    Raises
    ------
    ForkError
        In a forked child of a process that had loaded it.
    """
    if _forked:
        raise _errors.ForkError(FORKED)
    if _control is None:
        with _lock:
            if _control is None:
                _load()


def call(function: str, *args: Any) -> Any:
    """Call a function of the control plane; its error codes become exceptions."""
    library()
    reply = msgspec.json.decode(getattr(_control, function)(*args))
    if reply["code"]:
        raise _errors.BY_CODE.get(reply["code"], _errors.Error)(reply["text"])
    return reply["value"]


def fast() -> type[_fast.Ring]:
    """The data plane's ring."""
    library()
    assert _data is not None
    ring: type[_fast.Ring] = _data.Ring
    return ring
