"""``python -m mmaudit`` is the command ``mmaudit``."""

import sys

from mmaudit.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
