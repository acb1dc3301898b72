"""The reference aligner, which is NumPy alone, against the same thing written in PyTorch."""

import numpy as np
import pytest

from mmaudit.aligner.encoder import Encoder
from mmaudit.aligner.loss import info_nce
from mmaudit.aligner.optimizer import Moments, adamw, clip
from mmaudit.seeds import generator

torch = pytest.importorskip("torch", reason="needs PyTorch, which the group `adapters` installs")
functional = torch.nn.functional

TEMPERATURE = 0.07
WIDTHS = {"x": 20, "y": 13}


def made(side, leak=0.01):
    encoder = Encoder(WIDTHS[side], hidden=17, width=8, leak=leak)
    flat = encoder.initial(generator(3, "torch", side), gain=1.0).astype(np.float64)
    flat += 0.05 * generator(4, "torch", side).standard_normal(flat.shape)
    inputs = generator(5, "torch", side).standard_normal((24, WIDTHS[side]))
    return encoder, flat, inputs


def embedded(encoder, flat, inputs):
    """Embed with PyTorch; ``flat`` is a tensor that gradients reach."""
    sizes = [int(np.prod(shape)) for shape in encoder.shapes]
    w1, b1, w2, b2 = (
        part.reshape(shape) for part, shape in zip(torch.split(flat, sizes), encoder.shapes, strict=True)
    )
    hidden = functional.leaky_relu(torch.from_numpy(inputs) @ w1 + b1, encoder.leak)
    return functional.normalize(hidden @ w2 + b2, dim=1)


@pytest.mark.parametrize("direction", ["both", "x_to_y", "y_to_x"])
def test_loss_and_every_gradient_are_those_of_autograd(direction):
    sides = {side: made(side) for side in "xy"}
    flats = {s: torch.tensor(flat, requires_grad=True) for s, (_, flat, _) in sides.items()}
    x, y = (embedded(sides[s][0], flats[s], sides[s][2]) for s in "xy")
    logits, target = x @ y.T / TEMPERATURE, torch.arange(len(x))
    ways = {
        "both": (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2,
        "x_to_y": functional.cross_entropy(logits, target),
        "y_to_x": functional.cross_entropy(logits.T, target),
    }
    ways[direction].backward()

    seen = {s: encoder.forward(flat, inputs) for s, (encoder, flat, inputs) in sides.items()}
    loss = info_nce(seen["x"].unit, seen["y"].unit, TEMPERATURE, direction)
    assert loss.pair_losses.mean() == pytest.approx(float(ways[direction].detach()), rel=1e-12)
    for side, d_unit in (("x", loss.d_x), ("y", loss.d_y)):
        encoder, flat, _ = sides[side]
        gradient = encoder.backward(flat, seen[side], d_unit)
        np.testing.assert_allclose(gradient, flats[side].grad.numpy(), rtol=1e-9, atol=1e-12)


def test_ten_steps_are_those_of_adamw():
    encoder, flat, _ = made("x")
    decayed = encoder.decayed
    weights = torch.tensor(flat[decayed == 1], requires_grad=True)
    biases = torch.tensor(flat[decayed == 0], requires_grad=True)
    groups = [{"params": [weights], "weight_decay": 0.1}, {"params": [biases], "weight_decay": 0.0}]
    theirs = torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.98), eps=1e-8)
    moments = Moments.zero(flat)
    for step in range(10):
        gradient = generator(6, "torch", step).standard_normal(flat.shape)
        weights.grad, biases.grad = (torch.from_numpy(gradient[decayed == kind]) for kind in (1, 0))
        length = torch.nn.utils.clip_grad_norm_([weights, biases], 2.0)
        theirs.step()
        shortened, norm = clip(gradient, 2.0)
        assert norm == pytest.approx(float(length), rel=1e-12)
        flat, moments = adamw(
            flat, shortened, moments, lr=3e-3, betas=(0.9, 0.98), eps=1e-8, weight_decay=0.1, decayed=decayed
        )
    # PyTorch adds 1e-6 to the norm that it divides by.
    np.testing.assert_allclose(flat[decayed == 1], weights.detach().numpy(), rtol=1e-6)
    np.testing.assert_allclose(flat[decayed == 0], biases.detach().numpy(), rtol=1e-6)
