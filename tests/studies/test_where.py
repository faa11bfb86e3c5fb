"""Where runs happen: devices by their names, and threads that are given back."""

import pytest
import torch

from sigma2r.studies.where import Where, device_name, find_device, using_threads


@pytest.mark.parametrize("name", ["gpu", "cpu:1", "cuda:x", "meta", "xpu"])
def test_a_name_that_is_no_device_is_refused(name):
    with pytest.raises(ValueError, match="device must be auto, cpu, cuda, cuda:N or mps"):
        find_device(name)


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"device cuda:99 is not there: \d+ CUDA devices are visible"):
        find_device("cuda:99")
    assert find_device("cpu") == torch.device("cpu")
    assert find_device("auto").type in ("cpu", "cuda", "mps")
    assert device_name(torch.device("cpu"))


@pytest.mark.parametrize("name", ["workers", "diagnose"])
@pytest.mark.parametrize("value", [-1, 1.5, True, "2", None])
def test_a_number_that_makes_no_sense_is_refused(name, value):
    with pytest.raises(ValueError, match=f"Where: {name} must be a whole number of at least 0"):
        Where(**{name: value})


def test_threads_are_given_back_also_after_an_error():
    before = torch.get_num_threads()

    def breaks() -> None:
        with using_threads(before + 1):
            assert torch.get_num_threads() == before + 1
            raise KeyError

    with pytest.raises(KeyError):
        breaks()
    assert torch.get_num_threads() == before
