import re

import pytest

from mmaudit.gates.outcome import Verdict
from mmaudit.report import bundle_lines, summary_lines

MODES = ["integrity", "alignment", "dominance", "shortcut", "corruption", "collapse"]


def rows(lines):
    """Return the table's own lines: those before the blank one that begin with a word."""
    return [line for line in lines[1 : lines.index("")] if not line.startswith(" ")]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 132])
def test_no_line_is_wider_than_the_terminal(outcomes, certifications, width):
    lines = summary_lines(outcomes, certifications, width=width)
    table = lines[: lines.index("")]
    head = max(len(line) for line in table if not line.startswith(" "))
    assert all(len(line) <= max(width, head) for line in lines)
    assert head <= max(width, 48)


def test_one_row_a_failure_mode_in_order(outcomes, certifications):
    shown = rows(summary_lines(outcomes, certifications, width=160))
    assert [next(m for m in MODES if m in line) for line in shown] == MODES


def test_a_row_says_verdict_effect_limit_and_what_it_would_catch(outcomes, certifications):
    lines = summary_lines(outcomes, certifications, width=160)
    row = next(line for line in lines if "pair_discrimination" in line)
    assert re.split(r"  +", row) == [
        "ACCEPT",
        "alignment",
        "pair_discrimination",
        "0.991 [0.988, 0.994]",
        "≥ 0.75",
        "share of claimed pairs swapped ≥ 0.6",
    ]
    header = lines[0]
    assert header.index("effect") == row.index("0.991")
    assert header.index("would catch") == row.index("share of")


def test_columns_that_do_not_fit_are_carried_with_their_names(outcomes, certifications):
    lines = summary_lines(outcomes, certifications, width=80)
    row = next(i for i, line in enumerate(lines) if "pair_discrimination" in line)
    assert lines[row + 1].strip() == "would catch share of claimed pairs swapped ≥ 0.6"


def test_a_mode_of_notices_alone_says_so(outcomes, certifications):
    line = next(r for r in rows(summary_lines(outcomes, certifications, width=160)) if "collapse" in r)
    assert line.startswith("NOT EVIDENCED")
    assert line.endswith("no gate ran")


def test_failures_are_explained_and_the_rest_counted(outcomes, certifications):
    text = "\n".join(summary_lines(outcomes, certifications, width=200))
    assert "overall: REJECT\n  - twin_accuracy is 0.712" in text
    assert "2 notices measured" in text
    assert "1 not evidenced: tail_excess" in text
    assert "2 of 2 null encoders rejected" in text


def test_unfinished_checks_are_told(make, certifications):
    lines = summary_lines([make()], certifications, width=100, unfinished=3)
    assert "overall: INCONCLUSIVE" in lines
    assert lines[-1] == "  - 3 collected checks did not finish."


def test_colour_changes_nothing_but_codes(outcomes, certifications):
    grey = summary_lines(outcomes, certifications, width=80)
    bright = summary_lines(outcomes, certifications, width=80, colour=True)
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in bright] == grey
    painted = [line for line in bright if "\x1b" in line]
    assert len(painted) == len(MODES) + 1
    assert not any("\x1b" in line for line in grey)


def test_order_of_tests_does_not_show(outcomes, certifications):
    forward = summary_lines(outcomes, certifications, width=90)
    assert summary_lines(outcomes[::-1], certifications[::-1], width=90) == forward


def test_hostile_names_cannot_drive_the_terminal(make):
    evil = make("x\x1b]0;title\x07\ny", "fail\rure\x1b[2J", Verdict.REJECT, reason="\x1b[8mhidden")
    lines = summary_lines([evil], [], width=100)
    assert all(line.isprintable() for line in lines)


def test_no_evidence_at_all():
    lines = summary_lines([], [], width=80)
    assert "overall: NOT EVIDENCED" in lines
    assert "self-certification: no null encoder was tried" in lines


def test_bundle_lines_give_the_command_that_verifies():
    lines = bundle_lines("out/run", "out/mmaudit-run.zip", "ab" * 32)
    assert any("ab" * 32 in line for line in lines)
    assert lines[-1].endswith(f"mmaudit verify out/mmaudit-run.zip --expect-sha256 {'ab' * 32}")
