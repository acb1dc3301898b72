"""A fingerprint is the same in every process, and of whatever cannot be told in full there is none."""

import functools
import re
import subprocess
import sys

import numpy as np

from mmaudit.subjects.fingerprint import fingerprint
from mmaudit.subjects.options import Options


class Part:
    def __init__(self, **settings):
        self.__dict__.update(settings)


def mark(*parts, **options):
    return fingerprint("w" * 64, Options(**options), *parts)


def test_every_setting_counts_and_equal_ones_are_equal():
    def made(**change):
        words = {"a": 1, "b": (2, 3.0), "c": {"x", "y"}, "d": re.compile("a+"), "e": np.arange(3)}
        return Part(**{**words, "f": functools.partial(int, base=3), "g": len, **change})

    changes = [
        {}, {"a": 2}, {"b": (2, 3)}, {"c": {"x"}}, {"d": re.compile("a*")}, {"e": np.arange(3.0)},
        {"f": functools.partial(int, base=4)}, {"g": max}, {"h": None},
    ]  # fmt: skip
    marks = [mark(made(**change)) for change in changes]
    assert None not in marks
    assert len(set(marks)) == len(changes)
    assert [mark(made(**change)) for change in changes] == marks
    assert mark(made(), precision="bfloat16") not in marks


def test_what_cannot_be_told_has_none():
    assert mark(Part(f=lambda text: text)) is None
    assert mark(Part(f=(i for i in range(3)))) is None
    assert fingerprint(None, Options()) is None


def test_a_part_that_holds_itself_is_told():
    part = Part(a=1)
    part.own = part
    assert mark(part) is not None


def test_the_order_of_sets_in_a_process_does_not_count():
    code = (
        "from mmaudit.subjects.fingerprint import fingerprint; from mmaudit.subjects.options import Options; "
        "print(fingerprint('w', Options(), {'a', 'b', 'c', 'd'}, frozenset('efgh'), {'k': {'x', 'y', 'z'}}))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    ]
    assert len(set(runs)) == 1
    assert "None" not in runs[0]
