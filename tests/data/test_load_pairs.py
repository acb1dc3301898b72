"""Every form of table gives the same pairs, and every bad row is accounted for."""

import csv
import json

import numpy as np
import pytest

from mmaudit.data import Options, load_pairs
from mmaudit.data.faults import csv_text
from mmaudit.errors import InputError
from mmaudit.subjects import as_subject
from mmaudit.subjects.encode import encode


def written(gallery, form, rows):
    if form in ("csv", "tsv"):
        return gallery.csv(rows, f"pairs.{form}", "\t" if form == "tsv" else ",")
    if form == "jsonl":
        return gallery.jsonl(rows)
    if form == "folder":
        folder = gallery.folder / "samples"
        folder.mkdir()
        for i, row in enumerate(rows):
            (folder / f"{i:03}.png").write_bytes((gallery.folder / row["image"]).read_bytes())
            (folder / f"{i:03}.txt").write_text(row["caption"] + "\n")
            (folder / f"{i:03}.json").write_text(json.dumps({"source": row["source"]}))
        return folder
    if form == "parquet":
        pyarrow = pytest.importorskip("pyarrow", reason="Parquet is an extra")
        from pyarrow import parquet

        path = gallery.folder / "pairs.parquet"
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        return path
    datasets = pytest.importorskip("datasets", reason="saved datasets are an extra")
    paths = [str(gallery.folder / row["image"]) for row in rows]
    found = datasets.Dataset.from_dict({**{k: [r[k] for r in rows] for k in rows[0]}, "image": paths})
    found = found.cast_column("image", datasets.Image())
    folder = gallery.folder / "saved"
    if form == "dataset":
        found.save_to_disk(str(folder))
    else:
        datasets.DatasetDict(
            {"train": found.select(range(3)), "test": found.select(range(3, 6))}
        ).save_to_disk(str(folder))
    return folder


FORMS = ("csv", "tsv", "jsonl", "parquet", "folder", "dataset", "dataset dict")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_pairs(gallery, form, capfd):
    rows = [{**row, "source": "ab"[i % 2]} for i, row in enumerate(gallery.rows())]
    pairs = load_pairs(written(gallery, form, rows))
    assert len(pairs) == 6
    assert pairs.modalities == ("image", "text")
    assert list(pairs.inputs["text"]) == [row["caption"] for row in rows]
    picture = pairs.inputs["image"][2]
    assert picture.mode == "RGB"
    expected = np.random.default_rng(2).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(picture), expected)
    assert pairs.metadata["source"].tolist() == list("ababab")
    assert pairs.groups is None
    assert pairs.left_out == ()
    assert len(pairs.places) == len(set(pairs.places)) == 6
    if form == "dataset dict":
        assert pairs.splits.tolist() == ["train"] * 3 + ["test"] * 3


def test_the_same_content_has_one_digest_wherever_it_lies(gallery):
    rows = [{**row, "source": "a"} for row in gallery.rows()]
    one, other = (load_pairs(written(gallery, form, rows)).inputs["image"] for form in ("csv", "folder"))
    assert one.content_sha256 == other.content_sha256
    gallery.picture("3.png", 99)
    again = load_pairs(gallery.folder / "pairs.csv").inputs["image"]
    assert again.content_sha256 != one.content_sha256


@pytest.mark.parametrize("form", ["csv", "jsonl", "folder"])
@pytest.mark.parametrize("start", ["..", "../../{name}", "{parent}/elsewhere/.."])
def test_a_path_may_go_up_first(gallery, form, start, monkeypatch):
    path = written(gallery, form, [{**row, "source": "a"} for row in gallery.rows()])
    (gallery.folder / "elsewhere").mkdir()
    monkeypatch.chdir(gallery.folder / "elsewhere")
    up = start.format(name=gallery.folder.name, parent=gallery.folder)
    pairs = load_pairs(f"{up}/{path.name}")
    assert (len(pairs), pairs.inputs["image"][5].size) == (6, (16, 16))
    names = [source.name for source in pairs.inputs["image"].sources]
    assert names == [source.name for source in load_pairs(path).inputs["image"].sources]


def test_the_root_may_go_up_and_nothing_leads_out_of_it(gallery, monkeypatch):
    rows = gallery.rows()
    (gallery.folder / "tables").mkdir()
    table = gallery.csv(rows, "tables/pairs.csv")
    monkeypatch.chdir(gallery.folder / "tables")
    assert len(load_pairs("pairs.csv", Options(root=".."))) == 6
    up = Options(root="../img")
    for cell in ("../pairs.csv", "../../img.png", str(gallery.folder.parent / "secret.png")):
        gallery.csv([{**rows[0], "image": cell}, *({**r, "image": r["image"][4:]} for r in rows)], table)
        with pytest.raises(InputError, match=r"1 of 7 rows cannot be used .*leads out of the folder"):
            load_pairs("pairs.csv", up)


def test_links_are_where_the_system_finds_them(gallery, tmp_path, monkeypatch):
    rows = gallery.rows()
    store = tmp_path / "store" / "inner"
    store.mkdir(parents=True)
    (tmp_path / "img").rename(tmp_path / "store" / "img")
    gallery.csv(rows, "store/pairs.csv")
    (tmp_path / "link").symlink_to(store)
    # Behind the link lies the store, and not the folder that the link is in.
    monkeypatch.chdir(tmp_path)
    assert len(load_pairs("link/../pairs.csv")) == 6
    # A picture that is itself a link is the user's own doing.
    moved = tmp_path / "elsewhere.png"
    (tmp_path / "store" / "img" / "2.png").rename(moved)
    (tmp_path / "store" / "img" / "2.png").symlink_to(moved)
    for source in ("store/pairs.csv", "store/inner/../pairs.csv"):
        assert len(load_pairs(source)) == 6


def test_captions_of_one_picture_and_pictures_of_one_caption_are_right_answers(gallery):
    rows = gallery.rows(4)
    rows += [
        {"image": rows[0]["image"], "caption": "another caption"},
        {**rows[1], "image": rows[2]["image"]},
    ]
    pairs = load_pairs(gallery.csv(rows))
    assert pairs.groups.tolist() == [0, 1, 1, 2, 0, 1]
    copy = gallery.picture("copy.png", 3)
    more = load_pairs(gallery.csv([*gallery.rows(4), {"image": copy, "caption": "the same bytes"}]))
    assert more.groups.tolist() == [0, 1, 2, 3, 3]


def test_a_list_of_captions_is_a_pair_each(gallery):
    image = gallery.picture("0.png")
    other = gallery.picture("1.png", 1)
    path = gallery.jsonl(
        [{"image": image, "captions": ["one", "two"]}, {"image": other, "captions": ["three"]}]
    )
    pairs = load_pairs(path)
    assert list(pairs.inputs["text"]) == ["one", "two", "three"]
    assert pairs.groups.tolist() == [0, 0, 1]
    assert list(pairs.places) == ["line 1", "line 1", "line 2"]


def test_roles_come_from_columns(gallery):
    rows = [
        {
            "file": row["image"],
            "said": row["caption"],
            "topic": "xy"[i % 2],
            "camera": f"c{i % 3}",
            "width": str(i) if i else "",
            "note": "kept" if i else "",
            "split": "test",
            "trusted": "yes" if i < 3 else "no",
            "scene": i // 2,
        }
        for i, row in enumerate(gallery.rows())
    ]
    options = Options(
        columns={"image": "file", "text": "said"},
        factors=("topic",),
        nuisance=("camera",),
        group="scene",
        ignore=("note",),
    )
    pairs = load_pairs(gallery.csv(rows), options)
    assert pairs.groups.tolist() == [0, 0, 1, 1, 2, 2]
    assert pairs.factors["topic"].tolist() == [0, 1] * 3
    assert pairs.nuisance["camera"].tolist() == [0, 1, 2] * 2
    assert pairs.code_names == {"topic": ["x", "y"], "camera": ["c0", "c1", "c2"]}
    assert pairs.trusted.tolist() == [True] * 3 + [False] * 3
    assert pairs.splits.tolist() == ["test"] * 6
    assert list(pairs.metadata) == ["width"]
    assert np.isnan(pairs.metadata["width"][0])
    assert pairs.metadata["width"][1:].tolist() == [1, 2, 3, 4, 5]


def test_text_and_text_or_sound_and_text(gallery):
    path = gallery.jsonl([{"q": "one", "doc": "first"}, {"q": "two", "doc": "second"}])
    assert load_pairs(path, Options(columns={"query": "q", "document": "doc"})).modalities == (
        "query",
        "document",
    )
    for i in range(2):
        (gallery.folder / f"{i}.wav").write_bytes(b"RIFF" + bytes([i]))
    sound = load_pairs(gallery.jsonl([{"audio": f"{i}.wav", "text": f"sound {i}"} for i in range(2)]))
    assert sound.modalities == ("audio", "text")
    assert sound.inputs["audio"][1].endswith("1.wav")


def test_pictures_are_opened_when_asked_for(gallery):
    pairs = load_pairs(gallery.csv(gallery.rows()))
    (gallery.folder / "img" / "4.png").write_bytes(b"changed")
    assert pairs.inputs["image"][3].size == (16, 16)
    with pytest.raises(InputError, match="line 6: no picture that Pillow can read"):
        _ = pairs.inputs["image"][4]


def test_tolerated_rows_are_left_out_by_name(gallery):
    rows = gallery.rows()
    rows[1]["caption"] = "  "
    rows[4]["image"] = "img/nowhere.png"
    path = gallery.csv(rows)
    pairs = load_pairs(path, Options(tolerate=2))
    assert len(pairs) == 4
    assert pairs.left_out == ("line 3: the text is empty", "line 6: no such file: 'img/nowhere.png'")
    assert list(pairs.places) == ["line 2", "line 4", "line 5", "line 7"]
    with pytest.raises(InputError, match=r"2 of 6 rows cannot be used, 1 tolerated \(line 3: "):
        load_pairs(path, Options(tolerate=1))


def test_all_bad_rows_are_listed_in_a_file(gallery, tmp_path):
    rows = gallery.rows()
    for i in range(5):
        rows[i]["image"] = f"=cmd{i}.png"
    report = tmp_path / "out" / "bad-rows.csv"
    with pytest.raises(InputError) as caught:
        load_pairs(gallery.csv(rows), report=report)
    message = str(caught.value)
    assert "\n" not in message
    assert "and 2 more" in message
    assert str(report) in message
    listed = list(csv.reader(report.read_text().splitlines()))
    assert [row[1] for row in listed[1:]] == [f"line {i}" for i in range(2, 7)]
    assert [p.name for p in report.parent.iterdir()] == ["bad-rows.csv"]


def test_lines_are_counted_across_cells_with_line_breaks(gallery):
    rows = gallery.rows(3)
    rows[0]["caption"] = "two\nlines"
    rows[2]["caption"] = ""
    with pytest.raises(InputError, match="line 5: the text is empty"):
        load_pairs(gallery.csv(rows))


def test_no_cell_is_a_formula():
    text = csv_text(("a",), [["=1+1"], [" @x"], ["-2.5"], ["+a"], ["plain"], ["\t=2"]])
    assert [row[0] for row in csv.reader(text.splitlines())] == [
        "a",
        "'=1+1",
        "' @x",
        "-2.5",
        "'+a",
        "plain",
        "'\t=2",
    ]


def test_a_part_of_the_pairs_is_as_unopened_as_the_whole(gallery):
    pairs = load_pairs(gallery.csv(gallery.rows(4)))
    (gallery.folder / "img" / "1.png").unlink()
    part = pairs.take([2, 0, 1])
    assert type(part.inputs["image"]) is type(pairs.inputs["image"])
    assert np.array_equal(np.asarray(part.inputs["image"][0]), np.asarray(pairs.inputs["image"][2]))
    assert part.inputs["text"] == [pairs.inputs["text"][i] for i in (2, 0, 1)]
    assert part.inputs["image"].digests == tuple(pairs.inputs["image"].digests[i] for i in (2, 0, 1))


def test_a_picture_of_several_captions_is_encoded_once(gallery):
    rows = gallery.rows(4)
    rows += [{**row, "caption": f"{row['caption']} again"} for row in rows[::-1]]
    copy = gallery.picture("copy.png", 2)
    pairs = load_pairs(gallery.csv([*rows, {"image": copy, "caption": "the same bytes"}]))
    seen = []

    def watch(pictures):
        seen.extend(np.asarray(picture).tobytes() for picture in pictures)
        return [np.asarray(picture).reshape(-1)[:8] for picture in pictures]

    subject = as_subject({"image": watch, "text": lambda texts: [[len(text)] for text in texts]})
    told = []
    z = encode(subject, "image", pairs.inputs["image"], batch_size=3, progress=lambda *row: told.append(row))
    assert len(seen) == len(set(seen)) == 4
    assert told[-1] == ("encoding image", 4, 4)
    served = [np.asarray(picture).reshape(-1)[:8].tolist() for picture in pairs.inputs["image"]]
    assert z.tolist() == served
    part = pairs.inputs["image"].take([8, 2, 5])
    assert encode(subject, "image", part).tolist() == [served[row] for row in (8, 2, 5)]


def test_files_that_an_encoder_opens_itself_are_not_taken_for_one_another(gallery):
    for name in ("0.wav", "1.wav"):
        (gallery.folder / name).write_bytes(b"RIFF")
    rows = [{"audio": f"{i % 2}.wav", "text": f"sound {i}"} for i in range(4)]
    pairs = load_pairs(gallery.jsonl(rows))
    subject = as_subject(
        {"audio": lambda paths: [[int(path[-5])] for path in paths], "text": lambda texts: [[1]] * len(texts)}
    )
    distinct, at = pairs.inputs["audio"].distinct()
    assert len(distinct) == 2
    assert at.tolist() == [0, 1, 0, 1]
    assert encode(subject, "audio", pairs.inputs["audio"]).tolist() == [[0], [1], [0], [1]]


def test_only_rows_that_are_asked_for_are_looked_at(gallery):
    rows = [
        {**row, "split": part, "fold": i % 3}
        for i, (row, part) in enumerate(zip(gallery.rows(), ["test", "train"] * 3, strict=True))
    ]
    rows[1]["image"] = "img/missing.png"
    path = gallery.csv(rows)
    pairs = load_pairs(path, Options(only={"split": "test"}))
    assert pairs.inputs["text"] == [rows[i]["caption"] for i in (0, 2, 4)]
    assert list(pairs.places) == ["line 2", "line 4", "line 6"]
    assert pairs.splits.tolist() == ["test"] * 3
    assert pairs.description == "3 pairs of pairs.csv, of 6 rows those of split = test"
    both = load_pairs(path, Options(only={"split": ("test", "train"), "fold": ["0", "2"]}))
    assert both.inputs["text"] == [rows[i]["caption"] for i in (0, 2, 3, 5)]
    with pytest.raises(InputError, match=r"line 3: no such file: 'img/missing.png'"):
        load_pairs(path, Options(only={"split": "train"}))


def test_a_row_nobody_can_read_is_not_left_out_for_its_value(gallery):
    path = gallery.csv([{**row, "split": "test"} for row in gallery.rows(3)])
    path.write_text(path.read_text(encoding="utf-8") + "img/0.png,one cell too few\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"1 of 4 rows cannot be used \(line 5: 2 cells where"):
        load_pairs(path, Options(only={"split": "test"}))
    kept = load_pairs(path, Options(only={"split": "test"}, tolerate=1))
    assert len(kept) == 3
    assert kept.left_out == ("line 5: 2 cells where the header has 3",)


def test_a_value_that_no_row_has_is_refused_by_name(gallery):
    path = gallery.csv([{**row, "split": "val"} for row in gallery.rows(3)])
    with pytest.raises(InputError) as caught:
        load_pairs(path, Options(only={"split": "test"}))
    assert str(caught.value) == (
        "pairs.csv: no row has split = test, which [tool.mmaudit.data] only asks for; the column holds 'val'"
    )
    with pytest.raises(InputError, match=r"'data.only' names the column 'splitt', .* did you mean 'split'?"):
        load_pairs(path, Options(only={"splitt": "val"}))
