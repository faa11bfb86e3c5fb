"""How a value of each kind is read: whole numbers, numbers, truth values, texts, choices, lists, mappings.

The rules stand at :mod:`sigma2r._values`, which is what others use.
"""

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from functools import partial
from numbers import Real
from os import PathLike
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from torch import Tensor

LARGEST = 2**63 - 1  # what a tensor can hold or count
REFUSED = object()
WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_NOTHING = ("none", "null")
_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[+-]?\.?(?:inf|infinity|nan)", re.IGNORECASE)


def known(kind: Any) -> bool:
    """Whether :func:`read` knows the kind."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (tuple, list):
        return known(inner[0]) and (origin is list or inner[1:] == (Ellipsis,))
    return origin in (Literal, dict) or (origin is None and kind is not Any and isinstance(kind, type))


def choices(kind: Any) -> tuple[Any, ...]:
    """What a ``Literal`` offers; nothing for another kind."""
    origin: Any = get_origin(kind)
    return get_args(kind) if origin is Literal else ()


def read(kind: Any, value: Any, from_text: bool) -> Any:
    """``value`` as a kind, or ``REFUSED``."""
    origin, inner = get_origin(kind), get_args(kind)
    if choices(kind):
        return _choice(inner, scalar(value), from_text)
    if origin in (tuple, list):
        return _several(origin, inner[0], value, from_text)
    if origin is dict:
        return _mapping(inner, value, from_text)
    text = value.strip().lower() if from_text and isinstance(value, str) else None
    if kind is NoneType:
        return None if value is None or text in _NOTHING else REFUSED
    if kind is bool:
        return WORDS.get(text, REFUSED) if text is not None else _truth(scalar(value))
    if kind in (int, float):
        size = number(value, from_text)
        return REFUSED if size is None else _whole(size) if kind is int else _finite(size)
    if kind is str:
        return str(value) if isinstance(value, str) else REFUSED
    if kind is Path and isinstance(value, (str, PathLike)):
        return Path(value)
    return value if isinstance(value, kind) else REFUSED


def called(kind: Any, from_text: bool) -> str:
    """What a value must be to be of a kind."""
    inner = [{str: "texts", int: "whole numbers", float: "numbers"}.get(one, "values") for one in get_args(kind)]
    if get_origin(kind) in (tuple, list):
        return f"a list of {inner[0]}"
    if get_origin(kind) is dict:
        return f"a mapping from {inner[0]} to {inner[1]}"
    truth = "true or false" if from_text else "True or False"
    named = {float: "a finite number", int: "a whole number", str: "a text", bool: truth}
    return named.get(kind, f"a {kind.__name__}")


def number(value: object, from_text: bool = False) -> Any:
    """The number that ``value`` is or holds; None for a truth value, a text that is not read, or anything else."""
    if isinstance(value, (int, float)):
        return None if isinstance(value, bool) else value
    if isinstance(value, str):
        return _written(value) if from_text else None
    held = scalar(value)
    return held if isinstance(held, (int, float, Real, Decimal)) and held is not True and held is not False else None


def is_doubtful(text: str) -> bool:
    """Whether others would read a number in a text in which our rules read none: 0x10, 1_000, 010, 1e-400, nan."""
    if number(text, from_text=True) is not None:
        return read(float, text, from_text=True) is REFUSED
    for reads in (float, partial(int, base=0)):
        with suppress(ValueError):
            reads(text)
            return True
    return False


def scalar(value: object) -> Any:
    """What a scalar of torch or numpy holds; a tensor whose gradient would be lost stays one."""
    if isinstance(value, Tensor) and value.requires_grad:
        return value
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


def _truth(value: object) -> Any:
    return bool(value) if isinstance(value, (int, float)) and value in (0, 1) else REFUSED


def _written(text: str) -> Decimal | float | None:
    """Read through Decimal: so no digit of a long number is lost, and none is so long that reading takes time.

    What others would read as another number, or as none, is none: 010, 0x10, 1_000, 1:30, digits of other scripts.
    """
    text = text.strip()
    if _NO_NUMBER.fullmatch(text):
        return float(text.lower().replace(".", ""))
    try:
        return Decimal(text) if _NUMBER.fullmatch(text) else None
    except InvalidOperation:  # an exponent of twenty digits
        return None


def _whole(size: Any) -> Any:
    return int(size) if -LARGEST <= size <= LARGEST and int(size) == size else REFUSED


def _finite(size: Any) -> Any:
    try:
        nearest = float(size)
    except OverflowError:
        return REFUSED
    return nearest if math.isfinite(nearest) and (nearest != 0 or size == 0) else REFUSED


def _choice(offered: tuple[Any, ...], value: object, from_text: bool) -> Any:
    for choice in offered:
        same = isinstance(choice, bool) == isinstance(value, bool) and isinstance(value, type(choice))
        if (same and choice == value) or (from_text and isinstance(value, str) and str(choice) == value.strip()):
            return choice
    return REFUSED


def _several(origin: Any, inner: Any, value: Any, from_text: bool) -> Any:
    """A tuple or list; one text stands for a list of one, an array for its values."""
    if isinstance(value, str):
        value = [value]
    elif getattr(value, "ndim", None) == 1 and hasattr(value, "tolist"):
        value = value.tolist()
    if not isinstance(value, (tuple, list)):
        return REFUSED
    inside = [read(inner, one, from_text) for one in value]
    return REFUSED if any(one is REFUSED for one in inside) else origin(inside)


def _mapping(inner: tuple[Any, ...], value: object, from_text: bool) -> Any:
    if not isinstance(value, Mapping):
        return REFUSED
    keys = [read(inner[0], key, from_text) for key in value]
    inside = [read(inner[1], one, from_text) if known(inner[1]) else one for one in value.values()]
    return REFUSED if any(one is REFUSED for one in (*keys, *inside)) else dict(zip(keys, inside, strict=True))
