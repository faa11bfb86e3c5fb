"""Prototypes: means of classes in whatever parts they come, classes added, state, and what is refused."""

import copy
import io
import json
import pickle

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from sigma2r import CenterLoss, ClassPrototypes
from sigma2r.evaluation import prototypes as source
from tests.losses.cases import as_tensor, make_batch
from tests.losses.memory import Memory
from tests.reference import rejection

C, D = 4, 5
LABELS = [0, 3, 1, 1, 0, 3, 3, 1, 0, 2, 1]


def sample(dtype=torch.float64, offset=0.0, seed=0):
    batch = make_batch(LABELS, num_classes=C, feature_dim=D, dtype=torch.float64, seed=seed)
    return (batch["features"] + offset).to(dtype), batch["labels"]


def same(one: ClassPrototypes, other: ClassPrototypes) -> bool:
    tensors = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in tensors) and one.class_names == other.class_names


def test_means_distances_and_the_nearest_match_the_reference():
    features, labels = sample()
    prototypes = ClassPrototypes.fit(features, labels)
    means = rejection.means(features.tolist(), LABELS, C)
    assert_close(prototypes.centers, as_tensor(means))
    assert prototypes.count.tolist() == [3, 4, 1, 3]
    others, _ = sample(seed=1)
    wanted = rejection.distances(others.tolist(), means)
    assert_close(prototypes.distances(others), as_tensor(wanted))
    classes = rejection.nearest(others.tolist(), means)
    assert len(set(classes)) > 2
    assert prototypes.predict(others).tolist() == classes


@pytest.mark.parametrize("parts", [[1] * 11, [3, 8], [5, 0, 6], [11]], ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_parts_make_the_same_as_the_whole(parts, dtype):
    features, labels = sample(dtype, offset=1e4)
    whole = ClassPrototypes.fit(features, labels)
    streamed = ClassPrototypes(C, D)
    for part, own in zip(features.split(parts), labels.split(parts), strict=True):
        streamed.update(part, own)
    first, second = ClassPrototypes(C, D), ClassPrototypes(C, D)
    first.update(features[:4], labels[:4])
    second.update(features[4:], labels[4:])
    exact = as_tensor(rejection.means(features.tolist(), LABELS, C))
    for found in (streamed, first.merge(second), whole):
        assert found.centers.dtype == torch.float64
        assert_close(found.centers, exact, rtol=1e-14, atol=0)
        assert torch.equal(found.count, whole.count)
        assert_close(found.scatter, whole.scatter, rtol=1e-6, atol=0)
    assert_close(
        whole.statistics.intra_class_spread()[0], (features[labels == 0].double().std(0).square().sum()).sqrt()
    )


def test_chunks_do_not_show_and_bound_the_memory(monkeypatch, generator):
    features, labels = torch.randn(4000, 16, generator=generator), torch.arange(4000) % 7
    whole = ClassPrototypes.fit(features, labels)
    monkeypatch.setattr(source, "_CHUNK", 2**12)
    with Memory() as memory:
        memory.seen.update({features.untyped_storage(): True, labels.untyped_storage(): True})
        chunked = ClassPrototypes.fit(features, labels)
    assert_close(chunked.centers, whole.centers, rtol=0, atol=1e-15)
    assert memory.peak < 12 * 8 * 2**12 < 8 * features.numel()  # all of it in float64


def test_a_batch_takes_memory_for_its_own_classes_alone():
    prototypes = ClassPrototypes(50_000, 8)
    features, labels = torch.randn(32, 8), torch.arange(32) * 1000
    with Memory() as memory:
        for buffer in prototypes.buffers():
            memory.seen[buffer.untyped_storage()] = True
        prototypes.update(features, labels)
    assert memory.peak < prototypes.centers.nbytes / 50
    assert_close(prototypes.centers[labels].float(), features)


def test_an_offset_costs_no_digits_of_means_and_distances():
    features, labels = sample(torch.float32, offset=1e4)
    prototypes = ClassPrototypes.fit(features, labels)
    means = rejection.means(features.double().tolist(), LABELS, C)
    wanted = as_tensor(rejection.distances(features.double().tolist(), means))
    assert_close(prototypes.distances(features).double(), wanted, rtol=1e-6, atol=0)
    assert prototypes.distances(features).dtype == torch.float32


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16], ids=str)
def test_half_features_count_as_the_numbers_that_they_are_also_under_autocast(half):
    features, labels = sample(half)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        prototypes = ClassPrototypes.fit(features, labels, normalize=True)
        found = prototypes.distances(features)
    units = [rejection.unit(x) for x in features.double().tolist()]
    means = rejection.means(units, LABELS, C)
    assert found.dtype == torch.float32
    assert_close(prototypes.centers, as_tensor(means), rtol=1e-6, atol=1e-7)
    assert_close(found.double(), as_tensor(rejection.distances(units, means)), rtol=1e-5, atol=1e-6)


def test_features_of_unit_length_have_means_of_their_own():
    features, labels = sample()
    units = torch.tensor([rejection.unit(x) for x in features.tolist()], dtype=torch.float64)
    prototypes = ClassPrototypes.fit(features, labels, normalize=True)
    assert_close(prototypes.centers, ClassPrototypes.fit(units, labels).centers)
    assert_close(prototypes.distances(3 * features), ClassPrototypes.fit(units, labels).distances(units))


def test_the_gradient_reaches_features_and_not_prototypes():
    features, labels = sample()
    prototypes = ClassPrototypes.fit(features, labels)
    assert torch.autograd.gradcheck(prototypes.distances, features.requires_grad_())
    assert not list(prototypes.parameters())
    assert not prototypes.predict(features).requires_grad


def test_a_class_that_is_added_is_the_mean_of_its_images_and_the_others_stay():
    features, labels = sample()
    prototypes = ClassPrototypes.fit(features[labels < 3], labels[labels < 3], class_names=["a", "b", "c"])
    before = prototypes.centers.clone()
    prototypes.add_class("d", features[labels == 3])
    assert prototypes.class_names == ("a", "b", "c", "d")
    assert torch.equal(prototypes.centers[:3], before)
    assert_close(prototypes.centers, ClassPrototypes.fit(features, labels).centers)
    prototypes.update(features[:1], torch.tensor([3]))
    assert prototypes.count.tolist() == [3, 4, 1, 4]


def test_classes_can_be_added_to_none():
    prototypes = ClassPrototypes(0, 2)
    prototypes.add_class("cat", torch.zeros(3, 2))
    assert prototypes.predict(torch.ones(2, 2)).tolist() == [0, 0]
    prototypes.add_class("dog", torch.ones(1, 2))
    assert prototypes.predict(torch.tensor([[0.1, 0.1], [0.9, 0.9]])).tolist() == [0, 1]


def test_a_class_without_images_is_told_infinitely_far_and_never_predicted():
    features = torch.tensor([[1.0, 1.0], [5.0, 5.0]])
    told = "ClassPrototypes.fit: 2 of 4 classes have no image and are never predicted: b and d."
    with pytest.warns(UserWarning, match=f"^{told}$"):
        prototypes = ClassPrototypes.fit(features, torch.tensor([0, 2]), class_names=["a", "b", "c", "d"])
    near_zero = torch.tensor([[0.1, 0.0], [9.0, 9.0]])
    assert prototypes.distances(near_zero)[:, [1, 3]].isinf().all()
    assert prototypes.predict(near_zero).tolist() == [0, 2]
    gradient = torch.autograd.grad(prototypes.distances(near_zero.requires_grad_())[:, [0, 2]].sum(), near_zero)[0]
    assert gradient.isfinite().all()


@pytest.mark.message
def test_rows_that_are_not_finite_are_left_out_and_told():
    features, labels = sample()
    features = torch.cat([features, torch.full((2, D), torch.nan, dtype=torch.float64)])
    labels = torch.cat([labels, torch.tensor([0, 1])])
    told = "ClassPrototypes.fit: 2 of 13 rows of features hold NaN or infinite values and are left out."
    with pytest.warns(UserWarning, match=f"^{told}$") as caught:
        found = ClassPrototypes.fit(features, labels)
    assert [warning.filename for warning in caught] == [__file__]
    assert torch.equal(found.centers, ClassPrototypes.fit(features[:-2], labels[:-2]).centers)
    with pytest.warns(UserWarning, match="^ClassPrototypes.update: 1 of 2 rows") as caught:
        found.update(features[-3:-1], labels[-3:-1])
    assert [warning.filename for warning in caught] == [__file__]
    with pytest.raises(ValueError, match=r"^ClassPrototypes.update: features must be finite; all 2 rows hold"):
        found.update(features[-2:], labels[-2:])


def test_prototypes_are_saved_with_a_state_dict_of_tensors_alone():
    features, labels = sample()
    prototypes = ClassPrototypes.fit(features, labels, class_names=["a", "ß", "猫", "d\n"], normalize=True)
    model = nn.ModuleDict({"network": nn.Linear(2, 2), "prototypes": prototypes})
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    buffer.seek(0)
    state = torch.load(buffer, weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    fresh = nn.ModuleDict({"network": nn.Linear(2, 2), "prototypes": ClassPrototypes(1, 1)})
    fresh.load_state_dict(state)
    for twin in (fresh["prototypes"], copy.deepcopy(prototypes), pickle.loads(pickle.dumps(prototypes))):
        assert same(twin, prototypes)
        assert twin.normalize
        assert torch.equal(twin.distances(features), prototypes.distances(features))
    assert repr(prototypes) == "ClassPrototypes(4, 5, normalize=True)"


def test_a_hundred_thousand_classes_have_names():
    prototypes = ClassPrototypes(100_000, 1, class_names=[f"class {k}" for k in range(100_000)])
    assert prototypes.class_names[-1] == "class 99999"  # in no time: comparing each with each would take minutes


def test_what_is_made_in_inference_mode_serves_outside():
    features, labels = sample()
    with torch.inference_mode():
        prototypes = ClassPrototypes.fit(features + 0, labels)
        prototypes.add_class("e", features[:2] + 0)
        both = prototypes.merge(prototypes)
    prototypes.update(features, labels)
    both.update(features, labels)
    assert prototypes.count.tolist() == [6, 8, 2, 6, 2]
    assert both.count.tolist() == [9, 12, 3, 9, 4]
    assert torch.autograd.grad(both.distances(features.requires_grad_()).sum(), features)[0].isfinite().all()


def test_half_leaves_the_sums_wide_and_a_move_moves_them():
    features, labels = sample()
    prototypes = ClassPrototypes.fit(features, labels)
    wanted = prototypes.centers.clone()
    nn.Sequential(prototypes).half().to(torch.bfloat16)
    assert torch.equal(prototypes.centers, wanted)
    assert prototypes.to("meta").centers.device.type == "meta"
    assert prototypes.centers.dtype == torch.float64


@pytest.mark.message
def test_arrays_and_lists_serve_as_well():
    features, labels = sample(torch.float32)
    whole = ClassPrototypes.fit(features, labels)
    assert same(ClassPrototypes.fit(features.numpy(), LABELS), whole)
    assert torch.equal(whole.predict(features.numpy()), whole.predict(features))
    assert_close(whole.distances(features.numpy()), whole.distances(features))


def test_learned_centers_and_means_give_one_prediction():
    features, labels = sample(torch.float32)
    loss = CenterLoss(C, D)
    loss.init_centers(features, labels)
    prototypes = ClassPrototypes.fit(features, labels)
    assert torch.equal(loss.predict(features), prototypes.predict(features))
    assert_close(loss.distances(features), prototypes.distances(features))


X, Y = torch.zeros(3, D), torch.tensor([0, 1, 1])
REFUSED = {
    "names and count disagree": (
        lambda: ClassPrototypes.fit(X, Y, num_classes=3, class_names=["a", "b"]),
        "ClassPrototypes: class_names must be as many as the 3 classes; got 2.",
    ),
    "too few classes": (
        lambda: ClassPrototypes.fit(X, Y, num_classes=1),
        r"ClassPrototypes.fit: labels must lie in \[0, 1\), one index for each of the 1 classes; got values from 0 to "
        "1. Do they start at 1, or was num_classes set too small\\?",
    ),
    "names twice": (
        lambda: ClassPrototypes.fit(X, Y, class_names=["a", "a"]),
        "ClassPrototypes: class_names must differ; a stands there twice.",
    ),
    "no text": (
        lambda: ClassPrototypes.fit(X, Y, class_names=["a", 2]),
        "ClassPrototypes: the name of a class must be a text with at least one letter; got 2.",
    ),
    "one text": (
        lambda: ClassPrototypes.fit(X, Y, class_names="ab"),
        "ClassPrototypes: class_names must be a list of texts; got 'ab'.",
    ),
    "no samples": (
        lambda: ClassPrototypes.fit(X[:0], Y[:0]),
        "ClassPrototypes.fit: there must be at least one sample; got none.",
    ),
    "NaN everywhere": (
        lambda: ClassPrototypes.fit(X * torch.nan, Y),
        "ClassPrototypes.fit: features must be finite; all 3 rows hold NaN or infinite values.",
    ),
    "a label below 0": (
        lambda: ClassPrototypes.fit(X, Y - 1),
        "ClassPrototypes.fit: labels must be at least 0; got values from -1 to 0. Rows that have no class are left out "
        "beforehand.",
    ),
    "exchanged": (
        lambda: ClassPrototypes.fit(Y, X),
        "ClassPrototypes.fit: features and labels are exchanged, .*",
    ),
    "another dimension": (
        lambda: ClassPrototypes(2, D).update(torch.zeros(3, 4), Y),
        r"ClassPrototypes.update: features must have shape \(N, 5\), as those that it was made from; got \(3, 4\).",
    ),
    "another dimension asked": (
        lambda: ClassPrototypes.fit(X, Y).predict(torch.zeros(3, 4)),
        r"ClassPrototypes.predict: features must have shape \(N, 5\), as those that it was made from; got \(3, 4\).",
    ),
    "NaN asked": (
        lambda: ClassPrototypes.fit(X, Y).predict(torch.full((2, D), torch.nan)),
        "ClassPrototypes.predict: features must be finite; 2 of 2 rows hold NaN or infinite values.",
    ),
    "whole numbers": (
        lambda: ClassPrototypes.fit(X, Y).distances(torch.zeros(3, D, dtype=torch.int64)),
        "ClassPrototypes.distances: features must be floating-point; got torch.int64. Did you mean features.float.*",
    ),
    "nothing seen": (
        lambda: ClassPrototypes(2, D).predict(X),
        "ClassPrototypes.predict: at least one class must have images; none has. Call update or add_class first.",
    ),
    "a class twice": (
        lambda: ClassPrototypes.fit(X, Y, class_names=["a", "b"]).add_class("b", X),
        r"ClassPrototypes.add_class: the name must be one that no class has yet; b is class 1. More images of it: "
        r"update\(features, labels\).",
    ),
    "a class of no image": (
        lambda: ClassPrototypes.fit(X, Y).add_class("c", X[:0]),
        "ClassPrototypes.add_class: features must be those of at least one image, and finite; they are none.",
    ),
    "a class of NaN": (
        lambda: ClassPrototypes.fit(X, Y).add_class("c", X * torch.nan),
        "ClassPrototypes.add_class: features must be those of at least one image, and finite; they hold NaN or "
        "infinite values.",
    ),
    "a class without name": (
        lambda: ClassPrototypes.fit(X, Y).add_class("", X),
        "ClassPrototypes.add_class: the name of a class must be a text with at least one letter; got ''.",
    ),
    "merged with others": (
        lambda: ClassPrototypes(2, D).merge(ClassPrototypes(3, D)),
        "ClassPrototypes.merge: both must have the same class_names; they have not. Prototypes of other classes are "
        "added by add_class.",
    ),
    "merged with unit lengths": (
        lambda: ClassPrototypes(2, D).merge(ClassPrototypes(2, D, normalize=True)),
        "ClassPrototypes.merge: both must have the same normalize; .*",
    ),
    "no count": (
        lambda: ClassPrototypes(2.5, D),
        "ClassPrototypes: num_classes must be a whole number of at least 0; got 2.5.",
    ),
}  # fmt: skip


@pytest.mark.message
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_told_in_one_sentence(name):
    call, told = REFUSED[name]
    with pytest.raises(ValueError, match=f"^{told}$"):
        call()


def test_a_class_that_is_refused_leaves_the_prototypes_as_they_were():
    prototypes = ClassPrototypes.fit(X, Y)
    twin = copy.deepcopy(prototypes)
    for features in (X * torch.nan, X[:0], torch.zeros(1, D + 1)):
        with pytest.raises(ValueError, match="add_class"):
            prototypes.add_class("c", features)
    assert same(prototypes, twin)


def hostile(**changes):
    state = ClassPrototypes.fit(X, Y).state_dict()
    return {**state, **changes}


def told_by(class_names, normalize):
    text = json.dumps({"class_names": class_names, "normalize": normalize})
    return torch.tensor(list(text.encode()), dtype=torch.uint8)


@pytest.mark.message
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"_extra_state": "names"}, "its names cannot be read"),
        ({"_extra_state": torch.tensor(list(b"123"))}, "its names cannot be read"),
        ({"_extra_state": told_by(["a", "a"], False)}, "must differ"),
        ({"_extra_state": told_by(["a"], False)}, "as many as the 2 classes"),
        ({"_extra_state": told_by(["a", "b"], "no")}, "normalize must be"),
        ({"count": torch.zeros(3, dtype=torch.int64)}, "must have a row for each class"),
    ],
)
def test_a_state_that_is_none_is_told(changes, told):
    with pytest.raises(ValueError, match=f"^ClassPrototypes.load_state_dict: .*{told}"):
        ClassPrototypes(2, D).load_state_dict(hostile(**changes))


def test_a_state_that_lacks_something_is_refused_by_torch():
    state = hostile()
    del state["count"]
    with pytest.raises(RuntimeError, match="count"):
        ClassPrototypes(2, D).load_state_dict(state)
