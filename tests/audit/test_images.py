"""The images of an audit: names, splits, labels and pixels of all splits, in one order."""

from pathlib import Path

import pytest
import torch

from sigma2r.audit.images import images_of_splits, joined
from sigma2r.data.folder import folder_images
from sigma2r.data.images import ImageData
from sigma2r.data.splits import Split


@pytest.fixture
def splits(generator):
    def data(count: int) -> ImageData:
        pixels = torch.randint(0, 256, (count, 1, 4, 4), generator=generator).to(torch.uint8)
        return ImageData(pixels, torch.arange(count) % 3, ("a", "b", "c"))

    train, test = data(9), data(6)
    return {"train": Split(train, torch.tensor([0, 2, 4, 8])), "test": Split(test, torch.arange(6)),
            "validation": Split(train, torch.tensor([1, 3]))}  # fmt: skip


def test_images_stand_split_after_split(splits):
    images = images_of_splits("mine", splits)
    assert list(images.splits) == ["train"] * 4 + ["test"] * 6 + ["validation"] * 2
    assert images.names[1] == "mine/train/2"
    assert images.names[10] == "mine/validation/1"
    assert images.labels.tolist() == [0, 2, 1, 2, 0, 1, 2, 0, 1, 2, 1, 0]
    assert images.of_split("validation").tolist() == [10, 11]
    whole = torch.cat([split.data.images[split.indices] for split in splits.values()])
    assert torch.cat(list(images.batches())).equal(whole)
    assert images.read([3, 4, 11]).equal(whole[[3, 4, 11]])
    assert images.read([7]).equal(whole[[7]])


def test_joined_images_are_read_from_their_own(splits):
    one, other = (
        images_of_splits("one", {"train": splits["train"]}),
        images_of_splits("other", {"test": splits["test"]}),
    )
    both = joined(one, other)
    assert both.names[4] == "other/test/0"
    assert both.read([1, 3, 4, 9]).equal(torch.cat([one.read([1, 3]), other.read([0, 5])]))
    assert both.read([2]).equal(one.read([2]))
    assert both.read([5]).equal(other.read([1]))
    assert both.labels.tolist() == [*one.labels.tolist(), *other.labels.tolist()]


def test_files_have_their_paths_and_are_read_where_they_lie(clothes: Path):
    data = folder_images(clothes, "test", in_memory_bytes=0)
    images = images_of_splits("folder", {"test": Split(data, torch.tensor([0, 30]))})
    assert images.names[1] == str(data.paths[30])
    assert images.read([1])[0].equal(data[30][0])
    assert images.label(1) == data.class_names[int(data.labels[30])]
