import re

from mmaudit.gates.outcome import Control, Verdict
from mmaudit.report import step_summary

UNESCAPED = re.compile(r"(?<!\\)(?:\\\\)*[<>\[\]|`@&*_#]")


def table(text):
    return [line for line in text.splitlines() if line.startswith("|")]


def test_table_has_a_row_a_mode_and_equal_columns(outcomes, certifications):
    lines = table(step_summary(outcomes, certifications))
    assert len(lines) == 2 + 6
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {7}
    assert "❌ REJECT" in next(line for line in lines if "shortcut" in line)
    assert "0.991 [0.988, 0.994]" in next(line for line in lines if "alignment" in line)


def test_opens_with_the_verdict_and_why(outcomes, certifications):
    lines = step_summary(outcomes, certifications).splitlines()
    assert lines[0] == "### mmaudit: ❌ REJECT"
    assert lines[2].startswith("- twin\\_accuracy is 0\\.712")


def test_what_got_worse_than_the_baseline_is_named(outcomes):
    text = step_summary(outcomes, regressions=["r@1 fell <b>", "gap turned"])
    assert "**❌ Worse than the baseline: 2 regressions**" in text
    assert "- r\\@1 fell \\<b\\>" in text
    assert "baseline" not in step_summary(outcomes)


def test_hostile_strings_stay_text(make):
    evil = "a|b\n<img src=x> [l](http://e.example) `c` @you #1 ![i](x) &lt; **b**"
    gate = make(
        evil,
        evil,
        Verdict.REJECT,
        measurement=None,
        limit=None,
        reason=evil,
        control=Control(damage=evil, severity=0.5, value=None, harm=None),
    )
    text = step_summary([gate])
    bullet = next(line for line in text.splitlines() if line.startswith("- "))
    row = table(text)[2]
    assert not UNESCAPED.search(bullet)
    cells = re.split(r"(?<!\\)\|", row)
    assert len(cells) == 8
    assert not any(UNESCAPED.search(cell) for cell in cells)


def test_many_reasons_are_cut_and_counted(make):
    text = step_summary([make(f"check {i}", verdict=Verdict.REJECT) for i in range(30)])
    assert sum(line.startswith("- check") for line in text.splitlines()) == 20
    assert "- and 10 more" in text


def test_nothing_evidenced():
    assert "NOT EVIDENCED" in step_summary([]).splitlines()[0]
