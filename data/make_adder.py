"""In half a minute, train `data/adder.safetensors`, lesson 11's model that adds in written steps.

    python data/make_adder.py

In `limits_experiments.csv`, it is the model of the arm "steps" with seed 0. The weights are rounded to bfloat16, which
halves the size of the file.
"""

from pathlib import Path

import torch
from limits_sums import RATE, STEPS, adder_plan, new_adder, sums_to_learn
from safetensors.torch import save_file

from llmlib import train

if __name__ == "__main__":
    adder = new_adder(seed=0)
    for step in train(adder, sums_to_learn("steps", seed=0), adder_plan(STEPS, RATE)):
        if step.step % 20 == 0:
            print(f"step {step.step} of {STEPS}: loss {step.loss:.2f}")
    weights = {name: weight.to(torch.bfloat16) for name, weight in adder.state_dict().items()}
    save_file(weights, Path(__file__).parent / "adder.safetensors")
