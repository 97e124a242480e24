"""Right solutions of lesson 08: a plain one for each exercise, and others in other styles."""

import contextlib
import copy
import itertools
import math
from collections import Counter
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from exercises.right import plain, solves
from llmlib.exercises.lessons.lesson_06_training.whole_runs import learn
from llmlib.exercises.registry import find


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


@solves("instruction_tuning.chat_text")
def chat_by_joining(messages):
    wrap = {"user": "<|user|>{}", "assistant": "<|assistant|> {}<|endoftext|>"}
    turns = [wrap[message["role"]].format(message["content"]) for message in messages]
    return "".join(turns) + ("<|assistant|>" if messages[-1]["role"] == "user" else "")


@solves("instruction_tuning.chat_text")
def chat_with_an_open_end(messages):
    text, waiting = "", False
    for role, content in (m.values() for m in messages):
        waiting = role == "user"
        text += f"<|user|>{content}" if waiting else f"<|assistant|> {content}<|endoftext|>"
    return text + "<|assistant|>" * waiting


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


@solves("instruction_tuning.answer_mask")
def mask_by_the_latest_places(ids, assistant, end):
    places = torch.arange(len(ids))
    header, closed = (torch.where(ids == token, places, -1).cummax(0).values for token in (assistant, end))
    closed_before = torch.cat([torch.tensor([-1]), closed[:-1]])
    return (header > closed_before) & (ids != assistant)


@solves("instruction_tuning.answer_mask")
def mask_by_index(ids, assistant, end):
    listed, mask, start = ids.tolist(), [False] * len(ids), 0
    while assistant in listed[start:]:
        start = listed.index(assistant, start) + 1
        stop = listed.index(end, start) + 1 if end in listed[start:] else len(listed)
        mask[start:stop] = [True] * (stop - start)
        start = stop
    return torch.tensor(mask)


@plain("instruction_tuning.targets")
def targets(ids, mask):
    x, y = ids[:, :-1], ids[:, 1:]
    return x, torch.where(mask[:, 1:], y, -100)


@solves("instruction_tuning.targets")
def targets_row_by_row(ids, mask):
    x = [row[:-1] for row in ids.tolist()]
    y = [
        [id if counts else -100 for id, counts in zip(row[1:], told[1:])]
        for row, told in zip(ids.tolist(), mask.tolist())
    ]
    return torch.tensor(x), torch.tensor(y)


@solves("instruction_tuning.targets")
def targets_of_a_copy(ids, mask):
    labels = ids.clone()
    labels[~mask] = -100
    return ids[:, :-1], labels[:, 1:]


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


@solves("instruction_tuning.pack")
def pack_into_a_full_tensor(conversations, length):
    places, row, at = [], 0, 0
    for ids in conversations:
        ids = ids[:length]
        if at + len(ids) > length:
            row, at = row + 1, 0
        places.append((row, at, ids))
        at += len(ids)
    out = torch.full((row + 1, length), -1)
    for row, at, ids in places:
        out[row, at : at + len(ids)] = torch.tensor(ids)
    return out


@solves("instruction_tuning.pack")
def pack_by_padding(conversations, length):
    rows, current = [], torch.tensor([], dtype=torch.long)
    for ids in map(torch.tensor, conversations):
        ids = ids[:length]
        if len(current) + len(ids) > length:
            rows.append(current)
            current = ids
        else:
            current = torch.cat((current, ids))
    return torch.stack([F.pad(row, (0, length - len(row)), value=-1) for row in [*rows, current]])


@plain("instruction_tuning.lora_linear")
def lora_linear(x, w, a, b, alpha):
    r = a.shape[0]
    return x @ w.T + alpha / r * (x @ a.T @ b.T)


@solves("instruction_tuning.lora_linear")
def lora_by_linear(x, w, a, b, alpha):
    return F.linear(x, w) + F.linear(F.linear(x, a), b) * (alpha / b.shape[1])


@solves("instruction_tuning.lora_linear")
def lora_by_einsum(x, w, a, b, alpha):
    low = torch.einsum("bsi,ri,or->bso", x, a, b)
    return torch.einsum("bsi,oi->bso", x, w) + low * alpha / a.size(0)


@solves("instruction_tuning.lora_linear")
def lora_by_merging(x, w, a, b, alpha):
    return x @ (w + b @ a * alpha / len(a)).transpose(0, 1)


@plain("instruction_tuning.merged")
def merged(w, a, b, alpha):
    return w + alpha / len(a) * (b @ a)


@solves("instruction_tuning.merged")
def merged_by_directions(w, a, b, alpha):
    total = w.clone()
    for column, row in zip(b.T, a):
        total += alpha / len(a) * torch.outer(column, row)
    return total


@solves("instruction_tuning.merged")
def merged_by_addmm(w, a, b, alpha):
    return torch.addmm(w, b, a, alpha=alpha / a.shape[0])


@plain("instruction_tuning.kept_by_rank")
def kept_by_rank(update, r):
    squares = torch.linalg.svdvals(update) ** 2
    total = squares.sum()
    if total == 0:
        return 1.0
    return (squares[:r].sum() / total).item()


@solves("instruction_tuning.kept_by_rank")
def rank_by_the_best_approximation(update, r):
    u, s, v = torch.linalg.svd(update, full_matrices=False)
    best = u[:, :r] * s[:r] @ v[:r]
    whole = update.norm() ** 2
    return float(best.norm() ** 2 / whole) if whole > 0 else 1.0


@solves("instruction_tuning.kept_by_rank")
def rank_by_numpy(update, r):
    matrix = update.numpy()
    if not matrix.any():
        return 1.0
    eigenvalues = np.sort(np.linalg.eigvalsh(matrix @ matrix.T))[::-1]
    return float(eigenvalues[:r].sum() / np.square(matrix).sum())


@plain("instruction_tuning.interval")
def interval(right, n):
    p = right / n
    z = 1.96
    below = 1 + z**2 / n
    middle = (p + z**2 / (2 * n)) / below
    half = z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5 / below
    return middle - half, middle + half


@solves("instruction_tuning.interval")
def interval_by_roots(right, n):
    """The two p at which |share − p| = z √(p (1 − p) / n): the roots of a quadratic equation."""
    z, share = 1.96, right / n
    first, second, third = 1 + z**2 / n, -(2 * share + z**2 / n), share**2
    root = math.sqrt(second**2 - 4 * first * third)
    return (-second - root) / (2 * first), (-second + root) / (2 * first)


@solves("instruction_tuning.interval")
def interval_in_counts(right, n):
    z = 1.96
    middle = right + z * z / 2
    half = z * math.sqrt(right * (n - right) / n + z * z / 4)
    return (middle - half) / (n + z * z), (middle + half) / (n + z * z)


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


@solves("instruction_tuning.best_by_wording")
def best_with_counters(asked):
    questions = Counter(wording for wording, _ in asked)
    told = Counter(wording for wording, is_told in asked if is_told)
    return sum(max(told[wording], n - told[wording]) for wording, n in questions.items()) / sum(questions.values())


@solves("instruction_tuning.best_by_wording")
def best_by_sorting(asked):
    groups = itertools.groupby(sorted(asked), key=lambda pair: pair[0])
    best = [max(Counter(is_told for _, is_told in group).values()) for _, group in groups]
    return sum(best) / len(asked)


@plain("instruction_tuning.adapted")
def adapted(model, ids, adapters, alpha):
    def adapter(a, b):
        def hook(layer, inputs, y):
            return y + alpha / a.shape[0] * (inputs[0] @ a.T @ b.T)

        return hook

    handles = []
    for name, a, b in adapters:
        layer = model.get_submodule(name)
        handles.append(layer.register_forward_hook(adapter(a, b)))
    with torch.no_grad():
        logits = model(ids)
    for handle in handles:
        handle.remove()
    return logits


@solves("instruction_tuning.adapted")
def adapted_by_merging_a_copy(model, ids, adapters, alpha):
    model = copy.deepcopy(model)
    with torch.no_grad():
        for name, a, b in adapters:
            model.get_submodule(name).weight += alpha / len(a) * b @ a
        return model(ids)


@solves("instruction_tuning.adapted")
def adapted_by_merging_and_putting_back(model, ids, adapters, alpha):
    before = {name: model.get_submodule(name).weight.detach().clone() for name, _, _ in adapters}
    with torch.no_grad():
        try:
            for name, a, b in adapters:
                model.get_submodule(name).weight.add_(b @ a, alpha=alpha / a.shape[0])
            return model(ids)
        finally:
            for name, weight in before.items():
                model.get_submodule(name).weight.copy_(weight)


@solves("instruction_tuning.adapted")
def adapted_with_partial(model, ids, adapters, alpha):
    def hook(layer, inputs, y, a, b):
        return y + F.linear(F.linear(inputs[0], a), b) * alpha / a.shape[0]

    with contextlib.ExitStack() as stack, torch.no_grad():
        for name, a, b in adapters:
            stack.enter_context(model.get_submodule(name).register_forward_hook(partial(hook, a=a, b=b)))
        return model(ids)


@plain("instruction_tuning.learn_answers")
def learn_answers(weights, logits_of, conversations, signs, names, draw, rates):
    batches = []
    for step in range(len(rates)):
        ids = conversations[step % len(conversations)]
        mask = answer_mask(ids, signs[0], signs[1])
        batches.append(targets(ids[None], mask[None]))
    adapters = {}
    for name in names:
        d_out, d_in = weights[name].shape
        adapters[name + ".a"] = draw((4, d_in)) / d_in**0.5
        adapters[name + ".b"] = torch.zeros(d_out, 4)

    def with_adapters(adapters):
        changed = dict(weights)
        for name in names:
            changed[name] = merged(weights[name], adapters[name + ".a"], adapters[name + ".b"], 16)
        return changed

    def logits_with(ids, adapters):
        return logits_of(ids, with_adapters(adapters))

    learned, losses = learn(adapters, logits_with, batches, rates)
    changed = with_adapters(dict(zip(adapters, learned)))
    return [changed[name] for name in names], losses


@solves("instruction_tuning.learn_answers")
def tuned_with_an_optimizer(weights, logits_of, conversations, signs, names, draw, rates):
    own = {
        n: (draw((4, weights[n].shape[1])) * weights[n].shape[1] ** -0.5, torch.zeros(len(weights[n]), 4))
        for n in names
    }
    for pair in own.values():
        for matrix in pair:
            matrix.requires_grad_()
    optimizer = torch.optim.AdamW([m for pair in own.values() for m in pair], betas=(0.9, 0.95), weight_decay=0.1)
    losses = []
    for step, rate in enumerate(rates):
        optimizer.param_groups[0]["lr"] = rate
        ids = conversations[step % len(conversations)]
        x, y = find("instruction_tuning.targets").reference(ids[None], answers_by_counting(ids, *signs)[None])
        now = {n: weights[n] + 4.0 * b @ a for n, (a, b) in own.items()}
        loss = F.cross_entropy(logits_of(x, {**weights, **now})[0], y[0])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], 1.0)
        optimizer.step()
        losses.append(loss.item())
    return [(weights[n] + 4 * b @ a).detach() for n, (a, b) in own.items()], losses


def answers_by_counting(ids, assistant, end):
    mask, speaking = [], False
    for id in ids.tolist():
        mask.append(speaking)
        speaking = (speaking or id == assistant) and id != end
    return torch.tensor(mask)


@solves("instruction_tuning.learn_answers")
def tuned_in_two_dictionaries(weights, logits_of, conversations, signs, names, draw, rates):
    learn = find("training.learn").reference
    rows = [(ids[None, :-1], ids[None, 1:].clone()) for ids in conversations]
    for ids, (_, y) in zip(conversations, rows):
        y[0][~answers_by_counting(ids, *signs)[1:]] = -100
    batches = list(itertools.islice(itertools.cycle(rows), len(rates)))
    narrow = {("A", n): draw((4, weights[n].shape[1])) / math.sqrt(weights[n].shape[1]) for n in names}
    wide = {("B", n): weights[n].new_zeros(weights[n].shape[0], 4) for n in names}

    def merged(parts):
        return {n: torch.addmm(weights[n], parts["B", n], parts["A", n], alpha=4) for n in names}

    new, losses = learn(narrow | wide, lambda ids, parts: logits_of(ids, weights | merged(parts)), batches, rates)
    return [*merged(dict(zip([*narrow, *wide], new))).values()], losses
