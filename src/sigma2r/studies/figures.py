"""What the figures of a record must look like, so that a report meets no surprise."""

from collections.abc import Callable, Mapping
from typing import Any

from sigma2r._shown import shown


def what_is_wrong(record: Any) -> str | None:
    """What is not as it must be in a record, in half a sentence; None if all is well."""
    checks = _of_all(record)
    if record.diverged is None:
        checks |= {
            "class_names": (_is_all(record.class_names, _is_text) and bool(record.class_names), "be some texts"),
            "counts": (
                isinstance(record.counts, Mapping)
                and {"train", "test"} <= record.counts.keys()
                and _is_all(record.counts.values(), _is_count),
                "count the images of train and test",
            ),
            "final": (
                isinstance(record.final, Mapping)
                and {"train", "test"} <= record.final.keys()
                and _is_all(record.final.values(), lambda split: _is_split(split, len(record.class_names))),
                "hold accuracy and spreads of train and test, one spread for each class",
            ),
            "history": (
                bool(record.history)
                and _is_all(record.history, lambda entry: _is_entry(entry, len(record.class_names))),
                "hold the figures of each epoch",
            ),
            "plane": (record.plane is None or _is_plane(record.plane), "hold points with two coordinates, or be null"),
        }
    wrong = next(((name, rule) for name, (holds, rule) in checks.items() if not holds), None)
    return None if wrong is None else f"{wrong[0]} must {wrong[1]}; got {shown(getattr(record, wrong[0]))}"


def _of_all(record: Any) -> dict[str, tuple[bool, str]]:
    threads = record.device.get("threads") if isinstance(record.device, Mapping) else None
    named = isinstance(record.device, Mapping) and _is_all(map(record.device.get, ("type", "name")), _is_text)
    return {
        "diverged": (record.diverged is None or _is_text(record.diverged), "be a text or null"),
        "finished": (_is_text(record.finished), "be a text"),
        "versions": (isinstance(record.versions, Mapping) and _is_all(record.versions.values(), _is_text), "be texts"),
        "device": (named and _is_count(threads), "tell type, name and threads"),
        "seconds": (
            isinstance(record.seconds, Mapping)
            and "total" in record.seconds
            and _is_all(record.seconds.values(), _is_number),
            "be numbers",
        ),
        "code": (
            record.code is None or (isinstance(record.code, Mapping) and _is_all(record.code.values(), _is_text)),
            "be a text for each path, or be null",
        ),
        "data": (
            record.data is None
            or (isinstance(record.data, Mapping) and _is_all(record.data.values(), lambda s: isinstance(s, Mapping))),
            "tell of each split, or be null",
        ),
    }


_FIGURES = ("accuracy", "intra_mean", "inter", "intra_inter")  # of each split
_TERMS = ("epoch", "train_loss", "cross_entropy", "auxiliary")  # of each epoch


def _is_split(value: Any, num_classes: int) -> bool:
    if not isinstance(value, Mapping) or not all(name in value for name in (*_FIGURES, "intra")):
        return False
    numbers = [figure for name, figure in value.items() if name != "intra"]
    spreads = value["intra"]
    return (
        _is_number(value["accuracy"])
        and _is_all(numbers, _is_number_or_none)
        and isinstance(spreads, list)
        and len(spreads) == num_classes
        and _is_all(spreads, _is_number_or_none)
    )


def _is_entry(value: Any, num_classes: int) -> bool:
    if not isinstance(value, Mapping) or not all(_is_number_or_none(value.get(name)) for name in _TERMS):
        return False
    splits = [value[name] for name in ("train", "test", "validation") if value.get(name) is not None]
    lists = [figures for figures in value.values() if isinstance(figures, list)]
    return (
        _is_count(value.get("epoch"))
        and _is_all(splits, lambda split: _is_split(split, num_classes))
        and _is_all(lists, lambda figures: len(figures) == num_classes and _is_all(figures, _is_number_or_none))
    )


def _is_plane(value: Any) -> bool:
    if not isinstance(value, Mapping) or not {"features", "labels", "centers", "means"} <= value.keys():
        return False
    points = [value[name] for name in ("features", "means", "centers") if value[name] is not None]
    return (
        _is_all(points, lambda rows: isinstance(rows, list) and _is_all(rows, _is_point))
        and _is_all(value["labels"], _is_count)
        and len(value["labels"]) == len(value["features"] or ())
    )


def _is_point(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and _is_all(value, _is_number_or_none)


def _is_all(values: Any, holds: Callable[[Any], bool]) -> bool:
    try:
        return all(holds(value) for value in values)
    except TypeError:  # nothing to go through
        return False


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_number_or_none(value: Any) -> bool:
    return value is None or _is_number(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
