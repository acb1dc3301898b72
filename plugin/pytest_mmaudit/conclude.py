"""From an outcome to the fate of a test: pass, skip, or a failure that reads without a traceback."""

from collections.abc import Collection

import pytest

from mmaudit.gates.outcome import Outcome, Verdict
from mmaudit.report import words
from mmaudit.settings import Settings

__all__ = ["conclude", "explain"]


def conclude(outcome: Outcome, settings: Settings, needs: Collection[str] = ()) -> None:
    """Fail or skip the running test as ``outcome`` demands; return where it passes.

    ``needs`` are the catalogue's words for what the check needs, which ``settings.require`` may name.
    """
    if outcome.verdict is Verdict.NOT_EVIDENCED:
        required = {outcome.check, *outcome.access, *needs}.intersection(settings.require)
        if not required:
            pytest.skip(f"NOT EVIDENCED: {words.plain(outcome.reason)}")
        pytest.fail(f"{explain(outcome)}\n  required: {', '.join(sorted(required))}", pytrace=False)
    tolerated = outcome.verdict is Verdict.INCONCLUSIVE and settings.inconclusive == "pass"
    if outcome.verdict in (Verdict.REJECT, Verdict.INCONCLUSIVE) and not tolerated:
        pytest.fail(explain(outcome), pytrace=False)


def explain(outcome: Outcome) -> str:
    """Return what was found, against which limit and why that one, and what to do: a few short lines."""
    lines = [f"{words.verdict_word(outcome.verdict)}: {words.sentence(outcome)}"]
    if (m := outcome.measurement) is not None:
        notes = [words.plain(note) for note in m.notes]
        lines += [f"  found: {note}" for note in notes if note not in lines[0]]
    if outcome.question:
        lines.append(f"  asked: {words.plain(outcome.question)}")
    if (limit := outcome.limit) is not None:
        lines.append(f"  limit: {words.allowed(limit)} ({limit.kind}), {words.plain(limit.rationale)}")
    if way_out := _way_out(outcome):
        lines.append(f"  next:  {way_out}")
    return "\n".join(lines)


def _way_out(outcome: Outcome) -> str:
    if outcome.verdict is Verdict.NOT_EVIDENCED:
        return "give the audit what the check needs, or require it no longer"
    if outcome.verdict is Verdict.INCONCLUSIVE:
        n = outcome.n_to_decide
        more = f"audit about {n} pairs" if n else "give the check more to decide by"
        return f"{more}, or let such tests pass with the ini key mmaudit_inconclusive = pass"
    if outcome.limit is None or outcome.limit.kind == "user" or outcome.failure == "integrity":
        return "mend the encoder"
    if outcome.failure == "stress":
        return "mend the encoder, or promise less of it before the run: [tool.mmaudit.stress]"
    own = f"[tool.mmaudit.limits] {outcome.check} = {{low = …, high = …}}"
    return f"mend the encoder, or set this project's own limit before the run: {own}"
