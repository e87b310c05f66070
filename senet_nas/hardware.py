"""What this machine offers to a process: processor cores and memory. Imports no torch."""

import os
import platform
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")


def cores() -> int:
    """The processor cores that this process may use: fewer than the machine has if it is confined to some of them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory() -> int:
    """Bytes of memory of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def processor() -> str:
    """The model name of the processor; its architecture, such as ``x86_64``, if the system does not tell the name."""
    lines = _CPU_INFO.read_text().splitlines() if _CPU_INFO.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
