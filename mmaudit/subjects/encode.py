"""Run a subject's encoders under their contract: one clear line for whatever they do wrong."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.embeddings import Similarity
from mmaudit.errors import SubjectError
from mmaudit.subjects.cache import EmbeddingCache
from mmaudit.subjects.subject import Encoder, Subject
from mmaudit.subjects.tensors import to_numpy

__all__ = ["Progress", "encode", "largest_change", "rows_of", "violations"]

Progress = Callable[[str, int, int], None]
"""Told (what is being done, steps done, steps in all)."""


def rows_of(inputs: Sequence[Any] | npt.NDArray[Any], index: npt.NDArray[np.int64]) -> Any:
    """Return the inputs at ``index``: fancy indexing for arrays, a list for any other sequence."""
    return inputs[index] if isinstance(inputs, np.ndarray) else [inputs[i] for i in index]


def encode(
    subject: Subject,
    modality: str,
    inputs: Sequence[Any] | npt.NDArray[Any],
    *,
    batch_size: int | None = None,
    progress: Progress | None = None,
    cache: EmbeddingCache | None = None,
) -> npt.NDArray[Any]:
    """Encode ``inputs`` (n items) in batches and return (n, d), in the encoder's own dtype.

    Raises :class:`SubjectError` when the encoder raises, returns no numeric matrix, another number of rows
    than it was given, or another width from one batch to the next. NaN and zero rows are let through:
    :func:`violations` counts them. Files that the encoder could not tell apart, such as the picture of
    several captions, are encoded once. ``cache`` gives back and keeps whole batches.
    """
    if modality not in subject.encoders:
        raise SubjectError(f"the subject has no {modality} encoder, only {' and '.join(subject.encoders)}")
    distinct = getattr(inputs, "distinct", None)
    inputs, at = (inputs, slice(None)) if distinct is None else distinct()
    run = subject.encoders[modality]
    size = batch_size or subject.batch_size
    n = len(inputs)
    parts: list[npt.NDArray[Any]] = []
    for start in range(0, n, size):
        batch = rows_of(inputs, np.arange(start, min(start + size, n)))
        compute = functools.partial(_batch, run, modality, batch)
        part = compute() if cache is None else cache.rows(subject.fingerprint, modality, batch, compute)
        if parts and part.shape[1] != parts[0].shape[1]:
            raise SubjectError(
                f"the {modality} encoder changed its width from {parts[0].shape[1]} to "
                f"{part.shape[1]} between batches"
            )
        parts.append(part)
        if progress is not None:
            progress(f"encoding {modality}", min(start + size, n), n)
    rows = np.concatenate(parts) if parts else np.zeros((0, 0), dtype=np.float32)
    return rows[at]


def _batch(run: Encoder, modality: str, batch: Any) -> npt.NDArray[Any]:
    """Return what an encoder gives for one batch, (m, d), or say in one line what it did wrong."""
    try:
        part = to_numpy(run(batch))
    except SubjectError:
        raise
    except (Exception, SystemExit) as error:
        first = (str(error).splitlines() or [""])[0]
        raise SubjectError(
            f"the {modality} encoder raised {type(error).__name__} on a batch of {len(batch)}: {first}"
        ) from error
    if part.ndim != 2 or part.shape[1] == 0 or part.dtype.kind not in "fiu":
        raise SubjectError(
            f"the {modality} encoder returned {part.dtype} of shape {part.shape}; expected real numbers "
            f"of shape ({len(batch)}, width)"
        )
    if len(part) != len(batch):
        raise SubjectError(f"the {modality} encoder returned {len(part)} rows for {len(batch)} inputs")
    return part


def violations(
    x: npt.NDArray[Any], y: npt.NDArray[Any], modalities: tuple[str, str], similarity: Similarity
) -> list[str]:
    """Return one line for each way in which served rows (n, d) are no embeddings, which are float32."""
    found: list[str] = []
    for modality, z in zip(modalities, (x, y), strict=True):
        with np.errstate(over="ignore"):
            z = z.astype(np.float32)
        finite = np.isfinite(z).all(axis=1)
        if not finite.all():
            found.append(
                f"{modality} embeddings hold NaN, infinity or numbers beyond float32 in "
                f"{int((~finite).sum())} of {len(z)} rows (first: row {int(np.argmin(finite))})"
            )
        zero = ~np.any(z, axis=1)
        if similarity == "cosine" and zero.any():
            found.append(
                f"{modality} embeddings are all zero in {int(zero.sum())} of {len(z)} rows "
                f"(first: row {int(np.argmax(zero))}); a zero vector has no direction to compare"
            )
    if x.shape[1] != y.shape[1]:
        found.append(
            f"{modalities[0]} embeddings are {x.shape[1]} wide, {modalities[1]} embeddings {y.shape[1]}"
        )
    return found


def largest_change(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> float:
    """Return the largest distance of a row to its second encoding over the larger of their norms, 2 at most.

    2 is also what a row counts that was finite only one of the two times, and a width that changed.
    """
    if first.shape != second.shape:
        return 2.0
    finite, finite_again = (np.isfinite(z).all(axis=1) for z in (first, second))
    if np.any(finite != finite_again):
        return 2.0
    both = np.stack([first[finite], second[finite]]).astype(np.float64)
    # Neither the largest nor the smallest float may over- or underflow when it is squared.
    peak = np.max(np.abs(both), axis=(0, 2), keepdims=True, initial=0.0)
    both = np.divide(both, peak, out=np.zeros_like(both), where=peak > 0)
    norm = np.max(np.linalg.norm(both, axis=2), axis=0)
    moved = np.linalg.norm(both[1] - both[0], axis=1)
    return float(np.max(np.divide(moved, norm, out=np.zeros_like(moved), where=norm > 0), initial=0.0))
