"""Runs on a Ray cluster, one task a run; the folders of runs lie on a file system that all machines share."""

from collections.abc import Iterator, Sequence
from typing import Any

from sigma2r.studies.launch.task import Finished, Started, Task, do, limit_threads
from sigma2r.studies.record import Record

_RETRIES = 3


class RayLauncher:
    """Trains each run as a Ray task that holds its threads and, if asked, GPUs.

    A task whose process or machine dies is done again elsewhere and goes on after its last finished epoch, up to
    three times.

    Args:
        address: Of a cluster; ``local`` starts one on this machine; default: the cluster that ``RAY_ADDRESS`` names
            or that runs here, otherwise a new one on this machine.
        gpus_per_run: Ray's ``num_gpus``; fractions share a GPU.

    Raises:
        ImportError: In one sentence, if ray is missing.
        ValueError: If ``gpus_per_run`` is negative.
    """

    def __init__(self, address: str | None = None, gpus_per_run: float = 0.0) -> None:
        if gpus_per_run < 0:
            raise ValueError(f"RayLauncher: gpus_per_run must be at least 0; got {gpus_per_run!r}.")
        try:
            import ray
        except ModuleNotFoundError as error:
            raise ImportError(f'the launcher ray needs more ({error}): pip install "sigma2r[ray]"') from error
        self._ray: Any = ray
        self.address = address
        self.gpus_per_run = gpus_per_run

    def __call__(self, tasks: Sequence[Task]) -> Iterator[Started | Finished]:
        """Train tasks; see :class:`sigma2r.studies.launch.Launcher`."""
        ray = self._ray
        mine = not ray.is_initialized()
        if mine:
            ray.init(address=self.address, log_to_driver=False, include_dashboard=False, logging_level="error")
        try:
            remote = ray.remote(max_retries=_RETRIES)(_do_with_threads)
            waiting = {
                remote.options(num_cpus=task.run.threads, num_gpus=self.gpus_per_run).remote(task): task
                for task in tasks
            }
            for task in tasks:
                yield Started(task)
            try:
                while waiting:
                    done, _ = ray.wait(list(waiting), num_returns=1)
                    yield Finished(waiting.pop(done[0]), self._record(done[0]))
            finally:
                for reference in waiting:
                    ray.cancel(reference, force=True)
        finally:
            if mine:
                ray.shutdown()

    def _record(self, reference: Any) -> Record:
        try:
            record: Record = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else RuntimeError(str(error)) from error
        except self._ray.exceptions.RayError as error:
            raise RuntimeError(f"RayLauncher: a run could not be done: {error}. The same command goes on.") from error
        return record


def _do_with_threads(task: Task) -> Record:
    limit_threads(task.run.threads)
    return do(task)
