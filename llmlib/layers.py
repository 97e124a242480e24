"""Build the parts of a block other than attention (nonlinearities, norms, the MLP), and draw their initial weights.

The functions take tensors with any number of leading axes. If torch has a fused kernel for a function, the function
calls that kernel, because the kernel reads memory only once, and its gradients are exact.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from llmlib.architecture import TransformerConfig, check_config
from llmlib.hooks import HookPoint, Observed
from llmlib.linear import Linear


def silu(x: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """Compute SiLU(x) = x · σ(x), where σ is the logistic function.

    SiLU is a soft ReLU, and is also called Swish.

    Source: Elfwing et al. (2017).

    >>> silu(torch.tensor([-10.0, 0.0, 10.0]))
    tensor([-4.5398e-04,  0.0000e+00,  9.9995e+00])
    """
    return F.silu(x)


def gelu(x: Float[Tensor, "*axes"], approximate: bool = False) -> Float[Tensor, "*axes"]:
    """Compute x · Φ(x), where Φ is the standard normal CDF.

    With `approximate`, use the tanh approximation that GPT-2 uses.

    Source: Hendrycks and Gimpel (2016), "Gaussian Error Linear Units". The approximation is
    x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))).

    >>> gelu(torch.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.1587,  0.0000,  0.8413])
    """
    return F.gelu(x, approximate="tanh" if approximate else "none")


def swiglu(gate: Float[Tensor, "*axes"], up: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """Compute SiLU(gate) · up, where the gate decides how much of `up` passes through.

    Source: Shazeer (2020), "GLU Variants".

    >>> swiglu(torch.tensor([0.0, 10.0]), torch.tensor([3.0, 3.0]))
    tensor([ 0.0000, 29.9986])
    """
    return silu(gate) * up


def rms_norm(
    x: Float[Tensor, "*axes width"], weight: Float[Tensor, " width"] | None = None, eps: float = 1e-5
) -> Float[Tensor, "*axes width"]:
    """Divide x by √(mean of x² + eps), and multiply the result by `weight`.

    Without a `weight`, every vector ends up with a length of √width.

    Source: Zhang and Sennrich (2019), "Root Mean Square Layer Normalization".

    >>> rms_norm(torch.tensor([[3.0, 4.0], [30.0, 40.0]]), eps=0.0)
    tensor([[0.8485, 1.1314],
            [0.8485, 1.1314]])
    """
    return F.rms_norm(x, x.shape[-1:], weight, eps)


class RMSNorm(nn.Module):
    """Applies `rms_norm` with a learned weight, which starts at 1."""

    def __init__(self, width: int, eps: float = 1e-5):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x: Float[Tensor, "*axes width"]) -> Float[Tensor, "*axes width"]:
        return rms_norm(x, self.weight, self.eps)


class Embedding(nn.Embedding):
    """An `nn.Embedding` that is filled with zeros until `initialise` draws its weights; see `llmlib.linear.Linear`."""

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)


def make_norm(config: TransformerConfig) -> nn.Module:
    """Return the norm layer that the config asks for, as wide as the residual stream."""
    kind = RMSNorm if config.norm == "rmsnorm" else nn.LayerNorm
    return kind(config.d_model, eps=config.norm_eps)


class MLP(Observed):
    """Two linear maps with a nonlinearity between them, applied to each position separately; SwiGLU adds a gate.

    With `mlp="none"` the MLP has no hidden units and adds nothing; use this to study an attention-only Transformer.

    `seed` and `device` mean the same as in `Transformer`.

    Sources: Vaswani et al. (2017), section 3.3; Shazeer (2020), "GLU Variants Improve Transformer"; for a model without
    an MLP: Elhage et al. (2021), "A Mathematical Framework for Transformer Circuits".

    >>> MLP(TransformerConfig.for_part(d_model=16, mlp="swiglu"), seed=0)(torch.zeros(1, 3, 16)).shape
    torch.Size([1, 3, 16])
    """

    def __init__(self, config: TransformerConfig, seed: int | None = 0, device: torch.device | str | None = None):
        super().__init__()
        check_config(config)
        c = config
        self.kind = c.mlp
        self.hook_activation = HookPoint()
        if c.mlp == "none":
            return
        with torch.device("meta"):
            if c.mlp == "swiglu":
                self.gate = Linear(c.d_model, c.d_mlp, bias=c.mlp_bias)
            self.up = Linear(c.d_model, c.d_mlp, bias=c.mlp_bias)
            self.down = Linear(c.d_mlp, c.d_model, bias=c.mlp_bias)
        materialise(self, c.n_layers, seed, device)

    def forward(self, x: Float[Tensor, "batch seq d_model"]) -> Float[Tensor, "batch seq d_model"]:
        if self.kind == "none":
            self.hook_activation(x[..., :0])
            return torch.zeros_like(x)
        if self.kind == "swiglu":
            activation = swiglu(self.gate(x), self.up(x))
        else:
            activation = gelu(self.up(x), approximate=self.kind == "gelu_tanh")
        return self.down(self.hook_activation(activation))


def materialise(module: nn.Module, n_layers: int, seed: int | None, device: torch.device | str | None) -> None:
    """Give real memory and initial weights to a module that was built on the meta device.

    The memory is on `device` (default: the CPU).

    With `seed=None` the weights stay uninitialised, so that trained weights can be loaded in their place. On the device
    "meta" the module stays as it is. Modules that are built like this never use torch's global random state.
    """
    if str(device) != "meta":
        for part in module.modules():  # as `to_empty` does, but without spending half a second on imports
            for name, weight in part.named_parameters(recurse=False):
                setattr(part, name, nn.Parameter(torch.empty(weight.shape, dtype=weight.dtype, device=device or "cpu")))
        if seed is not None:
            initialise(module, n_layers, seed)


def initialise(module: nn.Module, n_layers: int, seed: int) -> None:
    """Draw initial weights from a normal distribution, as in GPT-2.

    The standard deviation is 0.02, or 0.02 / √(2 · n_layers) for layers that add to the residual stream. Without this
    scaling, the 2 · n_layers additions would make the residual stream grow. Source: Radford et al. (2019), section 2.3.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif parameter.ndim == 1:
            nn.init.ones_(parameter)
        else:
            writes_residual = name.endswith(("output.weight", "down.weight"))
            std = 0.02 / (2 * n_layers) ** 0.5 if writes_residual else 0.02
            drawn = torch.empty(parameter.shape).normal_(
                0.0, std, generator=generator
            )  # drawn on the CPU, so every device gets the same weights
            parameter.data.copy_(drawn)
