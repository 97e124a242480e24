"""Record the constants of published laws and the figures for well-known models, each with its source."""

from dataclasses import dataclass

from llmlib.scaling.laws import KaplanLaw, Law, training_flops

KAPLAN = KaplanLaw(
    alpha_n=0.076,
    alpha_d=0.103,
    n_c=6.4e13,
    d_c=1.8e13,
    best_size=1.3e9,
    size_exponent=0.73,
    name="Kaplan 2020",
    source="Kaplan et al. (2020), Scaling Laws for Neural Language Models, arXiv:2001.08361",
    fitted_parameters=(768, 1.5e9),
    fitted_tokens=(22e6, 23e9),  # section 3
)
HOFFMANN = Law(
    E=1.69,
    A=406.4,
    B=410.7,
    alpha=0.34,
    beta=0.28,
    name="Hoffmann 2022",
    source="Hoffmann et al. (2022), Training Compute-Optimal Large Language Models, arXiv:2203.15556, section D.3",
    fitted_parameters=(70e6, 16e9),
    fitted_tokens=(5e9, 500e9),  # abstract
)
BESIROGLU = Law(
    E=1.8172,
    A=482.01,
    B=2085.43,
    alpha=0.3478,
    beta=0.3658,
    name="Besiroglu 2024",
    source="Besiroglu et al. (2024), Chinchilla Scaling: A Replication Attempt, arXiv:2404.10102",
    fitted_parameters=(70e6, 16e9),
    fitted_tokens=(5e9, 500e9),  # the range of the runs that Besiroglu et al. read off a figure in Hoffmann et al.
)


@dataclass(frozen=True)
class PublishedModel:
    """A trained model, with the figures from its paper or model card; parameters include embeddings."""

    name: str
    parameters: float
    tokens: float
    source: str

    @property
    def training_flops(self) -> float:
        return training_flops(self.parameters, self.tokens)

    @property
    def tokens_per_parameter(self) -> float:
        return self.tokens / self.parameters


_LLAMA = "Grattafiori et al. (2024), The Llama 3 Herd of Models, arXiv:2407.21783"
_SMOL = "Ben Allal et al. (2025), SmolLM2, arXiv:2502.02737, and its model cards"
MODELS = (
    PublishedModel("GPT-3", 175e9, 300e9, "Brown et al. (2020), arXiv:2005.14165, table 2.1"),
    PublishedModel("Chinchilla", 70e9, 1.4e12, "Hoffmann et al. (2022), arXiv:2203.15556, section 4"),
    PublishedModel("Llama 3 8B", 8.03e9, 15e12, _LLAMA),
    PublishedModel("Llama 3 70B", 70.6e9, 15e12, _LLAMA),
    PublishedModel("Llama 3 405B", 405e9, 15.6e12, _LLAMA),
    PublishedModel("SmolLM2 135M", 135e6, 2e12, _SMOL),
    PublishedModel("SmolLM2 360M", 362e6, 4e12, _SMOL),
    PublishedModel("SmolLM2 1.7B", 1.71e9, 11e12, _SMOL),
)
