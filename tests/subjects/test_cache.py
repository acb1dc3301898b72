"""What was encoded once is read again by content alone, and never where it could be wrong."""

import dataclasses
import pathlib

import numpy as np
import pytest
from PIL import Image

import mmaudit
from mmaudit.errors import InputError
from mmaudit.gates import Auditor, Verdict
from mmaudit.settings import Settings
from mmaudit.subjects import as_subject
from mmaudit.subjects.cache import EmbeddingCache, item_sha256
from mmaudit.subjects.encode import encode

N, WIDTH = 20, 4
Z = np.random.default_rng(0).standard_normal((N, WIDTH)).astype(np.float32)
WORDS = [f"word {i}" for i in range(N)]


class Counting:
    """An encoder that counts its batches, and can be switched off after some."""

    def __init__(self, table=Z):
        self.table, self.calls, self.lasts = table, 0, 10**9

    def __call__(self, words):
        if self.calls >= self.lasts:
            raise KeyboardInterrupt
        self.calls += 1
        return self.table[[int(word.split()[1]) for word in words]]


def subject(encoder, fingerprint="f" * 64, **fields):
    made = as_subject({"query": encoder, "text": encoder}, **fields)
    return dataclasses.replace(made, fingerprint=fingerprint, batch_size=3)


def run(folder, encoder, words=WORDS, modality="text", **fields):
    cache = EmbeddingCache(folder)
    rows = encode(subject(encoder, **fields), modality, words, cache=cache)
    return rows, cache.state


def test_an_interrupted_encoding_goes_on_where_it_stopped(tmp_path):
    encoder = Counting()
    encoder.lasts = 4
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, encoder)
    encoder.lasts = 10**9
    rows, state = run(tmp_path, encoder)
    assert encoder.calls == 7
    assert state == "4 batches read, 3 computed"
    assert rows.tobytes() == Z.tobytes()
    again, state = run(tmp_path, encoder)
    assert (encoder.calls, state) == (7, "7 batches read, 0 computed")
    assert again.tobytes() == Z.tobytes()


def test_other_weights_words_and_modalities_find_nothing_and_names_do_not_matter(tmp_path):
    run(tmp_path, Counting())
    for change in ({"fingerprint": "e" * 64}, {"words": [f"{w} " for w in WORDS]}, {"modality": "query"}):
        encoder = Counting()
        run(tmp_path, encoder, **change)
        assert encoder.calls == 7, change
    encoder = Counting()
    run(tmp_path, encoder, name="another name")
    assert encoder.calls == 0


def test_without_a_fingerprint_nothing_is_kept_and_it_is_said(tmp_path):
    for _ in range(2):
        encoder = Counting()
        _, state = run(tmp_path, encoder, fingerprint=None)
        assert encoder.calls == 7
    assert state.endswith("7 not kept: the subject's weights or the inputs cannot be digested")
    assert list(tmp_path.iterdir()) == []


def kept_files(folder):
    return sorted(folder.rglob("*.rows"))


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "swapped digest", "other rows"])
def test_a_broken_file_is_computed_again_and_mended(tmp_path, damage):
    run(tmp_path, Counting())
    path, other = kept_files(tmp_path)[:2]
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[-1] ^= 1
    elif damage == "cut":
        del content[-5:]
    elif damage == "empty":
        content.clear()
    elif damage == "swapped digest":
        content[:32] = other.read_bytes()[:32]
    else:
        short = EmbeddingCache(tmp_path / "short")
        short.rows("f", "text", ["a"], lambda: Z[:1])
        content = bytearray(kept_files(tmp_path / "short")[0].read_bytes())
        kept_files(tmp_path / "short")[0].unlink()
    path.write_bytes(bytes(content))
    encoder = Counting()
    rows, state = run(tmp_path, encoder)
    assert rows.tobytes() == Z.tobytes()
    assert encoder.calls == 1
    assert state == "6 batches read, 1 computed (1 broken ones anew)"
    assert run(tmp_path, Counting())[1] == "7 batches read, 0 computed"


def test_no_half_written_file_is_left(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mmaudit.subjects.cache.os.replace", full)
    rows, state = run(tmp_path, Counting())
    assert rows.tobytes() == Z.tobytes()
    assert state.endswith("no more are kept: No space left on device")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot keep embeddings in 'sub': Not a directory"):
        EmbeddingCache(tmp_path / "file" / "sub")


def test_an_audit_reads_what_it_kept_and_rejects_what_the_subject_no_longer_gives(tmp_path):
    rng = np.random.default_rng(1)
    table = rng.standard_normal((300, 8)).astype(np.float32)
    words = [f"word {i}" for i in range(300)]
    pairs = mmaudit.Pairs(inputs={"query": words, "text": words})
    settings = Settings(cache=str(tmp_path))

    def audited(encoder):
        auditor = Auditor(subject(encoder), pairs, settings)
        return auditor.run("consistency", control=False), auditor

    first, _ = audited(Counting(table))
    again, auditor = audited(Counting(table))
    assert first.verdict is again.verdict is Verdict.ACCEPT
    assert auditor.material.kept.state == "200 batches read, 0 computed"
    # A fingerprint that does not see a change of the code: what is kept is stale, and is found out.
    stale, _ = audited(Counting(table[:, ::-1]))
    assert stale.verdict is Verdict.REJECT


def test_where_it_lies_is_no_part_of_the_evidence():
    assert Settings(cache="a").digest() == Settings().digest()


def test_items_are_told_apart_by_content(tmp_path):
    picture = Image.new("RGB", (2, 3), (1, 2, 3))
    path = tmp_path / "sound.wav"
    path.write_bytes(b"a")
    before = item_sha256(str(path)), item_sha256(path)
    path.write_bytes(b"b")
    items = [
        "a", b"a", 1, 1.0, True, np.int64(1), np.arange(3), np.arange(3.0), np.arange(3)[:, None], picture,
        picture.resize((3, 2)), picture.convert("L"), {"a": 1}, {"b": 1}, ["a", "b"], ["ab"], ("a", "b"),
        str(path), path, "\ud800",
    ]  # fmt: skip
    digests = [item_sha256(item) for item in items]
    assert None not in digests
    assert len({*digests, *before}) == len(items) + 2
    assert item_sha256(picture.copy()) == item_sha256(picture)
    assert item_sha256(np.asfortranarray(np.eye(3)[:2])) == item_sha256(np.eye(3)[:2])
    for unseen in (object(), np.array([{}]), [object()], pathlib.PurePath):
        assert item_sha256(unseen) is None
