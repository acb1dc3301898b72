"""The whole audit as a function, and the one place where its evidence is put together."""

import contextlib
import dataclasses
import datetime
import functools
import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mmaudit import __version__
from mmaudit.comparison import Comparison, Conditions, Side
from mmaudit.data import Options, csv_text, load_pairs
from mmaudit.data.files import Files
from mmaudit.diagnostics.retrieval import group_codes
from mmaudit.errors import InputError, SettingsError
from mmaudit.evidence import (
    Bundle,
    PrivateKey,
    RunEvidence,
    RunInfo,
    documents,
    dumps,
    environment,
    governance,
    load_private,
    loads,
    now,
    redact,
    risk_rows,
    run_info,
    write,
)
from mmaudit.executor import open_executor
from mmaudit.gates import NULL_ENCODERS, Auditor, Diagnosis, Outcome, Verdict, diagnose, finalize, overall
from mmaudit.gates.policy import by_failure
from mmaudit.pairs import IntArray, Pairs
from mmaudit.settings import Settings
from mmaudit.stress import Stress, hardest_picture
from mmaudit.subjects.encode import Progress, rows_of
from mmaudit.suites.finding import Finding
from mmaudit.world.claims import Claims

if TYPE_CHECKING:
    from mmaudit.report.suspects import SuspectList

__all__ = ["PROMPT_KEY", "Audit", "audit", "conditions", "side", "write_bundle"]

PROMPT_KEY = "MMAUDIT_PROMPT_KEY"
"""The environment variable that may hold the secret under which prompts are digested whole."""


@dataclasses.dataclass(frozen=True)
class Audit:
    """The outcomes of one audit. Shows itself as a table in a terminal and in a notebook."""

    outcomes: tuple[Outcome, ...]
    certifications: tuple[Outcome, ...]
    auditor: Auditor
    started: datetime.datetime
    stress: Mapping[str, Any] | None = None

    @property
    def verdict(self) -> Verdict:
        """What all gates, and the audit's own certification, add up to."""
        return overall(self.outcomes, self.certifications)

    @property
    def diagnosis(self) -> Diagnosis:
        """Which failures the outcomes show, on what evidence, and what could not be looked at."""
        return diagnose(self.outcomes)

    def __getitem__(self, check: str) -> Outcome:
        """Return the outcome of the check called ``check``."""
        return {outcome.check: outcome for outcome in self.outcomes}[check]

    def __str__(self) -> str:
        """Return the summary that ``pytest --mmaudit`` closes with."""
        from mmaudit.report import summary_lines

        return "\n".join(summary_lines(self.outcomes, self.certifications, width=100))

    def _repr_html_(self) -> str:
        from html import escape

        from mmaudit.report import words

        head = "".join(f"<th>{title}</th>" for title in ("verdict", "check", "measured", "limit", "in words"))
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(words.plain(cell))}</td>" for cell in cells) + "</tr>"
            for group in by_failure(self.outcomes).values()
            for o in group
            for cells in [
                (
                    words.verdict_word(o.verdict),
                    o.check,
                    words.effect(o.measurement),
                    words.allowed(o.limit),
                    words.sentence(o),
                )
            ]
        )
        title = f"<caption>mmaudit: {self.verdict.value}</caption>"
        return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def write(
        self,
        out: str | Path = "mmaudit-out",
        *,
        sign_key: str | Path | None = None,
        comparison: Comparison | None = None,
    ) -> Bundle:
        """Write the evidence bundle below ``out`` and say where it is.

        ``sign_key`` is the private key file (``mmaudit keygen``) that signs it, ``comparison`` what
        :func:`mmaudit.comparison.compare` made of this audit and an earlier one. Raises
        :class:`BundleError`.
        """
        key = None if sign_key is None else load_private(Path(sign_key))
        worse = comparison is not None and comparison.regressed
        rows = (*self.outcomes, *self.certifications)
        verdicts = [outcome.verdict for outcome in rows]
        failed = verdicts.count(Verdict.REJECT) + verdicts.count(Verdict.INCONCLUSIVE)
        skipped = verdicts.count(Verdict.NOT_EVIDENCED)
        return write_bundle(
            outcomes=self.outcomes,
            certifications=self.certifications,
            auditor=self.auditor,
            settings=self.auditor.settings,
            tests=[],
            counts={
                "collected": len(rows),
                "passed": len(rows) - failed - skipped,
                "failed": failed,
                "skipped": skipped,
                "errors": 0,
                "not_run": 0,
            },
            run=run_info(
                self.started,
                settings_digest=self.auditor.settings.digest(),
                durations={},
                exit_status=int(self.verdict is not Verdict.ACCEPT or worse),
                workers=0,
            ),
            out=Path(out),
            key=key,
            comparison=comparison,
            stress=self.stress,
        )


def audit(
    subject: Any = None,
    pairs: Pairs | Mapping[str, Any] | str | Path | None = None,
    settings: Settings | None = None,
    *,
    progress: Progress | None = None,
) -> Audit:
    """Run the catalogue against ``subject`` on ``pairs``: what ``pytest --mmaudit`` runs, without pytest.

    ``subject`` is anything :func:`mmaudit.subjects.as_subject` takes, ``None`` the reference aligner;
    ``pairs=None`` the built-in world or, for given embeddings, their rows. A path is read by
    :func:`mmaudit.load_pairs` as ``settings.table`` says; a mapping of two modalities to their inputs will
    do where nothing else is known of the pairs. ``settings`` come from :func:`mmaudit.load_settings`; no file
    is read unasked. Raises :class:`SubjectError`, :class:`InputError` and :class:`SettingsError` on what
    cannot be used; a broken encoder is a rejection, not an error.
    """
    started = now()
    settings = settings or Settings()
    if subject is None and settings.subject is not None:
        raise SettingsError(
            f"the settings name the subject {settings.subject!r}, which only pytest --mmaudit loads; give "
            "audit() the subject itself"
        )
    given = settings.data if pairs is None else pairs
    auditor = Auditor(subject, _pairs_of(given, settings), settings, progress=progress)
    with contextlib.closing(open_executor(auditor.settings.executor)) as executor:
        stress = Stress(auditor, executor)
        outcomes = []
        for done, check in enumerate(auditor.checks, 1):
            outcomes.append(auditor.run(check.name))
            if progress is not None:
                progress("auditing", done, len(auditor.checks))
        outcomes += [stress.run(name) for name in stress.checks]
    certifications = [auditor.certify(name) for name in NULL_ENCODERS]
    settled = tuple(finalize(outcomes, auditor.settings))
    return Audit(settled, tuple(certifications), auditor, started, stress.record)


def _pairs_of(given: Any, settings: Settings) -> Pairs | None:
    if given is None or isinstance(given, Pairs):
        return given
    if isinstance(given, (str, Path)):
        return load_pairs(given, Options(**settings.table))
    if isinstance(given, Mapping):
        return Pairs(inputs=given)
    raise InputError(
        f"cannot audit on a {type(given).__name__}; give a mapping such as {{'image': images, 'text': "
        "captions}, the path of a table, or mmaudit.Pairs"
    )


def write_bundle(
    *,
    outcomes: Sequence[Outcome],
    certifications: Sequence[Outcome],
    auditor: Auditor,
    settings: Settings,
    tests: Sequence[Mapping[str, Any]],
    counts: Mapping[str, int],
    run: RunInfo,
    out: Path,
    deviations: Sequence[str] = (),
    key: PrivateKey | None = None,
    comparison: Comparison | None = None,
    suites: Sequence[Finding] = (),
    stress: Mapping[str, Any] | None = None,
) -> Bundle:
    """Put documents, plots, arrays and the page together and write them as one bundle below ``out``.

    ``comparison`` is the one with the baseline that the run was given, if any; ``suites`` are the findings of
    the teaching suites and ``stress`` is :attr:`mmaudit.stress.Stress.record`, where they ran. Only what the
    checks measured is drawn: nothing is encoded or trained for the report. Raises :class:`BundleError` where
    the bundle cannot be written; nothing half-written is left then.
    """
    from mmaudit.report import badge, draw, figure_data, page, suspect_lists
    from mmaudit.report.stress import stress_tables
    from mmaudit.report.suites import suite_tables

    if auditor.pairs.left_out:
        deviations = [*deviations, f"{len(auditor.pairs.left_out)} rows of the data were left out"]
    outcomes = sorted(outcomes, key=lambda o: o.check)
    certifications = sorted(certifications, key=lambda o: o.check)
    records, certified = ([o.record() for o in rows] for rows in (outcomes, certifications))
    embeddings = auditor.material.measured()
    training = None if embeddings is None else auditor.subject.training
    history = None if training is None else training.history
    facts: dict[str, Any] = {
        "settings": {**settings.as_dict(), "digest": settings.digest()},
        "dataset": dataset_facts(auditor),
        "subject": {
            **auditor.subject.identity.record(),
            "similarity": auditor.subject.similarity,
            "modalities": list(auditor.subject.modalities),
        },
        "environment": environment(),
    }
    search = None if stress is None else stress["search"]
    counterexamples = {} if stress is None else stress["counterexamples"]
    tables = figure_data(outcomes, embeddings=embeddings, history=history)
    tables |= suite_tables(suites) | stress_tables(search)
    plots = draw(tables)
    unfinished = counts["not_run"] + counts["errors"]
    extra = {**plots, "badge.svg": badge(overall(outcomes, certifications, unfinished=unfinished))}
    suspects = []
    if embeddings is not None:
        case = auditor.material.case(())
        suspects = suspect_lists(
            case.ranks,
            case.neighbours,
            embeddings.modalities,
            functools.partial(_look, auditor.pairs),
            trusted=auditor.pairs.trusted,
            masked=redact,
        )
        extra |= {f"data/{found.slug}.npy": _npy(found.rows) for found in suspects}
        extra |= {f"data/{found.slug}.csv": _suspect_table(found, auditor.pairs) for found in suspects}
        # Named by side, not by modality: a modality may be called anything, a file in the bundle may not.
        extra["data/embeddings_x.npy"] = _npy(embeddings.x)
        extra["data/embeddings_y.npy"] = _npy(embeddings.y)
        if auditor.pairs.groups is not None:
            extra["data/groups.npy"] = _npy(group_codes(auditor.pairs.groups, len(embeddings)))
    if comparison is not None:
        extra["comparison.json"] = dumps(comparison.record())
    extra |= {path: dumps(document) for path, document in counterexamples.items()}
    if training is not None:
        from safetensors.numpy import save

        extra["weights/best.safetensors"] = save(dict(training.weights))
    extra["report.html"] = page(
        outcomes,
        certifications,
        **facts,
        counts=counts,
        deviations=deviations,
        plots=plots,
        tables=tables,
        digest_note="The run printed the bundle's digest; `mmaudit verify` prints it again.",
        suspects=suspects,
        comparison=None if comparison is None else comparison.record(),
        risks=risk_rows(records, certified),
        suites=suites,
        statements=governance(settings.governance)["statements"],
        search=search,
        pictures={path: hardest_picture(document) for path, document in counterexamples.items()},
    )
    evidence = RunEvidence(
        outcomes=records,
        certifications=certified,
        prompts=[
            {"name": auditor.subject.identity.name, "text": p} for p in auditor.subject.identity.prompts
        ],
        tests=[dict(row) for row in tests],
        counts=dict(counts),
        history=history,
        deviations=list(deviations),
        governance=settings.governance,
        findings=[finding.record() for finding in suites],
        diagnosis=diagnose(outcomes).record(),
        search=search,
        **facts,
    )
    secret = os.environ.get(PROMPT_KEY, "").encode("utf-8", "surrogateescape")
    return write(out, documents(evidence, extra, prompt_key=secret), run, key=key)


def conditions(auditor: Auditor) -> Conditions:
    """Return what an audit must share with another to be compared with it; nothing is encoded for it."""
    groups = auditor.pairs.groups
    return Conditions(
        # As a bundle would give them back: tuples are lists there, and names strings.
        settings=loads(dumps(auditor.settings.as_dict())),
        dataset=loads(dumps(dataset_facts(auditor))),
        groups=None if groups is None else group_codes(groups, len(auditor.pairs)),
    )


def side(auditor: Auditor, outcomes: Sequence[Outcome], shared: Conditions) -> Side:
    """Return an audit that has just ended, under its :func:`conditions`, as one side of a comparison."""
    return Side(
        subject=auditor.subject.identity.name,
        version=__version__,
        conditions=shared,
        outcomes=tuple(outcomes),
        embeddings=auditor.material.measured(),
    )


def dataset_facts(auditor: Auditor) -> dict[str, Any]:
    """Return what the audit was run on, as builtin types: counts, labels, and a digest of the inputs."""
    pairs = auditor.pairs
    world = auditor.world
    inputs = {name: _digest(column) for name, column in pairs.inputs.items()}
    return {
        "name": pairs.name,
        "description": pairs.description,
        "pairs": len(pairs),
        "modalities": list(pairs.modalities),
        "relevance_groups": len(pairs) if pairs.groups is None else len(np.unique(pairs.groups)),
        "trusted_pairs": None if pairs.trusted is None else int(pairs.trusted.sum()),
        "factors": {name: len(np.unique(codes)) for name, codes in pairs.factors.items()},
        "nuisance": {name: len(np.unique(codes)) for name, codes in pairs.nuisance.items()},
        "metadata": {name: str(np.asarray(column).dtype.kind) for name, column in pairs.metadata.items()},
        "splits": {} if pairs.splits is None else _counts(pairs.splits),
        "left_out": list(pairs.left_out),
        "can_be_rendered_again": pairs.renderer is not None,
        "inputs_sha256": inputs,
        "split_sha256": _split_digest(pairs, inputs),
        "world": None if world is None else world.spec.as_dict(),
    }


def _look(pairs: Pairs, rows: IntArray) -> Mapping[str, Any]:
    """Return the inputs at ``rows``; items of the built-in world as pictures and sentences in any view."""
    claims = pairs.renderer
    if isinstance(claims, Claims):
        return (
            dataclasses.replace(
                claims,
                image_rows=claims.image_rows[rows],
                text_rows=claims.text_rows[rows],
                trusted=claims.trusted[rows],
                view="pictures",
            )
            .pairs()
            .inputs
        )
    return {modality: rows_of(column, rows) for modality, column in pairs.inputs.items()}


def _counts(names: npt.NDArray[np.str_]) -> dict[str, int]:
    found, counts = np.unique(names, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _suspect_table(found: "SuspectList", pairs: Pairs) -> bytes:
    """Return the whole list as CSV: the row, where it was read, the files, and the figures that put it there.

    Cells that a spreadsheet would take for formulas are made text.
    """
    files = {m: column for m, column in pairs.inputs.items() if isinstance(column, Files)}
    header = ("row", "place", *files, *found.columns[: found.figures.shape[1]])
    body = [
        (
            int(row),
            "" if pairs.places is None else pairs.places[row],
            *(column.sources[row].name for column in files.values()),
            *(f"{value:.6g}" for value in figures),
        )
        for row, figures in zip(found.rows, found.figures, strict=True)
    ]
    return csv_text(header, body).encode()


def _split_digest(pairs: Pairs, inputs: Mapping[str, str | None]) -> str | None:
    """Return one SHA-256 over the inputs and all labels: which pairs, in which order, were audited."""
    if None in inputs.values():
        return None
    labels = {"groups": pairs.groups, "trusted": pairs.trusted}
    parts = {
        "inputs": dict(inputs),
        "factors": {name: _digest(codes) for name, codes in pairs.factors.items()},
        "nuisance": {name: _digest(codes) for name, codes in pairs.nuisance.items()},
        "labels": {name: None if row is None else _digest(row) for name, row in labels.items()},
    }
    return hashlib.sha256(dumps(parts)).hexdigest()


def _digest(column: Any) -> str | None:
    """Return the SHA-256 over the inputs of one modality, ``None`` where they are objects without content."""
    if isinstance(column, Files):
        return column.content_sha256
    h = hashlib.sha256()
    for item in [column] if isinstance(column, np.ndarray) else column:
        if isinstance(item, np.ndarray):
            content = f"{item.dtype}{item.shape}".encode() + np.ascontiguousarray(item).tobytes()
        elif isinstance(item, (str, bytes, int, float)):
            content = item if isinstance(item, bytes) else str(item).encode()
        else:
            return None
        h.update(len(content).to_bytes(8, "big") + content)
    return h.hexdigest()


def _npy(z: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, z, allow_pickle=False)
    return buffer.getvalue()
