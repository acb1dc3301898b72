"""Training the reference aligner: deterministic batches, one step, and the instrumented loop."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.aligner.encoder import Array, Encoder
from mmaudit.aligner.history import History
from mmaudit.aligner.loss import info_nce
from mmaudit.aligner.optimizer import Moments, adamw, clip
from mmaudit.aligner.spec import PRESETS, AlignerSpec, Side, TrainSpec
from mmaudit.aligner.trained import MODALITIES, EncoderState, TrainedAligner, input_matrix
from mmaudit.aligner.vitals import vitals
from mmaudit.embeddings import Embeddings
from mmaudit.errors import InputError, SettingsError
from mmaudit.seeds import generator
from mmaudit.threads import one_blas_thread

__all__ = ["Progress", "batches", "one_step", "train"]

Progress = Callable[[str, int, int], None]
"""Called with what is being done, the number of steps done, and the number of all steps."""

_ALIGNER, _TRAINING = PRESETS["standard"]


def train(
    x_train: npt.ArrayLike,
    y_train: npt.ArrayLike,
    x_val: npt.ArrayLike,
    y_val: npt.ArrayLike,
    *,
    aligner: AlignerSpec = _ALIGNER,
    training: TrainSpec = _TRAINING,
    seed: int = 0,
    progress: Progress | None = None,
) -> TrainedAligner:
    """Train two encoders on claimed pairs and return them as they were after their best epoch.

    ``x_*`` (n, d_x) and ``y_*`` (n, d_y) are matrices of real numbers, row i of one paired with row i of the
    other. The best epoch is the first with the largest mean of both directions' r@1 on the validation
    pairs. All arithmetic is float32 on one BLAS thread: the same inputs, settings and ``seed`` give
    the same bytes whatever the number of cores. Raises :class:`InputError` on unusable inputs and
    :class:`SettingsError` where settings do not suit them or make the training diverge.
    """
    if not isinstance(seed, int) or seed < 0:
        raise SettingsError(f"the seed is {seed!r}; give a whole number of at least 0")
    data = _pair("training", x_train, y_train)
    held_out = _pair("validation", x_val, y_val, widths=(data[0].shape[1], data[1].shape[1]))
    n = len(data[0])
    if n < training.batch:
        raise InputError(f"{n} training pairs do not fill a batch of {training.batch}; lower TrainSpec.batch")
    x = _start(aligner, "x", data[0].shape[1], seed)
    y = _start(aligner, "y", data[1].shape[1], seed)
    best, best_epoch, best_score = (x, y), 0, -math.inf
    rows: list[dict[str, Any]] = []
    pair_losses: list[Array] = []
    # A diverging run overflows on its way; it is reported once, by _refuse_divergence.
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        for epoch in range(1, training.epochs + 1):
            losses = np.empty(n, dtype=np.float32)
            norms = []
            for batch in batches(n, training.batch, generator(seed, "aligner", "batches", epoch)):
                pairs = (data[0][batch], data[1][batch])
                x, y, losses[batch], step_norms = _step(aligner, training, x, y, *pairs)
                norms.append(step_norms)
            _refuse_divergence(training, f"in epoch {epoch}", x, y)
            row = vitals(Embeddings(x.embed(held_out[0]), y.embed(held_out[1])))
            row |= _progress_of(x, y, losses, np.array(norms))
            rows.append(row)
            pair_losses.append(losses)
            score = row["r1_xy"] + row["r1_yx"]
            if score > best_score:
                best, best_epoch, best_score = (x, y), epoch, score
            if progress is not None:
                progress("training the reference aligner", epoch, training.epochs)
    kept = best if training.keep == "best" else (x, y)
    history = History.from_rows(
        rows, np.stack(pair_losses).astype(np.float64) if training.pair_losses else None
    )
    return TrainedAligner(aligner, training, seed, *kept, history, best_epoch)


def one_step(aligner: TrainedAligner, batch_x: npt.ArrayLike, batch_y: npt.ArrayLike) -> TrainedAligner:
    """Return ``aligner`` after one more step on the pairs ``batch_x`` (n, d_x), ``batch_y`` (n, d_y).

    The step goes on from the stored parameters and AdamW moments under the settings of the training. The
    given aligner, its history and its best epoch stay as they are. Raises :class:`InputError` on unusable
    inputs and :class:`SettingsError` if the step diverges.
    """
    widths = (aligner.x.encoder.inputs, aligner.y.encoder.inputs)
    batch = _pair("batch", batch_x, batch_y, widths=widths)
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        x, y, _, _ = _step(aligner.spec, aligner.training, aligner.x, aligner.y, *batch)
    _refuse_divergence(aligner.training, "in this step", x, y)
    return dataclasses.replace(aligner, x=x, y=y)


def batches(n: int, largest: int, rng: np.random.Generator) -> list[npt.NDArray[np.int64]]:
    """Return a random partition of ``range(n)`` into the fewest batches of at most ``largest`` items.

    Their sizes differ by at most one: nothing is dropped, every pair has a loss in every epoch, and no small
    remainder is trained on easier negatives than the rest.
    """
    return np.array_split(rng.permutation(n), math.ceil(n / largest))


def _pair(
    part: str, x: npt.ArrayLike, y: npt.ArrayLike, widths: tuple[int | None, int | None] = (None, None)
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    a, b = (
        input_matrix(f"{part} {modality}", values, width)
        for modality, values, width in zip(MODALITIES, (x, y), widths, strict=True)
    )
    if len(a) != len(b):
        raise InputError(
            f"{len(a)} {part} images but {len(b)} {part} texts; give one row a pair, in the same order"
        )
    if len(a) < 2:
        raise InputError(f"1 {part} pair has nothing to be told apart from; give at least 2")
    return a, b


def _start(spec: AlignerSpec, side: Side, inputs: int, seed: int) -> EncoderState:
    """Return the untrained encoder of ``side``."""
    settings = spec.side(side)
    directions = None
    if settings.rank is not None:
        square = generator(seed, "aligner", "directions").standard_normal((spec.embed_dim, spec.embed_dim))
        directions = np.ascontiguousarray(np.linalg.qr(square)[0][:, : settings.rank], dtype=np.float32)
    encoder = Encoder.built(spec, side, inputs, directions)
    theta = encoder.initial(generator(seed, "aligner", "weights", side), settings.init_gain)
    return EncoderState(encoder, theta, theta, Moments.zero(theta))


def _step(
    spec: AlignerSpec, training: TrainSpec, x: EncoderState, y: EncoderState, batch_x: Array, batch_y: Array
) -> tuple[EncoderState, EncoderState, Array, tuple[float, float]]:
    """Return both encoders after one step, the batch's losses (n,), and the norms of the two gradients."""
    seen_x = x.encoder.forward(x.theta, batch_x)
    seen_y = y.encoder.forward(y.theta, batch_y)
    loss = info_nce(seen_x.unit, seen_y.unit, spec.temperature, training.direction, training.repulsion)
    after, norms = [], []
    for side, state, seen, d_unit, mult in (
        ("x", x, seen_x, loss.d_x, training.lr_mult_x),
        ("y", y, seen_y, loss.d_y, training.lr_mult_y),
    ):
        if side == training.stop_gradient:
            # A detached encoder gets no gradient, and optimizers pass over it: not even decay moves it.
            after.append(state)
            norms.append(0.0)
            continue
        gradient, norm = clip(state.encoder.backward(state.theta, seen, d_unit), training.clip)
        theta, moments = adamw(
            state.theta,
            gradient,
            state.moments,
            lr=training.lr * mult,
            betas=training.betas,
            eps=training.eps,
            weight_decay=training.weight_decay,
            decayed=state.encoder.decayed,
        )
        after.append(dataclasses.replace(state, theta=theta, moments=moments))
        norms.append(norm)
    return after[0], after[1], loss.pair_losses, (norms[0], norms[1])


def _refuse_divergence(training: TrainSpec, when: str, *states: EncoderState) -> None:
    if not all(np.isfinite(state.theta).all() for state in states):
        raise SettingsError(
            f"training diverged {when}: weights are no longer finite; "
            f"lower TrainSpec.lr (now {training.lr:g}) or scale the inputs"
        )


def _progress_of(
    x: EncoderState, y: EncoderState, losses: Array, norms: npt.NDArray[np.float64]
) -> dict[str, float | None]:
    """Return the columns of the history that come from training: pair losses (n,), norms (steps, 2)."""
    norm_x, norm_y = norms.mean(axis=0).tolist()
    return {
        "train_loss": float(np.mean(losses, dtype=np.float64)),
        "gradient_norm_x": norm_x,
        "gradient_norm_y": norm_y,
        "gradient_log_ratio": math.log(norm_x / norm_y) if norm_x > 0 and norm_y > 0 else None,
        "movement_x": x.movement,
        "movement_y": y.movement,
    }
