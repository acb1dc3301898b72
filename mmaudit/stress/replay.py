"""A counterexample run again, alone."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmaudit.errors import InputError, MMAuditError
from mmaudit.gates import Auditor, Outcome, Verdict
from mmaudit.inference import exact
from mmaudit.stress.checks import NO_WORLD
from mmaudit.stress.domain import Domain
from mmaudit.stress.records import FORMAT
from mmaudit.stress.trial import Bench
from mmaudit.world import WorldSpec

__all__ = ["REPLAY", "load", "replay"]

REPLAY = "replayed_world"
_MOST = 1_000_000


def load(path: Path) -> dict[str, Any]:
    """Return the counterexample in the file at ``path``; raises :class:`InputError` if it is none."""
    try:
        if path.stat().st_size > _MOST:
            raise InputError(f"{path.name} is too large for a counterexample")
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, MMAuditError):
            raise
        why = getattr(error, "strerror", None) or "no JSON"
        raise InputError(f"cannot read {path.name}: {why}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise InputError(f"{path.name} is no counterexample; give a counterexamples/*.json of a bundle")
    try:
        spec_of(found)
        Outcome.from_record(found["outcome"])
        numbers = float(found["confidence"] or 0.95), float(found["alpha"])
        whole = min(numbers) > 0 and max(numbers) < 1 and int(found["budget"]) > 0
        if not whole or not isinstance(found["words"], str) or "weights_sha256" not in found["subject"]:
            raise ValueError("its level, budget, words or subject are missing")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        first = (str(error).splitlines() or [""])[0]
        raise InputError(f"{path.name} is no whole counterexample: {first}") from error
    return found


def spec_of(found: Mapping[str, Any]) -> WorldSpec:
    """Return the world of a counterexample; raises :class:`SettingsError` where there is none."""
    return WorldSpec.from_dict(found["world"])


def replay(auditor: Auditor, found: Mapping[str, Any]) -> Outcome:
    """Put the world of a counterexample to the audited subject again, by the gates and at the level of then.

    REJECT where a gate rejects. The reason gives the figures of the gate that failed then, and says whether
    they are those of the file, bit for bit. A table of given embeddings is NOT EVIDENCED.
    """
    subject, settings = auditor.subject, auditor.settings
    question = f"Do the gates hold in {found['words']}?"
    fields: dict[str, Any] = {"check": REPLAY, "failure": "stress", "question": question}
    if subject.items is not None:
        why = "needs an encoder to run on the world; this subject is a table of given embeddings"
        return Outcome(**fields, verdict=Verdict.NOT_EVIDENCED, measurement=None, limit=None, reason=why)
    spec, before = spec_of(found), Outcome.from_record(found["outcome"])
    then = dataclasses.replace(
        settings, alpha=float(found["alpha"]), confidence=float(found["confidence"] or settings.confidence)
    )
    domain = Domain(base=spec, dials=(), budget=int(found["budget"]))
    trial = Bench(subject, domain, then)(spec)
    now = next((o for o in trial.outcomes if o.check == before.check), trial.worst)
    if now.record() == before.record():
        told = "bit for bit as recorded"
    elif subject.identity.weights_sha256 == found["subject"]["weights_sha256"] is not None:
        told = "not as recorded, although the weights are the same"
    else:
        told = f"recorded was: {before.reason}"
    rejecting = exact(
        "worlds in which a gate rejects",
        float(trial.rejected),
        1,
        method="one world run again",
        unit="worlds",
        direction="lower is better",
        notes=(found["words"],),
    )
    outcome = auditor.judge(rejecting, NO_WORLD, failure="stress", question=question)
    return dataclasses.replace(outcome, check=REPLAY, reason=f"{now.reason}; {told}")
