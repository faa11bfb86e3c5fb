"""What each field of a record must be, so that a report meets no surprise."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sigma2r._text import is_whole
from sigma2r._values import COUNT, FINITE, NOT_NEGATIVE, Rule
from sigma2r.studies._laws import FINGERPRINT, TEXT, Each, Law, OrNull, Parts, count, exactly, number
from sigma2r.studies.run import IMAGE_SIDE, Run

_FINITE = number(FINITE)
_SHARE = number(Rule("lie in [0, 1]", lambda value: 0 <= value <= 1))
_SIZE = number(NOT_NEGATIVE)
_COUNT = count(COUNT)
_NAME = Rule("be a text in UTF-8", lambda value: isinstance(value, str) and is_whole(value))
_TRUTH = Rule("be true or false", lambda value: isinstance(value, bool))
_SHA256 = Rule("be 64 hex digits", lambda value: isinstance(value, str) and bool(re.fullmatch("[0-9a-f]{64}", value)))
_NULL = Rule("be null", lambda value: value is None)
_EMPTY = Rule("be empty, for the run diverged", lambda value: isinstance(value, (list, Mapping)) and not value)


def record_law(run: Run, num_classes: int, *, diverged: bool, data: Any = None, epochs: int | None = None) -> Parts:
    """The law of a record's content, apart from its schema and its run.

    Args:
        run: The run that the record is of.
        num_classes: How many class names it has.
        diverged: Whether it says that the run diverged, and so has no figures.
        data: What it tells of the data, as it came.
        epochs: After how many it says that the training ended; None: after those of the run.
    """
    of_figures = _of_diverged() if diverged else _of_finished(run, num_classes, data, epochs)
    needed = {
        "run_id": exactly(run.run_id),
        "versions": Parts({"python": TEXT, "sigma2r": TEXT, "torch": TEXT}, others=TEXT),
        "device": Parts({"type": TEXT, "name": TEXT, "threads": exactly(run.threads)}, others=TEXT),
        "seconds": Parts({"total": _SIZE}, others=_SIZE),
        "finished": Rule("be a date and a time, as 2026-01-31T12:00:00+00:00", _is_moment),
        **of_figures,
    }
    optional = {
        "diverged": OrNull(Rule("be a text that says where", lambda value: isinstance(value, str) and bool(value))),
        "data": OrNull(data_law(None if diverged else num_classes)),
        "code": OrNull(code_law(run)),
        "image_shape": OrNull(Each(count(IMAGE_SIDE), 3)),
        "started_from": OrNull(weights_law(run)),
        "stopped": OrNull(_of_stop(run)),
    }
    return Parts(needed, optional)


def data_law(num_classes: int | None = None) -> Parts:
    """The law of what is told of the data: of a data set of so many classes, if that is known."""
    classes = _COUNT if num_classes is None else exactly(num_classes)
    seen: dict[str, Law] = {"fingerprint": FINGERPRINT, "images": _COUNT, "classes": classes}
    chosen = Parts({"fraction": _SHARE, "seed": count()})
    return Parts({"train": Parts(seen), "test": Parts(seen, {"chosen": chosen})}, {"validation": Parts(seen)})


def code_law(run: Run) -> Parts:
    """The law of what is told of the code of one's own that a run uses."""
    return Parts(dict.fromkeys(run.own_code.values(), FINGERPRINT))


def weights_law(run: Run) -> Law:
    """The law of what is told of the weights that a model started from: what they are, and what they expect."""
    if not run.starts_from_weights:
        return _NULL
    by_channel = Each(_FINITE)
    expected: dict[str, Law] = {"channels": _COUNT, "image_size": _COUNT, "mean": by_channel, "std": by_channel}
    if run.weights is None:
        return Parts({"hub": TEXT, "fingerprint": FINGERPRINT, **expected})
    return Parts({"sha256": _SHA256, "classifier": _TRUTH, **expected})


def splits_of(run: Run, data: Any) -> tuple[str, ...]:
    """The splits that a run is measured on.

    Args:
        run: The run.
        data: What its record tells of the data, if anything: whether images of their own are for validation.
    """
    validated = run.validation_fraction > 0 or (isinstance(data, Mapping) and "validation" in data)
    return ("train", "test", "validation") if validated else ("train", "test")


def _of_diverged() -> dict[str, Law]:
    kept: dict[str, Law] = {"class_names": Each(_NAME), "counts": Parts({}, others=count())}
    return {**kept, "history": _EMPTY, "final": _EMPTY, "plane": _NULL}


def _of_stop(run: Run) -> Parts:
    """When and why a training ended before its time: only one with patience does."""
    epoch = count(Rule(f"be an epoch before the last of {run.epochs}", lambda value: 1 <= value < run.epochs))
    none = Rule("be null, for its run has no patience", lambda value: False)
    return Parts({"epoch": epoch if run.patience is not None else none, "best_epoch": epoch, "why": TEXT})


def _of_finished(run: Run, num_classes: int, data: Any, epochs: int | None) -> dict[str, Law]:
    splits = splits_of(run, data)
    figures = _of_split(num_classes)
    return {
        "class_names": Rule("be a list of texts in UTF-8, at least one", _are_names),
        "counts": Parts({**dict.fromkeys(splits, _COUNT), "parameters": count()}),
        "history": Each(_of_epoch(run, figures, num_classes, splits), run.epochs if epochs is None else epochs),
        "final": Parts(dict.fromkeys(splits, figures)),
        "plane": OrNull(_of_plane(num_classes)),
    }


def _of_split(num_classes: int) -> Parts:
    of_classes = Each(OrNull(_SIZE), num_classes)
    return Parts(
        {
            "accuracy": _SHARE,
            "intra": of_classes,
            **dict.fromkeys(("intra_mean", "inter", "intra_inter"), OrNull(_SIZE)),
        },
        others=OrNull(_FINITE),
    )


def _of_epoch(run: Run, figures: Parts, num_classes: int, splits: tuple[str, ...]) -> Parts:
    """An entry of the history; what a loss keeps for each class stands beside its figures, under any name."""
    terms = dict.fromkeys(("train_loss", "cross_entropy", "auxiliary"), OrNull(_FINITE))
    measured = dict.fromkeys(splits, OrNull(figures))
    needed = {name: measured.pop(name) for name in ("train", "test")}
    return Parts(
        {
            "epoch": _COUNT,
            "lr": _SIZE,
            "loss_lr": OrNull(_SIZE),
            **terms,
            **needed,
            **_of_training(run),
            "train_s": _SIZE,
            "measure_s": _SIZE,
        },
        optional={**measured, **_of_waiting(run), "gate": Parts({}, others=OrNull(_FINITE))},
        others=Each(OrNull(_FINITE), num_classes),
    )


def _of_training(run: Run) -> dict[str, Law]:
    """What an epoch tells of how it was trained, where its run says that it is not the usual way."""
    told: tuple[tuple[bool, str, Law], ...] = (
        (run.freeze != 0, "frozen", _TRUTH),
        (run.backbone_lr is not None, "backbone_lr", _SIZE),
        (run.accumulate > 1, "steps", _COUNT),
        (run.ema is not None, "averaged", _COUNT),
    )
    return {name: law for asked, name, law in told if asked}


def _of_waiting(run: Run) -> dict[str, Law]:
    return {} if run.patience is None else {"waited": count()}  # of epochs after which validation images are measured


def _of_plane(num_classes: int) -> Parts:
    points = Rule("be two coordinates", _is_point)
    label = count(Rule(f"be the index of one of {num_classes} classes", lambda value: 0 <= value < num_classes))
    of_classes = Each(points, num_classes)
    return Parts({"features": Each(points), "labels": Each(label), "centers": OrNull(of_classes), "means": of_classes})


def _is_point(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(x is None or _FINITE.holds(x) for x in value)


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_NAME.holds, value))


def _is_moment(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value) is not None
    except ValueError:
        return False
