"""Values of the wrong kind, as people pass them: without the type checker that watches all other tests."""

import json
import re
import subprocess
import sys

import pytest

MISTAKES = {
    'generate(model, "hello")': r"ids is a text\. Turn it into ids first.*tokenizer\.encode",
    'generate(model, ["hello"])': "ids must be whole numbers",
    "generate(model, [1.5, 2])": "ids must be whole numbers, got torch.float32",
    "generate(model, torch.tensor([1.5, 2]))": "ids must be whole numbers, got torch.float32",
    "generate(model, [2**70])": "ids must be whole numbers",
    "generate(model, [[1, 2], [3]])": "ids must be whole numbers",
    "generate(model, [None])": "ids must be whole numbers",
    "generate(model, [])": "at least one token",
    "generate(model, [1], max_new_tokens=2.5)": "max_new_tokens must be a whole number, 0 or more, got 2.5",
    "generate(model, [1], max_new_tokens=torch.tensor(2.5))": "max_new_tokens must be a whole number",
    "generate(model, [1], log_probs=1.0)": "log_probs must be a whole number, 0 or more, got 1.0",
    'generate(model, [1], seed="lucky")': "seed must be a whole number, 0 or more, got 'lucky'",
    "beam_search(model, [1], n_beams=2.0)": "n_beams must be a whole number, 1 or more, got 2.0",
    'beam_search(model, "hello")': r"ids is a text\. Turn it into ids first.*tokenizer\.encode",
    "beam_search(model, ids)": r"ids must be one text .*, got shape \(2, 5\)",
    "Sampler(temperature=None)": r"temperature must be 0 or more, got None",
    "Sampler(top_p=np.array([0.5, 0.9]))": r"top_p must be a number or a list of numbers; write top_p=\[0\.5, 0\.9\]",
    "Sampler(top_p=np.float32(0.5))": r"top_p must be a number or a list of numbers; write top_p=0\.5",
    'Sampler(logit_bias={" cat": 1.0})': r"logit_bias names ' cat', which is no id: a plain int. For a text",
    "Sampler(logit_bias={1: None})": "logit_bias of id 1 must be a number or -inf, got None",
    "Sampler(logit_bias=[1, 2])": r"logit_bias must be a dict from ids to numbers, got \[1, 2\]",
    'generate_text(model, None, "a", stop=[7])': "A stop string is a text, got 7. For the id of a token: end_ids",
    "Constraint.choices([1, 2], None)": "An answer to choose is a text, got 1. Put it in quotes",
    "model(torch.tensor([1, 2]))": r"shape \[batch, seq\], got \[2\]\. For one text: ids\[None\]",
    "model(torch.tensor([[1.0, 2.0]]))": r"whole numbers, got torch\.float32",
    "model(ids, attention_mask=mask[:, 1:])": r"the shape of ids, \[2, 5\], got \[2, 4\]",
    "model(ids, attention_mask=mask[:, 1:], cache=cache)": r"the shape of ids, \[2, 5\], got \[2, 4\]",
    'Config(positions="rope")': "must be one of 'learned', 'sinusoidal', 'rotary', 'none'; got 'rope'",
    'Config(norm="batch")': "norm must be one of",
    'Config(mlp="relu")': "mlp must be one of",
    "Config(d_mlp=2.5)": "d_mlp must be a whole number, got 2.5",
    'Config(n_kv_heads="2")': "n_kv_heads must be a whole number, got 2",
    "choose(dtype=None)": "None is not a dtype. Use 'auto' or one of: float32",
    "choose(device=None)": "None is not a device",
    'BPETokenizer.train("ab", 260, ties="last")': "ties must be 'first' or 'largest', got 'last'",
    "TokenDataset(7)": r"must be one row of whole numbers, got int64 of shape \[\]",
    'TokenDataset(["a", "b"])': "Texts are encoded first",
}
SCRIPT = """
import functools, json, sys
import numpy as np
import torch
from llmlib import Constraint, Sampler, Transformer, TransformerConfig, beam_search, generate, generate_text
from llmlib import BPETokenizer
from llmlib.corpora.datasets import TokenDataset
from llmlib.devices import choose

Config = functools.partial(TransformerConfig, 31, 24, 16, 1, 2)
model = Transformer(Config())
ids, mask = torch.arange(10).reshape(2, 5), torch.ones(2, 5, dtype=torch.bool)
messages = {}
for call in json.load(sys.stdin):
    cache = model.new_cache(batch=2)
    try:
        messages[call] = f"no error, but {eval(call)!r}"
    except ValueError as error:
        messages[call] = str(error)
print(json.dumps(messages))
"""


@pytest.fixture(scope="module")
def messages():
    given = json.dumps(list(MISTAKES))
    run = subprocess.run([sys.executable, "-c", SCRIPT], input=given, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("call", MISTAKES)
def test_the_message_says_what_was_wrong(call, messages):
    assert re.search(MISTAKES[call], messages[call]), messages[call]
