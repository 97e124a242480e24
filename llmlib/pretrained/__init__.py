"""Run the published weights of GPT-2, Llama, Mistral, Qwen2, Qwen3 and SmolLM2 in our `Transformer`.

`load_pretrained` reads a model, and `save_pretrained` writes one. A checkpoint is a folder in the Hugging Face hub's
format (`hub_folder`), a training run's folder (`run_folder`), or a GGUF file (`gguf_checkpoint`). `configs` and
`weight_names` translate other libraries' names, `config_fields` checks the settings, and `weights_file` detects weights
that have changed since they were saved.
"""

from llmlib.pretrained.config_fields import CheckpointError
from llmlib.pretrained.loading import fill, load_pretrained
from llmlib.pretrained.saving import OwnFormatWarning, save_pretrained

__all__ = ["CheckpointError", "OwnFormatWarning", "fill", "load_pretrained", "save_pretrained"]
