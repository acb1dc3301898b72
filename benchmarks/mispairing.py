"""What is the error of the mispairing rate made of, and could another estimate do better?

Trains aligners on training pairs of which a share q was exchanged at random, in worlds with as many claimed
pairs as training pairs, and estimates the share among the claimed pairs from 800 trusted ones.

For so many claimed pairs, the error is the estimate less the share of just these pairs: its mean, standard
deviation and mean size, and the share of models where it is within 0.02 and where the interval holds the
truth. Partners are ranked by similarity, and by the pointwise information that an audit of trusted pairs
ranks by.

Least is the standard deviation of an estimate by the best weights of similarities: its part from the claimed
pairs, that from the trusted ones, and both. These weights come from a classifier that was shown pairs of
other models, right ones and some put together at random, with both percentiles, the similarity, and the
similarity in units of its row and of its column: about the least that an estimate from these similarities can
have. Which direction of the space says how much it does not see.

Trained: the estimate among the pairs that the encoder learned from, of which the same share is wrong.

Run ``python benchmarks/mispairing.py``: about five minutes on one core.
"""

import argparse
import collections
import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold, cross_val_predict

from mmaudit.diagnostics import Ranks, cross_fitted_ranks, mispairing_rate, ranks
from mmaudit.embeddings import Embeddings
from mmaudit.failures import Planted, mechanism_named, train
from mmaudit.seeds import generator
from mmaudit.subjects.encode import encode
from mmaudit.threads import one_blas_thread

__all__ = ["main"]

FIRST = 18_000
"""Seeds of development: nothing here is a result of the evaluation."""
DIALS = (1 / 9, 0.25, 0.5, 0.75, 1.0)
CLAIMS = (400, 1600)
NON_PAIRS = 2
"""Random non-pairs for each trusted pair that the classifier learns from."""

HEAD = (
    "                                the estimate's error                  least SD\n"
    "    q claimed   n ranked by       mean     SD |error| within  holds claimed trusted    both trained"
)

Rows = npt.NDArray[np.float64]
Known = npt.NDArray[np.bool_]

RANKED: dict[str, Callable[[Embeddings, Known], Ranks]] = {
    "similarity": lambda embeddings, _: ranks(embeddings),
    "information": cross_fitted_ranks,
}


def split(planted: Planted, name: str) -> Embeddings:
    """Return the embeddings of the claimed pairs of a split."""
    pairs, subject = planted.world.pairs(name), planted.subject
    return Embeddings(*(encode(subject, m, pairs.inputs[m]) for m in subject.modalities))


def joined(first: Embeddings, second: Embeddings) -> Embeddings:
    return Embeddings(np.concatenate([first.x, second.x]), np.concatenate([first.y, second.y]))


def estimated(trusted: Embeddings, claimed: Embeddings, wrong: Known, by: str) -> tuple[float, bool]:
    """Return the estimate less the truth, and whether the interval holds the truth."""
    known = np.arange(len(trusted) + len(claimed)) < len(trusted)
    found = mispairing_rate(RANKED[by](joined(trusted, claimed), known), known)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    truth = float(wrong.mean())
    return found.value - truth, found.low <= truth <= found.high


def views(embeddings: Embeddings, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Return what a classifier may see of the pairs (n, 5) and of random non-pairs (2 n, 5)."""
    x, y = embeddings.scored
    similarity, n = x @ y.T, len(x)
    looks = np.stack(
        [
            similarity.argsort(axis=1).argsort(axis=1) / n,
            similarity.argsort(axis=0).argsort(axis=0) / n,
            similarity,
            (similarity - similarity.mean(axis=1, keepdims=True)) / similarity.std(axis=1, keepdims=True),
            (similarity - similarity.mean(axis=0)) / similarity.std(axis=0),
        ],
        axis=-1,
    )
    rows = np.tile(np.arange(n), NON_PAIRS)
    others = (rows + rng.integers(1, n, len(rows))) % n
    return looks[np.arange(n), np.arange(n)], looks[rows, others]


def parts(right: Rows, wrong: Rows, q: float, claimed: int, trusted: int) -> tuple[float, float]:
    """Return the variances that claimed and trusted pairs give the estimate, from weights of either kind."""
    apart = (wrong.mean() - right.mean()) ** 2
    of_claimed = (q * wrong.var() + (1 - q) * right.var()) / claimed / apart
    return float(of_claimed), float((1 - q) ** 2 * right.var() / trusted / apart)


def best_weights(looks: list[tuple[Rows, Rows]], q: float) -> tuple[Rows, Rows]:
    """Return the efficient weights of right pairs and of random ones, each judged by other models' pairs."""
    seen = np.concatenate([part for both in looks for part in both])
    label = np.concatenate([np.repeat([1, 0], [len(right), len(wrong)]) for right, wrong in looks])
    model = np.repeat(np.arange(len(looks)), [len(right) + len(wrong) for right, wrong in looks])
    classifier = HistGradientBoostingClassifier(
        max_iter=80, max_leaf_nodes=12, min_samples_leaf=100, random_state=0
    )
    folds = GroupKFold(min(4, len(looks)))
    chance = cross_val_predict(classifier, seen, label, groups=model, cv=folds, method="predict_proba")[:, 1]
    ratio = NON_PAIRS * chance / (1 - chance)
    weight = 1 / (q + (1 - q) * ratio)
    return weight[label == 1], weight[label == 0]


def report(dial: float, seeds: int) -> None:
    """Train the models of one share and print its rows."""
    recipe = mechanism_named("random mismatches").apply(dial).in_world(n_claims=max(CLAIMS))
    q = recipe.world.corruption_rate
    errors: dict[tuple[int, str], list[tuple[float, bool]]] = collections.defaultdict(list)
    memorised: dict[str, list[float]] = collections.defaultdict(list)
    looks = []
    for seed in range(FIRST, FIRST + seeds):
        planted = train(recipe, seed)
        trusted, claims, learned = (split(planted, name) for name in ("test", "claims", "train"))
        wrong = planted.world.corrupted("claims")
        own = planted.world.corrupted("train")
        for by in RANKED:
            for count in CLAIMS:
                some = np.arange(count)
                errors[count, by].append(estimated(trusted, claims.take(some), wrong[some], by))
            memorised[by].append(estimated(trusted, learned, own, by)[0] + float(own.mean()))
        looks.append(views(trusted, generator(seed, "non-pairs")))
    weights = best_weights(looks, q)
    for (count, by), found in sorted(errors.items()):
        error, held = (np.array(column) for column in zip(*found, strict=True))
        of_claimed, of_trusted = parts(*weights, q, count, len(trusted))
        least = " ".join(f"{v**0.5:7.4f}" for v in (of_claimed, of_trusted, of_claimed + of_trusted))
        print(
            f"{q:.3f} {count:7d} {seeds:3d} {by:11} {error.mean():+7.4f} {error.std(ddof=1):6.4f} "
            f"{np.abs(error).mean():7.4f} {np.mean(np.abs(error) <= 0.02):6.2f} {held.mean():6.2f} {least} "
            f"{np.mean(memorised[by]):7.3f}",
            flush=True,
        )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=24, help="models of each share, at least 2")
    args = parser.parse_args(arguments)
    if args.seeds < 2:
        parser.error(f"{args.seeds} models have no spread; give at least 2")
    print(HEAD)
    with one_blas_thread():
        for dial in DIALS:
            report(dial, args.seeds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
