"""Small models of the libraries' real classes, with weights drawn here: nothing is downloaded."""

import importlib
import os

import numpy as np
import pytest

from mmaudit.subjects.reference import reference_world

# The hubs must not be asked for what is built here.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
WIDTH = 16


def without_operators(torch):
    """Declare what torchvision registers fakes for when it is imported.

    Its wheel is built against CUDA, and its operators do not load beside a build of PyTorch for the CPU. No
    test uses them.
    """
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


@pytest.fixture(scope="session")
def torch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.set_num_threads(1)
    try:
        import torchvision  # noqa: F401
    except ImportError:
        pass
    except RuntimeError:
        torch.kept = without_operators(torch)
        importlib.import_module("torchvision")
    return torch


@pytest.fixture(scope="session")
def transformers(torch):
    return pytest.importorskip("transformers", reason="transformers is not installed")


@pytest.fixture(scope="session")
def world():
    return reference_world()


@pytest.fixture(scope="session")
def small(world):
    """Sixty pairs of the world: its pictures and sentences."""
    import mmaudit

    pairs = world.pairs("test", "pictures", side=32)
    return mmaudit.Pairs(inputs={m: column[:60] for m, column in pairs.inputs.items()})


@pytest.fixture(scope="session")
def tokenizer(transformers, world):
    """A tokenizer of whole words, with those of the world."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    split = pre_tokenizers.Whitespace()
    words = {
        word for text in world.sentences(world.splits["train"]) for word, _ in split.pre_tokenize_str(text)
    }
    ids = {word: i for i, word in enumerate(["<pad>", "<unk>", "<start>", "<end>", *sorted(words)])}
    built = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    built.pre_tokenizer = split
    built.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", ids["<start>"]), ("<end>", ids["<end>"])]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=built,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<start>",
        eos_token="<end>",
        model_max_length=48,
    )


def tower(**more):
    return {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        **more,
    }


@pytest.fixture
def clip(torch, transformers, tokenizer):
    """transformers' CLIP with random weights, and its processor."""
    torch.manual_seed(0)
    config = transformers.CLIPConfig(
        text_config=tower(
            vocab_size=len(tokenizer),
            max_position_embeddings=48,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=tokenizer.bos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        ),
        vision_config=tower(image_size=32, patch_size=8),
        projection_dim=WIDTH,
    )
    size = {"height": 32, "width": 32}
    pictures = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=size)
    return transformers.CLIPModel(config), transformers.CLIPProcessor(pictures, tokenizer)


@pytest.fixture
def open_clip(torch):
    return pytest.importorskip("open_clip", reason="open_clip is not installed")


@pytest.fixture
def open_clip_model(torch, open_clip):
    """open_clip's CLIP with random weights; its vocabulary ships with the package."""
    torch.manual_seed(0)
    vision = {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8}
    text = {"context_length": 48, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
    model = open_clip.CLIP(WIDTH, vision, text)
    open_clip.model.set_model_preprocess_cfg(
        model,
        {"size": 32, "mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25), "interpolation": "bicubic"},
    )
    return model


@pytest.fixture
def same():
    """Whether two pairs of matrices agree to float32 rounding."""

    def agree(a, b):
        return all(np.allclose(x, y, atol=1e-5) for x, y in zip(a, b, strict=True))

    return agree
