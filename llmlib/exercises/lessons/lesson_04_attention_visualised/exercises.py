"""Exercises for lesson 04: score heads, follow attention through the layers, and intervene in a model."""

import contextlib
import copy
from functools import lru_cache
from pathlib import Path

import torch

from llmlib import interpret
from llmlib.attention import causal_mask
from llmlib.exercises.engine.exercise import Case, Exercise, NoValue, Probe, texts_of
from llmlib.exercises.engine.probes import randn
from llmlib.exercises.lessons.lesson_04_attention_visualised.faulty import (
    faulty_entropy,
    faulty_induction,
    faulty_previous,
)
from llmlib.exercises.lessons.lesson_04_attention_visualised.faulty_ablation import faulty_ablate_heads
from llmlib.exercises.lessons.lesson_04_attention_visualised.faulty_flow import (
    faulty_contributions,
    faulty_copying,
    faulty_rollout,
)
from llmlib.interpret import attribution, head_scores
from llmlib.transformer import Transformer, TransformerConfig

TEXTS = texts_of(Path(__file__).parent)


def random_pattern(seed, *heads_query_key):
    """Draw random patterns like a decoder's: they are causal, and each row sums to one."""
    mask = causal_mask(*heads_query_key[-2:])
    return (2 * randn(seed, *heads_query_key)).masked_fill(~mask, float("-inf")).softmax(dim=-1)


def a_share(call, case):
    lowest, highest = call(*case.args).aminmax()
    if lowest < -1e-4 or highest > 1 + 1e-4:
        return (
            f"A share must be between 0 and 1, but your scores range from {lowest.item():.4g} to {highest.item():.4g}."
        )
    return None


SHARE = Probe("The score is a share of attention, between 0 and 1.", a_share)


# --- interpret.entropy ---


SPREADS = torch.tensor(
    [
        [[0.7, 0.1, 0.1, 0.1], [0.25, 0.25, 0.25, 0.25], [0.4, 0.3, 0.2, 0.1]],
        [[0.4, 0.3, 0.3, 0.0], [0.9, 0.05, 0.03, 0.02], [0.97, 0.01, 0.01, 0.01]],
    ]
)


def cases_entropy(seed):
    return [
        Case((torch.tensor([[[1.0, 0.0], [0.5, 0.5]]]),)),
        Case((random_pattern(seed + 2, 2, 3, 4),)),
        Case((torch.ones(2, 1, 1),), "a single token"),
        Case((torch.full((1, 3, 4), 0.25),), "attention shared evenly"),
        Case((SPREADS,), "a mixture of even and uneven rows"),
        Case((random_pattern(seed + 4, 2, 5, 5).flip(-2),), "rows in reverse order"),
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


def cases_previous(seed):
    return [
        Case((torch.tensor([[[1.0, 0.0], [0.75, 0.25]]]),)),
        Case((random_pattern(seed, 3, 4, 4),)),
        Case((random_pattern(seed + 1, 2, 7, 7),)),
        Case((random_pattern(seed + 2, 2, 2, 5),), "two queries, with three more tokens in the cache"),
        Case((torch.ones(2, 1, 1),), "a single token, with no token before it"),
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


def cases_induction(seed):
    generator = torch.Generator().manual_seed(seed)
    half = torch.randperm(20, generator=generator)[:4]
    few = torch.randint(0, 3, (9,), generator=generator)
    unseen = torch.eye(6).expand(2, 6, 6).clone()
    unseen[1] = random_pattern(seed + 4, 6, 6)
    return [
        Case((torch.tensor([[[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.125, 0.75, 0.125]]]), torch.tensor([5, 6, 5]))),
        Case((random_pattern(seed, 2, 4, 4), torch.arange(4)), "no token occurs twice"),
        Case((unseen, torch.tensor([4, 5, 6, 4, 5, 6])), "a head that looks only at its own token"),
        Case(
            (random_pattern(seed + 5, 3, 4, 7), torch.tensor([3, 1, 2, 3, 1, 3, 1])),
            "four queries, with three more tokens in the cache",
        ),
        Case(
            (random_pattern(seed + 6, 2, 5, 5).flip(-1), torch.tensor([2, 1, 2, 1, 2])), "a pattern that is not causal"
        ),
        Case((random_pattern(seed, 2, 4, 4), torch.tensor([7, 7, 7, 8])), "one token three times in a row"),
        Case((random_pattern(seed, 3, 8, 8), half.repeat(2)), "random tokens, then the same tokens once more"),
        Case((random_pattern(seed + 1, 2, 9, 9), few), "a few distinct tokens that occur often"),
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
    """Return the model's logits with one head's output set to zero, and leave the model as it was."""
    with torch.no_grad(), interpret.ablate(model, [(layer, head)]):
        return model(ids)


def _looks_on(value):
    """Observe a value without changing it, like a hook set by other code."""


def cases_ablate_heads(seed):
    generator = torch.Generator().manual_seed(seed)

    def case(model, batch, seq, layer, head, note=""):
        return Case((model, torch.randint(0, 11, (batch, seq), generator=generator), layer, head), note)

    model, watched, sharing = (small_model(seed, n_kv) for n_kv in (0, 0, 2))
    watched.blocks[0].attention.hook_z.add_hook(_looks_on)
    watched.blocks[1].attention.hook_pattern.add_hook(_looks_on)
    return [
        case(model, 1, 5, 0, 1),
        case(model, 3, 5, 0, 2, "a different size along each axis"),
        case(model, 1, 4, 1, 3, "the last layer"),
        case(sharing, 2, 5, 1, 1, "two heads share one key-value head"),
        case(watched, 2, 6, 0, 0, "other code has registered hooks, too"),
    ]


@lru_cache(maxsize=8)
def small_weights(seed, n_kv_heads):
    config = TransformerConfig(vocab_size=11, max_seq_len=16, d_model=16, n_layers=2, n_heads=4, n_kv_heads=n_kv_heads)
    model = Transformer(config, seed=seed)
    for parameter in model.parameters():
        parameter.data *= 12 if parameter.ndim > 1 else 1  # untrained weights are so small that no head matters
    return model


def small_model(seed, n_kv_heads):
    return copy.deepcopy(small_weights(seed, n_kv_heads))


def hook_that_an_error_leaves(call, case):
    """Make the model raise an error, and report any hook that the attempt leaves behind."""
    model, ids, layer, head = case.args
    watched, ran = copy.deepcopy(model), []
    watched.register_forward_pre_hook(lambda module, _args: ran.append(module))  # to find the copy that the attempt ran
    with contextlib.suppress(NoValue):
        call(watched, torch.full_like(ids, model.config.vocab_size), layer, head)
    if ran and _hooks(ran[-1]) > _hooks(model):
        return (
            "If the model raises an error, your function never reaches `handle.remove()`, so the hook stays in place "
            "and affects every later run. Use `try: …` and `finally: …`, because the lines after `finally:` run "
            "whatever happens."
        )
    return None


def _hooks(model):
    return sum(len(part._forward_hooks) for part in model.modules())


ABLATE_HEADS = Exercise(
    **TEXTS["ablate_heads"],
    reference=ablate_heads,
    helpers=(interpret.ablate,),
    cases=cases_ablate_heads,
    faulty=faulty_ablate_heads,
    axes=("batch", "seq", "vocab"),
    probes=(Probe("The hook is removed, even if the model raises an error.", hook_that_an_error_leaves, remark=True),),
    double=False,
)

# --- interpret.head_contributions ---


def cases_contributions(seed):
    def case(batch, head, d_head, note="", d_model=None):
        d_model = head * d_head if d_model is None else d_model
        sizes = (batch, head, d_head), (d_model, head * d_head), (batch, d_model)
        return Case(tuple(randn(seed + i, *size) for i, size in enumerate(sizes)), note)

    return [
        case(1, 2, 2),
        case(1, 1, 3, "a single head"),
        case(2, 3, 2, "a different size along each axis"),
        case(3, 2, 4),
        case(2, 4, 2, "more heads than channels per head"),
        case(2, 3, 3, "as many heads as channels per head"),
        case(2, 2, 3, "a stream wider than all the heads combined", d_model=8),
    ]


HEAD_CONTRIBUTIONS = Exercise(
    **TEXTS["head_contributions"],
    reference=attribution.head_contributions,
    helpers=(attribution.written_by_heads,),
    cases=cases_contributions,
    faulty=faulty_contributions,
    axes=("batch", "head"),
    double=False,
)


# --- interpret.copying_share ---


def copying_share(read, w_v, w_o, unembed):
    """Return the share of tokens whose own logit rises the most when a head looks at them."""
    raised = read @ w_v @ w_o @ unembed.T  # row: the token that the head looks at; column: the raised logit
    return (raised.argmax(dim=1) == torch.arange(len(read))).double().mean().item()


def cases_copying(seed):
    def case(vocab, d_model, d_head, noise, note="", shift=0.0):
        read, w_v = randn(seed, vocab, d_model), randn(seed + 1, d_model, d_head)
        w_o = w_v.T + noise * randn(seed + 2, d_head, d_model)
        unembed = read + noise * randn(seed + 3, vocab, d_model) + shift * randn(seed + 4, 1, d_model)
        return Case((read, w_v, w_o, unembed), note)

    eye, mixed = torch.eye(3, dtype=torch.float64), torch.zeros(3, 3, dtype=torch.float64)
    mixed[2, 0], tied = 1.5, mixed.clone()
    tied[2, 1] = 1.0
    return [
        Case((2 * eye, eye, eye + mixed, eye), "two of three tokens"),
        case(6, 4, 2, 0.3, "a different size along each axis"),
        Case((2 * eye, eye, eye + tied, eye), "two logits are raised by the same amount"),
        case(5, 8, 3, 0.5),
        case(8, 4, 4, 0.7, "more tokens than channels"),
        case(4, 3, 2, 0.2, "all logits are shifted", shift=3.0),
        Case(
            (eye, -eye, eye, eye + 0.25 * eye.roll(1, 0)), "a head that lowers the logit of the token that it looks at"
        ),
        case(12, 6, 5, 0.4),
        case(9, 5, 3, 1.0, "a noisy head"),
        case(11, 6, 4, 3.0, "weights that have little to do with each other"),
    ]


COPYING_SHARE = Exercise(**TEXTS["copying_share"], reference=copying_share, cases=cases_copying, faulty=faulty_copying)

EXERCISES = (ENTROPY, PREVIOUS_TOKEN, INDUCTION, ROLLOUT, ABLATE_HEADS, COPYING_SHARE, HEAD_CONTRIBUTIONS)
