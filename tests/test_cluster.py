"""A real Dask scheduler and workers on loopback: the same bytes as here, though a worker is killed."""

import contextlib
import os
import pickle
import platform
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from mmaudit import cluster
from mmaudit.errors import ExecutorError, InputError
from mmaudit.evidence import dumps
from mmaudit.executor import Local, open_executor
from mmaudit.gates import Auditor
from mmaudit.scale import audit_large, deciding, sampling, survey
from mmaudit.seeds import generator
from mmaudit.settings import Settings
from mmaudit.stress import Stress
from mmaudit.suites import Laboratory

distributed = pytest.importorskip("distributed", reason="needs the extra mmaudit[distributed]")
dask = pytest.importorskip("dask")


@pytest.fixture(scope="module")
def scheduler():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    ) as found:
        yield found


@pytest.fixture(scope="module")
def address(scheduler):
    return scheduler.scheduler_address.replace("tcp://", "dask://")


@pytest.fixture
def remote(address):
    with contextlib.closing(open_executor(address)) as executor:
        yield executor


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    rng = generator(0, "cluster")
    z = rng.normal(size=(3000, 24))
    folder = tmp_path_factory.mktemp("rows")
    for name in "xy":
        np.save(folder / f"{name}.npy", (z + 0.6 * rng.normal(size=z.shape)).astype(np.float32))
    return folder / "x.npy", folder / "y.npy"


@contextlib.contextmanager
def killing_one_at_work(address):
    """Kill a worker as soon as one is at work; give the list that its process id is then in."""
    killed = []

    def watch():
        with distributed.Client(address.replace("dask://", "tcp://"), set_as_default=False) as client:
            pids = client.run(os.getpid)
            for _ in range(6000):
                busy = [
                    w for w, tasks in client.processing().items() if any("_work" in str(t) for t in tasks)
                ]
                if busy:
                    os.kill(pids[busy[0]], signal.SIGKILL)
                    killed.append(pids[busy[0]])
                    return
                time.sleep(0.01)

    watching = threading.Thread(target=watch)
    watching.start()
    yield killed
    watching.join(120)


def test_conditions_trained_elsewhere_are_those_trained_here_though_a_worker_dies(remote, address):
    names = ["img_gain_dominant", "conf_high_corr0"]
    there = Laboratory(7)
    with killing_one_at_work(address) as killed:
        there.prepare(names, remote)
    assert killed
    trained = set(there._store._memory)
    here = Laboratory(7)
    for name in names:
        assert there.run(name).record() == here.run(name).record()
    assert set(there._store._memory) == trained == set(here._store._memory)


def test_a_large_audit_has_the_same_digits_wherever_it_runs(remote, files, monkeypatch):
    monkeypatch.setattr(deciding, "ROUND", 128)
    monkeypatch.setattr(deciding, "CONTROL_ITEMS", 500)
    for module in (survey, sampling):
        monkeypatch.setattr(module, "JOB", 700)
    steps = []
    here = audit_large(*files, executor=Local())
    there = audit_large(*files, executor=remote, progress=lambda *step: steps.append(step))
    assert here == there
    assert steps[:5] == [("reading all rows", done, 5) for done in range(1, 6)]
    threads = audit_large(*files, executor=Local(3))
    assert here == threads


def test_a_search_tries_the_same_worlds_with_the_same_digits(remote, monkeypatch):
    auditor = Auditor(settings=Settings(stress={"worlds": 16}))
    found, sent, real = [], [], remote.map
    monkeypatch.setattr(
        remote, "map", lambda tried, jobs, *told: sent.extend(jobs) or real(tried, jobs, *told)
    )
    for executor in (None, remote):
        stress = Stress(auditor, executor)
        outcome = stress.run("generated_worlds")
        found.append((outcome.record(), dumps(stress.record)))
    assert found[0] == found[1]
    assert sent


def test_what_a_job_raises_on_a_worker_is_raised_here(remote, files, tmp_path):
    from mmaudit.scale import open_rows

    rows = open_rows(files[0])
    gone = tmp_path / "gone.npy"
    gone.write_bytes(files[0].read_bytes())
    lost = open_rows(gone)
    gone.unlink()
    with pytest.raises(
        InputError, match=r"gone.npy: No such file or directory; it must lie at the same path"
    ):
        survey.survey(lost, rows, executor=remote)
    with pytest.raises(TimeoutError, match="of the job's own"):
        list(remote.map(_late, [1]))
    with pytest.raises(ExecutorError, match="a job cannot be sent to a worker: "):
        list(remote.map(str, [threading.Lock()]))
    with pytest.raises(ExecutorError, match="a worker cannot import no_such_module"):
        list(remote.map(_importing, [1]))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names a kernel of OpenBLAS for x86-64")
def test_a_worker_that_would_give_other_last_bits_is_refused():
    if not cluster.surroundings()["BLAS"].startswith("openblas"):
        pytest.skip("this NumPy brings no OpenBLAS of its own")
    other = {"OPENBLAS_CORETYPE": "Nehalem"}
    with (
        only_worker("-m", "distributed.cli.dask_worker", env=other) as where,
        pytest.raises(ExecutorError, match=f"^executor {where}: worker .* has BLAS .*Nehalem, and here"),
    ):
        open_executor(where)


@pytest.mark.parametrize("name", cluster.surroundings())
def test_a_worker_that_comes_later_is_compared_by_its_first_job(name):
    ours = {**cluster.surroundings(), name: "another"}
    with pytest.raises(ExecutorError, match=f"^a worker has {name} .*, and here it is another: last bits"):
        cluster._work(pickle.dumps((str, ours)), pickle.dumps(1))


def test_no_scheduler_and_no_worker_are_one_line(monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(ExecutorError, match=r"^executor dask://127\.0\.0\.1:9: no scheduler answers"):
        open_executor("dask://127.0.0.1:9")
    with http_server() as port, pytest.raises(ExecutorError, match="answers there is no scheduler"):
        open_executor(f"dask://127.0.0.1:{port}")
    with (
        distributed.LocalCluster(
            n_workers=0, processes=True, dashboard_address=":0", silence_logs=50
        ) as empty,
        pytest.raises(ExecutorError, match="no worker in 1 s; start some with `dask worker`"),
    ):
        open_executor(empty.scheduler_address.replace("tcp://", "dask://"))


def test_a_scheduler_that_goes_away_is_one_line(monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE_SECONDS", 1)
    monkeypatch.setattr(cluster, "_POLL_SECONDS", 1)
    with (
        distributed.LocalCluster(n_workers=1, dashboard_address=":0", silence_logs=50) as leaving,
        contextlib.closing(open_executor(leaving.scheduler_address.replace("tcp://", "dask://"))) as executor,
    ):
        found = executor.map(_slow, [0.01, 20])
        assert next(found) == 0.01
        leaving.close()
        with pytest.raises(ExecutorError, match="the scheduler was lost before all jobs were done"):
            next(found)


def test_the_connection_is_encrypted_where_dasks_configuration_says_so(tmp_path):
    pytest.importorskip("cryptography", reason="makes the certificates; needs the extra mmaudit[sign]")
    secured = distributed.Security.temporary()
    held = {"ca-file": secured.tls_ca_file, "key": secured.tls_client_key, "cert": secured.tls_client_cert}
    for name, text in held.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    config = {
        "distributed.comm.default-scheme": "tls",
        "distributed.comm.require-encryption": True,
        "distributed.comm.tls.ca-file": str(tmp_path / "ca-file"),
        "distributed.comm.tls.client.key": str(tmp_path / "key"),
        "distributed.comm.tls.client.cert": str(tmp_path / "cert"),
    }
    with distributed.LocalCluster(
        n_workers=1, security=secured, dashboard_address=":0", silence_logs=50
    ) as closed:
        address = closed.scheduler_address.replace("tls://", "dask://")
        with dask.config.set(config), contextlib.closing(open_executor(address)) as executor:
            assert list(executor.map(abs, [-1, -2])) == [1, 2]
        with pytest.raises(ExecutorError, match="no scheduler"):
            open_executor(address)


def test_a_worker_without_the_package_is_named():
    bare = (
        "import sys; sys.modules['mmaudit'] = None\n"
        "from distributed.cli.dask_worker import main\n"
        "main(sys.argv[1:])"
    )
    with only_worker("-c", bare) as where, pytest.raises(ExecutorError, match="cannot import mmaudit; pip"):
        open_executor(where)


@contextlib.contextmanager
def only_worker(*python, env=None):
    """Give the address of a scheduler whose one worker is started by ``python``."""
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as empty:
        where = empty.scheduler_address
        options = ["--no-nanny", "--no-dashboard", "--nthreads", "1"]
        worker = subprocess.Popen(
            [sys.executable, *python, where, *options],
            env=os.environ | (env or {}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield where.replace("tcp://", "dask://")
        finally:
            worker.terminate()
            worker.wait(30)


@contextlib.contextmanager
def http_server():
    """Give the port of a server that speaks HTTP, as a scheduler's dashboard does beside it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            with contextlib.suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client:
                        client.sendall(b"HTTP/1.1 400 Bad Request\r\n" * 9)
                        client.recv(1 << 16)

        threading.Thread(target=answer, daemon=True).start()
        yield server.getsockname()[1]


def _slow(seconds):
    time.sleep(seconds)
    return seconds


def _late(_):
    raise TimeoutError("of the job's own")


def _importing(_):
    import no_such_module  # noqa: F401


@pytest.fixture(autouse=True, scope="module")
def _sent_whole():
    """Functions of this file are sent as they are: a worker cannot import the tests."""
    import cloudpickle

    here = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(here)
    yield
    cloudpickle.unregister_pickle_by_value(here)
