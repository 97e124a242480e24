"""In each of two processes, compute the gradients of its share of a batch, and do a short alignment run."""

import copy
import json
import sys
from pathlib import Path

import torch
from finetuning.conftest import SPECIAL, small_model
from torch.nn.parallel import DistributedDataParallel

from llmlib.chat import TALES, with_chat_template
from llmlib.preferences import align
from llmlib.preferences.groups import Sampled, encode_prompts, sample
from llmlib.preferences.kl import fixed_reference
from llmlib.preferences.updating import Updating
from llmlib.tokenization import BPETokenizer
from llmlib.training import distributed
from llmlib.training.distributed import Ranks
from preferences.conftest import PROMPTS, lengths, quick

TOKENIZER = with_chat_template(BPETokenizer.train("", 256 + len(SPECIAL), special_tokens=SPECIAL), TALES)


def distance(ranks, over):
    """Return how much loss and gradients differ from a single process with all rows, and the largest gradient."""
    model, encoded = small_model(TOKENIZER.vocab_size), encode_prompts(TOKENIZER, PROMPTS)
    sampled = sample(model, TOKENIZER, encoded, 4, 12, seed=1)
    sampled.mask[:4, 2:] = False  # so that the processes have different numbers of tokens
    advantages = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    reference = fixed_reference(model, None, "float32")
    config = quick(over=over, max_new_tokens=12, accumulate=2)
    whole = copy.deepcopy(model)
    expected = Updating(encoded, sampled, advantages, reference, config, Ranks()).gradients(whole)
    rows = {name: ranks.share(getattr(sampled, name)) for name in ("ids", "mask", "cut_off")}
    which = ranks.share(torch.arange(4))
    share = Sampled(texts=[], **rows)
    updating = Updating([encoded[i] for i in which], share, advantages[which], reference, config, ranks)
    loss = updating.gradients(DistributedDataParallel(model))
    gaps = [float((a.grad - b.grad).abs().max()) for a, b in zip(model.parameters(), whole.parameters())]
    return [abs(loss - expected), max(gaps), max(float(p.grad.abs().max()) for p in whole.parameters())]


def main(folder):
    ranks = distributed.join()
    found = {over: distance(ranks, over) for over in ("sequence", "batch", "constant")}
    model = small_model(TOKENIZER.vocab_size)
    seen = []

    def reward(prompts, answers):
        seen.append(sorted(set(prompts)))
        return lengths(prompts, answers)

    steps = list(align(model, TOKENIZER, PROMPTS, reward, quick(save_every=1), folder=folder / "run"))
    weights = sum(float(p.detach().double().sum()) for p in model.parameters())
    own = {"weights": weights, "rewards": [step.reward for step in steps], "prompts": seen[0]}
    (folder / f"{ranks.rank}.json").write_text(json.dumps({**found, **own}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
