"""A pair of ONNX files, run by ONNX Runtime."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.errors import SubjectError
from mmaudit.subjects.fingerprint import fingerprint
from mmaudit.subjects.options import Options
from mmaudit.subjects.subject import Encoder, Identity, Subject
from mmaudit.subjects.tensors import to_numpy

__all__ = ["from_onnx", "onnx_subject"]

Preprocess = Callable[[Sequence[Any]], Any]

_KINDS = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
}
_EXTERNAL = re.compile(rb"\x0a\x08location\x12(.)", re.DOTALL)
"""Where a serialised tensor names the file that its bytes are in: a StringStringEntry, key ``location``."""


def from_onnx(obj: Any, options: Options) -> Subject | None:
    """Adapt two ONNX files: a mapping of modality to path, a pair of paths, or a folder that holds two.

    In a folder each file is named after its modality, ``image.onnx`` and ``text.onnx``.
    """
    if isinstance(obj, Path) and obj.is_dir():
        obj = {path.stem: path for path in sorted(obj.glob("*.onnx"))}
        if len(obj) != 2:
            raise SubjectError(f"the folder holds {len(obj)} .onnx files; expected two, named by modality")
    if isinstance(obj, (tuple, list)) and len(obj) == 2 and all(map(_is_onnx, obj)):
        obj = dict(zip(options.pair, obj, strict=True))
    if not isinstance(obj, Mapping) or not obj or not all(map(_is_onnx, obj.values())):
        return None
    return onnx_subject(obj, options=options)


def _is_onnx(value: Any) -> bool:
    return isinstance(value, (str, Path)) and str(value).endswith(".onnx")


def onnx_subject(
    files: Mapping[str, str | Path],
    *,
    preprocess: Mapping[str, Preprocess] | None = None,
    providers: Sequence[str] = ("CPUExecutionProvider",),
    options: Options | None = None,
) -> Subject:
    """Return the subject that runs one ONNX file a modality.

    ``preprocess`` maps a modality to what is done to m inputs before they are fed: it returns one array, or a
    mapping of input names to arrays. Without it they are stacked. A file needs a free batch axis, and one
    output of shape (m, d). ``providers`` are those of ONNX Runtime. Raises :class:`SubjectError`.
    """
    options = options or Options()
    try:
        import onnxruntime
    except ImportError as error:
        raise SubjectError("ONNX files need ONNX Runtime; pip install 'mmaudit[onnx]'") from error
    preprocess = preprocess or {}
    encoders: dict[str, Encoder] = {}
    h = hashlib.sha256()
    for modality, file in files.items():
        path = Path(file)
        try:
            session = onnxruntime.InferenceSession(str(path), providers=list(providers))
            for part in _parts(path):
                h.update(hashlib.sha256(part.read_bytes()).digest())
        except Exception as error:  # ONNX Runtime's errors share no base class with a name of their own
            why = "no such file" if not path.is_file() else (str(error).splitlines() or [""])[0][:200]
            raise SubjectError(f"cannot read {path.name}: {why.replace(str(path), path.name)}") from error
        encoders[modality] = _encoder(session, path.name, preprocess.get(modality))
    digest = h.hexdigest()
    return Subject(
        encoders=encoders,
        identity=Identity(
            name=options.name or " and ".join(Path(file).stem for file in files.values()),
            adapter="ONNX Runtime",
            weights_sha256=digest,
        ),
        fingerprint=fingerprint(digest, options, sorted(preprocess.items()), list(providers)),
    )


def _parts(path: Path) -> Iterable[Path]:
    """Return the file, and those beside it that hold its larger weights."""
    content = path.read_bytes()
    names = {
        content[m.end() : m.end() + m[1][0]].decode("utf-8", "replace") for m in _EXTERNAL.finditer(content)
    }
    return [path, *(path.parent / name for name in sorted(names))]


def _encoder(session: Any, name: str, preprocess: Preprocess | None) -> Encoder:
    wanted = {one.name: one for one in session.get_inputs()}
    for one in wanted.values():
        if one.shape and isinstance(one.shape[0], int) and one.shape[0] != 1:
            raise SubjectError(
                f"{name} was exported for batches of {one.shape[0]}; export it with a free batch axis"
            )
    one_by_one = any(one.shape and one.shape[0] == 1 for one in wanted.values())
    output = _output(session, name)

    def feeds(inputs: Sequence[Any]) -> dict[str, npt.NDArray[Any]]:
        given = preprocess(inputs) if preprocess is not None else np.stack([np.asarray(i) for i in inputs])
        if not isinstance(given, Mapping):
            if len(wanted) != 1:
                raise SubjectError(
                    f"{name} takes {', '.join(wanted)}; give preprocess that returns them by name"
                )
            given = {next(iter(wanted)): given}
        if missing := sorted(set(wanted) - set(given)):
            raise SubjectError(f"{name} is not given its input {', '.join(missing)}")
        return {key: _typed(to_numpy(given[key]), one.type, name) for key, one in wanted.items()}

    def encode(inputs: Sequence[Any]) -> npt.NDArray[Any]:
        fed = feeds(inputs)
        if not one_by_one:
            return np.asarray(session.run([output], fed)[0])
        rows = ({key: array[i : i + 1] for key, array in fed.items()} for i in range(len(inputs)))
        return np.concatenate([session.run([output], row)[0] for row in rows])

    return encode


def _typed(array: npt.NDArray[Any], kind: str, name: str) -> npt.NDArray[Any]:
    if array.dtype.kind not in "fiub":
        raise SubjectError(
            f"{name} takes numbers and is given {array.dtype}; give preprocess for this modality"
        )
    return array.astype(_KINDS.get(kind, array.dtype), copy=False)


def _output(session: Any, name: str) -> str:
    """Return the only output of shape (m, d)."""
    matrices = [one.name for one in session.get_outputs() if len(one.shape) == 2]
    if len(matrices) > 1:
        matrices = [n for n in matrices if "embed" in n] or matrices
    if len(matrices) != 1:
        shapes = ", ".join(f"{one.name} {list(one.shape)}" for one in session.get_outputs())
        raise SubjectError(f"{name} has no single output of shape (m, d), only {shapes}; export that alone")
    return str(matrices[0])
