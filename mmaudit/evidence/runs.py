"""When a run took place and what it is called: the only facts that two equal runs may differ in."""

import datetime
import os
import secrets
from collections.abc import Mapping

from mmaudit.errors import BundleError
from mmaudit.evidence.records import RunInfo

__all__ = ["now", "run_info", "timestamp"]

_EPOCH = "SOURCE_DATE_EPOCH"


def now() -> datetime.datetime:
    """Return the time in UTC: the environment's ``SOURCE_DATE_EPOCH`` where it is set, else the clock's.

    The variable is that of reproducible-builds.org. Raises :class:`BundleError` on a value that is no time.
    """
    fixed = os.environ.get(_EPOCH)
    if fixed is None:
        return datetime.datetime.now(datetime.timezone.utc)
    try:
        return datetime.datetime.fromtimestamp(int(fixed), datetime.timezone.utc)
    except (ValueError, OverflowError, OSError) as error:
        raise BundleError(
            f"{_EPOCH} is {fixed[:40]!r}; expected whole seconds since 1970-01-01, or unset it"
        ) from error


def timestamp(moment: datetime.datetime) -> str:
    """Return ``moment`` (UTC) as ISO 8601 to the second: ``2026-01-31T12:00:00Z``."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def run_info(
    started: datetime.datetime,
    *,
    settings_digest: str,
    durations: Mapping[str, float],
    exit_status: int,
    workers: int,
    executor: str = "local",
) -> RunInfo:
    """Return the facts of a run that began at ``started`` (from :func:`now`) and ends now.

    Under ``SOURCE_DATE_EPOCH`` nothing of the clock, of chance or of who did the work is left: the run id
    ends in the digest of the settings, seed included, durations are dropped, and neither workers nor executor
    are recorded. Equal runs then give the same archive to the byte.
    """
    fixed = _EPOCH in os.environ
    suffix = settings_digest[:8] if fixed else secrets.token_hex(4)
    return RunInfo(
        run_id=f"{started:%Y%m%d-%H%M%S}-{suffix}",
        started=timestamp(started),
        finished=timestamp(now()),
        durations={} if fixed else durations,
        exit_status=exit_status,
        workers=None if fixed else workers,
        executor=None if fixed else executor,
    )
