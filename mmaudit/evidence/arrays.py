"""Headers and values of stored arrays, checked a block at a time and without evaluating anything."""

import math
import re
from collections.abc import Iterator

from mmaudit.errors import BundleError
from mmaudit.evidence.canonical import loads
from mmaudit.evidence.sources import Source, blocks

__all__ = ["check_npy", "check_safetensors"]

_NPY_HEADER = re.compile(
    rb"\{'descr': '([<|])([biuf])([1248])', 'fortran_order': (?:False|True), "
    rb"'shape': \(((?:[0-9]{1,15}, ?)*(?:[0-9]{1,15})?)\), \} *\n\Z"
)
_TENSOR_TYPES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "U16": 2,
    "I16": 2,
    "U32": 4,
    "I32": 4,
    "U64": 8,
    "I64": 8,
    "F16": 2,
    "BF16": 2,
    "F32": 4,
    "F64": 8,
}
# All exponent bits set is how IEEE 754 and bfloat16 write infinity and NaN; testing bits needs no bfloat16.
_EXPONENT = {"F16": 0x7C00, "BF16": 0x7F80, "F32": 0x7F800000, "F64": 0x7FF0000000000000}
_MAX_HEADER = 2**20


def check_npy(source: Source, name: str) -> None:
    """Raise :class:`BundleError` unless ``name`` is a whole .npy file of finite numbers.

    Little-endian booleans, integers and floats of up to 64 bits; no objects, no structures, no pickles.
    """
    size = source.sizes[name]
    start = source.read(name, 0, min(size, 12))
    if start[:6] != b"\x93NUMPY" or start[6:8] not in (b"\1\0", b"\2\0"):
        raise BundleError("no .npy file of format 1.0 or 2.0")
    prefix = 10 if start[6:7] == b"\1" else 12
    end = prefix + int.from_bytes(start[8:prefix], "little")
    if end > min(size, _MAX_HEADER):
        raise BundleError("its header is longer than the file")
    match = _NPY_HEADER.match(source.read(name, prefix, end))
    if match is None:
        raise BundleError("its header does not describe an array of plain little-endian numbers")
    order, kind, width = match[1], match[2].decode(), int(match[3])
    if (order == b"|") != (width == 1) or (kind == "b" and width != 1) or (kind == "f" and width == 1):
        raise BundleError("its header names a number type that does not exist")
    shape = [int(n) for n in match[4].replace(b" ", b"").split(b",") if n]
    if len(shape) > 32 or math.prod(shape) * width != size - end:
        raise BundleError(f"it holds {size - end} bytes of values, which is not what its shape needs")
    if kind == "f":
        _check_finite(blocks(source, name, end, size), f"F{8 * width}")


def check_safetensors(source: Source, name: str) -> None:
    """Raise :class:`BundleError` unless ``name`` is a whole safetensors file of finite numbers.

    The tensors must fill the buffer without gap or overlap; metadata belongs into the manifest, not here.
    """
    size = source.sizes[name]
    end = 8 + int.from_bytes(source.read(name, 0, min(size, 8)), "little")
    if size < 8 or end > min(size, _MAX_HEADER):
        raise BundleError("its header is longer than the file")
    header = loads(source.read(name, 8, end), canonical=False)
    if not isinstance(header, dict) or "__metadata__" in header:
        raise BundleError("its header is not a table of tensors alone")
    spans = sorted((_span(row), str(row["dtype"])) for row in header.values())
    at = 0
    for (start, stop), dtype in spans:
        if start != at:
            raise BundleError("its tensors overlap or leave a gap")
        at = stop
        if dtype in _EXPONENT:
            _check_finite(blocks(source, name, end + start, end + stop), dtype)
    if end + at != size:
        raise BundleError("its tensors do not fill the file")


def _span(row: object) -> tuple[int, int]:
    if not isinstance(row, dict) or row.keys() != {"dtype", "shape", "data_offsets"}:
        raise BundleError("a tensor has other fields than dtype, shape and data_offsets")
    shape, offsets = row["shape"], row["data_offsets"]
    if row["dtype"] not in _TENSOR_TYPES or not _counts(shape) or not _counts(offsets) or len(offsets) != 2:
        raise BundleError("a tensor has an unknown dtype or a malformed shape")
    start, stop = offsets
    if stop - start != math.prod(shape) * _TENSOR_TYPES[row["dtype"]]:
        raise BundleError("a tensor's shape does not match its bytes")
    return start, stop


def _counts(value: object) -> bool:
    return isinstance(value, list) and len(value) <= 32 and all(type(n) is int and n >= 0 for n in value)


def _check_finite(pieces: Iterator[bytes], dtype: str) -> None:
    import numpy as np

    width, mask = _TENSOR_TYPES[dtype], _EXPONENT[dtype]
    rest = b""
    for piece in pieces:
        data = rest + piece
        cut = len(data) - len(data) % width
        rest = data[cut:]
        bits = np.frombuffer(data[:cut], dtype=f"<u{width}")
        if bool(((bits & mask) == mask).any()):
            raise BundleError("it holds NaN or infinity")
