"""A status badge: the overall verdict as a small SVG that needs no server."""

from mmaudit.gates.outcome import Verdict

__all__ = ["badge"]

_LABEL = "mmaudit"
# White on each of these has a contrast of at least 4.5.
_COLOURS = {
    Verdict.ACCEPT: "#0b6e4f",
    Verdict.REJECT: "#b3400b",
    Verdict.INCONCLUSIVE: "#7d5a00",
    Verdict.NOT_EVIDENCED: "#59636e",
}
_CHARACTER, _MARGIN = 7.2, 12
"""Points of width for a character of the bold 11-point face, and for both margins of a half."""


def badge(verdict: Verdict) -> bytes:
    """Return the badge as SVG; equal verdicts give equal bytes."""
    word = verdict.value.lower()
    left, right = (round(_MARGIN + _CHARACTER * len(text)) for text in (_LABEL, word))
    text = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f'aria-label="{_LABEL}: {word}"><title>{_LABEL}: {word}</title>'
        f'<clipPath id="r"><rect width="{left + right}" height="20" rx="3"/></clipPath>'
        '<g clip-path="url(#r)">'
        f'<rect width="{left}" height="20" fill="#444c56"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{_COLOURS[verdict]}"/></g>'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" '
        f'font-weight="bold"><text x="{left / 2:g}" y="14" textLength="{left - _MARGIN}">{_LABEL}</text>'
        f'<text x="{left + right / 2:g}" y="14" textLength="{right - _MARGIN}">{word}</text></g></svg>\n'
    )
    return text.encode()
