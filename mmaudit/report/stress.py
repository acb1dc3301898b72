"""The search for a world that breaks the encoder: in the terminal, as plots, and what a page shows of it."""

import collections
import itertools
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmaudit.report.tables import Cell, Table
from mmaudit.report.words import count, number, plain

__all__ = ["boundary_words", "stress_lines", "stress_tables"]

_PLOTTED = 3
"""Dials whose acceptance regions are drawn, each with each."""
_ITEMS = "seed"
"""The dial that draws other items; it orders nothing, and no reader can turn it."""


def stress_tables(search: Mapping[str, Any] | None) -> dict[str, Table]:
    """Return the acceptance region over each two dials that matter most, keyed ``plots/<name>.svg``.

    Those are the dials of the counterexamples, then those of the worst world, then the domain's in order.
    """
    if search is None:
        return {}
    names = list(search["trials"]["dials"])
    guilty = [row["dials"] for row in (*search["counterexamples"], search["worst"])]
    turned = [sorted(dials, key=names.index) for dials in guilty]
    noisy = [name for name in names if "noise" in name]
    order = dict.fromkeys([*itertools.chain(*turned), *noisy, *names])
    chosen = [name for name in order if name != _ITEMS][:_PLOTTED]
    return {
        f"plots/stress_{a}_{b}.svg": _region(search, names, a, b)
        for a, b in itertools.combinations(chosen, 2)
    }


def _region(search: Mapping[str, Any], names: Sequence[str], first: str, second: str) -> Table:
    places = names.index(first), names.index(second)
    rows = [(*(_cell(row[place]) for place in places), row[-1]) for row in search["trials"]["rows"]]
    rejected = sum(row[-1] == "REJECT" for row in rows)
    return Table(
        kind="region",
        title=f"Worlds tried, by {first} and {second}",
        alt=f"{len(rows)} worlds by {first} and {second}, {rejected} of them rejected.",
        columns=(first, second, "verdict", "worlds"),
        # Many worlds share both values: one row for all of them keeps the page small and legible.
        rows=tuple((*row, n) for row, n in collections.Counter(rows).items()),
    )


def _cell(value: Any) -> Cell:
    return "any" if value is None else value


def stress_lines(
    search: Mapping[str, Any] | None,
    width: int,
    *,
    seconds: float | None = None,
    code: bool = False,
    bundle: object = "BUNDLE",
) -> list[str]:
    """Return the lines that a terminal shows of a search.

    ``seconds`` is how long it took, ``bundle`` where its files are; with ``code`` the lines to paste into a
    test are shown as well.
    """
    if search is None:
        return []
    took = "" if seconds is None else f" in {seconds:.1f} s"
    rejected = search["verdicts"].get("REJECT", 0)
    covered = search["coverage"]["share_of_pairs"]
    lines = _wrapped(
        f"stress: {count(search['worlds'], 'world')} tried{took}, {rejected} rejected; "
        f"{covered:.0%} of all pairs of values of two dials occurred",
        width,
    )
    if not search["counterexamples"]:
        worst = search["worst"]
        lines += _wrapped(f"  nearest to a limit: {plain(worst['words'])} ({plain(worst['check'])})", width)
    for row in search["counterexamples"]:
        lines += _wrapped(f"  breaks in {plain(row['words'])}: {plain(row['reason'])}", width)
        lines += [f"    {line}" for line in boundary_words(row)]
        lines.append(f"    run it alone: pytest --mmaudit --mmaudit-replay={bundle}/{plain(row['file'])}")
        if code:
            lines += ["", *(f"    {line}".rstrip() for line in row["example"].splitlines()), ""]
    return lines


def boundary_words(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield where each dial of a counterexample begins to fail, in words."""
    for found in row["boundaries"]:
        m = found["measurement"]
        if m["value"] is None:
            continue
        interval = "" if m["interval"] == "exact" else f" [{number(m['low'])}, {number(m['high'])}]"
        yield plain(f"{found['dial']} begins to fail at {number(m['value'])}{interval}")


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width=max(width, 40), subsequent_indent="    ", break_on_hyphens=False)
