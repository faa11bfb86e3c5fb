"""A loss that sees the batch of all processes: exact under data parallelism, whatever the loss compares."""

import inspect
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from sigma2r._shown import shown
from sigma2r.distributed._rows import rows_of_all, sum_of_all
from sigma2r.losses import JointLoss
from sigma2r.losses._checks import check_features, check_tensor, check_weights, class_indices
from sigma2r.losses._module import ClassLoss, FeatureLoss

WHO = "gather"
_Loss = TypeVar("_Loss", bound=nn.Module)
_DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def gather(loss: _Loss, group: dist.ProcessGroup | None = None) -> _Loss:
    """Let a loss, in place, see the rows of all processes: equal on each, and to one process that has them all.

    Value and gradients are those of the concatenated batch: sigma of σ²R finds its neighbours among all samples of a
    class, pairs are those of all, and means are over all rows that count. Batches may differ in size from process to
    process, and be empty. Feature gradients are multiplied by the number of processes W, because
    ``DistributedDataParallel`` and FSDP divide the sum by it; what the loss learns gets the whole gradient on every
    process, and stays the same on all, inside such a wrapper or beside it. Averaged centers
    (``center_update="average"``) make the same step everywhere.

    Every process must call the loss in every step, an empty batch included. In a call travel, from each process to all:
    five whole numbers, then the rows padded to the largest batch, N D numbers of features, N labels, N weights if there
    are some; for each loss of a :class:`JointLoss` its own, and two numbers for the cross-entropy, whose logits stay
    where they are. Nothing travels in the backward pass.

    Args:
        loss: A loss of this package, a :class:`JointLoss`, or a module of others called with features and labels.
        group: The processes; default: all.

    Returns:
        ``loss`` itself.

    Raises:
        ValueError: On every process alike, if there is no process group, the losses of the processes differ in kind,
            settings, shapes, dtypes or numbers, or ``loss`` is no module or was given before. In a call: on every
            process, if a batch does not fit on one of them.

    Example:
        >>> from sigma2r import CenterLoss
        >>> gather(CenterLoss(10, 84))  # before torch.distributed.init_process_group
        Traceback (most recent call last):
        ValueError: gather: there must be a process group; call torch.distributed.init_process_group first.
    """
    if not isinstance(loss, nn.Module):
        raise ValueError(f"{WHO}: loss must be a loss, an nn.Module; got {shown(loss)}.")
    if not (dist.is_available() and dist.is_initialized()):
        raise ValueError(f"{WHO}: there must be a process group; call torch.distributed.init_process_group first.")
    members = list(loss.auxiliaries) if isinstance(loss, JointLoss) else [loss]
    if any(getattr(member, "gathered", False) for member in members):
        raise ValueError(f"{WHO}: loss must be given once; this one sees the rows of all processes already.")
    _check_alike(loss, group)
    for member in members:
        member.register_forward_pre_hook(_Gathering(group), with_kwargs=True)
        setattr(member, "gathered", True)  # noqa: B010 - a module of others has no such attribute
    if isinstance(loss, JointLoss):
        loss.sum_of_all = lambda value: sum_of_all(value, group)
    return loss


class _Gathering:
    """A hook that puts the rows of all processes in the place of the own ones."""

    def __init__(self, group: dist.ProcessGroup | None) -> None:
        self.group = group

    def __call__(self, loss: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        try:
            features, labels, weights = _own(loss, args, kwargs)
        except ValueError:
            _exchange([-1, 0, 0, 0], torch.device("cpu") if not args else _device(args[0]), self.group)
            raise
        told = [features.shape[0], features.shape[1], _DTYPES.index(features.dtype), int(weights is not None)]
        counts = self._agreed(loss, told, features.device)
        rows = rows_of_all(features, counts, self.group)
        classes = rows_of_all(labels.to(features.device), counts, self.group)
        more = {} if weights is None else {"weights": rows_of_all(weights.to(features.device), counts, self.group)}
        return (rows, classes), more

    def _agreed(self, loss: nn.Module, told: list[int], device: torch.device) -> list[int]:
        """How many rows each process has, if their batches go together.

        Raises:
            ValueError: On every process, naming what differs.
        """
        who = type(loss).__name__
        all_told = _exchange(told, device, self.group)
        refused = [rank for rank, each in enumerate(all_told) if each[0] < 0]
        if refused:
            raise ValueError(f"{who}: the batch of process {refused[0]} was refused there; its error says why.")
        for place, name, spell in (
            (1, "features must have the same dimension", str),
            (2, "features must have the same dtype", lambda code: str(_DTYPES[code])),
            (3, "weights must be given", lambda given: "some" if given else "none"),
        ):
            found = [each[place] for each in all_told]
            if len(set(found)) > 1:
                told_of = ", ".join(spell(each) for each in found)
                raise ValueError(f"{who}: {name} on every process; got {told_of}.")
        return [each[0] for each in all_told]


def _own(loss: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor | None]:
    """Features, labels and weights of this process, of right shape; what a miner chose is a weight of rows."""
    given = inspect.signature(loss.forward).bind(*args, **kwargs).arguments
    features, labels, *_ = given.values()
    who = type(loss).__name__
    check_tensor(who, "features", features)
    if isinstance(loss, ClassLoss):
        check_features(who, features, loss.feature_dim, loss.num_classes)
    else:
        check_features(who, features)
    if features.dtype not in _DTYPES:
        raise ValueError(f"{who}: features must be of a usual dtype to travel; got {features.dtype}.")
    weights = given.get("weights")
    if isinstance(loss, FeatureLoss):
        weights = loss.weighed(features, given.get("indices_tuple"), weights)
    if weights is not None:
        weights = check_weights(who, features, weights).to(features.dtype)
    return features, class_indices(who, "labels", labels, features.shape[0]), weights


def _device(features: Any) -> torch.device:
    return features.device if isinstance(features, Tensor) else torch.device("cpu")


def _exchange(told: list[int], device: torch.device, group: dist.ProcessGroup | None) -> list[list[int]]:
    """The whole numbers of every process."""
    own = torch.tensor(told, device=device)
    parts = [torch.empty_like(own) for _ in range(dist.get_world_size(group))]
    dist.all_gather(parts, own, group=group)
    every: list[list[int]] = torch.stack(parts).tolist()
    return every


def _check_alike(loss: nn.Module, group: dist.ProcessGroup | None) -> None:
    """Refuse losses that differ from process to process.

    Raises:
        ValueError: On every process, naming what differs.
    """
    state = loss.state_dict()
    own = {"loss": str(loss), **{name: f"{tuple(value.shape)}, {value.dtype}" for name, value in state.items()}}
    every: list[dict[str, str]] = [{}] * dist.get_world_size(group)
    dist.all_gather_object(every, own, group=group)
    for name in dict.fromkeys(name for each in every for name in each):
        found = [each.get(name, "none") for each in every]
        for rank, each in enumerate(found):
            if each != found[0]:
                raise ValueError(
                    f"{WHO}: losses must be the same on every process; {name} is {found[0]} on process 0 and {each} on "
                    f"process {rank}."
                )
    for name, value in state.items():
        first = value.detach().clone()
        dist.broadcast(first, group=group, group_src=0)
        different = _exchange([int(not torch.equal(first, value))], value.device, group)
        if [1] in different:
            raise ValueError(
                f"{WHO}: losses must start from the same numbers on every process; {name} of process "
                f"{different.index([1])} differs from that of process 0. Seed each alike before the loss is built, or "
                "load the same state."
            )
