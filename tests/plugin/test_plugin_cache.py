"""``--mmaudit-cache`` as a user runs it."""

import pytest

DATA = """
import numpy as np
from mmaudit.pairs import Pairs
from mmaudit.subjects import as_subject
import dataclasses

z = np.load("good.npz")

def pairs():
    words = [f"word {i}" for i in range(120)]
    return Pairs(inputs={"image": words, "text": words})

def subject():
    def of(side):
        return lambda words: z[side][[int(w.split()[1]) for w in words]]
    found = as_subject({"image": of("image"), "text": of("text")})
    return dataclasses.replace(found, fingerprint="weights of good.npz", batch_size=40)
"""


@pytest.mark.parametrize("how", ["option", "ini"])
def test_embeddings_are_kept_below_the_folder_and_read_again(project, how):
    project.write("data.py", DATA)
    flags = ["-k", "contract", "--mmaudit-data=data:pairs"]
    if how == "option":
        flags.append("--mmaudit-cache=kept")
    else:
        project.write("pytest.ini", "[pytest]\nmmaudit_cache = kept\n")
    first = project.audit(*flags, subject="data:subject")
    first.stdout.fnmatch_lines(["kept embeddings: 0 batches read, 6 computed"])
    assert len(list((project.path / "kept").rglob("*.rows"))) == 6
    second = project.audit(*flags, subject="data:subject")
    second.stdout.fnmatch_lines(["kept embeddings: 6 batches read, 0 computed"])
    one, two = project.bundles
    for name in ("settings.json", "data/embeddings_x.npy", "data/embeddings_y.npy"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_a_folder_that_cannot_be_made_is_one_line(project, said):
    project.write("kept", "a file")
    result = project.audit("--mmaudit-cache=kept")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = said(result)
    assert line == "ERROR: cannot keep embeddings in 'kept': File exists"
