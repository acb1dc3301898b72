import wave

import numpy as np
import pytest

from mmaudit.errors import InputError
from mmaudit.subjects.sounds import sound, sounds

RATE = 16000


def tone(rate, seconds=0.5, frequency=440.0):
    return np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)


def write(path, rate, *channels):
    frames = np.stack([np.round(c * 20000).astype("<i2") for c in channels], axis=1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(frames.tobytes())
    return path


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_a_file_is_heard_at_the_rate_of_the_model(tmp_path, rate):
    pytest.importorskip("soundfile", reason="sound files are an extra")
    path = write(tmp_path / "tone.wav", rate, tone(rate))
    heard = sound(str(path), RATE)
    assert heard.dtype == np.float32
    assert len(heard) == pytest.approx(RATE / 2, abs=1)
    middle = slice(1000, 7000)
    expected = tone(RATE)[middle] * 20000 / 2**15
    assert np.corrcoef(heard[middle], expected)[0, 1] > 0.999
    assert np.abs(heard[middle] - expected).max() < 0.01
    (again,) = sounds([path.read_bytes()], RATE)
    assert np.array_equal(again, heard)


def test_channels_are_averaged(tmp_path):
    pytest.importorskip("soundfile", reason="sound files are an extra")
    path = write(tmp_path / "two.wav", RATE, tone(RATE), -tone(RATE))
    assert np.abs(sound(path, RATE)).max() < 1e-4


def test_samples_pass_as_they_are():
    samples = np.arange(5, dtype=np.float64)
    assert np.array_equal(sound(samples, RATE), samples.astype(np.float32))


@pytest.mark.parametrize(
    ("item", "complaint"),
    [
        (np.zeros((2, 5)), "a sound is float64 of shape"),
        (np.array(["a"]), "expected samples"),
        (3, "a sound is int; expected samples"),
        ("nowhere.wav", "cannot open the sound 'nowhere.wav'"),
        (b"RIFF", "cannot open the sound given as bytes"),
    ],
)
def test_what_is_no_sound_is_one_line(item, complaint):
    if isinstance(item, (str, bytes)):
        pytest.importorskip("soundfile", reason="sound files are an extra")
    with pytest.raises(InputError, match=complaint) as caught:
        sound(item, RATE)
    assert "\n" not in str(caught.value)


def test_without_soundfile_the_way_out_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(InputError, match=r"pip install 'mmaudit\[audio\]'"):
        sound("a.wav", RATE)
