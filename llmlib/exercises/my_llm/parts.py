"""List the parts of `my_llm.py`: which exercise produces which function, and which group the function belongs to."""

from dataclasses import dataclass
from typing import Any

from llmlib.exercises.registry import find, number_of


@dataclass(frozen=True)
class Part:
    """One function in the file; the rest of the file calls it by its `name`."""

    exercise: str  # "attention.causal_mask"
    name: str  # "causal_mask"
    group: str  # one of `GROUPS`

    @property
    def reference(self) -> Any:
        """The library's own function or class."""
        return find(self.exercise).own

    @property
    def arguments(self) -> tuple[str, ...]:
        return find(self.exercise).argument_names

    @property
    def lesson(self) -> str:
        """Return the number of the lesson that sets the exercise."""
        return number_of(self.exercise.partition(".")[0])


GROUPS = {  # in the order of the file, each with a few words on its role
    "Tokenizer": "text to ids, and back",
    "Attention": "inside each block",
    "Model": "ids to logits",
    "Training": "makes the weights",
    "Sampling": "logits to the next token",
    "Tuning": "makes it an assistant",
}

_TABLE = """
Tokenizer  tokenization.most_common_pair       most_common_pair
Tokenizer  tokenization.merge                  merge
Tokenizer  tokenization.train                  learn_merges
Tokenizer  tokenization.encode                 encode
Tokenizer  tokenization.decode                 decode
Tokenizer  tokenization.tokenize               tokenize
Tokenizer  tokenization.detokenize             detokenize
Tokenizer  tokenization.read_vocabulary        read_vocabulary
Model      embeddings.lookup                   embed
Attention  attention.causal_mask               causal_mask
Attention  attention.scaled_dot_product        scaled_dot_product_attention
Attention  attention.split_heads               split_heads
Attention  attention.merge_heads               merge_heads
Attention  attention.rotate                    rotate
Attention  attention.turns                     turns
Attention  attention.grouped_queries           share_heads
Attention  attention.multi_head                MultiHeadAttention
Model      transformer.rms_norm                rms_norm
Model      transformer.swiglu_mlp              swiglu_mlp
Model      transformer.attention_part          attention_part
Model      transformer.llama_logits            llama_logits
Model      transformer.our_name                our_name
Model      transformer.read_tensor             read_tensor
Model      transformer.tensor_names            tensor_names
Model      transformer.read_sizes              read_sizes
Training   training.windows                    windows
Training   training.next_token_loss            next_token_loss
Training   training.adamw_step                 adamw_step
Training   training.learning_rate_at           learning_rate_at
Training   training.clip_together              clip_together
Training   training.fit                        fit
Training   training.weight_shapes              weight_shapes
Training   training.first_weight               first_weight
Training   training.learn                      learn
Sampling   sampling.draw                       draw
Sampling   sampling.probabilities_at           probabilities_at
Sampling   sampling.keep_top_p                 keep_top_p
Sampling   sampling.penalise_repetition        penalise_repetition
Sampling   sampling.continuation              continuation
Sampling   sampling.write                     write
Tuning     instruction_tuning.chat_text        chat_text
Tuning     instruction_tuning.answer_mask      answer_mask
Tuning     instruction_tuning.targets          targets
Tuning     instruction_tuning.merged           merged
Tuning     instruction_tuning.learn_answers   learn_answers
Tuning     alignment.answer_log_probs         answer_log_probs
Tuning     alignment.reinforce_loss           reinforce_loss
Tuning     alignment.group_advantages         group_advantages
"""
PARTS = tuple(Part(exercise, name, group) for group, exercise, name in map(str.split, _TABLE.strip().splitlines()))
OF_EXERCISE = {part.exercise: part for part in PARTS}
