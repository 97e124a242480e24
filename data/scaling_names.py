"""Measure whether a model knows where Pip lives, or only where rabbits live, or only how stories describe homes."""

import torch

from llmlib import BPETokenizer, Transformer
from llmlib.corpora import world_facts


def villagers() -> list[tuple[str, str, str]]:
    """Return the name, kind ("rabbit") and home of every villager; villagers of the same kind are consecutive."""
    by_name: dict[str, dict[str, str]] = {}
    for fact in world_facts():
        by_name.setdefault(fact.name, {})[fact.relation] = fact.value
    found = [(name, facts["kind"].split(" ", 1)[1], facts["home"]) for name, facts in by_name.items()]
    assert all(first[1] == second[1] for first, second in zip(found[::2], found[1::2]))
    return found


@torch.inference_mode()
def score(model: Transformer, tokenizer: BPETokenizer, prompt: str, answers: list[str]) -> torch.Tensor:
    """Return the log-likelihood of each answer after the prompt: Float[Tensor, "answer"]."""
    head = tokenizer.encode(prompt)
    texts = [head + tokenizer.encode(answer) for answer in answers]
    longest = max(map(len, texts))
    ids = torch.tensor([text + [0] * (longest - len(text)) for text in texts])
    logprobs = model(ids)[:, len(head) - 1 : -1].log_softmax(-1)
    each = logprobs.gather(-1, ids[:, len(head) :, None])[..., 0]
    inside = torch.arange(each.shape[1]) < torch.tensor([len(text) - len(head) for text in texts])[:, None]
    return (each * inside).sum(1)


@torch.inference_mode()
def facts(model: Transformer, tokenizer: BPETokenizer) -> list[tuple[str, float, int | str]]:
    """Ask where each villager lives, in the words of the stories: "Pip the rabbit lived in the burrow …".

    "Exact" counts answers whose tokens are all the likeliest, so that greedy generation writes the right answer.
    "Choice" counts right homes that are likelier than all other homes. "Shuffled" is the log-likelihood of the
    previous villager's home. Every second villager is of the same kind as the previous villager, so the difference
    between the two log-likelihoods hides about half of what a model knows about kinds: see `kinds_of_homes`.
    """
    by_name: dict[str, dict[str, str]] = {}
    for fact in world_facts():
        by_name.setdefault(fact.name, {})[fact.relation] = fact.value
    names = list(by_name)
    answers = [" " + by_name[name]["home"] for name in names]
    scores, found = torch.empty(len(names), len(names)), []
    for row, name in enumerate(names):
        prompt = f"\n\n{name} the {by_name[name]['kind'].split(' ', 1)[1]} lived"
        head = tokenizer.encode(prompt)
        texts = [head + tokenizer.encode(answer) for answer in answers]
        longest = max(map(len, texts))
        ids = torch.tensor([each + [0] * (longest - len(each)) for each in texts])
        logits = model(ids)[:, len(head) - 1 : -1]
        right = ids[:, len(head) :]
        inside = torch.arange(right.shape[1])[None] < torch.tensor([len(t) - len(head) for t in texts])[:, None]
        each = logits.log_softmax(-1).gather(-1, right[..., None])[..., 0] * inside
        scores[row] = each.sum(1)
        hit = (logits[row].argmax(-1) == right[row])[inside[row]]
        found.append((hit.all().item(), hit.float().mean().item(), inside[row].sum().item()))
    own = scores.diagonal()
    shuffled = scores.roll(1, dims=1).diagonal()
    n = len(names)
    return [
        ("exact", sum(all_right for all_right, _, _ in found), n),
        ("tokens right", sum(share for _, share, _ in found) / n, ""),
        ("log-likelihood", own.mean().item(), ""),
        ("log-likelihood, shuffled", shuffled.mean().item(), ""),
        ("answer tokens", sum(length for _, _, length in found) / n, ""),
        ("choice", int((scores.argmax(1) == torch.arange(n)).sum()), n),
    ]


@torch.inference_mode()
def kinds_of_homes(model: Transformer, tokenizer: BPETokenizer) -> list[tuple[str, float, int | str]]:
    """Measure how many nats likelier a kind's two homes are than other homes, after each home's mean is subtracted.

    The mean is over all prompts. Some homes are likely for every villager, which hides what a model knows; subtracting
    the mean removes this effect.
    """
    names, kinds, homes = (list(column) for column in zip(*villagers()))
    n = len(names)
    answers = [f" {home}" for home in homes]
    prompts = [f"\n\n{name} the {kind} lived" for name, kind in zip(names, kinds)]
    scores = torch.stack([score(model, tokenizer, prompt, answers) for prompt in prompts])  # shape: (prompt, home)
    against_mean = scores - scores.mean(0)
    pair = torch.arange(n) // 2
    same = pair[:, None] == pair
    gain = against_mean[same].view(n, 2).mean(1) - against_mean[~same].view(n, n - 2).mean(1)
    by_kind = gain.view(-1, 2).mean(1)
    other = against_mean[torch.arange(n), torch.arange(n) ^ 1] - against_mean[~same].view(n, n - 2).mean(1)
    rows: list[tuple[str, float, int | str]] = [
        ("homes of the kind", by_kind.mean().item(), ""),
        ("homes of the kind, standard error", (by_kind.std() / len(by_kind) ** 0.5).item(), ""),
        ("the other home of the kind", other.mean().item(), ""),  # knowing a name would not help here
        ("homes of the kind above 0", int((by_kind > 0).sum()), len(by_kind)),
    ]
    for name, table in (("", scores), (", against the mean", against_mean)):
        rows.append((f"choice of a home of the kind{name}", int((table.argmax(1) // 2 == pair).sum()), n))
    # Every second villager has the same kind as the villager before; the villager two places before has another kind.
    for name, shift in (("the one before", 1), ("the one two before", 2)):
        rows.append((f"own home against {name}", (scores - scores.roll(shift, 1)).diagonal().mean().item(), ""))
    return rows


def names_or_kinds(model: Transformer, tokenizer: BPETokenizer) -> list[tuple[str, float, int | str]]:
    """Return rows of measure, value and total; "stranger" repeats the measures with the names of another pair.

    A model that uses only the kind gives both rabbits the same answer, which is right for at most one of them. It
    reaches 27 of 54 in "own before other", and 0 of 27 in "both of a pair". "Margin" is how many nats a name adds to
    its own home, compared with the other home of its kind; the likelihoods of the homes themselves cancel out.
    """
    everybody = villagers()
    names, kinds, homes = (list(column) for column in zip(*everybody))
    n = len(everybody)
    other = torch.arange(n) ^ 1  # 0 and 1 are a pair, 2 and 3 are a pair, …
    rows: list[tuple[str, float, int | str]] = []
    for asked, moved in (("", 0), ("stranger: ", 2)):
        said = names[moved:] + names[:moved]  # moved by 2, the first fox's name replaces the first rabbit's
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
