"""The report in a real browser: both themes, JavaScript on and off, wide and narrow, and by keyboard."""

import json
import os
import pathlib
import shutil
import subprocess

import numpy as np
import pytest

from mmaudit import Pairs, Settings, audit
from mmaudit.auditing import conditions, side
from mmaudit.comparison import ARRAYS, compare, side_of
from mmaudit.evidence.reading import read
from mmaudit.seeds import generator

HERE = pathlib.Path(__file__).parent
N = 150
EVIL = "<img src=https://evil.example/x onerror=alert(1)><script>alert(2)</script> & 'so' \"on\""
BROKEN = """<!doctype html><html><head><title></title></head><body style="width: 2000px">
<p style="color: #ccc; background: #fff">pale</p><table class="sortable"><thead><tr><th>a</th></tr></thead>
<tbody><tr><td>1</td></tr></tbody></table><a href="#verdict"></a><p id="verdict" tabindex="-1">x</p>
<img src="missing.png"><script>document.querySelector("thead th").append(document.createElement("button"));
console.error("on purpose")</script></body></html>"""


@pytest.fixture(scope="module")
def chromium():
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium here; Debian's package is called chromium")
    return found


@pytest.fixture(scope="module")
def tools(chromium, tmp_path_factory):
    """A folder with what package-lock.json pins."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("no Node.js with npm here to drive Chromium with")
    folder = tmp_path_factory.mktemp("npm")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    command = ["npm", "ci", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"npm cannot install playwright-core and axe-core: {done.stderr[-300:]}")
    return folder


@pytest.fixture(scope="module")
def look(chromium, tools):
    def look(page):
        command = ["node", str(HERE / "check.mjs"), chromium, str(page)]
        if shots := os.environ.get("MMAUDIT_SCREENSHOTS"):
            command.append(shots)
        done = subprocess.run(command, cwd=tools, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return look


@pytest.fixture(scope="module")
def found(look, tmp_path_factory):
    """What the browser says of the page of an audit with pictures, hostile captions and a better baseline."""
    rng = generator(0, "browser tests")
    z = rng.standard_normal((N, 16)).astype(np.float32)
    subject = {"image": z, EVIL: (z + 1.2 * rng.standard_normal(z.shape)).astype(np.float32)}
    pairs = Pairs(
        inputs={
            "image": rng.integers(0, 256, (N, 40, 30, 3), dtype=np.uint8),
            EVIL: [f"{EVIL} {i}" for i in range(N)],
        },
        name=EVIL,
    )
    out = tmp_path_factory.mktemp("out")
    before = audit({"image": z, EVIL: z}, pairs, Settings(profile="smoke")).write(out)
    now = audit(subject, pairs, Settings(profile="smoke"))
    held = compare(
        side_of(read(before.archive, ARRAYS)), side(now.auditor, now.outcomes, conditions(now.auditor))
    )
    assert held.regressed
    bundle = now.write(out, comparison=held)
    page = bundle.directory / "report.html"
    assert page.stat().st_size < 500_000
    return look(page)


def test_nothing_is_said_requested_or_broken(found):
    assert {(page["theme"], page["script"]) for page in found["pages"]} == {
        ("light", True),
        ("light", False),
        ("dark", True),
        ("dark", False),
    }
    for page in found["pages"]:
        assert page["said"] == []
        assert page["requests"] == []
        assert page["broken"] == 0


def test_each_theme_has_its_ground(found):
    grounds = {(page["theme"], page["ground"]) for page in found["pages"]}
    assert grounds == {("light", "rgb(255, 255, 255)"), ("dark", "rgb(15, 18, 22)")}


def test_a_telephone_shows_it_without_scrolling_sideways(found):
    assert {tuple(page["overflow"].items()) for page in found["pages"]} == {(("380", 0), ("1280", 0))}


def test_axe_finds_nothing_serious(found):
    grave = [v for page in found["pages"] for v in page["axe"] if v["impact"] in ("serious", "critical")]
    assert grave == []


def test_tables_sort_by_keyboard_and_return_to_the_order_of_the_report(found):
    for page in found["pages"]:
        assert (page["buttons"] > 20) is page["script"]
        if page["script"]:
            first, up, down, last = page["sorted"]
            assert [s["sort"] for s in page["sorted"]] == [None, "ascending", "descending", None]
            assert up["rows"] == sorted(first["rows"]) != first["rows"]
            assert down["rows"] == up["rows"][::-1]
            assert last == first


def test_the_first_stop_of_the_keyboard_skips_to_the_verdict(found):
    assert (found["firstStop"], found["skippedTo"]) == ("#verdict", "verdict")


def test_a_broken_page_is_seen_to_be_broken(look, tmp_path):
    page = tmp_path / "broken.html"
    page.write_text(BROKEN, encoding="utf-8")
    for seen in look(page)["pages"]:
        assert seen["overflow"]["380"] > 0
        assert seen["broken"] == 1
        assert [url.rpartition("/")[2] for url in seen["requests"]] == ["missing.png"]
        assert any("on purpose" in line for line in seen["said"]) is seen["script"]
        assert {v["id"] for v in seen["axe"]} >= {"color-contrast", "html-has-lang", "link-name"}
