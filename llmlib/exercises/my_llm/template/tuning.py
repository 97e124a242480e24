"""From a model of texts to an assistant."""

import torch

from llmlib.exercises.my_llm.template.model import llama_logits
from llmlib.exercises.my_llm.template.training import learning_rate_at, train


def chat_text(messages):
    """A conversation as one text; after a question it ends where the answer has to begin."""
    text = ""
    for message in messages:
        if message["role"] == "user":
            text += "<|user|>" + message["content"]
        else:
            text += "<|assistant|> " + message["content"] + "<|endoftext|>"
    return text + "<|assistant|>" if messages[-1]["role"] == "user" else text


def answer_mask(ids, assistant, end):
    """True for the tokens that the assistant wrote, the end of each answer included."""
    mask, answering = torch.zeros_like(ids, dtype=torch.bool), False
    for place, id in enumerate(ids.tolist()):
        mask[place] = answering
        answering = id == assistant or (answering and id != end)
    return mask


def targets(ids, mask):
    """Inputs, and for each of them the next token; −100 where that is not to be learned."""
    return ids[:, :-1], ids[:, 1:].masked_fill(~mask[:, 1:], -100)


def merged(w, a, b, alpha):
    """The one matrix that does what w and its detour of low rank do together."""
    return w + alpha / a.shape[0] * (b @ a)


def tune(weights, config, tokenizer, talks, steps, peak=2e-3, rank=8, alpha=16.0, seed=0):
    """Learn the assistant's answers with LoRA beside queries and values. Returns the new weights, and the losses."""
    generator, rows, detours = torch.Generator().manual_seed(seed), [], {}
    assistant, end = tokenizer.special["<|assistant|>"], tokenizer.special["<|endoftext|>"]
    for messages in talks:
        ids = torch.tensor(tokenizer.encode(chat_text(messages))[: config.max_seq_len])
        if (mask := answer_mask(ids, assistant, end)).any():
            rows.append(targets(ids[None], mask[None]))
    chosen = [name for name in weights if name.endswith(("query.weight", "value.weight"))]
    for name in chosen:
        d_out, d_in = weights[name].shape
        detours[name + ".a"] = torch.randn(rank, d_in, generator=generator) / d_in**0.5
        detours[name + ".b"] = torch.zeros(d_out, rank)

    def with_detours(detours):
        return weights | {n: merged(weights[n], detours[n + ".a"], detours[n + ".b"], alpha) for n in chosen}

    rates = [learning_rate_at(step, steps, 0, peak) for step in range(steps)]
    batches = [rows[step % len(rows)] for step in range(steps)]
    detours, losses = train(detours, lambda ids, d: llama_logits(ids, with_detours(d), config), batches, rates)
    return with_detours(detours), losses
