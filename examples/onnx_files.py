"""Audit a pair of ONNX files, without the library that trained what is in them.

The built-in aligner is trained and its two encoders are written as ``image.onnx`` and ``text.onnx``, node
by node. Needs ``onnx`` to write them and ``onnxruntime`` to audit them. Run ``python
examples/onnx_files.py``; for files of your own ``pytest --mmaudit --mmaudit-subject=FOLDER``.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

import mmaudit
from mmaudit.aligner import preset
from mmaudit.subjects.reference import reference_subject, reference_world

__all__ = ["export", "main"]


def export(folder: Path) -> dict[str, Path]:
    """Train the built-in aligner and write an ONNX file a modality; return their paths."""
    training = reference_subject().training
    assert training is not None
    leak = preset("standard")[0].leak
    paths = {}
    for modality in ("image", "text"):
        layers = {name: training.weights[f"{modality}.{name}"] for name in ("w1", "b1", "w2", "b2")}
        paths[modality] = _written(folder / f"{modality}.onnx", layers, leak)
    return paths


def _written(path: Path, layers: Mapping[str, npt.NDArray[np.float32]], leak: float) -> Path:
    """Write ``leaky_relu(x w1 + b1) w2 + b2`` with a free batch axis."""
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "w1", "b1"], ["before"]),
            helper.make_node("LeakyRelu", ["before"], ["hidden"], alpha=leak),
            helper.make_node("Gemm", ["hidden", "w2", "b2"], ["embedding"]),
        ],
        path.stem,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", layers["w1"].shape[0]])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", layers["w2"].shape[1]])],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in layers.items()],
    )
    # An older version of the format than the library's newest, which more runtimes read.
    onnx.save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def main() -> None:
    """Write the two files and audit their folder on the features of the world."""
    with tempfile.TemporaryDirectory() as folder:
        export(Path(folder))
        result = mmaudit.audit(folder, reference_world().audit_pairs("features"))
    identity = result.auditor.subject.identity
    print(f"## {identity.name}.onnx: {result.verdict.value}\n\n{result}\n")
    print(f"Read as: {identity.adapter}, sha256 of both files {identity.weights_sha256}\n")
    print(
        "Notice: the audit ran the files themselves, so consistency, twins and counterfactuals are "
        "evidenced; of embeddings saved from them they would not be. What only the trainer knows stays "
        "NOT EVIDENCED."
    )


if __name__ == "__main__":
    main()
