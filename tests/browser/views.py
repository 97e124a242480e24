"""All views, and what the table of the browser tests does with each: a new view gets a row, and with it all tests."""

from collections.abc import Callable
from dataclasses import dataclass

from browser import acts, chat_acts, model_acts, sampling_acts, training_acts

SETUP = """
import torch
from llmlib import TrainConfig, Transformer, TransformerConfig, train
from llmlib.corpora.datasets import TokenDataset
from llmlib.explore import *
from llmlib.tokenization import BPETokenizer
tokenizer = BPETokenizer.train("one two three four " * 3, 270, special_tokens=["<|im_start|>", "<|im_end|>"])
tokenizer.chat_template = "{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}<|im_start|>"
model = Transformer(TransformerConfig(tokenizer.vocab_size, 2048, 32, n_layers=2, n_heads=4, positions="rotary"))
pupil = Transformer(TransformerConfig(tokenizer.vocab_size, 32, 16, n_layers=1, n_heads=2))
samples = ["one two"]  # what the pupil is said to have written
course = train(
    pupil, TokenDataset(tokenizer.encode("one two three four " * 40)), TrainConfig(100_000, 2, 16, sample_every=5),
    sample=lambda model: samples[-1],
)
tuned = Transformer(model.config, seed=1)
talker = Transformer(TransformerConfig(tokenizer.vocab_size, 8192, 32, n_layers=2, n_heads=4, positions="rotary"))
"""


@dataclass(frozen=True)
class Row:
    """One view. A cell of the table is what is done and seen there, or the reason why there is nothing to do."""

    name: str  # of the class in llmlib.widgets
    selector: str
    source: str  # a cell that shows it, and calls it by its variable's name
    clicks: Callable | str
    odd: Callable | str
    empty: Callable | str
    long: Callable | str
    box: str = ""  # the label of the box in which the reader writes
    works_alone: str = ""  # a button that works without Python, where the view needs none
    widest: Callable = lambda bench, view: None  # goes to where its layout has most to lose

    @property
    def variable(self):
        return self.source.split(" = ")[0]


NO_TEXT = "it shows numbers, and no text"
VIEWS = (
    Row("NextTokenView", ".llm-next-token", "next_token = explore_next_token(model, tokenizer, 'one')",
        acts.next_token_clicks, acts.next_token_odd, acts.next_token_empty, acts.next_token_long, box="Your text"),
    Row("ChatView", ".llm-chat", "chat = explore_chat(talker, tokenizer, max_new_tokens=2000)",
        *chat_acts.CHAT, box="Your message"),
    Row("TuningView", ".llm-tuning", f"tuning = explore_tuning({chat_acts.TOLD}, model, tuned, tokenizer)",
        chat_acts.tuning_clicks, chat_acts.tuning_odd, "its conversation is given in Python, where none is refused",
        "its conversation is given in Python, where one that is longer than the context is refused",
        works_alone="Save"),
    Row("TokenView", ".llm-token-view", "tokens = explore_tokens(tokenizer, 'one two')",
        acts.tokens_clicks, acts.tokens_odd, acts.tokens_empty, acts.tokens_long, box="Your text"),
    Row("BPEStepper", ".llm-bpe-stepper", "bpe = step_bpe('one two one two', 262)",
        acts.bpe_clicks, acts.bpe_odd, acts.bpe_empty, acts.bpe_long, box="Text to learn from"),
    Row("EmbeddingView", ".llm-embedding",
        "embedding = explore_embeddings(model.embed.weight, tokenizer, chosen=97, analogy=(97, 98, 99))\n"
        "embedding.place = {'overlay': 'analogy'}",
        acts.embedding_clicks, acts.embedding_odd, acts.embedding_empty, "a table of tokens, not a text",
        box="Analogy: token a"),
    Row("AttentionView", ".llm-attention",
        "attention = explore(model, tokenizer, 'one two three', continuation=' four')",
        acts.attention_clicks, acts.attention_odd, acts.attention_empty, acts.attention_long,
        box="Text", widest=acts.attention_head),
    Row("ArchitectureView", ".llm-architecture", "architecture = explore_architecture(model, tokenizer, 'one two')",
        *model_acts.ARCHITECTURE, box="Your text"),
    Row("LogitLensView", ".llm-lens", "lens = explore_logit_lens(model, tokenizer, 'one two three')",
        *model_acts.LENS, box="Text"),
    Row("TrainingView", ".llm-training", "training = explore_training(course, start=False)",
        training_acts.clicks, training_acts.odd, "nobody types a text", training_acts.long),
    Row("SamplingLabView", ".llm-sampling", "lab = explore_sampling(model, tokenizer, 'one two three')",
        *sampling_acts.SAMPLING, box="Your prompt", widest=sampling_acts.sampling_branches),
    Row("AttentionStepper", ".llm-attention-stepper", "stepper = step_attention(model, tokenizer, '👩 one')",
        acts.stepper_clicks, acts.stepper_odd, "its text is given in Python, where an empty one is refused",
        "its text is given in Python, where more than 32 tokens are refused",
        works_alone="One stage forward (Right arrow)"),
    Row("RotaryView", ".llm-rotary-view", "rotary = explore_rotary()",
        acts.rotary_clicks, NO_TEXT, NO_TEXT, NO_TEXT, works_alone="Save"),
)  # fmt: skip
SOURCES = (SETUP, *(f"{row.source}\n{row.source.split(' = ')[0]}" for row in VIEWS))
