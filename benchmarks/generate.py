"""Claim: `generate` with SmolLM2 is at least 1.2x as fast as `transformers.generate`, and at least 1.8x in bf16.

Both functions decode greedily with a cache, and write the same tokens after the same prompt. They take turns in one
process; the script prints medians of the rounds. The reference runs in fp32. Our `generate` in bf16 is also compared
with itself in fp32. For a single row, `llmlib.linear` uses all cores in fp32; in bf16, it reads half as many bytes.
"""

import statistics
import time

import torch
import transformers

from llmlib import Sampler, generate, load_pretrained
from llmlib.devices import choose
from llmlib.tokenization.published import smollm2_file

NEW_TOKENS, ROUNDS = 100, 5
PROMPT = "The history of the lighthouse begins long before electricity, when keepers"


def seconds(run) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def main() -> None:
    name = "smollm2-135m-instruct"
    model, tokenizer = load_pretrained(name, device="cpu", dtype="float32")
    half, _ = load_pretrained(name, device="cpu", dtype="bfloat16")
    file = smollm2_file()
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, dtype=torch.float32
    ).eval()
    ids = torch.tensor([tokenizer.encode(PROMPT)])
    greedy = Sampler(temperature=0)

    def ours(of):
        return lambda: list(generate(of, ids[0], NEW_TOKENS, greedy, end_ids=()))

    def reference():
        with torch.inference_mode():
            return theirs.generate(
                ids,
                max_new_tokens=NEW_TOKENS,
                min_new_tokens=NEW_TOKENS,
                do_sample=False,
                pad_token_id=0,
                attention_mask=torch.ones_like(ids),
                eos_token_id=[],
                repetition_penalty=1.0,
            )

    same = ours(model)() == reference()[0, ids.shape[1] :].tolist()
    runs = {"transformers fp32": reference, "llmlib fp32": ours(model), "llmlib bf16": ours(half)}
    measured = {label: [] for label in runs}
    for _ in range(ROUNDS):
        for label, run in runs.items():
            measured[label].append(NEW_TOKENS / seconds(run))
    print(
        f"{NEW_TOKENS} tokens after a prompt of {ids.shape[1]}, {torch.get_num_threads()} threads; same tokens: {same}"
    )
    print(f"bfloat16 in hardware: {choose('cpu').dtype == torch.bfloat16}")
    for label, rates in measured.items():
        print(
            f"{label:18} {statistics.median(rates):7.1f} tokens/s   (of {ROUNDS}: {min(rates):.1f} … {max(rates):.1f})"
        )
    for above, below, claim in (
        ("llmlib fp32", "transformers fp32", "   (claim: at least 1.2x)"),
        ("llmlib bf16", "transformers fp32", "   (claim: at least 1.8x)"),
        ("llmlib bf16", "llmlib fp32", ""),
    ):
        ratio = statistics.median(a / b for a, b in zip(measured[above], measured[below]))
        print(f"{above} / {below}: {ratio:.2f}x{claim}")


if __name__ == "__main__":
    main()
