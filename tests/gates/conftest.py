import dataclasses
import functools

import numpy as np
import pytest

from mmaudit.gates import Auditor, check_named, decide
from mmaudit.interventions import overlay
from mmaudit.pairs import Pairs
from mmaudit.seeds import generator
from mmaudit.settings import Settings
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
def grid_reader():
    """Audits encoders of small pictures and three words, which may also read an overlay or a corner."""
    return audited_grid_reader


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
    look_up, look_up_image = subject.encoders["text"], subject.encoders["image"]

    def see(rows):
        return look_up_image(np.reshape(rows, -1))

    def read(captions):
        return look_up(np.array([int(caption.split()[-1]) for caption in captions]))

    return dataclasses.replace(subject, encoders={"image": see, "text": read})


def described_pairs(n=800):
    """Pairs of rows and captions: about half of the captions are filled into another template."""
    rng = generator(11, "described pairs")
    forms = rng.integers(0, 2, n)
    return Pairs(
        inputs={
            "image": np.arange(n)[:, None],
            "text": [f"{'a photo of' if form else 'this is'} item {i}" for i, form in enumerate(forms)],
        },
        metadata={"source": np.array([f"agency {v}" for v in rng.integers(0, 5, n)])},
        splits=np.array(["train", "test"])[rng.integers(0, 2, n)],
    )


N, SIDE, CELLS = 120, 96, 4
WORDS = ("red", "blue", "tall", "small", "old", "new", "round", "flat", "soft", "loud", "wet", "dry")


@functools.cache
def gallery():
    """Pictures whose upper half is a grid of colours that says what they are, and captions of three words."""
    rng = generator(0, "gallery")
    codes = rng.integers(40, 216, (N, CELLS, CELLS, 3))
    pictures = []
    for code in codes:
        picture = np.full((SIDE, SIDE, 3), 128, dtype=np.uint8)
        picture[16:48, 16:80] = np.kron(code, np.ones((8, 16, 1))).astype(np.uint8)
        pictures.append(picture)
    order = rng.permutation(len(WORDS) ** 3)[:N]
    captions = [" ".join((WORDS[i % 12], WORDS[i // 12 % 12], WORDS[i // 144])) for i in order.tolist()]
    return pictures, captions, (codes.reshape(N, -1) - 128) / 50


def content(pictures):
    """What the grid says, through noise that blurs neighbouring items."""
    cells = [np.asarray(p)[16:48, 16:80].reshape(4, 8, 4, 16, 3).mean(axis=(1, 3)) for p in pictures]
    seen = (np.array(cells).reshape(len(cells), -1) - 128) / 50
    return seen[:, :20]


@functools.cache
def templates():
    blank = np.full((SIDE, SIDE, 3), 128, dtype=np.uint8)
    return np.array([overlay(blank, caption)[-12:, :, 0] for caption in gallery()[1]], dtype=np.float32)


def written(pictures):
    """Which caption stands at the bottom, found by matching templates: (m, N) in [0, 1]."""
    strips = np.array([np.asarray(p)[-12:, :, 0] for p in pictures], dtype=np.float32)
    off = np.array([np.abs(templates() - strip).mean(axis=(1, 2)) for strip in strips])
    return (off < 2.0).astype(np.float64)


def stamped(pictures):
    """The colour of the top left corner, (m, 3)."""
    return np.array([np.asarray(p)[:4, :4].mean(axis=(0, 1)) for p in pictures]) / 255


def grid_subject(*, reads_words=0.0, reads_corner=0.0, marks=None, blur=0.6):
    """Encoders of the grid; the image encoder may also read the overlay, or the corner."""
    _, captions, codes = gallery()
    number = {caption: i for i, caption in enumerate(captions)}
    noise = blur * generator(1, "noise").standard_normal((N, 20))

    def encode_image(pictures):
        words = written(pictures) if reads_words else np.zeros((len(pictures), N))
        return np.hstack([content(pictures), reads_words * words, reads_corner * (stamped(pictures) - 0.5)])

    def encode_text(texts):
        rows = [number.get(" ".join(w for w in t.lower().split() if w in WORDS), 0) for t in texts]
        corner = np.zeros((len(rows), 3)) if marks is None else marks[rows] - 0.5
        return np.hstack(
            [codes[rows][:, :20] + noise[rows], reads_words * np.eye(N)[rows], reads_corner * corner]
        )

    return Subject(
        encoders={"image": encode_image, "text": encode_text},
        identity=Identity(name="grid reader", adapter="test"),
    )


def audited_grid_reader(**reads):
    """Audit :func:`grid_subject` on its gallery; with ``reads_corner``, on pictures that are stamped."""
    pictures, captions, _ = gallery()
    marks = None
    if reads.get("reads_corner"):
        marks = generator(2, "marks").integers(0, 2, (N, 3)).astype(float)
        pictures = [p.copy() for p in pictures]
        for picture, mark in zip(pictures, marks, strict=True):
            picture[:8, :8] = (255 * mark).astype(np.uint8)
    return Auditor(
        grid_subject(**reads, marks=marks),
        Pairs(inputs={"image": pictures, "text": captions}),
        Settings(profile="full"),
    )
