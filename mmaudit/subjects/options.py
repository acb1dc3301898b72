"""How a subject is run: what a user may choose, whatever the adapter."""

import dataclasses
from collections.abc import Mapping
from typing import Literal, get_args

from mmaudit.errors import SubjectError

__all__ = ["Options", "Precision"]

Precision = Literal["float32", "bfloat16", "float16"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Choices for :func:`mmaudit.as_subject`; ``None`` leaves each to the model or the adapter.

    ``modalities``: the names under which a model with one encoder for everything is audited. ``device``:
    where a PyTorch model is moved to, once. ``precision``: ``float32`` runs the model as it is, the others
    under PyTorch's autocast. ``prompts``: modality to the template put around its texts, ``{}`` being the
    text. Raises :class:`SubjectError` on a template without ``{}`` and on an unknown precision.
    """

    name: str | None = None
    modalities: tuple[str, str] | None = None
    device: str | None = None
    batch_size: int | None = None
    precision: Precision = "float32"
    prompts: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what could only fail later, in the middle of an audit."""
        if self.precision not in get_args(Precision):
            known = " or ".join(get_args(Precision))
            raise SubjectError(f"the precision is {self.precision!r}; expected {known}")
        if self.modalities is not None and len(set(self.modalities)) != 2:
            raise SubjectError(f"modalities are {self.modalities!r}; give two different names")
        for modality, template in self.prompts.items():
            if not isinstance(template, str) or template.count("{}") != 1:
                raise SubjectError(
                    f"the {modality} prompt is {template!r}; give a text with one {{}} where the input goes"
                )

    @property
    def pair(self) -> tuple[str, str]:
        """The names of two things that were given in order, image before text."""
        given = self.modalities
        return ("image", "text") if given is None or set(given) == {"image", "text"} else given
