"""Audits of embeddings larger than memory: one pass for geometry, sampled queries for ranks."""

from mmaudit.scale.deciding import Decided, LargeAudit, audit_large
from mmaudit.scale.rows import FileRows, Rows, open_pair, open_rows

__all__ = ["Decided", "FileRows", "LargeAudit", "Rows", "audit_large", "open_pair", "open_rows"]
