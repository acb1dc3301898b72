"""Jobs on this machine: in order, told, the same whoever runs them, and one line where it cannot be."""

import functools
import operator
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from mmaudit.errors import ExecutorError, InputError, SettingsError
from mmaudit.executor import Local, open_executor, scheduler_of
from mmaudit.threads import cores, one_blas_thread

EXECUTORS = [Local(), Local(3), Local(2, processes=True)]


def blas_threads():
    from threadpoolctl import threadpool_info

    return {row["num_threads"] for row in threadpool_info() if row["user_api"] == "blas"}


@pytest.mark.parametrize("executor", EXECUTORS, ids=lambda e: e.description)
def test_results_come_in_the_order_of_the_jobs_and_are_told(executor):
    told = []
    found = executor.map(functools.partial(operator.mul, 3), range(20), lambda *step: told.append(step))
    assert told == []
    assert list(found) == list(range(0, 60, 3))
    assert told == [(done, 20) for done in range(1, 21)]
    assert list(executor.map(operator.neg, [])) == []
    executor.close()


@pytest.mark.parametrize("executor", EXECUTORS, ids=lambda e: e.description)
def test_what_a_job_raises_is_raised_at_its_turn(executor):
    found = executor.map(functools.partial(operator.truediv, 6), [3, 2, 0, 1])
    assert [next(found), next(found)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_threads_run_beside_each_other_and_few_results_wait():
    meeting = threading.Barrier(2, timeout=30)
    list(Local(2).map(lambda _: meeting.wait(), range(2)))
    started = []
    found = Local(2).map(started.append, range(50))
    next(found)
    assert len(started) <= 5
    found.close()
    assert len(started) <= 5


def test_a_process_that_dies_is_one_line():
    with pytest.raises(ExecutorError, match="a process that ran a job died"):
        list(Local(2, processes=True).map(os._exit, [3, 3]))


def test_every_job_has_one_blas_thread_and_the_process_its_own_again():
    np.ones((2, 2)) @ np.ones((2, 2))
    before = blas_threads()
    for executor in EXECUTORS[:2]:
        assert set().union(*executor.map(lambda _: blas_threads(), range(4))) == {1}
    assert blas_threads() == before


def test_scipy_imported_while_blas_is_limited_is_limited_too():
    """Where its linear algebra came first from within a check, the last bits of that check depended on it."""
    code = """
import sys
import numpy
from mmaudit.threads import one_blas_thread
from threadpoolctl import threadpool_info

assert "scipy" not in sys.modules
with one_blas_thread():
    import scipy.linalg
    print({row["num_threads"] for row in threadpool_info() if row["user_api"] == "blas"})
"""
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == "{1}", done.stderr


def test_the_last_thread_to_leave_gives_the_blas_threads_back():
    np.ones((2, 2)) @ np.ones((2, 2))
    before = blas_threads()
    inside, leave, seen = threading.Event(), threading.Event(), []

    def work():
        with one_blas_thread():
            inside.set()
            leave.wait(30)
            seen.append(blas_threads())

    with one_blas_thread():
        other = threading.Thread(target=work)
        other.start()
        assert inside.wait(30)
    leave.set()
    other.join(30)
    assert seen == [{1}]
    assert blas_threads() == before


def test_the_cores_are_shared_out():
    assert Local().threads == cores()
    assert Local(10 * cores()).threads == 1
    assert Local(2).shares_memory
    assert not Local(2, processes=True).shares_memory


def test_an_executor_is_named_by_a_word_or_an_address():
    assert open_executor() == Local()
    assert open_executor("local", local=Local(2)) == Local(2)
    assert scheduler_of("dask://10.0.0.5:8786") == "10.0.0.5:8786"
    assert scheduler_of("dask://[::1]:8786") == "[::1]:8786"
    for bad in ("", "dask", "dask://", "dask://host", "dask://host:0", "dask://:1", "tcp://host:8786", "ray"):
        with pytest.raises(SettingsError, match="expected local or dask://HOST:PORT"):
            open_executor(bad)


def test_without_the_extra_the_line_says_what_to_install(monkeypatch):
    for name in ("dask", "distributed"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(ExecutorError, match=r"^executor dask://host:1 .*mmaudit\[distributed\]"):
        open_executor("dask://host:1")


def test_arrays_are_not_sent_to_workers():
    from mmaudit.scale import audit_large

    z = np.ones((4, 2), np.float32)
    with pytest.raises(InputError, match=r"give .npy or .safetensors files"):
        audit_large(z, z, executor=Local(2, processes=True))
