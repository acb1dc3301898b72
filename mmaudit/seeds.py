"""Random streams spawned by name, so that no result depends on the order in which they are asked for."""

import hashlib

import numpy as np

__all__ = ["derived_seed", "generator", "seed_sequence"]


def seed_sequence(seed: int, *path: str | int) -> np.random.SeedSequence:
    """Return the seed sequence of the stream called ``path`` under the root ``seed``.

    Each name is hashed into 32 bits of the spawn key (NumPy's ``SeedSequence``, after O'Neill 2015), so
    streams of different names are independent and adding a stream never shifts another one.
    """
    key = tuple(int.from_bytes(hashlib.sha256(str(part).encode()).digest()[:4], "big") for part in path)
    return np.random.SeedSequence(entropy=seed, spawn_key=key)


def generator(seed: int, *path: str | int) -> np.random.Generator:
    """Return a fresh generator for the stream called ``path`` under the root ``seed``."""
    return np.random.default_rng(seed_sequence(seed, *path))


def derived_seed(seed: int, *path: str | int) -> int:
    """Return a root seed of its own for the stream called ``path``, for interfaces that take a number."""
    return int(seed_sequence(seed, *path).generate_state(1, np.uint32)[0])
