import numpy as np
import pytest

from mmaudit.diagnostics import idle, idle_dimensions, mean_recall, ranks
from mmaudit.diagnostics.principal import principal
from mmaudit.embeddings import Embeddings, unit_rows
from mmaudit.inference import paired_difference, shared_variance
from mmaudit.seeds import generator


def sides(n=400, width=48, noise=0.9, decay=0.5, seed=0):
    rng = generator(seed, "idle sides")
    scale = np.arange(1, width + 1) ** -decay
    z = rng.standard_normal((n, width)) * scale
    return [unit_rows(z + noise * rng.standard_normal(z.shape) * scale) for _ in range(2)]


def on_first(z, k):
    mean = z.mean(axis=0)
    u, s, vt = np.linalg.svd(z - mean, full_matrices=False)
    return mean + (u[:, :k] * s[:k]) @ vt[:k]


def embeddings(x, y, dtype=np.float32):
    return Embeddings(x.astype(dtype), y.astype(dtype))


@pytest.mark.parametrize(("n", "width"), [(400, 48), (60, 200), (128, 128)])
def test_healthy_embeddings_have_no_idle_directions(n, width):
    m = idle_dimensions(embeddings(*sides(n, width)))
    assert (m.value, m.interval) == (0, "exact")


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_cut_that_costs_retrieval_shows(dtype):
    x, y = sides()
    m = idle_dimensions(embeddings(on_first(x, 24), on_first(y, 24), dtype))
    assert m.low > 0.05
    # The mean is a direction too, once rows are normalised.
    assert m.notes == (
        "image embeddings use 25 of 48 possible directions",
        "text embeddings use 25 of 48 possible directions",
    )


def test_a_cut_that_costs_nothing_is_harmless():
    x, y = sides(noise=0.1, decay=0.0, width=64)
    m = idle_dimensions(embeddings(on_first(x, 56), on_first(y, 56)))
    assert m.interval == "student"
    assert m.high < 0.02


def padded(x, y, width):
    """Both sides in a wider space, whose further dimensions they leave empty."""
    return embeddings(*(np.pad(z, ((0, 0), (0, width - z.shape[1]))) for z in (x, y)))


def test_a_few_idle_directions_are_worth_little():
    """An encoder with dead units: four of 64 dimensions are constant, and every other one counts."""
    m = idle_dimensions(padded(*sides(1000, 60, noise=0.6, decay=0.0), 64))
    assert m.interval != "exact"
    assert m.high < 0.02


def test_a_picture_with_many_captions_is_one_item():
    x, y = sides(200, 64)
    repeated = np.repeat(x[:40], 5, axis=0) + generator(1, "batch").normal(0, 1e-8, (200, 64))
    assert idle_dimensions(embeddings(repeated, y)).value == 0
    assert (
        idle_dimensions(embeddings(np.repeat(x[:40], 5, axis=0), y), np.repeat(np.arange(40), 5)).value == 0
    )


def test_order_does_not_matter():
    x, y = sides()
    e = embeddings(on_first(x, 20), on_first(y, 20))
    order = generator(2, "order").permutation(len(e))
    a, b = idle_dimensions(e), idle_dimensions(e.take(order))
    assert (a.value, a.se) == pytest.approx((b.value, b.se), abs=1e-9)


def test_one_point_has_nothing_to_halve():
    same = np.ones((50, 8), dtype=np.float32)
    assert idle_dimensions(Embeddings(same, same)).value == 0


@pytest.mark.parametrize("k", [1, 3, 6, 10, 16, 24])
def test_there_is_no_rank_so_low_that_it_passes(k):
    x, y = sides(noise=0.5)
    m = idle_dimensions(embeddings(on_first(x, k), on_first(y, k)))
    assert m.low > 0.02, m


def test_few_directions_that_tell_all_items_apart_are_enough():
    m = idle_dimensions(padded(*sides(100, 8, noise=0.001, decay=0.0), 32))
    assert m.interval == "wilson"
    assert m.high < 0.05


@pytest.mark.parametrize(("n", "live"), [(200, 16), (400, 20), (400, 16)])
@pytest.mark.parametrize("noise", [0.1, 0.4, 0.6])
def test_no_more_can_be_gained_than_is_missing(n, live, noise):
    """Whether fewer than two directions are used for each bit (400 items, 16 directions) or not."""
    e = padded(*sides(n, live, noise, decay=0.0), 64)
    m, recall = idle_dimensions(e), mean_recall(ranks(e), 1)
    assert (m.value, m.low, m.high) == pytest.approx((1 - recall.value, 1 - recall.high, 1 - recall.low))
    assert (m.name, m.unit, m.direction, m.null) == ("idle_dimensions", "share", "lower is better", 0)
    assert m.notes[-1].endswith("is counted")


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_an_encoder_that_answers_every_query_is_short_of_nothing(decay):
    m = idle_dimensions(padded(*sides(400, 20, noise=0.2, decay=decay), 64))
    assert m.value < 0.002
    assert m.high < 0.015


def test_the_smaller_of_both_bounds_is_taken():
    """Half of the queries fail, and the loss of half of the directions is less than that."""
    e = padded(*sides(400, 40, noise=1.4, decay=0.0), 64)
    m, missing = idle_dimensions(e), 1 - ranks(e).mean_hits(1).mean()
    assert m.interval == "student"
    assert 0.1 < m.high < missing - 0.05


def test_without_an_error_it_is_the_loss_of_hits(monkeypatch):
    """Smoothing aside, the figure is the difference of r@1 with and without half of the live directions."""
    x, y = sides(noise=0.6)
    e = embeddings(on_first(x, 20), on_first(y, 20))
    monkeypatch.setattr(idle, "SMOOTHING", 1e-9)
    found = idle_dimensions(e)
    halves = [principal(unit_rows(z)) for z in e.scored]
    live = int(found.notes[0].split(" use ")[1].split()[0])
    fewer = embeddings(*(half.keep(round(live / 2)) for half in halves))
    now, then = ranks(e), ranks(fewer)
    assert found.value == pytest.approx((now.mean_hits(1) - then.mean_hits(1)).mean(), abs=1e-9)
    parts = [now.rivalry(1, 0.5, 0.5), then.rivalry(1, -0.5, -0.5)]
    query, candidate, effect = (np.concatenate(column) for column in zip(*parts, strict=True))
    lost, items = now.mean_hits(1) - then.mean_hits(1), np.arange(len(e))
    shared = shared_variance(lost, query, candidate, effect, items)
    expected = paired_difference("loss", now.mean_hits(1), then.mean_hits(1), shared=shared)
    assert found.se == pytest.approx(expected.se, rel=1e-6)


def test_known_directions_are_taken_where_all_items_are_looked_at(monkeypatch):
    x, y = sides(noise=0.6)
    e = embeddings(on_first(x, 20), on_first(y, 20))
    known = principal(unit_rows(e.x)), principal(unit_rows(e.y))
    alone = idle_dimensions(e)
    monkeypatch.setattr(idle, "principal", None)
    assert idle_dimensions(e, directions=known).value == pytest.approx(alone.value, rel=1e-9)
    monkeypatch.undo()
    monkeypatch.setattr(idle, "ITEMS", len(e) - 1)
    some = idle_dimensions(e)
    assert idle_dimensions(e, directions=known) == some
    assert some.n == len(e) - 1


@pytest.mark.parametrize("k", [1, 3])
def test_margins_are_what_each_query_shows(k):
    x, y = sides(12, 4)
    e = Embeddings(x, y)
    groups = np.array([0, 0, 1, 2, 3, 4, 4, 4, 5, 6, 7, 8])
    similarity = e.scored[0] @ e.scored[1].T
    for table, found in zip((similarity, similarity.T), idle._margins(e, groups, k), strict=True):
        for query in range(12):
            rivals = [j for j in range(12) if groups[j] != groups[query]]
            rivals.sort(key=lambda j, query=query, table=table: -table[query, j])
            assert found.rivals[query].tolist() == rivals[:k]
            assert found.kth[query] == pytest.approx(table[query, query] - table[query, rivals[k - 1]])
            assert found.next[query] == pytest.approx(table[query, query] - table[query, rivals[k]])


def test_a_rival_that_is_the_last_leaves_nobody():
    x, y = sides(5, 3)
    for found in idle._margins(Embeddings(x, y), np.arange(5), 4):
        assert np.isfinite(found.kth).all()
        assert np.isposinf(found.next).all()


def test_smoothing_moves_the_figure_little_and_narrows_its_interval(monkeypatch):
    x, y = sides(300, 64, noise=0.9)
    e = embeddings(on_first(x, 48), on_first(y, 48))
    smooth = idle_dimensions(e)
    monkeypatch.setattr(idle, "SMOOTHING", 1e-9)
    hard = idle_dimensions(e)
    assert smooth.se < 0.8 * hard.se
    assert hard.low < smooth.value < hard.high


@pytest.mark.parametrize(("idle", "harmless"), [(2, True), (3, False)])
def test_one_direction_in_twenty_may_lie_idle(idle, harmless):
    m = idle_dimensions(padded(*sides(200, 40 - idle, decay=0.0), 40))
    assert (m.interval == "exact") == harmless
    assert m.method == ("no modality has more than 5% idle directions" if harmless else m.method)
    assert (m.unit, m.direction, m.n) == ("share", "lower is better", 200)


@pytest.mark.parametrize(("weak", "idle"), [(1e-4, True), (4e-4, False)])
def test_a_direction_is_idle_below_two_ten_thousandths_of_the_largest(weak, idle):
    rng = generator(7, "weak directions")
    z = rng.standard_normal((300, 20)) * np.where(np.arange(20) < 10, 1.0, weak)
    y = z + 0.01 * np.where(np.arange(20) < 10, 1.0, weak) * rng.standard_normal(z.shape)
    # Rows of ten strong and ten weak directions; unit rows leave their ratio.
    assert (idle_dimensions(embeddings(z, y)).interval != "exact") == idle


def test_one_side_that_lies_idle_is_enough_and_is_named():
    x, y = sides(300, 40, decay=0.0)
    m = idle_dimensions(embeddings(x, on_first(y, 20)))
    assert m.notes[0].startswith("text embeddings use 21 of 40")
    assert len([note for note in m.notes if "possible directions" in note]) == 1
    mirrored = idle_dimensions(embeddings(on_first(x, 20), y))
    assert mirrored.notes[0].startswith("image embeddings use 21 of 40")


def test_no_more_directions_are_possible_than_there_are_meanings():
    """Ten meanings span nine directions, of forty that there are items and dimensions for."""
    x, y = sides(200, 40)
    meanings = np.arange(200) % 10
    few = [z[meanings] + 1e-9 * z for z in (x, y)]
    assert idle_dimensions(embeddings(*few), meanings).value == 0
    by_row = idle_dimensions(embeddings(x[:10].repeat(20, axis=0), y))
    assert by_row.value == 0


def test_no_item_has_nothing_to_measure_and_two_thousand_are_enough():
    none = idle_dimensions(embeddings(np.zeros((0, 3)), np.zeros((0, 3))))
    assert (none.value, none.n, none.unit) == (None, 0, "share")
    x, y = sides(2050, 6)
    assert idle_dimensions(embeddings(x, y)).n == 2000
    assert idle_dimensions(embeddings(x[:1999], y[:1999])).n == 1999


@pytest.mark.parametrize("further", [0.5e-6, 2e-6, 1e-3])
@pytest.mark.parametrize("width", [3, 60])
def test_copies_are_told_from_items_that_are_alike_along_the_first_directions(width, further):
    """Half of the items are another one, turned by a cosine of 1 - ``further`` along one direction each."""
    z = generator(3, "copies", width).standard_normal((80, width)) * np.linspace(1, 0.3, width)
    other = unit_rows(z)
    across = np.roll(other, 1, axis=0)
    across -= (across * other).sum(axis=1, keepdims=True) * other
    cosine = 1 - further
    turned = cosine * other + np.sqrt(1 - cosine**2) * unit_rows(across)
    rows = unit_rows(np.vstack([other, turned, np.zeros((2, width))]))
    dense = rows @ rows.T > 1 - 1e-6
    expected = sum(not dense[i, :i].any() for i in range(len(rows)))
    assert (expected == 162) == (further > 1e-6)
    assert idle._distinct(rows, principal(rows)) == expected
    assert idle._distinct(rows[:80], principal(rows[:80])) == 80
