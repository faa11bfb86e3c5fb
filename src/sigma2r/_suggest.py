"""One sentence for a name that does not exist, with the names that are near."""

from collections.abc import Iterable
from difflib import get_close_matches


def unknown(kind: str, got: str, known: Iterable[str]) -> ValueError:
    """The error for an unknown name: what is known, what came, what was probably meant.

    Example:
        >>> print(unknown("model", "lenett", ["lenet", "resnet18"]))
        unknown model 'lenett'; known: lenet, resnet18. Did you mean lenet?
    """
    names = list(known)
    near = get_close_matches(got, names, n=2, cutoff=0.6)
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    return ValueError(f"unknown {kind} {got!r}; known: {', '.join(names)}.{meant}")
