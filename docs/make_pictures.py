"""Make the pictures for the README: an animation, a still picture from it, and a thumbnail for each lesson.

    python docs/make_pictures.py                  make all pictures
    python docs/make_pictures.py moving           only the animation: a model's attention, and a training run
    python docs/make_pictures.py thumbnails       only the thumbnails, from the stored outputs of the lessons

The script needs Chromium. The animation takes two minutes, since a model is trained for it.
"""

import io
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from PIL import Image, ImageDraw
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "pictures"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

WIDTH, HEIGHT = 860, 716  # size of the animation, in pixels
TEXT = "When Mary and John went to the store, John gave a drink to"
HEADS = [
    (0, 1),
    (4, 3),
    (9, 1),
    (11, 1),
    (16, 0),
    (20, 5),
    (23, 3),
]  # the mouse points at these heads in turn; the last head is opened
QUERIES = ["·Mary", "·John", "·store", "·gave", "·to"]  # the mouse points at the row where each of these last occurs
STEPS, SHOWN = 480, 22  # steps of the training run, and how many of them the animation shows

# For each lesson: how the description of its picture begins (the first match is used), and which part of the picture to
# show: the left, top, right and bottom edges, as shares of its width and height.
THUMBNAILS = {
    "00_welcome": ("Bars for the eight most probable next tokens", (0, 0, 1, 1)),
    "01_tokenization": ("Encoding “the thatched hat”", (0, 0, 0.55, 1)),
    "01b_primer": ("A curve that falls from nearly 6 nats", (0, 0, 1, 1)),
    "02_embeddings": ("A map of words", (0, 0, 1, 1)),
    "03_attention": ("Query at position 20, key at 14", (0, 0, 0.62, 1)),
    "04_attention_visualised": ("Attention of layer 1, head ", (0, 0.07, 0.52, 0.9)),
    "05_transformer": ("A thick line, the residual stream", (0, 0, 0.68, 1)),
    "06_training": ("The loss of each batch over 400 steps", (0, 0, 1, 1)),
    "07_sampling": ("Eight small plots of probability by rank", (0, 0, 0.51, 1)),
    "08_instruction_tuning": ("Right answers by kind of request", (0, 0, 1, 1)),
    "09_alignment": ("Two plots. The best of n", (0, 0, 0.535, 1)),
    "10_scaling_laws": ("Five curves that bend upwards", (0, 0, 1, 1)),
    "11_capabilities_and_limits": ("Three tasks against the number of examples", (0, 0, 0.37, 1)),
}
SMALL = (240, 150)  # size of a thumbnail, which is shown at half this size, so that it is sharp on any screen

Frame = tuple[Image.Image, int]  # a picture, and how many milliseconds it stays


def moving(page: Page, folder: Path) -> None:
    """Write the animation `course.webp`, and a still picture from it, `course.png`."""
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    frames = [*attention_frames(page, folder), *training_frames(page, folder)]
    first, *others = [picture for picture, _ in frames]
    durations = [milliseconds for _, milliseconds in frames]
    # The same frames take 1.1 MB as a GIF with 64 colours, 2.3 MB as an animated PNG, and 0.5 MB as WebP, in all
    # colours.
    animated = {"save_all": True, "append_images": others, "duration": durations, "loop": 0}
    first.save(PICTURES / "course.webp", lossless=True, quality=80, method=4, **animated)
    still, _ = frames[len(HEADS) + len(QUERIES) + 1]  # the mouse is at the last token, in the opened head
    still.quantize(128, Image.Quantize.MAXCOVERAGE).save(PICTURES / "course.png", optimize=True)


QUICK, LINGER = 420, 1800


def shoot(page: Page, milliseconds: int = QUICK, pointer: tuple[float, float] | None = None) -> Frame:
    """Take a picture of the page as it is now, with a mouse pointer drawn into it."""
    page.wait_for_timeout(250)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    if pointer:
        x, y = pointer
        arrow = [(0, 0), (0, 17), (4, 13), (7, 20), (10, 19), (7, 12), (12, 12)]
        ImageDraw.Draw(picture).polygon([(x + a, y + b) for a, b in arrow], fill="#d55e00", outline="#ffffff")
    return picture, milliseconds


def middle(page: Page, label: str) -> tuple[float, float]:
    box = page.get_by_label(label, exact=True).bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def attention_frames(page: Page, folder: Path) -> Iterator[Frame]:
    """Show all heads of SmolLM2: point at some of them, open one, and read it token by token."""
    from llmlib import load_pretrained
    from llmlib.explore import explore_attention

    model, tokenizer = load_pretrained("smollm2-135m-instruct", device="cpu", dtype="float32")
    view = explore_attention(model, tokenizer, TEXT, continuation=" Mary")
    page.goto(view.save(folder / "attention.html").as_uri())
    page.locator(".llm-attention canvas").first.wait_for()
    yield shoot(page, LINGER)
    for layer, head in HEADS:
        at = middle(page, f"Layer {layer}, head {head}")
        page.mouse.move(*at)
        yield shoot(page, pointer=at)
    page.mouse.click(*at)
    yield shoot(page, 2 * QUICK, at)
    heat = page.locator(".llm-heat canvas").first.bounding_box()
    assert heat
    tokens = page.locator(".llm-strip [role=option]").all_text_contents()
    side = heat["width"] / len(tokens)
    for token in QUERIES:
        row = len(tokens) - 1 - tokens[::-1].index(token)
        key = int(view.pattern(*HEADS[-1])[row].argmax())
        at = heat["x"] + (key + 0.5) * side, heat["y"] + (row + 0.5) * side
        page.mouse.move(*at)
        yield shoot(page, LINGER if token == QUERIES[-1] else 2 * QUICK, at)


def training_frames(page: Page, folder: Path) -> Iterator[Frame]:
    """Show how a small model learns to tell stories."""
    import torch

    import llmlib
    from llmlib import Sampler, TrainConfig, Transformer, TransformerConfig
    from llmlib.explore import explore_training

    torch.set_num_threads(1)
    text, new = llmlib.tinytales_text(1_500_000), llmlib.tinytales_text(40_000, split="validation")
    tokenizer = llmlib.BPETokenizer.train(text[:200_000], vocab_size=1024)
    data, held_back = (llmlib.TokenDataset(tokenizer.encode(one)) for one in (text, new))
    shape = {"positions": "rotary", "norm": "rmsnorm", "mlp": "swiglu"}
    model = Transformer(TransformerConfig(1024, max_seq_len=128, d_model=96, n_layers=3, n_heads=4, **shape), seed=0)

    def story(model: Transformer) -> str:
        written = "".join(llmlib.generate_text(model, tokenizer, "\n\n", 70, Sampler(temperature=0.5), seed=0))
        return written.strip().split("\n\n")[0]

    moments = {round(1 + (STEPS - 1) * (k / (SHOWN - 1)) ** 2) for k in range(SHOWN)}  # closer together at the start
    recipe = TrainConfig(
        STEPS,
        12,
        96,
        warmup=10,
        schedule="linear",
        dtype="float32",
        optimizer="muon",
        learning_rate=0.03,
        matrix_learning_rate=0.01,
        validate_every=20,
        validation_batches=4,
        sample_every=20,
    )
    view = explore_training()
    for step in view.watch(llmlib.train(model, data, recipe, validation=held_back, sample=story)):
        if step.step in moments:
            page.goto(view.save(folder / f"training{step.step}.html").as_uri())
            page.locator(".llm-training").wait_for()
            yield shoot(page, LINGER if step.step == STEPS else QUICK)


def thumbnails(page: Page, folder: Path) -> None:
    """Write a thumbnail for each lesson. Raises `KeyError` for a lesson that is not in `THUMBNAILS`."""
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        source = folder / f"{path.stem}.html"
        source.write_text(f'<body style="margin: 0; background: white">{stored_picture(path)}', encoding="utf-8")
        page.goto(source.as_uri())
        page.add_style_tag(content="img { display: block; filter: none !important; }")
        picture = Image.open(io.BytesIO(page.locator("img").screenshot())).convert("RGB")
        card = fit(picture, THUMBNAILS[path.stem][1])
        card.quantize(96, Image.Quantize.MAXCOVERAGE).save(PICTURES / f"{path.stem}.png", optimize=True)


def stored_picture(path: Path) -> str:
    """Find the `<img>` that `THUMBNAILS` chooses for a lesson. Raises `LookupError` if there is no such image."""
    begins, _ = THUMBNAILS[path.stem]
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            for tag in re.findall(r"<img[^>]*>", output.get("data", {}).get("text/html", "")):
                if f'alt="{begins}' in tag:
                    return tag
    raise LookupError(f"{path.name} has no picture whose description begins with {begins!r}. Choose another.")


def fit(picture: Image.Image, part: tuple[float, float, float, float]) -> Image.Image:
    """Put this part of the picture on a white card as large as a thumbnail."""
    width, height = picture.size
    picture = picture.crop([round(share * size) for share, size in zip(part, (width, height) * 2)])
    picture.thumbnail(SMALL, Image.Resampling.LANCZOS)
    card = Image.new("RGB", SMALL, "white")
    card.paste(picture, ((SMALL[0] - picture.width) // 2, (SMALL[1] - picture.height) // 2))
    return card


def main(wanted: list[str]) -> None:
    makers = {"moving": moving, "thumbnails": thumbnails}
    if unknown := set(wanted) - makers.keys():
        raise SystemExit(f"Unknown pictures: {', '.join(unknown)}. Choose from: {', '.join(makers)}.")
    browser_path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser_path is None:
        raise SystemExit("The pictures need Chromium. On Debian and Ubuntu: sudo apt install chromium")
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        for name in wanted or makers:
            makers[name](browser.new_page(reduced_motion="reduce"), Path(folder))
        browser.close()
    for path in sorted(PICTURES.iterdir()):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:,.0f} KB")


if __name__ == "__main__":
    main(sys.argv[1:])
