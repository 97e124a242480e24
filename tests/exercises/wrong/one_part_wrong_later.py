"""The right way but for one part, in lessons 07 and 08."""

import math

import torch
import torch.nn.functional as F

from exercises.wrong import wrong

# --- lesson 07 ---


@wrong("sampling.probabilities_at", "number added to the temperature")
def _(logits, temperature):
    return torch.softmax(logits / (temperature + 1e-6), dim=-1)


def repaired(logits, temperature, whole=False):
    greedy = F.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits.dtype)
    if temperature == 0:
        return greedy
    p = (logits / temperature).softmax(-1)
    return torch.where(p.isnan().any() if whole else p.isnan(), greedy, p)


@wrong("sampling.probabilities_at", "NaN repaired")
def _(logits, temperature):
    return repaired(logits, temperature)


@wrong("sampling.probabilities_at", "NaN repaired")
def _(logits, temperature):
    return repaired(logits, temperature, whole=True)


@wrong("sampling.keep_min_p", "probabilities for logits")
def _(logits, p):
    probs = logits.softmax(-1)
    return torch.where(probs >= p * probs.amax(-1, keepdim=True), probs, -math.inf)


@wrong("sampling.beam_step", "split by the number of beams")
def _(found, log_p, n_beams):
    totals = torch.tensor([total for total, _ in found])[:, None] + log_p
    n, best = len(found), totals.flatten().topk(n_beams)
    return [(v.item(), found[w // n % n][1] + [w.item() % n]) for v, w in zip(*best)]


@wrong("sampling.beam_step", "one list for several texts")
def _(found, log_p, n_beams):
    every = [
        (total + log_p[i, t].item(), ids, t) for i, (total, ids) in enumerate(found) for t in range(log_p.shape[1])
    ]
    every.sort(key=lambda one: one[0], reverse=True)
    out = []
    for total, ids, t in every[:n_beams]:
        ids.append(t)
        out.append((total, ids))
    return out


def walked(moves, state, token):
    for byte in token:
        state = None if state is None else moves[state].get(byte)
    return state


@wrong("sampling.constrained", "place among the allowed ones")
def _(logits_after, moves, ends, tokens, end, most):
    state, new = 0, []
    while len(new) < most:
        allowed = [i for i, token in enumerate(tokens) if token and walked(moves, state, token) is not None]
        allowed += [end] * (state in ends)
        best = int(torch.as_tensor(logits_after(new))[allowed].argmax())
        if best == end:
            break
        new.append(best)
        then = walked(moves, state, tokens[best])
        state = state if then is None else then
    return new


@wrong("sampling.constrained", "0 instead of −∞")
def _(logits_after, moves, ends, tokens, end, most):
    state, new = 0, []
    while len(new) < most and state is not None:
        mask = torch.tensor([bool(token) and walked(moves, state, token) is not None for token in tokens]).float()
        mask[end] = float(state in ends)
        best = int((torch.as_tensor(logits_after(new)) * mask).argmax())
        if best == end:
            break
        new.append(best)
        state = walked(moves, state, tokens[best])
    return new


@wrong("sampling.constrained", "end asked of the state before")
def _(logits_after, moves, ends, tokens, end, most):
    state, before, new = 0, 0, []
    while len(new) < most:
        allowed = [i for i, token in enumerate(tokens) if token and walked(moves, state, token) is not None]
        allowed += [end] * (before in ends)
        if not allowed:
            break
        logits = logits_after(new)
        best = max(allowed, key=lambda i: logits[i])
        if best == end:
            break
        new.append(best)
        before, state = state, walked(moves, state, tokens[best])
    return new


# --- lesson 08 ---


@wrong("instruction_tuning.chat_text", "open if odd")
def _(messages):
    text = ""
    for message in messages:
        user = message["role"] == "user"
        text += f"<|user|>{message['content']}" if user else f"<|assistant|> {message['content']}<|endoftext|>"
    return text + "<|assistant|>" if len(messages) % 2 else text


@wrong("instruction_tuning.answer_mask", "everything after the first header")
def _(ids, assistant, end):
    places = torch.arange(len(ids))
    first, ends = (ids == assistant).nonzero()[0], (ids == end).nonzero()
    return (places > first) & (places <= (ends[-1] if len(ends) else len(ids)))


@wrong("instruction_tuning.answer_mask", "first token and end alone")
def _(ids, assistant, end):
    after = torch.zeros_like(ids, dtype=torch.bool)
    after[1:] = ids[:-1] == assistant
    return after | (ids == end)


@wrong("instruction_tuning.targets", "100 subtracted everywhere")
def _(ids, mask):
    return ids[:, :-1], ids[:, 1:] * mask[:, 1:].long() - 100


@wrong("instruction_tuning.pack", "overlong continued")
def _(conversations, length):
    rows = [[]]
    for ids in conversations:
        if len(rows[-1]) + len(ids) > length:
            rows.append([])
        rows[-1] = rows[-1] + ids[:length]
        rows += [ids[i : i + length] for i in range(length, len(ids), length)]
    return torch.tensor([row + [-1] * (length - len(row)) for row in rows])


@wrong("instruction_tuning.pack", "as wide as the widest")
def _(conversations, length):
    rows = []
    for ids in conversations:
        if rows and len(rows[-1]) + len(ids) <= length:
            rows[-1] = rows[-1] + ids
        else:
            rows.append(ids[:length])
    rows = [torch.tensor(row) for row in rows]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)


def wilson(right, n, half, below=lambda x, n: x / (1 + 1.96**2 / n)):
    p, z = right / n, 1.96
    middle, half = below(p + z**2 / (2 * n), n), below(half(p, n, z), n)
    return middle - half, middle + half


@wrong("instruction_tuning.interval", "4 squared, too")
def _(right, n):
    return wilson(right, n, lambda p, n, z: z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n) ** 2))


@wrong("instruction_tuning.interval", "roots added")
def _(right, n):
    return wilson(right, n, lambda p, n, z: z * (math.sqrt(p * (1 - p) / n) + z / (2 * n)))


@wrong("instruction_tuning.interval", "z before the root forgotten")
def _(right, n):
    return wilson(right, n, lambda p, n, z: math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)))


@wrong("instruction_tuning.interval", "brackets of 1 − p missing")
def _(right, n):
    return wilson(right, n, lambda p, n, z: z * (p * 1 - p / n + z**2 / (4 * n**2)) ** 0.5)


@wrong("instruction_tuning.interval", "brackets of 1 + z²/n missing")
def _(right, n):
    return wilson(
        right,
        n,
        lambda p, n, z: z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5,
        below=lambda x, n: x / 1 + 1.96**2 / n,
    )


@wrong("instruction_tuning.best_by_wording", "refusals count for nothing")
def _(asked):
    right = 0
    for wording in {wording for wording, _ in asked}:
        told = [is_told for other, is_told in asked if other == wording]
        right += sum(told) if sum(told) > len(told) / 2 else 0
    return right / len(asked)


@wrong("instruction_tuning.best_by_wording", "each wording once a question")
def _(asked):
    right = 0
    for wording, _ in asked:
        told = [is_told for other, is_told in asked if other == wording]
        right += max(sum(told), len(told) - sum(told))
    return right / len(asked)


@wrong("instruction_tuning.lora_linear", "2 for the rank")
def _(x, w, a, b, alpha):
    return x @ w.T + alpha / a.dim() * (x @ a.T @ b.T)


@wrong("instruction_tuning.lora_linear", "smaller side for the rank")
def _(x, w, a, b, alpha):
    return x @ w.T + alpha / min(b.shape) * (x @ a.T @ b.T)


@wrong("instruction_tuning.merged", "smaller side for the rank")
def _(w, a, b, alpha):
    return w + alpha / min(a.shape) * b @ a


@wrong("instruction_tuning.merged", "smaller side for the rank")
def _(w, a, b, alpha):
    return w + alpha / torch.linalg.matrix_rank(b @ a) * (b @ a)


@wrong("instruction_tuning.merged", "multiplied instead of added")
def _(w, a, b, alpha):
    return w * (1 + alpha / a.shape[0] * b @ a)


def with_hooks(model, ids, adapters, factor):
    handles = []
    for name, a, b in adapters:
        adapter = lambda layer, inputs, y, a=a, b=b: y + factor(a) * (inputs[0] @ a.T @ b.T)  # noqa: E731
        handles.append(model.get_submodule(name).register_forward_hook(adapter))
    with torch.no_grad():
        return model(ids), handles


@wrong("instruction_tuning.adapted", "divided by the number of adapters")
def _(model, ids, adapters, alpha):
    logits, handles = with_hooks(model, ids, adapters, lambda a: alpha / len(adapters))
    for handle in handles:
        handle.remove()
    return logits


@wrong("instruction_tuning.adapted", "property: The inputs stay as they are.")
def _(model, ids, adapters, alpha):
    logits, _ = with_hooks(model, ids, adapters, lambda a: alpha / len(a))
    for part in model.modules():
        part._forward_hooks.clear()
    return logits


@wrong("instruction_tuning.kept_by_rank", "diagonal for singular values")
def _(update, r):
    s = update.diagonal().abs().sort(descending=True).values ** 2
    return (s[:r].sum() / s.sum()).item() if s.sum() > 0 else 1.0


@wrong("instruction_tuning.kept_by_rank", "empty direction taken for zeros")
def _(update, r):
    s = torch.linalg.svdvals(update) ** 2
    return (s[:r].sum() / s.sum()).item() if s[-1] > 1e-12 else 1.0


def share(update, r):
    s = torch.linalg.svdvals(update) ** 2
    return (s[:r].sum() / s.sum()).item() if s.any() else 1.0


@wrong("instruction_tuning.kept_by_rank", "rank 0 keeps one")
def _(update, r):
    return share(update, max(r, 1))


@wrong("instruction_tuning.kept_by_rank", "rank 0 keeps all")
def _(update, r):
    return share(update, r or min(update.shape))


@wrong("instruction_tuning.kept_by_rank", "zeros at rank 0")
def _(update, r):
    return share(update, r) if r else 0.0
