"""Hypothesis strategies for a project's own property tests: worlds, pairs, embeddings, edits and failures.

Each shrinks towards the clean, small, default world, or towards the healthy case: what is left in a
counterexample is what matters. Every function returns a :class:`hypothesis.strategies.SearchStrategy`.
"""

from mmaudit.strategies.changes import INTERVENTIONS, Intervention, failures, interventions
from mmaudit.strategies.dials import DIALS, changed, pairs, world_specs, worlds
from mmaudit.strategies.vectors import KINDS, Kind, embeddings

__all__ = [
    "DIALS",
    "INTERVENTIONS",
    "KINDS",
    "Intervention",
    "Kind",
    "changed",
    "embeddings",
    "failures",
    "interventions",
    "pairs",
    "world_specs",
    "worlds",
]
