"""A comparison of each loss at its own best weight, chosen from one grid for all, on images set aside from training."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from sigma2r.studies.losses import may_be_raised
from sigma2r.studies.record import Record
from sigma2r.studies.run import Run
from sigma2r.studies.study import Done, Part

GRID = (0.001, 0.01, 0.1, 0.4)
"""Weights of every loss."""

ASIDE = 0.1
"""The share of each class's training images that a weight is chosen on."""


def weights_of(run: Run) -> list[Run]:
    """The run at each weight of the grid; a loss that is to be raised at minus each."""
    sign = -1 if run.layers and may_be_raised(run.loss) else 1
    return [replace(run, loss_weight=sign * weight) for weight in GRID]


def matched(
    candidates: Iterable[Run], seeds: Iterable[int], done: Done, *, epochs: int, beside: Iterable[Run] = ()
) -> Iterator[Part]:
    """Runs that choose a weight for each candidate, and once they are done the runs at these weights.

    Args:
        candidates: One run for each loss, as it is compared in the end; its weight does not matter.
        seeds: First weights of the final runs.
        done: Records so far.
        epochs: Length of a run by which a weight is chosen.
        beside: Runs that have no weight and stand beside the others, of cross-entropy.
    """
    candidates, seeds = list(candidates), list(seeds)
    trials = [[_trial(each, epochs) for each in weights_of(run)] for run in candidates]
    chosen = [chosen_weight(several, done) for several in trials]
    weights = [weight for weight in chosen if weight is not None]
    all_chosen = len(weights) == len(candidates)
    grid = ", ".join(f"{weight:g}" for weight in GRID)
    yield Part(
        name="tuning",
        title="The choice of weights",
        text=f"One run for each loss and each weight of the grid {grid}, of {epochs} epochs, with {ASIDE:.0%} of each "
        "class's training images set aside. The weight with the highest accuracy on these is chosen; of equal ones "
        "that with the smaller spread over the distance between classes.",
        runs=tuple(trial for several in trials for trial in several),
        shown=False,
        followed_by=() if all_chosen else tuple(replace(r, init_seed=seed) for r in candidates for seed in seeds),
    )
    if all_chosen:
        yield Part(
            name="matched",
            title="Each loss at its own best weight",
            text="The comparison at matched strength: every loss had the same grid and the same number of trials to "
            "find its weight, on images set aside from training.",
            runs=(
                *(
                    replace(run, loss_weight=weight, init_seed=seed)
                    for run, weight in zip(candidates, weights, strict=True)
                    for seed in seeds
                ),
                *beside,
            ),
        )


def _trial(run: Run, epochs: int) -> Run:
    return replace(run, epochs=epochs, measure_every=0, validation_fraction=ASIDE, init_seed=0)


def chosen_weight(trials: Iterable[Run], done: Done) -> float | None:
    """The best weight by the records of its trials; None while one is missing.

    Raises:
        ValueError: If no trial ended with finite features.
    """
    records = [done.get(trial.run_id) for trial in trials]
    known = [record for record in records if record is not None]
    if len(known) < len(records):
        return None
    trained = [record for record in known if record.diverged is None]
    if not trained:
        raise ValueError(f"tuning: every weight of {known[0].run.loss} diverged; none can be chosen.")
    return max(trained, key=_merit).run.loss_weight


def _merit(record: Record) -> tuple[float, float]:
    figures = record.final["validation"]
    return figures["accuracy"], -(figures["intra_inter"] or float("inf"))
