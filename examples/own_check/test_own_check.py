"""Checks of a project's own, beside those of the catalogue: ``pytest --mmaudit examples/own_check``."""

import numpy as np
import pytest

from mmaudit import Embeddings, Subject, inference
from mmaudit.diagnostics import modality_gap
from pytest_mmaudit.fixtures import Evidence, Gate


@pytest.mark.mmaudit(failure="collapse")
def test_both_modalities_lie_in_one_place(mmaudit_embeddings: Embeddings, mmaudit_gate: Gate) -> None:
    """A diagnostic of the catalogue that has no limit of its own, held to this project's."""
    mmaudit_gate(modality_gap(mmaudit_embeddings), high=0.3)


@pytest.mark.mmaudit(failure="alignment")
def test_pairs_are_close(
    mmaudit_embeddings: Embeddings, mmaudit_subject: Subject, mmaudit_gate: Gate, mmaudit_evidence: Evidence
) -> None:
    """A measurement of this project's own: the interval decides, and the bundle keeps what was found."""
    x, y = mmaudit_embeddings.scored
    close = np.sum(x * y, axis=1) > 0.5
    mmaudit_gate(
        inference.proportion("close pairs", close), low=0.9, question="Do pairs have a cosine above 0.5?"
    )
    mmaudit_evidence(subject=mmaudit_subject.identity.name, far=int(np.sum(~close)))


@pytest.mark.mmaudit(failure="integrity")
def test_the_audit_rejects_shuffled_pairs(mmaudit_gate: Gate) -> None:
    """Would the audit have noticed, had the pairs been permuted?"""
    mmaudit_gate.certify("permuted_pairs")
