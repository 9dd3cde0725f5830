"""Checks of arguments: each refusal names the argument and its value.

They run before anything is created or loaded, and raise `BadValue` or `BadName`.
"""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Collection
from typing import Any

import msgspec

from ._errors import BadName, BadValue

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}")


def name(value: object) -> str:
    """Return a legal name of a ring."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise BadName(
            f"bad ring name {value!r}: 1 to 200 of letters, digits, _ . -, not beginning with a dot"
        )
    return value


def integer(field: str, value: Any) -> int:
    """Return an integer of 64 bits; a bool is none."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise BadValue(f"{field} is {value!r}, want an integer") from None
    if not -(2**63) <= number < 2**63:
        raise BadValue(f"{field} is {number}, want an integer of 64 bits")
    return number


def not_negative(field: str, value: Any) -> int:
    """Return an integer of 0 or more; a bool is none."""
    number = integer(field, value)
    if number < 0:
        raise BadValue(f"{field} is {number}, want 0 or more")
    return number


def one_of(field: str, value: str, allowed: Collection[str]) -> str:
    """Return one of the allowed words."""
    if value not in allowed:
        raise BadValue(f"{field} is {value!r}, want one of {', '.join(map(repr, allowed))}")
    return value


def folder(dir: str | os.PathLike[str] | None) -> str:
    """Return the rings' folder: dir, else GORING_DIR, else "" for the default."""
    # Read here, because the Go runtime keeps the environment that it was started with.
    try:
        return os.fsdecode(os.environ.get("GORING_DIR", "") if dir is None else dir)
    except TypeError:
        raise BadValue(f"dir is {dir!r}, want a path") from None


def encode_options(options: dict[str, Any]) -> str:
    """Return options as JSON, as the control plane takes them."""
    try:
        return msgspec.json.encode(options).decode()
    except UnicodeEncodeError as e:
        raise BadValue(f"text that is not Unicode: {e.object!r}") from None
