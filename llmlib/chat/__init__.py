"""Turn messages into a single text that a chat model can continue or learn from.

`templates` writes messages in the format that a model knows, `encoding` turns the formatted text into ids, with a mask
that marks what the assistant says, and `talking` lets a model answer.
"""

from llmlib.chat.encoding import check_turns, encode_chat, encode_chat_with_mask, with_chat_template
from llmlib.chat.talking import CHAT_SAMPLER, chat
from llmlib.chat.templates import CHATML, LLAMA3, TALES, Message

__all__ = [
    "CHATML",
    "CHAT_SAMPLER",
    "LLAMA3",
    "TALES",
    "Message",
    "chat",
    "check_turns",
    "encode_chat",
    "encode_chat_with_mask",
    "with_chat_template",
]
