"""The hooks that a project may implement, each with an example to copy into ``conftest.py``."""

from typing import Any

import pytest

__all__ = ["pytest_mmaudit_subject"]


@pytest.hookspec(firstresult=True)
def pytest_mmaudit_subject(config: pytest.Config) -> Any:
    """Return what is audited: anything that :func:`mmaudit.subjects.as_subject` takes.

    Called once a process when neither ``--mmaudit-subject`` nor the ini key ``mmaudit_subject`` nor
    ``[tool.mmaudit] subject`` is given; the first result that is not ``None`` counts, and
    there must be one. Example::

        def pytest_mmaudit_subject(config):
            import my_model

            model = my_model.load("checkpoints/latest.npz")
            return {"image": model.embed_images, "text": model.embed_captions}
    """
