"""Pictures of the benchmarks."""

from __future__ import annotations

from pathlib import Path

from Testing.benchmarks.timing import Program

Curve = list[tuple[float, Program]]


def end_to_end(programs: list[Program], path: Path) -> None:
    """Draw a bar per program: where its time goes, and its peak memory."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 0.45 * len(programs) + 1), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    names = [one.name for one in programs][::-1]
    left.barh(names, [one.median for one in programs][::-1], color="#3b7dd8")
    right.barh(names, [max(one.peak_mib) for one in programs][::-1], color="#999999")
    for i, one in enumerate(programs[::-1]):
        left.text(one.median, i, f" {one.median:.2f}", va="center")
    left.set(xscale="log", xlabel="seconds, file to file (log)")
    left.margins(x=0.15)  # room for the figures beside the bars
    right.set(xlabel="peak MiB")
    figure.savefig(path, dpi=110)


def growth(curves: dict[str, Curve], path: Path) -> None:
    """Draw seconds and memory against what grows; organs are names, so only in the table."""
    from matplotlib.figure import Figure

    shown = {name: curve for name, curve in curves.items() if name != "organs"}
    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.subplots(2, len(shown), sharey="row", squeeze=False)
    for column, (name, curve) in enumerate(shown.items()):
        at = [value for value, _ in curve]
        top, bottom = axes[0][column], axes[1][column]
        top.plot(at, [one.median for _, one in curve], "o-", color="#3b7dd8")
        bottom.plot(at, [max(one.peak_mib) for _, one in curve], "o-", color="#999999")
        top.set_title(name)
        top.grid(alpha=0.3)
        bottom.grid(alpha=0.3)
    for row in axes:
        row[0].set_ylim(bottom=0)  # of the whole row, after all of it is drawn
    axes[0][0].set_ylabel("seconds")
    axes[1][0].set_ylabel("peak MiB")
    figure.savefig(path, dpi=110)
