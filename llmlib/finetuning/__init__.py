"""Tune a model on examples.

`tune` teaches a model to answer like the assistant in conversations, by training all weights or a LoRA. `conversations`
reads conversations from a JSONL file, `chat_data` makes batches in which only the answers are targets, and `sft`
(supervised fine-tuning) passes both to `llmlib.training`. `lora` adds small trainable matrices to a frozen model,
`adapters` saves and loads these matrices in peft's format, and `updates` measures what tuning changed. `tales` makes
conversations with known answers, and `scores` counts right answers; `cli` is the command `llmlib tune`.
"""

from typing import TYPE_CHECKING

from llmlib._lazy import lazy

if TYPE_CHECKING:
    from llmlib.finetuning.adapters import load_adapter as load_adapter
    from llmlib.finetuning.adapters import save_adapter as save_adapter
    from llmlib.finetuning.chat_data import ChatData as ChatData
    from llmlib.finetuning.conversations import read_conversations as read_conversations
    from llmlib.finetuning.lora import LoRAConfig as LoRAConfig
    from llmlib.finetuning.lora import apply_lora as apply_lora
    from llmlib.finetuning.sft import start_tokens as start_tokens
    from llmlib.finetuning.sft import tune as tune

__all__, __getattr__, __dir__ = lazy(
    __name__,
    {
        **dict.fromkeys(("load_adapter", "save_adapter"), "llmlib.finetuning.adapters"),
        "ChatData": "llmlib.finetuning.chat_data",
        "read_conversations": "llmlib.finetuning.conversations",
        **dict.fromkeys(("LoRAConfig", "apply_lora"), "llmlib.finetuning.lora"),
        **dict.fromkeys(("start_tokens", "tune"), "llmlib.finetuning.sft"),
    },
)
