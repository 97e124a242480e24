"""Live models in interactive views: the one place that knows both."""

import threading
from collections.abc import Sequence
from typing import Any

import torch

from llmlib.chat import CHAT_SAMPLER, chat, encode_chat
from llmlib.explore_attention import explore as explore
from llmlib.explore_embeddings import explore_embeddings as explore_embeddings
from llmlib.explore_embeddings import explore_rotary as explore_rotary
from llmlib.explore_stepper import step_attention as step_attention
from llmlib.explore_tokens import explore_tokens as explore_tokens
from llmlib.explore_tokens import step_bpe as step_bpe
from llmlib.sampling import Sampler
from llmlib.tokenization import Tokenizer
from llmlib.transformer import Transformer
from llmlib.widgets import ChatView, NextTokenView


def explore_next_token(
    model: Transformer, tokenizer: Tokenizer, prompt: str, n_candidates: int = 10, seed: int = 0
) -> NextTokenView:
    """A view of what the model expects after `prompt`: pick a token or let chance pick, and watch the text grow.

    Chance starts from `seed`. Raises `ValueError` if the prompt is empty or longer than the model's context.
    """
    view = NextTokenView()
    conductor = _NextToken(model, tokenizer, view, n_candidates, seed)
    conductor.begin(prompt)
    view.observe(conductor.answer, names="request")
    return view


class _NextToken:
    """Answers what the reader asks of a `NextTokenView`."""

    def __init__(self, model: Transformer, tokenizer: Tokenizer, view: NextTokenView, n_candidates: int, seed: int):
        self.model, self.tokenizer, self.view = model, tokenizer, view
        self.n_candidates = min(n_candidates, model.config.vocab_size)
        self.generator = torch.Generator().manual_seed(seed)
        self.ids: list[int] = []
        self.picked = 0

    def begin(self, prompt: str) -> None:
        ids = self.tokenizer.encode(prompt, add_bos=self.tokenizer.adds_bos)
        most = self.model.config.max_seq_len
        if not ids:
            raise ValueError("There is no text to continue. Type at least one word.")
        if len(ids) > most:
            raise ValueError(
                f"This text has {len(ids):,} tokens, but the model can take {most:,} at most (its context). "
                "Shorten the text."
            )
        self.think(ids, picked=0)

    def think(self, ids: list[int], picked: int) -> None:
        """One forward pass over `ids`, the last `picked` of them picked here; if it fails, the text so far stays."""
        with torch.inference_mode():
            batch = torch.tensor([ids], dtype=torch.long, device=self.model.device)
            self.logits = self.model(batch, last_only=True)[:, -1].float().cpu()
        self.ids, self.picked = ids, picked
        self.show()

    def show(self) -> None:
        sampler = Sampler(self.view.temperature)
        probabilities = sampler.probabilities(self.logits)[0]
        order = self.logits[0].topk(self.n_candidates).indices  # the same order at every temperature
        self.candidates = order.tolist()
        kept = probabilities[order]
        others = self.model.config.vocab_size - self.n_candidates
        with self.view.hold_sync():
            self.view.tokens = self.texts(self.ids)
            self.view.picked = self.picked
            self.view.candidates = self.texts(self.candidates)
            self.view.probabilities = kept.tolist()
            self.view.rest = f"{others:,} other tokens share the remaining {max(0.0, 1 - kept.sum().item()):.0%}."

    def texts(self, ids: Sequence[int]) -> list[str]:
        return [self.tokenizer.decode([id]) for id in ids]

    def append(self, id: int) -> None:
        most = self.model.config.max_seq_len
        if len(self.ids) >= most:
            raise ValueError(
                f"The text fills the model's context of {most:,} tokens; nothing can be added. "
                "Take tokens back with Undo, or use a shorter text."
            )
        self.think([*self.ids, id], self.picked + 1)

    def draw(self, times: int) -> None:
        for _ in range(times):
            if self.picked and self.ids[-1] in self.model.config.end_ids:
                return  # the text has ended
            self.append(int(Sampler(self.view.temperature)(self.logits, self.generator)))

    def answer(self, change: Any) -> None:
        request = change["new"]
        kind = request.get("kind")
        self.view.notice = ""  # now, so that the same notice, if it comes again, is read aloud again
        try:
            if kind == "prompt":
                self.begin(request["text"])
            elif kind == "pick":
                self.append(self.candidates[request["index"]])
            elif kind in ("draw", "draw10"):
                self.draw(10 if kind == "draw10" else 1)
            elif kind == "undo" and self.picked:
                self.think(self.ids[:-1], self.picked - 1)
            elif kind == "temperature":
                self.view.temperature = float(request["value"])
                self.show()
        except (ValueError, RuntimeError, MemoryError) as error:  # it would vanish here; the reader should see it
            self.view.notice = str(error)


def explore_chat(
    model: Transformer,
    tokenizer: Tokenizer,
    messages: Sequence[dict[str, str]] = (),
    max_new_tokens: int = 256,
    sampler: Sampler = CHAT_SAMPLER,
    seed: int = 0,
    name: str = "Model",
) -> ChatView:
    """A conversation with the model, streamed; the Stop button ends an answer and keeps what was said.

    A message without an answer, for example because it is too long, is no part of the conversation: the reader is
    told why, and gets it back to change it.
    """
    view = ChatView(messages=list(messages), name=name)
    conductor = _Chat(model, tokenizer, view, max_new_tokens, sampler, seed)
    view.observe(conductor.handle, names="request")
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

    def handle(self, change: Any) -> None:
        request = change["new"]
        kind = request.get("kind")
        if kind == "message" and not self.view.answering:
            self.stop.clear()
            self.say(notice="", returned="")
            self.view.answering = True
            self.view.messages = [*self.view.messages, {"role": "user", "content": request["text"]}]
            self.thread = threading.Thread(target=self.respond, args=(list(self.view.messages),), daemon=True)
            self.thread.start()
        elif kind in ("stop", "clear"):
            self.stop.set()
            if kind == "clear":
                if self.thread:
                    self.thread.join()
                self.view.messages = []
                self.say(notice="", returned="")

    def say(self, notice: str, returned: str) -> None:
        self.view.notice, self.view.returned = notice, returned

    def respond(self, conversation: list[dict[str, str]]) -> None:
        said, notice = "", "The model ended its answer before the first word. Ask in other words."
        self.seed += 1
        try:
            self.check_length(conversation)
            for piece in chat(self.model, self.tokenizer, conversation, self.max_new_tokens, self.sampler, self.seed):
                said += piece
                self.view.messages = [*conversation, {"role": "assistant", "content": said}]
                if self.stop.is_set():
                    break
            if said:
                notice = ""
        except Exception as error:  # shown to the reader; in a thread it would vanish
            notice = f"The answer broke off: {error}" if said else str(error)
        if not said:  # a question without an answer must not go to the model with the next one
            self.view.messages = conversation[:-1]
        self.say(notice, returned="" if said else conversation[-1]["content"])
        self.view.answering = False

    def check_length(self, conversation: list[dict[str, str]]) -> None:
        """`chat` checks it too, but advises a programmer."""
        length, most = len(encode_chat(self.tokenizer, conversation)), self.model.config.max_seq_len
        if length > most:
            raise ValueError(
                f"With this message the conversation has {length:,} tokens, but the model can take {most:,} at most "
                "(its context). Shorten the message, or start over."
            )
