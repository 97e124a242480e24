"""Exercises of lesson 04: numbers that name what a head does, attention through the layers, and intervention."""

import copy
from functools import lru_cache
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
    """Attention that goes `there`, over the queries that have such a key (or over others)."""
    could = there.any(-1)
    hits = pattern * there
    if average == "NaN" and not could.any():
        return torch.full(pattern.shape[:-2], float("nan"))
    if not could.any():
        return torch.zeros(pattern.shape[:-2])
    if average == "matrix":
        return hits.mean((-2, -1))
    if average == "places":
        return hits.sum((-2, -1)) / there.sum()
    if average == "above zero":
        return hits.sum((-2, -1)) / (hits.sum(-1) > 0).sum(-1).clamp(min=1)
    if average == "largest":
        return (
            ((pattern.argmax(-1, keepdim=True) == torch.arange(pattern.shape[-1])) & there)
            .any(-1)[..., could]
            .float()
            .mean(-1)
        )
    if average == "keys":
        return hits.sum((-2, -1)) / pattern.shape[-1]
    if average in ("but the first", "one less"):
        rest = hits.sum(-1)[..., 1:] if average == "but the first" else hits.sum(-1)
        return rest.sum(-1) / max(pattern.shape[-2] - 1, 1)
    found = hits.sum(-1)
    return getattr(found if average == "all" else found[..., could], reduce)(-1)


def a_share(call, case):
    lowest, highest = call(*case.args).aminmax()
    if lowest < -1e-4 or highest > 1 + 1e-4:
        return f"A share lies between 0 and 1; yours go from {lowest.item():.4g} to {highest.item():.4g}."
    return None


SHARE = Probe("The score is a share of attention, between 0 and 1.", a_share)


# --- interpret.entropy ---


def faulty_entropy(
    pattern,
    base="e",
    sign=1,
    zero="handled",
    reduce="mean",
    over="keys",
    first="nothing",
    weight="own",
    give="entropy",
    heads="kept",
):
    logs = pattern.log2() if base == "2" else pattern.log10() if base == "10" else pattern.log()
    if first == "rows averaged":
        return faulty_entropy(pattern.mean(-2, keepdim=True), base, sign)
    if first == "softmax":
        return faulty_entropy(pattern.softmax(-1), base, sign, reduce=reduce)
    axis = -1 if over == "keys" else -2
    if zero.startswith("added"):
        logs = (pattern + {"added": 1e-2, "added more": 1e-1, "added less": 1e-3}[zero]).log()
    if zero == "one added":
        logs = pattern.log1p()
    terms = {
        "own": lambda: pattern * logs, "none": lambda: logs, "square": lambda: pattern**2 - pattern, "doubled": lambda: pattern**2 * logs,
        "gini": lambda: pattern**2,
    }[weight]()  # fmt: skip
    if zero == "rows lost":
        rows = (-sign * terms.sum(axis)).nan_to_num(nan=0.0)
    else:
        terms = terms if zero == "nan" else terms.nan_to_num(nan=0.0, neginf=0.0)
        rows = -sign * terms.sum(axis)
    if weight == "gini":
        rows = 1 + rows
    if reduce == "both means":
        rows = -sign * terms.mean(axis)
        reduce = "mean"
    if give == "of one":
        rows = rows / torch.tensor(pattern.shape[-1]).log()
    if reduce == "none":
        return rows
    if reduce == "spread rows":
        return rows.sum(-1) / (rows > 1e-6).sum(-1).clamp(min=1)
    if reduce in ("last", "first"):
        return rows[..., -1 if reduce == "last" else 0]
    found = (
        rows.amax(-1)
        if reduce == "largest"
        else rows.median(-1).values
        if reduce == "median"
        else getattr(rows, reduce)(-1)
    )
    found = found.exp() if give == "exponential" else found
    return found.mean() if heads == "averaged" else found


def cases_entropy(seed):
    return [
        Case((torch.tensor([[[1.0, 0.0], [0.5, 0.5]]]),)),
        Case((random_pattern(seed + 2, 2, 3, 4),)),
        Case((torch.ones(2, 1, 1),), "a single token"),
        Case((torch.full((1, 3, 4), 0.25),), "attention shared evenly"),
        Case((random_pattern(seed + 4, 2, 5, 5).flip(-2),), "rows in another order"),
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
    place = {
        "earlier": key < query,
        "first": (key == 0) & (query > 0),
        "wrapped": key == (query - 1) % pattern.shape[-1],
    }
    there = place[target] if target in place else key == query + target
    if target == "wrapped":
        there = torch.where(query > 0, there, key == pattern.shape[-1] - 1)
    if average == "every row":
        return (pattern * there).sum((-2, -1)) / max(pattern.shape[-1] - 1, 1)
    score = share(pattern, there, average, reduce)
    return score.mean() if heads == "averaged" else score


def cases_previous(seed):
    return [
        Case((torch.tensor([[[1.0, 0.0], [0.75, 0.25]]]),)),
        Case((torch.ones(2, 1, 1),), "a single token, which has none before it"),
        Case((random_pattern(seed, 3, 4, 4),)),
        Case((random_pattern(seed + 1, 2, 7, 7),)),
        Case((random_pattern(seed + 2, 2, 2, 5),), "two queries, with three more tokens in the cache"),
        Case((random_pattern(seed + 3, 3, 4, 6).flip(-1),), "a pattern that is not causal"),
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


def faulty_induction(
    pattern,
    ids,
    target="after",
    average="possible",
    which="all",
    own="excluded",
    reduce="mean",
    offset="end",
    same="tokens",
    heads="kept",
):
    n_query, n_key = pattern.shape[-2:]
    query, key = positions(pattern, offset)
    own_ids = ids[n_key - n_query :] if offset == "end" else ids[:n_query]
    if offset == "ids from the start":
        query, key = positions(pattern)
    if same == "tokens before":
        own_ids = ids.roll(1)[n_key - n_query :]
    same_token = own_ids[:, None] == ids[None, :]
    there = torch.zeros_like(same_token)
    if target == "after":
        there[:, 1:] = same_token[:, :-1]
    elif target == "after, wrapped":
        there = same_token.roll(1, -1)
    elif target == "before":
        there[:, :-1] = same_token[:, 1:]
    elif target == "two after":
        there[:, 2:] = same_token[:, :-2]
    elif target == "half":
        there = (key == query - n_key // 2 + 1).expand_as(same_token)
    else:
        there = same_token
    own = "any" if target == "half" else own
    limit = {
        "excluded": key < query,
        "included": key <= query,
        "any": torch.ones_like(same_token),
        "not own": key != query,
    }[own]
    there = there & limit
    if same == "and the next token":
        following = ids.roll(-1)
        there = there & (following[n_key - n_query :, None] == ids[None, :]) & (query < n_key - 1)
    if which == "latest":
        there = there & (there.flip(-1).cumsum(-1).flip(-1) == 1)
    elif which == "first":
        there = there & (there.cumsum(-1) == 1)
    score = share(pattern, there, average, reduce)
    return score.mean() if heads == "averaged" else score


def cases_induction(seed):
    generator = torch.Generator().manual_seed(seed)
    half = torch.randperm(20, generator=generator)[:4]
    few = torch.randint(0, 3, (9,), generator=generator)
    unseen = torch.eye(6).expand(2, 6, 6).clone()
    unseen[1] = random_pattern(seed + 4, 6, 6)
    return [
        Case((torch.tensor([[[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.125, 0.75, 0.125]]]), torch.tensor([5, 6, 5]))),
        Case((random_pattern(seed, 2, 4, 4), torch.arange(4)), "no token comes twice"),
        Case((unseen, torch.tensor([4, 5, 6, 4, 5, 6])), "a head that looks at nothing but its own token"),
        Case(
            (random_pattern(seed + 5, 3, 4, 7), torch.tensor([3, 1, 2, 3, 1, 3, 1])),
            "four queries, with three more tokens in the cache",
        ),
        Case(
            (random_pattern(seed + 6, 2, 5, 5).flip(-1), torch.tensor([2, 1, 2, 1, 2])), "a pattern that is not causal"
        ),
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


def faulty_rollout(
    patterns, residual="half", heads="mean", order="later left", combine="product", give="all", turn="no", once="no"
):
    n = patterns.shape[-1]
    itself = torch.eye(n)
    if turn == "queries and keys":
        patterns = patterns.transpose(-2, -1)
    elif turn == "layers":
        patterns = patterns.flip(0)
    elif turn == "heads for layers":
        patterns = patterns.transpose(0, 1)
    if heads == "each":
        return faulty_rollout(patterns, residual, "mean", order, combine, give) if patterns.shape[1] == 1 else torch.stack(
            [faulty_rollout(patterns[:, [h]], residual, "mean", order, combine, give) for h in range(patterns.shape[1])]
        ).mean(0)  # fmt: skip
    flow, after = itself, []
    for number, pattern in enumerate(patterns):
        mixed = {
            "mean": pattern.mean(0),
            "max": pattern.amax(0),
            "sum": pattern.sum(0),
            "first": pattern[0],
            "min": pattern.amin(0),
        }[heads]
        layer = {
            "half": 0.5 * itself + 0.5 * mixed, "none": mixed, "added": itself + mixed, "everywhere": 0.5 + 0.5 * mixed,
            "rows": (itself + mixed) / (itself + mixed).sum(-1, keepdim=True), "halved flow": mixed, "after": mixed,
            "third": itself / 3 + 2 * mixed / 3, "attention whole": 0.5 * itself + mixed,
        }[residual]  # fmt: skip
        if combine == "product":
            flow = layer @ flow if order == "later left" else flow @ layer
            if residual == "halved flow":
                flow = 0.5 * itself + 0.5 * flow
            if once == "first twice" and number == 0:
                flow = layer @ flow
            after.append(flow)
        elif combine == "element by element":
            flow = layer if number == 0 else layer * flow
            after.append(flow)
        else:
            after.append(layer)
    if residual == "after":
        after = [0.5 * itself + 0.5 * flow for flow in after]
    if combine in ("mean", "sum"):
        after = [getattr(torch.stack(after[: n + 1]), combine)(0) for n in range(len(after))]
    if give == "with the start":
        after = [itself, *after]
    elif give == "reversed":
        after = after[::-1]
    elif give == "last for all":
        after = [after[-1]] * len(after)
    return after[-1] if give == "last" else after if give == "list" else torch.stack(after)


def cases_rollout(seed):
    even = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    return [
        Case((even.expand(2, 1, 2, 2).clone(),)),
        Case((random_pattern(seed, 2, 3, 4, 4),)),
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


def faulty_ablate_heads(
    model,
    ids,
    layer,
    head,
    what="z",
    which="this",
    how="zero",
    clean="yes",
    where="own layer",
    give="logits",
    off_by=0,
    returns="value",
):
    if where == "exchanged":
        layer, head = head, layer
    if give == "untouched":
        with torch.no_grad():
            return model(ids)
    layers = {"every layer": range(len(model.blocks)), "one before": [layer - 1], "last": [-1], "first": [0]}.get(
        where, [layer]
    )
    head = head + off_by

    def edit(value):
        value = value.clone()
        chosen = torch.zeros(value.shape[1], dtype=torch.bool)
        chosen[head] = True
        if which in EDITS:
            EDITS[which](value, head)
            return value
        chosen = {"this": chosen, "others": ~chosen, "all": torch.ones_like(chosen)}[which]
        value[:, chosen] = {
            "zero": lambda: torch.zeros_like(value[:, chosen]), "mean": lambda: value[:, chosen].mean(dim=(0, 2), keepdim=True),
            "mean of positions": lambda: value[:, chosen].mean(dim=2, keepdim=True), "half": lambda: value[:, chosen] / 2,
            "mean of heads": lambda: value.mean(dim=1, keepdim=True), "sign": lambda: -value[:, chosen], "one": lambda: torch.ones_like(value[:, chosen]),
            "-inf": lambda: torch.full_like(value[:, chosen], -torch.inf), "mean of channels": lambda: value[:, chosen].mean(-1, keepdim=True),
        }[how]()  # fmt: skip
        return value

    points = [getattr(model.blocks[at].attention, f"hook_{what}") for at in layers]
    handles = [point.watch(edit) for point in points]
    try:
        with torch.no_grad():
            logits = model(ids)
    finally:
        for handle in handles:
            if clean == "yes":
                handle.remove()
        if clean == "everybody":
            for part in model.modules():
                part._forward_hooks.clear()
    with torch.no_grad():
        return {
            "logits": lambda: logits, "difference": lambda: model(ids) - logits, "other difference": lambda: logits - model(ids),
            "last": lambda: logits[:, -1], "probabilities": lambda: logits.softmax(-1), "log-probabilities": lambda: logits.log_softmax(-1),
            "best": lambda: logits.argmax(-1), "pair": lambda: (logits, model),
        }[give]()  # fmt: skip


EDITS = {
    "position": lambda z, i: z[:, :, i].zero_(), "channel": lambda z, i: z[..., i].zero_(), "text": lambda z, i: z[i].zero_(),
    "last position": lambda z, i: z[:, i, -1].zero_(), "first position": lambda z, i: z[:, i, 0].zero_(), "first text": lambda z, i: z[0, i].zero_(),
    "from here": lambda z, i: z[:, i:].zero_(), "up to here": lambda z, i: z[:, : i + 1].zero_(), "one channel": lambda z, i: z[:, i, :, 0].zero_(),
}  # fmt: skip


def _looks_on(value):
    """Somebody else's hook, which changes nothing."""


def cases_ablate_heads(seed):
    generator = torch.Generator().manual_seed(seed)

    def case(model, batch, seq, layer, head, note=""):
        return Case((model, torch.randint(0, 11, (batch, seq), generator=generator), layer, head), note)

    model, watched, sharing = (small_model(seed, n_kv) for n_kv in (0, 0, 2))
    watched.blocks[0].attention.hook_z.watch(_looks_on)
    watched.blocks[1].attention.hook_pattern.watch(_looks_on)
    return [
        case(model, 1, 5, 0, 1),
        case(model, 3, 5, 0, 2, "another size on each axis"),
        case(model, 1, 4, 1, 3, "the last layer"),
        case(sharing, 2, 5, 1, 1, "two heads share one key-value head"),
        case(watched, 2, 6, 0, 0, "somebody else watches the model too"),
    ]


@lru_cache(maxsize=8)
def small_weights(seed, n_kv_heads):
    config = TransformerConfig(vocab_size=11, max_seq_len=16, d_model=16, n_layers=2, n_heads=4, n_kv_heads=n_kv_heads)
    model = Transformer(config, seed=seed).requires_grad_(False)
    for parameter in model.parameters():
        parameter.mul_(12 if parameter.ndim > 1 else 1)  # untrained weights are so small that no head matters
    return model


def small_model(seed, n_kv_heads):
    return copy.deepcopy(small_weights(seed, n_kv_heads))


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
