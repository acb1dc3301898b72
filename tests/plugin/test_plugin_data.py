"""``--mmaudit-data`` on files: what can be wrong with them, each in one line and with its exit status."""

import json

import numpy as np
import pytest

ENCODERS = """
import numpy as np

def subject():
    def encode_image(pictures):
        return np.stack([np.asarray(p, dtype=np.float32).mean(axis=(0, 1)) for p in pictures]) - 128

    def encode_text(texts):
        return np.array([[float(v) for v in t.split()[-3:]] for t in texts]) - 128

    return {"image": encode_image, "text": encode_text}
"""
USAGE, FAILED = pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.TESTS_FAILED


def picture(path, colour):
    from PIL import Image

    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (16, 16), tuple(colour)).save(path)


@pytest.fixture
def captioned(project):
    """A project with sixty plain pictures, a table that names their colours, and encoders that read both."""
    rng = np.random.default_rng(0)
    rows = []
    for i, colour in enumerate(rng.integers(0, 256, (60, 3)).tolist()):
        picture(project.path / "img" / f"{i}.png", colour)
        rows.append({"image": f"img/{i}.png", "caption": "a plain {} {} {}".format(*colour)})
    project.write("models.py", ENCODERS)
    project.rows = rows
    return project


def table(project, rows):
    project.write("pairs.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    return "pairs.jsonl"


def test_a_table_is_audited_without_glue(captioned):
    spec = table(captioned, captioned.rows)
    captioned.write("pyproject.toml", "[tool.mmaudit.data]\ntolerate = 1\n")
    captioned.rows[7]["caption"] = ""
    table(captioned, captioned.rows)
    result = captioned.audit("-k", "contract", f"--mmaudit-data={spec}", subject="models:subject")
    assert result.ret == 0
    dataset = captioned.document("dataset.json")
    assert dataset["pairs"] == 59
    assert dataset["left_out"] == ["line 8: the text is empty"]
    assert None not in dataset["inputs_sha256"].values()
    assert captioned.document("reports/summary.json")["facts_provided"]["deviations"] == [
        "1 rows of the data were left out"
    ]
    (bundle,) = captioned.bundles
    listed = (bundle / "data" / "suspect_pairs.csv").read_text().splitlines()
    assert listed[0] == "row,place,image,image → text,text → image"


def test_the_file_may_stand_in_the_settings(captioned):
    table(captioned, captioned.rows)
    captioned.write("pyproject.toml", "[tool.mmaudit.data]\nfile = 'pairs.jsonl'\n")
    result = captioned.audit("-k", "contract", subject="models:subject")
    assert result.ret == 0
    assert captioned.document("settings.json")["data"] == "pairs.jsonl"


def break_row(**changes):
    def broken(project):
        project.rows[2] |= changes
        return table(project, project.rows)

    return broken


def with_file(name, content):
    def broken(project):
        (project.path / name).write_bytes(content)
        return name

    return broken


def cut_short(project):
    path = project.path / "img" / "2.png"
    path.write_bytes(path.read_bytes()[:-30])
    return table(project, project.rows)


def empty_picture(project):
    (project.path / "img" / "2.png").write_bytes(b"")
    return table(project, project.rows)


def no_picture(project):
    (project.path / "img" / "2.png").write_bytes(b"hello")
    return table(project, project.rows)


def huge(project):
    project.write("pyproject.toml", "[tool.mmaudit.data]\nmax_pixels = 255\n")
    return table(project, project.rows)


def setting(text):
    def broken(project):
        project.write("pyproject.toml", f"[tool.mmaudit.data]\n{text}\n")
        return table(project, project.rows)

    return broken


def lonely_stem(project):
    picture(project.path / "samples" / "a.png", (1, 2, 3))
    picture(project.path / "samples" / "b.png", (1, 2, 3))
    project.write("samples/a.txt", "one")
    return "samples"


def one_kind(project):
    return "img"


def unreadable_caption(project):
    project.rows[2]["caption"] = "no numbers here"
    return table(project, project.rows)


BROKEN = {
    "no such file": (lambda p: "nowhere.csv", USAGE, "mmaudit data 'nowhere.csv': no such file"),
    "no such picture": (break_row(image="img/no.png"), USAGE, "*(line 3: no such file: 'img/no.png')*"),
    "a folder for a picture": (break_row(image="img"), USAGE, "*(line 3: 'img' is a folder)*"),
    "a path that leads out": (
        break_row(image="../secret.png"),
        USAGE,
        "*(line 3: '../secret.png' leads out*",
    ),
    "an address": (break_row(image="https://a.example/b.png"), USAGE, "*is no file on this machine*"),
    "an empty picture file": (empty_picture, USAGE, "*(line 3: an empty file)*"),
    "no picture": (no_picture, USAGE, "*(line 3: no picture that Pillow can read)*"),
    "a picture cut short": (cut_short, USAGE, "*(line 3: undecodable picture: *)*"),
    "a huge picture": (huge, USAGE, "*60 of 60 rows*16 × 16 pixels are more than max_pixels = 255*"),
    "an empty caption": (break_row(caption=""), USAGE, "*(line 3: the text is empty)*"),
    "a caption that is NaN": (break_row(caption=float("nan")), USAGE, "*(line 3: the text is NaN)*"),
    "a caption that is a number": (break_row(caption=3), USAGE, "*(line 3: the text is a int, not a text)*"),
    "a line that is no JSON": (
        with_file("pairs.jsonl", b'{"image": 1\n{2}\n'),
        USAGE,
        "pairs.jsonl: 2 of 2 rows cannot be used (line 1: no JSON (*); line 2: no JSON (*))*",
    ),
    "no rows": (with_file("pairs.csv", b"image,caption\n"), USAGE, "pairs.csv: no rows; give one a pair"),
    "an empty file": (with_file("pairs.csv", b""), USAGE, "pairs.csv: the first line names no column*"),
    "a ragged row": (
        with_file("pairs.csv", b"image,caption\nimg/0.png,a,b\n"),
        USAGE,
        "*(line 2: 3 cells where the header has 2)*",
    ),
    "a column twice": (with_file("pairs.csv", b"image,image\n"), USAGE, "*two columns are called 'image'*"),
    "open quotes": (with_file("pairs.csv", b'image,caption\nimg/0.png,"a\n'), USAGE, "pairs.csv: line 2: *"),
    "another encoding": (
        with_file("pairs.csv", "image,caption\nimg/0.png,é\n".encode("latin-1")),
        USAGE,
        "*is no UTF-8; save the table as UTF-8",
    ),
    "no Parquet": (with_file("pairs.parquet", b"PAR0"), USAGE, "cannot read pairs.parquet: *"),
    "one modality": (
        with_file("pairs.csv", b"image,words\na,b\n"),
        USAGE,
        "pairs.csv: the columns image, words name image*",
    ),
    "one pair": (
        with_file("pairs.csv", b"image,caption\nimg/0.png,a\n"),
        USAGE,
        "pairs.csv: 1 usable rows; an audit needs two pairs at the very least",
    ),
    "a misspelt setting": (setting("tolerat = 1"), USAGE, "*'data.tolerat'; did you mean 'tolerate'?"),
    "a misspelt column": (
        setting("factors = ['captio']"),
        USAGE,
        "*'data.factors' names the column 'captio', which the data lack; did you mean 'caption'?",
    ),
    "a root that is none": (setting("root = 'img/0.png'"), USAGE, "*'data.root' is *, which is no folder"),
    "a stem without a caption": (lonely_stem, USAGE, "samples: 1 of 2 rows*(sample b: no text file)*"),
    "a folder of one kind": (one_kind, USAGE, "the folder 'img' holds image files; expected two modalities*"),
    "trust that is no truth": (break_row(trusted="maybe"), USAGE, "*the trusted is 'maybe'*"),
    "a caption that the encoder cannot read": (unreadable_caption, FAILED, None),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_data_end_in_one_clear_line(captioned, said, kind):
    breaking, status, complaint = BROKEN[kind]
    if kind == "no Parquet":
        pytest.importorskip("pyarrow", reason="Parquet is an extra")
    if kind == "trust that is no truth":
        for row in captioned.rows:
            row["trusted"] = "yes"
    spec = breaking(captioned)
    result = captioned.audit("-k", "contract", f"--mmaudit-data={spec}", subject="models:subject")
    assert result.ret == status
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    if status is USAGE:
        assert len(said(result)) == 1
        result.stderr.fnmatch_lines([f"ERROR: {complaint}"])
        assert captioned.bundles == []
    else:
        result.stdout.fnmatch_lines(["*the text encoder raised ValueError on a batch of 60*"])
        assert len(captioned.bundles) == 1


def test_a_long_list_of_bad_rows_is_written_beside_the_bundles(captioned, said):
    for row in captioned.rows[:9]:
        row["image"] = "img/none.png"
    spec = table(captioned, captioned.rows)
    result = captioned.audit(f"--mmaudit-data={spec}", subject="models:subject")
    assert result.ret == USAGE
    (line,) = said(result)
    assert "9 of 60 rows cannot be used" in line
    listed = (captioned.path / "mmaudit-out" / "bad-rows.csv").read_text().splitlines()
    assert len(listed) == 10


LISTED = """
from mmaudit import Pairs

def pairs():
    n = 120
    return Pairs(
        inputs={"image": list(range(n)), "text": list(range(n))},
        groups=[f"scene {i // 2}" for i in range(n)],
        nuisance={"source": ["web", "agency", "paper"] * (n // 3)},
        trusted=[i < 90 for i in range(n)],
    )
"""


def test_labels_may_be_lists(project):
    project.write("listed.py", LISTED)
    chosen = "contract or matched_negative_drop or (test_stress and not search)"
    result = project.audit("-k", chosen, "--mmaudit-data=listed:pairs")
    assert result.ret == 0
    assert not [line for line in result.outlines if "Error" in line]
    dataset = project.document("dataset.json")
    assert (dataset["relevance_groups"], dataset["trusted_pairs"], dataset["nuisance"]) == (
        60,
        90,
        {"source": 3},
    )


def test_a_label_that_is_none_is_one_line(project, said):
    project.write("listed.py", LISTED.replace('["web", ', "[None, "))
    result = project.audit("--mmaudit-data=listed:pairs")
    assert result.ret == USAGE
    (line,) = said(result)
    assert "pairs() raised nuisance 'source' has None in row 0" in line
