"""Gradients and movement by modality of a PyTorch subject, against finite differences and planted faults."""

import math

import numpy as np
import pytest

import mmaudit
from mmaudit.gates import Auditor, Verdict
from mmaudit.settings import Settings
from mmaudit.subjects import as_subject
from mmaudit.subjects.gradients import observed_training

N, READS, WIDTH = 200, 6, 5
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, READS)).astype(np.float32)
PAIRS = mmaudit.Pairs(inputs={"image": X, "text": X + 0.1 * RNG.standard_normal(X.shape).astype(np.float32)})


@pytest.fixture
def towers(torch):
    torch.manual_seed(0)

    class Towers(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.image = torch.nn.Linear(READS, WIDTH)
            self.text = torch.nn.Linear(READS, WIDTH)
            self.drop = torch.nn.Dropout(0.5)

        def encode_image(self, x):
            return self.drop(self.image(x))

        def encode_text(self, x):
            return self.text(x)

    return Towers()


def observed(model, before=None):
    return observed_training(as_subject(model), PAIRS.inputs, np.random.default_rng(1), before=before)


def loss_of(model, rows, torch, temperature=0.07):
    model.eval()
    x, y = (
        torch.nn.functional.normalize(side(torch.from_numpy(PAIRS.inputs[m][rows]).double()), dim=1)
        for m, side in (("image", model.image), ("text", model.text))
    )
    logits = x @ y.T / temperature
    target = torch.arange(len(rows))
    both = [torch.nn.functional.cross_entropy(z, target) for z in (logits, logits.T)]
    return (sum(both) / 2).item()


def test_norms_are_those_of_finite_differences(towers, torch):
    found = observed(towers).gradient_norms
    rows = np.random.default_rng(1).permutation(N)[:64]
    towers.double()
    for side, norms in zip(("image", "text"), found, strict=True):
        total = 0.0
        for parameter in getattr(towers, side).parameters():
            flat = parameter.data.view(-1)
            for i in range(len(flat)):
                start, step = flat[i].item(), 1e-6
                flat[i] = start + step
                up = loss_of(towers, rows, torch)
                flat[i] = start - step
                down = loss_of(towers, rows, torch)
                flat[i] = start
                total += ((up - down) / (2 * step)) ** 2
        assert norms[0] == pytest.approx(math.sqrt(total), rel=1e-3)


def test_nothing_is_changed(towers, torch):
    towers.train()
    before = {k: v.clone() for k, v in towers.state_dict().items()}
    again = [observed(towers).gradient_norms for _ in range(2)]
    assert np.array_equal(again[0], again[1])
    assert towers.training
    assert all(p.grad is None for p in towers.parameters())
    assert all(torch.equal(v, before[k]) for k, v in towers.state_dict().items())


def test_a_starved_encoder_shows_and_a_shared_one_is_told(towers, torch):
    balanced = Auditor(towers, PAIRS).run("gradient_ratio")
    assert balanced.verdict is None
    assert abs(balanced.measurement.value) < 1
    assert balanced.measurement.low < balanced.measurement.value < balanced.measurement.high
    assert balanced.measurement.n == 3
    with torch.no_grad():
        for parameter in towers.text.parameters():
            parameter *= 50
    starved = Auditor(towers, PAIRS).run("gradient_ratio").measurement
    assert starved.low > balanced.measurement.high + 2
    shared = torch.nn.Linear(READS, WIDTH)
    model = {"image": shared, "text": shared}
    (note,) = Auditor(model, PAIRS).run("gradient_ratio").measurement.notes
    assert "2 of 2 parameters are shared and count in both" in note


def test_a_limit_of_the_users_own_is_shown_to_reject(towers):
    settings = Settings(limits={"gradient_ratio": (-1.5, 1.5)})
    found = Auditor(towers, PAIRS, settings).run("gradient_ratio")
    assert found.verdict is Verdict.ACCEPT
    assert 0 < found.control.severity <= 1


def test_a_frozen_model_is_not_evidenced(towers):
    for parameter in towers.parameters():
        parameter.requires_grad = False
    found = Auditor(towers, PAIRS).run("gradient_ratio")
    assert found.verdict is Verdict.NOT_EVIDENCED
    assert (
        found.reason == "cannot be measured: the image encoder is frozen: no parameter of it takes a gradient"
    )
    remote = Auditor({"image": lambda x: X[: len(x)], "text": lambda x: X[: len(x)]}, PAIRS).run(
        "gradient_ratio"
    )
    assert remote.verdict is Verdict.NOT_EVIDENCED
    assert "embedding_gradient_ratio sees the pull, and neither depth nor frozen weights" in remote.reason


@pytest.fixture
def moved(towers, torch, tmp_path):
    """The checkpoints before, and a model whose image side moved by 10 % and text side by 1 %."""
    from safetensors.torch import save_file

    torch.save(towers.state_dict(), tmp_path / "before.pt")
    torch.save(
        {"state_dict": {f"module.{k}": v for k, v in towers.state_dict().items()}}, tmp_path / "wrapped.pt"
    )
    save_file(towers.state_dict(), tmp_path / "before.safetensors")
    with torch.no_grad():
        for side, share in ((towers.image, 1.1), (towers.text, 1.01)):
            for parameter in side.parameters():
                parameter *= share
    return towers


@pytest.mark.parametrize("name", ["before.pt", "wrapped.pt", "before.safetensors"])
def test_movement_since_a_checkpoint(moved, tmp_path, name):
    settings = Settings(checkpoint_before=str(tmp_path / name))
    found = Auditor(moved, PAIRS, settings).run("movement_ratio")
    assert found.verdict is None
    assert found.measurement.value == pytest.approx(math.log(10), rel=1e-3)
    assert f"moved since {name}, sha256 " in found.measurement.notes[0]
    assert settings.as_dict()["checkpoint_before"] == name
    limited = Settings(checkpoint_before=str(tmp_path / name), limits={"movement_ratio": (-1.0, 1.0)})
    assert Auditor(moved, PAIRS, limited).run("movement_ratio").verdict is Verdict.REJECT
    wide = Settings(checkpoint_before=str(tmp_path / name), limits={"movement_ratio": (-3.0, 3.0)})
    accepted = Auditor(moved, PAIRS, wide).run("movement_ratio")
    assert accepted.verdict is Verdict.ACCEPT
    assert accepted.control is not None


def test_without_a_checkpoint_movement_is_not_evidenced(moved):
    found = Auditor(moved, PAIRS).run("movement_ratio")
    assert found.verdict is Verdict.NOT_EVIDENCED
    assert "--mmaudit-checkpoint-before" in found.reason


def test_checkpoints_that_do_not_fit_are_one_line(moved, torch, tmp_path):
    torch.save({"other": torch.ones(2)}, tmp_path / "other.pt")
    torch.save({k: v[:1] for k, v in moved.state_dict().items()}, tmp_path / "shapes.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    (tmp_path / "broken.pt").write_bytes(b"no checkpoint")
    (tmp_path / "broken.safetensors").write_bytes(b"no checkpoint")
    lines = {
        "missing.pt": "cannot read the checkpoint missing.pt: no such file",
        "other.pt": "other.pt holds no 'image.bias'; give a checkpoint of the same model",
        "shapes.pt": "shapes.pt: image.bias has shape (1,), the model (5,)",
        "list.pt": "the checkpoint list.pt holds a list; expected a state dict",
        "broken.pt": "cannot read the checkpoint broken.pt: ",
        "broken.safetensors": "cannot read the checkpoint broken.safetensors: ",
    }
    for name, line in lines.items():
        found = Auditor(moved, PAIRS, Settings(checkpoint_before=str(tmp_path / name))).run("movement_ratio")
        assert found.verdict is Verdict.NOT_EVIDENCED
        assert line in found.reason
        assert "\n" not in found.reason
        assert str(tmp_path) not in found.reason


def test_transformers_and_open_clip_give_gradients_at_their_own_temperature(clip, open_clip_model, small):
    for given, scale in ((clip, clip[0].logit_scale), (open_clip_model, open_clip_model.logit_scale)):
        found = Auditor(given, small).run("gradient_ratio")
        assert found.measurement.value is not None
        assert f"temperature {math.exp(-scale.item()):.3g}" in found.measurement.notes[0]
