"""A tokenizer is found, and its conventions are read from the files next to it."""

import json
import subprocess
import sys
import unicodedata

import pytest
from reference_tokenizers import gguf_fields, ours_of, saved, write, write_gguf
from text_strategies import many_texts

from llmlib.tokenization import TokenizerError, load_tokenizer


def test_conventions_are_read_from_the_files_next_to_the_tokenizer(tmp_path):
    write(tmp_path / "tokenizer.json", saved("gpt2"))
    bare = load_tokenizer(tmp_path)
    assert (bare.bos_id, bare.eos_ids, bare.chat_template) == (None, (), None)
    end = bare.special_tokens["<|endoftext|>"]
    start = bare.special_tokens["<|im_start|>"]
    config = {"bos_token": "<|im_start|>", "eos_token": {"content": "<|endoftext|>"}, "chat_template": "from config"}
    write(tmp_path / "tokenizer_config.json", config)
    write(tmp_path / "config.json", {"eos_token_id": start})
    write(tmp_path / "generation_config.json", {"eos_token_id": [end, start, 10**6]})
    for path in (tmp_path, tmp_path / "tokenizer.json", str(tmp_path)):
        ours = load_tokenizer(path)
        assert (ours.bos_id, ours.adds_bos, ours.eos_ids) == (start, False, (end, start))
        assert ours.chat_template == "from config"
    write(tmp_path / "chat_template.jinja", "from its own file")
    assert load_tokenizer(tmp_path).chat_template == "from its own file"


@pytest.mark.parametrize(
    "name", ["tokenizer_config.json", "config.json", "generation_config.json", "chat_template.jinja"]
)
def test_damaged_files_next_to_the_tokenizer_are_refused(name, tmp_path):
    write(tmp_path / "tokenizer.json", saved("gpt2"))
    (tmp_path / name).write_bytes(b"{\xff")
    with pytest.raises(TokenizerError, match=name):
        load_tokenizer(tmp_path)


@pytest.mark.slow
def test_tokenizers_do_not_import_torch(tmp_path):
    gguf = write_gguf(tmp_path / "model.gguf", model="gpt2", pre="gpt-2", **gguf_fields("gpt2"))
    ours_of("gpt2").save(tmp_path / "own.json")
    families = [write(tmp_path / f"{family}.json", saved(family)) for family in ("gpt2", "metaspace first")]
    paths = [str(path) for path in (*families, gguf, tmp_path / "own.json")]
    code = f"""
import sys
from llmlib.tokenization import BPETokenizer, load_tokenizer
BPETokenizer.train("abc", 257)
for path in {paths!r}:
    load_tokenizer(path).encode("abc")
print("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_the_default_of_several_chat_templates_is_used(tmp_path):
    write(tmp_path / "tokenizer.json", saved("gpt2"))
    several = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "the usual"}]
    write(tmp_path / "tokenizer_config.json", {"chat_template": several})
    assert load_tokenizer(tmp_path).chat_template == "the usual"


def test_files_that_transformers_saves_are_read(tmp_path):
    import transformers

    record = json.loads(saved("gpt2"))["model"]
    merges = [tuple(merge) for merge in record["merges"]]
    llama = json.loads(saved("metaspace first"))["model"]
    cases = [
        (transformers.GPT2Tokenizer, record["vocab"], merges),
        (transformers.Qwen2Tokenizer, record["vocab"], merges),
        (transformers.LlamaTokenizer, llama["vocab"], [tuple(merge) for merge in llama["merges"]]),
    ]
    for kind, vocabulary, pairs in cases:
        theirs = kind(vocab=vocabulary, merges=pairs)
        theirs.save_pretrained(tmp_path / kind.__name__)
        ours = load_tokenizer(tmp_path / kind.__name__)
        for text in many_texts(500, seed=5):
            if unicodedata.normalize("NFC", text) == text:
                assert ours.encode(text, "all") == theirs.encode(text, add_special_tokens=False), kind
        assert ours.eos_ids == (theirs.eos_token_id,)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    with pytest.raises(TokenizerError, match=r"tokenizer\.json is missing.*save_pretrained"):
        load_tokenizer(tmp_path)
