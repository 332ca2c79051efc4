"""Writes `docs/strict.md`, the page about strict mode, from the tables of the module.

    python docs/development/make_strict.py

The same tables always give the same bytes, whichever SDK is installed.
"""

import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import openai_responses as module

HEAD = """\
# Strict mode

`OpenAIMock(strict=True)`, `@openai_responses.mock(strict=True)` and `@pytest.mark.openai_mock(strict=True)` reject what
the service rejects, so that a test finds the failure before production does. Without it, a test may send an incomplete
request if it sets the answer.

To check answers against schemas, strict mode needs `jsonschema`: run `pip install '.[strict]'` in a checkout. Without
it, a call whose answer would be checked raises an `ImportError`.

```python
import openai
import openai_responses
import pytest
from openai_responses import OpenAIMock


@openai_responses.mock(strict=True)
def test_strict(openai_mock: OpenAIMock):
    openai_mock.responses.create.response = "Hello!"
    client = openai.OpenAI(api_key="sk-fake")

    with pytest.raises(openai.BadRequestError, match="Unknown parameter: 'temprature'. Closest: 'temperature'"):
        client.responses.create(model="gpt-5.5", input="Hi", extra_body={"temprature": 1})

    with pytest.raises(openai.BadRequestError, match="Invalid type for 'temperature'"):
        client.responses.create(model="gpt-5.5", input="Hi", temperature="hot")

    with pytest.raises(openai.BadRequestError, match="Missing required parameter: 'tools\\\\[0\\\\].name'"):
        client.responses.create(model="gpt-5.5", input="Hi", tools=[{"type": "function", "function": {"name": "f"}}])

    with pytest.raises(openai.BadRequestError, match="'temperature' is not supported with this model"):
        client.responses.create(model="gpt-5.5", input="Hi", temperature=0.5)

    with pytest.raises(openai.AuthenticationError):
        client.responses.create(model="gpt-5.5", input="Hi", extra_headers={"Authorization": "sk-fake"})

    assert client.responses.create(model="gpt-5.5", input="Hi", temperature=1).output_text == "Hello!"
```

## What is checked when

"Nothing set" means that the mock composes the answer itself. "Answer set" means that a `.response`, a rule or a
callable of the test gives it.

| check | nothing set | answer set | strict |
|---|---|---|---|
| a number beyond [its limit](#limits), or something else in its place | yes | yes | yes |
| more than 2,048 inputs of embeddings | yes | yes | yes |
| an object that does not exist, by the names [in this list](#objects-that-do-not-exist) | yes | no | yes |
| a missing required parameter | yes | no | yes |
| a response without a model and a prompt, or without any input | no | no | yes |
| [the history of a conversation](checks.md#the-history-of-a-conversation) | yes | only over a WebSocket | yes |
| the lines of a batch, files that cannot be read | yes | no | yes |
| an API key | no | no | yes |
| unknown parameters, and unknown keys at any depth | no | no | yes |
| required keys at any depth | no | no | yes |
| types and literals at any depth; numbers and booleans may be text only in form data | no | no | yes |
| [limits](#limits) of texts, arrays and objects; patterns of names | no | no | yes |
| [models](#models): the right endpoint, and parameters and values that they support | no | no | yes |
| parameters of chat in responses, [by their new name](#moved-parameters) | no | no | yes |
| parameters [without another one](#parameters-that-need-another-one), or that exclude each other | no | no | yes |
| audio and images in files of another type; settings of an image that do not fit each other | no | no | yes |
| audio output of a chat without `audio` | no | no | yes |
| tools that are not possible with minimal effort | no | no | yes |
| a model for deep research without a tool to search with | no | no | yes |
| a background response that is not stored | no | no | yes |
| a file batch with neither or both of `file_ids` and `files`; chunks that overlap by more than half | no | no | yes |
| ids of items with a prefix of items; content by role; one source of an image or a file | no | no | yes |
| a tool choice without its tool; JSON mode without the word "json"; null content | no | no | yes |
| `strict` schemas that leave something open, except in recursive definitions, or have `oneOf` | no | no | yes |
| endpoints that [were shut down](#endpoints-that-were-shut-down) | no | no | yes |
| answers of the test against the schema and the tools of the request | no | no | yes |
| a request that [no rule](rules.md) matches, if the endpoint has rules and no `.response` | no | no | yes |

Required keys, known keys, types and literals are those of the parameter types of the installed SDK. Where the service
was seen to accept more, [two tables](#where-the-service-asks-for-less) say so.

## Objects that do not exist

A request that names a missing object is rejected if it has the ID in one of these places:

- in the path of the URL
- `conversation`, `previous_response_id`, and the `id` of an `item_reference`
- `file_ids`, `file_id` and `files` of vector stores, their files and their batches
- `file_ids` in `containers.create`, and `file_id` in `containers.files.create` and in
  `beta.agents.environments.files.create`
- `training_file`, `validation_file`, `input_file_id` of a batch, `part_ids` of an upload
- `assistant_id`, `agent_id`, `vault_ids`, and `environment_id`, `environment_template_id` and `files` of an environment
- `video_id` and `video`, `certificate_ids`

IDs in all other places are accepted, also in strict mode. Such places are the `file_id` of an `input_file`, of an
`input_image` and of a `file` in a chat, the `vector_store_ids` of `file_search`, the `container` of `code_interpreter`
and its `file_ids`, `prompt.id`, the `tool_resources` of assistants and threads, and the attachments and images of their
messages. To reject them, set the error: `create.response = error(404, "No such File object: file-1")`.
"""


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def code(value: Any) -> str:
    """Return a value as code, and an empty text with quotes."""
    if value == "":
        value = '""'
    return f"`{value}`"


def codes(values: Iterable[Any]) -> str:
    """Return several values as code, separated by commas."""
    return ", ".join(map(code, values))


def limit_words(limit: module._Limit) -> str:
    """Return a limit in words: "integer, 1 to 128"."""
    words = limit.kind
    if limit.above is not None:
        words += f", more than {limit.above:g}"
    if limit.minimum is not None and limit.maximum is not None:
        words += f", {limit.minimum} to {limit.maximum}"
    elif limit.minimum is not None:
        words += f", at least {limit.minimum}"
    elif limit.maximum is not None:
        words += f", at most {limit.maximum}"
    if limit.words:
        words += f", or {codes(limit.words)}"
    if limit.pattern:
        words += f", matches `{limit.pattern}`"
    if limit.models:
        words += f", of {code(limit.models)}"
    return words


def limits() -> str:
    """Return the section about limits, with a table for each prefix of endpoints."""
    parts = [
        "## Limits\n",
        "Limits of numbers hold always, all others in strict mode. The limit of a text, an array or an object is the\n"
        "number of its characters, items or keys. `[]` stands for each item of an array, `*` for each value of an\n"
        "object, and `~` for the name of each value.\n",
    ]
    for prefix, rows in module._LIMITS.items():
        title = "Every endpoint"
        if prefix:
            title = f"`{prefix}*`" if prefix.endswith(".") else f"`{prefix}`"
        parts.append(f"### {title}\n")
        parts.append(table(("parameter", "limit"), [(code(row.param), limit_words(row)) for row in rows]))
    return "\n".join(parts)


def families() -> Iterator[tuple[str, str, str, str, str]]:
    """Yield a row for each family of models."""
    for family in module._MODEL_FAMILIES:
        yield (
            code(family.pattern),
            family.category,
            family.default_effort or "",
            codes(family.efforts),
            codes(family.verbosities) if family.verbosities != ("medium",) else "",
        )


# What `_ModelRule.reasoning` stands for.
REASONING_WORDS = {
    ("on",): "that reason in this request",
    ("on", "off"): "that can reason",
    ("off",): "that do not reason in this request",
    ("never",): "that cannot reason",
    ("off", "never"): "that do not reason in this request",
    module._OF_ANY_FAMILY: "of the table above",
}


def models_of(rule: module._ModelRule) -> str:
    """Return the models that a rule is about."""
    words = []
    if rule.models:
        words.append(code(rule.models))
    if rule.reasoning:
        words.append(REASONING_WORDS[rule.reasoning])
    if rule.with_param:
        words.append(f"with `{rule.with_param}`")
    return ", ".join(words)


def accepted_by(rule: module._ModelRule) -> str:
    """Return the values that a rule accepts."""
    if rule.accepted_field:
        return f"the {rule.accepted_field} of the model"
    if rule.rejected:
        return f"all but {codes(rule.rejected)}"
    if rule.maximum is not None:
        return f"up to {rule.maximum}"
    return codes(rule.accepted) or "none"


def models() -> str:
    """Return the section about models."""
    parts = [
        "## Models\n",
        "A model is recognized by the beginning of its name; the first row that matches applies. Other models may be\n"
        "new ones, and deployments on Azure may have any name: they accept everything.\n",
        table(("names", "endpoint", "effort", "`reasoning.effort`", "`verbosity`"), families()),
    ]
    for endpoint, rules in sorted(module._MODEL_RULES.items()):
        if endpoint == "responses.connect":  # the same as `responses.create`
            continue
        parts.append(f"### Of `{endpoint}`\n")
        rows = [(code(rule.param), models_of(rule), accepted_by(rule)) for rule in rules]
        parts.append(table(("parameter", "of models", "accepted values"), rows))
    return "\n".join(parts)


def key_rows(keys_by_type: Mapping[str, Iterable[str]]) -> list[tuple[str, str]]:
    """Return a row for each type of the SDK."""
    return [(code(name), codes(sorted(keys))) for name, keys in sorted(keys_by_type.items())]


def exceptions() -> str:
    """Return the section about what the service accepts beyond the SDK's types."""
    return "\n".join(
        [
            "## Where the service asks for less\n",
            "Keys that the SDK's types require and the service does not, as recorded or left out by OpenAI's SDKs:\n",
            table(("type", "keys"), key_rows(module._KEYS_NOT_REQUIRED)),
            "Keys that the SDK's types lack and the service accepts, as recorded:\n",
            table(("type", "keys"), key_rows(module._KEYS_BEYOND_TYPES)),
        ]
    )


def companions() -> str:
    """Return the section about parameters that need another one."""
    rows = []
    for endpoint, params in module._COMPANION_PARAMS.items():
        for param, companion in params.items():
            rows.append((code(endpoint), code(param), code(companion)))
    return f"## Parameters that need another one\n\n{table(('endpoint', 'parameter', 'only with'), rows)}"


def moved() -> str:
    """Return the section about parameters that have another name in another API."""
    rows = []
    for prefix, names in module._MOVED_PARAMS.items():
        for old, new in names.items():
            rows.append((code(f"{prefix}*"), code(old), code(new)))
    return f"## Moved parameters\n\n{table(('endpoints', 'parameter of chat', 'here'), rows)}"


def shutdowns() -> str:
    """Return the section about endpoints that were shut down."""
    rows = [(code(f"{prefix}*"), date) for prefix, date in module._ENDPOINT_SHUTDOWN_DATES.items()]
    return f"## Endpoints that were shut down\n\n{table(('endpoints', '404 from'), rows)}"


def page() -> str:
    """Return the text of `strict.md`."""
    return "\n".join([HEAD, limits(), models(), exceptions(), companions(), moved(), shutdowns()])


def main() -> None:
    path = pathlib.Path(__file__).resolve().parents[1] / "strict.md"
    path.write_text(page(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
