"""The governed bundle: written whole, canonical to the byte, verified without trust in anything inside.

This package knows records (plain builtin dicts), not how they were measured.
"""

from mmaudit.evidence.bundle import Bundle, write
from mmaudit.evidence.canonical import dumps, loads
from mmaudit.evidence.crosswalk import crosswalk
from mmaudit.evidence.documents import documents
from mmaudit.evidence.environment import environment
from mmaudit.evidence.governance import governance
from mmaudit.evidence.junit import junit
from mmaudit.evidence.keys import PrivateKey, PublicKey, generate, load_private, load_public
from mmaudit.evidence.prompts import prompt_rows, redact
from mmaudit.evidence.records import RunEvidence, RunInfo
from mmaudit.evidence.reports import reports
from mmaudit.evidence.reviews import Review, attest, reviews
from mmaudit.evidence.risks import risk_log, risk_rows
from mmaudit.evidence.runs import now, run_info
from mmaudit.evidence.verify import Verification, verify

__all__ = [
    "Bundle",
    "PrivateKey",
    "PublicKey",
    "Review",
    "RunEvidence",
    "RunInfo",
    "Verification",
    "attest",
    "crosswalk",
    "documents",
    "dumps",
    "environment",
    "generate",
    "governance",
    "junit",
    "load_private",
    "load_public",
    "loads",
    "now",
    "prompt_rows",
    "redact",
    "reports",
    "reviews",
    "risk_log",
    "risk_rows",
    "run_info",
    "verify",
    "write",
]
