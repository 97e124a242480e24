"""The README is correct: its code runs as printed, and its map matches the lessons."""

import re
from pathlib import Path

import nbformat
import pytest
from lesson_pages import minutes_of_roads
from PIL import Image

from llmlib import tinytales_text

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
LESSONS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)
SMALLER = (("1000", "300"), ("steps=500", "steps=3, batch_size=2"), ("d_model=128", "d_model=16"))


@pytest.mark.slow
def test_ten_lines_train_a_model_on_your_own_text(tmp_path, monkeypatch):
    """With the printed sizes this would take minutes. Here the sizes are smaller, but the rest is as printed."""
    ten, keep = BLOCKS[:2]
    assert len([line for line in ten.splitlines() if line and not line.startswith(("from ", "    "))]) <= 10
    assert all(large in ten for large, _ in SMALLER)
    for large, small in SMALLER:
        ten, keep = ten.replace(large, small), keep.replace(large, small)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-book.txt").write_text(tinytales_text(5000), encoding="utf-8")
    exec(ten.replace("explore_attention(model", "view = explore_attention(model"), scope := {})
    assert repr(scope["view"]).startswith("<AttentionView: Attention of 4 layers × 4 heads over")
    exec(keep, scope)
    assert (tmp_path / "my-model" / "config.json").is_file()


@pytest.mark.slow
@pytest.mark.network
def test_the_code_runs_and_prints_the_right_capital(capsys):
    scope = {}
    assert len(BLOCKS) == 4
    for block in BLOCKS[2:]:
        exec(block.replace("max_new_tokens=50", "max_new_tokens=5"), scope)
    assert "Paris" in capsys.readouterr().out
    assert len(scope["t"].pattern) == scope["model"].config.n_layers


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_map_shows_a_picture_of_each_lesson_and_how_long_it_takes(lesson):
    """If a lesson has no row, add one to the README, and add a line for its picture to docs/make_pictures.py."""
    linked = f'<a href="notebooks/{lesson}.ipynb">'
    picture = rf'{linked}<img src="docs/pictures/{lesson}.png"[^|]*</a> \| '
    cells = re.search(rf"{picture}{linked}<b>[^|]*</b></a>, ([\d+ ]+) min<br>[^|]+ \|", README)
    assert cells, f"{lesson} is not in the README's map"
    stated = [int(number) for number in cells[1].split(" + ")]
    notebook = nbformat.read(ROOT / "notebooks" / f"{lesson}.ipynb", as_version=4)
    main, side = minutes_of_roads(notebook)
    if main:
        assert stated == [sum(main.values()), *([sum(side.values())] if side else [])]
    else:
        longest = re.search(r"\*\*Time:\*\* [^.;]*?(\d+) minutes", notebook.cells[0].source)[1]
        assert stated == [int(longest)]


def test_all_linked_files_exist_and_the_pictures_are_small():
    files = set(re.findall(r'(?:src|srcset|href)="([^":]+)"', README))
    files |= set(re.findall(r"\]\(([^):#]+)\)", README))
    assert [name for name in sorted(files) if not (ROOT / name).exists()] == []
    pictures = {name: ROOT / name for name in files if name.startswith("docs/pictures/")}
    assert {path.name for path in pictures.values()} == {path.name for path in (ROOT / "docs/pictures").iterdir()}
    assert sum(path.stat().st_size for path in pictures.values()) < 3e6
    moving = Image.open(ROOT / "docs/pictures/course.webp")
    assert moving.is_animated
    assert not getattr(still := Image.open(ROOT / "docs/pictures/course.png"), "is_animated", False)
    assert still.size == moving.size
    assert re.search(r'prefers-reduced-motion: reduce\)" srcset="docs/pictures/course.png"', README)
