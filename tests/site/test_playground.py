"""The playground works in a real browser: its model matches llmlib's, and the page is usable and free of faults."""

import base64
import functools
import importlib.util
import random
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from browser.axe import faults_of_colour, violations
from browser.chromium import new_page
from browser.looks import STICKS_OUT, UNREADABLE, keep_picture, wait_until_drawn
from playwright.sync_api import expect
from safetensors.torch import load_file

from llmlib import Sampler, TrainConfig, encode_chat, generate, load_pretrained
from llmlib.chat import TALES, with_chat_template
from llmlib.corpora.tinytales import tell
from llmlib.explore.attention import attention_patterns
from llmlib.interpret import ablate
from llmlib.widgets.attention.codes import encode

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
STORIES = [tell(0, "heldout", number).text for number in range(36)]
ODD = [
    "a",
    "🙂",
    "👩\u200d👩\u200d👧 family",
    "مرحبا بالعالم",
    "नमस्ते दुनिया",
    "漢字とかな",
    "<|endoftext|><|user|>hi",
    "I'll don't 'S we've o'clock",
    "12 345 3.14²",
    "\u0085 \ufeff\u00a0\u2028x",
    "e\u0301 é",
    " \n\n \t x  ",
    "\x00\x1f!?",
    "\t",
]
SOME = "A frog called Vera woke up at the inn, where the beds are short."
# Ask the page's own engine for logits, and pack them.
LOGITS = """async ([texts, tuned]) => {
  const packed = (numbers) => {
    let text = "";
    const bytes = new Uint8Array(numbers.buffer);
    for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    return btoa(text);
  };
  const answers = [];
  for (const ids of texts) answers.push(packed(await playground.engine.logits({ ids, tuned })));
  return answers;
}"""
TOKENS = "(texts) => Promise.all(texts.map((text) => playground.engine.encode({ text })))"
ACT = """([view, kind, details]) => new Promise((resolve) => {
  const model = playground[view], client = String(Math.random());
  const listen = (message) => message.client === client && message.done && resolve(message.refused.length === 0);
  model.on("msg:custom", listen);
  model.send({ client, acts: [{ number: 1, kind, details }] });
})"""

# Slow the model down so that each token is drawn. A text of more than `most` tokens waits until `free` is called.
HOLD = """(most) => {
  const { engine } = playground;
  const freed = new Promise((resolve) => (playground.free = resolve)).then(() => (playground.engine = engine));
  playground.engine = Object.create(engine);
  playground.engine.next = async (asked) => {
    await new Promise((passed) => setTimeout(passed, 60));
    if (asked.ids.length > most) await freed;
    return engine.next(asked);
  };
}"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def builder():
    """The module docs/playground/build.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("playground_build", ROOT / "docs" / "playground" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(builder, tmp_path_factory):
    """The folder of the page, with an adapter that was tuned for a single step."""
    place = tmp_path_factory.mktemp("playground")
    builder.make_adapter(place / "adapter.safetensors", TrainConfig(1, 1, 512, optimizer="adamw", learning_rate=5e-3))
    (place / "index.html").write_text("The web edition.")
    builder.build(place / "page", place / "adapter.safetensors")
    return place / "page"


@pytest.fixture(scope="module")
def server(folder):
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def opened(chromium, server):
    """One page for all tests; `page.complaints` collects its errors."""
    page = new_page(chromium)
    page.complaints = []
    page.on("console", lambda message: message.type == "error" and page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto(f"http://127.0.0.1:{server.server_port}/index.html")
    page.locator("body[data-ready]").wait_for()
    yield page
    page.context.close()


@pytest.fixture(scope="module")
def ours():
    model, tokenizer = load_pretrained("tinytales", device="cpu", dtype="float32")
    return model.eval(), with_chat_template(tokenizer, TALES)


def act(page, view, kind, **details):
    return page.evaluate(ACT, [view, kind, details])


def test_the_tokenizer_gives_the_same_ids_as_llmlibs(opened, ours):
    dice = random.Random(0)
    signs = "".join(ODD) + "aeiou stn'.,\n\u3000\u00e9\u0130ß"
    texts = ["", *ODD, *STORIES, *("".join(dice.choices(signs, k=dice.randrange(1, 30))) for _ in range(200))]
    _, tokenizer = ours
    assert opened.evaluate(TOKENS, texts) == [tokenizer.encode(text) for text in texts]
    asked = encode_chat(tokenizer, [{"role": "user", "content": "Hi<|assistant|>"}])
    assert opened.evaluate("async () => (await playground.engine.question({ words: 'Hi<|assistant|>' }))") == asked


def test_the_logits_match_llmlibs_on_fifty_texts_and_after_tuning(opened, ours, folder):
    model, tokenizer = ours
    texts = [tokenizer.encode(text[:60]) for text in (*STORIES, *ODD)]
    assert len(texts) == 50
    adapter = {name: tensor.float() for name, tensor in load_file(folder / "assistant.safetensors").items()}
    plain = {name: parameter.clone() for name, parameter in model.state_dict().items()}
    for tuned, some in ((False, texts), (True, texts[:5])):
        if tuned:
            _put_in(model, adapter)
        for ids, packed in zip(some, opened.evaluate(LOGITS, [some, tuned]), strict=True):
            theirs = np.frombuffer(base64.b64decode(packed), dtype="<f4").reshape(len(ids), -1)
            with torch.inference_mode():
                expected = model(torch.tensor([ids]))[0].numpy()
            assert np.abs(theirs - expected).max() < 1e-3
    model.load_state_dict(plain)


def _put_in(model, adapter):
    """Add an adapter's changes to the weights of our model."""
    kinds = {"self_attn.q_proj": "attention.query", "self_attn.k_proj": "attention.key"}
    kinds |= {"self_attn.v_proj": "attention.value", "self_attn.o_proj": "attention.output"}
    kinds |= {f"mlp.{part}_proj": f"mlp.{part}" for part in ("gate", "up", "down")}
    with torch.no_grad():
        for layer in range(model.config.n_layers):
            for theirs, own in kinds.items():
                a, b = (adapter[f"model.layers.{layer}.{theirs}.lora_{side}"] for side in "AB")
                model.get_submodule(f"blocks.{layer}.{own}").weight += b @ a
        model.embed.weight[2046:] = adapter["model.embed_tokens.rows"]
        model.unembed.weight[2046:] = adapter["lm_head.rows"]


def test_patterns_and_predictions_with_a_head_switched_off_match_llmlibs(opened, ours):
    model, tokenizer = ours
    ids = tokenizer.encode(SOME)
    more = tokenizer.encode(" The mill")
    assert act(opened, "attention", "text", which="a", text=SOME)
    assert act(opened, "attention", "continuation", text=" The mill")
    read = "(name) => Array.from(new Uint8Array(playground.attention.get(name).buffer))"
    codes = np.frombuffer(encode(attention_patterns(model, ids)).codes, dtype=np.uint8).astype(int)
    assert np.abs(np.array(opened.evaluate(read, "a_codes")) - codes).max() <= 1
    assert act(opened, "attention", "switch", layer=1, head=2, off=True)
    for how in ("zero", "mean"):
        assert act(opened, "attention", "how", how=how)
        reference = torch.tensor([ids])
        with torch.inference_mode(), ablate(model, [(1, 2)], how, reference if how == "mean" else None):
            after = model(torch.tensor([ids + more]))[0, len(ids) - 1 :].log_softmax(-1)
        for row in opened.evaluate("() => playground.attention.get('predictions')"):
            (id,) = tokenizer.encode(row["token"])
            assert row["after"] == pytest.approx(after[0, id].exp().item(), abs=1e-4)
        expected = sum(after[k, id].item() for k, id in enumerate(more))
        assert opened.evaluate("() => playground.attention.get('logprobs')[1]") == pytest.approx(expected, abs=1e-3)
    assert act(opened, "attention", "all on")
    assert act(opened, "attention", "continuation", text="")


def test_a_reader_can_continue_a_story_and_ask_about_it(opened, ours):
    model, tokenizer = ours
    page = opened
    box = page.get_by_role("textbox", name="Your text")
    box.fill(SOME)
    box.press("Enter")
    page.get_by_label("Temperature").fill("0")
    page.get_by_role("button", name="Pick 10", exact=True).click()
    expect(page.locator("#next .llm-picked")).to_have_count(10)
    ids = tokenizer.encode(SOME)
    written = tokenizer.decode([*ids, *generate(model, ids, 10, Sampler(temperature=0))])
    expect(page.get_by_label("Text", exact=True)).to_have_value(written)  # the attention view has the same text
    page.evaluate(HOLD, len(ids) + 20)  # the whole story is longer, so it cannot end before Stop is pressed
    page.get_by_role("button", name="Continue", exact=True).press("Enter")  # by keyboard
    expect(page.locator("#next .llm-picked").nth(14)).to_be_visible()
    page.get_by_role("button", name="Stop", exact=True).click()
    page.evaluate("() => playground.free()")
    expect(page.get_by_role("button", name="Continue", exact=True)).to_be_enabled()
    assert page.locator("#writer [role=status]").first.inner_text().endswith("a second")
    question = page.get_by_role("textbox", name="Your question")
    question.fill("Who woke up?")
    question.press("Enter")
    expect(page.locator("#asker dd")).to_have_count(2)
    expect(page.locator("#asker dl")).to_have_attribute("aria-busy", "false")
    story = page.evaluate("() => playground.engine.decode({ ids: playground.ids })")
    asked = tokenizer.encode(f"{story}\n\nWho woke up?")
    expected_answer = tokenizer.decode(list(generate(model, asked, 24, Sampler(temperature=0)))).strip()
    expect(page.locator("#asker dd bdi").last).to_have_text(f"{expected_answer} …")
    box.fill("")
    box.press("Enter")
    expect(page.locator("#next .llm-notice")).to_have_text("There is no text to continue. Type at least one word.")
    assert page.evaluate("() => playground.prompt") == SOME


def test_axe_finds_no_faults_in_either_theme_on_a_desktop_or_a_phone(opened):
    for width, scheme in ((1000, "light"), (1000, "dark"), (390, "dark"), (390, "light")):
        opened.set_viewport_size({"width": width, "height": 800})
        opened.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        wait_until_drawn(opened, 200)
        keep_picture(opened, f"playground-{width}-{scheme}")
        whole = opened.locator(":root")
        by_axe = violations if scheme == "light" else faults_of_colour
        assert by_axe(whole) == [], (width, scheme)
        assert opened.locator("main").evaluate(UNREADABLE) == []
        assert opened.locator("main").evaluate(STICKS_OUT) <= 1, width
        assert opened.evaluate("() => document.documentElement.scrollWidth") <= width
    assert opened.foreign == []
    assert opened.complaints == []


def test_the_page_has_the_theme_that_the_reader_has_chosen_in_the_course(opened):
    paper = "colour => getComputedStyle(document.querySelector('.llm')).backgroundColor === colour"
    light, dark = "rgb(255, 255, 255)", "rgb(20, 24, 29)"
    switch = opened.locator("#theme")
    opened.emulate_media(color_scheme="light")
    for words, colour in (("dark", dark), ("light", light), ("same as the system", light)):
        switch.press("Enter")
        expect(switch).to_have_text(f"Colours: {words}")
        opened.wait_for_function(paper, arg=colour)
    opened.emulate_media(color_scheme="dark")
    opened.wait_for_function(paper, arg=dark)  # the page follows the system in the next frame
    lesson = opened.context.new_page()
    lesson.goto(f"{opened.url.rpartition('/')[0]}/config.json")
    lesson.evaluate("() => localStorage.setItem('theme', 'light')")
    expect(switch).to_have_text("Colours: light")
    opened.wait_for_function(paper, arg=light)
    lesson.close()
    opened.evaluate("() => localStorage.removeItem('theme')")


def test_a_build_that_fails_leaves_the_page_as_it_was(builder, folder):
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    with pytest.raises(FileNotFoundError):
        builder.build(folder, folder / "no adapter")
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_the_page_works_without_a_network_once_it_has_been_loaded(opened, server):
    opened.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    opened.wait_for_function("() => caches.keys().then((names) => names.length === 1)")
    opened.wait_for_function("() => navigator.serviceWorker.controller !== null")
    server.shutdown()
    server.server_close()
    opened.reload()
    opened.locator("body[data-ready]").wait_for()
    assert act(opened, "next", "draw", times=1)
    assert act(opened, "asker", "ask", text="Who?")
    assert opened.foreign == []
