"""Claim: without hooks, hook points cost the forward pass almost nothing (at most 1%).

The reference is the same model with every hook point removed from its modules, so that values are passed on directly.
"""

import inspect
import re
import statistics
import textwrap
import time

import torch

from llmlib import Transformer, TransformerConfig, attention, layers, transformer
from llmlib.hooks import HookPoint

SMOLLM2 = TransformerConfig(
    vocab_size=49152,
    max_seq_len=512,
    d_model=576,
    n_layers=30,
    n_heads=9,
    n_kv_heads=3,
    d_mlp=1536,
    positions="rotary",
    norm="rmsnorm",
    mlp="swiglu",
)
SMALL = TransformerConfig(vocab_size=1000, max_seq_len=512, d_model=128, n_layers=4, n_heads=4)


def without_hooks(function, module):
    """Return the function with `self.hook_x(value)` replaced by `(value)` and `self.hook_x.has_hooks` by `False`."""
    source = textwrap.dedent(inspect.getsource(function))
    source = re.sub(r"self\.hook_\w+\.has_hooks", "False", source)
    source, number = re.subn(r"self\.hook_\w+\(", "(", source)
    assert number, function
    scope: dict = {}
    exec(source, vars(module), scope)
    return scope[function.__name__]


PARTS = [(attention, "Attention"), (layers, "MLP"), (transformer, "Block"), (transformer, "Transformer")]
BARE = {
    kind: type(f"Bare{kind.__name__}", (kind,), {"forward": without_hooks(kind.forward, module)})
    for module, kind in ((module, getattr(module, name)) for module, name in PARTS)
}


def bare_copy(model):
    """Return a copy of the model without hook points; it shares the weights, because their place in memory matters."""
    copy = Transformer(model.config, seed=None, device="meta")
    copy.load_state_dict(model.state_dict(), assign=True)
    for part in list(copy.modules()):
        part.__class__ = BARE.get(type(part), type(part))
        for name in [name for name, child in part.named_children() if isinstance(child, HookPoint)]:
            delattr(part, name)
            del part.__dict__[name]
    return copy


def compare(models, ids, cached, passes):
    """Return how many seconds each pass of each model took; they take turns, so a busy machine slows both alike."""
    caches = [model.new_cache() if cached else None for model in models]
    for model, cache in zip(models, caches):
        model(ids, cache=cache)
    ids = ids[:, -1:] if cached else ids
    times: list[list[float]] = [[] for _ in models]
    for number in range(passes):
        for which in (0, 1) if number % 2 else (1, 0):
            cache = caches[which]
            if cache:
                cache.length = models[which].config.max_seq_len // 4
            started = time.perf_counter()
            models[which](ids, cache=cache)
            times[which].append(time.perf_counter() - started)
    return times


@torch.inference_mode()
def main() -> None:
    print(f"{'':34}{'hook points':>14}{'without':>12}   ratio of the medians, of the quickest")
    for label, config, seq, cached, passes in (
        ("4 layers × 128, 128 tokens", SMALL, 128, False, 600),
        ("4 layers × 128, one more token", SMALL, 128, True, 3000),
        ("SmolLM2's shape, 128 tokens", SMOLLM2, 128, False, 12),
        ("SmolLM2's shape, one more token", SMOLLM2, 128, True, 100),
    ):
        model = Transformer(config)
        bare = bare_copy(model)
        ids = torch.arange(seq)[None]
        torch.testing.assert_close(model(ids), bare(ids), atol=0, rtol=0)
        ours, theirs = compare((model, bare), ids, cached, passes)
        medians = statistics.median(ours), statistics.median(theirs)
        print(
            f"{label:34}{1000 * medians[0]:11.3f} ms{1000 * medians[1]:9.3f} ms"
            f"   {medians[0] / medians[1]:.3f}, {min(ours) / min(theirs):.3f}"
        )
    print("claim: at most 1.01")


if __name__ == "__main__":
    main()
