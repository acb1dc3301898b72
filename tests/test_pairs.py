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
