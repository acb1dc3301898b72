"""The summary that closes a run in the terminal: one line a failure mode, and why."""

import textwrap
from collections.abc import Sequence

from mmaudit.gates.diagnosis import diagnose
from mmaudit.gates.outcome import Outcome, Verdict
from mmaudit.gates.policy import by_failure, deciding, overall
from mmaudit.report import words

__all__ = ["bundle_lines", "summary_lines"]

_ANSI = {
    Verdict.ACCEPT: "32",
    Verdict.REJECT: "31;1",
    Verdict.INCONCLUSIVE: "33",
    Verdict.NOT_EVIDENCED: "2",
}
_HEADER = ("verdict", "failure", "decided by", "effect", "limit", "would catch")
_GAP = "  "


def summary_lines(
    outcomes: Sequence[Outcome],
    certifications: Sequence[Outcome],
    *,
    width: int,
    colour: bool = False,
    unfinished: int = 0,
) -> list[str]:
    """Return the closing summary, no line wider than ``width`` columns where words allow it.

    One line a failure mode, decided by its worst check, which is named with its effect, its limit and the
    planted damage that it would have caught; every check that failed follows in words. ``colour`` wraps the
    verdicts in ANSI codes, which have no width. ``unfinished`` counts collected checks that never ended.
    """
    modes = by_failure(outcomes)
    blocks = _table([_row(name, group) for name, group in modes.items()], width)
    verdict = overall(outcomes, certifications, unfinished=unfinished)
    headline = f"overall: {verdict.value}"
    if colour:
        for block, group in zip(blocks[1:], modes.values(), strict=True):
            block[0] = _tinted(block[0], overall(group))
        headline = _tinted(headline, verdict)
    lines = [line for block in blocks for line in block]
    lines.append("")
    lines += _facts(outcomes, certifications, width)
    lines.append(headline)
    for reason in words.why(outcomes, certifications, unfinished=unfinished):
        lines += _wrapped("  - ", reason, width)
    return lines


def bundle_lines(directory: object, archive: object, digest: str) -> list[str]:
    """Return where the evidence lies, its digest, and the command that verifies it."""
    return [
        f"evidence: {directory}",
        f"archive:  {archive}",
        f"digest:   sha256 {digest}",
        f"verify:   mmaudit verify {archive} --expect-sha256 {digest}",
    ]


def _row(failure: str, group: Sequence[Outcome]) -> tuple[str, ...]:
    """Return the cells of one failure mode."""
    worst = deciding(group)
    name = words.plain(failure)
    if worst is None:
        return (overall(group).value, name, "no gate ran", "", "", "")
    measured = worst.measurement is not None
    return (
        overall(group).value,
        name,
        words.plain(worst.check),
        words.effect(worst.measurement) if measured else "",
        words.allowed(worst.limit) if worst.limit is not None else "",
        words.caught(worst.control),
    )


def _table(body: Sequence[tuple[str, ...]], width: int) -> list[list[str]]:
    """Return header and rows as aligned lines, each one line, or more where the last columns do not fit."""
    rows = [_HEADER, *body]
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
    kept = len(sizes)
    while kept > 2 and sum(sizes[:kept]) + len(_GAP) * (kept - 1) > width:
        kept -= 1
    indent = " " * (sizes[0] + len(_GAP))
    blocks = []
    for row in rows:
        head = _GAP.join(cell.ljust(size) for cell, size in zip(row[:kept], sizes, strict=False)).rstrip()
        carried = [
            f"{name} {cell}"
            for name, cell in zip(_HEADER[kept:], row[kept:], strict=True)
            if cell not in ("", name)
        ]
        blocks.append([head, *_wrapped(indent, ", ".join(carried), width)])
    return blocks


def _facts(outcomes: Sequence[Outcome], certifications: Sequence[Outcome], width: int) -> list[str]:
    """Return the counted facts below the table: notices, what is missing, the audit's proof on itself."""
    lines = []
    notices = sum(o.verdict is None for o in outcomes)
    missing = [words.plain(o.check) for o in outcomes if o.verdict is Verdict.NOT_EVIDENCED]
    if notices:
        lines += _wrapped(
            "", f"{words.count(notices, 'notice')} measured without a limit (see report.html)", width
        )
    if missing:
        lines += _wrapped("", f"{len(missing)} not evidenced: {', '.join(sorted(missing))}", width)
    if outcomes:
        lines += _wrapped("", f"diagnosis: {words.diagnosis_line(diagnose(outcomes))}", width)
    lines += _wrapped("", f"self-certification: {words.certification_line(certifications)}", width)
    return lines


def _wrapped(lead: str, text: str, width: int) -> list[str]:
    """Return ``text`` folded to ``width``, its first line after ``lead``, the others indented as deep."""
    return textwrap.wrap(
        text,
        width=max(width, len(lead) + 20),
        initial_indent=lead,
        subsequent_indent=" " * len(lead),
        break_on_hyphens=False,
    )


def _tinted(line: str, verdict: Verdict) -> str:
    """Return the line with its verdict in colour; the word stays, so that colour never says it alone."""
    return line.replace(verdict.value, f"\x1b[{_ANSI[verdict]}m{verdict.value}\x1b[0m", 1)
