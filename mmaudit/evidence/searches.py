"""The search for a world that breaks the encoder: what its report says, and whether that can be true."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmaudit.evidence.records import Record

__all__ = ["search_contradiction", "searched"]

_FOLDER = "counterexamples/"
_CHECK = "generated_worlds"


def searched(search: Record | None) -> Iterator[str]:
    """Yield sentences on a search: how much was tried, the worst world, every counterexample."""
    if search is None:
        return
    yield (
        f"{search['worlds']} worlds were tried, and {search['shrinking']} more to make failing ones smaller; "
        f"{search['coverage']['share_of_pairs']:.0%} of all pairs of values of two dials occurred."
    )
    worst = search["worst"]
    yield f"Nearest to a limit, or farthest beyond one: {worst['words']}; {worst['reason']}."
    for row in search["counterexamples"]:
        yield f"The encoder is rejected in {row['words']}: {row['reason']}. See {row['file']}."


def search_contradiction(documents: Mapping[str, Any]) -> str | None:
    """Return how the search in ``documents`` (by path) contradicts itself or its files, or ``None``."""
    search = documents["reports/stress.json"]["facts_provided"]["search"]
    files = {path for path in documents if path.startswith(_FOLDER)}
    if search is None:
        return "there are counterexamples and no search" if files else None
    rows = search["counterexamples"]
    rejected = search["verdicts"].get("REJECT", 0)
    if {row["file"] for row in rows} != files or len(rows) != len(files):
        return "its counterexamples are not the files there are"
    if any(
        documents[row["file"]][key] != row[key] for row in rows for key in ("words", "dials", "boundaries")
    ):
        return "a counterexample is not what its file says"
    if any(documents[path]["outcome"]["verdict"] != "REJECT" for path in files):
        return "a counterexample was not rejected"
    if (
        sum(search["verdicts"].values()) != search["worlds"]
        or len(search["trials"]["rows"]) != search["worlds"]
    ):
        return "its verdicts are not those of its worlds"
    if bool(rejected) != bool(rows):
        return "its counterexamples are not those of its verdicts"
    for row in documents["outcomes.json"]["outcomes"]:
        m = row["measurement"]
        if row["check"] == _CHECK and m is not None and (m["value"], m["n"]) != (rejected, search["worlds"]):
            return "its verdicts are not those of outcomes.json"
    return None
