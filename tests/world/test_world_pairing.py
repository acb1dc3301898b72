import numpy as np
import pytest

from mmaudit.errors import InputError
from mmaudit.world import WorldSpec, build
from mmaudit.world.factors import draw_combinations, factor_values
from mmaudit.world.pairing import corrupt
from mmaudit.world.splits import check_hygiene, deal

rates = pytest.mark.parametrize("rate", [0.05, 0.1, 0.25, 0.45, 1.0])
kinds = pytest.mark.parametrize("kind", ["derangement", "hard"])


@kinds
@rates
@pytest.mark.parametrize("replacement", [False, True])
def test_exactly_the_asked_share_means_something_else(kind, rate, replacement):
    world = build(
        WorldSpec(
            n_train=300, n_claims=90, n_val=50, n_test=50,
            corruption_rate=rate, corruption_kind=kind, replacement=replacement,
        )
    )  # fmt: skip
    meaning = world.items.combinations
    for split, count in (("train", round(rate * 300)), ("claims", round(rate * 90))):
        index, partner = world.splits[split], world.partner(split)
        assert world.corrupted(split).sum() == count
        np.testing.assert_array_equal(meaning[index] != meaning[partner], world.corrupted(split))
        assert np.isin(partner, index).all()
        if kind == "derangement":
            assert len(np.unique(partner)) == len(partner)
    for split in ("val", "test"):
        np.testing.assert_array_equal(world.partner(split), world.splits[split])
        assert not world.corrupted(split).any()


def test_a_clean_world_claims_only_right_pairs():
    world = build(WorldSpec())
    for split in world.splits:
        np.testing.assert_array_equal(world.partner(split), world.splits[split])


def test_a_hard_mismatch_shares_as_many_factors_as_the_split_allows():
    combinations = np.random.default_rng(0).permutation(4608)[:800]
    factors = factor_values(combinations)
    partner = corrupt(combinations, 0.3, "hard", np.random.default_rng(1))
    wrong = np.flatnonzero(partner != np.arange(800))
    assert len(wrong) == 240
    shared = (factors[wrong, None] == factors[None]).sum(axis=2)
    best = np.where(shared == 5, -1, shared).max(axis=1)
    np.testing.assert_array_equal((factors[wrong] == factors[partner[wrong]]).sum(axis=1), best)
    assert best.min() >= 3


def test_a_derangement_is_no_harder_than_chance():
    combinations = np.random.default_rng(0).permutation(4608)[:800]
    factors = factor_values(combinations)
    partner = corrupt(combinations, 1.0, "derangement", np.random.default_rng(1))
    # Two random items share ¼ + ⅛ + ⅙ + ⅛ + ⅓ = 1 factor on average, SD 0.88: five standard errors.
    assert abs((factors == factors[partner]).sum(axis=1).mean() - 1.0) < 0.16


@kinds
def test_a_higher_rate_corrupts_the_same_pairs_and_more(kind):
    combinations = np.random.default_rng(0).permutation(4608)[:200]
    less, more = (corrupt(combinations, q, kind, np.random.default_rng(5)) for q in (0.1, 0.4))
    rows = np.arange(200)
    assert (more != rows)[less != rows].all()


def test_derangement_of_repeated_meanings():
    repeated = np.repeat([4, 9, 2], [6, 4, 2])
    for seed in range(50):
        partner = corrupt(repeated, 1.0, "derangement", np.random.default_rng(seed))
        assert (repeated[partner] != repeated).all()
        assert sorted(partner) == list(range(12))


def test_what_cannot_be_made_wrong_is_refused():
    same = np.zeros(6, dtype=np.int64)
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="6 of the 6 pairs to corrupt mean the same"):
        corrupt(same, 1.0, "derangement", rng)
    with pytest.raises(InputError, match="no text is wrong for any image"):
        corrupt(same, 0.5, "hard", rng)


@pytest.mark.parametrize("split_by", ["item", "group"])
@pytest.mark.parametrize("replacement", [False, True])
def test_splits_are_disjoint_and_complete(split_by, replacement):
    world = build(WorldSpec(split_by=split_by, replacement=replacement))
    dealt = np.concatenate(list(world.splits.values()))
    np.testing.assert_array_equal(np.sort(dealt), np.arange(2800))
    assert {name: len(index) for name, index in world.splits.items()} == world.spec.counts


def test_without_replacement_no_meaning_occurs_twice_and_with_it_some_do():
    assert len(np.unique(build(WorldSpec()).items.combinations)) == 2800
    drawn = build(WorldSpec(replacement=True)).items.combinations
    # 4608 (1 − e^(−2800/4608)) ≈ 2099 distinct combinations are expected, with a deviation of about 24.
    assert 1980 < len(np.unique(drawn)) < 2220
    assert drawn.min() >= 0
    assert drawn.max() < 4608


def test_only_by_group_do_repeated_meanings_stay_in_one_split():
    spec = WorldSpec(replacement=True, split_by="item")
    splits = deal(spec)
    straddling = draw_combinations(spec, splits)
    check_hygiene(splits, straddling, by_group=False)
    with pytest.raises(InputError, match=r"share \d+ factor combinations"):
        check_hygiene(splits, straddling, by_group=True)
    grouped = build(WorldSpec(replacement=True, split_by="group", n_val=1, n_claims=0))
    check_hygiene(grouped.splits, grouped.items.combinations, by_group=True)
    train = grouped.items.combinations[grouped.splits["train"]]
    assert len(np.unique(train)) < len(train)


def test_a_shared_item_is_named():
    shared = {"train": np.array([0, 1, 2]), "test": np.array([2, 3])}
    with pytest.raises(InputError, match=r"splits 'train' and 'test' share 1 items \(first: item 2\)"):
        check_hygiene(shared, np.arange(4), by_group=False)


def test_every_level_of_every_factor_occurs_about_equally_often():
    factors = build(WorldSpec()).items.factors
    for column, levels in zip(factors.T, (4, 8, 6, 8, 3), strict=True):
        counts = np.bincount(column, minlength=levels)
        expected = 2800 / levels
        # Without replacement counts vary less than this binomial spread.
        assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)
