"""The plots of the documentation. Everyone can distinguish their colours, on white and on black."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import pyplot

from benchmarks.measure import BY_HAND, LIMIT, OTHER, OURS, PEER, PYDANTIC_AI, SSE_STARLETTE, Result
from benchmarks.report import number
from benchmarks.rows.capacity import P99

# The palette of Okabe and Ito.
COLOURS = {
    OURS: "#0072B2",
    PEER: "#D55E00",
    OTHER: "#CC79A7",
    SSE_STARLETTE: "#CC79A7",
    PYDANTIC_AI: "#56B4E9",
    BY_HAND: "#E69F00",
    LIMIT: "#009E73",
}
MARKERS = {OURS: "o", PEER: "s", SSE_STARLETTE: "v", PYDANTIC_AI: "P", BY_HAND: "^", LIMIT: "D"}
#: Read on white as well as on black.
_INK = "#777777"
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "assistant-stream-ce",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.frameon": False,
    "legend.labelcolor": _INK,
}

# Inches: a phone shows it at two thirds of its size.
_NARROW = 5.0

# Which figure of a row with several is used for the ratios.
_CHOSEN = {"latency": "median", "memory": "5,000", "state": "1,000"}


def draw(folder: Path, results: Sequence[Result]) -> None:
    """Draw all plots that the results suffice for."""
    matplotlib.use("svg")
    folder.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(_STYLE):
        plots = {"ratios": _ratios, "servers": _servers, "growth": _growth, "capacity": _capacity, "state": _state}
        for name, plot in plots.items():
            if name != "ratios" and not any(result.row.family == name for result in results):
                continue
            figure = plot(results)
            figure.savefig(folder / f"{name}.svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
            pyplot.close(figure)


def _plain(text: str) -> str:
    return text.replace("``", "")


def _ratios(results: Sequence[Result]) -> Any:
    """Draw what ours costs as a share of what the peer costs."""
    bars: list[tuple[str, float, float | None]] = []
    for result in results:
        figure = _CHOSEN.get(result.row.family, "")
        ratio = result.ratio(PEER, figure)
        if ratio is not None and result.row.family != "stalled":
            targets = [target.at_most for target in result.row.targets if target.against == PEER]
            name = _plain(result.row.title) + (f": {figure}" if figure else "")
            bars.append((name, ratio, targets[0] if targets else None))
    figure, axes = pyplot.subplots(figsize=(_NARROW, 0.42 * len(bars) + 1))
    places = range(len(bars))
    ratios = [ratio for _, ratio, _ in bars]
    axes.barh(places, ratios, 0.4, color=[COLOURS[OURS] if ratio <= 1 else COLOURS[PEER] for ratio in ratios])
    _name_groups(axes, [name for name, _, _ in bars], 0.24)
    for place, (_, ratio, target) in zip(places, bars, strict=True):
        axes.annotate(number(ratio), (1.01, place), xycoords=("axes fraction", "data"), va="center")
        if target is not None:
            axes.plot([target, target], [place - 0.2, place + 0.25], color=_INK, linewidth=2)
    axes.axvline(1, color=_INK, linewidth=1, linestyle="--")
    axes.set_xlabel(f"cost as a share of {PEER}'s\n(dashed: equal; grey strokes: targets)")
    axes.set_xlim(0, max([*ratios, 1.0]) * 1.1)
    return figure


def _name_groups(axes: Any, names: Sequence[str], above: float) -> None:
    """Write a name over each bar or group of bars, in place of labels that take half of a narrow screen."""
    for place, name in enumerate(names):
        axes.annotate(
            name,
            (0, place - above),
            (3, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="bottom",
        )
    axes.set_yticks([])
    axes.invert_yaxis()
    axes.margins(y=0.02)


def _servers(results: Sequence[Result]) -> Any:
    """Draw what each chunk costs through each server, as a multiple of ready bytes."""
    rows = [result for result in results if result.row.family == "servers"]
    subjects = (OURS, PEER, OTHER, BY_HAND)
    figure, axes = pyplot.subplots(figsize=(_NARROW, 0.95 * len(rows) + 1))
    height = 0.68 / len(subjects)
    for place, result in enumerate(rows):
        bars = [(subject, ratio) for subject in subjects if (ratio := result.ratio(LIMIT, "", subject=subject))]
        for index, (subject, ratio) in enumerate(bars):
            middle = place + (index - (len(subjects) - 1) / 2) * height
            label = subject if subject != OTHER else "sse-starlette, pydantic-ai"
            axes.barh(middle, ratio, height * 0.9, color=COLOURS[subject], label=label)
            axes.annotate(number(ratio), (ratio, middle), (3, 0), textcoords="offset points", va="center", fontsize=9)
    _name_groups(axes, [_plain(result.row.title) for result in rows], 0.36)
    axes.axvline(1, color=_INK, linewidth=1, linestyle="--")
    axes.set_xlabel("processor time for a chunk,\nas a multiple of sending ready bytes (dashed)")
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    axes.legend(handles.values(), handles.keys(), loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    return figure


def _capacity(results: Sequence[Result]) -> Any:
    """Draw how late the chunks come, over the number of answers; one panel below the other, for narrow screens."""
    rows = [result for result in results if result.row.family == "capacity"]
    figure, axes = pyplot.subplots(
        len(rows), 1, figsize=(_NARROW, 2.6 * len(rows) + 0.8), squeeze=False, layout="constrained"
    )
    for place, result in zip(axes.flat, rows, strict=True):
        sizes = sorted({int(figure.partition(":")[0].replace(",", "")) for figure in result.figures() if ":" in figure})
        for subject in result.values:
            delays = [result.median(subject, f"{size:,}: {P99}") for size in sizes]
            place.plot(sizes, delays, color=COLOURS[subject], marker=MARKERS[subject], markersize=5, label=subject)
        place.axhline(50, color=_INK, linewidth=1, linestyle="--")
        place.set_title(_plain(result.row.title))
        place.set_yscale("log")
        place.set_yticks((1, 10, 100, 1000), ("1", "10", "100", "1,000"))
        place.set_xticks(sizes, [f"{size:,}" for size in sizes])
        place.minorticks_off()
        place.grid(color=_INK, alpha=0.25, linewidth=0.5)
    figure.supxlabel("answers at once", fontsize=10, color=_INK)
    figure.supylabel("99 % of the chunks come within, ms", fontsize=10, color=_INK)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


def _lines(axes: Any, result: Result, title: str) -> None:
    for subject, figures in result.values.items():
        sizes = [int(figure.replace(",", "")) for figure in figures]
        medians = [result.median(subject, figure) for figure in figures]
        axes.plot(sizes, medians, color=COLOURS[subject], marker=MARKERS[subject], markersize=5, label=subject)
    axes.set_title(_plain(title))
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(color=_INK, alpha=0.25, linewidth=0.5)


def _panels(results: Sequence[Result], family: str, columns: int, x_label: str, y_label: str) -> tuple[Any, Any]:
    rows = [result for result in results if result.row.family == family]
    lines = -(-len(rows) // columns)
    figure, axes = pyplot.subplots(
        lines,
        columns,
        figsize=(_NARROW, 2.2 * lines + 0.8),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for place, result in zip(axes.flat, rows, strict=False):
        _lines(place, result, result.row.title)
    figure.supxlabel(x_label, fontsize=10, color=_INK)
    figure.supylabel(y_label, fontsize=10, color=_INK)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure, axes


def _growth(results: Sequence[Result]) -> Any:
    figure, axes = _panels(results, "growth", 1, "streams at once", "µs for each chunk")
    axes.flat[0].set_ylim(bottom=0)
    return figure


def _state(results: Sequence[Result]) -> Any:
    figure, axes = _panels(results, "state", 2, "edits", "µs for each edit")
    axes.flat[0].set_yscale("log")
    ticks = (0.3, 1, 3, 10, 30, 100)
    axes.flat[0].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    for place in axes.flat:
        place.minorticks_off()
    return figure
