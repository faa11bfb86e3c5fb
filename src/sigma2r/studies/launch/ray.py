"""Runs on a Ray cluster, one task a run; the folders of runs lie on a file system that all machines share."""

from collections.abc import Iterator, Sequence
from typing import Any

from sigma2r._extras import or_which_extra
from sigma2r._values import NotNegative, converted
from sigma2r.studies.launch.task import Finished, Started, Task, do, limit_threads
from sigma2r.studies.record import Record

_RETRIES = 3
_LOOK = 1.0  # seconds between two looks at what has begun


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
        gpus_per_run = converted("RayLauncher", "gpus_per_run", NotNegative, gpus_per_run)
        with or_which_extra("the launcher ray"):
            import ray
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
            register = ray.remote(num_cpus=0, max_restarts=-1)(_Register).remote()
            remote = ray.remote(max_retries=_RETRIES)(_do_with_threads)
            waiting = {
                remote.options(num_cpus=task.run.threads, num_gpus=self.gpus_per_run).remote(task, i, register): i
                for i, task in enumerate(tasks)
            }
            begun: set[int] = set()
            try:
                while waiting:
                    done, _ = ray.wait(list(waiting), num_returns=1, timeout=_LOOK)
                    finished = [waiting[reference] for reference in done]
                    fresh = dict.fromkeys(i for i in (*self._begun(register), *finished) if i not in begun)
                    begun |= fresh.keys()
                    yield from (Started(tasks[i]) for i in fresh)
                    for reference in done:
                        yield Finished(tasks[waiting.pop(reference)], self._record(reference))
            finally:
                for reference in waiting:
                    ray.cancel(reference, force=True)
        finally:
            if mine:
                ray.shutdown()

    def _begun(self, register: Any) -> list[int]:
        """Which tasks have begun since the last look; nothing if the register has died with its machine."""
        try:
            begun: list[int] = self._ray.get(register.take.remote())
        except self._ray.exceptions.RayError:
            return []
        return begun

    def _record(self, reference: Any) -> Record:
        try:
            record: Record = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else RuntimeError(str(error)) from error
        except self._ray.exceptions.RayError as error:
            raise RuntimeError(f"RayLauncher: a run could not be done: {error}. The same command goes on.") from error
        return record


class _Register:
    """An actor that tasks tell that they have begun: the cluster starts them when it has room."""

    def __init__(self) -> None:
        self._begun: list[int] = []

    def begin(self, number: int) -> None:
        self._begun.append(number)

    def take(self) -> list[int]:
        begun, self._begun = self._begun, []
        return begun


def _do_with_threads(task: Task, number: int, register: Any) -> Record:
    register.begin.remote(number)
    limit_threads(task.run.threads)
    return do(task)
