"""What other implementations compute, reproduced with one stated factor or option each, or shown not to be.

Each of their formulas is written here anew, in float64, from a description of what they compute; the one that can be
installed is run. A row that no factor or option reproduces has a test of its own that says by how much it differs.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import ContrastiveLoss, NCALoss
from pytorch_metric_learning.reducers import MeanReducer
from torch import Tensor
from torch.testing import assert_close

from sigma2r.functional import (
    average_step,
    center_loss,
    contrastive_center_loss,
    contrastive_loss,
    git_loss,
    soft_nearest_neighbor_loss,
)

N, C, D = 11, 5, 3  # so that 1, 2, 2 / C, 2 / D, 1 / D and N are all different
PAIRED = [0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 4]
WITH_SINGLETON = [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4]
TEMPERATURE = 6.0

Batch = tuple[Tensor, Tensor, Tensor]
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def example(labels: list[int], seed: int = 0, feature_dim: int = D) -> Batch:
    """Features, labels and centers; features and centers are leaves."""
    generator = torch.Generator().manual_seed(seed)

    def draw(rows: int) -> Tensor:
        return torch.randn(rows, feature_dim, generator=generator, dtype=torch.float64).requires_grad_()

    return draw(len(labels)), torch.tensor(labels), draw(C)


def gradients(loss: Loss, batch: Batch) -> list[Tensor]:
    """With respect to features and centers; zeros where the loss has no centers."""
    inputs = [batch[0], batch[2]]
    found = torch.autograd.grad(loss(*batch), inputs, allow_unused=True)
    return [torch.zeros_like(t) if g is None else g for t, g in zip(inputs, found, strict=True)]


def relative_difference(a: Tensor, b: Tensor) -> float:
    return ((a - b).abs().max() / b.abs().max()).item()


def caffe_face(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    offset = x - c[y]
    return torch.einsum("nd,nd->", offset, offset) / len(x) / 2


def pytorch_center_loss(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    to_all = torch.stack([(x - center).square().sum(1) for center in c], dim=1)
    of_own = to_all * torch.eye(len(c), dtype=x.dtype)[y]
    return of_own.clamp(1e-12, 1e12).sum() / len(x)  # each of the N (C - 1) others still counts 1e-12


def pytorch_ood(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    to_all = torch.stack([(x - center).square().sum(1) for center in c], dim=1)
    of_own = to_all * torch.eye(len(c), dtype=x.dtype)[y]
    return of_own.clamp(1e-12, 1e12).mean()


def facenet(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    return (x - c[y]).square().mean()


def facenet_at_first(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    return (x - c[y]).square().sum() / 2


def louis_she(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    return torch.nn.functional.mse_loss(x, c[y])


def quaterion(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    return 0.5 * torch.nn.functional.mse_loss(x / x.norm(dim=1, keepdim=True), c[y])


def nearness(x: Tensor, temperature: float) -> Tensor:
    """exp(-d²/T) between samples, (N, N), 0 on the diagonal."""
    away = 1 - torch.eye(len(x), dtype=x.dtype)
    return (-(x.unsqueeze(1) - x).square().sum(2) / temperature).exp() * away


def cleverhans(x: Tensor, y: Tensor, _: Tensor) -> Tensor:
    near = nearness(x, TEMPERATURE)
    chance = near / (1e-5 + near.sum(1, keepdim=True))
    return -(1e-5 + (chance * (y.unsqueeze(1) == y)).sum(1)).log().mean()


def tensorflow_similarity(x: Tensor, y: Tensor, _: Tensor) -> Tensor:
    near = nearness(x, TEMPERATURE)
    same = (y.unsqueeze(1) == y) & ~torch.eye(len(y), dtype=torch.bool)
    each = -(1e-9 + (near * same).sum(1) / near.sum(1)).log()
    return torch.where(same.any(1), each, 0.0).mean()


def nca_of_pytorch_metric_learning(x: Tensor, y: Tensor, _: Tensor) -> Tensor:
    return NCALoss(1 / TEMPERATURE, distance=LpDistance(normalize_embeddings=False, power=2))(x, y)


def default_nca_of_pytorch_metric_learning(x: Tensor, y: Tensor, _: Tensor) -> Tensor:
    return NCALoss(1 / TEMPERATURE)(x, y)


@dataclass(frozen=True)
class Rival:
    """Another implementation, the factor or option that gives its value, and what is off without it.

    Args:
        theirs: Its loss.
        relation: What reproduces it, in words.
        ours: The same in code.
        without: The same with the factor or an option left out.
        each: Our values, one per sample, under those options.
        labels: The batch.
        rtol: The relative error allowed, for values and gradients, where theirs is off by a small constant.
    """

    theirs: Loss
    relation: str
    ours: Loss
    without: tuple[Loss, ...]
    each: Loss
    labels: list[int]
    rtol: float = 1e-12


def of_center(theirs: Loss, relation: str, ours: Loss, *without: Loss, rtol: float = 1e-12) -> Rival:
    return Rival(theirs, relation, ours, without, lambda *b: center_loss(*b, reduction="none"), PAIRED, rtol)


def of_neighbors(
    theirs: Loss, relation: str, ours: Loss, *without: Loss, labels: list[int] = WITH_SINGLETON, rtol: float = 1e-12
) -> Rival:
    return Rival(theirs, relation, ours, without, lambda *b: neighbors(*b, reduction="none"), labels, rtol)


def neighbors(x: Tensor, y: Tensor, _: Tensor, **keywords: object) -> Tensor:
    return soft_nearest_neighbor_loss(x, y, **{"temperature": TEMPERATURE, **keywords})


def paper_sum(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    return center_loss(x, y, c, reduction="sum")


RIVALS = [
    of_center(caffe_face, "mean", center_loss, paper_sum),
    of_center(caffe_face, "compat='caffe'", lambda *b: center_loss(*b, compat="caffe"), paper_sum),
    of_center(pytorch_center_loss, "2 x mean", lambda *b: 2 * center_loss(*b), center_loss, rtol=1e-10),
    of_center(
        pytorch_center_loss,
        "compat='pytorch-center-loss'",
        lambda *b: center_loss(*b, compat="pytorch-center-loss"),
        center_loss,
        rtol=1e-10,
    ),
    of_center(pytorch_ood, "2/C x mean", lambda *b: 2 / C * center_loss(*b), center_loss, rtol=1e-10),
    of_center(
        pytorch_ood,
        "compat='pytorch-ood'",
        lambda *b: center_loss(*b, compat="pytorch-ood"),
        center_loss,
        rtol=1e-10,
    ),
    of_center(facenet, "2/D x mean", lambda *b: 2 / D * center_loss(*b), center_loss),
    of_center(facenet, "compat='facenet'", lambda *b: center_loss(*b, compat="facenet"), center_loss),
    of_center(facenet_at_first, "sum", paper_sum, center_loss),
    of_center(louis_she, "2/D x mean", lambda *b: 2 / D * center_loss(*b), center_loss),
    of_center(
        quaterion,
        "1/D x mean, normalize",
        lambda *b: center_loss(*b, normalize=True) / D,
        lambda *b: center_loss(*b, normalize=True),
        lambda *b: center_loss(*b) / D,
    ),
    of_neighbors(
        cleverhans,
        "mean, every class paired",
        neighbors,
        lambda *b: neighbors(*b, temperature=1.0),
        labels=PAIRED,
        rtol=1e-3,  # 1e-5 against quotients of .03 and more
    ),
    of_neighbors(tensorflow_similarity, "sum / N", lambda *b: neighbors(*b, reduction="sum") / N, neighbors, rtol=1e-7),
    of_neighbors(
        nca_of_pytorch_metric_learning,
        "mean, temperature = 1 / softmax_scale",
        neighbors,
        lambda *b: neighbors(*b, temperature=1 / TEMPERATURE),
        lambda *b: neighbors(*b, reduction="sum") / N,
    ),
    of_neighbors(
        default_nca_of_pytorch_metric_learning,
        "mean, normalize",
        lambda *b: neighbors(*b, normalize=True),
        neighbors,
        lambda *b: neighbors(*b, normalize=True, temperature=1 / TEMPERATURE),
    ),
]
every_rival = pytest.mark.parametrize("rival", RIVALS, ids=lambda r: f"{r.theirs.__name__}: {r.relation}")


@every_rival
def test_one_factor_or_option_gives_the_value_of_another_implementation(rival: Rival):
    batch = example(rival.labels)
    each = rival.each(*batch)
    valued = each[[rival.labels.count(y) > 1 for y in rival.labels]]
    assert valued.unique().numel() == valued.numel() > 9
    assert valued.min() > 1e-2
    assert_close(rival.theirs(*batch), rival.ours(*batch), rtol=rival.rtol, atol=0)
    for without in rival.without:
        assert relative_difference(without(*batch), rival.theirs(*batch)) > 0.02


@every_rival
def test_the_same_factor_or_option_gives_its_gradient(rival: Rival):
    batch = example(rival.labels, seed=1)
    theirs, ours = gradients(rival.theirs, batch), gradients(rival.ours, batch)
    assert theirs[0].count_nonzero() == theirs[0].numel()
    for gradient, expected in zip(theirs, ours, strict=True):
        assert_close(gradient, expected, rtol=rival.rtol, atol=rival.rtol * theirs[0].abs().max().item())
    for without in rival.without:
        assert relative_difference(gradients(without, batch)[0], theirs[0]) > 0.05


@pytest.mark.parametrize(
    ("compat", "factor"), [("caffe", 1), ("pytorch-center-loss", 2), ("pytorch-ood", 2 / C), ("facenet", 2 / D)]
)
def test_compat_multiplies_the_mean_by_a_factor(compat: str, factor: float):
    batch = example(PAIRED, seed=2)
    assert_close(center_loss(*batch, compat=compat) / center_loss(*batch), torch.tensor(factor, dtype=torch.float64))


def test_cleverhans_gives_11_51_and_no_gradient_to_a_sample_far_from_its_class_where_ours_gives_both():
    x = torch.tensor([[0.0], [20.0], [0.5], [20.5]], dtype=torch.float64, requires_grad=True)
    y, none = torch.tensor([0, 0, 1, 1]), torch.zeros(1, 1)
    assert_close(cleverhans(x, y, none).item(), -math.log(1e-5), rtol=1e-6, atol=0)
    assert neighbors(x, y, none, reduction="none").min() > 50
    assert gradients(cleverhans, (x, y, x))[0].abs().max() < 1e-12
    assert gradients(neighbors, (x, y, x))[0].abs().min() > 1


def test_cleverhans_counts_a_singleton_as_11_51_where_ours_leaves_it_out():
    x, y, c = example(WITH_SINGLETON)
    singletons = 1 / N
    expected = (1 - singletons) * neighbors(x, y, c) - singletons * math.log(1e-5)
    assert_close(cleverhans(x, y, c), expected, rtol=1e-3, atol=0)
    assert relative_difference(cleverhans(x, y, c), neighbors(x, y, c)) > 0.3


def caffe_face_difference(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    steps = torch.zeros_like(c)
    for j in range(len(c)):
        members = x[y == j]
        steps[j] = (len(members) * c[j] - members.sum(0)) / (1 + len(members))
    return steps


def git_script_step(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    steps = torch.zeros_like(c)
    for sample, label in zip(x, y.tolist(), strict=True):
        steps[label] += 0.5 * (c[label] - sample) / (1 + (y == label).sum())
    return steps


def louis_she_step(x: Tensor, y: Tensor, c: Tensor, alpha: float = 0.25) -> Tensor:
    pulls = torch.zeros_like(c).index_add_(0, y, x - c[y])
    return -alpha * pulls / (1 + torch.bincount(y, minlength=len(c))).unsqueeze(1)


def facenet_step(x: Tensor, y: Tensor, c: Tensor, alfa: float = 0.95) -> Tensor:
    steps = torch.zeros_like(c)
    for sample, label in zip(x, y.tolist(), strict=True):
        steps[label] += (1 - alfa) * (c[label] - sample)  # samples of one class add up
    return steps


@pytest.mark.parametrize(
    ("theirs", "alpha"), [(caffe_face_difference, 1.0), (git_script_step, 0.5), (louis_she_step, 0.25)]
)
def test_average_step_with_one_alpha_is_the_center_step_of_another_implementation(theirs: Loss, alpha: float):
    x, y, c = (t.detach() for t in example(WITH_SINGLETON))
    assert theirs(x, y, c).unique().numel() == c.numel()
    assert_close(theirs(x, y, c), average_step(x, y, c, alpha))
    assert relative_difference(theirs(x, y, c), average_step(x, y, c, 0.8 * alpha)) > 0.1


def test_the_center_step_of_facenet_is_one_plus_the_class_count_times_larger_so_no_factor_gives_it():
    x, y, c = (t.detach() for t in example(WITH_SINGLETON))
    ratio = facenet_step(x, y, c, alfa=0.95) / average_step(x, y, c, 1.0)
    assert_close(ratio, 0.05 * (1 + torch.bincount(y)).to(x).unsqueeze(1).expand(C, D))
    assert ratio.unique(dim=0).shape[0] > 1


def test_the_center_step_of_facenet_overshoots_where_a_class_fills_a_batch_and_ours_does_not():
    x, y, c = torch.zeros(60, 1, dtype=torch.float64), torch.zeros(60, dtype=torch.int64), torch.ones(1, 1).double()
    assert_close(c - facenet_step(x, y, c, alfa=0.95), torch.full_like(c, -2.0))  # 1 - 60 * .05: farther than before
    assert 0 < (c - average_step(x, y, c, 1.0)).item() < 1


def image_feature_learning_pytorch(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    """Lyakaap's: the quotient of two sums over the batch, divided by 2 N and multiplied by 10."""
    own = other = torch.zeros((), dtype=x.dtype)
    for sample, label in zip(x, y.tolist(), strict=True):
        for k, center in enumerate(c):
            squared = (sample - center).square().sum()
            own, other = (own + squared, other) if k == label else (own, other + squared)
    return own / (other + 1e-6) / (2 * len(x)) / 0.1


def one_astray(distance: float) -> Batch:
    """Samples near their centers, the first of them moved away by a factor."""
    x, y, c = (t.detach() for t in example(PAIRED))
    offset = 0.3 * x
    offset[0] *= distance
    return c[y] + offset, y, c


def test_the_contrastive_center_loss_of_lyakaap_is_ten_times_ours_for_one_sample():
    batch = example([3])
    ours = contrastive_center_loss(*batch, delta=1e-6)
    assert ours > 0.01
    assert_close(image_feature_learning_pytorch(*batch), 10 * ours, rtol=1e-12, atol=0)


def test_the_contrastive_center_loss_of_lyakaap_is_a_quotient_of_batch_sums_that_no_factor_gives():
    ratios = []
    for distance in (1.0, 100.0):
        x, y, c = one_astray(distance)
        each = contrastive_center_loss(x, y, c, delta=1e-6, reduction="none")
        assert each.unique().numel() == N
        ratios.append((image_feature_learning_pytorch(x, y, c) / each.mean()).item() * N / 10)
    assert 0.5 < ratios[0] < 2
    assert ratios[1] > 5


def test_the_contrastive_center_loss_of_lyakaap_is_ours_weighted_by_denominators_times_ten_over_the_batch_size():
    x, y, c = one_astray(10.0)
    squared = (x.unsqueeze(1) - c).square().sum(2)
    denominators = squared.sum(1) - squared.gather(1, y.unsqueeze(1)).squeeze(1) + 1e-6 / N
    ours = contrastive_center_loss(x, y, c, delta=1e-6 / N, weights=denominators)
    assert_close(image_feature_learning_pytorch(x, y, c), 10 / N * ours, rtol=1e-12, atol=0)
    assert relative_difference(contrastive_center_loss(x, y, c, delta=1e-6 / N), ours) > 0.5


def git_script(x: Tensor, y: Tensor, c: Tensor, *, pull: float, push: float) -> Tensor:
    """The authors': means over samples, pairs *and dimensions*; a sample with itself counts 1."""
    offset = x.unsqueeze(1) - c[y]
    offset = offset * (1 - torch.eye(len(x), dtype=x.dtype)).unsqueeze(2)
    return pull * (x - c[y]).square().mean() + push * (1 / (1 + offset.square())).mean()


def test_the_git_script_with_one_feature_dimension_is_ours_with_other_weights_and_a_constant():
    batch = example(PAIRED, feature_dim=1)
    theirs = git_script(*batch, pull=0.7, push=1.3)
    ours = git_loss(*batch, center_weight=2 * 0.7, push_weight=1.3 / N)
    assert_close(theirs, ours + 1.3 / N, rtol=1e-12, atol=0)
    assert relative_difference(git_loss(*batch, center_weight=0.7, push_weight=1.3), theirs) > 0.1
    assert relative_difference(git_loss(*batch, center_weight=1.4, push_weight=1.3 / N), theirs) > 0.05


def test_the_push_of_the_git_script_takes_each_dimension_alone_so_that_no_factor_gives_it():
    ratios = []
    for scale in (0.1, 1.0, 10.0):
        x, y, c = example(PAIRED)
        x, c = scale * x.detach(), scale * c.detach()
        each = git_loss(x, y, c, center_weight=0.0, push_weight=1.0, reduction="none")
        assert each.unique().numel() == N
        off_diagonal = git_script(x, y, c, pull=0.0, push=1.0) - 1 / N
        ratios.append((off_diagonal * N / each.mean()).item())
    assert ratios == sorted(ratios)
    assert ratios[0] < 1.1
    assert ratios[-1] > 5


def test_the_push_of_the_git_script_hardly_falls_with_the_number_of_dimensions_where_ours_vanishes():
    y = torch.tensor(PAIRED)
    pushes = {}
    for dim in (1, 512):
        x, _, c = example(PAIRED, feature_dim=dim)
        ours = git_loss(x, y, c, center_weight=0.0, push_weight=1 / N)
        pushes[dim] = ours.item(), git_script(x, y, c, pull=0.0, push=1.0).item() - 1 / N
    assert pushes[512][0] < 0.01 * pushes[1][0]
    assert pushes[512][1] > 0.5 * pushes[1][1]


pml_distances = pytest.mark.parametrize("normalize", [False, True], ids=["as they are", "unit length"])


def contrastive_terms(x: Tensor, y: Tensor, normalize: bool) -> tuple[Tensor, Tensor]:
    """All terms above 0 of ordered pairs: those of one class, those of two."""
    if normalize:
        x = x / x.norm(dim=1, keepdim=True)
    d = torch.stack([(x - sample).square().sum(1).sqrt() for sample in x])
    same = y.unsqueeze(1) == y
    paired, unpaired = d[same & ~torch.eye(len(y), dtype=torch.bool)], (1 - d[~same]).clamp_min(0)
    return paired[paired > 0], unpaired[unpaired > 0]


@pml_distances
def test_contrastive_loss_of_pytorch_metric_learning_is_the_sum_of_two_means_over_pairs_with_a_term_above_0(normalize):
    x, y, _ = (t.detach() for t in example(PAIRED))
    theirs = ContrastiveLoss(distance=LpDistance(normalize_embeddings=normalize))(x, y)
    paired, unpaired = contrastive_terms(x, y, normalize)
    assert len(unpaired) < (y.unsqueeze(1) != y).sum()  # some are beyond the margin
    assert_close(theirs, paired.mean() + unpaired.mean(), rtol=1e-7, atol=0)
    if normalize:
        assert_close(theirs, ContrastiveLoss()(x, y))  # its default


@pml_distances
def test_ours_weights_the_two_means_of_pytorch_metric_learning_by_their_shares_of_all_pairs(normalize):
    x, y, _ = example(PAIRED)
    x = x.detach() / 2
    paired, unpaired = contrastive_terms(x, y, normalize)
    ours = contrastive_loss(x, y, normalize=normalize)
    expected = (len(paired) * paired.mean() + len(unpaired) * unpaired.mean()) / (N * (N - 1))
    assert_close(ours, expected, rtol=1e-12, atol=0)
    assert 0 < len(paired) < len(unpaired)


@pml_distances
def test_no_factor_or_option_gives_the_contrastive_loss_of_pytorch_metric_learning(normalize):
    ratios, with_means = [], []
    for spread in (0.1, 3.0):  # all samples in one corner, and all around
        x, y, _ = (t.detach() for t in example(PAIRED))
        x = 1 + spread * x
        distance = LpDistance(normalize_embeddings=normalize)
        ours = contrastive_loss(x, y, normalize=normalize)
        ratios.append((ContrastiveLoss(distance=distance)(x, y) / ours).item())
        with_means.append((ContrastiveLoss(distance=distance, reducer=MeanReducer())(x, y) / ours).item())
    assert max(ratios) > 1.5 * min(ratios)
    assert max(with_means) > 1.5 * min(with_means)


@pml_distances
def test_contrastive_loss_of_pytorch_metric_learning_is_ours_where_all_samples_are_of_one_class(normalize):
    x, _, _ = (t.detach() for t in example(PAIRED))
    y = torch.zeros(N, dtype=torch.int64)
    assert contrastive_loss(x, y, normalize=normalize, reduction="none").unique().numel() == N
    theirs = ContrastiveLoss(distance=LpDistance(normalize_embeddings=normalize))(x, y)
    assert_close(theirs, contrastive_loss(x, y, normalize=normalize), rtol=1e-7, atol=0)
