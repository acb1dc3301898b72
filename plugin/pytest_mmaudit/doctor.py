"""``--mmaudit-doctor``: the adapter's checks, printed; no test is collected and no evidence written."""

import pytest

from mmaudit.errors import MMAuditError
from mmaudit.subjects.doctor import examine
from pytest_mmaudit import resolve

__all__ = ["main"]


def main(config: pytest.Config) -> int:
    """Examine the subject that an audit would find, and return the exit status: 0 sound, 1 broken.

    Raises :class:`pytest.UsageError` where there is no subject, or none that can be read.
    """
    settings = resolve.settings(config)
    subject = resolve.subject(config, settings.subject)
    if subject is None:
        raise pytest.UsageError(
            "--mmaudit-doctor has nothing to examine; name the subject with --mmaudit-subject, or give it by "
            "the hook pytest_mmaudit_subject"
        )
    try:
        examination = examine(subject, resolve.data(config, settings))
    except MMAuditError as error:
        raise pytest.UsageError(str(error)) from error
    print(examination)
    return int(pytest.ExitCode.OK if examination.sound else pytest.ExitCode.TESTS_FAILED)
