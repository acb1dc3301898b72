"""The gates on embeddings larger than memory, decided by as many queries as it takes."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.diagnostics import Ranks
from mmaudit.diagnostics.retrieval import group_codes
from mmaudit.embeddings import Similarity
from mmaudit.errors import ControlError, InputError
from mmaudit.executor import Executor, open_executor
from mmaudit.gates import Limit, Verdict
from mmaudit.gates.auditor import Auditor
from mmaudit.gates.catalogue import check_named
from mmaudit.gates.controls import with_trusted
from mmaudit.gates.decide import decide
from mmaudit.gates.per_bit import per_bit
from mmaudit.inference import exact
from mmaudit.inference.sequences import BettingSequence
from mmaudit.measurement import Measurement
from mmaudit.pairs import Pairs
from mmaudit.scale.figures import HUB_ITEMS, copied_share, hubs_within
from mmaudit.scale.gates import SampledGate, discrimination, far_behind, gap_at
from mmaudit.scale.rows import FileRows, Rows, open_rows
from mmaudit.scale.sampling import query_ranks
from mmaudit.scale.survey import Survey, effective_rank, rank_asymmetry, separation, survey
from mmaudit.seeds import generator
from mmaudit.settings import Settings
from mmaudit.subjects import as_subject
from mmaudit.threads import one_blas_thread

__all__ = ["Decided", "LargeAudit", "audit_large"]

GATES = (
    "contract",
    "pair_discrimination",
    "symmetry_gap",
    "rank_asymmetry",
    "mispairing_rate",
    "separation",
    "effective_rank",
)
"""The checks of the catalogue that are decided here."""
PILOT = 256
"""Queries that choose the depth of the symmetry gap and then count for nothing."""
ROUND = 1024
"""Queries ranked in one pass over the gallery."""
CONTROL_ITEMS = 2000

Progress = Callable[[str, int, int], None]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decided:
    """One gate: its verdict, what it was decided by, and what that guarantees.

    ``n`` counts the items or queries that were looked at, of ``population``. ``control`` is the smallest
    damage, planted in a sample of these pairs, that the same gate rejects there; ``None`` unless it accepts.
    """

    check: str
    verdict: Verdict
    value: float | None
    low: float | None
    high: float | None
    n: int
    population: int
    limit: Limit
    method: str
    guarantee: str
    reason: str
    control: float | None = None

    def record(self) -> dict[str, Any]:
        """Return the decision as builtin types."""
        return {**dataclasses.asdict(self), "verdict": self.verdict.value}


@dataclasses.dataclass(frozen=True)
class LargeAudit:
    """All gates of one audit of so many ``pairs``, and the ``figures`` that no limit is set for.

    ``pilot`` counts the pairs that chose the depth of the symmetry gap, and were then left out of the queries
    that the gates on ranks are decided by.
    """

    decisions: tuple[Decided, ...]
    figures: tuple[Measurement, ...]
    modalities: tuple[str, str]
    pairs: int
    pilot: int

    @property
    def verdict(self) -> Verdict:
        """ACCEPT if every gate accepts, REJECT if one rejects, else INCONCLUSIVE."""
        found = {d.verdict for d in self.decisions}
        if Verdict.REJECT in found:
            return Verdict.REJECT
        return Verdict.ACCEPT if found == {Verdict.ACCEPT} else Verdict.INCONCLUSIVE

    def __str__(self) -> str:
        """Return one line a gate and a figure, and what they add up to."""
        lines = []
        for d in self.decisions:
            value = "undefined" if d.value is None else f"{d.value:.4g} [{d.low:.4g}, {d.high:.4g}]"
            seen = f"n = {d.n} of {d.population}" if d.n else d.reason
            planted = "" if d.control is None else f"; rejects damage from {d.control:g}"
            lines.append(f"{d.verdict.value:13} {d.check:20} {value}, limit {d.limit}, {seen}{planted}")
        for m in self.figures:
            value = m.notes[0] if m.value is None else f"{m.value:.4g} [{m.low:.4g}, {m.high:.4g}]"
            lines.append(f"{'':13} {m.name:20} {value}, n = {m.n}")
        if self.pilot:
            lines.append(
                f"{self.pilot} of {self.pairs} pairs chose the depth of the symmetry gap and are no queries "
                "of the gates on ranks"
            )
        lines.append(f"{self.verdict.value}: {' and '.join(self.modalities)}, {self.pairs} pairs")
        return "\n".join(lines)


def audit_large(
    x: Any,
    y: Any,
    *,
    groups: npt.ArrayLike | None = None,
    trusted: npt.ArrayLike | None = None,
    similarity: Similarity = "cosine",
    modalities: tuple[str, str] = ("image", "text"),
    settings: Settings | None = None,
    queries: int = 32 * ROUND,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> LargeAudit:
    """Decide the gates that embeddings alone decide, reading ``x`` and ``y`` (n, d) by and by.

    ``x`` and ``y`` are files (:func:`mmaudit.scale.open_rows`) or anything with a shape that can be sliced.
    Geometry (separation, rank of the spectrum) is of all rows, in one pass. What depends on ranks (pair
    discrimination, symmetry gap, mispairing rate) is decided by queries drawn at random without replacement,
    each ranked against the whole gallery, :data:`ROUND` at a time until every gate is decided or ``queries``
    are used up. With ``trusted`` (n,) bool, pairs known to be right, as many of these are drawn besides, and
    the mispairing rate is what the others have beyond them. The interval is a confidence sequence
    (:class:`mmaudit.inference.sequences.BettingSequence`): it holds at every look, so that stopping when
    decided costs nothing, and it speaks of the mean over *these* pairs, less the few that chose the depth of
    the symmetry gap. As in any audit, ACCEPT is at the settings' ``confidence``, REJECT at ``alpha`` over the
    number of gates (Bonferroni), and a gate that cannot be seen to reject planted damage, on
    :data:`CONTROL_ITEMS` of these pairs and some trusted ones, does not accept. Beside the gates stand
    figures without a limit: exact copies among all rows, and hubness within a random gallery of these pairs.

    The passes over all rows are jobs for ``executor`` (default: the one that the settings name); which it was
    does not show in the result. Raises :class:`~mmaudit.errors.InputError` on what cannot be read, on fewer
    than two pairs, on marks that are none, and on arrays where the workers of the executor need files.
    """
    sides, settings = (open_rows(x), open_rows(y)), settings or Settings()
    with contextlib.ExitStack() as held:
        if executor is None:
            executor = held.enter_context(contextlib.closing(open_executor(settings.executor)))
        _check_reach(sides, executor)
        held.enter_context(one_blas_thread())
        return _audit(sides, groups, trusted, similarity, modalities, settings, queries, progress, executor)


def _check_reach(sides: tuple[Rows, Rows], executor: Executor) -> None:
    if not executor.shares_memory and not all(type(side) is FileRows for side in sides):
        raise InputError(
            "workers elsewhere read the rows themselves; give .npy or .safetensors files, where all see them"
        )


def _audit(
    sides: tuple[Rows, Rows],
    groups: npt.ArrayLike | None,
    trusted: npt.ArrayLike | None,
    similarity: Similarity,
    modalities: tuple[str, str],
    settings: Settings,
    queries: int,
    progress: Progress | None,
    executor: Executor,
) -> LargeAudit:
    told = None if progress is None else functools.partial(progress, "reading all rows")
    found = survey(*sides, similarity, executor, told)
    if found.n < 2:
        raise InputError(f"{found.n} pairs have nothing to be told apart from; give at least 2")
    codes = None if groups is None else group_codes(groups, found.n)
    known = _known(trusted, found.n)
    order = generator(settings.seed, "sampled queries").permutation(found.n)
    limits = {name: _limit(name, settings) for name in GATES}
    meanings = found.n if codes is None else len(np.unique(codes))
    decided = _whole(found, meanings, limits, modalities, settings)
    pilot = order[: min(PILOT, len(order) // 4)]
    if found.violations() == 0:

        def ranked(drawn: IntArray) -> Ranks:
            return query_ranks(*sides, drawn, found, codes, similarity, executor)

        depth = _depth(ranked(pilot)) if len(pilot) else 10
        rest = order[len(pilot) :]
        gates = _asked(ranked, depth, rest, known, limits, settings, queries, progress)
        decided += [_sampled(gate, settings, len(GATES)) for gate in gates]
    else:
        pilot = order[:0]
        judged = {d.check for d in decided}
        decided += [_unseen(name, found, limits[name]) for name in GATES if name not in judged]
    controlled = _controls(sides, order, codes, known, similarity, modalities, settings, decided)
    figures = (
        *(copied_share(side, m) for side, m in zip(found.sides, modalities, strict=True)),
        *hubs_within(sides, order[:HUB_ITEMS], found, similarity, modalities, settings.confidence),
    )
    decisions = tuple(sorted(controlled, key=lambda d: GATES.index(d.check)))
    return LargeAudit(decisions, figures, modalities, found.n, len(pilot))


def _known(trusted: npt.ArrayLike | None, n: int) -> BoolArray | None:
    if trusted is None:
        return None
    known = np.asarray(trusted)
    if known.shape != (n,) or known.dtype != np.bool_:
        raise InputError(
            f"trusted has shape {known.shape} and dtype {known.dtype}; expected ({n},) bool, one mark a pair"
        )
    count = int(np.count_nonzero(known))
    if count in (0, n):
        raise InputError(f"{count} of {n} pairs are trusted; trust some and leave some, or mark none at all")
    return known


def _asked(
    ranked: Callable[[IntArray], Ranks],
    depth: int,
    rest: IntArray,
    known: BoolArray | None,
    limits: dict[str, Limit],
    settings: Settings,
    queries: int,
    progress: Progress | None,
) -> list[SampledGate]:
    """Return the gates on ranks, decided by as few queries as it takes, in the order ``rest`` of their draw.

    ``depth`` is that of the symmetry gap.
    """
    alpha, strict = 1 - settings.confidence, settings.alpha / len(GATES)
    gates = [
        SampledGate(name, limits[name], figure, scale, BettingSequence(len(rest), alpha))
        for name, figure, scale in (
            ("pair_discrimination", discrimination, lambda v: v),
            ("symmetry_gap", gap_at(depth), lambda v: 2 * v - 1),
            ("mispairing_rate", far_behind, lambda v: 2 * v),
        )
    ]
    right = rest[:0]
    if known is not None:
        # Trusted pairs may be few among all, so they are drawn by themselves.
        right = generator(settings.seed, "sampled trusted pairs").permutation(np.flatnonzero(known))
        others = len(rest) - int(np.count_nonzero(known[rest]))
        gates[-1].drawn, gates[-1].known = (
            BettingSequence(others, alpha / 2),
            BettingSequence(len(right), alpha / 2),
        )
    used = 0
    while used < min(queries, len(rest)) and any(g.verdict is Verdict.INCONCLUSIVE for g in gates):
        drawn = rest[used : min(used + ROUND, queries)]
        found, asked = ranked(drawn), right[used : used + len(drawn)]
        for gate in gates:
            if gate.verdict is not Verdict.INCONCLUSIVE:
                continue
            figures = _as_drawn(gate, found, drawn)
            if gate.known is not None and known is not None:
                figures = figures[~known[drawn]]
                if len(asked):
                    gate.known.extend(_as_drawn(gate, ranked(asked), asked))
            gate.drawn.extend(figures)
            gate.look(alpha, strict)
        used += len(drawn)
        if progress is not None:
            progress("ranking sampled queries", used, min(queries, len(rest)))
    return gates


def _as_drawn(gate: SampledGate, ranked: Ranks, drawn: IntArray) -> npt.NDArray[np.float64]:
    """Return the figures of queries in the order ``drawn``; their ranks come sorted by row."""
    return gate.figure(ranked)[np.argsort(np.argsort(drawn))]


def _limit(name: str, settings: Settings) -> Limit:
    if name in settings.limits:
        low, high = settings.limits[name]
        return Limit(
            low=low, high=high, kind="user", rationale="set in the project's settings before the run"
        )
    limit = check_named(name).limit
    assert limit is not None
    return limit


def _whole(
    found: Survey, meanings: int, limits: dict[str, Limit], modalities: tuple[str, str], settings: Settings
) -> list[Decided]:
    """Return the gates on what was taken of all rows, of so many relevance groups."""
    confidence = settings.confidence
    bad = exact("contract violations", float(found.violations()), found.n, method="count over all rows")
    measured: dict[str, list[Measurement]] = {"contract": [bad]}
    if found.violations() == 0:
        sides = list(zip(found.sides, modalities, strict=True))
        measured["separation"] = [separation(side, m, confidence) for side, m in sides]
        measured["rank_asymmetry"] = [rank_asymmetry(found, confidence)]
        measured["effective_rank"] = [per_bit(effective_rank(s, m, confidence), meanings) for s, m in sides]
    decisions = []
    for name, measurements in measured.items():
        verdict = decide(
            measurements, limits[name], confidence=confidence, alpha=settings.alpha, family=len(limits)
        )
        m = verdict.measurement
        decisions.append(
            Decided(
                check=name,
                verdict=verdict.verdict,
                value=m.value,
                low=m.low,
                high=m.high,
                n=m.n,
                population=found.n,
                limit=limits[name],
                method=m.method,
                guarantee=f"interval at {confidence:g}, rejection at {settings.alpha:g}/{len(limits)} gates",
                reason=verdict.reason,
            )
        )
    return decisions


def _unseen(check: str, found: Survey, limit: Limit) -> Decided:
    """Return a gate that nothing could be measured for: some rows have no similarity to anything."""
    return Decided(
        check=check,
        verdict=Verdict.NOT_EVIDENCED,
        value=None,
        low=None,
        high=None,
        n=0,
        population=found.n,
        limit=limit,
        method="not measured",
        guarantee="none",
        reason=f"{found.violations()} rows are NaN, infinite or zero; mend the encoder or drop these items",
    )


def _depth(ranked: Ranks) -> int:
    """Return the least depth at which three queries in ten succeed, as the catalogue's check does."""
    return next((k for k in (1, 5, 10) if float(ranked.mean_hits(k).mean()) >= 0.3), 10)


def _sampled(gate: SampledGate, settings: Settings, family: int) -> Decided:
    population, value = gate.drawn.population, gate.value
    low, high = gate.interval(1 - settings.confidence)
    where = {Verdict.ACCEPT: "lies within", Verdict.REJECT: "lies outside"}.get(
        gate.verdict, "is not clear of"
    )
    span = "undefined" if value is None else f"{value:.3g} [{low:.3g}, {high:.3g}]"
    return Decided(
        check=gate.check,
        verdict=gate.verdict,
        value=value,
        low=low,
        high=high,
        n=gate.drawn.count,
        population=population,
        limit=gate.limit,
        method="queries without replacement, whole gallery; hedged betting (Waudby-Smith & Ramdas 2024)",
        guarantee=(
            f"looked at after every {ROUND} queries and stopped when decided: over the draw of queries, the "
            f"{settings.confidence:g} interval misses the mean of these {population} pairs at any look with "
            f"probability {1 - settings.confidence:.2g} at most, and a rejection is wrong with probability "
            f"{settings.alpha:g}/{family} at most"
        ),
        reason=f"{gate.check} {span} {where} {gate.limit}",
    )


def _controls(
    sides: tuple[Rows, Rows],
    order: IntArray,
    codes: IntArray | None,
    known: BoolArray | None,
    similarity: Similarity,
    modalities: tuple[str, str],
    settings: Settings,
    decided: list[Decided],
) -> list[Decided]:
    """Return ``decided`` with the control of every acceptance, which is lost where none can be shown."""
    rows = with_trusted(order[-CONTROL_ITEMS:], known, settings.seed)
    x, y = (np.asarray(z[rows]) for z in sides)
    given = dict(zip(modalities, (x, y), strict=True))
    pairs = Pairs(
        inputs=dict.fromkeys(modalities, np.arange(len(rows))),
        groups=None if codes is None else codes[rows],
        trusted=None if known is None else known[rows],
    )
    subject = dataclasses.replace(as_subject(given), similarity=similarity)
    auditor = Auditor(subject, pairs, settings)
    controlled = []
    for d in decided:
        if d.verdict is not Verdict.ACCEPT:
            controlled.append(d)
            continue
        try:
            controlled.append(dataclasses.replace(d, control=_planted(auditor, d.check)))
        except ControlError as error:
            reason = f"{d.reason}; on {len(rows)} of these pairs: {error}"
            controlled.append(dataclasses.replace(d, verdict=Verdict.INCONCLUSIVE, reason=reason))
    return controlled


def _planted(auditor: Auditor, check: str) -> float:
    """Return the smallest damage that ``check`` rejects in a sample; raises :class:`ControlError` if none."""
    undamaged = auditor.run(check, control=False)
    if undamaged.verdict in (Verdict.REJECT, Verdict.NOT_EVIDENCED):
        raise ControlError(f"no damage was planted, for as they are, {undamaged.reason}")
    try:
        return auditor.control(check).severity
    except InputError as error:
        raise ControlError(f"damaged, they cannot be measured: {error}") from error
