"""Every Python process that has this folder on its path is killed at a chosen point, or traced.

``FAULT="<point> <pattern> <signal>"`` names it: the signal comes to the process group
``FAULT_GROUP`` and to the process itself when the first file whose place matches the pattern gets
to the point. Points: ``made`` (the temporary file is there, empty), ``half`` (half of it is
written), ``written`` (before it is synced), ``synced`` (before it is renamed), ``renamed``.

``TRACE=<file>`` gets a line when a file is begun and when it is in its place.
"""

import os
import re
import signal
import tempfile
from pathlib import Path

FAULT = os.environ.get("FAULT", "").split()
TRACE = os.environ.get("TRACE")
_PART = re.compile(r"\.(.*)\.[^.]+\.part")
_fsync, _replace, _mkstemp = os.fsync, os.replace, tempfile.mkstemp


def place(temporary):
    """Where a temporary file is to be."""
    temporary = Path(temporary)
    match = _PART.fullmatch(temporary.name)
    return str(temporary.with_name(match[1])) if match else ""


def reach(point, target):
    if FAULT and FAULT[0] == point and target and re.search(FAULT[1], target):
        number = getattr(signal, FAULT[2])
        os.killpg(int(os.environ["FAULT_GROUP"]), number)
        os.kill(os.getpid(), number)


def trace(word, target):
    if TRACE and target and "/status/" not in target:  # written whenever a second has passed
        handle = os.open(TRACE, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, f"{word} {target}\n".encode())
        os.close(handle)


def mkstemp(*args, **keys):
    handle, name = _mkstemp(*args, **keys)
    trace("begun", place(name))
    reach("made", place(name))
    return handle, name


def fsync(handle):
    name = os.readlink(f"/proc/self/fd/{handle}")
    if FAULT and FAULT[0] == "half" and re.search(FAULT[1], place(name) or " "):
        os.truncate(name, os.path.getsize(name) // 2)
        reach("half", place(name))
    reach("written", place(name))
    _fsync(handle)


def replace(source, target, **keys):
    reach("synced", place(source))
    _replace(source, target, **keys)
    trace("there", place(source))
    reach("renamed", place(source))


if FAULT or TRACE:
    os.fsync, os.replace, tempfile.mkstemp = fsync, replace, mkstemp
