"""What is audited: the subject protocol and the ways to get one."""

from mmaudit.subjects.adapt import as_subject
from mmaudit.subjects.subject import Encoder, Identity, Subject, Training, TrainingFault, View

__all__ = ["Encoder", "Identity", "Subject", "Training", "TrainingFault", "View", "as_subject"]
