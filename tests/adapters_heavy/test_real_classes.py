"""The real class in, embeddings and verdicts out, no glue."""

import dataclasses
import types

import numpy as np
import pytest

import mmaudit
from mmaudit.errors import SubjectError
from mmaudit.gates import CHECKS, Auditor, Verdict
from mmaudit.subjects import as_subject
from mmaudit.subjects.tensors import weights_sha256

WIDTH = 16


def served(subject, pairs):
    return Auditor(subject, pairs).material.served()


def verdicts(subject, pairs):
    result = mmaudit.audit(subject, pairs)
    return {o.check: o.verdict for o in result.outcomes}, result.auditor.embeddings.digest


def test_transformers_clip(clip, small, torch):
    model, processor = clip
    subject = as_subject(clip)
    assert subject.identity.adapter == "transformers get_image/text_features"
    assert subject.identity.name == "CLIPModel"
    x, y = served(clip, small)
    assert x.shape == y.shape == (60, WIDTH)
    inputs = processor(text=list(small.inputs["text"]), return_tensors="pt", padding=True)
    pixels = processor(images=list(small.inputs["image"]), return_tensors="pt")
    model.eval()
    with torch.no_grad():
        out = model(**inputs, **pixels)
    unit = [z / np.linalg.norm(z, axis=1, keepdims=True) for z in (x, y)]
    assert np.allclose(unit[0], out.image_embeds.numpy(), atol=1e-5)
    assert np.allclose(unit[1], out.text_embeds.numpy(), atol=1e-5)


def test_both_return_types_of_transformers_give_the_same(clip, small, same):
    model, processor = clip
    new = model.get_text_features(**processor(text=["a circle"], return_tensors="pt"))
    assert hasattr(new, "pooler_output"), "transformers 5 returns an output"
    before = served(clip, small)

    # The signatures of transformers 4, which take nothing else.
    images, texts = model.get_image_features, model.get_text_features
    model.get_image_features = lambda pixel_values: images(pixel_values).pooler_output
    model.get_text_features = lambda input_ids, attention_mask: texts(input_ids, attention_mask).pooler_output

    def talkative(**given):
        found = processor(**given)
        return {**found, "token_type_ids": found["input_ids"]} if "text" in given else found

    after = served((model, talkative), small)
    assert [z.tobytes() for z in after] == [z.tobytes() for z in before]


def test_siglip_is_padded_as_it_was_trained(torch, transformers, tokenizer, clip, small):
    torch.manual_seed(0)
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.SiglipConfig(
        text_config={
            **tower,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 40,
            "projection_size": 32,
        },
        vision_config={**tower, "image_size": 32, "patch_size": 8},
    )
    processor = transformers.SiglipProcessor(
        transformers.SiglipImageProcessor(size={"height": 32, "width": 32}), tokenizer
    )
    subject = as_subject((transformers.SiglipModel(config), processor))
    texts = [*small.inputs["text"][:7], "Waves."]
    together = subject.encoders["text"](texts)
    alone = np.concatenate([subject.encoders["text"]([text]) for text in texts])
    assert np.allclose(together, alone, atol=1e-5)
    assert together.shape == (8, 32)
    assert Auditor(subject, small).run("consistency", control=False).verdict is Verdict.ACCEPT


def test_clap_reads_sounds(torch, transformers, tokenizer, tmp_path):
    soundfile = pytest.importorskip("soundfile")
    torch.manual_seed(0)
    config = transformers.ClapConfig(
        text_config={
            "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1,
            "num_attention_heads": 2, "max_position_embeddings": 64, "pad_token_id": tokenizer.pad_token_id,
        },
        audio_config={
            "hidden_size": 16, "patch_embeds_hidden_size": 8, "depths": [1, 1], "num_attention_heads": [1, 2],
            "spec_size": 64, "num_mel_bins": 64, "window_size": 4, "patch_size": 4, "patch_stride": [4, 4],
        },
        projection_dim=WIDTH,
    )  # fmt: skip
    heard = transformers.ClapFeatureExtractor(
        feature_size=64, hop_length=800, max_length_s=1, truncation="rand_trunc"
    )
    processor = transformers.ClapProcessor(heard, tokenizer)
    subject = as_subject((transformers.ClapModel(config), processor))
    assert subject.modalities == ("audio", "text")
    waves = [np.sin(np.arange(24000) * f).astype(np.float32) for f in (0.1, 0.2, 0.3)]
    assert subject.encoders["audio"](waves).shape == (3, WIDTH)
    assert subject.encoders["text"](["a", "b"]).shape == (2, WIDTH)
    path = tmp_path / "first.wav"
    soundfile.write(path, waves[0], 48000, subtype="FLOAT")
    from_file, from_samples = (subject.encoders["audio"]([item]) for item in (str(path), waves[0]))
    assert np.allclose(from_file, from_samples, atol=1e-6)


def test_a_model_of_transformers_without_its_processor_says_what_it_needs(clip):
    for given in (clip[0], (clip[0], 3), (*clip, clip[1])):
        with pytest.raises(SubjectError, match=r"CLIPModel needs its processor .*\(model, processor\)"):
            as_subject(given)


def test_open_clip_gives_the_same_as_model_as_triple_and_as_saved_embeddings(
    open_clip, open_clip_model, small, tmp_path
):
    transform = open_clip.transform.image_transform_v2(
        open_clip.transform.PreprocessCfg(**open_clip_model.visual.preprocess_cfg), is_train=False
    )
    triple = (open_clip_model, transform, open_clip.SimpleTokenizer(context_length=48))
    alone, parts = as_subject(open_clip_model), as_subject(triple)
    assert alone.identity.adapter == "open_clip"
    assert parts.identity.adapter == "(model, transform, tokenizer)"
    assert alone.identity.weights_sha256 == parts.identity.weights_sha256
    path = tmp_path / "saved.npz"
    np.savez(path, **dict(zip(("image", "text"), served(triple, small), strict=True)))
    found = [verdicts(given, small) for given in (open_clip_model, triple, path)]
    assert len({digest for _, digest in found}) == 1
    (module, _), (triples, _), (saved, _) = found
    assert module == triples
    of_embeddings = {check.name for check in CHECKS if not check.needs}
    assert {k: v for k, v in saved.items() if k in of_embeddings} == {
        k: v for k, v in module.items() if k in of_embeddings
    }
    assert found[0][0]["consistency"] is found[1][0]["consistency"] is Verdict.ACCEPT
    assert found[2][0]["consistency"] is Verdict.NOT_EVIDENCED


def test_open_clip_with_another_vocabulary_asks_for_its_tokenizer(open_clip, torch):
    text = {"context_length": 48, "vocab_size": 100, "width": 32, "heads": 2, "layers": 1}
    vision = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8}
    with pytest.raises(SubjectError, match=r"vocabulary of 100, .* give \(model, transform, tokenizer\)"):
        as_subject(open_clip.CLIP(WIDTH, vision, text))


def test_two_transforms_are_no_triple(open_clip, open_clip_model):
    transform = open_clip.transform.image_transform_v2(
        open_clip.transform.PreprocessCfg(size=32), is_train=False
    )
    with pytest.raises(SubjectError, match="the third of the triple is a transform of pictures"):
        as_subject((open_clip_model, transform, transform))


@pytest.fixture
def sentences(torch, tokenizer):
    library = pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    torch.manual_seed(0)
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    words = StaticEmbedding(tokenizer.backend_tokenizer, embedding_dim=WIDTH)
    return library.SentenceTransformer(modules=[words], device="cpu")


@pytest.fixture
def texts(world):
    rows = world.splits["test"][:40]
    return mmaudit.Pairs(
        inputs={"query": world.sentences(rows), "document": world.sentences(rows[::-1])[::-1]}
    )


def test_sentence_transformers_takes_over_the_names_of_the_pairs(sentences, texts):
    x, y = served(sentences, texts)
    assert np.allclose(x, sentences.encode(texts.inputs["query"], show_progress_bar=False))
    assert np.array_equal(x, y)
    assert Auditor(sentences, texts).subject.identity.adapter == "sentence-transformers encode"
    with pytest.raises(SubjectError, match="reads texts alone; give pairs of texts"):
        as_subject(sentences)


def test_prompts_of_the_model_and_of_the_user_are_logged(sentences, texts):
    sentences.prompts["query"] = "Looking for: "
    subject = as_subject(sentences, modalities=("query", "document"), prompts={"document": "Page: {}"})
    assert subject.identity.prompts == ("Looking for: {}", "Page: {}")
    raw = sentences.encode(["Looking for: Waves.", "Page: Waves."], show_progress_bar=False)
    assert np.allclose(subject.encoders["query"](["Waves."])[0], raw[0])
    assert np.allclose(subject.encoders["document"](["Waves."])[0], raw[1])


@pytest.mark.filterwarnings("ignore::DeprecationWarning:mteb", "ignore::FutureWarning:mteb")
def test_mteb_wrapper_of_the_same_model(sentences, texts, same):
    mteb = pytest.importorskip("mteb.models", reason="mteb is not installed")
    wrapped = mteb.SentenceTransformerEncoderWrapper(sentences)
    subject = Auditor(wrapped, texts).subject
    assert subject.identity.adapter == "MTEB encode"
    assert subject.identity.weights_sha256 == weights_sha256({"model": sentences})
    assert same(served(wrapped, texts), served(sentences, texts))


def test_a_plain_class_of_the_mteb_protocol(texts):
    class Counting:
        def encode(self, inputs, *, task_metadata, hf_split, hf_subset, prompt_type=None, **kwargs):
            assert (task_metadata.name, prompt_type) == ("mmaudit", None)
            return np.concatenate([[[len(t), t.count("a") + 1] for t in batch["text"]] for batch in inputs])

    x, _ = served(Counting(), texts)
    assert x[:, 0].tolist() == [len(t) for t in texts.inputs["query"]]


def test_modules_are_left_as_they_were(clip, small, torch):
    model, _ = clip
    model.train()
    model.vision_model.eval()
    before = [part.training for part in model.modules()]
    assert set(before) == {True, False}, "both kinds must be there to be kept"
    state = weights_sha256({"": model})
    served(clip, small)
    assert [part.training for part in model.modules()] == before
    assert weights_sha256({"": model}) == state
    assert torch.is_grad_enabled()
    assert all(p.grad is None for p in model.parameters())


def test_dropout_is_off_while_encoding(torch):
    class Noisy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 8)
            self.drop = torch.nn.Dropout(0.5)

        def encode_image(self, x):
            return self.drop(self.layer(x))

        encode_text = encode_image

    model = Noisy()
    assert model.training
    rows = np.ones((50, 4), dtype=np.float32)
    subject = as_subject(model)
    assert np.array_equal(*(subject.encoders["image"](rows) for _ in range(2)))
    # The same through an object that merely holds the module, and through its bound methods.
    held = types.SimpleNamespace(inner=model, encode_image=model.encode_image, encode_text=model.encode_image)
    for other in (held, {"image": model.encode_image, "text": model.encode_image}):
        encode = as_subject(other).encoders["image"]
        first, second = encode(torch.ones(50, 4)), encode(torch.ones(50, 4))
        assert np.array_equal(first, second)
    assert model.training


def test_lower_precision_is_asked_for_and_not_assumed(clip, small):
    full, again = served(clip, small), served(clip, small)
    assert full[0].dtype == np.float32
    assert full[0].tobytes() == again[0].tobytes()
    half = as_subject(clip, precision="bfloat16")
    x = half.encoders["image"](small.inputs["image"])
    assert 1e-5 < np.abs(x - full[0]).max() / np.abs(full[0]).max() < 0.05
    with pytest.raises(SubjectError, match="precision is 'int8'; expected float32 or bfloat16 or float16"):
        as_subject(clip, precision="int8")


def test_a_model_in_half_precision_is_given_its_own_numbers(clip, open_clip_model, small, torch):
    for given in ((clip[0].to(torch.bfloat16), clip[1]), open_clip_model.to(torch.bfloat16)):
        x, y = served(given, small)
        assert x.dtype == y.dtype == np.float32
        assert np.isfinite(x).all()


def test_the_digest_of_weights_sees_values_names_and_types_and_no_order(torch):
    class Held(torch.nn.Module):
        def __init__(self, names, dtype=torch.float32, value=1.0):
            super().__init__()
            for name in names:
                self.register_buffer(name, torch.full((2,), value, dtype=dtype))

    def digest(*args, **kwargs):
        return weights_sha256({"": Held(*args, **kwargs)})

    assert digest("ab") == digest("ba")
    others = [digest("ab"), digest("ac"), digest("ab", torch.float16), digest("ab", value=2.0), digest("abc")]
    assert len(set(others)) == len(others)
    # float32 zeros and int32 zeros are the same bytes.
    assert digest("a", torch.float32, 0) != digest("a", torch.int32, 0)
    assert weights_sha256({"": torch.nn.ReLU()}) is None
    tied = torch.nn.Linear(2, 2)
    tied.scalar = torch.nn.Parameter(torch.tensor(3.0, dtype=torch.bfloat16))
    assert len(weights_sha256({"": tied})) == 64


def test_the_fingerprint_sees_weights_settings_prompts_and_no_name(clip, torch):
    model, processor = clip

    def mark(given=clip, **options):
        return as_subject(given, **options).fingerprint

    base = mark()
    assert base is not None
    assert mark(name="another name", batch_size=3) == base
    changed = [mark(precision="bfloat16"), mark(prompts={"text": "a photo of {}"})]
    processor.image_processor.image_mean = [0.1, 0.2, 0.3]
    changed.append(mark())
    model.config.vision_config.hidden_act = "gelu"
    with torch.no_grad():
        model.logit_scale += 1
    changed.append(mark())
    assert None not in changed
    assert len({base, *changed}) == 5
    assert dataclasses.is_dataclass(as_subject(clip))
