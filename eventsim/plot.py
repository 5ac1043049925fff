"""Pictures of a Result: spikes by class, rates over time, membranes.

    result.plot("picture.png")                     # everything that was recorded
    figure = eventsim.plot.plot_result(result)     # the same as a matplotlib Figure, to change or to show in a notebook
    raster_by_class(ax, result); rates(ax, result); membrane(ax, result, result.network["exc"][3])    # single panels

A class is a population, unless `classes` says otherwise: a dict of population name to `(labels, code)`, the names of the
classes and the index of each neuron's class (n,), as `networks.fly_brain.classes()` returns. Classes stand from top to
bottom in the order of populations and labels, in the same colour in every panel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .network import View
from .result import Result

# Distinguishable side by side and in print; neighbours differ in lightness too.
COLOURS = (
    "#2f6db5", "#d1495b", "#e0991b", "#1b8a7a", "#7d55a8", "#5f9e4a", "#c2632b",
    "#4c7fa6", "#a83a78", "#85842f", "#2aa1b8", "#6b7280", "#33415c",
)  # fmt: skip
INK, PALE, HAIR = "#2b2d33", "#7d818c", "#d8dae0"
DOTS = 100_000  # drawn at most; more only blacken the picture
TRACES = 5  # membranes drawn at most
RESOLUTION = 3000  # points of a trace, the instants of spikes apart
DIVERGED = 10.0  # where the trace of a model that spikes at infinity is cut off

Classes = dict[str, tuple[Any, Any]]


def plot_result(result: Result, path: Any = None, *, classes: Classes | None = None, title: str | None = None) -> Any:
    """Draw what a result holds: raster, rates, and the membranes of the first recorded neurons.

    Parameters
    ----------
    result : Result
    path : file to write, the suffix chooses the format (png, pdf, svg); None: write nothing
    classes : classes of the neurons, see the module
    title : line above the picture

    Returns
    -------
    matplotlib.figure.Figure, unknown to pyplot, so that nothing has to be closed

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If `classes` does not fit the populations.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("plotting needs matplotlib; install it with: pip install matplotlib") from None
    groups = _groups(result, classes)
    cells = [result.network[name][k] for name, ids in result.recorded().items() for k in ids][:TRACES]
    heights = ([min(8.0, 1.6 + 0.42 * len(groups)), 1.8] if groups else []) + [0.9] * len(cells)
    figure = Figure(figsize=(10.0, 0.9 + sum(heights) + 0.2 * len(heights)), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    if not heights or not result.duration:
        figure.text(0.5, 0.5, "nothing was recorded", ha="center", color=PALE)
    else:
        axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        axes[-1].set_xlim(result.t_start, result.t_stop)
        axes[-1].set_xlabel("time (ms)", color=INK)
        if groups:
            _raster(axes[0], groups)
            _rates(axes[1], groups, result)
        traces = axes[len(axes) - len(cells) :]
        for ax, cell in zip(traces, cells, strict=True):
            membrane(ax, result, cell)
            ax.sharey(traces[0])
        figure.align_ylabels(axes)
    if title:
        figure.suptitle(title, x=0.012, ha="left", fontsize=11, color=INK)
    if path is not None:
        figure.savefig(path)
    return figure


def raster_by_class(ax: Any, result: Result, classes: Classes | None = None) -> None:
    """Draw a mark for each spike, a band for each class whose height grows with the cube root of its size.

    A class with more spikes than its share of `DOTS` shows only every k-th neuron, so that each neuron drawn keeps its pattern.
    """
    _raster(ax, _groups(result, classes))


def rates(ax: Any, result: Result, classes: Classes | None = None, bin_ms: float | None = None) -> None:
    """Draw the mean rate of each class over time, in bins of `bin_ms` (default: 120 bins, fewer for few spikes)."""
    _rates(ax, _groups(result, classes), result, bin_ms)


def membrane(ax: Any, result: Result, cell: View) -> None:
    """Draw the membrane potential of one recorded neuron, in closed form, with a stroke upwards at each of its spikes."""
    name, index = cell.population.name, int(cell.ids[0])
    spikes = result.spikes(name)[0][result.spikes(name)[1] == index] if _recorded(result, name)[index] else np.empty(0)
    # At a spike the value is the one after it: a point just before makes the fall a vertical line.
    grid = np.linspace(result.t_start, result.t_stop, RESOLUTION)
    t = np.unique(np.concatenate([grid, spikes, np.nextafter(spikes, result.t_start)]))
    v = result.V(cell, t)[:, 0]
    if len(spikes) and "V_th" not in cell.population.model.parameters:
        v = np.clip(v, -DIVERGED, DIVERGED)
    colour = COLOURS[-1]
    ax.plot(t, v, color=colour, linewidth=0.8)
    if len(spikes):
        ax.vlines(spikes, v[np.searchsorted(t, spikes) - 1], v.max() + 0.8 * (np.ptp(v) or 1.0), color=colour, linewidth=0.8)
    ax.set_ylabel("V (mV)", color=INK, fontsize=9)
    ax.set_title(f"{name}[{index}]", loc="left", fontsize=9, color=PALE)
    _bare(ax, left=True)


@dataclass
class _Group:
    """The recorded neurons of one class and their spikes."""

    label: str
    colour: str
    n: int  # neurons
    time: np.ndarray  # (spikes,) ms
    row: np.ndarray  # (spikes,) index of the neuron within the class
    rate: float  # Hz per neuron


def _recorded(result: Result, name: str) -> np.ndarray:
    """Whose spikes of a population were recorded, bool (n,)."""
    population = result.network[name]
    return result._watched[population.first : population.first + population.n]


def _groups(result: Result, classes: Classes | None) -> list[_Group]:
    """The classes with recorded neurons, from top to bottom."""
    classes = classes or {}
    for name in classes:
        if name not in result.populations:
            raise ValueError(f"plot: classes names population {name!r}; this result has {', '.join(result.populations)}")
    groups: list[_Group] = []
    for population in result.network.populations:
        labels, code = classes.get(population.name, ((population.name,), np.zeros(population.n, int)))
        if np.shape(code) != (population.n,):
            raise ValueError(
                f"plot: classes[{population.name!r}] has codes of shape {np.shape(code)}; give one for each of the "
                f"{population.n} neurons"
            )
        recorded = _recorded(result, population.name)
        time, ids = result.spikes(population[recorded])
        for k, label in enumerate(labels):
            member = recorded & (np.asarray(code) == k)
            if member.any():
                mine, rank = member[ids], np.cumsum(member) - 1
                colour = COLOURS[len(groups) % len(COLOURS)]
                rate = result.rates(population.name)[member].mean()
                groups.append(_Group(label, colour, int(member.sum()), time[mine], rank[ids[mine]], rate))
    return groups


def _raster(ax: Any, groups: list[_Group]) -> None:
    height = np.cbrt([group.n for group in groups])
    height = np.maximum(height, height.sum() / (2.0 * len(groups)))  # room for the label
    height /= height.sum()
    panel = ax.get_window_extent().height * 72 / ax.figure.dpi  # points
    drawn = 0
    for group, h, top in zip(groups, height, np.cumsum(height) - height, strict=True):
        step = max(1, len(group.time) * len(groups) // DOTS)
        rows, chosen = -(-group.n // step), group.row % step == 0
        y = top + h * (0.04 + 0.92 * (group.row[chosen] // step + 0.5) / rows)
        drawn += len(y)
        room = 0.92 * h * panel / rows  # points per neuron
        if room > 1.8:
            marker = dict(marker="|", markersize=min(9.0, 0.75 * room), markeredgewidth=0.9)
        else:
            marker = dict(marker="o", markersize=1.2, markeredgewidth=0.0)
        ax.plot(group.time[chosen], y, linestyle="", color=group.colour, rasterized=True, **marker)
        where = dict(y=top + h / 2, transform=ax.get_yaxis_transform(), va="center", color=group.colour)
        ax.text(-0.01, s=group.label, ha="right", fontsize=9, **where)
        ax.text(1.01, s=f"{group.n:,} · {group.rate:.3g}", ha="left", fontsize=8, **where)
        if top:
            ax.axhline(top, color=HAIR, linewidth=0.6, zorder=0)
    ax.text(1.01, 1.0, "neurons · Hz", transform=ax.transAxes, ha="left", va="bottom", fontsize=8, color=PALE)
    spikes = sum(len(group.time) for group in groups)
    thinned = f", {drawn:,} drawn" if drawn < spikes else ""
    ax.set_title(f"{spikes:,} spikes{thinned}", loc="left", fontsize=9, color=PALE)
    ax.set_ylim(1.0, 0.0)
    ax.set_yticks([])
    _bare(ax)


def _rates(ax: Any, groups: list[_Group], result: Result, bin_ms: float | None = None) -> None:
    spikes = sum(len(group.time) for group in groups)
    bins = min(120, max(20, spikes // (20 * len(groups))))  # few spikes, few bins
    width = bin_ms or _nice(result.duration / bins)
    edges = result.t_start + width * np.arange(max(1, round(result.duration / width)) + 1)
    edges[-1] = result.t_stop  # the last bin may be a little shorter or longer
    for group in groups:
        rate = np.histogram(group.time, edges)[0] / (np.diff(edges) * 1e-3 * group.n)
        ax.stairs(rate, edges, color=group.colour, linewidth=1.1, baseline=None)
    ax.set_ylim(bottom=0.0)
    ax.set_ylabel("rate (Hz)", color=INK, fontsize=9)
    ax.set_title(f"spikes per second and neuron, bins of {width:g} ms", loc="left", fontsize=9, color=PALE)
    _bare(ax, left=True)


def _nice(width: float) -> float:
    """The smallest of 1, 2, 5, 10 times a power of ten that is not below `width`."""
    power = 10.0 ** np.floor(np.log10(width))
    return float(next(m * power for m in (1, 2, 5, 10) if m * power >= width * (1 - 1e-9)))


def _bare(ax: Any, left: bool = False) -> None:
    """Leave only the axes that carry numbers."""
    for side, spine in ax.spines.items():
        spine.set_visible(side == "bottom" or (left and side == "left"))
        spine.set_color("#b9bcc4")
    ax.tick_params(colors=PALE, labelsize=8)
