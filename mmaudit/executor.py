"""Where independent jobs run: in this process, on cores beside it, or on the workers of a Dask scheduler."""

import collections
import concurrent.futures
import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from mmaudit.errors import ExecutorError, SettingsError
from mmaudit.threads import cores, one_blas_thread

__all__ = [
    "DASK",
    "LOCAL",
    "Executor",
    "Local",
    "Told",
    "in_order",
    "open_executor",
    "pinned",
    "scheduler_of",
]

Job = TypeVar("Job")
Result = TypeVar("Result")
Told = Callable[[int, int], None]
"""Told (jobs done, of how many) whenever a job is done, in the thread that asked for the results."""

LOCAL = "local"
DASK = "dask://"
_AHEAD = 4
"""Jobs a process that are given out before the results ahead of them were taken."""


class Executor(Protocol):
    """Runs a pure function on independent jobs, each on one BLAS thread.

    The results do not depend on which executor it is.
    """

    @property
    def name(self) -> str:
        """Which kind it is, for the record of a run: never an address."""

    @property
    def description(self) -> str:
        """Where it is and what there is to work with, in words, for whoever started the run."""

    @property
    def shares_memory(self) -> bool:
        """Whether jobs run in this process, so that nothing has to be pickled."""

    @property
    def threads(self) -> int:
        """How many threads a job may use of its own."""

    def map(
        self, function: Callable[[Job], Result], jobs: Sequence[Job], told: Told | None = None
    ) -> Iterator[Result]:
        """Yield ``function(job)`` for every job, in the order of ``jobs``.

        Nothing runs before the first result is asked for. What ``function`` raises is raised here, at its
        turn. Where memory is not shared, the function, the jobs and the results must pickle. Raises
        :class:`~mmaudit.errors.ExecutorError` where a job cannot be run.
        """

    def close(self) -> None:
        """Give back what is held; jobs that were not asked for any more are dropped."""


@dataclasses.dataclass(frozen=True)
class Local:
    """The machine it runs on: ``workers`` threads or, with ``processes``, processes; 1 is a plain loop."""

    workers: int = 1
    processes: bool = False
    name = LOCAL

    @property
    def description(self) -> str:
        """How many workers of which kind."""
        return f"{LOCAL}, {self.workers} {'processes' if self.processes else 'threads'}"

    @property
    def shares_memory(self) -> bool:
        """Not with processes of their own."""
        return not self.processes or self.workers == 1

    @property
    def threads(self) -> int:
        """The cores, shared out between the workers."""
        return max(1, cores() // self.workers)

    def map(
        self, function: Callable[[Job], Result], jobs: Sequence[Job], told: Told | None = None
    ) -> Iterator[Result]:
        """Yield the results in order; see :meth:`Executor.map`."""
        run = functools.partial(pinned, function)
        if self.workers == 1 or len(jobs) < 2:
            yield from _telling(map(run, jobs), len(jobs), told)
            return
        # What threads are for is large, and what waits for its turn is in memory.
        ahead = _AHEAD * self.workers if self.processes else self.workers + 1
        with self._pool() as pool:
            try:
                yield from in_order(functools.partial(pool.submit, run), jobs, ahead, _result, told)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _pool(self) -> concurrent.futures.Executor:
        if not self.processes:
            return concurrent.futures.ThreadPoolExecutor(self.workers)
        import multiprocessing

        # A forked process would inherit the locks of threads that it has not, those of BLAS among them.
        spawn = multiprocessing.get_context("spawn")
        return concurrent.futures.ProcessPoolExecutor(self.workers, mp_context=spawn)

    def close(self) -> None:
        """Nothing is held between two calls."""


def open_executor(spec: str = LOCAL, *, local: Local | None = None, code: Sequence[Path] = ()) -> Executor:
    """Return the executor that ``spec`` names: ``local``, or ``dask://host:port`` of a scheduler.

    ``local`` is the one that is meant by the former (default: a plain loop). ``code`` are the files of
    modules that the jobs need and that are not installed; they are sent to the workers. Raises
    :class:`~mmaudit.errors.SettingsError` on any other ``spec`` and
    :class:`~mmaudit.errors.ExecutorError` where the scheduler or its workers cannot be used.
    """
    address = scheduler_of(spec)
    if address is None:
        return local or Local()
    from mmaudit.cluster import Dask

    return Dask(address, code)


def scheduler_of(spec: str) -> str | None:
    """Return ``host:port`` of the scheduler that ``spec`` names, ``None`` where it says ``local``.

    Raises :class:`~mmaudit.errors.SettingsError` on anything else.
    """
    if spec == LOCAL:
        return None
    address = spec.removeprefix(DASK)
    host, _, port = address.rpartition(":")
    if address == spec or not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise SettingsError(f"executor is {spec!r}; expected {LOCAL} or {DASK}HOST:PORT")
    return address


def pinned(function: Callable[[Job], Result], job: Job) -> Result:
    """Return ``function(job)``, worked out on one BLAS thread: their number shows in the last bits."""
    with one_blas_thread():
        return function(job)


def in_order(
    submit: Callable[[Job], Any],
    jobs: Iterable[Job],
    ahead: int,
    result: Callable[[Any], Result],
    told: Told | None,
) -> Iterator[Result]:
    """Submit ``jobs`` and yield their results in order, with ``ahead`` of them at most under way."""
    jobs = list(jobs)
    waiting: collections.deque[Any] = collections.deque()

    def results() -> Iterator[Result]:
        for job in jobs:
            if len(waiting) == ahead:
                yield result(waiting.popleft())
            waiting.append(submit(job))
        while waiting:
            yield result(waiting.popleft())

    return _telling(results(), len(jobs), told)


def _telling(results: Iterator[Result], total: int, told: Told | None) -> Iterator[Result]:
    for done, result in enumerate(results, 1):
        if told is not None:
            told(done, total)
        yield result


def _result(future: "concurrent.futures.Future[Result]") -> Result:
    try:
        return future.result()
    except concurrent.futures.process.BrokenProcessPool as error:
        raise ExecutorError(
            "a process that ran a job died, most likely for want of memory; use fewer at a time"
        ) from error
