"""Check that the whole of `my_llm.py` agrees with the library on ids, logits, a continuation and a training run."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from llmlib.corpora import tinytales_text
from llmlib.corpora.datasets import TokenDataset
from llmlib.exercises.engine.errors import name_of
from llmlib.exercises.registry import find
from llmlib.pretrained import save_pretrained
from llmlib.pretrained.saving import write_tokenizer
from llmlib.sampling import Sampler, generate
from llmlib.tokenization import BPETokenizer
from llmlib.tokenization.patterns import SMOLLM2_PATTERN
from llmlib.training.loss import cross_entropy
from llmlib.transformer import Transformer, TransformerConfig

STEPS = 50
TEXTS = ("The capital of France is", 'Mia gave the red ball to Tom.\n\n"It\'s 1,024 now!" he said.', "naïve 日本 🙂")
CLOSE = 1e-3  # largest relative difference allowed in logits or losses: float32 sums depend on the order of the terms


@dataclass(frozen=True)
class Finding:
    ok: bool
    says: str


def check_small(module: ModuleType) -> Iterator[Finding]:
    """Check the file's ids, logits, training, tuning and alignment with small random models, within seconds."""
    model, tokenizer, text = small_model()
    with tempfile.TemporaryDirectory() as folder:
        save_pretrained(model, tokenizer, folder)
        try:
            weights, config, own = module.load(folder)
        except Exception as error:
            yield Finding(False, f"a small model's folder: raised {name_of(error)}")
            return
    yield from _all_of(
        module,
        [
            ("ids of a small model's tokenizer", lambda: same_ids(module, own, tokenizer, TEXTS)),
            ("logits of a small model", lambda: same_logits(module, weights, config, model, tokenizer)),
            (f"a training run of {STEPS} steps", lambda: same_training(module, model, tokenizer, text)),
            ("tuning on answers", lambda: tuning_learns(module)),
            ("aligning on rewards", lambda: rewards_rise(module)),
        ],
    )


def check_real(module: ModuleType, model: Transformer, tokenizer: Any) -> Iterator[Finding]:
    """Check the file's ids, logits, and likeliest continuation on a real model, such as SmolLM2."""
    weights, config = weights_of(model), config_of(module, model)
    with tempfile.TemporaryDirectory() as folder:
        write_tokenizer(tokenizer, Path(folder))
        own = module.read_tokenizer(Path(folder) / "tokenizer.json")
    yield from _all_of(
        module,
        [
            ("ids of SmolLM2's tokenizer", lambda: same_ids(module, own, tokenizer, TEXTS)),
            ("logits with SmolLM2's weights", lambda: same_logits(module, weights, config, model, tokenizer)),
            ("what SmolLM2 says next", lambda: same_continuation(module, weights, config, model, tokenizer)),
        ],
    )


def weights_of(model: Transformer) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.state_dict().items()}


def config_of(module: ModuleType, model: Transformer) -> Any:
    return module.Config(*(getattr(model.config, name) for name in module.Config._fields))


def _all_of(_: ModuleType, checks: list[tuple[str, Callable[[], str]]]) -> Iterator[Finding]:
    for name, check in checks:
        try:
            yield Finding(True, f"{name}: {check()}")
        except AssertionError as error:
            yield Finding(False, f"{name}: {error}")
        except Exception as error:
            yield Finding(False, f"{name}: raised {name_of(error)}")


def same_ids(module: ModuleType, own: Any, tokenizer: Any, texts: tuple[str, ...]) -> str:
    for text in texts:
        expected, got = tokenizer.encode(text), module.tokenize(text, own)
        assert got == expected, f"for {text!r} they are {got[:12]}, but llmlib's are {expected[:12]}"
        back = module.detokenize(got, own)
        assert back == text, f"{text!r} comes back as {back!r}"
    return f"the same for {len(texts)} texts"


def same_logits(module: ModuleType, weights: Any, config: Any, model: Transformer, tokenizer: Any) -> str:
    ids = torch.tensor([tokenizer.encode(TEXTS[1])])
    with torch.no_grad():
        expected, got = model(ids), module.llama_logits(ids, weights, config)
    assert got.shape == expected.shape, f"shape {tuple(got.shape)}, but llmlib's is {tuple(expected.shape)}"
    apart, largest = (got - expected).abs().max().item(), expected.abs().max().item()
    assert apart <= CLOSE * largest, f"up to {apart:.3g} away from llmlib's, the largest of which is {largest:.3g}"
    return f"the same as llmlib.Transformer's, to {apart:.1g} of {largest:.3g}"


def same_continuation(module: ModuleType, weights: Any, config: Any, model: Transformer, tokenizer: Any) -> str:
    ids = tokenizer.encode(TEXTS[0])
    expected = [int(id) for id in generate(model, ids, max_new_tokens=8, sampler=Sampler(temperature=0))]
    got = said_by(module, ids, weights, config, len(expected))
    assert got == expected, f"it is {tokenizer.decode(got)!r}, but llmlib's is {tokenizer.decode(expected)!r}"
    return f"{tokenizer.decode(ids + got)!r}, the same as llmlib's"


def said_by(module: ModuleType, ids: list[int], weights: Any, config: Any, n: int) -> list[int]:
    """Return the likeliest continuation, computed by the file's own loop."""
    with torch.no_grad():
        return module.write(lambda ids: module.llama_logits(ids, weights, config), ids, [0.5] * n, -1, 0, 1.0, 1.0)


def same_training(module: ModuleType, model: Transformer, tokenizer: Any, text: str) -> str:
    """Train the same model with the file's code and with llmlib's, and compare the losses.

    Both runs have the same initial weights, batches and learning rates; llmlib's run uses PyTorch's AdamW.
    """
    data, peak = TokenDataset(tokenizer.encode(text)), 3e-3
    batches = [data.batch(step, batch_size=4, seq_len=32, seed=0) for step in range(STEPS)]
    rates = [module.learning_rate_at(step, STEPS, 5, peak) for step in range(STEPS)]
    weights, config = weights_of(model), config_of(module, model)
    _, got = module.learn(weights, lambda ids, w: module.llama_logits(ids, w, config), batches, rates)
    expected, parameters = [], list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, betas=(0.9, 0.95), weight_decay=0.1)
    for step, (x, y) in enumerate(batches):
        optimizer.param_groups[0]["lr"] = find("training.learning_rate_at").reference(step, STEPS, 5, peak)
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        expected.append(loss.item())
    assert len(got) == STEPS, f"{len(got)} losses, not {STEPS}"
    for step, (mine, ours) in enumerate(zip(got, expected), start=1):
        assert abs(mine - ours) <= CLOSE * ours, f"at step {step}, the loss is {mine:.4f}, but llmlib's is {ours:.4f}"
    return f"loss {got[0]:.3f} at first, {got[-1]:.3f} at the end, the same as llmlib's model with PyTorch's AdamW"


def tuning_learns(module: ModuleType) -> str:
    """Tune the file's own small model on two questions and report the losses; its initial weights must not change."""
    said = (("1?", "2."), ("a?", "b."))
    talks = [[{"role": "user", "content": q}, {"role": "assistant", "content": a}] for q, a in said]
    weights, config, tokenizer = module.begin("1? 2. a? b. " * 9, n_merges=4)
    before = {name: weight.clone() for name, weight in weights.items()}
    rows = [torch.tensor(module.tokenize(module.chat_text(talk), tokenizer)) for talk in talks]
    signs = [tokenizer.special[name] for name in ("<|assistant|>", "<|endoftext|>")]
    names = [name for name in weights if name.endswith(("query.weight", "value.weight"))]
    tuned, losses = module.learn_answers(
        weights, lambda ids, now: module.llama_logits(ids, now, config), rows, signs, names, torch.ones, [2e-2] * 30
    )
    assert losses[-1] < losses[0], f"the loss on the answers went from {losses[0]:.3f} to {losses[-1]:.3f}"
    assert all(torch.equal(before[name], weights[name]) for name in weights), "tuning has changed the initial weights"
    assert len(tuned) == len(names), f"{len(tuned)} matrices, not {len(names)}"
    return f"loss on the answers {losses[0]:.2f} at first, {losses[-1]:.2f} at the end"


def rewards_rise(module: ModuleType) -> str:
    """Align the model: each ASCII byte in an answer earns ½, and others earn 0; the initial weights must not change."""
    weights, config, tokenizer = module.begin("1? 2. a? b. " * 9, n_merges=0)
    before = {name: weight.clone() for name, weight in weights.items()}
    question, chance = module.tokenize("a?", tokenizer), torch.Generator().manual_seed(0)

    def answers_to(asked: list[int], now: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        us = torch.rand(8, 2, generator=chance).tolist()
        drawn = [module.write(lambda ids: module.llama_logits(ids, now, config), asked, u, -1, 1, 1.0, 1.0) for u in us]
        mask = torch.tensor([[False] * len(asked) + [True] * 2] * 8)
        rewards = torch.tensor([sum(id < 128 for id in ids) / 2 for ids in drawn])
        return torch.tensor([[*asked, *map(int, ids)] for ids in drawn]), mask, rewards

    learned, earned = module.learn_by_reward(
        weights, lambda ids, now: module.llama_logits(ids, now, config), [question] * 4, answers_to, 4, 1e-2
    )
    assert earned[-1] > earned[0] + 0.1, f"the mean reward went from {earned[0]:.2f} to {earned[-1]:.2f}"
    assert all(torch.equal(before[name], weights[name]) for name in weights), "aligning has changed the initial weights"
    assert len(learned) == len(weights), f"{len(learned)} weights, not {len(weights)}"
    return f"mean reward {earned[0]:.2f} at first, {earned[-1]:.2f} at the end"


def small_model() -> tuple[Transformer, Any, str]:
    """Make a small Llama-family model, a tokenizer like SmolLM2's, and some text from TinyTales."""
    text = tinytales_text(20_000, seed=0)
    special = ("<|endoftext|>", "<|user|>", "<|assistant|>")
    tokenizer = BPETokenizer.train(text, 320, pattern=SMOLLM2_PATTERN, special_tokens=special)
    config = TransformerConfig(
        tokenizer.vocab_size,
        128,
        d_model=48,
        n_layers=2,
        n_heads=4,
        n_kv_heads=2,
        d_mlp=96,
        positions="rotary",
        norm="rmsnorm",
        mlp="swiglu",
    )
    return Transformer(config, seed=1), tokenizer, text
