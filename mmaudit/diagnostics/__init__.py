"""Diagnostics: pure functions of arrays, one family a file, each returning :class:`Measurement` objects."""

from mmaudit.diagnostics._arrays import per_side
from mmaudit.diagnostics.correlation import (
    canonical_correlations,
    linear_cka,
    ridge_cca,
)
from mmaudit.diagnostics.corruption import (
    early_loss_separation,
    exchangeability,
    mismatch_scores,
    mispairing_rate,
    pair_losses,
    suspects,
    tail_excess,
)
from mmaudit.diagnostics.device import device_ranks
from mmaudit.diagnostics.dominance import (
    batch_gradient_ratio,
    embedding_gradient_ratio,
    gradient_ratio,
    movement_ratio,
)
from mmaudit.diagnostics.geometry import (
    RankKind,
    alignment,
    alpha_req,
    centred_rankme,
    distinct_share,
    effective_rank,
    mean_cosine,
    modality_gap,
    norm_leak,
    rank_asymmetry,
    rank_share,
    rankme,
    separation,
    spectrum,
    uniformity,
    variance,
)
from mmaudit.diagnostics.hubness import hub_items, hubness, neighbour_counts
from mmaudit.diagnostics.idle import idle_dimensions
from mmaudit.diagnostics.influence import one_step_influence
from mmaudit.diagnostics.information import mi_proxy, v_information
from mmaudit.diagnostics.learning import input_similarity, twin_variance
from mmaudit.diagnostics.pointwise import cross_fitted_ranks, pointwise_information
from mmaudit.diagnostics.retrieval import (
    Ranks,
    mean_recall,
    median_rank,
    mrr,
    pair_discrimination,
    ranks,
    recall,
)
from mmaudit.diagnostics.scan import same_value_drops
from mmaudit.diagnostics.shortcut import (
    blind_baseline,
    counterfactual_drop,
    matched_negative_drop,
    twin_accuracy,
    twin_agreement,
)
from mmaudit.diagnostics.slices import measured_slices, slice_discrimination, slice_spread
from mmaudit.diagnostics.splits import near_duplicates, split_overlap
from mmaudit.diagnostics.symmetry import symmetry_gap

__all__ = [
    "RankKind",
    "Ranks",
    "alignment",
    "alpha_req",
    "batch_gradient_ratio",
    "blind_baseline",
    "canonical_correlations",
    "centred_rankme",
    "counterfactual_drop",
    "cross_fitted_ranks",
    "device_ranks",
    "distinct_share",
    "early_loss_separation",
    "effective_rank",
    "embedding_gradient_ratio",
    "exchangeability",
    "gradient_ratio",
    "hub_items",
    "hubness",
    "idle_dimensions",
    "input_similarity",
    "linear_cka",
    "matched_negative_drop",
    "mean_cosine",
    "mean_recall",
    "measured_slices",
    "median_rank",
    "mi_proxy",
    "mismatch_scores",
    "mispairing_rate",
    "modality_gap",
    "movement_ratio",
    "mrr",
    "near_duplicates",
    "neighbour_counts",
    "norm_leak",
    "one_step_influence",
    "pair_discrimination",
    "pair_losses",
    "per_side",
    "pointwise_information",
    "rank_asymmetry",
    "rank_share",
    "rankme",
    "ranks",
    "recall",
    "ridge_cca",
    "same_value_drops",
    "separation",
    "slice_discrimination",
    "slice_spread",
    "spectrum",
    "split_overlap",
    "suspects",
    "symmetry_gap",
    "tail_excess",
    "twin_accuracy",
    "twin_agreement",
    "twin_variance",
    "uniformity",
    "v_information",
    "variance",
]
