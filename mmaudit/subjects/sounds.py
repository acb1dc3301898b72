"""Sounds as libraries take them: one channel of float32 samples at the rate the model was trained on."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.errors import InputError

__all__ = ["sound", "sounds"]


def sound(item: Any, rate: int) -> npt.NDArray[np.float32]:
    """Return ``item`` as (samples,) float32 at ``rate`` per second.

    Takes samples (n,), which are at that rate already, or the path or the bytes of a file: its channels are
    averaged, and another rate is converted by a polyphase filter. Raises :class:`InputError` on anything
    else, and where soundfile is missing.
    """
    if isinstance(item, np.ndarray):
        if item.ndim != 1 or item.dtype.kind not in "fiu":
            raise InputError(
                f"a sound is {item.dtype} of shape {item.shape}; expected samples (n,) or a path"
            )
        return item.astype(np.float32)
    if not isinstance(item, (str, Path, bytes)):
        raise InputError(f"a sound is {type(item).__name__}; expected samples (n,) or a path")
    try:
        import soundfile
    except ImportError as error:
        raise InputError("files of sound need soundfile; pip install 'mmaudit[audio]'") from error
    try:
        samples, found = soundfile.read(io.BytesIO(item) if isinstance(item, bytes) else item, always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        name = "given as bytes" if isinstance(item, bytes) else repr(Path(item).name[:80])
        raise InputError(f"cannot open the sound {name}: no file that soundfile can decode") from error
    mono = samples.mean(axis=1)
    if found != rate:
        from scipy.signal import resample_poly

        common = math.gcd(found, rate)
        mono = resample_poly(mono, rate // common, found // common)
    converted: npt.NDArray[np.float32] = mono.astype(np.float32)
    return converted


def sounds(items: Sequence[Any], rate: int) -> list[npt.NDArray[np.float32]]:
    """Return every item as samples at ``rate``."""
    return [sound(item, rate) for item in items]
