"""Calling what a user wrote, with those arguments that it takes; what it raises is told with its place."""

import inspect
import signal
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn


def call_own(path: str, *args: Any, function: Callable[..., Any], **offered: Any) -> Any:
    """``function(*args, ...)`` with those of ``offered`` that it names, or all if it takes any keyword.

    Args:
        path: What the user calls it, for the error.
        args: What it must take.
        function: What the path names.
        offered: What it may take.

    Raises:
        ValueError: In one sentence, whatever it raises.

    Example:
        >>> call_own("mine", "train", function=lambda split, side: (split, side), side=8, folder=None)
        ('train', 8)
    """
    parameters = parameters_of(function)
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        offered = {p.name: offered[p.name] for p in parameters if p.name in offered}
    with told(f"{path}: calling it"):
        return function(*args, **offered)


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """What a function takes, or the constructor of a class, with what it passes on to that of the class before it.

    A module without a constructor of its own takes nothing. An annotation that only a type checker can read is none.
    """
    if not isinstance(function, type):
        return _annotated(function)
    found: dict[str, inspect.Parameter] = {}
    passed_on: list[inspect.Parameter] = []
    for step in function.__mro__:
        if "__init__" not in vars(step) or step in (nn.Module, object):
            continue
        own = _annotated(vars(step)["__init__"])[1:]
        passed_on = [p for p in own if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        found = {**{p.name: p for p in own if p not in passed_on}, **found}
        if not passed_on:
            break
    return [*found.values(), *passed_on]


def _annotated(function: Callable[..., Any]) -> list[inspect.Parameter]:
    names = _names_of(function)
    return [p.replace(annotation=_evaluated(p, names)) for p in inspect.signature(function).parameters.values()]


def _evaluated(parameter: inspect.Parameter, names: dict[str, Any]) -> Any:
    if not isinstance(parameter.annotation, str):
        return parameter.annotation
    try:
        return eval(parameter.annotation, names)
    except Exception:  # names that only a type checker imports
        return inspect.Parameter.empty


def _names_of(function: Any) -> dict[str, Any]:
    """The names that the annotations of a function may use."""
    while isinstance(function, partial):
        function = function.func
    function = inspect.unwrap(function)
    if isinstance(function, type):
        function = function.__init__  # type: ignore[misc]
    elif not hasattr(function, "__globals__") and not hasattr(function, "__func__"):
        function = type(function).__call__
    return getattr(function, "__globals__", {})


@contextmanager
def told(doing: str, files: Collection[str] | None = None) -> Iterator[None]:
    """Tell what the code of a user raises within the block in one sentence; a signal to end is not the code's.

    Args:
        doing: What the code was asked for.
        files: Of the user's code: what is raised without it passes. None: all is the user's.

    Raises:
        ValueError: For whatever the code raises, an exit as well.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        if asked_to_end(error) or not (files is None or _frames(error, files)):
            raise
        raise broken(doing, error, files) from error


def asked_to_end(error: BaseException) -> bool:
    """Whether it says that a signal has asked the process to end, wherever it was."""
    return isinstance(error, SystemExit) and error.code == 128 + signal.SIGTERM


def broken(doing: str, error: BaseException, files: Collection[str] | None = None) -> ValueError:
    """One sentence for what a user's code raised, with the line where it did; the last of those in ``files``."""
    last = _frames(error, files)[-1]
    place, said = f"{Path(last.filename).name}, line {last.lineno}", " ".join(str(error).split())
    return ValueError(f"{doing} raised {type(error).__name__}: {said} ({place}).")


def _frames(error: BaseException, files: Collection[str] | None) -> list[traceback.FrameSummary]:
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in frames if files is None or frame.filename in files]
