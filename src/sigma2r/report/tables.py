"""From records to rows: one row for each loss, over its seeds."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean, stdev
from typing import Any

from sigma2r.studies.record import Record
from sigma2r.studies.run import STARTS

_COMPARED = ("loss", "loss_weight", "loss_options", *STARTS, "init_seed")


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
    if n < 2:
        return None
    from scipy.stats import t

    return float(t.ppf(0.975, n - 1)) * stdev(values) / math.sqrt(n)


@dataclass(frozen=True)
class Column:
    """A figure of the table: its name, where it stands in a record, and how many digits are shown."""

    title: str
    path: tuple[str, ...]
    digits: int

    def value(self, record: Record) -> float | None:
        """The figure of one run."""
        found: Any = record.seconds if self.path[0] == "seconds" else record.final
        for key in self.path[1:] if self.path[0] == "seconds" else self.path:
            found = found.get(key, {})  # records of before the tail was measured do without
        found = None if found == {} else found
        return None if found is None else float(found)


COLUMNS = (
    Column("accuracy", ("test", "accuracy"), 4),
    Column("I, train", ("train", "intra_mean"), 3),
    Column("I, test", ("test", "intra_mean"), 3),
    Column("intra/inter", ("test", "intra_inter"), 3),
    Column("tail 99 %", ("test", "tail_99"), 3),
    Column("tail max", ("test", "tail_max"), 3),
    Column("seconds", ("seconds", "total"), 0),
)


@dataclass(frozen=True)
class Row:
    """One loss: its name, its seeds, and a summary for each of :data:`COLUMNS`."""

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
    """

    records: tuple[Record, ...]
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        """Data set and model."""
        run = self.records[0].run
        return f"{run.dataset}, {run.model} with {run.feature_dim} features"

    @property
    def caption(self) -> str:
        """What all runs of the table have in common, and what its figures are."""
        run, counts = self.records[0].run, self.records[0].counts
        seeds = sorted({row.n for row in self.rows})
        n = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
        changed = ", ".join(f"{k.replace('_', ' ')} {v:g}" for k, v in run.as_dict()["augmentation"].items() if v)
        interval = " Mean ± half the 95 % t interval over seeds." if seeds[-1] > 1 else ""
        return (
            f"{run.dataset} ({counts['train']:,} training, {counts['test']:,} test images), {run.model} with "
            f"{run.feature_dim} features, {run.epochs} epochs, batches of {run.batch_size}, {run.optimizer} at "
            f"{run.lr:g} (loss parameters {run.loss_lr:g}) with cosine decay, augmentation: {changed or 'none'}; "
            f"n = {n} seed{'' if n == '1' else 's'} a loss.{interval} Figures are the last epoch's, on test "
            "images unless said. I: mean over classes of Eq. 12. intra/inter: I over the mean distance between "
            "training class means. tail: distance to the class mean that 99 % of the images do not exceed, and the "
            "largest, over the same distance."
        )


HEADINGS = ("loss", "n", *(column.title for column in COLUMNS))


def loss_groups(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Records by the name of their loss and by whatever else differs between them, in the order of first appearance."""
    records = list(records)
    described = [record.run.as_dict() for record in records]
    names = [name for name in (described[0] if described else ()) if name not in _COMPARED]
    varied = [name for name in names if any(values[name] != described[0][name] for values in described)]
    groups: dict[str, list[Record]] = {}
    for record, values in zip(records, described, strict=True):
        rest = "".join(f", {name.replace('_', ' ')} {values[name]}" for name in varied)
        groups.setdefault(record.run.loss_name + rest, []).append(record)
    return groups


def make_tables(records: Sequence[Record]) -> list[Table]:
    """A table for each set of runs that share all but loss and first weights.

    Raises:
        ValueError: If there is no record.
    """
    if not records:
        raise ValueError("report: there must be at least one record; got none.")
    trained = [record for record in records if record.diverged is None]
    if not trained:
        raise ValueError(f"report: a run must have ended; all {len(records)} diverged: {records[0].diverged}")
    return [make_table(tuple(same)) for _, same in groupby(sorted(trained, key=_settings), key=_settings)]


def make_table(records: Sequence[Record]) -> Table:
    """One table of all these records, which may differ in more than loss and first weights."""
    rows = [
        Row(loss, len(group), tuple(Summary.of(column.value(r) for r in group) for column in COLUMNS))
        for loss, group in loss_groups(records).items()
    ]
    return Table(tuple(records), tuple(rows))


def _settings(record: Record) -> str:
    return repr([(k, v) for k, v in sorted(record.run.as_dict().items()) if k not in _COMPARED])


def class_rows(table: Table, split: str) -> list[list[str]]:
    """Spread of each class (rows) under each loss (columns), as Table 1 of the paper shows it."""
    groups = loss_groups(table.records)
    rows = []
    for k, name in enumerate(table.records[0].class_names):
        summaries = [Summary.of(r.final[split]["intra"][k] for r in group) for group in groups.values()]
        rows.append([name, *("–" if s is None else s.text(3) for s in summaries)])
    return rows
