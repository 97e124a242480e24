"""Make the course's own base model, `load_pretrained("tinytales")`, from nothing: about 20 minutes on two cores.

    python data/make_tinytales.py

trains it (a run that was stopped goes on), scores it, and writes the model and its card. Everything that decides the
result stands in this file.
"""

import argparse
from pathlib import Path

import torch

from llmlib import Transformer, TransformerConfig
from llmlib.corpora.reading import ReadingBook, page
from llmlib.corpora.tinytales import tinytales
from llmlib.tokenization import BPETokenizer
from llmlib.training import TrainConfig, train

SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")  # the last two wait for instruction tuning
VOCAB_SIZE, PAGES_FOR_TOKENIZER, MAX_SEQ_LEN = 2048, 4000, 512
RUN = TrainConfig(
    steps=3000, batch_size=8, seq_len=448, optimizer="muon", learning_rate=4e-3, matrix_learning_rate=1e-2,
    betas=(0.9, 0.98), weight_decay=0.05, warmup=50, schedule="wsd", decay_share=0.6, dtype="bfloat16", seed=0,
    validate_every=250, validation_batches=16, save_every=250,
)  # fmt: skip


def make_tokenizer() -> BPETokenizer:
    text = "\n\n".join(page(story) for story in tinytales(seed=0, n_stories=PAGES_FOR_TOKENIZER))
    return BPETokenizer.train(text, VOCAB_SIZE, special_tokens=SPECIAL_TOKENS)


def make_model(tokenizer: BPETokenizer) -> Transformer:
    """Four layers of 256, 4.2 million weights.

    It starts from larger weights than GPT-2's: from embeddings that differ little, names that stand in the same places
    become almost one vector before the model begins to carry them along.
    """
    end_id = tokenizer.special_tokens["<|endoftext|>"]
    config = TransformerConfig(
        vocab_size=VOCAB_SIZE, max_seq_len=MAX_SEQ_LEN, d_model=256, n_layers=4, n_heads=8, d_mlp=672,
        positions="rotary", norm="rmsnorm", mlp="swiglu", qk_norm=True, tied_embeddings=False, end_ids=(end_id,),
    )  # fmt: skip
    model = Transformer(config, seed=0)
    with torch.no_grad():
        model.embed.weight *= 10
        for parameter in model.blocks.parameters():
            if parameter.ndim == 2:
                parameter *= 2
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--run", type=Path, default=Path("runs/tinytales"), help="folder of checkpoints and the log")
    folder = parser.parse_args().run
    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    end_id = model.config.end_ids[0]
    run = train(
        model,
        ReadingBook(tokenizer, end_id=end_id),
        RUN,
        validation=ReadingBook(tokenizer, end_id=end_id, split="validation"),
        folder=folder,
        resume=True,
    )
    with open(folder / "log.csv", "a", encoding="utf-8") as log:
        for step in run:
            log.write(f"{step.step},{step.loss:.4f},{step.validation_loss or ''},{step.tokens_per_second:.0f}\n")
            if step.step % 50 == 0 or step.validation_loss:
                print(step, flush=True)
                log.flush()


if __name__ == "__main__":
    main()
