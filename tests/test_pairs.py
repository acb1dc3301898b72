import numpy as np
import pytest

from mmaudit.errors import InputError
from mmaudit.pairs import Pairs

INPUTS = {"image": ["a.png", "b.png", "c.png"], "text": ["a", "b", "c"]}


def test_modalities_come_in_the_order_of_the_inputs():
    pairs = Pairs(inputs=INPUTS)
    assert (len(pairs), pairs.modalities, pairs.name) == (3, ("image", "text"), "pairs")
    assert Pairs(inputs=dict(reversed(INPUTS.items()))).modalities == ("text", "image")
    assert len(Pairs(inputs={"audio": np.zeros((5, 2)), "text": range(5)})) == 5


def test_everything_else_is_optional():
    pairs = Pairs(inputs=INPUTS)
    assert (pairs.groups, pairs.trusted, pairs.renderer) == (None, None, None)
    assert (dict(pairs.factors), dict(pairs.nuisance)) == ({}, {})


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
    ],
)
def test_columns_of_another_length_are_refused(fields, line):
    with pytest.raises(InputError, match=line) as error:
        Pairs(**{"inputs": INPUTS, **fields})
    assert "\n" not in str(error.value)
