"""Where the runs of a study are trained: one process after another, several at a time, or a Ray cluster."""

from sigma2r.studies.launch.local import LocalLauncher
from sigma2r.studies.launch.ray import RayLauncher
from sigma2r.studies.launch.task import Finished, Launcher, Started, Task

__all__ = ["Finished", "Launcher", "LocalLauncher", "RayLauncher", "Started", "Task"]
