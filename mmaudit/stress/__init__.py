"""Property-based stress testing: the search for the smallest world that breaks an encoder."""

from mmaudit.stress.checks import CHECKS, Stress
from mmaudit.stress.domain import Dial, Domain, domain_of
from mmaudit.stress.records import hardest_picture
from mmaudit.stress.replay import REPLAY, load, replay
from mmaudit.stress.search import Counterexample, Search, search

__all__ = [
    "CHECKS",
    "REPLAY",
    "Counterexample",
    "Dial",
    "Domain",
    "Search",
    "Stress",
    "domain_of",
    "hardest_picture",
    "load",
    "replay",
    "search",
]
