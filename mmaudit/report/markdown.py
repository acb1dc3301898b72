"""The summary for a CI job's page, in GitHub-flavoured Markdown."""

import re
from collections.abc import Sequence

from mmaudit.gates.diagnosis import diagnose
from mmaudit.gates.outcome import Outcome, Verdict
from mmaudit.gates.policy import by_failure, deciding, overall
from mmaudit.report import words

__all__ = ["step_summary"]

_SIGNS = {
    Verdict.ACCEPT: "✅ ACCEPT",
    Verdict.REJECT: "❌ REJECT",
    Verdict.INCONCLUSIVE: "⚠️ INCONCLUSIVE",
    Verdict.NOT_EVIDENCED: "➖ NOT EVIDENCED",
}
_MOST_REASONS = 20
"""A job summary is skimmed, and GitHub cuts one off at 1 MiB; the page and the bundle have the rest."""


def step_summary(
    outcomes: Sequence[Outcome],
    certifications: Sequence[Outcome] = (),
    *,
    unfinished: int = 0,
    regressions: Sequence[str] = (),
) -> str:
    """Return a short table, one row a failure mode, with the overall verdict and its reasons above it.

    ``regressions`` are the sentences on what got worse than the baseline, where there is one.

    Every string that came from outside is escaped: it can neither break the table nor become a link, an
    image or HTML.
    """
    reasons = words.why(outcomes, certifications, unfinished=unfinished)
    lines = [f"### mmaudit: {_SIGNS[overall(outcomes, certifications, unfinished=unfinished)]}", ""]
    lines += [f"- {_escaped(reason)}" for reason in reasons[:_MOST_REASONS]]
    if len(reasons) > _MOST_REASONS:
        lines.append(f"- and {len(reasons) - _MOST_REASONS} more")
    if regressions:
        lines += ["", f"**❌ Worse than the baseline: {words.count(len(regressions), 'regression')}**", ""]
        lines += [f"- {_escaped(text)}" for text in regressions[:_MOST_REASONS]]
    lines += [
        "",
        "| failure | verdict | decided by | effect | limit | would catch |",
        "|---|---|---|---|---|---|",
    ]
    for failure, group in by_failure(outcomes).items():
        worst = deciding(group)
        cells = ["", "", "", ""] if worst is None else [
            _escaped(worst.check),
            words.effect(worst.measurement) if worst.measurement is not None else "",
            words.allowed(worst.limit) if worst.limit is not None else "",
            _escaped(words.caught(worst.control)),
        ]  # fmt: skip
        lines.append("| " + " | ".join([_escaped(failure), _SIGNS[overall(group)], *cells]) + " |")
    lines += ["", f"Diagnosis: {_escaped(words.diagnosis_line(diagnose(outcomes)))}."]
    lines += ["", f"Self-certification: {words.certification_line(certifications)}."]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """Return ``text`` with every ASCII punctuation mark escaped that Markdown or HTML gives a meaning."""
    return re.sub(r"([\\`*_{}\[\]()<>#+!|~&$@:/.-])", r"\\\1", words.plain(text))
