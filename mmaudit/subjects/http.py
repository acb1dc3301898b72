"""An embedding endpoint over HTTP, compatible with OpenAI's ``/v1/embeddings``."""

import base64
import binascii
import dataclasses
import email.utils
import os
import threading
import time
import urllib.parse
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.errors import SubjectError
from mmaudit.subjects.options import Options
from mmaudit.subjects.subject import Identity, Subject

__all__ = ["ENDPOINT", "Endpoint", "from_endpoint"]

ENDPOINT = "HTTP endpoint"
"""The name of this adapter in the evidence."""

_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_WAIT = 120.0
"""Seconds: who is told to wait longer has met a quota, and is told so."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where texts are embedded. Audit it as a subject: ``as_subject(Endpoint(url=..., model=...))``.

    ``url`` is the full address, such as ``https://host/v1/embeddings``; ``model`` is sent with each request.
    The key is read from the environment variable ``key_variable`` when a request is made; it is sent in the
    ``Authorization`` header and is nowhere else: not in the identity, the evidence, or an error. ``timeout``
    is in seconds, for each of connecting, sending and receiving. A request that fails by a timeout, a broken
    connection or status 408, 425, 429, 500, 502, 503 or 504 is tried ``retries`` times more, after
    ``backoff`` seconds, twice that, and so on, or as long as ``Retry-After`` says. ``per_minute`` bounds the
    requests. ``batch_size`` texts go into one request. Raises :class:`SubjectError` on a URL that is no HTTP
    address or holds a credential.
    """

    url: str
    model: str
    key_variable: str = "OPENAI_API_KEY"
    dimensions: int | None = None
    batch_size: int = 64
    timeout: float = 30.0
    retries: int = 5
    backoff: float = 0.5
    per_minute: float | None = None
    sleep: Callable[[float], None] = dataclasses.field(default=time.sleep, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what could only fail later."""
        parts = urllib.parse.urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SubjectError(
                "the endpoint's url is no http or https address; give https://host/v1/embeddings"
            )
        if parts.username or parts.password or parts.query:
            raise SubjectError(
                "the endpoint's url holds a user, a password or a query; put the key into the environment "
                f"variable {self.key_variable}"
            )
        if not self.model:
            raise SubjectError(
                "the endpoint needs the name of a model; give https://host/v1/embeddings#model"
            )
        for name, low in (("timeout", 0.0), ("retries", -1), ("backoff", -1e-9)):
            if not getattr(self, name) > low:
                raise SubjectError(f"the endpoint's {name} is {getattr(self, name)!r}, which is too small")

    @classmethod
    def parse(cls, address: str) -> "Endpoint":
        """Return the endpoint of ``https://host/v1/embeddings#model``."""
        url, _, model = address.partition("#")
        return cls(url=url, model=model)


def from_endpoint(obj: Any, options: Options) -> Subject | None:
    """Adapt an :class:`Endpoint`, or ``https://host/v1/embeddings#model``. It encodes both modalities."""
    if isinstance(obj, str) and obj.startswith(("http://", "https://")):
        obj = Endpoint.parse(obj)
    if not isinstance(obj, Endpoint):
        return None
    if options.modalities is None or "image" in options.modalities:
        raise SubjectError(
            "an embedding endpoint reads texts alone; give pairs of texts (--mmaudit-data), whose two "
            "modalities it takes over"
        )
    client = _Client(obj)
    return Subject(
        encoders=dict.fromkeys(options.modalities, client.embed),
        identity=Identity(name=options.name or obj.model, adapter=ENDPOINT),
        batch_size=obj.batch_size,
    )


class _Client:
    """Sends batches one after the other, no faster than allowed."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._next = 0.0

    def embed(self, texts: Sequence[Any]) -> npt.NDArray[np.float32]:
        """Return the (m, d) float32 embeddings of ``texts``, row i for text i."""
        for text in texts:
            if not isinstance(text, str):
                raise SubjectError(f"the endpoint takes texts and is given a {type(text).__name__}")
        body: dict[str, Any] = {
            "model": self._endpoint.model,
            "input": list(texts),
            "encoding_format": "float",
        }
        if self._endpoint.dimensions is not None:
            body["dimensions"] = self._endpoint.dimensions
        return _rows(self._answer(body), len(texts))

    def _answer(self, body: dict[str, Any]) -> Any:
        """Return the decoded answer to ``body``, trying again where that can help."""
        try:
            import httpx
        except ImportError as error:
            raise SubjectError("an HTTP endpoint needs httpx; pip install 'mmaudit[http]'") from error
        e = self._endpoint
        key = os.environ.get(e.key_variable, "")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        why = ""
        for attempt in range(e.retries + 1):
            self._wait_for_turn()
            wait = e.backoff * 2.0**attempt
            try:
                # No redirects: the key must not follow one to another host.
                answer = httpx.post(e.url, json=body, headers=headers, timeout=e.timeout)
            except httpx.InvalidURL:
                raise SubjectError("the endpoint's url is no http or https address") from None
            except UnicodeEncodeError:
                raise SubjectError(
                    f"the key in {e.key_variable} holds characters that no header can"
                ) from None
            except httpx.TimeoutException as error:
                why = f"{type(error).__name__}, no answer within {e.timeout:g} s"
            except httpx.TransportError as error:
                why = f"{type(error).__name__}, no connection to the service"
            else:
                if answer.status_code == 200:
                    try:
                        return answer.json()
                    except ValueError:
                        raise SubjectError("the endpoint's answer is no JSON") from None
                why = _status(answer, key, e.key_variable)
                if answer.status_code not in _TRY_AGAIN:
                    raise SubjectError(f"the endpoint answered {why}")
                asked = _retry_after(answer.headers.get("Retry-After"))
                wait = wait if asked is None else asked
                if wait > _LONGEST_WAIT:
                    raise SubjectError(f"the endpoint answered {why}, and asks to wait {wait:g} s; try later")
            if attempt < e.retries:
                e.sleep(wait)
        raise SubjectError(f"the endpoint failed {e.retries + 1} times; the last time: {why}")

    def _wait_for_turn(self) -> None:
        per_minute = self._endpoint.per_minute
        if per_minute is None:
            return
        with self._lock:
            now = time.monotonic()
            wait = self._next - now
            self._next = max(now, self._next) + 60.0 / per_minute
        if wait > 0:
            self._endpoint.sleep(wait)


def _status(answer: Any, key: str, variable: str) -> str:
    """Return status and message of an error, without the key, should the server repeat it."""
    try:
        found = answer.json()
        found = found.get("error", found)
        message = found.get("message", "") if isinstance(found, dict) else found
    except (ValueError, AttributeError):
        message = ""
    text = " ".join(str(message).split())
    if key:
        text = text.replace(key, "[masked]")
    text = text[:200]
    hint = f" (the key comes from {variable})" if answer.status_code in (401, 403) else ""
    return f"{answer.status_code}{': ' if text else ''}{text}{hint}"


def _retry_after(value: str | None) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _rows(answer: Any, count: int) -> npt.NDArray[np.float32]:
    """Return the embeddings in the order of their ``index``."""
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list):
        raise SubjectError("the endpoint's answer has no list 'data'")
    found: dict[Any, npt.NDArray[np.float32]] = {}
    for position, row in enumerate(data):
        if not isinstance(row, dict) or "embedding" not in row:
            raise SubjectError("the endpoint's answer has a row without 'embedding'")
        found[row.get("index", position)] = _vector(row["embedding"])
    if len(data) != count or found.keys() != set(range(count)):
        numbers = f", numbered {sorted(map(str, found))[:8]}" if len(data) == count else ""
        raise SubjectError(f"the endpoint returned {len(data)} embeddings for {count} texts{numbers}")
    widths = {len(vector) for vector in found.values()}
    if len(widths) > 1:
        raise SubjectError(f"the endpoint returned embeddings of different widths: {sorted(widths)}")
    return np.stack([found[i] for i in range(count)])


def _vector(embedding: Any) -> npt.NDArray[np.float32]:
    """Return one embedding, given as numbers or as base64 of little-endian float32."""
    try:
        if isinstance(embedding, str):
            return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4").astype(np.float32)
        vector = np.asarray(embedding, dtype=np.float32)
    except (ValueError, TypeError, OverflowError, binascii.Error):
        raise SubjectError("the endpoint returned an embedding that is no list of numbers") from None
    if vector.ndim != 1:
        raise SubjectError(f"the endpoint returned an embedding of shape {vector.shape}; expected (d,)")
    return vector
