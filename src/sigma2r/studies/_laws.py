"""What values of JSON must be: a law for each kind, and one sentence that names the place where it is broken."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sigma2r._shown import shown
from sigma2r._values import NATURAL, Rule


class BrokenLawError(ValueError):
    """A value is not what it must be where it stands."""


@dataclass(frozen=True)
class Each:
    """A list of values of one law, of so many if that is told."""

    law: "Law"
    length: int | None = None


@dataclass(frozen=True)
class Parts:
    """A mapping with these parts, perhaps with some more, and with any other part only if there is a law for it."""

    needed: Mapping[str, "Law"]
    optional: Mapping[str, "Law"] = field(default_factory=dict)
    others: "Law | None" = None


@dataclass(frozen=True)
class OrNull:
    """What another law allows, or null."""

    law: "Law"


Law = Rule | Each | Parts | OrNull


def number(rule: Rule) -> Rule:
    """A number of a rule: neither a truth value nor a text."""
    return Rule(rule.wanted, lambda value: type(value) in (int, float) and rule.holds(value))


def count(rule: Rule = NATURAL) -> Rule:
    """A whole number of a rule, written as one."""
    return Rule(rule.wanted, lambda value: type(value) is int and rule.holds(value))


def exactly(wanted: Any) -> Rule:
    """One value and no other, of its own type."""
    return Rule(f"be {wanted!r}", lambda value: type(value) is type(wanted) and value == wanted)


TEXT = Rule("be a text", lambda value: isinstance(value, str))
FINGERPRINT = Rule(
    "be 16 hex digits", lambda value: isinstance(value, str) and re.fullmatch(r"[0-9a-f]{16}", value) is not None
)


def obey(law: Law, value: Any, place: str = "") -> None:
    """Refuse what breaks a law.

    Args:
        law: What is wanted.
        value: What came, as JSON gives it.
        place: Where it stands: ``final.test.accuracy``.

    Raises:
        BrokenLawError: In half a sentence, that names the place.

    Example:
        >>> obey(Parts({"names": Each(TEXT)}), {"names": ["cat", 3]})
        Traceback (most recent call last):
        sigma2r.studies._laws.BrokenLawError: names[1] must be a text; got 3
    """
    if isinstance(law, OrNull) and value is None:
        return
    inner = law.law if isinstance(law, OrNull) else law
    if not _is(inner, value):
        raise BrokenLawError(f"{place} must {_wanted(law)}; got {'null' if value is None else shown(value)}")
    if isinstance(inner, Each):
        _obey_each(inner.law, value, place)
    elif isinstance(inner, Parts):
        _obey_parts(inner, value, place)


def _is(law: Law, value: Any) -> bool:
    if isinstance(law, Rule):
        return bool(law.holds(value))
    if isinstance(law, Each):
        return isinstance(value, list) and law.length in (None, len(value))
    return isinstance(value, Mapping)


def _wanted(law: Law) -> str:
    """What comes after "must"."""
    if isinstance(law, Rule):
        return law.wanted
    if isinstance(law, OrNull):
        return f"{_wanted(law.law)}, or be null"
    return "be a mapping" if isinstance(law, Parts) else "be a list" + (f" of {law.length}" * (law.length is not None))


def _obey_each(law: Law, values: list[Any], place: str) -> None:
    if isinstance(law, Rule) and all(map(law.holds, values)):
        return  # a plane may have very many points
    for index, value in enumerate(values):
        obey(law, value, f"{place}[{index}]")


def _obey_parts(law: Parts, values: Mapping[str, Any], place: str) -> None:
    here = place or "it"
    if missing := [name for name in law.needed if name not in values]:
        raise BrokenLawError(f"{here} lacks {', '.join(missing)}")
    known = {**law.needed, **law.optional}
    for name, value in values.items():
        if name not in known and law.others is None:
            raise BrokenLawError(f"{here} has an unknown part {name!r}")
        obey(known.get(name) or law.others, value, f"{place}.{name}".removeprefix("."))  # type: ignore[arg-type]
