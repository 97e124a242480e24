"""A large language model in one file: its text, its model, its training, its voice, its tuning.

    python my_llm.py say FOLDER "The capital of France is"     a model of the Llama family, such as SmolLM2
    python my_llm.py train tales.txt small.pt                  a small model of your own text
    python my_llm.py say small.pt "One day"                    what it writes
    python my_llm.py tune small.pt talks.jsonl tuned.pt        each line a list: [{"role": "user", "content": "Hi"} ...]

FOLDER holds config.json, tokenizer.json and model.safetensors, as `llmlib.save_pretrained` writes them.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from llmlib.exercises.my_llm.template.model import Config, new_weights
from llmlib.exercises.my_llm.template.sampling import generate
from llmlib.exercises.my_llm.template.text import Tokenizer, learn_merges
from llmlib.exercises.my_llm.template.training import pretrain, random_windows
from llmlib.exercises.my_llm.template.tuning import tune
from llmlib.exercises.my_llm.template.weights import read_config, read_tokenizer, read_weights


def save(path, weights, config, tokenizer):
    weights = {name: weight.detach() for name, weight in weights.items()}
    torch.save({"weights": weights, "config": asdict(config), "merges": tokenizer.merges, "special": tokenizer.special,
                "theirs": tokenizer.theirs, "pieces": tokenizer.pieces}, path)  # fmt: skip


def load(path):
    """The weights, config and tokenizer of a model: of a folder, or of a file that `save` wrote."""
    if Path(path).is_dir():
        parts = [read_weights(file) for file in sorted(Path(path).glob("*.safetensors"))]
        weights = {name: weight for part in parts for name, weight in part.items()}
        return weights, read_config(Path(path) / "config.json"), read_tokenizer(Path(path) / "tokenizer.json")
    kept = torch.load(path, weights_only=True)
    tokenizer = Tokenizer(kept["merges"], kept["special"], kept["theirs"], kept["pieces"])
    return kept["weights"], Config(**kept["config"]), tokenizer


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
            ids = tokenizer.encode(prompt)
            for id in generate(ids, weights, config, 40, ends=[tokenizer.special["<|endoftext|>"]]):
                ids.append(id)
            print(tokenizer.decode(ids))
        case ["train", source, path]:
            text = Path(source).read_text(encoding="utf-8")[:1_000_000]
            weights, config, tokenizer = begin(text)
            ids, steps = torch.tensor(tokenizer.encode(text)), 500
            losses = pretrain(weights, config, random_windows(ids, steps, 16, 64), steps, warmup=20)
            for step, loss in enumerate(losses, start=1):
                if step % 50 == 0:
                    print(f"step {step}: loss {loss:.2f}")
            save(path, weights, config, tokenizer)
        case ["tune", path, source, new]:
            weights, config, tokenizer = load(path)
            talks = [json.loads(line) for line in Path(source).read_text(encoding="utf-8").splitlines()]
            weights, losses = tune(weights, config, tokenizer, talks, steps=300)
            print(f"loss of the answers: {losses[0]:.2f} at first, {losses[-1]:.2f} at the end")
            save(new, weights, config, tokenizer)
        case _:
            print(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
