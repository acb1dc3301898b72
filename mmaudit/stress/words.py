"""A world in words, and as code to paste into a test."""

from collections.abc import Mapping
from typing import Any

from mmaudit.world import WorldSpec
from mmaudit.world.captions import LINES, SHAPES

__all__ = ["in_words", "snippet"]


def in_words(spec: WorldSpec, dials: Mapping[str, Any]) -> str:
    """Return what sets the world of ``spec`` apart from the default one: its ``dials``, in plain English."""
    said = [_said(name, value) for name, value in dials.items()]
    return "the default world" if not said else "a world with " + _listed(said)


def snippet(spec: WorldSpec) -> str:
    """Return the lines that put the world of ``spec`` into a property test over ``world_specs()``."""
    return (
        "from dataclasses import replace\n"
        "from hypothesis import example\n"
        "from mmaudit.world import Confounder, preset\n"
        "\n"
        f"@example({spec!r})"
    )


def _said(name: str, value: Any) -> str:
    if name == "shape":
        return f"{SHAPES[value]}s only"
    if name == "thickness":
        return f"{LINES[value]} lines only"
    if name == "orientation":
        return f"waves at {(value + 0.5) * 22.5:g} degrees only (orientation {value})"
    if name == "frequency":
        return f"{value + 1.5:g} cycles across only (frequency {value})"
    if name == "phase":
        return f"a phase of {value * 45} degrees only (phase {value})"
    if name == "paraphrase":
        return f"captions of template {value} only"
    if name == "copies":
        return f"{value} {'item' if value == 1 else 'items'} a meaning"
    if name == "noise_image":
        return f"image noise of {value:.3g}"
    if name == "noise_text":
        return f"text noise of {value:.3g}"
    if name == "agreement":
        return f"the code of {value:.0%} of the images copied into their text"
    return "other items drawn"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
