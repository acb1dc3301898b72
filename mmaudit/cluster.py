"""Jobs on the workers of a Dask scheduler, with the results that this machine would have given."""

import asyncio
import concurrent.futures
import functools
import hashlib
import importlib.metadata
import pickle
import platform
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mmaudit.errors import ExecutorError
from mmaudit.executor import DASK, Told, in_order, pinned

__all__ = ["Dask", "surroundings"]

Job = TypeVar("Job")
Result = TypeVar("Result")

CONNECT_SECONDS = 10
PATIENCE_SECONDS = 60
"""How long a run waits for a worker where there is none: one that died may be replaced."""
_POLL_SECONDS = 5
_LOST = "the scheduler was lost before all jobs were done"
_NUMERIC = ("numpy", "scipy", "scikit-learn")


class Dask:
    """The workers behind the scheduler at ``address``, ``host:port``. Raises :class:`ExecutorError`.

    A job whose worker dies is given to another: jobs are pure, so the result is the same. Each runs on one
    BLAS thread, and a worker whose libraries or processor could give other last bits is refused. Encryption
    and everything else about the connection is what Dask's own configuration says.
    """

    name = "dask"
    shares_memory = False
    threads = 1

    def __init__(self, address: str, code: Sequence[Path] = ()) -> None:
        try:
            import dask
            import distributed.scheduler
            import distributed.versions
        except ImportError as error:
            raise ExecutorError(
                f"executor {DASK}{address} needs dask and distributed; pip install 'mmaudit[distributed]'"
            ) from error
        self._address = address
        self._distributed: Any = distributed
        self._dask: Any = dask
        try:
            # A client that gets no sound answer would hang while it is taken down.
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                pool.submit(lambda: asyncio.run(_knock(address))).result()
            with warnings.catch_warnings():
                # The same is asked for below, of what matters to a result.
                warnings.simplefilter("ignore", distributed.versions.VersionMismatchWarning)
                self._client: Any = self._distributed.Client(
                    address, timeout=CONNECT_SECONDS, set_as_default=False
                )
        except OSError as error:
            raise self._error(f"no scheduler answers ({_line(error)})") from error
        except Exception as error:
            raise self._error("what answers there is no scheduler that this Dask can talk to") from error
        try:
            self._wait_for_a_worker(CONNECT_SECONDS)
            self._compare()
            for file in code:
                self._client.upload_file(str(file))
        except BaseException:
            self.close()
            raise

    @property
    def description(self) -> str:
        """The address, and how many workers there are by now."""
        threads = self._client.nthreads()
        return f"{DASK}{self._address}, workers: {len(threads)}, threads: {sum(threads.values())}"

    def map(
        self, function: Callable[[Job], Result], jobs: Sequence[Job], told: Told | None = None
    ) -> Iterator[Result]:
        """Yield the results in order; see :meth:`mmaudit.executor.Executor.map`."""
        if not jobs:
            return
        client, payload = self._client, self._pickled((function, surroundings()))
        # What jobs share crosses the network once, and as a task it can be had again from the scheduler.
        with self._dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
            shared = client.submit(bytes, payload, pure=False)
            submit = functools.partial(client.submit, _work, shared, pure=False)
            yield from in_order(lambda job: submit(self._pickled(job)), jobs, len(jobs), self._result, told)

    def close(self) -> None:
        """Leave the scheduler, which forgets what was not finished."""
        self._client.close(timeout=CONNECT_SECONDS)

    def _pickled(self, thing: Any) -> bytes:
        import cloudpickle

        try:
            return bytes(cloudpickle.dumps(thing))
        except Exception as error:
            raise ExecutorError(f"a job cannot be sent to a worker: {_line(error)}") from error

    def _result(self, future: Any) -> Any:
        """Wait for ``future``, as long as there is a worker that could be at it."""
        while not self._ended(future):
            self._wait_for_a_worker(PATIENCE_SECONDS)
        try:
            return future.result()
        except self._distributed.scheduler.KilledWorker as error:
            raise self._error(
                "a job's worker died again and again, most likely for want of memory; give workers more"
            ) from error
        except ModuleNotFoundError as error:
            raise self._error(f"a worker cannot import {error.name}; install there what is here") from error
        except self._distributed.CancelledError as error:
            raise self._error(_LOST) from error

    def _ended(self, future: Any) -> bool:
        if future.done():
            return True
        with self._client.as_current():
            try:
                self._distributed.wait(future, timeout=_POLL_SECONDS)
            except self._distributed.TimeoutError:
                return False
            except (self._distributed.CancelledError, OSError) as error:
                raise self._error(_LOST) from error
        return True

    def _wait_for_a_worker(self, seconds: int) -> None:
        try:
            self._client.wait_for_workers(1, timeout=seconds)
        except self._distributed.TimeoutError as error:
            raise self._error(f"no worker in {seconds} s; start some with `dask worker`") from error
        except (OSError, RuntimeError) as error:
            raise self._error(_LOST) from error

    def _compare(self) -> None:
        """Refuse workers that cannot import this package, or whose results could differ."""
        ours = surroundings()
        for worker, theirs in self._client.run(surroundings, on_error="return").items():
            if isinstance(theirs, Exception) and "ModuleNotFoundError" in repr(theirs):
                raise self._error(f"worker {worker} cannot import mmaudit; pip install it there")
            if isinstance(theirs, Exception):
                raise self._error(f"worker {worker} does not answer ({_line(theirs)})")
            if difference := _difference(ours, theirs):
                raise self._error(f"worker {worker} {difference}")

    def _error(self, what: str) -> ExecutorError:
        return ExecutorError(f"executor {DASK}{self._address}: {what}")


@functools.cache
def surroundings() -> Mapping[str, str]:
    """Return what the last bits of a result depend on beside the code of a job, by name.

    Numerical libraries, and this package, take other ways on other processors.
    """
    import numpy as np
    from threadpoolctl import threadpool_info

    root = Path(__file__).parent
    sources = sorted((path.relative_to(root).as_posix(), path) for path in root.rglob("*.py"))
    code = hashlib.sha256(b"".join(name.encode() + path.read_bytes() for name, path in sources))
    blas = (row for row in threadpool_info() if row["user_api"] == "blas" and "numpy" in row["filepath"])
    kernel = next(
        (f"{b['internal_api']} {b['version']} {b.get('architecture', '')}" for b in blas), "unknown"
    )
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    return {
        "mmaudit": f"of sources {code.hexdigest()[:12]}",
        "Python": ".".join(platform.python_version_tuple()[:2]),
        **{name: importlib.metadata.version(name) for name in _NUMERIC},
        "BLAS": kernel,
        "processor": " ".join([platform.machine(), *simd.get("found", ())]),
    }


def _difference(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str | None:
    different = [name for name in ours if ours[name] != theirs.get(name)]
    if not different:
        return None
    name = different[0]
    return (
        f"has {name} {theirs.get(name)}, and here it is {ours[name]}: last bits could differ; use workers "
        "with the same packages and the same kind of processor"
    )


async def _knock(address: str) -> None:
    """Connect as a client does, and hang up."""
    import distributed

    secured = distributed.Security().get_connection_args("client")
    comm = await distributed.comm.connect(address, timeout=CONNECT_SECONDS, **secured)
    comm.abort()


def _work(shared: bytes, job: bytes) -> Any:
    """Run one job on a worker, which may have come after the others were compared."""
    function, expected = pickle.loads(shared)
    if difference := _difference(expected, surroundings()):
        raise ExecutorError(f"a worker {difference}")
    return pinned(function, pickle.loads(job))


def _line(error: BaseException) -> str:
    first = (str(error).splitlines() or [""])[0]
    return first or type(error).__name__
