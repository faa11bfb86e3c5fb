"""sigma2R beside a center loss of the strength that its own records measure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from statistics import fmean

from sigma2r.studies.comparison import comparison
from sigma2r.studies.record import Record
from sigma2r.studies.run import Run
from sigma2r.studies.study import Done, Part

READINGS = {"distance-std": "", "std": "-std", "rms": "-rms"}
"""The readings of sigma, and what the names of their parts end with."""

SIGMA2R = {reading: f"sigma2r@0.01{f'[spread={reading}]' if end else ''}" for reading, end in READINGS.items()}
"""The loss at the paper's weight in each reading."""

AT_EQUAL_WEIGHT = ("center@0.01", *SIGMA2R.values(), "center@0.01[reduction=sum]")
"""Both losses of Tables 1 and 2 in all readings that the paper allows."""

CENTER_AND_SIGMA2R = ("center", *(spelled.replace("@0.01", "") for spelled in SIGMA2R.values()))
"""The losses that are held against each other at their own best weights."""

EVERY_READING = (
    "Both losses with the weight 0.01. sigma2R in three readings of its sigma, the center loss of Eq. 1 as a mean over "
    "the batch and as the printed sum."
)


def equal_weight(
    base: Run, losses: Iterable[str], seeds: Sequence[int], done: Done, text: str, *, beside: Iterable[Run] = ()
) -> Iterator[Part]:
    """Losses at the weight of the paper; and sigma2R in each reading beside a center loss of its strength.

    Half the squared distance that the center loss takes, times lambda, pulls as sigma2R with gates of mean b pulls at a
    weight 2 b times lower. The weight beside it is that of the last epoch's gates, the mean over seeds, and is known
    once these runs are done.
    """
    sigma2r = {reading: [replace(base, loss=SIGMA2R[reading], init_seed=s) for s in seeds] for reading in READINGS}
    gates = {reading: _gates(runs, done) for reading, runs in sigma2r.items()}
    center = {reading: [replace(base, loss="center", init_seed=s) for s in seeds] for reading in READINGS}
    yield Part(
        name="equal-weight",
        title="At equal weight, as in the paper",
        text=text,
        runs=(
            *comparison(base, losses, len(seeds)),
            *(replace(run, init_seed=seed) for run in beside for seed in seeds),
        ),
        baseline="center@0.01",
        followed_by=tuple(run for reading, found in gates.items() if found is None for run in center[reading]),
    )
    for reading, found in gates.items():
        if found:
            times = float(f"{2 * fmean(found):.3g}")
            at_weight = [replace(run, loss_weight=float(f"{0.01 * times:.3g}")) for run in center[reading]]
            yield Part(
                name=f"equal-strength{READINGS[reading]}",
                title=f"At equal strength, reading {reading}",
                text=f"The gates of the last epoch are {fmean(found):.2f} in the mean of {len(found)} seeds, so that "
                f"sigma2R pulls as a center loss of {times:g} times its weight, which stands beside it. What differs "
                "between the two is how samples are weighted.",
                runs=(*at_weight, *sigma2r[reading]),
            )


def _gates(runs: Sequence[Run], done: Done) -> list[float] | None:
    """The mean gate of each run that has one; None while a record is missing."""
    records = [done[run.run_id] for run in runs if run.run_id in done]
    if len(records) < len(runs):
        return None
    return [gate for record in records if (gate := mean_gate(record)) is not None]


def mean_gate(record: Record) -> float | None:
    """The mean gate of the last epoch's last batches; None where a record is older than that figure, or diverged."""
    gate = record.history[-1].get("gate") if record.history and record.diverged is None else None
    return None if gate is None else float(gate["mean"])
