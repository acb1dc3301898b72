"""The baseline of a run: found and checked before anything is measured, compared and saved at the end."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from mmaudit.auditing import conditions, side
from mmaudit.comparison import ARRAYS, Comparison, Conditions, Side, check_comparable, compare, side_of
from mmaudit.errors import MMAuditError
from mmaudit.evidence import Bundle
from mmaudit.evidence.reading import read
from mmaudit.evidence.store import FOLDER, check_name, resolve, save
from mmaudit.gates import Auditor, Outcome

__all__ = ["Baseline", "prepare"]


@dataclasses.dataclass(frozen=True)
class Baseline:
    """What a run is compared with, if with anything, and under which name it is saved, if under any.

    An empty ``name`` stands for the digest of the evidence, which is known only at the end.
    """

    folder: Path
    name: str | None = None
    before: Side | None = None
    shared: Conditions | None = None

    def compared(self, auditor: Auditor, outcomes: Sequence[Outcome]) -> Comparison | None:
        """Return the comparison of the finished run with its baseline, ``None`` where it has none."""
        if self.before is None or self.shared is None:
            return None
        return compare(self.before, side(auditor, outcomes, self.shared))

    def saved(self, bundle: Bundle, comparison: Comparison | None, unfinished: int) -> str | None:
        """Save the bundle where that was asked for, and return the line that says so, or why it was not.

        A run that got worse, or did not finish, is no baseline: the next run would be held to less. Raises
        :class:`BundleError` where it cannot be written.
        """
        if self.name is None:
            return None
        if comparison is not None and comparison.regressed:
            return "not saved: this run is worse than its baseline"
        if unfinished:
            return f"not saved: {unfinished} of the collected tests did not finish"
        path = save(bundle.archive, self.folder, self.name or bundle.digest[:12])
        return f"saved:    {path.relative_to(self.folder.parent)}"


def prepare(config: pytest.Config, auditor: Auditor) -> Baseline:
    """Return the baseline that the options or ini keys name.

    Raises :class:`pytest.UsageError`, one line, where there is none, where it does not verify, and where its
    items or settings are other ones: an audit of an hour must not end with that.
    """
    folder = config.rootpath / FOLDER
    spec, name = _given(config, "baseline"), _given(config, "save")
    option = "--mmaudit-save"
    try:
        if name:
            check_name(name)
        if not spec:
            return Baseline(folder, name)
        option = "--mmaudit-baseline"
        path = resolve(spec, folder, config.invocation_params.dir, config.rootpath)
        before, shared = side_of(read(path, ARRAYS)), conditions(auditor)
        check_comparable(before.conditions, shared)
    except MMAuditError as error:
        raise pytest.UsageError(f"{option}: {error}") from error
    return Baseline(folder, name, before, shared)


def _given(config: pytest.Config, key: str) -> str | None:
    option: str | None = config.getoption(f"mmaudit_{key}")
    return config.getini(f"mmaudit_{key}") if option is None else option
