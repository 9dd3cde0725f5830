"""The hierarchy: everything is a goring.Error, and the built-in class that it resembles."""

from __future__ import annotations

import pytest
from goring._errors import BY_CODE

import goring
from goring import _layout

BASES = [
    (goring.Timeout, TimeoutError),
    (goring.Full, goring.Timeout),
    (goring.Empty, goring.Timeout),
    (goring.TooLarge, ValueError),
    (goring.SchemaError, TypeError),
    (goring.SchemaError, ValueError),
    (goring.BadValue, ValueError),
    (goring.BadName, goring.BadValue),
    (goring.Closed, ValueError),
    (goring.Ended, goring.Closed),
    (goring.ForkError, RuntimeError),
    (goring.Held, BufferError),
    (goring.Lapped, goring.Error),
    (goring.NotFound, FileNotFoundError),
    (goring.Exists, FileExistsError),
    (goring.Unsafe, PermissionError),
    (goring.NoSpace, OSError),
    (goring.Unsupported, NotImplementedError),
    (goring.VersionError, goring.Error),
    (goring.CorruptError, goring.Error),
    (goring.Busy, goring.Error),
    (goring.PeerDead, goring.Error),
    (goring.CudaError, RuntimeError),
    (goring.CudaUnavailable, RuntimeError),
    (goring.WrongDevice, ValueError),
    (goring.ExporterGone, goring.Error),
    (goring.Voided, goring.Error),
]


@pytest.mark.parametrize(("error", "base"), BASES)
def test_bases(error: type[goring.Error], base: type[Exception]) -> None:
    assert issubclass(error, base)
    assert issubclass(error, goring.Error)


def test_every_code_of_the_control_plane_has_an_exception() -> None:
    codes = {value for name, value in vars(_layout).items() if name.startswith("CODE_")}
    assert codes == BY_CODE.keys() | {_layout.CODE_CUDA}


def test_every_error_is_exported_and_under_error() -> None:
    errors = {n for n in goring.__all__ if isinstance(getattr(goring, n), type)}
    errors = {n for n in errors if issubclass(getattr(goring, n), Exception)}
    assert errors == {error.__name__ for error, _ in BASES} | {"Error"}
