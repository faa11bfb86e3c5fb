"""What was exported, run by programs that have nothing but the file."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from sigma2r.data.fashion_mnist import fashion_mnist

ROOT = Path(__file__).parents[2]
OUTPUTS = ("features", "logits", "probabilities", "distances")


def by_hand(trained, images):
    """The outputs in float64 NumPy, from the network's own module in float64: softmax and distances written out."""
    run, model = trained.record.run, trained.model
    mean, std = (each.double().numpy() for each in (trained.preprocess.mean, trained.preprocess.std))
    seen = torch.from_numpy((images.double().numpy() - mean) / std)
    model.double()
    with torch.no_grad():
        features, logits = (each.numpy() for each in model(seen))
    model.float()
    raised = np.exp(logits - logits.max(1, keepdims=True))
    x = features
    if "normalize" in run.loss_options:
        x = features / np.sqrt((features**2).sum(1, keepdims=True))
    centers = trained.centers.double().numpy()
    distances = np.array([[np.sqrt(((row - center) ** 2).sum()) for center in centers] for row in x])
    return {
        "features": features, "logits": logits, "probabilities": raised / raised.sum(1, keepdims=True),
        "distances": distances,
    }  # fmt: skip


def close(got, wanted):
    assert got.shape == wanted.shape
    assert np.abs(np.asarray(got, np.float64) - wanted).max() <= 2e-5 * np.abs(wanted).max()


@pytest.mark.parametrize("name", ["made", "worn", "deep"])  # colours, gray, a deep network on the unit sphere
def test_onnxruntime_computes_what_the_equations_say_for_batches_of_any_size(name, exported, pixels):
    trained, file = exported(name, "onnx")
    session = onnxruntime.InferenceSession(str(file.path))
    assert [output.name for output in session.get_outputs()] == list(OUTPUTS)
    assert [(i.name, i.type, i.shape) for i in session.get_inputs()] == [
        ("images", "tensor(uint8)", ["batch", *trained.frame.image_shape])
    ]
    assert {output.shape[0] for output in session.get_outputs()} == {"batch"}
    for count in (1, 7, 12):
        images = pixels(trained, count)
        wanted = by_hand(trained, images)
        assert len(np.unique(wanted["features"], axis=0)) == count
        for output, got in zip(OUTPUTS, session.run(None, {"images": images.numpy()}), strict=True):
            close(got, wanted[output])


@pytest.mark.parametrize("name", ["made", "deep"])
def test_torch_alone_computes_it_too(name, exported, pixels):
    trained, file = exported(name, "torch-export")
    run = torch.export.load(file.path).module()
    for count in (1, 7):
        images = pixels(trained, count)
        wanted = by_hand(trained, images)
        got = run(images)
        assert list(got) == list(OUTPUTS)
        for output in OUTPUTS:
            close(got[output].numpy(), wanted[output])


def test_real_images_get_their_class_from_a_process_that_has_onnxruntime_alone(exported, tmp_path):
    trained, file = exported("worn", "onnx")
    data = fashion_mnist("test")
    np.savez(tmp_path / "images.npz", images=data.images[:400].numpy())
    script = (
        "import json, sys, numpy, onnxruntime\n"
        "session = onnxruntime.InferenceSession(sys.argv[1])\n"
        "about = json.loads(session.get_modelmeta().custom_metadata_map['sigma2r'])\n"
        "images = numpy.load(sys.argv[2])['images']\n"
        "logits = session.run(['logits'], {'images': images})[0]\n"
        "print(json.dumps([about['class_names'][row] for row in logits.argmax(1)]))\n"
        "assert not {'torch', 'sigma2r', 'onnx'} & set(sys.modules)\n"
    )
    call = [sys.executable, "-c", script, str(file.path), str(tmp_path / "images.npz")]
    said = subprocess.run(call, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    names = json.loads(said)
    assert names == trained.predict(data.images[:400]).classes
    given = [data.class_names[label].replace("/", " or ") for label in data.labels[:400].tolist()]
    assert sum(name == own for name, own in zip(names, given, strict=True)) > 80  # twice what chance gives


def told_in(file):
    if file.format == "onnx":
        properties = {entry.key: entry.value for entry in onnx.load(str(file.path)).metadata_props}
        return json.loads(properties["sigma2r"])
    held = {"sigma2r.json": ""}
    torch.export.load(file.path, extra_files=held)
    return json.loads(held["sigma2r.json"])


@pytest.mark.parametrize("kind", ["onnx", "torch-export"])
def test_a_file_says_what_it_takes_and_gives(kind, exported):
    trained, file = exported("made", kind)
    told = told_in(file)
    assert (told["class_names"], told["added"]) == (["red", "green", "blue"], [])
    assert told["class"] == "that of the largest logit"
    assert (told["run_id"], told["epoch"]) == (trained.record.run_id, 2)
    assert told["input"] == {
        "name": "images", "dtype": "uint8", "shape": ["batch", 3, 32, 32], "channels": "RGB", "resize": None,
        "pixel_range": None,
    }  # fmt: skip
    assert told["outputs"] == {"features": ["batch", 2], **{name: ["batch", 3] for name in OUTPUTS[1:]}}
    assert told["distances"] == "Euclidean, from features to the center of each class"
    assert told["rejection"] is None


def test_distances_of_a_loss_that_normalises_are_said_to_be_so(exported):
    assert "of unit length" in told_in(exported("deep", "torch-export")[1])["distances"]


@pytest.mark.parametrize("kind", ["onnx", "torch-export"])
def test_a_file_names_no_path_of_this_machine(kind, exported):
    trained, file = exported("made", kind)
    content = file.path.read_bytes()
    assert b"batch" in content
    for place in (str(ROOT), sys.prefix, "site-packages", str(Path.home())):
        assert place.encode() not in content
    assert trained.record.run.dataset.encode() not in content


def test_one_file_holds_all(exported):
    _, file = exported("deep", "onnx")
    assert [path.name for path in file.path.parent.iterdir()] == ["m.onnx"]
