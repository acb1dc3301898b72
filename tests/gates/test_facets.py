import numpy as np
import pytest

from mmaudit.gates import Auditor, Verdict
from mmaudit.gates.facets import SAMPLE, contents_of, sample, scan_of, slices_of
from mmaudit.pairs import Pairs
from mmaudit.seeds import generator


def test_contents_are_those_of_inputs_that_have_any():
    image = np.repeat(np.arange(3.0), 2)[:, None]
    pairs = Pairs(inputs={"image": image, "text": ["a  dog", "A dog", "b", "c", "d", "d"]})
    found = {name: codes.tolist() for name, codes in contents_of(pairs).items()}
    assert found == {"image": [0, 0, 1, 1, 2, 2], "whole pair": [0, 0, 1, 2, 3, 3]}
    assert contents_of(Pairs(inputs={"image": np.arange(3), "text": ["a", "b", "b"]})) == {}


def test_rows_of_given_embeddings_are_no_content():
    z = generator(0, "rows").standard_normal((80, 8))
    pairs = Pairs(inputs={"image": np.arange(80), "text": np.arange(80)}, splits=np.array(["a", "b"] * 40))
    found = Auditor((z, z), pairs).run("split_overlap")
    assert found.verdict is Verdict.NOT_EVIDENCED
    assert "have no content to compare" in found.reason


def test_slices_are_named_by_their_values():
    n = 120
    pairs = Pairs(
        inputs={"image": np.arange(n), "text": np.arange(n)},
        factors={"topic": np.arange(n) % 2},
        metadata={"source": np.array(["x", "y"])[np.arange(n) // 60], "size": np.arange(n) * 1.0},
    )
    found = slices_of(pairs)
    assert found["topic = 1"].sum() == 60
    assert found["source = y"].sum() == 60
    assert sorted(name for name in found if name.startswith("size")) == [
        "size = 0 to 23",
        "size = 24 to 47",
        "size = 48 to 71",
        "size = 72 to 95",
        "size = 96 to 119",
    ]


def test_a_scan_is_of_a_sample_and_follows_the_rows_that_are_taken():
    n = SAMPLE + 500
    pairs = Pairs(
        inputs={"image": np.arange(n), "text": [f"caption {i}" for i in range(n)]},
        metadata={
            "source": np.array(["x", "y"])[np.arange(n) % 2],
            "id": np.array([str(i) for i in range(n)]),
        },
    )
    scan = scan_of(pairs, 7)
    assert len(scan.rows) == SAMPLE
    assert np.array_equal(scan.rows, sample(n, 7))
    assert any(line.startswith("id was not scanned: its values are rare") for line in scan.skipped)
    assert "text first word" not in scan.content  # it has one value
    part = scan.take(np.arange(0, n, 3), n)
    assert np.array_equal(
        np.arange(0, n, 3)[part.rows] % 2 == 0, part.form["source"] == part.form["source"][0]
    )


@pytest.mark.parametrize("check", ["shortcut_scan", "slice_spread", "split_overlap", "near_duplicates"])
def test_without_columns_slices_or_splits_nothing_is_evidenced(check):
    z = generator(0, "rows").standard_normal((80, 8))
    found = Auditor((z, z)).run(check)
    assert found.verdict is Verdict.NOT_EVIDENCED
    assert found.reason.startswith("needs ")


def test_a_sample_is_of_that_size_in_order_and_all_where_there_are_no_more():
    assert sample(5, 1, 5).tolist() == sample(5, 1, 9).tolist() == [0, 1, 2, 3, 4]
    rows = sample(50, 1, 7)
    assert len(set(rows.tolist())) == 7
    assert rows.tolist() == sorted(rows)
    assert sample(50, 1, 7).tolist() == rows.tolist() != sample(50, 2, 7).tolist()


def test_slices_that_are_too_many_are_the_largest():
    values = np.repeat(np.arange(120), np.arange(1, 121))
    pairs = Pairs(inputs={"a": np.zeros(len(values)), "b": np.zeros(len(values))}, factors={"f": values})
    cut = slices_of(pairs)
    assert len(cut) <= 100
    sizes = sorted(int(rows.sum()) for rows in cut.values())
    assert sum(sizes) <= len(values)
    assert list(cut) == sorted(cut)


@pytest.mark.parametrize(("length", "shown"), [(39, 39), (40, 40), (41, 40), (200, 40)])
def test_a_slice_is_named_by_forty_letters_at_most(length, shown):
    values = np.array(["x" * length, "y" * length] * 40)
    pairs = Pairs(inputs={"a": np.zeros(80), "b": np.zeros(80)}, metadata={"m": values})
    assert set(slices_of(pairs)) == {f"m = {letter * shown}" for letter in "xy"}


def test_a_column_that_cuts_nothing_hides_no_other():
    n = 80
    column = np.array(["x", "y"])[np.arange(n) % 2]
    pairs = Pairs(
        inputs={"a": np.zeros(n), "b": np.zeros(n)},
        metadata={"id": np.array([str(i) for i in range(n)]), "m": column},
        nuisance={"lone": np.zeros(n, int), "n": np.arange(n) % 2},
    )
    assert list(slices_of(pairs)) == ["m = x", "m = y", "n = 0", "n = 1"]


def test_of_more_slices_the_hundred_largest_are_cut():
    """Two columns of 60 values each; that the least of 120 slices are left out shows in their sizes."""
    values = np.repeat(np.arange(60), np.arange(6, 66))
    n = len(values)
    pairs = Pairs(
        inputs={"a": np.zeros(n), "b": np.zeros(n)},
        metadata={name: np.array([f"v{v}" for v in values]) for name in ("p", "q")},
    )
    cut = slices_of(pairs)
    assert sorted(int(rows.sum()) for rows in cut.values()) == sorted(2 * list(range(16, 66)))
    assert list(cut) == sorted(cut)


def test_equal_values_in_another_letter_case_or_spacing_are_one_content():
    pairs = Pairs(inputs={"a": ["x  Y", "X y", "z", "z "], "b": [np.arange(k) for k in (2, 2, 3, 2)]})
    found = contents_of(pairs)
    assert found["b"].tolist() == [0, 0, 1, 0]
    assert found["whole pair"].tolist() == [0, 0, 1, 2]
    assert "a" not in found


@pytest.mark.parametrize(
    "column",
    [np.arange(3.0), [np.float64(1), np.float64(2), np.float64(2)], [object()] * 3, ["x", 1, 2], [1, 2, 2]],
)
def test_numbers_and_objects_have_no_content(column):
    text = ["a", "b", "b"]
    assert contents_of(Pairs(inputs={"image": column, "text": text})) == {}
    assert contents_of(Pairs(inputs={"text": text, "image": column})) == {}


def test_what_may_be_meaning_is_told_by_the_end_of_its_name_unless_it_was_given():
    n = 60
    words = np.array(["one", "two"])[np.arange(n) % 2]
    pairs = Pairs(
        inputs={"image": np.arange(n), "text": [f"{w} thing {v}" for w, v in zip(words, words, strict=True)]},
        metadata={"shot brightness": words, "source": words},
    )
    scan = scan_of(pairs, 7)
    assert {"shot brightness", "source"} <= set(scan.form)
    assert {"text first word", "text last word"} <= set(scan.content)
    assert not set(scan.form) & set(scan.content)
    assert scan.rows.tolist() == list(range(n))


def pairs_with(n, **columns):
    return Pairs(inputs={"a": np.zeros(n), "b": np.zeros(n)}, **columns)


@pytest.mark.parametrize("role", ["factors", "nuisance"])
def test_codes_are_values_however_many(role):
    codes = np.arange(600) % 12
    cut = slices_of(pairs_with(600, **{role: {"topic": codes}}))
    assert {name: rows.tolist() for name, rows in cut.items()} == {
        f"topic = {code}": (codes == code).tolist() for code in range(12)
    }
    named = slices_of(pairs_with(600, **{role: {"topic": codes}}, code_names={"topic": [*"abcdefghijk", ""]}))
    assert list(named) == ["topic = (empty)", *(f"topic = {letter}" for letter in "abcdefghijk")]
    assert np.array_equal(named["topic = (empty)"], codes == 11)


def test_every_value_is_a_slice_though_few_items_have_one():
    """A scan compares the values of a column; a slice stands for itself."""
    n = 400
    rare = np.array([f"id {i}" for i in range(n)])
    rare[:40] = "x"
    column = np.where(np.arange(n) < 300, "one", "")
    cut = slices_of(pairs_with(n, metadata={"m": rare, "known": column}, factors={"f": np.arange(n) // 5}))
    assert cut["m = x"].sum() == 40
    assert cut["known = one"].sum() == 300
    assert sum(name.startswith("f = ") for name in cut) == 80


LONG = "https://data.example.org/collections/2024/"


def test_names_that_begin_alike_are_told_apart_where_they_differ():
    ends = ["news", "web", "blog/a", "blog/b", "blog/" + "c" * 100]
    values = np.array([LONG + end for end in ends] + ["short", LONG[:40], "x" * 90])
    n = 20 * len(values)
    cut = slices_of(pairs_with(n, metadata={"m": np.tile(values, 20)}))
    assert sorted(int(rows.sum()) for rows in cut.values()) == [20] * len(values)
    assert "m = short" in cut
    assert "m = " + "x" * 40 in cut
    assert any(name.endswith("…4/web") for name in cut)
    assert np.array_equal(
        next(rows for name, rows in cut.items() if name.endswith("…4/news")),
        np.tile(values == LONG + "news", 20),
    )
    assert max(map(len, cut)) < 100


def test_numbers_have_as_many_digits_as_tell_slices_apart():
    seconds = 1.7e9 + np.repeat(np.arange(100.0), 5)
    cut = slices_of(pairs_with(500, metadata={"t": seconds}))
    assert [int(rows.sum()) for rows in cut.values()] == [100] * 5
    near = np.tile([1.0, 1.0 + 2**-52, 3.0], 10)
    assert len(slices_of(pairs_with(30, metadata={"m": near}))) == 3


def test_no_slice_is_lost_to_another_of_its_name():
    column = np.arange(60) % 2
    pairs = pairs_with(
        60,
        metadata={"m": column, "a": np.array(["b = c", "d"])[column], "a = b": np.array(["c", "e"])[column]},
        nuisance={"m": 1 - column},
        factors={"m": np.arange(60) // 30, "f": column},
        code_names={"f": ["same", "same"]},
    )
    cut = slices_of(pairs)
    assert list(cut) == [
        "a = b = c",
        "a = b = c (2)",
        "a = b = e",
        "a = d",
        "f = same",
        "f = same (2)",
        *(f"m = {code}{times}" for code in (0, 1) for times in ("", " (2)", " (3)")),
    ]
    assert np.array_equal(cut["m = 0 (3)"], np.arange(60) < 30)
