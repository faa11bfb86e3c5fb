"""The page of an evaluation, from its JSON alone: same values, same bytes."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sigma2r._shown import unread
from sigma2r.report.confusion import confusion_grid, confusion_picture
from sigma2r.report.document import Document, Section, render
from sigma2r.report.grid import Grid
from sigma2r.report.owned import Kind, refuse_foreign, write_files
from sigma2r.trained.evaluation_file import EVALUATION_FILE

EVALUATION_PAGE = "evaluation.html"
EVALUATION = Kind(EVALUATION_PAGE, "evaluation.sha256", beside=(EVALUATION_FILE,))
TITLES = {
    "classification": "Classification",
    "compactness": "Compactness",
    "collapse": "Neural collapse",
    "silhouette": "Silhouette",
    "retrieval": "Retrieval",
    "verification": "Verification",
    "calibration": "Calibration",
}
_MANY, _ENDS = 100, 20  # classes beyond which a page shows so many at either end
_FITTED = "fitted"


def write_evaluation(values: Mapping[str, Any], folder: Path) -> Path:
    """Write ``evaluation.html``, which asks nothing of a network, and ``evaluation.json``.

    Args:
        values: As :meth:`~sigma2r.trained.evaluating.RunEvaluation.as_dict` gives them.
        folder: Made if it is missing.

    Returns:
        The page.

    Raises:
        ValueError: If a file that no evaluation wrote is in the way; nothing is written then.
        OSError: If the folder cannot be written to; each file there is whole.
    """
    told = (json.dumps(values, indent=1, allow_nan=False) + "\n").encode()
    page = render(evaluation_document(values)).encode()
    write_files({EVALUATION_FILE: told, EVALUATION_PAGE: page}, folder, EVALUATION)
    return folder / EVALUATION_PAGE


def refuse_foreign_evaluation(folder: Path) -> None:
    """Refuse a folder in which an evaluation would overwrite what is not its own.

    Raises:
        ValueError: Naming the file.
    """
    refuse_foreign(folder, kind=EVALUATION)


def evaluation_document(values: Mapping[str, Any]) -> Document:
    """The page as a document."""
    found, training = values["evaluation"], values["training"]
    settings, counts = found["settings"], found["confusion"]
    sections: list[Section] = []
    for name, section in found["sections"].items():
        beside = None if training is None else training["sections"][name]["figures"]
        sections.append(_section(name, section, beside, float(settings["confidence"])))
    if counts is not None:
        names = found["per_class"]["names"]
        sections[1:1] = [
            Section(title="Confusion", pictures=(confusion_picture(counts, names),)),
            Section(title="Classes", grids=(confusion_grid(counts, names), _classes(found["per_class"]))),
        ]
    sections += _unknown(found["ood"], values["scores"])
    return Document(
        title=f"sigma2r: what the features of {values['loss']} are good for",
        paragraphs=tuple(_told(values)),
        sections=tuple(sections),
    )


def _told(values: Mapping[str, Any]) -> Iterator[str]:
    found, settings = values["evaluation"], values["evaluation"]["settings"]
    yield (
        f"{values['dataset']}, {values['model']}, {values['loss']}, epoch {values['epoch']} (run {values['run_id']}): "
        f"{found['num_images']:,} images of {values['source']}, {found['num_classes']:,} classes, "
        f"{found['feature_dim']:,} features."
    )
    if settings["resamples"]:
        drawn = {"images": "images", "classes": "whole classes"}[settings["resample"]]
        yield (
            f"Intervals hold {100 * settings['confidence']:g} % of {settings['resamples']:,} draws of {drawn} with "
            "replacement (percentile bootstrap): what they tell is how far figures would move with other such images, "
            "not with another training."
        )
    if settings["distance"] == "cosine":
        yield "Silhouette, retrieval and verification compare features of unit length."
    if values["training"] is not None:
        yield (
            f"The column training is of the {values['training']['num_images']:,} training images, without augmentation."
        )
    yield from values["notes"]
    if values["problems"]:
        yield unread(values["problems"])


def _section(name: str, section: Mapping[str, Any], training: Mapping[str, Any] | None, confidence: float) -> Section:
    figures = section["figures"]
    beside = {key: each for key, each in (training or {}).items() if key in figures}
    interval = f"{100 * confidence:g} % interval"
    rows = [
        (
            key,
            told(each["value"]),
            told_interval(each),
            f"{each['num_samples']:,} {each['samples']}",
            *((told(beside[key]["value"]) if key in beside else "–",) if beside else ()),
        )
        for key, each in figures.items()
    ]
    left_out = [f"Left out: {key}, because {why}" for key, why in _together(section["left_out"])]
    headings = ("figure", "value", interval, "of", *(("training",) if beside else ()))
    grid = Grid(name=name, title=TITLES[name], caption="", headings=headings, rows=tuple(rows))
    return Section(
        title=TITLES[name],
        grids=(grid,) if rows else (),
        notes=(*section["notes"], *left_out),
        terms=tuple((key, each["definition"]) for key, each in figures.items()),
    )


def _together(left_out: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is left out for one reason, together."""
    reasons: dict[str, list[str]] = {}
    for key, why in left_out.items():
        reasons.setdefault(why, []).append(key)
    return ((", ".join(keys), why) for why, keys in reasons.items())


def _classes(table: Mapping[str, Any]) -> Grid:
    """Recall and spread of each class, least recall first; of very many classes the ends."""
    recall = table["recall"]
    rows = [
        (
            name,
            f"{table['num_images'][k]:,}",
            told(recall[k]),
            told_interval({"low": table["recall_low"][k], "high": table["recall_high"][k]}),
            told(table["spread"][k]),
        )
        for k, name in enumerate(table["names"])
    ]
    order = sorted(range(len(rows)), key=lambda k: (recall[k] is None, recall[k]))
    ranked = tuple(rows[k] for k in order)
    caption = (
        "The least recall first. Intervals: as many images of the class drawn again. Spread: root of the summed "
        "squared distances of its features to their mean, over their number less one."
    )
    shown = ranked
    if len(ranked) > _MANY:
        shown = ranked[:_ENDS] + ranked[-_ENDS:]
        caption += f" The {_ENDS} classes at either end of {len(ranked):,}; all are in {EVALUATION_FILE}."
    return Grid(
        name="recall-by-class",
        title="Recall by class",
        caption=caption,
        headings=("class", "images", "recall", "interval", "spread"),
        rows=shown,
    )


def _unknown(found: Mapping[str, Any], scores: Mapping[str, Any]) -> Iterator[Section]:
    for number, (source, by_score) in enumerate(found.items(), start=1):
        rows = tuple(
            (score, *(f"{told(each['value'])} ({told_interval(each)})" for each in section["figures"].values()))
            for score, section in by_score.items()
        )
        first: Mapping[str, Any] = next(iter(by_score.values()))
        fitted = [(score, scores[_FITTED][score]) for score in by_score]
        lost = [f"Left out: {score}. {why}" for score, why in scores["left_out"].items()]
        yield Section(
            title=f"Unknown images: {source}",
            grids=(
                Grid(
                    name=f"unknown-{number}",
                    title="Scores",
                    caption="Each score is higher for what looks more known; in brackets the interval.",
                    headings=("score", *(_OOD_HEADINGS[key] for key in first["figures"])),
                    rows=rows,
                ),
            ),
            notes=(*first["notes"], *lost),
            terms=(
                *fitted,
                *((_OOD_HEADINGS[key], each["definition"]) for key, each in first["figures"].items()),
            ),
        )


_OOD_HEADINGS = {"auroc": "AUROC", "aupr": "AUPR", "fpr95": "FPR95"}


def told(value: float | None) -> str:
    """A number with four digits; a dash where there is none."""
    return "–" if value is None else f"{value:.4g}"


def told_interval(figure: Mapping[str, Any]) -> str:
    """The ends of an interval; a dash where there is none."""
    if figure["low"] is None or figure["high"] is None:
        return "–"
    return f"{told(figure['low'])} to {told(figure['high'])}"


HEADLINES = (
    ("classification", "accuracy"),
    ("classification", "nearest_center_accuracy"),
    ("compactness", "intra_inter"),
    ("compactness", "fisher"),
    ("collapse", "nc1"),
    ("silhouette", "silhouette"),
    ("retrieval", "recall@1"),
    ("retrieval", "map_at_r"),
    ("verification", "eer"),
    ("verification", "tar@0.001"),
    ("calibration", "ece"),
    ("calibration", "nll"),
)
"""The figures that a short table has: section and name."""


def short_rows(values: Mapping[str, Any]) -> Sequence[tuple[str, str, str]]:
    """Figure, value and interval, for a terminal: the headlines, and AUROC by source and score."""
    found = values["evaluation"]
    rows = []
    for section, name in HEADLINES:
        if (each := found["sections"][section]["figures"].get(name)) is not None:
            rows.append((name, told(each["value"]), told_interval(each)))
    for source, by_score in found["ood"].items():
        for score, section in by_score.items():
            each = section["figures"]["auroc"]
            rows.append((f"AUROC, {score}, {source}", told(each["value"]), told_interval(each)))
    return rows
