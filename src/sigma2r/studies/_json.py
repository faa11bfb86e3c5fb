"""JSON as it is meant: a name stands once, a number is one that 64 bits hold; what is wrong is said in our words."""

import json
import math
from typing import Any

from sigma2r._kinds import REFUSED, read
from sigma2r._shown import shown

_SURE = 18  # digits that 64 bits hold, whichever they are
_ENDS = ("true", "false", "null", "-", ".", "e+", "e-", "E+", "E-")  # what may stand half written at the end of a text
_ESCAPE = len("u00e9")  # a letter that is written by its number


class NoJsonError(ValueError):
    """A text is no JSON: what it is, as the rest of a sentence."""


def parsed(content: bytes) -> Any:
    """The values in JSON; a byte-order mark before them is passed over.

    Raises:
        NoJsonError: If it is none; that it was cut off is guessed only where it ends too early.

    Example:
        >>> parsed(b'{"a": 1')
        Traceback (most recent call last):
        sigma2r.studies._json.NoJsonError: it ends too early. Was it cut off?
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NoJsonError("it is no text in UTF-8.") from error
    try:
        return json.loads(
            text, parse_float=_float, parse_int=_whole, parse_constant=_refuse_constant, object_pairs_hook=_each_once
        )
    except RecursionError:
        raise NoJsonError("it is nested too deeply.") from None
    except json.JSONDecodeError as error:
        if _ends_early(text, error):
            raise NoJsonError("it ends too early. Was it cut off?") from error
        raise NoJsonError(f"what stands in line {error.lineno}, column {error.colno} is none.") from error


def _ends_early(text: str, error: json.JSONDecodeError) -> bool:
    rest = text[error.pos :].strip()
    in_a_text = error.msg.startswith("Unterminated") or ("escape" in error.msg and len(rest) <= _ESCAPE)
    return in_a_text or any(word.startswith(rest) for word in _ENDS)


def _float(text: str) -> float:
    value = float(text)
    if (value == 0 or math.isinf(value)) and read(float, text, from_text=True) is REFUSED:
        raise _beyond(text)
    return value


def _whole(text: str) -> int:
    if len(text) > _SURE and read(int, text, from_text=True) is REFUSED:
        raise _beyond(text)
    return int(text)


def _beyond(text: str) -> NoJsonError:
    told = text if len(text) <= 24 else f"{text[:12]}... of {len(text):,} signs"
    return NoJsonError(f"{told} is no number that 64 bits hold.")


def _refuse_constant(name: str) -> None:
    raise NoJsonError(f"{name} is no number of JSON.")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise NoJsonError(f"{shown(next(name for name in names if names.count(name) > 1))} is there twice.")
    return values
