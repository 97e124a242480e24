"""Build the playground, a page on which the course's own model runs in the browser: python docs/playground/build.py

The page uses the model's files from llmlib unchanged, and the views' own JavaScript. To answer questions, the model
needs tuning: the first build trains a LoRA (about a minute on one core) and stores it in llmlib's cache.
"""

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from llmlib import TrainConfig, load_pretrained
from llmlib.chat import TALES, with_chat_template
from llmlib.files.atomic import write_together
from llmlib.files.downloads import cache_dir
from llmlib.finetuning import LoRAConfig, apply_lora, save_adapter, start_tokens, tales, tune
from llmlib.pretrained.loading import TINYTALES
from llmlib.widgets.attention.view import AttentionView
from llmlib.widgets.next_token.view import NextTokenView
from llmlib.widgets.shared.base import javascript

HERE = Path(__file__).parent
MODEL = ("config.json", "tokenizer.json", "model.safetensors")
VIEWS = {"attention.mjs": AttentionView, "next_token.mjs": NextTokenView}
HOME = '<nav aria-label="Course"><a href="../index.html">← The course</a></nav>\n'
LORA = LoRAConfig(rank=8, alpha=16)
RUN = TrainConfig(
    48, 4, 512, optimizer="adamw", learning_rate=5e-3, betas=(0.9, 0.98), weight_decay=0.0, warmup=4, schedule="linear"
)
PREFIX, SUFFIX = "base_model.model.", ".weight"  # what peft adds to the names in its files


def build(target: Path, adapter: Path | None = None) -> None:
    """Write the page into the folder `target`; if the build is interrupted or fails, the folder stays unchanged.

    If the web edition is in the parent folder, the page links to it. `adapter` is the file that makes the model
    answer questions; by default, this is the file from `tuned_adapter`.
    """
    adapter = adapter or tuned_adapter()
    with write_together(target, key="index.html") as new:
        for name in MODEL:
            shutil.copyfile(TINYTALES / name, new / name)
        shutil.copyfile(adapter, new / "assistant.safetensors")
        link = HOME if (target.parent / "index.html").exists() else ""
        page = (HERE / "index.html").read_text(encoding="utf-8").replace("__HOME__", link)
        (new / "index.html").write_text(page, encoding="utf-8")
        for name in ("page.mjs", "theme.mjs", "worker.mjs"):
            (new / name).write_text(javascript(HERE / name), encoding="utf-8")
        for name, view in VIEWS.items():
            (new / name).write_text(view._esm, encoding="utf-8")
        sheets = [view._css for view in VIEWS.values()] + [(HERE / "page.css").read_text(encoding="utf-8")]
        (new / "page.css").write_text("".join(sheets), encoding="utf-8")
        (new / "offline.js").write_text(_offline(new), encoding="utf-8")


def _offline(folder: Path) -> str:
    """Return the service worker, which caches the files of `folder` until a file changes."""
    files = sorted(path.name for path in folder.iterdir())
    every = hashlib.sha256(b"".join(hashlib.sha256((folder / name).read_bytes()).digest() for name in files))
    source = (HERE / "offline.js").read_text(encoding="utf-8")
    named = json.dumps(["./", *files])
    return source.replace("__VERSION__", f"playground {every.hexdigest()[:12]}").replace("__FILES__", named)


def tuned_adapter() -> Path:
    """Return the LoRA that makes the model answer questions about a story; train it unless it is in the cache."""
    recipe = repr((LORA, RUN, TALES)).encode()
    key = hashlib.sha256(recipe + (TINYTALES / "model.safetensors").read_bytes()).hexdigest()[:12]
    path = cache_dir() / f"playground-{key}.safetensors"
    if not path.exists():
        print("Tuning the model to answer questions (once, about a minute) …", file=sys.stderr)
        make_adapter(path, RUN)
    return path


def make_adapter(path: Path, run: TrainConfig) -> None:
    """Tune as in lesson 08, but with a LoRA. The file holds A, scaled B, and the rows of the two new tokens."""
    model, tokenizer = load_pretrained("tinytales", device="cpu", dtype="float32")
    tokenizer = with_chat_template(tokenizer, TALES)
    start_tokens(model, tokenizer, {"<|user|>": "\n", "<|assistant|>": "?"})
    lora = apply_lora(model, LORA)
    for _step in tune(model, tokenizer, tales.training_conversations(run.steps * run.batch_size), run):
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_together(path.parent, key=path.name) as new:
        save_adapter(lora, new / "peft")
        tensors = {
            name.removeprefix(PREFIX).removesuffix(SUFFIX): tensor * (LORA.scale if "lora_B" in name else 1)
            for name, tensor in load_file(new / "peft" / "adapter_model.safetensors").items()
        }
        shutil.rmtree(new / "peft")
        first = min(tokenizer.special_tokens[name] for name in ("<|user|>", "<|assistant|>"))
        tensors["model.embed_tokens.rows"] = model.embed.weight[first:].detach()
        tensors["lm_head.rows"] = model.unembedding[first:].detach()
        save_file({name: tensor.to(torch.bfloat16).contiguous() for name, tensor in tensors.items()}, new / path.name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Build the playground.")
    parser.add_argument("--out", type=Path, default=HERE.parents[1] / "build" / "playground", help="the folder")
    out = parser.parse_args().out
    build(out)
    print(f"{out}: {sum(path.stat().st_size for path in out.iterdir()) / 1e6:.1f} MB")
    print(f"python -m http.server --directory {out}    then open http://localhost:8000")
