"""The runs of a comparison: the same training with several losses and several seeds."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

from sigma2r.studies.run import Run


def comparison(base: Run, losses: Iterable[str], seeds: int) -> Iterator[Run]:
    """A run for each loss and each of ``seeds`` first weights; the order of the data stays, as in the paper.

    Raises:
        ValueError: If a loss is unknown, or ``seeds`` is below 1.
    """
    if seeds < 1:
        raise ValueError(f"compare: seeds must be at least 1; got {seeds}.")
    for loss, seed in product(losses, range(seeds)):
        yield replace(base, loss=loss, loss_options=_options_for(base, loss), init_seed=seed)


def _options_for(base: Run, loss: str) -> dict[str, object]:
    """Options belong to the one loss that the base names; others keep their defaults."""
    return dict(base.loss_options) if loss.partition("@")[0] == base.loss else {}


def run_folder(out: Path, run: Run) -> Path:
    """The folder of a run within a comparison: readable, and its own."""
    return out / f"{run.loss_name}-seed{run.init_seed}-{run.run_id[:8]}"
