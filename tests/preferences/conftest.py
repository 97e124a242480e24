"""Provide a small untrained chat model, prompts for it, and a reward that is easy to earn."""

import pytest
from finetuning.conftest import SPECIAL, small_model

from llmlib.chat import TALES, with_chat_template
from llmlib.preferences import AlignConfig
from llmlib.tokenization import BPETokenizer

PROMPTS = ["hello", "wie", "x y z", "abc d"]
QUICK = {"steps": 3, "prompts": 4, "samples": 4, "max_new_tokens": 6, "learning_rate": 1e-2, "dtype": "float32"}


@pytest.fixture(scope="session")
def tokenizer():
    return with_chat_template(BPETokenizer.train("", 256 + len(SPECIAL), special_tokens=SPECIAL), TALES)


@pytest.fixture
def model(tokenizer):
    return small_model(tokenizer.vocab_size)


def quick(**changes):
    return AlignConfig(**{**QUICK, **changes})


def lengths(prompts, answers):
    return [float(len(answer)) for answer in answers]
