"""Where runs happen: devices by their names, and threads that are given back."""

from dataclasses import replace

import pytest
import torch

from sigma2r.studies.comparison import AS_DESCRIBED, comparison_study
from sigma2r.studies.reproduce import reproduce
from sigma2r.studies.train import train
from sigma2r.studies.where import Where, device_name, find_device, using_threads


@pytest.mark.parametrize("name", ["gpu", "cpu:0", "cpu:1", "cuda:x", "meta", "xpu", "mps:0", ""])
def test_a_name_that_is_no_device_is_refused(name):
    with pytest.raises(ValueError, match="device must be auto, cpu, cuda, cuda:N or mps"):
        find_device(name)
    with pytest.raises(ValueError, match="device must be auto, cpu, cuda, cuda:N or mps"):
        Where(device=name)


@pytest.mark.parametrize("name", ["auto", "cpu", "cuda", "cuda:3", "mps"])
def test_a_device_may_be_named_where_it_is_not(name):
    assert Where(device=name).device == name


def test_a_record_does_not_hide_a_device_that_is_not_there(tiny_run, tmp_path):
    quiet = Where(device="cpu", progress=False)
    run = replace(tiny_run, epochs=1)
    study = comparison_study(run, [run.loss], 1)
    (run,) = study.runs(AS_DESCRIBED, {})
    record = train(run, tmp_path / "run", quiet)
    record.write(tmp_path / "studies" / study.name / f"{record.run_id}.json")
    assert reproduce(study, AS_DESCRIBED, tmp_path / "studies", where=quiet) == [record]
    absent = replace(quiet, device="cuda:99")
    with pytest.raises(ValueError, match="train: device cuda:99 is not there"):
        train(run, tmp_path / "run", absent)
    with pytest.raises(ValueError, match="train: device cuda:99 is not there"):
        reproduce(study, AS_DESCRIBED, tmp_path / "studies", where=absent)
    elsewhere = reproduce(study, AS_DESCRIBED, tmp_path / "studies", where=absent, launcher=lambda tasks: iter(()))
    assert elsewhere == [record]
    assert train(run, tmp_path / "run", quiet) == record


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
