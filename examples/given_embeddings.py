"""Audit embeddings that were computed elsewhere, with nothing but a file of numbers.

Two files are made, each an array (2, items, width): ``healthy.npy``, in which both modalities are cones far
from each other, as those of real CLIP models are, and ``collapsed.npy``, the same items drawn so close
together that little of the scale is left to tell them apart. Run ``python examples/given_embeddings.py``;
for a file of your own ``pytest --mmaudit --mmaudit-subject=my_embeddings.npy``.
"""

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

import mmaudit
from mmaudit.embeddings import unit_rows
from mmaudit.seeds import generator

__all__ = ["collapsed", "healthy", "main"]

Table = npt.NDArray[np.float32]

ITEMS, WIDTH = 600, 62
"""Width of the meaning; the modalities' own axes come on top."""


def healthy(seed: int = 7) -> Table:
    """Return unit rows (2, 600, 64): a shared meaning with noise, and an axis of each modality's own."""
    rng = generator(seed, "embeddings")
    meaning = rng.standard_normal((ITEMS, WIDTH))
    content = meaning + 0.5 * rng.standard_normal((2, ITEMS, WIDTH))
    axes = np.broadcast_to(9 * np.eye(2)[:, None], (2, ITEMS, 2))
    rows = np.concatenate([content, axes], axis=2)
    return np.asarray([unit_rows(side) for side in rows], dtype=np.float32)


def collapsed(seed: int = 7) -> Table:
    """Return the healthy rows (2, 600, 64) at a tenth of their distances, around one point on both axes."""
    centre = np.append(np.zeros(WIDTH), np.sqrt([0.5, 0.5]))
    return np.asarray(centre + 0.1 * healthy(seed), dtype=np.float32)


def main() -> None:
    """Write both files and audit them."""
    with tempfile.TemporaryDirectory() as folder:
        for name, table in (("healthy", healthy()), ("collapsed", collapsed())):
            path = Path(folder, f"{name}.npy")
            np.save(path, table)
            result = mmaudit.audit(path)
            print(f"## {path.name}: {result.verdict.value}\n\n{result}\n")
    print("Notice: retrieval is as good in one file as in the other; separation alone sees the collapse.")


if __name__ == "__main__":
    main()
