"""The tuning exercise for lesson 08: low-rank adapters that are trained only on the assistant's answers."""

from dataclasses import dataclass
from pathlib import Path

import torch

from llmlib.exercises.engine.exercise import Case, Exercise, Probe, texts_of
from llmlib.exercises.engine.probes import randn
from llmlib.exercises.lessons.lesson_06_training.whole_runs import Draw, learn
from llmlib.exercises.lessons.lesson_08_instruction_tuning.faulty_tuning import faulty_learn_answers
from llmlib.exercises.lessons.lesson_08_instruction_tuning.lora import merged
from llmlib.exercises.lessons.lesson_08_instruction_tuning.masks import answer_mask, targets

TEXTS = texts_of(Path(__file__).parent)
ASSISTANT, END = 1, 2


# --- instruction_tuning.learn_answers ---


def learn_answers(weights, logits_of, conversations, signs, names, draw, rates):
    """Tune the matrices in `names` with LoRA. Return these matrices, with their adapters merged in, and the losses."""
    rows = [targets(ids[None], answer_mask(ids, *signs)[None]) for ids in conversations]
    batches = [rows[step % len(rows)] for step in range(len(rates))]
    adapters = {}
    for name in names:
        d_out, d_in = weights[name].shape
        adapters[f"{name}.a"], adapters[f"{name}.b"] = draw((4, d_in)) / d_in**0.5, torch.zeros(d_out, 4)

    def with_adapters(now):
        return {name: merged(weights[name], now[f"{name}.a"], now[f"{name}.b"], 16) for name in names}

    learned, losses = learn(adapters, lambda ids, now: logits_of(ids, weights | with_adapters(now)), batches, rates)
    return list(with_adapters(dict(zip(adapters, learned))).values()), losses


@dataclass(frozen=True)
class Follower:
    """A small model. Each position reads its own token and, through two matrices, the mean of all tokens so far."""

    def __call__(self, ids, weights):
        x = weights["embed.weight"][ids]
        before = x.cumsum(dim=1) / torch.arange(1, x.shape[1] + 1)[:, None]
        x = x + (before @ weights["in.weight"].T).tanh() @ weights["out.weight"].T
        return x @ weights["embed.weight"].T


def cases_learn_answers(seed):
    generator = torch.Generator().manual_seed(seed)

    def conversation(*lengths, ended=True):
        """Make a conversation's ids from alternating questions and answers of these lengths."""
        ids = []
        for turn, length in enumerate(lengths):
            said = torch.randint(3, 9, (length,), generator=generator).tolist()
            ids += said if turn % 2 == 0 else [ASSISTANT, *said, END]
        return torch.tensor(ids if ended else ids[:-1])

    def case(conversations, names, rates, note="", d_model=5, wide=6):
        shapes = {"embed.weight": (9, d_model), "in.weight": (wide, d_model), "out.weight": (d_model, wide)}
        weights = {name: randn(seed + n, *shape).float() / 2 for n, (name, shape) in enumerate(shapes.items())}
        return Case((weights, Follower(), conversations, (ASSISTANT, END), names, Draw(seed), rates), note)

    one, two, three = conversation(3, 2), conversation(2, 1, 2, 3), conversation(1, 4)
    cut = conversation(4, 3, ended=False)
    return [
        case([one], ["in.weight"], [0.1], "a single step"),
        case([one], ["in.weight"], [0.1, 0.1, 0.1], "one conversation, three steps"),
        case([one, two], ["in.weight", "out.weight"], [0.2, 0.1], "two matrices"),
        case([one, two, three], ["out.weight"], [0.05, 0.2, 0.1, 0.1, 0.05], "more steps than conversations"),
        case([cut, one], ["out.weight", "in.weight"], [0.1, 0.3, 0.1], "an answer that is cut off"),
        case([two, one], ["in.weight"], [0.1] * 4, "a wider model", d_model=8, wide=3),
    ]


def frozen(call, case):
    """Say which part of the result is still connected to the training run, if any."""
    matrices, losses = call(*case.args)
    if any(isinstance(loss, torch.Tensor) for loss in losses):
        return "Your losses are tensors. `learn` returns plain numbers, so pass them on as they are."
    return any(matrix.requires_grad for matrix in matrices) and (
        "The matrices that you return still require a gradient. The weights that `learn` returns do not."
    )


LEARN_ANSWERS = Exercise(
    **TEXTS["learn_answers"],
    reference=learn_answers,
    helpers=(learn, merged, answer_mask, targets),
    cases=cases_learn_answers,
    faulty=faulty_learn_answers,
    probes=(Probe("The function returns only plain numbers.", frozen),),
    double=False,
)
