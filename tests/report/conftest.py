"""Hand-made records for every kind of outcome, so that no test of the report has to measure anything.

All of them are read only and shared by the session, for drawing the plots is what takes the time.
"""

import numpy as np
import pytest

from mmaudit.embeddings import Embeddings
from mmaudit.gates.outcome import Control, Limit, Outcome, Verdict
from mmaudit.measurement import Measurement
from mmaudit.report import draw, figure_data


def measured(name, value, low=None, high=None, **more):
    kind = "none" if value is None else "exact" if low is None or low == high else "student"
    fields = {
        "name": name,
        "value": value,
        "low": value if low is None else low,
        "high": value if high is None else high,
        "confidence": 0.95,
        "n": 400,
        "method": "paired difference",
        "interval": kind,
        "unit": "",
        "direction": "higher is better",
    }
    return Measurement(**{**fields, **more})


@pytest.fixture(scope="session")
def make():
    """Return a maker of outcomes; a tuple given as ``measurement`` is (value, low, high)."""

    def maker(check="symmetry_gap", failure="dominance", verdict=Verdict.ACCEPT, **more):
        found = more.pop("measurement", (0.01, -0.02, 0.04))
        limit = more.pop("limit", Limit(low=-0.1, high=0.1, kind="field", rationale="harm"))
        if isinstance(found, tuple):
            found = measured(check, *found)
        return Outcome(
            check=check,
            failure=failure,
            question=f"What of {check}?",
            verdict=verdict,
            measurement=found,
            limit=limit,
            **more,
        )

    return maker


@pytest.fixture(scope="session")
def outcomes(make):
    """Every verdict, an undefined value, a notice, an exact count, and both one-sided limits."""
    above = Limit(low=0.75, kind="field", rationale="half-way from chance to certainty")
    below = Limit(high=0.27, kind="field", rationale="chance is exactly one quarter")
    return [
        make("rankme", "collapse", None, measurement=(27.4, 26.9, 27.9), limit=None),
        make(
            "alpha_req",
            "collapse",
            None,
            measurement=measured("alpha_req", None, notes=("rank one",)),
            limit=None,
        ),
        make(
            "twin_accuracy",
            "shortcut",
            Verdict.REJECT,
            measurement=(0.712, 0.681, 0.743),
            limit=below,
            p_value=1e-6,
            p_adjusted=2e-5,
            family=14,
        ),
        make(
            "symmetry_gap",
            "dominance",
            Verdict.INCONCLUSIVE,
            measurement=(0.09, 0.04, 0.14),
            n_to_decide=9100,
        ),
        make(
            "pair_discrimination",
            "alignment",
            Verdict.ACCEPT,
            measurement=(0.991, 0.988, 0.994),
            limit=above,
            control=Control(damage="share of claimed pairs swapped", severity=0.6, value=0.71, harm=0.4),
        ),
        make(
            "contract",
            "integrity",
            Verdict.ACCEPT,
            measurement=(0.0, 0.0, 0.0),
            limit=Limit(high=0, kind="field", rationale="invariant"),
            control=Control(damage="share of rows turned to NaN", severity=0.01, value=None, harm=None),
        ),
        make(
            "tail_excess",
            "corruption",
            Verdict.NOT_EVIDENCED,
            measurement=None,
            limit=None,
            reason="no trusted pairs are known",
        ),
    ]


@pytest.fixture(scope="session")
def certifications(make):
    names = ("null:constant", "null:nan")
    return [
        make(
            name, "certification", Verdict.ACCEPT, measurement=None, limit=None, reason="rejected by contract"
        )
        for name in names
    ]


@pytest.fixture(scope="session")
def embeddings():
    rng = np.random.default_rng(5)
    z = rng.standard_normal((90, 8))
    return Embeddings(z / np.linalg.norm(z, axis=1, keepdims=True), z + 0.4 * rng.standard_normal((90, 8)))


@pytest.fixture(scope="session")
def history():
    return [
        {
            "epoch": e + 1,
            "train_loss": 4.0 / (e + 1),
            "r1_xy": 0.1 * e,
            "r1_yx": 0.09 * e,
            "rankme_x": 20.0 + e,
            "rankme_y": None,
            "spectrum_x": [1.0, 0.5],
            "temperature": 0.07,
        }
        for e in range(6)
    ]


@pytest.fixture(scope="session")
def plots(outcomes, embeddings, history):
    return draw(figure_data(outcomes, embeddings=embeddings, history=history))


@pytest.fixture(scope="session")
def tables(outcomes, embeddings, history):
    return figure_data(outcomes, embeddings=embeddings, history=history)
