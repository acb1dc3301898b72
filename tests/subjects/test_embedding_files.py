"""Embeddings from files of every format, and what is wrong with broken ones."""

import hashlib

import numpy as np
import pytest

from mmaudit.errors import SubjectError
from mmaudit.gates import Auditor
from mmaudit.subjects import as_subject

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
import pyarrow.parquet as pq  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402

X = np.random.default_rng(0).standard_normal((12, 3)).astype(np.float32)
Y = X[::-1].copy()


def column(z, kind="fixed"):
    if kind == "fixed":
        return pa.FixedSizeListArray.from_arrays(pa.array(z.ravel()), z.shape[1])
    return pa.array(z.tolist(), type=pa.list_(pa.float32()))


def write(path, kind="fixed"):
    if path.suffix == ".npy":
        np.save(path, np.stack([X, Y]))
    elif path.suffix == ".npz":
        np.savez(path, image=X, text=Y)
    elif path.suffix == ".safetensors":
        save_file({"image": X, "text": Y}, path)
    else:
        names = pa.array([f"item {i}" for i in range(len(X))])
        table = pa.table({"name": names, "image": column(X, kind), "text": column(Y, kind)})
        pq.write_table(table, path, row_group_size=5)
    return path


FORMATS = [
    ("clip.npy", ""),
    ("clip.npz", ""),
    ("clip.safetensors", ""),
    ("clip.parquet", "fixed"),
    ("clip.parquet", "list"),
]


@pytest.mark.parametrize(("name", "kind"), FORMATS)
def test_every_format_gives_the_same(tmp_path, name, kind):
    subject = as_subject(write(tmp_path / name, kind))
    assert subject.modalities == ("image", "text")
    assert subject.identity.name == "clip"
    assert subject.identity.weights_sha256 == hashlib.sha256(X.tobytes() + Y.tobytes()).hexdigest()
    served = Auditor(subject).material.served()
    assert [z.tolist() for z in served] == [X.tolist(), Y.tolist()]
    assert {z.dtype for z in served} == {np.dtype(np.float32)}


def test_two_npy_files_by_name(tmp_path):
    for name, z in (("a", X), ("b", Y)):
        np.save(tmp_path / f"{name}.npy", z)
    subject = as_subject({"audio": tmp_path / "a.npy", "text": str(tmp_path / "b.npy")})
    assert subject.modalities == ("audio", "text")
    assert subject.items == len(X)
    assert subject.identity.weights_sha256 == as_subject((X, Y)).identity.weights_sha256


def test_arrays_take_over_the_names_of_the_pairs():
    import mmaudit

    named = mmaudit.Pairs(inputs={"query": list("abcdefghijkl"), "document": list("abcdefghijkl")})
    assert Auditor(np.stack([X, Y]), named).subject.modalities == ("query", "document")
    turned = mmaudit.Pairs(inputs={"text": list("abcdefghijkl"), "image": list("abcdefghijkl")})
    assert Auditor((X, Y), turned).subject.modalities == ("image", "text")


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path)


def broken(folder):
    good = write(folder / "good.parquet").read_bytes()
    (folder / "truncated.parquet").write_bytes(good[:-9])
    (folder / "empty.parquet").write_bytes(b"")
    (folder / "array.parquet").write_bytes(write(folder / "good.npy").read_bytes())
    parquet(folder / "flat.parquet", a=pa.array([1.0]), b=pa.array([2.0]))
    parquet(folder / "one.parquet", a=column(X))
    parquet(folder / "three.parquet", a=column(X), b=column(X), c=column(X))
    parquet(folder / "ragged.parquet", a=pa.array([[1.0], [1.0, 2.0]]), b=pa.array([[1.0], [1.0]]))
    parquet(folder / "holes.parquet", a=pa.array([[1.0], None]), b=pa.array([[1.0], [1.0]]))
    parquet(folder / "gaps.parquet", a=pa.array([[1.0], [None]]), b=pa.array([[1.0], [1.0]]))
    parquet(folder / "words.parquet", a=pa.array([["x"], ["y"]]), b=pa.array([["x"], ["y"]]))
    parquet(
        folder / "none.parquet",
        a=pa.array([], pa.list_(pa.float32())),
        b=pa.array([], pa.list_(pa.float32())),
    )
    tensors = write(folder / "good.safetensors").read_bytes()
    (folder / "truncated.safetensors").write_bytes(tensors[:-5])
    (folder / "empty.safetensors").write_bytes(b"")
    (folder / "text.safetensors").write_text("no tensors here")
    save_file({"image": X}, folder / "one.safetensors")
    save_file({"image": X, "text": Y[:5]}, folder / "unequal.safetensors")
    np.savez(folder / "complex.npz", image=X + 1j, text=Y)
    np.savez(folder / "words.npz", image=np.array([["a"]]), text=np.array([["b"]]))


BROKEN = {
    "truncated.parquet": "cannot read truncated.parquet: ",
    "empty.parquet": "cannot read empty.parquet: ",
    "array.parquet": "cannot read array.parquet: ",
    "missing.parquet": "cannot read missing.parquet: No such file",
    "flat.parquet": r"flat.parquet holds arrays \[\]; expected exactly two",
    "one.parquet": r"one.parquet holds arrays \['a'\]; expected exactly two",
    "three.parquet": r"three.parquet holds arrays \['a', 'b', 'c'\]",
    "ragged.parquet": r"column 'a' holds rows of different widths \(1 to 2\)",
    "holes.parquet": "column 'a' has missing values",
    "gaps.parquet": "column 'a' has missing values",
    "words.parquet": "a embeddings have dtype object; expected real numbers",
    "none.parquet": "column 'a' is empty",
    "truncated.safetensors": "cannot read truncated.safetensors: no safetensors file",
    "empty.safetensors": "cannot read empty.safetensors: no safetensors file",
    "text.safetensors": "cannot read text.safetensors: no safetensors file",
    "missing.safetensors": "cannot read missing.safetensors: No such file",
    "one.safetensors": r"one.safetensors holds arrays \['image'\]; expected exactly two",
    "unequal.safetensors": "unequal counts: {'image': 12, 'text': 5}",
    "complex.npz": "image embeddings have dtype complex",
    "words.npz": "image embeddings have dtype <U1; expected real numbers",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_one_line(tmp_path, name):
    broken(tmp_path)
    with pytest.raises(SubjectError, match=BROKEN[name]) as error:
        as_subject(tmp_path / name)
    assert "\n" not in str(error.value)
    assert str(tmp_path) not in str(error.value)


def test_ragged_lists_are_one_line():
    with pytest.raises(SubjectError, match="image embeddings are no matrix: "):
        as_subject(([[1.0], [1.0, 2.0]], [[1.0], [1.0]]))
