"""Helpers for tests of chats: send a message, wait for the answer, or make a model give a fixed answer."""

import time

from acting import act

from explore.conftest import CHATML
from llmlib.explore.chat import speakers as speaking
from llmlib.sampling import Sampler
from llmlib.tokenization import BPETokenizer

GREEDY = Sampler(temperature=0)
ENDLESS = Sampler(temperature=1, logit_bias={267: float("-inf")})  # never <|im_end|>
STRICT = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + CHATML
)


def wait_for(view):
    for _ in range(1500):
        if not view.answering:
            return
        time.sleep(0.02)
    raise AssertionError("the answer did not end")


def say(view, text, kind="message", **details):
    """Send a message, wait for the answer, and return whether the message was accepted."""
    done = act(view, kind, text=text, **details)
    wait_for(view)
    return done


def tokenizer_with(template):
    tokenizer = BPETokenizer.train("one two three four", 268, special_tokens=["<|im_start|>", "<|im_end|>"])
    tokenizer.chat_template = template
    return tokenizer


def contents(view, role, speaker=None):
    return [m["content"] for m in view.messages if m["role"] == role and m.get("speaker") == speaker]


def answer_with(monkeypatch, *pieces, error=None):
    def piece(self):
        self.left = getattr(self, "left", [*pieces])
        if self.left:
            return self.left.pop(0)
        if error:
            raise error
        return None

    monkeypatch.setattr(speaking.Answer, "piece", piece)
