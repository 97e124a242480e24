"""A large language model in one file, with its tokenizer, model, training, sampling, tuning and alignment.

    python my_llm.py say FOLDER "The capital of France is"     a model of the Llama family, such as SmolLM2
    python my_llm.py train tales.txt small.pt                  a small model trained on your own text
    python my_llm.py say small.pt "One day"                    what it writes
    python my_llm.py tune small.pt talks.jsonl tuned.pt        each line a list: [{"role": "user", "content": "Hi"} ...]
    python my_llm.py align tuned.pt talks.jsonl better.pt      draws answers, and learns from those that are right

FOLDER holds config.json, tokenizer.json and model.safetensors, as `llmlib.save_pretrained` writes them.
"""

import json
import sys
from functools import partial
from pathlib import Path

import torch

from llmlib.exercises.my_llm.template.aligning import learn_by_reward
from llmlib.exercises.my_llm.template.model import Config, llama_logits
from llmlib.exercises.my_llm.template.sampling import write
from llmlib.exercises.my_llm.template.text import Tokenizer, detokenize, learn_merges, read_vocabulary, tokenize
from llmlib.exercises.my_llm.template.training import first_weight, learn, learning_rate_at, weight_shapes, windows
from llmlib.exercises.my_llm.template.tuning import chat_text, learn_answers
from llmlib.exercises.my_llm.template.weights import NAMES, our_name, read_sizes, read_tensor, tensor_names

# How SmolLM2 splits a text into pieces; for the module re, ² and ½ are letters.
WORDS = r"\d|'(?:[sdmt]|ll|ve|re)| ?[^\W\d_]+| ?(?:[^\s\w]|_)+|\s+$|\s+(?=\d)|\s+(?!\S)|\s"
LINES = r"[^\n]*\n?"  # how our own models split a text into pieces
CHANCE = torch.Generator().manual_seed(0)


def load(path):
    """Load a model's weights, config and tokenizer, from a folder or from a file saved with `torch.save`."""
    if Path(path).is_file():
        weights, config, tokenizer = torch.load(path, weights_only=True)
        return weights, Config(*config), Tokenizer(*tokenizer)
    data = (Path(path) / "model.safetensors").read_bytes()
    weights = {our_name(name, NAMES): read_tensor(data, name) for name in tensor_names(data)}
    config = Config(**read_sizes((Path(path) / "config.json").read_text(encoding="utf-8")))
    return weights, config, read_tokenizer(Path(path) / "tokenizer.json")


def read_tokenizer(path):
    file = json.loads(path.read_text(encoding="utf-8"))
    merges = [pair.split(" ") if isinstance(pair, str) else pair for pair in file["model"]["merges"]]
    special = {token["content"]: token["id"] for token in file["added_tokens"]}
    free = sorted(special.values())[-2:]  # two special tokens that chats do not need
    special = dict(zip(("<|user|>", "<|assistant|>"), free)) | special
    return Tokenizer(*read_vocabulary(file["model"]["vocab"], merges), special, WORDS)


def begin(text, n_merges=200):
    """Create a small new model and tokenizer for a text, with merges learned from its first 20,000 characters."""
    merges, draw = learn_merges(text[:20_000], n_merges), partial(torch.randn, generator=CHANCE)
    names, n = ("<|endoftext|>", "<|user|>", "<|assistant|>"), 256 + len(merges)
    config = Config(n + 3, 64, 4, 4, 2, 176, 16, 128)
    weights = {name: first_weight(name, shape, 4, draw) for name, shape in weight_shapes(config).items()}
    return weights, config, Tokenizer(merges, list(range(n)), {name: n + i for i, name in enumerate(names)}, LINES)


def logits_of(config):
    return lambda ids, weights: llama_logits(ids, weights, config)


def say(path, prompt):
    weights, config, tokenizer = load(path)
    ids, us = tokenize(prompt, tokenizer), torch.rand(40, generator=CHANCE).tolist()
    end = tokenizer.special["<|endoftext|>"]
    with torch.no_grad():
        new = write(lambda ids: llama_logits(ids, weights, config), ids, us, end, 0.8, 0.95, 1.0)
    print(prompt + detokenize(new, tokenizer))


def train(source, path, steps=500):
    text = Path(source).read_text(encoding="utf-8")[:300_000]
    weights, config, tokenizer = begin(text)
    ids = torch.tensor(tokenize(text, tokenizer))
    starts = torch.randint(len(ids) - 64, (steps, 16), generator=CHANCE).tolist()
    rates = [learning_rate_at(step, steps, 20, 3e-3) for step in range(steps)]
    batches = [windows(ids, row, 64) for row in starts]
    learned, losses = learn(weights, logits_of(config), batches, rates)
    torch.save([dict(zip(weights, learned)), tuple(config), tuple(tokenizer)], path)
    print(f"loss {losses[0]:.2f} at first, {losses[-1]:.2f} at the end")


def tune(path, source, new, steps=300):
    weights, config, tokenizer = load(path)
    talks = [json.loads(line) for line in Path(source).read_text(encoding="utf-8").splitlines()]
    rows = [torch.tensor(tokenize(chat_text(talk), tokenizer)[: config.max_seq_len]) for talk in talks]
    signs = [tokenizer.special[name] for name in ("<|assistant|>", "<|endoftext|>")]
    rows = [ids for ids in rows if signs[0] in ids[:-1]]  # rows with an answer
    names = [name for name in weights if name.endswith(("query.weight", "value.weight"))]
    rates = [learning_rate_at(step, steps, 0, 2e-3) for step in range(steps)]
    draw = partial(torch.randn, generator=CHANCE)
    matrices, losses = learn_answers(weights, logits_of(config), rows, signs, names, draw, rates)
    torch.save([weights | dict(zip(names, matrices)), tuple(config), tuple(tokenizer)], new)
    print(f"loss on the answers {losses[0]:.2f} at first, {losses[-1]:.2f} at the end")


def align(path, source, new, rounds=12, group=8, longest=24):
    weights, config, tokenizer = load(path)
    end = tokenizer.special["<|endoftext|>"]
    talks = [json.loads(line) for line in Path(source).read_text(encoding="utf-8").splitlines()]

    def answers_to(talk, now):
        asked, us = tokenize(chat_text(talk[:-1]), tokenizer), torch.rand(group, longest, generator=CHANCE).tolist()
        drawn = [write(lambda ids: llama_logits(ids, now, config), asked, row, end, 1.0, 1.0, 1.0) for row in us]
        rewards = [float(detokenize(ids, tokenizer).strip() == talk[-1]["content"]) for ids in drawn]
        rows = [[*asked, *map(int, ids)] + [end] * (longest - len(ids)) for ids in drawn]
        mask = [[False] * len(asked) + [place <= len(ids) for place in range(longest)] for ids in drawn]
        return torch.tensor(rows), torch.tensor(mask), torch.tensor(rewards)

    learned, earned = learn_by_reward(weights, logits_of(config), talks, answers_to, rounds, 1e-4)
    torch.save([learned, tuple(config), tuple(tokenizer)], new)
    print(f"right {earned[0]:.0%} of the time in the first round, {earned[-1]:.0%} in the last")


if __name__ == "__main__":
    if len(sys.argv) > 3:
        {command.__name__: command for command in (say, train, tune, align)}[sys.argv[1]](*sys.argv[2:])
    else:
        print(__doc__)
