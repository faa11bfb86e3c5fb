"""What a user names is found: files, folders, data sets; what is passed over is told, what is missing is refused."""

import os
import warnings
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch
from PIL import Image

from sigma2r.data import load_images, tree
from sigma2r.trained.finding import find_source, is_data_set
from sigma2r.trained.frame import Frame
from sigma2r.trained.sources import Files, Pixels, Several, Source

CLASSES = ("cat", "dog")


def find(images, split=None, class_names=CLASSES, **options) -> Source:
    return find_source(images, class_names=class_names, channels=3, image_size=8, split=split, **options)


def draw(*paths: Path) -> None:
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, number, number)).save(path)


def below(source: Source, root: Path) -> list[str]:
    return [str(Path(name).relative_to(root)) for name in source.names]


def test_a_folder_is_read_at_any_depth_in_the_order_of_its_paths(tmp_path):
    draw(*(tmp_path / place for place in ("b/2.png", "b/10.png", "a/x/1.png", "c.png", "a.png", "b.d/1.png")))
    (tmp_path / "b/notes.txt").write_text("x")
    (tmp_path / ".hidden").mkdir()
    draw(tmp_path / ".hidden/1.png")
    with pytest.warns(UserWarning, match="2 names were passed over") as told:
        source = find(tmp_path)
    assert len(told) == 1
    assert below(source, tmp_path) == ["a/x/1.png", "a.png", "b/10.png", "b/2.png", "b.d/1.png", "c.png"]
    assert source.labels is None
    assert isinstance(source, Files)


def test_links_are_followed_once_and_circles_are_passed_over(tmp_path):
    draw(tmp_path / "store/1.png", tmp_path / "photos/cat/2.png")
    (tmp_path / "photos/dog").symlink_to(tmp_path / "store")
    (tmp_path / "photos/more").symlink_to(tmp_path / "store")
    with pytest.warns(UserWarning, match="folders that are read already under another name"):
        source = find(tmp_path / "photos")
    assert below(source, tmp_path / "photos") == ["cat/2.png", "dog/1.png"]
    assert source.labels == ["cat", "dog"]
    (tmp_path / "photos/cat/up").symlink_to(tmp_path / "photos")
    with pytest.warns(UserWarning, match=r"2 names were passed over - .*links that lead in a circle: 1 \(cat/up\)\.$"):
        assert below(find(tmp_path / "photos"), tmp_path / "photos") == ["cat/2.png", "dog/1.png"]


def test_a_folder_below_that_cannot_be_read_is_passed_over_and_the_source_itself_refused(tmp_path, monkeypatch):
    draw(tmp_path / "photos/1.png", tmp_path / "photos/shut/2.png")
    entries = tree._entries

    def shut(folder: str) -> list:
        if Path(folder).name == "shut":
            raise tree._NotEnteredError("folders that cannot be read", f"folder: {folder} must be readable: denied.")
        return entries(folder)

    monkeypatch.setattr(tree, "_entries", shut)
    with pytest.warns(UserWarning, match=r"1 name was passed over - folders that cannot be read: 1 \(shut\)\.$"):
        assert below(find(tmp_path / "photos"), tmp_path / "photos") == ["1.png"]
    with pytest.raises(ValueError, match="shut must be readable"):
        find(tmp_path / "photos/shut")


def test_a_path_that_leads_to_no_image_is_one_row_with_its_reason_among_others(tmp_path):
    draw(tmp_path / "a.png", tmp_path / "b.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "dir.jpg").mkdir()
    draw(tmp_path / "set/train/cat/1.png", tmp_path / "set/test/cat/1.png")
    names = ("a.png", "link.png", "pipe.png", "dir.jpg", "gone.png", "set", "n" * 300, "b.png")
    paths = [tmp_path / name for name in names]
    source = find(paths)
    assert source.names == [str(path) for path in paths]
    read = source.read(range(len(paths)), Frame((3, 8, 8), None))
    assert read.pixels.shape[0] == 2
    told = (
        "link.png must be a readable image; it is a link that leads nowhere. Take it out.",
        "pipe.png must be a readable image; it is a pipe. Take it out.",
        "dir.jpg must hold images; it holds none. They end in .jpg",
        "gone.png must be a file, a folder or a data set; nothing lies there.",
        "set has the splits of a data set, train/ and test/.",
    )
    assert list(read.problems) == [1, 2, 3, 4, 5, 6]
    for row, begins in enumerate(told, start=1):
        assert read.problems[row].startswith(f"{tmp_path}/{begins}")
    assert "file name too long" in read.problems[6]
    several = find([*paths[:3], Image.new("RGB", (8, 8))]).read(range(4), Frame((3, 8, 8), None))
    assert several.problems == {row: read.problems[row] for row in (1, 2)}
    with pytest.raises(ValueError, match=r"dir\.jpg must hold images; it holds none"):
        find([tmp_path / "dir.jpg", tmp_path / "gone.png"])


def test_files_and_folders_stand_in_a_list_in_the_order_in_which_they_are_named(tmp_path):
    draw(tmp_path / "z.png", tmp_path / "photos/cat/1.png", tmp_path / "photos/2.png", tmp_path / "a.txt.png")
    source = find([tmp_path / "z.png", str(tmp_path / "photos"), tmp_path / "a.txt.png"])
    assert below(source, tmp_path) == ["z.png", "photos/2.png", "photos/cat/1.png", "a.txt.png"]
    assert source.labels == [None, None, "cat", None]
    odd = tmp_path / "picture.dat"
    (tmp_path / "z.png").rename(odd)
    assert find(odd).names == [str(odd)]  # the content decides of a file that is named itself


def test_a_column_an_array_and_an_iterator_of_paths_are_lists_of_them(tmp_path):
    draw(tmp_path / "1.png", tmp_path / "2.png")
    paths = [str(tmp_path / "1.png"), str(tmp_path / "2.png")]
    several = (
        np.array(paths), np.array([Path(path) for path in paths]), pandas.Series(paths, index=[7, 3]),
        pandas.Series(paths, dtype="string"), iter(paths), (Path(path) for path in paths), map(Image.open, paths),
    )  # fmt: skip
    for images in several:
        source = find(images)
        assert source.names == (paths if isinstance(source, Files) else ["images[0]", "images[1]"])
        assert len(source.read(range(2), Frame((3, 8, 8), None)).pixels) == 2
    assert find(np.array(paths[0])).names == paths[:1]
    odd = find(pandas.Series([*paths, None, b"x.png"], dtype=object)).read(range(4), Frame((3, 8, 8), None))
    assert list(odd.problems) == [2, 3]
    assert odd.problems[3] == "images[3] must be a path, an image of Pillow's, an array or a tensor; got b'x.png'."
    with pytest.raises(ValueError, match="there must be at least one; the list is empty"):
        find(tmp_path.glob("*.jpg"))
    with (tmp_path / "1.png").open("rb") as file, pytest.raises(ValueError, match="wanted are a path"):
        find(file)


def test_a_data_set_is_meant_by_its_name_and_a_folder_of_that_name_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "fuzzy-rgb/1.png")
    assert len(find("fuzzy-rgb")) == 1500
    assert len(find("./fuzzy-rgb")) == len(find(Path("fuzzy-rgb"))) == 1
    draw(Path("a:b/1.png"))
    assert is_data_set("a:c")
    assert len(find("a:b")) == 1  # it lies there: no module is looked for


def test_a_data_set_has_names_labels_and_the_size_of_the_run():
    source = find("fuzzy-rgb", class_names=("red", "green", "blue"))
    data = load_images("fuzzy-rgb", "test", image_size=8)
    assert isinstance(source, Pixels)
    assert torch.equal(source.images, data.images)
    assert source.names[7] == "fuzzy-rgb/test/7"
    assert source.labels == [data.class_names[label] for label in data.labels.tolist()]
    assert len(find("fuzzy-rgb", "train")) == 9000


def test_a_split_of_a_folder_is_what_training_would_have(tmp_path):
    root = tmp_path / "photos"
    draw(*(root / place for place in ("test/cat/1.png", "test/cat/2.png", "test/dog/3.png", "test/bird/4.png")))
    draw(*(root / "train" / place for place in ("cat/5.png", "dog/6.png", "bird/7.png")))
    (root / "test/cat/3.png").symlink_to(root / "test/cat/1.png")
    with pytest.warns(UserWarning, match="links to images that are there already"):
        source = find(f"folder:{root}")
    assert below(source, root / "test") == ["bird/4.png", "cat/1.png", "cat/2.png", "dog/3.png"]
    assert source.labels == ["bird", "cat", "cat", "dog"]
    (root / "test/cat/3.png").unlink()
    (root / "test").rename(root / "val")
    with pytest.warns(UserWarning, match="has no test/; val/ is taken for it"):
        assert len(find(f"folder:{root}")) == 4
    assert len(find(f"folder:{root}", "train")) == 3
    with pytest.raises(ValueError, match=r"images: .* must have images of val; it has none\.$"):
        find(f"folder:{root}", "val")
    (root / "train").rename(tmp_path / "away")
    with pytest.raises(ValueError, match="train/ is missing, it holds val/"):
        find(f"folder:{root}")
    assert find(root / "val", class_names=("cat", "dog", "bird")).labels == ["bird", "cat", "cat", "dog"]


def test_a_data_set_of_ones_own_is_found_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("pets.py").write_text(
        "import torch\nfrom pathlib import Path\nfrom sigma2r.data import FolderImages, ImageData\n"
        "def held(split):\n    return ImageData(torch.arange(2 * 192).view(2, 3, 8, 8).to(torch.uint8), "
        "torch.tensor([1, 0]), ('cat', 'dog'))\n"
        "def kept(split):\n    paths = [Path('1.png'), Path('2.png')]\n"
        "    return FolderImages(paths, torch.tensor([1, 0]), ('cat', 'dog'), (3, 8, 8), False)\n"
    )
    draw(Path("1.png"))
    Path("2.png").write_bytes(b"no image")
    source = find("pets.py:held")
    assert source.labels == ["dog", "cat"]
    assert source.read(range(2), Frame((3, 8, 8), None)).pixels.shape == (2, 3, 8, 8)
    source = find("pets.py:kept")
    assert source.names == ["1.png", "2.png"]
    read = source.read(range(2), Frame((3, 8, 8), None))
    assert read.pixels.shape == (1, 3, 8, 8)
    assert list(read.problems) == [1]
    assert source.on_disk


def test_images_in_memory_are_numbered():
    assert find(Image.new("RGB", (8, 8))).names == ("image",)
    assert find(np.zeros((2, 8, 8, 3), np.uint8)).names == ["images[0]", "images[1]"]
    several = find([Image.new("RGB", (8, 8)), np.zeros((8, 8, 3), np.uint8)])
    assert isinstance(several, Several)
    assert several.names == ["images[0]", "images[1]"]
    read = find([np.zeros((2, 8, 8, 3), np.uint8), torch.full((3, 8, 8), 2.0)]).read(range(2), Frame((3, 8, 8), None))
    assert read.problems == {
        0: "images[0] must be one image, as each in a list; it holds 2.",
        1: "images[1] must have values in [0, 1], 0 black and 1 white, if it is floating-point; some are NaN or lie "
        "outside.",
    }
    whole = find(torch.stack([torch.zeros(3, 8, 8), torch.full((3, 8, 8), 2.0)])).read([1, 0], Frame((3, 8, 8), None))
    assert list(whole.problems) == [0]
    assert whole.pixels.shape == (1, 3, 8, 8)


@pytest.mark.message
def test_what_is_not_there_or_no_image_is_told_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    draw(Path("data/train/cat/1.png"), Path("data/test/cat/1.png"))
    for images, message in (
        ("nowhere.jpg", r"^images: nowhere.jpg must be a file, a folder or a data set; nothing lies there\.$"),
        ("cifar1", r"nothing lies there. Did you mean cifar10 or cifar100\?$"),
        ("new/*.jpg", r"nothing lies there. A pattern that matches no file stays as it is typed\.$"),
        ([], r"^images: there must be at least one; the list is empty\.$"),
        (["fuzzy-rgb", "data/test"], r"^images: a data set stands alone; fuzzy-rgb stands in a list of 2\.$"),
        *(
            ((images, "train"), rf"^images: split must be left out, .*; got train with {told}, of which all")
            for images, told in (
                ("data/test", "data/test"),
                (["data/test", "empty"], "a list of 2 texts"),
                (np.zeros((8, 8, 3), np.uint8), r"a numpy.ndarray of shape \(8, 8, 3\) and uint8"),
            )
        ),
        (("data/test", "tset"), r"split must be train, test or val; got 'tset'"),
        (3, r"^images: wanted are a path, a folder, .* or a list of such; got 3\.$"),
        (b"x.png", r"got b'x.png'"),
        ("empty", r"^images: empty must hold images; it holds none. They end in .jpg"),
        ("data", r"^images: data has the splits of a data set, train/ and test/. Name the data set, folder:data, or"),
        ("folder:empty", r"train/ is missing"),
        ("folder:", r"unknown data set 'folder:'"),
    ):
        with pytest.raises(ValueError, match=message):
            find(*images) if isinstance(images, tuple) else find(images)
    with pytest.raises(ValueError, match=r"split must be train, test or val; got 'tset'. Did you mean test\?"):
        find("fuzzy-rgb", "tset")
    assert len(find("data", class_names=("train", "test"))) == 2  # here they are classes
    with pytest.warns(UserWarning, match="data_dir is ignored"):
        find("fuzzy-rgb", data_dir=tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        find("data/test")


def test_a_split_without_images_is_refused(tmp_path):
    (tmp_path / "photos/test/cat").mkdir(parents=True)
    draw(tmp_path / "photos/train/cat/1.png")
    with pytest.raises(ValueError, match=r"each class must have images; .*test/cat has none"):
        find(f"folder:{tmp_path / 'photos'}")
