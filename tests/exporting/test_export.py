"""``sigma2r.export`` and ``sigma2r export``: what is checked, told, refused, and kept."""

import dataclasses
import json
import re
import sys

import pytest
import torch
from PIL import Image
from torch import nn

import sigma2r
from sigma2r.data.fuzzy_rgb import fuzzy_rgb
from sigma2r.exporting import about, checking, exporting, graph, rejecting
from sigma2r.exporting.checking import BATCHES, Difference, difference, in_full_precision, sample_of
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from sigma2r.trained.forward import distances_to
from tests.studies.test_cli import call
from tests.trained.conftest import QUIET


@pytest.fixture
def trained(made):
    return sigma2r.load(made, device="cpu")


def with_model(trained, model):
    return dataclasses.replace(trained, model=model.eval())


class Own(nn.Module):
    """A network of one's own, of which one step is another's."""

    feature_dim = 2

    def __init__(self, step=lambda x: x):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2))
        self.head = nn.Linear(2, 3)
        self.step = step

    def forward(self, images):
        features = self.step(self.body(images))
        return features, self.head(features)


def test_it_is_told_on_what_it_was_checked_and_how_far_off_it_is(exported):
    _, file = exported("made", "torch-export")
    assert file.sample.are_real
    assert str(file).startswith(
        "Checked on 64 test images of fuzzy-rgb, in batches of 1, of 7 and of the rest; differs"
    )
    assert list(file.difference.share) == ["features", "logits", "probabilities", "distances"]
    assert 0 <= max(file.difference.share.values()) < 1e-5
    assert str(file).endswith("of the largest value; the same class for all 64.")


def test_a_network_that_branches_on_values_is_refused_in_one_sentence(trained, tmp_path):
    def branches(x):
        return x if x.sum() > 0 else -x

    with pytest.raises(ValueError, match=r"^export: the network must be one that torch.export can follow") as error:
        sigma2r.export(with_model(trained, Own(branches)), tmp_path / "m.pt2", "torch-export")
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_network_of_one_size_of_batch_is_refused(trained, tmp_path):
    with pytest.raises(ValueError, match=r"for any number of images; lenet is not: "):
        sigma2r.export(with_model(trained, Own(lambda x: x.reshape(2, 2))), tmp_path / "m.pt2", "torch-export")


def test_what_onnx_lacks_is_refused_with_what_takes_it(trained, tmp_path):
    own = with_model(trained, Own(lambda x: torch.special.bessel_j0(x)))
    with pytest.raises(ValueError, match=r"^export: each operation of the network must be one that ONNX has") as error:
        sigma2r.export(own, tmp_path / "m.onnx")
    assert "\n" not in str(error.value)
    assert str(error.value).endswith("--format torch-export may take it.")
    assert list(tmp_path.iterdir()) == []
    assert sigma2r.export(own, tmp_path / "m.pt2", "torch-export").path.exists()


def test_weights_beyond_what_protobuf_holds_are_refused(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("sigma2r.exporting.onnx_file._MOST_BYTES", 1000)
    with pytest.raises(ValueError, match=r"below 2 GiB; lenet has 0\.0\. --format torch-export takes them\.$"):
        sigma2r.export(trained, tmp_path / "m.onnx")


def test_a_file_that_computes_something_else_is_removed_and_an_older_one_stays(trained, tmp_path, monkeypatch):
    out = tmp_path / "m.pt2"
    sigma2r.export(trained, out, "torch-export")
    before = out.read_bytes()

    def with_another_mean(*given):
        made = graph.Graph(*given)
        made.preprocess.mean += 1.0
        return made

    monkeypatch.setattr(exporting, "Graph", with_another_mean)
    with pytest.raises(ValueError, match=r"must differ from predict by at most 0\.0001 of .* The file was removed\.$"):
        sigma2r.export(trained, out, "torch-export")
    assert [path.name for path in tmp_path.iterdir()] == ["m.pt2"]
    assert out.read_bytes() == before
    with pytest.raises(ValueError, match="The file was removed"):
        sigma2r.export(trained, tmp_path / "n.pt2", "torch-export")
    assert not (tmp_path / "n.pt2").exists()
    assert sigma2r.export(trained, out, "torch-export", tolerance=10).path == out


def test_a_difference_is_the_largest_over_all_batches(trained, pixels):
    images = pixels(trained, 12)
    whole = trained.predict(images)
    sizes = []

    def run(part):
        start = sum(sizes)
        sizes.append(len(part))
        rows = slice(start, start + len(part))
        features = whole.features[rows].clone()
        if len(part) == BATCHES[1]:
            features[3, 1] += 0.5
        return {"features": features, "logits": whole.logits[rows].flip(1) if len(part) == 1 else whole.logits[rows],
                "probabilities": whole.probabilities[rows], "distances": whole.distances[rows]}  # fmt: skip

    found = difference(run, trained, images)
    assert sizes == [1, 7, 4]
    assert found.largest["features"] == pytest.approx(0.5)
    assert found.share["features"] == pytest.approx(0.5 / float(whole.features.abs().max()))
    assert found.largest["probabilities"] == 0
    assert found.count == 12
    assert found.same_class in (11, 12)
    assert not Difference({}, {"features": 2e-4}, 1, 1).within(1e-4)
    assert not Difference({}, {"features": float("nan")}, 1, 1).within(1e-4)


def test_outputs_of_other_names_and_batches_that_fail_are_refused(trained, pixels):
    images = pixels(trained, 12)
    with pytest.raises(ValueError, match=r"^export: the file must give outputs of the shapes"):
        difference(lambda part: {"features": torch.zeros(len(part), 2)}, trained, images)

    def fails(part):
        raise RuntimeError("batch of 1\nand more")

    with pytest.raises(ValueError, match=r"run on batches of any size; it does not: batch of 1$"):
        difference(fails, trained, images)


def test_what_is_checked_on_is_from_all_over_the_images(trained, clothes, tmp_path):
    sample = sample_of(trained, None, {})
    assert sample.pixels.shape == (64, 3, 32, 32)
    assert len(sample.pixels.flatten(1).unique(dim=0)) == 64
    data = fuzzy_rgb("test", 32)  # the images of a class stand together
    rows = [(data.images == image).flatten(1).all(1).nonzero()[0, 0] for image in sample.pixels]
    assert data.labels[torch.stack(rows)].bincount(minlength=3).min() > 15
    assert sample.what == "64 test images of fuzzy-rgb"
    assert sample_of(trained, None, {"split": "train"}).what == "64 train images of fuzzy-rgb"
    red = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    few = sample_of(trained, red, {})
    assert (len(few.pixels), few.what) == (10, "2 images of images, repeated to 10")
    with pytest.raises(ValueError, match=r"^export: there must be images to check on; .* has 28 x 28"):
        sample_of(trained, clothes / "test/Bag", {})


def test_the_rule_for_other_sizes_that_is_asked_for_is_told_in_the_file(trained, tmp_path):
    for resize in ("crop", "stretch"):
        exported = sigma2r.export(trained, tmp_path / "m.pt2", "torch-export", resize=resize)
        extra = {"sigma2r.json": ""}
        torch.export.load(exported.path, extra_files=extra)
        assert json.loads(extra["sigma2r.json"])["input"]["resize"] == resize


def test_images_that_cannot_be_read_are_left_out_with_a_warning(made, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    trained = sigma2r.load(made, device="cpu")
    good = torch.zeros(3, 32, 32, dtype=torch.uint8)
    told = r"^export: 1 of 3 images to check on cannot be read, and are left out: \S*bad\.png must be a readable image"
    with pytest.warns(UserWarning, match=told):
        sample = sample_of(trained, [good, tmp_path / "bad.png", good + 9], {})
    assert sample.pixels.flatten(1).unique(dim=0).shape[0] == 2
    assert sample.what.startswith("2 images of ")


def test_where_the_images_of_the_run_want_what_is_not_installed_made_up_ones_are_used(trained, monkeypatch):
    def absent(*_, **__):
        raise ImportError("fuzzy-rgb needs more")

    monkeypatch.setattr(type(trained), "source", absent)
    assert sample_of(trained, None, {}).what.endswith("cannot be had (fuzzy-rgb needs more)")


def test_without_the_data_of_the_run_made_up_images_are_used_and_it_is_said(made, tmp_path, capsys):
    trained = sigma2r.load(made, device="cpu")
    for dataset in ("folder:nowhere", "mine.py:pets"):
        gone = dataclasses.replace(trained.record, run=dataclasses.replace(trained.record.run, dataset=dataset))
        sample = sample_of(dataclasses.replace(trained, record=gone), None, {})
        assert not sample.are_real
        assert sample.what.startswith("64 made-up images, as ")
        assert sample.pixels.float().std() > 70


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("m.pt", {"format": "torch-export"}, r"^export: a file of torch-export must end in \.pt2; got 'm\.pt'\."),
        (
            "m.pt2",
            {},
            r"^export: a file of onnx must end in \.onnx; got 'm\.pt2'\. Did you mean format='torch-export' \(",
        ),
        ("m.onnx", {"format": "onx"}, r"^export: format must be \"onnx\" or \"torch-export\"; .* Did you mean onnx\?"),
        ("m.onnx", {"tolerance": 0}, r"^export: tolerance must be positive"),
        ("m.onnx", {"splitt": "test"}, "Did you mean split"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(name, given, message, trained, tmp_path):
    with pytest.raises(ValueError, match=message):
        sigma2r.export(trained, tmp_path / name, **given)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["onnx", "torch-export"])
def test_only_its_own_file_is_replaced_unless_asked(kind, exported, worn, tmp_path):
    trained, file = exported("made", kind)
    other, out = sigma2r.load(worn, device="cpu"), tmp_path / file.path.name
    for content in (b"something else", file.path.read_bytes()):
        out.write_bytes(content)
        with pytest.raises(ValueError, match=r"must be an earlier export of this run, or not be there"):
            sigma2r.export(other, out, kind)
        assert out.read_bytes() == content
    assert sigma2r.export(trained, out, kind).path == out
    out.write_bytes(b"something else")
    assert sigma2r.export(trained, out, kind, overwrite=True).path == out


def test_nothing_is_written_among_images_of_the_run_or_those_that_are_looked_at(worn, made, clothes, tmp_path):
    trained = sigma2r.load(worn, device="cpu")
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="results must lie apart from the images"):
        sigma2r.export(sigma2r.load(made, device="cpu"), tmp_path / "m.pt2", "torch-export", images=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    with pytest.raises(ValueError, match="results must lie apart from the images"):
        sigma2r.export(trained, clothes / "m.pt2", "torch-export")


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime", "onnxscript"])
def test_what_onnx_needs_is_named(missing, trained, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=rf'^export to ONNX needs more \(.*{missing}.*\): pip install "sigma2r\[onnx'):
        sigma2r.export(trained, tmp_path / "m.onnx")


def test_a_run_in_64_bits_keeps_them_in_torch_and_is_said_to_lose_them_in_onnx(tmp_path):
    run = Run(loss="cross-entropy", feature_dim=2, epochs=1, images_per_class=60, batch_size=60, precision="64-true")
    train(run, tmp_path / "run", QUIET)
    wide = sigma2r.load(tmp_path / "run", device="cpu")
    kept = sigma2r.export(wide, tmp_path / "m.pt2", "torch-export")
    assert max(kept.difference.share.values()) < 1e-12
    assert list(kept.difference.share) == ["features", "logits", "probabilities"]  # a loss without centers
    narrow = sigma2r.export(wide, tmp_path / "m.onnx")
    assert 1e-12 < max(narrow.difference.share.values()) < 1e-4
    assert "32 bits, the run in 64" in str(narrow)
    assert "32 bits" not in str(kept)


def test_mixed_precision_is_checked_in_full_and_told_in_its_own(trained):
    half = dataclasses.replace(trained.record, run=dataclasses.replace(trained.record.run, precision="bf16-mixed"))
    mixed = dataclasses.replace(trained, record=half)
    assert in_full_precision(mixed).record.run.precision == "32-true"
    assert in_full_precision(trained) is trained


def test_of_a_run_in_mixed_precision_both_differences_are_told(trained, tmp_path):
    half = dataclasses.replace(trained.record, run=dataclasses.replace(trained.record.run, precision="bf16-mixed"))
    file = sigma2r.export(dataclasses.replace(trained, record=half), tmp_path / "m.pt2", "torch-export")
    assert max(file.difference.share.values()) < 1e-5 < 1e-4 < max(file.trained_in.share.values())
    assert "from predict in mixed precision it differs by" in str(file)


def test_distances_to_very_many_centers_are_those_to_each(monkeypatch, generator):
    monkeypatch.setattr(rejecting, "_AT_ONCE", 12)
    x, centers = torch.randn(5, 4, generator=generator), torch.randn(8, 4, generator=generator) + 3
    expected = distances_to(centers, x, normalize=False)
    torch.testing.assert_close(rejecting.distances(x, centers), expected)


def test_a_copy_is_exported_and_the_run_stays_as_it_is(trained, tmp_path):
    before = {name: value.clone() for name, value in trained.model.state_dict().items()}
    formats = [value.is_contiguous(memory_format=torch.channels_last) for value in before.values() if value.ndim == 4]
    sigma2r.export(trained, tmp_path / "m.pt2", "torch-export")
    after = trained.model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    kept = [value.is_contiguous(memory_format=torch.channels_last) for value in after.values() if value.ndim == 4]
    assert formats == kept


def test_thresholds_of_a_rejector_are_told(generator):
    labels = torch.arange(400) % 2
    features = 9.0 * labels.unsqueeze(1) + torch.randn(400, 2, generator=generator)
    fitted = sigma2r.Rejector.fit(
        features[200:], labels[200:], score="center-distance", reference=(features[:200], labels[:200]),
        thresholds="per-class", least_per_class=150, class_names=["cat", "dog"],
    )  # fmt: skip
    told = json.loads(about.as_json(about.rejection(fitted)))
    assert told["score"] == "center-distance"
    assert told["class_names"] == ["cat", "dog"]
    assert told["threshold"] == pytest.approx(float(fitted.threshold))
    assert told["class_thresholds"] == [None, None]  # too few images of each
    assert told["says"] == fitted.describe()


def test_what_is_no_text_of_ours_says_nothing():
    assert [about.from_json(text) for text in (None, b"", "[1]", "{", b'{"run_id": "a"}')] == [
        {},
        {},
        {},
        {},
        {"run_id": "a"},
    ]


def test_the_reason_is_the_first_in_one_line():
    wrapped = RuntimeError("advice\nadvice")
    wrapped.__cause__ = ValueError("no \x1b such thing.\nmore")
    assert graph.reason(wrapped) == "no \\x1b such thing"
    assert len(graph.reason(ValueError("x" * 1000))) == 203
    assert graph.reason(ValueError()) == "ValueError"


def test_the_verb_writes_into_the_run_and_tells(made, tmp_path, capsys):
    code, said, err = call(capsys, "export", made, "--format", "torch-export")
    out = made / "model.pt2"
    assert (code, err) == (0, "")
    assert re.fullmatch(
        rf"Checked on 64 test images of fuzzy-rgb, .*\nFile: {re.escape(str(out))} \(torch-export, 0\.\d MB\)\n", said
    )
    assert call(capsys, "export", made, "--format", "torch-export")[0] == 0  # its own file
    out.write_bytes(b"mine")
    code, _, err = call(capsys, "export", made, "--format", "torch-export")
    assert code == 1
    assert err.count("\n") == 1
    assert "say overwrite=True (--overwrite true)" in err
    assert call(capsys, "export", made, "--format", "torch-export", "--overwrite", "yes")[0] == 0
    out.unlink()


def test_options_of_the_verb_reach_the_file(made, tmp_path, capsys, monkeypatch):
    out = tmp_path / "m.pt2"
    words = ("export", made, "--format", "torch-export", "--out", out, "--checkpoint", "best", "--resize", "crop",
             "--images", "fuzzy-rgb", "--split", "train", "--tolerance", "0.001")  # fmt: skip
    assert call(capsys, *words)[0] == 0
    held = {"sigma2r.json": ""}
    torch.export.load(out, extra_files=held)
    told = json.loads(held["sigma2r.json"])
    assert told["input"]["resize"] == "crop"
    assert told["epoch"] == sigma2r.load(made, "best").epoch
    monkeypatch.setattr(checking, "sample_of", None)
    code, _, err = call(capsys, "export", made, "--format", "onx")
    assert (code, err.count("\n")) == (2, 1)
    code, _, err = call(capsys, "export", tmp_path / "nowhere")
    assert (code, err) == (
        1,
        f"sigma2r: load: {tmp_path / 'nowhere'} must be the folder of a run; there is no such folder.\n",
    )


@pytest.mark.message
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("nowhere", 1, "load: nowhere must be the folder of a run; there is no such folder."),
        ("empty", 1, "load: empty must be the folder of a run; it holds no record.json."),
        ("RUN --format onx", 2, '--format: must be "onnx" or "torch-export"; got \'onx\'. Did you mean onnx?'),
        ("RUN --out m.pt2", 1, "export: a file of onnx must end in .onnx; got 'm.pt2'. Did you mean format='torch-ex"),
        ("RUN --out m.txt", 1, "export: a file of onnx must end in .onnx; got 'm.txt'."),
        ("RUN --out mine.onnx", 1, "export: mine.onnx must be an earlier export of this run, or not be there;"),
        ("RUN --out empty.onnx", 1, "files: empty.onnx must be a file; it is a folder."),
        ("RUN --out mine.onnx/m.onnx", 1, "files: mine.onnx must be a folder; it is a file."),
        ("RUN --out m.onnx --images gone.png", 1, "images: gone.png must be a file, a folder or a data set; nothing"),
        ("RUN --out m.onnx --images bad.png", 1, "export: there must be images to check on; bad.png must be a read"),
        ("RUN --out m.onnx --images empty", 1, "images: empty must hold images; it holds none."),
        ("RUN --out m.onnx --device cuda", 2, "unrecognized arguments: --device cuda."),
        ("RUN --out m.onnx --tolerance 0", 2, "--tolerance: must be positive and finite; got '0'."),
        ("RUN --out m.onnx --overwrite maybe", 2, "--overwrite: must be true or false; got 'maybe'."),
        ("RUN --out m.onnx --checkpoint first", 1, "unknown checkpoint 'first'; known: last, best."),
        ("RUN --out m.onnx --resize zoom", 1, 'load: resize must be None, "crop", "stretch" or "refuse"; got'),
    ],
)
def test_a_wrong_call_of_the_verb_is_told_in_one_line(words, code, message, made, tmp_path, monkeypatch, capsys):
    for folder in ("empty", "empty.onnx"):
        (tmp_path / folder).mkdir()
    for file in ("mine.onnx", "bad.png"):
        (tmp_path / file).write_bytes(b"mine")
    before = sorted(tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    got, said, err = call(capsys, "export", *(made if word == "RUN" else word for word in words.split()))
    assert (got, said, err.count("\n")) == (code, "", 1)
    assert err.startswith(f"sigma2r: {message}")
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "mine.onnx").read_bytes() == b"mine"


def test_that_no_real_image_was_at_hand_is_said(made, tmp_path, capsys, monkeypatch):
    made_up = checking.Sample(
        torch.randint(0, 256, (64, 3, 32, 32)).to(torch.uint8), "64 made-up images", are_real=False
    )
    monkeypatch.setattr(exporting, "sample_of", lambda *_: made_up)
    code, said, err = call(capsys, "export", made, "--format", "torch-export", "--out", tmp_path / "m.pt2")
    assert code == 0
    assert said.startswith("Checked on 64 made-up images, in batches")
    assert err == "sigma2r: no image was at hand to check on: --images checks on some of yours.\n"
