import io
import json
import os
import random
import struct
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from mmaudit.errors import BundleError
from mmaudit.evidence import (
    Bundle,
    PrivateKey,
    RunEvidence,
    RunInfo,
    Verification,
    documents,
    dumps,
    generate,
    load_private,
    verify,
    write,
)
from mmaudit.evidence.schema import DOCUMENTS

Files = dict[str, bytes]
Pack = Callable[[Files], Path]
Rehash = Callable[[Files], Files]


def refused(path: Path, why: str) -> Verification:
    found = verify(path)
    assert found.status == 1
    assert any(why in problem for problem in found.problems), found.problems
    assert all("\n" not in problem and len(problem) < 400 for problem in found.problems)
    return found


def edited(files: Files, path: str, change: Callable[[Any], None]) -> Files:
    document = json.loads(files[path])
    change(document)
    return files | {path: dumps(document)}


def put(*keys: str | int, to: Any) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = to

    return change


EVERY_KIND = [
    *sorted(DOCUMENTS),
    "junit.xml",
    "report.html",
    "plots/verdicts.svg",
    "data/image.npy",
    "weights/image.safetensors",
]


def test_a_bundle_packed_by_the_test_helpers_verifies(files: Files, as_zip: Pack, rehash: Rehash) -> None:
    assert verify(as_zip(rehash(files))).status == 3


@pytest.mark.parametrize("path", EVERY_KIND)
def test_a_flipped_byte_in_any_file_is_found(path: str, files: Files, as_zip: Pack) -> None:
    data = bytearray(files[path])
    data[len(data) // 2] ^= 1
    refused(as_zip(files | {path: bytes(data)}), path if path != "manifest.json" else "")


@pytest.mark.parametrize("path", EVERY_KIND)
def test_a_flipped_byte_in_the_run_directory_is_found(path: str, files: Files, tmp_path: Path) -> None:
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        changed = data[:-1] + bytes([data[-1] ^ 1]) if name == path else data
        (tmp_path / name).write_bytes(changed)
    refused(tmp_path, path)


@pytest.mark.parametrize("path", EVERY_KIND)
def test_a_removed_file_is_found_even_when_the_manifest_forgets_it(
    path: str, files: Files, as_zip: Pack, rehash: Rehash
) -> None:
    less = {name: data for name, data in files.items() if name != path}
    if path != "manifest.json":
        refused(as_zip(less), f"{path}: in the manifest but missing")
    if path in DOCUMENTS and path != "manifest.json":
        refused(as_zip(rehash(less)), f"{path}: missing")


def test_an_added_or_renamed_file_is_found(files: Files, as_zip: Pack) -> None:
    refused(as_zip(files | {"plots/more.svg": b"<svg/>"}), "plots/more.svg: not in the manifest")
    renamed = {("data/picture.npy" if n == "data/image.npy" else n): d for n, d in files.items()}
    refused(as_zip(renamed), "data/picture.npy: not in the manifest")
    swapped = files | {"data/image.npy": files["data/rows.npy"], "data/rows.npy": files["data/image.npy"]}
    refused(as_zip(swapped), "data/image.npy: its SHA-256 is not the one in the manifest")


def test_json_without_a_schema_is_refused(files: Files, as_zip: Pack, rehash: Rehash) -> None:
    refused(as_zip(rehash(files | {"notes.json": b"{}"})), "notes.json: no schema is known")
    refused(as_zip(rehash(files | {"logs/more.jsonl": b"{}\n"})), "logs/more.jsonl: no schema is known")


@pytest.mark.parametrize(
    "change",
    [
        put("version", to=2),
        put("format", to="other"),
        put("verification_status", to="Verified"),
        put("extra", to=1),
        put("files", 0, "schema", to="urn:mmaudit:dataset:2"),
        put("files", 3, "schema", to=None),
        put("files", 0, "media_type", to="text/plain"),
        put("files", 0, "bytes", to=1),
        put("files", 0, "sha256", to="0" * 64),
        put("files", 0, "path", to="../data"),
        put("settings_sha256", to="0" * 64),
        lambda m: m["files"].reverse(),
        lambda m: m["files"].append(m["files"][0]),
        lambda m: m["volatile"].append(m["files"].pop()),
        lambda m: m["files"].append(m["volatile"].pop()),
        lambda m: m["files"].clear(),
    ],
)
def test_an_edited_manifest_is_found(change: Callable[[Any], None], files: Files, as_zip: Pack) -> None:
    assert verify(as_zip(edited(files, "manifest.json", change))).status == 1


@pytest.mark.parametrize(
    ("path", "change", "why"),
    [
        ("reports/collapse.json", put("verification_status", to="Verified"), "verification_status"),
        ("reports/summary.json", put("verification_status", to="verified"), "verification_status"),
        ("risk_log.json", put("verification_status", to="Verified"), "verification_status"),
        ("reports/stress.json", put("more", to=1), "breaks its schema"),
        ("reports/stress.json", lambda r: r.pop("open_items"), "breaks its schema"),
        ("reports/shortcut.json", put("facts_provided", "checks", to=[]), "not those of outcomes.json"),
        ("outcomes.json", put("outcomes", 0, "verdict", to="PASS"), "breaks its schema"),
        ("outcomes.json", put("outcomes", 0, "measurement", "n", to=-1), "breaks its schema"),
        ("outcomes.json", put("outcomes", 0, "measurement", "n", to=True), "breaks its schema"),
        ("outcomes.json", put("outcomes", 0, "p_value", to=1.5), "breaks its schema"),
        ("outcomes.json", put("outcomes", 6, "verdict", to="ACCEPT"), "'twin_accuracy' is an ACCEPT whose"),
        ("outcomes.json", put("outcomes", 6, "verdict", to="INCONCLUSIVE"), "is INCONCLUSIVE although"),
        ("outcomes.json", put("outcomes", 6, "verdict", to="NOT EVIDENCED"), "NOT EVIDENCED but has a value"),
        ("outcomes.json", put("outcomes", 6, "verdict", to=None), "is a notice but has a limit"),
        ("outcomes.json", lambda o: o["outcomes"].pop(6), "not those of outcomes.json"),
        ("outcomes.json", put("outcomes", 4, "limit", "high", to=0.01), "'rank_share' is an ACCEPT whose"),
        ("outcomes.json", put("outcomes", 5, "control", "severity", to=0.1), "not the smallest of its doses"),
        ("outcomes.json", put("outcomes", 5, "control", "doses", 1, "rejected", to=False), "smallest of its"),
        ("outcomes.json", lambda o: o["certifications"].pop(), "reports/summary.json: its facts"),
        (
            "reports/summary.json",
            put("facts_provided", "verdicts", "REJECT", to=0),
            "summary.json: its facts",
        ),
        (
            "reports/summary.json",
            put("facts_provided", "checks", 6, "value", to=0.0),
            "summary.json: its facts",
        ),
        (
            "reports/summary.json",
            put("facts_provided", "diagnosis", "failures", to=[]),
            "the failures diagnosed are not those with evidence",
        ),
        (
            "reports/summary.json",
            put("facts_provided", "diagnosis", "evidence", 0, "check", to="movement_ratio"),
            "the diagnosis rests on 'movement_ratio', which was not measured",
        ),
        ("risk_log.json", put("risks", 0, "status", to="not detected"), "risk_log.json: its rows"),
        ("pytest.json", put("counts", "failed", to=0), "its counts are not those of its tests"),
        ("pytest.json", put("counts", "not_run", to=0), "collected is not"),
        ("pytest.json", put("tests", 0, "outcome", to="failed"), "its counts are not"),
        ("run.json", put("started", to="yesterday"), "breaks its schema"),
        ("run.json", put("host", to="box"), "breaks its schema"),
        ("environment.json", put("cwd", to="/x"), "breaks its schema"),
    ],
)
def test_a_lie_is_found_even_under_a_manifest_that_matches(
    path: str, change: Callable[[Any], None], why: str, files: Files, as_zip: Pack, rehash: Rehash
) -> None:
    refused(as_zip(rehash(edited(files, path, change))), why)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'{"n":NaN}', "holds NaN"),
        (b'{"n":1e999}', "overflows"),
        (b'{"n":1,"n":2}', "duplicate key"),
        (b'{"n":9007199254740993}', "canonical"),
        (b'{"n":' + b"9" * 10_000 + b"}", "10000 digits"),
        (b'{"n":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested deeper"),
        (b'{"n":"\xff"}', "not UTF-8"),
        (b'{"n": 1}', "canonical"),
        (b'{"n":1}\n', "canonical"),
        (b'[["n",1]]', "breaks its schema"),
        (b"", "not JSON"),
        (b'{"n":[' + b"0," * 300_000 + b"0]}", "more than 100000 values"),
        (b'{"n":"' + b"x" * 9_000_000 + b'"}', "over the limit"),
        (b'{"a\\u0000b":1}', "breaks its schema"),
    ],
)
def test_json_that_two_readers_could_take_differently_is_refused(
    data: bytes, why: str, files: Files, as_zip: Pack, rehash: Rehash
) -> None:
    found = refused(as_zip(rehash(files | {"dataset.json": data})), why)
    assert found.problems[0].startswith("dataset.json: ")


@pytest.mark.parametrize("data", [b"{}", b"\n", b"{}\n", b'{"a":1}\r\n', b"\n" * 10_001, b"[" * 9999 + b"\n"])
def test_a_broken_prompts_log_is_refused(data: bytes, files: Files, as_zip: Pack, rehash: Rehash) -> None:
    refused(as_zip(rehash(files | {"logs/prompts.jsonl": data})), "logs/prompts.jsonl")


def npy_header(text: str, body: bytes, version: bytes = b"\1\0") -> bytes:
    header = text.encode() + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header + body


def numpy_file(array: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


PLAIN = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY",
        numpy_file(np.array([1.0, np.nan], np.float32)),
        numpy_file(np.array([1.0, -np.inf])),
        numpy_file(np.array([np.inf], np.float16)),
        numpy_file(np.array([{}], dtype=object), allow_pickle=True),
        numpy_file(np.zeros(2, dtype=[("a", "<f4")])),
        numpy_file(np.array(["a"])),
        numpy_file(np.zeros(2, ">f4")),
        numpy_file(np.zeros(2, np.complex64)),
        numpy_file(np.zeros(4, np.float32))[:-1],
        numpy_file(np.zeros(4, np.float32)) + b"\0",
        npy_header(PLAIN % "2,", b"\0" * 8, b"\3\0"),
        npy_header(PLAIN % ("99999999999999, " * 400), b""),
        npy_header(PLAIN % "-1,", b""),
        npy_header("__import__('os').abort()", b""),
        npy_header("(" * 9000, b""),
        b"\x93NUMPY\2\0" + struct.pack("<I", 2**32 - 1) + b"{}",
    ],
)
def test_a_broken_array_is_refused(data: bytes, files: Files, as_zip: Pack, rehash: Rehash) -> None:
    refused(as_zip(rehash(files | {"data/image.npy": data})), "data/image.npy: ")


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 3), np.float32),
        np.float64(3.0),
        np.asfortranarray(np.ones((3, 4))),
        np.array([True]),
        np.arange(3, dtype=np.uint8),
        np.full(600_001, np.finfo(np.float32).max, np.float32),
    ],
)
def test_a_sound_array_is_accepted(array: Any, files: Files, as_zip: Pack, rehash: Rehash) -> None:
    assert verify(as_zip(rehash(files | {"data/image.npy": numpy_file(array)}))).problems == []


def tensors(header: object, body: bytes = b"") -> bytes:
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return struct.pack("<Q", len(text)) + text + body


def tensor(dtype: str, shape: list[int], start: int, stop: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        struct.pack("<Q", 2**63),
        tensors([]),
        tensors(b"{" * 70_000),
        tensors(b'{"a":1,"a":1}'),
        tensors({"a": 1}),
        tensors({"a": tensor("F32", [2], 0, 4)}, b"\0" * 4),
        tensors({"a": tensor("F99", [1], 0, 4)}, b"\0" * 4),
        tensors({"a": tensor("F32", [1], 4, 8)}, b"\0" * 8),
        tensors({"a": tensor("F32", [1], 0, 4), "b": tensor("F32", [1], 0, 4)}, b"\0" * 4),
        tensors({"a": tensor("F32", [1], 0, 4)}, b"\0" * 5),
        tensors({"a": tensor("F32", [1], 0, 4)}, b"\0" * 3),
        tensors({"a": tensor("F32", [2**52] * 9, 0, 4)}, b"\0" * 4),
        tensors({"a": tensor("F32", [-1], 0, -4)}),
        tensors({"a": tensor("F32", [True], 0, 4)}, b"\0" * 4),
        tensors({"a": tensor("BF16", [1], 0, 2)}, b"\x80\x7f"),
        tensors({"__metadata__": {"a": "b"}}),
        save({"a": np.array([np.nan])}),
        save({"a": np.array([1.0]), "b": np.array([np.inf], np.float32)}),
    ],
)
def test_broken_weights_are_refused(data: bytes, files: Files, as_zip: Pack, rehash: Rehash) -> None:
    refused(as_zip(rehash(files | {"weights/image.safetensors": data})), "weights/image.safetensors: ")


def entry(name: str, data: bytes, **fields: Any) -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.create_version = info.extract_version = 20
    info.external_attr = 0o100644 << 16
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def zipped(entries: list[tuple[zipfile.ZipInfo, bytes]], comment: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as z:
        z.comment = comment
        for info, data in entries:
            z.writestr(info, data, compress_type=info.compress_type)
    return buffer.getvalue()


def variants(files: Files) -> dict[str, bytes]:
    """Archives that hold the right files, or nearly, in a form that is not the canonical one."""
    plain = [entry(name, data) for name, data in sorted(files.items())]
    good = zipped(plain)

    def replaced(name: str, **fields: Any) -> bytes:
        return zipped([entry(n, d, **(fields if n == name else {})) for n, d in sorted(files.items())])

    def added(name: str, data: bytes = b"", **fields: Any) -> bytes:
        return zipped([*plain, entry(name, data, **fields)])

    central = good.index(b"PK\1\2")
    flagged = bytearray(good)
    flagged[6] |= 1
    flagged[central + 8] |= 1
    renamed = bytearray(good)
    renamed[30] ^= 0x20
    lengthened = bytearray(good)
    struct.pack_into("<I", lengthened, central + 24, 2**32 - 1)
    counted = bytearray(good)
    struct.pack_into("<HH", counted, len(good) - 14, 65535, 65535)
    overlapping = bytearray(good)
    second = good.index(b"PK\1\2", central + 4)
    struct.pack_into("<I", overlapping, second + 42, 0)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as z:
        for info, data in plain:
            with z.open(info, "w", force_zip64=True) as member:
                member.write(data)
    zip64 = buffer.getvalue()
    # An end record of 64 bits that tells of no entry, and its locator, before the one that tells of all.
    zip64_end = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 0, 0, 0, 0)
    zip64_end += struct.pack("<4sIQI", b"PK\6\7", 0, len(good) - 22, 1)
    return {
        "parent": added("../evil.svg"),
        "absolute": added("/evil.svg"),
        "drive": added("C:/evil.svg"),
        "backslash": added("plots\\evil.svg".replace("\\", "\\")),
        "not ascii": added("plots/ü.svg"),
        "folder entry": added("plots/"),
        "folded": added("REPORT.html", files["report.html"]),
        "device": added("nul.svg"),
        "symlink": replaced("report.html", external_attr=0o120777 << 16),
        "executable": replaced("report.html", external_attr=0o100755 << 16),
        "deflated": replaced("report.html", compress_type=zipfile.ZIP_DEFLATED),
        "time": replaced("report.html", date_time=(1999, 1, 1, 0, 0, 0)),
        "extra field": replaced("report.html", extra=b"\xfe\xca\0\0"),
        "entry comment": replaced("report.html", comment=b"x"),
        "system": replaced("report.html", create_system=0),
        "internal": replaced("report.html", internal_attr=1),
        "comment": zipped(plain, b"hello"),
        "order": zipped(plain[::-1]),
        "encrypted flag": bytes(flagged),
        "prefix": b"#!/bin/sh\n" + good,
        "suffix": good + b"\0",
        "suffixed with another end": good + good[-22:],
        "local name": bytes(renamed),
        "central size": bytes(lengthened),
        "count": bytes(counted),
        "overlap": bytes(overlapping),
        "cut": good[:-1],
        "cut in the middle": good[: len(good) // 2],
        "bomb": added("bomb.svg", b"\0" * 2**24, compress_type=zipfile.ZIP_DEFLATED),
        "zip64": zip64,
        "zip64 end": good[:-22] + zip64_end + good[-22:],
        "empty": b"",
        "only an end": good[-22:],
        "empty zip": zipped([]),
        "no zip": b"PK\5\6" + b"\0" * 18,
        "noise": random.Random(0).randbytes(5000),
    }


VARIANTS = list(variants({"a.svg": b"", "report.html": b"<p>"}))


def test_the_plain_writer_of_the_variants_is_canonical(files: Files, bundle: Bundle) -> None:
    assert zipped([entry(n, d) for n, d in sorted(files.items())]) == bundle.archive.read_bytes()


@pytest.mark.parametrize("name", VARIANTS)
def test_an_archive_of_any_other_form_is_refused(name: str, files: Files, tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(variants(files)[name])
    found = verify(path)
    assert found.status == 1
    assert found.problems
    assert found.digest is None


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_given_twice_is_refused(files: Files, tmp_path: Path) -> None:
    plain = [entry(name, data) for name, data in sorted(files.items())]
    (tmp_path / "x.zip").write_bytes(zipped([*plain, entry("report.html", b"<p>other")]))
    refused(tmp_path / "x.zip", "names 'report.html' twice")


def test_two_names_for_one_span_of_bytes_are_refused(tmp_path: Path) -> None:
    bomb = zipped([entry("a.svg", b"x" * 1000), entry("b.svg", b"y" * 1000)])
    first, second = bomb.index(b"PK\1\2"), bomb.rindex(b"PK\1\2")
    local = bomb[: 30 + 5 + 1000]
    directory = bomb[first:second] + bomb[first:second].replace(b"a.svg", b"b.svg")
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 2, 2, len(directory), len(local), 0)
    (tmp_path / "x.zip").write_bytes(local + directory + end)
    refused(tmp_path / "x.zip", "before, between or behind")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> PrivateKey:
    path = tmp_path_factory.mktemp("key") / "key"
    generate(path)
    return load_private(path)


@pytest.mark.parametrize("signed", [False, True])
def test_many_random_mutations_of_the_archive_are_all_refused(
    signed: bool,
    evidence: RunEvidence,
    extra: Files,
    run_info: RunInfo,
    key: PrivateKey,
    tmp_path: Path,
) -> None:
    """MMAUDIT_FUZZ sets how many mutations are tried on each of the two archives."""
    resource = pytest.importorskip(
        "resource", reason="this platform does not tell a process's peak of memory"
    )
    bundle = write(tmp_path, documents(evidence, extra), run_info, key=key if signed else None)
    public = key.public if signed else None
    good = bundle.archive.read_bytes()
    rng = random.Random(20260131)
    path = tmp_path / "x.zip"
    structure = [*range(64), *range(good.index(b"PK\1\2"), len(good))]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(int(os.environ.get("MMAUDIT_FUZZ", "400"))):
        data = bytearray(good)
        for _ in range(rng.choice((1, 1, 2, 8))):
            at = rng.choice(structure) if rng.random() < 0.5 else rng.randrange(len(data))
            kind = rng.randrange(4)
            if kind == 0:
                data[at % len(data)] = rng.randrange(256)
            elif kind == 1:
                del data[at : at + rng.randrange(1, 40)]
            elif kind == 2:
                data[at:at] = rng.randbytes(rng.randrange(1, 40))
            else:
                start = rng.randrange(len(good))
                data[at : at + 20] = good[start : start + 20]
        path.write_bytes(data)
        assert verify(path, key=public).intact == (data == good)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert peak < 256 * (2**20 if sys.platform == "darwin" else 2**10)


def test_random_edits_under_a_matching_manifest_never_raise_and_never_keep_the_digest(
    bundle: Bundle, files: Files, as_zip: Pack, rehash: Rehash
) -> None:
    rng = random.Random(7)
    names = [n for n in sorted(DOCUMENTS) if n not in ("manifest.json", "run.json")]
    odd = [None, True, -1, 2**53 - 1, 1e300, "", "\x00", [], {}, [[]], {"a": None}, "REJECT", "ACCEPT", 0.5]
    accepted = 0
    for _ in range(100):
        name = rng.choice([n for n in names if not n.endswith("jsonl")])
        document = json.loads(files[name])
        spots: list[tuple[Any, Any]] = []
        pending = [document]
        while pending:
            value = pending.pop()
            keys = list(value) if isinstance(value, dict) else range(len(value))
            spots += [(value, key) for key in keys]
            pending += [value[key] for key in keys if isinstance(value[key], dict | list)]
        where, key = rng.choice(spots)
        where[key] = rng.choice(odd)
        mutated = rehash(files | {name: dumps(document)})
        found = verify(as_zip(mutated))
        accepted += found.intact
        assert (found.digest == bundle.digest) == (mutated == files)
    assert accepted < 50


def test_the_run_directory_is_held_to_the_same_rules(files: Files, tmp_path: Path) -> None:
    def fresh(name: str) -> Path:
        root = tmp_path / name
        for path, data in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(data)
        return root

    assert verify(fresh("sound")).intact
    linked = fresh("linked")
    (linked / "report.html").unlink()
    (linked / "report.html").symlink_to(tmp_path / "sound" / "report.html")
    refused(linked, "'report.html' is no plain file")
    folder = fresh("linked-folder")
    (folder / "more").symlink_to(tmp_path / "sound" / "plots")
    refused(folder, "'more' is no plain file")
    empty = fresh("empty-folder")
    (empty / "more").mkdir()
    refused(empty, "'more/' is an empty folder")
    added = fresh("added")
    (added / "plots" / "more.svg").write_bytes(b"")
    refused(added, "plots/more.svg: not in the manifest")
    odd = fresh("odd")
    (odd / "plots" / "mörder.svg").write_bytes(b"")
    refused(odd, "is not relative portable ASCII")
    deep = fresh("deep")
    (deep / "/".join("abcdefghijkl")).mkdir(parents=True)
    refused(deep, "this is no run directory")
    outer = verify(tmp_path / "sound" / "reports")
    assert "manifest.json: missing" in outer.problems


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this platform has no named pipes")
def test_a_named_pipe_is_refused_without_being_opened(files: Files, tmp_path: Path) -> None:
    root = tmp_path / "run"
    root.mkdir()
    os.mkfifo(root / "report.html")
    refused(root, "'report.html' is no plain file")
    with pytest.raises(BundleError, match="neither a file nor a folder"):
        verify(root / "report.html")


def test_what_is_not_there_is_an_error_of_usage(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="No such file"):
        verify(tmp_path / "none.zip")


def test_memory_stays_bounded_for_a_large_array(files: Files, as_zip: Pack, rehash: Rehash) -> None:
    path = as_zip(rehash(files | {"data/image.npy": numpy_file(np.zeros((16 * 2**20) // 4, np.float32))}))
    verify(path)
    tracemalloc.start()
    try:
        assert verify(path).intact
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * 2**20


def test_a_file_that_claims_to_be_huge_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with path.open("wb") as file:
        file.truncate(3 * 2**30)
    refused(path, "are no bundle")
