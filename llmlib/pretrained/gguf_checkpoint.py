"""Read a GGUF file tensor by tensor, and convert it to our layout."""

from pathlib import Path

import torch
from torch import Tensor

from llmlib.embeddings import split_heads_from_interleaved
from llmlib.files.gguf_file import GGUFFile, read_gguf
from llmlib.pretrained.configs import check_layers, config_from_gguf
from llmlib.pretrained.weight_names import GGUF_NAMES, translate


class GGUFCheckpoint:
    """A GGUF file of a Llama-family model (Llama, Mistral, SmolLM2, Qwen2, Qwen3), with any quantisation."""

    def __init__(self, path: Path):
        self.gguf: GGUFFile = read_gguf(path)
        self.config = config_from_gguf(self.gguf)
        self.where = path
        check_layers(self.config, len(self.gguf.tensors), self.where)

    def tensor(self, name: str) -> Tensor:
        """Return the parameter that is called `name` in our `Transformer`, dequantised to float32."""
        value = torch.from_numpy(self.gguf.tensor(translate(name, GGUF_NAMES)))
        if self.gguf.metadata["general.architecture"] == "llama" and ".attention.query." in name:
            return _split(value, self.config.n_heads)
        if self.gguf.metadata["general.architecture"] == "llama" and ".attention.key." in name:
            return _split(value, self.config.n_kv_heads)
        return value

    def unused(self, used: set[str]) -> set[str]:
        """Return the file's tensors that match none of our parameters; they suggest a different architecture."""
        return set(self.gguf.tensors) - {translate(name, GGUF_NAMES) for name in used} - {"rope_freqs.weight"}


def _split(value: Tensor, n_heads: int) -> Tensor:
    """Reorder the channels of each head.

    llama.cpp rotates pairs of neighbouring channels, but our pairs consist of one channel from each half of the head.
    """
    if value.shape[0] % (2 * n_heads):
        return value  # the shape is wrong; `fill` reports this with the tensor's name
    return split_heads_from_interleaved(value, n_heads)
