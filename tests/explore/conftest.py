"""Fixtures: a small live model that can chat, and a list of the conversations that models were asked to continue."""

import pytest
import torch

from llmlib.chat import encode_chat
from llmlib.explore.chat import speakers as speaking
from llmlib.tokenization import BPETokenizer
from llmlib.transformer import Transformer, TransformerConfig

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@pytest.fixture(scope="module")
def live():
    tokenizer = BPETokenizer.train("one two three four", 268, special_tokens=["<|im_start|>", "<|im_end|>"])
    tokenizer.chat_template = CHATML
    config = TransformerConfig(
        tokenizer.vocab_size, 128, 16, n_layers=1, n_heads=2, end_ids=(tokenizer.special_tokens["<|im_end|>"],)
    )
    return Transformer(config), tokenizer


@pytest.fixture(scope="module")
def uneven(live):
    """Enlarge the live model's weights, because with its initial ones all tokens are about equally likely."""
    with torch.no_grad():
        for parameter in live[0].parameters():
            parameter.mul_(3)


@pytest.fixture
def asked(monkeypatch):
    """Return a list that records each conversation that a model is asked to continue, and its ids."""
    conversations = []

    def recorded(tokenizer, messages):
        ids = encode_chat(tokenizer, messages)
        conversations.append((list(messages), ids))
        return ids

    monkeypatch.setattr(speaking, "encode_chat", recorded)
    return conversations
