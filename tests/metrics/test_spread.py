"""Eq. 12 and what stands beside it, against two passes in float64 loops."""

import math
import subprocess
import sys

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from sigma2r import intra_class_spread
from sigma2r.metrics import (
    IntraClassSpread,
    class_statistics,
    distance_tail,
    inter_class_distance,
    intra_inter_ratio,
)
from tests.test_arrays import Column


def reference_means(features, labels, num_classes):
    means = []
    for k in range(num_classes):
        of_class = [x for x, y in zip(features, labels, strict=True) if y == k]
        means.append([sum(column) / len(of_class) for column in zip(*of_class, strict=True)] if of_class else None)
    return means


def reference_spread(features, labels, num_classes):
    spread = []
    for k, mean in enumerate(reference_means(features, labels, num_classes)):
        squares = [math.dist(x, mean) ** 2 for x, y in zip(features, labels, strict=True) if y == k]
        spread.append(math.sqrt(sum(squares) / (len(squares) - 1)) if len(squares) > 1 else math.nan)
    return spread


def reference_inter(features, labels, num_classes):
    means = [mean for mean in reference_means(features, labels, num_classes) if mean is not None]
    pairs = [math.dist(a, b) for i, a in enumerate(means) for b in means[:i]]
    return sum(pairs) / len(pairs) if pairs else math.nan


def check(got, expected):
    assert_close(got, torch.tensor(expected, dtype=torch.float64), equal_nan=True)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 4), max_size=25), st.integers(1, 3), st.integers(0, 99))
def test_all_measures_match_the_reference(labels, feature_dim, seed):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(len(labels), feature_dim, generator=generator, dtype=torch.float64)
    tensor, lists = torch.tensor(labels, dtype=torch.int64), features.tolist()
    check(intra_class_spread(features, tensor, 5), reference_spread(lists, labels, 5))
    check(inter_class_distance(features, tensor, 5), reference_inter(lists, labels, 5))
    known = [value for value in reference_spread(lists, labels, 5) if not math.isnan(value)]
    mean = sum(known) / len(known) if known else math.nan
    check(intra_inter_ratio(features, tensor, 5), mean / reference_inter(lists, labels, 5))


def test_float32_features_far_from_the_origin_keep_four_digits():
    features = 1e4 + 1e-2 * torch.randn(5000, 16)
    labels = torch.arange(5000) % 5
    expected = torch.tensor(reference_spread(features.double().tolist(), labels.tolist(), 5), dtype=torch.float64)
    assert_close(intra_class_spread(features, labels, 5), expected, rtol=1e-5, atol=0)
    metric = IntraClassSpread(5, 16)
    for part, of_class in zip(features.split(700), labels.split(700), strict=True):
        metric.update(part, of_class)
    assert_close(metric.compute(), expected, rtol=1e-5, atol=0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=20), st.integers(0, 20), st.integers(0, 20))
def test_statistics_of_parts_merge_into_those_of_the_whole(labels, a, b):
    labels = torch.tensor(labels)
    features = torch.randn(len(labels), 3, dtype=torch.float64)
    cuts = sorted(min(cut, len(labels)) for cut in (a, b))
    parts = [
        class_statistics(x, y, 4) for x, y in zip(features.tensor_split(cuts), labels.tensor_split(cuts), strict=True)
    ]
    whole = class_statistics(features, labels, 4)
    for merged in (parts[0].merge(parts[1]).merge(parts[2]), parts[0].merge(parts[1].merge(parts[2]))):
        assert torch.equal(merged.count, whole.count)
        assert_close(merged.mean, whole.mean, rtol=1e-12, atol=1e-14)
        assert_close(merged.scatter, whole.scatter, rtol=1e-12, atol=1e-14)


def test_spread_is_moved_by_nothing_but_scale(generator):
    features = torch.randn(30, 4, generator=generator, dtype=torch.float64)
    labels = torch.arange(30) % 3
    spread, ratio = intra_class_spread(features, labels, 3), intra_inter_ratio(features, labels, 3)
    turn = torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.float64)).Q
    assert_close(intra_class_spread(features @ turn + 5, labels, 3), spread)
    assert_close(intra_class_spread(3 * features, labels, 3), 3 * spread)
    assert_close(intra_inter_ratio(3 * features, labels, 3), ratio)


def test_many_classes_are_paired_in_pieces(monkeypatch):
    features, labels = torch.randn(200, 3, dtype=torch.float64), torch.arange(200) % 40
    whole = inter_class_distance(features, labels, 40)
    monkeypatch.setattr("sigma2r.metrics.spread._CHUNK", 100)
    assert_close(inter_class_distance(features, labels, 40), whole)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_half_features_are_measured_in_float64(dtype):
    features, labels = torch.randn(20, 3).to(dtype), torch.arange(20) % 2
    spread = intra_class_spread(features, labels, 2)
    assert_close(spread, intra_class_spread(features.double(), labels, 2))
    assert spread.dtype == torch.float64


def test_the_metric_is_cloned_reset_pickled_and_merged():
    features, labels = torch.randn(40, 3), torch.arange(40) % 4
    metric, other = IntraClassSpread(4, 3), IntraClassSpread(4, 3)
    assert_close(metric(features[:25], labels[:25]), intra_class_spread(features[:25], labels[:25], 4))
    other.update(features[25:], labels[25:])
    twin = metric.clone()
    twin.merge_state(other)
    whole = intra_class_spread(features, labels, 4)
    assert_close(twin.compute(), whole)
    assert_close(twin.statistics.inter_class_distance(), inter_class_distance(features, labels, 4))
    assert metric.half().moments.dtype == torch.float64
    metric.reset()
    metric.update(features, labels)
    assert_close(metric.compute(), whole)


def _in_process(rank, path, features, labels):
    dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
    metric = IntraClassSpread(4, 3)
    share = slice(0, 31) if rank == 0 else slice(31, None)
    metric.update(features[share], labels[share])
    assert_close(metric.compute(), intra_class_spread(features, labels, 4))
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_with_uneven_shares_equal_one(tmp_path):
    features, labels = torch.randn(40, 3), torch.arange(40) % 4
    mp.spawn(_in_process, args=(tmp_path / "store", features, labels), nprocs=2)


def test_without_torchmetrics_the_metric_says_what_to_install():
    script = (
        "import sys; sys.modules['torchmetrics'] = None\n"
        "import sigma2r.metrics\n"
        "try: sigma2r.metrics.IntraClassSpread\n"
        "except ImportError as error: print(error)"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert 'pip install "sigma2r[train]"' in told


@pytest.mark.message
def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"class_statistics: labels must lie in \[0, 2\)"):
        intra_class_spread(torch.zeros(2, 3), torch.tensor([0, 2]), 2)
    with pytest.raises(ValueError, match=r"class_statistics: num_classes must be a whole number of at least 1; got 0"):
        intra_class_spread(torch.zeros(2, 3), torch.tensor([0, 1]), 0)
    with pytest.raises(ValueError, match=r"IntraClassSpread: features must have the 3 dimensions"):
        IntraClassSpread(2, 3).update(torch.zeros(2, 4), torch.tensor([0, 1]))
    with pytest.raises(AttributeError, match="no attribute 'InterClass'"):
        sys.modules["sigma2r.metrics"].InterClass  # noqa: B018 (the look-up is what is tested)


@pytest.mark.message
def test_measures_take_lists_arrays_and_columns():
    features, labels = torch.randn(9, 3), torch.arange(9) % 3
    spread, ratio = intra_class_spread(features, labels, 3), intra_inter_ratio(features, labels, 3)
    statistics = class_statistics(features, labels, 3)
    for form in (torch.Tensor.tolist, torch.Tensor.numpy, lambda tensor: Column(tensor.numpy())):
        x, y = form(features), form(labels)
        assert_close(intra_class_spread(x, y, 3), spread)
        assert_close(intra_inter_ratio(x, y, 3), ratio)
        assert_close(statistics.distances(x, y), statistics.distances(features, labels))
        assert_close(IntraClassSpread(3, 3)(x, y), spread)
        assert_close(distance_tail(form(features[:, 0].abs())), distance_tail(features[:, 0].abs()), check_dtype=False)
    for num_classes in (3.0, labels.max() + 1, labels.numpy().max() + 1):
        assert_close(intra_class_spread(features, labels, num_classes), spread)


@pytest.mark.message
@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (
            lambda x, y: intra_class_spread(y, x, 3),
            r"class_statistics: features and labels are exchanged, .* \(9,\) and",
        ),
        (lambda x, y: intra_class_spread(y.tolist(), x.numpy(), 3), r"class_statistics: features and labels are exch"),
        (lambda x, y: IntraClassSpread(3, 3)(y, x), r"IntraClassSpread: features and labels are exchanged"),
        (
            lambda x, y: class_statistics(x, y, 3).distances(y, x),
            r"ClassStatistics.distances: features and labels are ex",
        ),
        (lambda x, y: intra_class_spread(x, 3, y), r"class_statistics: num_classes must be a whole .* of shape \(9,\)"),
        (
            lambda x, y: intra_class_spread(x, y, "3"),
            r"class_statistics: num_classes must be a whole number .* got '3'\.",
        ),
        (lambda x, y: IntraClassSpread("3", 3), r"IntraClassSpread: num_classes must be a whole number .*; got '3'\.$"),
        (
            lambda x, y: intra_class_spread((x, x), y, 3),
            r"class_statistics: features must be .* network return several",
        ),
        (lambda x, y: intra_class_spread(x, ["a"] * 9, 3), r"class_statistics: labels must be numbers, not texts"),
        (
            lambda x, y: intra_class_spread(x.view(9, 3, 1).numpy(), y, 3),
            r".* mean torch\.tensor\(features\)\.flatten\(1",
        ),
        (
            lambda x, y: intra_class_spread(x, y - 1, 3),
            r".* -1 to 1\. Rows that have no class are left out beforehand\.$",
        ),
        (lambda x, y: distance_tail(["a"]), r"distance_tail: distances must be numbers, not texts"),
        (
            lambda x, y: distance_tail(x[:, 0], "most"),
            r"distance_tail: share must be a number and lie in .*; got 'most'",
        ),
    ],
)
def test_measures_recognise_what_came_before_they_advise(measure, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        measure(torch.randn(9, 3), torch.arange(9) % 3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_the_metric_stays_wide_whatever_dtype_a_module_around_it_takes(dtype):
    metric = IntraClassSpread(num_classes=2, feature_dim=3)
    metric.update(torch.tensor([[1e4, 0.0, 0.0], [1e4, 1.0, 0.0]]), torch.tensor([0, 0]))
    before = metric.moments.clone()
    metric.set_dtype(dtype)
    assert metric.moments.dtype == torch.float64
    assert torch.equal(metric.moments, before)
    assert metric.compute()[0].item() == pytest.approx(0.5**0.5, rel=1e-9)
