"""The command line: ``mmaudit verify``."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from mmaudit import __version__

__all__ = ["main"]

_USAGE = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (default: the process's) and return its exit status.

    0: verified; 1: tampered or invalid; 2: wrong usage, or nothing there to verify.
    """
    arguments = _parser().parse_args(argv)
    status: int = arguments.run(arguments)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mmaudit", description="Read the evidence of `pytest --mmaudit`.")
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_verify(commands)
    return parser


class _Version(argparse.Action):
    """Print the version, in one line whatever the width of the terminal."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"mmaudit {__version__}")
        parser.exit()


def _add_verify(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "verify",
        help="check that a bundle is intact and consistent",
        description="Check a bundle, zip or run directory. Exit status 0: verified; 1: tampered or invalid; "
        "2: wrong usage, or nothing to verify. Nothing is extracted.",
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="the zip or the run directory")
    parser.add_argument(
        "--expect-sha256",
        type=_sha256,
        metavar="HEX",
        help="fail unless this is the evidence digest or the archive's SHA-256",
    )
    parser.set_defaults(run=_verify)


def _sha256(text: str) -> str:
    digest = text.strip().lower().removeprefix("sha256:")
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise argparse.ArgumentTypeError("a SHA-256 is 64 hexadecimal digits")
    return digest


def _verify(arguments: argparse.Namespace) -> int:
    from mmaudit.errors import BundleError
    from mmaudit.evidence.verify import verify

    try:
        found = verify(arguments.path)
    except BundleError as error:
        print(f"mmaudit verify: {error}", file=sys.stderr)
        return _USAGE
    problems = list(found.problems)
    expected = arguments.expect_sha256
    if expected is not None and expected not in (found.digest, found.archive_sha256):
        problems.append(f"neither digest is the expected {expected}")
    print(f"{'NOT VERIFIED' if problems else 'verified'}: {_printable(str(arguments.path))}")
    for problem in problems:
        print(f"  problem          {_printable(problem)}")
    if found.digest is not None:
        print(f"  evidence digest  {found.digest}  (every file but run.json)")
    if found.archive_sha256 is not None:
        print(f"  archive sha256   {found.archive_sha256}  (every byte of the zip)")
    if problems:
        return 1
    print(f"  outcomes         {', '.join(f'{n} {verdict}' for verdict, n in found.summary.items())}")
    print("  Integrity was checked, not authorship: the bundle is unsigned. Compare a digest with a copy")
    print("  kept elsewhere, such as the log of the run that wrote it, or give it as --expect-sha256.")
    return 0


def _printable(text: str) -> str:
    # A hostile file name must not reach the terminal as control sequences.
    return "".join(c if c.isprintable() else "?" for c in text).encode("ascii", "replace").decode()
