"""Claim: loading SmolLM2 from its GGUF file takes at most 1.5 s and 1.5 GB, where `transformers` needs about 12 s.

Each library loads the model in its own process, with the files already cached. The script prints the seconds that
this takes, without imports, and the peak resident memory.
"""

import subprocess
import sys

OURS = """
import gguf
from llmlib import load_pretrained
run = lambda: load_pretrained("smollm2-135m-instruct", device="cpu", dtype="{dtype}")
"""
THEIRS = """
import transformers
from llmlib.tokenization.published import smollm2_file
folder, file = smollm2_file().parent, smollm2_file().name
def run():
    transformers.AutoTokenizer.from_pretrained(folder, gguf_file=file)
    transformers.AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.{dtype})
"""
MEASURE = """
import torch, time
{setup}
started = time.perf_counter()
run()
took = time.perf_counter() - started
try:
    import resource, sys
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
except ImportError:  # Windows
    import psutil
    peak = psutil.Process().memory_info().peak_wset
print(took, peak)
"""


def measure(setup: str, dtype: str) -> tuple[float, float]:
    code = MEASURE.format(setup=setup.format(dtype=dtype))
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    took, peak = output.split()[-2:]
    return float(took), float(peak)


def main() -> None:
    measure(OURS, "float32")  # fills the disk cache
    print(f"{'':32}seconds   peak memory")
    times = {}
    for label, setup, dtype in (
        ("llmlib float32", OURS, "float32"),
        ("llmlib bfloat16", OURS, "bfloat16"),
        ("transformers float32", THEIRS, "float32"),
    ):
        took, peak = measure(setup, dtype)
        times[label] = took
        print(f"{label:32}{took:7.1f}   {peak / 1e9:8.2f} GB")
    print(f"transformers / llmlib: {times['transformers float32'] / times['llmlib float32']:.1f}x")


if __name__ == "__main__":
    main()
