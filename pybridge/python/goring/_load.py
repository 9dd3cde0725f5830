"""Loading the shared library, once, at the first use.

One file holds two modules: the one that gopy made of the bridge (the control plane, which
starts the Go runtime) and the C module ``_core`` (the data plane, which needs no Go).
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

from . import _errors, _layout, _meta, _streams
from ._schema import dtype_of

if TYPE_CHECKING:
    from . import _core  # pyright: ignore[reportMissingModuleSource]

FORKED = (
    "goring was loaded before os.fork(), and the Go runtime does not survive that: "
    "use the 'spawn' start method, or open the ring inside the child only"
)

_lock = threading.Lock()
_control: ModuleType | None = None
_data: ModuleType | None = None
_forked = False


def _after_fork() -> None:
    global _forked
    _forked = True
    if _data is not None:
        _data.after_fork()


def forked() -> bool:
    """Report whether this process is a forked child of one that had loaded the library."""
    return _forked


def _tensor_dtypes() -> dict[int, np.dtype[Any]]:
    return {code: dtype_of(name) for code, (name, _) in _layout.DTYPES.items()}


def _load_control() -> ModuleType:
    # gopy's own Python modules would change the working folder while they load.
    try:
        return importlib.import_module("goring._native._pybridge")
    except ModuleNotFoundError as e:
        raise ImportError(
            "goring's shared library is not there: `pip install .`, or `make build` in the tree"
        ) from e


def _load_data(library: str) -> ModuleType:
    loader = importlib.machinery.ExtensionFileLoader("goring._core", library)
    spec = importlib.util.spec_from_loader("goring._core", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    names = (
        "Error Full Empty TooLarge SchemaError CorruptError ForkError Closed Ended Held Lapped "
        "PeerDead Unsupported CudaError WrongDevice ExporterGone Voided"
    )
    module.configure(
        **{n: getattr(_errors, n) for n in names.split()},
        encode_meta=_meta.encode,
        decode_meta=_meta.decode,
        stream_handle=_streams.handle,
        dtypes=_tensor_dtypes(),
    )
    return module


def _load() -> None:
    global _control, _data
    control = _load_control()
    assert control.__file__ is not None
    _data = sys.modules["goring._core"] = _load_data(control.__file__)
    os.register_at_fork(after_in_child=_after_fork)
    _control = control


def library() -> None:
    """Load the library unless it is loaded.

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
    """Return the value that a function of the control plane replies.

    Its error codes become exceptions.
    """
    library()
    reply = msgspec.json.decode(getattr(_control, f"pybridge_{function}")(*args))
    if reply["code"] == _layout.CODE_CUDA:
        raise _errors.CudaError(reply["text"], **reply["value"])
    if reply["code"]:
        raise _errors.BY_CODE.get(reply["code"], _errors.Error)(reply["text"])
    return reply["value"]


def core() -> type[_core.Ring]:
    """Return the data plane's ring class."""
    library()
    assert _data is not None
    ring: type[_core.Ring] = _data.Ring
    return ring


def unreference_gpu(address: int) -> None:
    """Drop the reference to a GPU ring's memory that no participant took over."""
    assert _data is not None
    _data.unreference_gpu(address)
