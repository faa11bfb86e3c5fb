"""One place converts and checks what people give: in Python, on the command line, in files of settings.

The annotation of a parameter says what is wanted: ``bool``, ``int``, ``float``, ``str``, ``Path``, a ``Literal``, None,
a class, ``tuple[..., ...]``, ``list[...]`` or ``dict[...]`` of such, or a union; beside it may stand which numbers, as
in :data:`Count`. An annotation of another kind lets everything through.

Rules: a whole number may be written as 3.0, but not be beyond 64 bits; a number must be finite, is 0 only if it was
given as 0, and is neither a truth value nor a text; a truth value is True, False, 1 or 0; a scalar of torch or numpy is
the number that it holds. Where a value comes as text, numbers are read from it, in the digits 0 to 9 without a 0 before
them, with a sign, a point and an exponent; yes, on and true mean True, no, off and false mean False, none and null mean
None.
"""

import functools
import inspect
import math
import re
import sys
from collections.abc import Callable
from types import NoneType, UnionType
from typing import Annotated, Any, NamedTuple, ParamSpec, TypeVar, Union, get_args, get_origin

import torch

from sigma2r._kinds import LARGEST, REFUSED, WORDS, called, choices, known, number, read
from sigma2r._shown import listed, shown
from sigma2r._suggest import near

Params = ParamSpec("Params")
Result = TypeVar("Result")


class Rule(NamedTuple):
    """Which numbers are wanted."""

    wanted: str
    """What comes after "must"."""
    holds: Callable[[Any], bool]

    def __repr__(self) -> str:
        """In words, for those who look at a signature."""
        return repr(self.wanted)


_MOST = sys.float_info.max
WHOLE = Rule("be a whole number", lambda value: -LARGEST <= value <= LARGEST and value % 1 == 0)
COUNT = Rule("be a whole number of at least 1", lambda value: 1 <= value <= LARGEST and value % 1 == 0)
NATURAL = Rule("be a whole number of at least 0", lambda value: 0 <= value <= LARGEST and value % 1 == 0)
FINITE = Rule("be a finite number", lambda value: -_MOST <= value <= _MOST)
POSITIVE = Rule("be positive and finite", lambda value: 0 < value <= _MOST)
NOT_NEGATIVE = Rule("be a finite number of at least 0", lambda value: 0 <= value <= _MOST)
SHARE = Rule("lie in (0, 1]", lambda value: 0 < value <= 1)

Count = Annotated[int, COUNT]
Natural = Annotated[int, NATURAL]
Positive = Annotated[float, POSITIVE]
NotNegative = Annotated[float, NOT_NEGATIVE]
Share = Annotated[float, SHARE]


def checked(function: Callable[Params, Result]) -> Callable[Params, Result]:
    """Let a function, mostly a constructor, see its arguments as their annotations want them, or refuse them.

    Example:
        >>> @checked
        ... def grow(count: Count = 1, *, fast: bool = False) -> tuple[int, bool]:
        ...     return count, fast
        >>> grow(3.0, fast=1)
        (3, True)
        >>> grow(2, fast="no")
        Traceback (most recent call last):
        ValueError: grow: fast must be True or False; got 'no'. Did you mean False?
    """
    signature = inspect.signature(function, eval_str=True)
    annotations = {p.name: p.annotation for p in signature.parameters.values() if p.annotation is not p.empty}
    constructs = function.__name__ == "__init__"

    @functools.wraps(function)
    def wrapper(*args: Params.args, **kwargs: Params.kwargs) -> Result:
        try:
            given = signature.bind(*args, **kwargs)
        except TypeError:
            return function(*args, **kwargs)  # Python's own words for arguments that are missing or too many
        who = type(args[0]).__name__ if constructs else function.__name__
        for name, value in given.arguments.items():
            if name in annotations:
                given.arguments[name] = converted(who, name, annotations[name], value)
        return function(*given.args, **given.kwargs)

    return wrapper


def converted(who: str, name: str, annotation: Any, value: Any, *, from_text: bool = False) -> Any:
    """``value`` as ``annotation`` wants it.

    Args:
        who: Whose parameter it is: how the message begins.
        name: The parameter.
        annotation: See the head of this module.
        value: What came.
        from_text: A text may stand for a number, a truth value or None, as on a command line.

    Raises:
        ValueError: In one sentence, if it is not wanted.

    Example:
        >>> converted("Run", "epochs", int, "3.0", from_text=True), converted("Run", "lr", float, 1)
        (3, 1.0)
    """
    parts = _parts(annotation)
    if not all(known(kind) for kind, _ in parts):
        return value
    for kind, rule in sorted(parts, key=lambda part: _turn(part[0], value, from_text)):
        taken = read(kind, value, from_text)
        if taken is not REFUSED and (rule is None or rule.holds(taken)):
            return taken
    raise refusal(who, name, _wanted(parts, value, from_text), value, _meant(name, parts, value, from_text))


def as_written(value: Any) -> Any:
    """What a text says by itself, or each in a list, where no annotation tells: a number, a truth value, None, or text.

    Example:
        >>> as_written("7"), as_written("1e-3"), as_written("true"), as_written("none"), as_written("010")
        (7, 0.001, True, None, '010')
    """
    if isinstance(value, list):
        return [as_written(each) for each in value]
    if not isinstance(value, str):
        return value
    words = {"true": True, "false": False, "none": None, "null": None}
    if value.strip().lower() in words:
        return words[value.strip().lower()]
    whole = re.fullmatch(r"\s*[+-]?[0-9]+\s*", value) is not None
    taken = read(int if whole else float, value, from_text=True)
    return value if taken is REFUSED else taken


def refusal(who: str, name: str, wanted: str, value: object, remedy: str = "") -> ValueError:
    """The error for a value: who says it, the rule, what came, the likely remedy."""
    return ValueError(f"{who}: {name} must {wanted}; got {shown(value)}.{remedy}")


def one_of(offered: tuple[Any, ...]) -> str:
    """What comes after "must" where a value is one of several."""
    return "be " + listed([f'"{choice}"' if isinstance(choice, str) else repr(choice) for choice in offered], "or")


def wanted_of_whole(size: Any, rule: Rule | None) -> str:
    """What comes after "must" where a whole number is wanted, and this number, or None, is not it."""
    if size is not None and LARGEST < size < math.inf:
        return f"be a whole number of at most {LARGEST}"
    return "be a whole number" if rule is None else rule.wanted


def wanted_of_number(size: Any, rule: Rule) -> str:
    """What comes after "must" where a number is wanted, and this one, or None, is not it."""
    if size is not None and -1 < size < 1 and size != 0 and float(size) == 0:
        return "be 0, or a number that 64 bits tell from 0"
    return rule.wanted if size is not None or " number" in rule.wanted else f"be a number and {rule.wanted}"


_Part = tuple[Any, Rule | None]  # a kind, and which of its numbers


def _parts(annotation: Any) -> list[_Part]:
    """The kinds that an annotation allows, each with the rule beside it."""
    rule = None
    if get_origin(annotation) is Annotated:
        annotation, *beside = get_args(annotation)
        rule = next((part for part in beside if isinstance(part, Rule)), None)
    if get_origin(annotation) in (Union, UnionType):
        return [part for member in get_args(annotation) for part in _parts(member)]
    return [(NoneType if annotation is None else annotation, rule)]


def _turn(kind: Any, value: object, from_text: bool) -> int:
    """When a kind has its turn: that of the value itself first; text is taken as text last."""
    if from_text and isinstance(value, str):
        return 2 if kind is str else 1 if kind is NoneType else 0
    return 0 if type(value) is kind else 1


def _wanted(parts: list[_Part], value: object, from_text: bool) -> str:
    """What comes after "must". None is named where the kind of the value is at fault, not its size."""
    size, or_none = number(value, from_text), any(kind is NoneType for kind, _ in parts)
    told = []
    for kind, rule in parts:
        if offered := choices(kind):
            told.append(one_of((None, *offered) if or_none else offered))
            or_none = False
        elif kind is int:
            told.append(wanted_of_whole(size, rule))
        elif kind is not NoneType:
            rule = FINITE if kind is float and rule is None else rule
            told.append(f"be {called(kind, from_text)}" if rule is None else wanted_of_number(size, rule))
    if or_none and size is None:
        told.append("be none" if from_text else "be None")
    return ", or ".join(told)


def _meant(name: str, parts: list[_Part], value: object, from_text: bool) -> str:
    """What was probably meant, where that is plain."""
    if isinstance(value, torch.Tensor) and value.requires_grad and not value.ndim:
        return f" A setting has no gradient; its value alone is {name}.item()."
    if any(kind is torch.Generator for kind, _ in parts) and isinstance(value, int):
        return f" Did you mean torch.Generator().manual_seed({value!r})?"
    if not isinstance(value, str):
        return ""
    if any(kind is bool for kind, _ in parts) and value.strip().lower() in WORDS:
        return f" Did you mean {WORDS[value.strip().lower()]}?"
    if from_text and any(kind in (int, float) for kind, _ in parts) and number(value, from_text) is None:
        return " A number is written as 12, 0.5 or 1e-3." if any(map(str.isdigit, value)) else ""
    return near(value, [str(one) for kind, _ in parts for one in choices(kind)])
