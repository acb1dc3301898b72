"""The plots, as SVG bytes: the same bytes for the same table, legible on light and on dark."""

import contextlib
import io
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from mmaudit.report.painters import INK, PAINTERS
from mmaudit.report.tables import Table

__all__ = ["draw", "svg", "themed"]

# Matplotlib 3.11 types the keys as literals and older ones as strings.
_STYLE: dict[Any, Any] = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 10.5,
    "axes.labelsize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.formatter.use_mathtext": False,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
    "svg.fonttype": "none",
    "svg.hashsalt": "mmaudit",
    "text.color": INK,
    # Names come from the user, and a "$" in one would switch to formula setting.
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}
_INDENT = re.compile(rb" *\n *")
# Attributes and path data alone: what stands between tags is the reader's text.
_DECIMALS = re.compile(rb"(\d\.\d\d)\d+(?=[^<>]*>)")
_STYLED = re.compile(rb'style="([^"<>]*)"(?=[^<>]*>)')
_NO_TURN = re.compile(rb' transform="rotate\(-?0 [^"<>]*\)"(?=[^<>]*>)')
_TAG = re.compile(rb"<[^<>]*>")
_GROUPS = re.compile(rb"(<g(?: [^<>]*[^<>/])?>|</g>)")
_NAMED = re.compile(rb' id="([^"<>]*)"(?=[^<>]*>)')
_REFERRED = re.compile(rb'[("]#([^")<>]*)[")]')
_THEMED = b":root{--ink:#4b535d}@media (prefers-color-scheme: dark){:root{--ink:#c4cbd4}}"
"""The ink of either theme of the page: a picture in a page is shown under the theme of the page."""


def draw(tables: Mapping[str, Table]) -> dict[str, bytes]:
    """Return the plot of each of ``tables`` as SVG, under the same keys. Equal tables give equal bytes."""
    return {path: svg(table) for path, table in tables.items()}


def svg(table: Table) -> bytes:
    """Return one table drawn as SVG bytes, transparent, without a date or any random identifier."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    with _style():
        figure = PAINTERS[table.kind](table)
        # Saving a figure that has yet to be laid out draws all of it twice, the first time into the void.
        FigureCanvasSVG(figure)
        layout = figure.get_layout_engine()
        assert layout is not None
        layout.execute(figure)
        figure.set_layout_engine(None)
        # Every painter keeps within its axes, and a clip named on each element is a fifth of the bytes.
        for artist in figure.findobj():
            artist.set_clip_on(False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Title": table.title})
    return _compact(buffer.getvalue())


def themed(image: bytes) -> bytes:
    """Return a plot of :func:`svg` with its ink set by the page's theme: full contrast on light and on dark.

    The file in the bundle keeps one ink between the two, for who knows on what ground it will be shown.
    """
    style, end, rest = image.partition(b"</style>")
    return style.replace(INK.encode(), b"var(--ink)") + (_THEMED + end if end else b"") + rest


def _compact(image: bytes) -> bytes:
    """Return ``image`` in half its bytes, for the page holds every plot.

    Indentation, decimals below the hundredth of a point, turns by no angle, groups that say nothing and
    identifiers that nothing refers to are dropped, every style is written once, as a class, and attributes
    have the quotation mark that a page need not escape.
    """
    image = _DECIMALS.sub(rb"\1", _INDENT.sub(b" ", image).replace(b"> <", b"><"))
    image = _NO_TURN.sub(b"", image)
    referred = set(_REFERRED.findall(image))
    image = _NAMED.sub(lambda m: m[0] if m[1] in referred else b"", image)
    classes: dict[bytes, bytes] = {}
    image = _STYLED.sub(lambda m: b'class="%s"' % classes.setdefault(m[1], b"c%d" % len(classes)), image)
    rules = b"".join(b".%s{%s}" % (name, rule) for rule, name in classes.items())
    image = b"".join(_ungrouped(image)).replace(b"</style>", rules + b"</style>", 1)
    return _TAG.sub(lambda m: m[0] if b"'" in m[0] else m[0].replace(b'"', b"'"), image)


def _ungrouped(image: bytes) -> Iterator[bytes]:
    """Yield ``image`` in pieces, without the groups that have no attribute."""
    kept: list[bool] = []
    for i, piece in enumerate(_GROUPS.split(image)):
        if i % 2 == 0:
            yield piece
            continue
        if piece != b"</g>":
            kept.append(piece != b"<g>")
        if kept[-1] if piece != b"</g>" else kept.pop():
            yield piece


@contextlib.contextmanager
def _style() -> Iterator[None]:
    """Draw under these settings alone: the user's matplotlibrc neither shows here nor is changed."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        # The reader's browser sets the text; that the font used for measuring lacks a glyph is no matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield
