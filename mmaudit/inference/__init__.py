"""Intervals, tests, multiplicity and planning: how a number becomes a statement."""

from mmaudit.inference.interactions import shared_variance
from mmaudit.inference.intervals import (
    Labels,
    at_confidence,
    bounded_mean,
    by_appearance,
    canonical_order,
    cluster_totals,
    delete_one,
    drawn_order,
    exact,
    jackknife,
    linearized,
    mean,
    mean_share,
    paired_difference,
    propagated,
    proportion,
    student,
    undefined,
)
from mmaudit.inference.multiplicity import holm
from mmaudit.inference.planning import n_to_decide
from mmaudit.inference.tests import tail_probability

__all__ = [
    "Labels",
    "at_confidence",
    "bounded_mean",
    "by_appearance",
    "canonical_order",
    "cluster_totals",
    "delete_one",
    "drawn_order",
    "exact",
    "holm",
    "jackknife",
    "linearized",
    "mean",
    "mean_share",
    "n_to_decide",
    "paired_difference",
    "propagated",
    "proportion",
    "shared_variance",
    "student",
    "tail_probability",
    "undefined",
]
