"""Train the runs of a comparison one after another: ``compare(runs, out) -> records``."""

from collections.abc import Callable, Iterable
from pathlib import Path

from sigma2r.studies.comparison import run_folder
from sigma2r.studies.record import RECORD_FILE, Record
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from sigma2r.studies.where import Where


def compare(
    runs: Iterable[Run], out: Path, where: Where | None = None, say: Callable[[str], None] = print
) -> list[Record]:
    """Train what is not trained yet, each run in its own folder below ``out``.

    Args:
        runs: What to train.
        out: The comparison's folder.
        where: Device and data.
        say: Told a line as each run begins.

    Returns:
        The records, in the order of ``runs``.
    """
    runs = list(runs)
    records = []
    for i, run in enumerate(runs, start=1):
        folder = run_folder(out, run)
        state = "finished before" if (folder / RECORD_FILE).exists() else "training"
        say(f"[{i}/{len(runs)}] {run.loss_name}, seed {run.init_seed}: {state}")
        records.append(train(run, folder, where))
    return records
