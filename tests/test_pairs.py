import numpy as np
import pytest

from mmaudit.errors import InputError
from mmaudit.pairs import Made, Pairs

INPUTS = {"image": ["a.png", "b.png", "c.png"], "text": ["a", "b", "c"]}


def test_modalities_come_in_the_order_of_the_inputs():
    pairs = Pairs(inputs=INPUTS)
    assert (len(pairs), pairs.modalities, pairs.name) == (3, ("image", "text"), "pairs")
    assert Pairs(inputs=dict(reversed(INPUTS.items()))).modalities == ("text", "image")
    assert len(Pairs(inputs={"audio": np.zeros((5, 2)), "text": range(5)})) == 5


def test_everything_else_is_optional():
    pairs = Pairs(inputs=INPUTS)
    assert (pairs.groups, pairs.trusted, pairs.renderer) == (None, None, None)
    assert (dict(pairs.factors), dict(pairs.nuisance), dict(pairs.code_names)) == ({}, {}, {})


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"inputs": {}}, "pairs need exactly two modalities, got none"),
        ({"inputs": {"image": []}}, r"exactly two modalities, got \['image'\]"),
        ({"inputs": {**INPUTS, "audio": [1, 2, 3]}}, r"got \['audio', 'image', 'text'\]"),
        (
            {"inputs": {"image": ["a"], "text": ["a", "b"]}},
            "unequal counts: {'image': 1, 'text': 2}; give one input a pair in each modality",
        ),
        ({"groups": np.zeros(2, int)}, r"groups has shape \(2,\); expected \(3,\), one value a pair"),
        ({"groups": np.zeros((3, 1), int)}, r"groups has shape \(3, 1\)"),
        ({"trusted": np.ones(4, bool)}, r"trusted has shape \(4,\)"),
        ({"factors": {"shape": np.zeros(1)}}, r"factor 'shape' has shape \(1,\)"),
        ({"nuisance": {"source": np.zeros(9)}}, r"nuisance 'source' has shape \(9,\)"),
        (
            {"factors": {"f": np.arange(3)}, "code_names": {"f": ["a", "b"]}},
            "code_names has 2 names for 'f'; give every code one",
        ),
        ({"nuisance": {"s": np.arange(3) - 1}, "code_names": {"s": ["a", "b", "c"]}}, "3 names for 's'"),
    ],
)
def test_columns_of_another_length_are_refused(fields, line):
    with pytest.raises(InputError, match=line) as error:
        Pairs(**{"inputs": INPUTS, **fields})
    assert "\n" not in str(error.value)


LABELS = [2, 0, 2]
TEXTS = ["web", "agency", "web"]


@pytest.mark.parametrize("kind", [list, tuple, np.array, lambda column: np.array(column, dtype=object)])
def test_labels_of_any_sequence_are_those_of_arrays(kind):
    pairs = Pairs(
        inputs=INPUTS,
        groups=kind(LABELS),
        factors={"shape": kind(LABELS), "shade": kind([0.0, 1.5, 0.0])},
        nuisance={"source": kind(TEXTS)},
        trusted=kind([True, False, True]),
        splits=kind(TEXTS),
    )
    columns = (pairs.groups, *pairs.factors.values(), *pairs.nuisance.values(), pairs.trusted, pairs.splits)
    assert all(isinstance(column, np.ndarray) for column in columns)
    assert [column.tolist() for column in columns] == [
        LABELS,
        LABELS,
        [0.0, 1.5, 0.0],
        [0, 1, 0],
        [True, False, True],
        TEXTS,
    ]
    assert (pairs.trusted.dtype, pairs.splits.dtype.kind) == (np.bool_, "U")
    assert pairs.code_names == {"source": ["web", "agency"]}


def test_arrays_stay_the_very_arrays():
    given = {
        "groups": np.array(LABELS, dtype=np.int32),
        "trusted": np.array([True, False, True]),
        "splits": np.array(TEXTS),
        "factors": {"f": np.array(LABELS, dtype=np.uint8)},
        "nuisance": {"s": np.array([0.0, 1.0, 1.0], dtype=np.float32)},
    }
    pairs = Pairs(inputs=INPUTS, **given)
    assert (pairs.groups, pairs.trusted, pairs.splits) == tuple(
        given[name] for name in ("groups", "trusted", "splits")
    )
    assert (pairs.factors["f"], pairs.nuisance["s"]) == (given["factors"]["f"], given["nuisance"]["s"])


@pytest.mark.parametrize("kind", [list, np.array])
def test_groups_of_strings_are_codes_in_the_order_of_the_strings(kind):
    groups = Pairs(inputs=INPUTS, groups=kind(["web", "agency", "web"])).groups
    assert (groups.tolist(), groups.dtype) == ([1, 0, 1], np.int64)


def test_strings_take_the_codes_that_names_give_and_the_next_ones():
    named = Pairs(
        inputs=INPUTS,
        factors={"source": ["paper", "web", "film"]},
        nuisance={"source": ["film", "book", "book"], "code": [1, 0, 1]},
        code_names={"source": ["web"]},
    )
    assert named.factors["source"].tolist() == [1, 0, 2]
    assert named.nuisance["source"].tolist() == [2, 3, 3]
    assert dict(named.code_names) == {"source": ["web", "paper", "film", "book"]}
    # Labels that are taken, or read again, keep their codes.
    part = named.take([2, 1])
    assert (part.nuisance["source"].tolist(), part.code_names) == ([3, 3], named.code_names)


def test_bytes_are_text_and_marks_may_be_numbers():
    pairs = Pairs(inputs=INPUTS, groups=np.array([b"a", b"b", b"a"]), trusted=[1, 0.0, True])
    assert (pairs.groups.tolist(), pairs.trusted.tolist()) == ([0, 1, 0], [True, False, True])


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"groups": [0, 1, None]}, "groups has None in row 2, counted from 0; expected a number, as in row"),
        ({"groups": [0, np.nan, 1]}, "groups has nan in row 1"),
        ({"groups": np.array([0, np.nan, 1])}, "groups has nan in row 1"),
        ({"groups": [0, "b", 1]}, "groups has 'b' in row 1, counted from 0; expected a number, as in row 0"),
        ({"groups": ["a", "b", 1]}, "groups has 1 in row 2, counted from 0; expected a string, as in row 0"),
        ({"groups": [2**70, 1, 2]}, "groups has 1180591620717411303424 in row 0.*a number or a string"),
        ({"groups": [[0], [1, 2], [3]]}, r"groups cannot be made an array; give \(3,\), one value a pair"),
        ({"groups": "abc"}, r"groups has shape \(\); expected \(3,\)"),
        ({"trusted": [True, False]}, r"trusted has shape \(2,\); expected \(3,\), one value a pair"),
        ({"trusted": [1, 0, 2]}, "trusted has 2 in row 2, counted from 0; expected True or False"),
        ({"trusted": ["yes", "no", "no"]}, "trusted has 'yes' in row 0, counted from 0; expected True or F"),
        ({"trusted": [True, None, True]}, "trusted has None in row 1"),
        ({"splits": ["train", None, "test"]}, "splits has None in row 1"),
        ({"factors": {"shape": [1, 2]}}, r"factor 'shape' has shape \(2,\)"),
        ({"nuisance": {"source": ["a", "b", np.nan]}}, "nuisance 'source' has nan in row 2"),
        ({"nuisance": {"source": np.array(["a", None, "b"])}}, "nuisance 'source' has None in row 1"),
        ({"nuisance": {"source": np.array([0, np.inf, 1])}}, "nuisance 'source' has inf in row 1"),
        ({"nuisance": {"day": np.array(["2020-01-01"] * 3, "M8[D]")}}, "expected a number or a string"),
    ],
)
def test_labels_that_are_none_are_refused_by_field_and_row(fields, line):
    with pytest.raises(InputError, match=line) as error:
        Pairs(inputs=INPUTS, **fields)
    assert "\n" not in str(error.value)


def test_pairs_that_are_taken_keep_all_that_is_known_of_them():
    n = 4
    pairs = Pairs(
        inputs={"image": np.arange(8).reshape(n, 2), "text": ["a", "b", "c", "d"]},
        groups=np.arange(n) // 2,
        factors={"f": np.arange(n)},
        nuisance={"s": np.arange(n) + 10},
        code_names={"f": ["k", "l", "m", "n"]},
        trusted=np.arange(n) < 2,
        metadata={"m": np.array(["p", "q", "r", "s"])},
        splits=np.array(["train", "test", "train", "test"]),
        places=["row 1", "row 2", "row 3", "row 4"],
        name="mine",
    )
    part = pairs.take([2, 0])
    assert part.inputs["image"].tolist() == [[4, 5], [0, 1]]
    assert part.inputs["text"] == ["c", "a"]
    assert (part.groups.tolist(), part.trusted.tolist()) == ([1, 0], [False, True])
    assert (part.factors["f"].tolist(), part.nuisance["s"].tolist()) == ([2, 0], [12, 10])
    assert part.code_names == pairs.code_names
    assert (part.metadata["m"].tolist(), part.splits.tolist()) == (["r", "p"], ["train", "train"])
    assert (part.places, part.name, part.renderer) == (["row 3", "row 1"], "mine", None)
    bare = Pairs(inputs=INPUTS).take(np.array([], dtype=int))
    assert (len(bare), bare.groups, bare.places) == (0, None, None)


def test_made_inputs_are_made_when_they_are_asked_for():
    asked = []

    def make(i):
        asked.append(i)
        return i * i

    made = Made(4, make)
    assert len(made) == 4
    assert asked == []
    assert (made[2], made[-1], made[1:3]) == (4, 9, [1, 4])
    assert list(made) == [0, 1, 4, 9]
    for beyond in (4, -5):
        with pytest.raises(IndexError):
            made[beyond]
