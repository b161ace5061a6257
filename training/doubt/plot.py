"""The plot of a calibration: what was said against what came."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def calibration(tenths: Sequence[tuple[float, float, int]], path: Path) -> None:
    """Write a PNG: mean DSC of organs against their mean confidence, a dot per tenth.

    Args:
        tenths: Mean confidence, mean DSC, and count of organs.
        path: File to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    said, came, counts = zip(*tenths, strict=True)
    sizes = [20 + 180 * (n / max(counts)) ** 0.5 for n in counts]
    axes.plot(said, came, color="#20808d", linewidth=1)
    axes.scatter(said, came, s=sizes, color="#20808d", zorder=3)
    for x, y, n in tenths:
        axes.annotate(str(n), (x, y), (6, -12), textcoords="offset points", fontsize=7, color="0.3")
    axes.set(
        xlim=(0, 1), ylim=(0, 1), xlabel="confidence (patients left out)",
        ylabel="mean DSC with the teacher's labels", title="Calibration of organs found",
        aspect="equal",
    )  # fmt: skip
    figure.savefig(path, dpi=110)
