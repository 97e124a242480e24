"""Claim: in plain JavaScript on one core, the playground's model writes its first token in less than 2 seconds, and
then at least 20 tokens a second. The reference is `generate` with torch on one thread.

Node runs the same engine as the page's worker. The script measures processor time, which other programs hardly affect.
"""

import json
import shutil
import subprocess
import time
from pathlib import Path

import torch

from llmlib import Sampler, generate, load_pretrained
from llmlib.pretrained.loading import TINYTALES

PROMPT = "A frog called Vera woke up at the inn, where the beds are short. Since dawn it had rained,"
TOKENS = 150
ENGINE = Path(__file__).parents[1] / "docs" / "playground" / "engine.mjs"
SCRIPT = """
import { readFileSync } from "node:fs";
const { engine: path, model, prompt, tokens } = JSON.parse(readFileSync(0));
const { Engine } = await import(path);
const seconds = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1e6; };
const file = (name) => readFileSync(`${model}/${name}`);
const weights = file("model.safetensors");
const buffer = weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.length);
const began = seconds();
const [config, tokenizer] = [JSON.parse(file("config.json")), JSON.parse(file("tokenizer.json"))];
const engine = new Engine({ config, tokenizer, weights: buffer });
const loaded = seconds();
const ids = engine.encode({ text: prompt });
const next = () => engine.next({ ids, settings: { temperature: 0, topP: 1 } }).drawn;
ids.push(next());
const first = seconds();
for (let k = 1; k < tokens; k++) ids.push(next());
const text = engine.decode({ ids });
console.log(JSON.stringify({ load: loaded - began, first: first - loaded, rest: seconds() - first, text }));
"""


def in_javascript() -> dict:
    """Return the processor time in seconds for loading, for the first token and for the other tokens, and the text."""
    asked = {"engine": str(ENGINE), "model": str(TINYTALES), "prompt": PROMPT, "tokens": TOKENS}
    node = ["node", "--input-type=module", "--eval", SCRIPT]
    done = subprocess.run(node, input=json.dumps(asked), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def in_torch() -> tuple[float, str]:
    torch.set_num_threads(1)
    model, tokenizer = load_pretrained("tinytales", device="cpu", dtype="float32")
    ids = tokenizer.encode(PROMPT)
    began = time.process_time()
    written = list(generate(model, ids, TOKENS, Sampler(temperature=0)))
    return time.process_time() - began, tokenizer.decode([*ids, *written])


def main() -> None:
    if not shutil.which("node"):
        print("Node.js is missing; install it to measure the playground.")
        return
    page, (seconds, text) = in_javascript(), in_torch()
    rate = (TOKENS - 1) / page["rest"]
    print(f"loading the weights:   {page['load']:6.2f} s")
    print(f"first token:           {page['first']:6.2f} s   (claim: less than 2 s)")
    print(f"further tokens:        {rate:6.0f} a second   (claim: at least 20)")
    print(f"torch on one thread:   {TOKENS / seconds:6.0f} a second, {TOKENS / seconds / rate:.1f} times as many")
    print(f"the same text:         {page['text'] == text}")


if __name__ == "__main__":
    main()
