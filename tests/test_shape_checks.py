"""During the tests, a wrong annotation raises an error at the first call that contradicts it."""

from typing import Literal

import pytest
import shape_checks
import torch
from beartype import beartype
from jaxtyping import Float, TypeCheckError
from torch import Tensor

from llmlib.linear import linear


@shape_checks.checked_when_new(typechecker=beartype)
def doubled(x: Float[Tensor, "a b"], kind: Literal["right", "cut"] = "right") -> Float[Tensor, "a b"]:
    return 2 * x if kind == "right" else 2 * x[:, :1]


def test_new_arguments_are_checked_even_after_others_have_passed():
    for _ in range(2):
        doubled(torch.ones(2, 3))
    for wrong in (torch.ones(2), torch.ones(2, 3).long()):
        for _ in range(2):  # arguments that failed the check are checked again
            with pytest.raises(TypeCheckError, match="parameters of"):
                doubled(wrong)
    with pytest.raises(TypeCheckError, match="parameters of"):
        doubled(torch.ones(2, 3), "other")
    doubled(torch.ones(2, 1), "cut")
    with pytest.raises(TypeCheckError, match="return value of"):
        doubled(torch.ones(2, 3), kind="cut")


def test_arguments_are_checked_again_in_each_test_file():
    doubled(torch.ones(2, 2))
    assert len(shape_checks.seen) > 1
    shape_checks.begin("this one")
    shape_checks.begin("another")
    doubled(torch.ones(2, 3))
    doubled(torch.ones(2, 3))
    shape_checks.begin("another")
    ((function, *_),) = shape_checks.seen
    assert function is doubled.__wrapped__


def test_annotations_in_the_library_are_checked():
    with pytest.raises(TypeCheckError):
        linear(torch.ones(2, 3), torch.ones(4, 5))
