"""What is watched during training: retrieval and geometry of the validation embeddings."""

from typing import Any

from mmaudit.diagnostics import geometry
from mmaudit.diagnostics.retrieval import ranks
from mmaudit.embeddings import Embeddings

__all__ = ["SPECTRUM", "vitals"]

SPECTRUM = 8
"""How many leading eigenvalues of the covariance are kept."""


def vitals(embeddings: Embeddings) -> dict[str, Any]:
    """Return the validation columns of a :class:`~mmaudit.aligner.history.History` row, for 2 pairs or more.

    The numbers are the diagnostics' own, so an audit of the same embeddings finds the same; ``None`` where
    a diagnostic is undefined.
    """
    ranked = ranks(embeddings)
    r1_xy = float(ranked.forward.hits(1).mean())
    r1_yx = float(ranked.backward.hits(1).mean())
    row: dict[str, Any] = {"r1_xy": r1_xy, "r1_yx": r1_yx, "symmetry_gap": r1_xy - r1_yx}
    for side, z in zip("xy", embeddings.scored, strict=True):
        row[f"variance_{side}"] = geometry.variance(z).value
        row[f"mean_cosine_{side}"] = geometry.mean_cosine(z).value
        row[f"effective_rank_{side}"] = geometry.rank(z, "effective_rank")
        row[f"rankme_{side}"] = geometry.rank(z, "rankme")
        row[f"spectrum_{side}"] = geometry.spectrum(z)[:SPECTRUM].tolist()
    return row
