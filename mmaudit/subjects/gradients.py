"""What training would do to a PyTorch subject: gradients by modality on batches, movement from a checkpoint.

One symmetric InfoNCE loss (van den Oord et al. 2018; Radford et al. 2021) over a batch is sent back through
each encoder by itself, so a parameter that both share counts in both, by what each sends into it. Dropout
is off, and no parameter is changed.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.errors import InputError
from mmaudit.subjects.encode import rows_of
from mmaudit.subjects.subject import Subject, Training
from mmaudit.subjects.tensors import TorchEncoder, evaluating, to_numpy

__all__ = ["BATCHES", "BATCH_SIZE", "differentiable", "observed_training"]

FloatArray = npt.NDArray[np.float64]

BATCHES, BATCH_SIZE = 8, 64
_TEMPERATURE = 0.07
"""Of CLIP at the start of its training, for a model that does not hold its own."""


def differentiable(subject: Subject | None) -> bool:
    """Return whether gradients can be taken through both encoders: a PyTorch model, given as such."""
    return subject is not None and all(
        isinstance(e, TorchEncoder) and e.trainable for e in subject.encoders.values()
    )


@dataclasses.dataclass(frozen=True)
class _Passed:
    """The global gradient norm in each encoder, and the names of the parameters that got a part of it."""

    norms: tuple[float, float]
    names: tuple[frozenset[str], frozenset[str]]


def observed_training(
    subject: Subject,
    inputs: Mapping[str, Sequence[Any] | npt.NDArray[Any]],
    rng: np.random.Generator,
    *,
    before: str | Path | None = None,
) -> Training:
    """Return the gradient norms on up to :data:`BATCHES` batches of pairs, and the movement since ``before``.

    ``before`` is a checkpoint of the same parameters: ``.safetensors``, or a state dict saved by PyTorch. The
    temperature is the model's own ``logit_scale`` where it has one. Raises :class:`InputError` where a side
    has no parameter that takes a gradient, or the checkpoint does not fit.
    """
    n = len(next(iter(inputs.values())))
    size = min(BATCH_SIZE, n // 2)
    if size < 2:
        raise InputError(f"{n} pairs make no two batches of two; a loss that compares needs them")
    temperature = _temperature(subject)
    # No pair is in two batches, so that the batches are independent.
    batches = rng.permutation(n)[: n // size * size].reshape(-1, size)[:BATCHES]
    passed = [
        _pass(subject, {m: rows_of(inputs[m], rows) for m in subject.modalities}, temperature)
        for rows in batches
    ]
    norms = np.array([one.norms for one in passed])
    for modality, column in zip(subject.modalities, norms.T, strict=True):
        if not np.isfinite(column).all():
            raise InputError(f"the gradient into the {modality} encoder is not finite")
    names: list[frozenset[str]] = [frozenset().union(*(one.names[side] for one in passed)) for side in (0, 1)]
    shared = len(names[0] & names[1])
    observed = f"{len(batches)} batches of {size} pairs, temperature {temperature:.3g}, in evaluation"
    if shared:
        observed += f"; {shared} of {len(names[0] | names[1])} parameters are shared and count in both"
    if before is not None:
        digest = hashlib.sha256(Path(before).read_bytes()).hexdigest() if Path(before).is_file() else ""
        observed += f"; moved since {Path(before).name}, sha256 {digest[:16]}"
    return Training(
        gradient_norms=(norms[:, 0], norms[:, 1]),
        movements=None if before is None else _movements(subject, names, Path(before)),
        temperature=temperature,
        observed=observed,
    )


def _parameters(subject: Subject) -> dict[str, Any]:
    """Return the trainable parameters by name; one that several modules hold has its first name."""
    found: dict[str, Any] = {}
    seen: set[int] = set()
    for encoder in subject.encoders.values():
        assert isinstance(encoder, TorchEncoder)
        for owner, module in encoder.modules.items():
            for name, parameter in module.named_parameters():
                if parameter.requires_grad and id(parameter) not in seen:
                    seen.add(id(parameter))
                    found[f"{owner}.{name}" if owner else name] = parameter
    return found


def _temperature(subject: Subject) -> float:
    for encoder in subject.encoders.values():
        assert isinstance(encoder, TorchEncoder)
        for module in encoder.modules.values():
            scale = getattr(module, "logit_scale", None)
            if scale is not None and getattr(scale, "numel", lambda: 0)() == 1:
                return float(np.exp(-float(to_numpy(scale).reshape(-1)[0])))
    return _TEMPERATURE


def _pass(subject: Subject, batch: Mapping[str, Any], temperature: float) -> _Passed:
    """Send the loss of one batch back, through one encoder after the other."""
    import torch

    parameters = _parameters(subject)
    norms, names = [], []
    first, second = subject.encoders.values()
    assert isinstance(first, TorchEncoder)
    assert isinstance(second, TorchEncoder)
    held = (first.modules, second.modules)
    modules = {f"{side}.{name}": m for side, own in enumerate(held) for name, m in own.items()}
    sides = zip((first, second), subject.modalities, strict=True)
    with evaluating(modules, gradients=True):
        served = [encoder.forward(batch[modality]).float() for encoder, modality in sides]
        leaves = [z.detach().requires_grad_() for z in served]
        x, y = leaves
        if subject.similarity == "cosine":
            x, y = (torch.nn.functional.normalize(z, dim=1) for z in leaves)
        logits = x @ y.T / temperature
        target = torch.arange(len(logits), device=logits.device)
        both = (torch.nn.functional.cross_entropy(z, target) for z in (logits, logits.T))
        pulls = torch.autograd.grad(sum(both) / 2, leaves)
        for modality, z, pull in zip(subject.modalities, served, pulls, strict=True):
            if not parameters or not z.requires_grad:
                raise InputError(f"the {modality} encoder is frozen: no parameter of it takes a gradient")
            found = torch.autograd.grad(z, list(parameters.values()), pull, allow_unused=True)
            got = {name: g for name, g in zip(parameters, found, strict=True) if g is not None}
            norms.append(float(np.sqrt(sum(float((g.double() ** 2).sum()) for g in got.values()))))
            names.append(frozenset(got))
    return _Passed((norms[0], norms[1]), (names[0], names[1]))


def _movements(
    subject: Subject, names: Sequence[frozenset[str]], path: Path
) -> tuple[FloatArray, FloatArray]:
    """Return ‖θ − θ₀‖ / ‖θ₀‖ of the parameters of each encoder, (1,) each."""
    before, now = _checkpoint(path), _parameters(subject)
    moved = []
    for side in names:
        distance = start = 0.0
        for name in sorted(side):
            theta, first = to_numpy(now[name]).astype(np.float64), _held(before, name, path)
            if first.shape != theta.shape:
                raise InputError(f"{path.name}: {name} has shape {first.shape}, the model {theta.shape}")
            distance += float(((theta - first) ** 2).sum())
            start += float((first**2).sum())
        if start == 0:
            raise InputError(f"{path.name}: all weights of an encoder are zero there")
        moved.append(np.array([(distance / start) ** 0.5]))
    return moved[0], moved[1]


def _held(before: Mapping[str, Any], name: str, path: Path) -> FloatArray:
    # Wrappers for several devices put their own prefix before every name.
    found = before.get(name, before.get(f"module.{name}"))
    if found is None:
        raise InputError(f"{path.name} holds no {name!r}; give a checkpoint of the same model")
    return np.asarray(to_numpy(found), dtype=np.float64)


def _checkpoint(path: Path) -> Mapping[str, Any]:
    """Return the tensors of a checkpoint by name."""
    if not path.is_file():
        raise InputError(f"cannot read the checkpoint {path.name}: no such file")
    import torch

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the two libraries raise whatever a broken file provokes
        first = (str(error).splitlines() or [type(error).__name__])[0]
        why = first.replace(str(path), path.name)[:200]
        raise InputError(f"cannot read the checkpoint {path.name}: {why}") from error
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping):
        raise InputError(f"the checkpoint {path.name} holds a {type(found).__name__}; expected a state dict")
    return found
