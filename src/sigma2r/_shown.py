"""How messages name a value: in a few words, on one line, whatever it is."""

from collections.abc import Mapping, Sequence

_LONGEST = 60  # characters of a text that is quoted
_MOST_BITS = 256  # of a whole number that is written out


def shown(value: object) -> str:
    """A number or a word as it is written, anything larger by its kind and size.

    Example:
        >>> print(shown("yes"), shown(0.5), shown(None), shown([1, 2, 3]), shown(["cat"]), sep="; ")
        'yes'; 0.5; None; a list of 3 numbers; a list of 1 text
    """
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return f"a whole number of {value.bit_length()} bits"
    if value is None or isinstance(value, (str, bytes, int, float, complex)):
        text = repr(value)
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...{text[-1]} ({len(value)} characters)"  # type: ignore[arg-type]
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        if not shape and hasattr(value, "item"):
            return " ".join(repr(value).split())
        return f"a {_kind(value)} of shape {tuple(shape)} and {getattr(value, 'dtype', 'unknown dtype')}"
    if isinstance(value, Mapping):
        return f"a {_kind(value)}" + (f" with {shown(next(iter(value)))} and so on" if value else " with nothing in it")
    if isinstance(value, Sequence):
        return f"a {_kind(value)} of {len(value)}" + (f" {_those(value)}" if len(value) else "")
    return f"a {_kind(value)}"


def listed(words: Sequence[str], last: str = "and") -> str:
    """Words with commas, the last behind "and".

    Example:
        >>> listed(["a", "b", "c"]), listed(["a"])
        ('a, b and c', 'a')
    """
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)


def plural(count: int, word: str) -> str:
    """A number and what is counted.

    Example:
        >>> plural(1, "image"), plural(1200, "image")
        ('1 image', '1,200 images')
    """
    return f"{count:,} {word}{'s' * (count != 1)}"


def unread(problems: Sequence[str]) -> str:
    """How many images could not be read, and why, as of the first.

    Example:
        >>> unread(["a.png is no image."])
        '1 image could not be read and is left out, as of the first: a.png is no image.'
    """
    verb = "is" if len(problems) == 1 else "are"
    return f"{plural(len(problems), 'image')} could not be read and {verb} left out, as of the first: {problems[0]}"


def _those(values: Sequence[object]) -> str:
    """What a sequence holds: shapes where it holds a few tensors, otherwise the kinds of its values."""
    if all(isinstance(getattr(value, "shape", None), tuple) for value in values) and len(values) <= 4:
        several = "s" * (len(values) > 1)
        shapes = listed([str(tuple(value.shape)) for value in values])  # type: ignore[attr-defined]
        return f"{_kind(values[0])}{several} of shape{several} {shapes}"
    named = {bool: "truth value", int: "number", float: "number", str: "text"}
    kinds = dict.fromkeys("None" if value is None else named.get(type(value), _kind(value)) for value in values)
    return listed([kind if kind == "None" else f"{kind}{'s' * (len(values) > 1)}" for kind in kinds])


def _kind(value: object) -> str:
    """The type with its library: ``numpy.ndarray``, ``pandas.Series``, ``list``."""
    library = type(value).__module__.partition(".")[0]
    name = type(value).__name__
    return name if library == "builtins" else f"{library}.{name}"
