"""Hold a conversation with one model, or with several models side by side.

`controller` carries out the user's actions, `conversation` stores what was said, and each speaker in `speakers` writes
an answer token by token.
"""

from llmlib.explore.chat.controller import compare_chats, explore_chat
from llmlib.explore.chat.speakers import Speaker

__all__ = ["Speaker", "compare_chats", "explore_chat"]
