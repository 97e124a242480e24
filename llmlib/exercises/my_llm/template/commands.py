"""A large language model in one file: its text, its model, its training, its voice, its tuning.

    python my_llm.py say FOLDER "The capital of France is"     a model of the Llama family, such as SmolLM2
    python my_llm.py train tales.txt small.pt                  a small model of your own text
    python my_llm.py say small.pt "One day"                    what it writes
    python my_llm.py tune small.pt talks.jsonl tuned.pt        each line a list: [{"role": "user", "content": "Hi"} ...]

FOLDER holds config.json, tokenizer.json and model.safetensors, as `llmlib.save_pretrained` writes them.
"""

import json
import sys
from pathlib import Path

import torch

from llmlib.exercises.my_llm.template.model import Config, llama_logits, new_weights
from llmlib.exercises.my_llm.template.sampling import generate
from llmlib.exercises.my_llm.template.text import Tokenizer, learn_merges
from llmlib.exercises.my_llm.template.training import learning_rate_at, random_windows, train
from llmlib.exercises.my_llm.template.tuning import tune
from llmlib.exercises.my_llm.template.weights import read_config, read_tokenizer, read_weights


def load(path):
    """The weights, config and tokenizer of a model: of a folder, or of a file that `torch.save` wrote."""
    if Path(path).is_dir():
        readers = {"model.safetensors": read_weights, "config.json": read_config, "tokenizer.json": read_tokenizer}
        return [read(Path(path) / name) for name, read in readers.items()]
    weights, config, tokenizer = torch.load(path, weights_only=True)
    return weights, Config(*config), Tokenizer(*tokenizer)


def save(path, weights, config, tokenizer):
    kept = [tokenizer.merges, tokenizer.special, tokenizer.theirs, tokenizer.pieces]
    torch.save([weights, tuple(config), kept], path)


def begin(text, n_merges=200):
    """A small new model for a text, and its tokenizer, whose merges the first 20,000 characters decide."""
    merges = learn_merges(text[:20_000], n_merges)
    names = ("<|endoftext|>", "<|user|>", "<|assistant|>")
    tokenizer = Tokenizer(merges, {name: 256 + len(merges) + n for n, name in enumerate(names)})
    config = Config(259 + len(merges), 64, 4, 4, 2, 176, 16, 128)
    return new_weights(config), config, tokenizer


def main(arguments):
    match arguments:
        case ["say", path, prompt]:
            weights, config, tokenizer = load(path)
            new = generate(tokenizer.encode(prompt), weights, config, 40, end=tokenizer.special["<|endoftext|>"])
            print(prompt + tokenizer.decode(new))
        case ["train", source, path]:
            text, steps = Path(source).read_text(encoding="utf-8")[:1_000_000], 500
            print(f"{steps} steps take a minute or two")
            weights, config, tokenizer = begin(text)
            batches = random_windows(torch.tensor(tokenizer.encode(text)), steps, 16, 64)
            rates = [learning_rate_at(step, steps, 20, 3e-3) for step in range(steps)]
            weights, losses = train(weights, lambda ids, w: llama_logits(ids, w, config), batches, rates)
            print(f"loss {losses[0]:.2f} at first, {losses[-1]:.2f} at the end")
            save(path, weights, config, tokenizer)
        case ["tune", path, source, new]:
            weights, config, tokenizer = load(path)
            talks = [json.loads(line) for line in Path(source).read_text(encoding="utf-8").splitlines()]
            weights, losses = tune(weights, config, tokenizer, talks, steps=300)
            print(f"loss of the answers {losses[0]:.2f} at first, {losses[-1]:.2f} at the end")
            save(new, weights, config, tokenizer)
        case _:
            print(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
