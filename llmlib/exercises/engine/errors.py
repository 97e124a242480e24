"""An exception in a learner's code: which of their lines raised it, and what usually causes such an error."""

import dis
import linecache
import re
import traceback
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

# First match wins: a pattern for "ErrorType: message", and what usually lies behind it.
CAUSES: tuple[tuple[str, str], ...] = (
    (
        r"TypeError: .* (takes|missing) .*argument",
        "The function is called with other arguments than those it declares. Compare its first line with the task.",
    ),
    (
        r"(list|tuple) indices must be integers or slices, not str",
        "A list is asked for a name, as only a dictionary can be. Does a list come here, where you think of a "
        "dictionary?",
    ),
    (
        r"'(float|int)' object has no attribute '(backward|requires_grad|grad|grad_fn)'",
        "A plain number remembers nothing of how it was computed, so no gradient flows through it. Leave `.item()` out "
        "until the gradients are there.",
    ),
    (
        r"JSONDecodeError: Extra data",
        "The JSON ends earlier than the text that you give to it: more comes behind it. Where does it end?",
    ),
    (
        r"JSONDecodeError:",
        "The text that you give to JSON does not begin, or not end, where the JSON does.",
    ),
    (
        r"TypeError: attribute .* is not an instance of torch.Tensor",
        "A name in your dictionary is that of a layer, and not that of its weight. `module.state_dict()` shows all of "
        "them.",
    ),
    (
        r"TypeError: cannot assign .* as parameter",
        "A module takes only an `nn.Parameter` where it has one. `functional_call(module, weights, inputs)` runs it "
        "with other tensors, and leaves its own alone.",
    ),
    (
        r"TypeError: .*unexpected keyword",
        "A keyword that the called function does not know; a spelling mistake, or another library's name "
        "for it (`dim` in torch is `axis` in numpy).",
    ),
    (
        r"TypeError: .*(0-d|scalar) tensor",
        "This tensor has no axis at all: it is a single number. `shape`, `...` and broadcasting work for any number of "
        "axes, `len` and `for` need one.",
    ),
    (
        r"'NoneType' object",
        "Something is None: a missing `return`, or an optional argument that was left out. Handle `None` first.",
    ),
    (r"TypeError: .*not subscriptable", "Square brackets after something that is no list, tuple or tensor."),
    (r"TypeError: .*not callable", "Round brackets after something that is no function, or a name used twice."),
    (r"TypeError: .*not iterable", "A loop, or an unpacking, over something that is a single value."),
    (
        r"does not require grad and does not have a grad_fn",
        "The loss depends on nothing that asks for gradients. `requires_grad` was never set, or got lost: after "
        "`detach()`, under `no_grad()`, or because the name now means a new tensor that was computed.",
    ),
    (
        r"a (view of a )?leaf Variable that requires grad",
        "A tensor that asks for gradients is changed in place, where autograd records every step. An update is no "
        "part of what is to be differentiated: do it under `with torch.no_grad():`.",
    ),
    (
        r"backward through the graph a second time",
        "What `backward()` needs is gone after the first time. Something that was computed before it is used again: "
        "compute the loss anew in each turn, and `detach()` what is carried over.",
    ),
    (
        r"index -100 is out of bounds",
        "−100 is no id: it marks what does not count. Nothing can be looked up with it, so these places have to be "
        "left out before, or given some id (`clamp(min=0)`) and left out after.",
    ),
    (
        r"Boolean value of Tensor with more than one value|truth value of an array",
        "`if`, `and`, `or`, `not`, `min(…)` and `max(…)` ask for one True or False, and this tensor holds many. "
        "`torch.where`, `&`, `|`, `~` and `torch.maximum` go number by number.",
    ),
    (r"TypeError: unhashable type", "Keys of a dictionary, and items of a set, cannot be lists: `tuple(…)` can be."),
    (r"TypeError: .*NoneType", "Something is None: a missing `return`, or an optional argument that was left out."),
    (r"TypeError: can't convert .* tensor to numpy|TypeError: .*ndarray", "torch and numpy are mixed in one step."),
    (
        r"TypeError: .*(str|bytes).*",
        "Text and bytes (or numbers) are mixed: `text.encode()` gives bytes, and the items of bytes are numbers.",
    ),
    (
        r"AttributeError: 'str' object has no attribute",
        "A text comes where you think of something else. A loop over a dictionary gives its names, not its values.",
    ),
    (r"AttributeError:", "The value has no such attribute; often it is not of the kind you think. Print its type."),
    (
        r"UnboundLocalError:",
        "A name is read before the line that sets it has run; perhaps that line is inside "
        "an `if` or a loop that was skipped.",
    ),
    (r"NameError:", "A name that Python has not met: a spelling mistake, or a cell (an import) not yet run."),
    (
        r"IndexError: index .*out of (bounds|range)|IndexError: index out of range",
        "An index that is too large for its axis: places count from 0, so the last of n is n − 1. Is "
        "it meant for this axis, "
        "and are there so many?",
    ),
    (
        r"IndexError: The shape of the mask",
        "A mask in square brackets needs the same axes as the tensor it picks from. `masked_fill` stretches it; "
        "`x[..., mask]` picks along the last axes.",
    ),
    (
        r"TypeError: .*must be Tensor, not (int|float)",
        "This function wants a tensor. For a plain number Python has its own: `n ** 0.5` is a square root.",
    ),
    (
        r"IndexError: shape mismatch: indexing tensors",
        "The two index tensors in `x[a, b]` are read side by side, so their shapes must fit: with one more axis than "
        "you think of, they do not. `scatter` and `F.one_hot` work along the last axis, however many come before it.",
    ),
    (
        r"IndexError: tensors used as indices",
        "A tensor of this kind cannot be an index: indices are whole numbers (`long`) or booleans.",
    ),
    (r"IndexError: .*pop from empty", "Nothing is left to take. This case has to be asked for before."),
    (
        r"IndexError: Dimension|IndexError: too many|IndexError: Dimension out of range",
        "An axis that the tensor does not have. Axes count from 0; from the end, -1 is the last.",
    ),
    (
        r"IndexError:",
        "A position beyond the end. In a loop over neighbours the last one has no right neighbour; "
        "and lists can be empty.",
    ),
    (r"KeyError:", "A key that is not in the dictionary. `d.get(key, default)` and `key in d` are ways to ask first."),
    (r"ZeroDivisionError:", "Something that is counted or summed is zero in this case."),
    (
        r"UnicodeDecodeError:",
        "Bytes that are no complete UTF-8 text: a character may be cut in the middle. "
        "`decode` has a parameter for what to do then.",
    ),
    (r"ValueError: .*range\(0, 256\)", "`bytes([...])` takes numbers from 0 to 255; ids of merged tokens are larger."),
    (
        r"RuntimeError: selected index k",
        "`topk(k)` is asked for more than there are. `min(k, len(...))` never is.",
    ),
    (
        r"(stack|cat\(\):?) expect\w* a non-empty",
        "The list is empty: in this case nothing was collected. What should the function return then?",
    ),
    (
        r"TypeError: stack\(\)|RuntimeError: stack expects",
        "`torch.stack` wants a list (or tuple) of tensors, not empty, all of one shape; `torch.cat` "
        "joins along an axis that is "
        "there already.",
    ),
    (
        r"TypeError: cat\(\)|RuntimeError: (Sizes of tensors must match|Tensors must have same number)",
        "`torch.cat` wants a list (or tuple) of tensors that differ in size along the joined axis only.",
    ),
    (
        r"RuntimeError: expand\(|RuntimeError: The expanded size",
        "`expand` only stretches axes of length 1. To repeat what is there, use `repeat_interleave`, "
        "or add an axis first and join "
        "it afterwards.",
    ),
    (
        r"RuntimeError: outer:|RuntimeError: 1D tensors expected|RuntimeError: .*1-D|RuntimeError: .*1D",
        "This operation takes tensors with a single axis; here there are more. Broadcasting (`x[..., "
        "None] * y`) works for any.",
    ),
    (
        r"RuntimeError: .*(in-place|inplace)|RuntimeError: unsupported operation: more than one element",
        "A tensor is written to that shares its memory with another, or is needed as it was. Work on "
        "a copy: `x.clone()`.",
    ),
    (
        r"ValueError: .*(empty|arg is an empty)",
        "The largest, or smallest, of nothing. This case has to be asked for before.",
    ),
    (r"ValueError: .*unpack", "Another number of values than there are names on the left of `=`."),
    (r"EinopsError|einops", "The pattern of einops does not fit the tensor: count the axes and compare the sizes."),
    (
        r"RuntimeError: .*einsum",
        "The letters of an einsum must fit the tensors: one letter for each axis, and the "
        "same size wherever a letter comes back.",
    ),
    (
        r"RuntimeError: .*batch[12]",
        "For `a @ b` the last axis of a and the last but one of b must have the same size; `transpose(-2, -1)` "
        "swaps two axes.",
    ),
    (
        r"RuntimeError: mat1 and mat2|RuntimeError: size mismatch|must match.*bmm",
        "For `a @ b` the last axis of a and the last but one of b must have the same size. Write both shapes down, "
        "with the names of their axes: is one in the wrong position, or is its size not what you thought?",
    ),
    (
        r"RuntimeError: .*view size is not compatible",
        "`view` needs values that lie in memory in the order of the "
        "axes, which a transposed tensor's do not. `reshape` copies where it must.",
    ),
    (r"RuntimeError: shape .* is invalid", "The new shape does not hold as many values as the old one."),
    (
        r"RuntimeError: (Size does not match at dimension|Index tensor must have the same number)",
        "`gather` picks single numbers, and its index needs as many axes as the tensor. `x[ids]` takes whole rows.",
    ),
    (
        r"RuntimeError: The size of tensor|RuntimeError: .*broadcast|RuntimeError: .*must match",
        "Two sizes that ought to be the same (or 1) are not. Write the shapes of both sides down, axis by axis.",
    ),
    (
        r"RuntimeError: .*(dtype|scalar type)",
        "Two dtypes meet that do not mix. Make new tensors with `dtype=x.dtype`, and masks with `bool`.",
    ),
    (r"RuntimeError: .*requires grad", "`numpy()` needs a tensor without gradients: `x.detach().numpy()`."),
    (r"RecursionError:", "The function calls itself without end; which case should stop it?"),
    (r"MemoryError|out of memory|RuntimeError: .*allocate", "A list or tensor grew far beyond what the task needs."),
    (r"TypeError:", "An operation got a kind of value that it does not work on. Print `type(...)` of what goes in."),
    (r"AssertionError:", "An `assert` of yours does not hold in this case."),
    (r"KeyboardInterrupt", "You, or somebody, stopped the run."),
)


NO_GRADIENT = (
    "`{0}.grad` is None. `backward()` leaves gradients only at tensors that were made with `requires_grad`, not at "
    "those that were computed: after `{0} = {0} - …` the name `{0}` means a new tensor. Change the old one in place, "
    "under `torch.no_grad()`, or make the new one a beginning again: `{0} = (…).detach().requires_grad_()`."
)
TRANSPOSED = (
    "For `a @ b` the last axis of a and the last but one of b must have the same size. Here the last axes of both have "
    "{0}. Is the second matrix to be transposed (`.T`)?"
)
AXES = "There are {1} names on the left of `=`, and the tensor has {0} axes. Which axes does the task give it?"
PIECES = (
    "There are {1} names on the left of `=`, and `{2}` gives another number of pieces: {0}. Is it along the axis that "
    "you mean, and is that axis long enough?"
)
IDS_MULTIPLIED = (
    "You multiply the ids. An id is the name of a row, and no amount: id 4 is not twice id 2. `table[ids]` takes the "
    "rows."
)
ONE_HOT = (
    "For `a @ b` the last axis of a and the last but one of b must have the same size. `F.one_hot` makes as many "
    "columns as the largest id + 1, unless it is told how many there should be: that is its second argument, "
    "`num_classes`."
)


def name_of(error: BaseException) -> str:
    """ "ValueError: what it says", in one line and without addresses, so that it is the same in each run."""
    try:
        message = str(error)
    except Exception:
        message = ""
    message = re.sub(r"0x[0-9a-fA-F]+", "0x…", message.strip().split("\n")[0])[:200]
    return f"{type(error).__name__}: {message}".removesuffix(": ")


TAKEN_OUT = "An entry is taken out that is not in this dictionary. `d.pop(key, None)` takes out what may be missing."
OWN_RAISE = "This `raise` is your own. What should the function return in this case? The task says it."
ANOTHER_CALL = (
    "`{0}` is called with other arguments than it takes. Compare the call with the first line of `{0}`, or with its "
    "documentation."
)


def usual_cause(error: BaseException, line: str = "", inside: bool = False) -> str:
    """What usually causes this kind of error, in such a line; or an empty text.

    `inside` says that the function itself had begun, so that it is another one that was called wrongly.

    >>> usual_cause(ZeroDivisionError("division by zero"))
    'Something that is counted or summed is zero in this case.'
    """
    name = name_of(error)
    if line.startswith("raise "):
        return OWN_RAISE
    called = re.match(r"TypeError: ([\w.<>]+)\(\) (?:takes|missing) .*argument", name)
    if inside and called:
        return ANOTHER_CALL.format(called[1].split(".")[-1])
    if name.startswith("KeyError") and re.search(r"\.pop\(|^del ", line):
        return TAKEN_OUT
    if "NoneType" in name and (owner := re.search(r"([A-Za-z_]\w*)\.grad\b", line)):
        return NO_GRADIENT.format(owner[1])
    unpacked = re.search(r"values to unpack \(expected (\d+)(?:, got (\d+))?\)", name)
    if unpacked and (cut := re.search(r"\.(chunk|split|unbind|shape)\b", line)):
        return (AXES if cut[1] == "shape" else PIECES).format(unpacked[2] or "more", unpacked[1], cut[1])
    if "shapes cannot be multiplied" in name and re.search(r"one_hot\([^(),]*\)", line):
        return ONE_HOT
    if "shapes cannot be multiplied" in name and re.search(r"\bids(\.\w+\([^()]*\))?\s*@", line):
        return IDS_MULTIPLIED
    shapes = re.search(r"mat1 and mat2 .* \((\d+)x(\d+) and (\d+)x(\d+)\)", name)
    if shapes and shapes[2] == shapes[4]:
        return TRANSPOSED.format(shapes[2])
    cause = next((cause for pattern, cause in CAUSES if re.search(pattern, name)), "")
    turned = re.search(r"\.T\b", line) and re.search(r"The size of tensor|batch[12]", name)  # more than two axes
    return f"{cause} `.T` turns all axes round; `transpose(-2, -1)` swaps the last two." if turned else cause


def code_of(function: Callable[..., Any]) -> CodeType | None:
    """The code of a learner's function, or of the `forward` of their module; None for what has none."""
    return getattr(function, "__code__", None) or getattr(function, "code", None)


def all_code(code: CodeType) -> Iterator[CodeType]:
    """The code, and that of the functions inside of it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from all_code(constant)


def has_loop(function: Callable[..., Any]) -> bool:
    """Whether a function, or one inside of it, goes back to an earlier place; True for what has no code to look at.

    >>> has_loop(lambda n: n + 1), has_loop(lambda n: [i for i in range(n)])
    (False, True)
    """
    code = code_of(function)
    if not isinstance(code, CodeType):
        return True
    return any("JUMP_BACKWARD" in step.opname for part in all_code(code) for step in dis.get_instructions(part))


def came_from_inside(error: BaseException, function: Callable[..., Any]) -> bool:
    """Whether the function had begun when the error was raised; otherwise it did not take its arguments."""
    code = code_of(function)
    return any(frame.f_code is code for frame, _ in traceback.walk_tb(error.__traceback__))


def their_line(error: BaseException, function: Callable[..., Any]) -> tuple[int, str] | None:
    """Number (within its cell or file) and text of the last line of the learner's that was running."""
    home = getattr(code_of(function), "co_filename", None)
    lines = [number for frame, number in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == home]
    if not lines or home is None:
        return None
    text = linecache.getline(home, lines[-1]).strip()
    return (lines[-1], text) if text else None
