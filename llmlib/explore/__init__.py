"""Show live models in interactive views.

This is the only package that depends on both models and widgets. Each view has the same name everywhere:
`explore_attention` here, for example, belongs to `llmlib.widgets.attention` and its `AttentionView`. A view that needs
helper modules is a folder here, and `shared` contains the code that several views use. Each view has a `_Controller`
that carries out the user's actions in the view.
"""

from typing import TYPE_CHECKING

from llmlib._lazy import lazy

if TYPE_CHECKING:
    from llmlib.explore.alignment import LiveAlignmentView as LiveAlignmentView
    from llmlib.explore.alignment import explore_alignment as explore_alignment
    from llmlib.explore.architecture import explore_architecture as explore_architecture
    from llmlib.explore.attention import explore_attention as explore_attention
    from llmlib.explore.attention_steps import explore_attention_steps as explore_attention_steps
    from llmlib.explore.bpe_steps import explore_bpe_steps as explore_bpe_steps
    from llmlib.explore.chat import Speaker as Speaker
    from llmlib.explore.chat import compare_chats as compare_chats
    from llmlib.explore.chat import explore_chat as explore_chat
    from llmlib.explore.embeddings import explore_embeddings as explore_embeddings
    from llmlib.explore.logit_lens import explore_logit_lens as explore_logit_lens
    from llmlib.explore.long_context import explore_long_context as explore_long_context
    from llmlib.explore.next_token import explore_next_token as explore_next_token
    from llmlib.explore.rotary import explore_rotary as explore_rotary
    from llmlib.explore.sampling import explore_sampling as explore_sampling
    from llmlib.explore.scaling import explore_scaling as explore_scaling
    from llmlib.explore.tokens import explore_tokens as explore_tokens
    from llmlib.explore.training import LiveTrainingView as LiveTrainingView
    from llmlib.explore.training import explore_training as explore_training
    from llmlib.explore.tuning import explore_tuning as explore_tuning

__all__, __getattr__, __dir__ = lazy(
    __name__,
    {
        "LiveAlignmentView": "llmlib.explore.alignment",
        "LiveTrainingView": "llmlib.explore.training",
        "Speaker": "llmlib.explore.chat",
        "compare_chats": "llmlib.explore.chat",
        "explore_alignment": "llmlib.explore.alignment",
        "explore_architecture": "llmlib.explore.architecture",
        "explore_attention": "llmlib.explore.attention",
        "explore_attention_steps": "llmlib.explore.attention_steps",
        "explore_bpe_steps": "llmlib.explore.bpe_steps",
        "explore_chat": "llmlib.explore.chat",
        "explore_embeddings": "llmlib.explore.embeddings",
        "explore_logit_lens": "llmlib.explore.logit_lens",
        "explore_long_context": "llmlib.explore.long_context",
        "explore_next_token": "llmlib.explore.next_token",
        "explore_rotary": "llmlib.explore.rotary",
        "explore_sampling": "llmlib.explore.sampling",
        "explore_scaling": "llmlib.explore.scaling",
        "explore_tokens": "llmlib.explore.tokens",
        "explore_training": "llmlib.explore.training",
        "explore_tuning": "llmlib.explore.tuning",
    },
)
