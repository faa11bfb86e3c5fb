"""What each verb does with the words that were understood."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from sigma2r._suggest import unknown
from sigma2r._text import visible
from sigma2r.cli import registry
from sigma2r.cli.auditing import audit_run
from sigma2r.studies.record import Record
from sigma2r.studies.run import Run
from sigma2r.studies.study import Scale, Study
from sigma2r.studies.where import Where


def list_names(_: Namespace) -> None:
    """Print all names that can be typed."""
    from sigma2r.data import DATASETS
    from sigma2r.models import MODELS
    from sigma2r.studies.losses import CROSS_ENTROPY, LOSSES
    from sigma2r.studies.yardsticks import LABEL_SMOOTHING, PML, YARDSTICKS

    print("data sets")
    _print_names(DATASETS)
    print("models")
    _print_names(MODELS)
    print("losses (weight after an @; options by --loss_options.NAME)")
    _print_names({name: "alone" if name == CROSS_ENTROPY else _added(name) for name in LOSSES})
    print("yardsticks (losses of others, used alike)")
    smoothing = {LABEL_SMOOTHING: "cross-entropy with targets smoothed by the weight"}
    theirs = {f"{PML}NAME": "any loss of pytorch-metric-learning with its options, such as pml:CosFaceLoss@0.1"}
    _print_names({**smoothing, **{name: _added(name) for name in YARDSTICKS}, **theirs})
    print("studies (sigma2r reproduce NAME)")
    _print_names({name: f"{study.title} ({study.source})" for name, study in registry.STUDIES.items()})
    _print_names({name: f"{title} (nothing is trained)" for name, title in registry.COMPUTED.items()})
    print("one's own: package.module:Name, or file.py:Name, in the place of any of these names")


def _added(name: str) -> str:
    from sigma2r.studies.losses import loss_options

    options = ", ".join(
        key if value is inspect.Parameter.empty else f"{key}={value!r}" for key, value in loss_options(name).items()
    )
    return f"cross-entropy + weight * {name}; {options}"


def _print_names(described: Mapping[str, str]) -> None:
    for name, description in described.items():
        print(f"  {name:24} {description}")


def train_one(chosen: Namespace) -> None:
    """Train a run, and print its table."""
    from sigma2r.report import print_table
    from sigma2r.studies.comparison import file_name
    from sigma2r.studies.train import train

    run, where = _of_a_size(described(chosen)), _where(chosen)
    default = Path("runs") / f"{_short(run.dataset)}-{file_name(run.loss_name)}-{run.run_id[:8]}"
    out = chosen.out or default
    _say_what_becomes_of_images(run)
    print_table([train(run, out, where)])
    print(f"Record: {out / 'record.json'}")


def _of_a_size(run: Run) -> Run:
    """The run with a size for its images, which is said, if they have none in common and none is asked for."""
    from sigma2r._absent import AbsentError
    from sigma2r.data.registry import usual_image_size

    choice = {name: getattr(run, name) for name in ("missing_classes", "test_fraction", "test_seed")}
    try:
        size = usual_image_size(run.dataset, **choice) if run.image_size is None else None
    except AbsentError:  # a record may be there all the same
        return run
    if size is None:
        return run
    print(
        f"Images of {visible(run.dataset)} are not square or not of one size: --image_size {size} is taken, the median "
        "of their shorter sides or what networks are made for."
    )
    return replace(run, image_size=size)


def _say_what_becomes_of_images(run: Run) -> None:
    """What is done to images of all kinds and to training images, before any is read."""
    from sigma2r.data import (
        Augmentation,
        default_augmentation,
        describe_augmentation,
        describe_resize,
        is_listed,
    )
    from sigma2r.models.hub import describe_expected, expected_images

    if run.resize is not None and run.image_size is not None:
        print(describe_resize(run.image_size, run.resize))
    print(describe_augmentation(run.augmentation or Augmentation()))
    if is_listed(run.dataset) and run.augmentation == default_augmentation(run.dataset):
        print("For photographs, whose class neither side nor color tells, there is --augmentation.policy photographs.")
    if run.starts_from_weights:
        print(describe_expected(expected_images(run.model)))


def compare(chosen: Namespace) -> None:
    """Train the runs of a comparison, print its table and write its report."""
    from sigma2r.cli.comparing import evaluate_missing, refuse_to_evaluate
    from sigma2r.report import (
        print_evaluations,
        print_table,
        refuse_absent,
        refuse_among_images,
        refuse_foreign,
        write_report,
    )
    from sigma2r.studies.comparison import AS_DESCRIBED, comparison_study, file_name
    from sigma2r.studies.reproduce import reproduce

    run = _of_a_size(described(chosen, layers=[]))
    study = comparison_study(run, chosen.losses, chosen.seeds, chosen.layers)
    out = chosen.out or Path("runs") / f"{_short(run.dataset)}-{file_name(run.model)}"
    where, launcher = _where(chosen), _launcher(chosen)
    refuse_among_images(out, study.runs(AS_DESCRIBED, {}), where.data_dir)
    refuse_foreign(out)
    refuse_to_evaluate(chosen.evaluate, chosen.ood, out, study.runs(AS_DESCRIBED, {}))
    refuse_absent()
    _say_what_becomes_of_images(run)
    records = reproduce(study, AS_DESCRIBED, out, where=where, launcher=launcher)
    evaluations = evaluate_missing(records, out, where, chosen.ood) if chosen.evaluate else {}
    page = write_report(records, out, evaluations)  # before anything is printed, which may fail
    print_table(records)
    if evaluations:
        print_evaluations(records, evaluations)
    _say_diverged(records)
    print(f"Report: {page}")


def reproduce_studies(chosen: Namespace) -> None:
    """Train one study, or all of the paper's, and write reports."""
    from sigma2r.report import print_study, refuse_absent, refuse_among_images, refuse_foreign
    from sigma2r.studies.reproduce import refuse_to_keep, reproduce

    refuse_absent()
    names = registry.names() if chosen.study == "all" else [chosen.study]
    for name in names:
        if name in registry.COMPUTED:
            refuse_foreign(chosen.out / name)
            print(f"Report: {registry.write_computed(name, chosen.out / name)}")
            continue
        study = _found(name)
        scale = study.scale(chosen.scale)
        launcher, where, page_folder = _launcher(chosen), _where(chosen), chosen.out / study.name
        refuse_to_keep(study, scale, chosen.out, chosen.records, where)
        refuse_among_images(page_folder, study.runs(scale, {}), where.data_dir)
        refuse_foreign(page_folder)
        print(f"{study.name}, scale {scale}: {study.settings[scale]}")
        if scale != study.scale(None):
            _say_how_long(study, scale, chosen)
        records = reproduce(study, scale, chosen.out, records=chosen.records, where=where, launcher=launcher)
        kept = (chosen.records or chosen.out) / study.name
        page = registry.write_folder_report(kept, page_folder, [study])
        print_study(study, scale, {record.run_id: record for record in records})
        _say_diverged(records)
        print(f"Report: {page}")


def _say_diverged(records: Iterable[Record]) -> None:
    """Name the runs that have no row in any table."""
    for record in records:
        if record.diverged is not None:
            print(f"{record.run.loss_name}, seed {record.run.init_seed}, diverged: {record.diverged}")


def _found(name: str) -> Study:
    from sigma2r._resolve import is_path

    if not (is_path(name) or name.endswith(".py") or name in registry.names()):
        raise unknown("study", name, sorted(registry.names()))
    return registry.find(name)


def _say_how_long(study: Study, scale: Scale, chosen: Namespace) -> None:
    from sigma2r._resolve import looking_beside
    from sigma2r.studies.estimate import estimate
    from sigma2r.studies.reproduce import Kept

    kept = Kept(chosen.records or chosen.out, study, scale)
    if runs := study.missing(scale, kept.done):
        try:
            with looking_beside(study.folder):
                told = estimate(runs, chosen.device)
        except ValueError as error:
            print(f"How long it will take is not known: {error}")
            return
        print(
            f"About {told.hours:,.0f} hours on this device, one run after another ({told.runs} runs of {told.kinds} "
            "kinds, each kind timed; such estimates were 1.2 to 1.3 times off)."
        )


def report(chosen: Namespace) -> None:
    """Write the report of a folder; print the tables of its study, or of records that belong to none."""
    from sigma2r.report import refuse_foreign

    out, own = chosen.out or chosen.folder, [registry.find(name) for name in chosen.study]
    refuse_foreign(out)
    page = registry.write_folder_report(chosen.folder, out, own)
    registry.print_folder_tables(chosen.folder, own)
    print(f"Report: {page}")


def print_completion(chosen: Namespace) -> None:
    """Print the script of a shell."""
    from sigma2r.cli.completion import completion_script
    from sigma2r.cli.parser import build_parser

    print(completion_script(build_parser(), chosen.shell))


VERBS: dict[str, Callable[[Namespace], int | None]] = {
    "list": list_names,
    "train": train_one,
    "compare": compare,
    "reproduce": reproduce_studies,
    "report": report,
    "audit": audit_run,
    "completion": print_completion,
}


def described(chosen: Namespace, **instead: Any) -> Run:
    """The run that the arguments describe, with some of them replaced."""
    values = {key: value for key, value in chosen.as_dict().items() if key in _names(Run)}
    return Run.from_dict({**values, **instead})


def _where(chosen: Namespace) -> Where:
    return Where(**{key: value for key, value in chosen.as_dict().items() if key in _names(Where)})


def _launcher(chosen: Namespace) -> Any:
    from sigma2r.studies.launch import LocalLauncher, RayLauncher

    if chosen.launcher == "ray":
        return RayLauncher(chosen.ray_address, chosen.gpus_per_run)
    return LocalLauncher(chosen.jobs)


def _names(description: type) -> set[str]:
    return {field.name for field in fields(description)}


def _short(dataset: str) -> str:
    """A data set's name as part of a file name: a folder or file gives its own last name, a path its function's."""
    from sigma2r.data import CSV, FOLDER
    from sigma2r.studies.comparison import file_name

    if dataset.startswith(CSV):
        return file_name(Path(dataset.removeprefix(CSV)).stem) or "csv"
    return file_name(Path(dataset.removeprefix(FOLDER)).name) or "folder"
