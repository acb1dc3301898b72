"""Ranks of embeddings that lie on an accelerator, through the array API: they are counted where they are.

Torch, CuPy and JAX arrays go in and stay on their device; only counts, O(n), come back. Nothing is imported
that the arrays have not brought.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from mmaudit.diagnostics._arrays import blocks
from mmaudit.diagnostics._screen import IN_DOUBT, PLAIN, TIE, UNDERFLOW, error_bound
from mmaudit.diagnostics.retrieval import DEPTH, Counts, Ranks, group_codes
from mmaudit.embeddings import Similarity
from mmaudit.errors import InputError

__all__ = ["device_ranks"]

IntArray = npt.NDArray[np.int64]
Array = Any
"""An array of any namespace; the standard has no type for it."""

_TRIED = 512
"""Rows on which the device's float32 products are compared with float64 ones."""

_LISTED = 8192
"""Pairs that are taken again in float64 at once."""


def device_ranks(
    x: Array,
    y: Array,
    groups: npt.ArrayLike | None = None,
    *,
    similarity: Similarity = "cosine",
    modalities: tuple[str, str] = ("image", "text"),
    block: int = 4096,
) -> Ranks:
    """Rank as :func:`mmaudit.diagnostics.ranks` does, with the work done where ``x`` and ``y`` (n, d) lie.

    Real floating-point arrays of one namespace on one device, in float32 or less. float32 products settle
    what they can and float64 ones the rest, both on the device, so the counts are those of NumPy. A device
    that multiplies in less than float32 (TF32, bfloat16) is found out on the first rows and works in float64.
    Memory there is O(block²) beyond the arrays. Raises :class:`~mmaudit.errors.InputError` on arrays that are
    no pairs, on NaN and infinity, and on a device without float64.
    """
    found = _Device(x, y, similarity)
    codes = group_codes(groups, found.n)
    sizes = np.bincount(codes, minlength=1)
    forward, backward = found.count(codes, block)
    candidates = found.n - sizes[codes]
    sides = []
    for better, ties, wins, rivals, tied in (forward, backward):
        order = np.lexsort((rivals[:, 1], rivals[:, 0]))
        sides.append(Counts(better, ties, candidates, wins, rivals[order], tied[order]))
    return Ranks(sides[0], sides[1], codes, modalities)


_Side = tuple[IntArray, IntArray, npt.NDArray[np.float64], IntArray, npt.NDArray[np.bool_]]


class _Device:
    """Both sides on their device: scored rows are ``z`` times ``factor``, of norm ``norms``."""

    def __init__(self, x: Array, y: Array, similarity: Similarity) -> None:
        from array_api_compat import array_namespace
        from array_api_compat import device as device_of

        try:
            self.xp = xp = array_namespace(x, y)
        except TypeError as error:
            raise InputError(f"the sides are no arrays of one kind: {error}") from error
        if x.ndim != 2 or tuple(x.shape) != tuple(y.shape):
            shapes = f"{tuple(x.shape)} and {tuple(y.shape)}"
            raise InputError(f"the sides have shapes {shapes}; give one row a pair, of one width")
        self.device = device_of(x)
        self.n, width = (int(k) for k in x.shape)
        if xp.zeros((), dtype=xp.float64, device=self.device).dtype != xp.float64:
            raise InputError("this device computes without float64; switch it on (JAX: jax_enable_x64)")
        if not all(xp.isdtype(z.dtype, "real floating") for z in (x, y)):
            raise InputError(f"embeddings have dtypes {x.dtype} and {y.dtype}; expected floating point")
        self.z = [xp.astype(z, xp.float32) for z in (x, y)]
        if not all(bool(xp.all(xp.isfinite(z))) for z in self.z):
            raise InputError("embeddings hold NaN or infinity; mend the encoder or drop these items")
        squares = [self._dots(z, z) for z in self.z]
        raw = [xp.sqrt(s) for s in squares]
        own = self._dots(*self.z)
        ones = xp.ones_like(own)
        if similarity == "cosine":
            self.factor = [xp.where(r > 0, 1.0 / xp.where(r > 0, r, ones), 0.0 * ones) for r in raw]
            self.norms = [xp.where(r > 0, ones, 0.0 * ones) for r in raw]
        else:
            self.factor, self.norms = [ones, ones], raw
        self.own = own * self.factor[0] * self.factor[1]
        self.error = error_bound(width)
        largest = [float(xp.max(norms)) if self.n else 0.0 for norms in self.norms]
        plain = all(bool(xp.all((r == 0) | ((r > PLAIN[0]) & (r < PLAIN[1])))) for r in raw)
        self.single = bool(np.isfinite(self.error)) and plain and largest[0] * largest[1] < 1e36
        self.single = self.single and self._multiplies_in_float32()
        self.margin = [
            self.norms[side] * (largest[1 - side] * (self.error + TIE)) + UNDERFLOW for side in (0, 1)
        ]

    def _multiplies_in_float32(self) -> bool:
        """Return whether products of the first rows err by no more than float32's may."""
        xp, rows = self.xp, slice(0, min(self.n, _TRIED))
        single, double = (
            xp.matmul(self._scored(0, rows, dtype), xp.matrix_transpose(self._scored(1, rows, dtype)))
            for dtype in (xp.float32, xp.float64)
        )
        may = self.error * self.norms[0][rows][:, None] * self.norms[1][rows][None, :] + UNDERFLOW
        return bool(xp.all(xp.abs(xp.astype(single, xp.float64) - double) <= may))

    def _dots(self, a: Array, b: Array) -> Array:
        """Return the float64 inner products of matching rows."""
        xp = self.xp
        parts = [
            xp.sum(xp.astype(a[rows, :], xp.float64) * xp.astype(b[rows, :], xp.float64), axis=1)
            for rows in blocks(int(a.shape[0]), _LISTED)
        ]
        return xp.concat(parts) if parts else xp.zeros(0, dtype=xp.float64, device=self.device)

    def _scored(self, side: int, rows: slice, dtype: Any) -> Array:
        return (
            self.xp.astype(self.z[side][rows, :], dtype)
            * self.xp.astype(self.factor[side][rows], dtype)[:, None]
        )

    def count(self, codes: IntArray, block: int) -> tuple[_Side, _Side]:
        """Count both directions by blocks of rows and columns, and list the rivals where they are few."""
        xp, n = self.xp, self.n
        groups = xp.asarray(codes, device=self.device)
        sums = np.zeros((2, 4, n), dtype=np.int64)  # by direction: better, ties; then by candidate
        kept: list[list[tuple[IntArray, IntArray, bool]]] = [[], []]
        for rows in blocks(n, block):
            for columns in blocks(n, block):
                allowed = groups[rows][:, None] != groups[columns][None, :]
                for side, (above, level) in enumerate(self._block(rows, columns, allowed)):
                    queries, candidates = (rows, columns)[side], (columns, rows)[side]
                    for tied, mask in enumerate((above, level)):
                        by_query = _host(xp.sum(xp.astype(mask, xp.int64), axis=1 - side))
                        by_candidate = _host(xp.sum(xp.astype(mask, xp.int64), axis=side))
                        sums[side, tied, queries] += by_query
                        sums[side, 2 + tied, candidates] += by_candidate
                        few = (sums[side, tied, queries] <= DEPTH) & (by_query > 0)
                        if not few.any():
                            continue
                        few_here = xp.asarray(few, device=self.device)
                        chosen = mask & (few_here[:, None] if side == 0 else few_here[None, :])
                        places = [_host(place) for place in xp.nonzero(chosen)]
                        query, candidate = places if side == 0 else places[::-1]
                        kept[side].append((queries.start + query, candidates.start + candidate, bool(tied)))
        first, second = (_side(sums[side], kept[side]) for side in (0, 1))
        return first, second

    def _block(self, rows: slice, columns: slice, allowed: Array) -> list[tuple[Array, Array]]:
        """Return for each direction where candidates are above the partner, and level with it."""
        xp = self.xp
        found = []
        if self.single:
            similarity = xp.matmul(
                self._scored(0, rows, xp.float32), xp.matrix_transpose(self._scored(1, columns, xp.float32))
            )
            for side, queries in enumerate((rows, columns)):
                own, margin = self.own[queries], self.margin[side][queries]
                # Rounded to float32 a limit moves by less than the last bit, which the widening covers.
                wide = margin + xp.abs(own) * 2.0**-23
                low, high = (self._along(xp.astype(v, xp.float32), side) for v in (own - wide, own + wide))
                above = (similarity > high) & allowed
                doubt = (similarity > low) & allowed & ~above
                count = int(xp.sum(xp.astype(doubt, xp.int64)))
                if count > IN_DOUBT * float(doubt.shape[0] * doubt.shape[1]) + 64:
                    return self._exact(rows, columns, allowed)
                found.append(self._settled(above, doubt, rows, columns, side, count))
            return found
        return self._exact(rows, columns, allowed)

    def _along(self, values: Array, side: int) -> Array:
        return values[:, None] if side == 0 else values[None, :]

    def _settled(
        self, above: Array, doubt: Array, rows: slice, columns: slice, side: int, count: int
    ) -> tuple[Array, Array]:
        """Return ``above`` with the doubtful pairs that are, and those that are level, by float64."""
        xp = self.xp
        if count == 0:
            return above, doubt
        row, column = xp.nonzero(doubt)
        i, j = row + rows.start, column + columns.start
        similarity = xp.concat(
            [
                self._dots(xp.take(self.z[0], i[part], axis=0), xp.take(self.z[1], j[part], axis=0))
                for part in blocks(count, _LISTED)
            ]
        )
        similarity = similarity * xp.take(self.factor[0], i) * xp.take(self.factor[1], j)
        query, candidate = (i, j) if side == 0 else (j, i)
        larger = xp.maximum(xp.take(self.norms[1 - side], query), xp.take(self.norms[1 - side], candidate))
        tolerance = TIE * xp.take(self.norms[side], query) * larger
        difference = similarity - xp.take(self.own, query)
        width = int(doubt.shape[1])
        flat = _host(row) * width + _host(column)
        masks = []
        for which in (difference > tolerance, (difference >= -tolerance) & (difference <= tolerance)):
            mask = np.zeros(int(doubt.shape[0]) * width, dtype=np.bool_)
            mask[flat[_host(which)]] = True
            masks.append(xp.asarray(mask.reshape(-1, width), device=self.device))
        return above | masks[0], masks[1]

    def _exact(self, rows: slice, columns: slice, allowed: Array) -> list[tuple[Array, Array]]:
        xp = self.xp
        similarity = xp.matmul(
            self._scored(0, rows, xp.float64), xp.matrix_transpose(self._scored(1, columns, xp.float64))
        )
        found = []
        for side, (queries, candidates) in enumerate(((rows, columns), (columns, rows))):
            asked, offered = self.norms[side], self.norms[1 - side]
            larger = xp.maximum(
                self._along(offered[queries], side), self._along(offered[candidates], 1 - side)
            )
            tolerance = TIE * self._along(asked[queries], side) * larger
            difference = similarity - self._along(self.own[queries], side)
            above = (difference > tolerance) & allowed
            found.append((above, (difference >= -tolerance) & allowed & ~above))
        return found


def _side(sums: IntArray, kept: list[tuple[IntArray, IntArray, bool]]) -> _Side:
    better, ties = sums[:2]
    query = np.concatenate([np.zeros(0, dtype=np.int64), *(q for q, _, _ in kept)])
    candidate = np.concatenate([np.zeros(0, dtype=np.int64), *(c for _, c, _ in kept)])
    tied = np.concatenate([np.zeros(0, dtype=np.bool_), *(np.full(len(q), t) for q, _, t in kept)])
    few = (better[query] <= DEPTH) & (ties[query] <= DEPTH)
    rivals = np.stack([query[few], candidate[few]], axis=1).astype(np.int64)
    return better, ties, sums[2] + sums[3] / 2, rivals, tied[few]


def _host(array: Array) -> npt.NDArray[Any]:
    """Return a small array as NumPy's."""
    for method in ("detach", "cpu", "get"):
        if hasattr(array, method):
            array = getattr(array, method)()
    if hasattr(array, "__array_namespace__") and not isinstance(array, np.ndarray):
        return np.from_dlpack(array) if array.ndim else np.asarray(array)
    return np.asarray(array)
