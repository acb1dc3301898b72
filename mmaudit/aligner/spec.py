"""What is trained and how: flat, frozen settings whose defaults give a healthy aligner."""

import dataclasses
import math
from typing import Literal, NamedTuple

from mmaudit.errors import SettingsError

__all__ = ["PRESETS", "AlignerSpec", "LossDirection", "Side", "SideSpec", "TrainSpec", "preset"]

Side = Literal["x", "y"]
LossDirection = Literal["both", "x_to_y", "y_to_x"]


class SideSpec(NamedTuple):
    """The settings of one encoder that may differ from the other's."""

    hidden: int
    gain: float
    init_gain: float
    rank: int | None


def _whole(owner: object, name: str, least: int, most: float = math.inf) -> None:
    value = getattr(owner, name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        span = f"of at least {least}" if math.isinf(most) else f"from {least} to {most}"
        raise SettingsError(f"{type(owner).__name__}.{name} is {value!r}; give a whole number {span}")


def _real(owner: object, name: str, low: float, high: float = math.inf, *, closed: str = "") -> None:
    """Refuse a setting outside ``low``..``high``; ``closed`` names the ends that belong to the range."""
    value = getattr(owner, name)
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    on_edge = ("l" in closed and value == low) or ("h" in closed and value == high)
    if not number or not (low < value < high or on_edge):
        above = f"{'at least' if 'l' in closed else 'above'} {low:g}"
        below = "" if math.isinf(high) else f" and {'at most' if 'h' in closed else 'below'} {high:g}"
        raise SettingsError(f"{type(owner).__name__}.{name} is {value!r}; give a number {above}{below}")


def _choice(owner: object, name: str, allowed: tuple[object, ...]) -> None:
    value = getattr(owner, name)
    if value not in allowed:
        choices = ", ".join(map(repr, allowed))
        raise SettingsError(f"{type(owner).__name__}.{name} is {value!r}; give one of {choices}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AlignerSpec:
    """The two encoders; side ``x`` embeds images, side ``y`` texts.

    - ``embed_dim``, ``hidden``, ``leak``: widths of the shared space and of the hidden layer, and the slope
      of the leaky ReLU below zero.
    - ``temperature``: divides the cosine similarities (InfoNCE's τ).
    - ``gain_*``: multiplies the embedding *before* it is normalised. It has no effect on anything that is
      normalised, forwards or backwards; it is kept to show exactly that.
    - ``hidden_mult_*``: multiplies the hidden width of one side.
    - ``init_gain_*``: multiplies the initial weights of one side. The initial embeddings stay the same, yet
      the gradients shrink by that factor.
    - ``rank_*``: ``None``, or the number of fixed random directions that one side's embeddings are confined
      to. Both sides take the first directions of one shared orthonormal basis.

    Raises :class:`SettingsError` on a value out of range.
    """

    embed_dim: int = 32
    hidden: int = 128
    leak: float = 0.01
    temperature: float = 0.07
    gain_x: float = 1.0
    gain_y: float = 1.0
    hidden_mult_x: float = 1.0
    hidden_mult_y: float = 1.0
    init_gain_x: float = 1.0
    init_gain_y: float = 1.0
    rank_x: int | None = None
    rank_y: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no encoder can be built from."""
        _whole(self, "embed_dim", 2)
        _whole(self, "hidden", 1)
        _real(self, "leak", 0, 1, closed="l")
        _real(self, "temperature", 0)
        for side in ("x", "y"):
            _real(self, f"gain_{side}", 0)
            _real(self, f"hidden_mult_{side}", 0)
            _real(self, f"init_gain_{side}", 0)
            if getattr(self, f"rank_{side}") is not None:
                _whole(self, f"rank_{side}", 1, self.embed_dim)

    def side(self, side: Side) -> SideSpec:
        """Return the settings of ``side``, with its hidden width worked out (never below 1)."""
        if side == "x":
            hidden, rest = self.hidden * self.hidden_mult_x, (self.gain_x, self.init_gain_x, self.rank_x)
        else:
            hidden, rest = self.hidden * self.hidden_mult_y, (self.gain_y, self.init_gain_y, self.rank_y)
        return SideSpec(max(1, round(hidden)), *rest)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainSpec:
    """How the encoders are trained: AdamW on symmetric InfoNCE.

    - ``epochs``, ``batch``: passes over the training pairs, and the largest number of pairs in a batch.
    - ``lr``, ``lr_mult_*``: the learning rate, and its multiple for one side (0 freezes that side).
    - ``weight_decay``: decoupled, multiplied by the learning rate, on weights but not on biases.
    - ``betas``, ``eps``: AdamW's decay rates of the moments and the floor of its denominator.
    - ``clip``: largest global gradient norm of one encoder in one step.
    - ``stop_gradient``: the side whose embeddings are treated as constants, so that it is never updated.
    - ``direction``: which of the two retrieval directions is trained.
    - ``repulsion``: weight in [0, 1] on the gradient from negatives. 1 is InfoNCE; less pulls pairs together
      harder than it pushes the rest apart, which ends in complete collapse.
    - ``keep``: the encoders returned, those of the best epoch by validation or those of the last one.
    - ``pair_losses``: record the loss of every training pair in every epoch.

    Raises :class:`SettingsError` on a value out of range.
    """

    epochs: int = 15
    batch: int = 128
    lr: float = 5e-3
    lr_mult_x: float = 1.0
    lr_mult_y: float = 1.0
    weight_decay: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    clip: float = 5.0
    stop_gradient: Side | None = None
    direction: LossDirection = "both"
    repulsion: float = 1.0
    keep: Literal["best", "last"] = "best"
    pair_losses: bool = False

    def __post_init__(self) -> None:
        """Refuse what no training run can follow."""
        _whole(self, "epochs", 1)
        # Batches are split evenly, so 4 is the smallest size at which none is left with a single pair.
        _whole(self, "batch", 4)
        _real(self, "lr", 0)
        _real(self, "lr_mult_x", 0, closed="l")
        _real(self, "lr_mult_y", 0, closed="l")
        _real(self, "weight_decay", 0, closed="l")
        _real(self, "eps", 0)
        _real(self, "clip", 0)
        _real(self, "repulsion", 0, 1, closed="lh")
        _choice(self, "stop_gradient", (None, "x", "y"))
        _choice(self, "direction", ("both", "x_to_y", "y_to_x"))
        _choice(self, "keep", ("best", "last"))
        _choice(self, "pair_losses", (False, True))
        betas = self.betas
        pair = isinstance(betas, tuple) and len(betas) == 2
        if not pair or not all(isinstance(beta, float) and 0 <= beta < 1 for beta in betas):
            raise SettingsError(f"TrainSpec.betas is {betas!r}; give two numbers of at least 0 and below 1")
        shrink = self.lr * max(self.lr_mult_x, self.lr_mult_y) * self.weight_decay
        if shrink >= 1:
            raise SettingsError(
                f"TrainSpec.lr × weight_decay is {shrink:g}, so every step would reverse the weights; "
                "keep it below 1"
            )


PRESETS: dict[str, tuple[AlignerSpec, TrainSpec]] = {
    "standard": (AlignerSpec(), TrainSpec()),
    "chapter": (
        AlignerSpec(embed_dim=48, hidden=256),
        TrainSpec(epochs=45, batch=160, lr=2e-3, weight_decay=8e-5),
    ),
}
"""Settings by name: ``standard``, small and quick, and ``chapter``, those of the source notebook."""


def preset(name: str) -> tuple[AlignerSpec, TrainSpec]:
    """Return the settings called ``name``; raises :class:`SettingsError` when there are none."""
    if name not in PRESETS:
        raise SettingsError(f"no aligner preset is called {name!r}; give one of {', '.join(PRESETS)}")
    return PRESETS[name]
