"""Named points at which a program dies as by kill -9 (src/base/crash.h), for the tests that kill."""
import contextlib
import http.client
import os
import re
import subprocess

from stage import Failure, TOP


def points_in_source(names):
    """The points of src whose names match."""
    found = subprocess.run(["grep", "-rhoE", rf'CRASH_POINT\("({names})[a-z.]*"\)', os.path.join(TOP, "src")],
                           capture_output=True, text=True).stdout
    return set(re.findall(r'"([^"]+)"', found))


def folder_of(world, point):
    """Of the program that comes there: connector, the cloud side's key process, or the cloud side."""
    if point.startswith("connector"):
        return world.first.state_dir
    return os.path.join(world.folder, "cloud", "keyd" if point.startswith("keyd") else "")


def arm(world, point):
    with open(os.path.join(folder_of(world, point), "crash-at"), "w", encoding="utf-8") as f:
        f.write(point)
    os.chmod(f.name, 0o666)


def hit_by(world, point):
    """The processes that came there, in order."""
    with contextlib.suppress(FileNotFoundError):
        with open(os.path.join(folder_of(world, point), "crash-hit"), encoding="utf-8") as f:
            rows = [line.split() for line in f]
        return [int(pid) for name, pid in rows if name == point]
    return []


def hits(world, point):
    return len(hit_by(world, point))


def died(world, point, before):
    """Whether one more than `before` died there: who has only said so serves on for a moment, with its other threads."""
    pids = hit_by(world, point)
    return len(pids) > before and not lives(pids[-1])


def attempt(fn):
    """A call whose answer may be lost."""
    with contextlib.suppress(OSError, http.client.HTTPException, Failure):
        return fn()
    return None


def lives(pid):
    with contextlib.suppress(OSError, IndexError):
        with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    return False
