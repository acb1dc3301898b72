"""The HTTP endpoint, against a server on the loopback interface that misbehaves on demand."""

import base64
import email.utils
import http.server
import json
import threading
import time

import numpy as np
import pytest

import mmaudit
from mmaudit.errors import SubjectError
from mmaudit.gates import Auditor, Verdict
from mmaudit.subjects import as_subject
from mmaudit.subjects.http import Endpoint

pytest.importorskip("httpx", reason="httpx is not installed")

KEY = "test-key-value-that-is-nowhere-else"
TEXTS = [f"sentence number {i}" for i in range(10)]


def vector(text):
    return np.random.default_rng(len(text) * 1000 + sum(map(ord, text))).standard_normal(8).tolist()


def answer(texts, encode=list):
    return {"data": [{"index": i, "embedding": encode(vector(t))} for i, t in enumerate(texts)]}


class Server(http.server.ThreadingHTTPServer):
    """Gives each request to the next of ``plan``, and the last of them to all that follow."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan, self.seen = [], []


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.seen.append((dict(self.headers), body))
        step = server.plan.pop(0) if len(server.plan) > 1 else server.plan[0]
        status, found, headers = step(body["input"])
        content = found if isinstance(found, bytes) else json.dumps(found).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


def good(texts):
    return 200, answer(texts), {}


def fails(status, found=b"", **headers):
    return lambda texts: (status, found, {name.replace("_", "-"): value for name, value in headers.items()})


def gives(found):
    return lambda texts: (200, found(texts) if callable(found) else found, {})


@pytest.fixture
def server(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    running = Server()
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def endpoint(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    waited = []

    def make(*plan, **fields):
        server.plan, server.seen[:], waited[:] = list(plan), [], []
        url = f"http://127.0.0.1:{server.server_port}/v1/embeddings"
        return Endpoint(**{"url": url, "model": "small", "sleep": waited.append, "timeout": 5.0, **fields})

    make.waited = waited
    return make


def encoder(endpoint):
    return as_subject(endpoint, modalities=("query", "document")).encoders["query"]


def test_texts_in_order(endpoint, server):
    found = encoder(endpoint(good, dimensions=8))(TEXTS)
    assert found.dtype == np.float32
    assert np.allclose(found, [vector(t) for t in TEXTS])
    ((headers, body),) = server.seen
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert body == {"model": "small", "input": TEXTS, "encoding_format": "float", "dimensions": 8}


def shuffled(texts):
    found = answer(texts)
    found["data"].reverse()
    return found


def packed(numbers):
    return base64.b64encode(np.asarray(numbers, dtype="<f4").tobytes()).decode()


@pytest.mark.parametrize("found", [shuffled, lambda texts: answer(texts, packed)], ids=["order", "base64"])
def test_rows_go_by_their_index_and_may_be_base64(endpoint, found):
    assert np.allclose(encoder(endpoint(gives(found)))(TEXTS), [vector(t) for t in TEXTS])


def test_without_a_key_none_is_sent(endpoint, server, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    encoder(endpoint(good))(TEXTS)
    assert "Authorization" not in server.seen[0][0]


def test_what_may_pass_is_tried_again_after_a_growing_wait(endpoint):
    plan = [fails(s) for s in (500, 502, 503)]
    given = endpoint(*plan, good, backoff=0.5)
    assert len(encoder(given)(TEXTS)) == 10
    assert endpoint.waited == [0.5, 1.0, 2.0]


def test_retry_after_is_obeyed_in_seconds_and_as_a_date(endpoint):
    date = email.utils.formatdate(time.time() + 40, usegmt=True)
    given = endpoint(
        fails(429, Retry_After="7"), fails(429, Retry_After=date), fails(429, Retry_After="soon"), good
    )
    encoder(given)(TEXTS)
    assert endpoint.waited[0] == 7.0
    assert 30 < endpoint.waited[1] <= 40
    assert endpoint.waited[2] == 2.0


def test_a_wait_beyond_patience_ends_at_once(endpoint):
    with pytest.raises(SubjectError, match="answered 429, and asks to wait 3600 s; try later"):
        encoder(endpoint(fails(429, Retry_After="3600")))(TEXTS)
    assert endpoint.waited == []


def test_it_gives_up_in_the_end_and_says_why(endpoint, server):
    with pytest.raises(SubjectError, match="failed 3 times; the last time: 500: out of memory"):
        encoder(endpoint(fails(500, {"error": {"message": "out of\n memory"}}), retries=2))(TEXTS)
    assert len(server.seen) == 3
    assert endpoint.waited == [0.5, 1.0]


def test_a_silent_server_times_out(endpoint):
    def slow(texts):
        time.sleep(0.5)
        return good(texts)

    with pytest.raises(SubjectError, match=r"failed 2 times; .* ReadTimeout, no answer within 0.05 s"):
        encoder(endpoint(slow, timeout=0.05, retries=1))(TEXTS)


def test_a_closed_port_is_one_line(endpoint):
    given = endpoint(good, url="http://127.0.0.1:9/v1/embeddings", retries=1)
    with pytest.raises(SubjectError, match="failed 2 times; the last time: ConnectError, no connection"):
        encoder(given)(TEXTS)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 302])
def test_what_cannot_pass_is_not_tried_again_and_names_no_key(endpoint, server, status):
    told = {"error": {"message": f"Incorrect key {KEY} given. " + "x" * 500}}
    with pytest.raises(SubjectError, match=f"the endpoint answered {status}") as error:
        encoder(endpoint(fails(status, told, Location="http://elsewhere.invalid/")))(TEXTS)
    assert len(server.seen) == 1
    assert KEY not in str(error.value)
    assert "[masked]" in str(error.value)
    assert len(str(error.value)) < 320
    assert ("OPENAI_API_KEY" in str(error.value)) == (status in (401, 403))


WRONG = {
    "no JSON": (b"<html>", "is no JSON"),
    "no list": ({"error": 1}, "no list 'data'"),
    "a number": (3, "no list 'data'"),
    "no rows": ({"data": []}, "returned 0 embeddings for 10 texts"),
    "too few": (lambda t: answer(t[:-1]), "returned 9 embeddings for 10 texts"),
    "too many": (lambda t: answer([*t, "more"]), "returned 11 embeddings for 10 texts"),
    "an index twice": (
        lambda t: {"data": [{"index": 0, "embedding": [1.0]}] * 10},
        "returned 10 .* numbered",
    ),
    "a row without": (lambda t: {"data": [{"index": 0}] * 10}, "row without 'embedding'"),
    "words": (lambda t: answer(t, lambda v: ["a"]), "is no list of numbers"),
    "no base64": (lambda t: answer(t, lambda v: "!!"), "is no list of numbers"),
    "half a float": (lambda t: answer(t, lambda v: "AAAA"), "is no list of numbers"),
    "a matrix": (lambda t: answer(t, lambda v: [v, v]), r"of shape \(2, 8\)"),
    "widths": (lambda t: {"data": [{"index": i, "embedding": [1.0] * (i + 1)} for i in range(10)]}, "widths"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_answers_are_one_line(endpoint, kind):
    found, line = WRONG[kind]
    with pytest.raises(SubjectError, match=line) as error:
        encoder(endpoint(gives(found)))(TEXTS)
    assert "\n" not in str(error.value)


def test_requests_keep_to_the_rate(endpoint):
    encode = encoder(endpoint(good, per_minute=0.5))
    for _ in range(3):
        encode(TEXTS)
    first, second = endpoint.waited
    assert 60 < first <= 120
    assert 180 < second <= 240


def test_batches_are_those_of_the_endpoint(endpoint, server):
    pairs = mmaudit.Pairs(inputs={"query": TEXTS, "document": TEXTS})
    auditor = Auditor(endpoint(good, batch_size=4), pairs)
    assert auditor.subject.identity.record() == {
        "name": "small", "adapter": "HTTP endpoint", "weights_sha256": None,
    }  # fmt: skip
    assert auditor.subject.fingerprint is None
    auditor.material.served()
    assert [len(body["input"]) for _, body in server.seen] == [4, 4, 2] * 2


def test_no_byte_of_the_key_is_in_the_bundle(endpoint, tmp_path, monkeypatch):
    texts = [f"text {i}" for i in range(60)]
    pairs = mmaudit.Pairs(inputs={"query": texts, "document": texts})
    result = mmaudit.audit(endpoint(good), pairs)
    assert result["contract"].verdict is Verdict.ACCEPT
    refused = mmaudit.audit(endpoint(fails(401, {"error": {"message": KEY}})), pairs)
    assert refused["contract"].verdict is Verdict.REJECT
    for found in (result, refused):
        bundle = found.write(tmp_path)
        assert KEY.encode() not in bundle.archive.read_bytes()
        assert KEY not in str(found)


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("ftp://host/v1#m", "cannot read"),
        ("https://user:secret@host/v1/embeddings#m", "put the key into the environment"),
        ("https://host/v1/embeddings?key=secret#m", "put the key into the environment"),
        ("https://host/v1/embeddings", "needs the name of a model"),
        ("https:///v1#m", "no http or https address"),
    ],
)
def test_addresses_that_lead_nowhere(address, line):
    with pytest.raises(SubjectError, match=line) as error:
        as_subject(address, modalities=("query", "document"))
    assert "secret" not in str(error.value)


def test_an_address_with_its_model(endpoint, server):
    given = endpoint(good)
    subject = as_subject(f"{given.url}#other", modalities=("query", "document"))
    subject.encoders["document"](TEXTS)
    assert server.seen[0][1]["model"] == "other"


def test_pictures_are_refused():
    given = Endpoint(url="https://host/v1/embeddings", model="m")
    with pytest.raises(SubjectError, match="reads texts alone"):
        as_subject(given)
    with pytest.raises(SubjectError, match="takes texts and is given a int"):
        encoder(given)([1])


def test_settings_that_cannot_work_are_refused():
    for name, value in (("timeout", 0), ("retries", -1), ("backoff", -1.0)):
        with pytest.raises(SubjectError, match=f"the endpoint's {name} is"):
            Endpoint(url="https://host/v1", model="m", **{name: value})
