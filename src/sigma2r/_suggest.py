"""One sentence for a name that does not exist, with the names that are near."""

from collections.abc import Iterable
from difflib import get_close_matches


def unknown(kind: str, got: str, known: Iterable[str]) -> ValueError:
    """The error for an unknown name: what is known, what came, what was probably meant.

    Example:
        >>> print(unknown("model", "lenett", ["lenet", "resnet18"]))
        unknown model 'lenett'; known: lenet, resnet18. Did you mean lenet?
        >>> print(unknown("model", "mine.py", ["lenet"]))
        unknown model 'mine.py'; known: lenet. One's own is named with its file, mine.py:NAME.
    """
    names = list(known)
    own = f" One's own is named with its file, {got}:NAME." if str(got).endswith(".py") else ""
    return ValueError(f"unknown {kind} {got!r}; known: {', '.join(names) or 'none'}.{own or near(got, names)}")


def near(got: str, known: Iterable[str]) -> str:
    """`` Did you mean lenet?`` where a known name is near, else nothing; capitals do not count.

    Example:
        >>> near("Adam", ["adam", "sgd"]), near("rmsprop", ["adam", "sgd"])
        (' Did you mean adam?', '')
    """
    by_lower = {name.lower(): name for name in known}
    found = get_close_matches(str(got).lower(), by_lower, n=2, cutoff=0.6)
    return f" Did you mean {' or '.join(by_lower[name] for name in found)}?" if found else ""
