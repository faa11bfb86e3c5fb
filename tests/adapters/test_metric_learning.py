"""pytorch-metric-learning both ways: our losses in its loops, its losses in our joint loss and on our command line."""

import importlib.metadata
import json
import sys

import pytest
import torch
from pytorch_metric_learning import losses as theirs
from pytorch_metric_learning import miners, reducers
from pytorch_metric_learning.trainers import MetricLossOnly
from pytorch_metric_learning.utils.loss_and_miner_utils import convert_to_weights
from torch import nn
from torch.testing import assert_close
from torch.utils.data import TensorDataset

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
from sigma2r._absent import AbsentError
from sigma2r._resolve import files_of, source_of
from sigma2r.adapters import WithLoss
from sigma2r.cli import main
from sigma2r.studies import losses as registry
from sigma2r.studies.run import Run
from sigma2r.studies.trial import try_own_loss
from tests.adapters import plain
from tests.pages import run_page

N, C, D = 12, 3, 4
LABELS = torch.arange(N) % C
WITH_CENTERS = [SigmaSquaredRLoss, CenterLoss, ContrastiveCenterLoss, TripletCenterLoss]
ALL_PAIRS = [
    (lambda: GitLoss(C, D, center_weight=1.0, push_weight=1.0), "GitLoss"),
    (SoftNearestNeighborLoss, "SoftNearestNeighborLoss"),
    (NearestNegativeTripletLoss, "NearestNegativeTripletLoss"),
    (ContrastiveLoss, "ContrastiveLoss"),
]


def features(seed: int = 0) -> torch.Tensor:
    return torch.randn(N, D, generator=torch.Generator().manual_seed(seed), requires_grad=True)


PAIRS = tuple(torch.tensor(part) for part in ([0, 0, 3], [3, 6, 0], [0, 5, 5], [1, 4, 7]))
TRIPLETS = tuple(torch.tensor(part) for part in ([0, 1], [3, 4], [2, 0]))
# By hand: of PAIRS 0 stands four times, 3 and 5 twice, 1, 4, 6 and 7 once; of TRIPLETS 0 twice, 1, 2, 3, 4 once.
COUNTS = {4: [4, 1, 0, 2, 1, 2, 1, 1, 0, 0, 0, 0], 3: [2, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]}


@pytest.mark.parametrize("loss_class", WITH_CENTERS)
@pytest.mark.parametrize("mined", [PAIRS, TRIPLETS], ids=["pairs", "triplets"])
def test_what_a_miner_chose_weighs_samples_by_how_often_they_stand_there(loss_class, mined):
    loss, x = loss_class(C, D), features()
    weights = torch.tensor(COUNTS[len(mined)]) / max(COUNTS[len(mined)])
    assert_close(convert_to_weights(mined, LABELS, torch.float32), weights)  # as the library counts
    assert_close(loss(x, LABELS, mined), loss(x, LABELS, weights=weights))
    assert float((loss(x, LABELS, mined) - loss(x, LABELS)).detach().abs()) > 1e-3
    factors = torch.linspace(0.1, 2.0, N)
    assert_close(loss(x, LABELS, mined, weights=factors), loss(x, LABELS, weights=factors * weights))


def test_averaged_centers_move_by_what_a_miner_chose():
    weighed, mined = (
        CenterLoss(C, D, center_update="average", generator=torch.Generator().manual_seed(0)) for _ in "ab"
    )
    start = mined.centers.detach().clone()
    weighed(features(), LABELS, weights=torch.tensor(COUNTS[4]) / 4).backward()
    mined(features(), LABELS, PAIRS).backward()
    assert_close(mined.centers, weighed.centers)
    assert float((mined.centers - start).norm(dim=1).min()) > 1e-2


def test_without_a_miner_or_with_one_that_found_nothing_all_samples_count():
    none = tuple(torch.zeros(0, dtype=torch.int64) for _ in range(4))
    for loss_class in WITH_CENTERS:
        loss = loss_class(C, D)
        assert loss(features(), LABELS, none) == loss(features(), LABELS, None) == loss(features(), LABELS)
    assert_close(convert_to_weights(none, LABELS, torch.float32), torch.ones(N))


def test_the_mean_divides_by_the_sum_of_weights_and_theirs_by_the_number_of_samples():
    x, weights = features(), torch.tensor(COUNTS[4]) / 4
    center = CenterLoss(C, D)
    each = 0.5 * (x - center.centers[LABELS]).square().sum(1)
    assert_close(center(x, LABELS, PAIRS), (weights * each).sum() / weights.sum())
    proxies = theirs.ArcFaceLoss(C, D)
    plainly = theirs.ArcFaceLoss(C, D, reducer=reducers.DoNothingReducer())
    plainly.load_state_dict(proxies.state_dict())
    each = plainly(x, LABELS)["loss"]["losses"]
    assert_close(proxies(x, LABELS, PAIRS), (weights * each).sum() / N)


@pytest.mark.parametrize(("make", "name"), ALL_PAIRS, ids=[name for _, name in ALL_PAIRS])
def test_a_loss_that_compares_samples_with_one_another_refuses_a_miner_in_one_sentence(make, name):
    loss = make()
    assert torch.isfinite(loss(features(), LABELS, None))
    with pytest.raises(
        ValueError, match=rf"^{name}: indices_tuple must be None, because every .*miners=\[None, miner\]\)\.$"
    ):
        loss(features(), LABELS, PAIRS)


@pytest.mark.message
@pytest.mark.parametrize(
    ("mined", "told"),
    [
        (PAIRS[:2], r"three tensors of indices \(triplets\) or four \(pairs\).*got a tuple of 2 torch.Tensors"),
        (torch.ones(N), r"got a torch.Tensor of shape \(12,\) and torch.float32. Weights of samples are weights="),
        (tuple(part.float() for part in TRIPLETS), r"three tensors of indices"),
        ((*TRIPLETS[:2], torch.tensor([0, 12])), r"index the 12 samples of the batch; got values from 0 to 12"),
    ],
)
def test_what_is_no_choice_of_samples_is_refused(mined, told):
    with pytest.raises(ValueError, match=rf"^CenterLoss: indices_tuple must .*{told}"):
        CenterLoss(C, D)(features(), LABELS, mined)


def test_our_losses_in_their_multiple_losses_with_and_without_miners():
    x = features()
    ours, sigma, arcface = CenterLoss(C, D), SigmaSquaredRLoss(C, D), theirs.ArcFaceLoss(C, D)
    miner = miners.TripletMarginMiner(margin=5.0)
    together = theirs.MultipleLosses([ours, sigma, arcface], miners=[miner, None, miner], weights=[0.5, 0.1, 2.0])
    mined = miner(x, LABELS)
    assert mined[0].numel()
    expected = 0.5 * ours(x, LABELS, mined) + 0.1 * sigma(x, LABELS) + 2.0 * arcface(x, LABELS, mined)
    assert_close(together(x, LABELS), expected)
    plainly = theirs.MultipleLosses({"center": ours, "arcface": arcface})
    assert_close(plainly(x, LABELS, PAIRS), ours(x, LABELS, PAIRS) + arcface(x, LABELS, PAIRS))


class Trunk(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = plain.Network().body

    def forward(self, images):
        return self.body(images)


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad=True:UserWarning")  # for its progress bar
@pytest.mark.parametrize("with_miner", [False, True])
def test_their_trainer_moves_network_and_centers_as_a_plain_loop_does(with_miner):
    def parts():
        torch.manual_seed(0)
        trunk, loss = Trunk(), SigmaSquaredRLoss(C, D)
        steps = torch.optim.SGD([{"params": trunk.parameters(), "lr": 0.02}])
        own = torch.optim.SGD(loss.param_groups(lr=0.05))
        return trunk, loss, steps, own

    miner = miners.BatchHardMiner() if with_miner else None
    trunk, loss, *steps = parts()
    rows = list(plain.sampler())
    trainer = MetricLossOnly(
        models={"trunk": trunk}, optimizers=dict(zip(("trunk_optimizer", "metric_loss_optimizer"), steps, strict=True)),
        batch_size=12, loss_funcs={"metric_loss": loss}, dataset=TensorDataset(plain.IMAGES, plain.LABELS),
        mining_funcs={"tuple_miner": miner} if miner else {}, sampler=[row for batch in rows for row in batch],
        dataloader_num_workers=0, iterations_per_epoch=5, data_device=torch.device("cpu"),
    )  # fmt: skip
    trainer.train(num_epochs=1)

    expected, criterion, *steps = parts()
    for batch in rows:
        x = expected(plain.IMAGES[batch])
        value = criterion(x, plain.LABELS[batch], miner(x, plain.LABELS[batch]) if miner else None)
        for each in steps:
            each.zero_grad()
        value.backward()
        for each in steps:
            each.step()
    start = parts()[1]
    for ours, own in zip(loss.parameters(), criterion.parameters(), strict=True):
        assert torch.equal(ours, own)
    assert float((loss.centers - start.centers).abs().min()) > 1e-4
    for a, b in zip(trunk.parameters(), expected.parameters(), strict=True):
        assert torch.equal(a, b)


THEIRS = [
    lambda: theirs.ArcFaceLoss(C, D),
    lambda: theirs.ProxyAnchorLoss(C, D),
    lambda: theirs.SoftTripleLoss(C, D),
    lambda: theirs.MultipleLosses([theirs.ArcFaceLoss(C, D), CenterLoss(C, D)]),
]


@pytest.mark.parametrize("make", THEIRS, ids=["ArcFace", "ProxyAnchor", "SoftTriple", "MultipleLosses"])
def test_their_losses_in_our_joint_loss_have_groups_and_do_not_see_ignored_rows(make):
    loss = make()
    criterion = JointLoss([CenterLoss(C, D), loss], [0.1, 0.3])
    groups = criterion.param_groups(lr=0.2)
    held = [id(p) for group in groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in criterion.parameters())
    assert {(group["lr"], group["weight_decay"]) for group in groups} == {(0.2, 0.0)}
    assert len({group["name"] for group in groups}) == len(groups)
    x, logits = features(), torch.randn(N, C)
    some = LABELS.masked_fill(torch.arange(N) % 4 == 1, -100)
    kept = some >= 0
    _, (_, value) = criterion.terms(x, logits, some)
    assert_close(value, loss(x[kept], LABELS[kept]))
    assert float((value - loss(x, LABELS)).detach().abs()) > 1e-4


@pytest.mark.parametrize("ignored", [-1, 255])
def test_the_cross_entropy_within_a_loss_of_theirs_does_not_say_what_is_ignored(ignored):
    arcface = theirs.ArcFaceLoss(C, D)
    assert arcface.cross_entropy.ignore_index == -100  # which it takes for a class all the same
    criterion = JointLoss([CenterLoss(C, D, ignore_index=ignored), arcface], [0.1, 0.3])
    assert criterion.ignore_index == ignored


def test_weights_of_samples_are_refused_in_one_sentence_where_a_loss_takes_none():
    for arcface in (theirs.ArcFaceLoss(C, D), torch.compile(theirs.ArcFaceLoss(C, D))):
        refuse_weights(JointLoss([CenterLoss(C, D), arcface], [0.1, 0.3]))


def refuse_weights(criterion):
    with pytest.raises(
        ValueError,
        match=r"^JointLoss: weights of samples must be known to every loss.*; ArcFaceLoss takes none\. .*index\.$",
    ):
        criterion(features(), torch.randn(N, C), LABELS, weights=torch.ones(N))


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_leaves_what_their_losses_learn_as_wide_as_it_was(half):
    arcface = theirs.ArcFaceLoss(C, D)
    criterion = JointLoss(arcface, 0.3)
    x = features().to(half)
    _, (value,) = criterion.terms(x, torch.randn(N, C), LABELS)
    assert arcface.W.dtype == torch.float32
    assert_close(value, arcface(x.float(), LABELS))
    arcface(x, LABELS)
    assert arcface.W.dtype == half  # what it does by itself, for good


def test_their_loss_in_a_module_of_network_and_losses_trains_and_has_its_rate():
    torch.manual_seed(0)
    network = plain.Network()
    criterion = JointLoss([theirs.ArcFaceLoss(C, D), CenterLoss(C, D)], [0.1, 0.1])
    model = WithLoss(network, criterion, plain.FeatureTap.before_classifier(network))
    optimizer = torch.optim.AdamW(model.param_groups(lr=0.01, loss_lr=0.1, weight_decay=0.5))
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.5, 0.0, 0.0]
    before = plain.state(model)
    for _ in range(7):
        optimizer.zero_grad()
        model(plain.IMAGES, labels=plain.LABELS)["loss"].backward()
        optimizer.step()
    assert all(float((value - before[name]).abs().max()) > 1e-3 for name, value in plain.state(model).items())


# What a description can hold; the others want a loss or a second set of features.
BY_NAME = [
    "AngularLoss", "ArcFaceLoss", "CircleLoss", "ContrastiveLoss", "CosFaceLoss", "DynamicSoftMarginLoss",
    "FastAPLoss", "GeneralizedLiftedStructureLoss", "InstanceLoss", "IntraPairVarianceLoss", "LargeMarginSoftmaxLoss",
    "LiftedStructureLoss", "MarginLoss", "MultiSimilarityLoss", "NCALoss", "NPairsLoss", "NTXentLoss",
    "NormalizedSoftmaxLoss", "P2SGradLoss", "PNPLoss", "ProxyAnchorLoss", "ProxyNCALoss",
    "SignalToNoiseRatioContrastiveLoss", "SmoothAPLoss", "SoftTripleLoss", "SphereFaceLoss", "SubCenterArcFaceLoss",
    "SupConLoss", "ThresholdConsistentMarginLoss", "TripletMarginLoss", "TupletMarginLoss",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")  # LargeMarginSoftmaxLoss's own
@pytest.mark.parametrize("name", BY_NAME)
def test_losses_of_theirs_are_known_by_name(name):
    registry.check_own_loss(f"pml:{name}", {})
    try_own_loss(f"pml:{name}", 5, D, {})


def test_sizes_and_options_reach_a_loss_of_theirs():
    assert registry.loss_options("pml:ArcFaceLoss") == {"margin": 28.6, "scale": 64}
    assert registry.loss_options("pml:SupConLoss") == {"temperature": 0.1}
    assert registry.has_classes("pml:ArcFaceLoss")
    assert not registry.has_classes("pml:SupConLoss")
    loss = registry.build_loss("pml:SubCenterArcFaceLoss", 5, D, {"sub_centers": 2, "margin": 10}).loss
    assert (loss.W.shape, loss.sub_centers) == ((D, 10), 2)
    assert registry.build_loss("pml:P2SGradLoss", 5, D, {}).loss.weight.shape == (D, 5)
    run = Run(loss="pml:ArcFaceLoss@1[margin=20,scale=16.5]")
    assert (run.loss, run.loss_weight, run.loss_options) == ("pml:ArcFaceLoss", 1.0, {"margin": 20, "scale": 16.5})
    assert run.loss_name == "pml:ArcFaceLoss@1[margin=20,scale=16.5]"


@pytest.mark.message
@pytest.mark.parametrize(
    ("spelled", "told"),
    [
        ("pml:ArcFac@1", r"^unknown loss of pytorch-metric-learning 'ArcFac'; known: .*Did you mean ArcFaceLoss"),
        ("pml:ArcFaceLoss@1[margn=2]", r"unknown option of the loss pml:ArcFaceLoss 'margn'.*Did you mean margin\?"),
        ("pml:ArcFaceLoss@-1", r"^Run: loss_weight must be a finite number of at least 0"),
        ("pml:CrossBatchMemory@1", r"options without a default must be given; loss is missing\..*\[loss=VALUE\]\.$"),
        ("pml:ArcFaceLoss@1[distance=1]", r"unknown option of the loss pml:ArcFaceLoss 'distance'"),
    ],
)
def test_a_loss_of_theirs_that_cannot_be_is_told_in_one_sentence(spelled, told):
    run = Run(loss=spelled)  # which runs no code of theirs
    with pytest.raises(ValueError, match=told):
        run.check_own_code()


def test_without_the_library_a_description_is_read_and_training_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_metric_learning", None)
    run = Run.from_dict(Run(loss="pml:ArcFaceLoss@1").as_dict())
    with pytest.raises(ImportError, match=r'^pml:ArcFaceLoss needs more .*: pip install "sigma2r\[yardsticks\]"$'):
        run.check_own_code()


def test_a_record_names_the_version_of_the_library(monkeypatch):
    before = source_of("pml:ArcFaceLoss")
    assert len(before) == 16
    assert files_of("pml:ArcFaceLoss") == set()  # what it raises is not the user's
    monkeypatch.setattr(importlib.metadata, "version", lambda name: {"pytorch-metric-learning": "9.9"}[name])
    assert source_of("pml:ArcFaceLoss") == source_of("pml:SupConLoss") != before

    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    with pytest.raises(AbsentError, match=r"^resolve: pytorch-metric-learning must be installed; it is not\."):
        source_of("pml:ArcFaceLoss")


@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*treespec, LeafSpec.*")
def test_a_loss_of_theirs_trains_from_the_command_line(tmp_path, capsys):
    words = "train --dataset fuzzy-rgb --model lenet --feature_dim 2 --epochs 1 --images_per_class 30 --batch_size 30"
    assert (
        main([*words.split(), "--loss", "pml:ArcFaceLoss@0.5[margin=20,scale=8]", "--out", str(tmp_path / "run")]) == 0
    )
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert record["run"]["loss_options"] == {"margin": 20, "scale": 8}
    assert list(record["code"]) == ["pml:ArcFaceLoss"]
    assert record["history"][-1]["auxiliary"] > 0
    assert main(["list"]) == 0
    assert "pml:NAME" in capsys.readouterr().out


def test_the_page_runs(tmp_path):
    run_page("docs/adapters/pytorch-metric-learning.md", tmp_path)
