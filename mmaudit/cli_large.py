"""The command ``mmaudit large``: embeddings larger than memory, from files to verdicts and a record."""

import argparse
import hashlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

__all__ = ["add"]

if TYPE_CHECKING:
    from mmaudit.scale import LargeAudit
    from mmaudit.settings import Settings

_BLOCK = 1 << 22
_STATUS = {"ACCEPT": 0, "REJECT": 1, "INCONCLUSIVE": 3}


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of the command line."""
    parser = commands.add_parser(
        "large",
        help="audit embeddings larger than memory",
        description="Decide the gates that embeddings alone decide, reading the files by and by. Limits, "
        "confidence, alpha and executor are those of [tool.mmaudit] in ./pyproject.toml. Exit status 0: "
        "accepted; 1: rejected; 2: wrong usage, or files that cannot be used; 3: neither is evidenced.",
    )
    parser.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="one file that holds both sides, or one file a side with a row a pair: .npy and .safetensors "
        "are read by and by, .parquet is unpacked to TMPDIR first, .npz is loaded",
    )
    parser.add_argument("--groups", type=Path, metavar="NPY", help="(n,) labels; equal ones mean the same")
    parser.add_argument("--trusted", type=Path, metavar="NPY", help="(n,) bool; pairs known to be right")
    parser.add_argument("--similarity", choices=("cosine", "dot"), default="cosine")
    parser.add_argument("--seed", type=int, help="of the draw of queries (default: the settings')")
    parser.add_argument("--queries", type=int, metavar="N", help="most that are ranked")
    parser.add_argument("--executor", metavar="WHERE", help="local, or dask://host:port")
    parser.add_argument("--out", type=Path, metavar="JSON", help="also write what was decided to this file")
    parser.set_defaults(run=_large)


def _large(arguments: argparse.Namespace) -> int:
    from mmaudit.errors import InputError, MMAuditError

    try:
        # Before anything is read: an hour's audit shall not end at a folder that is not there.
        if arguments.out is not None and not arguments.out.absolute().parent.is_dir():
            raise InputError(f"--out {arguments.out}: no such folder")
        found, record = _audited(arguments)
        if arguments.out is not None:
            _write(arguments.out, record)
    except (MMAuditError, OSError) as error:
        line = (str(error).splitlines() or [""])[0]
        print("mmaudit large: " + "".join(c if c.isprintable() else "?" for c in line), file=sys.stderr)
        return 2
    print(found)
    return _STATUS[found.verdict.value]


def _audited(arguments: argparse.Namespace) -> "tuple[LargeAudit, dict[str, Any]]":
    import numpy as np

    from mmaudit import __version__
    from mmaudit.errors import InputError
    from mmaudit.scale import audit_large, open_pair, open_rows

    settings = _settings(arguments)
    if len(arguments.files) > 2:
        raise InputError(f"{len(arguments.files)} files; give one that holds both sides, or one a side")
    if arguments.queries is not None and arguments.queries < 1:
        raise InputError(f"--queries is {arguments.queries}; give at least 1")
    if len(arguments.files) == 1:
        sides = open_pair(arguments.files[0])
    else:
        stems = [path.stem for path in arguments.files]
        names = stems if len(set(stems)) == 2 else ["first", "second"]
        sides = {name: open_rows(path) for name, path in zip(names, arguments.files, strict=True)}
    groups = None if arguments.groups is None else np.asarray(_labels(arguments.groups))
    (first, x), (second, y) = sides.items()
    found = audit_large(
        x,
        y,
        groups=groups,
        trusted=None if arguments.trusted is None else _labels(arguments.trusted),
        similarity=arguments.similarity,
        modalities=(first, second),
        settings=settings,
        progress=_shown if sys.stderr.isatty() else None,
        **({} if arguments.queries is None else {"queries": arguments.queries}),
    )
    read = [*arguments.files, *(path for path in (arguments.groups, arguments.trusted) if path is not None)]
    return found, {
        "mmaudit": __version__,
        "verdict": found.verdict.value,
        "modalities": [first, second],
        "pairs": found.pairs,
        "pilot_pairs": found.pilot,
        "width": x.shape[1],
        "similarity": arguments.similarity,
        "settings": {**settings.as_dict(), "digest": settings.digest()},
        "inputs_sha256": {path.name: _sha256(path) for path in read},
        "decisions": [decision.record() for decision in found.decisions],
        "figures": [figure.record() for figure in found.figures],
    }


def _settings(arguments: argparse.Namespace) -> "Settings":
    from mmaudit.gates import load_settings

    path = Path("pyproject.toml")
    return load_settings(path if path.exists() else None, seed=arguments.seed, executor=arguments.executor)


def _labels(path: Path) -> Any:
    import numpy as np

    from mmaudit.errors import InputError

    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        why = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise InputError(f"cannot read {path.name}: {why}") from error


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _write(path: Path, record: dict[str, Any]) -> None:
    from mmaudit.evidence import dumps

    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(dumps(record))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _shown(what: str, done: int, total: int) -> None:
    end = "\n" if done >= total else ""
    print(f"\r{what}: {done} of at most {total}", end=end, file=sys.stderr, flush=True)
