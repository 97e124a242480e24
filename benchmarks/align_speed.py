"""Claim: `align` takes at most half as long per step as a plain loop: it reads each prompt once, not 8 times.

A step has 8 prompts with 8 answers each. The model is the course's small model, tuned for a minute so that it ends its
answers. The plain loop is what people write first: it repeats the prompt for each answer, both for sampling and for the
gradients. Loss and optimizer are the same, but only `align` also measures its steps, for example the KL to a reference.
The two take turns in one process. The script prints medians of CPU seconds, which other programs hardly affect.
"""

import copy
import statistics
import time

import torch

from llmlib import Sampler, TrainConfig, encode_chat, generate, load_pretrained
from llmlib.chat import TALES, with_chat_template
from llmlib.finetuning import start_tokens, tales, tune
from llmlib.preferences import AlignConfig, align, group_advantages, log_probs_of, policy_gradient_loss, response_batch
from llmlib.training import make_optimizers

PROMPTS, SAMPLES, LONGEST, ROUNDS = 8, 8, 24, 5
MUON = {"optimizer": "muon", "learning_rate": 3e-3, "matrix_learning_rate": 6e-3, "weight_decay": 0.0}


def reward(prompts, answers) -> list[float]:
    return [float(answer == prompt.answer) for prompt, answer in zip(prompts, answers)]


def plain_loop(model, tokenizer, prompts, config):
    """Take steps in a plain loop, with the same loss as `align`."""
    ends = sorted({*tokenizer.eos_ids, *model.config.end_ids})
    (optimizer,) = make_optimizers(model, config.training)
    for step in range(config.steps):
        some = [prompt for prompt in prompts[step * PROMPTS : (step + 1) * PROMPTS] for _ in range(SAMPLES)]
        rows = [encode_chat(tokenizer, prompt.messages) for prompt in some]
        width = max(map(len, rows))
        ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
        real = torch.tensor([[False] * (width - len(row)) + [True] * len(row) for row in rows])
        written = generate(model, ids, LONGEST, Sampler(), step, attention_mask=real, end_ids=ends)
        answers = []
        for row in torch.stack(list(written), dim=1).tolist():
            end = next((place for place, id in enumerate(row) if id in ends), len(row))
            answers.append(row[: end + 1])
        texts = [tokenizer.decode([id for id in row if id not in ends]).strip() for row in answers]
        advantages = group_advantages(torch.tensor(reward(some, texts)).reshape(PROMPTS, SAMPLES)).flatten()
        batch = response_batch(rows, answers)
        optimizer.zero_grad()
        log_probs = log_probs_of(model, batch.ids).log_probs
        old = log_probs.detach()
        policy_gradient_loss(log_probs, advantages, batch.mask, old_log_probs=old, clip=config.clip).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimizer.step()
        yield step


def seconds_of(run) -> float:
    started = time.process_time()
    next(run)
    return time.process_time() - started


def main() -> None:
    base, plain = load_pretrained("tinytales", device="cpu", dtype="float32")
    tokenizer = with_chat_template(plain, TALES)
    start_tokens(base, tokenizer, {"<|user|>": "\n", "<|assistant|>": "?"})
    talks = tales.training_conversations(96, kinds=tales.KINDS, balanced=False)
    list(tune(base, tokenizer, talks, TrainConfig(24, 4, 512, warmup=4, schedule="linear", **MUON)))
    prompts = tales.held_out_prompts(8, split="validation")
    config = AlignConfig(steps=ROUNDS + 1, prompts=PROMPTS, samples=SAMPLES, max_new_tokens=LONGEST, dtype="float32")
    runs = {
        "plain loop": plain_loop(copy.deepcopy(base), tokenizer, prompts, config),
        "align": align(copy.deepcopy(base), tokenizer, prompts, reward, config),
    }
    for run in runs.values():
        next(run)  # the first step is a warm-up
    measured: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            measured[name].append(seconds_of(run))
    length = sum(len(encode_chat(tokenizer, prompt.messages)) for prompt in prompts) / len(prompts)
    threads = torch.get_num_threads()
    print(f"{PROMPTS} prompts of {length:.0f} tokens on average, {SAMPLES} answers each; {threads} threads")
    for name, times in measured.items():
        spread = f"(of {ROUNDS}: {min(times):.2f} … {max(times):.2f})"
        print(f"{name:10} {statistics.median(times):6.2f} CPU s a step   {spread}")
    ratio = statistics.median(a / b for a, b in zip(measured["align"], measured["plain loop"]))
    print(f"align / plain loop: {ratio:.2f} of the time   (claim: at most 0.5)")
    print(f"30 steps of align: {30 * statistics.median(measured['align']):.0f} CPU s")


if __name__ == "__main__":
    main()
