"""The prompts log: which instructions made the run, without what must not leave the machine."""

import hashlib
import hmac
import re
import unicodedata

from mmaudit.errors import BundleError
from mmaudit.evidence.records import Record

__all__ = ["prompt_rows", "redact"]

_MAX_CHARACTERS = 20_000
_MAX_PASSES = 8
_SECRET_NAME = (
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|credential|(?:api|access|private|secret)[ _-]?key)s?"
)
_PREFIXED = r"sk|pk|rk|gh[opsur]|github_pat|glpat|hf|npm|pypi|xox[a-z]|SG|dop_v1"

# Order matters: what is quoted or named goes before what is only shaped like a secret.
_MASKS = tuple(
    (re.compile(pattern), mask)
    for pattern, mask in (
        (r"-----BEGIN [A-Z ]{0,40}-----[^-]*(?:-----END [A-Z ]{0,40}-----)?", "[masked key]"),
        (r"\b([A-Za-z][A-Za-z0-9+.-]{1,20}://)[^\s/]*@", r"\1[masked credentials]@"),
        (r"\bfile:/+\S*", "[masked path]"),
        (r"(?i)\b(bearer|basic)(\s+)(?!\[masked )[A-Za-z0-9._~+/=-]{6,}", r"\1\2[masked token]"),
        (
            rf"(?i)({_SECRET_NAME}[\"'`]?\s{{0,4}}(?:[:=]|\bis\b)>?\s{{0,4}})(?!\[masked )"
            r"(?:\"[^\"\n]*\"|'[^'\n]*'|\S+)",
            r"\1[masked secret]",
        ),
        (r"\beyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]+){1,2}", "[masked token]"),
        (rf"(?<![A-Za-z0-9])(?:{_PREFIXED})[-_.][A-Za-z0-9_.-]{{8,}}", "[masked key]"),
        (r"(?<![A-Za-z0-9])(?:AKIA|ASIA|AIza|ya29\.)[A-Za-z0-9_-]{12,}", "[masked key]"),
        (r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+", "[masked e-mail]"),
        (r"\b[A-Za-z]:[\\/][^\s\"'`<>|]*", "[masked path]"),
        (r"\\\\[^\s\"'`<>|]+", "[masked path]"),
        (r"(?<![\w./:\]])(?:~[\w.-]*|\.{1,2})?/[\w.@+-]+(?:/[\w.@+-]*)+", "[masked path]"),
        (r"(?<![\w.])~[\w.-]*/[\w.@+-]*", "[masked path]"),
        (r"(?<![A-Za-z0-9])(?:[0-9A-Fa-f]{2}[:-]?){15,}[0-9A-Fa-f]{1,2}(?![A-Za-z0-9])", "[masked digits]"),
    )
)
_RUN = re.compile(r"[A-Za-z0-9+/_-]{20,}={0,2}")


def redact(text: str) -> str:
    """Return ``text`` with what looks secret masked, normalised (NFKC) and cut after 20 000 characters.

    Masked are private keys, API keys, bearer and similar tokens, values named password, secret, token or key,
    credentials in URLs, e-mail addresses, absolute and home paths, and long hexadecimal or base64 runs.
    Invisible characters are dropped first: they would split a secret that a reader copies whole. A
    pattern cannot know every secret: what must stay private belongs into no prompt.
    """
    seen = unicodedata.normalize("NFKC", text)
    seen = "".join(c for c in seen if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    if len(seen) > _MAX_CHARACTERS:
        seen = seen[:_MAX_CHARACTERS].rpartition(" ")[0] + " [cut]"
    # One mask can uncover the start of the next secret, so the pass is repeated until nothing changes.
    for _ in range(_MAX_PASSES):
        before = seen
        for pattern, mask in _MASKS:
            seen = pattern.sub(mask, seen)
        seen = _RUN.sub(_mask_run, seen)
        if seen == before:
            break
    return seen


def _mask_run(match: re.Match[str]) -> str:
    """Mask an unbroken run that mixes digits with both cases, or is as long as a digest."""
    run = match[0]
    mixed = re.search("[0-9]", run) and re.search("[A-Z]", run) and re.search("[a-z]", run)
    long = len(run) >= 32 and re.search("[0-9]", run) and re.search("[A-Za-z]", run)
    return "[masked token]" if mixed or long else run


def prompt_rows(prompts: list[Record], key: bytes = b"") -> list[Record]:
    """Return one row a prompt (``name``, ``text``): its redacted text and an HMAC-SHA256 (RFC 2104).

    With a private ``key`` the digest is of the full text: who holds the key can prove which prompt was used.
    Without one it is of the redacted text alone, because a digest of a short secret under a public key can be
    searched for; ``digest_of`` says which it is. Raises :class:`BundleError` on a row of another form.
    """
    rows = []
    for prompt in prompts:
        name, text = prompt.get("name"), prompt.get("text")
        if not isinstance(name, str) or not isinstance(text, str):
            raise BundleError(f"a prompt needs a name and a text, got the fields {sorted(map(str, prompt))}")
        shown = redact(text)
        signed = text if key else shown
        rows.append(
            {
                "name": redact(name),
                "redacted": shown,
                "characters": len(text),
                "digest_of": "text" if key else "redacted",
                "hmac_sha256": hmac.new(
                    key or b"mmaudit public key", signed.encode("utf-8", "surrogatepass"), hashlib.sha256
                ).hexdigest(),
            }
        )
    return rows
