"""Names of classes that a person takes for one: Unicode forms, white space or capitals make them two."""

import re
import warnings
from collections.abc import Callable, Collection, Iterable, Sequence
from unicodedata import category, normalize

_MOST = 3  # pairs that a message tells
_VARIANT = re.compile("[\ufe00-\ufe0f]")  # follows a sign, such as a heart, and chooses its picture


def _composed(name: str) -> str:
    return normalize("NFC", name)


def _without_space(name: str) -> str:
    """With one space for any white space, none at the ends, and nothing that has no ink."""
    seen = (" " if letter.isspace() else letter for letter in name if letter.isspace() or category(letter) != "Cf")
    return " ".join(_VARIANT.sub("", _composed("".join(seen))).split())


def _without_capitals(name: str) -> str:
    return _composed(_composed(name).casefold())


def _bare(name: str) -> str:
    return _without_capitals(_without_space(normalize("NFKC", name)))


_Key = Callable[[str], str]
_LOOK_ALIKE: dict[str, _Key] = {
    "are one name in two Unicode forms": _composed,
    "differ only in white space or in what has no ink": _without_space,
}
_ONE_NAME: dict[str, _Key] = {
    **_LOOK_ALIKE,
    "differ only in capitals": _without_capitals,
    "differ only in capitals, white space and Unicode forms": _bare,
}


def near_names(mine: Collection[str], theirs: Collection[str], my_place: str, their_place: str) -> str:
    """What to do about classes that one split lacks because it spells them in another way.

    Args:
        mine: All classes of a split.
        theirs: All classes of the other one.
        my_place: The first split, as a message calls it.
        their_place: The other one.

    Returns:
        Nothing if there are no such names; otherwise sentences, with a space before them.

    Example:
        >>> print("They differ." + near_names(["Cat"], ["cat", "dog"], "test/", "train/"))
        They differ. 'Cat' of test/ and 'cat' of train/ differ only in capitals. Rename one.
    """
    found: list[str] = []
    told: set[str] = set()
    all_names = set(mine), set(theirs)
    lacking = all_names[0] - all_names[1], all_names[1] - all_names[0]
    for how, key in _ONE_NAME.items():
        # A class that both have is one of its own where capitals tell it from another, as in a set of letters.
        for mine_is, theirs_is in _pairs(key, *(all_names if how in _LOOK_ALIKE else lacking)):
            if not {mine_is, theirs_is} <= told:
                told |= {mine_is, theirs_is}
                spell = ascii if key is _composed else repr
                found.append(f"{spell(mine_is)} of {my_place} and {spell(theirs_is)} of {their_place} {how}")
    return f" {_told(found)}. Rename one{' of each' * (len(found) > 1)}." if found else ""


def _pairs(key: _Key, mine: set[str], theirs: set[str]) -> list[tuple[str, str]]:
    """A name that one lacks, and that of the other with the same key."""
    here, there = ({key(name): name for name in sorted(names)} for names in (mine, theirs))
    pairs = [(name, there[key(name)]) for name in sorted(mine - theirs) if key(name) in there]
    return list(
        dict.fromkeys([*pairs, *((here[key(name)], name) for name in sorted(theirs - mine) if key(name) in here)])
    )


def say_look_alikes(names: Iterable[str], where: str) -> None:
    """Warn of classes beside each other that look the same; capitals are told apart, as in a set of letters."""
    first: dict[str, str] = {}
    found = []
    for name in sorted(names):
        other = first.setdefault(_without_space(name), name)
        if other != name:
            how = next(how for how, key in _LOOK_ALIKE.items() if key(other) == key(name))
            found.append(f"{other!a} and {name!a} {how}")
    if found:
        warnings.warn(f"{where} has classes that look the same: {_told(found)}. Are they one?", stacklevel=3)


def _told(pairs: Sequence[str]) -> str:
    more = f" (and {len(pairs) - _MOST} more)" if len(pairs) > _MOST else ""
    return "; ".join(pairs[:_MOST]) + more
