"""Read and write LoRAs in `peft`'s format, as folders of a few megabytes that change what a base model does.

In a folder, `adapter_model.safetensors` stores the matrices A and B of each adapted linear map under the name that the
map has in `transformers`; `adapter_config.json` says how A and B are scaled. We read what `peft` writes, and `peft`
reads what we write. The maps have the names that the Llama family uses (Llama, Mistral, Qwen2, Qwen3, SmolLM2, and the
course's model).
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from llmlib.files.atomic import atomic_write, write_together
from llmlib.files.checked_json import field, naming, short
from llmlib.finetuning.lora import GROUPS, LoRA, LoRAConfig, apply_lora, maps_of
from llmlib.pretrained.config_fields import CheckpointError, read_json
from llmlib.pretrained.weight_names import LLAMA_NAMES, translate
from llmlib.pretrained.weights_file import read_weights, write_weights
from llmlib.settings import SettingsError
from llmlib.transformer import Transformer

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
ABOUT = "llmlib_adapter"  # metadata key in the weights file, for a copy of the config file
PREFIX = "base_model.model."  # peft wraps the model twice
ORIGINAL_BASE = (True, False, "gaussian", "orthogonal", "eva")  # initialisations that do not change the base model
NO_MATTER = {  # settings that do not change what a trained adapter computes
    "auto_mapping",
    "base_model_name_or_path",
    "exclude_modules",
    "inference_mode",
    "layers_pattern",
    "lora_dropout",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "revision",
    "task_type",
}
READ = {"peft_type", "r", "lora_alpha", "target_modules", "use_rslora", "init_lora_weights", "bias"}


class AdapterError(ValueError):
    """Raised when a LoRA file is damaged, unsupported, or made for a different model; the message says which."""


def save_adapter(lora: LoRA, folder: Path | str, base_model: str | None = None) -> None:
    """Write a LoRA into a folder that `peft.PeftModel.from_pretrained(base, folder)` can read.

    `base_model` tells people where to find the base model: it is an id on the Hugging Face hub, or a folder. An old
    adapter in the folder is replaced completely or not at all. The weights carry a copy of the settings, so
    `load_adapter` can repair a folder if the process died after writing only the weights. Raises `AdapterError` if we
    cannot write to the folder, and `ValueError` for a LoRA that was removed.

        save_adapter(lora, "my-adapter", "HuggingFaceTB/SmolLM2-135M-Instruct")
    """
    if not lora.maps:
        raise ValueError(
            "This LoRA was removed from its model, so there is nothing to save. Save it before you call remove()."
        )
    tensors = {_file_name(n, p): getattr(m, p).detach().cpu().contiguous() for n, m in lora.maps.items() for p in "AB"}
    c = lora.config
    about = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_model,
        "inference_mode": True,
        "r": c.rank,
        "lora_alpha": c.alpha,
        "use_rslora": c.rslora,
        "target_modules": sorted({_their_name(name).rpartition(".")[2] for name in lora.maps}),
        "lora_dropout": 0.0,
        "bias": "none",
    }
    folder, written = Path(folder), json.dumps(about, indent=2)
    try:
        with write_together(folder, key=CONFIG) as new:
            write_weights(tensors, new / WEIGHTS, **{ABOUT: written})
            (new / CONFIG).write_text(written, encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise AdapterError(f"The LoRA could not be written to {folder} ({error}). Choose another folder.") from error


def load_adapter(model: Transformer, folder: Path | str) -> LoRA:
    """Apply the LoRA in a folder to a model; return the LoRA, which you can switch off, merge, or train further.

    Raises `AdapterError` for a file that is missing or damaged, settings that we do not support, or an adapter for a
    different model (the message says which name or shape does not fit), and `ValueError` for a model that already has a
    LoRA. The model changes only if everything fits.

    >>> import tempfile
    >>> from llmlib import TransformerConfig
    >>> config = TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=2, n_heads=2)
    >>> model, folder = Transformer(config), tempfile.mkdtemp()
    >>> save_adapter(apply_lora(model, LoRAConfig(rank=2, targets="attention")), folder)
    >>> load_adapter(Transformer(config), folder)
    LoRA(rank 2 on query, key, value, output: 512 weights, 7.77%; on)
    """
    folder = Path(folder)
    there = {name.rpartition(".")[2] for name in maps_of(model)}
    tensors, written = None, None
    if (folder / WEIGHTS).is_file():
        tensors, written = _read_tensors(folder / WEIGHTS)
    if not (folder / CONFIG).is_file():
        if written is None:
            raise AdapterError(f"There is no LoRA in {folder}: {CONFIG} is missing. Pass the folder that contains it.")
        with atomic_write(folder / CONFIG) as file:  # the saving process died before it wrote this file
            file.write(written.encode())
    with naming(folder / CONFIG, AdapterError):
        config = _read_config(_record(folder / CONFIG))
        if lacking := [_their_kind(kind) for kind in config.names if kind not in there]:
            raise AdapterError(f"the LoRA is for a different model: this model's blocks have no {lacking[0]}.")
    if tensors is None:
        tensors, _ = _read_tensors(folder / WEIGHTS)
    with naming(folder / WEIGHTS, AdapterError):
        _check(tensors, model, config)
    with naming(folder / WEIGHTS, AdapterError):
        saved = config if written is None else _read_config(json.loads(written))
    if saved != config:
        raise AdapterError(
            f"{folder / CONFIG} does not match the settings that were saved with the weights. Delete this file, and "
            "load_adapter will recreate it from the weights."
        )
    lora = apply_lora(model, config)
    with torch.no_grad():
        for name, module in lora.maps.items():
            module.A.copy_(tensors[_file_name(name, "A")])
            module.B.copy_(tensors[_file_name(name, "B")])
    return lora


def _their_name(name: str) -> str:
    """Return what `transformers` calls a map: `blocks.0.mlp.up` becomes `model.layers.0.mlp.up_proj`."""
    return translate(f"{name}.weight", LLAMA_NAMES).removesuffix(".weight")


def _their_kind(kind: str) -> str:
    """Return what `transformers` calls a kind of map: `up` becomes `up_proj`."""
    part = "attention" if kind in GROUPS["attention"] else "mlp"
    return _their_name(f"blocks.0.{part}.{kind}").rpartition(".")[2]


def _file_name(name: str, part: str) -> str:
    return f"{PREFIX}{_their_name(name)}.lora_{part}.weight"


def _record(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except CheckpointError as error:
        raise AdapterError(str(error)) from error


def _read_config(record: dict[str, Any]) -> LoRAConfig:
    """Read the settings; raise `AdapterError` or `FormatError` for the first setting that we do not support."""
    if (kind := field(record, "peft_type", str, CONFIG)) != "LORA":
        raise AdapterError(f"the adapter is of type {short(kind)}; only LORA is supported.")
    begun = record.get("init_lora_weights", True)
    if begun not in ORIGINAL_BASE:
        raise AdapterError(
            f"init_lora_weights={short(begun)} changes the base model's weights, which is not supported. "
            'peft can convert the adapter: save_pretrained(…, path_initial_model_for_weight_conversion="…").'
        )
    if (bias := record.get("bias", "none")) != "none":
        raise AdapterError(f"bias={short(bias)} is not supported: only A and B can be trained.")
    for name, value in record.items():  # peft writes None, False or an empty value for unused features
        if name not in NO_MATTER | READ and value:
            raise AdapterError(
                f"{name}={short(value)} is not supported: each linear map must have only an A and a B, and the "
                "rank must be the same everywhere."
            )
    try:
        return LoRAConfig(
            rank=_positive(record, "r", int),
            alpha=_positive(record, "lora_alpha", (int, float)),
            targets=_targets(field(record, "target_modules", list, CONFIG)),
            rslora=field(record, "use_rslora", bool, CONFIG, False),
        )
    except SettingsError as error:
        raise AdapterError(str(error)) from None


def _positive(record: dict[str, Any], name: str, kinds: Any) -> Any:
    value = field(record, name, kinds, CONFIG)
    if not 0 < value < float("inf"):
        raise AdapterError(f"{name} must be greater than 0, got {value}.")
    return value


def _targets(theirs: list[Any]) -> tuple[str, ...]:
    ours = {_their_kind(kind): kind for kind in GROUPS["all"]}
    for name in theirs:
        if not isinstance(name, str) or name not in ours:
            raise AdapterError(
                f"the target module {short(name)} is not supported; it must be one of {', '.join(ours)} "
                "(the linear maps in Llama-family blocks; GPT-2's c_attn combines three of these)."
            )
    if not theirs:
        raise AdapterError("target_modules is empty.")
    return tuple(kind for name, kind in ours.items() if name in theirs)


def _read_tensors(path: Path) -> tuple[dict[str, Tensor], str | None]:
    """Return the matrices, and the settings that llmlib stores with them (None if llmlib did not write the file)."""
    import safetensors

    if not path.is_file():
        pickled = (path.parent / "adapter_model.bin").is_file()
        why = " The *.bin file is a pickle, which can run code, so llmlib does not read it." if pickled else ""
        raise AdapterError(f"{path} is missing. Copy or download it again.{why}")
    try:
        tensors = read_weights(path)
        with safetensors.safe_open(path, framework="pt") as opened:
            about = (opened.metadata() or {}).get(ABOUT)
        if about is not None and not isinstance(json.loads(about), dict):
            raise ValueError("its settings cannot be read")
        return tensors, about
    except CheckpointError as error:
        raise AdapterError(f"{error} Copy or download it again.") from error
    except (safetensors.SafetensorError, OSError, ValueError, RecursionError) as error:
        raise AdapterError(f"{path} is truncated or damaged ({error}). Copy or download it again.") from error


def _check(tensors: dict[str, Tensor], model: Transformer, config: LoRAConfig) -> None:
    """Raise `AdapterError` unless these are precisely the tensors that the model needs, with the right shapes."""
    expected: dict[str, tuple[int, int]] = {}
    for name, module in maps_of(model, config).items():
        expected[_file_name(name, "A")] = (config.rank, module.in_features)
        expected[_file_name(name, "B")] = (module.out_features, config.rank)
    for name, shape in expected.items():
        if name in tensors and tuple(tensors[name].shape) != shape:
            raise AdapterError(
                f"the LoRA is for a different model, or damaged: {name} has the shape {tuple(tensors[name].shape)}, "
                f"but for this model and rank {config.rank} it must be {shape}."
            )
        if name in tensors and not tensors[name].is_floating_point():
            raise AdapterError(f"{name} has the dtype {tensors[name].dtype}; expected floating-point numbers.")
    layers = model.config.n_layers
    if missing := [name for name in expected if name not in tensors]:
        raise AdapterError(
            f"the LoRA is for a different model, or incomplete: {len(missing)} of {len(expected)} matrices are "
            f"missing; the first is {missing[0]} (this model has {layers} layers)."
        )
    if others := sorted(tensors.keys() - expected.keys()):
        raise AdapterError(
            f"the LoRA is for a different model: this model cannot use {len(others)} of the LoRA's matrices; "
            f"the first is {others[0]} (this model has {layers} layers)."
        )
