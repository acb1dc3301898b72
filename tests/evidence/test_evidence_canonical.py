import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmaudit.errors import BundleError
from mmaudit.evidence import dumps, loads

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(derandomize=True, database=None, deadline=None, max_examples=150)
@given(JSON)
def test_what_is_written_is_read_back(value: object) -> None:
    data = dumps(value)
    assert loads(data) == value
    assert json.loads(data, parse_int=float) == value


def test_keys_are_sorted_by_utf16_as_rfc_8785_section_3_2_3_says() -> None:
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    expected = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    assert list(json.loads(dumps(dict.fromkeys(keys)))) == expected


@pytest.mark.parametrize(
    ("number", "text"),
    [(1.0, b"1"), (-0.0, b"0"), (1e21, b"1e+21"), (1e20, b"100000000000000000000"), (1e-7, b"1e-7")],
)
def test_numbers_are_written_as_ecmascript_does(number: float, text: bytes) -> None:
    assert dumps(number) == text
    assert loads(text) == number


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"a": [1, math.nan]}, "$.a[1] is nan"),
        ({"a b": math.inf}, "$['a b'] is inf"),
        ({1: 2}, "the key 1"),
        ([2**53], "$[0] is an integer beyond"),
        ([np.int64(3)], "$[0] is of type int64"),
        (["\ud800"], "$[0] holds a lone surrogate"),
        ({"\ud800": 1}, "$ holds a lone surrogate"),
        ({"x": {1, 2}}, "$.x is of type set"),
    ],
)
def test_what_json_cannot_hold_is_named_by_its_path(value: object, named: str) -> None:
    with pytest.raises(BundleError) as caught:
        dumps(value)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_writing_refuses_deep_and_cyclic_values() -> None:
    cycle: list[object] = []
    cycle.append(cycle)
    with pytest.raises(BundleError, match="nested deeper than 64"):
        dumps(cycle)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"NaN", "NaN"),
        (b"[Infinity]", "Infinity"),
        (b"[-Infinity]", "-Infinity"),
        (b"1e999", "overflows"),
        (b"-1e999", "overflows"),
        (b'{"a":1,"a":2}', "duplicate key 'a'"),
        (b'{"a":1,"\\u0061":2}', "duplicate key 'a'"),
        (b"9007199254740993", "canonical"),
        (b"1" * 5000, "5000 digits"),
        (b"[" * 65 + b"]" * 65, "nested deeper"),
        (b"[" * 200_000 + b"]" * 200_000, "nested deeper"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested deeper"),
        (b'"\xff"', "not UTF-8"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b'"\\ud800"', "lone surrogate"),
        (b"", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"{} {}", "not JSON"),
        (b'{"b":1,"a":2}', "canonical"),
        (b'{"a": 1}', "canonical"),
        (b"[1.0]", "canonical"),
        (b'"\\u0061"', "canonical"),
        (b"[-0]", "canonical"),
        (b"1\n", "canonical"),
        (b"[" + b"0," * 200_000 + b"0]", "more than 100000 values"),
        (b'"' + b"a" * 2**23 + b'"', "over the limit"),
    ],
)
def test_reading_refuses(data: bytes, why: str) -> None:
    with pytest.raises(BundleError) as caught:
        loads(data)
    assert why in str(caught.value)
    assert len(str(caught.value)) < 200


def test_deepest_allowed_nesting_is_read() -> None:
    data = b"[" * 64 + b"]" * 64
    assert dumps(loads(data)) == data


def test_form_is_free_where_the_caller_says_so() -> None:
    assert loads(b' {"b": 1.0, "a": 2} ', canonical=False) == {"a": 2, "b": 1}
