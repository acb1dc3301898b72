"""One side of a comparison, from a bundle or from a run that has just ended, and who may stand opposite."""

import dataclasses
from collections.abc import Mapping
from typing import Any, get_args

import numpy as np

from mmaudit.diagnostics.retrieval import group_codes
from mmaudit.embeddings import Embeddings, Similarity
from mmaudit.errors import InputError
from mmaudit.evidence.reading import Contents
from mmaudit.gates.outcome import Outcome
from mmaudit.pairs import IntArray

__all__ = ["ARRAYS", "Conditions", "Side", "check_comparable", "side_of"]

ARRAYS = ("data/embeddings_x.npy", "data/embeddings_y.npy", "data/groups.npy")
"""The arrays of a bundle that a comparison reads; there are no groups where every item is its own."""

_FREE = {"data", "digest", "subject", "tolerance"}
"""Settings that may differ: the subject is what is compared, the data are known by their content, and the
others change no figure."""

_DATA = {
    "pairs": "number of pairs",
    "world": "built-in world",
    "inputs_sha256": "digest of the inputs",
    "relevance_groups": "number of relevance groups",
    "trusted_pairs": "number of trusted pairs",
    "factors": "factors",
    "nuisance": "nuisance columns",
}
"""Facts of a dataset that must agree, with their names. What it is called is not one of them."""


@dataclasses.dataclass(frozen=True, eq=False)
class Conditions:
    """What two audits must share to be compared: ``settings`` and ``dataset`` as in a bundle's documents.

    ``groups`` (n,) are the relevance groups, ``None`` where every item is its own.
    """

    settings: Mapping[str, Any]
    dataset: Mapping[str, Any]
    groups: IntArray | None

    @property
    def digests(self) -> list[Any]:
        """The digests of the inputs, ``None`` where they are objects without content."""
        found = self.dataset.get("inputs_sha256")
        return list(found.values()) if isinstance(found, dict) else [None]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """One audit. ``digest`` identifies its evidence, ``None`` where it is not written yet.

    ``embeddings`` are those it served, ``None`` where it served none that are sound.
    """

    subject: str
    version: str
    conditions: Conditions
    outcomes: tuple[Outcome, ...]
    embeddings: Embeddings | None
    digest: str | None = None

    @property
    def tolerance(self) -> dict[str, float]:
        """How much worse each check may get, as the settings of this audit say."""
        return dict(self.conditions.settings.get("tolerance", {}))


def side_of(contents: Contents) -> Side:
    """Return the audit that a bundle holds, read with the :data:`ARRAYS`.

    Raises :class:`InputError`, one line, where it does not verify or lacks what a comparison needs.
    """
    if contents.problems:
        raise InputError(f"{contents.path.name} does not verify: {contents.problems[0]}")
    documents, arrays = contents.documents, contents.arrays
    subject, dataset = documents["subject.json"], documents["dataset.json"]
    x, y, groups = (arrays.get(name) for name in ARRAYS)
    try:
        conditions = Conditions(
            settings=documents["settings.json"],
            dataset=dataset,
            groups=None if groups is None else group_codes(groups, int(dataset["pairs"])),
        )
        _check_settings(conditions.settings)
        if subject["similarity"] not in get_args(Similarity):
            raise InputError(f"its similarity is {subject['similarity']!r}")
        first, second = (str(name) for name in subject["modalities"])
        served = None if x is None or y is None else Embeddings(x, y, (first, second), subject["similarity"])
        if served is not None and len(served) != dataset["pairs"]:
            raise InputError(f"{len(served)} embeddings for {dataset['pairs']} pairs")
        return Side(
            subject=str(subject["name"]),
            version=documents["environment.json"]["packages"].get("mmaudit", {}).get("version", "unknown"),
            conditions=conditions,
            outcomes=tuple(Outcome.from_record(row) for row in documents["outcomes.json"]["outcomes"]),
            embeddings=served,
            digest=contents.digest,
        )
    except KeyError as error:
        raise InputError(f"{contents.path.name} does not record {error}; audit that subject again") from error
    except (InputError, TypeError, ValueError) as error:
        raise InputError(f"{contents.path.name} cannot be compared: {error}") from error


def _check_settings(settings: Mapping[str, Any]) -> None:
    for key in ("alpha", "confidence"):
        if not isinstance(settings[key], float) or not 0 < settings[key] < 1:
            raise InputError(f"its setting {key!r} is {settings[key]!r}, no share")
    tolerance = settings.get("tolerance", {})
    if not isinstance(tolerance, dict) or not all(isinstance(v, (int, float)) for v in tolerance.values()):
        raise InputError("its setting 'tolerance' is no table of numbers")


def check_comparable(before: Conditions, now: Conditions) -> None:
    """Raise :class:`InputError` unless both have the same settings and items; it names the difference."""
    difference = _other_settings(before, now) or _other_items(before, now)
    if difference is not None:
        raise InputError(f"not comparable: {difference}")


def _other_settings(before: Conditions, now: Conditions) -> str | None:
    for key in sorted((before.settings.keys() | now.settings.keys()) - _FREE):
        was, is_now = (_measured_by(key, side.settings.get(key)) for side in (before, now))
        if was != is_now:
            return (
                f"the setting {key!r} was {_brief(was)} and is {_brief(is_now)}; "
                "audit both under the same settings"
            )
    return None


def _measured_by(key: str, value: Any) -> Any:
    """Return what a setting does to the figures: why a limit was chosen may be said in other words."""
    if key != "limits" or not isinstance(value, Mapping):
        return value
    return {
        check: {end: row[end] for end in row if end != "rationale"} if isinstance(row, Mapping) else row
        for check, row in value.items()
    }


def _other_items(before: Conditions, now: Conditions) -> str | None:
    way_out = "a baseline is of the same items; audit it on these"
    for key, label in _DATA.items():
        was, is_now = before.dataset.get(key), now.dataset.get(key)
        if was != is_now:
            shown = "" if key == "inputs_sha256" else f" (it was {_brief(was)} and is {_brief(is_now)})"
            return f"the {label} differs{shown}; {way_out}"
    if before.groups is None or now.groups is None:
        same = before.groups is now.groups
    else:
        same = np.array_equal(before.groups, now.groups)
    return None if same else f"the relevance groups differ; {way_out}"


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
