"""A comparison of each loss at its own best weight, chosen by one rule for all, on images set aside from training."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from sigma2r.studies.losses import usual_weight
from sigma2r.studies.record import Record
from sigma2r.studies.run import Run
from sigma2r.studies.study import Done, Part

START = (-2, -1, 0, 1, 2)
"""Where a search begins: half-decades from the usual weight of the loss."""

FARTHEST = 7
"""Half-decades from the usual weight that no search goes beyond."""

SEEDS = (0, 1, 2)
"""First weights of the trials of a weight."""

ASIDE = 0.1
"""The share of each class's training images that a weight is chosen on."""

_EQUAL = 2e-7  # of accuracy: records keep seven digits, so that means of equal counts may differ by less

CHOSEN, AT_LIMIT = "chosen", "chosen; at the limit of the search"


@dataclass(frozen=True)
class Search:
    """The search for the best weight of a loss, as far as records tell.

    Args:
        trials: Runs of each weight that is tried so far, the weakest first.
        weight: The chosen one; None while a record is missing.
        at_limit: Whether it is the strongest or the weakest that is allowed, so that a better one may lie beyond.
    """

    trials: tuple[tuple[Run, ...], ...]
    weight: float | None = None
    at_limit: bool = False

    @property
    def remarks(self) -> dict[str, str]:
        """What is to be said of a trial, by the name of its loss."""
        told = AT_LIMIT if self.at_limit else CHOSEN
        return {several[0].loss_name: told for several in self.trials if several[0].loss_weight == self.weight}


def search(run: Run, done: Done) -> Search:
    """Try the weights around the usual one of the loss, and others beyond as long as the best lies on an edge.

    Args:
        run: As it is compared in the end; its weight tells no more than its sign.
        done: Records so far.

    Raises:
        ValueError: If at every weight a run diverged, or a record has no figures of images set aside.
    """
    trials = {step: several for step in START if (several := _trials(run, step))}
    while True:
        merits = {step: _merit(several, done) for step, several in trials.items()}
        if not all(several[i].run_id in done for several in trials.values() for i in range(len(several))):
            return Search(_ordered(trials))
        ended = {step: merit for step, merit in merits.items() if merit is not None}
        if not ended:
            raise ValueError(f"tuning: at every weight a run of {run.loss} diverged; none can be chosen.")
        highest = max(accuracy for accuracy, _ in ended.values())
        equal = {step: compact for step, (accuracy, compact) in ended.items() if highest - accuracy < _EQUAL}
        best = max(equal, key=equal.__getitem__)
        beyond = {step: _trials(run, step) for step in (best - 1, best + 1) if step not in trials}
        added = {step: several for step, several in beyond.items() if several}
        if not added:
            return Search(_ordered(trials), trials[best][0].loss_weight, at_limit=bool(beyond))
        trials |= added


def _trials(run: Run, step: int) -> tuple[Run, ...]:
    """The runs that try a weight; none where the search or the loss ends."""
    if abs(step) > FARTHEST:
        return ()
    try:
        at_weight = replace(run, loss_weight=weight_at(run, step), measure_every=0, validation_fraction=ASIDE)
    except ValueError:  # label-smoothing from 1 on
        return ()
    return tuple(replace(at_weight, init_seed=seed) for seed in SEEDS)


def weight_at(run: Run, step: int) -> float:
    """The weight so many half-decades from the usual one, in steps of 1, 3, 10 times.

    A loss that is raised, which nothing bounds, is searched round a tenth of that, below zero.
    """
    decades, half = divmod(step, 2)
    weight = usual_weight(run.loss, run.loss_options) * 10.0**decades * (3 if half else 1)
    return float(f"{weight if run.loss_weight >= 0 else -weight / 10:.6g}")


def _ordered(trials: dict[int, tuple[Run, ...]]) -> tuple[tuple[Run, ...], ...]:
    return tuple(trials[step] for step in sorted(trials))


def _merit(trials: Sequence[Run], done: Done) -> tuple[float, float] | None:
    """Mean accuracy, then mean compactness; None where a run is missing or diverged."""
    records = [done[trial.run_id] for trial in trials if trial.run_id in done]
    if len(records) < len(trials) or any(record.diverged is not None for record in records):
        return None
    merits = [_figures(record) for record in records]
    return fmean(accuracy for accuracy, _ in merits), -fmean(ratio for _, ratio in merits)


def _figures(record: Record) -> tuple[float, float]:
    figures = record.final.get("validation")
    if figures is None:
        raise ValueError(
            f"tuning: the record of {record.run.loss_name}, seed {record.run.init_seed}, must have figures of images "
            "set aside, by which a weight is chosen; it has none. Has every class of the data at least ten images?"
        )
    return figures["accuracy"], figures["intra_inter"] or float("inf")


def at_best_weights(
    candidates: Iterable[Run], seeds: Iterable[int], done: Done, *, beside: Iterable[Run] = ()
) -> Iterator[Part]:
    """Runs that choose a weight for each candidate, and once they are done the runs at these weights.

    Args:
        candidates: One run for each loss, as it is compared in the end; of its weight the sign alone matters.
        seeds: First weights of the final runs.
        done: Records so far.
        beside: Runs that have no weight and stand beside the others, of cross-entropy.
    """
    candidates, seeds = list(candidates), list(seeds)
    searches = [search(run, done) for run in candidates]
    weights = [found.weight for found in searches if found.weight is not None]
    all_chosen = len(weights) == len(candidates)
    yield Part(
        name="tuning",
        title="The choice of weights",
        text=f"{len(SEEDS)} runs of full length for each loss and each weight, with {ASIDE:.0%} of each class's "
        "training images set aside. Weights go in half-decades (1, 3, 10), first a decade to either side of the usual "
        "weight of the loss, then farther as long as the best lies on an edge, but no farther than three and a half "
        "decades. The weight with the highest mean accuracy on the images set aside is chosen; of equal ones that "
        "with the smaller spread over the distance between classes.",
        runs=tuple(trial for found in searches for several in found.trials for trial in several),
        trials=True,
        remarks={name: told for found in searches for name, told in found.remarks.items()},
        followed_by=() if all_chosen else tuple(replace(r, init_seed=seed) for r in candidates for seed in seeds),
    )
    if all_chosen:
        at_best = [replace(run, loss_weight=weight) for run, weight in zip(candidates, weights, strict=True)]
        yield Part(
            name="best-weight",
            title="Each loss at its own best weight",
            text="Every loss found its weight by the same rule and the same number of runs a weight, on images set "
            "aside from training.",
            runs=(*(replace(run, init_seed=seed) for run in at_best for seed in seeds), *beside),
        )
