"""Every diagnostic of embeddings, on everything that is barely an embedding: a finite value or a reason."""

import itertools
import json
import math

import numpy as np
import pytest

from mmaudit import diagnostics as d
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError
from mmaudit.measurement import Measurement

_RNG = np.random.default_rng(11)
_HEALTHY = _RNG.normal(size=(40, 6))
_ONE_HOT = np.zeros((40, 6))
_ONE_HOT[3, 2] = 1.0
_ZERO_ROWS = _HEALTHY.copy()
_ZERO_ROWS[5:15] = 0.0

DEGENERATE = {
    "empty": np.zeros((0, 6)),
    "no dimension": np.zeros((5, 0)),
    "one item": _HEALTHY[:1],
    "two items": _HEALTHY[:2],
    "three equal items": np.repeat(_HEALTHY[:1], 3, axis=0),
    "five items": _HEALTHY[:5],
    "constant": np.tile(_HEALTHY[:1], (40, 1)),
    "constant but for rounding": np.tile(_HEALTHY[:1], (40, 1)) * (1 + 1e-7 * _RNG.normal(size=(40, 1))),
    "zero": np.zeros((40, 6)),
    "one nonzero row": _ONE_HOT,
    "zero rows": _ZERO_ROWS,
    "duplicates": np.repeat(_HEALTHY[:10], 4, axis=0),
    "two values": np.repeat(_HEALTHY[:2], 20, axis=0),
    "antipodal": np.concatenate([_HEALTHY[:20], -_HEALTHY[:20]]),
    "rank one": np.outer(_HEALTHY[:, 0], _HEALTHY[0]),
    "rank two": _HEALTHY[:, :2] @ _HEALTHY[:2],
    "wide": _RNG.normal(size=(12, 50)),
    "one dimension": _HEALTHY[:, :1],
    "denormal": _HEALTHY * 1e-44,
    "huge": _HEALTHY * 1e30,
    "huge next to tiny": np.where(np.arange(40)[:, None] == 7, 1e30, 1e-30) * _HEALTHY,
}

SIDED = {
    f.__name__: f
    for f in (
        d.rankme,
        d.centred_rankme,
        d.effective_rank,
        d.rank_share,
        d.alpha_req,
        d.mean_cosine,
        d.separation,
        d.distinct_share,
        d.variance,
        d.uniformity,
    )
}
PAIRED = {
    f.__name__: f
    for f in (
        d.rank_asymmetry,
        d.alignment,
        d.modality_gap,
        d.norm_leak,
        d.embedding_gradient_ratio,
        d.canonical_correlations,
        d.ridge_cca,
        d.linear_cka,
        d.hubness,
    )
}


def _check(result: Measurement | tuple[Measurement, ...], n: int) -> None:
    for m in result if isinstance(result, tuple) else (result,):
        json.dumps(m.record(), allow_nan=False)
        assert m.n == n
        if m.value is None:
            assert m.interval == "none"
            assert m.notes[0]
        else:
            assert m.low is not None
            assert m.high is not None
            assert all(map(math.isfinite, (m.value, m.low, m.high)))
            assert m.low <= m.value <= m.high


@pytest.mark.parametrize("z", DEGENERATE.values(), ids=DEGENERATE)
@pytest.mark.parametrize("diagnostic", SIDED.values(), ids=SIDED)
def test_one_matrix_gives_a_finite_value_or_a_reason(diagnostic, z):
    _check(diagnostic(np.asarray(z, dtype=np.float32)), len(z))
    _check(diagnostic(z), len(z))


@pytest.mark.parametrize("z", DEGENERATE.values(), ids=DEGENERATE)
@pytest.mark.parametrize("diagnostic", PAIRED.values(), ids=PAIRED)
def test_two_matrices_give_a_finite_value_or_a_reason(diagnostic, z):
    healthy = np.random.default_rng(5).normal(size=z.shape)
    sides = ((z, z), (z, healthy), (healthy, z))
    for (x, y), similarity in itertools.product(sides, ("cosine", "dot")):
        _check(diagnostic(Embeddings(x, y, similarity=similarity)), len(z))


@pytest.mark.parametrize("z", DEGENERATE.values(), ids=DEGENERATE)
def test_information_gives_a_finite_value_or_a_reason(z):
    n = len(z)
    for factor in (np.arange(n) % 3, np.zeros(n, dtype=int), np.arange(n)):
        _check(d.mi_proxy(z, factor, draws=5), n)
    _check(d.v_information(z, np.arange(n) % 2), n)
    _check(d.v_information(z, (np.arange(n) == 1).astype(int)), n)


@pytest.mark.parametrize("diagnostic", SIDED.values(), ids=SIDED)
@pytest.mark.parametrize(
    "z",
    [
        np.zeros(4),
        np.full((3, 2), np.nan),
        np.full((3, 2), np.inf),
        np.full((3, 2), 1e39),
        np.zeros((2, 2), complex),
    ],
    ids=["one axis", "nan", "infinity", "beyond float32", "complex"],
)
def test_what_is_no_embedding_is_refused_in_one_line(diagnostic, z):
    with pytest.raises(InputError, match="embeddings") as caught:
        diagnostic(z)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("diagnostic", [*SIDED.values()], ids=[*SIDED])
def test_the_order_of_the_items_does_not_matter(diagnostic):
    z = np.random.default_rng(3).normal(size=(60, 7))
    shuffled = diagnostic(z[np.random.default_rng(4).permutation(60)])
    straight = diagnostic(z)
    assert shuffled.value == pytest.approx(straight.value, rel=1e-12, abs=1e-12)
    assert (shuffled.low, shuffled.high) == pytest.approx((straight.low, straight.high), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("diagnostic", [*PAIRED.values()], ids=[*PAIRED])
def test_the_order_of_the_pairs_does_not_matter(diagnostic):
    rng = np.random.default_rng(3)
    e = Embeddings(rng.normal(size=(60, 7)), rng.normal(size=(60, 7)))
    straight, shuffled = diagnostic(e), diagnostic(e.take(rng.permutation(60)))
    pairs = zip(straight, shuffled, strict=True) if isinstance(straight, tuple) else [(straight, shuffled)]
    for a, b in pairs:
        assert b.value == pytest.approx(a.value, rel=1e-9, abs=1e-12)
        assert (b.low, b.high) == pytest.approx((a.low, a.high), rel=1e-9, abs=1e-12)


def test_names_end_with_the_modality():
    e = Embeddings(_HEALTHY, _HEALTHY, ("audio", "text"))
    assert [m.name for m in d.per_side(d.rankme, e)] == ["rankme_audio", "rankme_text"]
    assert [m.name for m in d.hubness(e)] == ["hubness_audio", "hubness_text"]


def test_confidence_reaches_the_interval():
    e = Embeddings(_HEALTHY, np.random.default_rng(2).normal(size=(40, 6)))
    for diagnostic in PAIRED.values():
        for m in np.atleast_1d(np.array(diagnostic(e, confidence=0.5), dtype=object)):
            assert m.confidence == 0.5
