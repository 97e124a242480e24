"""Files are complete or absent, even if the process that writes them is killed, and have the usual permissions."""

import os
import subprocess
import sys

import pytest

from llmlib.files.atomic import atomic_write, unused_path, write_together

WRITERS = {
    "one": "with atomic_write(folder / 'a') as file: file.write(b'new'); os.kill(os.getpid(), 9)",
    "several": "with write_together(folder, 'a') as new: (new / 'a').write_text('new'); os.kill(os.getpid(), 9)",
    "between": """
real = os.replace
def once(*names): real(*names); os.kill(os.getpid(), 9)
os.replace = once
with write_together(folder, 'a') as new: (new / 'a').write_text('new'); (new / 'b').write_text('new')""",
}


@pytest.mark.skipif(sys.platform == "win32", reason="needs Unix signals")
@pytest.mark.parametrize("death", WRITERS)
def test_the_next_writer_removes_what_a_killed_process_left_behind(tmp_path, death):
    (tmp_path / "a").write_text("old")
    (tmp_path / "b").write_text("old")
    start = "import os, sys; from pathlib import Path; from llmlib.files.atomic import *; folder = Path(sys.argv[1])\n"
    assert subprocess.run([sys.executable, "-c", start + WRITERS[death], str(tmp_path)]).returncode == -9
    held = {path.name: path.read_text() for path in tmp_path.iterdir() if path.is_file() and path.name in "ab"}
    # If the kill comes between the two renames, `a` is missing, so nobody mistakes the files for a complete set.
    assert held == ({"b": "new"} if death == "between" else {"a": "old", "b": "old"})
    assert len(list(tmp_path.iterdir())) == len(held) + 1
    alive = unused_path(tmp_path, ".saving-", "")
    alive.mkdir()
    with atomic_write(tmp_path / "a") as file:
        file.write(b"newest")
    with write_together(tmp_path, "b") as new:
        (new / "b").write_text("newest")
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", alive.name}  # its process is still alive


@pytest.mark.skipif(sys.platform == "win32", reason="needs Unix file modes")
def test_files_have_the_users_default_permissions(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "a") as file:
            file.write(b"1")
        with write_together(tmp_path, "b") as new:
            (new / "b").touch(0o600)
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in sorted(tmp_path.iterdir())] == [0o640, 0o640]


def test_an_error_while_writing_changes_nothing(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(ZeroDivisionError), write_together(tmp_path, "a") as new:
        (new / "a").write_text(str(1 / 0))
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]
