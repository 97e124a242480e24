"""Turn a language model into an assistant."""

import torch

from llmlib.exercises.my_llm.template.training import learn


def chat_text(messages):
    """Write a conversation as one string; if the user speaks last, it ends where the assistant's answer begins."""
    forms = {"user": "<|user|>{}", "assistant": "<|assistant|> {}<|endoftext|>"}
    text = "".join(forms[message["role"]].format(message["content"]) for message in messages)
    return text + "<|assistant|>" * (messages[-1]["role"] == "user")


def answer_mask(ids, assistant, end):
    """Return True for the tokens that the assistant wrote, including the end of each answer."""
    mask, answering = torch.zeros_like(ids, dtype=torch.bool), False
    for place, id in enumerate(ids.tolist()):
        mask[place] = answering
        answering = id == assistant or (answering and id != end)
    return mask


def targets(ids, mask):
    """Return inputs and targets. A target is the next token where the model should learn it, and −100 elsewhere."""
    return ids[:, :-1], ids[:, 1:].masked_fill(~mask[:, 1:], -100)


def merged(w, a, b, alpha):
    """Return the single matrix that has the same effect as w and its low-rank adapter."""
    return w + alpha / a.shape[0] * (b @ a)


def learn_answers(weights, logits_of, conversations, signs, names, draw, rates):
    """Tune the matrices in `names` with LoRA. Return these matrices, with their adapters merged in, and the losses."""
    rows = [targets(ids[None], answer_mask(ids, *signs)[None]) for ids in conversations]
    adapters = {}
    for name in names:
        d_out, d_in = weights[name].shape
        adapters[f"{name}.a"], adapters[f"{name}.b"] = draw((4, d_in)) / d_in**0.5, torch.zeros(d_out, 4)

    def with_adapters(now):
        return {name: merged(weights[name], now[f"{name}.a"], now[f"{name}.b"], 16) for name in names}

    batches = [rows[step % len(rows)] for step in range(len(rates))]
    learned, losses = learn(adapters, lambda ids, now: logits_of(ids, weights | with_adapters(now)), batches, rates)
    return list(with_adapters(dict(zip(adapters, learned))).values()), losses
