"""Does a model know where Pip lives, or only where rabbits live? Asked in pairs that differ in nothing but the name."""

import torch

from llmlib import BPETokenizer, Transformer
from llmlib.corpora import world_facts


def villagers() -> list[tuple[str, str, str]]:
    """The name, kind ("rabbit") and home of everybody; the two of a kind come one after the other."""
    by_name: dict[str, dict[str, str]] = {}
    for fact in world_facts():
        by_name.setdefault(fact.name, {})[fact.relation] = fact.value
    found = [(name, facts["kind"].split(" ", 1)[1], facts["home"]) for name, facts in by_name.items()]
    assert all(first[1] == second[1] for first, second in zip(found[::2], found[1::2]))
    return found


@torch.inference_mode()
def score(model: Transformer, tokenizer: BPETokenizer, prompt: str, answers: list[str]) -> torch.Tensor:
    """The log-likelihood of each answer after the prompt: Float[Tensor, "answer"]."""
    head = tokenizer.encode(prompt)
    texts = [head + tokenizer.encode(answer) for answer in answers]
    longest = max(map(len, texts))
    ids = torch.tensor([text + [0] * (longest - len(text)) for text in texts])
    logprobs = model(ids)[:, len(head) - 1 : -1].log_softmax(-1)
    each = logprobs.gather(-1, ids[:, len(head) :, None])[..., 0]
    inside = torch.arange(each.shape[1]) < torch.tensor([len(text) - len(head) for text in texts])[:, None]
    return (each * inside).sum(1)


def names_or_kinds(model: Transformer, tokenizer: BPETokenizer) -> list[tuple[str, float, int | str]]:
    """Rows of measure, value and of how many; "stranger" is the same with the names of another pair in their places.

    A model that goes by the kind alone gives the two rabbits one answer: right for one of them at most, so that
    "own before other" is 27 of 54 and "both of a pair" is 0 of 27. "Margin" is how many nats a name adds to its own
    home, against the other of its kind; what is likely about the homes themselves cancels out in it.
    """
    everybody = villagers()
    names, kinds, homes = (list(column) for column in zip(*everybody))
    n = len(everybody)
    other = torch.arange(n) ^ 1  # 0 and 1 are a pair, 2 and 3, …
    rows: list[tuple[str, float, int | str]] = []
    for asked, moved in (("", 0), ("stranger: ", 2)):
        said = names[moved:] + names[:moved]  # 2: the first fox in the place of the first rabbit
        prompts = [f"\n\n{name} the {kind} lived" for name, kind in zip(said, kinds)]
        scores = torch.stack([score(model, tokenizer, prompt, [f" {home}" for home in homes]) for prompt in prompts])
        gap = scores.diagonal() - scores[torch.arange(n), other]
        right, pairs = gap > 0, gap.view(-1, 2)
        chosen = scores.argmax(1)
        of_kind = chosen // 2 == torch.arange(n) // 2
        rows += [
            (f"{asked}choice of a home of the kind", int(of_kind.sum()), n),
            (f"{asked}choice of the own home", int((chosen == torch.arange(n)).sum()), n),
            (f"{asked}own before other", int(right.sum()), n),
            (f"{asked}both of a pair", int(right.view(-1, 2).all(1).sum()), n // 2),
            (f"{asked}margin above 0", int((pairs.sum(1) > 0).sum()), n // 2),
            (f"{asked}margin", pairs.sum(1).mean().item() / 2, ""),
        ]
        if moved:
            of_name = (torch.arange(n) + moved) % n
            rows.append(("stranger: choice of the name's home", int((chosen == of_name).sum()), n))
            rows.append(("stranger: choice of the name's kind", int((chosen // 2 == of_name // 2).sum()), n))
    return rows
