"""Threads and memory: the one place where both are decided (paper 1, section 2.3)."""

from __future__ import annotations

import math
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from FlareSegLib.base.errors import ResourceError

if TYPE_CHECKING:
    from FlareSegLib.base.geometry import Grid, ZyxMm

MOST_THREADS = 12
"""More do not pay (paper 1)."""
BASE_MIB = 300
"""Python, libraries, network and its workspace. Peaks that were measured stand in the tests."""
BYTES_PER_VOXEL = 6.0
"""Of the CT as read: the CT, its file in memory, labels, and a copy of them that is written."""
BYTES_PER_MODEL_VOXEL = 7.0
"""Of the resampled CT: float32, labels of logits, workspace."""
BYTES_PER_LOGIT = 4.0
"""Of all logits of the resampled CT: float16, and a slab or band of them as float32."""
USUAL_LOGITS = 14 / 8
"""Per voxel: 14 classes at half resolution."""
THREAD_MIB = 20
"""Workspace of one thread."""
LIMIT_SECONDS, LIMIT_SECONDS_PER_MVOXEL = 600.0, 10.0
"""Of a case that does not hang: for anything, and for a million voxels, as read and resampled."""
DEEPEST_SLAB = {"fast": 48, "balanced": 48, "accurate": 96}
"""Slices of a slab at a speed, where the plane is so wide that the overlap sets the depth."""
LARGER_BYTES = {"fast": 0.0, "balanced": 0.0, "accurate": 55.0}
"""More for each voxel of a slab: the network of `accurate` may have twice the channels."""
USUAL_SLAB_VOXELS = 4_500_000
"""Voxels of a slab that BASE_MIB holds."""
BYTES_PER_SLAB_VOXEL = 64.0
"""Of a larger slab."""
BYTES_PER_SLAB_LOGIT = 16.0
"""Of more classes: float32 as the network gives them, and what it holds beside them."""

WEIGHTS_COPIES = 2.8
"""Of a large network's weights: as read, and as the runtime packs them."""
BYTES_PER_WINDOW_VOXEL = 600.0
"""Of feature maps of an nnU-Net of 32 features that joins maps (models/unjoined.py: 480)."""


def large_network_mib(onnx_bytes: int, networks: int, window_voxels: int) -> float:
    """Return the memory that networks of nnU-Net's size take, loaded and at work on a window.

    Args:
        onnx_bytes: Of the file of each.
        networks: Folds; they work one after the other, but all are loaded.
        window_voxels: Voxels of a window.
    """
    loaded = WEIGHTS_COPIES * onnx_bytes * networks
    return (loaded + BYTES_PER_WINDOW_VOXEL * window_voxels) / 2**20


def physical_cores() -> int:
    """Return the cores this process may use, hyper-threads counted once where that can be told."""
    usable = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    try:
        import psutil
    except ImportError:
        return usable
    return max(1, min(usable, psutil.cpu_count(logical=False) or usable))


def free_mib() -> float:
    """Return the memory that can be had without swapping, in MiB; infinity where unknown."""
    limits = [_psutil_mib(), _linux_mib(), _cgroup_mib()]
    return min(limits)


def _psutil_mib() -> float:
    try:
        import psutil
    except ImportError:
        return math.inf
    return float(psutil.virtual_memory().available) / 2**20


def _linux_mib() -> float:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return math.inf
    rows = dict(line.split(":", 1) for line in lines)
    return float(rows["MemAvailable"].split()[0]) / 1024 if "MemAvailable" in rows else math.inf


def _cgroup_mib() -> float:
    """Return what the container leaves, if there is one with a limit."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit = (folder / "memory.max").read_text(encoding="ascii").strip()
        used = (folder / "memory.current").read_text(encoding="ascii").strip()
        return (float(limit) - float(used)) / 2**20
    except (OSError, ValueError):
        return math.inf


def peak_mib() -> float:
    """Return the peak resident memory of this process, in MiB; 0 where it cannot be told."""
    with suppress(OSError, StopIteration, ValueError):  # getrusage counts the parent's peak too
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    try:
        import resource
    except ImportError:
        return _windows_peak_mib()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


def _windows_peak_mib() -> float:
    try:
        import psutil
    except ImportError:
        return 0.0
    return float(getattr(psutil.Process().memory_info(), "peak_wset", 0)) / 2**20


def needed_mib(
    grid: Grid,
    model_spacing_mm: ZyxMm,
    speed: str = "accurate",
    logits_per_voxel: float = USUAL_LOGITS,
    network_mib: float = 0.0,
) -> float:
    """Return the memory that a run on this grid takes beside that of its threads, in MiB.

    logits_per_voxel and network_mib are those of the model (ModelConfig): many classes take more,
    and so do large networks.
    At most: a body that does not fill the scan takes less. "accurate" takes the most.
    """
    voxels = math.prod(grid.shape)
    z, y, x = (mm / step for mm, step in zip(grid.extent_mm, model_spacing_mm, strict=True))
    deepest = min(z, DEEPEST_SLAB[speed]) * y * x
    more_slab = max(0.0, deepest - USUAL_SLAB_VOXELS)
    more_logits = max(0.0, logits_per_voxel - USUAL_LOGITS)
    slab_logits = min(z * y * x, USUAL_SLAB_VOXELS + more_slab) * more_logits
    per_model_voxel = BYTES_PER_MODEL_VOXEL + BYTES_PER_LOGIT * logits_per_voxel
    count = voxels * BYTES_PER_VOXEL + z * y * x * per_model_voxel
    slab = more_slab * BYTES_PER_SLAB_VOXEL + slab_logits * BYTES_PER_SLAB_LOGIT
    slab += deepest * LARGER_BYTES[speed]
    return BASE_MIB + (count + slab) / 2**20 + network_mib


def limit_seconds(grid: Grid, model_spacing_mm: ZyxMm) -> float:
    """Return how long a case on this grid may take before it counts as hung, at any speed.

    Hundreds of times what one core takes: a CT of 512 x 512 x 215 has over 20 minutes for 4 s.
    """
    z, y, x = (mm / step for mm, step in zip(grid.extent_mm, model_spacing_mm, strict=True))
    return LIMIT_SECONDS + LIMIT_SECONDS_PER_MVOXEL * (math.prod(grid.shape) + z * y * x) / 1e6


def threads_for(
    grid: Grid,
    model_spacing_mm: ZyxMm,
    wanted: int = 0,
    speed: str = "accurate",
    logits_per_voxel: float = USUAL_LOGITS,
    network_mib: float = 0.0,
) -> int:
    """Return how many threads to use: as many as cores, fewer where memory is short.

    Never more than wanted; 0 means no limit.

    Raises:
        ResourceError: Even one thread does not fit into the free memory.
    """
    free = free_mib()
    needed = needed_mib(grid, model_spacing_mm, speed, logits_per_voxel, network_mib)
    if needed + THREAD_MIB > free:
        of_network = f", {network_mib:.0f} MiB of it for the network" if network_mib else ""
        raise ResourceError(
            f"a scan of {grid.shape} voxels needs {needed + THREAD_MIB:.0f} MiB{of_network}, "
            f"{free:.0f} MiB are free: close other programs, or crop the scan to the abdomen"
        )
    fitting = MOST_THREADS if math.isinf(free) else int((free - needed) // THREAD_MIB)
    threads = min(physical_cores(), MOST_THREADS, max(1, fitting))
    return min(threads, wanted) if wanted else threads
