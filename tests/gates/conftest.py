import dataclasses
import functools

import numpy as np
import pytest

from mmaudit.gates import Auditor, check_named, decide
from mmaudit.pairs import Pairs
from mmaudit.seeds import generator
from mmaudit.subjects import Identity, Subject


@pytest.fixture(scope="session")
def reference(tmp_path_factory):
    """The audit of the reference aligner; the workers of one run share what it encodes and trains."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if base.name.startswith("popen-") else base) / "mmaudit-reference"
    folder.mkdir(exist_ok=True)
    return Auditor(cache=folder)


@pytest.fixture(scope="session")
def outcome_of(reference):
    """Runs a check on the reference aligner once."""
    return functools.cache(reference.run)


@pytest.fixture(scope="session")
def inner_product():
    """The audit of a healthy synthetic subject compared by inner product: a table of unit rows."""
    return Auditor(synthetic(similarity="dot"), healthy_pairs())


@pytest.fixture(scope="session")
def described():
    """The audit of a healthy synthetic subject on pairs with captions, metadata and splits."""
    return Auditor(described_subject(), described_pairs())


@pytest.fixture(scope="session")
def judge():
    """Measures and judges one check as an auditor does, without planting its control."""

    def verdict(auditor, name, case=None):
        check = check_named(name)
        found = check.measure(auditor.material.case(check.needs) if case is None else case)
        s = auditor.settings
        limit, family = auditor.limit(check), auditor.family
        return decide(found, limit, confidence=s.confidence, alpha=s.alpha, family=family).verdict

    return verdict


def synthetic(n=800, width=24, seed=3, **fields):
    """A healthy subject: both sides see one latent code through a little noise of their own."""
    rng = generator(seed, "synthetic subject")
    latent = rng.standard_normal((n, width))
    tables = {}
    for modality in ("image", "text"):
        z = latent + 0.35 * rng.standard_normal((n, width))
        tables[modality] = (z / np.linalg.norm(z, axis=1, keepdims=True)).astype(np.float32)
    return Subject(
        encoders={m: functools.partial(np.take, table, axis=0) for m, table in tables.items()},
        identity=Identity(name="synthetic", adapter="test"),
        **fields,
    )


def healthy_pairs(n=800):
    rows = np.arange(n)
    return Pairs(
        inputs={"image": rows, "text": rows},
        nuisance={"source": rows % 4},
        factors={"half": rows % 2},
        trusted=rows < n // 2,
    )


def described_subject():
    """:func:`synthetic`, its text encoder reading captions that end in the number of their row."""
    subject = synthetic()
    look_up = subject.encoders["text"]

    def read(captions):
        return look_up(np.array([int(caption.split()[-1]) for caption in captions]))

    return dataclasses.replace(subject, encoders={**subject.encoders, "text": read})


def described_pairs(n=800):
    """Pairs of rows and captions: about half of the captions are filled into another template."""
    rng = generator(11, "described pairs")
    forms = rng.integers(0, 2, n)
    return Pairs(
        inputs={
            "image": np.arange(n),
            "text": [f"{'a photo of' if form else 'this is'} item {i}" for i, form in enumerate(forms)],
        },
        metadata={"source": np.array([f"agency {v}" for v in rng.integers(0, 5, n)])},
        splits=np.array(["train", "test"])[rng.integers(0, 2, n)],
    )
