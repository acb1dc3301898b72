"""Every dial of the synthetic world, checked once and convertible to builtin types."""

import dataclasses
import difflib
import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal, get_args

from mmaudit.errors import SettingsError

__all__ = [
    "COMBINATIONS",
    "FACTORS",
    "GRAMMAR_LENGTH",
    "GRAMMAR_TOKENS",
    "PRESETS",
    "SMALLEST_SIDE",
    "WORDINGS",
    "Confounder",
    "ConfounderKind",
    "CorruptionKind",
    "OrientationSpan",
    "SplitBy",
    "WorldSpec",
    "preset",
]

ConfounderKind = Literal["corner_watermark", "stripe", "code_channel", "caption_marker", "parity", "batch_id"]
CorruptionKind = Literal["derangement", "hard"]
OrientationSpan = Literal["half", "full"]
SplitBy = Literal["item", "group"]

FACTORS = {"shape": 4, "orientation": 8, "frequency": 6, "phase": 8, "thickness": 3}
"""Name of each factor and its number of levels, slowest varying first in a combination's number."""
COMBINATIONS = math.prod(FACTORS.values())
WORDINGS = 4
"""Ways in which a sentence can say the same thing."""
GRAMMAR_LENGTH = 9
GRAMMAR_TOKENS = 37
SMALLEST_SIDE = 14
FIXED_CARDINALITY: Mapping[str, int] = MappingProxyType({"parity": 2, "batch_id": 8})


def _choice(name: str, value: object, allowed: Iterable[str]) -> None:
    options = tuple(allowed)
    if value not in options:
        close = difflib.get_close_matches(str(value), options, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"choose one of {', '.join(options)}"
        raise SettingsError(f"{name} {value!r} is unknown; {hint}")


def _whole(name: str, value: object, low: int) -> None:
    if type(value) is not int or value < low:
        raise SettingsError(f"{name} must be a whole number of at least {low}, got {value!r}")


def _level(name: str, value: object, levels: int) -> None:
    if value is not None and (type(value) is not int or not 0 <= value < levels):
        raise SettingsError(f"{name} must be None or a whole number from 0 to {levels - 1}, got {value!r}")


def _number(name: str, value: object, high: float = math.inf, *, positive: bool = False) -> float:
    """Return ``value`` as a float in [0, high], or in (0, high] where it must be positive."""
    bounds = f"{'above' if positive else 'at least'} 0" + (
        f" and at most {high:g}" if high < math.inf else ""
    )
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not math.isfinite(value)
        or not 0 <= value <= high
        or (positive and value == 0)
    ):
        raise SettingsError(f"{name} must be a finite number {bounds}, got {value!r}")
    return float(value)


def _known(what: str, given: Iterable[str], cls: type) -> None:
    names = [field.name for field in dataclasses.fields(cls)]
    for key in given:
        _choice(f"{what} setting", key, names)


@dataclasses.dataclass(frozen=True)
class Confounder:
    """A code that both modalities carry and that has nothing to do with what an item means.

    Each modality has a carrier of its own for it, so that no factor is overwritten and none needs the code
    to be read. In the features:

    ================== =================================== ==============================
    kind               image                               text
    ================== =================================== ==============================
    code_channel       ``cardinality`` one-hot columns     ``cardinality`` one-hot columns
    corner_watermark   patch in the top left corner        marker token, slot of its own
    stripe             left edge column                    marker token
    caption_marker     tint of the border                  marker token (a phrase in sentences)
    parity             first pixel                         marker token
    batch_id           left edge column                    marker token
    ================== =================================== ==============================

    ``strength`` scales both carriers. In pictures the same pixels (for a code channel a strip along the
    bottom) take the hue of the code; token sequences end in the marker and sentences in a phrase, whatever
    the kind. Codes are uniform over ``cardinality`` values, except that the image's code of ``parity``
    (2 codes) is ``index % 2`` and that of ``batch_id`` (8 codes) is ``index // 7 % 8``.

    ``agreement`` ρ in [0, 1] is the probability that an item's text copies the image's code; all other
    texts draw theirs independently and uniformly. The code is rendered at every ρ with the same marginals:
    ρ = 0 means independent codes, not none, and the codes then still agree by chance in ``1 / cardinality``
    of the items. The observed share is ``ρ + (1 − ρ) / cardinality``.
    """

    kind: ConfounderKind
    strength: float = 1.0
    cardinality: int = 16
    agreement: float = 0.0

    def __post_init__(self) -> None:
        """Raise :class:`SettingsError` on a value no world can be built from."""
        _choice("confounder kind", self.kind, get_args(ConfounderKind))
        object.__setattr__(self, "strength", _number("confounder strength", self.strength, positive=True))
        _whole("confounder cardinality", self.cardinality, 2)
        fixed = FIXED_CARDINALITY.get(self.kind, self.cardinality)
        if self.cardinality != fixed:
            raise SettingsError(
                f"a {self.kind} confounder has {fixed} codes, got cardinality {self.cardinality}; "
                f"set cardinality={fixed}"
            )
        object.__setattr__(self, "agreement", _number("confounder agreement", self.agreement, 1.0))


@dataclasses.dataclass(frozen=True, repr=False)
class WorldSpec:
    """What a world is built from; the same spec always gives the same bytes.

    ``n_train``, ``n_val``, ``n_claims``, ``n_test`` count items. ``claims`` are pairs of the training
    distribution, corrupted at the same rate and never trained on. ``replacement``: whether two items may
    share their factor combination (there are 4608). ``orientation_span``: ``half`` spreads the 8 orientations
    over [0, π); ``full`` over [0, 2π), where (orientation + 4, phase) and (orientation, 4 − phase) render the
    same picture, so the factors cannot be told apart. ``image_side`` is in pixels, ``vocab_size`` and
    ``sequence_length`` in tokens. ``noise_image`` and ``noise_text`` are standard deviations of the
    observation noise, in units of the standardised picture and of the text features. ``corruption_rate`` in
    [0, 1] is the share of train and of claims pairs whose text belongs to another item: ``derangement``
    permutes texts among the selected pairs, ``hard`` takes a text that shares as many factors as possible.
    ``split_by``: ``group`` keeps items of identical factors in one split. ``copies``: how many items,
    each with noise and codes of its own, are made of every combination drawn. ``shape`` to ``thickness`` hold
    a factor at one level in all items, ``paraphrase`` the wording of all sentences; ``None``: all occur.
    Raises :class:`SettingsError`.
    """

    seed: int = 7
    n_train: int = 1600
    n_val: int = 400
    n_claims: int = 400
    n_test: int = 400
    replacement: bool = False
    orientation_span: OrientationSpan = "half"
    image_side: int = 16
    vocab_size: int = 64
    sequence_length: int = 9
    noise_image: float = 0.06
    noise_text: float = 0.02
    confounder: Confounder | None = None
    corruption_rate: float = 0.0
    corruption_kind: CorruptionKind = "derangement"
    split_by: SplitBy = "item"
    copies: int = 1
    shape: int | None = None
    orientation: int | None = None
    frequency: int | None = None
    phase: int | None = None
    thickness: int | None = None
    paraphrase: int | None = None

    def __post_init__(self) -> None:
        """Raise :class:`SettingsError` on a value, or a combination of values, no world can be built from."""
        for name, low in (("seed", 0), ("n_train", 0), ("n_val", 0), ("n_claims", 0), ("n_test", 1)):
            _whole(name, getattr(self, name), low)
        _whole("image_side", self.image_side, SMALLEST_SIDE)
        _whole("sequence_length", self.sequence_length, GRAMMAR_LENGTH)
        if type(self.replacement) is not bool:
            raise SettingsError(f"replacement must be True or False, got {self.replacement!r}")
        if self.confounder is not None and not isinstance(self.confounder, Confounder):
            raise SettingsError(f"confounder must be a Confounder or None, got {self.confounder!r}")
        _choice("orientation_span", self.orientation_span, get_args(OrientationSpan))
        _choice("corruption_kind", self.corruption_kind, get_args(CorruptionKind))
        _choice("split_by", self.split_by, get_args(SplitBy))
        _whole("vocab_size", self.vocab_size, GRAMMAR_TOKENS + self.codes)
        for name, high in (("noise_image", math.inf), ("noise_text", math.inf), ("corruption_rate", 1.0)):
            object.__setattr__(self, name, _number(name, getattr(self, name), high))
        for name, levels in (*FACTORS.items(), ("paraphrase", WORDINGS)):
            _level(name, getattr(self, name), levels)
        _whole("copies", self.copies, 1)
        self._check_meanings()
        self._check_corruption()

    def _check_meanings(self) -> None:
        copied = f" at {self.copies} copies" if self.copies > 1 else ""
        if not self.replacement and self.n_meanings > self.combinations:
            raise SettingsError(
                f"{self.n_items} items{copied} cannot be drawn without replacement from {self.combinations} "
                "factor combinations; ask for fewer items or set replacement=True"
            )
        splits = len(self.counts)
        if self.replacement and self.split_by == "group" and self.combinations < splits:
            raise SettingsError(
                f"{self.combinations} factor combinations cannot be dealt to {splits} splits; "
                "hold fewer factors"
            )
        if self.copies > 1 and self.split_by == "group":
            raise SettingsError("copies of one combination fall into several splits; set split_by='item'")

    def _check_corruption(self) -> None:
        for name in ("n_train", "n_claims"):
            count = getattr(self, name)
            if self.corruption_kind == "derangement" and round(self.corruption_rate * count) == 1:
                raise SettingsError(
                    f"corruption_rate {self.corruption_rate:g} of {name}={count} is one pair, and one text "
                    "cannot be exchanged with itself; corrupt at least two pairs, none, or use 'hard'"
                )

    @property
    def counts(self) -> dict[str, int]:
        """Items of each split, in the order in which splits are laid out."""
        return {"train": self.n_train, "val": self.n_val, "claims": self.n_claims, "test": self.n_test}

    @property
    def n_items(self) -> int:
        """Items of all splits together."""
        return sum(self.counts.values())

    def __repr__(self) -> str:
        """Return code that makes the spec from the nearest preset: a reader sees what sets it apart."""
        mine = self.__dict__
        bases = [
            ("WorldSpec()", WorldSpec()),
            *((f"preset({name!r})", spec) for name, spec in PRESETS.items()),
        ]
        apart = [
            (base, [f"{name}={value!r}" for name, value in mine.items() if value != getattr(spec, name)])
            for base, spec in bases
        ]
        base, changes = min(apart, key=lambda found: len(found[1]))
        return f"replace({', '.join([base, *changes])})" if changes else base

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Print the same in a notebook and in Hypothesis' report of a failing example."""
        printer.text(repr(self))

    @property
    def held(self) -> dict[str, int]:
        """The factors that are held at one level, and that level."""
        return {name: level for name in FACTORS if (level := getattr(self, name)) is not None}

    @property
    def combinations(self) -> int:
        """The number of factor combinations that items may have."""
        return math.prod(levels for name, levels in FACTORS.items() if name not in self.held)

    @property
    def n_meanings(self) -> int:
        """The number of combinations drawn: one for every ``copies`` items, rounded up."""
        return -(-self.n_items // self.copies)

    @property
    def codes(self) -> int:
        """The number of confounder codes; 0 without a confounder."""
        return 0 if self.confounder is None else self.confounder.cardinality

    def as_dict(self) -> dict[str, Any]:
        """Return the spec as builtin types; :meth:`from_dict` is the inverse."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "WorldSpec":
        """Build a spec from :meth:`as_dict`; missing settings take their defaults, unknown ones raise."""
        _known("world", settings, cls)
        fields = dict(settings)
        confounder = fields.get("confounder")
        if isinstance(confounder, Mapping):
            _known("confounder", confounder, Confounder)
            if "kind" not in confounder:
                raise SettingsError(
                    f"a confounder needs a kind: one of {', '.join(get_args(ConfounderKind))}"
                )
            fields["confounder"] = Confounder(**confounder)
        return cls(**fields)


PRESETS: Mapping[str, WorldSpec] = MappingProxyType(
    {
        "standard": WorldSpec(
            n_test=800, noise_text=0.005, confounder=Confounder("code_channel", strength=0.5)
        ),
        "small": WorldSpec(
            n_train=0,
            n_val=0,
            n_claims=0,
            n_test=144,
            copies=3,
            noise_image=0.0,
            noise_text=0.0,
            confounder=Confounder("code_channel", strength=0.5),
        ),
        "chapter": WorldSpec(
            n_train=1680, n_val=360, n_claims=0, n_test=360, replacement=True, orientation_span="full"
        ),
    }
)
"""``standard``: the world the reference limits belong to; with the default text noise and confounder strength
the reference aligner retrieves half as much there. ``small``: a clean world of the same marginals to encode
and not to train in, three items a meaning; where stress tests start. ``chapter``: the defaults of the source
notebook, with its repeated items and its unidentifiable orientation."""


def preset(name: str) -> WorldSpec:
    """Return the spec called ``name``. Raises :class:`SettingsError` on an unknown name."""
    _choice("world preset", name, PRESETS)
    return PRESETS[name]
