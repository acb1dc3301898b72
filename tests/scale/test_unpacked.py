import gc

import numpy as np
import pytest

from mmaudit.errors import InputError
from mmaudit.scale import audit_large, open_pair, unpacked
from mmaudit.seeds import generator

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

ROWS = generator(0, "unpacked").normal(size=(700, 6))


def lists(z, kind="float64"):
    return pa.array(list(z), type=pa.list_(getattr(pa, kind)()))


@pytest.fixture
def stored(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacked, "BATCH", 64)
    path = tmp_path / "pairs.parquet"
    table = pa.table({"image": lists(ROWS), "caption": ["a"] * 700, "text": lists(ROWS[::-1], "float32")})
    pq.write_table(table, path, row_group_size=150)
    return path


def test_columns_are_unpacked_as_float32_and_read_anywhere(stored):
    sides = open_pair(stored)
    assert list(sides) == ["image", "text"]
    for rows, expected in zip(sides.values(), (ROWS, ROWS[::-1]), strict=True):
        assert rows.shape == (700, 6)
        np.testing.assert_array_equal(rows[10:500], expected[10:500].astype(np.float32))
        np.testing.assert_array_equal(rows[np.array([0, 699])], expected[[0, 699]].astype(np.float32))


def test_the_temporary_file_goes_with_the_rows(stored):
    rows = open_pair(stored)["text"]
    gc.collect()
    assert rows[0:1].shape == (1, 6)
    place = rows.path
    assert place.exists()
    del rows
    gc.collect()
    assert not place.parent.exists()


def test_a_table_that_is_none_of_embeddings_is_refused_in_one_line(tmp_path, stored):
    bad = tmp_path / "bad.parquet"
    for columns, why in (
        ({"a": lists(ROWS)}, r"holds \['a'\]; expected one a modality"),
        ({"a": pa.array([[1.0], [1.0, 2.0]]), "b": pa.array([[1.0], [2.0]])}, "rows of different widths"),
        ({"a": pa.array([[1.0], None]), "b": pa.array([[1.0], [2.0]])}, "column 'a' has missing values"),
        ({"a": pa.array([["x"]]), "b": pa.array([["y"]])}, "lists of object; expected real numbers"),
        ({"a": pa.array([[1.0]] * 65 + [[1.0, 2.0]]), "b": pa.array([[1.0]] * 66)}, "of different widths"),
    ):
        pq.write_table(pa.table(columns), bad)
        with pytest.raises(InputError, match=why):
            open_pair(bad)
    bad.write_bytes(stored.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"cannot read bad\.parquet"):
        open_pair(bad)


def test_no_room_is_named_and_leaves_nothing(stored, monkeypatch, tmp_path):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    (tmp_path / "small").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "small"))
    monkeypatch.setattr("numpy.ascontiguousarray", full)
    with pytest.raises(InputError, match=r"cannot unpack rows below .*small: No space left .*; set TMPDIR"):
        open_pair(stored)
    gc.collect()
    assert list((tmp_path / "small").iterdir()) == []


def test_an_audit_of_it_is_that_of_its_columns(stored):
    from_file, given = (
        audit_large(*sides)
        for sides in (open_pair(stored).values(), (ROWS.astype(np.float32), ROWS[::-1].astype(np.float32)))
    )
    assert from_file == given
