"""Align a model with preferences, so that it learns to write answers that get a higher score from a reward function.

`log_probs` scores each token of a text, `responses` makes batches in which only the answers are targets, and `pairs`
makes batches with a better and a worse answer to each prompt. `reward` trains a reward model on pairs; `dpo` trains the
model directly on pairs, without a reward model. `align` samples answers, gets a reward for each of them, and makes the
better answers more likely: `policy_gradient` defines the loss, `kl` measures how far the model has moved, `groups`
samples the answers, `config` holds the settings, `shared_prompt` reads a prompt once for all its answers, and `cli` is
the command `llmlib align`.
"""

from typing import TYPE_CHECKING

from llmlib._lazy import lazy

if TYPE_CHECKING:
    from llmlib.preferences.aligning import Alignment as Alignment
    from llmlib.preferences.aligning import AlignStep as AlignStep
    from llmlib.preferences.aligning import PolicyCollapsed as PolicyCollapsed
    from llmlib.preferences.aligning import align as align
    from llmlib.preferences.best_of_n import best_of_n as best_of_n
    from llmlib.preferences.best_of_n import best_of_n_kl as best_of_n_kl
    from llmlib.preferences.config import AlignConfig as AlignConfig
    from llmlib.preferences.dpo import dpo_loss as dpo_loss
    from llmlib.preferences.dpo import tune_on_preferences as tune_on_preferences
    from llmlib.preferences.groups import Group as Group
    from llmlib.preferences.groups import sample_answers as sample_answers
    from llmlib.preferences.kl import kl_estimates as kl_estimates
    from llmlib.preferences.log_probs import log_probs_of as log_probs_of
    from llmlib.preferences.log_probs import masked_mean as masked_mean
    from llmlib.preferences.log_probs import masked_sum as masked_sum
    from llmlib.preferences.pairs import PreferenceData as PreferenceData
    from llmlib.preferences.policy_gradient import group_advantages as group_advantages
    from llmlib.preferences.policy_gradient import policy_gradient_loss as policy_gradient_loss
    from llmlib.preferences.responses import encode_apart as encode_apart
    from llmlib.preferences.responses import response_batch as response_batch
    from llmlib.preferences.reward import RewardModel as RewardModel
    from llmlib.preferences.reward import preference_accuracy as preference_accuracy
    from llmlib.preferences.reward import reward_loss as reward_loss
    from llmlib.preferences.reward import train_reward_model as train_reward_model
    from llmlib.preferences.shared_prompt import answer_logits as answer_logits

__all__, __getattr__, __dir__ = lazy(
    __name__,
    {
        **dict.fromkeys(("align", "Alignment", "AlignStep", "PolicyCollapsed"), "llmlib.preferences.aligning"),
        **dict.fromkeys(("best_of_n", "best_of_n_kl"), "llmlib.preferences.best_of_n"),
        "AlignConfig": "llmlib.preferences.config",
        **dict.fromkeys(("dpo_loss", "tune_on_preferences"), "llmlib.preferences.dpo"),
        **dict.fromkeys(("Group", "sample_answers"), "llmlib.preferences.groups"),
        "kl_estimates": "llmlib.preferences.kl",
        **dict.fromkeys(("log_probs_of", "masked_sum", "masked_mean"), "llmlib.preferences.log_probs"),
        "PreferenceData": "llmlib.preferences.pairs",
        **dict.fromkeys(("group_advantages", "policy_gradient_loss"), "llmlib.preferences.policy_gradient"),
        **dict.fromkeys(("encode_apart", "response_batch"), "llmlib.preferences.responses"),
        **dict.fromkeys(
            ("RewardModel", "reward_loss", "preference_accuracy", "train_reward_model"), "llmlib.preferences.reward"
        ),
        "answer_logits": "llmlib.preferences.shared_prompt",
    },
)
