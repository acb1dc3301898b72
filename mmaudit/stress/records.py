"""A finished search as builtin types: the facts of its report, and a file for each counterexample."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.stress.domain import changed_dials, level_of
from mmaudit.stress.search import Counterexample, Search
from mmaudit.stress.trial import GATES, SHORTCUT_GATE
from mmaudit.stress.words import in_words, snippet
from mmaudit.subjects import Subject
from mmaudit.world import WorldSpec, build

__all__ = ["FORMAT", "counterexample_record", "counterexample_records", "hardest_picture", "search_record"]

FORMAT = "mmaudit counterexample, version 1"


def search_record(search: Search) -> dict[str, Any]:
    """Return the facts of the search: promise, worlds tried, coverage, the worst world, counterexamples."""
    worst = search.worst
    dials = changed_dials(worst.spec, search.domain)
    verdicts = [trial.verdict.value for trial in search.trials]
    names = [dial.name for dial in search.domain.dials]
    return {
        "domain": search.domain.record(),
        "gates": [*GATES, SHORTCUT_GATE],
        "worlds": len(search.trials),
        "shrinking": search.shrinking,
        "verdicts": {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))},
        "coverage": search.coverage.record(),
        "worst": {
            "words": in_words(worst.spec, dials),
            "dials": dials,
            "check": worst.worst.check,
            "reason": worst.worst.reason,
        },
        "counterexamples": [
            {
                "file": path,
                "words": example.words,
                "dials": example.dials,
                "boundaries": _boundaries(example),
                "check": example.outcome.check,
                "reason": example.outcome.reason,
                "caption": _shown(example)["caption"],
                "example": snippet(example.trial.spec),
            }
            for path, example in zip(_paths(search), search.counterexamples, strict=True)
        ],
        "trials": {
            "dials": names,
            "rows": [
                [*(level_of(trial.spec, name) for name in names), trial.verdict.value]
                for trial in search.trials
            ],
        },
    }


def counterexample_records(search: Search, subject: Subject, alpha: float) -> dict[str, dict[str, Any]]:
    """Return the document of each counterexample by its path in a bundle.

    ``alpha`` is that of the audit, which its worlds share.
    """
    return {
        path: counterexample_record(example, subject, alpha)
        for path, example in zip(_paths(search), search.counterexamples, strict=True)
    }


def counterexample_record(example: Counterexample, subject: Subject, alpha: float) -> dict[str, Any]:
    """Return all that it takes to run a counterexample again, and what it measured then."""
    outcome = example.outcome
    return {
        "format": FORMAT,
        "words": example.words,
        "world": example.trial.spec.as_dict(),
        "view": subject.view,
        "dials": example.dials,
        "boundaries": _boundaries(example),
        "subject": {"name": subject.identity.name, "weights_sha256": subject.identity.weights_sha256},
        "confidence": outcome.measurement.confidence if outcome.measurement else None,
        "alpha": alpha,
        "budget": example.budget,
        "outcome": outcome.record(),
        "shown": _shown(example),
        "example": snippet(example.trial.spec),
    }


def hardest_picture(record: Mapping[str, Any]) -> npt.NDArray[np.uint8]:
    """Return the picture of the pair that a counterexample shows, uint8 (64, 64, 3)."""
    world = build(WorldSpec.from_dict(record["world"]))
    return world.pictures(world.splits["test"][[record["shown"]["row"]]])[0]


def _paths(search: Search) -> list[str]:
    return [f"counterexamples/{number}.json" for number in range(1, len(search.counterexamples) + 1)]


def _boundaries(example: Counterexample) -> list[dict[str, Any]]:
    return [{"dial": name, "measurement": m.record()} for name, m in example.boundaries.items()]


def _shown(example: Counterexample) -> Mapping[str, Any]:
    """Return the pair that was hardest, in words: its caption, and the levels of its factors."""
    world = build(example.trial.spec)
    row = world.splits["test"][[example.row]]
    factors = {name: int(level[0]) for name, level in world.items.factor_columns(row).items()}
    return {"row": example.row, "caption": world.items.sentences(row)[0], "factors": factors}
