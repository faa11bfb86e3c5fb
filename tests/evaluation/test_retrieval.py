"""Recall@k, R-precision and MAP@R against loops, against pytorch-metric-learning, and whatever the blocks are."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN
from torch.testing import assert_close

from sigma2r.evaluation import Retrieval, retrieve
from sigma2r.evaluation import _ranks as ranks
from sigma2r.evaluation import _sweep as sweep
from tests.losses.memory import Memory
from tests.reference import evaluation as reference

DEPTH = 4


def expected(features, labels, references=None):
    others, other_labels = (features, labels) if references is None else references
    found = reference.ranks_of_own(
        features.double().tolist(), labels.tolist(), others.double().tolist(), other_labels.tolist(), references is None
    )
    return found, [reference.retrieval(found, k) for k in range(1, DEPTH + 1)]


def check(found, features, labels, references=None):
    places, values = expected(features, labels, references)
    assert found.num_relevant.tolist() == [len(own) for own in places]
    assert found.first_hit.tolist() == [min(own[0], DEPTH + 1) if own else 0 for own in places]

    def column(rows, place):
        return torch.tensor([math.nan if row[place] is None else row[place] for row in rows], dtype=torch.float64)

    for k, rows in enumerate(values, start=1):
        assert_close(found.hits(k), column(rows, 0), rtol=1e-12, atol=0, equal_nan=True)
    assert_close(found.r_precision, column(values[0], 1), rtol=1e-12, atol=0, equal_nan=True)
    assert_close(found.average_precision, column(values[0], 2), rtol=1e-12, atol=0, equal_nan=True)


def example(kind, num, feature_dim, num_classes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(num_classes, (num,), generator=generator)
    features = torch.randn(num, feature_dim, generator=generator)
    if kind == "compact":
        features = features + 3 * torch.randn(num_classes, feature_dim, generator=generator)[labels]
    elif kind == "ties":
        features = features.round()
    elif kind == "far":
        features = 1e4 + 1e-2 * features
    elif kind == "same":
        features = torch.full_like(features, 3.3)
    elif kind == "scales":
        size = torch.tensor([1e4, 1e-2, 1e-2])[torch.arange(num_classes) % 3]
        features = 1e-3 * features + (torch.randn(num_classes, feature_dim, generator=generator).T * size).T[labels]
    elif kind == "twins":
        features[1::2] = features[::2]
    return features, labels


KINDS = ["random", "compact", "ties", "far", "same", "scales", "twins"]
SIZES = [(130, 5, 7), (130, 20, 40), (120, 3, 2), (90, 2, 90)]  # images, dimensions, classes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_query_is_ranked_as_in_loops(kind, size):
    features, labels = example(kind, *size)
    check(retrieve(features, labels, depth=DEPTH), features, labels)
    third = size[0] // 3
    apart = (features[:third], labels[:third], (features[third:], labels[third:]))
    check(retrieve(*apart, depth=DEPTH), *apart)


BLOCKS = {
    "small tiles": {"_SIDE": 16},
    "one block open at a time": {"_SIDE": 32, "_KEPT_BYTES": 1},
    "few blocks open at a time": {"_SIDE": 8, "_KEPT_BYTES": 5000},
    "blocks of few queries": {"_SIDE": 32, "_BLOCK_BYTES": 2000},
}


@pytest.mark.parametrize("blocks", BLOCKS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("again", [1e-9, 1, 1e9], ids=["pair by pair", "some", "whole tiles again"])
def test_nothing_depends_on_the_blocks(blocks, kind, again, monkeypatch):
    for name, value in BLOCKS[blocks].items():
        monkeypatch.setattr(sweep, name, value)
    monkeypatch.setattr(ranks, "_FIRST", 3)
    monkeypatch.setattr(ranks, "_MANY", again)
    features, labels = example(kind, 110, 4, 9)
    check(retrieve(features, labels, depth=DEPTH), features, labels)
    apart = (features[:30], labels[:30], (features[30:], labels[30:]))
    check(retrieve(*apart, depth=DEPTH), *apart)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=14), st.integers(1, 2), st.integers(0, 99))
def test_small_sets_with_ties_are_ranked_as_in_loops(labels, feature_dim, seed):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randint(3, (len(labels), feature_dim), generator=generator).float()
    check(retrieve(features, torch.tensor(labels), depth=DEPTH), features, torch.tensor(labels))


def test_a_case_by_hand():
    """Points 0, 1, 3, 4, 9 of classes 0, 0, 1, 0, 1: neighbours can be read off."""
    found = retrieve(torch.tensor([[0.0], [1.0], [3.0], [4.0], [9.0]]), torch.tensor([0, 0, 1, 0, 1]))
    assert found.first_hit.tolist() == [1, 1, 4, 2, 2]
    assert found.r_precision.tolist() == [0.5, 0.5, 0.0, 0.5, 0.0]
    assert found.average_precision.tolist() == [0.5, 0.5, 0.0, 0.25, 0.0]
    assert [found.recall(k).item() for k in (1, 2, 3, 4)] == [0.4, 0.8, 0.8, 1.0]
    assert found.mean_r_precision().item() == pytest.approx(0.3)
    assert found.map_at_r().item() == pytest.approx(0.25)


def test_features_that_coincide_earn_nothing():
    """Were ties ranked by their place in the data, images sorted by class would look perfect."""
    found = retrieve(torch.ones(40, 3), torch.arange(40) // 20)
    assert found.map_at_r() == 0
    assert found.recall(10) == 0


@pytest.mark.parametrize("kind", ["random", "compact", "scales"])
def test_agrees_with_pytorch_metric_learning(kind):
    features, labels = example(kind, 300, 8, 12)
    features = features.double() if kind == "scales" else features
    metrics = ("precision_at_1", "r_precision", "mean_average_precision_at_r")
    rival = AccuracyCalculator(
        include=metrics,
        k="max_bin_count",
        device=torch.device("cpu"),
        knn_func=CustomKNN(LpDistance(normalize_embeddings=False, power=2)),
    )
    kept = labels < 6
    for queries, references in (((features, labels), None), ((features[kept], labels[kept]), (features, labels))):
        own = () if references is None else references
        want = rival.get_accuracy(*queries, *own)
        found = retrieve(*queries, references)
        got = {
            "precision_at_1": found.recall(1),
            "r_precision": found.mean_r_precision(),
            "mean_average_precision_at_r": found.map_at_r(),
        }
        for name in metrics:
            assert got[name].item() == pytest.approx(want[name], abs=1e-3 if kind == "scales" else 1e-12), name


def test_results_of_parts_of_the_queries_merge():
    features, labels = example("random", 100, 3, 8)
    queries, references = features[:40], (features[40:], labels[40:])
    whole = retrieve(queries, labels[:40], references, depth=5)
    parts = [retrieve(queries[a:b], labels[:40][a:b], references, depth=d) for a, b, d in ((0, 13, 5), (13, 40, 9))]
    merged = parts[0].merge(parts[1])
    assert merged.depth == 5
    for name in ("first_hit", "r_precision", "average_precision", "num_relevant"):
        assert_close(getattr(merged, name), getattr(whole, name), equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_features_of_any_kind_are_ranked_by_what_they_hold(dtype):
    features, labels = example("random", 60, 3, 5)
    features = features.to(dtype)
    check(retrieve(features, labels, depth=DEPTH), features, labels)


def test_autocast_and_fast_products_change_nothing():
    features, labels = example("far", 80, 20, 5)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = retrieve(features, labels, depth=DEPTH)
    finally:
        torch.set_float32_matmul_precision(before)
    check(found, features, labels)


def test_order_offset_and_scale_do_not_matter(generator):
    features, labels = example("compact", 80, 3, 6)
    features = (features * 64).round().double()  # so that moving and scaling them is exact
    found = retrieve(features, labels)
    order = torch.randperm(80, generator=generator)
    for other in (retrieve(1024 * features + 4096, labels), retrieve(features[order], labels[order])):
        assert_close(other.map_at_r(), found.map_at_r())
        assert_close(other.recall(3), found.recall(3))


def test_memory_is_bounded(monkeypatch):
    """Of 6,000 images no matrix of 6,000 x 6,000 is made: 144 MB in float32."""
    features, labels = torch.randn(6000, 8), torch.arange(6000) % 300
    monkeypatch.setattr(sweep, "_SIDE", 256)
    with Memory() as memory:
        retrieve(features, labels)
    assert memory.peak < 20e6
    assert memory.largest < 5e6


def test_no_query_no_reference_and_one_class():
    nothing = retrieve(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))
    assert nothing.first_hit.shape == (0,)
    lonely = retrieve(torch.zeros(2, 3), torch.tensor([0, 1]), (torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)))
    assert lonely.r_precision.isnan().all()
    one = retrieve(torch.randn(5, 3), torch.zeros(5, dtype=torch.int64))
    assert one.map_at_r() == 1


@pytest.mark.message
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y: retrieve(x, y[:-1]), r"retrieve: labels must hold one class index per row"),
        (lambda x, y: retrieve(y, x), r"retrieve: features and labels are exchanged"),
        (lambda x, y: retrieve(x, y, (x[:, :2], y)), r"retrieve's references: features must have the 3 dimensions"),
        (lambda x, y: retrieve(x, y, depth=0), r"retrieve: depth must be a whole number of at least 1; got 0"),
        (lambda x, y: retrieve(x, y, depth=2).hits(3), r"Retrieval.hits: k must be at most .* 2; got 3"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call(torch.randn(6, 3), torch.arange(6) % 2)


def test_a_result_is_plain_data():
    assert Retrieval(*[torch.zeros(1)] * 4, depth=1).depth == 1
