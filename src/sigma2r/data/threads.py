"""``map`` by as many threads as there are cores."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
_AT_ONCE = 64  # files a task: one each would cost more than it saves
_TASKS = 16  # a core: how far it runs ahead of who asks


def mapped(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """The results in their order; what ``work`` raises comes where its result would.

    Example:
        >>> sum(mapped(abs, range(-100, 100)))
        10000
    """
    left, cores = iter(items), os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as pool:
        while parts := [part for _ in range(_TASKS * cores) if (part := list(islice(left, _AT_ONCE)))]:
            for results in pool.map(lambda part: [work(item) for item in part], parts):
                yield from results
