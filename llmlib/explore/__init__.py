"""Live models in interactive views: the one place that knows both a model and a widget. One module a view.

`explore` shows all attention heads, `step_attention` one query's; `explore_architecture` a whole model as boxes, and
`explore_logit_lens` what it would say after each layer; `explore_next_token`, `explore_sampling` and `explore_chat` let
a model write, `compare_chats` several side by side; `explore_training` shows runs while they train, `explore_tuning`
what tuning changed; `explore_embeddings`, `explore_rotary`, `explore_tokens` and `step_bpe` what lies before attention.
"""

from typing import TYPE_CHECKING

from llmlib._lazy import lazy

if TYPE_CHECKING:
    from llmlib.explore.architecture import explore_architecture as explore_architecture
    from llmlib.explore.attention import explore as explore
    from llmlib.explore.chat import compare_chats as compare_chats
    from llmlib.explore.chat import explore_chat as explore_chat
    from llmlib.explore.embeddings import explore_embeddings as explore_embeddings
    from llmlib.explore.embeddings import explore_rotary as explore_rotary
    from llmlib.explore.lens import explore_logit_lens as explore_logit_lens
    from llmlib.explore.next_token import explore_next_token as explore_next_token
    from llmlib.explore.sampling import explore_sampling as explore_sampling
    from llmlib.explore.speakers import Speaker as Speaker
    from llmlib.explore.stepper import step_attention as step_attention
    from llmlib.explore.tokens import explore_tokens as explore_tokens
    from llmlib.explore.tokens import step_bpe as step_bpe
    from llmlib.explore.training import Dashboard as Dashboard
    from llmlib.explore.training import explore_training as explore_training
    from llmlib.explore.tuning import explore_tuning as explore_tuning

__all__, __getattr__, __dir__ = lazy(
    __name__,
    {
        "Dashboard": "llmlib.explore.training",
        "Speaker": "llmlib.explore.speakers",
        "compare_chats": "llmlib.explore.chat",
        "explore": "llmlib.explore.attention",
        "explore_architecture": "llmlib.explore.architecture",
        "explore_chat": "llmlib.explore.chat",
        "explore_embeddings": "llmlib.explore.embeddings",
        "explore_logit_lens": "llmlib.explore.lens",
        "explore_next_token": "llmlib.explore.next_token",
        "explore_rotary": "llmlib.explore.embeddings",
        "explore_sampling": "llmlib.explore.sampling",
        "explore_tokens": "llmlib.explore.tokens",
        "explore_training": "llmlib.explore.training",
        "explore_tuning": "llmlib.explore.tuning",
        "step_attention": "llmlib.explore.stepper",
        "step_bpe": "llmlib.explore.tokens",
    },
)
