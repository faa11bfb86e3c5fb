"""Calling what a user wrote, with those arguments that it takes; what it raises is told with its place."""

import inspect
import traceback
from collections.abc import Callable
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
    try:
        return function(*args, **offered)
    except Exception as error:  # whatever the code of a user raises
        raise broken(f"{path}: calling it", error) from error


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """What a function takes, or the constructor of a class, with what it passes on to that of the class before it.

    A module without a constructor of its own takes nothing.
    """
    if not isinstance(function, type):
        return list(inspect.signature(function, eval_str=True).parameters.values())
    found: dict[str, inspect.Parameter] = {}
    passed_on: list[inspect.Parameter] = []
    for step in function.__mro__:
        if "__init__" not in vars(step) or step in (nn.Module, object):
            continue
        own = list(inspect.signature(vars(step)["__init__"], eval_str=True).parameters.values())[1:]
        passed_on = [p for p in own if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        found = {**{p.name: p for p in own if p not in passed_on}, **found}
        if not passed_on:
            break
    return [*found.values(), *passed_on]


def broken(doing: str, error: BaseException) -> ValueError:
    """One sentence for what a user's code raised, with the line where it did."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    place, told = f"{Path(last.filename).name}, line {last.lineno}", " ".join(str(error).split())
    return ValueError(f"{doing} raised {type(error).__name__}: {told} ({place}).")
