"""Exercises for lesson 03: attention, from its mask to the online softmax."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import torch
from torch.utils.weak import WeakIdKeyDictionary

from llmlib import attention, embeddings
from llmlib.exercises.engine.comparing import equal
from llmlib.exercises.engine.exercise import Case, Exercise, Probe, texts_of
from llmlib.exercises.engine.probes import batch_permuted, gradients_flow, randn
from llmlib.exercises.lessons.lesson_03_attention.by_hand import PREVIOUS_OCCURRENCE, TURNS
from llmlib.exercises.lessons.lesson_03_attention.faulty import (
    faulty_attention,
    faulty_causal_mask,
    faulty_online_softmax,
)
from llmlib.exercises.lessons.lesson_03_attention.faulty_heads import (
    faulty_merge_heads,
    faulty_rotate,
    faulty_share_heads,
    faulty_split_heads,
)
from llmlib.exercises.lessons.lesson_03_attention.module import MULTI_HEAD

TEXTS = texts_of(Path(__file__).parent)


# --- attention.causal_mask ---


def cases_causal_mask(seed):
    extra = 1 + seed % 3
    return [
        Case((3, 3)),
        Case((3, 5), "three new tokens, two in the cache"),
        Case((1, 1), "a single token"),
        Case((1, 4), "one new token, three in the cache"),
        Case((2, 4), "two new tokens, two in the cache"),
        Case((5, 5)),
        Case((4, 4 + extra)),
    ]


def sees_itself(call, case):
    n_query, n_key = case.args
    mask = call(n_query, n_key)
    blind = [i for i in range(n_query) if not mask[i, i + n_key - n_query]]
    return f"Query {blind[0]}, at position {blind[0] + n_key - n_query}, may not attend to itself." if blind else None


def sees_nothing_later(call, case):
    n_query, n_key = case.args
    mask = call(n_query, n_key)
    for i in range(n_query):
        for j in range(i + n_key - n_query + 1, n_key):
            if mask[i, j]:
                return f"Query {i}, at position {i + n_key - n_query}, may attend to key {j}, which comes later."
    return None


CAUSAL_MASK = Exercise(
    **TEXTS["causal_mask"],
    reference=attention.causal_mask,
    cases=cases_causal_mask,
    faulty=faulty_causal_mask,
    axes=("query", "key"),
    probes=(Probe("Queries do not see later keys.", sees_nothing_later), Probe("Each query sees itself.", sees_itself)),
)


# --- attention.scaled_dot_product ---


def cases_attention(seed):
    def case(batch, head, n_query, n_key, d_head, note="", scale=1.0):
        q, k = randn(seed, batch, head, n_query, d_head) * scale, randn(seed + 1, batch, head, n_key, d_head)
        v, mask = randn(seed + 2, batch, head, n_key, d_head), attention.causal_mask(n_query, n_key)
        return Case((q, k, v, mask), note)

    q, k, v, _ = case(2, 2, 3, 5, 4).args
    scattered = torch.tensor([[1, 0, 1, 1, 0], [1, 1, 1, 1, 1], [0, 1, 1, 0, 1]]).bool()
    return [
        case(1, 1, 2, 2, 2),
        case(2, 3, 4, 5, 6, "a different size along each axis"),
        case(1, 1, 1, 1, 3, "a single token"),
        case(1, 2, 3, 3, 4),
        case(2, 3, 4, 6, 5, "more keys than queries"),
        Case((q, k, v, scattered), "a mask that is not causal"),
        case(2, 2, 5, 5, 9, "large scores", 6.0),
        replace(case(2, 2, 4, 4, 9, "scores in the hundreds", 100.0), precision="single"),
        replace(case(2, 2, 4, 4, 9, "scores in the thousands", 1500.0), precision="double"),
    ]


def weights_sum_to_one(call, case):
    q, k, v, mask = case.args
    result = call(q, k, torch.ones_like(v), mask)
    if equal(torch.ones_like(q), result):
        return None
    worst = result.flatten()[(result - 1).abs().argmax()].item()
    return f"If all values are 1, every weighted mean is 1, but one of your results is {worst:.4g}."


def later_keys_unseen(call, case):
    q, k, v, mask = case.args
    hidden = ~mask.any(dim=0)
    hidden = hidden | ~mask[0]
    if not hidden.any():
        return None
    before = call(q, k, v, mask)[:, :, 0]
    after = call(q, k + 5 * hidden[:, None], v + 5 * hidden[:, None], mask)[:, :, 0]
    if equal(before, after):
        return None
    return "Your result for the first query depends on keys and values that the mask hides from this query."


SCALED_DOT_PRODUCT = Exercise(
    **TEXTS["scaled_dot_product"],
    reference=attention.scaled_dot_product_attention,
    helpers=(attention.attention_pattern, attention.attention_scores),
    cases=cases_attention,
    faulty=faulty_attention,
    arguments=("q", "k", "v", "mask"),
    axes=("batch", "head", "query", "d_head"),
    probes=(
        Probe("The weights of each query sum to one.", weights_sum_to_one),
        Probe("Hidden keys and values have no effect on the result.", later_keys_unseen),
        batch_permuted(0, 1, 2),
        gradients_flow(("q", "k", "v"), 0, 1, 2),
    ),
)


# --- attention.split_heads ---


def cases_split_heads(seed):
    return [
        Case((torch.arange(8.0).reshape(1, 2, 4), 2)),
        Case((randn(seed, 2, 3, 8), 4)),
        Case((randn(seed, 1, 1, 6), 2), "a single token"),
        Case((randn(seed, 2, 3, 5), 1), "a single head"),
        Case((randn(seed, 3, 5, 12), 2)),
        Case((randn(seed, 2, 4, 12), 6)),
    ]


SPLIT_HEADS = Exercise(
    **TEXTS["split_heads"],
    reference=attention.split_heads,
    cases=cases_split_heads,
    faulty=faulty_split_heads,
    axes=("batch", "head", "seq", "d_head"),
    probes=(batch_permuted(0), gradients_flow(("x",), 0)),
)


# --- attention.merge_heads ---


def cases_merge_heads(seed):
    return [
        Case((torch.arange(8.0).reshape(1, 2, 2, 2),)),
        Case((randn(seed, 2, 3, 4, 5),)),
        Case((randn(seed, 1, 2, 1, 3),), "a single token"),
        Case((randn(seed, 2, 1, 3, 4),), "a single head"),
        Case((randn(seed, 3, 2, 5, 4),)),
    ]


def inverse_of_splitting(call, case):
    (z,) = case.args
    if equal(z, attention.split_heads(call(z), z.shape[1])):
        return None
    return "`split_heads` does not return the heads that you merged."


MERGE_HEADS = Exercise(
    **TEXTS["merge_heads"],
    reference=attention.merge_heads,
    cases=cases_merge_heads,
    faulty=faulty_merge_heads,
    axes=("batch", "seq", "width"),
    probes=(
        Probe("Splitting the result again returns the heads.", inverse_of_splitting),
        batch_permuted(0),
        gradients_flow(("z",), 0),
    ),
)


# --- attention.rotate ---


def cases_rotate(seed):
    def case(batch, head, seq, d_head, note="", start=0, apart=0):
        positions = torch.arange(start, start + seq)[None] + apart * torch.arange(batch if apart else 1)[:, None]
        cos, sin = embeddings.rotary_cos_sin(positions, embeddings.rotary_frequencies(d_head))
        return Case((randn(seed + seq, batch, head, seq, d_head), cos[:, None], sin[:, None]), note)

    quarter = torch.tensor([[[[0.0, 0.0]]]]), torch.tensor([[[[1.0, 1.0]]]])
    return [
        Case((torch.tensor([[[[2.0, 1.0]]]]), *quarter), "a quarter turn"),
        case(1, 1, 1, 4, "position 0: nothing is rotated"),
        case(1, 1, 1, 4, "one token at position 3", start=3),
        case(1, 2, 3, 6),
        case(2, 3, 5, 8),
        case(2, 3, 4, 6, "two texts, each with its own positions", apart=7),
    ]


def lengths_kept(call, case):
    x = case.args[0]
    before, after = x.norm(dim=-1), call(*case.args).norm(dim=-1)
    if equal(before, after):
        return None
    worst = tuple(torch.unravel_index((before - after).abs().argmax(), before.shape))
    return f"A vector of length {before[worst].item():.4g} has length {after[worst].item():.4g} after your rotation."


ROTATE = Exercise(
    **TEXTS["rotate"],
    reference=embeddings.rotate,
    cases=cases_rotate,
    faulty=faulty_rotate,
    axes=("batch", "head", "seq", "d_head"),
    probes=(
        Probe("A rotation preserves the length of every vector.", lengths_kept),
        gradients_flow(("x",), 0),
    ),
)

# --- attention.grouped_queries ---


def cases_share_heads(seed):
    return [
        Case((torch.tensor([[[[1.0]], [[2.0]]]]), 4)),
        Case((randn(seed, 2, 3, 4, 5), 6)),
        Case((randn(seed, 1, 1, 2, 3), 3), "all heads share one key-value head (multi-query attention)"),
        Case((randn(seed, 1, 3, 2, 2), 3), "as many key-value heads as query heads"),
        Case((randn(seed, 2, 2, 3, 4), 6)),
        Case((randn(seed, 2, 3, 1, 5), 9), "a single key"),
        Case((randn(seed, 3, 4, 5, 2), 8)),
    ]


GROUPED_QUERIES = Exercise(
    **TEXTS["grouped_queries"],
    reference=attention.share_heads,
    cases=cases_share_heads,
    faulty=faulty_share_heads,
    axes=("batch", "head", "key", "d_head"),
    probes=(batch_permuted(0), gradients_flow(("kv",), 0)),
)


# --- attention.online_softmax ---


def cases_online_softmax(seed):
    def case(n_query, sizes, d_head, note="", scale=1.5, shift=0.0, base=0.0):
        blocks = [
            (base + randn(seed + 7 * i, n_query, n) * scale + shift * i, randn(seed + 7 * i + 3, n, d_head))
            for i, n in enumerate(sizes)
        ]
        return Case((blocks,), note)

    def apart(seed, rise):
        (blocks,) = case(2, (2, 3, 2), 3).args
        rises = torch.tensor([[rise], [-1.0]], dtype=torch.float64)
        blocks = [(scores + number * rises, values) for number, (scores, values) in enumerate(blocks)]
        return Case(
            (blocks,), f"one query's scores rise by {rise:g} from block to block, and the other query's scores fall"
        )

    levels = torch.tensor([[0.0], [-150.0]], dtype=torch.float64)
    return [
        case(1, (2, 1), 2),
        case(2, (3, 4), 5, "a different size along each axis"),
        case(1, (1,), 1, "a single score"),
        case(2, (4,), 3, "a single block"),
        case(2, (1, 1, 1, 1), 3, "one score at a time"),
        case(3, (2, 3, 2), 4, "later scores are larger", shift=2.0),
        case(3, (3, 2, 2), 4, "later scores are smaller", shift=-2.0),
        replace(case(2, (2, 2), 3, "the second block's scores are 120 larger", shift=120.0), precision="single"),
        replace(case(2, (2, 2), 3, "the second block's scores are 1000 larger", shift=1000.0), precision="double"),
        replace(case(2, (2, 2), 3, "the second block's scores are 120 smaller", shift=-120.0), precision="single"),
        replace(case(2, (2, 2), 3, "the second block's scores are 1000 smaller", shift=-1000.0), precision="double"),
        replace(case(2, (2, 3), 3, "all scores near 100", base=100.0), precision="single"),
        replace(case(2, (2, 3), 3, "all scores near 800", base=800.0), precision="double"),
        replace(case(2, (2, 3), 4, "all scores near −150", base=-150.0), precision="single"),
        replace(case(2, (2, 3), 4, "all scores near −800", base=-800.0), precision="double"),
        replace(case(2, (3, 2), 4, "one query scores 150 below the other", base=levels), precision="single"),
        replace(case(2, (3, 2), 4, "one query scores 900 below the other", base=6 * levels), precision="double"),
        replace(apart(seed, 130.0), precision="single"),
        replace(apart(seed, 1000.0), precision="double"),
        case(2, (5, 1, 4), 3),
    ]


def blocks_do_not_matter(call, case):
    (blocks,) = case.args
    whole = [(torch.cat([s for s, _ in blocks], dim=-1), torch.cat([v for _, v in blocks]))]
    if equal(call(whole), call(blocks)):
        return None
    return f"Your result changes when the same scores come in one block instead of {len(blocks)} blocks."


class Handed(list):
    """A list that creates its blocks on demand. `most` is the largest number of blocks in memory at the same time."""

    def __init__(self, blocks):
        super().__init__(blocks)
        self.alive, self.most = WeakIdKeyDictionary(), 0
        self.latest, self.again = 0, Counter[int]()  # the furthest block read; how often each was read after later ones

    def __deepcopy__(self, _memo):
        return self  # the attempt gets this list itself, so that we can count its reads

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        scores, values = super().__getitem__(index)
        block = scores.clone(), values.clone()
        self.alive[block[0]] = place
        self.again[place] += place < self.latest
        self.latest = max(self.latest, place)
        self.most = max(self.most, len(set(self.alive.values())))  # a block that is read twice counts once
        return block

    def __iter__(self):
        return (self[i] for i in range(len(self)))


def blocks_are_let_go(call, case):
    blocks = Handed(case.args[0])
    call(blocks)
    # The three are the current block, the previous one until its names are reassigned, and one that was read for its
    # shape.
    if blocks.most <= 3:
        return None
    return (
        f"Your function keeps {blocks.most} of {len(blocks)} blocks in memory at the same time. With a context of "
        "100,000 tokens, the blocks would not all fit in memory. Look at one block, add it to the sums, and "
        "release it."
    )


def one_pass(call, case):
    whole = torch.cat([scores[:1] for scores, _ in case.args[0]], dim=-1)  # one pass for each query is allowed
    values = torch.cat([values for _, values in case.args[0]])
    blocks = Handed([(whole[:, i : i + 1], values[i : i + 1]) for i in range(len(values))])
    call(blocks)
    if sum(times > 0 for times in blocks.again.values()) <= 1:  # one block may be read again for its shapes
        return None
    return (
        "Your function goes through the blocks a second time, after it has seen all of them. Do you need the largest "
        "of all scores before you start? When a larger score appears, you can correct the sums so far by "
        "multiplying them by a factor."
    )


ONLINE_SOFTMAX = Exercise(
    **TEXTS["online_softmax"],
    reference=attention.online_softmax,
    cases=cases_online_softmax,
    faulty=faulty_online_softmax,
    axes=("query", "d_head"),
    probes=(
        Probe("It does not matter how the keys are split into blocks.", blocks_do_not_matter),
        Probe("Each block is released before the next one is read.", blocks_are_let_go),
        Probe("Each block is read only once.", one_pass),
    ),
)

EXERCISES = (
    CAUSAL_MASK,
    SCALED_DOT_PRODUCT,
    PREVIOUS_OCCURRENCE,
    SPLIT_HEADS,
    MERGE_HEADS,
    ROTATE,
    TURNS,
    MULTI_HEAD,
    GROUPED_QUERIES,
    ONLINE_SOFTMAX,
)
