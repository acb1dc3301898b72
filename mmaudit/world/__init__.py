"""A synthetic multimodal world in which the meaning of every item is known."""

from mmaudit.world.spec import PRESETS, Confounder, WorldSpec, preset
from mmaudit.world.world import World, build

__all__ = ["PRESETS", "Confounder", "World", "WorldSpec", "build", "preset"]
