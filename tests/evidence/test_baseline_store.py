import multiprocessing
from pathlib import Path

import pytest

from mmaudit.errors import BundleError
from mmaudit.evidence.store import resolve, save, stored


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "some.zip"
    path.write_bytes(b"the archive")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / ".mmaudit"


def test_baselines_are_numbered_and_never_overwritten(archive: Path, folder: Path) -> None:
    assert stored(folder) == []
    names = [save(archive, folder, name).name for name in ("main", "main", "b-2")]
    assert names == ["0001_main.zip", "0002_main.zip", "0003_b-2.zip"]
    assert [path.name for path in stored(folder)] == names
    assert (folder / "0002_main.zip").read_bytes() == b"the archive"


def test_a_gap_is_not_filled_and_what_is_no_baseline_is_not_counted(archive: Path, folder: Path) -> None:
    folder.mkdir()
    for name in ("0009_a.zip", "10_short.zip", "0012.zip", "0013_x.txt", "0014_ä.zip", "x0015_a.zip"):
        (folder / name).write_bytes(b"")
    assert [path.name for path in stored(folder)] == ["0009_a.zip"]
    assert save(archive, folder, "b").name == "0010_b.zip"


def test_numbers_are_ordered_as_numbers(archive: Path, folder: Path) -> None:
    folder.mkdir()
    for name in ("10000_a.zip", "9999_b.zip"):
        (folder / name).write_bytes(b"")
    assert [path.name for path in stored(folder)] == ["9999_b.zip", "10000_a.zip"]
    assert save(archive, folder, "c").name == "10001_c.zip"
    assert resolve("latest", folder).name == "10001_c.zip"


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "x.zip", "ä", "x" * 65])
def test_a_name_that_cannot_be_a_files_is_refused(archive: Path, folder: Path, name: str) -> None:
    with pytest.raises(BundleError, match="cannot name a baseline; use up to 64 letters"):
        save(archive, folder, name)
    assert not folder.exists()


@pytest.mark.parametrize("spec", ["latest", "2", "0002", "0002_b"])
def test_a_baseline_is_found_by_number_name_and_as_the_latest(archive: Path, folder: Path, spec: str) -> None:
    for name in ("a", "b"):
        save(archive, folder, name)
    assert resolve(spec, folder).name == "0002_b.zip"


def test_a_name_is_that_of_the_newest_so_called(
    archive: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("main", "main", "dev", "2024", "1", "2_main"):
        save(archive, folder, name)
    # A file that is called like a baseline is meant by ./main.
    (tmp_path / "main").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    expected = {"main": 2, "dev": 3, "2024": 4, "1": 1, "0005_1": 5, "2_main": 6, "0001_main": 1}
    for spec, number in expected.items():
        assert resolve(spec, folder).name.startswith(f"{number:04d}_"), spec
    assert resolve("./main", folder) == Path("main")


def test_a_bundle_is_found_where_one_stands_first(archive: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    assert resolve("some.zip", folder, tmp_path / "here", tmp_path) == archive
    (tmp_path / "here" / "some.zip").write_bytes(b"")
    assert resolve("some.zip", folder, tmp_path / "here", tmp_path).parent.name == "here"
    assert resolve(str(archive), folder, tmp_path / "here") == archive


def test_what_leads_nowhere_says_what_there_is(archive: Path, folder: Path) -> None:
    with pytest.raises(BundleError, match="no bundle or baseline 'latest'; none is stored yet"):
        resolve("latest", folder)
    save(archive, folder, "a")
    for spec in ("7", "0001_b", "nowhere.zip"):
        with pytest.raises(BundleError, match=f"no bundle or baseline '{spec}'; the last stored are 0001_a"):
            resolve(spec, folder)


def test_a_failed_save_leaves_nothing_half_written(archive: Path, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot save a baseline into"):
        save(tmp_path / "missing.zip", folder, "a")
    assert [path.name for path in folder.iterdir()] == [".lock"]
    with pytest.raises(BundleError, match="cannot save a baseline into"):
        save(archive, archive, "a")


def _save(arguments: tuple[Path, Path, str]) -> str:
    return save(*arguments).name


def test_saves_at_once_get_a_number_each(archive: Path, folder: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        names = pool.map(_save, [(archive, folder, f"n{i}") for i in range(12)], chunksize=1)
    assert sorted(name[:4] for name in names) == [f"{i:04d}" for i in range(1, 13)]
    assert sorted(names) == [path.name for path in stored(folder)]
    assert {path.suffix for path in folder.iterdir()} == {".zip", ""}
