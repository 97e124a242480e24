"""Render conversations with chat templates: Jinja programs that write the format that a model was tuned on."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from llmlib.tokenization.base import Tokenizer

Message = Mapping[str, Any]  # "role" and "content", both strings

# ChatML: the role can be any word, and is on a line of its own. SmolLM2, Qwen and many others use dialects of it.
CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# Llama 3: the beginning-of-text token comes first, and messages are trimmed.
LLAMA3 = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}"
    "{{ message['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
# The course's own template: a question and its answer are on one line, as in the reading book that the base model has
# read. The model itself writes the space before an answer, because words in its vocabulary begin with a space.
TALES = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ '<|user|>' + message['content'] }}"
    "{% elif message['role'] == 'assistant' %}{{ '<|assistant|> ' + message['content'] + '<|endoftext|>' }}"
    "{% else %}{{ raise_exception(\"it only knows the roles 'user' and 'assistant', not '\" + message['role'] + \"'. "
    'Put what you want to tell the model into a user message.") }}{% endif %}'
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def render(
    tokenizer: Tokenizer,
    messages: Sequence[Mapping[str, str]],
    add_generation_prompt: bool,
    begin: str = "",
    end: str = "",
) -> str:
    """Render messages with the tokenizer's chat template, putting `begin` and `end` around `{% generation %}` parts.

    Raises `ValueError` if the template is damaged or rejects the messages.
    """
    import jinja2

    named = {id: text for text, id in tokenizer.special_tokens.items()}
    try:
        return _compiled(tokenizer.chat_template or "").render(
            messages=messages,
            add_generation_prompt=add_generation_prompt,
            bos_token=named.get(tokenizer.bos_id, "") if tokenizer.bos_id is not None else "",
            eos_token=named.get(tokenizer.eos_ids[0], "") if tokenizer.eos_ids else "",
            generation_marks=(begin, end),
        )
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(
            f"The model's chat template is damaged (line {error.lineno}: {error}). Download the tokenizer again."
        ) from error
    except jinja2.TemplateError as error:
        raise ValueError(f"The model's chat template rejects these messages: {error}") from error
    except Exception as error:  # a template is a program, and may fail in any way
        raise ValueError(f"The model's chat template fails on these messages ({error!r}).") from error


@lru_cache(maxsize=8)
def _compiled(source: str) -> Any:
    """Compile a template in a sandbox.

    A template comes with other people's weights, and must not touch this machine.
    """
    from jinja2.exceptions import TemplateError
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _generation_tag()]
    )
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)  # some templates include the date
    return environment.from_string(source)


@lru_cache(maxsize=1)
def _generation_tag() -> Any:
    """Support `{% generation %}…{% endgeneration %}`, which marks what the assistant says (as in `transformers`)."""
    from jinja2 import nodes
    from jinja2.ext import Extension

    class Generation(Extension):
        tags = {"generation"}  # noqa: RUF012 (Jinja's convention)

        def parse(self, parser: Any) -> nodes.Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            call = self.call_method("mark", [nodes.ContextReference()])
            return nodes.CallBlock(call, [], [], body).set_lineno(line)

        def mark(self, context: Any, caller: Any) -> str:
            begin, end = context.get("generation_marks")
            return begin + caller() + end

    return Generation
