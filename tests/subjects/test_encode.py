import numpy as np
import pytest

from mmaudit.errors import SubjectError
from mmaudit.subjects import Identity, Subject, as_subject
from mmaudit.subjects.encode import encode, rows_of


def subject(image, **fields):
    return Subject(
        encoders={"image": image, "text": image}, identity=Identity(name="s", adapter="test"), **fields
    )


def doubled(items):
    return np.stack([np.asarray(items), 2 * np.asarray(items)], axis=1).astype(np.float32)


@pytest.mark.parametrize("size", [1, 3, 10, 11, 100])
@pytest.mark.parametrize("inputs", [list(range(10)), np.arange(10), range(10), tuple(range(10))])
def test_the_batch_size_changes_nothing(size, inputs):
    out = encode(subject(doubled), "image", inputs, batch_size=size)
    assert out.dtype == np.float32
    assert out.tolist() == doubled(np.arange(10)).tolist()


def test_batches_are_no_larger_than_asked():
    seen = []

    def watch(items):
        seen.append(len(items))
        return doubled(items)

    encode(subject(watch, batch_size=4), "image", list(range(10)))
    assert seen == [4, 4, 2]


def test_inputs_of_any_kind():
    lengths = subject(lambda words: [[len(w)] for w in words])
    assert encode(lengths, "text", ["a", "bcd"]).tolist() == [[1], [3]]
    assert encode(subject(doubled), "image", []).shape == (0, 0)


def test_rows_of():
    index = np.array([2, 0])
    assert rows_of("abc", index) == ["c", "a"]
    assert rows_of(np.array([5, 6, 7]), index).tolist() == [7, 5]


def test_progress_is_told():
    told = []
    encode(subject(doubled), "image", list(range(5)), batch_size=2, progress=lambda *row: told.append(row))
    assert told == [("encoding image", 2, 5), ("encoding image", 4, 5), ("encoding image", 5, 5)]


def test_errors_name_the_encoder_and_keep_their_cause():
    def fails(items):
        raise KeyError("pixel_values")

    with pytest.raises(
        SubjectError, match=r"the image encoder raised KeyError on a batch of 2: 'pixel_values'"
    ) as e:
        encode(subject(fails), "image", [1, 2])
    assert isinstance(e.value.__cause__, KeyError)
    with pytest.raises(SubjectError, match="no audio encoder, only image and text"):
        encode(subject(doubled), "audio", [1])


def test_an_error_without_words_is_one_line_too():
    def fails(items):
        raise RuntimeError

    with pytest.raises(SubjectError, match=r"raised RuntimeError on a batch of 1: $"):
        encode(subject(fails), "image", [1])


def test_interrupts_pass_through():
    def stops(items):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(subject(stops), "image", [1])


def test_rows_without_a_column_are_refused():
    with pytest.raises(SubjectError, match=r"float64 of shape \(3, 0\); expected real numbers of shape"):
        encode(subject(lambda items: np.zeros((len(items), 0))), "image", [1, 2, 3])
    with pytest.raises(
        SubjectError, match=r"image embeddings have shape \(5, 0\); expected \(items, width\)"
    ):
        as_subject({"image": np.zeros((5, 0)), "text": np.zeros((5, 0))})
