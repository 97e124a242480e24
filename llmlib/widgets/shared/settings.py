"""List the sampler settings that views show; settings.mjs contains the same settings for the browser."""

# Each setting, with the value at which it has no effect.
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
