"""Train a small CLIP of transformers twice, on a clean world and on a watermarked one, and audit both.

The model is transformers' own class with its own processor, made small and trained here from random weights
on the built-in world's pictures and sentences; nothing is downloaded. In the watermarked world picture and
sentence share a code that means nothing; the audit is given those and no word of the code. Run
``python examples/transformers_clip.py``, or::

    pytest --mmaudit --mmaudit-subject=examples.transformers_clip:clean \
        --mmaudit-data=examples.transformers_clip:clean_pairs
"""

import dataclasses
import functools
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    PreTrainedTokenizerFast,
)

import mmaudit
from mmaudit.seeds import generator
from mmaudit.world import Confounder, World, build, preset

__all__ = ["clean", "clean_pairs", "main", "small_clip", "train", "watermarked", "watermarked_pairs", "world"]

SIDE, PATCH, LENGTH = 32, 8, 48
"""Pixels a side of picture and patch, and the longest sentence in tokens."""
EPOCHS, BATCH, RATE = 16, 128, 2e-3
CODES = 8


@functools.cache
def world(agreement: float) -> World:
    """Return a world whose watermark agrees between picture and sentence in this share of the pairs."""
    mark = Confounder("corner_watermark", agreement=agreement, cardinality=CODES)
    return build(dataclasses.replace(preset("standard"), confounder=mark, n_train=3000))


def word_tokenizer(sentences: list[str]) -> PreTrainedTokenizerFast:
    """Return a tokenizer of whole words that knows those of ``sentences``."""
    split = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=False)]
    )
    words = sorted({word.lower() for text in sentences for word, _ in split.pre_tokenize_str(text)})
    numbers = {word: i for i, word in enumerate(["<pad>", "<unk>", "<start>", "<end>", *words])}
    built = Tokenizer(models.WordLevel(numbers, unk_token="<unk>"))
    built.normalizer = normalizers.Lowercase()
    built.pre_tokenizer = split
    built.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>",
        special_tokens=[("<start>", numbers["<start>"]), ("<end>", numbers["<end>"])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=built, pad_token="<pad>", unk_token="<unk>", bos_token="<start>", eos_token="<end>"
    )


def small_clip(tokenizer: PreTrainedTokenizerFast) -> tuple[CLIPModel, CLIPProcessor]:
    """Return transformers' CLIP with random weights, and its processor."""
    tower = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = CLIPConfig(
        text_config={
            **tower,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": LENGTH,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config={**tower, "image_size": SIDE, "patch_size": PATCH},
        projection_dim=48,
    )
    pictures = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    return CLIPModel(config), CLIPProcessor(pictures, tokenizer)


def train(data: World, seed: int = 7) -> tuple[CLIPModel, CLIPProcessor]:
    """Train a small CLIP on the claimed pairs of ``data`` and return it with its processor."""
    pairs = data.pairs("train", "pictures", SIDE)
    sentences, pictures = list(pairs.inputs["text"]), list(pairs.inputs["image"])
    torch.manual_seed(seed)
    model, processor = small_clip(word_tokenizer(sentences))
    texts = processor(text=sentences, padding=True, return_tensors="pt")
    pixels = processor(images=pictures, return_tensors="pt")["pixel_values"]
    steps = EPOCHS * (len(pairs) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    model.train()
    for epoch in range(EPOCHS):
        order = torch.from_numpy(generator(seed, "batches", epoch).permutation(len(pairs)))
        for rows in order[: len(pairs) // BATCH * BATCH].split(BATCH):
            batch: dict[str, Any] = {
                name: tensor[rows] for name, tensor in texts.items() if name != "token_type_ids"
            }
            loss = model(pixel_values=pixels[rows], **batch, return_loss=True).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model, processor


CLEAN, WATERMARKED = 0.0, 1.0


def clean() -> tuple[CLIPModel, CLIPProcessor]:
    """Train on a world whose watermarks agree by chance only."""
    return train(world(CLEAN))


def watermarked() -> tuple[CLIPModel, CLIPProcessor]:
    """Train on a world in which picture and sentence of a pair carry the same watermark."""
    return train(world(WATERMARKED))


def clean_pairs() -> mmaudit.Pairs:
    """Return 1200 pairs of the clean world that nothing was trained on."""
    return world(CLEAN).audit_pairs("pictures", SIDE)


def watermarked_pairs() -> mmaudit.Pairs:
    """Return 1200 pairs of the watermarked world: pictures and sentences, and no word of the watermark."""
    known = world(WATERMARKED).audit_pairs("pictures", SIDE)
    return mmaudit.Pairs(inputs=known.inputs, groups=known.groups, trusted=known.trusted)


def show(
    title: str, model: tuple[CLIPModel, CLIPProcessor], pairs: mmaudit.Pairs, lesson: str
) -> mmaudit.Audit:
    """Audit one model, print what came of it and what to notice, and return it."""
    result = mmaudit.audit(model, pairs)
    recall = result["recall_at_1"].measurement
    assert recall is not None
    print(f"## {title}: {result.verdict.value}, r@1 {recall.value:.2f}\n\n{result}\n\nNotice: {lesson}\n")
    return result


def main() -> None:
    """Train and audit both."""
    show(
        "Trained on clean pairs",
        clean(),
        clean_pairs(),
        "every gate accepts, and under each stands the damage it would have caught in these embeddings.",
    )
    show(
        "Trained on watermarked pairs",
        watermarked(),
        watermarked_pairs(),
        "r@1 is far higher, and a score alone would call it the better model. shortcut_scan names what it is "
        "read from, a corner of the pictures, which nobody pointed out: among candidates that look alike "
        "there, retrieval is lost.",
    )


if __name__ == "__main__":
    main()
