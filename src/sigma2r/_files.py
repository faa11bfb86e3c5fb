"""Files that are whole or not there: no reader, no other writer and no power cut sees half of one."""

import os
import threading
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside its place and rename it into place, once its content is on the disk.

    Meanwhile it is called ``.NAME.PID.part``. PID is the number of the process, or of the thread where that is not the
    first of its process: the system gives no two of them one number, so that writers do not meet. What a killed writer
    leaves under such a name is not removed here: only who owns the folder can tell that nobody is writing it.

    Args:
        path: Its place; folders that are missing are made. A link there gives way to the file.
        content: All of it.

    Raises:
        OSError: If it cannot be written; an older file at ``path`` is then still whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    first = threading.current_thread() is threading.main_thread()
    part = path.with_name(f".{path.name}.{os.getpid() if first else threading.get_native_id()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
