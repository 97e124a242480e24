"""List everything that the lessons download.

`llmlib download` fetches all of it; after that, the lessons work offline.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from llmlib.files.downloads import DownloadError
from llmlib.tokenization.published import smollm2_file, smollm2_is_here, vocabulary_files, vocabulary_is_here


@dataclass(frozen=True)
class Material:
    """Something that the lessons download; `bring` fetches it once, and `is_here` checks offline whether we have it."""

    name: str
    megabytes: int | float  # the size of the download
    is_here: Callable[[], bool]
    bring: Callable[[], object]


MATERIALS = (
    Material("SmolLM2-135M-Instruct, the course's language model", 93, smollm2_is_here, smollm2_file),
    *(
        Material(f"the vocabulary {name}", size, partial(vocabulary_is_here, name), partial(vocabulary_files, name))
        for name, size in (("gpt2", 1.5), ("cl100k_base", 1.7), ("o200k_base", 3.6))
    ),
)


def missing() -> list[Material]:
    """Return the materials that are not on this machine yet."""
    return [material for material in MATERIALS if not material.is_here()]


def megabytes(materials: Iterable[Material]) -> str:
    """Return the total size of the materials as text.

    >>> megabytes(MATERIALS)
    'about 100 MB'
    """
    return f"about {sum(material.megabytes for material in materials):.0f} MB"


def bring(materials: Iterable[Material], tell: Callable[[str], None]) -> list[DownloadError]:
    """Download the materials one by one, report each with `tell`, and return the errors from failed downloads."""
    errors = []
    for material in materials:
        try:
            material.bring()
            tell(f"ready: {material.name}")
        except DownloadError as error:
            tell(f"could not download: {material.name}. {error}")
            errors.append(error)
    return errors
