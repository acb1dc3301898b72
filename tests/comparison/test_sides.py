import dataclasses

import numpy as np
import pytest

from mmaudit.auditing import audit
from mmaudit.comparison import ARRAYS, compare, side_of
from mmaudit.errors import InputError
from mmaudit.evidence.reading import read
from mmaudit.measurement import Measurement
from mmaudit.pairs import Pairs
from mmaudit.settings import Settings


def opened(bundle):
    return read(bundle.archive, ARRAYS)


def changed(contents, path, **fields):
    documents = dict(contents.documents) | {path: contents.documents[path] | fields}
    return dataclasses.replace(contents, documents=documents)


def test_what_a_bundle_holds_is_what_was_audited(bundles, model):
    found = side_of(opened(bundles["good"]))
    np.testing.assert_array_equal(found.embeddings.x, model.x)
    np.testing.assert_array_equal(found.embeddings.y, model.y)
    assert found.digest == bundles["good"].digest
    assert found.conditions.dataset["pairs"] == len(model)
    kinds = {type(o.measurement.value) for o in found.outcomes if isinstance(o.measurement, Measurement)}
    assert kinds == {float}


def test_the_same_model_audited_twice_has_no_regression(bundles):
    found = compare(*(side_of(opened(bundles[name])) for name in ("good", "again")))
    assert not found.regressed
    assert {change.change.value for change in found.changes} == {0.0}
    assert {"recall_at_1", "separation_image"} <= {change.change.name for change in found.changes}


def test_noise_is_found_between_two_bundles(bundles):
    found = compare(*(side_of(opened(bundles[name])) for name in ("good", "worse")))
    assert {"recall_at_1", "pair_discrimination"} <= {c.check for c in found.changes if c.regression}


def test_groups_travel_in_the_bundle(model, tmp_path):
    labels = np.arange(len(model)) // 2 + 5
    pairs = Pairs(inputs=dict.fromkeys(("image", "text"), np.arange(len(model))), groups=labels)
    bundle = audit((model.x, model.y), pairs, Settings(profile="smoke")).write(tmp_path)
    np.testing.assert_array_equal(side_of(opened(bundle)).conditions.groups, np.arange(len(model)) // 2)


@pytest.mark.parametrize(
    ("path", "fields", "complaint"),
    [
        ("subject.json", {"modalities": ["image"]}, "cannot be compared: not enough values"),
        ("subject.json", {"similarity": "guess"}, "its similarity is 'guess'"),
        ("settings.json", {"alpha": 2.0}, "its setting 'alpha' is 2.0, no share"),
        ("settings.json", {"tolerance": [1]}, "'tolerance' is no table"),
        ("dataset.json", {"pairs": 3}, "200 embeddings for 3 pairs"),
    ],
)
def test_a_bundle_that_cannot_stand_in_a_comparison_is_one_line(bundles, path, fields, complaint):
    with pytest.raises(InputError, match=complaint) as caught:
        side_of(changed(opened(bundles["good"]), path, **fields))
    assert "\n" not in str(caught.value)


def test_a_bundle_that_lacks_a_fact_names_it(bundles):
    contents = opened(bundles["good"])
    subject = {k: v for k, v in contents.documents["subject.json"].items() if k != "modalities"}
    bare = dataclasses.replace(contents, documents=dict(contents.documents) | {"subject.json": subject})
    with pytest.raises(InputError, match="does not record 'modalities'; audit that subject again"):
        side_of(bare)


def test_a_bundle_that_does_not_verify_is_no_baseline(bundles, tmp_path):
    data = bytearray(bundles["good"].archive.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "broken.zip").write_bytes(data)
    with pytest.raises(InputError, match=r"broken\.zip does not verify: "):
        side_of(read(tmp_path / "broken.zip", ARRAYS))
