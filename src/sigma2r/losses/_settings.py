"""What every loss asks of its settings where it is a function; constructors have :func:`sigma2r._values.checked`.

Written so that compiled code can run through it: no annotation is looked at.
"""

from collections.abc import Mapping

from sigma2r._kinds import number
from sigma2r._suggest import near
from sigma2r._values import (
    COUNT,
    NOT_NEGATIVE,
    POSITIVE,
    WHOLE,
    Rule,
    one_of,
    refusal,
    wanted_of_number,
    wanted_of_whole,
)


def check_positive(who: str, **values: float) -> None:
    """Refuse hyper-parameters that must be above zero and are not.

    Raises:
        ValueError: Naming the first that is not positive and finite.
    """
    _check_numbers(who, POSITIVE, values)


def check_not_negative(who: str, **values: float) -> None:
    """Refuse hyper-parameters that must be at least zero and are not.

    Raises:
        ValueError: Naming the first that is negative or not finite.
    """
    _check_numbers(who, NOT_NEGATIVE, values)


def _check_numbers(who: str, rule: Rule, values: dict[str, float]) -> None:
    for name, value in values.items():
        size = number(value)
        if size is None or not rule.holds(size):
            raise refusal(who, name, wanted_of_number(size, rule), value)


def check_count(who: str, **values: int) -> None:
    """Refuse counts that are not whole numbers of at least 1.

    Raises:
        ValueError: Naming the first that is not.
    """
    _check_whole_numbers(who, COUNT, values)


def check_whole(who: str, **values: int | None) -> None:
    """Refuse what is not a whole number; None is none at all.

    Raises:
        ValueError: Naming the first.
    """
    _check_whole_numbers(who, WHOLE, values)


def _check_whole_numbers(who: str, rule: Rule, values: Mapping[str, int | None]) -> None:
    for name, value in values.items():
        if value is None and rule is WHOLE:
            continue
        size = number(value)
        if size is None or not rule.holds(size):
            raise refusal(who, name, wanted_of_whole(size, rule), value)


def check_flag(who: str, **values: object) -> None:
    """Refuse what is neither True nor False: a word such as "no" would count as true.

    Raises:
        ValueError: Naming the first.
    """
    for name, value in values.items():
        if not isinstance(value, bool) and number(value) not in (0, 1):
            raise refusal(who, name, "be True or False", value)


def check_choice(who: str, name: str, value: object, offered: tuple[str | None, ...]) -> None:
    """Refuse a word that is not among those offered; the nearest is suggested.

    Raises:
        ValueError: As above.
    """
    if not (value is None or isinstance(value, str)) or value not in offered:
        remedy = near(value, [str(one) for one in offered]) if isinstance(value, str) else ""
        raise refusal(who, name, one_of(offered), value, remedy)
