"""Each fault that the doctor looks for is planted, found, and named; a sound encoder is left alone."""

import numpy as np
import pytest

import mmaudit
from mmaudit.errors import SubjectError
from mmaudit.gates.catalogue import check_named
from mmaudit.subjects.doctor import ITEMS, STEADY, examine

N, WIDTH = 60, 8
Z = np.random.default_rng(0).standard_normal((N, WIDTH)).astype(np.float32)
PAIRS = mmaudit.Pairs(inputs={"image": np.arange(N), "text": np.arange(N)})


def sound(items):
    return Z[np.asarray(items)]


class Dropout:
    def __init__(self, scale):
        self.rng, self.scale = np.random.default_rng(1), scale

    def __call__(self, items):
        return sound(items) * (1 + self.scale * self.rng.standard_normal((len(items), WIDTH)))


def with_batch(scale):
    return lambda items: sound(items) + scale * sound(items).mean(axis=0)


def nan_row(items):
    return np.where(np.asarray(items)[:, None] == 5, np.nan, sound(items))


def squeezed(items):
    return np.squeeze(sound(items))


def refuses(items):
    raise TypeError("expected a tensor")


FAULTS = {
    "again": (Dropout(0.1), "broken", "text: again", "dropout"),
    "again, a little": (Dropout(0.001), "notice", "text: again", "dropout"),
    "order": (lambda items: sound(np.sort(items)), "broken", "text: order", "row i must be input i's"),
    "batch": (with_batch(0.5), "broken", "text: batch of 7", "padding that is attended to"),
    "alone": (with_batch(0.5), "broken", "text: alone", "padding that is attended to"),
    "squeezed": (squeezed, "broken", "text: alone", "a squeezed batch axis"),
    "nan": (nan_row, "broken", "text: finite", "look for overflow"),
    "zero": (lambda items: sound(items) * 0, "broken", "text: finite", "look for overflow"),
    "constant": (lambda items: sound(items) * 0 + 1, "broken", "text: distinct", "the inputs do not reach"),
    "blurred": (lambda items: sound(np.asarray(items) // 2), "notice", "text: distinct", "cut short"),
    "narrow": (lambda items: sound(items)[:, :1], "broken", "text: shape", "more than one number"),
    "widths": (lambda items: sound(items)[:, :5], "broken", "widths", "one space"),
    "half": (lambda items: sound(items).astype(np.float16), "notice", "text: shape", "return float32"),
    "refuses": (refuses, "broken", "text: reads", "inputs of the kind it reads"),
    "short": (lambda items: sound(items)[:-1], "broken", "text: reads", "inputs of the kind it reads"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_found_and_named(fault):
    encode, state, what, mend = FAULTS[fault]
    found = examine({"image": sound, "text": encode}, PAIRS)
    by_name = {finding.what: finding for finding in found.findings}
    assert by_name[what].state == state
    assert mend in by_name[what].mend
    assert found.sound == (state == "notice")
    assert "an audit would reject" in str(found) if state == "broken" else "can be audited" in str(found)
    assert not [f for f in found.findings if f.what.startswith("image") and f.state != "sound"]


def test_equal_inputs_may_have_equal_vectors():
    twice = mmaudit.Pairs(inputs={"image": np.arange(N) // 3, "text": np.arange(N)})
    found = {f.what: f for f in examine({"image": sound, "text": sound}, twice).findings}
    assert found["image: distinct"].seen == "16 different vectors for 16 different inputs"
    assert found["image: distinct"].state == "sound"


def test_a_sound_encoder_is_left_alone():
    found = examine({"image": sound, "text": sound}, PAIRS)
    assert found.sound
    assert [f.what for f in found.findings if f.state != "sound"] == ["weights"]
    report = str(found).splitlines()
    assert report[0] == "mmaudit doctor: mapping, read as: callables"
    assert report[-1] == f"0 broken, 1 notice, {found.count('sound')} sound: can be audited"


def test_norms_matter_only_where_they_count():
    class Encoder:
        encode_image = staticmethod(sound)
        encode_text = staticmethod(lambda items: sound(items) / np.linalg.norm(sound(items), axis=1)[:, None])

    def norms():
        return {f.what: f.state for f in examine(Encoder(), PAIRS).findings if f.what.endswith("norms")}

    assert norms() == {"image: norms": "sound", "text: norms": "sound"}
    Encoder.similarity = "dot"
    assert norms() == {"image: norms": "notice", "text: norms": "sound"}


def test_without_data_the_world_is_shown():
    seen = {}

    class Looks:
        def encode_image(self, pictures):
            seen["image"] = pictures[0]
            return np.stack([p.reshape(-1)[:64:8] for p in pictures])

        def encode_text(self, sentences):
            seen["text"] = sentences[0]
            return [[ord(c) for c in s[:8]] for s in sentences]

    found = examine(Looks())
    assert found.sound
    assert seen["image"].shape == (64, 64, 3)
    assert isinstance(seen["text"], str)
    assert f"{ITEMS} inputs give ({ITEMS}, 8)" in str(found)


def test_an_encoder_of_texts_alone_is_shown_sentences():
    class Words:
        modalities = ("text",)

        def encode(self, inputs, batch_size=32, show_progress_bar=None, convert_to_numpy=True):
            return np.array([[len(t), t.count("e"), 1.0] for t in inputs])

    assert examine(Words()).sound


def test_given_embeddings_are_looked_at_and_not_encoded_again():
    found = examine((Z, Z[:, ::-1]))
    assert found.sound
    assert not [f for f in found.findings if "again" in f.what]
    bad = Z.copy()
    bad[3] = np.inf
    assert not examine((Z, bad)).sound


def test_sounds_need_data():
    with pytest.raises(SubjectError, match="the built-in world has no sounds; give pairs"):
        examine({"audio": sound, "text": sound})


def test_the_tolerance_is_that_of_the_audit():
    assert check_named("consistency").limit.high == STEADY
