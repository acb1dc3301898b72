import json
import shutil
from pathlib import Path

import pytest

from mmaudit.errors import BundleError
from mmaudit.evidence import Bundle, PrivateKey, attest, generate, load_private, reviews, verify
from mmaudit.evidence.dsse import seal, unseal

TEXT = "I ran it again on my machine\nand found the same digest."


@pytest.fixture(scope="module")
def reviewer(tmp_path_factory: pytest.TempPathFactory) -> PrivateKey:
    folder = tmp_path_factory.mktemp("keys")
    generate(folder / "reviewer")
    return load_private(folder / "reviewer")


@pytest.fixture
def stranger(tmp_path: Path) -> PrivateKey:
    generate(tmp_path / "stranger")
    return load_private(tmp_path / "stranger")


@pytest.fixture
def archive(bundle: Bundle, tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    shutil.copytree(bundle.directory, tmp_path / "out" / bundle.directory.name)
    return Path(shutil.copy(bundle.archive, tmp_path / "out"))


def test_a_review_lies_beside_the_bundle_and_changes_nothing_in_it(
    archive: Path, bundle: Bundle, reviewer: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    path = attest(archive, reviewer, by="Jürgen Q. Reviewer", statement=TEXT)
    assert path.parent == archive.resolve().parent
    assert path.name.startswith(f"{archive.stem}.review-")
    assert verify(archive).archive_sha256 == bundle.archive_sha256
    (found,) = reviews(archive, bundle.archive_sha256, reviewer.public)
    assert (found.fault, found.by, found.statement) == (None, "Jürgen Q. Reviewer", TEXT)
    assert found.time == "2026-01-01T00:00:00Z"
    statement = json.loads(unseal(path.read_bytes()).payload)
    assert statement["predicateType"] == "https://in-toto.io/attestation/svr/v0.1"
    assert statement["subject"] == [{"name": archive.name, "digest": {"sha256": bundle.archive_sha256}}]
    assert statement["predicate"]["properties"] == ["MMAUDIT_BUNDLE_INTACT"]
    with pytest.raises(BundleError, match="says so already"):
        attest(archive, reviewer, by="Jürgen Q. Reviewer", statement=TEXT)
    again = attest(archive, reviewer, by="Jürgen Q. Reviewer", statement="More.")
    assert {review.path for review in reviews(archive, bundle.archive_sha256, reviewer.public)} == {
        path,
        again,
    }


def test_the_run_directory_has_the_same_reviews(archive: Path, bundle: Bundle, reviewer: PrivateKey) -> None:
    directory = archive.parent / bundle.directory.name
    path = attest(directory, reviewer, by="A", statement="B")
    for place in (directory, archive):
        assert [r.path for r in reviews(place, bundle.archive_sha256, reviewer.public)] == [path]


def test_a_review_that_does_not_count_says_why(
    archive: Path, bundle: Bundle, reviewer: PrivateKey, stranger: PrivateKey
) -> None:
    mine = attest(archive, reviewer, by="A", statement="B")
    statement = json.loads(unseal(mine.read_bytes()).payload)

    def beside(name: str, data: bytes) -> Path:
        path = mine.with_name(f"{archive.stem}.review-{name}.intoto.json")
        path.write_bytes(data)
        return path

    elsewhere = json.loads(json.dumps(statement))
    elsewhere["subject"][0]["digest"]["sha256"] = "0" * 64
    posing = json.loads(seal(statement, stranger))
    posing["signatures"][0]["keyid"] = reviewer.public.key_id
    more = statement | {"subject": statement["subject"] * 2}
    expected = {
        beside("1", mine.read_bytes()[:-9]): "not JSON",
        beside("2", seal(statement, stranger)): "names the key",
        beside("3", json.dumps(posing, separators=(",", ":"), sort_keys=True).encode()): "was not made by",
        beside("4", seal(elsewhere, reviewer)): "another bundle",
        beside("5", seal({"note": "signed for another purpose"}, reviewer)): "no review",
        beside("6", seal(more, reviewer)): "no review",
        beside("7", seal(statement | {"predicateType": "x"}, reviewer)): "no review",
        beside("8", b"x" * (2**20 + 1)): "no plain file",
    }
    link = mine.with_name(f"{archive.stem}.review-9.intoto.json")
    link.symlink_to(mine)
    expected[link] = "no plain file"
    found = {r.path: r for r in reviews(archive, bundle.archive_sha256, reviewer.public)}
    assert found.keys() == {mine, *expected}
    assert found[mine].fault is None
    for path, why in expected.items():
        assert why in (found[path].fault or ""), path
        assert found[path].by == ""


def test_a_broken_bundle_is_not_attested(archive: Path, reviewer: PrivateKey) -> None:
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    archive.write_bytes(data)
    before = set(archive.parent.iterdir())
    with pytest.raises(BundleError, match="not intact, so nothing is signed"):
        attest(archive, reviewer, by="A", statement="B")
    assert set(archive.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("by", "statement"),
    [
        ("", "B"),
        (" ", "B"),
        ("A\n\x1b[2J", "B"),
        ("A" * 201, "B"),
        ("A", ""),
        ("A", "\x07"),
        ("A", "B" * 10_001),
    ],
)
def test_a_text_that_cannot_be_shown_is_not_signed(
    by: str, statement: str, archive: Path, reviewer: PrivateKey
) -> None:
    with pytest.raises(BundleError, match="printable characters"):
        attest(archive, reviewer, by=by, statement=statement)


def test_a_folder_that_cannot_be_written_to_gives_one_line(
    archive: Path, reviewer: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    before = set(archive.parent.iterdir())
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BundleError, match=r"cannot write the statement .*: No space left"):
        attest(archive, reviewer, by="A", statement="B")
    assert set(archive.parent.iterdir()) == before
