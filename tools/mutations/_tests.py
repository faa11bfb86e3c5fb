"""Which tests must notice a change, by the part of the source that it is in: the longest path that begins the file's."""

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from tools.mutations._mutation import ROOT

LOSSES = (
    "tests/losses/test_contract.py",
    "tests/losses/test_sigma2r.py",
    "tests/losses/test_center_updates.py",
    "tests/losses/test_joint.py",
    "tests/losses/test_numerics.py",
    "tests/losses/test_search.py",
    "tests/losses/test_sparring.py",
    "tests/losses/test_torch_tools.py",
    "tests/losses/test_targets.py",
    "tests/losses/test_options.py",
    "tests/losses/test_recognised.py",
    "tests/losses/test_bad_input.py",
    "tests/losses/test_distances.py",
    "tests/metrics",
)
VALUES = ("tests/test_values.py", "tests/test_arrays.py", "tests/losses/test_options.py")
TAPS = ("tests/test_taps.py", "tests/test_layout.py", "tests/test_classifier.py")
THEIRS = "tests/adapters/test_metric_learning.py"
DIAGNOSIS = ("tests/test_diagnosis.py", "tests/test_watch.py")
SETTINGS = (
    "tests/studies/test_run.py",
    "tests/studies/test_losses.py",
    "tests/studies/test_study.py",
    "tests/studies/test_parts.py",
)
SPLITS = ("tests/studies/test_seeds.py", "tests/data/test_loaders.py", "tests/studies/test_data.py")
FITTING = ("tests/studies/test_seeds.py", "tests/studies/test_train.py", "tests/studies/test_folder.py")
FINE = "tests/studies/test_fine_tuning.py"
START = "tests/studies/test_start.py"
OWN_TRAINING = "tests/studies/test_own_training.py"
BESIDE = "tests/studies/test_beside.py"
APART = "tests/studies/test_apart.py"
STRANGERS = "tests/studies/test_strangers.py"
PARTS = "tests/studies/test_parts.py"
FINE_TUNED = "tests/trained/test_fine_tuned.py"
LOADING, PREDICTING = "tests/trained/test_loading.py", "tests/trained/test_predicting.py"
USING, WRITING = "tests/trained/test_cli_using.py", "tests/trained/test_writing.py"
EVALUATING, EVALUATION_PAGES = "tests/trained/test_evaluating.py", "tests/report/test_evaluation.py"
FRAMES, FINDING = "tests/trained/test_frame.py", "tests/trained/test_finding.py"
RUNS_DATA, REJECTION = "tests/trained/test_data_sets.py", "tests/trained/test_rejection.py"
ADDED = "tests/trained/test_classes.py"
EXPORT, LINES = "tests/exporting/test_export.py", "tests/training/test_lines.py"
KEEPING = ("tests/studies/test_reproduce.py", "tests/studies/test_folder.py")
OWN = ("tests/test_own_code.py", "tests/studies/test_own.py")
AUGMENTATION = "tests/studies/test_augmentation.py"
SOURCES = "tests/studies/test_sources.py"
LISTED = (
    "tests/data/test_layout.py",
    "tests/data/test_datasets.py",
    "tests/data/test_tree.py",
    "tests/data/test_twins.py",
)
WRITTEN = "tests/studies/test_written.py"
PLACES = "tests/studies/test_places.py"
VERDICTS = ("tests/report/test_tables.py", "tests/report/test_paired.py", "tests/report/test_verdicts.py")
PAGES = ("tests/report/test_tables.py", "tests/report/test_report.py", "tests/report/test_document.py")
ODD = ("tests/report/test_odd_records.py",)
PAPER = (
    "tests/paper/test_claims.py",
    "tests/paper/test_published.py",
    "tests/paper/test_geometry.py",
    "tests/paper/test_judges.py",
    "tests/paper/test_report.py",
)
AUDIT, AUDIT_PAGE = "tests/audit/test_audit.py", "tests/audit/test_page.py"
TESTS = {
    "audit": (AUDIT_PAGE, AUDIT),
    "audit/labels.py": ("tests/audit/test_labels.py",),
    "audit/outliers.py": ("tests/audit/test_outliers.py",),
    **dict.fromkeys(("audit/near.py", "audit/exact.py", "audit/groups.py"), ("tests/audit/test_duplicates.py",)),
    **dict.fromkeys(("audit/classes.py", "audit/folds.py"), ("tests/audit/test_classes.py",)),
    "audit/images.py": ("tests/audit/test_images.py",),
    "audit/held_out.py": (AUDIT,),
    **dict.fromkeys(("audit/page.py", "audit/summary.py", "audit/thumbnails.py"), (AUDIT_PAGE,)),
    "audit/beside.py": ("tests/audit/test_beside.py", AUDIT_PAGE),
    "cli/auditing.py": (AUDIT_PAGE,),
    **dict.fromkeys(("_values.py", "_kinds.py", "_arrays.py"), VALUES),
    **dict.fromkeys(("_layout.py", "taps.py"), TAPS),
    "_classifier.py": TAPS[2:],
    "adapters": ("tests/adapters/test_with_loss.py",),
    "adapters/epochs.py": ("tests/adapters/test_with_loss.py", "tests/adapters/test_accelerate.py"),
    "adapters/hugging_face.py": ("tests/adapters/test_hugging_face.py",),
    "adapters/skorch.py": ("tests/adapters/test_skorch.py",),
    "adapters/fastai.py": ("tests/adapters/test_fastai.py",),
    "_hooks.py": (*TAPS, *DIAGNOSIS),
    "_resolve.py": (OWN[0], BESIDE, OWN_TRAINING, THEIRS),
    "_call.py": (OWN[0], OWN_TRAINING),
    **dict.fromkeys(("_files.py", "_places.py"), ("tests/test_files.py", "tests/test_places.py")),
    "_csv.py": ("tests/test_csv.py",),
    "_shown.py": (AUDIT_PAGE, "tests/report/test_evaluation.py"),
    "_text.py": ("tests/test_text.py",),
    "_checkpoint.py": (LOADING,),
    "cli/words.py": (USING, "tests/studies/test_cli_words.py"),
    "cli/__init__.py": ("tests/studies/test_cli_words.py", WRITTEN, USING),
    "cli/using.py": (USING,),
    **dict.fromkeys(
        ("cli/evaluating.py", "cli/comparing.py", "trained/evaluating.py", "trained/outputs.py",
         "trained/unknowns.py"),
        (EVALUATING,),
    ),
    "trained/own_images.py": (EVALUATING, REJECTION, "tests/audit/test_audit.py"),
    "trained/evaluation_file.py": (EVALUATION_PAGES,),
    **dict.fromkeys(("report/confusion.py", "report/evaluated.py", "report/evaluation.py"), (EVALUATION_PAGES,)),
    "cli/exporting.py": (EXPORT,),
    **dict.fromkeys(("_extras.py", "cli/version.py", "cli/completion.py"), ("tests/test_extras.py",)),
    "exporting": (EXPORT, "tests/exporting/test_files.py", "tests/exporting/test_kinds.py", "tests/exporting/test_rejecting.py"),
    "training/lines.py": (LINES,),
    "trained": (PREDICTING, WRITING),
    "trained/trust.py": (LOADING, REJECTION, "tests/audit/test_trust.py"),
    **dict.fromkeys(("trained/loading.py", "trained/shape.py", "trained/weights.py"), (LOADING, PREDICTING, FINE_TUNED, REJECTION)),
    **dict.fromkeys(("trained/frame.py", "trained/arrays.py"), (FRAMES, PREDICTING)),
    "trained/data_sets.py": (RUNS_DATA, FINDING),
    "trained/classes.py": (ADDED,),
    **dict.fromkeys(("trained/rejection.py", "trained/rejecting.py"), (REJECTION,)),
    **dict.fromkeys(("trained/finding.py", "trained/sources.py"), (FINDING, PREDICTING, WRITING, RUNS_DATA)),
    **dict.fromkeys(("trained/embeddings.py", "trained/rows.py", "trained/writing.py", "trained/tally.py"), (WRITING, REJECTION)),
    **dict.fromkeys(("trained/reading.py", "trained/forward.py", "trained/trained.py"), (PREDICTING, LOADING, ADDED, REJECTION)),
    "trained/predictions.py": (PREDICTING, ADDED, REJECTION),
    "cli": ("tests/studies/test_cli_words.py", WRITTEN, AUGMENTATION, SOURCES),
    "cli/verbs.py": ("tests/studies/test_cli_words.py", PLACES, APART, SOURCES),
    "cli/registry.py": ("tests/studies/test_cli_words.py", APART),
    "data": ("tests/data",),
    "data/_statuses.py": ("tests/data/test_statuses.py", "tests/data/test_twins.py"),
    "data/images.py": ("tests/data/test_splits.py",),
    "data/splits.py": ("tests/data/test_splits.py", "tests/data/test_layout.py", SOURCES),
    **dict.fromkeys(("data/layout.py", "data/folder_listing.py", "data/listing.py"), (*LISTED, APART)),
    **dict.fromkeys(("data/csv_rows.py", "data/csv_listing.py"), ("tests/data/test_csv.py",)),
    "data/choice.py": ("tests/data/test_choice.py", "tests/data/test_layout.py"),
    "data/resize.py": ("tests/data/test_resize.py",),
    **dict.fromkeys(("data/windows.py", "data/recolor.py"), ("tests/data/test_photographs.py",)),
    "data/augmentation.py": ("tests/data/test_photographs.py", "tests/data/test_augment.py", AUGMENTATION),
    **dict.fromkeys(("data/loaders.py", "data/preprocess.py"), ("tests/data/test_loaders.py",)),
    "data/cifar.py": ("tests/data/test_cifar.py", "tests/data/test_unpack.py", APART),
    "data/threads.py": ("tests/data/test_threads.py",),
    **dict.fromkeys(
        ("data/fashion_mnist.py", "data/fuzzy_rgb.py"),
        ("tests/data/test_datasets.py", "tests/data/test_tree.py"),
    ),
    "data/registry.py": ("tests/data/test_datasets.py", "tests/data/test_layout.py", "tests/data/test_csv.py", APART, SOURCES),
    "data/survey.py": ("tests/data/test_tree.py", "tests/data/test_pixels.py", SOURCES),
    "data/names.py": ("tests/data", APART),
    "data/tree.py": ("tests/data", APART, FINDING),
    "data/pixels.py": ("tests/data", FRAMES),
    "data/augment.py": ("tests/data/test_augment.py", "tests/data/test_photographs.py", AUGMENTATION),
    "data/own.py": (*OWN[:1], STRANGERS, SOURCES),
    "diagnosis": DIAGNOSIS,
    "evaluation": ("tests/evaluation/test_evaluate.py", "tests/evaluation/test_geometry.py", "tests/evaluation/test_predictions.py"),
    **dict.fromkeys(
        ("evaluation/retrieval.py", "evaluation/_ranks.py", "evaluation/_sweep.py", "evaluation/_points.py"),
        ("tests/evaluation/test_retrieval.py",),
    ),
    **dict.fromkeys(
        ("evaluation/_pairs.py", "evaluation/_roc.py", "evaluation/unknowns.py", "evaluation/verification.py"),
        ("tests/evaluation/test_pairs.py", "tests/evaluation/test_evaluate.py"),
    ),
    "evaluation/bootstrap.py": ("tests/evaluation/test_bootstrap.py", "tests/evaluation/test_evaluate.py"),
    "evaluation/_distances.py": ("tests/evaluation/test_distances.py",),
    **dict.fromkeys(("evaluation/collapse.py", "evaluation/compactness.py", "evaluation/silhouette.py"),
                    ("tests/evaluation/test_geometry.py", "tests/evaluation/test_evaluate.py")),
    **dict.fromkeys(("evaluation/confusion.py", "evaluation/calibration.py", "evaluation/temperature.py", "evaluation/nearest.py"),
                    ("tests/evaluation/test_predictions.py",)),
    "evaluation/prototypes.py": ("tests/evaluation/test_prototypes.py",),
    "evaluation/rejector.py": ("tests/evaluation/test_rejector.py",),
    "evaluation/thresholds.py": ("tests/evaluation/test_thresholds.py",),
    **dict.fromkeys(("evaluation/scores", "evaluation/shrinkage.py"), ("tests/evaluation/test_scores.py",)),
    "losses": LOSSES,
    "losses/_distances.py": ("tests/losses/test_distances.py",),
    "losses/_tuples.py": (THEIRS,),
    "losses/_others.py": ("tests/losses/test_joint.py", THEIRS),
    "metrics": LOSSES,
    "metrics/shell.py": ("tests/metrics",),
    "models": ("tests/models",),
    "models/own.py": OWN[:1],
    "paper": PAPER,
    "paper/judges.py": ("tests/paper/test_judges.py",),
    **dict.fromkeys(("paper/studies", "paper/settings.py", "paper/strength.py"), ("tests/paper/test_studies.py",)),
    "cli/streams.py": ("tests/report/test_hostile_text.py",),
    "report": PAGES,
    "report/again.py": ("tests/report/test_again.py",),
    **dict.fromkeys(
        ("report/by_class.py", "report/figures.py", "report/plane.py", "report/picture.py"),
        ("tests/report/test_many_classes.py", "tests/report/test_figures.py", "tests/report/test_report.py", "tests/report/test_sections.py",
         "tests/report/test_hostile_text.py"),
    ),
    "report/groups.py": (*ODD, "tests/report/test_sections.py"),
    "report/owned.py": ("tests/report/test_owned.py", APART),
    "report/terminal.py": ("tests/report/test_terminal.py", "tests/report/test_report.py", "tests/report/test_hostile_text.py", "tests/studies/test_cli.py"),
    **dict.fromkeys(("report/paired.py", "report/verdicts.py"), VERDICTS),
    "report/tables.py": (*VERDICTS, *ODD, "tests/report/test_many_classes.py"),
    **dict.fromkeys(("report/study.py", "report/folder.py"), ("tests/report/test_sections.py", *PAGES)),
    "report/apart.py": ("tests/report/test_apart.py",),
    "report/page.py": ("tests/report/test_sections.py", *PAGES, "tests/report/test_many_classes.py", APART),
    **dict.fromkeys(("report/grid.py", "report/document.py"), (*PAGES, "tests/report/test_hostile_text.py")),
    "samplers": ("tests/samplers",),
    "studies": FITTING,
    "studies/train.py": (*FITTING, KEEPING[0], APART, PLACES, "tests/studies/test_where.py", SOURCES),
    "studies/apart.py": (APART,),
    "studies/build.py": (START, *FITTING[:2], OWN_TRAINING, AUGMENTATION, FINE),
    "studies/trial.py": (OWN_TRAINING, STRANGERS),
    "studies/fit.py": ("tests/studies/test_fit.py", OWN_TRAINING, START, FINE),
    **dict.fromkeys(("studies/run.py", "studies/losses.py", "studies/comparison.py"), (*SETTINGS, *OWN[:1], OWN_TRAINING, WRITTEN, AUGMENTATION, SOURCES, FINE)),
    "studies/data.py": (*SPLITS, "tests/studies/test_train.py", STRANGERS, SOURCES, START),
    **dict.fromkeys(
        ("studies/record.py", "studies/figures.py", "studies/agreement.py", "studies/_laws.py", "studies/_json.py"),
        ("tests/studies/test_record.py", SOURCES, START),
    ),
    **dict.fromkeys(("studies/study.py", "studies/catalog.py"), ("tests/studies/test_study.py", PARTS, STRANGERS, PLACES)),
    "studies/reproduce.py": ("tests/studies/test_study.py", "tests/studies/test_same_name.py", PLACES, APART, BESIDE, "tests/studies/test_where.py"),
    "studies/estimate.py": ("tests/studies/test_estimate.py",),
    "studies/tuning.py": ("tests/studies/test_tuning.py",),
    "studies/where.py": ("tests/studies/test_where.py",),
    "studies/yardsticks.py": ("tests/studies/test_yardsticks.py", THEIRS),
    "studies/launch": ("tests/studies/test_launch.py",),
    "studies/launch/task.py": ("tests/studies/test_launch.py", BESIDE),
    "training": ("tests/training", *FITTING[:2], FINE),
    "training/averaging.py": (FINE,),
    "training/fine_tuning.py": (FINE,),
    "training/history.py": ("tests/training", *FITTING[1:], FINE),
    "training/trainer.py": ("tests/training", *FITTING[:2], PLACES, FINE),
    "training/checkpoints.py": (*FITTING[2:], PLACES, FINE),
    "training/stops.py": ("tests/studies/test_stops.py",),
}  # fmt: skip


def tests_of(file: str) -> tuple[str, ...]:
    """The tests of the longest key that begins the path of a file below ``src/sigma2r``."""
    return TESTS[max((key for key in TESTS if f"{file}/".startswith(f"{key}/")), key=len)]


_NAMES = {
    "center": "center_loss",
    "sigma2r": "sigma_squared_r",
    "_spread": "sigma_squared_r",
    "_groups": "sigma_squared_r",
}


def stages_of(file: str) -> tuple[tuple[str, ...], ...]:
    """Words for pytest, stage after stage; first those that mostly are enough.

    Of a loss these are its own in the contract, of any other file those of the file of tests that is called like it.
    """
    all_of_them = ("-k", "not compiled", *tests_of(file))
    name = PurePosixPath(file).stem.strip("_")
    if file.startswith("losses/"):
        loss = file.removeprefix("losses/").removesuffix(".py")
        first = (LOSSES[0], "-k", f"{_NAMES.get(loss, loss)} and not compiled and not composition")
    else:
        namesake = [path for path in _files(tests_of(file)) if PurePosixPath(path).name == f"test_{name}.py"]
        first = ("-k", "not compiled", *namesake) if namesake else all_of_them
    return tuple(dict.fromkeys((first, all_of_them)))


def _files(paths: Iterable[str]) -> Iterator[str]:
    """Files of tests, those within folders too."""
    for path in paths:
        yield from (
            (path,) if path.endswith(".py") else (f"{path}/{each.name}" for each in (ROOT / path).glob("test_*.py"))
        )


def each_once(stages: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Words for pytest that run whatever these run, a file of tests or a folder at a time, and none of them twice."""
    asked: dict[tuple[tuple[str, ...], str], None] = {}
    for stage in stages:
        paths = [word for word in stage if word.startswith("tests/")]
        words = tuple(word for word in stage if word not in paths)
        asked |= dict.fromkeys((words, path) for path in paths)
    return [
        (*words, path)
        for words, path in asked
        if not any((words, str(folder)) in asked for folder in PurePosixPath(path).parents)
    ]
