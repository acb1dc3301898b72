"""Workflow commands that make a GitHub job show a verdict's reasons as annotations."""

from collections.abc import Sequence

from mmaudit.gates.outcome import Outcome, Verdict
from mmaudit.gates.policy import by_failure
from mmaudit.report import words

__all__ = ["annotations"]

_SHOWN = 10
"""GitHub shows so many annotations of one level a step and drops the rest without a word."""


def annotations(
    outcomes: Sequence[Outcome],
    certifications: Sequence[Outcome] = (),
    *,
    unfinished: int = 0,
    regressions: Sequence[str] = (),
) -> list[str]:
    """Return one line a reason: ``::error`` for what is rejected or worse, ``::warning`` for what is open.

    Every string that came from outside is one printable line with ``%``, ``:`` and ``,`` escaped as the
    runner unescapes them, so that none can end its command or begin another.
    """
    rows = [o for group in by_failure(outcomes).values() for o in group] + list(certifications)
    errors = [_said(o) for o in rows if o.verdict is Verdict.REJECT]
    errors += [("regression", text) for text in regressions]
    warnings = [_said(o) for o in rows if o.verdict is Verdict.INCONCLUSIVE]
    if unfinished:
        warnings.append(("not finished", f"{words.count(unfinished, 'collected check')} did not finish."))
    return [*_commands("error", errors), *_commands("warning", warnings)]


def _said(outcome: Outcome) -> tuple[str, str]:
    return outcome.failure, words.sentence(outcome)


def _commands(level: str, said: Sequence[tuple[str, str]]) -> list[str]:
    if len(said) > _SHOWN:
        rest = len(said) - _SHOWN + 1
        said = [*said[: _SHOWN - 1], ("more", f"{rest} more; the job summary and the report name them.")]
    return [f"::{level} title={_property(f'mmaudit: {title}')}::{_data(text)}" for title, text in said]


def _data(text: str) -> str:
    return words.plain(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
