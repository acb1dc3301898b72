"""A project's own property test: in every world like these, a caption finds its picture.

Run it with ``pytest examples/own_property``. The first test fails, and its counterexample says it all:
``spec=replace(preset('small'), ..., paraphrase=1)``, the default world but for the wording of its captions.
"""

from dataclasses import replace

import pytest
from encoder import SIMPLE, encode_image, encode_text, encode_text_mended
from hypothesis import example, given, settings

from mmaudit import Embeddings
from mmaudit.diagnostics import pair_discrimination, ranks
from mmaudit.strategies import world_specs
from mmaudit.world import build

WORLDS = world_specs(SIMPLE, only=["noise_image", "paraphrase", "shape"], noise_image=(0.0, 0.1))


def check(spec, encode_text):
    """Encode the world of ``spec`` and hold the encoder to telling pairs from non-pairs."""
    pairs = build(spec).pairs("test", "pictures")
    embeddings = Embeddings(encode_image(pairs.inputs["image"]), encode_text(pairs.inputs["text"]))
    found = pair_discrimination(ranks(embeddings, pairs.groups))
    assert found.value > 0.9, f"a pair is told from a non-pair only {found.value:.0%} of the time"


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(WORLDS)
def test_captions_find_their_pictures(spec):
    """Fails: the first draft reads the wrong number in captions of another wording."""
    check(spec, encode_text)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(WORLDS)
@example(replace(SIMPLE, paraphrase=1))  # what broke the first draft
def test_captions_find_their_pictures_once_mended(spec):
    """Passes, and keeps the world that broke the first draft."""
    check(spec, encode_text_mended)


if __name__ == "__main__":
    pytest.main([__file__])
