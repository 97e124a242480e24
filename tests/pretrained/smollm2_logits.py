"""Store SmolLM2's logits from `transformers` in smollm2_logits.json, because reading the model's file takes 20 s.

python tests/pretrained/smollm2_logits.py       compute the logits again and store them
"""

import json
from pathlib import Path

FILE = Path(__file__).with_suffix(".json")
PROMPTS = (
    "The capital of France is",
    "def fibonacci(n):\n    if n",
    "  2 + 2 = 4, 3 + 3 =",
    "naïve café — 東京 🙂",
)
EVERY = 997  # of each token's 49,152 logits, we keep every 997th and the largest


def kept(logits):
    """Return the logits that we keep for one prompt: (token, vocab) -> (token, 51)."""
    import torch

    return torch.cat([logits[:, ::EVERY], logits.max(dim=-1, keepdim=True).values], dim=-1)


def main():
    import torch
    import transformers

    from llmlib.tokenization import load_tokenizer
    from llmlib.tokenization.published import smollm2_file

    model = transformers.AutoModelForCausalLM.from_pretrained(
        smollm2_file().parent, gguf_file=smollm2_file().name, dtype=torch.float32
    ).eval()
    tokenizer, made = load_tokenizer("smollm2"), []
    for prompt in PROMPTS:
        with torch.no_grad():
            logits = model(torch.tensor([tokenizer.encode(prompt)])).logits[0]
        made.append(
            {
                "prompt": prompt,
                "likeliest": logits.argmax(-1).tolist(),
                "logits": [[round(each, 4) for each in row] for row in kept(logits).tolist()],
            }
        )
    lines = ",\n".join(json.dumps(each, ensure_ascii=False) for each in made)
    FILE.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
