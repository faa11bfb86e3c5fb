"""What features are good for, a row for each loss: from the evaluations of the runs of a table."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sigma2r.report.grid import Grid
from sigma2r.report.tables import Summary, Table, figure_at
from sigma2r.studies.record import Record

Evaluations = Mapping[str, Mapping[str, Any]]
"""By the name of the run, each as its JSON file holds it."""

COLUMNS = (
    ("nearest center", "classification", "nearest_center_accuracy"),
    ("Fisher", "compactness", "fisher"),
    ("NC1", "collapse", "nc1"),
    ("silhouette", "silhouette", "silhouette"),
    ("recall@1", "retrieval", "recall@1"),
    ("MAP@R", "retrieval", "map_at_r"),
    ("EER", "verification", "eer"),
    ("TAR at 1e-3", "verification", "tar@0.001"),
    ("ECE", "calibration", "ece"),
    ("NLL", "calibration", "nll"),
)
"""Heading, section and name of each figure that a table of losses has."""

MEANINGS = (
    ("nearest center", "Share of images whose nearest center, or class mean of the training images, is their class's."),
    ("Fisher", "Scatter between classes over scatter within them; larger is more compact for the same distances."),
    ("NC1", "Variability within classes in units of that between them; 0 where classes collapse to points."),
    ("silhouette", "How much nearer images lie to their own class than to the next, from -1 to 1."),
    ("recall@1", "Share of images whose nearest other image is of their class."),
    ("MAP@R", "Average precision among the R nearest images, R of which are of the class."),
    ("EER", "Equal error rate of telling whether two images are of one class."),
    ("TAR at 1e-3", "Share of pairs of one class accepted where 0.1 % of the pairs of two classes are."),
    ("ECE", "Expected calibration error of the network's probabilities."),
    ("NLL", "Mean of minus the logarithm of the probability of the image's class."),
    ("AUROC", "How often a known image has a higher score than an unknown one, by the score that the column names."),
)
_DIGITS = 3


def evaluation_grids(table: Table, evaluations: Evaluations, prefix: str = "") -> Iterator[Grid]:
    """A table of figures, and one for each source of unknown images; nothing where no run was evaluated.

    Args:
        table: Of the records.
        evaluations: Of its runs; those of other images than the first's are left out, and told.
        prefix: What names begin with.
    """
    first = next((evaluations[r.run_id] for r in table.records if r.run_id in evaluations), None)
    if first is None:
        return
    alike = {r.run_id for r in table.records if evaluations.get(r.run_id, {}).get("asked") == first.get("asked")}
    of_each = {
        loss: [evaluations[record.run_id] for record in group if record.run_id in alike]
        for loss, group in table.groups.items()
    }
    count = sum(map(len, of_each.values()))
    told = f"Of {first.get('source')}, by the weights of the last epoch." + _fewer(count, table.records)
    paths: dict[str, tuple[str, ...]] = {
        title: ("evaluation", "sections", section, "figures", name) for title, section, name in COLUMNS
    }
    yield _grid(f"{prefix}evaluation", "What the features are good for", told, of_each, paths)
    found = first["evaluation"].get("ood")
    for number, (source, by_score) in enumerate((found if isinstance(found, dict) else {}).items(), start=1):
        paths = {
            f"AUROC, {score}": ("evaluation", "ood", source, score, "figures", "auroc")
            for score in (by_score if isinstance(by_score, dict) else {})
        }
        name = f"{prefix}unknown-{number}"
        yield _grid(name, f"Unknown images: {source}", f"Known are those of {first.get('source')}.", of_each, paths)


def _fewer(count: int, records: Sequence[Record]) -> str:
    lost = len(records) - count
    return f" {lost} of {len(records)} runs have no evaluation of these images and are left out." if lost else ""


def _grid(
    name: str, title: str, caption: str, of_each: Mapping[str, Sequence[Mapping[str, Any]]], paths: Mapping[str, Any]
) -> Grid:
    rows = []
    for loss, values in of_each.items():
        summaries = [Summary.of(figure_at(each, *path, "value") for each in values) for path in paths.values()]
        cells = ("–" if summary is None else summary.text(_DIGITS) for summary in summaries)
        rows.append((loss, str(len(values)), *cells))
    if any(len(values) > 1 for values in of_each.values()):
        caption += " Mean ± half the 95 % t interval over seeds."
    return Grid(name=name, title=title, caption=caption, headings=("loss", "n", *paths), rows=tuple(rows))
