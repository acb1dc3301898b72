"""The baseline: what a working aligner reads, and what its probes can and cannot say."""

from mmaudit.suites.condition import Claim, Condition, Statement
from mmaudit.suites.margins import NO_GAP, lost, unharmed

__all__ = ["BASELINE"]

LONG = {"epochs": 45}

BASELINE = (
    Condition(
        name="baseline",
        suite="baseline",
        training=LONG,
        claims=(
            Claim("Retrieval works in both directions and the symmetry gap stays small.", (NO_GAP,)),
            Claim(
                "The modalities share coherent correlated directions.",
                (Statement("canonical_correlations", low=0.5),),
            ),
            Claim(
                "The mutual-information proxy of a factor is materially above trivial levels.",
                (Statement("mi_null_share_image_shape", high=0.5),),
                "Random labels read most of what the true ones do; a cross-fitted probe does hold "
                "information.",
                (
                    Statement("mi_null_share_image_shape", low=0.5),
                    Statement("mi_excess_image_shape", low=0.0),
                    Statement("v_information_image_shape", low=0.1),
                ),
            ),
        ),
    ),
    Condition(
        name="baseline_as_published",
        suite="baseline",
        reference="baseline",
        world={"orientation_span": "full"},
        training=LONG,
        claims=(
            Claim(
                "The factors are known truth: an item is told from all others by its factors.",
                (unharmed(),),
                "Orientations over the full circle make (orientation + 4, phase) and (orientation, 4 "
                "− phase) one "
                "picture with two captions; over half a circle the same aligner retrieves more.",
                (lost(),),
            ),
        ),
    ),
)
