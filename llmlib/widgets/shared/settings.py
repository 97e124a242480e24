"""The settings of a sampler, as views show them; settings.mjs is their counterpart in the browser."""

# Each setting, and the value at which it does nothing.
NEUTRAL: dict[str, float | None] = {
    "temperature": 1.0,
    "top_k": None,
    "top_p": 1.0,
    "min_p": 0.0,
    "typical_p": 1.0,
    "repetition_penalty": 1.0,
    "frequency_penalty": 0.0,
    "presence_penalty": 0.0,
}
