"""Load real texts: Shakespeare's plays, Python's own source code and your own files.

All corpora are plain text, with ``"\\n"`` at the end of each line on every machine.
"""

import codecs
import io
import os
import sysconfig
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

from llmlib.files.downloads import fetch

SHAKESPEARE_URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
SHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
NOT_STDLIB = {"site-packages", "dist-packages", "test", "tests", "idlelib", "__pycache__"}
PIECE = 1 << 20  # bytes read at a time


class CorpusError(ValueError):
    """Raised when a file cannot be used as text.

    The message names the file, and says where in the file the problem is and what to do.
    """


def tiny_shakespeare() -> str:
    """Return about 1.1 million characters of Shakespeare's plays, which are downloaded once and verified.

    The file is ``input.txt`` from Karpathy's char-rnn (2015). We look for it first in the cache, then in the folder
    ``LLMLIB_MIRROR``, and then on the network. Raises ``DownloadError`` if the file cannot be downloaded or has
    changed.
    """
    path = fetch(SHAKESPEARE_URL, sha256=SHAKESPEARE_SHA256, filename="tiny_shakespeare.txt")
    return path.read_bytes().decode("utf-8")


def python_stdlib(characters: int | None = None) -> str:
    """Return the source code of Python's standard library, without its tests (about ten million characters).

    The files are in alphabetical order, and each is preceded by a comment with its name. With ``characters``, the text
    stops after the file that brings it to at least this number of characters. The text depends on which version of
    Python is running. Raises ``ValueError`` if ``characters`` is not positive, and ``CorpusError`` if this Python was
    installed without its source code.

    >>> python_stdlib(1000).splitlines()[0]
    '# file: __future__.py'
    """
    if characters is not None and characters < 1:
        raise ValueError(f"characters must be 1 or more, got {characters}.")
    root = Path(sysconfig.get_paths()["stdlib"])
    names = [path.relative_to(root) for path in root.rglob("*.py")]
    texts: list[str] = []
    length = 0
    for name in sorted(names, key=Path.as_posix):
        if NOT_STDLIB & set(name.parts):
            continue
        with tokenize.open(root / name) as file:  # respects an encoding comment
            texts.append(f"# file: {name.as_posix()}\n{file.read()}\n")
        length += len(texts[-1])
        if characters is not None and length >= characters:
            break
    if not texts:
        raise CorpusError(f"The standard library's source is not in {root}. Use from_files with your own code.")
    return "".join(texts)


def from_files(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> str:
    """Return the text of one or more UTF-8 files, joined in order.

    Line endings become ``"\\n"``, and a byte order mark is dropped. Raises ``CorpusError`` if a file is missing or is
    not text (the error names the file and the byte), or if all files are empty.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "notes.txt"
    >>> _ = path.write_bytes(b"one\\r\\ntwo\\r\\n")
    >>> from_files(path)
    'one\\ntwo\\n'
    """
    return "".join(stream_files(paths))


def stream_files(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> Iterator[str]:
    """Yield the same text as ``from_files`` in pieces of about a megabyte, so that files can be of any size.

    Each piece ends at the end of a line, except that a line longer than a megabyte is cut. Raises the same errors as
    ``from_files``, but only when the file that causes them is reached.
    """
    listed = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    empty = True
    for path in map(Path, listed):
        for piece in _pieces(path):
            empty = False
            yield piece
    if empty:
        files = ", ".join(map(str, listed))
        raise CorpusError(f"There is no text in {files}." if files else "The list of files is empty.")


def _pieces(path: Path) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    rest = ""
    for data, position in _blocks(path):
        before = position - len(decoder.getstate()[0])  # a character may have begun in the previous block
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            where = before + error.start
            raise CorpusError(_not_text(path, where, error.object[error.start])) from None
        if 0 in data:
            raise CorpusError(_not_text(path, position + data.index(0), 0))
        if position == 0:
            text = text.removeprefix("\ufeff")
        rest += newlines.decode(text, final=not data)
        cut = rest.rfind("\n") + 1 or (len(rest) if len(rest) > PIECE else 0)
        if cut:
            yield rest[:cut]
            rest = rest[cut:]
    if rest:
        yield rest


def _blocks(path: Path) -> Iterator[tuple[bytes, int]]:
    """Yield blocks of the file with their positions; the last block is empty."""
    position = 0
    try:
        with open(path, "rb") as file:
            while data := file.read(PIECE):
                yield data, position
                position += len(data)
    except OSError as error:
        hint = " Pass the files in this folder, for example with Path.glob." if path.is_dir() else ""
        raise CorpusError(f"{path} cannot be read ({error.strerror}).{hint}") from error
    yield b"", position


def _not_text(path: Path, position: int, byte: int) -> str:
    return (
        f"{path} is not UTF-8 text: byte {position:,} is 0x{byte:02x}. "
        "Save the file as UTF-8 in your editor, or leave it out if it is not text."
    )
