"""The training of a run, usable without a folder: ``fit(run) -> Fitted``."""

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from sigma2r._call import told
from sigma2r._resolve import files_of
from sigma2r.data.preprocess import Preprocess
from sigma2r.data.splits import Split
from sigma2r.losses import JointLoss
from sigma2r.models.hub import is_timm
from sigma2r.samplers import BalancedBatchSampler
from sigma2r.studies.build import build
from sigma2r.studies.data import describe_code, describe_data, load
from sigma2r.studies.record import Record, describe_device, plain, versions
from sigma2r.studies.run import Run
from sigma2r.studies.where import Where, find_device, using_threads
from sigma2r.training import Files, Plan, plane_of
from sigma2r.training import fit as fit_module


@dataclass(frozen=True)
class Fitted:
    """A trained run.

    Args:
        record: What it left.
        model: ``model(preprocess(images)) -> (features, logits)``.
        preprocess: From uint8 images to what the model sees.
        criterion: The joint loss with what it learned; None where cross-entropy stood alone.
    """

    record: Record
    model: nn.Module
    preprocess: Preprocess
    criterion: JointLoss | None


Beginning = Callable[[dict[str, dict[str, Any]], Mapping[str, Split], dict[str, Any] | None], None]


def fit(
    run: Run,
    where: Where | None = None,
    files: Files | None = None,
    begin: Beginning = lambda data, splits, started_from: None,
    *,
    splits: Mapping[str, Split] | None = None,
    of: str | None = None,
) -> Fitted:
    """Load, split, build, train, measure and describe a run.

    Args:
        run: Everything that decides its numbers.
        where: Device and data.
        files: Where checkpoints and logs are kept, and from where an unfinished training goes on; None: nowhere.
        begin: Called when all is built and training begins, with what the data are, the splits, and the weights that
            the model starts from; it may refuse.
        splits: Images in the place of those that the run names: ``train``, ``test`` and perhaps ``validation``.
        of: What is trained, if that is not the run alone: a checkpoint of something else is refused.

    Raises:
        ImportError: In one sentence, if the model is of timm and that is missing.
        ValueError: If a name leads nowhere, data, model and loss do not fit together, or code of one's own raises.
        TrainingDivergedError: If features stop being finite.
        OSError: If files cannot be written.

    Example:
        >>> fitted = fit(Run(dataset="fuzzy-rgb", loss="center@0.1", feature_dim=2, epochs=1, images_per_class=64))
        >>> fitted.record.counts["train"], fitted.criterion.auxiliary.centers.shape
        (192, torch.Size([3, 2]))
    """
    started, where = time.perf_counter(), where or Where()
    run.check_own_code()
    training = f"train: training {run.dataset}, {run.model}, {run.loss_name}, seed {run.init_seed},"
    own_files = {file for path in run.own_code.values() for file in files_of(path)}
    device = find_device(where.device)
    if run.precision == "16-mixed" and device.type == "cpu":  # Lightning would take bf16 without the record saying so
        raise ValueError("train: precision 16-mixed needs a GPU; on a CPU try bf16-mixed.")
    with using_threads(run.threads), told(training, own_files):
        splits = load(run, where) if splits is None else splits
        if run.patience is not None and "validation" not in splits:
            raise ValueError(
                "train: patience looks at validation images, and there are none. --validation_fraction 0.1 sets a "
                "tenth of each class aside."
            )
        sampler = BalancedBatchSampler(
            splits["train"].labels, run.batch_size, seed=run.data_seed, sampling=run.sampling
        )
        module = build(run, splits["train"], sampler)
        plan = Plan(
            epochs=run.epochs,
            of=run.run_id if of is None else of,
            precision=run.precision,
            measure_every=run.measure_every,
            accumulate=run.accumulate,
            ema=run.ema,
            patience=run.patience,
            centers_at_means=run.center_init == "class-means",
            workers=where.workers,
            diagnose=where.diagnose,
            progress=where.progress,
        )
        data = describe_data(splits)
        started_from = getattr(module.model, "started_from", None) if is_timm(run.model) else None
        begin(data, splits, started_from)
        trained = fit_module(module, splits, sampler, device, plan, files)
        history = trained.entries
        record = Record(
            run=run,
            class_names=tuple(splits["train"].data.class_names),
            counts=_counts(splits, module.model),
            data=data,
            code=describe_code(run),
            image_shape=splits["train"].data.image_shape,
            started_from=plain(started_from),
            stopped=trained.stopped,
            history=tuple(plain(history)),
            final=plain({split: history[-1][split] for split in splits}),
            plane=plain(plane_of(module, splits["train"], device)),
            versions=versions(),
            device=describe_device(device, run.threads),
            seconds=_seconds(time.perf_counter() - started, history),
            finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )
    return Fitted(record, module.model, module.preprocess, module.criterion)


def _counts(splits: Mapping[str, Split], model: nn.Module) -> dict[str, int]:
    counts = {name: len(split) for name, split in splits.items()}
    return {**counts, "parameters": sum(p.numel() for p in model.parameters())}


def _seconds(total: float, history: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    trained, measured = (sum(entry[key] for entry in history) for key in ("train_s", "measure_s"))
    seconds: dict[str, float] = plain({"total": total, "train": trained, "measure": measured})
    return seconds
