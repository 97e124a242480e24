"""Mechanically made faulty versions: none is accepted unless it is equivalent, and most get a reason."""

import importlib
import pkgutil
import re
import sys
from collections import Counter

import pytest

from exercises import right
from exercises.mutants import compiled, mutants
from exercises.right import PLAIN
from llmlib.exercises.engine.checking import examine
from llmlib.exercises.engine.comparing import find_difference
from llmlib.exercises.engine.running import run
from llmlib.exercises.engine.trials import expected_of, kept_cases
from llmlib.exercises.registry import find

for module in pkgutil.iter_modules(right.__path__):
    importlib.import_module(f"exercises.right.{module.name}")

MORE_THAN_DIFFERS = 0.8
MIRRORED = "the two sides mean the same in either order"
EITHER_WAY = "the result is the same whether the matrix is transposed or not"
INDEPENDENT = "neither of the two lines reads what the other one writes"
CUT = "x.reshape(batch, seq, n_heads, width // n_heads)"
WIDE = "all query heads together are as wide as d_model"
STRONG = "the strength of the scores is a free choice, and these are strong enough"
SHIFTED = "all counts change in the same way, and only their order matters"

# Changes that do not affect what an exercise asks for: (before, after), and why the two are equivalent.
EQUAL = {
    "tokenization.most_common_pair": {
        ("1", "2"): SHIFTED,
        ("0", "-1"): SHIFTED,
        ("0", "1"): SHIFTED,
        ("best is None", "None is best"): MIRRORED,
        ("pair < best", "pair <= best"): "a pair is never compared with itself, as each key occurs once",
        ("for i in range(len(ids) - 1):", "(after the next)"): INDEPENDENT,
    },
    "tokenization.merge": {
        ("merged = []", "(after the next)"): INDEPENDENT,
        ("merged.append(new_id)", "(after the next)"): INDEPENDENT,
    },
    "tokenization.detokenize": {
        ("for name in tokenizer.special:", "(after the next)"): INDEPENDENT,
        ("text = ''", "(after the next)"): INDEPENDENT,
    },
    "tokenization.read_vocabulary": {("numbers = []", "(after the next)"): INDEPENDENT},
    "attention.previous_occurrence": {
        ("10", "9"): STRONG,
        ("20", "40"): STRONG,
        ("40", "80"): STRONG,
        ("w_q[token, token] = 20 * n_positions", "(after the next)"): INDEPENDENT,
        ("w_k[row, row] = 1", "(after the next)"): INDEPENDENT,
    },
    "transformer.attention_part": {("0", "1"): WIDE},
    "transformer.read_sizes": {
        (f"sizes['{ours}'] = {theirs}", "(after the next)"): INDEPENDENT
        for ours, theirs in (
            ("vocab_size", "theirs['vocab_size']"),
            ("n_heads", "theirs['num_attention_heads']"),
            ("d_head", "sizes['d_model'] // sizes['n_heads']"),
            ("rope_theta", "theirs['rope_theta']"),
        )
    },
    "training.weight_shapes": {
        ("shapes[f'{block}.attention.key.weight'] = (d_kv, d_model)", "(after the next)"): INDEPENDENT,
        ("shapes[f'{block}.mlp_norm.weight'] = (d_model,)", "(after the next)"): INDEPENDENT,
    },
    "training.first_weight": {("if len(shape) == 1:", "(after the next)"): INDEPENDENT},
    "training.learn": {("names = list(weights)", "(after the next)"): INDEPENDENT},
    "sampling.write": {
        ("text is None", "None is text"): MIRRORED,
        ("def read(new_ids, text):", "(after the next)"): INDEPENDENT,
    },
    "instruction_tuning.learn_answers": {
        ("adapters[name + '.a'] = draw((4, d_in)) / d_in ** 0.5", "(after the next)"): INDEPENDENT
    },
    "tokenization.train": {
        ("list(text.encode())", "text.encode()"): "bytes are a sequence of the same numbers",
        ("pair is None", "None is pair"): MIRRORED,
        ("ids = list(text.encode())", "(after the next)"): INDEPENDENT,
        ("if pair is None:", "(after the next)"): "merging None changes nothing, and then the loop ends anyway",
        ("ids = merge(ids, pair, 256 + number)", "(after the next)"): INDEPENDENT,
    },
    "embeddings.cosine_similarity": {
        ("1e-12", "2e-12"): "no vector in the cases or in any model is that short",
        ("x = x / x.norm(dim=1, keepdim=True).clamp(min=1e-12)", "(after the next)"): INDEPENDENT,
    },
    "embeddings.nearest": {
        ("0", "-1"): "there is only one row, so the first is the last",
        ("min(k, len(table))", "min(len(table), k)"): MIRRORED,
    },
    "embeddings.analogy": {
        ("0", "-1"): "there is only one row, so the first is the last",
        ("min(k, len(table) - len({a, b, c}))", "min(len(table) - len({a, b, c}), k)"): MIRRORED,
    },
    "attention.causal_mask": {
        ("query = torch.arange(n_key - n_query, n_key)[:, None]", "(after the next)"): INDEPENDENT
    },
    "attention.scaled_dot_product": {("k.transpose(2, 3)", "k.transpose(3, 2)"): MIRRORED},
    "attention.split_heads": {(f"{CUT}.transpose(1, 2)", f"{CUT}.transpose(2, 1)"): MIRRORED},
    "attention.merge_heads": {("z.transpose(1, 2)", "z.transpose(2, 1)"): MIRRORED},
    "attention.online_softmax": {
        ("largest is None", "None is largest"): MIRRORED,
        ("torch.maximum(largest, peak)", "torch.maximum(peak, largest)"): MIRRORED,
    },
    "interpret.entropy": {("1.0", "2.0"): "where the weight is 0, the logarithm is multiplied by 0"},
    "interpret.previous_token_score": {
        ("0", "1"): "the sum over one query is the same, divided by one or not",
        ("total = total + pattern[:, i, position - 1]", "(after the next)"): INDEPENDENT,
    },
    "interpret.induction_score": {
        ("0", "1"): "the sum over one query is the same, divided by one or not",
        ("total = total + pattern[:, i, keys].sum(dim=1)", "(after the next)"): INDEPENDENT,
    },
    "interpret.rollout": {("3", "2"): "there are as many queries as keys"},
    "interpret.ablate_heads": {
        ("z = z.clone()", "(left out)"): "z belongs to this run alone",
        ("z = z.clone()", "(after the next)"): "z belongs to this run alone",
    },
    "training.learning_rate_at": {
        ("step - warmup", "warmup - step"): "the cosine is symmetric",
        ("steps - warmup", "warmup - steps"): "the cosine is symmetric",
    },
    "attention.multi_head": {
        ("nn.Linear(d_model, n_heads * d_head, bias=False)", "nn.Linear(n_heads * d_head, d_model, bias=False)"): WIDE,
        ("nn.Linear(n_heads * d_head, d_model, bias=False)", "nn.Linear(d_model, n_heads * d_head, bias=False)"): WIDE,
        ("def __init__(self, d_model, n_heads, n_kv_heads):", "(after the next)"): INDEPENDENT,
        ("self.n_kv_heads = n_kv_heads", "(after the next)"): INDEPENDENT,
        ("self.key = nn.Linear(d_model, n_kv_heads * d_head, bias=False)", "(after the next)"): INDEPENDENT,
        (
            "k = embeddings.rotate(attention.split_heads(self.key(x), self.n_kv_heads), cos, sin)",
            "(after the next)",
        ): INDEPENDENT,
        ("v = attention.share_heads(v, self.n_heads)", "(after the next)"): INDEPENDENT,
    },
    "transformer.llama_logits": {
        ("value = weights[f'{block}.attention.value.weight']", "(after the next)"): INDEPENDENT,
        (
            "residual = residual + attention_part(x, query, key, value, output, config.n_heads, cos, sin)",
            "(after the next)",
        ): INDEPENDENT,
        ("down = weights[f'{block}.mlp.down.weight']", "(after the next)"): INDEPENDENT,
    },
    "training.clip_together": {("norm <= limit", "norm < limit"): "at the limit the factor is 1"},
    "training.adamw_step": {("m_full = m / (1 - 0.9 ** t)", "(after the next)"): INDEPENDENT},
    "training.fit": {("losses = []", "(after the next)"): INDEPENDENT, ("t = t + 1", "(after the next)"): INDEPENDENT},
    "sampling.continuation": {
        ("text = list(ids)", "(after the next)"): INDEPENDENT,
        ("text.append(token)", "(after the next)"): INDEPENDENT,
    },
    "training.orthogonalise": {
        ("gradient.shape[0] > gradient.shape[1]", "gradient.shape[1] > gradient.shape[0]"): EITHER_WAY,
        ("0", "-1"): EITHER_WAY,
    },
    "training.accumulated_gradient": {("weight = weight.clone().requires_grad_()", "(after the next)"): INDEPENDENT},
    "sampling.keep_top_p": {("1", "2"): "p = 1 differs only where a sum is rounded to 1 before the last token"},
    "sampling.penalise_repetition": {
        ("1.0", "2.0"): "any value above 0 marks a token as seen",
        ("seen = torch.zeros_like(logits).scatter(1, ids, 1.0) > 0", "(after the next)"): INDEPENDENT,
    },
    "instruction_tuning.answer_mask": {
        ("if ids[i] == assistant:", "(after the next)"): "no id is both the start and the end of an answer"
    },
    "instruction_tuning.best_by_wording": {
        ("max(told[wording], untold[wording])", "max(untold[wording], told[wording])"): MIRRORED,
        ("for wording, is_told in asked:", "(after the next)"): INDEPENDENT,
    },
    "instruction_tuning.adapted": {("def adapter(a, b):", "(after the next)"): INDEPENDENT},
    "sampling.constrained": {
        ("best is None", "None is best"): MIRRORED,
        ("reached = state", "(after the next)"): INDEPENDENT,
    },
    "sampling.allowed_tokens": {("at is not None", "None is not at"): MIRRORED},
    "limits.choose": {("0", "-1"): "the first choice always replaces the initial value"},
    "limits.p_value": {
        ("zip(first, second)", "zip(second, first)"): MIRRORED,
        ("min(better, worse)", "min(worse, better)"): MIRRORED,
        ("min(1.0, 2 * ways / 2 ** n)", "min(2 * ways / 2 ** n, 1.0)"): MIRRORED,
    },
    "alignment.clipped_loss": {("gain = advantages[:, None] * ratio", "(after the next)"): INDEPENDENT},
    "alignment.list_reward": {
        ("named = set()", "(after the next)"): INDEPENDENT,
        ("named.add(animal)", "(after the next)"): INDEPENDENT,
    },
}


SECONDS = 0.3
MIXED = re.compile("[Dd]ouble")  # in torch's errors about mixing float32 and float64


def wrong_at_once(exercise, function):
    """Return whether a case shows that the function is wrong, without searching for a reason.

    An error that comes only from mixing precisions is not a mistake, so it does not count here: `examine` decides.
    """
    for case in kept_cases(exercise, 0):
        outcome = run(exercise.as_function(function), case.args, SECONDS)
        if outcome.error:
            if not MIXED.search(str(outcome.error)):
                return True
        elif find_difference(expected_of(exercise, case), outcome.value, exercise.axes):
            return True
    return False


def reports_on_mutants(name):
    """Yield changes and reports for every third mutant, but skip most of those that are obviously wrong.

    Of all mutants, one in 54 is reported on even if it is obviously wrong.
    """
    exercise, function = find(name), PLAIN[name]
    distinct = {source: (before, after) for before, after, source in mutants([function]) if before != after}
    for number, (source, change) in enumerate(list(distinct.items())[::3]):
        mutant = compiled(source, function.__name__, vars(sys.modules[function.__module__]))
        if number % 18 == 0 or not wrong_at_once(exercise, mutant):
            yield change, examine(exercise, mutant, seconds=SECONDS)


@pytest.mark.slow
def test_only_equivalent_mutants_are_accepted_and_most_others_get_a_reason():
    kinds = Counter()
    for name in PLAIN:
        for change, report in reports_on_mutants(name):
            if report.correct:
                assert change in EQUAL.get(name, {}), f"{name} accepts {change[0]} -> {change[1]}"
            else:
                kinds[report.kind if report.kind == "differs" else "more"] += 1
    assert kinds["more"] / kinds.total() >= MORE_THAN_DIFFERS, kinds
