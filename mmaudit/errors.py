"""Errors a user can mend. Every message is one line: what is wrong, where, and the way out."""

__all__ = [
    "BundleError",
    "ControlError",
    "ExecutorError",
    "InputError",
    "MMAuditError",
    "SettingsError",
    "SubjectError",
]


class MMAuditError(Exception):
    """Base of every error that this package raises on purpose."""


class InputError(MMAuditError, ValueError):
    """Data given to the audit cannot be used: wrong shape, not finite, unequal counts."""


class SettingsError(MMAuditError, ValueError):
    """A setting is unknown, of the wrong type, or contradicts another."""


class SubjectError(MMAuditError):
    """The audited encoder broke its contract: it raised, or returned something that is no embedding."""


class BundleError(MMAuditError):
    """An evidence bundle cannot be written or read."""


class ExecutorError(MMAuditError):
    """Work cannot be done where it was to run: no scheduler, no worker, or one that is not like this one."""


class ControlError(MMAuditError):
    """A gate cannot be made to reject by its own planted damage, so its acceptance means nothing."""
