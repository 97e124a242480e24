"""Provide a small tokenizer, a small model and conversations for tuning."""

import pytest

from llmlib.chat import TALES, with_chat_template
from llmlib.tokenization import BPETokenizer
from llmlib.transformer import Transformer, TransformerConfig

SPECIAL = ["<|endoftext|>", "<|user|>", "<|assistant|>"]


@pytest.fixture(scope="session")
def tokenizer():
    """Return a tokenizer with the course's chat template and one token per byte: 3 for "abc", 4 for " abc"."""
    return with_chat_template(BPETokenizer.train("", 256 + len(SPECIAL), special_tokens=SPECIAL), TALES)


@pytest.fixture
def model(tokenizer):
    return small_model(tokenizer.vocab_size)


def small_model(vocab_size, **choices):
    settings = {"positions": "rotary", "norm": "rmsnorm", "mlp": "swiglu", "tied_embeddings": False, **choices}
    return Transformer(TransformerConfig(vocab_size, 64, 16, 2, 2, **settings))


def said(*contents):
    return [{"role": ("user", "assistant")[i % 2], "content": content} for i, content in enumerate(contents)]
