import dataclasses
import hmac
import html.parser

import numpy as np
import pytest

import mmaudit
from mmaudit import Pairs, Settings, Verdict, audit
from mmaudit.auditing import PROMPT_KEY
from mmaudit.evidence import loads, verify
from mmaudit.gates import NULL_ENCODERS, Auditor, finalize
from mmaudit.seeds import generator
from mmaudit.stress import CHECKS as STRESS
from mmaudit.subjects import as_subject

N = 240
INTACT_UNSIGNED = 3


def table(seed=0):
    rng = generator(seed, "audit tests")
    x = rng.standard_normal((N, 16)).astype(np.float32)
    return {"image": x, "text": (x + 0.3 * rng.standard_normal(x.shape)).astype(np.float32)}


@pytest.fixture(scope="module")
def pairs():
    rows = np.arange(N)
    return Pairs(
        inputs={"image": [f"{i}.png" for i in rows], "text": [f"caption {i}" for i in rows]},
        groups=rows // 2 * 2,
        nuisance={"source <a&b>": rows % 3},
        trusted=rows < 200,
        name="captions",
    )


@pytest.fixture(scope="module")
def result(pairs):
    return audit(table(), pairs)


def test_the_catalogue_runs_in_order_and_certifies_itself(result):
    assert [o.check for o in result.outcomes] == [*(c.name for c in result.auditor.checks), *STRESS]
    assert [o.check for o in result.certifications] == [f"null:{name}" for name in NULL_ENCODERS]
    assert {o.verdict for o in result.certifications} == {Verdict.ACCEPT}
    assert result["contract"].verdict is Verdict.ACCEPT
    assert result.verdict in set(Verdict)


def test_labels_may_be_lists(pairs, tmp_path):
    (source,) = pairs.nuisance
    called = ["web", "agency", "paper"]
    listed = Pairs(
        inputs=pairs.inputs,
        groups=[f"scene {group:03}" for group in pairs.groups],
        nuisance={source: [called[code] for code in pairs.nuisance[source]]},
        trusted=pairs.trusted.tolist(),
        name=pairs.name,
    )
    arrays = dataclasses.replace(pairs, groups=pairs.groups // 2, code_names={source: called})
    of_lists, of_arrays = audit(table(), listed), audit(table(), arrays)
    assert of_lists.outcomes == of_arrays.outcomes
    assert of_lists.write(tmp_path).digest == of_arrays.write(tmp_path).digest


def test_any_order_of_single_checks_gives_the_same_outcomes(result, pairs):
    auditor = Auditor(table(), pairs)
    names = [c.name for c in auditor.checks]
    for order in (names[::-1], generator(3, "order").permutation(names).tolist()):
        fresh = Auditor(table(), pairs)
        rows = finalize([fresh.run(name) for name in order], fresh.settings)
        assert sorted(rows, key=lambda o: names.index(o.check)) == list(result.outcomes[: len(names)])


def test_the_order_of_the_pairs_changes_no_verdict(result, pairs):
    order = generator(4, "order").permutation(N)
    mixed = dataclasses.replace(
        pairs,
        groups=pairs.groups[order],
        nuisance={name: codes[order] for name, codes in pairs.nuisance.items()},
        trusted=pairs.trusted[order],
    )
    again = audit({m: z[order] for m, z in table().items()}, mixed, Settings(profile="smoke"))
    for found in again.outcomes:
        before = result[found.check]
        assert found.verdict is before.verdict
        if before.measurement is not None and found.family == before.family:
            assert found.measurement.value == pytest.approx(before.measurement.value, abs=1e-9)


def test_progress_is_told_to_the_end(pairs):
    told = []
    audit(table(), pairs, Settings(profile="smoke"), progress=lambda *row: told.append(row))
    checks = len(Auditor(settings=Settings(profile="smoke")).checks)
    audited = [row for row in told if row[0] == "auditing"]
    assert audited == [("auditing", i, checks) for i in range(1, checks + 1)]
    assert ("encoding image", N, N) in told


def test_it_reads_as_a_summary(result):
    text = str(result)
    assert result.verdict.value in text
    assert all(len(line) <= 100 for line in text.splitlines())


class Page(html.parser.HTMLParser):
    """Collects tags and text, and refuses what does not nest."""

    def __init__(self, source):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(source)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_it_shows_itself_as_a_table_in_a_notebook(result):
    page = Page(result._repr_html_())
    assert set(page.tags) <= {
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "div",
        "p",
        "strong",
        "span",
    }
    text = " ".join(page.words)
    assert result.verdict.value in text
    assert all(o.check in text for o in result.outcomes)
    # A name from the user's data stands there as text and not as a tag.
    assert "matched" in text
    assert "<a&b>" not in result._repr_html_()


def test_written_evidence_verifies(result, tmp_path):
    bundle = result.write(tmp_path)
    for path in (bundle.directory, bundle.archive):
        found = verify(path)
        assert found.problems == []
        assert found.status == INTACT_UNSIGNED
    written = {row.name for row in bundle.directory.iterdir()}
    assert {"manifest.json", "outcomes.json", "report.html", "data", "plots"} <= written
    rows = loads((bundle.directory / "outcomes.json").read_bytes())["outcomes"]
    assert sorted(row["check"] for row in rows) == sorted(o.check for o in result.outcomes)
    kept = [np.load(bundle.directory / "data" / f"embeddings_{side}.npy") for side in "xy"]
    assert [z.tolist() for z in kept] == [z.tolist() for z in table().values()]


def test_two_audits_of_one_subject_have_one_digest(result, pairs, tmp_path):
    digests = {verify(a.write(tmp_path).directory).digest for a in (result, audit(table(), pairs))}
    assert len(digests) == 1


def test_a_broken_encoder_is_a_rejection_with_evidence(tmp_path):
    def fails(items):
        raise RuntimeError("no weights")

    broken = audit({"image": fails, "text": fails}, settings=Settings(profile="smoke"))
    assert broken.verdict is Verdict.REJECT
    assert "raised RuntimeError" in broken["contract"].reason
    bundle = broken.write(tmp_path)
    assert verify(bundle.directory).status == INTACT_UNSIGNED
    assert not list(bundle.directory.rglob("embeddings_*.npy"))


def test_what_cannot_be_used_is_an_error():
    with pytest.raises(mmaudit.SubjectError, match="cannot audit a int"):
        audit(3)
    with pytest.raises(mmaudit.InputError, match="embeddings were given for"):
        audit(table(), Pairs(inputs={"image": [1], "text": [1]}))


def test_pairs_may_be_inputs_alone_or_the_path_of_a_table(tmp_path):
    rng = generator(1, "audit of a table")
    numbers = rng.standard_normal((60, 8)).round(6)
    said = [" ".join(map(str, row)) for row in numbers.tolist()]

    def read(texts):
        return np.array([[float(word) for word in text.split()] for text in texts])

    encoders, smoke = {"question": read, "answer": read}, Settings(profile="smoke")
    of_inputs = audit(encoders, {"question": said, "answer": said}, smoke)
    assert (
        of_inputs.outcomes
        == audit(encoders, Pairs(inputs={"question": said, "answer": said}), smoke).outcomes
    )
    path = tmp_path / "asked.csv"
    path.write_text("q,answer\n" + "".join(f"{text},{text}\n" for text in said))
    table = dataclasses.replace(smoke, table={"columns": {"question": "q", "answer": "answer"}})
    for spec in (path, str(path)):
        of_table = audit(encoders, spec, table)
        assert (of_table.auditor.pairs.name, len(of_table.auditor.pairs)) == ("asked.csv", 60)
        assert of_table["contract"].verdict is Verdict.ACCEPT


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ((["a.png"], ["a"]), "cannot audit on a tuple; give a mapping such as {'image': images, 'text': cap"),
        (np.zeros((3, 4)), "cannot audit on a ndarray; .*the path of a table, or mmaudit.Pairs"),
        ({"image": ["a.png"], "text": ["a"], "groups": [1]}, "exactly two modalities"),
        ("nowhere.csv", "cannot read nowhere.csv: No such file"),
        ("my_module:make_pairs", "cannot read pairs from 'my_module:make_pairs'; expected .csv"),
    ],
)
def test_pairs_that_are_none_are_one_line(given, line):
    with pytest.raises(mmaudit.InputError, match=line) as error:
        audit({"image": len, "text": len}, given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("secret", ["", "known to the lab alone"])
def test_prompts_are_digested_whole_only_under_a_secret_of_ones_own(secret, monkeypatch, tmp_path):
    monkeypatch.setenv(PROMPT_KEY, secret)
    x, y = table().values()
    subject = as_subject((x, y))
    prompts = ("a photo of a {}, token=hunter2hunter2",)
    named = dataclasses.replace(subject, identity=dataclasses.replace(subject.identity, prompts=prompts))
    bundle = audit(named, settings=Settings(profile="smoke")).write(tmp_path)
    text = (bundle.directory / "logs" / "prompts.jsonl").read_text(encoding="utf-8")
    row = loads(text.encode().strip())
    assert "hunter2" not in text
    assert row["digest_of"] == ("text" if secret else "redacted")
    expected = hmac.new(secret.encode(), prompts[0].encode(), "sha256").hexdigest() if secret else None
    assert (row["hmac_sha256"] == expected) is bool(secret)
    assert verify(bundle.archive).problems == []
