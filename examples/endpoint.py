"""Audit an embedding service over HTTP, as OpenAI's interface defines it.

So that the example runs as it stands, it starts a small server on this machine that embeds texts by the
words in them, and fails now and then as real services do. For a service of your own, with the key in the
environment::

    pytest --mmaudit --mmaudit-subject=https://host/v1/embeddings#model --mmaudit-data=my_module:make_pairs

Run ``python examples/endpoint.py``.
"""

import contextlib
import hashlib
import http.server
import itertools
import json
import os
import threading
from collections.abc import Iterator

import numpy as np

import mmaudit
from mmaudit.seeds import generator
from mmaudit.subjects.http import Endpoint
from mmaudit.subjects.reference import reference_world

__all__ = ["main", "pairs", "serving"]

KEY = "a key that must not be seen"


class _Service(http.server.BaseHTTPRequestHandler):
    """Answers every fifth request with status 429, and the rest with one vector a text."""

    requests = 0

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).requests += 1
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            self._send(401, {"error": {"message": "wrong key"}})
        elif self.requests % 5 == 0:
            self._send(429, {"error": {"message": "slow down"}}, {"Retry-After": "0.01"})
        else:
            rows = [{"index": i, "embedding": _embed(text)} for i, text in enumerate(body["input"])]
            self._send(200, {"data": rows})

    def _send(self, status: int, answer: object, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Say nothing: the audit is what is to be read."""


def _embed(text: str) -> list[float]:
    """Return the sum of one random direction a word and pair of neighbours, (64,)."""
    words = text.lower().rstrip(".").split()
    total = np.zeros(64)
    for part in (*words, *map(" ".join, itertools.pairwise(words))):
        seed = int.from_bytes(hashlib.sha256(part.encode()).digest()[:4], "big")
        total += generator(seed, "word").standard_normal(64)
    return [float(number) for number in total]


@contextlib.contextmanager
def serving() -> Iterator[Endpoint]:
    """Run the service for as long as the context lasts, and give its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/v1/embeddings"
        yield Endpoint(url=url, model="words", key_variable="EXAMPLE_KEY")
        server.shutdown()


def pairs() -> mmaudit.Pairs:
    """Return 200 sentences of the built-in world, each against itself without its last word."""
    world = reference_world()
    rows = world.splits["test"][:200]
    whole = world.sentences(rows)
    return mmaudit.Pairs(
        inputs={"query": [text.rpartition(" ")[0] for text in whole], "document": whole},
        groups=world.items.combinations[rows],
        name="sentences and their beginnings",
    )


def main() -> None:
    """Audit the service."""
    os.environ["EXAMPLE_KEY"] = KEY
    with serving() as endpoint:
        result = mmaudit.audit(endpoint, pairs())
    print(f"## an endpoint: {result.verdict.value}\n\n{result}\n")
    print(
        f"Notice: {_Service.requests} requests were sent, and every fifth was refused and tried again as "
        "the service asked. The key is in the environment and in no line of the evidence. The weights "
        "behind a service cannot be seen: the evidence names the model and has no digest."
    )


if __name__ == "__main__":
    main()
