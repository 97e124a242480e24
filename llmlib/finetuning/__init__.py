"""From a base model to an assistant: supervised fine-tuning, of all weights or of a LoRA beside them.

`lora` adds small trainable maps to a frozen model, `adapters` saves and loads them in peft's form, `updates` measures
what a tuning changed, `requests` makes conversations whose right answers are known.
"""
