"""Plain right solutions of lesson 08."""

import torch

from exercises.plain import plain
from llmlib.exercises.lessons.lesson_06_training.whole_runs import learn


@plain("instruction_tuning.chat_text")
def chat_text(messages):
    text = ""
    for message in messages:
        if message["role"] == "user":
            text += "<|user|>" + message["content"]
        else:
            text += "<|assistant|> " + message["content"] + "<|endoftext|>"
    if messages[-1]["role"] == "user":
        text += "<|assistant|>"
    return text


@plain("instruction_tuning.answer_mask")
def answer_mask(ids, assistant, end):
    mask = torch.zeros(len(ids), dtype=torch.bool)
    speaking = False
    for i in range(len(ids)):
        mask[i] = speaking
        if ids[i] == assistant:
            speaking = True
        if ids[i] == end:
            speaking = False
    return mask


@plain("instruction_tuning.targets")
def targets(ids, mask):
    x, y = ids[:, :-1], ids[:, 1:]
    return x, torch.where(mask[:, 1:], y, -100)


@plain("instruction_tuning.pack")
def pack(conversations, length):
    rows = [[]]
    for ids in conversations:
        ids = ids[:length]
        if len(rows[-1]) + len(ids) <= length:
            rows[-1] = rows[-1] + ids
        else:
            rows.append(ids)
    return torch.tensor([row + [-1] * (length - len(row)) for row in rows])


@plain("instruction_tuning.lora_linear")
def lora_linear(x, w, a, b, alpha):
    r = a.shape[0]
    return x @ w.T + alpha / r * (x @ a.T @ b.T)


@plain("instruction_tuning.merged")
def merged(w, a, b, alpha):
    return w + alpha / len(a) * (b @ a)


@plain("instruction_tuning.kept_by_rank")
def kept_by_rank(update, r):
    squares = torch.linalg.svdvals(update) ** 2
    total = squares.sum()
    if total == 0:
        return 1.0
    return (squares[:r].sum() / total).item()


@plain("instruction_tuning.interval")
def interval(right, n):
    p = right / n
    z = 1.96
    below = 1 + z**2 / n
    middle = (p + z**2 / (2 * n)) / below
    half = z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5 / below
    return middle - half, middle + half


@plain("instruction_tuning.best_by_wording")
def best_by_wording(asked):
    told = {}
    untold = {}
    for wording, is_told in asked:
        if wording not in told:
            told[wording] = 0
            untold[wording] = 0
        if is_told:
            told[wording] += 1
        else:
            untold[wording] += 1
    right = 0
    for wording in told:
        right += max(told[wording], untold[wording])
    return right / len(asked)


@plain("instruction_tuning.adapted")
def adapted(model, ids, adapters, alpha):
    def detour(a, b):
        def hook(layer, inputs, y):
            return y + alpha / a.shape[0] * (inputs[0] @ a.T @ b.T)

        return hook

    handles = []
    for name, a, b in adapters:
        layer = model.get_submodule(name)
        handles.append(layer.register_forward_hook(detour(a, b)))
    with torch.no_grad():
        logits = model(ids)
    for handle in handles:
        handle.remove()
    return logits


@plain("instruction_tuning.learn_answers")
def learn_answers(weights, logits_of, conversations, signs, names, draw, rates):
    batches = []
    for step in range(len(rates)):
        ids = conversations[step % len(conversations)]
        mask = answer_mask(ids, signs[0], signs[1])
        batches.append(targets(ids[None], mask[None]))
    detours = {}
    for name in names:
        d_out, d_in = weights[name].shape
        detours[name + ".a"] = draw((4, d_in)) / d_in**0.5
        detours[name + ".b"] = torch.zeros(d_out, 4)

    def with_detours(detours):
        changed = dict(weights)
        for name in names:
            changed[name] = merged(weights[name], detours[name + ".a"], detours[name + ".b"], 16)
        return changed

    def logits_with(ids, detours):
        return logits_of(ids, with_detours(detours))

    learned, losses = learn(detours, logits_with, batches, rates)
    changed = with_detours(dict(zip(detours, learned)))
    return [changed[name] for name in names], losses
