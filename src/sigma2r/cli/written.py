"""What a user writes stays text until :mod:`sigma2r._values` reads it: on the command line, and in a file of settings.

The parser has other rules: those of YAML read 010 as 8, 1:30 as 90 and on as true, those of Python 1_000 as 1000, and
both make 0 of 1e-400. Here a value is what its annotation says, wherever it is written.
"""

import re
from collections.abc import Callable, Hashable
from copy import copy
from dataclasses import fields, is_dataclass, make_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypedDict, Union, get_args, get_origin, get_type_hints

import yaml
from jsonargparse import set_loader
from jsonargparse.typing import register_type

from sigma2r._kinds import choices
from sigma2r._shown import shown
from sigma2r._values import as_written, converted

MODE = "as-written"
"""The mode of a parser in which files of settings are read so."""

OURS = "\x02\x03"
"""Letters without ink before and behind a sentence of ours, within those that the parser puts around it."""

LISTS = {"losses"}
"""Flags with several words behind them, of which the parser cannot say what is wrong in a file."""

_READ = {bool, int, float}  # kinds that a text stands for; others are texts, or hold some


@cache
def description(of: type) -> type:
    """A description such as :class:`~sigma2r.studies.run.Run` for the parser: every value in it is read by our rules.

    Args:
        of: A dataclass, whose names, defaults and docstring the parser takes.
    """
    twin = make_dataclass(of.__name__, [(each.name, kind, copy(each)) for each, kind in _fields(of)], kw_only=True)
    twin.__doc__ = of.__doc__
    return twin


@cache
def value(who: str, name: str, kind: Any) -> Any:
    """What the parser takes for an annotation: a type that reads by our rules, or itself where it is of texts.

    Args:
        who: Whose value it is, for the error.
        name: The value.
        kind: Its annotation.
    """
    inner, origin = get_args(kind), get_origin(kind)
    members = inner if origin in (Union, UnionType) else (kind,)
    numbers = [each for each in members if each is not NoneType]
    if kind is Any:
        return _reader("Any", as_written)
    if any(each in _READ for each in numbers) and all(each in _READ or choices(each) for each in numbers):
        named = [word for each in numbers for word in choices(each) or [each.__name__]]
        reader = _reader("_or_".join(named), _reads(who, name, kind))
        return reader | None if NoneType in members else reader
    if is_dataclass(kind):
        return _some_of(kind)
    if origin in (Union, UnionType, tuple, dict):
        parts = tuple(each if each in (Ellipsis, NoneType) else value(who, name, each) for each in inner)
        return (Union if origin is UnionType else origin)[parts]
    return kind


def _some_of(kind: Any) -> Any:
    """A mapping with some of the fields of a dataclass, which keep their defaults otherwise, and its shorthands."""
    also = {name: value(kind.__name__, name, wanted) for name, wanted in getattr(kind, "shorthands", {}).items()}
    of_each = {each.name: wanted for each, wanted in _fields(kind)}
    return TypedDict(kind.__name__, {**of_each, **also}, total=False)  # type: ignore[operator]


def _fields(of: Any) -> list[tuple[Any, Any]]:
    """The fields of a dataclass, each with what the parser takes for its annotation."""
    kinds = get_type_hints(of)
    return [(each, value(of.__name__, each.name, kinds[each.name])) for each in fields(of)]


def _reads(who: str, name: str, kind: Any) -> Callable[[Any], Any]:
    def reads(given: Any) -> Any:
        try:
            return converted(who, name, kind, given, from_text=True)
        except ValueError as error:
            raise ValueError(f"{OURS[0]}{str(error).removeprefix(f'{who}: ')}{OURS[1]}") from error

    return reads


class _Kind(type):
    """A type that the help shows by its name alone."""

    def __repr__(cls) -> str:
        return cls.__name__


def _reader(name: str, reads: Callable[[Any], Any]) -> type:
    """A type that the help of the parser calls so."""
    kind = _Kind(name, (), {})
    register_type(kind, serializer=lambda taken: taken, deserializer=reads, type_check=lambda *_: False)
    return kind


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # it ships no types
    """YAML in which a scalar is text, or null; a name stands once in a mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping.

        Raises:
            yaml.YAMLError: If a name stands twice in it.
        """
        names = [key.value for key, _ in node.value]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise yaml.constructor.ConstructorError(problem=f"{OURS[0]}{twice} must stand once{OURS[1]}")
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


for _kind in ("bool", "int", "float", "timestamp", "value"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", yaml.SafeLoader.construct_yaml_str)


def _load(text: str) -> Any:
    taken = yaml.load(text, Loader=_Loader)
    for name in LISTS & taken.keys() if isinstance(taken, dict) else ():
        if not isinstance(taken[name], list) or not all(isinstance(each, str) for each in taken[name]):
            problem = f"{OURS[0]}{name} must be a list of texts; got {shown(taken[name])}{OURS[1]}"
            raise yaml.constructor.ConstructorError(problem=problem)
    return taken


def stands_twice(text: str) -> str | None:
    """What our rules say of a mapping in which a name stands twice; None of any other text."""
    try:
        yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        ours = re.search(f"{OURS[0]}(.*?){OURS[1]}", str(error))
        return ours and ours[1]
    return None


set_loader(MODE, _load, (yaml.YAMLError,))
