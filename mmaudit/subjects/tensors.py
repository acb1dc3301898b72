"""Running PyTorch models without importing PyTorch until one is there: evaluation, devices, weights."""

import contextlib
import dataclasses
import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.subjects.options import Options, Precision

__all__ = [
    "TorchEncoder",
    "as_tensor",
    "device_of",
    "evaluating",
    "is_module",
    "modules_of",
    "moved",
    "to_numpy",
    "weights_sha256",
]

Modules = Mapping[str, Any]
"""The PyTorch modules behind a subject, by the name of their owner's attribute (``""``: the owner)."""


def to_numpy(value: Any) -> npt.NDArray[Any]:
    """Return ``value`` as a NumPy array; torch-like tensors are detached and brought to the CPU first.

    bfloat16, which NumPy does not have, becomes float32.
    """
    for method in ("detach", "cpu"):
        if hasattr(value, method):
            value = getattr(value, method)()
    if str(getattr(value, "dtype", "")) == "torch.bfloat16":
        value = value.float()
    return np.asarray(value)


def is_module(value: Any) -> bool:
    """Return whether ``value`` is a PyTorch module; where PyTorch was never imported nothing is."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def modules_of(owner: Any) -> Modules:
    """Return ``owner`` if it is a module, else the modules it holds, or that own it as a bound method."""
    owner = getattr(owner, "__self__", owner)
    if is_module(owner):
        return {"": owner}
    held = getattr(owner, "__dict__", {})
    return {name: value for name, value in held.items() if is_module(value)}


def moved(modules: Modules, options: Options) -> None:
    """Move ``modules`` to the device that was asked for; where none was, they stay."""
    if options.device is not None:
        for module in modules.values():
            module.to(options.device)


def device_of(module: Any) -> Any:
    """Return the device of the first parameter or buffer, the CPU of a module without any."""
    import torch

    for tensor in (*module.parameters(), *module.buffers()):
        return tensor.device
    return torch.device("cpu")


def as_tensor(inputs: Any, module: Any) -> Any:
    """Return an array of numbers as a tensor on the device of ``module``, and anything else as it is."""
    if not hasattr(inputs, "dtype") or getattr(inputs.dtype, "kind", "") not in ("f", "i", "u", "b"):
        return inputs
    import torch

    return torch.as_tensor(inputs).to(device_of(module))


@contextlib.contextmanager
def evaluating(
    modules: Modules, precision: Precision = "float32", *, gradients: bool = False
) -> Iterator[None]:
    """Put ``modules`` into evaluation for as long as the context lasts, then every part back as it was.

    Without ``gradients`` nothing is recorded (inference mode). Autocast is on only for a lower ``precision``.
    """
    if not modules:
        yield
        return
    import torch

    parts = [(part, part.training) for module in modules.values() for part in module.modules()]
    device = device_of(next(iter(modules.values()))).type
    lower = precision != "float32"
    try:
        for module in modules.values():
            module.eval()
        with (
            torch.enable_grad() if gradients else torch.inference_mode(),
            torch.autocast(device, dtype=getattr(torch, precision)) if lower else contextlib.nullcontext(),
        ):
            yield
    finally:
        for part, mode in parts:
            part.training = mode


def weights_sha256(modules: Modules) -> str | None:
    """Return one SHA-256 over name, dtype, shape and bytes of every tensor in the state of ``modules``.

    The order of the entries does not matter. ``None`` where there is no tensor, or one whose bytes PyTorch
    does not give (sparse, quantised), or an entry that is no tensor.
    """
    import torch

    state = {
        f"{owner}.{key}": v for owner, module in modules.items() for key, v in module.state_dict().items()
    }
    if not state:
        return None
    h = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        if not isinstance(tensor, torch.Tensor) or tensor.is_meta:
            return None
        try:
            flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        except (RuntimeError, TypeError, NotImplementedError):
            return None
        h.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        h.update(flat.data)
    return h.hexdigest()


@dataclasses.dataclass(frozen=True, eq=False)
class TorchEncoder:
    """An encoder that runs ``modules``. ``forward`` takes m inputs and returns an (m, d) tensor.

    ``trainable`` says whether gradients can be taken through ``forward``.
    """

    modules: Modules
    forward: Callable[[Sequence[Any]], Any]
    precision: Precision = "float32"
    trainable: bool = True

    def __call__(self, inputs: Sequence[Any]) -> npt.NDArray[Any]:
        """Return the (m, d) embeddings of ``inputs``, in evaluation and without gradients."""
        with evaluating(self.modules, self.precision):
            return to_numpy(self.forward(inputs))
