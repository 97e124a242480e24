"""Tuning a model on examples: `tune` teaches it the assistant's part of conversations.

`conversations` reads them from a JSONL file, `chat_data` makes batches of them in which the answers alone count, `sft`
(supervised fine-tuning) brings both to `llmlib.training`; `tales` makes conversations whose right answers are known,
`scores` counts the right ones; `cli` is the command `llmlib tune`.
"""

from typing import TYPE_CHECKING

from llmlib._lazy import lazy

if TYPE_CHECKING:
    from llmlib.finetuning.chat_data import ChatData as ChatData
    from llmlib.finetuning.conversations import read_conversations as read_conversations
    from llmlib.finetuning.sft import start_tokens as start_tokens
    from llmlib.finetuning.sft import tune as tune

__all__, __getattr__, __dir__ = lazy(
    __name__,
    {
        "ChatData": "llmlib.finetuning.chat_data",
        "read_conversations": "llmlib.finetuning.conversations",
        **dict.fromkeys(("start_tokens", "tune"), "llmlib.finetuning.sft"),
    },
)
