from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmaudit.errors import BundleError
from mmaudit.evidence import Bundle, dumps, loads, reading
from mmaudit.evidence.manifest import MANIFEST
from mmaudit.evidence.reading import read

Files = dict[str, bytes]


@pytest.mark.parametrize("part", ["archive", "directory"])
def test_a_bundle_is_read_from_either_form(bundle: Bundle, files: Files, part: str) -> None:
    contents = read(getattr(bundle, part), ["data/rows.npy", "data/none.npy"])
    assert contents.problems == ()
    assert contents.digest == bundle.digest
    assert contents.documents["outcomes.json"] == loads(files["outcomes.json"])
    assert contents.documents.keys() == {name for name in files if name.endswith(".json")}
    assert contents.arrays.keys() == {"data/rows.npy"}
    np.testing.assert_array_equal(contents.arrays["data/rows.npy"], np.arange(20))


def test_of_a_bundle_that_does_not_verify_only_what_is_sound_is_read(
    files: Files, as_zip: Callable[[Files], Path]
) -> None:
    broken = files | {
        "settings.json": dumps(loads(files["settings.json"]) | {"seed": 8}),
        "outcomes.json": b'{"outcomes":[]}',
        "dataset.json": b"{",
    }
    contents = read(as_zip(broken), ["data/rows.npy"])
    assert contents.problems
    assert contents.documents["settings.json"]["seed"] == 8
    assert not {"outcomes.json", "dataset.json"} & contents.documents.keys()
    assert contents.arrays == {}


def test_nothing_and_no_archive_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot read"):
        read(tmp_path / "none.zip")
    (tmp_path / "x.zip").write_bytes(b"no zip, of whatever length one takes")
    with pytest.raises(BundleError, match="not a canonical zip"):
        read(tmp_path / "x.zip")


def test_a_file_that_is_swapped_after_it_was_verified_is_noticed(
    files: Files,
    rehash: Callable[[Files], Files],
    as_zip: Callable[[Files], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = as_zip(files)
    edited = files | {"dataset.json": dumps(loads(files["dataset.json"]) | {"n": 401})}
    for other in (as_zip(edited), as_zip(rehash(edited))):
        found = reading.verify(good)
        monkeypatch.setattr(reading, "verify", lambda path, found=found: found)
        with pytest.raises(BundleError, match="changed while it was read"):
            read(other)
        monkeypatch.undo()
    assert MANIFEST in read(good).documents
