"""A conversation with a live model."""

import threading
import time
from collections.abc import Callable, Sequence

from llmlib.chat import CHAT_SAMPLER, chat, encode_chat
from llmlib.explore.interrupts import on_interrupt
from llmlib.sampling import Sampler
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Transformer
from llmlib.widgets.chat_view.view import ChatView

PAUSE = 0.05  # seconds: each message holds the whole conversation, and nobody reads faster


def explore_chat(
    model: Transformer,
    tokenizer: Tokenizer,
    messages: Sequence[dict[str, str]] = (),
    max_new_tokens: int = 256,
    sampler: Sampler = CHAT_SAMPLER,
    seed: int = 0,
    name: str = "Model",
) -> ChatView:
    """A conversation with the model, streamed; the Stop button, or an interrupt of the kernel, ends an answer and keeps
    what was said.

    A message without an answer, for example because it is too long, is no part of the conversation: the reader is
    told why, and gets it back to change it.
    """
    view = ChatView(messages=list(messages), name=name)
    conversation = _Chat(model, tokenizer, view, max_new_tokens, sampler, seed)
    view.on_act("message", conversation.message)
    view.on_act("stop", conversation.stop.set)
    view.on_act("clear", conversation.clear)
    return view


class _Chat:
    """Answers in a thread of its own, so that the kernel stays free to hear the Stop button."""

    def __init__(
        self,
        model: Transformer,
        tokenizer: Tokenizer,
        view: ChatView,
        max_new_tokens: int,
        sampler: Sampler,
        seed: int,
    ):
        self.model, self.tokenizer, self.view = model, tokenizer, view
        self.max_new_tokens, self.sampler, self.seed = max_new_tokens, sampler, seed
        self.stop = threading.Event()
        self.thread: threading.Thread | None = None
        self.unwatch: Callable[[], None] = lambda: None

    def message(self, text: str) -> None:
        if self.view.answering:
            raise ValueError("The model is still answering. Send your message when it is done, or press Stop first.")
        self.stop.clear()
        self.say(notice="", returned="")
        self.view.answering = True
        self.view.messages = [*self.view.messages, {"role": "user", "content": text}]
        self.thread = threading.Thread(target=self.respond, args=(list(self.view.messages),), daemon=True)
        self.unwatch = on_interrupt(self.stop.set)
        self.thread.start()

    def clear(self) -> None:
        self.stop.set()
        if self.thread:
            self.thread.join()
        self.view.messages = []
        self.say(notice="", returned="")

    def say(self, notice: str, returned: str) -> None:
        self.view.notice, self.view.returned = notice, returned

    def respond(self, conversation: list[dict[str, str]]) -> None:
        said, notice = "", "The model ended its answer before the first word. Ask in other words."
        shown = float("-inf")  # when
        self.seed += 1
        try:
            self.check_length(conversation)
            for piece in chat(self.model, self.tokenizer, conversation, self.max_new_tokens, self.sampler, self.seed):
                said += piece
                if time.monotonic() - shown > PAUSE:
                    self.view.messages = [*conversation, {"role": "assistant", "content": said}]
                    shown = time.monotonic()
                if self.stop.is_set():
                    break
            if said:
                notice = ""
        except Exception as error:  # shown to the reader; in a thread it would vanish
            notice = f"The answer broke off: {error}" if said else str(error)
        # A question without an answer must not go to the model with the next one.
        self.view.messages = [*conversation, {"role": "assistant", "content": said}] if said else conversation[:-1]
        self.say(notice, returned="" if said else conversation[-1]["content"])
        self.view.answering = False
        self.unwatch()

    def check_length(self, conversation: list[dict[str, str]]) -> None:
        """`chat` checks it too, but advises a programmer."""
        length, most = len(encode_chat(self.tokenizer, conversation)), self.model.config.max_seq_len
        if length > most:
            raise ValueError(
                f"With this message the conversation has {length:,} tokens, but the model can take {most:,} at most "
                "(its context). Shorten the message, or start over."
            )
