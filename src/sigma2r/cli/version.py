"""What ``sigma2r --version`` tells: versions, extras that are there or not, and the device."""

import platform

import sigma2r
from sigma2r._extras import EXTRAS, installed, version_of
from sigma2r.studies.where import device_name, find_device


def environment() -> str:
    """One line each for the package, Python and the system, torch, the device, and each extra.

    Nothing of an extra is imported: versions are read from what was installed.
    """
    device = find_device("auto")
    core = ", ".join(f"{name} {version_of(name) or 'missing'}" for name in ("torch", "jaxtyping"))
    lines = [
        f"sigma2r {sigma2r.__version__}",
        f"python {platform.python_version()}, {platform.platform()}",
        core,
        f"device {device}: {device_name(device)}",
    ]
    return "\n".join([*lines, *map(_extra, EXTRAS)])


def _extra(name: str) -> str:
    packages = installed(name)
    there = ", ".join(f"{package} {version}" for package, version in packages.items() if version is not None)
    absent = ", ".join(package for package, version in packages.items() if version is None)
    if not absent:
        return f"extra {name}: {there}"
    return f"extra {name}: {there + '; ' if there else ''}not installed: {absent}"
