"""What ``sigma2r compare --evaluate`` adds: the evaluation of each run, made where there is none."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from sigma2r._text import visible
from sigma2r.report import or_what_to_install
from sigma2r.report.evaluated import Evaluations
from sigma2r.studies.comparison import run_folder
from sigma2r.studies.record import Record
from sigma2r.studies.reproduce import RUNS
from sigma2r.studies.run import Run
from sigma2r.studies.where import Where


def refuse_to_evaluate(asked: bool, ood: Sequence[str], out: Path, runs: Iterable[Run]) -> None:
    """Refuse, before anything is trained, what could not be evaluated afterwards.

    Raises:
        ValueError: If unknown images are named without ``--evaluate`` or are nowhere, or a file that no evaluation
            wrote is in the way.
        ImportError: In one sentence, if a library for the page is missing.
    """
    if not asked:
        if ood:
            raise ValueError(
                "compare: --ood names unknown images for --evaluate; say that as well, or leave --ood out."
            )
        return
    with or_what_to_install():
        from sigma2r.report.evaluation import refuse_foreign_evaluation
    from sigma2r.trained.finding import is_data_set

    for name in ood:
        if not is_data_set(name) and not Path(name).exists():
            raise ValueError(
                f"compare: --ood must name a file, a folder or a data set; nothing lies at {visible(name)}."
            )
    for run in runs:
        refuse_foreign_evaluation(run_folder(out / RUNS, run))


def evaluate_missing(records: Iterable[Record], out: Path, where: Where, ood: Sequence[str]) -> Evaluations:
    """The evaluation of each run that ended: read where it lies in the run's folder, otherwise made and written there.

    A run whose checkpoint is not there, as one that was trained on another machine, has none; that is told.

    Raises:
        ValueError: If images cannot be used, or a file that no evaluation wrote is in the way.
        OSError: If a folder cannot be written to.
    """
    from sigma2r.report.evaluation import write_evaluation
    from sigma2r.trained import load
    from sigma2r.trained.evaluating import Asked, evaluate_run
    from sigma2r.trained.evaluation_file import is_of, read_evaluation

    asked = Asked(
        ood=tuple(ood), data_dir=where.data_dir, download=where.download, own_code=True, workers=where.workers
    )
    found = {}
    for record in records:
        if record.diverged is not None:
            continue
        folder, name = run_folder(out / RUNS, record.run), f"{record.run.loss_name}, seed {record.run.init_seed}"
        values = read_evaluation(folder)
        if values is None or not is_of(values, record, asked.as_dict()):
            try:
                trained = load(folder, device=where.device, own_code=True)
            except ValueError as error:
                print(f"{visible(name)}: not evaluated. {error}")
                continue
            print(f"{visible(name)}: evaluating")
            values = evaluate_run(trained, asked).as_dict()
            write_evaluation(values, folder)
        found[record.run_id] = values
    return found
