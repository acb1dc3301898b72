"""The command line: ``mmaudit verify``, ``show``, ``compare``, ``attest``, ``keygen`` and ``large``."""

import argparse
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmaudit import __version__, cli_large

__all__ = ["main"]

if TYPE_CHECKING:
    from mmaudit.evidence import Review

_USAGE = 2
_WHICH = "the zip, the run directory, or the number or name of one saved in .mmaudit, or latest"
_UNAUTHENTICATED = 3
_BROKEN_PIPE = 128 + 13
"""What a shell shows of a program that the signal SIGPIPE has ended."""
_DOUBT = "NOT VERIFIED: nothing that this bundle says can be relied on"
_HEADLINES = {0: "verified", 1: "NOT VERIFIED", _UNAUTHENTICATED: "intact, but by whom is not verified"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (default: the process's) and return its exit status.

    0: done, or verified; 1: tampered or invalid, or a regression; 2: wrong usage, or nothing there; 3:
    intact, but nothing says who wrote it; 141: who read the output, such as ``head``, went away.
    """
    try:
        try:
            arguments = _parser().parse_args(argv)
            status: int = arguments.run(arguments)
            return status
        finally:
            print(end="", flush=True)
    except BrokenPipeError:
        # At its exit Python writes what is left once more, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mmaudit",
        description="Read the evidence of `pytest --mmaudit`; audit what is larger than memory.",
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_verify(commands)
    _add_attest(commands)
    _add_keygen(commands)
    _add_show(commands)
    _add_compare(commands)
    cli_large.add(commands)
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
        help="check that a bundle is intact and consistent, and who signed it",
        description="Check a bundle, zip or run directory. Exit status 0: verified by --key or "
        "--expect-sha256; 1: tampered, invalid, or not signed by the given key; 2: wrong usage, or nothing "
        "to verify; 3: intact, but neither was given. Nothing is extracted.",
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="the zip or the run directory")
    parser.add_argument(
        "--key", type=Path, metavar="PUB", help="fail unless the bundle is signed by this public key"
    )
    parser.add_argument(
        "--expect-sha256",
        type=_sha256,
        metavar="HEX",
        help="fail unless this is the evidence digest or the archive's SHA-256",
    )
    parser.add_argument(
        "--reviewer-key",
        type=Path,
        metavar="PUB",
        help="list the statements beside the bundle, and fail unless one is signed by this public key",
    )
    parser.set_defaults(run=_verify)


def _add_attest(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "attest",
        help="sign a statement on a bundle, beside it",
        description="Verify a bundle and sign a statement on it, in a file beside it. The bundle stays as it "
        "is.",
    )
    parser.add_argument("path", type=Path, metavar="BUNDLE", help="the zip or the run directory")
    parser.add_argument("--key", type=Path, metavar="PRIV", required=True, help="the reviewer's private key")
    parser.add_argument("--by", metavar="NAME", required=True, help="who states it")
    parser.add_argument("--statement", metavar="TEXT", required=True, help="what is stated")
    parser.set_defaults(run=_attest)


def _add_keygen(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "keygen",
        help="make a key pair to sign with",
        description="Write an Ed25519 private key to OUT, readable by its owner alone, and the public key to "
        "OUT.pub. Existing files are never overwritten.",
    )
    parser.add_argument("path", type=Path, metavar="OUT", help="where the private key goes")
    parser.set_defaults(run=_keygen)


def _add_show(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "show",
        help="show what a bundle says",
        description="Show the verdicts, notices and settings of a bundle. Exit status 0: shown; 1: it does "
        "not verify; 2: wrong usage, or nothing there. Nothing is extracted.",
    )
    parser.add_argument("bundle", metavar="BUNDLE", help=_WHICH)
    parser.add_argument(
        "--unverified", action="store_true", help="show what can be read of a bundle that does not verify"
    )
    parser.set_defaults(run=_show)


def _add_compare(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "compare",
        help="compare two audits of the same items",
        description="Compare two bundles of the same items and settings, item by item where that can be. "
        "Exit status 0: no regression; 1: a regression; 2: wrong usage, or not comparable.",
    )
    parser.add_argument("before", metavar="BEFORE", help=_WHICH)
    parser.add_argument("now", metavar="NOW", help=_WHICH)
    parser.add_argument(
        "--tolerance",
        type=_tolerance,
        action="append",
        metavar="CHECK=X",
        help="how much worse a check may get, in its own unit; repeatable; default: the settings of NOW",
    )
    parser.set_defaults(run=_compare)


def _tolerance(text: str) -> tuple[str, float]:
    match = re.fullmatch(r"([^=]+)=([0-9]*\.?[0-9]+)", text)
    if match is None:
        raise argparse.ArgumentTypeError("expected CHECK=X with a number X of at least 0")
    return match[1], float(match[2])


def _sha256(text: str) -> str:
    digest = text.strip().lower().removeprefix("sha256:")
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise argparse.ArgumentTypeError("a SHA-256 is 64 hexadecimal digits")
    return digest


def _verify(arguments: argparse.Namespace) -> int:
    from mmaudit.errors import BundleError
    from mmaudit.evidence import load_public, reviews, verify

    path = arguments.path
    try:
        key, reviewer = (
            None if given is None else load_public(given) for given in (arguments.key, arguments.reviewer_key)
        )
        found = verify(path, key=key, expected=arguments.expect_sha256)
        sha256 = found.archive_sha256
        beside = [] if reviewer is None or sha256 is None else reviews(path, sha256, reviewer)
    except BundleError as error:
        return _refused("verify", error)
    problems = list(found.problems)
    if reviewer is not None and all(review.fault is not None for review in beside):
        problems.append("no statement on this bundle is signed by the given reviewer's key")
    status = 1 if problems else found.status
    print(f"{_HEADLINES[status]}: {_printable(str(path))}")
    for problem in problems:
        print(f"  problem          {_printable(problem)}")
    if found.digest is not None:
        print(f"  evidence digest  {found.digest}  (every file but run.json and the signatures)")
    if found.archive_sha256 is not None:
        print(f"  archive sha256   {found.archive_sha256}  (every byte of the zip)")
    if found.key_id is not None:
        state = "verified" if found.authenticated == "signature" else "not checked: give its --key"
        print(f"  signed by key    {found.key_id}  ({'see the problems' if problems and key else state})")
    for review in beside:
        print(f"  review           {_printable(_in_words(review))}")
    if status == 1:
        return status
    print(f"  outcomes         {', '.join(f'{n} {verdict}' for verdict, n in found.summary.items())}")
    if status == _UNAUTHENTICATED:
        print(
            "  Integrity was checked, not authorship: who can rewrite a bundle can rewrite its digests. Give"
        )
        print("  the signer's public key as --key, or as --expect-sha256 a digest kept elsewhere, such as in")
        print("  the log of the run that wrote it.")
    return status


def _in_words(review: "Review") -> str:
    if review.fault is not None:
        return f"{review.path.name}: does not count: {review.fault}"
    return f"{review.time} {review.by}: {' '.join(review.statement.split())}"


def _attest(arguments: argparse.Namespace) -> int:
    from mmaudit.errors import BundleError
    from mmaudit.evidence import attest, load_private

    try:
        key = load_private(arguments.key)
        written = attest(arguments.path, key, by=arguments.by, statement=arguments.statement)
    except BundleError as error:
        return _refused("attest", error)
    print(f"attested: {_printable(str(written))}")
    return 0


def _keygen(arguments: argparse.Namespace) -> int:
    from mmaudit.errors import BundleError
    from mmaudit.evidence import generate

    try:
        key, public = generate(arguments.path)
    except BundleError as error:
        return _refused("keygen", error)
    print(f"private key  {_printable(str(arguments.path))}  (no passphrase: keep it as a secret)")
    print(f"public key   {_printable(str(public))}")
    print(f"key id       {key.key_id}")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from mmaudit.errors import BundleError
    from mmaudit.evidence.reading import read
    from mmaudit.evidence.store import nearest, resolve
    from mmaudit.report.show import SUSPECTS, show_lines

    try:
        contents = read(resolve(arguments.bundle, nearest(Path())), tuple(SUSPECTS))
    except BundleError as error:
        return _refused("show", error)
    if contents.problems:
        for line in (_DOUBT, *(f"  problem  {problem}" for problem in contents.problems)):
            print(_printable(line))
        if not arguments.unverified:
            print("  Give --unverified to see what can be read of it all the same.")
            return 1
    suspects = {path: rows.tolist() for path, rows in contents.arrays.items() if rows.ndim == 1}
    width = shutil.get_terminal_size().columns
    lines = show_lines(contents.documents, suspects, width=width, colour=sys.stdout.isatty())
    lines += [
        "",
        f"digest:   sha256 {contents.digest}",
        f"verify:   mmaudit verify {_printable(str(contents.path))}",
    ]
    for line in lines:
        print(_encodable(line))
    if contents.problems:
        print(_DOUBT)
    return 1 if contents.problems else 0


def _compare(arguments: argparse.Namespace) -> int:
    from mmaudit.comparison import ARRAYS, compare, side_of
    from mmaudit.errors import MMAuditError
    from mmaudit.evidence.reading import read
    from mmaudit.evidence.store import nearest, resolve
    from mmaudit.report.comparison import comparison_lines

    folder = nearest(Path())
    try:
        before, now = (
            side_of(read(resolve(spec, folder), ARRAYS)) for spec in (arguments.before, arguments.now)
        )
        tolerance = None if arguments.tolerance is None else dict(arguments.tolerance)
        found = compare(before, now, tolerance)
    except MMAuditError as error:
        return _refused("compare", error)
    for line in comparison_lines(found.record(), shutil.get_terminal_size().columns):
        print(_encodable(line))
    return int(found.regressed)


def _refused(command: str, error: Exception) -> int:
    print(f"mmaudit {command}: {_printable(str(error))}", file=sys.stderr)
    return _USAGE


def _printable(text: str) -> str:
    # A hostile file name must not reach the terminal as control sequences.
    return _encodable("".join(c if c.isprintable() else "?" for c in text))


def _encodable(text: str) -> str:
    encoding = sys.stdout.encoding or "ascii"
    return text.encode(encoding, "replace").decode(encoding)
