"""A pair of ONNX files, exported here from a model or put together node by node."""

import numpy as np
import pytest

import mmaudit
from mmaudit.errors import SubjectError
from mmaudit.gates import Auditor, Verdict
from mmaudit.subjects import as_subject
from mmaudit.subjects.onnx import onnx_subject

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

ITEMS, READS, WIDTH = 50, 6, 4
RNG = np.random.default_rng(0)
WEIGHTS = RNG.standard_normal((READS, WIDTH)).astype(np.float32)
INPUTS = RNG.standard_normal((ITEMS, READS)).astype(np.float32)


def linear(path, weights=WEIGHTS, batch="n", outputs=("embeds",), external=False, kind=TensorProto.FLOAT):
    """Write ``x @ weights`` as an ONNX file; each output is a copy of the result."""
    names = [helper.make_tensor_value_info(o, TensorProto.FLOAT, [batch, WIDTH]) for o in outputs]
    nodes = [helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT)]
    nodes += [helper.make_node("MatMul", ["f", "w"], [o]) for o in outputs]
    given = helper.make_tensor_value_info("x", kind, [batch, READS])
    graph = helper.make_graph(nodes, "g", [given], names, [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    if external:
        onnx.save_model(
            model, path, save_as_external_data=True, location=f"{path.name}.weights", size_threshold=0
        )
    else:
        onnx.save_model(model, path)
    return path


@pytest.fixture
def files(tmp_path):
    return {m: linear(tmp_path / f"{m}.onnx") for m in ("image", "text")}


@pytest.fixture
def pairs():
    return mmaudit.Pairs(inputs={"image": INPUTS, "text": list(INPUTS)})


@pytest.mark.parametrize("how", ["mapping", "pair", "folder", "folder as text"])
def test_two_files(files, pairs, tmp_path, how):
    given = {
        "mapping": files,
        "pair": tuple(files.values()),
        "folder": tmp_path,
        "folder as text": str(tmp_path),
    }
    subject = as_subject(given[how])
    assert subject.identity.adapter == "ONNX Runtime"
    assert subject.identity.name == "image and text"
    x, y = Auditor(subject, pairs).material.served()
    assert np.allclose(x, INPUTS @ WEIGHTS, atol=1e-6)
    assert np.array_equal(x, y)
    assert Auditor(subject, pairs).run("consistency", control=False).verdict is Verdict.ACCEPT


def test_the_digest_is_that_of_the_weights_wherever_they_lie(tmp_path):
    def digests(name, **how):
        subject = as_subject((linear(tmp_path / f"{name}.onnx", **how), linear(tmp_path / "same.onnx")))
        return subject.identity.weights_sha256, subject.fingerprint

    first = digests("a")
    assert digests("a") == first
    assert digests("a", weights=WEIGHTS + 1) != first
    outside = digests("b", external=True)
    assert (tmp_path / "b.onnx.weights").stat().st_size == WEIGHTS.nbytes
    assert digests("b", external=True, weights=WEIGHTS + 1) != outside
    assert None not in (*first, *outside)


def test_texts_are_read_through_preprocess(files):
    def lengths(texts):
        return np.array([[len(text)] * READS for text in texts])

    subject = onnx_subject(files, preprocess={"text": lengths})
    assert np.allclose(subject.encoders["text"](["ab"])[0], 2 * WEIGHTS.sum(axis=0), atol=1e-5)
    with pytest.raises(SubjectError, match=r"image.onnx takes numbers and is given <U2; give preprocess"):
        subject.encoders["image"](["ab"])


def test_an_export_for_one_item_is_run_item_by_item(tmp_path):
    one = linear(tmp_path / "image.onnx", batch=1)
    assert np.allclose(as_subject((one, one)).encoders["image"](INPUTS), INPUTS @ WEIGHTS, atol=1e-6)


def test_the_embeddings_are_found_among_several_outputs(tmp_path):
    named = linear(tmp_path / "image.onnx", outputs=("hidden", "text_embeds"))
    assert as_subject((named, named)).encoders["image"](INPUTS).shape == (ITEMS, WIDTH)


@pytest.mark.filterwarnings("ignore")  # of PyTorch's own exporter
def test_an_exported_module_gives_what_the_module_gives(torch, tmp_path):
    pytest.importorskip("onnxscript", reason="torch.onnx.export needs onnxscript")
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(READS, 8), torch.nn.GELU(), torch.nn.Linear(8, WIDTH)).eval()
    path = tmp_path / "image.onnx"
    batch = torch.export.Dim("batch")
    torch.onnx.export(model, (torch.from_numpy(INPUTS[:2]),), path, dynamic_shapes=({0: batch},))
    expected = model(torch.from_numpy(INPUTS)).detach().numpy()
    assert np.allclose(as_subject((path, path)).encoders["image"](INPUTS), expected, atol=1e-5)


def broken(folder):
    (folder / "text.txt.onnx").write_text("no model")
    linear(folder / "eight.onnx", batch=8)
    linear(folder / "two.onnx", outputs=("a", "b"))
    whole = linear(folder / "whole.onnx", external=True)
    (folder / "whole.onnx.weights").unlink()
    return whole


BROKEN = {
    "missing.onnx": "cannot read missing.onnx: no such file",
    "text.txt.onnx": "cannot read text.txt.onnx: ",
    "whole.onnx": "cannot read whole.onnx: ",
    "eight.onnx": "eight.onnx was exported for batches of 8; export it with a free batch axis",
    "two.onnx": r"two.onnx has no single output of shape \(m, d\), only a \['n', 4\], b",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_one_line(tmp_path, name):
    broken(tmp_path)
    with pytest.raises(SubjectError, match=BROKEN[name]) as error:
        as_subject((tmp_path / name, linear(tmp_path / "good.onnx")))
    assert "\n" not in str(error.value)
    assert str(tmp_path) not in str(error.value)


def test_a_folder_of_other_than_two_files_is_refused(tmp_path):
    with pytest.raises(SubjectError, match=r"the folder holds 0 .onnx files; expected two"):
        as_subject(tmp_path)
