"""Audits of embeddings larger than memory: one pass for geometry, sampled queries for ranks."""

from mmaudit.scale.deciding import Decided, LargeAudit, audit_large
from mmaudit.scale.rows import NpyRows, Rows, open_rows

__all__ = ["Decided", "LargeAudit", "NpyRows", "Rows", "audit_large", "open_rows"]
