"""Features and predictions as files: whole or not there, row by row, apart from images, read by others."""

import csv
import json
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

import sigma2r
from sigma2r.evaluation import CenterDistance, Rejector
from sigma2r.trained import Trained
from sigma2r.trained.embeddings import write_npz
from sigma2r.trained.tally import Tally
from sigma2r.trained.writing import EMBEDDINGS, PREDICTIONS, refuse_out, write, writer_for
from tests.studies.test_folder import PowerCut


@pytest.fixture(scope="module")
def on_clothes(worn) -> Trained:
    return sigma2r.load(worn, device="cpu")


@pytest.fixture
def mixed(clothes, tmp_path) -> Path:
    """Images with and without a known label, and one that cannot be read."""
    folder = tmp_path / "mixed"
    for place in ("Dress/0.png", "Bag/0.png", "Coat/1.png"):
        (folder / place).parent.mkdir(parents=True)
        (folder / place).write_bytes((clothes / "test" / place).read_bytes())
    (folder / "hats").mkdir()
    (folder / "hats/1.png").write_bytes((clothes / "test/Bag/3.png").read_bytes())
    (folder / "Bag/1.png").write_bytes(b"no image")
    return folder


ORDER = ["Bag/0.png", "Bag/1.png", "Coat/1.png", "Dress/0.png", "hats/1.png"]


def written(trained: Trained, images, out: Path, writers, batch_size: int = 2) -> Tally:
    tally, source = Tally(), trained.source(images)
    parts = tally.of(trained.stream(source, batch_size=batch_size))
    write(out, writer_for("test", out, writers), parts, trained, source)
    return tally


def test_npz_holds_paths_labels_and_features_and_needs_no_pickle(on_clothes, mixed, tmp_path):
    tally = written(on_clothes, mixed, tmp_path / "deep/f.npz", EMBEDDINGS)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["f.npz"]
    with np.load(tmp_path / "deep/f.npz", allow_pickle=False) as held:
        kept = {name: held[name] for name in held}
    assert list(kept) == ["features", "targets", "paths", "labels", "problems", "class_names"]
    with pytest.warns(UserWarning, match="1 of 5"):
        expected = on_clothes.predict(mixed, batch_size=2)
    assert kept["features"].dtype == np.float32
    assert_close(torch.from_numpy(kept["features"]), expected.features, rtol=0, atol=0, equal_nan=True)
    assert kept["paths"].tolist() == [str(mixed / place) for place in ORDER]
    assert kept["labels"].tolist() == ["Bag", "Bag", "Coat", "Dress", ""]
    assert kept["class_names"].tolist() == list(on_clothes.class_names)
    assert kept["targets"].tolist() == [*(on_clothes.class_names.index(n) for n in ("Bag", "Bag", "Coat", "Dress")), -1]
    assert [bool(text) for text in kept["problems"]] == [False, True, False, False, False]
    assert np.isnan(kept["features"][1]).all()
    assert (tally.images, tally.unread, tally.judged) == (5, 1, 3)
    assert tally.right == sum(a == b for a, b in zip(expected.classes, expected.given, strict=True) if a and b)
    assert tally.problems == [kept["problems"][1]]


def test_images_without_labels_have_none_in_npz(on_clothes, tmp_path):
    source = on_clothes.source(torch.zeros(3, 1, 28, 28))
    write(tmp_path / "f.npz", write_npz, on_clothes.stream(source), on_clothes, source)
    with np.load(tmp_path / "f.npz") as held:
        assert held["labels"].tolist() == held["problems"].tolist() == [""] * 3
        assert held["targets"].tolist() == [-1] * 3
        assert held["paths"].tolist() == ["images[0]", "images[1]", "images[2]"]


def test_parquet_holds_the_same(on_clothes, mixed, tmp_path, monkeypatch):
    from pyarrow import parquet

    monkeypatch.setattr("sigma2r.trained.embeddings._GROUP_BYTES", 3 * 84 * 4)  # a group of two batches, and the rest
    written(on_clothes, mixed, tmp_path / "f.parquet", EMBEDDINGS)
    table = parquet.read_table(tmp_path / "f.parquet")
    assert table.column_names == ["path", "label", "features", "problem"]
    assert parquet.ParquetFile(tmp_path / "f.parquet").num_row_groups == 2
    rows = table.to_pylist()
    with pytest.warns(UserWarning, match="1 of 5"):
        features = on_clothes.embed(mixed, batch_size=2)
    assert_close(torch.tensor([row["features"] for row in rows]), features, rtol=0, atol=0, equal_nan=True)
    assert [row["path"] for row in rows] == [str(mixed / place) for place in ORDER]
    assert [row["label"] for row in rows] == ["Bag", "Bag", "Coat", "Dress", None]
    assert [row["problem"] is None for row in rows] == [True, False, True, True, True]
    about = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    assert json.loads(about["class_names"]) == list(on_clothes.class_names)
    assert (about["run_id"], about["epoch"]) == (on_clothes.record.run_id, "8")


def test_csv_holds_class_probability_and_distance(on_clothes, mixed, tmp_path):
    written(on_clothes, mixed, tmp_path / "p.csv", PREDICTIONS)
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "label", "class", "probability", "distance", "problem"]
    with pytest.warns(UserWarning, match="1 of 5"):
        expected = on_clothes.predict(mixed, batch_size=2)
    for row, line in enumerate(rows):
        assert line["path"] == str(mixed / ORDER[row])
        assert line["label"] == (expected.given[row] or "")
        if row in expected.problems:
            assert line["problem"] == expected.problems[row]
            assert line["class"] == line["probability"] == line["distance"] == ""
            continue
        assert line["problem"] == ""
        assert line["class"] == expected.classes[row]
        assert float(line["probability"]) == pytest.approx(float(expected.probability[row]), rel=1e-6)
        assert float(line["distance"]) == pytest.approx(float(expected.distance[row]), rel=1e-6)


def test_columns_are_those_that_there_are(made, worn, clothes, tmp_path):
    trained = sigma2r.load(made, device="cpu")
    written(trained, torch.zeros(2, 3, 32, 32), tmp_path / "p.csv", PREDICTIONS)
    assert (tmp_path / "p.csv").read_text().splitlines()[0] == "path,class,probability,distance,problem"
    trained = sigma2r.load(worn, device="cpu")
    features, labels = trained.embed(sorted(clothes.rglob("*.png"))), torch.arange(420) % 10
    trained.rejector = Rejector.fit(
        features, labels, score=CenterDistance(trained.centers), false_rejects=0.5, class_names=trained.class_names
    )
    written(trained, clothes / "test/Dress", tmp_path / "p.csv", PREDICTIONS)
    heads, *rows = (line.split(",") for line in (tmp_path / "p.csv").read_text().splitlines())
    assert heads == ["path", "class", "probability", "distance", "accepted", "problem"]
    accepted = trained.predict(clothes / "test/Dress").accepted.tolist()
    assert [row[4] for row in rows] == ["yes" if yes else "none of these" for yes in accepted]
    assert 0 < sum(accepted) < 12


def test_bytes_of_a_path_that_are_no_utf_8_are_spelled_out_and_all_else_stays(on_clothes, clothes, tmp_path):
    from pyarrow import parquet

    folder = tmp_path / "odd"
    folder.mkdir()
    name = b"caf\xe9,\n\xff\xc3\xa4.png".decode(errors="surrogateescape")
    spelled = f"{folder}/caf\\udce9,\n\\udcff\xe4.png"
    (folder / name).write_bytes((clothes / "test/Bag/0.png").read_bytes())
    written(on_clothes, folder, tmp_path / "p.csv", PREDICTIONS)
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        assert next(csv.DictReader(file))["path"] == spelled
    written(on_clothes, folder, tmp_path / "f.parquet", EMBEDDINGS)
    assert parquet.read_table(tmp_path / "f.parquet")["path"].to_pylist() == [spelled]
    written(on_clothes, folder, tmp_path / "f.npz", EMBEDDINGS)
    with np.load(tmp_path / "f.npz") as held:
        assert held["paths"].tolist() == [spelled]


@pytest.mark.parametrize("ending", ["npz", "parquet", "csv"])
def test_a_file_that_was_not_finished_is_not_there_and_an_older_one_stays(on_clothes, mixed, tmp_path, ending):
    out = tmp_path / f"out/f.{ending}"
    out.parent.mkdir()
    out.write_text("older")

    def broken():
        yield from on_clothes.stream(mixed, batch_size=2)
        raise PowerCut

    with pytest.raises(PowerCut):
        write(out, {**EMBEDDINGS, **PREDICTIONS}[out.suffix], broken(), on_clothes, on_clothes.source(mixed))
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    assert out.read_text() == "older"


@pytest.mark.message
def test_a_file_of_another_ending_or_place_is_refused(on_clothes, mixed, clothes, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"^embed: --out must end in .npz or .parquet; got 'f.csv'\.$"):
        writer_for("embed", Path("f.csv"), EMBEDDINGS)
    with pytest.raises(ValueError, match=r"^predict: --out must end in .csv; got 'images'\.$"):
        writer_for("predict", Path("images"), PREDICTIONS)
    assert writer_for("embed", Path("F.NPZ"), EMBEDDINGS) is write_npz
    source = on_clothes.source(mixed)
    for within in (mixed / "p.csv", mixed / "Bag/p.csv", mixed / "new/p.csv"):
        with pytest.raises(ValueError, match=rf"^{mixed}: results must lie apart from the images; .* another --out\.$"):
            refuse_out(within, on_clothes, source, None)
    for within in (clothes / "p.csv", clothes / "train/p.csv"):
        with pytest.raises(ValueError, match=rf"^folder:{clothes}: results must lie apart from the images"):
            refuse_out(within, on_clothes, source, None)
    for beside in (tmp_path / "p.csv", tmp_path / "new/p.csv"):
        refuse_out(beside, on_clothes, source, None)
    (tmp_path / "p.csv").mkdir()
    with pytest.raises(ValueError, match="must be a file; it is a folder"):
        refuse_out(tmp_path / "p.csv", on_clothes, source, None)
    files = on_clothes.source(sorted(mixed.glob("*/*.png")))
    refuse_out(mixed / "p.csv", on_clothes, files, None)  # nothing was listed there: a shell named the files


@pytest.mark.message
def test_without_pyarrow_it_is_said_before_anything_is_computed(on_clothes, mixed, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        ImportError, match=r"^a file of features in .parquet needs more \(.*pyarrow.*\): pip install \"sigma2r\[par"
    ):
        writer_for("embed", Path("f.parquet"), EMBEDDINGS)
    source = on_clothes.source(mixed)
    with pytest.raises(ImportError, match=r"needs more \(.*pyarrow"):
        write(tmp_path / "f.parquet", EMBEDDINGS[".parquet"], on_clothes.stream(source), on_clothes, source)


def test_memory_is_that_of_a_few_batches_however_many_images_there_are(on_clothes, tmp_path):
    """Of Python's objects: 8,000 images would be 2.7 MB of features, and 25 MB as floats of the network's input."""
    source = on_clothes.source(np.zeros((8_000, 28, 28), np.uint8))
    tracemalloc.start()
    try:
        write(tmp_path / "f.npz", write_npz, on_clothes.stream(source, batch_size=100), on_clothes, source)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 2e6
    with np.load(tmp_path / "f.npz") as held:
        assert held["features"].shape == (8_000, 84)


def test_images_are_read_as_they_are_asked_for(on_clothes, clothes, monkeypatch):
    opened = []
    source = on_clothes.source(clothes / "test")
    read = type(source).read
    monkeypatch.setattr(
        type(source), "read", lambda self, rows, frame: (opened.append(rows), read(self, rows, frame))[1]
    )
    stream = on_clothes.stream(source, batch_size=20)
    next(stream)
    assert len(opened) <= 2
    stream.close()


def test_what_is_kept_of_an_image_in_memory_is_not_changed(on_clothes):
    pixels = torch.arange(784, dtype=torch.float32).view(1, 1, 28, 28) / 784
    before = pixels.clone()
    on_clothes.embed(pixels)
    assert torch.equal(pixels, before)
    image = Image.new("L", (28, 28), 3)
    on_clothes.embed(image)
    assert image.getpixel((0, 0)) == 3
