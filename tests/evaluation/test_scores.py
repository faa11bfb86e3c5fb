"""Scores by their definitions, against loops, scikit-learn and pytorch-ood."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from sigma2r import CenterLoss, ClassPrototypes, SigmaSquaredRLoss
from sigma2r.evaluation import (
    SCORES,
    CenterDistance,
    Energy,
    Judged,
    MahalanobisDistance,
    MaxSoftmax,
    NeighborDistance,
    Score,
    prototypes,
)
from sigma2r.evaluation.scores import _score, mahalanobis
from sigma2r.evaluation.shrinkage import oas_shrinkage, shrunk
from sigma2r.losses import _distances
from tests.losses.cases import as_tensor
from tests.losses.memory import Memory
from tests.reference import rejection

C, D = 3, 4
every_score = pytest.mark.parametrize("name", SCORES)


@pytest.fixture
def known(generator):
    """60 features of 3 classes, correlated and apart, with their labels; none of 17 to 24 each."""
    labels = torch.tensor([0] * 17 + [1] * 19 + [2] * 24)[torch.randperm(60, generator=generator)]
    mix = torch.randn(D, D, generator=generator, dtype=torch.float64)
    means = 4 * torch.randn(C, D, generator=generator, dtype=torch.float64)
    return means[labels] + torch.randn(60, D, generator=generator, dtype=torch.float64) @ mix, labels


@pytest.fixture
def asked(generator):
    return 4 * torch.randn(25, D, generator=generator, dtype=torch.float64)


def fitted(name, known, dtype=torch.float64):
    features, labels = known
    kind = SCORES[name]
    keywords = {"k": 7} if kind is NeighborDistance else {}
    return kind.fit(features.to(dtype), labels, **keywords) if kind.learns else kind()


def test_the_distance_to_the_nearest_mean_matches_the_reference(known, asked):
    means = rejection.means(known[0].tolist(), known[1].tolist(), C)
    rows = rejection.distances(asked.tolist(), means)
    found = CenterDistance.fit(*known).judge(asked)
    assert_close(found.score, -as_tensor([min(row) for row in rows]))
    assert found.label.tolist() == [row.index(min(row)) for row in rows]
    assert set(found.label.tolist()) == {0, 1, 2}


def test_the_centers_may_be_learned_ones(asked):
    for loss in (CenterLoss(C, D), SigmaSquaredRLoss(C, D, normalize=True)):
        found = CenterDistance.of(loss).judge(asked.float())
        assert_close(found.score, -loss.distances(asked.float()).amin(1))
        assert torch.equal(found.label, loss.predict(asked.float()))
        score = CenterDistance.of(loss)
        with torch.no_grad():
            loss.centers.add_(1.0)
        assert torch.equal(score(asked.float()), found.score)  # a copy of the centers


def test_prototypes_serve_as_centers(known, asked):
    prototypes = ClassPrototypes.fit(*known, normalize=True)
    found = CenterDistance.of(prototypes).judge(asked)
    assert_close(found.score, -prototypes.distances(asked).amin(1))
    assert torch.equal(found.score, CenterDistance.fit(*known, normalize=True)(asked))


@pytest.mark.parametrize("per_class", [False, True], ids=["common", "per class"])
@pytest.mark.parametrize("share", [None, 0.0, 0.3, 1.0])
def test_the_mahalanobis_distance_matches_the_reference(known, asked, per_class, share):
    covariance = "per-class" if per_class else "common"
    found = MahalanobisDistance.fit(*known, covariance=covariance, shrinkage=share).judge(asked)
    lists = asked.tolist(), known[0].tolist(), known[1].tolist()
    scores, classes = rejection.mahalanobis(*lists, per_class=per_class, share=share)
    assert_close(found.score, as_tensor(scores))
    assert found.label.tolist() == classes


def test_unit_lengths_reach_the_mahalanobis_distance(known, asked):
    units = [torch.tensor([rejection.unit(x) for x in rows.tolist()]).double() for rows in (known[0], asked)]
    for covariance in ("common", "per-class"):
        plain = MahalanobisDistance.fit(units[0], known[1], covariance=covariance)(units[1])
        found = MahalanobisDistance.fit(*known, covariance=covariance, normalize=True)(asked)
        assert_close(found, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("dim", "count"), [(1, 5), (2, 3), (4, 2), (4, 9), (30, 8), (30, 300)])
def test_shrinkage_matches_the_reference_and_scikit_learn_up_to_its_two_over_d(generator, dim: int, count: int):
    from sklearn.covariance import OAS

    rows = torch.randn(count, dim, generator=generator, dtype=torch.float64) * torch.arange(1.0, dim + 1)
    residuals = rows - rows.mean(0)
    sample = residuals.T @ residuals / count
    share = oas_shrinkage(sample, count)
    assert share == pytest.approx(rejection.oas(sample.tolist(), count), rel=1e-9)
    assert_close(shrunk(sample, share), as_tensor(rejection.shrunk(sample.tolist(), share)))
    theirs = OAS().fit(rows.numpy())
    if dim == 1:
        assert share == 1  # and nothing to shrink
        assert_close(shrunk(sample, share), torch.from_numpy(theirs.covariance_))
        return
    of_square, square = float(sample.square().sum()), float(sample.trace()) ** 2
    without = (of_square + square) / ((count + 1) * (of_square - square / dim))  # eq. 23 less both 2 / D
    assert theirs.shrinkage_ == pytest.approx(min(1.0, without), rel=1e-9)
    assert abs(share - theirs.shrinkage_) <= 2 / dim
    assert_close(shrunk(sample, theirs.shrinkage_), torch.from_numpy(theirs.covariance_))


def test_the_shrunk_covariance_is_nearer_to_the_true_one_than_the_sample(generator):
    """What the estimator is for: 12 samples of 30 dimensions, a hundred times."""
    truth = torch.diag(torch.linspace(0.5, 2.0, 30, dtype=torch.float64))
    errors = torch.zeros(2, dtype=torch.float64)
    for _ in range(100):
        rows = torch.randn(12, 30, generator=generator, dtype=torch.float64) @ truth.sqrt()
        sample = rows.T @ rows / 12
        both = (sample, shrunk(sample, oas_shrinkage(sample, 12)))
        errors += torch.stack([(one - truth).square().sum() for one in both])
    assert errors[1] < 0.2 * errors[0]


@pytest.mark.parametrize("covariance", ["common", "per-class"])
def test_two_samples_a_class_and_more_dimensions_than_samples_are_enough(generator, covariance):
    features, labels = torch.randn(6, 20, generator=generator), torch.tensor([0, 0, 1, 1, 2, 2])
    score = MahalanobisDistance.fit(features, labels, covariance=covariance)
    assert score(features).isfinite().all()
    assert torch.equal(score.judge(features).label, labels)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("k", [1, 5, 60])
def test_the_kth_neighbor_matches_the_reference_and_scikit_learn(known, asked, normalize, k):
    from sklearn.neighbors import NearestNeighbors

    found = NeighborDistance.fit(*known, k=k, normalize=normalize).judge(asked)
    expected = rejection.neighbors(asked.tolist(), known[0].tolist(), k, normalize=normalize)
    assert_close(found.score, as_tensor(expected))
    units = [nn.functional.normalize(rows) if normalize else rows for rows in (known[0], asked)]
    theirs, index = NearestNeighbors(n_neighbors=k).fit(units[0].numpy()).kneighbors(units[1].numpy())
    assert_close(found.score, -torch.from_numpy(theirs[:, -1].copy()))
    assert torch.equal(found.label, known[1][torch.from_numpy(index[:, 0].copy())])


@pytest.mark.parametrize("temperature", [1.0, 0.5, 10.0])
def test_scores_of_logits_match_the_reference(generator, temperature):
    logits = 5 * torch.randn(30, C, generator=generator, dtype=torch.float64)
    for score, reference in ((MaxSoftmax, rejection.max_softmax), (Energy, rejection.negative_energy)):
        found = score(temperature=temperature).judge(logits)
        assert_close(found.score, as_tensor(reference(logits.tolist(), temperature)))
        assert torch.equal(found.label, logits.argmax(1))


def test_scores_of_large_logits_neither_overflow_nor_vanish():
    logits = torch.tensor([[1e30, -1e30], [-1e4, -1e4], [300.0, 0.0]])
    assert_close(MaxSoftmax()(logits), torch.tensor([1.0, 0.5, 1.0]).double())
    sure = MaxSoftmax()(torch.tensor([[20.0, 0.0], [21.0, 0.0], [30.0, 0.0]]))
    assert sure.unique().numel() == 3  # in float32 all three are 1
    assert_close(Energy()(logits), torch.tensor([1e30, -1e4 + 0.6931, 300.0]))


def test_scores_are_the_negatives_of_those_of_pytorch_ood(known, asked):
    from pytorch_ood.detector import KNN, EnergyBased
    from pytorch_ood.detector import MaxSoftmax as TheirMaxSoftmax

    for t in (1.0, 3.0):
        assert_close(MaxSoftmax(temperature=t)(asked), -TheirMaxSoftmax.score(asked, t))
        assert_close(Energy(temperature=t)(asked), -EnergyBased.score(asked, t))
    theirs = KNN(None, k=5).fit_features(*known).predict_features(asked)
    assert_close(NeighborDistance.fit(*known, k=5)(asked), -theirs)


def test_the_mahalanobis_score_of_pytorch_ood_is_half_the_square_over_n(known, asked):
    from pytorch_ood.detector import Mahalanobis

    features, labels = known[0].float(), known[1]
    theirs = Mahalanobis(None).fit_features(features, labels).predict_features(asked.float())
    ours = MahalanobisDistance.fit(features, labels, shrinkage=0.0)(asked.float())
    assert_close(ours.square() / (2 * len(labels)), theirs, rtol=1e-3, atol=1e-6)  # theirs in float32, with 1e-6 added


@every_score
def test_higher_is_more_known(name, known):
    """Features at the class means and far outside, logits that are sure and ones that are not."""
    if SCORES[name].sees == "logits":
        near, far = torch.tensor([[9.0, 0.0, 0.0]]), torch.tensor([[0.2, 0.1, 0.0]])
    else:
        near = ClassPrototypes.fit(*known).centers
        far = -near.mean(0, keepdim=True) - 5 * near  # in other directions, too
    score = fitted(name, known)
    assert score(near).min() > score(far).max()


@every_score
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_scores_are_float32_or_wider_and_close_to_those_of_the_same_numbers_in_float64(name, dtype, known, asked):
    score, exact = fitted(name, known, torch.float32), fitted(name, (known[0].float().double(), known[1]))
    seen = asked[:, : score.width or C].to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = score(seen)
    wide = dtype == torch.float64 or name == "max-softmax"
    assert found.dtype == (torch.float64 if wide else torch.float32)
    assert_close(found.double(), exact(seen.double()), rtol=1e-5, atol=1e-5)


@every_score
def test_an_offset_costs_no_digits_of_a_score_of_features(name, known, asked):
    if SCORES[name].sees == "logits" or name == "nearest-neighbors":  # of unit length: not moved together
        return
    features, seen = (known[0] + 1e4).float(), (asked + 1e4).float()
    exact = SCORES[name].fit(features.double(), known[1])(seen.double())
    assert_close(SCORES[name].fit(features, known[1])(seen).double(), exact, rtol=1e-6, atol=0)


@every_score
def test_nothing_that_is_not_finite_looks_known(name, known, asked):
    score = fitted(name, known)
    seen = asked[:4, : score.width or C].clone()
    seen[0, 0], seen[1, 1], seen[2, 0] = torch.nan, torch.inf, -torch.inf
    found = score.judge(seen)
    if SCORES[name].sees == "features":
        assert not found.score[:3].isfinite().any()
        assert not (found.score[:3] == torch.inf).any()
    else:
        assert found.score[0].isnan()
    assert found.score[3].isfinite()


@every_score
def test_what_is_judged_at_once_does_not_show(name, known, asked, monkeypatch):
    score = fitted(name, known)
    seen = asked[:, : score.width or C]
    whole = score.judge(seen)
    monkeypatch.setattr(_score, "_CHUNK", 9)
    parts = score.judge(seen)
    assert_close(parts.score, whole.score)
    assert torch.equal(parts.label, whole.label)
    assert score(seen[:0]).shape == (0,)


@every_score
def test_a_score_keeps_its_numbers_moves_and_prints(name, known, asked):
    score = fitted(name, known)
    seen = asked[:, : score.width or C]
    before = score(seen)
    nn.Sequential(score).half()
    assert torch.equal(score(seen), before)
    assert not list(score.parameters())
    assert repr(score).startswith(type(score).__name__)
    twin = type(score)(**dict(score.named_buffers()), **score.keywords())
    assert torch.equal(twin(seen), before)
    assert repr(twin) == repr(score)


def test_what_is_held_stays_bounded_however_many_are_known(monkeypatch, generator):
    monkeypatch.setattr(_distances, "_CHUNK", 2**14)
    monkeypatch.setattr(_score, "_CHUNK", 2**14)
    monkeypatch.setattr(mahalanobis, "_CHUNK", 2**12)
    monkeypatch.setattr(prototypes, "_CHUNK", 2**12)
    features, labels = torch.randn(4000, 16, generator=generator), torch.arange(4000) % 5
    score = NeighborDistance.fit(features, labels, k=3)
    with Memory() as memory:
        memory.seen.update(dict.fromkeys([score.points.untyped_storage(), score.labels.untyped_storage()], True))
        score(features[:300])
    assert memory.peak <= 8 * 8 * 2**14  # 300 x 4000 distances in float64 are 9.6 million bytes, ours a million
    with Memory() as memory:
        memory.seen.update(dict.fromkeys([features.untyped_storage(), labels.untyped_storage()], True))
        MahalanobisDistance.fit(features, labels)
    assert memory.peak <= 0.9 * 8 * features.numel()  # all residuals in float64 alone would be more


@pytest.mark.parametrize("name", ["center-distance", "mahalanobis", "nearest-neighbors"])
def test_an_added_class_is_scored_as_if_it_had_been_there(name, known, asked):
    features, labels = known
    score = fitted(name, (features[labels < 2], labels[labels < 2]))
    score.add_class(features[labels == 2])
    assert score.num_classes == C
    whole = fitted(name, known)
    if name == "mahalanobis":  # whose common covariance stays that of the classes that it was fitted to
        whole = MahalanobisDistance(whole.centers, score.whitening)
    assert_close(score(asked), whole(asked))
    assert torch.equal(score.judge(asked).label, whole.judge(asked).label)


@pytest.mark.parametrize("kind", [CenterDistance, MahalanobisDistance])
def test_an_added_class_of_features_of_unit_length_is_one_of_these(kind, known, asked):
    features, labels = known
    score = kind.fit(features[labels < 2], labels[labels < 2], normalize=True)
    score.add_class(features[labels == 2])
    assert_close(score.centers, ClassPrototypes.fit(*known, normalize=True).centers)


def test_an_added_class_has_its_own_covariance_where_each_class_has_one(known, asked):
    features, labels = known
    score = MahalanobisDistance.fit(features[labels < 2], labels[labels < 2], covariance="per-class")
    score.add_class(features[labels == 2])
    assert_close(score(asked), MahalanobisDistance.fit(*known, covariance="per-class")(asked))


class Length(Score):
    """A score of one's own: short features are known."""

    def judge_rows(self, rows):
        return Judged(-rows.norm(dim=1), torch.zeros(len(rows), dtype=torch.int64))


def test_a_score_of_ones_own_gives_one_method():
    assert Length()(torch.tensor([[3.0, 4.0]])).tolist() == [-5.0]


X, Y = torch.arange(12.0).view(6, 2).cos(), torch.tensor([0, 0, 0, 1, 1, 1])
REFUSED = {
    "fewer than k": (
        lambda: NeighborDistance.fit(X, Y),
        "NeighborDistance: k must be at most the number of known samples, 6; got 50. Give a smaller k, or more "
        "samples.",
    ),
    "NaN": (
        lambda: CenterDistance.fit(X * torch.nan, Y),
        "CenterDistance.fit: features must be finite; 6 of 6 rows hold NaN or infinite values.",
    ),
    "NaN among the known": (
        lambda: NeighborDistance.fit(X * torch.nan, Y, k=2),
        "NeighborDistance: features must be finite; 6 of 6 rows hold NaN or infinite values.",
    ),
    "a class without images": (
        lambda: MahalanobisDistance.fit(X, 2 * Y),
        "MahalanobisDistance.fit: every class must have images; class 1 has none. Number the classes that have some "
        "from 0 on.",
    ),
    "prototypes of nothing": (
        lambda: CenterDistance.of(ClassPrototypes(3, 2)),
        "CenterDistance.of: every class must have images; class 0 has none, nor have 2 others. Number .*",
    ),
    "all the same": (
        lambda: MahalanobisDistance.fit(torch.ones(6, 2), Y),
        "MahalanobisDistance.fit: the covariance of all classes must be one that can be inverted; its 6 samples have "
        "no spread in a class.",
    ),
    "one image of a class": (
        lambda: MahalanobisDistance.fit(X[:4], Y[:4], covariance="per-class"),
        'MahalanobisDistance.fit: the covariance of class 1 must be one that can be inverted; its single sample '
        'has no spread. Take covariance="common", or more samples.',
    ),
    "not shrunk": (
        lambda: MahalanobisDistance.fit(torch.randn(6, 9), Y, shrinkage=0.0),
        "MahalanobisDistance.fit: the covariance of all classes must be one that can be inverted; its 6 samples do not "
        "suffice with shrinkage=0.",
    ),
    "shrunk beyond": (
        lambda: MahalanobisDistance.fit(X, Y, shrinkage=2.0),
        r"MahalanobisDistance.fit: shrinkage must lie in \[0, 1\]; got 2.0.",
    ),
    "an unknown covariance": (
        lambda: MahalanobisDistance.fit(X, Y, covariance="per_class"),
        'MahalanobisDistance.fit: covariance must be "common" or "per-class"; got \'per_class\'. Did you mean '
        "per-class.",
    ),
    "another dimension": (
        lambda: CenterDistance.fit(X, Y)(torch.zeros(3, 5)),
        r"CenterDistance: features must have shape \(N, 2\), as those that it was made from; got \(3, 5\).",
    ),
    "one class of logits": (
        lambda: MaxSoftmax()(torch.zeros(3, 1)),
        r"MaxSoftmax: logits must have at least two classes; got shape \(3, 1\), where the probability is always 1. "
        "One class: a score of features.",
    ),
    "logits that are none": (
        lambda: Energy()(torch.zeros(3)),
        r"Energy: logits must be a floating-point matrix with one row per sample; got shape \(3,\) and torch.float32.",
    ),
    "no temperature": (
        lambda: Energy(temperature=0),
        "Energy: temperature must be positive and finite; got 0.",
    ),
    "a class for logits": (
        lambda: MaxSoftmax().add_class(X),
        "MaxSoftmax.add_class: a score that takes more classes without training must see features; max-softmax sees "
        "logits. Those that do: center-distance, mahalanobis, nearest-neighbors.",
    ),
    "a class of nothing": (
        lambda: CenterDistance.fit(X, Y).add_class(X[:0]),
        "CenterDistance.add_class: features must be those of at least one image; got none.",
    ),
    "no sample": (
        lambda: CenterDistance.fit(X[:0], Y[:0]),
        "CenterDistance.fit: there must be at least one sample; got none.",
    ),
    "no centers": (
        lambda: CenterDistance.of(nn.Linear(2, 2)),
        r"CenterDistance.of: there must be centers; got a torch.Linear. Without: ClassPrototypes.fit\(features, "
        r"labels\).",
    ),
    "centers of no class": (
        lambda: CenterDistance(torch.zeros(0, 2)),
        r"CenterDistance: centers must be those of at least one class; got shape \(0, 2\).",
    ),
    "factors that do not fit": (
        lambda: MahalanobisDistance(torch.zeros(3, 2), torch.eye(3)),
        r"MahalanobisDistance: whitening must have shape \(2, 2\) or \(3, 2, 2\) beside centers of shape \(3, 2\); got "
        r"\(3, 3\) and torch.float32.",
    ),
    "factors that are not finite": (
        lambda: MahalanobisDistance(torch.zeros(3, 2), torch.eye(2) * torch.nan),
        "MahalanobisDistance: whitening must be finite; it holds NaN or infinite values.",
    ),
}  # fmt: skip


@pytest.mark.message
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_told_in_one_sentence(name):
    call, told = REFUSED[name]
    with pytest.raises(ValueError, match=f"^{told}$"):
        call()
