"""Train what a study lacks, and keep its records: ``reproduce(study, ...) -> records``."""

import re
import time
from collections.abc import Callable
from pathlib import Path

from sigma2r._files import set_aside
from sigma2r._places import WrongKindError, is_file, is_folder
from sigma2r._resolve import looking_beside
from sigma2r._text import visible
from sigma2r.studies.apart import refuse_within_data
from sigma2r.studies.catalog import named_study
from sigma2r.studies.comparison import run_folder
from sigma2r.studies.data import refuse_records_of_other_data
from sigma2r.studies.launch import Finished, Launcher, LocalLauncher, Task
from sigma2r.studies.record import STUDY_FILE, DamagedFileError, Record, write_json
from sigma2r.studies.run import Run
from sigma2r.studies.study import Scale, Study
from sigma2r.studies.where import Where, find_device

RUNS = "runs"
MOST_ROUNDS = 1000
"""How often parts may look at records and ask for other runs, in one call."""

_RECORD = re.compile(r"[0-9a-f]{16}\.json")


def reproduce(
    study: Study,
    scale: Scale,
    out: Path,
    *,
    records: Path | None = None,
    where: Where | None = None,
    launcher: Launcher | None = None,
    say: Callable[[str], None] = print,
) -> list[Record]:
    """Train the runs of a study that have no record yet; the same call goes on where an earlier one ended.

    Args:
        study: What to train.
        scale: One of the study's.
        out: Folder of all studies: runs, which studies share, lie in ``out/runs``.
        records: Folder of records, one folder a study; default ``out``. A run that any study there has a record of is
            not trained again.
        where: Device and data.
        launcher: Who trains; default: one run after another, in this process.
        say: Told a line as each run ends.

    Returns:
        The study's records, in its order.

    Raises:
        ValueError: If data or the device cannot be used, a folder lies among the data, another process trains a run of
            this study, something else lies in the place of a file or folder, the records of another study do, or parts
            ask for other runs without end.
        OSError: If a folder cannot be written to.
    """
    with looking_beside(study.folder):
        return _reproduce(study, scale, out, records, where or Where(), launcher or LocalLauncher(), say)


def _reproduce(
    study: Study,
    scale: Scale,
    out: Path,
    records: Path | None,
    where: Where,
    launcher: Launcher,
    say: Callable[[str], None],
) -> list[Record]:
    if isinstance(launcher, LocalLauncher):  # others train where other devices are
        find_device(where.device)
    is_folder(out / RUNS)
    refuse_to_keep(study, scale, out, records, where)
    kept = Kept(records or out, study, scale, say)
    wanted = study.runs(scale, kept.done)
    finished = [kept.done[run.run_id] for run in wanted if run.run_id in kept.done]
    refuse_records_of_other_data(finished, where)
    if len(finished) == len(wanted):
        say(_nothing_is_trained(finished, records or out))
    for _ in range(MOST_ROUNDS):
        runs = study.runs(scale, kept.done)
        missing = [run for run in runs if run.run_id not in kept.done]
        if not missing:
            return [kept.done[run.run_id] for run in runs]
        for run in missing:
            run.check_own_code()
        progress = _Progress(len(runs), len(missing), say)
        tasks = [Task(run, run_folder(out / RUNS, run), where, beside=study.folder) for run in missing]
        for event in launcher(tasks):
            if isinstance(event, Finished):
                kept.add(event.record)
                progress.ended(event.record)
            else:
                progress.began(event.task.run)
    raise ValueError(
        f"reproduce: parts of {study.name} must come to an end; after {MOST_ROUNDS} rounds of training they still ask "
        "for other runs. Do they yield one more with each record?"
    )


def refuse_to_keep(study: Study, scale: Scale, out: Path, records: Path | None, where: Where) -> None:
    """Refuse to keep runs or records of a study among the images that it trains on.

    Raises:
        ValueError: Naming the folder.
    """
    runs = study.runs(scale, {})
    refuse_within_data(runs, where.data_dir, [out, out / RUNS, out / study.name])
    if records is not None:
        refuse_within_data(runs, where.data_dir, [records, records / study.name], flag="--records")


def _nothing_is_trained(done: list[Record], folder: Path) -> str:
    dates = sorted(record.finished[:10] for record in done)
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    return f"Nothing is trained: {visible(str(folder))} holds the records of all {len(done)} runs, of {when}."


class Kept:
    """The records of a study, and of others beside it; every record that is read or added is in ``done``."""

    def __init__(self, folder: Path, study: Study, scale: Scale, say: Callable[[str], None] = print) -> None:
        self._folder = folder / study.name
        self._say = say
        self.done: dict[str, Record] = {}
        damaged = []
        for path in sorted(folder.glob("*/*.json")):
            if _RECORD.fullmatch(path.name):  # nothing else is ours to read, or to rename
                damaged += self._read(path)
        self._refuse_other_study(study)
        for path, error in damaged:
            self._say(f"{error} Set aside as {set_aside(path).name}; the run will be trained again.")
        while fresh := [
            run
            for run in study.runs(scale, self.done)
            if run.run_id in self.done and not is_file(self._path(run.run_id))
        ]:
            for run in fresh:
                self.add(self.done[run.run_id])
        if study.reference:
            write_json(self._folder / STUDY_FILE, {"study": study.reference, "scale": scale})

    def _refuse_other_study(self, study: Study) -> None:
        """Refuse the folder of a study that has the same name by chance.

        Under what the folder says a study goes on, whatever its runs have become. Under another path, or without one,
        it is the same study if it asks for all runs that have a record here, or if one of its scales is wholly here.
        """
        path = self._folder / STUDY_FILE
        kept = named_study(path)[0] if is_file(path) else study.reference
        if not study.reference or kept == study.reference:
            return
        here = {each.stem for each in self._folder.glob("*.json") if _RECORD.fullmatch(each.name)}
        asked = [{run.run_id for run in study.runs(each, self.done)} for each in study.settings]
        if not (here <= set().union(*asked) or any(runs <= here for runs in asked)):
            raise ValueError(
                f"reproduce: {self._folder} holds the records of the study {kept}, of other runs; {study.reference} "
                "has the same name and would take its place. Give it another name, or choose another --out."
            )

    def _read(self, path: Path) -> list[tuple[Path, DamagedFileError]]:
        """Read a record, or tell what is wrong with one of this study."""
        try:
            record = Record.read(path)
        except DamagedFileError as error:
            return [(path, error)] if path.parent == self._folder else []
        except WrongKindError:
            if path.parent == self._folder:
                raise
            return []
        self.done[record.run_id] = record
        return []

    def _path(self, run_id: str) -> Path:
        return self._folder / f"{run_id}.json"

    def add(self, record: Record) -> None:
        """Keep a record."""
        record.write(self._path(record.run_id))
        self.done[record.run_id] = record


class _Progress:
    """Which runs are done, running, left, and how long they will take."""

    def __init__(self, known: int, missing: int, say: Callable[[str], None]) -> None:
        self._known, self._left, self._say = known, missing, say
        self._running = 0
        self._missing, self._start = missing, time.perf_counter()
        say(f"{known - missing} of {known} runs are done; {missing} are left.")

    def began(self, run: Run) -> None:
        self._running += 1
        self._say(f"{_name(run)}: training")

    def ended(self, record: Record) -> None:
        self._running, self._left = self._running - 1, self._left - 1
        per_run = (time.perf_counter() - self._start) / (self._missing - self._left)
        ending = "diverged" if record.diverged else f"accuracy {record.final['test']['accuracy']:.4f}"
        self._say(
            f"[{self._known - self._left}/{self._known}] {_name(record.run)}: {ending}, "
            f"{record.seconds['total']:.0f} s; {self._running} running, {self._left} left, "
            f"about {_duration(per_run * self._left)} to go"
        )


def _name(run: Run) -> str:
    return visible(f"{run.dataset}, {run.model}, {run.loss_name}, seed {run.init_seed}")


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )
