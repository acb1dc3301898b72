"""Where in a bundle a reader finds what three frameworks ask to be documented. It claims no compliance.

Read against Regulation (EU) 2024/1689 (AI Act), Annex IV; NIST AI 100-1 (AI RMF 1.0), tables 1 to 4; and
ISO/IEC 42001:2023, clauses 6 to 9 and Annex A.
"""

import dataclasses

from mmaudit.evidence.reports import REPORTS

__all__ = ["ROWS", "Row", "crosswalk"]


@dataclasses.dataclass(frozen=True)
class Row:
    """One subject: the files of the bundle it is in, and the passages it may serve as evidence for."""

    subject: str
    files: tuple[str, ...]
    ai_act: str
    nist: str
    iso: str


ROWS = (
    Row("Intended use", ("governance.json",), "1(a)", "MAP 1.1", "A.9.4"),
    Row("Versions of the system, this and the previous", ("governance.json",), "1(a), 6", "—", "A.6.2.7"),
    Row(
        "The audited model, by name and digest of its weights",
        ("subject.json", "attestations/test-result.intoto.json"),
        "1(a)",
        "—",
        "A.4.2",
    ),
    Row(
        "Hardware, software and third-party components",
        ("environment.json",),
        "1(c), 2(a), 2(c)",
        "MAP 4.1, MEASURE 2.1",
        "A.4.4, A.4.5",
    ),
    Row(
        "Audited data: description, licence, counts, digests",
        ("dataset.json", "governance.json"),
        "2(g)",
        "MAP 2.3, MEASURE 2.1",
        "A.4.3, A.7.5",
    ),
    Row(
        "Metrics: definition, n, method, interval",
        ("outcomes.json",),
        "2(g), 4",
        "MEASURE 1.1, MEASURE 2.3",
        "9.1, A.6.2.4",
    ),
    Row(
        "Acceptance limits with their rationale, and the settings in force",
        ("outcomes.json", "settings.json"),
        "2(g), 4",
        "MEASURE 1.1, MEASURE 2.3",
        "9.1, A.6.2.4",
    ),
    Row(
        "Proof that the gates can fail: planted damage, null encoders",
        ("outcomes.json", "reports/summary.json"),
        "2(g)",
        "MEASURE 2.13",
        "9.1, A.6.2.4",
    ),
    Row(
        "Test log: attempted, passed, failed, skipped, broken, not run",
        ("pytest.json", "junit.xml"),
        "2(g)",
        "MEASURE 2.1",
        "A.6.2.4",
    ),
    Row(
        "Deviations from what was planned",
        ("reports/summary.json",),
        "2(g)",
        "MEASURE 2.1",
        "9.1, A.6.2.4",
    ),
    Row(
        "What could not be measured, and why",
        ("outcomes.json", "reports/summary.json"),
        "3",
        "MEASURE 1.1, MEASURE 2.5",
        "A.6.2.4",
    ),
    Row(
        "Known failures and limitations",
        tuple(f"reports/{name}.json" for name in REPORTS),
        "3",
        "MEASURE 2.5",
        "A.6.2.4",
    ),
    Row(
        "Risks, their controls and what is open",
        ("risk_log.json",),
        "3, 5",
        "MEASURE 3.1",
        "6.1.2, 8.2",
    ),
    Row("Residual risks", ("governance.json",), "5", "MANAGE 1.4", "6.1.3, 8.3"),
    Row("Independence of the evaluator", ("governance.json",), "—", "MEASURE 1.3", "9.2"),
    Row(
        "Responsible person; date and signature",
        ("governance.json", "run.json", "attestations/bundle.intoto.json"),
        "2(g)",
        "GOVERN 2.1",
        "A.3.2",
    ),
    Row("Integrity of the record", ("manifest.json",), "—", "—", "7.5.3"),
)

_HEAD = """\
# Crosswalk

Where in a bundle a reader finds what three frameworks ask to be documented. A bundle is evidence from one
audit of one model; none of the frameworks is fulfilled by it, and no compliance is claimed. Much of what they
ask for (human oversight, monitoring after deployment, impact on people) is outside what an audit of
embeddings can show.

"""


def crosswalk() -> str:
    """Return the crosswalk as Markdown: one row a subject."""
    head = (
        "| Subject | In the bundle | AI Act, Annex IV | NIST AI RMF 1.0 | ISO/IEC 42001:2023 |",
        "|---|---|---|---|---|",
    )
    rows = [
        f"| {row.subject} | {', '.join(f'`{file}`' for file in row.files)} "
        f"| {row.ai_act} | {row.nist} | {row.iso} |"
        for row in ROWS
    ]
    return _HEAD + "\n".join([*head, *rows]) + "\n"
