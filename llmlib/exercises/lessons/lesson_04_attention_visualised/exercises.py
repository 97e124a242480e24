"""Exercises of lesson 04: numbers that name what a head does, attention through the layers, and intervention."""

from pathlib import Path

import torch

from llmlib import interpret
from llmlib.attention import causal_mask
from llmlib.exercises.engine.exercise import Case, Exercise, Probe, texts_of
from llmlib.exercises.engine.probes import randn
from llmlib.interpret import head_scores
from llmlib.transformer import Transformer, TransformerConfig

TEXTS = texts_of(Path(__file__).parent)


def random_pattern(seed, *heads_query_key):
    """Patterns as a decoder has them: causal, each row summing to one."""
    mask = causal_mask(*heads_query_key[-2:])
    return (2 * randn(seed, *heads_query_key)).masked_fill(~mask, float("-inf")).softmax(dim=-1)


def positions(pattern, offset="end"):
    n_query, n_key = pattern.shape[-2:]
    return torch.arange(n_query)[:, None] + (n_key - n_query if offset == "end" else 0), torch.arange(n_key)[None]


def share(pattern, there, average="possible", reduce="mean"):
    """Attention that goes `there`, over the queries that have such a key (or over all of them)."""
    could = there.any(-1)
    if not could.any():
        return torch.zeros(pattern.shape[:-2])
    found = (pattern * there).sum(-1)
    return getattr(found if average == "all" else found[..., could], reduce)(-1)


def a_share(call, case):
    lowest, highest = call(*case.args).aminmax()
    if lowest < -1e-4 or highest > 1 + 1e-4:
        return f"A share lies between 0 and 1; yours go from {lowest.item():.4g} to {highest.item():.4g}."
    return None


SHARE = Probe("The score is a share of attention, between 0 and 1.", a_share)


# --- interpret.entropy ---


def faulty_entropy(pattern, base="e", sign=1, zero="handled", reduce="mean", over="keys"):
    logs = pattern.log2() if base == "2" else pattern.log()
    terms = pattern * logs
    terms = terms if zero == "nan" else terms.nan_to_num(nan=0.0)
    axis = -1 if over == "keys" else -2
    return getattr(-sign * terms.sum(axis), reduce)(-1)


def cases_entropy(seed):
    return [
        Case((torch.tensor([[[1.0, 0.0], [0.5, 0.5]]]),)),
        Case((torch.ones(2, 1, 1),), "a single token"),
        Case((torch.full((1, 3, 4), 0.25),), "attention shared evenly"),
        Case((random_pattern(seed, 3, 5, 5),)),
        Case((random_pattern(seed + 1, 2, 2, 6),), "two queries, with four more tokens in the cache"),
    ]


ENTROPY = Exercise(
    **TEXTS["entropy"],
    reference=head_scores.entropy,
    cases=cases_entropy,
    faulty=faulty_entropy,
    axes=("head",),
    double=False,
)


# --- interpret.previous_token_score ---


def faulty_previous(pattern, target=-1, average="possible", offset="end", reduce="mean", heads="kept"):
    query, key = positions(pattern, offset)
    score = share(pattern, key == query + target, average, reduce)
    return score.mean() if heads == "averaged" else score


def cases_previous(seed):
    return [
        Case((torch.tensor([[[1.0, 0.0], [0.75, 0.25]]]),)),
        Case((torch.ones(2, 1, 1),), "a single token, which has none before it"),
        Case((random_pattern(seed, 3, 4, 4),)),
        Case((random_pattern(seed + 1, 2, 7, 7),)),
        Case((random_pattern(seed + 2, 2, 2, 5),), "two queries, with three more tokens in the cache"),
    ]


PREVIOUS_TOKEN = Exercise(
    **TEXTS["previous_token_score"],
    reference=head_scores.previous_token_score,
    helpers=(head_scores._share, head_scores._positions),
    cases=cases_previous,
    faulty=faulty_previous,
    axes=("head",),
    probes=(SHARE,),
    double=False,
)


# --- interpret.induction_score ---


def faulty_induction(pattern, ids, target="after", average="possible", which="all", own="excluded", reduce="mean"):
    query, key = positions(pattern)
    same = ids[len(ids) - pattern.shape[-2] :, None] == ids[None, :]
    there = torch.zeros_like(same)
    if target == "after":
        there[:, 1:] = same[:, :-1]
    elif target == "before":
        there[:, :-1] = same[:, 1:]
    else:
        there = same
    there = there & (key <= query if own == "included" else key < query)
    if which == "latest":
        there = there & (there.flip(-1).cumsum(-1).flip(-1) == 1)
    elif which == "first":
        there = there & (there.cumsum(-1) == 1)
    return share(pattern, there, average, reduce)


def cases_induction(seed):
    generator = torch.Generator().manual_seed(seed)
    half = torch.randperm(20, generator=generator)[:4]
    few = torch.randint(0, 3, (9,), generator=generator)
    return [
        Case((torch.tensor([[[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.125, 0.75, 0.125]]]), torch.tensor([5, 6, 5]))),
        Case((random_pattern(seed, 2, 4, 4), torch.arange(4)), "no token comes twice"),
        Case((random_pattern(seed, 2, 4, 4), torch.tensor([7, 7, 7, 8])), "one token three times in a row"),
        Case((random_pattern(seed, 3, 8, 8), half.repeat(2)), "random tokens, then the same once more"),
        Case((random_pattern(seed + 1, 2, 9, 9), few), "few kinds of tokens, which come often"),
        Case((random_pattern(seed + 2, 2, 12, 12), half.repeat(3)), "the same tokens three times over"),
        Case((random_pattern(seed + 3, 2, 3, 8), half.repeat(2)), "three queries, with five more tokens in the cache"),
    ]


INDUCTION = Exercise(
    **TEXTS["induction_score"],
    reference=head_scores.induction_score,
    helpers=(head_scores._same_token, head_scores._share),
    cases=cases_induction,
    faulty=faulty_induction,
    axes=("head",),
    probes=(SHARE,),
    double=False,
)


# --- interpret.rollout ---


def faulty_rollout(patterns, residual="half", heads="mean", order="later left", combine="product"):
    itself = torch.eye(patterns.shape[-1])
    flow, after = itself, []
    for pattern in patterns:
        mixed = pattern.mean(0) if heads == "mean" else pattern.amax(0)
        layer = {"half": 0.5 * itself + 0.5 * mixed, "none": mixed, "added": itself + mixed}[residual]
        if combine == "product":
            flow = layer @ flow if order == "later left" else flow @ layer
            after.append(flow)
        else:
            after.append(layer)
    if combine == "mean":
        after = [torch.stack(after[: n + 1]).mean(0) for n in range(len(after))]
    return torch.stack(after)


def cases_rollout(seed):
    even = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    return [
        Case((even.expand(2, 1, 2, 2).clone(),)),
        Case((torch.ones(2, 3, 1, 1),), "a single token"),
        Case((random_pattern(seed, 1, 2, 4, 4),), "a single layer"),
        Case((random_pattern(seed, 2, 3, 5, 5),)),
        Case((random_pattern(seed, 4, 2, 6, 6),)),
    ]


def rows_sum_to_one(call, case):
    sums = call(*case.args).sum(-1)
    worst = sums.flatten()[(sums - 1).abs().argmax()].item()
    return f"One of your rows sums to {worst:.4g}." if abs(worst - 1) > 1e-4 else None


ROLLOUT = Exercise(
    **TEXTS["rollout"],
    reference=head_scores.rollout,
    cases=cases_rollout,
    faulty=faulty_rollout,
    axes=("layer", "query", "key"),
    probes=(Probe("Each position is a mixture of the inputs: its row sums to one.", rows_sum_to_one),),
    double=False,
)


# --- interpret.ablate_heads ---


def ablate_heads(model, ids, layer, head):
    """The model's logits with one head's output set to zero; the model itself stays as it was."""
    with torch.no_grad(), interpret.ablate(model, [(layer, head)]):
        return model(ids)


def faulty_ablate_heads(model, ids, layer, head, what="z", which="this", how="zero", clean="yes"):
    attention = model.blocks[layer].attention
    point = {"z": attention.hook_z, "scores": attention.hook_scores, "v": attention.hook_v}[what]

    def edit(value):
        value = value.clone()
        chosen = torch.zeros(value.shape[1], dtype=torch.bool)
        chosen[head] = True
        if which == "position":
            value[:, :, head] = 0
            return value
        chosen = {"this": chosen, "others": ~chosen, "all": torch.ones_like(chosen)}[which]
        value[:, chosen] = 0 if how == "zero" else value[:, chosen].mean(dim=(0, 2), keepdim=True)
        return value

    handle = point.watch(edit)
    with torch.no_grad():
        logits = model(ids)
    if clean == "yes":
        handle.remove()
    return logits


def cases_ablate_heads(seed):
    config = TransformerConfig(vocab_size=11, max_seq_len=16, d_model=16, n_layers=2, n_heads=4)
    generator = torch.Generator().manual_seed(seed)

    model = Transformer(config, seed=seed).requires_grad_(False)
    for parameter in model.parameters():
        parameter.mul_(12 if parameter.ndim > 1 else 1)  # untrained weights are so small that no head matters

    def case(batch, seq, layer, head, note=""):
        return Case((model, torch.randint(0, 11, (batch, seq), generator=generator), layer, head), note)

    return [case(1, 5, 0, 1), case(1, 4, 1, 3, "the last layer"), case(2, 6, 0, 0), case(2, 5, 1, 2)]


ABLATE_HEADS = Exercise(
    **TEXTS["ablate_heads"],
    reference=ablate_heads,
    helpers=(interpret.ablate,),
    cases=cases_ablate_heads,
    faulty=faulty_ablate_heads,
    axes=("batch", "seq", "vocab"),
    double=False,
)

EXERCISES = (ENTROPY, PREVIOUS_TOKEN, INDUCTION, ROLLOUT, ABLATE_HEADS)
