"""Train `data/cautious`, the model that lesson 09 begins with, in less than a minute.

    python data/make_cautious.py

Like lesson 08's model, it decides from a question's wording whether to refuse, but it is tuned for only two thirds as
long. The weights are rounded to bfloat16, which halves the size of the file.
"""

import copy
import shutil
from pathlib import Path

import torch
from alignment_loop import MUON, base, tokenizer

from llmlib import TrainConfig, save_pretrained
from llmlib.finetuning import tales, tune

FOLDER = Path(__file__).parent / "cautious"
CONVERSATIONS = 160
RUN = TrainConfig(40, 4, warmup=8, dtype="bfloat16", **(MUON | {"seq_len": 432}))

if __name__ == "__main__":
    model = copy.deepcopy(base)
    talks = tales.training_conversations(CONVERSATIONS, kinds=tales.KINDS, balanced=False)
    for step in tune(model, tokenizer, talks, RUN):
        print(f"step {step.step} of {RUN.steps}: loss {step.loss:.2f}")
    shutil.rmtree(FOLDER, ignore_errors=True)
    save_pretrained(model.to(torch.bfloat16), tokenizer, FOLDER)
