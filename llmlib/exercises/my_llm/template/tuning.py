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
    generator, special = torch.Generator().manual_seed(seed), tokenizer.special
    texts = [torch.tensor(tokenizer.encode(chat_text(messages))[: config.max_seq_len]) for messages in talks]
    masks = [answer_mask(ids, special["<|assistant|>"], special["<|endoftext|>"]) for ids in texts]
    rows = [targets(ids[None], mask[None]) for ids, mask in zip(texts, masks) if mask.any()]
    chosen = {name: w for name, w in weights.items() if name.endswith(("query.weight", "value.weight"))}
    detours = {f"{n}.b": torch.zeros(w.shape[0], rank) for n, w in chosen.items()}
    for n, w in chosen.items():
        detours[f"{n}.a"] = torch.randn(rank, w.shape[1], generator=generator) / w.shape[1] ** 0.5

    def with_detours(detours):
        return weights | {n: merged(w, detours[f"{n}.a"], detours[f"{n}.b"], alpha) for n, w in chosen.items()}

    rates = [learning_rate_at(step, steps, 0, peak) for step in range(steps)]
    batches = [rows[step % len(rows)] for step in range(steps)]
    detours, losses = train(detours, lambda ids, d: llama_logits(ids, with_detours(d), config), batches, rates)
    return with_detours(detours), losses
