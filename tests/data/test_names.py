"""Which names are of the system or of a program, and never count; a class that is missed by that is named."""

import re
from pathlib import Path

import pytest
import torch

from sigma2r.data.names import SYSTEM_NAMES, is_hidden
from tests.data.test_datasets import write_images
from tests.data.test_tree import colour, loaded, warned

SYSTEM = [
    ".ipynb_checkpoints", "@eaDir", ".Trash-1000", "thumbs", "__MACOSX", ".git", ".@__thumb", "$RECYCLE.BIN",
    "#recycle", "lost+found", "Thumbnails", "System Volume Information", ".AppleDouble", "__pycache__",
]  # fmt: skip


@pytest.mark.parametrize("name", SYSTEM)
@pytest.mark.parametrize("place", ["train/cat", "train", "train/cat/young"])
def test_folders_of_the_system_never_count_at_any_depth(tmp_path, name, place):
    root = write_images(tmp_path)
    colour(root / "train/cat/young/9.png", (1, 2, 3))
    plain = loaded(root)
    folder = root / place / name
    colour(folder / "0.png", "white", "L")  # comes first by name, in another mode: it must not be looked at either
    (folder / "1.png").write_bytes(b"no image")
    colour(folder / "deeper/0.png", "white", "L")
    beside = "beside the classes, " if place == "train" else ""
    reason = rf"{beside}hidden or of the system: 1 \({re.escape(name)}\)\."
    with pytest.warns(UserWarning, match=rf"in .*train: 1 name was passed over - {reason}"):
        data = loaded(root)
    assert data.class_names == ("cat", "dog")
    assert torch.equal(data.images, plain.images)


@pytest.mark.parametrize("name", ["._0.png", ".0.png", ".DS_Store", "Thumbs.db", "desktop.ini"])
def test_files_of_the_system_never_count(tmp_path, name):
    root = write_images(tmp_path)
    for place in ("cat", "dog", "."):
        (root / "train" / place / name).write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    with pytest.warns(UserWarning, match=r"3 names were passed over - hidden or of the system: 3 \(") as told:
        assert len(loaded(root)) == 6
    assert len(told) == 1


LEFT_BEHIND = [
    "RECYCLER", "RECYCLED", "$Recycle.Bin", "System Volume Information", "found.000", "FOUND.017", "$Extend", "$MFT",
    "$WinREAgent", "$Windows.~BT", "MSOCache", "Config.Msi", "LOST.DIR", "~tmp", "~$x.png", "~$", "~WRL0001.tmp",
    "~snapshot", "_vti_cnf", "ehthumbs.db",
    "@SynoResource", "@SynoEAStream", "x.png@SynoEAStream", "@synologydrive", "@sharebin", "@eaDir", "@appstore",
    "@__thumb", "_thumbs", "__thumbnails", "@GMT-2024.01.31-12.00.00", "Network Recycle Bin", "network recycle bin 2",
    "resource.frk", "TheVolumeSettingsFolder", "Network Trash Folder", "Temporary Items", "Icon\r", "Icon\uf00d",
    ":2eDS_Store", "Desktop DB", ".x\ny", "lost+found",
]  # fmt: skip


@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_what_systems_leave_behind_is_hidden_in_any_case(name):
    assert is_hidden(name)
    assert name == "RECYCLED" or (is_hidden(name.lower()) and is_hidden(name.upper()))


def test_the_documents_list_every_name_of_the_system():
    told = Path(__file__).parents[2].joinpath("docs/your-own-images.md").read_text(encoding="utf-8").lower()
    assert [name for name in SYSTEM_NAMES if f"`{name}`" not in told and not name.startswith("icon")] == []


def test_names_that_only_look_hidden_count():
    for name in (
        "cat", "thumb up", "thumb", "x.png", "eaDir", "MACOSX", "_", "@home", "@", "$", "~", "$5", "$$", "~5", "@nasa",
        "#", "#1", "recycled", "trash", "temp", "tmp", "lost", "found", "found.0", "found.0001", "icon", "resource",
        "_cat", "__", "snapshot", "x$recycle.bin", "Recovery", ":", ":2", "a.b", "syno", "~ ",
    ):  # fmt: skip
        assert not is_hidden(name), name


def test_every_folder_that_might_have_been_a_class_is_named(tmp_path):
    root = write_images(tmp_path)
    for name in ("$USD", "$EUR", ".cat", "~tmp", "RECYCLER"):
        colour(root / "train" / name / "0.png", "red")
    for name in (".a", ".b", ".c", ".d"):
        (root / "train" / name).write_text("")
    (told,) = warned(lambda: loaded(root))
    assert "9 names were passed over - " in told
    assert "beside the classes, hidden or of the system: 5 ($EUR, $USD, .cat, RECYCLER, ~tmp)" in told
    assert "; hidden or of the system: 4 (.a, .b, .c)" in told


def test_every_link_that_might_have_been_a_class_is_named(tmp_path):
    root = write_images(tmp_path)
    for name in ("bird", "cow", "eel", "fox"):
        (root / "train" / name).symlink_to(tmp_path / "gone" / name)
    (root / "train/cat/9.png").symlink_to(tmp_path / "gone.png")
    (told,) = warned(lambda: loaded(root))
    assert "beside the classes, links that lead nowhere, pipes or devices: 4 (bird, cow, eel, fox)" in told
    assert "; links that lead nowhere, pipes or devices: 1 (9.png)" in told


@pytest.mark.parametrize("name", [".cache", "@eaDir", "$Extend"])
def test_a_link_counts_by_its_own_name_wherever_it_leads(tmp_path, name):
    root = write_images(tmp_path)
    plain = loaded(root).images
    (root / name).mkdir()
    (root / "train/cat").rename(root / name / "cat")
    (root / "train/cat").symlink_to(root / name / "cat")
    (root / "train/dog/1.png").rename(root / name / ".1")
    (root / "train/dog/1.png").symlink_to(root / name / ".1")
    assert torch.equal(loaded(root).images, plain)
    (root / "train" / name).symlink_to(root / "test/cat")
    with pytest.warns(UserWarning, match=rf"beside the classes, hidden .*: 1 .{re.escape(name)}"):
        assert torch.equal(loaded(root).images, plain)
