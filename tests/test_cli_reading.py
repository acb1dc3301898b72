"""``mmaudit show`` and ``mmaudit compare``, as a user types them."""

import os
import subprocess
import sys

import numpy as np
import pytest

from mmaudit.auditing import audit
from mmaudit.cli import main
from mmaudit.evidence.store import save
from mmaudit.settings import Settings


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    rng = np.random.default_rng(3)
    z = rng.standard_normal((150, 10))
    x, y = (z + 0.7 * rng.standard_normal(z.shape) for _ in range(2))
    served = {
        "good": (x, y),
        "worse": (x + rng.standard_normal(x.shape), y),
        "other": (x[:149], y[:149]),
    }
    settings = Settings(profile="smoke")
    return {
        name: audit(pair, settings=settings).write(tmp_path_factory.mktemp(name))
        for name, pair in served.items()
    }


@pytest.fixture
def broken(bundles, tmp_path):
    """Return a run directory whose settings were edited after it was written."""
    root = tmp_path / "run"
    source = bundles["good"].directory
    for path in source.rglob("*"):
        if path.is_file():
            (root / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            (root / path.relative_to(source)).write_bytes(path.read_bytes())
    settings = root / "settings.json"
    settings.write_bytes(settings.read_bytes().replace(b'"seed":7', b'"seed":8'))
    return root


def run(capsys, *argv):
    status = main([str(a) for a in argv])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize("part", ["archive", "directory"])
def test_show_says_what_a_bundle_says(bundles, capsys, part):
    bundle = bundles["good"]
    status, out, err = run(capsys, "show", getattr(bundle, part))
    assert (status, err) == (0, "")
    for part_of_it in ("overall: ", "gates\n", "notices\n", "not evidenced\n", "suspects", "settings\n"):
        assert part_of_it in out
    assert "NOT VERIFIED" not in out
    assert out.splitlines()[-2:] == [
        f"digest:   sha256 {bundle.digest}",
        f"verify:   mmaudit verify {getattr(bundle, part)}",
    ]


def test_baselines_are_those_of_the_project_from_any_of_its_folders(bundles, capsys, tmp_path, monkeypatch):
    folder = tmp_path / "project" / ".mmaudit"
    kept = save(bundles["good"].archive, folder, "main")
    (tmp_path / "project" / "models" / "clip").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project" / "models" / "clip")
    for spec in ("latest", "main", "1"):
        status, out, _ = run(capsys, "show", spec)
        assert (status, out.splitlines()[-1]) == (0, f"verify:   mmaudit verify {kept}")
    assert run(capsys, "compare", "main", "latest")[0] == 0
    # A folder's own come first.
    save(bundles["worse"].archive, tmp_path / "project" / "models" / ".mmaudit", "main")
    assert run(capsys, "compare", kept, "main")[0] == 1


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("command", ["show", "verify", "compare"])
def test_a_reader_that_went_away_is_no_error(bundles, command, buffered, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", "" if buffered else "1")
    files = [str(bundles["good"].archive)] * (2 if command == "compare" else 1)
    reads, writes = os.pipe()
    os.close(reads)
    with open(writes, "wb") as gone:
        argv = [sys.executable, "-m", "mmaudit", command, *files]
        done = subprocess.run(argv, stdout=gone, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 141)


def test_show_hides_what_does_not_verify_until_it_is_asked_for(broken, capsys):
    status, out, _ = run(capsys, "show", broken)
    assert status == 1
    assert out.startswith("NOT VERIFIED: ")
    assert "problem  settings.json: its SHA-256" in out
    assert "overall" not in out
    status, out, _ = run(capsys, "show", "--unverified", broken)
    assert status == 1
    assert "overall: " in out
    assert out.startswith("NOT VERIFIED: ")
    assert out.splitlines()[-1].startswith("NOT VERIFIED: ")


def test_compare_ends_with_the_verdict_in_words_and_in_the_status(bundles, capsys):
    good, worse = bundles["good"].archive, bundles["worse"].directory
    status, out, err = run(capsys, "compare", good, bundles["good"].directory)
    assert (status, err) == (0, "")
    assert out.endswith("no regression\n")
    status, out, _ = run(capsys, "compare", good, worse)
    assert status == 1
    assert "recall_at_1" in out
    assert "WORSE" in out
    assert "items whose ranks rose most" in out


def test_a_tolerance_can_be_given(bundles, capsys):
    names = ("recall_at_1", "recall_at_5", "recall_at_10", "pair_discrimination", "symmetry_gap")
    allowed = [f"--tolerance={name}=1" for name in names]
    status, out, _ = run(capsys, "compare", bundles["good"].archive, bundles["worse"].archive, *allowed)
    assert "WORSE" not in out
    assert status == int("turned from ACCEPT" in out)


def test_baselines_are_meant_by_number_and_as_the_latest(bundles, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("good", "worse"):
        save(bundles[name].archive, tmp_path / ".mmaudit", name)
    assert run(capsys, "compare", "1", "latest")[0] == 1
    assert run(capsys, "compare", "0002_worse", "1")[0] == 0
    assert bundles["worse"].digest in run(capsys, "show", "latest")[1]


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (("compare", "good", "other"), "not comparable: the number of pairs differs (it was 150 and is 149)"),
        (("compare", "good", "nowhere.zip"), "no bundle or baseline 'nowhere.zip'"),
        (("compare", "broken", "good"), "does not verify: settings.json"),
        (("show", "nowhere.zip"), "no bundle or baseline 'nowhere.zip'"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_2(bundles, broken, capsys, argv, complaint):
    places = {name: bundle.archive for name, bundle in bundles.items()} | {"broken": broken}
    status, out, err = run(capsys, *(places.get(word, word) for word in argv))
    assert (status, out) == (2, "")
    assert err.startswith(f"mmaudit {argv[0]}: ")
    assert complaint in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("tolerance", ["x", "x=", "x=-1", "=1"])
def test_a_tolerance_that_is_none_is_wrong_usage(tolerance, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["compare", "a", "b", f"--tolerance={tolerance}"])
    assert caught.value.code == 2
    assert "expected CHECK=X" in capsys.readouterr().err
