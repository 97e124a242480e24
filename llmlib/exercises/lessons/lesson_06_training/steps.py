"""Exercises for lesson 06 on a single training step: gradients by hand, AdamW, Muon, learning rates and clipping."""

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from llmlib.exercises.engine.exercise import Case, Exercise, NoValue, Probe, texts_of
from llmlib.exercises.engine.probes import randn
from llmlib.exercises.lessons.lesson_06_training.faulty import faulty_learning_rate
from llmlib.exercises.lessons.lesson_06_training.faulty_backward import faulty_backward
from llmlib.exercises.lessons.lesson_06_training.faulty_steps import faulty_adamw, faulty_clip, faulty_orthogonalise

TEXTS = texts_of(Path(__file__).parent)
IGNORED = -100


def whole_numbers(seed, below, *shape):
    return torch.randint(0, below, shape, generator=torch.Generator().manual_seed(seed))


# --- training.backward ---


def backward(x, w1, w2, targets):
    """Compute the gradients of the loss with respect to both matrices, working back from the loss without autograd."""
    a = (x @ w1).tanh()
    slope = ((a @ w2).softmax(dim=-1) - F.one_hot(targets, w2.shape[1])) / len(x)
    d_w2 = a.T @ slope
    slope = (slope @ w2.T) * (1 - a**2)
    return x.T @ slope, d_w2


def cases_backward(seed):
    def case(rows, n_in, hidden, n_classes, note="", scale=1.0):
        x, w1, w2 = randn(seed, rows, n_in), randn(seed + 1, n_in, hidden), scale * randn(seed + 2, hidden, n_classes)
        return Case((x, w1, w2, whole_numbers(seed + 3, n_classes, rows)), note)

    return [
        case(1, 2, 2, 3, "a single row"),
        case(2, 2, 3, 2),
        case(5, 4, 6, 3),
        case(4, 4, 4, 4, "all sizes are equal"),
        case(6, 3, 2, 5, "large logits", scale=5.0),
    ]


def uses_autograd(call, case):
    """Say whether autograd records anything while the gradients are being computed."""
    kept = []

    def keep(tensor):
        kept.append(True)
        return tensor

    try:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            call(*case.args)
    except NoValue:  # `torch.func` raises an error: it does not allow these hooks
        kept.append(True)
    return bool(kept) and (
        "The gradients are right, but autograd computed them. Here you do autograd's work yourself: go back from the "
        "loss to W₂, and on to W₁, with the three rules."
    )


BACKWARD = Exercise(
    **TEXTS["backward"],
    reference=backward,
    cases=cases_backward,
    faulty=faulty_backward,
    probes=(Probe("The gradients are computed without autograd.", uses_autograd),),
)


# --- training.adamw_step ---


def adamw_step(w, gradient, m, v, t, lr):
    """Take one AdamW step, and return the new weights and both running averages."""
    m = 0.9 * m + 0.1 * gradient
    v = 0.95 * v + 0.05 * gradient**2
    m_full, v_full = m / (1 - 0.9**t), v / (1 - 0.95**t)
    return w - lr * 0.1 * w - lr * m_full / (v_full.sqrt() + 1e-8), m, v


def cases_adamw(seed):
    def case(t, lr, *shape, note="", scale=1.0):
        w, gradient, m = randn(seed, *shape), scale * randn(seed + 1, *shape), scale * randn(seed + 2, *shape)
        v = scale**2 * (randn(seed + 3, *shape) ** 2)
        if t == 1:
            m, v = torch.zeros_like(m), torch.zeros_like(v)
        return Case((w, gradient, m, v, t, lr), note)

    def unread(value):
        return torch.tensor([value, 0.0], dtype=torch.float64)

    return [
        case(1, 0.5, 2, note="the first step: both averages are 0"),
        Case((unread(2.0) + 1, unread(0.7), unread(0.1), unread(0.2), 4, 0.3), "a weight that never had a gradient"),
        case(2, 0.1, 2, 2, note="the second step"),
        case(7, 0.3, 3, 2),
        case(3, 0.2, 4, note="large gradients", scale=1000.0),
        case(40, 0.5, 2, 3, note="a late step"),
        case(5, 0.4, 3, note="gradients so small that ε matters", scale=1e-7),
    ]


ADAMW_STEP = Exercise(**TEXTS["adamw_step"], reference=adamw_step, cases=cases_adamw, faulty=faulty_adamw)


# --- training.orthogonalise ---


def orthogonalise(gradient, steps):
    """Use only matrix products to bring a matrix's singular values close to 1 while keeping its singular vectors."""
    a, b, c = 3.4445, -4.7750, 2.0315
    is_tall = gradient.shape[0] > gradient.shape[1]
    x = gradient.T if is_tall else gradient
    x = x / x.norm()
    for _ in range(steps):
        square = x @ x.T
        x = a * x + b * square @ x + c * square @ square @ x
    return x.T if is_tall else x


def cases_orthogonalise(seed):
    diagonal = torch.diag(torch.tensor([3.0, 4.0], dtype=torch.float64))
    return [
        Case((diagonal, 1), "one step, two singular values"),
        Case((randn(seed, 3, 3), 2)),
        Case((randn(seed + 1, 2, 5), 3), "a wide matrix"),
        Case((randn(seed + 2, 6, 3), 1), "a tall matrix"),
        Case((50 * randn(seed + 3, 4, 4), 5), "a large gradient"),
        Case((0.01 * randn(seed + 4, 4, 6), 4), "a small gradient"),
    ]


class _Watched(TorchFunctionMode):
    """Records which torch functions are called, and the shapes of the tensors that they return."""

    def __init__(self):
        super().__init__()
        self.called, self.seen = set(), set()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.called.add(getattr(function, "__name__", "").removeprefix("linalg_"))
        if isinstance(result, torch.Tensor):
            self.seen.add(tuple(result.shape))
        return result


def multiplies_the_long_way(call, case):
    rows, columns = case.args[0].shape
    with _Watched() as watched:
        call(*case.args)
    return (rows > columns and (rows, rows) in watched.seen) and (
        f"You turn the tall {rows} × {columns} matrix into a {rows} × {rows} one. If you transpose it first, you need "
        f"only a {columns} × {columns} matrix, and the result is the same. For a 4,000 × 64 matrix, that is a "
        "thousandth of the work."
    )


def takes_apart(call, case):
    with _Watched() as watched:
        call(*case.args)
    used = sorted(watched.called & {"svd", "svdvals", "eigh", "eig", "eigvalsh", "qr"})
    return bool(used) and (
        f"The result is right, but `{used[0]}` decomposed the matrix. You do not need that function, because the "
        "polynomial changes the singular values using only matrix products."
    )


ORTHOGONALISE = Exercise(
    **TEXTS["orthogonalise"],
    reference=orthogonalise,
    cases=cases_orthogonalise,
    faulty=faulty_orthogonalise,
    probes=(
        Probe("Only matrix products are used.", takes_apart, remark=True),
        Probe("A tall matrix is transposed first.", multiplies_the_long_way),
    ),
)


# --- training.learning_rate_at ---


def learning_rate_at(step, steps, warmup, peak):
    """Return a step's learning rate, which rises linearly to `peak` and then falls to 0 along half a cosine wave."""
    if step < warmup:
        return peak * (step + 1) / warmup
    passed = (step - warmup) / (steps - warmup)
    return peak * (1 + math.cos(math.pi * passed)) / 2


def cases_learning_rate(seed):
    more = seed % 7
    return [
        Case((0, 20, 4, 0.1), "the first step"),
        Case((2, 20, 4, 0.1), "in the middle of the warm-up"),
        Case((3, 20, 4, 0.5), "the last step of the warm-up"),
        Case((4, 20, 4, 0.5), "the first step after the warm-up"),
        Case((12, 20, 4, 0.1), "halfway down"),
        Case((19, 20, 4, 3.0), "the last step"),
        Case((0, 30 + more, 0, 2.0), "no warm-up"),
        Case((9 + more, 30 + more, 0, 0.4), "no warm-up, and not the first step"),
        Case((11 + more, 40, 9, 0.7)),
        Case((25 + more, 50, 10 + more, 1.5)),
        Case((6, 8, 7, 0.3), "all steps but one belong to the warm-up"),
    ]


LEARNING_RATE_AT = Exercise(
    **TEXTS["learning_rate_at"],
    reference=learning_rate_at,
    cases=cases_learning_rate,
    faulty=faulty_learning_rate,
    double=False,
)


# --- training.clip_together ---


def clip_together(gradients, limit):
    """Scale all gradients by the same factor, so that their global norm is at most the limit."""
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    return [gradient * (limit / norm) if norm > limit else gradient for gradient in gradients]


def cases_clip(seed):
    def case(shapes, limit, note="", scale=1.0):
        return Case(([scale * randn(seed + i, *shape) for i, shape in enumerate(shapes)], limit), note)

    def number(value):
        return torch.tensor([value], dtype=torch.float64)

    return [
        Case(([number(3.0), number(4.0)], 1.0)),
        Case(([number(3.0), number(4.0)], 10.0), "a length of 5, and a limit of 10"),
        case([(2, 3), (3,)], 1.5, scale=3.0),
        case([(4, 2), (2,), (3, 3)], 0.5, "three gradients"),
        case([(2, 2), (2,)], 50.0, "gradients whose global norm is below the limit"),
        Case(([number(6.0), number(0.5)], 2.0), "one gradient is large, and one is small"),
        case([(3, 4), (4,)], 4.0, "a limit above 1", scale=10.0),
        Case(([number(0.0), torch.zeros(2, dtype=torch.float64)], 1.0), "no gradient at all"),
        case([(5,)], 2.0, "a single gradient", scale=4.0),
        Case(([torch.zeros(2, dtype=torch.float64), number(6.0)], 2.0), "one gradient is 0, and the other is too long"),
    ]


CLIP_TOGETHER = Exercise(**TEXTS["clip_together"], reference=clip_together, cases=cases_clip, faulty=faulty_clip)


# --- the parts of the training loop; exercises on the loop are in `exercises` and `whole_runs` ---


def next_token_loss(logits, targets):
    """Compute the mean surprise, in nats, at the targets that are not ignored."""
    counts = targets != IGNORED
    log_p = logits.log_softmax(dim=-1)
    surprise = -log_p.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return surprise[counts].mean()


def fit(weights, loss_of, batches, rates, limit):
    """Take one AdamW step for each batch, at that step's rate, and return the new weights and the losses."""
    averages, losses = [(torch.zeros_like(w), torch.zeros_like(w)) for w in weights], []
    for t, (batch, rate) in enumerate(zip(batches, rates), start=1):
        weights = [w.detach().requires_grad_() for w in weights]
        loss = loss_of(weights, batch)
        gradients = clip_together(torch.autograd.grad(loss, weights), limit)
        with torch.no_grad():
            steps = [adamw_step(w, g, *both, t, rate) for w, g, both in zip(weights, gradients, averages)]
        weights, averages = [new for new, _, _ in steps], [(m, v) for _, m, v in steps]
        losses.append(loss.item())
    return [w.detach() for w in weights], losses
