"""The table of all views, and what the browser tests do with each; a view with a row here gets all the tests."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

from browser import (
    acts,
    chat_acts,
    keyboard_acts,
    model_acts,
    model_keyboard_acts,
    sampling_acts,
    scaling_acts,
    training_acts,
)

SETUP = """
import time
from types import SimpleNamespace
import torch
from llmlib import TrainConfig, Transformer, TransformerConfig, train
from llmlib.corpora.datasets import TokenDataset
from llmlib.exercises.engine.asking_view import QuestionsView
from llmlib.explore import *
from llmlib.preferences import AlignStep, Group
from llmlib.scaling import Law
from llmlib.tokenization import BPETokenizer
from llmlib.widgets import threshold_view
tokenizer = BPETokenizer.train("one two three four " * 3, 270, special_tokens=["<|im_start|>", "<|im_end|>"])
tokenizer.chat_template = "{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}<|im_start|>"
model = Transformer(TransformerConfig(tokenizer.vocab_size, 2048, 32, n_layers=2, n_heads=4, positions="rotary"))
pupil = Transformer(TransformerConfig(tokenizer.vocab_size, 32, 16, n_layers=1, n_heads=2))
samples = ["one two"]  # stands in for what the pupil writes
course = train(
    pupil, TokenDataset(tokenizer.encode("one two three four " * 40)),
    TrainConfig(100_000, 2, 16, sample_every=5, statistics_every=5),
    sample=lambda model: samples[-1],
)
tuned = Transformer(model.config, seed=1)
talker = Transformer(TransformerConfig(tokenizer.vocab_size, 8192, 32, n_layers=2, n_heads=4, positions="rotary"))
flat = Transformer(TransformerConfig(tokenizer.vocab_size, 64, 4, n_layers=1, n_heads=2, positions="rotary"))
for parameter in flat.parameters():
    parameter.data *= 5  # so that the arrows of its vectors end at different places
choices = [{"text": "`a`", "right": True, "because": "So it is."}, {"text": "b", "right": False, "because": "No."}]
questions = [{"text": f"What is {n}?", "lead": "From lesson 03:", "choices": choices} for n in range(3)]
law = Law(E=2.97, A=280, B=265, alpha=0.7, beta=0.51)
own_runs = {"own": [(1e4, 1e5, 4.0), (1e5, 1e6, 3.0)]}
reported_choices = []  # the choices that were reported to Python
class Rewarded:  # made-up steps of an alignment run, with the pupil's answers
    config, step = SimpleNamespace(steps=100_000), 0
    def __iter__(self):
        return self
    def __next__(self):
        time.sleep(0.02)
        self.step += 1
        answers, step = (samples[-1], "one", "one", "two", samples[-1]), self.step
        unequal, equal = ((2.0, 0.0, 0.0, -1.0, 2.0), (1.4, -0.6, -0.6, -1.6, 1.4)), ((0.0,) * 5, (0.0,) * 5)
        groups = Group("one", answers, *equal), Group(samples[-1], answers, *unequal)
        shares = 0.1 * step, 1 / step, 3.0, 0.0, 1, 0.5, 1.0, 0.001, 0.02
        return AlignStep(step, 1 - 1 / step, *shares, {"true": 0.5 - 1 / step}, groups)
odd = "👩‍👩‍👧‍👦 é <b>x</b> مرحبا بالعالم abc 123"
def explore_rewarded():
    view = LiveAlignmentView()
    view.add(Rewarded())
    view.compare(["Who?", "Where?"], {"tuned": ["one", odd], "aligned": ["two", ""]})
    return view
confidences = torch.arange(60) / 60
scores = {"confidence": confidences, odd: confidences.flip(0).log1p() * 9}
hits = [k % 7 > 1 for k in range(60)]
answer_texts = [("", odd, "one two three " * 400, f"answer {k}")[k % 4] for k in range(60)]
losses = {"as trained": [2 + max(0, k - 64) / 50 for k in range(200)], odd: [[2.0] * 200, [1.0] * 200]}
def explore_far():
    needles, models = [(" three.", " four?", " three")], {"as trained": model, odd: model}
    grid = {"lengths": [64, 128], "depths": [0, 1], "losses": losses, "trained": 64}
    return explore_long_context(models, tokenizer, "one two. " * 60, needles, **grid)
"""


@dataclass(frozen=True)
class Row:
    """One view; each cell of its row is what a test does and checks there, or the reason why the test is skipped."""

    name: str  # of the view's class
    selector: str
    source: str  # code that makes the view and assigns it to a variable
    clicks: Callable | str
    odd: Callable | str
    empty: Callable | str
    long: Callable | str
    _: KW_ONLY
    keyboard: Callable  # uses its main functions by keyboard alone
    most_stops: int = 40  # the most Tab stops from the first control to the last, whatever is shown
    box: str = ""  # the label of the box that the reader types into
    works_alone: str = ""  # a button that works without Python, if the view needs no Python
    widest: Callable = lambda bench, view: None  # opens the state in which its layout breaks most easily

    @property
    def variable(self):
        return self.source.split(" = ")[0]


NUMBERS = "its boxes take numbers; other input is among the odd texts"
NO_TEXT = "it shows numbers, not text"
NOT_TYPED = "its only texts are names, which are given in Python"
NOTHING_TYPED = "its choices are opened, so nothing is typed"
VIEWS = (
    Row("NextTokenView", ".llm-next-token", "next_token = explore_next_token(model, tokenizer, 'one')",
        acts.next_token_clicks, acts.next_token_odd, acts.next_token_empty, acts.next_token_long,
        keyboard=keyboard_acts.next_token, box="Your text"),
    Row("ChatView", ".llm-chat", "chat = explore_chat(talker, tokenizer, max_new_tokens=2000)",
        *chat_acts.CHAT, keyboard=keyboard_acts.chat, box="Your message"),
    Row("TuningView", ".llm-tuning", f"tuning = explore_tuning({chat_acts.CONVERSATION}, model, tuned, tokenizer)",
        chat_acts.tuning_clicks, chat_acts.tuning_odd, "its messages are given in Python, which refuses an empty list",
        "its conversation is given in Python, which refuses one that is longer than the context",
        keyboard=keyboard_acts.tuning, works_alone="Save"),
    Row("TokensView", ".llm-tokens", "tokens = explore_tokens(tokenizer, 'one two')",
        acts.tokens_clicks, acts.tokens_odd, acts.tokens_empty, acts.tokens_long,
        keyboard=keyboard_acts.tokens, box="Your text"),
    Row("BPEStepsView", ".llm-bpe-steps", "bpe = explore_bpe_steps('one two one two', 262)",
        acts.bpe_clicks, acts.bpe_odd, acts.bpe_empty, acts.bpe_long,
        keyboard=keyboard_acts.bpe, box="Text to learn from"),
    Row("EmbeddingsView", ".llm-embeddings",
        "embedding = explore_embeddings(model.embed.weight, tokenizer, chosen=97, analogy=(97, 98, 99))\n"
        "embedding.place = {'overlay': 'analogy'}",
        acts.embedding_clicks, acts.embedding_odd, acts.embedding_empty, "it shows a table of tokens, not a text",
        keyboard=keyboard_acts.embedding, box="Analogy: token a"),
    Row("AttentionView", ".llm-attention",
        "attention = explore_attention(model, tokenizer, 'one two three', continuation=' four')",
        acts.attention_clicks, acts.attention_odd, acts.attention_empty, acts.attention_long,
        keyboard=model_keyboard_acts.attention, box="Text", widest=acts.attention_head),
    Row("ArchitectureView", ".llm-architecture", "architecture = explore_architecture(model, tokenizer, 'one two')",
        *model_acts.ARCHITECTURE, keyboard=model_keyboard_acts.architecture, most_stops=60, box="Your text"),
    Row("LogitLensView", ".llm-logit-lens", "lens = explore_logit_lens(model, tokenizer, 'one two three')",
        *model_acts.LENS, keyboard=model_keyboard_acts.lens, box="Text"),
    Row("TrainingView", ".llm-training", "training = explore_training(course, start=False)",
        training_acts.clicks, training_acts.odd, "nobody types a text", training_acts.long,
        keyboard=model_keyboard_acts.training),
    Row("AlignmentView", ".llm-alignment", "alignment = explore_rewarded()",
        training_acts.clicks, training_acts.alignment_odd, training_acts.alignment_empty, training_acts.alignment_long,
        keyboard=model_keyboard_acts.alignment),
    Row("SamplingView", ".llm-sampling", "lab = explore_sampling(model, tokenizer, 'one two three')",
        *sampling_acts.SAMPLING, keyboard=model_keyboard_acts.sampling, box="Your prompt",
        widest=sampling_acts.sampling_branches),
    Row("AttentionStepsView", ".llm-attention-steps", "stepper = explore_attention_steps(flat, tokenizer, '👩 one')",
        acts.stepper_clicks, acts.stepper_odd, "its text is given in Python, which refuses an empty one",
        "its text is given in Python, which refuses more than 32 tokens",
        keyboard=keyboard_acts.stepper, works_alone="One stage forward (Right arrow)"),
    Row("RotaryView", ".llm-rotary", "rotary = explore_rotary()",
        scaling_acts.rotary_clicks, NO_TEXT, NO_TEXT, NO_TEXT, keyboard=keyboard_acts.rotary, works_alone="Save"),
    Row("ScalingView", ".llm-scaling", "scaling = explore_scaling({'mine': law}, own_runs)",
        scaling_acts.clicks, scaling_acts.odd, NUMBERS, NUMBERS, keyboard=keyboard_acts.scaling, works_alone="Save",
        widest=scaling_acts.tables),
    Row("ThresholdView", ".llm-threshold", "gate = threshold_view(scores, hits, answer_texts)",
        scaling_acts.threshold_clicks, scaling_acts.threshold_odd, scaling_acts.threshold_empty,
        scaling_acts.threshold_long,
        keyboard=keyboard_acts.threshold, works_alone="Save", widest=scaling_acts.threshold_other),
    Row("LongContextView", ".llm-long-context", "far = explore_far()",
        scaling_acts.long_context_clicks, scaling_acts.long_context_odd, NOT_TYPED, NOT_TYPED,
        keyboard=keyboard_acts.long_context),
)  # fmt: skip  # a table: a row takes two to five lines, not ten
# What `predict`, `quiz` and `warm_up` show if a kernel runs; a saved notebook has no picture of this view.
QUESTIONS = Row(
    "QuestionsView",
    ".llm-questions",
    "asked = QuestionsView(title='Quiz', questions=questions, choose=lambda **choice: reported_choices.append(choice))",
    acts.questions_clicks,
    NOTHING_TYPED,
    NOTHING_TYPED,
    NOTHING_TYPED,
    keyboard=keyboard_acts.questions,
)
TABLE = (*VIEWS, QUESTIONS)


def cells(rows):
    """Return the cells of a notebook that shows these views."""
    return (SETUP, *(f"{row.source}\n{row.variable}" for row in rows))
