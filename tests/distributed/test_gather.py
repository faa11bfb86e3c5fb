"""A loss over processes equals one process with the concatenated batch: value, gradients, and all after some steps."""

import copy
import warnings

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.testing import assert_close

from sigma2r import (
    CenterLoss,
    ContrastiveCenterLoss,
    ContrastiveLoss,
    GitLoss,
    JointLoss,
    NearestNegativeTripletLoss,
    SigmaSquaredRLoss,
    SoftNearestNeighborLoss,
    TripletCenterLoss,
)
from sigma2r.distributed import gather
from tests.distributed.processes import in_processes

C, D, STEPS = 5, 3, 5
LOSSES = {
    "sigma2r": lambda: SigmaSquaredRLoss(C, D, neighbors=3),
    "sigma2r, std, unit length": lambda: SigmaSquaredRLoss(C, D, spread="std", normalize=True),
    "sigma2r, sparse": lambda: SigmaSquaredRLoss(C, D, neighbors=3, sparse_grad=True),
    "center": lambda: CenterLoss(C, D),
    "center, sum": lambda: CenterLoss(C, D, reduction="sum", sparse_grad=True),
    "center, average": lambda: CenterLoss(C, D, center_update="average"),
    "contrastive-center": lambda: ContrastiveCenterLoss(C, D),
    "triplet-center": lambda: TripletCenterLoss(C, D, margin=1.0),
    "git": lambda: GitLoss(C, D, center_weight=1.0, push_weight=1.0),
    "soft nearest neighbour": lambda: SoftNearestNeighborLoss(temperature=2.0, learn_temperature=True),
    "nearest negative": lambda: NearestNegativeTripletLoss(margin=1.0),
    "contrastive": lambda: ContrastiveLoss(margin=3.0),
    "joint": lambda: JointLoss([SigmaSquaredRLoss(C, D), CenterLoss(C, D, center_update="average")], [0.1, 0.2]),
}
SIZES = {"equal": lambda k: [8] * k, "unequal": lambda k: [8 + 3 * r for r in range(k)],
         "one is empty": lambda k: [9] * (k - 1) + [0]}  # fmt: skip


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(4, D), nn.Linear(D, C)

    def forward(self, x):
        features = self.body(x)
        return features, self.head(features)


def batch(sizes, kind):
    generator = torch.Generator().manual_seed(3)
    total = sum(sizes)
    x = torch.randn(total, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, C, (total,), generator=generator)
    if kind == "disjoint classes":
        labels = torch.cat([torch.full((size,), rank % C) for rank, size in enumerate(sizes)])
    if kind == "ignored rows":
        labels[::3] = -100
    return x, labels, torch.rand(total, generator=generator, dtype=torch.float64)


def trained(loss, network, own, processes, weighted, optimizer=torch.optim.SGD):
    """Values, and what is learned after some steps; the mean over processes is taken as their wrapper takes it."""
    x, labels, weights = own
    learned = [p for p in loss.parameters() if p.requires_grad]
    optimizer = optimizer([*network.parameters(), *learned], lr=0.1)
    values = []
    for _ in range(STEPS):
        features, logits = network(x)
        seen = (features, logits, labels) if isinstance(loss, JointLoss) else (features, labels)
        value = loss(*seen, **({"weights": weights} if weighted else {}))
        optimizer.zero_grad()
        value.backward()
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            if processes:
                dist.all_reduce(parameter.grad)
                parameter.grad /= processes
        optimizer.step()
        values.append(value.detach())
    return torch.stack(values), {**network.state_dict(), **{f"loss.{k}": v for k, v in loss.state_dict().items()}}


def built(name):
    torch.manual_seed(1)
    return LOSSES[name]().double(), Network().double()


def all_cases(rank, count):
    results = {}
    for layout, sizes_of in SIZES.items():
        sizes = sizes_of(count)
        start = sum(sizes[:rank])
        for kind in ("shared classes", "disjoint classes", "ignored rows"):
            for weighted in (False, True):
                own = [part[start : start + sizes[rank]] for part in batch(sizes, kind)]
                for name in LOSSES:
                    loss, network = built(name)
                    results[layout, kind, weighted, name] = trained(gather(loss), network, own, count, weighted)
    return results


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_processes_together_are_one_process_with_all_rows(count, tmp_path):
    every = in_processes(count, tmp_path, all_cases)
    assert len(every[0]) == len(SIZES) * 3 * 2 * len(LOSSES)
    for (layout, kind, weighted, name), _ in every[0].items():
        sizes = SIZES[layout](count)
        if sum(sizes) == 0:
            continue
        values, state = trained(*built(name), batch(sizes, kind), 0, weighted)
        for results in every:
            got, theirs = results[layout, kind, weighted, name]
            assert_close(got, values, rtol=1e-6, atol=1e-9, msg=lambda m, c=(layout, kind, weighted, name): f"{c}: {m}")
            assert_close(theirs, state, rtol=1e-6, atol=1e-9)


def wrapped(rank, count, inside):
    """A network, with its loss inside the wrapper or beside it."""
    loss, network = built("joint")
    gather(loss)
    x, labels, _ = batch([8, 11], "shared classes")
    x, labels = (x[:8], labels[:8]) if rank == 0 else (x[8:], labels[8:])

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network
            self.loss = loss if inside else None

        def forward(self, x, labels):
            features, logits = self.network(x)
            return loss(features, logits, labels) if inside else (features, logits)

    model = DistributedDataParallel(Both())
    optimizer = torch.optim.SGD([*network.parameters(), *(p for p in loss.parameters() if p.requires_grad)], lr=0.1)
    for _ in range(STEPS):
        out = model(x, labels)
        value = out if inside else loss(*out, labels)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return {**network.state_dict(), **{f"loss.{k}": v for k, v in loss.state_dict().items()}}


@pytest.mark.parametrize("inside", [False, True], ids=["beside the wrapper", "inside"])
def test_it_goes_with_distributed_data_parallel(inside, tmp_path):
    _, expected = trained(*built("joint"), batch([8, 11], "shared classes"), 0, False)
    for state in in_processes(2, tmp_path, wrapped, inside):
        assert_close(state, expected, rtol=1e-6, atol=1e-9)


def told(rank, count, case):
    """What a process is told of input that does not fit."""
    torch.manual_seed(0)
    loss = CenterLoss(C + (case == "classes") * rank, D, normalize=case == "settings" and rank == 1)
    if case == "numbers" and rank == 1:
        loss.centers.data += 1
    if case == "growth":
        loss = SigmaSquaredRLoss(C, D) if rank else CenterLoss(C, D)
    gather(loss)
    if case == "twice":
        gather(loss)
    features, labels = torch.randn(6, D), torch.arange(6) % C
    if case == "dimension" and rank == 1:
        features = torch.randn(6, D + 1)
    if case == "dtype" and rank == 1:
        features = features.double()
    if case == "label":
        labels = labels + rank * C
    return float(loss(features, labels, **({"weights": torch.ones(6)} if case == "weights" and rank == 0 else {})))


@pytest.mark.parametrize(
    ("case", "zero", "one"),
    [
        ("classes", r"loss is CenterLoss\(5.* on process 0 and CenterLoss\(6.* on process 1", None),
        ("settings", r"losses must be the same .*; loss is CenterLoss\(5, .*normalize=False.* on process 0", None),
        ("numbers", r"^gather: losses must start from the same numbers .*; centers of process 1 differs", None),
        ("growth", r"losses must be the same", None),
        ("twice", r"^gather: loss must be given once", None),
        ("dimension", r"the batch of process 1 was refused there", r"^CenterLoss: features must have the 3 dimensions"),
        ("dtype", r"^CenterLoss: features must have the same dtype .*; got torch.float32, torch.float64\.$", None),
        ("label", r"^center_loss: labels must lie in \[0, 5\)", None),
        ("weights", r"^CenterLoss: weights must be given on every process; got some, none\.$", None),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_sentence_on_every_process(case, zero, one, tmp_path):
    first, second = in_processes(2, tmp_path, told, case)
    with pytest.raises(ValueError, match=zero):
        raise ValueError(first)
    with pytest.raises(ValueError, match=one or zero):
        raise ValueError(second)


def alone(rank, count):
    """What is said of losses that see their own rows alone."""
    features, labels = torch.randn(6, D, requires_grad=True), torch.arange(6) % C
    said = []
    for loss in (
        CenterLoss(C, D),
        ContrastiveLoss(),
        gather(SigmaSquaredRLoss(C, D, generator=torch.Generator().manual_seed(0))),
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(2):
                loss(features, labels).backward()
        said += [str(warning.message) for warning in caught]
    average = CenterLoss(C, D, center_update="average", generator=torch.Generator().manual_seed(0))

    class Inside(nn.Module):
        def __init__(self, loss):
            super().__init__()
            self.body, self.loss = nn.Linear(D, D), loss

        def forward(self, x, labels):
            return self.loss(self.body(x), labels)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            DistributedDataParallel(Inside(average))(features, labels)
    except ValueError as error:
        said.append(str(error))
    DistributedDataParallel(Inside(gather(copy.deepcopy(average))))(features, labels).backward()
    return said


def test_a_loss_that_learns_says_once_that_it_sees_its_own_rows_alone(tmp_path):
    for said in in_processes(2, tmp_path, alone):
        warned, refused = said
        assert warned.startswith("CenterLoss: it sees the rows of this process alone, of 2: ")
        assert refused.startswith("CenterLoss: center_update='average' moves centers without a gradient")


def test_without_a_process_group_it_is_refused():
    with pytest.raises(ValueError, match=r"^gather: there must be a process group; call"):
        gather(CenterLoss(C, D))
    with pytest.raises(ValueError, match=r"^gather: loss must be a loss, an nn\.Module; got 3\.$"):
        gather(3)
