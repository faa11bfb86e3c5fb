"""Rejection: thresholds from validation images alone, what is accepted, what is told, stored and refused."""

import io
import json
import re

import pytest
import torch
from torch import nn

from sigma2r import CenterLoss, ClassPrototypes, JointLoss, Rejector
from sigma2r.evaluation import SCORES, CenterDistance, Energy, Judged, MahalanobisDistance, NeighborDistance, Score
from tests.reference import rejection

C, D = 3, 4
every_score = pytest.mark.parametrize("name", SCORES)
each_way = pytest.mark.parametrize("thresholds", ["common", "per-class"])


def draw(generator, count, spread=1.0):
    """Features of C classes, and logits: the negative squared distances to where the classes are."""
    labels = torch.arange(count) % C
    means = 5 * torch.eye(C, D)
    features = means[labels] + spread * torch.randn(count, D, generator=generator)
    return features, -0.1 * torch.cdist(features, means).square(), labels


@pytest.fixture
def data(generator):
    """Training and validation images."""
    return draw(generator, 150), draw(generator, 300)


def fit(name, data, **keywords):
    train, validation = data
    given = {"logits": validation[1]} if SCORES[name].sees == "logits" else {}
    if SCORES[name].learns:
        given["reference"] = train[0], train[2]
    return Rejector.fit(validation[0], validation[2], score=name, **given, **keywords)


def seen(rejector, features, logits):
    return {"features": features} if rejector.score.sees == "features" else {"logits": logits}


@every_score
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3])
def test_the_common_threshold_is_the_order_statistic_of_the_validation_scores(name, rate, data):
    rejector = fit(name, data, false_rejects=rate)
    features, logits, labels = data[1]
    scores = rejector.scores(**seen(rejector, features, logits))
    threshold = rejection.threshold(scores.tolist(), rejection.Fraction(str(rate)))
    assert rejector.threshold == threshold
    accepted = rejector.accepts(**seen(rejector, features, logits))
    assert accepted.tolist() == [score >= threshold for score in scores.tolist()]
    assert int((~accepted).sum()) == int(rate * 301) - 1  # all below the r-th smallest, and no two are alike
    assert rejector.images.tolist() == [100, 100, 100]
    assert rejector.rejected.tolist() == labels[~accepted].bincount(minlength=C).tolist()
    assert torch.equal(rejector(**seen(rejector, features, logits)), accepted)


@every_score
def test_a_threshold_of_each_class_is_that_of_the_images_taken_for_it(name, data):
    rejector = fit(name, data, false_rejects=0.1, thresholds="per-class")
    features, logits, _ = data[1]
    says = rejector.score.judge(next(iter(seen(rejector, features, logits).values())))
    tenth = rejection.Fraction(1, 10)
    for k in range(C):
        own = says.score[says.label == k].tolist()
        assert rejector.class_thresholds[k] == rejection.threshold(own, tenth)
    assert rejector.class_thresholds.unique().numel() == C
    accepted = rejector.accepts(**seen(rejector, features, logits))
    assert torch.equal(accepted, says.score >= rejector.class_thresholds[says.label])


def test_classes_with_too_few_images_have_the_common_threshold(generator):
    prototypes = ClassPrototypes.fit(5 * torch.eye(C, D), torch.arange(C))
    features, _, labels = draw(generator, 300)
    few = torch.cat([torch.arange(0, 300, 3), torch.arange(1, 300, 3), torch.arange(2, 50, 3)])
    rejector = Rejector.fit(features[few], labels[few], score=prototypes, thresholds="per-class")
    assert rejector.class_thresholds.isnan().tolist() == [False, False, True]  # 16 images, not 19
    new, _, _ = draw(generator, 60)
    says = rejector.score.judge(new)
    own = [rejector.threshold if k == 2 else rejector.class_thresholds[k] for k in says.label.tolist()]
    assert rejector.accepts(new).tolist() == [bool(s >= t) for s, t in zip(says.score, own, strict=True)]
    more = Rejector.fit(features, labels, score=prototypes, thresholds="per-class", least_per_class=101)
    assert more.class_thresholds.isnan().sum() >= 1  # some class has at most its fair 100
    fewer = Rejector.fit(features, labels, score=prototypes, thresholds="per-class", least_per_class=1)
    assert torch.equal(
        fewer.class_thresholds,
        Rejector.fit(features, labels, score=prototypes, thresholds="per-class").class_thresholds,
    )


@each_way
def test_new_images_are_rejected_as_often_as_promised_whatever_the_number_of_validation_images(generator, thresholds):
    """400 draws of 39 validation images and one new one; the score of each is its own."""
    prototypes = ClassPrototypes.fit(torch.tensor([[0.0], [100.0]]), torch.tensor([0, 1]))
    rejected, promised = 0, 0.0
    for _ in range(400):
        labels = torch.randint(0, 2, (78,), generator=generator)
        features = 100.0 * labels.unsqueeze(1) + (1 + labels).unsqueeze(1) * torch.randn(78, 1, generator=generator)
        rejector = Rejector.fit(
            features, labels, score=prototypes, false_rejects=0.1, thresholds=thresholds, least_per_class=20
        )
        new = 100.0 * labels[:1].unsqueeze(1) + (1 + labels[:1]).unsqueeze(1) * torch.randn(1, 1, generator=generator)
        rejected += int(~rejector.accepts(new))
        count = 78 if thresholds == "common" else int((labels == labels[0]).sum())
        promised += int(0.1 * (count + 1) + 1e-9) / (count + 1) / 400
    assert abs(rejected / 400 - promised) < 4 * (0.1 * 0.9 / 400) ** 0.5


def test_the_promise_of_a_class_holds_where_the_common_threshold_breaks_it(generator):
    """One class ten times as wide as the other: a common threshold rejects images of the wide one alone."""
    prototypes = ClassPrototypes.fit(torch.tensor([[0.0], [1000.0]]), torch.tensor([0, 1]))

    def sample(count):
        labels = torch.arange(count) % 2
        return 1000.0 * labels.unsqueeze(1) + (1 + 9 * labels).unsqueeze(1) * torch.randn(
            count, 1, generator=generator
        ), labels

    features, labels = sample(4000)
    new, classes = sample(4000)
    shares = {}
    for thresholds in ("common", "per-class"):
        rejector = Rejector.fit(features, labels, score=prototypes, false_rejects=0.1, thresholds=thresholds)
        accepted = rejector.accepts(new)
        shares[thresholds] = [float((~accepted[classes == k]).double().mean()) for k in (0, 1)]
    assert shares["common"][0] == 0
    assert shares["common"][1] > 0.15
    deviation = (2 * 0.1 * 0.9 / 2000) ** 0.5  # of the new images, and of the threshold
    assert all(abs(share - 0.1) < 4 * deviation for share in shares["per-class"])


def test_thresholds_do_not_depend_on_labels_and_rejects_are_counted_by_them(data):
    train, (features, _, labels) = data
    prototypes = ClassPrototypes.fit(train[0], train[2])
    one = Rejector.fit(features, labels, score=prototypes, thresholds="per-class")
    ordered = labels.sort().values
    other = Rejector.fit(features, ordered, score=prototypes, thresholds="per-class")
    assert torch.equal(one.class_thresholds, other.class_thresholds)
    rejected = ~one.accepts(features)
    assert other.rejected.tolist() == ordered[rejected].bincount(minlength=C).tolist() != one.rejected.tolist()


@pytest.mark.parametrize("wrap", [lambda loss: loss, lambda loss: CenterDistance.of(loss)], ids=["loss", "score"])
def test_a_loss_with_centers_is_a_score(data, wrap):
    loss, (features, _, labels) = CenterLoss(C, D), data[1]
    loss.init_centers(*data[0][::2])
    rejector = Rejector.fit(features, labels, score=wrap(loss))
    assert torch.allclose(rejector.scores(features), -loss.distances(features).amin(1))


def test_nothing_that_is_not_finite_is_accepted(data):
    for name in SCORES:
        rejector = fit(name, data, thresholds="per-class", false_rejects=0.2)
        for bad in (torch.nan, torch.inf, -torch.inf):
            features = torch.full((2, D), bad)
            logits = torch.full((2, C), bad)
            assert not rejector.accepts(**seen(rejector, features, logits)).any(), (name, bad)


@each_way
@every_score
def test_the_state_is_tensors_and_json_and_gives_the_same_rejector(name, thresholds, data):
    rejector = fit(name, data, thresholds=thresholds, class_names=["a", "ß", "猫"], false_rejects=0.1)
    tensors, description = rejector.state()
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    buffer.seek(0)
    twin = Rejector.from_state(torch.load(buffer, weights_only=True), json.loads(json.dumps(description)))
    features, logits, _ = data[0]
    given = seen(rejector, features, logits)
    assert torch.equal(twin.scores(**given), rejector.scores(**given))
    assert torch.equal(twin.accepts(**given), rejector.accepts(**given))
    assert twin.describe() == rejector.describe()
    assert repr(twin) == repr(rejector)
    assert twin.state()[1] == description


def test_settings_of_a_score_are_stored(data):
    train, (features, _, labels) = data
    for score in (
        NeighborDistance.fit(train[0], train[2], k=3, normalize=False),
        MahalanobisDistance.fit(train[0], train[2], covariance="per-class", shrinkage=0.2, normalize=True),
    ):
        rejector = Rejector.fit(features, labels, score=score)
        tensors, description = rejector.state()
        twin = Rejector.from_state(tensors, description)
        assert twin.score.keywords() == score.keywords()
        assert torch.equal(twin.scores(features), score(features))
    energy = Rejector.fit(None, labels, score=Energy(temperature=4.0), logits=data[1][1])
    assert Rejector.from_state(*energy.state()).score.temperature == 4.0


def test_thresholds_keep_their_precision_and_move_with_the_module(data):
    rejector = fit("center-distance", data)
    before = rejector.threshold.clone()
    nn.Sequential(rejector).half()
    assert torch.equal(rejector.threshold, before)
    assert not list(rejector.parameters())
    assert {tensor.device.type for tensor in rejector.to("meta").state_dict().values()} == {"meta"}


@pytest.mark.parametrize("name", ["center-distance", "mahalanobis", "nearest-neighbors"])
def test_a_class_is_added_without_training_at_the_threshold_of_all(name, data, generator):
    rejector = fit(name, data, thresholds="per-class", class_names=["a", "b", "c"])
    new = torch.tensor([-9.0, -9.0, -9.0, 9.0]) + 0.1 * torch.randn(60, D, generator=generator)
    assert not rejector.accepts(new).any()
    before = rejector.class_thresholds.clone()
    rejector.add_class("d", new[:55])
    assert rejector.accepts(new).all()
    assert rejector.class_names == ("a", "b", "c", "d")
    assert torch.equal(rejector.class_thresholds[:3], before)
    assert rejector.class_thresholds[3].isnan()
    assert "1 of 4 classes (d)" in rejector.describe()
    assert torch.equal(Rejector.from_state(*rejector.state()).accepts(new), rejector.accepts(new))


@pytest.mark.message
def test_a_class_without_validation_images_is_told(data):
    train, (features, _, labels) = data
    told = "Rejector.fit: 1 of 3 classes have no validation image, so how many of theirs are rejected is not known: b."
    with pytest.warns(UserWarning, match=f"^{told}$") as caught:
        rejector = Rejector.fit(
            features[labels != 1],
            labels[labels != 1],
            score="center-distance",
            reference=(train[0], train[2]),
            class_names=["a", "b", "c"],
        )
    assert [warning.filename for warning in caught] == [__file__]
    assert rejector.images.tolist() == [100, 0, 100]


def test_prototypes_lend_their_names(data):
    train, (features, _, labels) = data
    prototypes = ClassPrototypes.fit(train[0], train[2], class_names=["a", "b", "c"])
    assert Rejector.fit(features, labels, score=prototypes).class_names == ("a", "b", "c")
    assert Rejector.fit(features, labels, score=prototypes, class_names=["x", "y", "z"]).class_names == ("x", "y", "z")


def test_what_is_accepted_is_told_with_threshold_promise_and_rejects():
    features = torch.cat([torch.arange(1.0, 41), 1000 + torch.arange(1.0, 61)]).unsqueeze(1)
    labels = torch.tensor([0] * 40 + [1] * 60)
    prototypes = ClassPrototypes.fit(torch.tensor([[0.0], [1000.0]]), torch.tensor([0, 1]))
    names = ["cat", "dog\x1b"]
    common = Rejector.fit(features, labels, score=prototypes, class_names=names)
    assert common.describe() == (
        "Accepted is what has a score (center-distance, higher is more known) of at least -56, the 5th smallest score "
        "of 100 validation images (false_rejects 0.05). Of new images of the known classes, drawn as these were, at "
        "most 4.95 % are rejected in the mean over such sets; in nine of ten sets it is a share between 1.99 and 8.92 "
        "%. Rejected are 4 of the 100 validation images; the largest share in class dog\\x1b, 4 of 60."
    )  # 5 / 101; the quantiles 0.05 and 0.95 of Beta(5, 96) are .01991 and .08921 (scipy.stats.beta)
    own = Rejector.fit(
        features, labels, score=prototypes, class_names=names, thresholds="per-class", least_per_class=50
    )
    assert own.describe() == (
        "Accepted is what has a score (center-distance, higher is more known) of at least the threshold of the class "
        "that it is taken for, from -58 to -58: of n validation images taken for that class the floor(0.05 (n + 1))-th "
        "smallest score. Of new images of the known classes that are taken for it, drawn as these were, at most 5 % "
        "are rejected in the mean over such sets. Too few for that have 1 of 2 classes (cat), whose threshold is -56, "
        "the 5th smallest score of 100 validation images (false_rejects 0.05). Of new images of the known classes, "
        "drawn as these were, at most 4.95 % are rejected in the mean over such sets; in nine of ten sets it is a "
        "share between 1.99 and 8.92 %. Rejected are 2 of the 100 validation images; the largest share in class "
        "dog\\x1b, 2 of 60."
    )
    none = Rejector.fit(features, labels, score=prototypes, thresholds="per-class", least_per_class=99)
    assert " No class has images enough for a threshold of its own. Rejected are 4 of" in none.describe()


@pytest.mark.parametrize(
    ("rank", "word"),
    [
        (1, "smallest"),
        (2, "2nd smallest"),
        (3, "3rd smallest"),
        (4, "4th smallest"),
        (11, "11th smallest"),
        (12, "12th smallest"),
        (21, "21st smallest"),
        (113, "113th smallest"),
    ],
)
def test_ranks_are_spelled(rank, word):
    num_images = 10 * rank - 1
    features, labels = torch.arange(1.0, num_images + 1).unsqueeze(1), torch.zeros(num_images, dtype=torch.int64)
    rejector = Rejector.fit(features, labels, score=CenterDistance(torch.zeros(1, 1)), false_rejects=0.1)
    assert f", the {word} score of" in rejector.describe()


class Length(Score):
    """Short features are known."""

    def judge_rows(self, rows):
        return Judged(-rows.norm(dim=1), (rows[:, 0] > 0).long())


def test_a_score_of_ones_own_sets_thresholds(generator):
    features, labels = torch.randn(200, 3, generator=generator), torch.arange(200) % 2
    rejector = Rejector.fit(features, labels, score=Length(), thresholds="per-class", false_rejects=0.1)
    assert rejector.accepts(torch.zeros(2, 3)).all()
    assert not rejector.accepts(torch.full((2, 3), 9.0)).any()
    with pytest.raises(ValueError, match=r"^Rejector.state: the score must be one that from_state knows"):
        rejector.state()


@pytest.mark.message
def test_lists_and_arrays_serve_as_well(data):
    train, (features, _, labels) = data
    score = CenterDistance.fit(train[0].numpy(), train[2].tolist())
    rejector = Rejector.fit(features.numpy(), labels.tolist(), score=score)
    assert torch.equal(rejector.accepts(features.numpy()), rejector.accepts(features))


X, Y, Z = torch.arange(60.0).view(30, 2).cos(), torch.arange(30) % 2, torch.arange(60.0).view(30, 2).sin()
TRAIN = (X[:20] + 1, Y[:20])


def rejector_of(features=X, labels=Y, score="center-distance", reference=TRAIN, **keywords):
    return lambda: Rejector.fit(features, labels, score=score, reference=reference, **keywords)


REFUSED = {
    "an unknown score": (
        rejector_of(score="mahalanobi"),
        "Rejector.fit: unknown score 'mahalanobi'; known: center-distance, mahalanobis, nearest-neighbors, "
        "max-softmax, energy. Did you mean mahalanobis?",
    ),
    "no score": (
        rejector_of(score=3, reference=None),
        "Rejector.fit: score must be one of center-distance, mahalanobis, nearest-neighbors, max-softmax or energy, a "
        "Score, a loss with centers or ClassPrototypes; got 3.",
    ),
    "not fitted": (
        rejector_of(reference=None),
        "Rejector.fit: center-distance must be fitted to images other than those that set its threshold: give "
        "reference=(train_features, train_labels), or a score that is fitted; got None.",
    ),
    "the same images": (
        rejector_of(reference=(X.clone(), Y)),
        "Rejector.fit: the images that set a threshold must be others than those of reference, as a score knows the "
        "images that it was fitted to too well; they are the same. Divide them first.",
    ),
    "a reference for what is fitted": (
        rejector_of(score=CenterDistance.fit(*TRAIN)),
        "Rejector.fit: reference is for a score given by name; got a sigma2r.CenterDistance, which is fitted. Leave it "
        "out.",
    ),
    "a reference for what learns nothing": (
        rejector_of(score="energy", logits=Z),
        "Rejector.fit: energy learns nothing from a reference; leave it out.",
    ),
    "no logits": (
        rejector_of(score="energy", reference=None),
        "Rejector.fit: energy is a score of logits, which must be given; got none. Call it with logits=logits.",
    ),
    "no features": (
        rejector_of(features=None, logits=Z),
        "Rejector.fit: center-distance is a score of features, which must be given; got none. Call it with features.",
    ),
    "neither": (
        rejector_of(features=None),
        "Rejector.fit: features or logits must be given; got neither.",
    ),
    "other rows": (
        rejector_of(logits=Z[:7]),
        "Rejector.fit: features and logits must be matrices with a row for each sample; got features of (30,) and "
        "logits of (7,).",
    ),
    "no validation images": (
        rejector_of(features=X[:0], labels=Y[:0]),
        "Rejector.fit: for false_rejects=0.05 there must be at least 19 validation images; got 0. Give more, or "
        "false_rejects of at least 1.",
    ),
    "too few": (
        rejector_of(features=X[:12], labels=Y[:12]),
        "Rejector.fit: for false_rejects=0.05 there must be at least 19 validation images; got 12. Give more, or "
        "false_rejects of at least 0.077.",
    ),
    "NaN": (
        rejector_of(features=torch.where(torch.arange(60).view(30, 2) < 3, torch.nan, X)),
        "Rejector.fit: scores of validation images must be finite; 2 of 30 are not. Do features hold NaN or infinite "
        "values?",
    ),
    "a label too many": (
        rejector_of(labels=Y + 1),
        "Rejector.fit: labels must lie in [0, 2), one index for each of the 2 classes of the score; got values from "
        "1 to 2. Images of unknown classes set no threshold: leave them out.",
    ),
    "labels of no class": (
        rejector_of(labels=Y - 1, score=Length(), reference=None),
        "Rejector.fit: labels must lie in [0, 2), one index for each of the 2 classes of the score; got values from "
        "-1 to 0. Images of unknown classes set no threshold: leave them out.",
    ),
    "labels of another number": (
        rejector_of(labels=Y[:5]),
        "Rejector.fit: labels must hold one class index per row of features, shape (30,); got (5,).",
    ),
    "a name too many": (
        rejector_of(class_names=["a", "b", "c"]),
        "Rejector.fit: class_names must be as many as the 2 classes; got 3.",
    ),
    "names twice": (
        rejector_of(class_names=["a", "a"]),
        "Rejector.fit: class_names must differ; a stands there twice.",
    ),
    "another dimension": (
        rejector_of(features=torch.zeros(30, 3)),
        "Rejector.fit: features must have shape (N, 2), as those that it was made from; got (30, 3).",
    ),
    "a rate of 0": (
        rejector_of(false_rejects=0),
        "Rejector.fit: false_rejects must lie in (0, 1); got 0.",
    ),
    "a rate of 1": (
        rejector_of(false_rejects=1.0),
        "Rejector.fit: false_rejects must lie in (0, 1); got 1.0.",
    ),
    "other thresholds": (
        rejector_of(thresholds="per_class"),
        "Rejector.fit: thresholds must be \"common\" or \"per-class\"; got 'per_class'. Did you mean per-class?",
    ),
    "no image at least": (
        rejector_of(least_per_class=0),
        "Rejector.fit: least_per_class must be a whole number of at least 1; got 0.",
    ),
    "a joint loss": (
        rejector_of(score=JointLoss(CenterLoss(2, 2), 0.1), reference=None),
        "Rejector.fit: score must be one of center-distance, mahalanobis, nearest-neighbors, max-softmax or energy, a "
        "Score, a loss with centers or ClassPrototypes; got a sigma2r.JointLoss.",
    ),
    "logits later": (
        lambda: rejector_of()().scores(logits=Z),
        "Rejector.scores: center-distance is a score of features, which must be given; got none. Call it with "
        "features.",
    ),
    "another dimension later": (
        lambda: rejector_of()().accepts(torch.zeros(3, 4)),
        "Rejector.accepts: features must have shape (N, 2), as those that it was made from; got (3, 4).",
    ),
    "a class twice": (
        lambda: rejector_of(class_names=["a", "b"])().add_class("a", X),
        "Rejector.add_class: the name must be one that no class has yet; a is class 0.",
    ),
    "a class of logits": (
        lambda: rejector_of(score="energy", logits=Z, reference=None)().add_class("c", X),
        "Energy.add_class: a score that takes more classes without training must see features; energy sees logits. "
        "Those that do: center-distance, mahalanobis, nearest-neighbors.",
    ),
}  # fmt: skip


@pytest.mark.message
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_told_in_one_sentence(name):
    call, told = REFUSED[name]
    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        call()


STATES = {
    "another schema": ({"schema": 2}, {}, "Rejector.from_state: the description must be one of schema 1; got 2."),
    "an unknown score": ({"score": "os.system"}, {}, "unknown score 'os.system'; known: center-distance,"),
    "a score that is no name": ({"score": ["x"]}, {}, "unknown score"),
    "settings of another": ({"settings": {"k": 3}}, {}, "Rejector.from_state: tensors and settings must be those of"),
    "settings that are none": ({"settings": 3}, {}, "Rejector.from_state: tensors and settings must be those of"),
    "a setting of another kind": ({"settings": {"normalize": "no"}}, {}, "CenterDistance: normalize must be True"),
    "a rate": ({"false_rejects": 7}, {}, "Rejector: false_rejects must lie in (0, 1); got 7."),
    "names": ({"class_names": ["a"]}, {}, "Rejector: class_names must be as many as the 2 classes; got 1."),
    "a threshold of all that is none": ({}, {"threshold": torch.tensor(torch.nan)}, "Rejector: the threshold must be"),
    "thresholds of others": ({}, {"class_thresholds": torch.zeros(3)}, "Rejector: there must be one threshold, and"),
    "no images": ({}, {"images": torch.zeros(2, dtype=torch.int64)}, "Rejector: the threshold must be a finite score"),
    "no tensor": ({}, {"score.centers": "here"}, "Rejector.from_state: score.centers must be a tensor; got 'here'."),
    "another tensor": ({}, {"score.points": torch.zeros(2)}, "Rejector.from_state: tensors and settings must be those"),
    "centers that are none": ({}, {"score.centers": torch.zeros(2)}, "CenterDistance: centers must be a"),
}  # fmt: skip


@pytest.mark.message
@pytest.mark.parametrize("name", STATES)
def test_a_state_that_is_none_is_told(name):
    words, numbers, told = STATES[name]
    tensors, description = rejector_of()().state()
    with pytest.raises(ValueError, match=f"^{re.escape(told)}"):
        Rejector.from_state({**tensors, **numbers}, {**description, **words})


@pytest.mark.message
@pytest.mark.parametrize(
    "key", ["score", "settings", "class_names", "false_rejects", "thresholds", "threshold", "images"]
)
def test_a_state_that_lacks_something_is_told(key):
    tensors, description = ({k: v for k, v in part.items() if k != key} for part in rejector_of()().state())
    with pytest.raises(ValueError, match=f"^Rejector.from_state: the state must be whole; '{key}' is missing.$"):
        Rejector.from_state(tensors, description)
    with pytest.raises(ValueError, match=r"^Rejector.from_state: the description must be one of schema 1; got 3.$"):
        Rejector.from_state(tensors, 3)


@pytest.mark.message
@pytest.mark.parametrize("score", ["center-distance", "mahalanobis", "nearest-neighbors"])
def test_identities_in_place_of_class_indices_are_refused(score):
    features, labels = torch.randn(100, 2), 10**6 * (torch.arange(100) % 2)
    told = r"labels must be class indices without large gaps, .*; got [23] classes up to 1000000. Number them: torch"
    for call in (
        lambda: ClassPrototypes.fit(features, labels),
        lambda: Rejector.fit(torch.randn(100, 2), labels, score=score, reference=(features, labels)),
        lambda: Rejector.fit(torch.randn(100, 2), labels, score=Length()),
    ):
        with pytest.raises(ValueError, match=rf"^\w+(\.fit)?: {told}"):
            call()
