import io

import numpy as np
import pytest
from PIL import Image

from mmaudit.diagnostics import neighbour_counts, ranks
from mmaudit.embeddings import Embeddings
from mmaudit.report import suspect_lists
from mmaudit.report.suspects import view
from mmaudit.seeds import generator

N = 200
SWAPPED = (3, 50, 120)


@pytest.fixture(scope="module")
def embeddings():
    """Good pairs, three of them swapped round, and one text that lies between all images."""
    z = generator(0, "suspects").standard_normal((N, 8))
    y = z + 0.1 * generator(0, "suspects", "noise").standard_normal((N, 8))
    y[list(SWAPPED)] = y[[50, 120, 3]]
    return Embeddings(z, y)


def look(rows):
    return {"image": [np.full((5, 4, 3), r, np.uint8) for r in rows], "text": [f"caption {r}" for r in rows]}


def found(embeddings, **more):
    counts = neighbour_counts(embeddings)
    shown = more.pop("look", look)
    return suspect_lists(ranks(embeddings), counts, embeddings.modalities, shown, **more)


def test_swapped_pairs_come_first_with_their_inputs(embeddings):
    pairs, images, texts = found(embeddings)
    assert {*pairs.rows[:3].tolist()} == {*SWAPPED}
    assert [s.row for s in pairs.shown] == pairs.rows[:20].tolist()
    first = pairs.shown[0]
    assert pairs.columns == ("image → text", "text → image", "image", "text")
    assert min(map(float, first.figures)) > 0.05
    assert first.views[1].text == f"caption {first.row}"
    assert np.asarray(Image.open(io.BytesIO(first.views[0].png)).convert("RGB")).tolist() == (
        np.full((5, 4, 3), first.row).tolist()
    )
    assert (images.slug, texts.slug) == ("hubs_x", "hubs_y")
    assert images.columns == ("queries", "image")


def test_what_is_known_to_be_right_or_is_never_beaten_is_not_suspect(embeddings):
    trusted = np.zeros(N, dtype=bool)
    trusted[list(SWAPPED)] = True
    assert not {*found(embeddings, trusted=trusted)[0].rows.tolist()} & {*SWAPPED}
    perfect = found(Embeddings(np.eye(N), np.eye(N)))[0]
    assert len(perfect.rows) == len(perfect.shown) == 0


def test_a_hub_is_named(embeddings):
    y = embeddings.y.copy()
    y[7] = embeddings.x.sum(axis=0)
    x = embeddings.x + embeddings.x.sum(axis=0) / 20
    _, _, texts = found(Embeddings(x, y))
    assert texts.rows[0] == 7
    assert float(texts.shown[0].figures[0]) > 100


def test_pictures_stay_within_their_budget(embeddings):
    strangers = Embeddings(embeddings.x, embeddings.y[::-1])
    noise = generator(1, "pictures").integers(0, 256, (N, 300, 300, 3), dtype=np.uint8)
    lists = found(strangers, look=lambda rows: {"image": list(noise[rows]), "text": ["t"] * len(rows)})
    sizes = [len(v.png) for one in lists for s in one.shown for v in s.views]
    assert 20_000 < sum(sizes) <= 60_000
    assert max(sizes) < 2500


def test_a_picture_beyond_the_budget_is_said_to_be_left_out(embeddings, monkeypatch):
    monkeypatch.setattr("mmaudit.report.suspects._PICTURE_BYTES", 100)
    views = [v for one in found(embeddings) for s in one.shown for v in s.views]
    assert sum(len(v.png) for v in views) <= 100
    assert {v.text for v in views if not v.text.startswith("caption")} >= {"left out to keep the page small"}


def test_captions_are_masked_cut_and_printable():
    assert view("mail me", str.upper).text == "MAIL ME"
    assert view("a\x1b[31m\nb").text == "a\ufffd[31m b"
    assert view("x" * 500).text == "x" * 160 + "…"


@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 1), (9, 7, 3), (9, 7, 4), (200, 100, 3)])
def test_arrays_of_bytes_are_pictures(shape):
    image = Image.open(io.BytesIO(view(np.zeros(shape, np.uint8)).png))
    assert image.size == ((24, 48) if shape[0] == 200 else (7, 9))


def test_pillow_images_are_pictures_and_broken_ones_are_named(tmp_path):
    whole = Image.new("RGBA", (10, 6), "red")
    assert Image.open(io.BytesIO(view(whole).png)).size == (10, 6)
    path = tmp_path / "cut.png"
    Image.effect_noise((80, 80), 50).save(path)
    path.write_bytes(path.read_bytes()[:600])
    with Image.open(path) as cut:
        assert view(cut).png == b""


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (np.zeros(3, np.uint8), "ndarray (3,)"),
        (np.zeros((4, 4), np.float32), "ndarray (4, 4)"),
        (np.zeros((0, 4), np.uint8), "ndarray (0, 4)"),
        (np.int64(12), "12"),
        (object(), "object"),
        ({"path": "/home/me"}, "dict"),
    ],
)
def test_of_anything_else_the_kind_is_named(item, text):
    assert view(item).text == text
    assert view(item).png == b""
