"""A JUnit report of the tests, free of times and host names so that equal evidence gives equal bytes."""

import re
from xml.etree import ElementTree

from mmaudit.evidence.records import Record, RunEvidence

__all__ = ["junit"]

# What XML 1.0 (section 2.2) allows; anything else cannot even be written as a character reference.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ELEMENT = {"failed": "failure", "error": "error", "skipped": "skipped"}


def junit(evidence: RunEvidence) -> bytes:
    """Return junit.xml: one case a test, the outcome of each check as a property of the suite.

    An audit that ran without pytest has no tests; then every check is a case.
    """
    checked = evidence.outcomes + evidence.certifications
    tests = sorted(evidence.tests or map(_as_test, checked), key=lambda row: str(row["nodeid"]))
    tally = {kind: str(sum(row["outcome"] == kind for row in tests)) for kind in _ELEMENT}
    counts = {
        "name": "mmaudit",
        "tests": str(len(tests)),
        "failures": tally["failed"],
        "errors": tally["error"],
        "skipped": tally["skipped"],
    }
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", counts)
    properties = ElementTree.SubElement(suite, "properties")
    for row in checked:
        value = _summary(row)
        ElementTree.SubElement(properties, "property", name=_clean(row["check"]), value=_clean(value))
    for row in tests:
        path, _, name = str(row["nodeid"]).partition("::")
        module = path.removesuffix(".py").replace("/", ".")
        case = ElementTree.SubElement(suite, "testcase", classname=_clean(module), name=_clean(name or path))
        if row["outcome"] in _ELEMENT:
            said = _clean(row["message"])
            # Some readers show the attribute and others the text.
            ElementTree.SubElement(case, _ELEMENT[row["outcome"]], message=said).text = said
    data: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return data


def _as_test(row: Record) -> Record:
    ended = {"REJECT": "failed", "INCONCLUSIVE": "failed", "NOT EVIDENCED": "skipped"}
    return {
        "nodeid": f"mmaudit/{row['failure']}.py::{row['check']}",
        "outcome": ended.get(row["verdict"], "passed"),
        "message": row["reason"] or _summary(row),
    }


def _summary(row: Record) -> str:
    measurement = row["measurement"]
    verdict = row["verdict"] or "notice"
    if measurement is None or measurement["value"] is None:
        return verdict
    if measurement["low"] is None:
        return f"{verdict} {measurement['value']:.6g}"
    return f"{verdict} {measurement['value']:.6g} [{measurement['low']:.6g}, {measurement['high']:.6g}]"


def _clean(text: object) -> str:
    return _FORBIDDEN.sub("", str(text))
