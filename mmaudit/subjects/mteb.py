"""Encoders of MTEB's protocol: ``encode(inputs: DataLoader, *, task_metadata, ...)``."""

import types
from collections.abc import Iterator, Sequence
from typing import Any

from mmaudit.subjects.fingerprint import fingerprint
from mmaudit.subjects.options import Options
from mmaudit.subjects.pictures import is_picture, picture
from mmaudit.subjects.sentence_transformers import parameters_of, two_modalities
from mmaudit.subjects.subject import Identity, Subject
from mmaudit.subjects.tensors import TorchEncoder, modules_of, moved, weights_sha256

__all__ = ["from_mteb"]

TASK = types.SimpleNamespace(name="mmaudit", type="Any2AnyRetrieval", prompt=None)
"""What encoders read of a task: by it they choose their prompts, and no task of theirs is called so."""


class Loader:
    """One batch as MTEB's encoders are given it: mappings of column to values, and the columns' names."""

    def __init__(self, column: str, values: Sequence[Any]) -> None:
        self._batch = {column: list(values)}
        self.dataset = types.SimpleNamespace(features={column: None}, column_names=[column])

    def __iter__(self) -> Iterator[dict[str, list[Any]]]:
        """Yield the only batch."""
        yield self._batch

    def __len__(self) -> int:
        """Return the number of batches."""
        return 1


def from_mteb(obj: Any, options: Options) -> Subject | None:
    """Adapt an object whose ``encode`` asks for ``task_metadata``."""
    if "task_metadata" not in parameters_of(obj, "encode"):
        return None
    modules = modules_of(obj)
    moved(modules, options)
    digest = weights_sha256(modules) if modules else None

    def run(inputs: Sequence[Any]) -> Any:
        column = "image" if is_picture(inputs[0]) else "text"
        batch = [picture(one) for one in inputs] if column == "image" else inputs
        loader = Loader(column, batch)
        return obj.encode(loader, task_metadata=TASK, hf_split="test", hf_subset="default", prompt_type=None)

    return Subject(
        encoders={
            modality: TorchEncoder(modules, run, options.precision, trainable=False)
            for modality in two_modalities(obj, options)
        },
        identity=Identity(
            name=options.name or type(obj).__name__, adapter="MTEB encode", weights_sha256=digest
        ),
        fingerprint=None if is_wrapped(obj, modules) else fingerprint(digest, options, *modules.values()),
    )


def is_wrapped(obj: Any, modules: Any) -> bool:
    """Return whether ``obj`` is more than the modules it holds: its own settings are then not seen."""
    return obj not in modules.values()
