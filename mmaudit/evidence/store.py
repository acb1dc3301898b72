"""Bundles kept as baselines: numbered files ``0001_name.zip`` in one folder, never overwritten."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from mmaudit.errors import BundleError
from mmaudit.evidence.paths import PARTIAL

__all__ = ["FOLDER", "LATEST", "check_name", "nearest", "resolve", "save", "stored"]

FOLDER = ".mmaudit"
"""The folder's name below the root directory of a project."""
LATEST = "latest"

_STORED = re.compile(r"([0-9]{4,9})_[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.zip")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_WAIT_SECONDS = 60


def check_name(name: str) -> None:
    """Raise :class:`BundleError` unless ``name`` can be part of a file's name on every platform."""
    if not _NAME.fullmatch(name):
        raise BundleError(
            f"{name[:80]!r} cannot name a baseline; use up to 64 letters, digits, '_' and '-', "
            "beginning with a letter or digit"
        )


def nearest(start: Path) -> Path:
    """Return the folder of baselines in ``start`` or, where it has none, in the first above that has."""
    roots = (start, *start.absolute().parents)
    return next((root / FOLDER for root in roots if (root / FOLDER).is_dir()), start / FOLDER)


def stored(folder: Path) -> list[Path]:
    """Return the baselines in ``folder``, by number; none where there is no such folder."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise BundleError(f"cannot look for baselines in {str(folder)!r}: {error.strerror}") from error
    numbers = {name: int(match[1]) for name in names if (match := _STORED.fullmatch(name))}
    return [folder / name for name in sorted(numbers, key=lambda name: (numbers[name], name))]


def save(archive: Path, folder: Path, name: str) -> Path:
    """Copy the zip at ``archive`` into ``folder`` under the next number, and return where it lies now.

    The copy is flushed to the disk and appears under its name by renaming; the number is drawn under a lock,
    so two runs that save at once get two numbers. Raises :class:`BundleError` on a bad name or where the
    disk refuses; nothing half-written is left then.
    """
    import filelock

    check_name(name)
    partial = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".lock", timeout=_WAIT_SECONDS):
            descriptor, place = tempfile.mkstemp(prefix=".", suffix=PARTIAL, dir=folder)
            partial = Path(place)
            with open(descriptor, "wb") as copy, archive.open("rb") as original:
                shutil.copyfileobj(original, copy)
                copy.flush()
                os.fsync(copy.fileno())
            # A temporary file is private; a baseline is as readable as the archive it copies.
            shutil.copymode(archive, partial)
            target = folder / f"{_number(stored(folder)) + 1:04d}_{name}.zip"
            partial.rename(target)
            return target
    except (OSError, filelock.Timeout) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BundleError(f"cannot save a baseline into {str(folder)!r}: {reason}") from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


def resolve(spec: str, folder: Path, *start: Path) -> Path:
    """Return the bundle that ``spec`` means.

    ``latest``, a number (``3`` or ``0003``), ``0003_name`` or a name, of which the newest counts, mean a
    baseline in ``folder``; anything else is a path, looked for below each of ``start`` (default: the working
    directory). Raises :class:`BundleError` with what there is where that leads nowhere.
    """
    kept = stored(folder)
    if spec == LATEST:
        found = kept[-1:]
    else:
        number = int(spec) if spec.isascii() and spec.isdigit() else None
        found = [path for path in kept if _number([path]) == number or path.stem == spec]
        found += [path for path in reversed(kept) if path.stem.partition("_")[2] == spec]
        found += [path for path in (root / spec for root in start or (Path(),)) if path.exists()]
    if found:
        return found[0]
    known = ", ".join(path.stem for path in kept[-5:])
    way_out = f"the last stored are {known}" if known else "none is stored yet: keep one with --mmaudit-save"
    raise BundleError(f"no bundle or baseline {spec[:200]!r}; {way_out}")


def _number(paths: list[Path]) -> int:
    """Return the number of the last of ``paths``, 0 if there is none."""
    return int(paths[-1].name.partition("_")[0]) if paths else 0
