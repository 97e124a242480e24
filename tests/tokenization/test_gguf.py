"""Tokenizers inside GGUF files give the same ids as their family's `tokenizer.json`."""

import json
import unicodedata

import pytest
from reference_tokenizers import gguf_fields, ours_of, saved, write_gguf
from text_strategies import many_texts

from llmlib.tokenization import TokenizerError, load_tokenizer
from llmlib.tokenization.sentencepiece import SentencePieceTokenizer


@pytest.mark.parametrize(
    ("family", "pre"),
    [("gpt2", "gpt-2"), ("smollm2", "smollm"), ("llama3", "llama-bpe"), ("tekken", "tekken"), ("qwen2", "qwen2")],
)
def test_a_byte_level_tokenizer_in_a_gguf_gives_the_same_ids_as_its_json(family, pre, tmp_path):
    path = write_gguf(
        tmp_path / "model.gguf",
        model="gpt2",
        pre=pre,
        bos_token_id=0,
        eos_token_id=1,
        eot_token_id=0,
        chat_template="hi",
        **gguf_fields(family),
    )
    ours, same = load_tokenizer(path), ours_of(family)
    for text in many_texts(1000):
        assert ours.encode(text, "all") == same.encode(text, "all")
    assert (ours.bos_id, ours.eos_ids, ours.chat_template) == (0, (1, 0), "hi")
    assert ours.adds_bos == (family in ("llama3", "tekken"))
    assert ours.special_tokens == same.special_tokens


def test_deepseeks_distilled_qwen_splits_text_like_qwen_but_does_not_normalise_it(tmp_path):
    fields = {"model": "gpt2", **gguf_fields("qwen2")}
    qwen, distilled = (
        load_tokenizer(write_gguf(tmp_path / f"{pre}.gguf", pre=pre, **fields)) for pre in ("qwen2", "deepseek-r1-qwen")
    )
    for text in many_texts(300):
        assert qwen.encode(text, "all") == distilled.encode(unicodedata.normalize("NFC", text), "all")
    assert qwen.encode("e\u0301") == distilled.encode("é") != distilled.encode("e\u0301")


def test_a_sentencepiece_tokenizer_in_a_gguf_gives_the_same_ids_as_its_json(tmp_path):
    fields = gguf_fields("normalizer")
    del fields["merges"]
    tokenizer = ours_of("normalizer")
    rank = {
        left + right: number for number, (left, right) in enumerate(json.loads(saved("normalizer"))["model"]["merges"])
    }
    scores = [-float(rank.get(token, 0)) for token in fields["tokens"]]
    options = {"model": "llama", "scores": scores, "bos_token_id": 1, "eos_token_id": 2, "unknown_token_id": 0}
    ours = load_tokenizer(write_gguf(tmp_path / "model.gguf", **options, **fields))
    assert isinstance(ours, SentencePieceTokenizer)
    for text in many_texts(1000):
        assert ours.encode(text, "all") == tokenizer.encode(text, "all")
        assert ours.decode(ours.encode(text)) == tokenizer.decode(tokenizer.encode(text))
    assert (ours.bos_id, ours.eos_ids, ours.adds_bos) == (1, (2,), True)
    plain = load_tokenizer(
        write_gguf(tmp_path / "b.gguf", **options, **fields, add_space_prefix=False, add_bos_token=False)
    )
    assert plain.adds_bos is False
    assert plain.encode(" a") == ours.encode("a")


def test_unused_and_user_defined_tokens_in_a_gguf_are_recognised(tmp_path):
    fields = gguf_fields("gpt2")
    fields["tokens"] = [*fields["tokens"], "[PAD1]", "[PAD1]", "<think>"]
    fields["token_type"] = [*fields["token_type"], 5, 5, 4]
    ours = load_tokenizer(write_gguf(tmp_path / "model.gguf", model="gpt2", pre="gpt-2", **fields))
    assert ours.vocab_size == 1203
    assert ours.encode("<think>", "all") == [1202]
    assert 1202 not in ours.encode("<think>")
    with pytest.raises(ValueError, match=r"1200 is not the id of any token.*not in use"):
        ours.decode([1200])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": None}, r"field tokenizer\.ggml\.model is missing"),
        ({"model": "bert"}, "is of type 'bert'; only 'gpt2' and 'llama' are supported"),
        ({"model": 7}, "must be of type str, got int"),
        (
            {"pre": "deepseek-llm"},
            "'deepseek-llm', which is not supported; it must be one of gpt-2, smollm, llama-bpe, tekken, qwen2",
        ),
        ({"pre": None}, "which is not supported"),
        ({"tokens": None}, r"ggml\.tokens is missing"),
        ({"tokens": "abc"}, "must be of type list, got str"),
        ({"tokens": ["a", "a"], "token_type": [1, 1]}, "The token 'a' occurs twice"),
        ({"token_type": [1, 1]}, r"token_type has 2 entries for 1200 tokens"),
        ({"merges": None}, r"ggml\.merges is missing"),
        ({"merges": ["a"]}, "The merge 'a' is not a pair"),
        ({"merges": ["a 日"]}, "refers to '日', which is not a token"),
        ({"bos_token_id": 10**6}, "bos_id 1000000 is not in the vocabulary"),
        ({"eos_token_id": "2"}, "must be of type int, got str"),
        ({"model": "llama"}, r"ggml\.scores is missing"),
        ({"model": "llama", "scores": [0.0]}, "scores has 1 entries for 1200 tokens"),
        ({"model": "llama", "scores": [float("nan")] * 1200}, "not a finite number"),
    ],
)
def test_damaged_and_unsupported_ggufs_are_refused(changes, message, tmp_path):
    path = write_gguf(tmp_path / "model.gguf", **{"model": "gpt2", "pre": "gpt-2", **gguf_fields("gpt2"), **changes})
    with pytest.raises(TokenizerError, match=message) as caught:
        load_tokenizer(path)
    assert str(caught.value).startswith(str(path))


def test_a_truncated_gguf_is_refused(tmp_path):
    path = write_gguf(tmp_path / "model.gguf", model="gpt2", pre="gpt-2", **gguf_fields("gpt2"))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(TokenizerError, match=r"model\.gguf.*truncated"):
        load_tokenizer(path)
