"""Wrong values that people may pass end in helpful errors, even without the type checker that the tests use."""

import re
from pathlib import Path

import jaxtyping
import pytest

ROOT = Path(__file__).parent.parent
MISTAKES = {
    'generate(model, "hello")': r"ids must be token ids, got a string\. Encode it .*tokenizer\.encode",
    'generate(model, ["hello"])': "ids must be whole numbers",
    "generate(model, [1.5, 2])": "ids must be whole numbers, got torch.float32",
    "generate(model, torch.tensor([1.5, 2]))": "ids must be whole numbers, got torch.float32",
    "generate(model, [2**70])": "ids must be whole numbers",
    "generate(model, [[1, 2], [3]])": "ids must be whole numbers",
    "generate(model, [None])": "ids must be whole numbers",
    "generate(model, [])": "at least one token",
    "generate(model, [1], max_new_tokens=2.5)": "max_new_tokens must be a whole number, 0 or more, got 2.5",
    "generate(model, [1], max_new_tokens=torch.tensor(2.5))": "max_new_tokens must be a whole number",
    "generate(model, [1], top_log_probs=1.0)": "top_log_probs must be a whole number, 0 or more, got 1.0",
    'generate(model, [1], seed="lucky")': "seed must be a whole number, 0 or more, got 'lucky'",
    "beam_search(model, [1], n_beams=2.0)": "n_beams must be a whole number, 1 or more, got 2.0",
    'beam_search(model, "hello")': r"ids must be token ids, got a string\. Encode it .*tokenizer\.encode",
    "beam_search(model, ids)": r"ids must be one text .*, got shape \(2, 5\)",
    "Sampler(temperature=None)": r"temperature must be 0 or more, got None",
    "Sampler(top_p=np.array([0.5, 0.9]))": r"top_p must be a number or a list of numbers; write top_p=\[0\.5, 0\.9\]",
    "Sampler(top_p=np.float32(0.5))": r"top_p must be a number or a list of numbers; write top_p=0\.5",
    'Sampler(logit_bias={" cat": 1.0})': r"logit_bias contains ' cat', which is not an id .an int.. For text",
    "Sampler(logit_bias={1: None})": "logit_bias of id 1 must be a number or -inf, got None",
    "Sampler(logit_bias=[1, 2])": r"logit_bias must be a dict that maps ids to numbers, got \[1, 2\]",
    'generate_text(model, None, "a", stop=[7])': "A stop string must be a string, got 7. To stop at a .* end_ids",
    "Constraint.choices([1, 2], None)": "An answer must be a string, got 1. Put it in quotes",
    'Constraint.choices("abc", letters)': "The answers to choose from must be a list of strings, got 'abc'",
    "Constraint.choices(5, letters)": "a list of strings, got 5",
    "Constraint.choices([], letters)": "nothing to choose from",
    "Constraint.regex(None, letters)": "A regular expression must be a string, got None",
    'Constraint.regex(b"a", letters)': "A regular expression must be a string, got b'a'",
    'Constraint.regex("a", None)': "A constraint needs the model's tokenizer, got None",
    'Constraint.json({"enum": [float("nan")]}, letters)': r"nan in the schema at \$ cannot be written as JSON",
    'Constraint.json({"const": 1e400}, letters)': r"inf in the schema at \$ cannot be written as JSON",
    'Constraint.json({"enum": [{1}]}, letters)': r"\{1\} in the schema at \$ cannot be written as JSON",
    'Constraint.json({"type": "object", "properties": {1: {"type": "null"}}}, letters)': "The name 1 in the schema",
    'Constraint.json({"type": "string", "maxLength": True}, letters)': "must be a whole number, at least 0, got True",
    'generate_text(model, letters, "a", constraint=Constraint.regex("a", others))': "made with a different tokenizer",
    'generate_text(model, letters, "a", stop=5)': "stop must be a string or a list of strings, got 5",
    "generate(model, [1], seed=2**64)": "seed must be at most 9,223,372,036,854,775,807, got",
    "generate(model, [1], seed=True)": "seed must be a whole number",
    "generate(model, [True, False])": "these ids are True and False",
    "generate(model, {'input_ids': [1]})": "ids must be token ids, got a dict with the keys input_ids",
    "generate(model, [1], end_ids=3)": r"end_ids must be a list of ids, got 3. For a single id, write \[id\]",
    "generate(model, [1], end_ids=['a'])": "Each id in end_ids must be a whole number, 0 or more, got 'a'",
    "generate(model, [1], end_ids=[-1])": "Each id in end_ids must be a whole number, 0 or more, got -1",
    "beam_search(model, [1], end_ids=[2.0])": "Each id in end_ids must be a whole number, 0 or more, got 2.0",
    "beam_search(model, [1], length_penalty=None)": "length_penalty must be a number from -50 to 50, got None",
    "beam_search(model, [1], length_penalty=1000)": "length_penalty must be a number from -50 to 50, got 1000",
    "beam_search(model, [1], length_penalty=float('nan'))": "length_penalty must be .* got nan",
    "generate(model, [1], sampler=0.8)": r"sampler must be a Sampler, got 0.8. To set a temperature, write Sampler\(",
    "generate(model, [1], sampler=Sampler)": "sampler must be a Sampler, got <class",
    "generate(model, ids, attention_mask=mask.tolist())": r"attention_mask must be a tensor .* \[2, 5\], got list",
    "generate(model, ids, attention_mask=mask[0])": r"with the same shape as ids, \[2, 5\], got \[5\]",
    "generate(model, ids, attention_mask=2 * mask.int())": r"True \(or 1\) for tokens",
    "generate(model, ids, attention_mask=ids < 9)": "Row 1 of ids ends with padding.* Pad on the left",
    "generate(model, ids, attention_mask=mask & False)": "Row 0 of ids ends with padding",
    "Sampler(temperature=[])": "temperature is an empty list: pass one number for all texts, or one per text",
    "Sampler(temperature='0.5')": "temperature must be 0 or more, got '0.5'",
    "Sampler(temperature=float('inf'))": "temperature must be finite: 0 or more, got inf",
    "Sampler(temperature=10**400)": "temperature must be finite: 0 or more, got 1000",
    "Sampler(top_k=float('inf'))": "top_k must be a whole number, at least 1, got inf",
    "Sampler(top_k=True)": "top_k must be .* got True",
    "Sampler(logit_bias={True: 1.0})": "logit_bias contains True, which is not an id",
    "Sampler()(torch.zeros(5))": r"logits must be a tensor of shape \[batch, vocab\], got \[5\]. .*logits\[None\]",
    "Sampler()([[1.0, 2.0]])": r"logits must be a tensor of shape \[batch, vocab\], got list",
    "Sampler()(torch.zeros(1, 0))": r"logits must be a tensor of shape \[batch, vocab\], got \[1, 0\]",
    "Sampler()(torch.tensor([[1.0, float('inf')]]))": r"The logits contain \+∞",
    "Sampler()(torch.zeros(1, 3), 5)": r"generator must be a torch.Generator, got 5. To set a seed, use torch.Gen",
    "model(torch.tensor([1, 2]))": r"shape \[batch, seq\], got \[2\]\. For one text, write ids\[None\]",
    "model(torch.tensor([[1.0, 2.0]]))": r"whole numbers, got torch\.float32",
    "model(ids, attention_mask=mask[:, 1:])": r"the same shape as ids, \[2, 5\], got \[2, 4\]",
    "model(ids, attention_mask=mask[:, 1:], cache=cache)": r"the same shape as ids, \[2, 5\], got \[2, 4\]",
    'Config(positions="rope")': "must be one of 'learned', 'sinusoidal', 'rotary', 'none'; got 'rope'",
    'Config(norm="batch")': "norm must be one of",
    'Config(mlp="relu")': "mlp must be one of",
    "Config(d_mlp=2.5)": "d_mlp must be a whole number, got 2.5",
    'Config(n_kv_heads="2")': "n_kv_heads must be a whole number, got '2'",
    "choose(dtype=None)": "None is not a dtype. Use 'auto' or one of: float32",
    "choose(device=None)": "None is not a device",
    'BPETokenizer.train("ab", 260, ties="last")': "ties must be 'first' or 'largest', got 'last'",
    "model([1, 2])": r"ids must be a tensor of shape \[batch, seq\], got list\. Try torch\.tensor\(\[ids\]\)",
    "model(np.arange(3))": "ids must be a tensor",
    "Transformer({'d_model': 4})": "config must be a TransformerConfig, got dict",
    "Attention(64, 4)": r"config must be a TransformerConfig, got int\..* TransformerConfig\.for_part\(",
    "MLP(64)": r"config must be a TransformerConfig, got int\..* TransformerConfig\.for_part\(",
    "Transformer(Config(d_mlp=10**12))": "which take .* GB in float32, but there is only .* GB of memory",
    "generate_text(letters, model, 'a')": "a model, its tokenizer and a text, in that order; got CharTokenizer, Tr",
    "save_pretrained(letters, model, 'x')": "model must be a Transformer, got CharTokenizer: save_pretrained",
    "train(TokenDataset([1, 2]), model)": "model must be a Transformer, got TokenDataset: train",
    "train(model, 'text')": r"data must have a batch method, but str .*TokenDataset\(tokenizer\.encode\(text\)\)",
    "train(model, [1, 2], TrainConfig())": r"data must have a batch method, but list has none\. .*TokenDataset\(ids\)",
    "train(model, TokenDataset([1, 2]), {'steps': 3})": r"config must be a TrainConfig, got dict\. .*from_mapping",
    "TrainConfig(steps='3')": "steps must be a whole number, got '3'",
    "TrainConfig(betas=0.9)": "betas must be 2 numbers, got 0.9",
    "LoRAConfig(rslora='x')": "rslora must be true or false, got 'x'",
    "BPETokenizer.train('README.md', 300)": (
        r"'README\.md' is the name of a file\. Pass the file's text: llmlib\.corpora"
    ),
    "CharTokenizer.train(pathlib.Path('README.md'))": "is the name of a file",
    "TokenDataset(7)": r"must be a one-dimensional array of whole numbers, got int64 of shape \[\]",
    'TokenDataset(["a", "b"])': "Encode the text first",
}
NAMES = """
import functools, pathlib
import numpy as np
import torch
from llmlib import Constraint, Sampler, Transformer, TransformerConfig, beam_search, generate, generate_text
from llmlib import BPETokenizer, CharTokenizer, TokenDataset, TrainConfig, save_pretrained, train
from llmlib.finetuning import LoRAConfig
from llmlib.attention import Attention
from llmlib.devices import choose
from llmlib.layers import MLP

Config = functools.partial(TransformerConfig, 31, 24, 16, 1, 2)
model = Transformer(Config())
letters, others = CharTokenizer("abc"), CharTokenizer("cba")
ids, mask = torch.arange(10).reshape(2, 5), torch.ones(2, 5, dtype=torch.bool)
"""


@pytest.fixture(scope="module")
def messages():
    names, found = {}, {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jaxtyping.config, "jaxtyping_disable", True)
        patch.chdir(ROOT)
        exec(NAMES, names)
        for call in MISTAKES:
            names["cache"] = names["model"].new_cache(batch=2)
            try:
                found[call] = f"no error, but {eval(call, names)!r}"
            except ValueError as error:
                found[call] = str(error)
    return found


@pytest.mark.parametrize("call", MISTAKES)
def test_the_message_says_what_was_wrong(call, messages):
    assert re.search(MISTAKES[call], messages[call]), messages[call]
