"""Planted failures: what the gates must catch."""

from mmaudit.failures.nulls import NULL_ENCODERS, null_encoder

__all__ = ["NULL_ENCODERS", "null_encoder"]
