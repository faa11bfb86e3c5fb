"""From records to rows: one row for each loss, over its seeds."""

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import groupby
from statistics import fmean, stdev

from sigma2r._extras import or_which_extra
from sigma2r._text import visible
from sigma2r.report.groups import Images, counted, images_of_each, images_told, settings_of
from sigma2r.report.groups import loss_groups as loss_groups
from sigma2r.studies.record import Record
from sigma2r.studies.run import Run


@dataclass(frozen=True)
class Summary:
    """A figure over seeds.

    Args:
        mean: Mean of the seeds.
        half_width: Half the 95 % t interval of that mean; None for one seed.
        n: Seeds.
    """

    mean: float
    half_width: float | None
    n: int

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Summary | None":
        """Summarise; None where a seed has no value."""
        known = list(values)
        if not known or any(value is None for value in known):
            return None
        numbers = [float(value) for value in known if value is not None]
        return cls(fmean(numbers), _half_width(numbers), len(numbers))

    def text(self, digits: int) -> str:
        """The mean, and what lies either side of it."""
        if self.half_width is None:
            return f"{self.mean:.{digits}f}"
        return f"{self.mean:.{digits}f} ± {self.half_width:.{digits}f}"


def _half_width(values: Sequence[float]) -> float | None:
    n = len(values)
    return None if n < 2 else t_quantile(0.975, n - 1) * stdev(values) / math.sqrt(n)


@cache
def t_quantile(probability: float, degrees: int) -> float:
    """The quantile of Student's t; asked for each class of a table."""
    with or_which_extra("an interval"):
        from scipy.stats import t

    return float(t.ppf(probability, degrees))


@dataclass(frozen=True)
class Column:
    """A figure of the table: its name, where it stands in a record, and how many digits are shown."""

    title: str
    path: tuple[str, ...]
    digits: int

    def value(self, record: Record) -> float | None:
        """The figure of one run; None where its record has none."""
        if self.path[0] == "seconds":
            return figure_at(record.seconds, *self.path[1:])
        return figure_at(record.final, *self.path)


def figure_at(values: object, *path: str) -> float | None:
    """The number at the end of a path of names; None where there is none."""
    return _number(_at(values, *path))


def spreads(record: Record, split: str) -> list[float | None]:
    """The spread of each class of a run; None where its record has none."""
    found = _at(record.final, split, "intra")
    by_class = dict(enumerate(found if isinstance(found, (list, tuple)) else ()))
    return [_number(by_class.get(k)) for k in range(len(record.class_names))]


def _at(values: object, *path: str) -> object:
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


ACCURACY = Column("accuracy", ("test", "accuracy"), 4)
SPREAD = Column("I, test", ("test", "intra_mean"), 3)
TRAIN_SPREAD = Column("I, train", ("train", "intra_mean"), 3)
RATIO = Column("intra/inter", ("test", "intra_inter"), 3)
TRAIN_RATIO = Column("intra/inter, train", ("train", "intra_inter"), 3)
TAIL = Column("tail 99 %", ("test", "tail_99"), 3)
TRAIN_TAIL = Column("tail 99 %, train", ("train", "tail_99"), 3)
COLUMNS = (
    ACCURACY,
    TRAIN_SPREAD,
    SPREAD,
    RATIO,
    TAIL,
    Column("tail max", ("test", "tail_max"), 3),
    Column("seconds", ("seconds", "total"), 0),
)


@dataclass(frozen=True)
class Row:
    """One loss: its name, its seeds, and a summary for each of ``COLUMNS``."""

    loss: str
    n: int
    summaries: tuple[Summary | None, ...]

    def cells(self) -> list[str]:
        """The row as text; a dash where there is no figure."""
        shown = [
            "–" if summary is None else summary.text(column.digits)
            for column, summary in zip(COLUMNS, self.summaries, strict=True)
        ]
        return [self.loss, str(self.n), *shown]


@dataclass(frozen=True)
class Table:
    """Runs that differ in loss and first weights alone.

    Args:
        records: By loss and seed.
        rows: One for each loss, in the order of first appearance.
        apart: What sets it apart from another table of the same settings; mostly nothing.
    """

    records: tuple[Record, ...]
    rows: tuple[Row, ...]
    apart: str = ""

    @cached_property
    def groups(self) -> dict[str, list[Record]]:
        """Records by the names of the rows."""
        return loss_groups(self.records)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes of the first record."""
        return tuple(map(visible, self.records[0].class_names))

    @property
    def title(self) -> str:
        """Data set and model."""
        run = self.records[0].run
        return visible(f"{run.dataset}, {_network(run)}")

    @property
    def caption(self) -> str:
        """What all runs of the table have in common, and what its figures are."""
        run = self.records[0].run
        train, test = (counted(self.records[0], split) for split in ("train", "test"))
        seeds = sorted({row.n for row in self.rows})
        n = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
        changed = ", ".join(f"{k.replace('_', ' ')} {v:g}" for k, v in _changes(run) if v)
        interval = " Mean ± half the 95 % t interval over seeds." if seeds[-1] > 1 else ""
        return visible(
            f"{run.dataset} ({train} training, {test} test images), {_network(run)}, "
            f"{run.epochs} epochs, batches of {run.batch_size}, {run.optimizer} at "
            f"{run.lr:g} (loss parameters {run.loss_lr:g}) with cosine decay, augmentation: {changed or 'none'}"
            f"{''.join(f', {told}' for told in _unusual(run))}; "
            f"n = {n} seed{'' if n == '1' else 's'} a loss.{interval} Figures are the last epoch's, on test "
            "images unless said. I: standard deviation of a class's features about their "
            "mean, mean over classes. intra/inter: I over the mean distance between "
            "training class means. tail: distance to the class mean that 99 % of the images do not exceed, and the "
            "largest, over the same distance." + (f" {self.apart}" if self.apart else "")
        )


def _changes(run: Run) -> Iterable[tuple[str, float]]:
    """The settings of the augmentation that a record names."""
    settings: dict[str, float] = run.as_written()["augmentation"]
    return settings.items()


def _unusual(run: Run) -> Iterator[str]:
    """How runs were trained where that is not the usual way; nothing of most."""
    if run.starts_from_weights:
        yield f"from the weights of {run.weights or 'its hub'}"
    if run.freeze != 0:
        epochs = "" if run.freeze == "all" else f" for {run.freeze} epoch{'' if run.freeze == 1 else 's'}"
        yield f"backbone frozen{epochs}"
    if run.backbone_lr is not None:
        yield f"backbone at {run.backbone_lr:g}"
    if run.accumulate > 1:
        yield f"a step for {run.accumulate} batches"
    if run.ema is not None:
        yield f"weights averaged with decay {run.ema:g}"
    if run.patience is not None:
        yield f"ended early where validation does not rise for {run.patience} epoch{'' if run.patience == 1 else 's'}"


def _network(run: Run) -> str:
    """The model, and how many features it has, if the description says so."""
    return run.model if run.feature_dim is None else f"{run.model} with {run.feature_dim} features"


HEADINGS = ("loss", "n", *(column.title for column in COLUMNS))


def make_tables(records: Sequence[Record]) -> list[Table]:
    """A table for each set of runs that share all but loss and first weights, and their images.

    A run counts once: of several records of a run on the same images all but the first are left out, and told.

    Raises:
        ValueError: If there is no record.
    """
    if not records:
        raise ValueError("report: there must be at least one record; got none.")
    trained = [record for record in records if record.diverged is None]
    if not trained:
        raise ValueError(f"report: a run must have ended; all {len(records)} diverged: {records[0].diverged}")
    tables = []
    for _, same in groupby(sorted(_once(trained), key=settings_of), key=settings_of):
        by_images: dict[Images, list[Record]] = {}
        of_settings = list(same)
        for record, images in zip(of_settings, images_of_each(of_settings), strict=True):
            by_images.setdefault(images, []).append(record)
        for images in sorted(by_images, key=repr):
            told = images_told(by_images[images][0])
            apart = f"Runs of the same settings saw other images and have a table of their own; here: {told}."
            tables.append(make_table(by_images[images], apart if len(by_images) > 1 else ""))
    return tables


def _once(records: Sequence[Record]) -> list[Record]:
    first: dict[tuple[str, Images], Record] = {}
    for record, images in zip(records, images_of_each(records), strict=True):
        first.setdefault((record.run_id, images), record)
    if len(first) < len(records):
        warnings.warn(
            f"report: a run counts once; {len(records) - len(first)} records are of runs that another record is of, "
            "and are left out.",
            stacklevel=3,
        )
    return list(first.values())


def make_table(records: Sequence[Record], apart: str = "") -> Table:
    """One table of all these records, which may differ in more than loss and first weights."""
    rows = [
        Row(loss, len(group), tuple(Summary.of(column.value(r) for r in group) for column in COLUMNS))
        for loss, group in loss_groups(records).items()
    ]
    return Table(tuple(records), tuple(rows), apart)


def class_rows(table: Table, split: str) -> list[list[str]]:
    """Spread of each class (rows) under each loss (columns)."""
    shared, names = rows_that_share_classes(table), table.records[0].class_names
    columns = [[spreads(record, split) for record in shared.get(loss, ())] for loss in table.groups]
    rows = []
    for k, name in enumerate(names):
        summaries = [Summary.of(of_run[k] for of_run in column) for column in columns]
        rows.append([name, *("–" if s is None else s.text(3) for s in summaries)])
    return rows


def rows_that_share_classes(table: Table) -> dict[str, list[Record]]:
    """The losses of a table whose runs have the classes of its first record."""
    return {loss: group for loss, group in table.groups.items() if group[0].class_names == table.records[0].class_names}


def by_spread(table: Table, splits: Sequence[str]) -> list[int]:
    """The classes that have a spread, the most compact first: by the geometric mean over losses, seeds and splits."""
    found = [
        spreads(run, split) for group in rows_that_share_classes(table).values() for run in group for split in splits
    ]
    merits = {}
    for k in range(len(table.class_names)):
        logs = [math.log(value) if value > 0 else -math.inf for of_run in found if (value := of_run[k]) is not None]
        if logs:
            merits[k] = fmean(logs)
    return sorted(merits, key=merits.__getitem__)
