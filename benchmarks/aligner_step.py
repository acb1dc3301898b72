"""One training step of the reference aligner beside the same step in PyTorch (CPU, fused AdamW).

Usage: python benchmarks/aligner_step.py [ROUNDS]     (default: 9; needs torch)

Both presets; batches, widths, loss, clipping and optimizer are the same. Ours runs on one BLAS thread, as the
aligner always does, PyTorch on one thread and on two. In turn; medians of the time of a step.
"""

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import threadpoolctl
import torch

from mmaudit.aligner import preset
from mmaudit.aligner.training import _start, _step
from mmaudit.seeds import generator

INPUTS = (272, 104)
STEPS = 50


def ours(name: str, batch: list[np.ndarray]) -> Callable[[], None]:
    """Return a function that makes one step of ours."""
    spec, training = preset(name)
    states = [_start(spec, side, width, 7) for side, width in zip("xy", INPUTS, strict=True)]

    def step() -> None:
        x, y, _, _ = _step(spec, training, *states, *batch)
        states[:] = [x, y]

    return step


def theirs(name: str, batch: list[np.ndarray]) -> Callable[[], None]:
    """Return a function that makes the same step in PyTorch."""
    spec, training = preset(name)
    torch.manual_seed(7)
    encoders = [
        torch.nn.Sequential(
            torch.nn.Linear(width, spec.hidden),
            torch.nn.LeakyReLU(spec.leak),
            torch.nn.Linear(spec.hidden, spec.embed_dim),
        )
        for width in INPUTS
    ]
    parameters = [list(encoder.parameters()) for encoder in encoders]
    groups = [
        {
            "params": [p for ps in parameters for p in ps if p.ndim == 2],
            "weight_decay": training.weight_decay,
        },
        {"params": [p for ps in parameters for p in ps if p.ndim == 1], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=training.lr, betas=training.betas, eps=training.eps, fused=True)
    inputs = [torch.from_numpy(z) for z in batch]
    target = torch.arange(len(batch[0]))

    def step() -> None:
        adamw.zero_grad(set_to_none=True)
        x, y = (
            torch.nn.functional.normalize(encoder(z), dim=1)
            for encoder, z in zip(encoders, inputs, strict=True)
        )
        logits = x @ y.T / spec.temperature
        cross = torch.nn.functional.cross_entropy
        ((cross(logits, target) + cross(logits.T, target)) / 2).backward()
        for each in parameters:
            torch.nn.utils.clip_grad_norm_(each, training.clip)
        adamw.step()

    return step


def main(rounds: int = 9) -> None:
    """Time both in turn."""
    for name in ("standard", "chapter"):
        size = preset(name)[1].batch
        rng = generator(7, "a batch")
        batch = [rng.standard_normal((size, width), np.float32) for width in INPUTS]
        for threads in (1, 2):
            torch.set_num_threads(threads)
            taken: dict[str, list[float]] = {"mmaudit": [], "torch": []}
            steps = {"mmaudit": ours(name, batch), "torch": theirs(name, batch)}
            with threadpoolctl.threadpool_limits(1, user_api="blas"):
                for turn in range(rounds + 1):
                    for which, step in steps.items():
                        start = time.perf_counter()
                        for _ in range(STEPS):
                            step()
                        if turn:
                            taken[which].append((time.perf_counter() - start) / STEPS)
            mine, other = (statistics.median(taken[which]) for which in ("mmaudit", "torch"))
            print(
                f"{name} preset, batch {size}: mmaudit {1e3 * mine:.2f} ms a step, "
                f"torch on {threads} thread(s) {1e3 * other:.2f} ms, ratio {other / mine:.2f}"
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
