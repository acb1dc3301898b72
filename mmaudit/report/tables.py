"""The numbers behind each plot. A figure is drawn from its table alone, so the two cannot disagree."""

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mmaudit.diagnostics.geometry import spectrum
from mmaudit.embeddings import Embeddings
from mmaudit.gates.outcome import Outcome, Verdict
from mmaudit.gates.policy import by_failure
from mmaudit.report.words import allowed, count, plain, verdict_word
from mmaudit.threads import one_blas_thread

__all__ = ["Cell", "Kind", "Table", "figure_data", "split_side"]

Cell = str | int | float | None
Kind = Literal[
    "verdicts", "controls", "responses", "heatmap", "ranks", "norms", "spectra", "history", "conditions",
    "doses", "region",
]  # fmt: skip
"""What a table is drawn as; in the order in which a report shows them."""
Matrix = npt.NDArray[np.float64]

_SHOWN_PAIRS = 36
_RANKED_PAIRS = 2048
_EVEN = 1e-6
"""Relative spread below which served norms are one value: float32 rounding, not a distribution."""
_FLOOR = 1e-12
"""Eigenvalues below this share of the largest are rounding of the float32 rows, not variance."""
_KNOWN = (
    "train_loss", "loss", "r1", "symmetry_gap", "gap", "mean_cosine", "variance", "effective_rank", "rankme",
    "gradient_norm", "gradient_log_ratio", "movement",
)  # fmt: skip
_FIRST, _SECOND = ("x", "xy", "forward"), ("y", "yx", "backward")
_MOST_ROWS = 64
"""Longer spectra and histories are thinned: a plot resolves no more, and the page must stay small."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """What one plot shows. ``alt`` is the plot in a sentence; a row has one cell a column, floats finite."""

    kind: Kind
    title: str
    alt: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def figure_data(
    outcomes: Sequence[Outcome],
    *,
    embeddings: Embeddings | None,
    history: Sequence[Mapping[str, Any]] | None,
) -> dict[str, Table]:
    """Return the table of every plot that these records can fill, keyed ``plots/<name>.svg``.

    A plot with nothing to show is left out. ``history`` rows are dicts by epoch; whatever numbers they hold
    are shown, the two sides of one quantity together (see :func:`split_side`).
    """
    tables = {
        "verdicts": _verdicts(outcomes),
        "controls": _controls(outcomes),
        "dose_response": _responses(outcomes),
        "training_history": _history(history or (), embeddings),
    }
    if embeddings is not None and len(embeddings):
        tables["baseline_similarity_heatmap"] = _heatmap(embeddings)
        tables["rank_histogram"] = _ranks(embeddings)
        tables["spectra"] = _spectra(embeddings)
        served = (embeddings.x, embeddings.y)
        for slug, side, z in zip(_slugs(embeddings.modalities), _sides(embeddings), served, strict=True):
            tables[f"baseline_norms_{slug}"] = _norms(side, np.asarray(z, dtype=np.float64))
    return {f"plots/{name}.svg": tables[name] for name in sorted(tables) if tables[name].rows}


def _verdicts(outcomes: Iterable[Outcome]) -> Table:
    """Return value, interval and limit of every gate that measured something, in report order."""
    rows: list[tuple[Cell, ...]] = []
    for outcome in _ordered(outcomes):
        m, limit = outcome.measurement, outcome.limit
        if m is None or m.value is None or limit is None or (limit.low is None and limit.high is None):
            continue
        ends = (m.value if m.low is None else m.low, m.value if m.high is None else m.high)
        names = (plain(outcome.check), plain(outcome.failure))
        rows.append(
            (*names, m.value, *ends, limit.low, limit.high, allowed(limit), verdict_word(outcome.verdict))
        )
    counts = ", ".join(f"{n} {v.value}" for v in Verdict if (n := sum(row[-1] == v.value for row in rows)))
    return Table(
        kind="verdicts",
        title="Every gate against its limit",
        alt=f"Forest plot of {len(rows)} gates, each interval against its allowed range: {counts}.",
        columns=("check", "failure", "value", "low", "high", "limit low", "limit high", "allowed", "verdict"),
        rows=tuple(rows),
    )


def _controls(outcomes: Iterable[Outcome]) -> Table:
    """Return for every accepted gate the smallest planted damage that made it reject."""
    rows: list[tuple[Cell, ...]] = [
        (plain(o.check), plain(o.control.damage), o.control.severity, o.control.value, o.control.harm)
        for o in _ordered(outcomes)
        if o.control is not None and o.verdict is Verdict.ACCEPT
    ]
    return Table(
        kind="controls",
        title="Smallest planted damage each accepted gate rejects",
        alt=f"Dot plot of {len(rows)} accepted gates: the least severity of planted damage rejected.",
        columns=("check", "damage", "severity", "value there", "r@1 lost there"),
        rows=tuple(rows),
    )


def _responses(outcomes: Iterable[Outcome]) -> Table:
    """Return what every accepted gate measured as it is, at severity 0, and at each damage tried on it."""
    rows: list[tuple[Cell, ...]] = []
    gates = 0
    for o in _ordered(outcomes):
        m, limit = o.measurement, o.limit
        if o.control is None or not o.control.doses or m is None or limit is None:
            continue
        gates += 1
        tried = [(0.0, m.value, m.low, m.high, False)]
        tried += [(d.severity, d.value, d.low, d.high, d.rejected) for d in o.control.doses]
        rows += [
            (
                plain(o.check),
                severity,
                value,
                value if low is None else low,
                value if high is None else high,
                limit.low,
                limit.high,
                "yes" if rejected else "no",
            )
            for severity, value, low, high, rejected in tried
        ]
    return Table(
        kind="responses",
        title="Dose and response: what each accepted gate measures as planted damage grows",
        alt=f"Small multiples of {count(gates, 'gate')}: the measurement against the severity of the gate's "
        "own planted damage, with the allowed range and whether the gate rejected.",
        columns=("check", "severity", "value", "low", "high", "limit low", "limit high", "rejected"),
        rows=tuple(rows),
    )


def _heatmap(embeddings: Embeddings) -> Table:
    """Return the similarities of the first pairs, row = first modality, column = second."""
    x, y = (z[:_SHOWN_PAIRS] for z in embeddings.scored)
    # einsum without BLAS: the same bits whatever the thread count, and the block is small.
    similarities = np.einsum("id,jd->ij", x, y, optimize=False)
    first, second = _sides(embeddings)
    n = len(similarities)
    return Table(
        kind="heatmap",
        title=f"First {n} pairs: {first} rows, {second} columns",
        alt=f"Heat map of the {n} by {n} similarities between {first} rows and {second} columns; "
        f"claimed pairs lie on the diagonal, whose mean is {float(np.trace(similarities)) / n:.3f}.",
        columns=(f"{first} \\ {second}", *map(str, range(n))),
        rows=tuple((i, *_tidy(row)) for i, row in enumerate(similarities)),
    )


def _norms(modality: str, z: Matrix) -> Table:
    """Return the histogram of the norms as served; one bin where they are equal but for rounding."""
    norms = np.linalg.norm(z, axis=1)
    low, high = float(norms.min()), float(norms.max())
    even = high - low <= _EVEN * high
    if even:
        counts, edges = np.array([len(norms)]), np.array([low, high])
    else:
        counts, edges = np.histogram(norms, bins=min(40, 1 + math.isqrt(len(norms))))
    span = f"all {low:.4g}" if even else f"from {low:.4g} to {high:.4g}"
    return Table(
        kind="norms",
        title=f"Norms of the {modality} embeddings as served",
        alt=f"Histogram of {len(norms)} {modality} embedding norms, {span}.",
        columns=("from", "to", "items"),
        rows=tuple((*_tidy(edges[i : i + 2]), int(c)) for i, c in enumerate(counts)),
    )


def _spectra(embeddings: Embeddings) -> Table:
    """Return the eigenvalues of the centred covariance of the scored rows of both sides, largest first."""
    sides = [_eigenvalues(z) for z in embeddings.scored]
    length = max(len(s) for s in sides)
    shown = (
        np.unique(np.geomspace(1, max(1, length), _MOST_ROWS).round().astype(np.int64)).tolist()
        if length
        else []
    )
    first, second = _sides(embeddings)
    return Table(
        kind="spectra",
        title="Eigenvalue spectra, centred",
        alt=f"Log-log plot of the covariance eigenvalues: {len(sides[0])} above rounding for {first}, "
        f"{len(sides[1])} for {second}.",
        columns=("k", first, second),
        rows=tuple((k, *(s[k - 1] if k <= len(s) else None for s in sides)) for k in shown),
    )


def _eigenvalues(z: Matrix) -> list[float]:
    """Return the eigenvalues above rounding; none when all rows are equal."""
    with one_blas_thread():
        values = spectrum(z)
    kept = values[values > _FLOOR * values[0]]
    return [value for value in _tidy(kept) if value > 0 and math.isfinite(value)]


def _ranks(embeddings: Embeddings) -> Table:
    """Return the histogram of the share of candidates that beat the claimed pair, ties by half.

    More than 2048 pairs are thinned evenly: this draws a shape, it decides nothing.
    """
    n = len(embeddings)
    chosen = np.unique(np.linspace(0, n - 1, min(n, _RANKED_PAIRS)).round().astype(np.int64))
    x, y = (z[chosen] for z in embeddings.scored)
    edges = np.linspace(0, 1, 21)
    counts = [np.histogram(p, bins=edges)[0] for p in _percentiles(x @ y.T)]
    first, second = _sides(embeddings)
    shares = [float(c[0]) / max(1, len(chosen)) for c in counts]
    rows = [(*_tidy(edges[i : i + 2]), int(counts[0][i]), int(counts[1][i])) for i in range(20)]
    return Table(
        kind="ranks",
        title=f"Where the claimed pair stands ({len(chosen)} of {n} pairs)",
        alt=f"Histogram of the claimed pair's percentile: {shares[0]:.0%} of {first} to {second} queries "
        f"and {shares[1]:.0%} of {second} to {first} queries lie in the best twentieth.",
        columns=("from", "to", f"{first} → {second}", f"{second} → {first}"),
        rows=tuple(rows) if len(chosen) > 1 else (),
    )


def _percentiles(scores: Matrix) -> tuple[Matrix, Matrix]:
    """Return, by query, the share of other candidates above the claimed one, both directions."""
    own = np.diag(scores).copy()
    slack = 1e-9 * max(1.0, float(np.abs(scores).max(initial=0.0)))
    others = max(1, len(scores) - 1)

    def shares(s: Matrix) -> Matrix:
        better = np.sum(s > own[:, None] + slack, axis=1)
        tied = np.sum(np.abs(s - own[:, None]) <= slack, axis=1) - 1
        return np.asarray((better + tied / 2) / others, dtype=np.float64)

    return shares(scores), shares(scores.T)


def _history(history: Sequence[Mapping[str, Any]], embeddings: Embeddings | None) -> Table:
    """Return one row an epoch with every plain number that the history holds."""
    names = {
        key for row in history for key, value in row.items() if key != "epoch" and _real(value) is not None
    }
    columns = sorted(names, key=_place)
    shown = np.unique(
        np.linspace(0, max(0, len(history) - 1), min(len(history), _MOST_ROWS)).round().astype(np.int64)
    )
    rows = tuple(
        (_real(history[i].get("epoch", i)), *(_real(history[i].get(name)) for name in columns))
        for i in shown.tolist()
    )
    key = "" if embeddings is None else " (x {}, y {})".format(*_sides(embeddings))
    return Table(
        kind="history",
        title=f"Training history{key}",
        alt=f"Small multiples over {len(history)} epochs: {', '.join(map(plain, columns))}.",
        columns=("epoch", *map(plain, columns)),
        rows=rows if columns else (),
    )


def _place(name: str) -> tuple[int, str, bool, str]:
    """Return where a history column stands: known quantities first, and the first side before the second."""
    base, side = split_side(name)
    known = _KNOWN.index(base) if base in _KNOWN else len(_KNOWN)
    return known, base, side in _SECOND, name


def split_side(name: str) -> tuple[str, str]:
    """Return a history column's quantity and its side: ``("rankme", "x")`` of ``rankme_x``, ``("loss", "")``.

    Sides are ``x``/``y``, ``xy``/``yx`` and ``forward``/``backward``.
    """
    base, _, side = name.rpartition("_")
    return (base, side) if base and side in (*_FIRST, *_SECOND) else (name, "")


def _real(value: object) -> int | float | None:
    """Return a finite plain number as it is, and nothing for all else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def _ordered(outcomes: Iterable[Outcome]) -> list[Outcome]:
    return [outcome for group in by_failure(outcomes).values() for outcome in group]


def _tidy(values: npt.ArrayLike) -> list[float]:
    """Return floats of six significant digits: what a plot resolves, and steady where a last bit is not."""
    return [float(f"{value:.6g}") for value in np.asarray(values, dtype=np.float64).tolist()]


def _sides(embeddings: Embeddings) -> tuple[str, str]:
    """Return the modality names as a plot can hold them."""
    first, second = (plain(m)[:24] for m in embeddings.modalities)
    return first, second


def _slugs(modalities: tuple[str, str]) -> tuple[str, str]:
    """Return two different file-name parts for the modalities."""
    first, second = (re.sub(r"[^a-z0-9]+", "-", m.lower()).strip("-")[:40] for m in modalities)
    if not first or not second or first == second:
        return f"{first}-x".lstrip("-"), f"{second}-y".lstrip("-")
    return first, second
