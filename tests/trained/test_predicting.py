"""What a trained run says of images is what the trainer measured, whatever the images come as."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

import sigma2r
from sigma2r.data import load_images
from sigma2r.studies.record import Record
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from sigma2r.trained import Predictions, Trained
from sigma2r.trained.predictions import NO_CLASS
from tests.reference import lenet
from tests.trained.conftest import QUIET


@pytest.fixture(scope="module")
def on_made(made) -> Trained:
    return sigma2r.load(made, device="cpu")


@pytest.fixture(scope="module")
def on_clothes(worn) -> Trained:
    return sigma2r.load(worn, device="cpu")


def rounded(accuracy: float) -> float:
    """As a record keeps it."""
    return float(f"{accuracy:.7g}")


def test_the_accuracy_is_the_trainers_own_to_the_digit(made, worn, clothes, on_made, on_clothes):
    made_record, worn_record = (Record.read(folder / "record.json") for folder in (made, worn))
    assert rounded(on_made.predict("fuzzy-rgb").accuracy) == made_record.final["test"]["accuracy"]
    assert rounded(on_clothes.predict(f"folder:{clothes}").accuracy) == worn_record.final["test"]["accuracy"]
    train_accuracy = on_clothes.predict(f"folder:{clothes}", split="train").accuracy
    assert rounded(train_accuracy) == worn_record.final["train"]["accuracy"]
    assert 0.2 < worn_record.final["test"]["accuracy"] < 1  # this example can tell right from wrong


def test_features_logits_and_distances_are_those_of_the_weights(made, on_made):
    state = torch.load(made / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    data = load_images("fuzzy-rgb", "test")
    rows = torch.arange(0, 1500, 100)
    features, logits = lenet.features_and_logits(state, data.images[rows], padding=0)
    centers = state["criterion.auxiliaries.0.centers"]
    got = on_made.predict(data.images[rows])
    assert_close(got.features.double(), features, rtol=1e-4, atol=1e-4)
    assert_close(got.logits.double(), logits, rtol=1e-4, atol=1e-4)
    expected = torch.tensor(lenet.probabilities(got.logits), dtype=torch.float64)
    assert_close(got.probabilities.double(), expected, rtol=1e-5, atol=1e-7)
    expected = torch.tensor(lenet.distances(got.features, centers), dtype=torch.float64)
    assert_close(got.distances.double(), expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(on_made.distances(data.images[rows]), got.distances)
    assert torch.equal(on_made.embed(data.images[rows]), got.features)
    for row in range(len(rows)):
        label = max(range(3), key=lambda k, row=row: float(got.logits[row, k]))
        assert got.labels[row] == label
        assert got.classes[row] == ("red", "green", "blue")[label]
        assert got.distance[row] == got.distances[row, label]
        assert got.probability[row] == got.probabilities[row, label]


def test_a_gray_network_is_that_of_its_weights_too(worn, clothes, on_clothes):
    state = torch.load(worn / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    paths = sorted((clothes / "test").glob("*/0.png"))
    pixels = torch.stack([torch.from_numpy(np.array(Image.open(path)))[None] for path in paths])
    features, logits = lenet.features_and_logits(state, pixels, padding=2)
    got = on_clothes.predict(paths)
    assert_close(got.features.double(), features, rtol=1e-4, atol=1e-4)
    assert_close(got.logits.double(), logits, rtol=1e-4, atol=1e-4)


def test_distances_are_those_of_features_of_unit_length_where_the_loss_had_them_so(tiny, tmp_path):
    run = Run(dataset=tiny, epochs=1, batch_size=36, loss="center@0.1[normalize=true]", feature_dim=3)
    train(run, tmp_path / "run", QUIET)
    got = sigma2r.load(tmp_path / "run", device="cpu").predict(tiny)
    centers = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    centers = centers["criterion.auxiliaries.0.centers"]
    expected = torch.tensor(lenet.distances(got.features, centers, unit_length=True), dtype=torch.float64)
    assert_close(got.distances.double(), expected, rtol=1e-5, atol=1e-6)


def forms(folder: Path) -> dict[str, object]:
    """The same images in all ways in which one has them."""
    paths = sorted(folder.glob("*/*.png"))
    images = [Image.open(path) for path in paths]
    arrays = np.stack([np.array(image) for image in images])
    tensor = torch.from_numpy(arrays)[:, None]
    return {
        "a folder": folder,
        "a folder as text": str(folder),
        "paths": paths,
        "texts": [str(path) for path in paths],
        "images": images,
        "RGB images": [image.convert("RGB") for image in images],
        "arrays": list(arrays),
        "one array": arrays,
        "one array with channels": arrays[..., None],
        "RGB array": np.stack([arrays] * 3, -1),
        "RGBA array": np.stack([arrays, arrays, arrays, np.full_like(arrays, 255)], -1),
        "floats": arrays / 255,
        "floats of 32 bits": (arrays / 255).astype(np.float32),
        "a tensor": tensor,
        "a tensor of floats": tensor / 255,
        "an RGB tensor": tensor.expand(-1, 3, -1, -1),
        "tensors": list(tensor),
        "mixed": [str(paths[0]), images[1], arrays[2], tensor[3], *paths[4:]],
    }


def test_every_form_of_the_same_images_gives_the_same_numbers(clothes, on_clothes):
    expected = on_clothes.predict(f"folder:{clothes}")
    order = [path.name + path.parent.name for path in map(Path, expected.names)]
    ways = forms(clothes / "test")
    assert len(ways) == 18
    for way, images in ways.items():
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*channels of colour")
            got = on_clothes.predict(images)
        if way == "a folder":
            assert [path.name + path.parent.name for path in map(Path, got.names)] == order
        assert_close(got.features, expected.features, rtol=0, atol=0, msg=way)
        assert_close(got.logits, expected.logits, rtol=0, atol=0, msg=way)


def test_neither_the_size_of_a_batch_nor_workers_change_more_than_the_last_digits(clothes, on_clothes):
    folder = clothes / "test"
    expected = on_clothes.predict(folder)
    for batch_size in (1, 7, 120):
        got = on_clothes.predict(folder, batch_size=batch_size)
        assert list(got.names) == list(expected.names)
        assert_close(got.features, expected.features, rtol=1e-4, atol=1e-5)
        assert torch.equal(got.labels, expected.labels)
    for workers in (1, 2):
        got = on_clothes.predict(folder, batch_size=50, workers=workers)
        same = on_clothes.predict(folder, batch_size=50)
        assert torch.equal(got.features, same.features)
        assert list(got.names) == list(same.names)
        assert got.given == same.given


@pytest.mark.message
def test_a_keyword_that_nothing_heeds_and_images_that_are_not_there_are_refused_at_once(on_clothes):
    for method in (on_clothes.embed, on_clothes.predict, on_clothes.distances, on_clothes.stream, on_clothes.source):
        with pytest.raises(ValueError, match=r"unknown way to read images 'wrokers'; .* Did you mean workers\?"):
            method(torch.zeros(1, 28, 28), wrokers=3)
    for wrong, message in (({"batch_size": 0}, "batch_size must"), ({"workers": -1}, "workers must")):
        with pytest.raises(ValueError, match=f"images: {message} be a whole number of at least"):
            on_clothes.stream(torch.zeros(1, 28, 28), **wrong)
    with pytest.raises(ValueError, match="nothing lies there"):
        on_clothes.stream("nowhere")  # and not once it is iterated


def test_a_stream_holds_one_batch_at_a_time(clothes, on_clothes):
    parts = list(on_clothes.stream(clothes / "test", batch_size=50))
    assert [len(part) for part in parts] == [50, 50, 20]
    whole = on_clothes.predict(clothes / "test", batch_size=50)
    assert torch.equal(torch.cat([part.features for part in parts]), whole.features)
    assert [name for part in parts for name in part.names] == list(whole.names)


def test_a_label_is_the_class_of_the_folder_or_of_the_data_set(clothes, on_clothes, on_made, tmp_path):
    got = on_clothes.predict(clothes / "test")
    assert [Path(name).parent.name for name in got.names] == got.given
    assert got.targets.tolist() == [on_clothes.class_names.index(name) for name in got.given]
    assert on_clothes.predict(sorted((clothes / "test").glob("*/*.png"))).given is None
    assert on_made.predict("fuzzy-rgb").targets.tolist() == [0] * 500 + [1] * 500 + [2] * 500
    images = tmp_path / "images"
    for place in ("Dress/a.png", "dress/b.png", "Dress/more/c.png", "d.png"):
        (images / place).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (28, 28)).save(images / place)
    got = on_clothes.predict(images)
    by_name = {str(Path(name).relative_to(images)): label for name, label in zip(got.names, got.given, strict=True)}
    assert by_name == {"Dress/a.png": "Dress", "Dress/more/c.png": "Dress", "d.png": None, "dress/b.png": None}
    assert list(by_name) == sorted(by_name)
    assert got.targets.tolist() == [3 if name == "Dress" else NO_CLASS for name in got.given]


def test_accuracy_is_of_images_with_a_known_label_that_could_be_read():
    logits = torch.tensor([[2.0, 1.0], [0.0, 1.0], [2.0, 1.0], [float("nan")] * 2, [2.0, 1.0]])
    features = torch.zeros(5, 1)
    given = ["cat", "cat", None, "cat", "bird"]
    got = Predictions(
        names=list("abcde"),
        class_names=("cat", "dog"),
        features=features,
        logits=logits,
        given=given,
        problems={3: "x"},
    )
    assert got.labels.tolist() == [0, 1, 0, NO_CLASS, 0]
    assert got.classes == ["cat", "dog", "cat", None, "cat"]
    assert got.targets.tolist() == [0, 0, NO_CLASS, 0, NO_CLASS]
    assert got.accuracy == 0.5
    twice = Predictions.joined([got, got])
    assert len(twice) == 10
    assert twice.problems == {3: "x", 8: "x"}
    assert twice.given == given * 2
    without = Predictions(names=["a"], class_names=("cat",), features=features[:1], logits=torch.zeros(1, 1))
    assert without.accuracy is None
    assert without.distance is None
    assert Predictions.joined([without, without]).given is None


def test_an_image_that_cannot_be_read_is_a_row_of_nan_and_is_told_once(clothes, on_clothes, tmp_path):
    good = sorted((clothes / "test/Dress").glob("*.png"))[:3]
    bad, wide = tmp_path / "bad.png", tmp_path / "wide.png"
    bad.write_bytes(good[0].read_bytes()[:60])
    Image.new("L", (30, 28)).save(wide)
    paths = [good[0], bad, good[1], wide, good[2]]
    with pytest.warns(
        UserWarning, match=r"^predict: 2 of 5 images cannot be read, and have NaN in their rows: "
    ) as told:
        got = on_clothes.predict(paths, batch_size=2)
    assert len(told) == 1
    assert list(got.problems) == [1, 3]
    assert got.problems[1].startswith(f"{bad} must be a readable image: ")
    assert got.problems[3] == (
        f"{wide} must have the size of the other images, 28 x 28; it has 30 x 28. resize='crop' (--resize "
        "crop) scales it until the shorter side fits, and takes the middle."
    )
    alone = on_clothes.predict(good)
    assert_close(got.features[[0, 2, 4]], alone.features, rtol=1e-5, atol=1e-6)
    assert_close(got.distances[[0, 2, 4]], alone.distances, rtol=1e-5, atol=1e-6)
    for values in (got.features, got.logits, got.distances, got.probabilities):
        assert values[[1, 3]].isnan().all()
    assert got.labels[[1, 3]].tolist() == [NO_CLASS, NO_CLASS]
    with pytest.warns(UserWarning, match="^embed: 2 of 5"):
        assert torch.equal(on_clothes.embed(paths, batch_size=2).isnan().any(1), torch.tensor([0, 1, 0, 1, 0]).bool())
    with pytest.warns(UserWarning, match="^distances: 2 of 5"):
        on_clothes.distances(paths)
    with pytest.raises(ValueError, match=f"^predict: none of 2 images can be read: {bad} must be a readable image"):
        on_clothes.predict([bad, wide])
    with pytest.raises(ValueError, match=f"^embed: {wide} must have the size"):
        on_clothes.embed(wide)


def test_workers_tell_what_they_cannot_read(clothes, on_clothes, tmp_path):
    (tmp_path / "0.png").write_bytes(b"no image")
    paths = [tmp_path / "0.png", *sorted((clothes / "test/Dress").glob("*.png"))]
    with pytest.warns(UserWarning, match="1 of 13"):
        got = on_clothes.predict(paths, batch_size=4, workers=2)
    assert list(got.problems) == [0]
    assert "\n" not in got.problems[0]


def test_an_image_of_another_size_is_scaled_if_that_is_asked_for(worn, tmp_path):
    Image.linear_gradient("L").save(tmp_path / "x.png")  # 256 x 256
    scaled = sigma2r.load(worn, device="cpu", resize="stretch")
    by_hand = Image.linear_gradient("L").resize((28, 28), Image.Resampling.BILINEAR)
    assert torch.equal(scaled.embed(tmp_path / "x.png"), scaled.embed(by_hand))
    assert torch.equal(scaled.embed(np.array(Image.linear_gradient("L"))), scaled.embed(by_hand))
    strict = sigma2r.load(worn, device="cpu")
    assert torch.equal(strict.embed(tmp_path / "x.png", resize="stretch"), scaled.embed(by_hand))
    assert strict.predict(tmp_path / "x.png", resize="crop").problems == {}
    with pytest.raises(ValueError, match="must have the size"):
        scaled.predict(tmp_path / "x.png", resize="refuse")
    with pytest.raises(ValueError, match=r'^images: resize must be None, "crop", "stretch" or "refuse"; got \'yes\''):
        scaled.predict(tmp_path / "x.png", resize="yes")


def test_a_run_that_scaled_images_scales_those_to_come_and_may_be_told_not_to(tiny, tmp_path):
    train(Run(dataset=tiny, image_size=12, epochs=1, batch_size=36, loss="center@0.1"), tmp_path / "run", QUIET)
    trained = sigma2r.load(tmp_path / "run", device="cpu")
    assert rounded(trained.predict(tiny).accuracy) == trained.record.final["test"]["accuracy"]
    strict = sigma2r.load(tmp_path / "run", device="cpu", resize="refuse")
    with pytest.raises(ValueError, match=r"none of 27 images can be read: .* must have the size of the other"):
        strict.predict(tiny)


def test_what_the_network_does_not_see_is_told_once_for_each_kind(worn, tmp_path):
    trained = sigma2r.load(worn, device="cpu")
    Image.new("RGB", (28, 28), "red").save(tmp_path / "a.png")
    Image.new("RGB", (28, 28), "blue").save(tmp_path / "b.png")
    Image.fromarray(np.full((28, 28), 40_000, np.uint16)).save(tmp_path / "c.png")
    Image.new("L", (28, 28)).save(tmp_path / "d.tif", save_all=True, append_images=[Image.new("L", (28, 28))])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trained.embed(tmp_path, batch_size=2)
    assert sorted(str(warning.message) for warning in caught) == [
        f"{tmp_path}: 1 image has more than 8 bits, of which the 8 highest are kept: {tmp_path / 'c.png'}.",
        f"{tmp_path}: 1 image has several frames or pages, of which the first is used: {tmp_path / 'd.tif'}.",
        f"{tmp_path}: 2 images have channels of colour, of which the network, trained on gray images, sees the "
        f"brightness alone: {tmp_path / 'a.png'}.",
    ]


def test_a_range_of_values_is_that_of_the_training(tmp_path):
    generator = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 4)):
        for k, name in enumerate(("low", "high")):
            folder = tmp_path / "scans" / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                values = generator.integers(1000 + 1500 * k, 2500 + 1500 * k, (16, 16))
                Image.fromarray(values.astype(np.uint16)).save(folder / f"{i}.png")
    dataset = f"folder:{tmp_path / 'scans'}"
    run = Run(dataset=dataset, pixel_range=(0, 4095), epochs=1, batch_size=12, loss="center@0.1")
    train(run, tmp_path / "run", QUIET)
    trained = sigma2r.load(tmp_path / "run", device="cpu")
    assert trained.frame.pixel_range == (0, 4095)
    got = trained.predict(dataset)
    assert rounded(got.accuracy) == trained.record.final["test"]["accuracy"]
    assert torch.equal(trained.embed([Image.open(name) for name in got.names]), got.features)
    Image.new("L", (16, 16)).save(tmp_path / "x.png")
    with pytest.raises(
        ValueError, match=r"must have values of more than 8 bits, for which .* \[0, 4095\]; it has 8 bits"
    ):
        trained.embed(tmp_path / "x.png")


def test_an_image_of_pillows_stays_as_it_is(on_clothes):
    image = Image.new("RGB", (28, 28), "white")
    image.getexif()[0x0112] = 6  # turned by a quarter
    image.info["exif"] = image.getexif().tobytes()
    with pytest.warns(UserWarning, match="channels of colour"):
        on_clothes.embed(image)
    assert image.mode == "RGB"
    assert image.getexif()[0x0112] == 6


def test_features_that_are_not_finite_are_a_problem_of_their_row(on_clothes, monkeypatch):
    forward = type(on_clothes.model).forward

    def breaks(self, images):
        features, logits = forward(self, images)
        features[1] = float("inf")
        return features, logits

    monkeypatch.setattr(type(on_clothes.model), "forward", breaks)
    with pytest.warns(UserWarning, match="1 of 3 images cannot be read"):
        got = on_clothes.predict(torch.zeros(3, 1, 28, 28, dtype=torch.uint8))
    assert got.problems == {1: "images[1] gives features or logits that are not finite."}
    assert got.labels[1] == NO_CLASS
    assert torch.isfinite(got.features[[0, 2]]).all()


def test_a_network_is_looked_at_in_evaluation_mode_and_stays_in_its_own(on_clothes):
    before = on_clothes.embed(torch.zeros(2, 1, 28, 28))
    on_clothes.model.train()
    assert torch.equal(on_clothes.embed(torch.zeros(2, 1, 28, 28)), before)
    assert on_clothes.model.training
    on_clothes.model.eval()
