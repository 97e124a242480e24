"""Read a folder in the format of the Hugging Face hub, one tensor at a time, and convert the tensors to our layout."""

import re
from pathlib import Path
from typing import Any

from torch import Tensor

from llmlib.pretrained.config_fields import CheckpointError, Fields, read_json
from llmlib.pretrained.configs import HUB_FAMILIES, OWN, check_layers
from llmlib.pretrained.weight_names import GPT2_NAMES, LLAMA_NAMES, translate
from llmlib.pretrained.weights_file import check_tensor, checksums_of, file_checksum


class HubFolder:
    """A folder with `config.json` and `*.safetensors` for GPT-2, Llama, Mistral, Qwen2, Qwen3 or SmolLM2."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.raw = Fields(read_json(folder / "config.json"), folder / "config.json")
        self.family = self.raw.need("model_type", str)
        if self.family not in HUB_FAMILIES:
            raise CheckpointError(
                f"{self.raw.where}: the architecture {self.family!r} is not supported. "
                f"Supported: {', '.join(HUB_FAMILIES)} (SmolLM2 calls itself llama)."
            )
        self.tensors = self._table_of_tensors()
        self.config = HUB_FAMILIES[self.family](self.raw)
        self.where = folder / "config.json"
        check_layers(self.config, len(self.tensors), self.where)
        self.names = {"gpt2": GPT2_NAMES, OWN: None}.get(self.family, LLAMA_NAMES)

    def tensor(self, name: str) -> Tensor:
        """Return the parameter that is called `name` in our `Transformer`, in the file's own precision."""
        theirs = self._their_name(name)
        value = self._read(theirs)
        if self.family == "gpt2" and value.ndim == 2 and name.startswith("blocks"):
            value = value.T  # GPT-2 stores its matrices as (in, out)
        if theirs.endswith((".c_attn.weight", ".c_attn.bias")):
            part = ("query", "key", "value").index(name.split(".")[-2])
            value = value.chunk(3, dim=0)[part]
        return value

    def changed(self) -> list[str]:
        """Return the files that were changed, damaged or deleted after they were saved with the weights."""
        now = {name: file_checksum(path) if (path := self.folder / name).is_file() else None for name in self.others}
        return [name for name, sum in self.others.items() if now[name] != sum]

    def unused(self, used: set[str]) -> set[str]:
        """Return the files' tensors that match none of our parameters; they suggest a different architecture."""
        theirs = {self._their_name(name) for name in used}
        harmless = re.compile(r"lm_head\.weight|.*\.attn\.(masked_)?bias|.*rotary_emb\.inv_freq")
        return {name for name in self.tensors if name not in theirs and not harmless.fullmatch(name)}

    def _their_name(self, name: str) -> str:
        return name if self.names is None else translate(name, self.names)

    def _table_of_tensors(self) -> dict[str, Path]:
        """Return which file contains each tensor, according to the headers of the files."""
        import safetensors

        index = self.folder / "model.safetensors.index.json"
        if index.is_file():
            listed = Fields(read_json(index), index).need("weight_map", dict)
            files = sorted({self.folder / Path(str(name)).name for name in listed.values()})
        else:
            files = sorted(self.folder.glob("*.safetensors"))
        if not files:
            pickled = any(self.folder.glob("*.bin"))
            raise CheckpointError(
                f"{self.folder} contains no *.safetensors file."
                + (
                    " Its *.bin files are pickles, which can run code when loaded, so they are not read."
                    if pickled
                    else ""
                )
            )
        table: dict[str, Path] = {}
        self.sums: dict[str, Any] = {}
        self.others: dict[str, Any] = {}
        for file in files:
            try:
                with safetensors.safe_open(file, framework="pt") as opened:
                    table |= {name.removeprefix("transformer."): file for name in opened.keys()}  # noqa: SIM118
                    sums, others = checksums_of(opened.metadata(), opened.keys())
                    self.sums, self.others = self.sums | sums, self.others | others
            except FileNotFoundError:
                raise CheckpointError(f"{index} lists {file.name}, which is missing. Download it again.") from None
            except (safetensors.SafetensorError, OSError, ValueError) as error:
                raise CheckpointError(f"{file} is truncated or damaged ({error}). Download it again.") from error
        return table

    def _read(self, theirs: str) -> Tensor:
        import safetensors

        if theirs not in self.tensors:
            raise CheckpointError(f"{self.folder}: tensor {theirs!r} is missing, but config.json asks for it.")
        file = self.tensors[theirs]
        with safetensors.safe_open(file, framework="pt") as opened:
            stored = opened.keys()
            tensor = opened.get_tensor(theirs if theirs in stored else f"transformer.{theirs}")
        check_tensor(tensor, self.sums.get(theirs), f"{file}: {theirs}")
        return tensor
