"""llmlib is the library behind a course on how large language models work.

Names are loaded on first use, so `import llmlib` is quick, and torch is imported only when something needs it. The
folders and modules follow the order of the lessons: first `files`, `tokenization`, `embeddings`, `attention` and
`transformer`, then `pretrained`, `interpret`, `corpora`, `training`, `sampling`, `chat`, `finetuning`, `preferences`,
`scaling`, `evaluation` and `retrieval`. Two more folders build on these: `explore`, which shows live models in the
views of `widgets`, and `exercises`.
"""

from typing import TYPE_CHECKING

from llmlib._lazy import lazy

if TYPE_CHECKING:
    from llmlib.chat import chat as chat
    from llmlib.chat import encode_chat as encode_chat
    from llmlib.corpora import tinytales_text as tinytales_text
    from llmlib.corpora.datasets import TokenDataset as TokenDataset
    from llmlib.exercises import check as check
    from llmlib.exercises import hint as hint
    from llmlib.exercises import predict as predict
    from llmlib.exercises import progress as progress
    from llmlib.exercises import quiz as quiz
    from llmlib.exercises import solution as solution
    from llmlib.exercises import task as task
    from llmlib.exercises import warm_up as warm_up
    from llmlib.interpret import ablate as ablate
    from llmlib.interpret import patch as patch
    from llmlib.interpret import trace as trace
    from llmlib.pretrained import load_pretrained as load_pretrained
    from llmlib.pretrained import save_pretrained as save_pretrained
    from llmlib.sampling import Constraint as Constraint
    from llmlib.sampling import Sampler as Sampler
    from llmlib.sampling import beam_search as beam_search
    from llmlib.sampling import generate as generate
    from llmlib.sampling import generate_text as generate_text
    from llmlib.style import show_plot as show_plot
    from llmlib.style import use_style as use_style
    from llmlib.tokenization import BPETokenizer as BPETokenizer
    from llmlib.tokenization import CharTokenizer as CharTokenizer
    from llmlib.tokenization import load_tokenizer as load_tokenizer
    from llmlib.training import TrainConfig as TrainConfig
    from llmlib.training import train as train
    from llmlib.transformer import Transformer as Transformer
    from llmlib.transformer import TransformerConfig as TransformerConfig
    from llmlib.widgets import attention_view as attention_view

__version__ = "0.1.0"

__all__, __getattr__, __dir__ = lazy(
    __name__,
    {
        "load_tokenizer": "llmlib.tokenization",
        "load_pretrained": "llmlib.pretrained",
        "save_pretrained": "llmlib.pretrained",
        "Transformer": "llmlib.transformer",
        "TransformerConfig": "llmlib.transformer",
        "generate": "llmlib.sampling",
        "Sampler": "llmlib.sampling",
        "Constraint": "llmlib.sampling",
        "beam_search": "llmlib.sampling",
        "generate_text": "llmlib.sampling",
        "chat": "llmlib.chat",
        "encode_chat": "llmlib.chat",
        "BPETokenizer": "llmlib.tokenization",
        "CharTokenizer": "llmlib.tokenization",
        "tinytales_text": "llmlib.corpora",
        "TokenDataset": "llmlib.corpora.datasets",
        "use_style": "llmlib.style",
        "show_plot": "llmlib.style",
        "train": "llmlib.training",
        "TrainConfig": "llmlib.training",
        "trace": "llmlib.interpret",
        "ablate": "llmlib.interpret",
        "patch": "llmlib.interpret",
        "attention_view": "llmlib.widgets",
        **dict.fromkeys(
            ("check", "hint", "predict", "progress", "quiz", "solution", "task", "warm_up"), "llmlib.exercises"
        ),
    },
)
