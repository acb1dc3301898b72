import numpy as np
import pytest

from mmaudit.errors import InputError
from mmaudit.scale import FileRows, open_rows
from mmaudit.seeds import generator


@pytest.fixture
def stored(tmp_path):
    z = generator(0, "rows").normal(size=(50, 7)).astype(np.float32)
    path = tmp_path / "rows.npy"
    np.save(path, z)
    return path, z


def test_a_file_gives_the_rows_that_were_saved(stored):
    path, z = stored
    rows = open_rows(str(path))
    assert isinstance(rows, FileRows)
    assert rows.shape == (50, 7)
    for part in (slice(0, 50), slice(3, 9), slice(48, 90), slice(9, 9)):
        np.testing.assert_array_equal(rows[part], z[part])
    np.testing.assert_array_equal(rows[np.array([0, 7, 49])], z[[0, 7, 49]])
    assert rows[np.array([], dtype=np.int64)].shape == (0, 7)


def test_what_can_be_sliced_is_taken_as_it_is(stored):
    path, z = stored
    mapped = np.load(path, mmap_mode="r")
    assert open_rows(mapped) is mapped
    assert open_rows(z) is z


def test_what_is_no_matrix_of_rows_is_refused_in_one_line(tmp_path, stored):
    path, z = stored
    cut = tmp_path / "cut.npy"
    cut.write_bytes(path.read_bytes()[:-40])
    other = tmp_path / "other.npy"
    for made, why in (
        (np.zeros(3), "expected real numbers"),
        (np.zeros((2, 3), complex), "expected real numbers"),
        (np.asfortranarray(z), "column after column"),
        (np.zeros((2, 3, 4)), r"holds \['image', 'text'\]; expected one matrix, or give the file alone"),
    ):
        np.save(other, made)
        with pytest.raises(InputError, match=why):
            open_rows(other)
    other.write_text("no array")
    for bad in (other, cut, tmp_path / "missing.npy"):
        with pytest.raises(InputError, match="cannot read"):
            open_rows(bad)
    for bad in (3, [1, 2], np.zeros(4)):
        with pytest.raises(InputError, match="cannot read rows"):
            open_rows(bad)
    with pytest.raises(InputError, match="without a step"):
        open_rows(path)[::2]


def test_a_file_cut_short_while_it_is_read_is_named(stored):
    path, _ = stored
    rows = open_rows(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="cut short"):
        rows[40:50]
