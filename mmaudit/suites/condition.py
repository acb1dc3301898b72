"""What a suite declares: a condition, what is claimed of it, and statements that an interval can decide."""

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, Literal

from mmaudit.aligner import AlignerSpec, TrainSpec
from mmaudit.aligner import preset as aligner_preset
from mmaudit.world import WorldSpec
from mmaudit.world import preset as world_preset

__all__ = ["SUITES", "Claim", "Condition", "Origin", "Statement", "Suite", "specs"]

Suite = Literal["baseline", "dominance", "shortcut", "corruption", "collapse", "silent"]
Origin = Literal["chapter", "added"]
Preset = Literal["chapter", "standard"]

SUITES: Mapping[Suite, str] = types.MappingProxyType(
    {
        "baseline": "Baseline",
        "dominance": "Suite A: modality dominance and asymmetric noise",
        "shortcut": "Suite B: shared confounder and counterfactual removal",
        "corruption": "Suite B: pair corruption",
        "collapse": "Collapse: triggers and detection",
        "silent": "Silent suite: knobs that must set off no gate",
    }
)
"""Every suite and its title, in the order of the chapter; the silent suite has no counterpart there."""

SHORT_EPOCHS = 18
TEST_ITEMS = 1200
"""The chapter tests on 360 items, where an interval on a gap is ±0.06 and hardly a claim can be decided."""


@dataclasses.dataclass(frozen=True)
class Statement:
    """``measure`` lies in the closed range ``[low, high]`` (``None``: that side is open), or outside it."""

    measure: str
    low: float | None = None
    high: float | None = None
    outside: bool = False

    def __str__(self) -> str:
        """Return the statement as a reader writes it."""
        if self.low is not None and self.high is not None:
            even = self.low == -self.high
            span = f"±{self.high:g}" if even else f"{self.low:g} to {self.high:g}"
        else:
            span = f"≥ {self.low:g}" if self.high is None else f"≤ {self.high:g}"
        return f"{self.measure} {'outside' if self.outside else 'within'} {span}"


@dataclasses.dataclass(frozen=True)
class Claim:
    """What is said of a condition, in words and in statements; where it is false, ``truth`` corrects it."""

    text: str
    says: tuple[Statement, ...]
    truth: str = ""
    shows: tuple[Statement, ...] = ()

    @property
    def standing(self) -> tuple[Statement, ...]:
        """The statements that a measurement must not contradict: the correction's, where there is one."""
        return self.shows or self.says


@dataclasses.dataclass(frozen=True, kw_only=True)
class Condition:
    """One condition of a suite: a preset, the dials that are changed, and what is claimed of it.

    ``reference`` names the condition it is compared with, item by item. ``world``, ``aligner`` and
    ``training`` change the preset's specs. ``served_raw`` lists modalities served with the norms of their
    encoder, compared by inner product. ``origin``: the chapter's own, or added to show what the chapter
    meant.
    """

    name: str
    suite: Suite
    claims: tuple[Claim, ...]
    origin: Origin = "chapter"
    reference: str | None = None
    preset: Preset = "chapter"
    world: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    aligner: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    training: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    served_raw: tuple[str, ...] = ()

    def changes(self) -> dict[str, Any]:
        """Return the changed dials as builtin types."""
        world = {
            name: dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value  # type: ignore[arg-type]
            for name, value in self.world.items()
        }
        return {
            "preset": self.preset,
            "world": world,
            "aligner": dict(self.aligner),
            "training": dict(self.training),
            "served_raw": list(self.served_raw),
        }


def specs(condition: Condition, seed: int) -> tuple[WorldSpec, AlignerSpec, TrainSpec]:
    """Return what ``condition`` builds and trains under the root ``seed``.

    The chapter's preset is taken with identifiable factors (orientations over half a circle), 1200 test items
    and the 18 epochs of its suites; the standard preset as it is.
    """
    world = world_preset(condition.preset)
    aligner, training = aligner_preset(condition.preset)
    fixed: dict[str, Any] = {"seed": seed}
    if condition.preset == "chapter":
        fixed |= {"orientation_span": "half", "n_test": TEST_ITEMS}
        training = dataclasses.replace(training, epochs=SHORT_EPOCHS)
    return (
        dataclasses.replace(world, **(fixed | dict(condition.world))),
        dataclasses.replace(aligner, **condition.aligner),
        dataclasses.replace(training, **condition.training),
    )
