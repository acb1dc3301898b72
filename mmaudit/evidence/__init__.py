"""The governed bundle: written whole, canonical to the byte, verified without trust in anything inside.

This package knows records (plain builtin dicts), not how they were measured.
"""

from mmaudit.evidence.bundle import Bundle, write
from mmaudit.evidence.canonical import dumps, loads
from mmaudit.evidence.documents import documents
from mmaudit.evidence.environment import environment
from mmaudit.evidence.junit import junit
from mmaudit.evidence.prompts import prompt_rows, redact
from mmaudit.evidence.records import RunEvidence, RunInfo
from mmaudit.evidence.reports import reports
from mmaudit.evidence.risks import risk_log
from mmaudit.evidence.verify import Verification, verify

__all__ = [
    "Bundle",
    "RunEvidence",
    "RunInfo",
    "Verification",
    "documents",
    "dumps",
    "environment",
    "junit",
    "loads",
    "prompt_rows",
    "redact",
    "reports",
    "risk_log",
    "verify",
    "write",
]
