"""What this machine offers to a process: processor cores and memory. Imports no torch."""

import os
import platform
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")
_MEMORY_INFO = Path("/proc/meminfo")
# The groups of this process, and where the kernel (Linux) shows what they may use.
_OWN_GROUPS = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")
# Names of limit, use and file cache that can be dropped, in a group of version 2 and of version 1.
_VERSION_2 = ("memory.max", "memory.current", "inactive_file")
_VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def cores() -> int:
    """The processor cores that this process may use: fewer than the machine has if it is confined to some of them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return cores_of_machine()


def cores_of_machine() -> int:
    """The processor cores of the machine, for a record of it: this process may be confined to fewer."""
    return os.cpu_count() or 1


def memory() -> int:
    """Bytes of memory that this process can have at most: of the machine, or the limit of a container or batch job."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([whole, *(limit for limit, _ in _confined())])


def free_memory() -> int:
    """Bytes of memory that can still be had without swapping, with what the system gives back when it is asked."""
    free = memory()
    lines = _MEMORY_INFO.read_text().splitlines() if _MEMORY_INFO.exists() else []
    for line in lines:
        if line.startswith("MemAvailable:"):
            free = int(line.split()[1]) * 1024
    return max(0, min([free, *(limit - used for limit, used in _confined())]))


def processor() -> str:
    """The model name of the processor; its architecture, such as ``x86_64``, if the system does not tell the name."""
    lines = _CPU_INFO.read_text().splitlines() if _CPU_INFO.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


# -- inside -----------------------------------------------------------------------------------------------------------


def _confined() -> list[tuple[int, int]]:
    """Limit and use in bytes of each control group that bounds the memory of this process."""
    lines = _OWN_GROUPS.read_text().splitlines() if _OWN_GROUPS.exists() else []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = _GROUPS / "memory" if controllers else _GROUPS
        names = _VERSION_1 if controllers else _VERSION_2
        own = root / path.lstrip("/")
        for folder in [own, *own.parents]:
            if folder == root or root in folder.parents:
                found += _limit(folder, *names)
    return found


def _limit(folder: Path, most: str, used: str, droppable: str) -> list[tuple[int, int]]:
    """Limit and use of a group, as a list of one; an empty list if it has no limit."""
    files = [folder / most, folder / used, folder / "memory.stat"]
    if not all(file.exists() for file in files):
        return []
    limit, use, stat = (file.read_text() for file in files)
    if limit.strip() == "max":
        return []
    cache = next((int(line.split()[1]) for line in stat.splitlines() if line.split()[:1] == [droppable]), 0)
    return [(int(limit), int(use) - cache)]
