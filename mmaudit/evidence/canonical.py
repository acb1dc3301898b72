"""JSON in its one canonical form (RFC 8785), and a reader that accepts nothing else."""

import json
import math
import re
from typing import Any, NoReturn

from mmaudit.errors import BundleError

__all__ = ["MAX_DEPTH", "MAX_JSON_BYTES", "MAX_NODES", "dumps", "loads"]

MAX_DEPTH = 64
MAX_NODES = 100_000
MAX_JSON_BYTES = 4 * 2**20

_EXACT = 2**53 - 1
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def dumps(obj: Any) -> bytes:
    """Return ``obj`` (None, bool, int, float, str, list, tuple, dict) as RFC 8785 bytes.

    Raises :class:`BundleError` naming the JSON path of what JSON cannot hold: NaN, infinity, integers beyond
    ±(2^53 − 1), keys that are no strings, lone surrogates, other types, more than 64 levels.
    """
    import rfc8785

    _inspect(obj)
    return rfc8785.dumps(obj)


def loads(data: bytes, *, canonical: bool = True) -> Any:
    """Parse one JSON document, refusing everything that two readers could take differently.

    Raises :class:`BundleError` on invalid UTF-8 or JSON, duplicate keys, NaN, infinity, numbers that
    overflow a double, integers a double cannot hold, more than 64 levels, 4 MiB or 100 000 values, and,
    unless ``canonical`` is false, on any byte that differs from the RFC 8785 form of what was read. In that
    form an integral double from 2^53 to 10^21 has no decimal point, so such a token is read as a float.
    """
    import rfc8785

    if len(data) > MAX_JSON_BYTES:
        raise BundleError(f"JSON of {len(data)} bytes is over the limit of {MAX_JSON_BYTES}")
    try:
        obj = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_constant,
        )
    except UnicodeDecodeError as error:
        raise BundleError(f"JSON is not UTF-8: {error.reason} at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise BundleError(f"not JSON: {error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise BundleError(f"JSON is nested deeper than {MAX_DEPTH} levels") from error
    _inspect(obj)
    if canonical and rfc8785.dumps(obj) != data:
        raise BundleError("JSON is not in its canonical form (RFC 8785)")
    return obj


def _inspect(root: Any) -> None:
    """Walk ``root`` without recursion and raise on the first value canonical JSON cannot hold."""
    pending: list[tuple[Any, str, int]] = [(root, "$", 1)]
    nodes = 1
    while pending:
        value, path, depth = pending.pop()
        if isinstance(value, dict | list | tuple):
            nodes += len(value)
            if nodes > MAX_NODES:
                raise BundleError(f"JSON holds more than {MAX_NODES} values; store arrays as .npy instead")
            if depth > MAX_DEPTH:
                raise BundleError(f"{path[:80]}… is nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, dict):
            for key, item in value.items():
                if not isinstance(key, str):
                    raise BundleError(f"{path} has the key {key!r}; JSON keys are strings, convert it")
                _text(key, path)
                step = f".{key}" if _PLAIN_KEY.match(key) else f"[{key!r}]"
                pending.append((item, path + step, depth + 1))
        elif isinstance(value, list | tuple):
            pending.extend((item, f"{path}[{i}]", depth + 1) for i, item in enumerate(value))
        else:
            _scalar(value, path)


def _scalar(value: Any, path: str) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        _text(value, path)
    elif isinstance(value, int):
        if abs(value) > _EXACT:
            raise BundleError(
                f"{path} is an integer beyond ±(2^53 − 1), which JSON readers round; use a string"
            )
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise BundleError(f"{path} is {value}; JSON has no such number, record null and the reason")
    else:
        raise BundleError(f"{path} is of type {type(value).__name__}; convert it to a builtin type")


def _text(value: str, path: str) -> None:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BundleError(f"{path} holds a lone surrogate; decode the text properly") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise BundleError(f"JSON has the duplicate key {twice[:60]!r}")
    return row


def _integer(token: str) -> int | float:
    # 10^21 is where RFC 8785 turns to exponents; longer tokens also cost quadratic time to convert.
    if len(token) > 22:
        raise BundleError(f"JSON holds an integer of {len(token)} digits")
    value = int(token)
    return value if abs(value) <= _EXACT else float(value)


def _number(token: str) -> float:
    value = float(token)
    if not math.isfinite(value):
        raise BundleError(f"JSON holds the number {token[:40]}, which overflows a double")
    return value


def _constant(token: str) -> NoReturn:
    raise BundleError(f"JSON holds {token}, which is no JSON number")
