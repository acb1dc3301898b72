"""Does one direction of retrieval work better than the other?"""

from mmaudit import inference
from mmaudit.diagnostics.retrieval import Ranks
from mmaudit.measurement import Measurement

__all__ = ["symmetry_gap"]


def symmetry_gap(ranks: Ranks, k: int = 1, confidence: float = 0.95) -> Measurement:
    """Measure r@k(x→y) − r@k(y→x), paired by item; positive: the first modality finds the second better.

    Mirrored embeddings give exactly the negative, and embeddings equal in both modalities exactly zero.
    Undefined where a query has fewer than k wrong candidates.
    """
    name = "symmetry_gap" if k == 1 else f"symmetry_gap_at_{k}"
    if (reason := ranks.too_few(k)) is not None:
        return inference.undefined(name, reason, len(ranks), confidence=confidence, unit="share")
    return inference.paired_difference(
        name,
        ranks.forward.hits(k),
        ranks.backward.hits(k),
        clusters=ranks.groups,
        shared=inference.shared_variance(
            ranks.forward.hits(k) - ranks.backward.hits(k), *ranks.rivalry(k, 1.0, -1.0), ranks.groups
        ),
        confidence=confidence,
        unit="share",
        direction="closer to zero is better",
        null=0.0,
        notes=(f"r@{k} {ranks.way('forward')} less {ranks.way('backward')}",),
    )
