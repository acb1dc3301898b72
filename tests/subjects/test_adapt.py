import dataclasses
import pathlib

import numpy as np
import pytest

from mmaudit.embeddings import Embeddings
from mmaudit.errors import SubjectError
from mmaudit.gates import Auditor
from mmaudit.subjects import Identity, Subject, as_subject
from mmaudit.subjects.tensors import to_numpy

X = np.arange(12, dtype=np.float32).reshape(4, 3)
Y = X[::-1].copy()


class Tensor:
    """What a torch tensor on a device looks like from outside."""

    def __init__(self, array, steps=()):
        self.array, self.steps = array, steps

    def detach(self):
        return Tensor(self.array, (*self.steps, "detach"))

    def cpu(self):
        return Tensor(self.array, (*self.steps, "cpu"))

    def __array__(self, dtype=None, copy=None):
        assert self.steps == ("detach", "cpu")
        return self.array


class Model:
    def __init__(self):
        self.modes = []

    def eval(self):
        self.modes.append("eval")

    def parameters(self):
        return []

    def encode_image(self, items):
        return Tensor(X[np.asarray(items)])

    def encode_text(self, items):
        return Tensor(Y[np.asarray(items)])


class Clap:
    similarity = "dot"
    view = "features"
    batch_size = 2

    def encode_audio(self, items):
        return X

    def encode_text(self, items):
        return Y


class OnlyImages:
    def encode_image(self, items):
        return X


class Embedder:
    """Like a sentence-transformers model: ``similarity`` is a method and says nothing."""

    def similarity(self, a, b):
        return a @ b

    def encode_image(self, items):
        return X

    encode_text = encode_image


def served(subject):
    return Auditor(subject).material.served()


@pytest.mark.parametrize(
    "given",
    [
        {"image": X, "text": Y},
        {"image": X.tolist(), "text": Y.tolist()},
        {"image": Tensor(X), "text": Tensor(Y)},
        (X, Y),
        [X, Y],
        np.stack([X, Y]),
    ],
    ids=["mapping", "lists", "tensors", "tuple", "list", "array"],
)
def test_given_embeddings(given):
    subject = as_subject(given)
    assert subject.items == 4
    assert subject.identity.adapter == "given embeddings"
    assert len(subject.identity.weights_sha256) == 64
    assert [z.tolist() for z in served(subject)] == [X.tolist(), Y.tolist()]


@pytest.mark.parametrize("kind", [str, pathlib.Path])
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_files(tmp_path, suffix, kind):
    path = tmp_path / f"clip.{suffix}"
    if suffix == "npy":
        np.save(path, np.stack([X, Y]))
    else:
        np.savez_compressed(path, image=X, text=Y)
    subject = as_subject(kind(path))
    assert subject.identity.name == "clip"
    assert subject.identity.weights_sha256 == as_subject((X, Y)).identity.weights_sha256
    assert [z.tolist() for z in served(subject)] == [X.tolist(), Y.tolist()]


def test_embeddings_keep_their_names_and_how_they_are_compared():
    rng = np.random.default_rng(0)
    e = Embeddings(rng.normal(size=(5, 3)), rng.normal(size=(5, 3)), ("sound", "score"), "dot")
    subject = as_subject(e)
    assert (subject.modalities, subject.similarity) == (("sound", "score"), "dot")
    assert np.array_equal(Auditor(subject).embeddings.y, e.y)


def test_an_npy_file_is_mapped_and_not_read(tmp_path):
    path = tmp_path / "clip.npy"
    np.save(path, np.stack([X, Y]))
    table = as_subject(path).encoders["text"].args[0]
    while not isinstance(table, np.memmap):
        table = table.base
        assert table is not None
    assert table.mode == "r"


def test_a_model_is_put_to_evaluation_and_its_tensors_brought_home():
    model = Model()
    subject = as_subject(model)
    assert model.modes == ["eval"]
    assert subject.identity == Identity(name="Model", adapter="encode_image/text")
    assert (subject.items, subject.similarity, subject.view) == (None, "cosine", "pictures")
    assert subject.encoders["text"]([1, 0]).tolist() == Y[[1, 0]].tolist()


def test_what_an_object_declares_of_itself():
    subject = as_subject(Clap(), name="clap")
    assert subject.modalities == ("audio", "text")
    assert (subject.similarity, subject.view, subject.batch_size) == ("dot", "features", 2)
    assert subject.identity.name == "clap"
    assert as_subject(Embedder()).similarity == "cosine"


def test_callables():
    subject = as_subject({"sketch": lambda i: X, "photo": lambda i: Y}, name="pair")
    assert subject.modalities == ("sketch", "photo")
    assert subject.identity == Identity(name="pair", adapter="callables")
    assert as_subject((lambda i: X, lambda i: Y)).modalities == ("image", "text")


def test_a_subject_is_taken_as_it_is():
    subject = as_subject((X, Y))
    assert as_subject(subject) is subject


def test_a_mapping_wins_over_its_methods():
    class Both(dict):
        encode_image = encode_text = staticmethod(lambda items: X)

    assert as_subject(Both(image=X, text=Y)).identity.adapter == "given embeddings"


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (3, "cannot audit a int; give an object with encode_image and encode_text"),
        (None, "cannot audit a NoneType"),
        (OnlyImages(), "cannot audit a OnlyImages"),
        ((X, Y, X), "cannot audit a tuple"),
        (X, r"an array of shape \(4, 3\) is no pair of embeddings; expected \(2, n, d\)"),
        (np.stack([X, Y])[None], r"shape \(1, 2, 4, 3\) is no pair"),
        ({}, "a subject has exactly two modalities, got none"),
        ({"image": X}, r"exactly two modalities, got \['image'\]"),
        ({"a": X, "b": Y, "c": X}, r"exactly two modalities, got \['a', 'b', 'c'\]"),
        ({"a": len, "b": len, "c": len}, "exactly two modalities"),
        ({"image": X, "text": len}, "one modality is a callable, the other an array; give two of a kind"),
        ({"image": X, "text": Y[:3]}, "unequal counts: {'image': 4, 'text': 3}; give one row a pair"),
        ({"image": X[0], "text": Y}, r"image embeddings have shape \(3,\); expected \(items, width\)"),
        ("clip.txt", r"cannot read clip.txt: embeddings come as .npy, .npz, .parquet or .safetensors"),
        ("missing.npy", "cannot read missing.npy: No such file"),
        (pathlib.Path("missing.npz"), "cannot read missing.npz: No such file"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(given, line):
    with pytest.raises(SubjectError, match=line) as error:
        as_subject(given)
    assert "\n" not in str(error.value)


def broken_files(folder):
    np.save(folder / "good.npy", np.stack([X, Y]))
    np.savez(folder / "good.npz", image=X, text=Y)
    whole, archive = (folder / "good.npy").read_bytes(), (folder / "good.npz").read_bytes()
    (folder / "truncated.npy").write_bytes(whole[:-8])
    (folder / "header.npy").write_bytes(whole[:40])
    (folder / "empty.npy").write_bytes(b"")
    (folder / "archive.npy").write_bytes(archive)
    np.save(folder / "pickled.npy", np.array([{"a": 1}], dtype=object))
    (folder / "folder.npy").mkdir()
    (folder / "truncated.npz").write_bytes(archive[:150])
    (folder / "empty.npz").write_bytes(b"")
    (folder / "array.npz").write_bytes(whole)
    flipped = bytearray(archive)
    flipped[archive.index(b"NUMPY") + 150] ^= 255
    (folder / "flipped.npz").write_bytes(bytes(flipped))
    np.savez(folder / "pickled.npz", image=np.array([{}], dtype=object), text=Y)
    np.savez(folder / "three.npz", a=X, b=Y, c=X)
    np.savez(folder / "none.npz")
    np.savez(folder / "scalar.npz", a=1.0, b=2.0)
    np.save(folder / "flat.npy", X)


FILES = [
    "truncated.npy",
    "header.npy",
    "empty.npy",
    "archive.npy",
    "pickled.npy",
    "folder.npy",
    "flat.npy",
    "truncated.npz",
    "empty.npz",
    "array.npz",
    "flipped.npz",
    "pickled.npz",
    "three.npz",
    "none.npz",
    "scalar.npz",
]


@pytest.mark.parametrize("name", FILES)
def test_broken_files_are_refused_in_one_line(tmp_path, name):
    broken_files(tmp_path)
    with pytest.raises(SubjectError) as error:
        as_subject(tmp_path / name)
    line = str(error.value)
    assert "\n" not in line
    assert str(tmp_path) not in line
    assert "allow_pickle=`" not in line


def test_three_arrays_are_named(tmp_path):
    broken_files(tmp_path)
    with pytest.raises(SubjectError, match=r"three.npz holds arrays \['a', 'b', 'c'\]; expected exactly two"):
        as_subject(tmp_path / "three.npz")


def test_to_numpy():
    assert to_numpy(Tensor(X)) is X
    assert to_numpy([1, 2]).tolist() == [1, 2]
    assert to_numpy(X) is X


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"similarity": "euclid"}, "similarity is 'euclid'; expected cosine or dot"),
        ({"view": "sound"}, "view is 'sound'; expected pictures or features"),
        ({"batch_size": 0}, "batch size is 0; expected a whole number above 0"),
        ({"batch_size": "all"}, "batch size is 'all'"),
        ({"encoders": {"image": len}}, r"exactly two modalities, got \['image'\]"),
    ],
)
def test_a_subject_that_could_only_fail_later_is_refused(fields, line):
    with pytest.raises(SubjectError, match=line):
        dataclasses.replace(as_subject((X, Y)), **fields)


def test_a_declared_comparison_that_does_not_exist_is_refused():
    class Odd(Clap):
        similarity = "euclid"

    with pytest.raises(SubjectError, match="similarity is 'euclid'"):
        as_subject(Odd())


def test_an_identity_records_no_prompts():
    identity = Identity(name="m", adapter="a", prompts=("a photo of {}",))
    assert identity.record() == {"name": "m", "adapter": "a", "weights_sha256": None}
    assert isinstance(as_subject((X, Y)), Subject)
