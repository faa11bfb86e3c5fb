"""Runs on this machine: one after another in this process, or several at a time in processes of their own."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait

from sigma2r._call import asked_to_end
from sigma2r.losses._checks import check_count
from sigma2r.studies.launch.task import Finished, Started, Task, do, limit_threads
from sigma2r.studies.record import Record

_ATTEMPTS = 3
_PATIENCE = 10.0  # seconds that a worker may take to end


class LocalLauncher:
    """Trains ``jobs`` runs at a time.

    A process that dies (killed, out of memory) leaves its run to a new one, which goes on after the last finished
    epoch; when it has died three times over the same run, the study stops. If this process dies, so do those.

    Args:
        jobs: Runs at a time. Each uses the threads of its description, 1 unless it says more.

    Raises:
        ValueError: If ``jobs`` is below 1.
    """

    def __init__(self, jobs: int = 1) -> None:
        check_count("LocalLauncher", jobs=jobs)
        self.jobs = jobs

    def __call__(self, tasks: Sequence[Task]) -> Iterator[Started | Finished]:
        """Train tasks in order; see :class:`sigma2r.studies.launch.Launcher`."""
        if self.jobs > 1:
            yield from self._several(tasks)
            return
        for task in tasks:
            yield Started(task)
            yield Finished(task, do(task))

    def _several(self, tasks: Sequence[Task]) -> Iterator[Started | Finished]:
        waiting = list(tasks)
        deaths: Counter[str] = Counter()
        workers = [_Worker(max(task.run.threads for task in tasks)) for _ in range(min(self.jobs, len(tasks)))]
        try:
            while True:
                for worker in workers:
                    if worker.task is None and waiting:
                        worker.begin(waiting.pop(0))
                        yield Started(worker.task)  # type: ignore[arg-type]
                busy = {worker.connection: worker for worker in workers if worker.task is not None}
                if not busy:
                    return
                for connection in wait(list(busy)):
                    worker = busy[connection]  # type: ignore[index]
                    task, record = worker.end()
                    if record is not None:
                        yield Finished(task, record)
                        continue
                    deaths[task.run.run_id] += 1
                    if deaths[task.run.run_id] == _ATTEMPTS:
                        raise RuntimeError(
                            f"LocalLauncher: the process of a run must live until it ends; that of {task.folder} died "
                            f"{_ATTEMPTS} times, as when memory runs out. Try fewer jobs than {self.jobs}; the same "
                            "command goes on."
                        )
                    waiting.insert(0, task)
                    workers[workers.index(worker)] = _Worker(task.run.threads)
        finally:
            for worker in workers:
                worker.stop()


class _Worker:
    """A process that trains a task when told to, and dies with this one."""

    def __init__(self, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        lifeline, self._lifeline = context.Pipe(duplex=False)
        self._process = context.Process(target=_serve, args=(theirs, lifeline, threads), daemon=True)
        self._process.start()
        theirs.close()
        lifeline.close()
        self.task: Task | None = None

    def begin(self, task: Task) -> None:
        self.task = task
        with contextlib.suppress(OSError):  # it has died: end() will say so
            self.connection.send(task)

    def end(self) -> tuple[Task, Record | None]:
        """The task and its record; None if the process has died over it.

        Raises:
            Exception: What the task raised.
        """
        assert self.task is not None
        task, self.task = self.task, None
        try:
            result = self.connection.recv()
        except (EOFError, OSError):
            return task, None
        if isinstance(result, BaseException):
            raise result
        return task, result

    def stop(self) -> None:
        self._process.terminate()
        self._process.join(_PATIENCE)
        self._process.kill()  # files are whole whenever it dies
        self._process.join()
        self.connection.close()
        self._lifeline.close()


def _serve(tasks: Connection, lifeline: Connection, threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who tells us what to do decides when to stop
    limit_threads(threads)
    threading.Thread(target=_die_with, args=(lifeline,), daemon=True).start()
    while True:
        task = tasks.recv()
        try:
            result: Record | BaseException = do(task)
        except (Exception, SystemExit) as error:
            if asked_to_end(error):
                raise  # we are told to end, not the run
            result = _that_travels(error)
        tasks.send(result)


def _that_travels(error: BaseException) -> BaseException:
    """An error as another process can read it: of Python's or ours as it is, of a user's code in words."""
    ours = type(error).__module__.partition(".")[0] in ("builtins", "sigma2r")
    if ours and isinstance(error, Exception):
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")


def _die_with(lifeline: Connection) -> None:
    try:
        lifeline.recv()
    except (EOFError, OSError):
        os._exit(1)
