"""Classes that are added to a trained run by their images, and centers that are means."""

import pytest
import torch

import sigma2r
from sigma2r.data import load_images
from sigma2r.evaluation import CenterDistance, MaxSoftmax, Rejector
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from sigma2r.trained.predictions import NO_CLASS
from sigma2r.trained.rows import prediction_rows
from tests.reference import lenet
from tests.trained.conftest import QUIET


@pytest.fixture
def white() -> torch.Tensor:
    """Images of a colour that no class of Fuzzy-RGB has."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(200, 256, (12, 3, 32, 32), dtype=torch.uint8, generator=generator)


@pytest.fixture
def trained(made):
    return sigma2r.load(made, device="cpu")


def test_a_class_is_the_mean_of_its_images_and_the_others_stay(trained, white):
    before = trained.predict("fuzzy-rgb")
    trained.add_class("white", white)
    assert trained.class_names == ("red", "green", "blue", "white")
    mean = trained.embed(white).double().mean(0)
    torch.testing.assert_close(trained.centers[3].double(), mean, rtol=1e-5, atol=1e-6)
    both = trained.predict(torch.cat([white, load_images("fuzzy-rgb", "test").images]))
    assert both.classes[:12] == ["white"] * 12
    assert torch.equal(both.logits[12:], before.logits)
    assert both.distances.shape == (1512, 4)
    nearest = torch.tensor(lenet.distances(both.features, trained.centers)).argmin(1)
    expected = [
        3 if near == 3 else top for near, top in zip(nearest.tolist(), both.logits.argmax(1).tolist(), strict=True)
    ]
    assert both.labels.tolist() == expected
    assert both.probability.isnan().tolist() == [label == 3 for label in expected]
    assert both.probabilities.shape == (1512, 3)
    assert torch.equal(both.distance[:12], both.distances[:12, 3])
    names, first, *_ = prediction_rows([both], trained, trained.source(white))
    row = dict(zip(names, first, strict=True))
    assert (row["class"], row["probability"]) == ("white", "")
    with pytest.warns(UserWarning, match="1 of 2 images cannot be read"):
        bad = trained.predict([white[0], torch.full((3, 32, 32), 2.0)])
    assert bad.labels.tolist() == [3, NO_CLASS]


@pytest.mark.message
def test_a_name_twice_and_images_that_are_none_are_refused_and_change_nothing(trained, white, tmp_path):
    trained.add_class("white", white)
    for name, images, message in (
        ("white", white, r"^add_class: the name must be one that no class has yet; 'white' is class 3\.$"),
        ("green", white, r"^add_class: the name must be one that no class has yet; 'green' is class 1\.$"),
        ("", white, r"^add_class: the name of a class must be a text with at least one letter; got ''\.$"),
        ("gold", [], r"^images: there must be at least one; the list is empty\.$"),
        ("gold", torch.full((2, 3, 32, 32), 2.0), r"^embed: none of 2 images can be read"),
    ):
        with pytest.raises(ValueError, match=message):
            trained.add_class(name, images)
    assert trained.class_names == ("red", "green", "blue", "white")
    assert trained.centers.shape == (4, 2)
    with pytest.warns(UserWarning, match="1 of 13 images cannot be read"):
        trained.add_class("gold", [*white, torch.full((3, 32, 32), 2.0)])
    torch.testing.assert_close(trained.centers[4], trained.centers[3], rtol=1e-5, atol=1e-6)


@pytest.mark.message
def test_names_of_added_classes_are_held_to_the_rule_of_data_sets(trained, white):
    with pytest.raises(ValueError, match=r"^add_class: the name of a class must be UTF-8; got '.*'\.$"):
        trained.add_class("caf\udce9", white)
    with pytest.warns(
        UserWarning, match=r"^add_class: the run has classes that look the same: ' red' and 'red' differ"
    ):
        trained.add_class(" red", white)


def test_a_rejector_takes_the_class_too_if_it_sees_features(trained, white):
    validation = trained.predict("fuzzy-rgb", split="val")
    rest = {"false_rejects": 0.9, "class_names": trained.class_names}
    trained.rejector = Rejector.fit(None, validation.targets, logits=validation.logits, score=MaxSoftmax(), **rest)
    with pytest.raises(ValueError, match=r"must be by a score of features, .* it is by max-softmax"):
        trained.add_class("white", white)
    assert trained.added == ()
    trained.rejector = Rejector.fit(
        validation.features, validation.targets, score=CenterDistance(trained.centers), **rest
    )
    apart = float(trained.rejector.threshold)
    assert not trained.predict(white).accepted.any()
    trained.add_class("white", white)
    got = trained.predict(white)
    assert torch.equal(got.accepted, -got.distances.amin(1) >= apart)
    assert got.accepted.any()


def test_means_stand_in_where_a_loss_has_no_centers(tiny, tmp_path):
    train(Run(dataset=tiny, epochs=1, batch_size=36, loss="cross-entropy"), tmp_path / "run", QUIET)
    trained = sigma2r.load(tmp_path / "run", device="cpu")
    with pytest.raises(ValueError, match=r"add_class: the classes must have centers, .* take_means\(\) takes"):
        trained.add_class("white", torch.full((1, 1, 16, 16), 255, dtype=torch.uint8))
    trained.take_means()
    whole = trained.predict(tiny, split="train")
    means = torch.stack([whole.features[whole.targets == k].double().mean(0) for k in range(3)])
    torch.testing.assert_close(trained.centers.double(), means, rtol=1e-5, atol=1e-6)
    trained.add_class("white", torch.full((1, 1, 16, 16), 255, dtype=torch.uint8))
    with pytest.raises(ValueError, match="take_means: means are taken before classes are added; there are white"):
        trained.take_means()
    other = sigma2r.load(tmp_path / "run", device="cpu")
    with pytest.raises(ValueError, match="take_means: there must be images of every class; there are none of dark"):
        other.take_means(torch.zeros(2, 1, 16, 16))
