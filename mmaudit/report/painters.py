"""One painter for each kind of table: what it shows, on one matplotlib figure, in no style of its own.

None draws the table's title: it is the title of the file, and the heading above the plot in the page.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mmaudit.gates.outcome import Verdict
from mmaudit.report.tables import Cell, Table, split_side
from mmaudit.report.words import interval, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["INK", "PAINTERS"]

# Every colour has a contrast of at least 3 to both white and the page's dark ground, so that one transparent
# file serves both. Blue against vermilion is told apart in every common colour blindness (Okabe & Ito 2008).
INK = "#7b7b7b"
_FIRST, _SECOND = "#2a86c8", "#d55e00"
_ALLOWED = "#2a86c8"
_MARKS: dict[str, tuple[str, str]] = {
    Verdict.ACCEPT.value: ("o", "#14926c"),
    Verdict.REJECT.value: ("X", "#d55e00"),
    Verdict.INCONCLUSIVE.value: ("D", "#b07d00"),
    Verdict.NOT_EVIDENCED.value: ("s", INK),
}
_EDGE = 3.0
"""Half-width of a forest plot's axis, in units of the allowed range; farther values end in an arrow."""


def _figure(width: float, height: float) -> "Figure":
    """Return an empty figure of so many inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _verdicts(table: Table) -> "Figure":
    """Draw one row a gate, each on its own axis: the limits lie at -1 and 1, the allowed side is shaded."""
    rows = table.rows
    figure = _figure(8.6, 0.9 + 0.3 * len(rows))
    axes = figure.add_subplot()
    for y, row in enumerate(rows):
        _, _, value, low, high, floor, ceiling, _, verdict = row
        to_axis = _scale([_float(end) for end in (low, high)], _optional(floor), _optional(ceiling))
        left = -_EDGE if floor is None else -1.0
        right = _EDGE if ceiling is None else 1.0
        axes.barh(y, right - left, left=left, height=0.66, color=_ALLOWED, alpha=0.16, linewidth=0)
        for edge, limit in ((left, floor), (right, ceiling)):
            if limit is not None:
                axes.plot([edge, edge], [y - 0.33, y + 0.33], color=_ALLOWED, linewidth=1.2)
        marker, colour = _MARKS[str(verdict)]
        ends = [to_axis(_float(end)) for end in (low, high)]
        shown = np.clip(ends, -_EDGE, _EDGE)
        axes.plot(shown, [y, y], color=colour, linewidth=2.2, solid_capstyle="butt")
        centre = to_axis(_float(value))
        if abs(centre) > _EDGE:
            marker = ">" if centre > 0 else "<"
        axes.plot(np.clip(centre, -_EDGE, _EDGE), y, marker=marker, color=colour, markersize=7, clip_on=False)
        _beside(axes, _EDGE, y, str(verdict), color=colour, weight="bold")
        _beside(axes, _EDGE, y, interval(_optional(value), _optional(low), _optional(high)), offset=108)
    axes.set_yticks(range(len(rows)), [f"{row[0]}  {row[-2]}" for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(-_EDGE, _EDGE)
    axes.set_xticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
    axes.set_title("shaded: allowed range of each gate (every row has its own axis)")
    return figure


def _beside(axes: "Axes", x: float, y: float, text: str, *, offset: float = 12, **style: Any) -> None:
    """Write ``text`` so many points to the right of (x, y), where the layout makes room for it."""
    axes.annotate(
        text, (x, y), (offset, 0), textcoords="offset points", va="center", annotation_clip=False, **style
    )


def _scale(ends: Sequence[float], floor: float | None, ceiling: float | None) -> Callable[[float], float]:
    """Return the map of one gate's unit to its axis: limits at -1 and 1.

    A range open on one side has no width of its own; there the farthest end of the interval is put two units
    from the limit.
    """
    if floor is not None and ceiling is not None:
        half, middle = (ceiling - floor) / 2 or 1.0, (ceiling + floor) / 2
        return lambda v: (v - middle) / half
    anchor, limit = (-1.0, floor) if floor is not None else (1.0, ceiling)
    edge = 0.0 if limit is None else limit
    unit = max(abs(end - edge) for end in ends) / 2 or 1.0
    return lambda v: anchor + (v - edge) / unit


def _controls(table: Table) -> "Figure":
    """Draw the least severity rejected as a dot a gate; the further left, the finer the gate."""
    figure = _figure(8.6, 1.0 + 0.42 * len(table.rows))
    axes = figure.add_subplot()
    for y, (_, damage, severity, _, harm) in enumerate(table.rows):
        x = _float(severity)
        axes.plot([0, x], [y, y], color=_FIRST, linewidth=1.4)
        axes.plot(x, y, marker="o", color=_FIRST, markersize=6, clip_on=False)
        axes.annotate(str(damage), (0, y), (4, 4), textcoords="offset points", va="bottom", fontsize=9)
        _beside(axes, 1.0, y, f"≥ {x:g}")
        if harm is not None:
            _beside(axes, 1.0, y, f"r@1 {-_float(harm):+.3f}".replace("-", "\N{MINUS SIGN}"), offset=68)
    axes.set_yticks(range(len(table.rows)), [str(row[0]) for row in table.rows])
    axes.set_ylim(len(table.rows) - 0.5, -0.8)
    axes.set_xlim(0, 1)
    axes.set_xlabel("least severity of the planted damage that the gate rejects (0 nothing, 1 everything)")
    axes.grid(axis="x", color=INK, alpha=0.25, linewidth=0.6)
    axes.tick_params(axis="y", length=0)
    return figure


def _heatmap(table: Table) -> "Figure":
    """Draw the similarities as an embedded image of one pixel a pair."""
    values = np.array([row[1:] for row in table.rows], dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    figure = _figure(5.4, 4.6)
    axes = figure.add_subplot()
    image = axes.imshow(
        values, cmap="viridis", interpolation="none", vmin=low, vmax=high if high > low else low + 1
    )
    bar = figure.colorbar(image, ax=axes, shrink=0.85, label="similarity")
    bar.outline.set_visible(False)
    axes.set_xlabel(f"{table.columns[0].rpartition(_BETWEEN)[2]} item")
    axes.set_ylabel(f"{table.columns[0].rpartition(_BETWEEN)[0]} item")
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    return figure


def _norms(table: Table) -> "Figure":
    """Draw the histogram of norms; equal norms as one bar at their value."""
    figure = _figure(5.4, 3.2)
    axes = figure.add_subplot()
    if len(table.rows) == 1:
        norm, _, items = map(_float, table.rows[0])
        axes.bar([number(norm)], [items], width=0.2, color=_FIRST)
        axes.set_xlim(-1, 1)
    else:
        left, right, items_by_bin = (np.array(c, dtype=np.float64) for c in zip(*table.rows, strict=True))
        axes.bar(left, items_by_bin, width=right - left, align="edge", color=_FIRST, alpha=0.85)
    axes.set_xlabel("L2 norm")
    axes.set_ylabel("items")
    return figure


def _spectra(table: Table) -> "Figure":
    """Draw both eigenvalue spectra, log-log."""
    figure = _figure(5.4, 3.8)
    axes = figure.add_subplot()
    for column, (marker, colour, dash) in enumerate(_SERIES, start=1):
        points = [(_float(row[0]), _float(row[column])) for row in table.rows if row[column] is not None]
        if points:
            label = table.columns[column]
            axes.plot(*zip(*points, strict=True), marker=marker, color=colour, linestyle=dash, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    # The default labels of a log axis are formulae.
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda v, _: f"{v:g}")
        axis.set_minor_formatter(lambda _, __: "")
    axes.set_xlabel("k, dimensions by variance")
    axes.set_ylabel("variance λ(k)")
    axes.grid(color=INK, alpha=0.2, linewidth=0.6)
    axes.legend()
    return figure


def _ranks(table: Table) -> "Figure":
    """Draw where the claimed pair stands among all candidates, both directions."""
    figure = _figure(5.4, 3.4)
    axes = figure.add_subplot()
    left, right, forward, backward = (np.array(c, dtype=np.float64) for c in zip(*table.rows, strict=True))
    edges = np.append(left, right[-1])
    axes.stairs(forward, edges, color=_FIRST, linewidth=2, label=table.columns[2])
    axes.stairs(backward, edges, color=_SECOND, linewidth=2, linestyle=(0, (4, 2)), label=table.columns[3])
    axes.set_xlim(0, 1)
    # Wrong pairs are a few spread evenly beside many at the left; a linear axis would hide them.
    axes.set_yscale("symlog", linthresh=1)
    axes.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("share of candidates closer than the claimed pair")
    axes.set_ylabel("queries")
    axes.legend()
    return figure


def _history(table: Table) -> "Figure":
    """Draw one small plot a quantity; the two modalities, or directions, of one quantity share it."""
    panels: dict[str, list[tuple[int, str]]] = {}
    for column, name in enumerate(table.columns[1:], start=1):
        base, side = split_side(name)
        panels.setdefault(base, []).append((column, side))
    across, down = _grid(len(panels))
    figure = _figure(_PANEL * across, 1.9 * down)
    epochs = [_float(row[0]) for row in table.rows]
    for position, (base, members) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(down, across, position)
        for i, (column, side) in enumerate(members):
            marker, colour, dash = _SERIES[i % len(_SERIES)]
            points = [
                (e, _float(row[column]))
                for e, row in zip(epochs, table.rows, strict=True)
                if row[column] is not None
            ]
            every = -(-len(points) // 10)
            style: dict[str, Any] = {"marker": marker, "color": colour, "linestyle": dash, "markevery": every}
            axes.plot(*zip(*points, strict=True), label=_SIDE_LABELS.get(side, side) or None, **style)
        axes.set_title(_TITLES.get(base, base.replace("_", " ")))
        axes.locator_params(nbins=4)
        if any(side for _, side in members):
            axes.legend()
        if position > len(panels) - across:
            axes.set_xlabel("epoch")
    return figure


def _grid(panels: int) -> tuple[int, int]:
    """Return how many small plots stand side by side and how many below one another."""
    across = min(5 if panels > 8 else 4 if panels > 6 else 3, max(1, panels))
    return across, -(-panels // across)


def _responses(table: Table) -> "Figure":
    """Draw one panel a gate: what it measures as its damage grows, where it may lie, and where it rejects."""
    panels: dict[str, list[tuple[Cell, ...]]] = {}
    for row in table.rows:
        if row[2] is not None:
            panels.setdefault(str(row[0]), []).append(row[1:])
    across, down = _grid(len(panels))
    figure = _figure(_PANEL * across, 1.75 * down + 0.5)
    for position, (name, rows) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(down, across, position)
        at, value, low, high = (np.array([_float(row[i]) for row in rows]) for i in range(4))
        axes.plot(at, value, color=INK, linewidth=1.0)
        for label, (marker, colour) in _DOSES.items():
            of = np.array([row[6] == "yes" for row in rows]) == (label == "rejected")
            arms = [(value - low)[of], (high - value)[of]]
            axes.errorbar(
                at[of], value[of], arms, fmt=marker, color=colour, markersize=5, elinewidth=1.8, label=label
            )
        bottom, top = axes.get_ylim()
        floor, ceiling = (_optional(rows[0][i]) for i in (4, 5))
        within = (bottom if floor is None else floor, top if ceiling is None else ceiling)
        axes.axhspan(*within, color=_ALLOWED, alpha=0.16, linewidth=0, label="allowed")
        axes.set_xlim(-0.06, 1.06)
        axes.set_ylim(min(bottom, within[0]), max(top, within[1]))
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.locator_params(axis="y", nbins=4)
        axes.set_title(name)
        if position > len(panels) - across:
            axes.set_xlabel("severity")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3)
    return figure


def _conditions(table: Table) -> "Figure":
    """Draw one panel a quantity, each on its own axis: every condition with its interval."""
    panels = dict.fromkeys(str(row[0]) for row in table.rows)
    names = list(dict.fromkeys(str(row[1]) for row in table.rows))
    figure = _figure(2.6 + 3.0 * len(panels), 1.1 + 0.27 * len(names))
    for position, panel in enumerate(panels, start=1):
        axes = figure.add_subplot(1, len(panels), position)
        rows = [row for row in table.rows if row[0] == panel]
        at = [names.index(str(row[1])) for row in rows]
        value, low, high = (np.array([_float(row[i]) for row in rows]) for i in (2, 3, 4))
        # One line for all: a figure of an element a row is three times as large.
        axes.errorbar(
            value, at, xerr=[value - low, high - value], fmt="o", color=_FIRST, markersize=5, elinewidth=2.2
        )
        axes.axvline(0, color=INK, linewidth=0.8)
        if position == 1:
            axes.set_yticks(range(len(names)), names)
        else:
            axes.set_yticks([])
        axes.locator_params(axis="x", nbins=3)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_title(panel)
        axes.grid(axis="x", color=INK, alpha=0.25, linewidth=0.6)
        axes.tick_params(axis="y", length=0)
    return figure


def _doses(table: Table) -> "Figure":
    """Draw one panel a dial: what is measured against how far it is turned, with intervals."""
    panels = list(dict.fromkeys(str(row[0]) for row in table.rows))
    across = min(2, len(panels))
    figure = _figure(4.3 * across, 3.2 * -(-len(panels) // across))
    for position, panel in enumerate(panels, start=1):
        axes = figure.add_subplot(-(-len(panels) // across), across, position)
        rows = [row for row in table.rows if row[0] == panel]
        for i, series in enumerate(dict.fromkeys(str(row[1]) for row in rows)):
            marker, colour, dash = _SERIES[i % len(_SERIES)]
            points = [tuple(map(_float, row[2:])) for row in rows if row[1] == series]
            at, value, low, high = (np.array(column) for column in zip(*points, strict=True))
            style: dict[str, Any] = {"marker": marker, "color": colour, "linestyle": dash}
            axes.errorbar(at, value, yerr=[value - low, high - value], label=series, **style)
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
        axes.locator_params(nbins=3)
        axes.set_xlabel(panel)
        axes.set_ylabel(table.columns[3])
        axes.grid(axis="y", color=INK, alpha=0.2, linewidth=0.6)
        if len({row[1] for row in rows}) > 1:
            axes.legend()
    return figure


def _region(table: Table) -> "Figure":
    """Draw worlds as marks of their verdict, over two dials, larger for more; rejected ones on top."""
    from matplotlib.ticker import MaxNLocator

    figure = _figure(5.4, 3.8)
    axes = figure.add_subplot()
    for axis, column in ((axes.xaxis, 0), (axes.yaxis, 1)):
        axis.set_label_text(table.columns[column])
        values = list(dict.fromkeys(row[column] for row in table.rows))
        if "any" in values:
            known = ["any", *sorted(_float(v) for v in values if v != "any")]
            axis.set_ticks(range(len(known)), [v if isinstance(v, str) else f"{v:g}" for v in known])
        elif all(_float(v).is_integer() for v in values):
            axis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    places = [_places([row[column] for row in table.rows]) for column in (0, 1)]
    for verdict in (Verdict.ACCEPT, Verdict.NOT_EVIDENCED, Verdict.INCONCLUSIVE, Verdict.REJECT):
        at = [i for i, row in enumerate(table.rows) if row[2] == verdict.value]
        if at:
            marker, colour = _MARKS[verdict.value]
            x, y = ([place[i] for i in at] for place in places)
            worlds = [_float(table.rows[i][3]) for i in at]
            style: dict[str, Any] = {"marker": marker, "color": colour, "alpha": 0.7, "clip_on": False}
            label = f"{verdict.value} ({sum(worlds):.0f})"
            axes.scatter(x, y, s=[20 + 12 * np.sqrt(n) for n in worlds], label=label, linewidths=0, **style)
    figure.legend(loc="outside lower center", ncols=4)
    return figure


def _places(values: Sequence[Cell]) -> list[float]:
    """Return where each value stands on its axis: a number where it is, a choice in a row behind "any"."""
    if "any" not in values:
        return [_float(value) for value in values]
    known = sorted({_float(value) for value in values if value != "any"})
    return [0.0 if value == "any" else 1.0 + known.index(_float(value)) for value in values]


_SERIES = (("o", _FIRST, "-"), ("s", _SECOND, "--"))
_BETWEEN = " \\ "
_PANEL = 2.12
"""Inches of width of a small plot: five of them are as wide as the page."""
_DOSES = {"not rejected": _MARKS["ACCEPT"], "rejected": _MARKS["REJECT"]}
_SIDE_LABELS = {"xy": "x → y", "yx": "y → x"}
_TITLES = {"r1": "recall@1", "rankme": "RankMe"}


def _float(cell: Cell) -> float:
    """Return a cell that is known to hold a number."""
    return float(cell) if cell is not None else float("nan")


def _optional(cell: Cell) -> float | None:
    return None if cell is None else float(cell)


PAINTERS: dict[str, Callable[[Table], "Figure"]] = {
    "verdicts": _verdicts,
    "controls": _controls,
    "heatmap": _heatmap,
    "norms": _norms,
    "spectra": _spectra,
    "ranks": _ranks,
    "history": _history,
    "responses": _responses,
    "conditions": _conditions,
    "doses": _doses,
    "region": _region,
}
