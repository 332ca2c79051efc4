"""Tests of `openai_responses`, in the order of its rooms; then of its docs, its type stubs, and agent frameworks."""

import ast
import asyncio
import base64
import concurrent.futures
import contextlib
import functools
import gzip
import hashlib
import importlib
import inspect
import itertools
import json
import logging
import operator
import os
import pathlib
import random
import re
import runpy
import shutil
import subprocess
import sys
import textwrap
import types
import typing
import unittest
import unittest.mock
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple, Optional

import httpx
import hypothesis
import jsonschema
import openai
import pydantic
import pytest
import respx
import typing_extensions
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

import openai_responses
from openai_responses import (
    AsyncEventStream,
    EventStream,
    MockTransport,
    OpenAIMock,
    StateStore,
    cut,
    error,
    filtered,
    refusal,
    stream,
    timeout,
    tool_call,
)

# ======================================================================================================================
# THE ROUTE TABLE
# ======================================================================================================================

_A_PINNED = ("2.54.0", "3.54.0")
_A_CALLS = {
    "_get": "GET",
    "_get_api_list": "GET",
    "_post": "POST",
    "_delete": "DELETE",
    "_put": "PUT",
    "_patch": "PATCH",
}
_a_deprecated = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # assistants, videos: the SDK says so itself


@functools.cache
def _a_client(kind="sync"):
    make = openai.AsyncOpenAI if kind == "async" else openai.OpenAI
    admin = {"admin_api_key": "sk-admin"} if "admin_api_key" in inspect.signature(make).parameters else {}
    return make(api_key="sk-fake", _strict_response_validation=kind != "lenient", **admin)


@pytest.fixture
def client(openai_mock):
    return _a_client()


def _a_path(node):
    """The path template in the first argument of a call: a string, or `path_template("...", ...)`."""
    return node.value if isinstance(node, ast.Constant) else _a_path(node.args[0])


def _a_calls(method):
    """(METHOD, path) of every request the source of a method makes."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(method))))
    for call in ast.walk(tree):
        function = getattr(call, "func", None)
        if isinstance(function, ast.Attribute) and function.attr in _A_CALLS and ast.unparse(function.value) == "self":
            said = {keyword.arg: keyword.value for keyword in call.keywords}
            verb = said["method"].value.upper() if "method" in said else _A_CALLS[function.attr]
            yield verb, _a_path(call.args[0])


def _a_surface(resource, prefix=""):
    """Every REST call of the SDK: (dotted name, METHOD, path)."""
    for name in dir(type(resource)):
        member = inspect.getattr_static(type(resource), name)
        if name.startswith(("_", "with_")):
            continue
        if isinstance(member, functools.cached_property):
            yield from _a_surface(getattr(resource, name), f"{prefix}{name}.")
        elif inspect.isfunction(member) and prefix:
            yield from ((f"{prefix}{name}", *call) for call in _a_calls(member))


def _a_rows():
    rows = openai_responses._rows()
    return {name: rows[name] for name in openai_responses._names() if name in rows}


def _a_endpoint(openai_mock, name):
    return functools.reduce(getattr, name.split("."), openai_mock)


def test_table_equals_the_surface_of_the_sdk():
    surface = {row for row in _a_surface(_a_client()) if row[0] not in openai_responses._HELPERS}
    table = {(row.name, row.method, row.path) for row in _a_rows().values()}
    if openai.__version__ in _A_PINNED:
        assert sorted(surface - table) == []
        assert sorted(table - surface) == []
    elif surface != table:
        missing, gone = sorted(surface - table), sorted(table - surface)
        warnings.warn(
            f"openai {openai.__version__} has rows the table lacks: {missing}; and lacks: {gone}", stacklevel=1
        )


@pytest.mark.skipif(openai.__version__ not in _A_PINNED, reason="the numbers are those of the pinned releases")
def test_table_has_the_known_number_of_rows():
    assert len(_a_rows()) == {"2.54.0": 289, "3.54.0": 396}[openai.__version__]


def test_rows_stand_once_for_each_generation():
    seen = [
        (row[0], major)
        for row in openai_responses._TABLE
        for major in (2, 3)
        if major in openai_responses.Row(*row).majors
    ]
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("helper, target", sorted(openai_responses._HELPERS.items()))
def test_helpers_lead_to_rows(helper, target):
    assert target in {row[0] for row in openai_responses._TABLE}
    if helper in openai_responses._names():
        openai_mock = openai_responses.OpenAIMock()
        assert _a_endpoint(openai_mock, helper) is _a_endpoint(openai_mock, target)


def test_twins_are_one_endpoint_and_beta_responses_are_not(openai_mock):
    assert openai_mock.files.retrieve_content is openai_mock.files.content
    if "beta.responses.create" in openai_responses._names():
        assert openai_mock.beta.responses.create is not openai_mock.responses.create


def _a_request(row, body=b"{}"):
    path = re.sub(r"{(\w+)}", r"\1-1", row.path)
    headers = {"content-type": "application/json"} if row.method == "POST" else {}
    return httpx.Request(
        row.method, f"https://api.openai.com/v1{path}", headers=headers, content=body if headers else b""
    )


@pytest.mark.parametrize("name", openai_responses._names())
def test_every_row_answers_an_empty_partial_with_what_the_sdk_parses_strictly(openai_mock, name):
    _a_endpoint(openai_mock, name).response = {}
    row = openai_responses._rows()[openai_responses._HELPERS.get(name, name)]
    response = openai_mock.router.handler(_a_request(row))
    assert response.status_code == 200
    data = response.read()
    if response.headers["content-type"].startswith("text/event-stream"):
        data = re.search(rb"data: (.*)", data)[1]
    if row.model not in ("bytes", "str", "None"):
        pydantic.TypeAdapter(openai_responses._model(row.model)).validate_json(data, strict=True)


# ======================================================================================================================
# DEFAULTS AND MERGING
# ======================================================================================================================

_A_HI = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}


def test_chat_partial_is_completed_at_every_depth(openai_mock, client):
    openai_mock.chat.completions.create.response = {
        "choices": [{"message": {"content": "a"}}, {"message": {"content": "b"}}]
    }
    completion = client.chat.completions.create(**_A_HI)
    assert [choice.index for choice in completion.choices] == [0, 1]
    assert {(c.message.role, c.finish_reason, c.logprobs) for c in completion.choices} == {("assistant", "stop", None)}
    assert [choice.message.content for choice in completion.choices] == ["a", "b"]
    assert completion.object == "chat.completion" and completion.id.startswith("chatcmpl-")


def test_logprobs_are_completed(openai_mock, client):
    openai_mock.chat.completions.create.response = {
        "choices": [{"logprobs": {"content": [{"token": "a", "logprob": -0.5}]}}]
    }
    logprobs = client.chat.completions.create(**_A_HI).choices[0].logprobs
    assert (logprobs.content[0].top_logprobs, logprobs.content[0].bytes, logprobs.refusal) == ([], None, None)


def test_index_that_was_set_is_kept(openai_mock, client):
    openai_mock.chat.completions.create.response = {"choices": [{"index": 7}, {}]}
    assert [choice.index for choice in client.chat.completions.create(**_A_HI).choices] == [7, 1]


@pytest.mark.parametrize(
    "item, kind",
    [
        ({"content": [{"text": "hi"}]}, "message"),
        ({"type": "function_call", "name": "f", "arguments": "{}"}, "function_call"),
        ({"name": "f", "arguments": "{}", "call_id": "call_1"}, "function_call"),
        ({"type": "reasoning", "summary": [{"text": "so"}]}, "reasoning"),
        ({"type": "web_search_call"}, "web_search_call"),
        ({"type": "mcp_call", "name": "f", "server_label": "s"}, "mcp_call"),
        ({"type": "image_generation_call", "result": "aGk="}, "image_generation_call"),
    ],
)
def test_union_member_is_picked_by_literals_then_by_keys(openai_mock, client, item, kind):
    openai_mock.responses.create.response = {"output": [item]}
    output = client.responses.create(model="gpt-4o", input="x").output
    assert [made.type for made in output] == [kind]
    dumped = output[0].model_dump(exclude_unset=True)
    assert {key: dumped[key] for key in item if isinstance(item[key], str)} == {
        key: value for key, value in item.items() if isinstance(value, str)
    }


def test_message_of_a_response_is_completed(openai_mock, client):
    openai_mock.responses.create.response = {"output": [{"content": [{"text": "hi"}]}]}
    response = client.responses.create(model="gpt-4o", input="x")
    assert response.output_text == "hi" and response.status == "completed"
    assert response.output[0].role == "assistant" and response.output[0].content[0].annotations == []


def test_tool_calls_take_the_place_of_content(openai_mock, client):
    calls = [{"function": {"name": "f", "arguments": "{}"}}, {"function": {"name": "g", "arguments": "{}"}}]
    openai_mock.chat.completions.create.response = {"choices": [{"message": {"tool_calls": calls}}]}
    choice = client.chat.completions.create(**_A_HI).choices[0]
    assert (choice.message.content, choice.finish_reason) == (None, "tool_calls")
    assert [call.type for call in choice.message.tool_calls] == ["function", "function"]
    ids = [call.id for call in choice.message.tool_calls]
    assert len(set(ids)) == 2 and all(id.startswith("call_") for id in ids)


def test_what_follows_gives_way_to_what_was_set(openai_mock, client):
    message = {"content": "let me see", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}
    openai_mock.chat.completions.create.response = {"choices": [{"message": message, "finish_reason": "stop"}]}
    choice = client.chat.completions.create(**_A_HI).choices[0]
    assert (choice.message.content, choice.finish_reason) == ("let me see", "stop")


def test_refusal_takes_the_place_of_content(openai_mock, client):
    openai_mock.chat.completions.create.response = {"choices": [{"message": {"refusal": "no"}}]}
    message = client.chat.completions.create(**_A_HI).choices[0].message
    assert (message.content, message.refusal) == (None, "no")


@pytest.mark.parametrize(
    "partial, status",
    [
        ({}, "completed"),
        ({"error": {"code": "server_error", "message": "sorry"}}, "failed"),
        ({"incomplete_details": {"reason": "max_output_tokens"}}, "incomplete"),
        ({"error": {"code": "server_error", "message": "sorry"}, "status": "cancelled"}, "cancelled"),
    ],
)
def test_status_of_a_response_follows(openai_mock, client, partial, status):
    openai_mock.responses.create.response = partial
    assert client.responses.create(model="gpt-4o", input="x").status == status


def test_totals_are_sums(openai_mock, client):
    openai_mock.chat.completions.create.response = {"usage": {"prompt_tokens": 3, "completion_tokens": 4}}
    assert client.chat.completions.create(**_A_HI).usage.total_tokens == 7
    openai_mock.responses.create.response = {"usage": {"input_tokens": 5, "output_tokens": 6}}
    assert client.responses.create(model="gpt-4o", input="x").usage.total_tokens == 11
    openai_mock.chat.completions.create.response = {"usage": {"prompt_tokens": 3, "total_tokens": 90}}
    assert client.chat.completions.create(**_A_HI).usage.total_tokens == 90


def test_user_goes_before_request_and_request_before_default(openai_mock, client):
    create = functools.partial(client.responses.create, input="x", instructions="asked", metadata={"a": "asked"})
    assert create().model == openai_responses.DEFAULT_MODEL
    assert (create(model="gpt-asked").model, create().instructions, create().metadata) == (
        "gpt-asked",
        "asked",
        {"a": "asked"},
    )
    openai_mock.responses.create.response = {"model": "gpt-set", "metadata": {"b": "set"}}
    response = create(model="gpt-asked")
    assert (response.model, response.metadata, response.instructions) == ("gpt-set", {"b": "set"}, "asked")


def test_request_fields_the_answer_does_not_have_do_not_leak(openai_mock, client):
    create = functools.partial(
        client.chat.completions.with_raw_response.create, **_A_HI, temperature=0.5, seed=3, stop=["x"]
    )
    known = set(openai.types.chat.ChatCompletion.model_fields)
    assert not json.loads(create().content).keys() - known
    openai_mock.chat.completions.create.response = {"choices": [{"message": {"content": "a"}}]}
    assert not json.loads(create().content).keys() - known


@pytest.mark.parametrize(
    "endpoint, partial, message",
    [
        ("chat.completions.create", {"choises": []}, ".response has no field 'choises'; did you mean 'choices'?"),
        (
            "chat.completions.create",
            {"choices": [{"mesage": {}}]},
            ".choices[0] has no field 'mesage'; did you mean 'message'?",
        ),
        ("responses.create", {"outputs": []}, ".response has no field 'outputs'; did you mean 'output'?"),
        ("files.create", {"file_name": "x"}, ".response has no field 'file_name'; did you mean 'filename'?"),
        ("files.list", {"data": [{"purposes": "batch"}]}, ".data[0] has no field 'purposes'; did you mean 'purpose'?"),
    ],
)
def test_near_misses_are_refused_where_they_are_set(openai_mock, endpoint, partial, message):
    with pytest.raises(ValueError) as caught:
        _a_endpoint(openai_mock, endpoint).response = partial
    assert str(caught.value).startswith(endpoint) and message in str(caught.value)
    assert _a_endpoint(openai_mock, endpoint).response is None


@pytest.mark.parametrize(
    "endpoint, partial, place, value, takes",
    [
        ("chat.completions.create", {"choices": "x"}, "response.choices", "'x'", "list of"),
        (
            "chat.completions.create",
            {"choices": [{"finish_reason": "nope"}]},
            "choices[0].finish_reason",
            "'nope'",
            "'length'",
        ),
        ("chat.completions.create", {"created": "soon"}, "response.created", "'soon'", "int"),
        (
            "chat.completions.create",
            {"choices": [{"message": {"content": 5}}]},
            "choices[0].message.content",
            "5",
            "str",
        ),
        ("responses.create", {"status": "done"}, "response.status", "'done'", "'completed'"),
        ("files.create", {"bytes": "many"}, "response.bytes", "'many'", "int"),
        ("embeddings.create", {"data": [{"embedding": ["x"]}]}, "data[0].embedding[0]", "'x'", "float"),
    ],
)
def test_wrong_types_are_refused_naming_place_value_and_type(openai_mock, endpoint, partial, place, value, takes):
    with pytest.raises(ValueError) as caught:
        _a_endpoint(openai_mock, endpoint).response = partial
    assert f"{place} is {value}, but takes " in str(caught.value) and takes in str(caught.value)


def test_unknown_keys_pass_as_extra_fields(openai_mock, client):
    choice = {"message": {"content": "a", "reasoning_content": "because"}, "native_finish_reason": "STOP"}
    openai_mock.chat.completions.create.response = {"choices": [choice], "provider": "other"}
    completion = client.chat.completions.create(**_A_HI)
    assert completion.provider == "other" and completion.choices[0].native_finish_reason == "STOP"
    assert completion.choices[0].message.reasoning_content == "because"


@pytest.mark.parametrize(
    "endpoint, partial",
    [
        ("responses.create", {"metadata": {"metadatas": "x", "mode": "y"}}),
        ("vector_stores.files.create", {"attributes": {"attribute": "x", "file_idd": 3}}),
        (
            "responses.create",
            {"tools": [{"type": "function", "name": "f", "parameters": {"propertys": {}, "typ": "x"}}]},
        ),
    ],
)
def test_keys_of_free_dicts_are_never_near_misses(openai_mock, endpoint, partial):
    _a_endpoint(openai_mock, endpoint).response = partial
    assert _a_endpoint(openai_mock, endpoint).response == partial


def test_fields_can_be_set_by_the_sdks_own_models(openai_mock, client):
    first = client.chat.completions.create(**_A_HI)
    openai_mock.chat.completions.create.response = first
    assert client.chat.completions.create(**_A_HI).model_dump() == first.model_dump()


_a_text = st.text(st.characters(codec="utf-8"), max_size=30)
_a_some = functools.partial(st.fixed_dictionaries, {})
_a_call = st.fixed_dictionaries({"function": st.fixed_dictionaries({"name": _a_text, "arguments": _a_text})})
_a_message = _a_some(
    optional={"content": st.none() | _a_text, "refusal": _a_text, "tool_calls": st.lists(_a_call, max_size=2)}
)
_a_reasons = st.sampled_from(["stop", "length", "tool_calls", "content_filter"])
_a_choice = _a_some(optional={"message": _a_message, "finish_reason": _a_reasons})
_a_counts = st.integers(0, 10**9)
_a_chats = _a_some(
    optional={
        "choices": st.lists(_a_choice, max_size=3),
        "usage": _a_some(optional={"prompt_tokens": _a_counts, "completion_tokens": _a_counts}),
        "model": _a_text,
        "service_tier": st.none() | st.sampled_from(["auto", "default"]),
    }
)


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(_a_chats)
def test_any_partial_of_a_chat_completion_parses_strictly_and_keeps_what_was_set(partial):
    openai_mock = openai_responses.OpenAIMock()
    openai_mock.chat.completions.create.response = partial
    body = json.dumps(_A_HI).encode()
    response = openai_mock.router.handler(_a_request(openai_responses._rows()["chat.completions.create"], body))
    answer = json.loads(response.content)
    pydantic.TypeAdapter(openai_responses._model("chat.ChatCompletion")).validate_json(response.content, strict=True)
    assert openai_responses._outside(answer, partial) is None
    if "choices" in partial:
        assert [choice["index"] for choice in answer["choices"]] == list(range(len(partial["choices"])))
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


# ---- ids -------------------------------------------------------------------------------------------------------------


@_a_deprecated
@pytest.mark.parametrize(
    "name, arguments, prefix",
    [
        ("batches.create", {}, "batch_"),
        ("beta.assistants.create", {}, "asst_"),
        ("beta.threads.create", {}, "thread_"),
        ("chat.completions.create", {}, "chatcmpl-"),
        ("completions.create", {}, "cmpl-"),
        ("containers.create", {}, "cntr_"),
        ("conversations.create", {}, "conv_"),
        ("evals.create", {}, "eval_"),
        ("files.create", {}, "file-"),
        ("fine_tuning.jobs.create", {}, "ftjob-"),
        ("moderations.create", {}, "modr-"),
        ("responses.create", {}, "resp_"),
        ("skills.create", {}, "skill_"),
        ("uploads.create", {}, "upload_"),
        ("vector_stores.create", {}, "vs_"),
        ("videos.create", {}, "video_"),
    ],
)
def test_ids_have_the_real_prefixes_and_are_the_same_every_time(name, arguments, prefix):
    def ids():
        openai_mock = openai_responses.OpenAIMock()
        _a_endpoint(openai_mock, name).response = {}
        return [json.loads(openai_mock.router.handler(_a_request(_a_rows()[name])).content)["id"] for _ in range(3)]

    assert all(re.fullmatch(rf"{prefix}\w+", id) for id in ids())
    assert len(set(ids())) == 3 and ids() == ids()


def test_global_random_is_left_alone(client):
    before = random.getstate()
    client.embeddings.create(model="text-embedding-3-small", input="x", encoding_format="float")
    client.chat.completions.create(**_A_HI)
    assert random.getstate() == before


def test_new_ids_skip_those_already_stored(openai_mock, client):
    first = client.containers.create(name="x").id
    store = {"containers": {first: {"id": first, "name": "kept"}}}
    with openai_responses.OpenAIMock(state=store) as other:
        made = client.containers.create(name="y").id
    assert made != first and other.state["containers"][first]["name"] == "kept"


# ======================================================================================================================
# VERBS: every resource that can be created
# ======================================================================================================================

# Arguments that name other objects, by the row that makes those; below a project, its own.
_A_REFERENCES = {
    "assistant_id": "beta.assistants.create",
    "file_id": "files.create",
    "group_id": "admin.organization.groups.create",
    "input_file_id": "files.create",
    "project_id": "admin.organization.projects.create",
    "training_file": "files.create",
}
# What a call needs besides what its signature requires.
_A_EXTRAS = {
    "chat.completions.create": {"store": True},
    "beta.chat.completions.create": {"store": True},
    "admin.organization.projects.users.create": {"user_id": "user-1"},
    "vector_stores.file_batches.create": {"file_ids": ["files.create"]},
}
# Path parameters no call makes, and their values; users are there because somebody invited them.
_A_GIVEN = {"fine_tuned_model_checkpoint": "ft:gpt-4o-mini:org::1:ckpt-step-1", "user_id": "user-1"}
# Arguments that make the id, so that the same ones make no second object.
_A_NAMING = {"file_id", "group_id", "path", "role_id", "user_id"}
# What an update changes: the first of these that it takes.
_A_CHANGES = {
    "metadata": {"k": "v"},
    "name": "renamed",
    "description": "changed",
    "role": "member",
    "threshold_amount": 7,
    "attributes": {"k": "v"},
    "default_version": "1",
}


def _a_creatable():
    """The resources with a create row, and any other row that holds what was created."""
    for name in _a_rows():
        owner, _, method = name.rpartition(".")
        if method == "create" and any(
            f"{owner}.{verb}" in _a_rows() for verb in ("retrieve", "list", "delete", "update")
        ):
            yield owner


def _a_params(name):
    return re.findall(r"{(\w+)}", _a_rows()[name].path)


def _a_value(name, tp):
    """A small value of a parameter's type."""
    origin, args = typing.get_origin(tp), typing.get_args(tp)
    if hasattr(tp, "__required_keys__"):
        hints = typing_extensions.get_type_hints(tp, include_extras=True)
        required = (key for key in hints if tp.__total__ or typing.get_origin(hints[key]) is typing_extensions.Required)
        return {key: _a_value(key, hints[key]) for key in required}
    if origin in (typing_extensions.Required, typing.Annotated):
        return _a_value(name, args[0])
    if origin in (typing.Union, types.UnionType):
        return ("file.txt", b"some text") if bytes in args else _a_value(name, args[0])
    if origin is typing.Literal:
        return args[0]
    if origin is dict:
        return {}
    if origin is not None:
        return [_a_value(name, args[0])]
    return {str: f"https://example.com/{name}", int: 5, float: 0.5, bool: True, object: {}}[tp]


def _a_required(name):
    """The parameters a row requires, of overloads those of the first, and their types."""
    owner, _, method = name.rpartition(".")
    function = getattr(type(functools.reduce(getattr, owner.split("."), _a_client())), method)
    hints = typing.get_type_hints(inspect.unwrap(function))
    parameters = inspect.signature(inspect.unwrap(function)).parameters
    variants = inspect.getclosurevars(function).nonlocals.get("variants")
    required = variants[0] if variants else [p.name for p in parameters.values() if p.default is p.empty]
    return {key: hints[key] for key in required if key not in ("self", *_a_params(name))}, parameters


class _AScenario:
    """Calls by dotted name, of a client of either kind, with arguments made up and references made first."""

    def __init__(self, openai_mock, kind):
        self.client, self.made = _a_client(kind), {}
        user = {"id": "user-1", "object": "organization.user", "name": "U", "email": "u@example.com", "role": "reader"}
        openai_mock.state["admin.organization.users"]["user-1"] = user | {"added_at": 1, "created": 1}

    async def call(self, name, /, *path, **arguments):
        owner, _, method = name.rpartition(".")
        result = getattr(functools.reduce(getattr, owner.split("."), self.client), method)(
            **dict(zip(_a_params(name), path, strict=False)), **arguments
        )
        return await result if inspect.isawaitable(result) else result

    async def create(self, name, path):
        arguments = {key: await self.argument(name, key, tp, path) for key, tp in _a_required(name)[0].items()}
        for key, value in _A_EXTRAS.get(name, {}).items():
            arguments[key] = [await self.reference(item, ()) for item in value] if isinstance(value, list) else value
        return await self.call(name, *path, **arguments)

    async def argument(self, name, key, tp, path):
        if key == "role_id":
            maker = (
                "admin.organization.projects.roles.create"
                if ".projects." in name
                else "admin.organization.roles.create"
            )
            return await self.reference(maker, path[:1] if ".projects." in name else ())
        if key in _A_REFERENCES:
            return await self.reference(_A_REFERENCES[key], ())
        return _A_GIVEN.get(key) or _a_value(key, tp)

    async def reference(self, name, path):
        """The id of one object of a row: the first time it is made."""
        if (name, path) not in self.made:
            self.made[name, path] = _a_id(name, await self.create(name, path))
        return self.made[name, path]

    async def parents(self, resource):
        """The ids in the path of a resource's create row, each parent made below its own."""
        params, path = _a_params(f"{resource}.create"), ()
        owners = [resource.rsplit(".", i)[0] for i in range(resource.count("."), 0, -1)]
        makers = [
            f"{o}.create" for o in owners if f"{o}.create" in _a_rows() and len(_a_params(f"{o}.create")) < len(params)
        ]
        for param in params:
            maker = next((m for m in reversed(makers) if len(_a_params(m)) == len(path)), None)
            path += (_A_GIVEN[param],) if param in _A_GIVEN and maker is None else (await self.reference(maker, path),)
        return path


def _a_id(name, made):
    """The id by which what a create answered is reached."""
    owner = name.rpartition(".")[0]
    rows = [f"{owner}.{verb}" for verb in ("retrieve", "delete") if f"{owner}.{verb}" in _a_rows()]
    made = made.data[0] if isinstance(getattr(made, "data", None), list) else made
    params = [param for row in rows for param in _a_params(row)][-1:]
    if params and (own := getattr(made, params[0], None)):
        return own
    return getattr(made, "id", None) or getattr(made, "path", None) or made.role.id


def _a_listed(name, page):
    return [_a_id(name, item) for item in page.data]


_A_UNKNOWN = "unknown-1"


@_a_deprecated
@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("resource", list(_a_creatable()))
async def test_what_was_created_is_there_until_it_is_deleted(openai_mock, resource, kind):
    scenario = _AScenario(openai_mock, kind)
    create, retrieve, lists, update, delete = (
        name if (name := f"{resource}.{verb}") in _a_rows() else None
        for verb in ("create", "retrieve", "list", "update", "delete")
    )
    retrieve = retrieve if retrieve and openai_responses._canonical(retrieve) == retrieve else None  # no twin of list
    path = await scenario.parents(resource)
    id = _a_id(create, await scenario.create(create, path))
    other = None
    if not _A_NAMING & {*_a_required(create)[0], *_A_EXTRAS.get(create, ())}:
        other = _a_id(create, await scenario.create(create, path))
        assert other != id
    if retrieve:
        found = await scenario.call(retrieve, *path, id)
        assert _a_id(create, found) == id
    if lists:
        assert id in _a_listed(create, await scenario.call(lists, *path))
    if update:
        required, parameters = _a_required(update)
        field = next(key for key in _A_CHANGES if key in parameters)
        arguments = {key: _a_value(key, tp) for key, tp in required.items()} | {field: _A_CHANGES[field]}
        assert getattr(await scenario.call(update, *path, id, **arguments), field) == _A_CHANGES[field]
        if retrieve:
            assert getattr(await scenario.call(retrieve, *path, id), field) == _A_CHANGES[field]
        with pytest.raises(openai.NotFoundError):
            await scenario.call(update, *path, _A_UNKNOWN, **arguments)
    for row in filter(None, (retrieve, delete)):
        with pytest.raises(openai.NotFoundError) as caught:
            await scenario.call(row, *path, _A_UNKNOWN)
        assert _A_UNKNOWN in caught.value.body["message"] and caught.value.body.keys() == {
            "message",
            "type",
            "param",
            "code",
        }
        if path and _a_parents_known(resource):
            with pytest.raises(openai.NotFoundError):
                await scenario.call(row, *path[:-1], _A_UNKNOWN, id)
    if path and lists and _a_parents_known(resource):
        with pytest.raises(openai.NotFoundError):
            await scenario.call(lists, *path[:-1], _A_UNKNOWN)
    if delete:
        deleted = await scenario.call(delete, *path, id)
        assert getattr(deleted, "deleted", True) is True
        for row in filter(None, (retrieve, delete)):
            with pytest.raises(openai.NotFoundError):
                await scenario.call(row, *path, id)
        if lists:
            left = _a_listed(create, await scenario.call(lists, *path))
            assert id not in left and (other is None or other in left)


def _a_parents_known(resource):
    """Whether the API knows the parents of a resource; checkpoints have no call of their own."""
    return "fine_tuned_model_checkpoint" not in _a_params(f"{resource}.create")


# ---- lists -----------------------------------------------------------------------------------------------------------


def _a_stores(client, count):
    return [client.vector_stores.create(name=f"{i}").id for i in range(count)]


@pytest.mark.parametrize(
    "query, expected, has_more",
    [
        ({}, [4, 3, 2, 1, 0], False),
        ({"order": "asc"}, [0, 1, 2, 3, 4], False),
        ({"limit": 2}, [4, 3], True),
        ({"limit": 5}, [4, 3, 2, 1, 0], False),
        ({"limit": 2, "order": "asc"}, [0, 1], True),
        ({"after": 3}, [2, 1, 0], False),
        ({"after": 3, "limit": 2}, [2, 1], True),
        ({"after": 1, "order": "asc"}, [2, 3, 4], False),
        ({"after": 0}, [], False),
        ({"before": 2}, [4, 3], False),
        ({"before": 1, "limit": 2, "order": "asc"}, [0], False),
        ({"before": 4, "limit": 2, "order": "asc"}, [2, 3], True),
        ({"after": 4, "before": 1}, [3, 2], False),
    ],
)
def test_lists_are_cut_by_order_limit_and_cursors(client, query, expected, has_more):
    ids = _a_stores(client, 5)
    page = client.vector_stores.list(**{k: ids[v] if k in ("after", "before") else v for k, v in query.items()})
    assert [item.id for item in page.data] == [ids[i] for i in expected]
    ends = (ids[expected[0]], ids[expected[-1]]) if expected else (None, None)
    assert (page.has_more, page.first_id, page.last_id) == (has_more, *ends)


@pytest.mark.parametrize(
    "query, param",
    [({"limit": n}, "limit") for n in (0, -1, 101)] + [({"after": "x"}, "after"), ({"before": "x"}, "before")],
)
def test_bad_limits_and_unknown_cursors_are_refused(client, query, param):
    _a_stores(client, 1)
    with pytest.raises(openai.BadRequestError) as caught:
        client.vector_stores.list(**query)
    assert caught.value.param == param


async def test_auto_paging_goes_over_thousands(openai_mock):
    openai_mock.state["vector_stores"].update(
        {f"vs_{i}": openai_responses._new("VectorStore", openai_mock.state, {"id": f"vs_{i}"}) for i in range(2500)}
    )
    expected = [f"vs_{i}" for i in range(2500)]
    assert [item.id for item in _a_client().vector_stores.list(limit=100, order="asc")] == expected
    assert [item.id async for item in _a_client("async").vector_stores.list(limit=100)] == expected[::-1]


def test_null_clears_what_can_be_null(client):
    store = client.vector_stores.create(name="n", expires_after={"anchor": "last_active_at", "days": 1})
    assert store.expires_at == store.created_at + 86400
    updated = client.vector_stores.update(store.id, expires_after=None)
    assert (updated.expires_after, updated.name) == (None, "n")
    assert client.vector_stores.retrieve(store.id).expires_after is None


def test_set_response_on_one_endpoint_loses_nothing_that_is_stored(openai_mock, client):
    file = client.files.create(file=("a.txt", b"a"), purpose="user_data")
    openai_mock.files.retrieve.response = {"filename": "set.txt"}
    assert client.files.retrieve(file.id).filename == "set.txt"
    del openai_mock.files.retrieve.response
    openai_mock.files.create.response = {"filename": "other.txt"}
    other = client.files.create(file=("b.txt", b"b"), purpose="user_data")
    assert {f.id: f.filename for f in client.files.list()} == {file.id: "a.txt", other.id: "other.txt"}
    openai_mock.files.delete.response = {}
    client.files.delete(file.id)
    assert list(openai_mock.state["files"]) == [other.id] and client.files.retrieve(other.id).filename == "other.txt"


_a_operations = st.lists(
    st.tuples(st.sampled_from(["create", "create", "update", "delete", "list"]), st.integers(0, 7), st.integers(1, 4)),
    max_size=14,
)


@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(_a_operations, st.sampled_from(["asc", "desc"]))
def test_any_sequence_of_calls_does_what_a_plain_dict_does(operations, order):
    model = {}
    with openai_responses.OpenAIMock():
        stores = _a_client().vector_stores
        for number, (operation, position, limit) in enumerate(operations):
            ids = list(model) if order == "asc" else list(model)[::-1]
            id = ids[position % len(ids)] if ids else _A_UNKNOWN
            if operation == "create":
                model[stores.create(name=f"{number}").id] = f"{number}"
            elif operation == "list":
                found = [(item.id, item.name) for item in stores.list(order=order, limit=limit)]
                assert found == [(key, model[key]) for key in ids]
            elif not ids:
                with pytest.raises(openai.NotFoundError):
                    getattr(stores, operation)(id)
            elif operation == "update":
                model[id] = f"u{number}"
                assert stores.update(id, name=model[id]).name == model[id]
            else:
                assert stores.delete(id).deleted and model.pop(id)
        assert [(item.id, item.name) for item in stores.list(order="asc", limit=100)] == list(model.items())


def test_threads_lose_nothing(openai_mock, client):
    def work(number):
        made = [client.vector_stores.create(name=f"{number}-{i}").id for i in range(6)]
        client.vector_stores.update(made[0], name=f"{number} updated")
        assert set(made) <= {item.id for item in client.vector_stores.list(limit=100)}
        client.vector_stores.delete(made[1])
        return made

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        made = list(pool.map(work, range(32)))
    ids = [id for some in made for id in some]
    assert len(set(ids)) == len(ids) == 192
    stored = openai_mock.state["vector_stores"]
    assert set(stored) == {id for some in made for id in some if id != some[1]}
    assert [stored[some[0]]["name"] for some in made] == [f"{number} updated" for number in range(32)]
    assert openai_mock.vector_stores.create.route.call_count == 192


# ---- state -----------------------------------------------------------------------------------------------------------


def test_plain_dicts_put_by_hand_are_served(openai_mock, client):
    file = {
        "id": "file-1",
        "object": "file",
        "filename": "a.txt",
        "bytes": 2,
        "created_at": 1,
        "purpose": "batch",
        "status": "processed",
    }
    openai_mock.state["files"]["file-1"] = file
    openai_mock.state["files.content"]["file-1"] = b"hi"
    assert client.files.retrieve("file-1").filename == "a.txt" and client.files.content("file-1").read() == b"hi"
    assert [f.id for f in client.files.list()] == ["file-1"]
    store = client.vector_stores.create()
    made = openai_responses._new(
        "vector_stores.VectorStoreFile", openai_mock.state, {"id": "file-1", "vector_store_id": store.id}
    )
    openai_mock.state["vector_stores.files"][store.id, "file-1"] = made
    assert client.vector_stores.files.retrieve("file-1", vector_store_id=store.id).id == "file-1"
    with pytest.raises(KeyError, match=r"vector_stores\.files"):
        openai_mock.state["vector_stores.filez"]


def test_state_is_plain_dicts_as_they_go_over_the_wire(openai_mock, client):
    assert openai_mock.state["files"] == {}
    file = client.files.create(file=("a.txt", b"a"), purpose="user_data")
    assert type(openai_mock.state["files"]) is dict and type(openai_mock.state["files"][file.id]) is dict
    assert openai_mock.state["files"][file.id]["filename"] == "a.txt" and json.dumps(openai_mock.state["files"])


@_a_deprecated
def test_store_interface(openai_mock, client):
    state, file = openai_mock.state, client.files.create(file=("a.txt", b"a"), purpose="user_data")
    found = state.files.get(file.id)
    assert isinstance(found, openai.types.FileObject) and found == file
    found.filename = "b.txt"
    assert client.files.retrieve(file.id).filename == "a.txt"
    state.files.put(found)
    assert client.files.retrieve(file.id).filename == "b.txt"
    state.files.content.put(file.id, b"other")
    assert state.files.content.get(file.id) == b"other" == client.files.content(file.id).read()
    assert state.files.content.delete(file.id) and state.files.content.get(file.id) is None
    assert [f.id for f in state.files.list(purpose="user_data")] == [file.id] and state.files.list(
        purpose="batch"
    ) == []
    assert (
        state.files.delete(file.id) is True
        and state.files.delete(file.id) is False
        and state.files.get(file.id) is None
    )
    thread = client.beta.threads.create(messages=[{"role": "user", "content": str(i)} for i in range(3)])
    messages = state.beta.threads.messages.list(thread.id, limit=2, order="asc")
    assert [m.content[0].text.value for m in messages] == ["0", "1"]
    moved = messages[0].model_copy(update={"id": "msg_new"})
    state.beta.threads.messages.put(moved)
    assert client.beta.threads.messages.retrieve("msg_new", thread_id=thread.id).content == moved.content
    with pytest.raises(AttributeError, match="files"):
        _ = state.filez


def test_one_store_serves_several_mocks(client):
    store = openai_responses.StateStore()
    with openai_responses.OpenAIMock(state=store):
        file = client.files.create(file=("a.txt", b"a"), purpose="user_data")
    with openai_responses.OpenAIMock(state=store) as other:
        assert client.files.retrieve(file.id) == file
        assert client.files.create(file=("b.txt", b"b"), purpose="user_data").id != file.id
    assert other.state is store and len(store["files"]) == 2


def test_dicts_given_as_state_are_shared(client):
    files = {}
    with openai_responses.OpenAIMock(state={"files": files}):
        made = client.files.create(file=("a.txt", b"a"), purpose="user_data")
    assert list(files) == [made.id]


def test_assigning_a_store_keeps_responses_and_routes(openai_mock, client):
    openai_mock.chat.completions.create.response = "kept"
    client.chat.completions.create(**_A_HI)
    openai_mock.state = openai_responses.StateStore({"containers": {}})
    assert client.chat.completions.create(**_A_HI).choices[0].message.content == "kept"
    assert openai_mock.chat.completions.create.route.call_count == 2
    assert openai_mock.chat.completions.create.state_store is openai_mock.state


# ======================================================================================================================
# SPECIAL BEHAVIOURS
# ======================================================================================================================


def _a_file(client, data=b"some text", name="a.txt", purpose="assistants"):
    return client.files.create(file=(name, data), purpose=purpose).id


def test_files_come_back_byte_for_byte(client):
    data = b"\r\n--x\r\n\x00\xff" + bytes(range(256))
    file = client.files.create(
        file=("a.bin", data), purpose="vision", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert (file.bytes, file.filename, file.purpose, file.status) == (len(data), "a.bin", "vision", "processed")
    assert file.expires_at == file.created_at + 3600
    assert client.files.content(file.id).read() == data
    assert client.files.wait_for_processing(file.id) == file


def test_names_of_files_may_be_of_any_language(client):
    names = ["\u00e9.txt", "\u6587\u4ef6.txt"]
    assert [client.files.create(file=(name, b"x"), purpose="vision").filename for name in names] == names


def test_files_are_filtered_by_purpose_and_gone_with_their_content(client):
    first, second = _a_file(client), _a_file(client, purpose="batch")
    assert [f.id for f in client.files.list(purpose="batch")] == [second]
    assert [f.id for f in client.files.list(order="asc")] == [first, second]
    assert client.files.delete(first).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.content(first)


def test_upload_parts_are_put_together_in_the_order_of_their_ids(client):
    upload = client.uploads.create(bytes=6, filename="u.txt", mime_type="text/plain", purpose="batch")
    parts = [client.uploads.parts.create(upload.id, data=data).id for data in (b"def", b"abc")]
    md5 = hashlib.md5(b"abcdef").hexdigest()
    for arguments, param in [
        ({"part_ids": parts[:1]}, "bytes"),
        ({"part_ids": [*parts, "part_x"]}, "part_ids"),
        ({"part_ids": parts, "md5": md5}, "md5"),
    ]:
        with pytest.raises(openai.BadRequestError) as caught:
            client.uploads.complete(upload.id, **arguments)
        assert caught.value.param == param
    done = client.uploads.complete(upload.id, part_ids=parts[::-1], md5=md5)
    assert (done.status, done.file.bytes, done.file.filename, done.file.purpose) == ("completed", 6, "u.txt", "batch")
    assert client.files.content(done.file.id).read() == b"abcdef" and client.files.retrieve(done.file.id) == done.file
    with pytest.raises(openai.BadRequestError):
        client.uploads.parts.create(upload.id, data=b"x")


def test_cancelled_upload_takes_no_more(client):
    upload = client.uploads.create(bytes=1, filename="u.txt", mime_type="text/plain", purpose="batch")
    assert client.uploads.cancel(upload.id).status == "cancelled"
    for call in (
        functools.partial(client.uploads.parts.create, data=b"x"),
        functools.partial(client.uploads.complete, part_ids=[]),
    ):
        with pytest.raises(openai.BadRequestError):
            call(upload.id)
    with pytest.raises(openai.NotFoundError):
        client.uploads.parts.create("upload_x", data=b"x")


async def test_upload_file_chunked(openai_mock):
    data = bytes(range(256)) * 4
    about = {"filename": "u.bin", "mime_type": "text/plain", "purpose": "batch", "bytes": len(data), "part_size": 100}
    for upload in (
        _a_client().uploads.upload_file_chunked(file=data, **about),
        await _a_client("async").uploads.upload_file_chunked(file=data, **about),
    ):
        assert upload.status == "completed" and _a_client().files.content(upload.file.id).read() == data
    assert openai_mock.uploads.parts.create.route.call_count == 22


def test_previous_response_carries_the_conversation_on(openai_mock, client):
    def answer(request, conversation):
        return " ".join(openai_responses._text_of(item) for item in conversation)

    openai_mock.responses.create.response = answer
    first = client.responses.create(model="gpt-4o", input="a")
    second = client.responses.create(
        model="gpt-4o", input=[{"role": "user", "content": "b"}], previous_response_id=first.id
    )
    assert (second.output_text, second.previous_response_id) == ("a a b", first.id)
    assert (
        client.responses.create(model="gpt-4o", input="c", previous_response_id=second.id).output_text
        == "a a b a a b c"
    )
    assert second.usage.input_tokens > first.usage.input_tokens
    assert client.responses.retrieve(second.id) == second
    items = client.responses.input_items.list(second.id).data
    assert [(item.role, item.content[0].text) for item in items] == [("user", "b")]


def test_unknown_previous_response_is_the_real_error(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="gpt-4o", input="x", previous_response_id="resp_x")
    error = caught.value
    assert (error.code, error.param, error.type) == (
        "previous_response_not_found",
        "previous_response_id",
        "invalid_request_error",
    )
    assert error.body["message"] == "Previous response with id 'resp_x' not found."


def test_responses_in_a_conversation_append_their_items(openai_mock, client):
    conversation = client.conversations.create(items=[{"role": "user", "content": "a"}], metadata={"k": "v"})
    openai_mock.responses.create.response = "c"
    response = client.responses.create(model="gpt-4o", input="b", conversation=conversation.id)
    assert response.conversation.id == conversation.id
    items = client.conversations.items.list(conversation.id, order="asc").data
    assert [(item.role, item.content[0].text) for item in items] == [("user", "a"), ("user", "b"), ("assistant", "c")]
    assert items[-1].id == response.output[0].id
    del openai_mock.responses.create.response  # what is set is served without checks
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model="gpt-4o", conversation=conversation.id, previous_response_id=response.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="gpt-4o", conversation="conv_x")


def test_conversation_items(client):
    conversation, other = client.conversations.create(metadata={"k": "v"}), client.conversations.create()
    messages = [{"role": "user", "content": text} for text in ("a", "b")]
    made = client.conversations.items.create(conversation.id, items=messages)
    assert [item.content[0].text for item in made.data] == ["a", "b"] and made.first_id == made.data[0].id
    assert client.conversations.items.retrieve(made.data[0].id, conversation_id=conversation.id).content[0].text == "a"
    with pytest.raises(openai.NotFoundError):
        client.conversations.items.retrieve(made.data[0].id, conversation_id=other.id)
    left = client.conversations.items.delete(made.data[0].id, conversation_id=conversation.id)
    assert (left.id, left.metadata) == (conversation.id, {"k": "v"})
    assert [item.id for item in client.conversations.items.list(conversation.id)] == [made.data[1].id]
    assert client.conversations.delete(conversation.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.conversations.items.list(conversation.id)


def test_background_response_comes_true_over_retrieves(openai_mock, client):
    openai_mock.responses.create.response = "done"
    response = client.responses.create(model="gpt-4o", input="x", background=True)
    seen = [response, *(client.responses.retrieve(response.id) for _ in range(3))]
    assert [r.status for r in seen] == ["queued", "in_progress", "completed", "completed"]
    assert [r.output_text for r in seen] == ["", "", "done", "done"] and seen[-1].usage.output_tokens == 1


def test_only_background_responses_can_be_cancelled(client):
    response = client.responses.create(model="gpt-4o", input="x", background=True)
    assert client.responses.cancel(response.id).status == "cancelled" == client.responses.retrieve(response.id).status
    with pytest.raises(openai.BadRequestError):
        client.responses.cancel(client.responses.create(model="gpt-4o", input="x").id)


def test_response_that_is_not_stored_is_not_found(client):
    response = client.responses.create(model="gpt-4o", input="x", store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model="gpt-4o", input="x", previous_response_id=response.id)


def test_responses_are_compacted_and_counted(client):
    first = client.responses.create(model="gpt-4o", input="first words")
    compacted = client.responses.compact(model="gpt-4o", previous_response_id=first.id, input="more")
    assert [item.type for item in compacted.output] == ["message", "message", "compaction"]
    count = functools.partial(client.responses.input_tokens.count, model="gpt-4o")
    assert count(input="x" * 400).input_tokens == 100
    assert count(input="x", previous_response_id=first.id).input_tokens > count(input="x").input_tokens


def test_function_call_outputs_must_answer_a_call(openai_mock, client):
    openai_mock.responses.create.response = [openai_responses.tool_call("f"), "done"]
    first = client.responses.create(model="gpt-4o", input="x")
    output = {"type": "function_call_output", "call_id": first.output[0].call_id, "output": "1"}
    second = client.responses.create(model="gpt-4o", input=[output], previous_response_id=first.id)
    assert second.output_text == "done"
    del openai_mock.responses.create.response
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model="gpt-4o", input=[output | {"call_id": "call_x"}], previous_response_id=first.id)


def test_stored_chat_completions(openai_mock, client):
    openai_mock.chat.completions.create.response = "answer"
    chat = functools.partial(client.chat.completions.create, messages=_A_HI["messages"], store=True)
    first, second = chat(model="gpt-4o", metadata={"k": "a"}), chat(model="gpt-5", metadata={"k": "b"})
    passing = client.chat.completions.create(**_A_HI)
    lists = client.chat.completions.list
    assert [c.id for c in lists()] == [first.id, second.id]
    assert [c.id for c in lists(model="gpt-5")] == [second.id] and [c.id for c in lists(metadata={"k": "a"})] == [
        first.id
    ]
    messages = _a_client("lenient").chat.completions.messages.list(first.id).data  # the SDK's type knows no users
    assert [(message.role, message.content) for message in messages] == [("user", "Hi")] and messages[0].id
    updated = client.chat.completions.update(first.id, metadata={"k": "c"})
    assert updated.choices[0].message.content == "answer" and [c.id for c in lists(metadata={"k": "c"})] == [first.id]
    assert client.chat.completions.delete(first.id).deleted
    for id in (first.id, passing.id):
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.retrieve(id)


# ---- assistants ------------------------------------------------------------------------------------------------------


def _a_thread(client, *texts, **about):
    return client.beta.threads.create(messages=[{"role": "user", "content": text} for text in texts], **about).id


def _a_texts(client, thread):
    return [message.content[0].text.value for message in client.beta.threads.messages.list(thread, order="asc")]


@_a_deprecated
def test_run_goes_its_way_over_retrieves(openai_mock, client):
    openai_mock.beta.threads.runs.create.response = "Hello"
    thread, assistant = _a_thread(client, "Hi"), client.beta.assistants.create(model="gpt-4o").id
    run = client.beta.threads.runs.create(thread, assistant_id=assistant)
    seen = [run, *(client.beta.threads.runs.retrieve(run.id, thread_id=thread) for _ in range(3))]
    assert [r.status for r in seen] == ["queued", "in_progress", "completed", "completed"]
    assert _a_texts(client, thread) == ["Hi", "Hello"]
    answer = client.beta.threads.messages.list(thread).data[0]
    assert (answer.role, answer.run_id, answer.assistant_id) == ("assistant", run.id, assistant)
    (step,) = client.beta.threads.runs.steps.list(run.id, thread_id=thread).data
    assert step.step_details.message_creation.message_id == answer.id and step.status == "completed"
    assert client.beta.threads.runs.steps.retrieve(step.id, run_id=run.id, thread_id=thread).id == step.id
    assert seen[-1].usage.total_tokens == seen[-1].usage.prompt_tokens + seen[-1].usage.completion_tokens


@_a_deprecated
async def test_polling_helpers_of_runs(openai_mock):
    openai_mock.beta.threads.runs.create.response = "polled"
    openai_mock.beta.threads.create_and_run.response = "made and polled"
    client, other = _a_client(), _a_client("async")
    assistant, thread = client.beta.assistants.create(model="gpt-4o").id, _a_thread(client, "Hi")
    poll = {"assistant_id": assistant}
    for run in (
        client.beta.threads.runs.create_and_poll(thread_id=thread, **poll),
        await other.beta.threads.runs.create_and_poll(thread_id=thread, **poll),
    ):
        assert run.status == "completed" and run.thread_id == thread
    assert _a_texts(client, thread) == ["Hi", "polled", "polled"]
    said = {"messages": [{"role": "user", "content": "Hi"}], "metadata": {"k": "v"}}
    for run in (
        client.beta.threads.create_and_run_poll(thread=said, **poll),
        await other.beta.threads.create_and_run_poll(thread=said, **poll),
    ):
        assert run.status == "completed" and client.beta.threads.retrieve(run.thread_id).metadata == {"k": "v"}
        assert _a_texts(client, run.thread_id) == ["Hi", "made and polled"]


@_a_deprecated
def test_run_with_tool_calls_waits_for_their_outputs(openai_mock, client):
    calls = openai_responses.tool_call("f", a=1) + openai_responses.tool_call("g")
    openai_mock.beta.threads.runs.create.response = [calls, "done"]
    thread, assistant = _a_thread(client, "Hi"), client.beta.assistants.create(model="gpt-4o").id
    run = client.beta.threads.runs.create_and_poll(thread_id=thread, assistant_id=assistant)
    assert run.status == "requires_action"
    made = run.required_action.submit_tool_outputs.tool_calls
    assert [(call.function.name, call.function.arguments) for call in made] == [("f", '{"a": 1}'), ("g", "{}")]
    submit = functools.partial(client.beta.threads.runs.submit_tool_outputs_and_poll, run_id=run.id, thread_id=thread)
    outputs = [{"tool_call_id": call.id, "output": call.function.name} for call in made]
    done = submit(tool_outputs=outputs)
    assert (done.status, done.id, done.required_action) == ("completed", run.id, None)
    assert _a_texts(client, thread) == ["Hi", "done"]
    first, second = client.beta.threads.runs.steps.list(run.id, thread_id=thread, order="asc").data
    assert [call.function.output for call in first.step_details.tool_calls] == ["f", "g"]
    assert (first.type, first.status, second.type) == ("tool_calls", "completed", "message_creation")


@_a_deprecated
@pytest.mark.parametrize("ids", [["call_x"], [0, "call_x"], []])
def test_tool_outputs_with_wrong_ids_are_refused(openai_mock, client, ids):
    openai_mock.beta.threads.runs.create.response = openai_responses.tool_call("f")
    thread, assistant = _a_thread(client, "Hi"), client.beta.assistants.create(model="gpt-4o").id
    run = client.beta.threads.runs.create_and_poll(thread_id=thread, assistant_id=assistant)
    known = run.required_action.submit_tool_outputs.tool_calls[0].id
    outputs = [{"tool_call_id": known if id == 0 else id, "output": "x"} for id in ids]
    del openai_mock.beta.threads.runs.create.response
    with pytest.raises(openai.BadRequestError):
        client.beta.threads.runs.submit_tool_outputs(run.id, thread_id=thread, tool_outputs=outputs)
    assert client.beta.threads.runs.retrieve(run.id, thread_id=thread).status == "requires_action"


@_a_deprecated
def test_runs_are_cancelled_expire_and_are_cut(openai_mock, client):
    thread, assistant = _a_thread(client, "Hi"), client.beta.assistants.create(model="gpt-4o").id
    runs = client.beta.threads.runs
    run = runs.create(thread, assistant_id=assistant)
    assert runs.cancel(run.id, thread_id=thread).status == "cancelling"
    assert runs.retrieve(run.id, thread_id=thread).status == "cancelled"
    with pytest.raises(openai.BadRequestError):
        runs.cancel(run.id, thread_id=thread)
    late = runs.create(thread, assistant_id=assistant)
    openai_mock.state["beta.threads.runs"][thread, late.id]["expires_at"] = 1
    assert runs.retrieve(late.id, thread_id=thread).status == "expired"
    openai_mock.beta.threads.runs.create.response = openai_responses.cut("Hel")
    short = runs.create_and_poll(thread_id=thread, assistant_id=assistant)
    assert (short.status, short.incomplete_details.reason) == ("incomplete", "max_completion_tokens")
    assert _a_texts(client, thread) == ["Hi", "Hel"]
    openai_mock.beta.threads.runs.create.response = {"last_error": {"code": "server_error", "message": "sorry"}}
    assert runs.create_and_poll(thread_id=thread, assistant_id=assistant).status == "failed"


@_a_deprecated
def test_run_inherits_from_its_assistant_what_it_does_not_say(client):
    about = {
        "model": "gpt-5",
        "instructions": "be nice",
        "temperature": 0.5,
        "top_p": 0.25,
        "response_format": {"type": "json_object"},
    }
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    assistant = client.beta.assistants.create(**about, tools=tools, metadata={"k": "assistant"})
    thread = _a_thread(client, "Hi")
    run = client.beta.threads.runs.create(thread, assistant_id=assistant.id)
    assert {
        key: run.model_dump()[key] for key in about if key in run.model_dump()
    }.items() <= assistant.model_dump().items()
    assert (run.model, run.instructions, run.temperature, run.tools[0].function.name) == ("gpt-5", "be nice", 0.5, "f")
    assert run.metadata == {}
    said = {
        "model": "gpt-4o",
        "instructions": "no",
        "additional_instructions": "more",
        "metadata": {"k": "run"},
        "tools": [],
    }
    run = client.beta.threads.runs.create(
        thread, assistant_id=assistant.id, **said, additional_messages=[{"role": "user", "content": "and?"}]
    )
    assert (run.model, run.instructions, run.metadata, run.tools) == ("gpt-4o", "no more", {"k": "run"}, [])
    assert _a_texts(client, thread) == ["Hi", "and?"]
    with pytest.raises(openai.NotFoundError):
        client.beta.threads.runs.create(thread, assistant_id="asst_x")


@_a_deprecated
def test_attachments_and_tool_resources_make_vector_stores(client):
    file, other = _a_file(client), _a_file(client, name="b.txt")
    described = {"file_search": {"vector_stores": [{"file_ids": [file]}]}}
    for owner in (
        client.beta.threads.create(tool_resources=described),
        client.beta.assistants.create(model="gpt-4o", tool_resources=described),
    ):
        (store,) = owner.tool_resources.file_search.vector_store_ids
        assert [f.id for f in client.vector_stores.files.list(store)] == [file]
    thread = client.beta.threads.create().id
    tools = [{"type": "file_search"}, {"type": "code_interpreter"}]
    attachment = {"file_id": other, "tools": tools}
    message = client.beta.threads.messages.create(thread, role="user", content="see", attachments=[attachment])
    assert message.attachments[0].file_id == other
    resources = client.beta.threads.retrieve(thread).tool_resources
    assert resources.code_interpreter.file_ids == [other]
    assert [f.id for f in client.vector_stores.files.list(resources.file_search.vector_store_ids[0])] == [other]


@_a_deprecated
@openai_responses.mock(strict=True)
def test_second_active_run_on_a_thread_is_refused_in_strict_mode(openai_mock):
    client = _a_client()
    thread, assistant = _a_thread(client, "Hi"), client.beta.assistants.create(model="gpt-4o").id
    client.beta.threads.runs.create(thread, assistant_id=assistant)
    with pytest.raises(openai.BadRequestError, match="already has an active run"):
        client.beta.threads.runs.create(thread, assistant_id=assistant)


@_a_deprecated
def test_children_belong_to_their_parent_and_go_with_it(openai_mock, client):
    assistant = client.beta.assistants.create(model="gpt-4o").id
    thread, other = _a_thread(client, "Hi"), _a_thread(client, "Ho")
    message = client.beta.threads.messages.list(thread).data[0].id
    run = client.beta.threads.runs.create_and_poll(thread_id=thread, assistant_id=assistant).id
    step = client.beta.threads.runs.steps.list(run, thread_id=thread).data[0].id
    strangers = [
        lambda thread: client.beta.threads.messages.retrieve(message, thread_id=thread),
        lambda thread: client.beta.threads.messages.delete(message, thread_id=thread),
        lambda thread: client.beta.threads.runs.retrieve(run, thread_id=thread),
        lambda thread: client.beta.threads.runs.steps.list(run, thread_id=thread),
        lambda thread: client.beta.threads.runs.steps.retrieve(step, run_id=run, thread_id=thread),
    ]
    for call in strangers:
        with pytest.raises(openai.NotFoundError):
            call(other)
    assert len(client.beta.threads.messages.list(other).data) == 1
    client.beta.threads.delete(thread)
    for call in strangers:
        with pytest.raises(openai.NotFoundError):
            call(thread)
    children = ("beta.threads.messages", "beta.threads.runs", "beta.threads.runs.steps")
    assert not [key for name in children for key in openai_mock.state[name] if key[0] == thread]


# ---- vector stores ---------------------------------------------------------------------------------------------------


async def test_files_are_uploaded_into_vector_stores(openai_mock):
    client, other = _a_client(), _a_client("async")
    store = client.vector_stores.create(file_ids=[_a_file(client, b"12345")]).id
    about = {"vector_store_id": store, "attributes": {"lang": "en"}}
    for number, file in enumerate(
        [
            client.vector_stores.files.upload_and_poll(file=("b.txt", b"123"), **about),
            await other.vector_stores.files.upload_and_poll(file=("c.txt", b"12"), **about),
        ]
    ):
        assert (file.status, file.attributes, file.usage_bytes) == ("completed", {"lang": "en"}, 3 - number)
    found = client.vector_stores.retrieve(store)
    assert (found.file_counts.completed, found.file_counts.total, found.usage_bytes) == (3, 3, 10)
    assert client.vector_stores.files.delete(file.id, vector_store_id=store).deleted
    found = client.vector_stores.retrieve(store)
    assert (found.file_counts.total, found.usage_bytes) == (2, 8) and client.files.retrieve(file.id)
    files = [("d.txt", b"d"), ("e.txt", b"e"), ("f.txt", b"f")]
    for batch in (
        client.vector_stores.file_batches.upload_and_poll(store, files=files),
        await other.vector_stores.file_batches.upload_and_poll(store, files=files),
    ):
        assert (batch.status, batch.file_counts.completed, batch.file_counts.total) == ("completed", 3, 3)
    assert client.vector_stores.retrieve(store).file_counts.total == 8


@pytest.mark.parametrize("form", ["file_ids", "files"])
def test_file_batches_in_both_forms(client, form):
    ids, store = [_a_file(client, name=f"{i}.txt") for i in range(3)], client.vector_stores.create().id
    static = {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50}}
    common = {"attributes": {"k": 1.0}, "chunking_strategy": static}
    said = {"file_ids": ids, **common} if form == "file_ids" else {"files": [{"file_id": id, **common} for id in ids]}
    batch = client.vector_stores.file_batches.create_and_poll(store, **said)
    assert client.vector_stores.file_batches.retrieve(batch.id, vector_store_id=store).file_counts.completed == 3
    files = client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store, order="asc").data
    assert [file.id for file in files] == ids
    assert {file.attributes["k"] for file in files} == {1.0} and files[
        0
    ].chunking_strategy.static.max_chunk_size_tokens == 200
    page = client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store, limit=2)
    assert [file.id for file in page.data] == ids[:0:-1] and page.has_more
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.file_batches.create(store, file_ids=["file-x"])


def test_search_finds_what_was_uploaded(client):
    texts = {
        "fox.txt": (b"The quick brown fox jumps", 1),
        "dog.txt": (b"A lazy dog and a fox sleep", 2),
        "sea.txt": (b"Deep sea", 3),
    }
    store = client.vector_stores.create().id
    for name, (text, year) in texts.items():
        client.vector_stores.files.upload_and_poll(
            vector_store_id=store, file=(name, text), attributes={"year": year, "name": name}
        )

    def found(query, **arguments):
        return [hit.filename for hit in client.vector_stores.search(store, query=query, **arguments)]

    assert found("quick fox") == ["fox.txt", "dog.txt"] and found("LAZY") == ["dog.txt"] and found("nothing") == []
    assert found("quick fox", max_num_results=1) == ["fox.txt"] and set(found(["sea", "lazy"])) == {
        "sea.txt",
        "dog.txt",
    }
    late = {"type": "gte", "key": "year", "value": 2}
    named = {"type": "eq", "key": "name", "value": "fox.txt"}
    assert set(found("fox sea", filters=late)) == {"sea.txt", "dog.txt"}
    assert found("fox", filters={"type": "and", "filters": [late, named]}) == []
    assert set(found("fox", filters={"type": "or", "filters": [late, named]})) == {"fox.txt", "dog.txt"}
    hits = client.vector_stores.search(store, query="quick fox").data
    assert hits[0].content[0].text == "The quick brown fox jumps" and 1 >= hits[0].score > hits[1].score > 0
    assert hits[0].attributes == {"year": 1, "name": "fox.txt"}
    content = client.vector_stores.files.content(hits[0].file_id, vector_store_id=store).data
    assert "".join(part.text for part in content) == "The quick brown fox jumps"


def test_one_file_in_two_stores(client):
    file, stores = _a_file(client), _a_stores(client, 2)
    for number, store in enumerate(stores):
        client.vector_stores.files.create(store, file_id=file, attributes={"n": float(number)})
    client.vector_stores.files.update(file, vector_store_id=stores[1], attributes={"n": 7.0})
    found = [client.vector_stores.files.retrieve(file, vector_store_id=store).attributes for store in stores]
    assert found == [{"n": 0.0}, {"n": 7.0}]
    client.vector_stores.delete(stores[0])
    assert [f.id for f in client.vector_stores.files.list(stores[1])] == [file]
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.files.retrieve(file, vector_store_id=stores[0])


# ---- batches ---------------------------------------------------------------------------------------------------------


def _a_batch(client, *lines):
    data = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode()
    file = _a_file(client, data, "in.jsonl", "batch")
    return client.batches.create(input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h")


def _a_line(id, url="/v1/chat/completions", body=_A_HI):
    return {"custom_id": id, "method": "POST", "url": url, "body": body}


def test_batch_answers_every_line_through_the_mock(openai_mock, client):
    openai_mock.chat.completions.create.response = lambda request: json.loads(request.content)["model"]
    embedding = _a_line("2", "/v1/embeddings", {"model": "text-embedding-3-small", "input": "x", "dimensions": 3})
    batch = _a_batch(client, _a_line("1"), embedding, _a_line("3", "/v1/nothing"), "no json")
    seen = [batch, *(client.batches.retrieve(batch.id) for _ in range(3))]
    assert [b.status for b in seen] == ["validating", "in_progress", "completed", "completed"]
    counts = seen[-1].request_counts
    assert (counts.total, counts.completed, counts.failed) == (4, 2, 2)
    good = [json.loads(line) for line in client.files.content(seen[-1].output_file_id).text.splitlines()]
    bad = [json.loads(line) for line in client.files.content(seen[-1].error_file_id).text.splitlines()]
    assert [line["custom_id"] for line in good] == ["1", "2"] and [line["custom_id"] for line in bad] == ["3", None]
    assert {tuple(line) for line in good} == {("id", "custom_id", "response", "error")} and good[0]["error"] is None
    assert good[0]["response"]["status_code"] == 200 and good[0]["response"]["request_id"]
    assert good[0]["response"]["body"]["choices"][0]["message"]["content"] == "gpt-4o"
    assert len(good[1]["response"]["body"]["data"][0]["embedding"]) == 3
    assert client.files.retrieve(seen[-1].output_file_id).purpose == "batch_output"
    assert openai_mock.chat.completions.create.route.call_count == 0


def test_lines_of_a_batch_take_no_step(openai_mock, client):
    openai_mock.chat.completions.create.response = ["only"]
    batch = _a_batch(client, _a_line("1"))
    while batch.status != "completed":
        batch = client.batches.retrieve(batch.id)
    assert client.chat.completions.create(**_A_HI).choices[0].message.content == "only"


def test_batch_is_cancelled(client):
    batch = _a_batch(client, _a_line("1"))
    assert client.batches.cancel(batch.id).status == "cancelling"
    done = client.batches.retrieve(batch.id)
    assert done.status == "cancelled" and done.cancelled_at and done.output_file_id is None
    with pytest.raises(openai.BadRequestError):
        client.batches.cancel(batch.id)
    with pytest.raises(openai.APIStatusError):
        client.batches.create(input_file_id="file-x", endpoint="/v1/responses", completion_window="24h")


# ---- the other resources ---------------------------------------------------------------------------------------------


def _a_states(retrieve, number):
    return [retrieve().status for _ in range(number)]


def test_fine_tuning_ends_with_a_model(client):
    jobs = client.fine_tuning.jobs
    job = jobs.create(model="gpt-4o-mini", training_file=_a_file(client, purpose="fine-tune"), suffix="mine")
    assert job.status == "validating_files" and job.fine_tuned_model is None
    assert _a_states(lambda: jobs.retrieve(job.id), 4) == ["queued", "running", "succeeded", "succeeded"]
    done = jobs.retrieve(job.id)
    assert done.fine_tuned_model.startswith("ft:gpt-4o-mini:") and done.finished_at
    events = jobs.list_events(job.id).data
    assert len(events) >= 4 and "success" in events[0].message
    assert [c.fine_tuning_job_id for c in jobs.checkpoints.list(job.id)] == [job.id]
    assert done.fine_tuned_model in {model.id for model in client.models.list()}
    assert client.models.retrieve(done.fine_tuned_model).id == done.fine_tuned_model
    assert client.models.delete(done.fine_tuned_model).deleted
    assert done.fine_tuned_model not in {model.id for model in client.models.list()}
    assert ":mine:" in done.fine_tuned_model


def test_fine_tuning_is_paused_resumed_and_cancelled(client):
    jobs = client.fine_tuning.jobs
    job = jobs.create(model="gpt-4o-mini", training_file=_a_file(client, purpose="fine-tune"))
    jobs.pause(job.id)
    held = _a_states(lambda: jobs.retrieve(job.id), 4)
    assert len(set(held)) == 1 and held[0] not in ("running", "succeeded")
    jobs.resume(job.id)
    assert "succeeded" in _a_states(lambda: jobs.retrieve(job.id), 4)
    with pytest.raises(openai.BadRequestError):
        jobs.cancel(job.id)
    other = jobs.create(model="gpt-4o-mini", training_file=job.training_file).id
    assert jobs.cancel(other).status == "cancelled" == jobs.retrieve(other).status
    assert [jobs.retrieve(j.id).status for j in jobs.list()] == ["cancelled", "succeeded"]


def test_eval_runs(client):
    config, source = {"type": "logs"}, {"type": "jsonl", "source": {"type": "file_id", "id": "file-1"}}
    made = client.evals.create(data_source_config=config, testing_criteria=[], name="e")
    runs = client.evals.runs
    run = runs.create(made.id, data_source=source, name="r")
    assert (run.status, run.eval_id, run.name) == ("queued", made.id, "r")
    assert _a_states(lambda: runs.retrieve(run.id, eval_id=made.id), 3) == ["in_progress", "completed", "completed"]
    other = runs.create(made.id, data_source=source)
    assert runs.cancel(other.id, eval_id=made.id).status == "canceled"
    assert _a_states(lambda: runs.retrieve(other.id, eval_id=made.id), 2) == ["canceled", "canceled"]
    assert [r.id for r in runs.list(made.id)] == [run.id, other.id]
    assert runs.output_items.list(run.id, eval_id=made.id).data == []
    client.evals.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        runs.retrieve(run.id, eval_id=made.id)


def test_container_files(client):
    container = client.containers.create(name="c")
    files = client.containers.files
    uploaded = files.create(container.id, file=("a.txt", b"abc"))
    copied = files.create(container.id, file_id=_a_file(client, b"other", "b.txt"))
    assert [(f.bytes, f.path.rpartition("/")[2], f.container_id) for f in (uploaded, copied)] == [
        (3, "a.txt", container.id),
        (5, "b.txt", container.id),
    ]
    content = [files.content.retrieve(f.id, container_id=container.id).read() for f in (uploaded, copied)]
    assert content == [b"abc", b"other"]
    client.containers.delete(container.id)
    with pytest.raises(openai.NotFoundError):
        files.content.retrieve(uploaded.id, container_id=container.id)


def test_skills_have_versions(client):
    skill = client.skills.create(files=[("SKILL.md", b"# one")])
    assert (skill.default_version, skill.latest_version) == ("1", "1")
    second = client.skills.versions.create(skill.id, files=[("SKILL.md", b"# two")])
    assert (second.version, second.skill_id) == ("2", skill.id)
    found = client.skills.retrieve(skill.id)
    assert (found.default_version, found.latest_version) == ("1", "2")
    assert client.skills.update(skill.id, default_version="2").default_version == "2"
    assert [v.version for v in client.skills.versions.list(skill.id, order="asc")] == ["1", "2"]
    contents = [
        client.skills.content.retrieve(skill.id),
        client.skills.versions.content.retrieve("2", skill_id=skill.id),
    ]
    client.skills.delete(skill.id)
    with pytest.raises(openai.NotFoundError):
        client.skills.versions.retrieve("1", skill_id=skill.id)
    assert all(content.read() for content in contents)


@_a_deprecated
async def test_videos(openai_mock):
    client, other = _a_client(), _a_client("async")
    video = client.videos.create(prompt="a cat", seconds="8")
    assert (video.status, video.progress, video.prompt, video.seconds) == ("queued", 0, "a cat", "8")
    assert _a_states(lambda: client.videos.retrieve(video.id), 3) == ["in_progress", "completed", "completed"]
    assert (
        client.videos.create_and_poll(prompt="b").status
        == (await other.videos.create_and_poll(prompt="c")).status
        == "completed"
    )
    content = client.videos.download_content(video.id)
    remixed = client.videos.remix(video.id, prompt="a dog")
    assert (remixed.remixed_from_video_id, remixed.prompt) == (video.id, "a dog") and remixed.id != video.id
    assert len(client.videos.list().data) == 4 and client.videos.delete(video.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.videos.download_content(video.id)
    assert content.read()


@_a_deprecated
def test_characters_of_videos(client):
    character = client.videos.create_character(name="Tom", video=("t.mp4", b"t"))
    assert character.id.startswith("char_") and client.videos.get_character(character.id).name == "Tom"


if "webhooks.create" in openai_responses._names():

    def test_webhook_endpoints(client):
        made = client.webhooks.create(name="w", url="https://example.com/w", event_types=["batch.completed"])
        assert made.signing_secret and (made.url, made.event_types) == ("https://example.com/w", ["batch.completed"])
        assert client.webhooks.rotate_secret(made.id).signing_secret not in ("", made.signing_secret)
        assert client.webhooks.update(made.id, name="x").name == "x" == client.webhooks.retrieve(made.id).name
        assert client.webhooks.test(made.id, event_type="batch.completed").webhook_endpoint_id == made.id
        assert "batch.completed" in client.webhooks.event_types.list().data
        with pytest.raises(openai.NotFoundError):
            client.webhooks.rotate_secret("we_x")
        assert "signing_secret" not in client.webhooks.retrieve(made.id).to_dict()

else:

    def test_webhook_endpoints_of_a_later_sdk_are_not_there(openai_mock):
        with pytest.raises(AttributeError):
            _ = openai_mock.webhooks.create


def test_models_are_those_of_the_sdk(client):
    listed = [model.id for model in client.models.list()]
    assert set(typing.get_args(openai.types.ChatModel)) <= set(listed) and len(set(listed)) == len(listed)
    assert client.models.retrieve(listed[0]).id == listed[0]
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-none")
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.PermissionDeniedError):
        client.models.delete(listed[0])


@_a_deprecated
@pytest.mark.parametrize(
    "message, call",
    [
        (
            "No such FileBatch object: x",
            lambda c, store: c.vector_stores.file_batches.retrieve("x", vector_store_id=store),
        ),
        ("No such Video object: x", lambda c, store: c.videos.remix("x", prompt="p")),
        ("No such File object: x", lambda c, store: c.files.content("x")),
        (
            "No such File object: x",
            lambda c, store: c.containers.files.create(c.containers.create(name="c").id, file_id="x"),
        ),
        ("No such File object: x", lambda c, store: c.vector_stores.files.create(store, file_id="x")),
        ("No such File object: x", lambda c, store: c.vector_stores.create(file_ids=["x"])),
        ("No such File object: x", lambda c, store: c.fine_tuning.jobs.create(model="gpt-4o-mini", training_file="x")),
        ("Vector store with id 'x' not found.", lambda c, store: c.vector_stores.search("x", query="q")),
        ("The model 'x' does not exist", lambda c, store: c.models.retrieve("x")),
    ],
)
def test_unknown_objects_are_named_in_the_words_of_the_api(client, message, call):
    with pytest.raises(openai.NotFoundError) as caught:
        call(client, client.vector_stores.create().id)
    assert caught.value.body["message"] == message and caught.value.type == "invalid_request_error"


# ---- administration --------------------------------------------------------------------------------------------------


def test_archived_projects_are_listed_when_asked_for(client):
    projects = client.admin.organization.projects
    project, other = projects.create(name="p"), projects.create(name="q")
    assert (project.name, project.status) == ("p", "active")
    archived = projects.archive(project.id)
    assert archived.status == "archived" and archived.archived_at
    assert [p.status for p in projects.list(include_archived=True)] == ["archived", "active"]
    assert [p.id for p in projects.list()] == [other.id]


def test_user_of_a_project_keeps_the_id_of_the_user(client):
    projects = client.admin.organization.projects
    project, other = projects.create(name="p").id, projects.create(name="q").id
    user = projects.users.create(project, user_id="user-7", role="member")
    assert (user.id, user.role) == ("user-7", "member")
    assert projects.users.update("user-7", project_id=project, role="owner").role == "owner"
    assert projects.users.retrieve("user-7", project_id=project).role == "owner"
    with pytest.raises(openai.NotFoundError):
        projects.users.retrieve("user-7", project_id=other)


def test_service_account_comes_with_a_key_of_the_project(client):
    projects = client.admin.organization.projects
    project = projects.create(name="p").id
    account = projects.service_accounts.create(project, name="robot")
    assert (
        account.role == "member" and projects.service_accounts.retrieve(account.id, project_id=project).name == "robot"
    )
    assert account.api_key and account.api_key.value
    assert [key.id for key in projects.api_keys.list(project)] == [account.api_key.id]
    assert projects.api_keys.delete(account.api_key.id, project_id=project).deleted
    assert projects.api_keys.list(project).data == []


def test_secrets_are_shown_once(client):
    keys = client.admin.organization.admin_api_keys
    made = keys.create(name="k")
    assert made.value and "value" not in keys.retrieve(made.id).to_dict()
    assert [(key.name, "value" in key.to_dict()) for key in keys.list()] == [("k", False)]


def test_roles_have_the_name_they_were_given(client):
    roles = client.admin.organization.roles
    role = roles.create(role_name="r", permissions=["api.read"])
    assert (role.name, role.permissions) == ("r", ["api.read"])
    assert roles.update(role.id, role_name="s").name == "s" == roles.retrieve(role.id).name


def test_roles_are_assigned_to_groups(client):
    organization = client.admin.organization
    role, group = (
        organization.roles.create(role_name="r", permissions=["api.read"]),
        organization.groups.create(name="g"),
    )
    made = organization.groups.roles.create(group.id, role_id=role.id)
    assert made.role.id == role.id
    assert [(r.id, r.permissions) for r in organization.groups.roles.list(group.id)] == [(role.id, ["api.read"])]
    organization.groups.roles.delete(role.id, group_id=group.id)
    assert organization.groups.roles.list(group.id).data == [] and organization.roles.retrieve(role.id).id == role.id
    assert (made.group.id, made.group.name) == (group.id, "g")


def test_certificates_are_activated(client):
    organization = client.admin.organization
    made = organization.certificates.create(certificate="pem", name="c")
    project = organization.projects.create(name="p").id

    def active(certificates, *path):
        return [(c.id, c.active) for c in certificates.list(*path)]

    assert [c.active for c in organization.certificates.activate(certificate_ids=[made.id])] == [True]
    assert (
        active(organization.certificates) == [(made.id, True)]
        and organization.certificates.retrieve(made.id).name == "c"
    )
    organization.projects.certificates.activate(project, certificate_ids=[made.id])
    organization.certificates.deactivate(certificate_ids=[made.id])
    assert active(organization.certificates) == [(made.id, False)]
    assert active(organization.projects.certificates, project) == [(made.id, True)]
    with pytest.raises(openai.NotFoundError):
        organization.certificates.activate(certificate_ids=["cert_x"])


def test_spend_limits_are_set_read_and_unset(openai_mock, client):
    organization = client.admin.organization
    projects = [organization.projects.create(name=name).id for name in "ab"]
    limit = {"currency": "USD", "interval": "month", "threshold_amount": 100}
    organization.spend_limit.update(**limit)
    assert organization.spend_limit.retrieve().threshold_amount == 100
    for project, amount in zip(projects, (5, 6), strict=True):
        organization.projects.spend_limit.update(project, **limit | {"threshold_amount": amount})
    assert [organization.projects.spend_limit.retrieve(p).threshold_amount for p in projects] == [5, 6]
    assert organization.projects.spend_limit.delete(projects[0]).deleted
    assert openai_mock.state["admin.organization.projects.spend_limit"].keys() == {projects[1]}
    assert organization.projects.spend_limit.retrieve(projects[1]).threshold_amount == 6
    with pytest.raises(openai.NotFoundError):
        organization.projects.spend_limit.update("proj_x", **limit)


try:
    import httpx2 as _b_httpx2
except ImportError:
    _b_httpx2 = None

_b_KEY = "sk-very-secret"
_b_URL = "https://api.openai.com/v1"
_b_USER = [{"role": "user", "content": "What is the weather in Tokyo?"}]
_b_CHAT = {"model": "gpt-4o", "messages": _b_USER}
_b_OPENAI_2 = openai.__version__.startswith("2.")
_b_FAMILY = httpx if _b_OPENAI_2 else _b_httpx2  # what the SDK's clients are made of
_b_FAMILIES = [family for family in (httpx, _b_httpx2) if family]
_b_deprecated = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK's own, for assistants
_b_kinds = pytest.mark.parametrize("kind", ["sync", "async"])
_b_examples = settings(max_examples=25, deadline=None)


@functools.cache
def _b_client(kind="sync", **options):
    """A client that is made once: making one takes longer than most tests."""
    client = openai.OpenAI if kind == "sync" else openai.AsyncOpenAI
    return client(**{"api_key": _b_KEY, **options})


def _b_run(kind, function, *args):
    """Runs a coroutine function of a client; without a loop for the synchronous one, where nothing ever waits."""
    coroutine = function(_b_client(kind), *args)
    return asyncio.run(coroutine) if kind == "async" else _b_driven(coroutine)


def _b_driven(coroutine):
    """The result of a coroutine that never waits."""
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    return done.value.value


async def _b_get(value):
    return await value if inspect.isawaitable(value) else value


async def _b_all(events):
    """All the events of a stream of either kind."""
    events = await _b_get(events)
    return [event async for event in events] if hasattr(events, "__aiter__") else list(events)


@contextlib.asynccontextmanager
async def _b_open(manager):
    if hasattr(manager, "__aenter__"):
        async with manager as opened:
            yield opened
    else:
        with manager as opened:
            yield opened


def _b_settled(value):
    """A model or JSON without what the wire leaves out: times, nulls, what the SDK parses, a call's place in a list."""
    if isinstance(value, pydantic.BaseModel):
        value = value.to_dict(exclude_unset=False, warnings=False)
    if isinstance(value, list):
        return [_b_settled(item) for item in value]
    if not isinstance(value, dict):
        return value
    skipped = {"parsed", "parsed_arguments"} | ({"index"} if "function" in value else set())
    kept = {k: v for k, v in value.items() if k not in skipped and not k.endswith("_at") and k != "created"}
    return {key: _b_settled(item) for key, item in kept.items() if item is not None}


def _b_parsed(text):
    """The (event, data) pairs of a body of server-sent events; data as JSON but for the last words."""
    frames = [frame.split("\n") for frame in text.split("\n\n")]
    assert frames.pop() == [""], "the last event needs its blank line"
    fields = [dict(line.split(": ", 1) for line in frame) for frame in frames]
    return [(f.get("event"), f["data"] if f["data"] == "[DONE]" else json.loads(f["data"])) for f in fields]


def _b_wire(path, body, method="POST"):
    """What goes over the wire for a streamed call."""
    body = {"json": body | {"stream": True}} if method == "POST" else {"params": body | {"stream": "true"}}
    answer = httpx.request(method, _b_URL + path, headers={"authorization": f"Bearer {_b_KEY}"}, **body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    return _b_parsed(answer.text)


@functools.cache
def _b_members(name, field="type"):
    """The members of one of the SDK's unions of events, by what tells them apart."""
    module, _, last = f"openai.types.{name}".rpartition(".")
    members = typing.get_args(typing.get_args(getattr(importlib.import_module(module), last))[0])
    return {
        kind: member for m in members for kind, member in [(typing.get_args(m.model_fields[field].annotation)[0], m)]
    }


def _b_valid(model, data):
    """Asserts that JSON is what a model of the SDK says, strictly; a union by the name it has in `openai.types`."""
    if isinstance(model, str):
        field = "event" if model.endswith("AssistantStreamEvent") else "type"
        model = _b_members(model, field)[data[field]]
    return model.model_validate_json(json.dumps(data), strict=True)


# ---- server-sent events: chat completions ----------------------------------------------------------------------------


class _b_Person(pydantic.BaseModel):
    name: str
    age: int
    tags: list[str]


_b_UNICODE = "Grüße, 世界! 🎉👩‍👩‍👧  zwei\n\nZeilen\t\u2028 e\u0301nd "
_b_TURNS = {
    "text": "Hello there, how are you?",
    "unicode": _b_UNICODE,
    "empty": "",
    "blank": "  \n ",
    "one tool call": tool_call("get_weather", city="Tōkyō"),
    "parallel tool calls": tool_call("get_weather", city="Oslo")
    + tool_call("get_time", city="Oslo", at=[1, 2.5, None]),
    "tool call without arguments": tool_call("now"),
    "text and tool call": "Let me look. " + tool_call("get_weather", city="Rome"),
    "refusal": refusal("I will not do that."),
    "structured": _b_Person(name="Ada", age=36, tags=["a b", "ü"]),
}
_b_LOGPROB = {"token": "Hi", "logprob": -0.25, "bytes": [72, 105], "top_logprobs": []}
_b_CHATS = _b_TURNS | {
    "nothing set": {},
    "length": cut("half of"),
    "content filter": filtered("so far"),
    "several choices": {"choices": [{"message": {"content": "one"}}, {"message": {"content": "two words"}}]},
    "choices of kinds": {
        "choices": [{"message": {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}}, {}]
    },
    "logprobs": {"choices": [{"message": {"content": "Hi"}, "logprobs": {"content": [_b_LOGPROB]}}]},
    "audio": {
        "choices": [{"message": {"audio": {"id": "audio_1", "data": "QUJD", "expires_at": 9, "transcript": "x y"}}}]
    },
    "fields of other services": {"choices": [{"message": {"content": "x", "reasoning_content": "because of that"}}]},
}


async def _b_chat_plain(client, body=_b_CHAT):
    return await _b_get(client.chat.completions.create(**body))


async def _b_chat_streamed(client, body=_b_CHAT):
    manager = client.chat.completions.stream(**body, stream_options={"include_usage": True})
    async with _b_open(manager) as events:
        await _b_all(events)
        return await _b_get(events.get_final_completion())


def _b_both(kind, response, endpoint, plain, streamed, **settings):
    """What the plain and the streamed call give, each from a new mock with the same response."""
    results = []
    for call in (plain, streamed):
        with OpenAIMock(**settings) as openai_mock:
            if response is not None:
                _b_endpoint(openai_mock, endpoint).response = response
            results.append(_b_run(kind, call))
    return results


def _b_endpoint(openai_mock, name):
    for part in name.split("."):
        openai_mock = getattr(openai_mock, part)
    return openai_mock


@_b_kinds
@pytest.mark.parametrize("chunk", [None, 1, 3])
@pytest.mark.parametrize("name", [name for name in _b_CHATS if name not in ("length", "content filter")])
def test_chat_stream_ends_with_the_plain_completion(name, chunk, kind):
    response = stream(_b_CHATS[name], chunk=chunk) if chunk else _b_CHATS[name]
    plain, streamed = _b_both(kind, response, "chat.completions.create", _b_chat_plain, _b_chat_streamed)
    assert _b_settled(streamed) == _b_settled(plain)


@pytest.mark.parametrize(("response", "raised"), [(cut('{"name": "A'), "length"), (filtered('{"na'), "content filter")])
def test_chat_stream_that_was_cut_raises_what_parse_raises(openai_mock, response, raised):
    openai_mock.chat.completions.create.response = response
    with pytest.raises(openai.OpenAIError, match=raised):
        _b_client().chat.completions.parse(**_b_CHAT, response_format=_b_Person)
    streamed = _b_client().chat.completions.stream(**_b_CHAT, response_format=_b_Person)
    with pytest.raises(openai.OpenAIError, match=raised), streamed as events:
        events.until_done()


@pytest.mark.parametrize("name", _b_CHATS)
@pytest.mark.parametrize("with_usage", [False, True])
def test_chat_chunks_are_what_the_sdk_declares(openai_mock, name, with_usage):
    openai_mock.chat.completions.create.response = _b_CHATS[name]
    options = {"stream_options": {"include_usage": True}} if with_usage else {}
    *events, (kind, last) = _b_wire("/chat/completions", _b_CHAT | options)
    assert (kind, last) == (None, "[DONE]")
    chunks = [_b_valid(ChatCompletionChunk, data) for _, data in events]
    assert {kind for kind, _ in events} == {None}
    assert len({chunk.id for chunk in chunks}) == len({chunk.created for chunk in chunks}) == 1
    with_choices = chunks[:-1] if with_usage else chunks
    assert all(chunk.choices and chunk.usage is None for chunk in with_choices)
    if with_usage:
        assert all("usage" in data for _, data in events)
        assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens > 0
    for index in {choice.index for chunk in with_choices for choice in chunk.choices}:
        own = [c for chunk in with_choices for c in chunk.choices if c.index == index]
        assert own[0].delta.role == "assistant" and [c.delta.role for c in own[1:]] == [None] * (len(own) - 1)
        assert [c.finish_reason is None for c in own] == [True] * (len(own) - 1) + [False]
        calls = [call for c in own for call in c.delta.tool_calls or ()]
        opened = [call.index for call in calls if call.id]
        assert opened == list(range(len(opened))) and all(call.index in opened for call in calls)


def test_chat_pieces_are_words_or_as_long_as_asked(openai_mock):
    create = openai_mock.chat.completions.create
    for response, pieces in [
        ("Hello big  world", ["Hello ", "big  ", "world"]),
        (stream("Hello", chunk=2), ["He", "ll", "o"]),
        (stream("日本🎉語", chunk=1), list("日本🎉語")),
        ("", []),
    ]:
        create.response = response
        deltas = [data["choices"][0]["delta"].get("content") for _, data in _b_wire("/chat/completions", _b_CHAT)[:-1]]
        assert list(filter(None, deltas)) == pieces


@_b_examples
@given(st.text(), st.sampled_from([None, 1, 7]))
def test_any_text_streams_as_it_is(text, chunk):
    with OpenAIMock() as openai_mock:
        for endpoint in (
            openai_mock.chat.completions.create,
            openai_mock.responses.create,
            openai_mock.completions.create,
        ):
            endpoint.response = stream(text, chunk=chunk)
        client = _b_client()
        with client.chat.completions.stream(**_b_CHAT) as events:
            assert events.get_final_completion().choices[0].message.content == text
        with client.responses.stream(model="gpt-4o", input="Hi") as events:
            deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
            assert events.get_final_response().output_text == "".join(deltas) == text
        chunks = client.completions.create(model="m", prompt="Hi", stream=True)
        assert "".join(chunk.choices[0].text for chunk in chunks) == text


_b_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@_b_examples
@given(st.lists(st.dictionaries(st.text(max_size=5), _b_json, max_size=3), min_size=1, max_size=3))
def test_any_tool_arguments_stream_as_they_are(arguments):
    turn = tool_call("f", arguments[0])
    for more in arguments[1:]:
        turn += tool_call("f", more)
    with OpenAIMock() as openai_mock:
        openai_mock.chat.completions.create.response = openai_mock.responses.create.response = stream(turn, chunk=4)
        with _b_client().chat.completions.stream(**_b_CHAT) as events:
            calls = events.get_final_completion().choices[0].message.tool_calls
        assert [json.loads(call.function.arguments) for call in calls] == arguments
        assert len({call.id for call in calls}) == len(arguments)
        with _b_client().responses.stream(model="gpt-4o", input="Hi") as events:
            pieces = [(e.output_index, e.delta) for e in events if e.type == "response.function_call_arguments.delta"]
            output = events.get_final_response().output
        assert [json.loads(item.arguments) for item in output] == arguments
        for index, item in enumerate(output):
            assert "".join(piece for place, piece in pieces if place == index) == item.arguments


def test_chat_stream_of_a_custom_tool_call(openai_mock):
    call = {"type": "custom", "custom": {"name": "c", "input": "do this"}}
    openai_mock.chat.completions.create.response = {"choices": [{"message": {"tool_calls": [call]}}]}
    deltas = [data["choices"][0]["delta"] for _, data in _b_wire("/chat/completions", _b_CHAT)[:-1]]
    pieces = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert [piece["custom"]["input"] for piece in pieces] == ["", "do ", "this"]
    assert pieces[0]["custom"]["name"] == "c" and {piece["index"] for piece in pieces} == {0}


# ---- server-sent events: responses -----------------------------------------------------------------------------------

_b_WHERE = ["responses", *(["beta.responses"] if hasattr(_b_client().beta, "responses") else [])]
_b_CITATION = {"type": "url_citation", "url": "https://a.b", "title": "t", "start_index": 0, "end_index": 2}
_b_TEXT = {"type": "output_text", "text": "See here and there.", "annotations": [_b_CITATION]}
_b_BROKEN = "broken" if _b_OPENAI_2 else {"type": "http_error", "code": 500, "message": "broken"}
_b_ITEMS = {
    "message": [{"type": "message", "content": [_b_TEXT, {"type": "output_text", "text": "More."}]}],
    "refusing message": [{"type": "message", "content": [{"type": "refusal", "refusal": "No, I will not."}]}],
    "reasoning": [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "First one."}, {"text": "Then two."}]}
    ],
    "reasoning text": [
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "I think so."}]}
    ],
    "encrypted": [{"type": "reasoning", "summary": [], "encrypted_content": "abc"}],
    "function_call": [{"type": "function_call", "name": "f", "arguments": '{"a": "b c"}', "call_id": "call_1"}],
    "custom_tool_call": [{"type": "custom_tool_call", "name": "c", "input": "do this now", "call_id": "call_1"}],
    "web_search_call": [{"type": "web_search_call", "action": {"type": "search", "query": "q"}}],
    "file_search_call": [{"type": "file_search_call", "queries": ["q"], "results": [{"text": "found"}]}],
    "code_interpreter_call": [{"type": "code_interpreter_call", "code": "print(1 + 1)\n", "container_id": "cntr_1"}],
    "image_generation_call": [{"type": "image_generation_call", "result": "QUJD"}],
    "mcp_call": [{"type": "mcp_call", "name": "n", "server_label": "s", "arguments": '{"q": 1}', "output": "out"}],
    "failed mcp_call": [{"type": "mcp_call", "name": "n", "server_label": "s", "arguments": "{}", "error": _b_BROKEN}],
    "mcp_list_tools": [{"type": "mcp_list_tools", "server_label": "s", "tools": [{"name": "n", "input_schema": {}}]}],
    "several": [
        {"type": "reasoning", "summary": []},
        {"content": [{"text": "hi"}]},
        {"type": "function_call", "name": "f"},
    ],
}
_b_OUTPUTS = {name: {"output": items} for name, items in _b_ITEMS.items()}


async def _b_response_plain(client, where="responses"):
    return await _b_get(_b_endpoint(client, where).create(model="gpt-4o", input="Hi"))


async def _b_response_streamed(client, where="responses"):
    if where != "responses":  # no accumulator there
        return (await _b_all(_b_endpoint(client, where).create(model="gpt-4o", input="Hi", stream=True)))[-1].response
    async with _b_open(client.responses.stream(model="gpt-4o", input="Hi")) as events:
        await _b_all(events)
        return await _b_get(events.get_final_response())


@_b_kinds
@pytest.mark.parametrize("where", _b_WHERE)
@pytest.mark.parametrize("response", [*_b_TURNS.values(), *_b_OUTPUTS.values()], ids=[*_b_TURNS, *_b_OUTPUTS])
def test_response_stream_ends_with_the_plain_response(response, where, kind):
    calls = [lambda client, call=call: call(client, where) for call in (_b_response_plain, _b_response_streamed)]
    plain, streamed = _b_both(kind, response, f"{where}.create", *calls)
    assert _b_settled(streamed) == _b_settled(plain)


def _b_item_types():
    from openai.types.responses import ResponseOutputItem

    members = typing.get_args(typing.get_args(ResponseOutputItem)[0])
    return [typing.get_args(member.model_fields["type"].annotation)[0] for member in members]


def _b_check_lifecycle(events, last="response.completed"):
    """Asserts what holds for every stream of a response, and gives its final response."""
    for number, (kind, data) in enumerate(events):
        assert kind == data["type"] and data["sequence_number"] == number
        _b_valid("responses.ResponseStreamEvent", data)
    kinds = [kind for kind, _ in events]
    assert kinds[:2] == ["response.created", "response.in_progress"] and kinds[-1] == last
    final = events[-1][1]["response"]
    assert {data["response"]["id"] for _, data in events if "response" in data} == {final["id"]}
    added = [data["item"] for kind, data in events if kind == "response.output_item.added"]
    done = [data["item"] for kind, data in events if kind == "response.output_item.done"]
    assert done == final["output"]
    for key in ("type", "id", "call_id"):
        assert [item.get(key) for item in added] == [item.get(key) for item in done]
    for _, data in events:
        if "item_id" in data:
            assert data["item_id"] == final["output"][data["output_index"]]["id"]
    return final


def _b_deltas(events, kind, *place):
    """The deltas of one kind put together, by the fields that tell their place."""
    texts: dict[Any, str] = {}
    for name, data in events:
        if name == kind:
            key = tuple(data[field] for field in place)
            texts[key] = texts.get(key, "") + data["delta"]
    return texts


@pytest.mark.parametrize("where", _b_WHERE)
@pytest.mark.parametrize("name", [*_b_OUTPUTS, *_b_item_types()])
def test_response_events_of_every_output_item(openai_mock, name, where):
    response = _b_OUTPUTS.get(name) or {"output": [{"type": name}]}
    _b_endpoint(openai_mock, f"{where}.create").response = response
    path = "/responses" + ("?beta=true" if where != "responses" else "")
    final = _b_check_lifecycle(_b_wire(path, {"model": "gpt-4o", "input": "Hi"}))
    assert [item["type"] for item in final["output"]] == [i.get("type", "message") for i in response["output"]]


_b_PIECED = [
    ("message", "response.output_text", "text"),
    ("refusing message", "response.refusal", "refusal"),
    ("reasoning", "response.reasoning_summary_text", "text"),
    ("reasoning text", "response.reasoning_text", "text"),
    ("function_call", "response.function_call_arguments", "arguments"),
    ("custom_tool_call", "response.custom_tool_call_input", "input"),
    ("code_interpreter_call", "response.code_interpreter_call_code", "code"),
    ("mcp_call", "response.mcp_call_arguments", "arguments"),
]


@pytest.mark.parametrize(("name", "event", "field"), _b_PIECED)
def test_response_deltas_add_up_to_what_is_done(openai_mock, name, event, field):
    openai_mock.responses.create.response = stream(_b_OUTPUTS[name], chunk=2)
    events = _b_wire("/responses", {"model": "gpt-4o", "input": "Hi"})
    inner = [key for key in ("summary_index", "content_index") if key in dict(events)[f"{event}.done"]]
    place = ["output_index", "item_id", *inner]
    done = {tuple(data[key] for key in place): data[field] for kind, data in events if kind == f"{event}.done"}
    assert done == _b_deltas(events, f"{event}.delta", *place)
    assert sum(kind == f"{event}.delta" for kind, _ in events) > len(done)


_b_STAGED = [
    ("web_search_call", ["in_progress", "searching", "completed"]),
    ("file_search_call", ["in_progress", "searching", "completed"]),
    ("code_interpreter_call", ["in_progress", "interpreting", "completed"]),
    ("image_generation_call", ["in_progress", "generating", "completed"]),
    ("mcp_call", ["in_progress", "completed"]),
    ("failed mcp_call", ["in_progress", "failed"]),
    ("mcp_list_tools", ["in_progress", "completed"]),
]


@pytest.mark.parametrize(("name", "stages"), _b_STAGED)
def test_hosted_tools_go_through_their_stages(openai_mock, name, stages):
    openai_mock.responses.create.response = _b_OUTPUTS[name]
    kind = name.split()[-1]
    events = [event for event, _ in _b_wire("/responses", {"model": "gpt-4o", "input": "Hi"})]
    staged = [event for event in events if event and event.startswith(f"response.{kind}.")]
    assert staged == [f"response.{kind}.{stage}" for stage in stages]


def test_annotations_come_one_by_one(openai_mock):
    openai_mock.responses.create.response = _b_OUTPUTS["message"]
    events = dict(_b_wire("/responses", {"model": "gpt-4o", "input": "Hi"}))
    assert events["response.output_text.annotation.added"]["annotation"] == _b_CITATION


_b_ENDS = [
    (cut("half of"), "incomplete"),
    (filtered("so far"), "incomplete"),
    ({"incomplete_details": {"reason": "max_output_tokens"}}, "incomplete"),
    ({"error": {"code": "server_error", "message": "boom"}}, "failed"),
    ({"error": {"code": "rate_limit_exceeded", "message": "boom"}, "output": []}, "failed"),
]


@pytest.mark.parametrize("where", _b_WHERE)
@pytest.mark.parametrize(("response", "status"), _b_ENDS)
def test_failed_and_incomplete_responses_end_with_their_own_event(response, status, where):
    finals = []
    for streamed in (False, True):
        with OpenAIMock() as openai_mock:
            _b_endpoint(openai_mock, f"{where}.create").response = response
            answer = _b_endpoint(_b_client(), where).create(model="gpt-4o", input="Hi", stream=streamed)
            events = list(answer) if streamed else []
            finals.append(events[-1].response if streamed else answer)
            assert not streamed or events[-1].type == f"response.{status}"
    assert finals[0].status == finals[1].status == status
    assert _b_settled(finals[0]) == _b_settled(finals[1])


@_b_kinds
@pytest.mark.parametrize("where", _b_WHERE)
def test_a_stored_response_can_be_streamed_again_from_any_event(openai_mock, where, kind):
    _b_endpoint(openai_mock, f"{where}.create").response = "Hello big wide world"

    async def scene(client):
        resource = _b_endpoint(client, where)
        first = await _b_all(resource.create(model="gpt-4o", input="Hi", stream=True))
        id = first[0].response.id
        again = await _b_all(resource.retrieve(id, stream=True))
        rest = await _b_all(resource.retrieve(id, stream=True, starting_after=4))
        nothing = await _b_all(resource.retrieve(id, stream=True, starting_after=first[-1].sequence_number))
        return first, again, rest, nothing, await _b_get(resource.retrieve(id))

    first, again, rest, nothing, plain = _b_run(kind, scene)
    assert [e.sequence_number for e in first] == list(range(len(first)))
    assert again == first and rest == first[5:] and nothing == []
    assert _b_settled(first[-1].response) == _b_settled(plain)


def test_stream_of_a_set_retrieve_is_that_response(openai_mock):
    openai_mock.responses.retrieve.response = tool_call("f", a=1)
    plain = _b_client().responses.retrieve("resp_x")
    events = list(_b_client().responses.retrieve("resp_x", stream=True))
    assert plain.output[0].arguments == events[-1].response.output[0].arguments == '{"a": 1}'


@_b_kinds
def test_parsed_streams_give_what_parse_gives(kind):
    person = _b_TURNS["structured"]

    async def chat(client):
        return (
            (await _b_get(client.chat.completions.parse(**_b_CHAT, response_format=_b_Person)))
            .choices[0]
            .message.parsed
        )

    async def chat_streamed(client):
        return (await _b_chat_streamed(client, _b_CHAT | {"response_format": _b_Person})).choices[0].message.parsed

    async def response(client):
        return (await _b_get(client.responses.parse(model="gpt-4o", input="Hi", text_format=_b_Person))).output_parsed

    async def response_streamed(client):
        async with _b_open(client.responses.stream(model="gpt-4o", input="Hi", text_format=_b_Person)) as events:
            return (await _b_get(events.get_final_response())).output_parsed

    for response_set in (person, person.model_dump_json(), None):
        for endpoint, calls in [
            ("chat.completions", (chat, chat_streamed)),
            ("responses", (response, response_streamed)),
        ]:
            plain, streamed = _b_both(kind, response_set, f"{endpoint}.create", *calls)
            assert isinstance(plain, _b_Person) and streamed == plain
            assert response_set is None or plain == person


# ---- server-sent events: assistants ----------------------------------------------------------------------------------


async def _b_run_plain(client):
    runs, assistant, thread = client.beta.threads.runs, *await _b_thread(client)
    run = await _b_get(runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id))
    messages = await _b_get(client.beta.threads.messages.list(thread.id, order="asc"))
    steps = await _b_get(runs.steps.list(run.id, thread_id=thread.id, order="asc"))
    return run, messages.data, steps.data


async def _b_thread(client):
    assistant = await _b_get(client.beta.assistants.create(model="gpt-4o"))
    return assistant, await _b_get(client.beta.threads.create())


async def _b_run_streamed(client):
    base = openai.AssistantEventHandler if isinstance(client, openai.OpenAI) else openai.AsyncAssistantEventHandler
    assistant, thread = await _b_thread(client)
    manager = client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id, event_handler=base())
    async with _b_open(manager) as handler:
        await _b_get(handler.until_done())
        run, steps = await _b_get(handler.get_final_run()), await _b_get(handler.get_final_run_steps())
        messages = [] if run.required_action else await _b_get(handler.get_final_messages())
    return run, messages, steps


_b_RUNS = ["text", "unicode", "empty", "one tool call", "parallel tool calls"]


@_b_deprecated
@_b_kinds
@pytest.mark.parametrize("name", _b_RUNS)
def test_run_stream_ends_with_the_polled_run(name, kind):
    ended = []
    for call in (_b_run_plain, _b_run_streamed):
        with OpenAIMock() as openai_mock:
            openai_mock.beta.threads.runs.create.response = _b_TURNS[name]
            ended.append(_b_settled([*_b_run(kind, call)]))
    (run, messages, steps), (streamed_run, streamed_messages, streamed_steps) = ended
    assert streamed_run == run and streamed_messages == messages
    left = {"status", "usage"}  # the SDK's handler keeps a step as it began
    assert [{k: v for k, v in step.items() if k not in left} for step in steps] == [
        {k: v for k, v in step.items() if k not in left} for step in streamed_steps
    ]
    assert run["status"] == ("requires_action" if "call" in name else "completed")


def _b_check_run_events(events):
    assert events[-1] == ("done", "[DONE]")
    for kind, data in events[:-1]:
        _b_valid("beta.AssistantStreamEvent", {"event": kind, "data": data})
    return [kind for kind, _ in events]


@_b_deprecated
def test_run_events_with_a_message(openai_mock):
    client = _b_client()
    assistant = client.beta.assistants.create(model="gpt-4o")
    openai_mock.beta.threads.create_and_run.response = stream("Hello you", chunk=5)
    events = _b_wire("/threads/runs", {"assistant_id": assistant.id})
    kinds = _b_check_run_events(events)
    assert [kind for kind, _ in itertools.groupby(kinds)] == [
        "thread.created",
        *(f"thread.run.{status}" for status in ("created", "queued", "in_progress")),
        *(f"thread.run.step.{status}" for status in ("created", "in_progress")),
        *(f"thread.message.{status}" for status in ("created", "in_progress", "delta", "completed")),
        "thread.run.step.completed",
        "thread.run.completed",
        "done",
    ]
    assert dict(events)["thread.message.created"]["content"] == []
    texts = [d["delta"]["content"][0]["text"]["value"] for kind, d in events if kind == "thread.message.delta"]
    assert "".join(texts) == "Hello you"


@_b_deprecated
@_b_kinds
def test_run_stream_stops_for_tools_and_goes_on_with_their_outputs(openai_mock, kind):
    openai_mock.beta.threads.runs.create.response = [_b_TURNS["parallel tool calls"], "It is cold and late."]

    async def scene(client):
        assistant, thread = await _b_thread(client)
        runs = client.beta.threads.runs
        first = await _b_all(runs.create(thread.id, assistant_id=assistant.id, stream=True))
        run = first[-1].data if first[-1].event != "done" else first[-2].data
        outputs = [{"tool_call_id": c.id, "output": "1"} for c in run.required_action.submit_tool_outputs.tool_calls]
        rest = await _b_all(runs.submit_tool_outputs(run.id, thread_id=thread.id, tool_outputs=outputs, stream=True))
        return first, run, rest, await _b_get(client.beta.threads.messages.list(thread.id))

    first, run, rest, messages = _b_run(kind, scene)
    assert run.status == "requires_action"
    calls = run.required_action.submit_tool_outputs.tool_calls
    pieces = {0: "", 1: ""}
    for event in first:
        if event.event == "thread.run.step.delta":
            for call in event.data.delta.step_details.tool_calls:
                pieces[call.index] += call.function.arguments or ""
    assert [pieces[0], pieces[1]] == [call.function.arguments for call in calls]
    assert not [event for event in first if event.event.startswith("thread.message")]
    ended = [event.data for event in rest if event.event == "thread.run.completed"]
    assert [run.id] == [run.id for run in ended]
    assert [message.content[0].text.value for message in messages.data] == ["It is cold and late."]


# ---- server-sent events: the others ----------------------------------------------------------------------------------


@_b_kinds
@pytest.mark.parametrize("text", ["Once upon a time", _b_UNICODE, ""])
def test_completion_stream_adds_up_to_the_plain_text(openai_mock, text, kind):
    openai_mock.completions.create.response = {
        "choices": [{"text": text}, {"text": "other", "finish_reason": "length"}]
    }

    async def scene(client):
        said = {"model": "gpt-3.5-turbo-instruct", "prompt": "Once"}
        plain = await _b_get(client.completions.create(**said))
        usage = {"stream_options": {"include_usage": True}}
        return plain, await _b_all(client.completions.create(**said, stream=True, **usage))

    plain, chunks = _b_run(kind, scene)
    choices = [choice for chunk in chunks for choice in chunk.choices]
    for choice in plain.choices:
        own = [c for c in choices if c.index == choice.index]
        assert "".join(c.text for c in own) == choice.text
        assert [c.finish_reason for c in own if c.finish_reason] == [choice.finish_reason]
    assert chunks[-1].choices == [] and chunks[-1].usage == plain.usage
    assert len({chunk.id for chunk in chunks}) == 1


@_b_kinds
@pytest.mark.parametrize("call", ["generate", "edit"])
@pytest.mark.parametrize("partial", [0, 3])
def test_image_stream_ends_with_the_plain_image(openai_mock, call, partial, kind):
    _b_endpoint(openai_mock, f"images.{call}").response = {"data": [{"b64_json": "QUJDRA=="}]}
    said = {"model": "gpt-image-1", "prompt": "a cat"} | ({"image": b"png"} if call == "edit" else {})

    async def scene(client):
        method = getattr(client.images, call)
        return await _b_get(method(**said)), await _b_all(method(**said, stream=True, partial_images=partial))

    plain, events = _b_run(kind, scene)
    start = {"generate": "image_generation", "edit": "image_edit"}[call]
    assert [event.type for event in events] == [f"{start}.partial_image"] * partial + [f"{start}.completed"]
    assert [event.partial_image_index for event in events[:-1]] == list(range(partial))
    assert events[-1].b64_json == plain.data[0].b64_json
    union = "ImageGenStreamEvent" if call == "generate" else "ImageEditStreamEvent"
    for event in events:
        _b_valid(union, event.to_dict(mode="json"))


_b_SEGMENTS = [
    {"id": "seg_1", "type": "transcript.text.segment", "text": "Hi", "speaker": "A", "start": 0.0, "end": 1.5}
]


@_b_kinds
@pytest.mark.parametrize("text", ["Hello there, you", _b_UNICODE, ""])
@pytest.mark.parametrize("form", ["json", "diarized_json"])
def test_transcription_stream_ends_with_the_plain_text(openai_mock, text, form, kind):
    segments = {"segments": _b_SEGMENTS} if form == "diarized_json" else {}
    openai_mock.audio.transcriptions.create.response = {"text": text} | segments

    async def scene(client):
        said = {"file": b"wav", "model": "gpt-4o-transcribe", "response_format": form}
        create = client.audio.transcriptions.create
        return await _b_get(create(**said)), await _b_all(create(**said, stream=True))

    plain, events = _b_run(kind, scene)
    assert events[-1].type == "transcript.text.done" and events[-1].text == plain.text == text
    assert "".join(e.delta for e in events if e.type == "transcript.text.delta") == text
    assert sum(e.type == "transcript.text.segment" for e in events) == len(segments and _b_SEGMENTS)
    for event in events:
        _b_valid("audio.TranscriptionStreamEvent", event.to_dict(mode="json"))


@pytest.mark.parametrize("audio", [b"", b"\x00\x01mp3" * 300])
def test_speech_streams_as_events_and_as_raw_bytes(openai_mock, audio):
    openai_mock.audio.speech.create.response = audio
    said = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "Hello"}
    assert _b_client().audio.speech.create(**said).read() == audio
    with _b_client().audio.speech.with_streaming_response.create(**said) as response:
        assert b"".join(response.iter_bytes(64)) == audio
    with _b_client().audio.speech.with_streaming_response.create(**said, stream_format="sse") as response:
        events = [data for _, data in _b_parsed(b"".join(response.iter_bytes()).decode())]
    assert [event["type"] for event in events] == ["speech.audio.delta"] * (len(events) - 1) + ["speech.audio.done"]
    assert b"".join(base64.b64decode(event["audio"]) for event in events[:-1]) == audio
    usage = events[-1]["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


if hasattr(_b_client().beta, "agents"):

    def test_agent_session_events_are_a_stream(openai_mock):
        said = {"agent_id": "agent_1", "environment": {"type": "new"}}
        session = _b_client().post("/agents/sessions", body=said, cast_to=openai.types.beta.AgentSession)
        events = list(_b_client().beta.agents.sessions.events.stream(session.id))
        assert events, "a session has at least one event"
        for event in events:
            pydantic.TypeAdapter(openai.types.beta.AgentSessionEvent).validate_python(event.to_dict())


# ---- explicit streams ------------------------------------------------------------------------------------------------


def _b_chunk(text, **choice):
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None} | choice
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return base | {"choices": [choice]}


_b_WORDS = ["one ", "two ", "three"]


def _b_generator():
    for word in _b_WORDS:
        yield _b_chunk(word)
    yield "[DONE]"


def _b_generator_of_request(request):
    assert request.method == "POST"
    yield from _b_generator()


def _b_generator_of_models():
    for word in _b_WORDS:
        yield ChatCompletionChunk.model_validate(_b_chunk(word))


def _b_generator_of_pairs():
    for word in _b_WORDS:
        yield None, _b_chunk(word)


async def _b_async_generator():
    for event in _b_generator():
        await asyncio.sleep(0)
        yield event


class _b_Stream(EventStream[ChatCompletionChunk]):
    def generate(self):
        yield from _b_generator_of_models()


class _b_AsyncStream(AsyncEventStream[ChatCompletionChunk]):
    async def agenerate(self):
        for chunk in _b_generator_of_models():
            await asyncio.sleep(0)
            yield chunk


async def _b_promised_generator(request):
    await asyncio.sleep(0)
    return _b_generator()


_b_EXPLICIT = {
    "generator": _b_generator,  # called in the test: see there
    "asynchronous generator": _b_async_generator,
    "generator function": lambda: _b_generator,
    "generator function of the request": lambda: _b_generator_of_request,
    "generator of models": _b_generator_of_models,
    "generator of pairs": _b_generator_of_pairs,
    "asynchronous generator function": lambda: _b_async_generator,
    "stream of a list": lambda: stream(list(_b_generator())),
    "stream of models": lambda: stream(list(_b_generator_of_models())),
    "stream of a tuple": lambda: stream(tuple(_b_generator())),
    "stream of a generator": lambda: stream(_b_generator()),
    "stream of a generator function": lambda: stream(_b_generator),
    "stream of an asynchronous generator": lambda: stream(_b_async_generator()),
    "stream of an iterator": lambda: stream(iter(list(_b_generator()))),
    "event stream": _b_Stream,
    "asynchronous event stream": _b_AsyncStream,
    "event stream as content": lambda: httpx.Response(200, content=_b_Stream()),
    "asynchronous event stream as content": lambda: httpx.Response(200, content=_b_AsyncStream()),
    "callable that returns a generator": lambda: lambda request: _b_generator(),
    "callable that returns an event stream": lambda: lambda request: _b_Stream(),
    "asynchronous callable that returns a generator": lambda: _b_promised_generator,
}


async def _b_said(client, body=_b_CHAT):
    """The text a streamed chat call brings."""
    chunks = await _b_all(client.chat.completions.create(**body, stream=True))
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


@pytest.mark.parametrize("name", _b_EXPLICIT)
def test_one_explicit_stream_serves_every_kind_of_client_again_and_again(openai_mock, name):
    openai_mock.chat.completions.create.response = _b_EXPLICIT[name]()
    for kind in ("sync", "async", "async", "sync"):
        assert _b_run(kind, _b_said) == "one two three"
    assert openai_mock.chat.completions.create.route.call_count == 4


@pytest.mark.parametrize("name", _b_EXPLICIT)
async def test_explicit_streams_serve_synchronous_clients_under_a_running_loop(openai_mock, name):
    openai_mock.chat.completions.create.response = _b_EXPLICIT[name]()
    assert await _b_said(_b_client("sync")) == await _b_said(_b_client("async")) == "one two three"


def test_explicit_streams_name_their_events(openai_mock):
    class Created(pydantic.BaseModel):
        event: str = "thread.created"
        data: dict = {"id": "thread_1"}

    class Events(EventStream[Created]):
        def generate(self):
            yield Created()
            yield {"type": "response.created", "n": 1}
            yield "done", "[DONE]"
            yield {"n": 2}

    expected = [
        ("thread.created", {"id": "thread_1"}),
        ("response.created", {"type": "response.created", "n": 1}),
        ("done", "[DONE]"),
        (None, {"n": 2}),
    ]
    for response in (Events(), httpx.Response(200, content=Events(), headers={"content-type": "text/event-stream"})):
        openai_mock.chat.completions.create.response = response
        assert _b_wire("/chat/completions", _b_CHAT) == expected


@pytest.mark.parametrize("cls", [EventStream, AsyncEventStream])
def test_event_streams_without_a_generator_say_what_to_override(openai_mock, cls):
    class Nothing(cls):
        pass

    openai_mock.chat.completions.create.response = Nothing()
    with pytest.raises(
        (NotImplementedError, openai_responses.MockError), match=r"Nothing must override a?generate\(\)"
    ):
        _b_run("sync", _b_said)


@_b_kinds
@pytest.mark.parametrize("asynchronous", [False, True])
def test_streams_are_lazy_and_closing_them_stops_the_generator(openai_mock, kind, asynchronous):
    log = []

    def events():
        try:
            for word in _b_WORDS:
                log.append(word)
                yield _b_chunk(word)
        finally:
            log.append("closed")

    async def async_events():
        with contextlib.closing(events()) as inner:
            for event in inner:
                yield event

    openai_mock.chat.completions.create.response = async_events if asynchronous else events

    async def scene(client):
        chunks = await _b_get(client.chat.completions.create(**_b_CHAT, stream=True))
        first = await chunks.__anext__() if kind == "async" else next(chunks)
        assert (first.choices[0].delta.content, log) == ("one ", ["one "])
        await _b_get(chunks.close())
        assert log == ["one ", "closed"]

    _b_run(kind, scene)


def test_a_generator_is_consumed_no_further_than_it_is_read(openai_mock):
    made = []
    openai_mock.chat.completions.create.response = (made.append(word) or _b_chunk(word) for word in _b_WORDS)
    with _b_client().chat.completions.create(**_b_CHAT, stream=True) as chunks:
        next(chunks)
        assert made == ["one "]
    assert _b_run("sync", _b_said) == "one two three"
    assert made == _b_WORDS


async def test_delays_do_not_block_the_loop(openai_mock):
    openai_mock.chat.completions.create.response = stream("one two three", delay=0.001)
    turns = []

    async def others():
        while True:
            turns.append(None)
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    seen = []
    async for _ in await _b_client("async").chat.completions.create(**_b_CHAT, stream=True):
        seen.append(len(turns))
    task.cancel()
    assert seen == sorted(set(seen)), "other tasks run before each piece"


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"chunk": 0}, r"chunk=0.*1 or more"),
        ({"delay": -1}, r"delay=-1.*0 or more"),
        ({"first_delay": -0.5}, r"first_delay=-0.5.*0 or more"),
        ({"fail_after": -1}, r"fail_after=-1.*0 or more"),
        ({"fault": "x"}, "fail_after"),
    ],
)
def test_stream_refuses_impossible_figures(arguments, match):
    with pytest.raises(ValueError, match=match):
        stream("text", **arguments)


# ---- faults in streams -----------------------------------------------------------------------------------------------

_b_broken = {"sync": openai.APIConnectionError, "async": openai.APIConnectionError}
if _b_OPENAI_2:
    _b_broken = {"sync": httpx.RemoteProtocolError, "async": httpx.RemoteProtocolError}


async def _b_until_fault(client, seen, endpoint="chat"):
    if endpoint == "chat":
        events = await _b_get(client.chat.completions.create(**_b_CHAT, stream=True))
    else:
        events = await _b_get(client.responses.create(model="gpt-4o", input="Hi", stream=True))
    if hasattr(events, "__aiter__"):
        async for event in events:
            seen.append(event)
    else:
        for event in events:
            seen.append(event)


@_b_kinds
@pytest.mark.parametrize("endpoint", ["chat", "responses"])
@pytest.mark.parametrize("after", [0, 2])
def test_a_broken_connection_is_what_the_sdk_makes_of_one(openai_mock, kind, endpoint, after):
    response = stream("one two three", fail_after=after)
    openai_mock.chat.completions.create.response = openai_mock.responses.create.response = response
    for _ in range(2):
        seen = []
        with pytest.raises(_b_broken[kind]) as raised:
            _b_run(kind, _b_until_fault, seen, endpoint)
        assert len(seen) == after
        if not _b_OPENAI_2:
            assert isinstance(raised.value.__cause__, _b_FAMILY.RemoteProtocolError)
    assert [request.attempt for request in openai_mock.requests] == [0, 0]


@_b_kinds
@pytest.mark.parametrize("fault", ["ReadTimeout", "ReadError"])
@pytest.mark.parametrize("as_class", [False, True])
def test_faults_may_be_network_exceptions(openai_mock, kind, fault, as_class):
    for family in _b_FAMILIES:
        exception = getattr(family, fault)
        response = stream("one two", fail_after=1, fault=exception if as_class else exception("gone"))
        openai_mock.chat.completions.create.response = response
        with pytest.raises((openai.APIConnectionError, httpx.TransportError)) as raised:
            _b_run(kind, _b_until_fault, [])
        error = raised.value if _b_OPENAI_2 else raised.value.__cause__
        assert isinstance(error, getattr(_b_FAMILY, fault))
        assert as_class or str(error) == "gone"


@_b_kinds
def test_malformed_events_break_the_sdk_as_they_would(openai_mock, kind):
    openai_mock.chat.completions.create.response = stream("one two", fail_after=2, fault='{"choices": [{"del')
    seen = []
    with pytest.raises(json.JSONDecodeError):
        _b_run(kind, _b_until_fault, seen)
    assert len(seen) == 2


@_b_kinds
@pytest.mark.parametrize("endpoint", ["chat", "responses"])
def test_error_events_raise_the_sdks_api_error(openai_mock, kind, endpoint):
    fault = {"error": {"message": "overloaded", "type": "server_error", "param": None, "code": "busy"}}
    response = stream("one two", fail_after=2, fault=fault)
    openai_mock.chat.completions.create.response = openai_mock.responses.create.response = response
    seen = []
    with pytest.raises(openai.APIError, match="overloaded") as raised:
        _b_run(kind, _b_until_fault, seen, endpoint)
    assert len(seen) == 2 and raised.value.code == "busy" and raised.value.type == "server_error"
    assert not isinstance(raised.value, openai.APIConnectionError)


def test_error_events_of_responses_are_events(openai_mock):
    fault = {"type": "error", "message": "overloaded", "code": "busy", "param": None, "sequence_number": 2}
    openai_mock.responses.create.response = stream("one two", fail_after=2, fault=fault)
    kind, data = _b_wire("/responses", {"model": "gpt-4o", "input": "Hi"})[-1]
    assert kind == "error"
    _b_valid("responses.ResponseStreamEvent", data)


def test_faults_come_only_where_the_answer_is_streamed(openai_mock):
    openai_mock.chat.completions.create.response = stream("one two", fail_after=0)
    assert _b_client().chat.completions.create(**_b_CHAT).choices[0].message.content == "one two"


@_b_kinds
def test_faults_work_on_explicit_streams(openai_mock, kind):
    for events in (_b_generator, _b_generator(), _b_async_generator, list(_b_generator())):
        openai_mock.chat.completions.create.response = stream(events, fail_after=2)
        seen = []
        with pytest.raises(_b_broken[kind]):
            _b_run(kind, _b_until_fault, seen)
        assert len(seen) == 2


# ---- what .response takes --------------------------------------------------------------------------------------------


async def _b_text(client):
    return (await _b_get(client.chat.completions.create(**_b_CHAT))).choices[0].message.content


async def _b_promise(value):
    await asyncio.sleep(0)
    return value


def _b_answer(text="ready"):
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    ]}  # fmt: skip


class _b_Callable:
    def __call__(self, request):
        return "ready"


_b_FORMS = {
    "text": "ready",
    "partial": {"choices": [{"message": {"content": "ready"}}]},
    "model": ChatCompletion.model_validate(_b_answer()),
    **{f"{family.__name__} response": family.Response(200, json=_b_answer()) for family in _b_FAMILIES},
    **{f"{f.__name__} stream": f.Response(200, content=iter([json.dumps(_b_answer()).encode()])) for f in _b_FAMILIES},
    "stream": stream("ready"),
    "list": ["ready"] * 4,
    "tuple": ("ready",) * 4,
    "function": lambda request: "ready",
    "callable object": _b_Callable(),
    "partial function": functools.partial(lambda text, request: text, "ready"),
    "coroutine function": lambda request: _b_promise("ready"),
    "function of nothing but names": lambda *args, **offers: "ready",
    "function that returns a function": lambda request: lambda request: "ready",
    "function that returns a promise of a promise": lambda request: _b_promise(lambda request: _b_promise("ready")),
    **{
        f"function that returns a {family.__name__} response": lambda request, family=family: family.Response(
            200, json=_b_answer()
        )
        for family in _b_FAMILIES
    },
    "function that returns a model": lambda request: ChatCompletion.model_validate(_b_answer()),
    "function that returns a list": lambda request: ["ready"],
}


@pytest.mark.parametrize("name", [n for n in _b_FORMS if not n.endswith(" stream")])
def test_every_form_of_response_answers_both_kinds_of_client(openai_mock, name):
    openai_mock.chat.completions.create.response = _b_FORMS[name]
    assert openai_mock.chat.completions.create.response is _b_FORMS[name]
    assert [_b_run(kind, _b_text) for kind in ("sync", "async", "sync", "async")] == ["ready"] * 4


@_b_kinds
@pytest.mark.parametrize("family", _b_FAMILIES, ids=lambda family: family.__name__)
def test_responses_with_a_body_still_to_be_read(openai_mock, family, kind):
    body = iter([json.dumps(_b_answer()).encode()])
    openai_mock.chat.completions.create.response = family.Response(200, content=body)
    assert _b_run(kind, _b_text) == "ready"


@pytest.mark.parametrize("family", _b_FAMILIES, ids=lambda family: family.__name__)
def test_responses_arrive_with_their_status_and_headers(openai_mock, family):
    given_response = family.Response(202, json=_b_answer(), headers={"x-request-id": "req_mine", "x-own": "yes"})
    openai_mock.chat.completions.create.response = given_response
    for _ in range(2):
        raw = _b_client().chat.completions.with_raw_response.create(**_b_CHAT)
        assert (raw.status_code, raw.headers["x-own"], raw.request_id) == (202, "yes", "req_mine")
        assert raw.parse().choices[0].message.content == "ready"


@_b_deprecated
def test_text_is_taken_wherever_a_model_speaks(openai_mock):
    client = _b_client()
    audio = {"file": b"x", "model": "whisper-1"}
    for endpoint, call in [
        ("responses.create", lambda: client.responses.create(model="m", input="x").output_text),
        ("completions.create", lambda: client.completions.create(model="m", prompt="x").choices[0].text),
        ("audio.transcriptions.create", lambda: client.audio.transcriptions.create(**audio).text),
        (
            "audio.transcriptions.create",
            lambda: client.audio.transcriptions.create(**audio, response_format="text").strip(),
        ),
        ("audio.translations.create", lambda: client.audio.translations.create(**audio).text),
        ("files.content", lambda: client.files.content("file-1").text),
    ]:
        _b_endpoint(openai_mock, endpoint).response = "Hallo 世界"
        assert call() == "Hallo 世界"


def test_bytes_and_empty_partials_on_binary_endpoints(openai_mock):
    content = openai_mock.files.content
    for data in (b"\x00\r\n\xff", b""):
        content.response = data
        assert _b_client().files.content("file-1").read() == data
    content.response = {}
    assert _b_client().files.content("file-1").read()
    openai_mock.files.list.response = {}
    assert _b_client().files.list().data == []


@_b_kinds
@pytest.mark.parametrize("as_class", [False, True])
@pytest.mark.parametrize(
    ("name", "raised"),
    [
        ("ConnectError", openai.APIConnectionError),
        ("RemoteProtocolError", openai.APIConnectionError),
        ("ReadTimeout", openai.APITimeoutError),
        ("ConnectTimeout", openai.APITimeoutError),
    ],
)
def test_exceptions_of_either_family_are_network_faults(openai_mock, name, raised, as_class, kind):
    for family in _b_FAMILIES:
        exception = getattr(family, name)
        openai_mock.chat.completions.create.response = exception if as_class else exception("gone")

        async def scene(client):
            return await _b_text(client.with_options(max_retries=0))

        with pytest.raises(raised) as caught:
            _b_run(kind, scene)
        assert type(caught.value) is raised
        cause = caught.value.__cause__
        assert isinstance(cause, getattr(_b_FAMILY, name)) and cause.request.url.path == "/v1/chat/completions"
        assert as_class or str(cause) == "gone"
    assert [request.status for request in openai_mock.requests] == [None] * len(_b_FAMILIES)


def test_exceptions_of_the_sdk_are_what_it_raises(openai_mock):
    request = _b_FAMILY.Request("POST", _b_URL)
    client = _b_client().with_options(max_retries=0)
    not_found = openai.NotFoundError("gone", response=_b_FAMILY.Response(404, json={"error": {"message": "gone"}}, request=request), body=None)  # fmt: skip  # noqa: E501
    for exception in (openai.APITimeoutError(request=request), openai.APIConnectionError(request=request), not_found):
        openai_mock.chat.completions.create.response = exception
        with pytest.raises(type(exception)) as raised:
            client.chat.completions.create(**_b_CHAT)
        assert type(raised.value) is type(exception)


def test_callables_may_return_exceptions_and_raise_network_faults(openai_mock):
    client = _b_client().with_options(max_retries=0)

    def raises(request):
        raise httpx.ConnectError("gone")

    for response in (raises, lambda request: httpx.ConnectError("gone"), lambda request: httpx.ConnectError):
        openai_mock.chat.completions.create.response = response
        with pytest.raises(openai.APIConnectionError):
            client.chat.completions.create(**_b_CHAT)


@_b_kinds
def test_callables_get_what_they_ask_for(openai_mock, kind):
    seen = {}

    async def retrieve(request, file_id, state_store, route):
        seen.update(request=request, file_id=file_id, state_store=state_store, route=route)
        return {"filename": f"{route.call_count}.txt"}

    openai_mock.files.retrieve.response = retrieve

    async def scene(client):
        return [(await _b_get(client.files.retrieve("file-7"))).filename for _ in range(2)]

    assert _b_run(kind, scene) == ["0.txt", "1.txt"]
    assert isinstance(seen.pop("request"), httpx.Request)
    endpoint = openai_mock.files.retrieve
    assert seen == {"file_id": "file-7", "state_store": openai_mock.state, "route": endpoint.route}
    assert endpoint.state_store is openai_mock.state


def test_callables_get_the_effective_conversation(openai_mock):
    def count(request, conversation):
        return f"{len(conversation)} items, last {conversation[-1]['content']}"

    openai_mock.responses.create.response = openai_mock.chat.completions.create.response = count
    client = _b_client()
    assert client.chat.completions.create(model="m", messages=_b_USER).choices[0].message.content.startswith("1 items")
    first = client.responses.create(model="m", input="one")
    second = client.responses.create(model="m", input="two", previous_response_id=first.id)
    assert first.output_text.startswith("1 items") and second.output_text.startswith("3 items")


def test_lists_are_one_answer_per_attempt_and_end_with_an_error(openai_mock):
    create = openai_mock.chat.completions.create
    create.response = ["one", error(429), {"choices": [{"message": {"content": "two"}}]}, lambda request: "three"]
    client = _b_client()
    assert [_b_run("sync", _b_text) for _ in range(3)] == ["one", "two", "three"]
    assert [(request.attempt, request.status) for request in openai_mock.requests] == [
        (0, 200),
        (0, 429),
        (1, 200),
        (0, 200),
    ]
    with _b_mistake(AssertionError, r"chat\.completions\.create was called 5 times, but its \.response has 4 steps"):
        client.chat.completions.create(**_b_CHAT)
    assert create.route.call_count == 5
    create.response = []
    with _b_mistake(AssertionError, "was called once, but its .response has 0 steps"):
        client.chat.completions.create(**_b_CHAT)


def test_a_step_set_again_begins_anew(openai_mock):
    create = openai_mock.chat.completions.create
    steps = ["one", "two"]
    for _ in range(2):
        create.response = steps
        assert [_b_run("sync", _b_text) for _ in steps] == steps


@contextlib.contextmanager
def _b_mistake(kind, match):
    """Expects a mistake of the test's author: as itself, but from openai 2 as a `MockError` with it as its cause."""
    with pytest.raises(openai_responses.MockError if _b_OPENAI_2 else kind, match=match) as raised:
        yield raised
    assert not isinstance(raised.value, openai.OpenAIError)
    if _b_OPENAI_2:
        assert isinstance(raised.value.__cause__, kind)
        assert not isinstance(raised.value, Exception) and str(raised.value.__cause__) in str(raised.value)


def test_deleting_a_response_goes_back_to_the_default(openai_mock):
    create = openai_mock.chat.completions.create
    assert create.response is None
    default = _b_run("sync", _b_text)
    create.response = "mine"
    assert _b_run("sync", _b_text) == "mine"
    del create.response
    assert create.response is None and _b_run("sync", _b_text) == default
    create.response = "mine"
    with pytest.raises(TypeError, match=r"cannot be None.*del chat\.completions\.create\.response"):
        create.response = None
    assert create.response == "mine" and _b_run("sync", _b_text) == "mine"


_b_WRONG = [
    ("chat.completions.create", 5, TypeError, r"cannot be 5; it takes"),
    ("chat.completions.create", b"x", TypeError, "cannot be bytes"),
    ("chat.completions.create", {"choises": []}, ValueError, r"choises.*choices"),
    ("chat.completions.create", {"choices": "x"}, ValueError, r"choices is 'x', but takes"),
    (
        "chat.completions.create",
        {"choices": [{"finish_reason": "done"}]},
        ValueError,
        r"choices\[0\]\.finish_reason is 'done'",
    ),
    (
        "chat.completions.create",
        {"choices": [{"message": {"content": 5}}]},
        ValueError,
        r"choices\[0\]\.message\.content is 5",
    ),
    ("chat.completions.create", {"usage": {"total_tokens": "many"}}, ValueError, r"usage\.total_tokens is 'many'"),
    ("chat.completions.create", ["fine", {"choises": []}], ValueError, "choises"),
    ("chat.completions.create", stream({"choises": []}), ValueError, "choises"),
    ("files.create", "text", TypeError, "does not answer with text"),
    ("files.create", tool_call("f"), TypeError, r"cannot be Turn\("),
    ("files.content", {"data": 1}, ValueError, "files.content"),
    ("embeddings.create", refusal(), TypeError, r"cannot be Turn\("),
]


@pytest.mark.parametrize(("name", "value", "kind", "match"), _b_WRONG)
def test_wrong_values_fail_where_they_are_set(openai_mock, name, value, kind, match):
    with pytest.raises(kind, match=match):
        _b_endpoint(openai_mock, name).response = value
    assert _b_endpoint(openai_mock, name).response is None


# ---- builders --------------------------------------------------------------------------------------------------------

_b_ERRORS = [
    (400, openai.BadRequestError, 1),
    (401, openai.AuthenticationError, 1),
    (403, openai.PermissionDeniedError, 1),
    (404, openai.NotFoundError, 1),
    (409, openai.ConflictError, 3),
    (422, openai.UnprocessableEntityError, 1),
    (429, openai.RateLimitError, 3),
    (500, openai.InternalServerError, 3),
    (503, openai.InternalServerError, 3),
]


@_b_kinds
@pytest.mark.parametrize(("status", "raised", "attempts"), _b_ERRORS)
def test_errors_raise_the_sdks_exception(openai_mock, status, raised, attempts, kind):
    response = error(status, "It went wrong.", code="a_code", type="a_type", param="a_param")
    openai_mock.chat.completions.create.response = response
    with pytest.raises(raised, match="It went wrong") as caught:
        _b_run(kind, _b_text)
    e = caught.value
    assert type(e) is raised and (e.status_code, e.code, e.type, e.param) == (status, "a_code", "a_type", "a_param")
    assert e.body == {"message": "It went wrong.", "type": "a_type", "param": "a_param", "code": "a_code"}
    assert e.request_id and e.request_id.startswith("req_")
    assert [(r.attempt, r.status) for r in openai_mock.requests] == [(n, status) for n in range(attempts)]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 418, 422, 429, 500, 502, 599])
def test_errors_have_words_of_their_own(openai_mock, status):
    openai_mock.chat.completions.create.response = error(status)
    with pytest.raises(openai.APIStatusError) as raised:
        _b_client().with_options(max_retries=0).chat.completions.create(**_b_CHAT)
    assert raised.value.body["message"] and raised.value.body["type"] and raised.value.code is None


@pytest.mark.parametrize("status", [200, 399, 600, -1])
def test_errors_refuse_a_status_that_is_none(status):
    with pytest.raises(ValueError, match=f"error\\({status}\\) is no error"):
        error(status)


@pytest.mark.parametrize(
    ("response", "header"),
    [(error(429), "1"), (error(500), "1"), (error(429, retry_after=0.01), "10"), (error(503, retry_after=2), "2000")],
)
def test_errors_say_when_to_retry(response, header):
    assert response.headers["retry-after-ms"] == header
    assert "retry-after-ms" not in error(400).headers


@_b_kinds
def test_timeouts_are_retried_and_then_raised(openai_mock, kind):
    openai_mock.chat.completions.create.response = timeout()

    async def scene(client):
        return await _b_text(client.with_options(max_retries=0))

    with pytest.raises(openai.APITimeoutError):
        _b_run(kind, scene)
    assert [(request.attempt, request.status) for request in openai_mock.requests] == [(0, None)]


@pytest.mark.parametrize(("response", "reason"), [(cut("half"), "length"), (filtered("half"), "content_filter")])
def test_answers_that_end_early(openai_mock, response, reason):
    openai_mock.chat.completions.create.response = openai_mock.responses.create.response = response
    openai_mock.completions.create.response = response
    client = _b_client()
    for choice in (
        client.chat.completions.create(**_b_CHAT).choices[0],
        client.completions.create(model="m", prompt="x").choices[0],
    ):
        assert choice.finish_reason == reason
    said = client.responses.create(model="m", input="x")
    assert (said.status, said.output_text, said.output[0].status) == ("incomplete", "half", "incomplete")
    assert said.incomplete_details.reason == {"length": "max_output_tokens"}.get(reason, reason)


def test_refusals_in_each_api(openai_mock):
    openai_mock.chat.completions.create.response = openai_mock.responses.create.response = refusal("No.")
    message = _b_client().chat.completions.create(**_b_CHAT).choices[0].message
    assert (message.content, message.refusal) == (None, "No.")
    part = _b_client().responses.create(model="m", input="x").output[0].content[0]
    assert (part.type, part.refusal) == ("refusal", "No.")
    assert refusal().refusal


_b_CALLS = [
    (tool_call("f"), [("f", {})]),
    (tool_call("f", a=1, b=["ü"]), [("f", {"a": 1, "b": ["ü"]})]),
    (tool_call("f", {"name": "x"}), [("f", {"name": "x"})]),
    (tool_call("f", name="x", id=3), [("f", {"name": "x", "id": 3})]),
    (tool_call("f", _b_Person(name="A", age=1, tags=[])), [("f", {"name": "A", "age": 1, "tags": []})]),
    (tool_call("f", '{"a": 1}'), [("f", {"a": 1})]),
    (tool_call("f") + tool_call("g", x=1), [("f", {}), ("g", {"x": 1})]),
]


@_b_deprecated
@pytest.mark.parametrize(("response", "expected"), _b_CALLS)
def test_tool_calls_in_each_api(openai_mock, response, expected):
    openai_mock.chat.completions.create.response = openai_mock.responses.create.response = response
    openai_mock.beta.threads.create_and_run.response = response
    client = _b_client()
    choice = client.chat.completions.create(**_b_CHAT).choices[0]
    assert choice.finish_reason == "tool_calls" and choice.message.content is None
    made = [[(c.function.name, c.function.arguments, c.id) for c in choice.message.tool_calls]]
    output = client.responses.create(model="m", input="x").output
    made.append([(item.name, item.arguments, item.call_id) for item in output])
    assistant = client.beta.assistants.create(model="m")
    run = client.beta.threads.create_and_run_poll(assistant_id=assistant.id)
    calls = run.required_action.submit_tool_outputs.tool_calls
    made.append([(c.function.name, c.function.arguments, c.id) for c in calls])
    for calls in made:
        assert [(name, json.loads(arguments)) for name, arguments, _ in calls] == expected
        assert len({id for _, _, id in calls}) == len(expected) and all(id.startswith("call_") for _, _, id in calls)


def test_tool_calls_take_an_id_broken_json_and_nothing_twice(openai_mock):
    openai_mock.chat.completions.create.response = tool_call("f", "{broken", "call_mine")
    call = _b_client().chat.completions.create(**_b_CHAT).choices[0].message.tool_calls[0]
    assert (call.id, call.function.arguments) == ("call_mine", "{broken")
    with pytest.raises(TypeError, match="not as both"):
        tool_call("f", {"a": 1}, b=2)
    with pytest.raises((TypeError, ValueError), match="f"):
        tool_call("f", a=object())


@_b_deprecated
def test_one_script_runs_a_tool_loop_in_every_api():
    script = [tool_call("get_weather", city="Tokyo"), error(500), "It is sunny in Tokyo."]

    def chat(client):
        messages = list(_b_USER)
        while calls := (
            said := client.chat.completions.create(model="m", messages=messages).choices[0].message
        ).tool_calls:
            messages += [said, *({"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in calls)]
        return said.content

    def responses(client):
        said = client.responses.create(model="m", input="weather?")
        while calls := [item for item in said.output if item.type == "function_call"]:
            results = [{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"} for call in calls]
            said = client.responses.create(model="m", input=results, previous_response_id=said.id)
        return said.output_text

    def runs(client):
        assistant, thread = client.beta.assistants.create(model="m"), client.beta.threads.create()
        where = {"thread_id": thread.id}
        run = client.beta.threads.runs.create_and_poll(**where, assistant_id=assistant.id)
        while run.status == "requires_action":
            calls = run.required_action.submit_tool_outputs.tool_calls
            outputs = [{"tool_call_id": call.id, "output": "sunny"} for call in calls]
            run = client.beta.threads.runs.submit_tool_outputs_and_poll(run_id=run.id, **where, tool_outputs=outputs)
        return client.beta.threads.messages.list(thread.id).data[0].content[0].text.value

    for endpoint, loop in [
        ("chat.completions.create", chat),
        ("responses.create", responses),
        ("beta.threads.runs.create", runs),
    ]:
        with OpenAIMock(assert_all_used=True) as openai_mock:
            _b_endpoint(openai_mock, endpoint).response = script
            assert loop(_b_client()) == "It is sunny in Tokyo."


# ---- rules -----------------------------------------------------------------------------------------------------------


def _b_ask(text, **more):
    body = {"model": "m", "messages": [{"role": "user", "content": text}]} | more
    return _b_client().chat.completions.create(**body).choices[0].message.content


_b_RULES = [
    (("weather",), {}, "The weather?", {}, True),
    (("weather",), {}, "the Weather", {}, False),
    (("a.b",), {}, "a.b", {}, True),
    (("a.b",), {}, "axb", {}, False),
    ((re.compile("(?i)WEATHER"),), {}, "the weather", {}, True),
    ((re.compile("^the$"),), {}, "the weather", {}, False),
    ((lambda body: len(body["messages"]) == 1,), {}, "x", {}, True),
    ((lambda body: body["model"] == "other",), {}, "x", {}, False),
    ((), {"model": "m"}, "x", {}, True),
    ((), {"model": "gpt-5"}, "x", {}, False),
    ((), {"temperature": 0}, "x", {}, False),
    ((), {"temperature": 0}, "x", {"temperature": 0}, True),
    ((), {"messages": [{"content": "x"}]}, "x", {}, True),
    ((), {"messages": [{"content": "x", "role": "system"}]}, "x", {}, False),
    ((), {"metadata": {"a": "1"}}, "x", {"metadata": {"a": "1", "b": "2"}}, True),
    ((), {"metadata": {"a": "2"}}, "x", {"metadata": {"a": "1"}}, False),
    ((), {"tool_result": False}, "x", {}, True),
    ((), {"tool_result": True}, "x", {}, False),
    (("weather",), {"model": "m", "tool_result": False}, "weather", {}, True),
    (("weather",), {"model": "n"}, "weather", {}, False),
]


@pytest.mark.parametrize(("what", "fields", "text", "more", "taken"), _b_RULES)
def test_rules_answer_the_requests_they_take(openai_mock, what, fields, text, more, taken):
    openai_mock.chat.completions.create.response = "otherwise"
    openai_mock.chat.completions.create.when(*what, **fields).response = "by rule"
    assert _b_ask(text, **more) == ("by rule" if taken else "otherwise")


_b_PARTS = [{"role": "user", "content": [{"type": "input_text", "text": "the weather"}]}]


@pytest.mark.parametrize("said", ["the weather", [{"role": "user", "content": "the weather"}], _b_PARTS])
def test_rules_search_responses_input_of_any_form(openai_mock, said):
    openai_mock.responses.create.when("weather").response = "by rule"
    assert _b_client().responses.create(model="m", input=said).output_text == "by rule"


def test_rules_look_at_the_last_user_input_only(openai_mock):
    openai_mock.chat.completions.create.response = "otherwise"
    openai_mock.chat.completions.create.when("weather").response = "by rule"
    messages = [
        *_b_USER,
        {"role": "assistant", "content": "Sunny."},
        {"role": "user", "content": "Thanks, weather-man."},
    ]
    client = _b_client()
    said = [
        client.chat.completions.create(model="m", messages=messages[:n]).choices[0].message.content for n in (1, 2, 3)
    ]
    assert said == ["by rule", "by rule", "by rule"]
    messages[-1] = {"role": "user", "content": [{"type": "text", "text": "Thanks."}]}
    assert client.chat.completions.create(model="m", messages=messages).choices[0].message.content == "otherwise"


@_b_deprecated
def test_rules_see_the_messages_of_a_thread(openai_mock):
    openai_mock.beta.threads.runs.create.when("weather").response = "by rule"
    client = _b_client()
    assistant, thread = client.beta.assistants.create(model="m"), client.beta.threads.create(messages=_b_USER)
    client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    assert client.beta.threads.messages.list(thread.id).data[0].content[0].text.value == "by rule"


def test_rules_tell_the_halves_of_a_tool_loop(openai_mock):
    for create in (openai_mock.chat.completions.create, openai_mock.responses.create):
        create.when(tool_result=True).response = "It is sunny."
        create.when("weather", tool_result=False).response = tool_call("get_weather")
    client = _b_client()
    call = client.chat.completions.create(**_b_CHAT).choices[0].message
    rest = [*_b_USER, call, {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "sunny"}]
    assert client.chat.completions.create(model="m", messages=rest).choices[0].message.content == "It is sunny."
    first = client.responses.create(model="m", input="weather")
    output = [{"type": "function_call_output", "call_id": first.output[0].call_id, "output": "sunny"}]
    second = client.responses.create(model="m", input=output, previous_response_id=first.id)
    assert second.output_text == "It is sunny."


def test_the_newest_rule_wins_and_rules_stream_and_take_lists(openai_mock):
    create = openai_mock.chat.completions.create
    create.when("weather").response = "old"
    create.when("weather").response = ["one", "two"]
    assert [_b_ask("weather"), _b_run("sync", _b_said)] == ["one", "two"]
    with _b_mistake(AssertionError, r"create was called 3 times, but its \.response has 2 steps"):
        _b_ask("weather")
    create.when(model="m").response = error(400)
    with pytest.raises(openai.BadRequestError):
        _b_ask("weather")


@pytest.mark.parametrize(
    ("what", "fields", "match"),
    [
        ((), {}, r"when\(\) needs a text"),
        ((5,), {}, r"when\(5\): expected a str"),
        ((), {"mesages": []}, r"no such parameter.*messages"),
    ],
)
def test_impossible_rules_are_refused(openai_mock, what, fields, match):
    with pytest.raises(TypeError, match=match):
        openai_mock.chat.completions.create.when(*what, **fields)


@openai_responses.mock(strict=True)
def test_strict_mode_names_the_rule_that_came_closest(openai_mock):
    create = openai_mock.chat.completions.create
    create.when("weather", model="gpt-5").response = "a"
    create.when("stocks", model="gpt-4o").response = "b"
    match = r"no rule takes this call of chat\.completions\.create; closest: .*model='gpt-5'\), but model is 'm'"
    with _b_mistake(AssertionError, match):
        _b_ask("the weather?")
    with _b_mistake(AssertionError, r"closest: .*'stocks'.*the last user input is 'nothing'"):
        _b_ask("nothing", model="gpt-4o")
    assert len(openai_mock.requests) == len(create.requests) == 2
    create.response = "otherwise"
    assert _b_ask("nothing") == "otherwise"


# ---- what was used, what was asked -----------------------------------------------------------------------------------


def test_unused_steps_and_rules_are_reported():
    with OpenAIMock() as openai_mock:
        create = openai_mock.chat.completions.create
        openai_mock.assert_all_used()
        create.response = ["one", "two", "three"]
        create.when("weather", model="m").response = "sunny"
        create.when("stocks").response = ["up", "down"]
        _b_ask("hello")
        _b_ask("stocks")
        with pytest.raises(AssertionError) as raised:
            openai_mock.assert_all_used()
        for part in ("2 steps left of 3", "1 step left of 2", "when('weather', model='m') was never hit"):
            assert part in str(raised.value)
        assert "when('stocks') was never hit" not in str(raised.value)
        for text in ("weather", "stocks", "x", "y"):
            _b_ask(text)
        openai_mock.assert_all_used()


@pytest.mark.parametrize("form", ["with", "router", "async with", "decorator"])
def test_assert_all_used_is_a_setting_too(form):
    def scene(openai_mock):
        openai_mock.responses.create.response = ["never"]

    def run():
        if form == "decorator":
            return openai_responses.mock(assert_all_used=True)(scene)()
        mock = OpenAIMock(assert_all_used=True)
        if form == "async with":
            return asyncio.run(entered(mock))
        with mock if form == "with" else mock.router:
            scene(mock)

    async def entered(mock):
        async with mock:
            scene(mock)

    with pytest.raises(AssertionError, match=r"responses\.create.* has 1 step left of 1"):
        run()
    with pytest.raises(ZeroDivisionError), OpenAIMock(assert_all_used=True) as openai_mock:
        scene(openai_mock)
        raise ZeroDivisionError


def test_assert_called_with_shows_the_difference(openai_mock):
    create = openai_mock.chat.completions.create
    with pytest.raises(AssertionError, match=r"chat\.completions\.create was not called"):
        create.assert_called_with(model="m")
    _b_ask("first")
    _b_ask("hello", temperature=0.5)
    create.assert_called_with(model="m", messages=[{"content": "hello"}])
    create.assert_called_with({"temperature": 0.5})
    create.assert_called_with({"model": "m"}, temperature=0.5)
    create.assert_called_with()
    with pytest.raises(AssertionError) as raised:
        create.assert_called_with(model="gpt-5", temperature=0.5)
    lines = str(raised.value).splitlines()
    assert "chat.completions.create" in lines[0] and "model is 'm'" in lines[0]
    assert '-  "model": "gpt-5",' in lines and '+  "model": "m",' in lines
    with pytest.raises(AssertionError, match=r"messages has no .*first"):
        create.assert_called_with(messages=[{"content": "first"}])
    with pytest.raises(AssertionError, match="top_p is missing"):
        create.assert_called_with(top_p=1)


def test_the_journal_has_every_request_in_order_without_secrets(openai_mock):
    openai_mock.chat.completions.create.response = [error(429), "x"]
    client = _b_client().with_options(default_headers={"cookie": _b_KEY})
    client.chat.completions.create(**_b_CHAT)
    client.files.create(file=("a.txt", b"\x00\r\nabc", "text/plain"), purpose="batch")
    client.models.list()
    journal = openai_mock.requests
    names = ["chat.completions.create"] * 2 + ["files.create", "models.list"]
    assert [request.endpoint for request in journal] == names
    assert [(r.attempt, r.status) for r in journal] == [(0, 429), (1, 200), (0, 200), (0, 200)]
    assert journal[0].body == _b_CHAT and journal[2].body["purpose"] == "batch"
    assert journal[2].body["file"] == ("a.txt", b"\x00\r\nabc", "text/plain")
    assert openai_mock.files.create.requests == [journal[2].body]
    assert journal[0].headers["content-type"] == "application/json"
    assert journal[0].headers["authorization"] == "***" and all(request.duration >= 0 for request in journal)


def test_keys_show_nowhere(openai_mock):
    clients = [
        _b_client(),
        openai.AzureOpenAI(api_key=_b_KEY, azure_endpoint="https://a.openai.azure.com", api_version="1"),
    ]
    create = openai_mock.chat.completions.create
    shown = []
    for client in clients:
        for response in (
            "x",
            lambda request: 1 / 0,
            lambda request: object(),
            [],
            httpx.ConnectError("gone"),
            error(401),
        ):
            create.response = response
            try:
                client.with_options(max_retries=0).chat.completions.create(**_b_CHAT)
            except BaseException as raised:
                shown += [raised, raised.__cause__, str(raised), str(raised.__cause__)]
        with pytest.raises((AssertionError, openai_responses.MockError)) as caught:
            client.get("/nowhere", cast_to=object)
        shown += [caught.value, str(caught.value), caught.value.__cause__]
    rule = create.when("x")
    for value in (openai_mock, create, rule, openai_mock.chat, openai_mock.requests, openai_mock.state, *shown):
        assert _b_KEY not in repr(value)
    for thing in (openai_mock.router, create.route, *create.route.calls):
        assert _b_KEY not in repr(thing)
    with pytest.raises(AssertionError) as raised:
        create.assert_called_with(model="other")
    assert _b_KEY not in str(raised.value)


# ---- structured outputs and tools with nothing set -------------------------------------------------------------------


def _b_object_schema(properties):
    closed = {"required": sorted(properties), "additionalProperties": False}
    return {"type": "object", "properties": properties} | closed


_b_keys = st.text("abcdef", min_size=1, max_size=3)
_b_leaf_schemas = st.one_of(
    st.just({"type": "string"}),
    st.builds(
        lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more},
        st.integers(0, 30),
        st.integers(0, 9),
    ),
    st.builds(
        lambda low, more: {"type": "integer", "minimum": low, "maximum": low + more},
        st.integers(-9, 9),
        st.integers(0, 9),
    ),
    st.builds(lambda low: {"type": "integer", "exclusiveMinimum": low}, st.integers(-9, 9)),
    st.builds(
        lambda of, high: {"type": "integer", "multipleOf": of, "minimum": high}, st.integers(1, 9), st.integers(-9, 9)
    ),
    st.builds(lambda high: {"type": "number", "exclusiveMaximum": high}, st.floats(-9, 9)),
    st.builds(
        lambda f: {"type": "string", "format": f},
        st.sampled_from(["date-time", "date", "time", "email", "uuid", "ipv4"]),
    ),
    st.sampled_from(
        [{"type": "boolean"}, {"type": "null"}, {"type": ["string", "null"]}, {"type": ["null", "integer"]}]
    ),
    st.builds(lambda values: {"enum": values}, st.lists(st.integers() | st.text(max_size=3), min_size=1, max_size=3)),
    st.builds(lambda value: {"const": value}, st.integers() | st.booleans() | st.text(max_size=3)),
)
_b_schemas = st.recursive(
    _b_leaf_schemas,
    lambda inner: st.one_of(
        st.builds(_b_object_schema, st.dictionaries(_b_keys, inner, max_size=3)),
        st.builds(
            lambda item, n: {"type": "array", "items": item, "minItems": n, "maxItems": n + 1}, inner, st.integers(0, 3)
        ),
        st.builds(lambda members: {"anyOf": members}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda item: {"$defs": {"x": item}, "allOf": [item]}, inner),
    ),
    max_leaves=5,
)


def _b_formats(schema):
    text = {"type": "json_schema", "name": "s", "schema": schema}
    return {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}, {"format": text}


@_b_examples
@given(st.builds(_b_object_schema, st.dictionaries(_b_keys, _b_schemas, max_size=3)))
def test_the_default_follows_any_schema_asked_for(schema):
    response_format, text = _b_formats(schema)
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    client = _b_client()
    with OpenAIMock():
        said = [
            client.chat.completions.create(**_b_CHAT, response_format=response_format).choices[0].message.content,
            client.responses.create(model="m", input="x", text=text).output_text,
        ]
        asked = _b_CHAT | {"tools": [tool]}
        for choice in ("required", {"type": "function", "function": {"name": "f"}}):
            message = client.chat.completions.create(**asked, tool_choice=choice).choices[0].message
            said.append(message.tool_calls[0].function.arguments)
        asked = {
            "model": "m",
            "input": "x",
            "tools": [{"type": "function", "name": "f", "parameters": schema, "strict": True}],
        }
        for choice in ("required", {"type": "function", "name": "f"}):
            said.append(client.responses.create(**asked, tool_choice=choice).output[0].arguments)
    for answer in said:
        jsonschema.validate(json.loads(answer), schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)


class _b_Node(pydantic.BaseModel):
    value: int = pydantic.Field(ge=3, le=5)
    kind: typing.Literal["a", "b"]
    children: list["_b_Node"]
    parent: Optional["_b_Node"]
    person: _b_Person


@_b_kinds
def test_parse_gives_an_instance_of_any_model(openai_mock, kind):
    class Union(pydantic.BaseModel):
        either: typing.Union[_b_Node, _b_Person]
        numbers: list[float] = pydantic.Field(min_length=2)

    async def scene(client, model):
        chat = await _b_get(client.chat.completions.parse(**_b_CHAT, response_format=model))
        response = await _b_get(client.responses.parse(model="m", input="x", text_format=model))
        return chat.choices[0].message.parsed, response.output_parsed

    for model in (_b_Person, _b_Node, Union):
        assert all(isinstance(parsed, model) for parsed in _b_run(kind, scene, model))


def test_json_mode_and_tools_not_asked_for(openai_mock):
    said = _b_client().chat.completions.create(**_b_CHAT, response_format={"type": "json_object"}).choices[0].message
    assert isinstance(json.loads(said.content), dict)
    tools = [{"type": "function", "function": {"name": n, "parameters": {"type": "object"}}} for n in ("f", "g")]
    for choice, name in [
        ("auto", None),
        ("none", None),
        ("required", "f"),
        ({"type": "function", "function": {"name": "g"}}, "g"),
    ]:
        message = _b_client().chat.completions.create(**_b_CHAT, tools=tools, tool_choice=choice).choices[0].message
        assert [call.function.name for call in message.tool_calls or ()] == ([name] if name else [])


# ---- strict mode and request checks ----------------------------------------------------------------------------------

_b_CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
_b_TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": _b_CITY}}]
_b_PERSON_FORMAT = _b_formats(_b_Person.model_json_schema())
_b_AGAINST = [
    ("no json", r"is 'no json', but the request wants JSON"),
    ('{"name": "A"}', r"does not follow the request's schema at \$.*'age' is a required property"),
    ('{"name": 5, "age": 1, "tags": []}', r"schema at \$\.name.*5 is not of type 'string'"),
    ({"choices": [{"message": {"content": "no json"}}]}, "but the request wants JSON"),
    (lambda request: "no json", "but the request wants JSON"),
    (stream("no json"), "but the request wants JSON"),
    (["no json"], "but the request wants JSON"),
]


@pytest.mark.parametrize(("response", "match"), _b_AGAINST)
@openai_responses.mock(strict=True)
def test_strict_mode_checks_answers_against_the_schema_asked_for(openai_mock, response, match):
    openai_mock.chat.completions.create.response = response
    with _b_mistake(ValueError, match):
        _b_client().chat.completions.create(**_b_CHAT, response_format=_b_PERSON_FORMAT[0])
    if isinstance(response, str):
        openai_mock.responses.create.response = response
        with _b_mistake(ValueError, match):
            _b_client().responses.create(model="m", input="x", text=_b_PERSON_FORMAT[1])


@openai_responses.mock(strict=True)
def test_strict_mode_takes_right_answers_and_those_broken_on_purpose(openai_mock):
    create = openai_mock.chat.completions.create
    fine = _b_Person(name="A", age=1, tags=[])
    said = fine.model_dump_json()
    for response, text in [(fine, said), (said, said), (refusal(), None), (cut('{"na'), '{"na'), (filtered(""), "")]:
        create.response = response
        choice = _b_client().chat.completions.create(**_b_CHAT, response_format=_b_PERSON_FORMAT[0]).choices[0]
        assert choice.message.content == text
    create.response = error(400)
    with pytest.raises(openai.BadRequestError):
        _b_client().chat.completions.create(**_b_CHAT, response_format=_b_PERSON_FORMAT[0])
    create.response = tool_call("get_weather", "{broken")
    call = _b_client().chat.completions.create(**_b_CHAT, tools=_b_TOOLS).choices[0].message.tool_calls[0]
    assert call.function.arguments == "{broken"


@pytest.mark.parametrize(
    ("response", "match"),
    [
        (tool_call("get_weather", town="Oslo"), r"the call of 'get_weather' does not follow"),
        (tool_call("get_weather", city=5), r"schema at \$\.city"),
        (tool_call("get_news"), r"calls 'get_news', but the request offers get_weather"),
        (tool_call("get_weather", city="Oslo") + tool_call("get_news"), "get_news"),
    ],
)
@openai_responses.mock(strict=True)
def test_strict_mode_checks_tool_calls(openai_mock, response, match):
    openai_mock.chat.completions.create.response = openai_mock.responses.create.response = response
    with _b_mistake(ValueError, match):
        _b_client().chat.completions.create(**_b_CHAT, tools=_b_TOOLS)
    with _b_mistake(ValueError, match):
        tools = [{"type": "function", **_b_TOOLS[0]["function"], "strict": False}]
        _b_client().responses.create(model="m", input="x", tools=tools)


_b_BAD_BODIES = [
    ({"temprature": 1}, "Unknown parameter: 'temprature'.*temperature", "temprature", "unknown_parameter"),
    ({"temperature": "hot"}, "Invalid type for 'temperature'", "temperature", "invalid_type"),
    ({"messages": "hello"}, "Invalid type for 'messages'", "messages", "invalid_type"),
    ({"n": 1.5}, "Invalid type for 'n'", "n", "invalid_type"),
]


@pytest.mark.parametrize(("more", "match", "param", "code"), _b_BAD_BODIES)
@pytest.mark.parametrize("response", [None, "set"])
@openai_responses.mock(strict=True)
def test_strict_mode_refuses_wrong_requests(openai_mock, more, match, param, code, response):
    if response:
        openai_mock.chat.completions.create.response = response
    with pytest.raises(openai.BadRequestError, match=match) as raised:
        _b_client().chat.completions.create(**_b_CHAT, extra_body=more)
    assert (raised.value.param, raised.value.code) == (param, code)
    with OpenAIMock() as lenient:
        lenient.chat.completions.create.response = "fine"
        assert _b_client().chat.completions.create(**_b_CHAT, extra_body=more).choices[0].message.content == "fine"


def test_missing_required_parameters_are_refused_where_nothing_is_set(openai_mock):
    client = _b_client()
    for path, body, name in [
        ("/chat/completions", {"messages": []}, "model"),
        ("/chat/completions", {"model": "m"}, "messages"),
        ("/embeddings", {"model": "m"}, "input"),
        ("/images/generations", {}, "prompt"),
    ]:
        with pytest.raises(openai.BadRequestError, match=f"Missing required parameter: '{name}'") as raised:
            client.post(path, body=body, cast_to=object)
        assert (raised.value.param, raised.value.code) == (name, "missing_required_parameter")
    openai_mock.chat.completions.create.response = "fine"
    assert client.post("/chat/completions", body={}, cast_to=ChatCompletion).choices[0].message.content == "fine"


@pytest.mark.parametrize("value", [None, "", "Bearer", "Bearer ", "sk-naked", "Basic abc"])
def test_strict_mode_wants_a_key(value):
    headers = {} if value is None else {"authorization": value}
    with OpenAIMock(strict=True):
        answer = httpx.post(f"{_b_URL}/chat/completions", json=_b_CHAT, headers=headers)
    assert answer.status_code == 401
    problem = answer.json()["error"]
    assert set(problem) == {"message", "type", "param", "code"} and problem["type"] == "invalid_request_error"
    assert not value or value.split()[-1] not in problem["message"].replace("Bearer", "").split()
    with OpenAIMock():
        assert httpx.post(f"{_b_URL}/chat/completions", json=_b_CHAT, headers=headers).status_code == 200


def test_results_of_unknown_tool_calls_are_refused(openai_mock):
    client = _b_client()
    with pytest.raises(openai.BadRequestError, match="call_nobody") as raised:
        tool = {"role": "tool", "tool_call_id": "call_nobody", "content": "x"}
        client.chat.completions.create(model="m", messages=[*_b_USER, tool])
    assert raised.value.param.startswith("messages")
    result = {"type": "function_call_output", "call_id": "call_nobody", "output": "x"}
    with pytest.raises(
        openai.BadRequestError, match="No tool call found for function call output with call_id call_nobody"
    ):
        client.responses.create(model="m", input=[result])
    call = {"type": "function_call", "call_id": "call_nobody", "name": "f", "arguments": "{}"}
    assert client.responses.create(model="m", input=[call, result]).output_text


# ---- usage -----------------------------------------------------------------------------------------------------------


def _b_usage_of(text, endpoint):
    client = _b_client()
    if endpoint == "chat":
        usage = client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}]).usage
        return usage.prompt_tokens, usage.completion_tokens, usage.total_tokens
    if endpoint == "responses":
        usage = client.responses.create(model="m", input=text).usage
        return usage.input_tokens, usage.output_tokens, usage.total_tokens
    if endpoint == "completions":
        usage = client.completions.create(model="m", prompt=text).usage
        return usage.prompt_tokens, usage.completion_tokens, usage.total_tokens
    usage = client.embeddings.create(model="m", input=text).usage
    return usage.prompt_tokens, 0, usage.total_tokens


@pytest.mark.parametrize("endpoint", ["chat", "responses", "completions", "embeddings"])
def test_usage_grows_with_the_text_and_adds_up(openai_mock, endpoint):
    figures = [_b_usage_of("word " * n, endpoint) for n in (1, 10, 100, 1000)]
    assert all(prompt + answer == total for prompt, answer, total in figures)
    prompts = [prompt for prompt, _, _ in figures]
    assert prompts == sorted(set(prompts))
    if endpoint != "embeddings":
        name = {"chat": "chat.completions"}.get(endpoint, endpoint)
        answers = []
        for n in (1, 10, 100):
            _b_endpoint(openai_mock, f"{name}.create").response = "word " * n
            prompt, answer, total = _b_usage_of("word ", endpoint)
            assert prompt + answer == total and prompt == prompts[0]
            answers.append(answer)
        assert answers == sorted(set(answers))


def test_usage_that_was_set_stays_and_adds_up(openai_mock):
    openai_mock.chat.completions.create.response = {"usage": {"prompt_tokens": 3, "completion_tokens": 4}}
    usage = _b_client().chat.completions.create(**_b_CHAT).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (3, 4, 7)
    openai_mock.chat.completions.create.response = "a long answer " * 50
    choice = _b_client().chat.completions.create(**_b_CHAT, max_tokens=5).choices[0]
    assert (choice.message.content, choice.finish_reason) == ("a long answer " * 50, "stop")


# ---- Azure, base URLs, several mocks ---------------------------------------------------------------------------------

_b_AZURE = {"api_key": _b_KEY, "api_version": "2024-10-21"}
_b_AZURE_CLIENTS = {
    "endpoint": lambda **o: openai.AzureOpenAI(**_b_AZURE, azure_endpoint="https://mine.openai.azure.com", **o),
    "deployment": lambda **o: openai.AzureOpenAI(
        **_b_AZURE, azure_endpoint="https://mine.openai.azure.com", azure_deployment="gpt-4o", **o
    ),
    "v1": lambda **o: openai.OpenAI(api_key=_b_KEY, base_url="https://mine.openai.azure.com/openai/v1/", **o),
    "base_url": lambda **o: openai.AzureOpenAI(**_b_AZURE, base_url="https://gateway.test/azure/openai", **o),
    "own endpoint": lambda **o: openai.AzureOpenAI(**_b_AZURE, azure_endpoint="https://gateway.test/azure", **o),
}


@pytest.mark.parametrize("form", _b_AZURE_CLIENTS)
def test_azure_works_without_settings_and_below_a_base_url(form):
    own = "https://gateway.test/azure" if form in ("base_url", "own endpoint") else None
    client = _b_AZURE_CLIENTS[form]()
    with OpenAIMock(base_url=own, strict=True) as openai_mock:
        completion = client.chat.completions.create(**_b_CHAT)
        assert completion.model == "gpt-4o" and completion.choices[0].message.content
        assert len(client.embeddings.create(model="text-embedding-3-small", input="x").data) == 1
        uploaded = client.files.create(file=b"abc", purpose="batch")
        assert client.files.content(uploaded.id).read() == b"abc"
        names = ["chat.completions.create", "embeddings.create", "files.create", "files.content"]
        assert [request.endpoint for request in openai_mock.requests] == names
        assert openai_mock.chat.completions.create.route.call_count == 1
        assert all(_b_KEY not in request.headers.values() for request in openai_mock.requests)


def test_the_deployment_in_the_path_becomes_the_model(openai_mock):
    url = "https://mine.openai.azure.com/openai/deployments/my%20dep/chat/completions?api-version=1"
    answer = httpx.post(url, json={"messages": _b_USER}, headers={"api-key": _b_KEY})
    assert answer.json()["model"] == "my dep" == openai_mock.requests[0].body["model"]


def test_a_base_url_is_the_only_one_answered():
    with OpenAIMock(base_url="https://gateway.test/v2/") as openai_mock:
        client = openai.OpenAI(api_key=_b_KEY, base_url="https://gateway.test/v2")
        assert client.chat.completions.create(**_b_CHAT).id
        with _b_mistake(AssertionError, r"POST https://api\.openai\.com/v1/chat/completions would reach the network"):
            _b_client().chat.completions.create(**_b_CHAT)
        assert [request.endpoint for request in openai_mock.requests] == ["chat.completions.create", ""]


def test_the_environments_base_url_is_answered_too(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "https://gateway.test/v1/")
    with OpenAIMock() as openai_mock:
        for client in (openai.OpenAI(api_key=_b_KEY), openai.OpenAI(api_key=_b_KEY, base_url=_b_URL)):
            client.chat.completions.create(**_b_CHAT)
        assert openai_mock.chat.completions.create.route.call_count == 2


@_b_kinds
def test_several_mocks_at_once_and_the_innermost_wins(kind):
    async def said(client, url):
        return await _b_text(client.with_options(base_url=url))

    with (
        OpenAIMock() as outer,
        OpenAIMock(base_url="https://a.test/v1") as a,
        OpenAIMock(base_url="https://b.test/v1") as b,
    ):
        for mock, text in ((outer, "outer"), (a, "a"), (b, "b")):
            mock.chat.completions.create.response = text
        for url, text in ((_b_URL, "outer"), ("https://a.test/v1", "a"), ("https://b.test/v1", "b")):
            assert _b_run(kind, said, url) == text
        with OpenAIMock() as inner:
            inner.chat.completions.create.response = "inner"
            assert _b_run(kind, said, _b_URL) == "inner" and _b_run(kind, said, "https://a.test/v1") == "a"
        assert _b_run(kind, said, _b_URL) == "outer"
    assert [len(mock.requests) for mock in (outer, a, b, inner)] == [2, 2, 1, 1]


# ---- interception ----------------------------------------------------------------------------------------------------


@_b_kinds
@pytest.mark.parametrize("family", _b_FAMILIES, ids=lambda family: family.__name__)
def test_clients_of_either_family_made_before_the_mock(family, kind):
    http_client = family.Client() if kind == "sync" else family.AsyncClient()

    async def direct(client):
        return (await _b_get(http_client.post(f"{_b_URL}/chat/completions", json=_b_CHAT))).json()

    async def through_sdk(client):
        return await _b_text(client)

    makes = (family.__name__ == "httpx") or not _b_OPENAI_2
    client = (
        (openai.OpenAI if kind == "sync" else openai.AsyncOpenAI)(api_key=_b_KEY, http_client=http_client)
        if makes
        else None
    )
    with OpenAIMock() as openai_mock:
        openai_mock.chat.completions.create.response = "Hi"
        assert _b_run(kind, direct)["choices"][0]["message"]["content"] == "Hi"
        if client:
            coroutine = _b_text(client)
            assert (asyncio.run(coroutine) if kind == "async" else _b_driven(coroutine)) == "Hi"
        assert openai_mock.chat.completions.create.route.call_count == 1 + makes


async def test_aiohttp_clients_are_intercepted(openai_mock):
    openai_mock.chat.completions.create.response = ["Hi", stream("one two"), error(400)]
    async with openai.AsyncOpenAI(api_key=_b_KEY, http_client=openai.DefaultAioHttpClient()) as client:
        assert await _b_text(client) == "Hi"
        assert await _b_said(client) == "one two"
        with pytest.raises(openai.BadRequestError):
            await _b_text(client)
    assert openai_mock.chat.completions.create.route.call_count == 3


@_b_kinds
def test_mock_transport_needs_no_patch(kind):
    openai_mock = OpenAIMock()
    openai_mock.chat.completions.create.response = ["Hi", stream("one two"), error(429), "again", httpx.ConnectError]
    if kind == "sync":
        transport = MockTransport(openai_mock.router.handler)
        client = openai.OpenAI(api_key=_b_KEY, http_client=openai.DefaultHttpxClient(transport=transport))
    else:
        transport = MockTransport(openai_mock.router.async_handler)
        client = openai.AsyncOpenAI(api_key=_b_KEY, http_client=openai.DefaultAsyncHttpxClient(transport=transport))

    async def scene():
        said = [await _b_text(client), await _b_said(client), await _b_text(client)]
        with pytest.raises(openai.APIConnectionError):
            await _b_text(client.with_options(max_retries=0))
        return said

    assert (asyncio.run(scene()) if kind == "async" else _b_driven(scene())) == ["Hi", "one two", "again"]
    assert openai_mock.chat.completions.create.route.call_count == 5


def test_routes_of_the_user_come_before_the_table(openai_mock):
    openai_mock.chat.completions.create.response = "from the table"
    route = openai_mock.router.post(path__regex="completions$", json__model="mine")
    route.respond(json=_b_answer("from the route"))
    other = openai_mock.router.get("https://other.test/x").respond(418)
    assert _b_run("sync", _b_chat_text, "mine") == "from the route"
    assert _b_run("async", _b_chat_text, "mine") == "from the route"
    assert _b_run("sync", _b_chat_text, "gpt-4o") == "from the table"
    assert httpx.get("https://other.test/x").status_code == 418
    assert (route.call_count, other.call_count) == (2, 1)
    assert openai_mock.chat.completions.create.route.call_count == 1
    assert openai_mock.router.calls.call_count == 4


async def _b_chat_text(client, model):
    return (await _b_get(client.chat.completions.create(**_b_CHAT | {"model": model}))).choices[0].message.content


def test_a_mock_on_an_endpoints_route_wins_over_its_response(openai_mock):
    create = openai_mock.chat.completions.create
    create.response = "response"
    create.route.respond(json=_b_answer("route"))
    assert [_b_run(kind, _b_text) for kind in ("sync", "async")] == ["route", "route"]
    create.route.mock(side_effect=lambda request: httpx.Response(200, json=_b_answer("effect")))
    assert _b_run("sync", _b_text) == "effect"
    openai_mock.files.retrieve.route.mock(
        side_effect=lambda request, file_id: httpx.Response(200, json={"id": file_id})
    )
    assert _b_client().files.retrieve("file-9").id == "file-9"
    create.route.mock(side_effect=httpx.ConnectError)
    with pytest.raises(openai.APIConnectionError):
        _b_client().with_options(max_retries=0).chat.completions.create(**_b_CHAT)
    assert create.route.call_count == 4 and len(openai_mock.requests) == 5


def test_passed_through_requests_leave_the_mock(openai_mock):
    passed = []

    class Server:
        def handle_request(self, request):
            passed.append(str(request.url))
            return _b_FAMILY.Response(200, json=_b_answer("from the server"))

    transport = MockTransport(openai_mock.router.handler, otherwise=Server())
    client = openai.OpenAI(api_key=_b_KEY, http_client=openai.DefaultHttpxClient(transport=transport))
    openai_mock.router.post(f"{_b_URL}/chat/completions", json__model="passed").pass_through()
    assert _b_driven(_b_chat_text(client, "passed")) == "from the server"
    assert _b_driven(_b_chat_text(client, "gpt-4o")) != "from the server"
    openai_mock.embeddings.create.route.pass_through()
    assert client.post("/embeddings", body={"model": "m", "input": "x"}, cast_to=ChatCompletion).id == "c"
    assert passed == [f"{_b_URL}/chat/completions", f"{_b_URL}/embeddings"]


@pytest.mark.parametrize("order", ["ours inside", "ours outside"])
def test_it_works_beside_respx_in_either_nesting_order(order):
    ours, theirs = OpenAIMock(), respx.mock(assert_all_called=False)
    ours.chat.completions.create.response = "Hi"
    with contextlib.ExitStack() as stack:
        for mock in (theirs, ours) if order == "ours inside" else (ours, theirs):
            stack.enter_context(mock)
        theirs.get("https://other.test/").respond(204)
        assert httpx.get("https://other.test/").status_code == 204
        assert [_b_run(kind, _b_text) for kind in ("sync", "async")] == ["Hi", "Hi"]
        answer = httpx.post(f"{_b_URL}/chat/completions", json=_b_CHAT).json()
        assert answer["choices"][0]["message"]["content"] == "Hi"
    assert ours.chat.completions.create.route.call_count == 3


def test_calls_stay_after_the_context_and_go_on_when_it_is_entered_again():
    openai_mock = OpenAIMock()
    create = openai_mock.chat.completions.create
    create.response = "Hi"
    for count in (1, 2):
        with openai_mock.router:
            _b_run("sync", _b_text)
        assert create.route.call_count == len(create.requests) == len(openai_mock.requests) == count
        assert create.response == "Hi" and create.route.calls.last.request.method == "POST"
        assert json.loads(create.route.calls.last.request.content) == _b_CHAT
        assert create.route.calls.last.response.json()["choices"][0]["message"]["content"] == "Hi"


@_b_kinds
def test_streamed_responses_are_open_when_they_arrive(openai_mock, kind):
    async def scene(client):
        async with _b_open(client.chat.completions.with_streaming_response.create(**_b_CHAT)) as response:
            was_closed = response.is_closed
            return was_closed, json.loads(await _b_get(response.read())), response.is_closed

    opened_closed, body, closed = _b_run(kind, scene)
    assert (opened_closed, closed) == (False, True) and body["object"] == "chat.completion"


@_b_kinds
@pytest.mark.parametrize(
    ("response", "mistake", "match"),
    [
        (lambda request: 1 / 0, ZeroDivisionError, "division by zero"),
        (lambda request: object(), TypeError, r"chat\.completions\.create\.response cannot be <object"),
        (lambda request: None, TypeError, "cannot be None"),
        (lambda request: {"choises": []}, ValueError, "choises"),
        (lambda request, file_id: "x", TypeError, "file_id"),
        (lambda request: _b_promise(5), TypeError, "cannot be 5"),
    ],
)
def test_mistakes_in_callables_surface_at_once(openai_mock, response, mistake, match, kind):
    openai_mock.chat.completions.create.response = response
    with _b_mistake(mistake, match):
        _b_run(kind, _b_text)
    assert [request.attempt for request in openai_mock.requests] == [0]
    assert openai_mock.chat.completions.create.route.call_count == 1


@_b_kinds
@pytest.mark.parametrize(
    ("path", "match"),
    [
        ("/chat/complations", r"no endpoint of the API: POST /chat/complations\. Closest: 'POST /chat/completions'"),
        ("/files/a/b/c/d", "no endpoint of the API: POST /files/a/b/c/d"),
        ("https://elsewhere.test/v1/chat/completions", r"would reach the network.*openai_mock\.router.*base_url"),
        ("https://api.openai.com/v2/chat/completions", "would reach the network"),
        ("https://api.openai.com.evil.test/v1/files", "would reach the network"),
    ],
)
def test_requests_to_nowhere_surface_at_once(openai_mock, path, match, kind):
    async def scene(client):
        return await _b_get(client.post(path, body={}, cast_to=object))

    with _b_mistake(AssertionError, match):
        _b_run(kind, scene)
    assert [(request.endpoint, request.status) for request in openai_mock.requests] == [("", None)]
    assert openai_mock.router.calls.call_count == 1


def test_bodies_that_are_no_json_are_refused_without_a_retry(openai_mock):
    headers = {"content-type": "application/json"}
    for content in (b"{broken", b"[1]", b"\xff"):
        answer = httpx.post(f"{_b_URL}/chat/completions", content=content, headers=headers)
        assert answer.status_code == 400 and answer.json()["error"]["message"]
    assert [request.status for request in openai_mock.requests] == [400] * 3


def test_unknown_names_list_what_there_is(openai_mock):
    for get, parts in [
        (lambda: openai_mock.chta, ["openai_mock has no 'chta'", "Closest: 'chat'", "files"]),
        (
            lambda: openai_mock.chat.completions.crate,
            ["openai_mock.chat.completions has no 'crate'", "'create'", "list"],
        ),
        (lambda: openai_mock.chat.completions.create.respons, ["respons"]),
    ]:
        with pytest.raises(AttributeError) as raised:
            get()
        assert all(part in str(raised.value) for part in parts)
    assert {"chat", "files", "router", "state", "requests"} <= set(dir(openai_mock))
    assert {"create", "parse", "list"} <= set(dir(openai_mock.chat.completions))
    assert not hasattr(openai_mock, "_anything") and not hasattr(openai_mock.chat, "__wrapped__")


def test_misspelt_attributes_of_an_endpoint_cannot_be_set(openai_mock):
    with pytest.raises(AttributeError, match="respnse"):
        openai_mock.chat.completions.create.respnse = "x"
    with pytest.raises(AttributeError, match="create"):
        openai_mock.chat.completions.create = "x"


# ---- the decorator and the plugin ------------------------------------------------------------------------------------


@openai_responses.mock
def test_bare_decorator(openai_mock):
    openai_mock.chat.completions.create.response = "Hi"
    assert _b_run("sync", _b_text) == "Hi"


@openai_responses.mock()
async def test_decorated_coroutine_functions(openai_mock):
    openai_mock.chat.completions.create.response = "Hi"
    assert await _b_text(_b_client("async")) == "Hi"


@openai_responses.mock()
def test_decorated_without_the_argument():
    assert _b_run("sync", _b_text)


@openai_responses.mock(base_url="https://a.test/v1")
def test_decorated_with_keyword_only_argument(tmp_path, *, openai_mock):
    assert tmp_path.exists() and "https://a.test/v1" in repr(openai_mock)


@pytest.mark.parametrize("number", [1, 2, 3])
@openai_responses.mock(state={"files": {}})
def test_parametrize_cases_share_nothing_but_what_they_are_given(number, openai_mock, tmp_path):
    assert openai_mock.chat.completions.create.response is None and openai_mock.requests == []
    openai_mock.chat.completions.create.response = str(number)
    assert _b_run("sync", _b_text) == str(number)


class TestBMethods:
    @openai_responses.mock()
    def test_decorated_methods(self, openai_mock):
        assert isinstance(self, TestBMethods) and _b_run("sync", _b_text)

    @openai_responses.mock
    async def test_decorated_coroutine_methods(self, openai_mock):
        assert await _b_text(_b_client("async"))


def test_decorated_test_cases_run_under_unittest():
    class Cases(unittest.TestCase):
        @openai_responses.mock(strict=True)
        def test_plain(self, openai_mock):
            openai_mock.chat.completions.create.response = "Hi"
            self.assertEqual(_b_run("sync", _b_text), "Hi")

        @openai_responses.mock
        def test_keyword_only(self, *, openai_mock):
            self.assertEqual(openai_mock.requests, [])

        @openai_responses.mock()
        def test_failing(self, openai_mock):
            openai_mock.nothing  # noqa: B018

    class AsyncCases(unittest.IsolatedAsyncioTestCase):
        @openai_responses.mock()
        async def test_coroutine(self, openai_mock):
            self.assertTrue(await _b_text(_b_client("async")))
            self.assertEqual(len(openai_mock.requests), 1)

    result = unittest.TestResult()
    for case in (Cases, AsyncCases):
        unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.testsRun == 4 and not result.failures
    assert [str(test).split()[0] for test, _ in result.errors] == ["test_failing"]


def test_decorated_functions_are_called_plainly():
    @openai_responses.mock()
    def plain(prefix, openai_mock, *, suffix="!"):
        """Says something."""
        openai_mock.chat.completions.create.response = f"{prefix}{suffix}"
        return _b_run("sync", _b_text)

    @openai_responses.mock
    async def coroutine(openai_mock):
        return await _b_text(_b_client("async"))

    assert plain("Hi") == "Hi!" and plain("Ho", suffix="?") == "Ho?" and plain.__doc__ == "Says something."
    assert inspect.iscoroutinefunction(coroutine) and asyncio.run(coroutine())
    with OpenAIMock() as own:
        assert plain("Hi", openai_mock=own) == "Hi!" and len(own.requests) == 1


_b_SUITE = """
    import openai, openai_responses, pytest

    seen = []

    def say():
        client = openai.OpenAI(api_key="sk-fake")
        messages = [{"role": "user", "content": "Hi"}]
        return client.chat.completions.create(model="m", messages=messages).choices[0].message.content
"""
_b_WITH_FIXTURES = """
    @pytest.fixture
    def prepared(openai_mock):
        openai_mock.chat.completions.create.response = "prepared"
        return openai_mock

    @openai_responses.mock(strict=True)
    def test_same_object(prepared, openai_mock, request):
        assert prepared is openai_mock is request.getfixturevalue("openai_mock")
        assert openai_mock._strict and say() == "prepared"

    @openai_responses.mock()
    def test_fixture_alone_sees_the_decorators(prepared):
        assert say() == "prepared" and prepared.requests

    def test_fixture_is_active_on_its_own(openai_mock):
        openai_mock.chat.completions.create.response = "alone"
        assert say() == "alone"

    @pytest.mark.parametrize("number", range(3))
    @openai_responses.mock()
    def test_every_case_gets_a_new_one(number, openai_mock):
        assert all(openai_mock is not other for other in seen) and not openai_mock.requests
        seen.append(openai_mock)
        say()

    @openai_responses.mock()
    @pytest.mark.parametrize("number", range(2))
    def test_marks_below_the_decorator_count(number, openai_mock):
        assert say()

    @pytest.mark.parametrize("text", ["a", "b"])
    @openai_responses.mock()
    def test_after_a_failure_it_begins_anew(text, openai_mock):
        assert openai_mock.chat.completions.create.response is None
        openai_mock.chat.completions.create.response = text
        assert say() == "b"

    class TestMethods:
        @openai_responses.mock()
        def test_method(self, prepared, *, openai_mock):
            assert prepared is openai_mock

    @openai_responses.mock(assert_all_used=True)
    def test_unused_steps(openai_mock):
        openai_mock.responses.create.response = ["never"]
"""
_b_WITHOUT_PLUGIN = """
    @openai_responses.mock()
    def test_decorated(openai_mock, tmp_path):
        openai_mock.chat.completions.create.response = "Hi"
        assert say() == "Hi" and tmp_path.exists()

    @pytest.mark.parametrize("number", [1, 2])
    @openai_responses.mock
    def test_keyword_only(number, *, openai_mock):
        assert not openai_mock.requests and say()

    def test_the_fixture_is_gone(request):
        with pytest.raises(pytest.FixtureLookupError):
            request.getfixturevalue("openai_mock")
"""


def _b_pytest(pytester, monkeypatch, suite, *options):
    pytester.makepyfile(inspect.cleandoc(_b_SUITE) + "\n\n" + inspect.cleandoc(suite))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-W", "ignore", *options)


def test_plugin_decorator_fixture_and_other_fixtures_share_one_mock(pytester, monkeypatch):
    result = _b_pytest(pytester, monkeypatch, _b_WITH_FIXTURES, "-p", "openai_responses")
    outcomes = result.parseoutcomes()
    assert outcomes == {"passed": 10, "failed": 2}
    result.stdout.fnmatch_lines(["*test_after_a_failure_it_begins_anew?a?*"])
    result.stdout.fnmatch_lines(["*responses.create* has 1 step left of 1*"])


def test_decorated_tests_work_with_the_plugin_switched_off(pytester, monkeypatch):
    result = _b_pytest(pytester, monkeypatch, _b_WITHOUT_PLUGIN, "-p", "no:openai_responses")
    result.assert_outcomes(passed=4)


# ---- import paths ----------------------------------------------------------------------------------------------------


def _b_fresh(code, *options):
    """What a fresh interpreter prints and complains."""
    done = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_importing_the_module_imports_nothing_of_openai():
    _, times = _b_fresh("import openai_responses", "-X", "importtime")
    names = {line.rpartition("|")[2].strip() for line in times.splitlines()}
    assert "openai_responses" in names
    assert {name for name in names if name.partition(".")[0] == "openai"} == set()
    assert "pytest" not in names


def test_all_names_what_is_public():
    functions = {
        n for n, v in vars(openai_responses).items() if inspect.isfunction(v) and not n.startswith(("_", "pytest_"))
    }
    own = {name for name in functions if getattr(openai_responses, name).__module__ == "openai_responses"}
    assert own <= set(openai_responses.__all__)
    assert len(openai_responses.__all__) == len(set(openai_responses.__all__))
    namespace: dict[str, Any] = {}
    exec("from openai_responses import *", namespace)
    assert set(openai_responses.__all__) <= set(namespace)
    assert all(getattr(openai_responses, name).__doc__ for name in openai_responses.__all__)


_b_IMPORTS = {
    "ext.httpx": "from openai_responses.ext.httpx import MockTransport, Request, Response, Client, post",
    "ext.respx": "from openai_responses.ext.respx import Route, MockRouter",
    "stores": "from openai_responses.stores import StateStore, ContentStore; StateStore(), ContentStore()",
    "streaming": "from openai_responses.streaming import EventStream, AsyncEventStream; AsyncEventStream[int]",
    "plugin": "import openai_responses.plugin",
    "helpers": """
from openai_responses.helpers.builders.assistants import assistant_from_create_request
from openai_responses.helpers.builders.chat import chat_completion_from_create_request
from openai_responses.helpers.builders.embeddings import embedding_create_response_from_create_request
from openai_responses.helpers.builders.messages import build_message, message_from_create_request
from openai_responses.helpers.builders.moderations import moderation_create_response_from_create_request
from openai_responses.helpers.builders.run_steps import build_run_step
from openai_responses.helpers.builders.runs import run_from_create_request
from openai_responses.helpers.builders.threads import thread_from_create_request
from openai_responses.helpers.builders.vector_store_files import vector_store_file_from_create_request
from openai_responses.helpers.builders.vector_stores import vector_store_from_create_request
from openai_responses.helpers.mergers.assistants import merge_assistant_with_partial
from openai_responses.helpers.mergers.runs import merge_run_with_partial
from openai_responses.helpers.mergers.threads import merge_thread_with_partial
""",
}


@pytest.mark.parametrize("name", _b_IMPORTS)
def test_import_paths_work_in_a_fresh_interpreter(name):
    full = f"openai_responses.{name}"
    _b_fresh(f"{_b_IMPORTS[name]}\nfrom importlib.util import find_spec\nassert find_spec({full!r}).name == {full!r}")


def test_unknown_submodules_are_import_errors():
    with pytest.raises(ModuleNotFoundError, match=r"openai_responses\.nothing"):
        importlib.import_module("openai_responses.nothing")
    with pytest.raises(ImportError):
        exec("from openai_responses.ext.httpx import Nothing")


_b_BUILDERS = [
    (
        "chat.chat_completion_from_create_request",
        "/chat/completions",
        _b_CHAT,
        "chat.ChatCompletion",
        {"model": "gpt-4o"},
    ),
    (
        "embeddings.embedding_create_response_from_create_request",
        "/embeddings",
        {"model": "e", "input": "x"},
        "CreateEmbeddingResponse",
        {"model": "e"},
    ),
    (
        "moderations.moderation_create_response_from_create_request",
        "/moderations",
        {"input": "x"},
        "ModerationCreateResponse",
        {},
    ),
    (
        "threads.thread_from_create_request",
        "/threads",
        {"metadata": {"a": "b"}},
        "beta.Thread",
        {"metadata": {"a": "b"}},
    ),
    ("vector_stores.vector_store_from_create_request", "/vector_stores", {"name": "n"}, "VectorStore", {"name": "n"}),
    (
        "vector_store_files.vector_store_file_from_create_request",
        "/vector_stores/vs_1/files",
        {"file_id": "file-1"},
        "vector_stores.VectorStoreFile",
        {"id": "file-1", "vector_store_id": "vs_1"},
    ),
    (
        "assistants.assistant_from_create_request",
        "/assistants",
        {"model": "m", "name": "n"},
        "beta.Assistant",
        {"name": "n"},
    ),
]


def _b_resolve(path):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize(("builder", "path", "body", "model", "fields"), _b_BUILDERS)
@pytest.mark.parametrize("family", _b_FAMILIES, ids=lambda family: family.__name__)
def test_builders_make_a_model_from_a_request(builder, path, body, model, fields, family):
    build = _b_resolve(f"openai_responses.helpers.builders.{builder}")
    request = family.Request("POST", _b_URL + path, json=body)
    built = build(request)
    assert isinstance(built, _b_resolve(f"openai.types.{model}"))
    assert {name: getattr(built, name) for name in fields} == fields
    type(built).model_validate_json(built.model_dump_json(by_alias=True), strict=True)
    if "metadata" in type(built).model_fields:
        assert build(request, extra={"metadata": {"k": "v"}}).metadata == {"k": "v"}


def test_builders_below_a_thread_and_from_partials():
    from openai.types.beta.threads import Message, Run
    from openai.types.beta.threads.runs import RunStep

    builders = "openai_responses.helpers.builders"
    said = httpx.Request("POST", f"{_b_URL}/threads/thread_1/messages", json={"role": "user", "content": "Hi"})
    message = _b_resolve(f"{builders}.messages.message_from_create_request")(
        "thread_1", said, extra={"metadata": {"a": "b"}}
    )
    assert isinstance(message, Message) and (message.thread_id, message.metadata) == ("thread_1", {"a": "b"})
    assert message.content[0].text.value == "Hi"
    asked = httpx.Request("POST", f"{_b_URL}/threads/thread_1/runs", json={"assistant_id": "asst_1", "model": "m"})
    run = _b_resolve(f"{builders}.runs.run_from_create_request")("thread_1", asked, extra={"status": "failed"})
    assert isinstance(run, Run) and (run.thread_id, run.assistant_id, run.status) == ("thread_1", "asst_1", "failed")
    built = _b_resolve(f"{builders}.messages.build_message")({"id": "msg_1", "content": [{"text": {"value": "Ho"}}]})
    assert isinstance(built, Message) and (built.id, built.content[0].text.value) == ("msg_1", "Ho")
    step = _b_resolve(f"{builders}.run_steps.build_run_step")({"run_id": "run_1", "status": "failed"})
    assert isinstance(step, RunStep) and (step.run_id, step.status) == ("run_1", "failed")


@pytest.mark.parametrize(
    ("merger", "model", "builder", "partial"),
    [
        ("assistants.merge_assistant_with_partial", "beta.Assistant", {"model": "m", "name": "n"}, {"name": "new"}),
        ("threads.merge_thread_with_partial", "beta.Thread", {}, {"metadata": {"a": "b"}}),
        ("runs.merge_run_with_partial", "beta.threads.Run", {"assistant_id": "asst_1"}, {"status": "failed"}),
    ],
)
def test_mergers_give_a_new_model(merger, model, builder, partial):
    kind = model.rpartition(".")[2].lower()
    request = httpx.Request("POST", f"{_b_URL}/x", json=builder)
    build = _b_resolve(f"openai_responses.helpers.builders.{kind}s.{kind}_from_create_request")
    old = build("thread_1", request) if kind == "run" else build(request)
    before = old.model_dump()
    new = _b_resolve(f"openai_responses.helpers.mergers.{merger}")(old, partial)
    assert isinstance(new, _b_resolve(f"openai.types.{model}")) and new is not old and old.model_dump() == before
    assert new.model_dump() == before | partial


# ======================================================================================================================
# ACROSS ROOMS
# ======================================================================================================================


# ---- pages, whatever cursor they have --------------------------------------------------------------------------------


def _a_lists():
    rows = (openai_responses._rows()[name] for name in openai_responses._rows() if openai_responses._present(name))
    return [row.name for row in rows if openai_responses._shape(row).verb == "list" and "Page[" in row.model]


@pytest.mark.parametrize("name", [name for name in _a_lists() if not name.startswith("beta.chat.")])
def test_every_list_leads_on_to_its_next_page(openai_mock, name):
    row = openai_responses._rows()[name]
    page, plan = openai_responses._model(row.model), openai_responses._shape(row)
    element = openai_responses._element(page)
    for number in range(3):
        made = openai_responses._stamp(openai_responses._default(element), openai_mock.state)
        key = (*(f"{parent}-1" for parent in plan.parents), f"id-{number}")
        openai_mock.state[plan.resource][key if len(key) > 1 else key[0]] = made | {"id": f"id-{number}"}
    request = _a_request(row)
    request.url = request.url.copy_merge_params({"limit": "2", "order": "asc"})
    if plan.resource in ("models", "vector_stores.files.content"):  # lists of one page
        return
    body = openai_mock.router.handler(request).json()
    assert [item["id"] for item in body["data"]] == ["id-0", "id-1"]
    assert body["has_more"] is True
    first = page.construct(**body)
    if not isinstance(first, openai.pagination.SyncPage):
        assert first.next_page_info() is not None
    elsewhere = {"after": "id-1"} if "page" not in first.next_page_info().params else {"page": "id-1"}
    request.url = request.url.copy_merge_params(elsewhere)
    assert [item["id"] for item in openai_mock.router.handler(request).json()["data"]] == ["id-2"]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_cursor_deleted_since_still_has_its_place(client, order):
    ids = [client.vector_stores.create(name=str(number)).id for number in range(9)]
    ids = ids if order == "asc" else ids[::-1]
    page = client.vector_stores.list(limit=4, order=order)
    for id in ids[1:5]:
        client.vector_stores.delete(id)
    assert [store.id for store in page.get_next_page().data] == ids[5:]
    for id in (ids[0], *ids[5:]):
        client.vector_stores.delete(id)
    assert page.get_next_page().data == []


@given(
    st.lists(st.tuples(st.sampled_from(["put", "delete", "list"]), st.integers(0, 2), st.integers(0, 5)), max_size=40)
)
def test_children_are_listed_as_their_dict_has_them(steps):
    store = openai_responses.StateStore()
    objects = store["vector_stores.files"]
    for act, parent, number in steps:
        key = (f"vs_{parent}", f"file-{number}")
        if act == "put":
            objects[key] = {"id": key[1]}
        elif act == "delete":
            objects.pop(key, None)
        else:
            assert list(store.below("vector_stores.files", key[0])) == [k for k in objects if k[0] == key[0]]


def test_lists_are_gone_through_page_by_page(openai_mock, client):
    conversation = client.conversations.create()
    for number in range(45):
        said = {"type": "message", "role": "user", "content": str(number)}
        client.conversations.items.create(conversation.id, items=[said])
    items = client.conversations.items.list(conversation.id, order="asc")
    assert [item.content[0].text for item in items] == [str(number) for number in range(45)]


# ---- what is put in by hand, or set ----------------------------------------------------------------------------------


@_a_deprecated
def test_what_is_set_under_an_unknown_parent_is_found_again(openai_mock, client):
    openai_mock.beta.threads.runs.create.response = {"status": "completed"}
    run = client.beta.threads.runs.create_and_poll(thread_id="thread_x", assistant_id="asst_x")
    assert run.status == "completed"
    assert [found.id for found in client.beta.threads.runs.list("thread_x")] == [run.id]
    openai_mock.vector_stores.files.create.response = {}
    assert client.vector_stores.files.create_and_poll("file-x", vector_store_id="vs_x").status == "completed"


def test_a_ready_response_to_a_create_is_stored(openai_mock, client):
    file = {"id": "file-ready", "object": "file", "bytes": 1, "created_at": 1, "filename": "a", "purpose": "batch"}
    openai_mock.files.create.response = httpx.Response(200, json=file | {"status": "processed"})
    made = client.files.create(file=b"x", purpose="batch")
    assert client.files.retrieve(made.id).filename == "a"


def test_objects_put_in_by_hand_get_the_fields_they_lack(openai_mock, client):
    openai_mock.state["vector_stores"]["vs_hand"] = {"id": "vs_hand"}
    file = client.files.create(file=b"words", purpose="assistants")
    client.vector_stores.files.create("vs_hand", file_id=file.id)
    assert client.vector_stores.retrieve("vs_hand").file_counts.total == 1
    openai_mock.state["batches"]["batch_hand"] = {"id": "batch_hand"}
    assert client.batches.cancel("batch_hand").status == "cancelling"


@_a_deprecated
def test_a_refused_submit_takes_no_step(openai_mock, client):
    openai_mock.beta.threads.runs.create.response = [openai_responses.tool_call("f"), "final"]
    assistant = client.beta.assistants.create(model="gpt-4o")
    thread = client.beta.threads.create()
    run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    submit = functools.partial(
        client.beta.threads.runs.submit_tool_outputs_and_poll, run_id=run.id, thread_id=thread.id
    )
    with pytest.raises(openai.BadRequestError):
        submit(tool_outputs=[{"tool_call_id": "call_other", "output": "x"}])
    id = run.required_action.submit_tool_outputs.tool_calls[0].id
    assert submit(tool_outputs=[{"tool_call_id": id, "output": "x"}]).status == "completed"
    assert client.beta.threads.messages.list(thread.id).data[0].content[0].text.value == "final"


@_a_deprecated
def test_a_run_does_what_its_assistant_is_made_for(openai_mock, client):
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": parameters}}
    assistant = client.beta.assistants.create(model="gpt-4o", tools=[tool])
    thread = client.beta.threads.create()
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, tool_choice="required"
    )
    call = run.required_action.submit_tool_outputs.tool_calls[0]
    assert json.loads(call.function.arguments).keys() == {"city"}
    outputs = [{"tool_call_id": call.id, "output": "sunny"}]
    done = client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=thread.id, tool_outputs=outputs
    )
    assert done.status == "completed"


@pytest.mark.skipif(not hasattr(openai.resources.realtime, "Calls"), reason="this SDK has no realtime calls")
def test_bodies_of_other_kinds_than_json_are_taken(openai_mock, client):
    openai_mock.realtime.calls.create.response = b"v=0 answer"
    assert client.realtime.calls.create(sdp="v=0").read() == b"v=0 answer"


def test_the_search_takes_between_1_and_50_results(client):
    store = client.vector_stores.create()
    for number in (0, 51):
        with pytest.raises(openai.BadRequestError, match="max_num_results"):
            client.vector_stores.search(store.id, query="x", max_num_results=number)


def test_a_deployment_in_the_path_is_the_model(openai_mock):
    url = "https://a.openai.azure.com"
    azure = openai.AzureOpenAI(azure_endpoint=url, api_key="k", api_version="2024-10-21", azure_deployment="mine")
    openai_mock.chat.completions.create.when(model="mine").response = "by rule"
    answer = azure.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hi"}])
    assert (answer.model, answer.choices[0].message.content) == ("mine", "by rule")


@openai_responses.mock(strict=True)
def test_strict_mode_asks_for_no_more_than_the_api(openai_mock, client):
    tool = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
    assert client.responses.create(model="gpt-4o", input="x", tools=[tool]).id
    with pytest.raises(openai.BadRequestError, match=r"messages\[1\]\.content"):
        client.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "user", "content": "x"}, {"role": "assistant", "content": 7}],
        )


def test_ready_responses_are_sent_decoded_and_with_ids_of_their_own(openai_mock, client):
    body = gzip.compress(b'{"object": "list", "data": []}')
    openai_mock.models.list.response = httpx.Response(200, content=body, headers={"content-encoding": "gzip"})
    first, second = (client.models.with_raw_response.list() for _ in range(2))
    assert first.parse().data == []
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


def test_rules_look_back_into_the_conversation(openai_mock, client):
    create = openai_mock.responses.create
    create.when("weather").response = openai_responses.tool_call("f")
    create.when("weather", tool_result=True).response = "It is sunny."
    first = client.responses.create(model="gpt-4o", input="How is the weather?")
    output = {"type": "function_call_output", "call_id": first.output[0].call_id, "output": "sun"}
    second = client.responses.create(model="gpt-4o", input=[output], previous_response_id=first.id)
    assert second.output_text == "It is sunny."


def test_figures_of_usage_are_completed_one_by_one(openai_mock, client):
    answer = {"choices": [{"message": {"content": "four"}}], "usage": {"prompt_tokens": 7}}
    openai_mock.chat.completions.create.response = answer
    usage = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x"}]).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (7, 1, 8)


@pytest.mark.parametrize("pattern", [r"^[A-Z]{2}-\d+$", r"(a|b)c?", r"[^a]\w+", r"^#[0-9a-f]{6}$", r"\S+@\S+", "x*"])
def test_default_texts_follow_patterns(pattern):
    assert re.search(pattern, openai_responses._instance({"type": "string", "pattern": pattern}))


@pytest.mark.parametrize("mode", ["chat", "responses"])
def test_one_of_the_allowed_tools_is_called(client, mode):
    function = {"name": "f", "parameters": {"type": "object", "properties": {}}}
    messages = [{"role": "user", "content": "x"}]
    if mode == "chat":
        tool = {"type": "function", "function": function}
        choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [tool]}}
        answer = client.chat.completions.create(model="gpt-4o", messages=messages, tools=[tool], tool_choice=choice)
        assert answer.choices[0].message.tool_calls[0].function.name == "f"
    else:
        tool = {"type": "function", **function}
        choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]}
        answer = client.responses.create(model="gpt-4o", input="x", tools=[tool], tool_choice=choice)
        assert answer.output[0].name == "f"


def test_speech_arrives_at_its_pace(openai_mock):
    openai_mock.audio.speech.create.response = openai_responses.stream(b"x" * 1000, chunk=100, fail_after=3)
    said = {"model": "tts-1", "voice": "alloy", "input": "Hi"}
    client, pieces = _a_client(), []
    broken = pytest.raises(tuple(family.RemoteProtocolError for family in openai_responses._families()))
    with client.audio.speech.with_streaming_response.create(**said) as response, broken:
        for piece in response.iter_bytes():
            pieces.append(piece)
    assert pieces == [b"x" * 100] * 3


@_a_deprecated
def test_a_refusal_in_a_run_is_a_refusal(openai_mock, client):
    openai_mock.beta.threads.create_and_run.response = openai_responses.refusal("No.")
    run = client.beta.threads.create_and_run_poll(assistant_id=client.beta.assistants.create(model="gpt-4o").id)
    message = client.beta.threads.messages.list(run.thread_id).data[0]
    assert (message.content[0].type, message.content[0].refusal) == ("refusal", "No.")
    with client.beta.threads.create_and_run_stream(assistant_id=run.assistant_id) as streamed:
        assert streamed.get_final_messages()[0].content[0].refusal == "No."


# ---- what is refused, with the words that tell why -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "kind", "words"),
    [
        (
            "files.list",
            [{"filename": "a"}],
            ValueError,
            "step 0: files.list.response is {'filename': 'a'}, but takes a page",
        ),
        ("files.list", {"filename": "a"}, ValueError, "but takes a page: {'data': [...]}"),
        ("files.create", KeyboardInterrupt, TypeError, "it would end the test run"),
        ("chat.completions.create", openai.RateLimitError, TypeError, "use openai_responses.error(429)"),
        ("chat.completions.create", lambda: "x", TypeError, "must take the request first"),
        ("chat.completions.create", lambda conversation: "x", TypeError, "must take the request first"),
        ("chat.completions.create", [["a", "b"]], TypeError, "a step is one answer"),
        ("chat.completions.create", ["a", 5], TypeError, "step 1: "),
        ("completions.create", openai_responses.tool_call("f"), TypeError, "no call or refusal here"),
        ("embeddings.create", openai_responses.tool_call("f"), TypeError, "no turn here"),
    ],
)
def test_answers_no_call_can_give_are_refused_at_once(openai_mock, name, value, kind, words):
    with pytest.raises(kind) as caught:
        _a_endpoint(openai_mock, name).response = value
    assert words in str(caught.value)
    assert _a_endpoint(openai_mock, name).response is None


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda: OpenAIMock(base_url="localhost"), ValueError, "base_url is 'localhost'; expected a URL"),
        (lambda: OpenAIMock(state=[]), TypeError, "state is []; expected a StateStore or a dict of dicts"),
        (lambda: OpenAIMock(state={"filez": {}}), KeyError, "no resource 'filez' in the state. Closest: 'files'."),
        (lambda: OpenAIMock().state.files.content.list(), TypeError, "state.files.content has no list call"),
        (lambda: openai_responses.tool_call("f", {}, x=1), TypeError, "as a dict or as keywords, not as both"),
        (lambda: openai_responses.tool_call("f", x=object()), ValueError, "which is no JSON"),
        (lambda: openai_responses.stream("x", fault="y"), ValueError, "needs fail_after"),
        (lambda: setattr(OpenAIMock().files.create, "respnse", 1), AttributeError, "Closest: 'response'."),
        (lambda: setattr(OpenAIMock(), "files", 1), AttributeError, "has no 'files' to set"),
    ],
)
def test_mistakes_are_told_at_once(make, kind, words):
    with pytest.raises(kind) as caught:
        make()
    assert words in str(caught.value)


def test_a_mock_that_says_nothing_is_told(openai_mock):
    openai_mock.chat.completions.create.response = unittest.mock.MagicMock()
    with _b_mistake(TypeError, "which says nothing; give it a return_value"):
        _a_client().chat.completions.create(model="gpt-4o", messages=[])
    openai_mock.chat.completions.create.response = unittest.mock.MagicMock(return_value="Hi")
    answer = _a_client().chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x"}])
    assert answer.choices[0].message.content == "Hi"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda c: c.files.list(order="sideways"), "Invalid 'order': expected 'asc' or 'desc', but got 'sideways'."),
        (lambda c: c.files.list(limit=0), "Invalid 'limit': expected an integer between 1 and 10000"),
        (lambda c: c.fine_tuning.jobs.resume(_a_job(c)), "it is not paused"),
        (lambda c: c.fine_tuning.jobs.pause(c.fine_tuning.jobs.cancel(_a_job(c)).id), "Cannot pause a job with status"),
        (lambda c: c.vector_stores.search(_a_stored(c), query="x", filters={"type": "x"}), "Invalid filter type: 'x'"),
        (lambda c: c.vector_stores.search(_a_stored(c), query="x", filters=_a_than(1)), "Invalid filter value for 'n'"),
        (lambda c: c.responses.cancel(c.responses.create(model="m", input="x").id), "Only background responses"),
    ],
)
def test_requests_the_api_refuses(client, call, words):
    with pytest.raises(openai.BadRequestError) as caught:
        call(client)
    assert words in caught.value.body["message"]


def _a_job(client):
    file = client.files.create(file=b"{}", purpose="fine-tune")
    return client.fine_tuning.jobs.create(model="gpt-4o-mini", training_file=file.id).id


def _a_stored(client):
    file = client.files.create(file=b"x", purpose="assistants")
    store = client.vector_stores.create()
    client.vector_stores.files.create(store.id, file_id=file.id, attributes={"n": "text"})
    return store.id


def _a_than(value):
    return {"type": "gt", "key": "n", "value": value}


def test_a_deleted_file_leaves_its_vector_stores(client):
    file = client.files.create(file=b"x", purpose="assistants")
    store = client.vector_stores.create(file_ids=[file.id])
    batch = client.vector_stores.file_batches.create_and_poll(store.id, file_ids=[file.id])
    client.files.delete(file.id)
    assert client.vector_stores.files.list(store.id).data == []
    assert client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id).data == []
    assert client.vector_stores.retrieve(store.id).file_counts.total == 0


@_a_deprecated
def test_a_run_may_be_set_to_wait_for_tools(openai_mock, client):
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [call]}}
    openai_mock.beta.threads.runs.create.response = {"status": "requires_action", "required_action": action}
    assistant, thread = client.beta.assistants.create(model="gpt-4o").id, client.beta.threads.create().id
    with client.beta.threads.runs.stream(thread_id=thread, assistant_id=assistant) as streamed:
        assert streamed.get_final_run_steps()[0].step_details.tool_calls[0].id == "call_1"
    run = client.beta.threads.runs.list(thread).data[0]
    outputs = [{"tool_call_id": "call_1", "output": "x"}]
    done = client.beta.threads.runs.submit_tool_outputs_and_poll(run_id=run.id, thread_id=thread, tool_outputs=outputs)
    assert done.status == "completed"
    with pytest.raises(openai.BadRequestError, match="do not accept tool outputs"):
        client.beta.threads.runs.submit_tool_outputs(run.id, thread_id=thread, tool_outputs=outputs)


def test_transcripts_by_speakers_have_segments(client):
    said = {"file": b"x", "model": "gpt-4o-transcribe-diarize", "response_format": "diarized_json"}
    plain = client.audio.transcriptions.create(**said)
    assert [segment.text for segment in plain.segments] == [plain.text]
    events = list(client.audio.transcriptions.create(**said, stream=True))
    assert [event.type for event in events][:2] == ["transcript.text.segment", "transcript.text.delta"]


def test_content_stores_keep_bytes():
    from openai_responses.stores import ContentStore

    store = ContentStore()
    store.put("file-1", b"x")
    assert (store.get("file-1"), store.delete("file-1"), store.delete("file-1")) == (b"x", True, False)


def test_a_router_with_settings_of_its_own_answers_too(openai_mock):
    openai_mock.chat.completions.create.response = "Hi"
    with OpenAIMock().router(assert_all_called=True) as router:
        assert isinstance(router, respx.MockRouter)
        answer = _a_client().chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x"}])
    assert answer.choices[0].message.content == openai_responses.DEFAULT_TEXT


# ======================================================================================================================
# README, DOCS AND DOCSTRINGS
# ======================================================================================================================


# ======================================================================================================================
# THE DOCUMENTATION: every example of README, docs/ and the docstrings runs
# ======================================================================================================================

_C_ROOT = pathlib.Path(__file__).parent  # pathlib.Path(__file__).parent


class _CBlock(NamedTuple):
    """An example: where its code begins, and the code."""

    file: pathlib.Path
    line: int
    code: str


def _c_page_blocks(page: pathlib.Path) -> Iterator[_CBlock]:
    """The fenced Python blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for match in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield _CBlock(page, text.count("\n", 0, match.start(1)) + 1, match[1])


def _c_docstring_blocks(module: pathlib.Path) -> Iterator[_CBlock]:
    """The indented blocks of docstrings, but for sketches with `...` and the map of the rooms."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        text = (ast.get_docstring(node) or "") + "\n"
        for match in re.finditer(r"(?<=\n\n)(?: {4}.*\n|\n(?= {4}))+", text):
            code = textwrap.dedent(match[0])
            if "..." not in code and not code[:2].isupper():
                yield _CBlock(module, node.body[0].lineno + text.count("\n", 0, match.start()), code)


def _c_pages() -> list[pathlib.Path]:
    return [_C_ROOT / "README.md", *sorted((_C_ROOT / "docs").glob("*.md"))]


_C_PAGE_BLOCKS = [block for page in _c_pages() for block in _c_page_blocks(page)]
_C_DOCSTRING_BLOCKS = list(_c_docstring_blocks(_C_ROOT / "openai_responses.py"))


def _c_id(block: _CBlock) -> str:
    return f"{block.file.relative_to(_C_ROOT)}:{block.line}"


def _c_execute(block: _CBlock, **names: Any) -> dict[str, Any]:
    """Runs a block in a namespace of its own; tracebacks show its real lines."""
    namespace = {"__name__": "example", **names}
    exec(compile("\n" * (block.line - 1) + block.code, str(block.file), "exec"), namespace)
    return namespace


def _c_call(test: Any) -> None:
    """Calls a test function as pytest would, with a mock if it asks for one and no decorator brings it."""
    takes_mock = "openai_mock" in inspect.signature(test).parameters and not hasattr(test, "openai_mock")
    with OpenAIMock() as openai_mock:
        result = test(**({"openai_mock": openai_mock} if takes_mock else {}))
        if inspect.isawaitable(result):
            asyncio.run(_c_awaited(result))


async def _c_awaited(awaitable: Any) -> None:
    await awaitable


def _c_needs_pytest(code: str) -> bool:
    """Whether a block is a test module that says more than plain test functions do."""
    return "@pytest." in code or "unittest" in code or "\nclass Test" in code


def _c_run_pytest(code: str, folder: pathlib.Path) -> None:
    (folder / "test_example.py").write_text(code, encoding="utf-8")
    options = ["-p", "openai_responses", "-p", "no:cacheprovider", "-q", "-c", os.devnull, "--rootdir", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(_C_ROOT)}
    command = [sys.executable, "-m", "pytest", *options, "test_example.py"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK's own, for assistants
@pytest.mark.parametrize("block", _C_PAGE_BLOCKS, ids=_c_id)
def test_example_of_a_page_runs(block: _CBlock, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-fake")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    if _c_needs_pytest(block.code):
        return _c_run_pytest(block.code, tmp_path)
    namespace = _c_execute(block)
    tests = [value for name, value in namespace.items() if name.startswith("test_")]
    assert tests or "def test_" not in block.code
    for test in tests:
        _c_call(test)


@pytest.mark.parametrize("block", _C_DOCSTRING_BLOCKS, ids=_c_id)
def test_example_of_a_docstring_runs(block: _CBlock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-fake")
    with OpenAIMock() as openai_mock:
        known = {name: getattr(openai_responses, name) for name in openai_responses.__all__}
        known |= {"openai": openai, "openai_mock": openai_mock, "re": re, "create": openai_mock.chat.completions.create}
        namespace = _c_execute(block, **known)
    for name in namespace.keys() - known.keys():
        if name.startswith("test_"):
            _c_call(namespace[name])


def test_docs_are_collected() -> None:
    assert {block.file.name for block in _C_PAGE_BLOCKS} >= {"README.md", "scripting.md", "streaming.md", "state.md"}
    assert _C_DOCSTRING_BLOCKS


@pytest.mark.parametrize("page", _c_pages(), ids=lambda page: page.name)
def test_links_of_a_page_lead_somewhere(page: pathlib.Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("https://")]
    for link in links:
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in _c_anchors(target), link


def _c_anchors(page: pathlib.Path) -> set[str]:
    """What the headings of a page are linked by."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_example_script_prints_what_came_back() -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI_")}
    environment |= {"PYTHONPATH": str(_C_ROOT), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-W", "error", str(_C_ROOT / "docs" / "example.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    printed = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert printed["plain"] == printed["streamed"].replace("|", "") == "Hello! How can I help?"
    assert printed["tool loop"] == "get_weather(Tokyo) -> It is sunny in Tokyo."
    assert printed["search"] == "pets.txt says: Cats sleep most of the day."
    assert printed["error"] == "429, then: Here I am."


# ======================================================================================================================
# TYPE STUBS
# ======================================================================================================================


# ======================================================================================================================
# THE TYPE STUBS: what they promise, and what is there
# ======================================================================================================================

_D_ROOT = pathlib.Path(__file__).parent
_D_STUBS = _D_ROOT / "openai_responses-stubs"


@functools.cache
def _d_tree():
    paths = (_D_STUBS / "__init__.pyi", _D_STUBS / "_endpoints.pyi")
    return ast.parse("".join(path.read_text(encoding="utf-8") for path in paths))


@functools.cache
def _d_classes():
    """The classes of the stubs by name."""
    return {node.name: node for node in _d_tree().body if isinstance(node, ast.ClassDef)}


def _d_attributes(name):
    """The annotated attributes of a class and its bases: name to annotation."""
    node = _d_classes().get(name)
    if node is None:
        return {}
    inherited = [_d_attributes(ast.unparse(base)) for base in node.bases]
    own = {item.target.id: ast.unparse(item.annotation) for item in node.body if isinstance(item, ast.AnnAssign)}
    return functools.reduce(operator.or_, [*inherited, own])


def _d_leaves(name, leaf, prefix=""):
    """The types of all dotted names below a class that `leaf` says are ends of one."""
    found = {}
    for attribute, kind in _d_attributes(name).items():
        dotted = f"{prefix}{attribute}"
        if leaf(kind):
            found[dotted] = kind
        found |= _d_leaves(kind, leaf, f"{dotted}.")
    return found


def _d_endpoints():
    return _d_leaves("OpenAIMock", lambda kind: kind.endswith("Endpoint"))


def _d_reach(start, dotted):
    return functools.reduce(getattr, dotted.split("."), start)


def test_stubs_are_what_the_table_gives():
    written = runpy.run_path(str(_D_ROOT / "docs" / "development" / "make_stubs.py"))["stub"]()
    on_disk = (_D_STUBS / "_endpoints.pyi").read_bytes().decode()
    assert on_disk == written, "the module has changed since: run python docs/development/make_stubs.py"


def test_stubs_name_each_class_once():
    names = [node.name for node in _d_tree().body if isinstance(node, ast.ClassDef)]
    assert len(names) == len(set(names))


def test_stubs_name_every_endpoint_of_the_table_and_no_other():
    table = {row[0] for row in openai_responses._TABLE} | set(openai_responses._HELPERS)
    assert set(_d_endpoints()) == table


def test_stubs_name_every_endpoint_that_answers():
    assert set(openai_responses._names()) <= set(_d_endpoints())


def test_stubs_name_every_resource_of_the_state_and_no_other():
    def is_resource(kind):
        bases = [ast.unparse(base) for base in _d_classes()[kind].bases] if kind in _d_classes() else []
        return kind in ("Resource", "ContentStore") or "Resource" in bases

    found = _d_leaves("StateStore", is_resource)
    assert set(found) == set(openai_responses._resources())
    content = {name for name, kind in found.items() if kind == "ContentStore"}
    assert content == set(openai_responses._CONTENT_RESOURCES)
    assert all(_d_reach(StateStore(), name) is not None for name in found)


@pytest.mark.parametrize(
    ("value", "takers"),
    [
        ("text", {"TextEndpoint", "BinaryEndpoint"}),
        (b"bytes", {"BinaryEndpoint"}),
        (cut("turn"), {"TextEndpoint"}),
        ({}, {"ObjectEndpoint", "TextEndpoint", "BinaryEndpoint"}),
    ],
    ids=["str", "bytes", "turn", "dict"],
)
def test_stubs_let_an_endpoint_take_what_it_takes(value, takers):
    def takes(name):
        try:
            _d_reach(OpenAIMock(), name).response = value
        except TypeError:
            return False
        return True

    promised = {name: kind in takers for name, kind in _d_endpoints().items() if name in openai_responses._names()}
    assert promised == {name: takes(name) for name in promised}


# ---- signatures ------------------------------------------------------------------------------------------------------


def _d_parameters(node):
    """Name and kind of the parameters of a function in the stubs."""
    kinds = inspect.Parameter
    given = [(arg.arg, kinds.POSITIONAL_ONLY) for arg in node.args.posonlyargs]
    given += [(arg.arg, kinds.POSITIONAL_OR_KEYWORD) for arg in node.args.args]
    given += [(node.args.vararg.arg, kinds.VAR_POSITIONAL)] if node.args.vararg else []
    given += [(arg.arg, kinds.KEYWORD_ONLY) for arg in node.args.kwonlyargs]
    return given + ([(node.args.kwarg.arg, kinds.VAR_KEYWORD)] if node.args.kwarg else [])


def _d_functions(body, prefix=""):
    """The public functions and methods of the stubs by dotted name; of overloads the last."""
    found = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (
            node.name[0] != "_" or node.name == "__init__"
        ):
            found[f"{prefix}{node.name}"] = node
        if isinstance(node, ast.ClassDef) and node.name[0] != "_" and node.name != "ContentStore":
            found |= _d_functions(node.body, f"{node.name}.")
    return found


@pytest.mark.parametrize("name", _d_functions(_d_tree().body))
def test_stubs_give_a_function_the_parameters_it_has(name):
    node, there = _d_functions(_d_tree().body)[name], _d_reach(openai_responses, name)
    if isinstance(there, property | functools.cached_property):
        assert ast.unparse(node.decorator_list[0]).endswith(("property", "setter", "deleter"))
    else:
        assert _d_parameters(node) == [(each.name, each.kind) for each in inspect.signature(there).parameters.values()]


def test_stubs_have_every_public_method_of_what_a_user_holds():
    for name in ("OpenAIMock", "Endpoint", "Rule", "Resource", "MockTransport", "EventStream", "AsyncEventStream"):
        owner = getattr(openai_responses, name)
        ours = [cls for cls in owner.__mro__ if cls.__module__ == "openai_responses"]
        mine = [cls for cls in ours if not cls.__name__.startswith("_")]
        public = {attribute for cls in mine for attribute in vars(cls) if attribute[0] != "_"}
        stubbed = {dotted.partition(".")[2] for cls in mine for dotted in _d_functions([_d_classes()[cls.__name__]])}
        assert public == stubbed - {"__init__"}, name


@pytest.mark.parametrize("name", ["Request", "Turn", "ToolCall", "Streamed", "Pace"])
def test_stubs_give_a_tuple_the_fields_it_has(name):
    assert tuple(_d_attributes(name)) == getattr(openai_responses, name)._fields


def test_stubs_export_what_the_module_exports():
    exported = next(
        ast.literal_eval(node.value)
        for node in _d_tree().body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    assert exported == openai_responses.__all__
    defined = {node.name for node in _d_tree().body if hasattr(node, "name")}
    assert set(exported) <= defined


# ---- submodules ------------------------------------------------------------------------------------------------------


@functools.cache
def _d_submodules():
    """The syntax trees of the submodules by dotted name."""
    trees = {}
    for path in _D_STUBS.rglob("*.pyi"):
        parts = path.relative_to(_D_STUBS).with_suffix("").parts
        trees[".".join(part for part in parts if part != "__init__")] = ast.parse(path.read_text(encoding="utf-8"))
    return {name: tree for name, tree in trees.items() if name and name[0] != "_"}


def test_stubs_have_every_submodule_and_no_other():
    prefix = "openai_responses."
    assert set(_d_submodules()) == {name.removeprefix(prefix) for name in sys.modules if name.startswith(prefix)}


@pytest.mark.parametrize("name", sorted(_d_submodules()))
def test_stubs_of_a_submodule_promise_what_it_has(name):
    module = sys.modules[f"openai_responses.{name}"]
    for node in _d_submodules()[name].body:
        if isinstance(node, ast.ImportFrom) and node.level:
            assert all(hasattr(module, alias.name) for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            assert {each for each in sys.modules[node.module].__all__ if each[0] != "_"} <= set(vars(module))
        if isinstance(node, ast.FunctionDef):
            by_name = [parameter for parameter, _ in _d_parameters(node)]
            inspect.signature(getattr(module, node.name)).bind(**dict.fromkeys(by_name))


# ---- a type checker --------------------------------------------------------------------------------------------------

_D_RIGHT = """\
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
from pydantic import BaseModel

import openai_responses
from openai_responses import EventStream, OpenAIMock, StateStore, cut, error, refusal, stream, timeout, tool_call
from openai_responses.ext.httpx import MockTransport, Request, Response
from openai_responses.ext.respx import Route
from openai_responses.stores import ContentStore
from openai_responses.streaming import AsyncEventStream

class City(BaseModel):
    name: str

class Greeting(EventStream[dict[str, Any]]):
    def generate(self) -> Iterator[dict[str, Any]]:
        yield {"type": "response.created"}

class AsyncGreeting(AsyncEventStream[dict[str, Any]]):
    async def agenerate(self) -> AsyncIterator[dict[str, Any]]:
        yield {"type": "response.created"}

def events() -> Iterator[dict[str, Any]]:
    yield {"type": "response.created"}

async def async_events(request: Request) -> AsyncIterator[dict[str, str]]:
    yield {"type": "response.created"}

def answer(request: Request, route: Route, *, state_store: StateStore, run_id: str) -> City | str:
    return "Hi"

async def slow(request: httpx.Request) -> Response:
    return Response(200)

@openai_responses.mock()
def test_everything(openai_mock: OpenAIMock) -> None:
    create = openai_mock.chat.completions.create
    create.response = "Hi"
    create.response = {"choices": [{"message": {"content": "Hi"}}]}
    create.response = City(name="Oslo")
    create.response = answer
    create.response = slow
    create.response = events
    create.response = events()
    create.response = async_events
    create.response = Greeting()
    create.response = httpx.Response(200, content=AsyncGreeting())
    create.response = lambda request: request.url.path
    create.response = lambda request, route: {"choices": [{"index": route.call_count}]}
    create.response = lambda request: [tool_call("get_weather"), "Sunny"]
    create.response = httpx.ConnectError
    create.response = "Wait. " + tool_call("get_weather", city="Oslo") + tool_call("get_time", {"city": "Oslo"})
    create.response = [tool_call("a"), "b", error(429), timeout(), lambda request: "c", {}, City(name="d"), refusal()]
    create.response = ("a", cut("b"), stream("c", chunk=3, fail_after=2, fault={"error": {}}))
    steps = ["a", "b"]
    create.response = steps
    del create.response
    create.when("weather").response = [error(500), "Sunny"]
    create.when(re.compile("weather"), tool_result=True, model="gpt-4o").response = {}
    create.when(lambda body: len(body["messages"]) > 3).response = stream(["a", "b"])
    assert create.route.call_count == 1 and create.requests[0]["model"] == "gpt-4o"
    create.assert_called_with({"stream": True}, model="gpt-4o")
    openai_mock.files.content.response = [b"bytes", error(404), "text"]
    openai_mock.files.create.response = {"filename": "a.txt"}
    openai_mock.files.delete.response = [error(500), {}]
    openai_mock.beta.threads.runs.create_and_poll.response = tool_call("get_weather")
    openai_mock.state = {"files": {"file-1": {"id": "file-1"}}}
    openai_mock.state["files"]["file-2"] = {"id": "file-2"}
    openai_mock.state.beta.threads.messages.list("thread_1", limit=1)[0].id
    content: ContentStore = openai_mock.state.files.content
    content.put("file-1", b"bytes")
    openai_mock.router.post("/elsewhere").mock(return_value=httpx.Response(200))
    status: int | None = openai_mock.requests[0].status
    openai_mock.assert_all_used()

@openai_responses.mock
async def test_bare(openai_mock: OpenAIMock) -> int:
    async with OpenAIMock(base_url="https://example.test/v1", strict=True) as inner, openai_mock.router:
        inner.responses.create.response = "Hi"
    return 1

@openai_responses.mock(state={"files": {}}, assert_all_used=True)
def test_without_argument() -> int:
    with OpenAIMock().router, OpenAIMock() as inner:
        inner.responses.create.response = "Hi"
    return 1

async def use() -> int:
    test_everything()
    return await test_bare() + test_without_argument()

openai_mock = OpenAIMock()
client = httpx.Client(transport=MockTransport(openai_mock.router.handler))
async_client = httpx.AsyncClient(transport=MockTransport(openai_mock.router.async_handler, otherwise=None))
openai_responses.ext.httpx.Request("GET", "https://example.test")
"""

# Each wrong line, and the code mypy reports it with.
_D_WRONG = [
    ("from openai_responses.ext.httpx import MockTransprt", "attr-defined"),
    ("from openai_responses import nothing", "attr-defined"),
    ("OpenAIMock(nonsense=1)", "call-arg"),
    ("openai_mock.chats", "attr-defined"),
    ("openai_mock.chat.completion.create.response = 'Hi'", "attr-defined"),
    ("openai_mock.chat.completions.creat.response = 'Hi'", "attr-defined"),
    ("openai_mock.chat.completions.create.respose = 'Hi'", "attr-defined"),
    ("openai_mock.chat.completions.create = 'Hi'", "assignment"),
    ("openai_mock.chat.completions.create.response = 1", "assignment"),
    ("openai_mock.chat.completions.create.response = None", "assignment"),
    ("openai_mock.chat.completions.create.response = b'Hi'", "assignment"),
    ("openai_mock.chat.completions.create.response = ['Hi', 1]", "list-item"),
    ("openai_mock.chat.completions.create.response = lambda request: 1", "assignment"),
    ("openai_mock.chat.completions.create.response = KeyboardInterrupt", "assignment"),
    ("openai_mock.files.create.response = 'text'", "assignment"),
    ("openai_mock.files.create.response = ['text']", "list-item"),
    ("openai_mock.files.create.response = cut('text')", "assignment"),
    ("openai_mock.files.create.when(purpose='batch').response = b'bytes'", "assignment"),
    ("openai_mock.files.content.response = cut('text')", "assignment"),
    ("openai_mock.files.create.when(1)", "arg-type"),
    ("openai_mock.state = 1", "assignment"),
    ("openai_mock.state.fils", "attr-defined"),
    ("openai_mock.state.beta.put({})", "attr-defined"),
    ("openai_mock.state.files.content.put('file-1', 'text')", "arg-type"),
    ("openai_mock.requests[0].bdy", "attr-defined"),
    ("stream('Hi', chunk='word')", "arg-type"),
    ("tool_call(1)", "arg-type"),
    ("openai_responses.mock(strct=True)", "call-overload"),
]


def test_mypy_passes_what_works_and_reports_what_does_not(tmp_path):
    pytest.importorskip("mypy")
    shutil.copytree(_D_STUBS, tmp_path / "path" / "openai_responses")  # mypy wants a `-stubs` folder to be installed
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "sample.py").write_text(_D_RIGHT + "\n".join(line for line, _ in _D_WRONG))
    command = "-m mypy --strict --config-file= --no-error-summary --hide-error-context --cache-dir=../cache sample.py"
    run = subprocess.run(
        [sys.executable, *command.split()],
        cwd=tmp_path / "project",
        env={**os.environ, "MYPYPATH": str(tmp_path / "path")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not run.stderr
    reports = [line for line in run.stdout.splitlines() if ": error: " in line]
    first = _D_RIGHT.count("\n") + 1
    expected = [("sample.py", number, code) for number, (_, code) in enumerate(_D_WRONG, first)]
    found = [(*line.split(":")[:2], line.rpartition("[")[2].rstrip("]")) for line in reports]
    assert [(path, int(number), code) for path, number, code in found] == expected


# ======================================================================================================================
# AGENT FRAMEWORKS
# ======================================================================================================================


# ---- agent frameworks: with no client settings but a fake key --------------------------------------------------------


_E_LOOP = [tool_call("get_weather", city="Tokyo"), "It is sunny in Tokyo."]
_E_WEATHER_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
_E_MODES = ["chat.completions", "responses"]


class _e_City(pydantic.BaseModel):
    name: str
    population: int
    tags: list[str]


_E_KYOTO = _e_City(name="Kyoto", population=1_460_000, tags=["temples", "京都"])


@pytest.fixture
def _e_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-fake")
    monkeypatch.setenv("LANGSMITH_TRACING", "false")


@pytest.fixture
def _e_event_loop():
    """The loop that the synchronous functions of asynchronous frameworks run on, and leave open."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    asyncio.set_event_loop(None)


def _e_endpoint(openai_mock, mode):
    return {"chat.completions": openai_mock.chat.completions.create, "responses": openai_mock.responses.create}[mode]


# ---- the bare SDK ----------------------------------------------------------------------------------------------------


def _e_chat_loop(client):
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": _E_WEATHER_SCHEMA}}
    messages = [{"role": "user", "content": "What is the weather in Tokyo?"}]
    asked = []
    while True:
        message = client.chat.completions.create(model="gpt-5", messages=messages, tools=[tool]).choices[0].message
        if not message.tool_calls:
            return message.content, asked
        messages.append(message.to_dict())
        for call in message.tool_calls:
            asked.append(json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": "sunny"})


def _e_responses_loop(client):
    tool = {"type": "function", "name": "get_weather", "parameters": _E_WEATHER_SCHEMA, "strict": True}
    response = client.responses.create(model="gpt-5", input="What is the weather in Tokyo?", tools=[tool])
    asked = []
    while calls := [item for item in response.output if item.type == "function_call"]:
        asked += [json.loads(call.arguments) for call in calls]
        outputs = [{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"} for call in calls]
        response = client.responses.create(model="gpt-5", input=outputs, tools=[tool], previous_response_id=response.id)
    return response.output_text, asked


def _e_assistants_loop(client):
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": _E_WEATHER_SCHEMA}}
    assistant = client.beta.assistants.create(model="gpt-5", tools=[tool])
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "What is the weather in Tokyo?"}])
    run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    asked = []
    while run.status == "requires_action":
        calls = run.required_action.submit_tool_outputs.tool_calls
        asked += [json.loads(call.function.arguments) for call in calls]
        outputs = [{"tool_call_id": call.id, "output": "sunny"} for call in calls]
        run = client.beta.threads.runs.submit_tool_outputs_and_poll(
            run_id=run.id, thread_id=thread.id, tool_outputs=outputs
        )
    assert run.status == "completed"
    return client.beta.threads.messages.list(thread.id).data[0].content[0].text.value, asked


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "name, loop",
    [
        ("chat.completions.create", _e_chat_loop),
        ("responses.create", _e_responses_loop),
        ("beta.threads.runs.create", _e_assistants_loop),
    ],
)
def test_one_list_of_steps_drives_the_tool_loop_of_every_api(openai_mock, _e_key, name, loop):
    endpoint = openai_mock
    for part in name.split("."):
        endpoint = getattr(endpoint, part)
    endpoint.response = _E_LOOP
    assert loop(openai.OpenAI()) == ("It is sunny in Tokyo.", [{"city": "Tokyo"}])
    openai_mock.assert_all_used()


# ---- openai-agents ---------------------------------------------------------------------------------------------------


def _e_run_config(mode):
    agents = pytest.importorskip("agents")
    return agents.RunConfig(model_provider=agents.OpenAIProvider(use_responses=mode == "responses"))


def _e_weather_agent():
    agents = pytest.importorskip("agents")
    cities = []

    @agents.function_tool
    def get_weather(city: str) -> str:
        """The weather in a city."""
        cities.append(city)
        return "sunny"

    return agents.Agent(name="Weather", instructions="Be short.", model="gpt-5", tools=[get_weather]), cities


async def _e_run_agent(agent, text, mode, streamed):
    agents = pytest.importorskip("agents")
    if not streamed:
        return await agents.Runner.run(agent, text, run_config=_e_run_config(mode)), None
    result = agents.Runner.run_streamed(agent, text, run_config=_e_run_config(mode))
    pieces = [
        event.data.delta
        async for event in result.stream_events()
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
    ]
    return result, pieces


@pytest.mark.parametrize("mode", _E_MODES)
def test_openai_agents_answers_synchronously(openai_mock, _e_key, _e_event_loop, mode):
    agents = pytest.importorskip("agents")
    _e_endpoint(openai_mock, mode).response = "Hello! How can I help?"
    agent = agents.Agent(name="Helper", instructions="Be short.", model="gpt-5")
    result = agents.Runner.run_sync(agent, "Hi", run_config=_e_run_config(mode))
    assert result.final_output == "Hello! How can I help?"
    assert _e_endpoint(openai_mock, mode).route.call_count == 1
    assert [request.endpoint for request in openai_mock.requests] == [f"{mode}.create"]


async def test_openai_agents_works_with_no_run_config(openai_mock, _e_key):
    agents = pytest.importorskip("agents")
    openai_mock.responses.create.response = "Hello!"
    result = await agents.Runner.run(agents.Agent(name="Helper", model="gpt-5"), "Hi")
    assert result.final_output == "Hello!"
    assert result.context_wrapper.usage.total_tokens > 0


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("mode", _E_MODES)
async def test_openai_agents_answers(openai_mock, _e_key, mode, streamed):
    agents = pytest.importorskip("agents")
    _e_endpoint(openai_mock, mode).response = "Hello! How can I help? 東京 🌞"
    agent = agents.Agent(name="Helper", instructions="Be short.", model="gpt-5")
    result, pieces = await _e_run_agent(agent, "Hi", mode, streamed)
    assert result.final_output == "Hello! How can I help? 東京 🌞"
    if streamed:
        assert len(pieces) > 1
        assert "".join(pieces) == result.final_output


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("mode", _E_MODES)
async def test_openai_agents_answers_with_nothing_set(openai_mock, _e_key, mode, streamed):
    agents = pytest.importorskip("agents")
    result, _ = await _e_run_agent(agents.Agent(name="Helper", model="gpt-5"), "Hi", mode, streamed)
    assert isinstance(result.final_output, str)
    assert result.final_output


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("mode", _E_MODES)
async def test_openai_agents_runs_the_tool_loop(openai_mock, _e_key, mode, streamed):
    pytest.importorskip("agents")
    _e_endpoint(openai_mock, mode).response = _E_LOOP
    agent, cities = _e_weather_agent()
    result, _ = await _e_run_agent(agent, "What is the weather in Tokyo?", mode, streamed)
    assert (result.final_output, cities) == ("It is sunny in Tokyo.", ["Tokyo"])
    assert len(_e_endpoint(openai_mock, mode).requests) == 2
    openai_mock.assert_all_used()


@pytest.mark.parametrize("mode", _E_MODES)
async def test_openai_agents_runs_parallel_tool_calls(openai_mock, _e_key, mode):
    pytest.importorskip("agents")
    both = tool_call("get_weather", city="Tokyo") + tool_call("get_weather", city="Oslo")
    _e_endpoint(openai_mock, mode).response = [both, "Sunny in both."]
    agent, cities = _e_weather_agent()
    result, _ = await _e_run_agent(agent, "Where is it sunny?", mode, streamed=False)
    assert (result.final_output, sorted(cities)) == ("Sunny in both.", ["Oslo", "Tokyo"])


@pytest.mark.parametrize("mode", _E_MODES)
async def test_openai_agents_hands_off_to_another_agent(openai_mock, _e_key, mode):
    agents = pytest.importorskip("agents")
    _e_endpoint(openai_mock, mode).response = [tool_call("transfer_to_spanish"), "¡Hola!"]
    spanish = agents.Agent(name="Spanish", model="gpt-5")
    triage = agents.Agent(name="Triage", model="gpt-5", handoffs=[spanish])
    result, _ = await _e_run_agent(triage, "Hola", mode, streamed=False)
    assert (result.final_output, result.last_agent.name) == ("¡Hola!", "Spanish")


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("mode", _E_MODES)
async def test_openai_agents_gets_the_structured_output_that_is_set(openai_mock, _e_key, mode, streamed):
    agents = pytest.importorskip("agents")
    _e_endpoint(openai_mock, mode).response = _E_KYOTO
    agent = agents.Agent(name="Cities", model="gpt-5", output_type=_e_City)
    result, _ = await _e_run_agent(agent, "Tell me of Kyoto", mode, streamed)
    assert result.final_output == _E_KYOTO


@pytest.mark.parametrize("mode", _E_MODES)
async def test_openai_agents_gets_structured_output_with_nothing_set(openai_mock, _e_key, mode):
    agents = pytest.importorskip("agents")
    agent = agents.Agent(name="Cities", model="gpt-5", output_type=_e_City)
    result, _ = await _e_run_agent(agent, "Tell me of a city", mode, streamed=False)
    assert isinstance(result.final_output, _e_City)


@pytest.mark.parametrize("mode", _E_MODES)
async def test_openai_agents_retries_a_rate_limit_and_goes_on(openai_mock, _e_key, mode):
    agents = pytest.importorskip("agents")
    _e_endpoint(openai_mock, mode).response = [error(429, code="rate_limit_exceeded"), "Here I am."]
    result, _ = await _e_run_agent(agents.Agent(name="Helper", model="gpt-5"), "Hi", mode, streamed=False)
    assert result.final_output == "Here I am."
    assert [(request.attempt, request.status) for request in openai_mock.requests] == [(0, 429), (1, 200)]


async def test_openai_agents_posts_its_traces_without_a_word(openai_mock, _e_key, caplog, recwarn):
    agents = pytest.importorskip("agents")
    caplog.set_level(logging.DEBUG, logger="openai.agents")
    openai_mock.responses.create.response = "Hello!"
    agents.set_tracing_disabled(False)
    with agents.trace("one trace"):
        await agents.Runner.run(agents.Agent(name="Helper", model="gpt-5"), "Hi")
    await asyncio.to_thread(agents.flush_traces)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert "Exported" in caplog.text
    assert [str(warning.message) for warning in recwarn] == []
    assert [request.endpoint for request in openai_mock.requests] == ["responses.create"]


async def test_openai_agents_has_no_traces_left_to_send_when_the_mock_has_ended(openai_mock, _e_key):
    agents = pytest.importorskip("agents")
    agents.set_tracing_disabled(False)
    await asyncio.to_thread(agents.flush_traces)
    ingest = openai_mock.router.post("https://api.openai.com/v1/traces/ingest").respond(204)
    with OpenAIMock() as inner:
        inner.responses.create.response = "Hello!"
        await agents.Runner.run(agents.Agent(name="Helper", model="gpt-5"), "Hi")
    await asyncio.to_thread(agents.flush_traces)
    assert ingest.call_count == 0


@openai_responses.mock(strict=True)
@pytest.mark.parametrize("mode", _E_MODES)
async def test_openai_agents_sends_what_strict_mode_takes(openai_mock, _e_key, mode):
    pytest.importorskip("agents")
    _e_endpoint(openai_mock, mode).response = _E_LOOP
    agent, cities = _e_weather_agent()
    result, _ = await _e_run_agent(agent, "What is the weather in Tokyo?", mode, streamed=False)
    assert (result.final_output, cities) == ("It is sunny in Tokyo.", ["Tokyo"])
    assert [request.status for request in openai_mock.requests] == [200, 200]


# ---- langchain-openai ------------------------------------------------------------------------------------------------


def _e_langchain(mode, **settings):
    langchain_openai = pytest.importorskip("langchain_openai")
    return langchain_openai.ChatOpenAI(model="gpt-5", use_responses_api=mode == "responses", **settings)


async def _e_invoke(model, value, asynchronous):
    return await model.ainvoke(value) if asynchronous else model.invoke(value)


async def _e_chunks(model, value, asynchronous):
    return [chunk async for chunk in model.astream(value)] if asynchronous else list(model.stream(value))


def _e_text(message):
    content = message.content
    return content if isinstance(content, str) else "".join(block.get("text", "") for block in content)


_E_BOTH = pytest.mark.parametrize("asynchronous", [False, True])


@_E_BOTH
@pytest.mark.parametrize("mode", _E_MODES)
async def test_langchain_answers(openai_mock, _e_key, mode, asynchronous):
    pytest.importorskip("langchain_openai")
    _e_endpoint(openai_mock, mode).response = "Hello! How can I help?"
    message = await _e_invoke(_e_langchain(mode), "Hi", asynchronous)
    assert _e_text(message) == "Hello! How can I help?"
    assert message.usage_metadata["total_tokens"] > 0
    assert [request.endpoint for request in openai_mock.requests] == [f"{mode}.create"]


@_E_BOTH
@pytest.mark.parametrize("mode", _E_MODES)
async def test_langchain_streams(openai_mock, _e_key, mode, asynchronous):
    pytest.importorskip("langchain_openai")
    _e_endpoint(openai_mock, mode).response = "Hello! How can I help? 東京 🌞"
    chunks = await _e_chunks(_e_langchain(mode, stream_usage=True), "Hi", asynchronous)
    assert len([chunk for chunk in chunks if _e_text(chunk)]) > 1
    assert "".join(map(_e_text, chunks)) == "Hello! How can I help? 東京 🌞"
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert whole.usage_metadata["total_tokens"] > 0


@_E_BOTH
@pytest.mark.parametrize("mode", _E_MODES)
@pytest.mark.parametrize("streamed", [False, True])
async def test_langchain_runs_the_tool_loop(openai_mock, _e_key, mode, asynchronous, streamed):
    pytest.importorskip("langchain_openai")
    messages = pytest.importorskip("langchain_core.messages")
    tools = pytest.importorskip("langchain_core.tools")
    cities = []

    @tools.tool
    def get_weather(city: str) -> str:
        """The weather in a city."""
        cities.append(city)
        return "sunny"

    _e_endpoint(openai_mock, mode).response = _E_LOOP
    model = _e_langchain(mode).bind_tools([get_weather])
    said = [messages.HumanMessage("What is the weather in Tokyo?")]
    while True:
        if streamed:
            chunks = await _e_chunks(model, said, asynchronous)
            answer = chunks[0]
            for chunk in chunks[1:]:
                answer += chunk
        else:
            answer = await _e_invoke(model, said, asynchronous)
        said.append(answer)
        if not answer.tool_calls:
            break
        said += [get_weather.invoke(call) for call in answer.tool_calls]
    assert (_e_text(answer), cities) == ("It is sunny in Tokyo.", ["Tokyo"])
    openai_mock.assert_all_used()


@_E_BOTH
@pytest.mark.parametrize("mode", _E_MODES)
@pytest.mark.parametrize("method", ["json_schema", "json_mode"])
async def test_langchain_gets_the_structured_output_that_is_set(openai_mock, _e_key, mode, asynchronous, method):
    pytest.importorskip("langchain_openai")
    _e_endpoint(openai_mock, mode).response = _E_KYOTO
    model = _e_langchain(mode).with_structured_output(_e_City, method=method)
    assert await _e_invoke(model, "Tell me of Kyoto in JSON", asynchronous) == _E_KYOTO


@pytest.mark.parametrize("mode", _E_MODES)
async def test_langchain_gets_structured_output_through_a_function_call(openai_mock, _e_key, mode):
    pytest.importorskip("langchain_openai")
    _e_endpoint(openai_mock, mode).response = tool_call("_e_City", _E_KYOTO.model_dump())
    model = _e_langchain(mode).with_structured_output(_e_City, method="function_calling")
    assert await _e_invoke(model, "Tell me of Kyoto", asynchronous=True) == _E_KYOTO


@_E_BOTH
@pytest.mark.parametrize("mode", _E_MODES)
@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
async def test_langchain_gets_structured_output_with_nothing_set(openai_mock, _e_key, mode, asynchronous, method):
    pytest.importorskip("langchain_openai")
    model = _e_langchain(mode).with_structured_output(_e_City, method=method)
    assert isinstance(await _e_invoke(model, "Tell me of a city", asynchronous), _e_City)


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # of LangChain's own making
@pytest.mark.parametrize("mode", _E_MODES)
def test_langchain_streams_structured_output(openai_mock, _e_key, mode):
    pytest.importorskip("langchain_openai")
    _e_endpoint(openai_mock, mode).response = _E_KYOTO
    model = _e_langchain(mode).with_structured_output(_e_City)
    assert list(model.stream("Tell me of Kyoto"))[-1] == _E_KYOTO


@openai_responses.mock(strict=True)
@pytest.mark.parametrize("mode", _E_MODES)
def test_langchain_sends_what_strict_mode_takes(openai_mock, _e_key, mode):
    pytest.importorskip("langchain_openai")
    _e_endpoint(openai_mock, mode).response = _E_KYOTO
    assert _e_langchain(mode).with_structured_output(_e_City).invoke("Tell me of Kyoto") == _E_KYOTO


@pytest.mark.parametrize("mode", _E_MODES)
def test_langchain_tells_of_a_refusal(openai_mock, _e_key, mode):
    langchain_openai = pytest.importorskip("langchain_openai")
    refused = langchain_openai.chat_models.base.OpenAIRefusalError
    _e_endpoint(openai_mock, mode).response = refusal("I would rather not.")
    with pytest.raises(refused, match="I would rather not"):
        _e_langchain(mode).with_structured_output(_e_City).invoke("Tell me of Kyoto")


@_E_BOTH
async def test_langchain_embeds(openai_mock, _e_key, asynchronous):
    langchain_openai = pytest.importorskip("langchain_openai")
    embeddings = langchain_openai.OpenAIEmbeddings(
        model="text-embedding-3-small", dimensions=8, check_embedding_ctx_length=False
    )
    texts = ["one", "two", "one"]
    vectors = await embeddings.aembed_documents(texts) if asynchronous else embeddings.embed_documents(texts)
    assert vectors[0] == vectors[2] != vectors[1]
    assert [len(vector) for vector in vectors] == [8, 8, 8]


# ---- pydantic-ai -----------------------------------------------------------------------------------------------------


def _e_pydantic_agent(mode, **settings):
    pydantic_ai = pytest.importorskip("pydantic_ai")
    prefix = {"chat.completions": "openai-chat", "responses": "openai-responses"}[mode]
    return pydantic_ai.Agent(f"{prefix}:gpt-5", **settings)


async def _e_run_pydantic(agent, text, streamed):
    """The output of an agent, and the pieces it came in."""
    if not streamed:
        return (await agent.run(text)).output, None
    async with agent.run_stream(text) as result:
        pieces = [piece async for piece in result.stream_output(debounce_by=None)]
        return await result.get_output(), pieces


@pytest.mark.parametrize("mode", _E_MODES)
def test_pydantic_ai_answers_synchronously(openai_mock, _e_key, _e_event_loop, mode):
    pytest.importorskip("pydantic_ai")
    _e_endpoint(openai_mock, mode).response = "Hello! How can I help?"
    result = _e_pydantic_agent(mode).run_sync("Hi")
    assert result.output == "Hello! How can I help?"
    assert result.usage.total_tokens > 0
    assert [request.endpoint for request in openai_mock.requests] == [f"{mode}.create"]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("mode", _E_MODES)
async def test_pydantic_ai_answers(openai_mock, _e_key, mode, streamed):
    pytest.importorskip("pydantic_ai")
    _e_endpoint(openai_mock, mode).response = "Hello! How can I help? 東京 🌞"
    output, pieces = await _e_run_pydantic(_e_pydantic_agent(mode), "Hi", streamed)
    assert output == "Hello! How can I help? 東京 🌞"
    if streamed:
        assert len(pieces) > 2


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("mode", _E_MODES)
async def test_pydantic_ai_runs_the_tool_loop(openai_mock, _e_key, mode, streamed):
    pytest.importorskip("pydantic_ai")
    _e_endpoint(openai_mock, mode).response = _E_LOOP
    agent, cities = _e_pydantic_agent(mode), []

    @agent.tool_plain
    def get_weather(city: str) -> str:
        """The weather in a city."""
        cities.append(city)
        return "sunny"

    output, _ = await _e_run_pydantic(agent, "What is the weather in Tokyo?", streamed)
    assert (output, cities) == ("It is sunny in Tokyo.", ["Tokyo"])
    openai_mock.assert_all_used()


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("mode", _E_MODES)
async def test_pydantic_ai_gets_the_structured_output_that_is_set(openai_mock, _e_key, mode, streamed):
    pydantic_ai = pytest.importorskip("pydantic_ai")
    _e_endpoint(openai_mock, mode).response = _E_KYOTO
    agent = _e_pydantic_agent(mode, output_type=pydantic_ai.NativeOutput(_e_City))
    output, _ = await _e_run_pydantic(agent, "Tell me of Kyoto", streamed)
    assert output == _E_KYOTO
    assert len(_e_endpoint(openai_mock, mode).requests) == 1


@pytest.mark.parametrize("mode", _E_MODES)
async def test_pydantic_ai_takes_an_instance_without_being_told_how_to_ask_for_it(openai_mock, _e_key, mode):
    pytest.importorskip("pydantic_ai")
    _e_endpoint(openai_mock, mode).response = _E_KYOTO
    output, _ = await _e_run_pydantic(_e_pydantic_agent(mode, output_type=_e_City), "Tell me of Kyoto", streamed=False)
    assert output == _E_KYOTO


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("mode", _E_MODES)
async def test_pydantic_ai_gets_structured_output_through_its_output_tool(openai_mock, _e_key, mode, streamed):
    pytest.importorskip("pydantic_ai")
    _e_endpoint(openai_mock, mode).response = tool_call("final_result", _E_KYOTO.model_dump())
    output, _ = await _e_run_pydantic(_e_pydantic_agent(mode, output_type=_e_City), "Tell me of Kyoto", streamed)
    assert output == _E_KYOTO


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("mode", _E_MODES)
async def test_pydantic_ai_gets_structured_output_with_nothing_set(openai_mock, _e_key, mode, native, streamed):
    pydantic_ai = pytest.importorskip("pydantic_ai")
    agent = _e_pydantic_agent(mode, output_type=pydantic_ai.NativeOutput(_e_City) if native else _e_City)
    output, _ = await _e_run_pydantic(agent, "Tell me of a city", streamed)
    assert isinstance(output, _e_City)
    assert len(_e_endpoint(openai_mock, mode).requests) == 1


@pytest.mark.parametrize("mode", _E_MODES)
async def test_pydantic_ai_retries_arguments_its_validation_refuses(openai_mock, _e_key, mode):
    pytest.importorskip("pydantic_ai")
    _e_endpoint(openai_mock, mode).response = [
        tool_call("final_result", name="Kyoto", population="many", tags=[]),
        tool_call("final_result", _E_KYOTO.model_dump()),
    ]
    output, _ = await _e_run_pydantic(_e_pydantic_agent(mode, output_type=_e_City), "Kyoto?", streamed=False)
    assert output == _E_KYOTO
    assert "population" in json.dumps(_e_endpoint(openai_mock, mode).requests[1])


@openai_responses.mock(strict=True)
@pytest.mark.parametrize("mode", _E_MODES)
async def test_pydantic_ai_sends_what_strict_mode_takes(openai_mock, _e_key, mode):
    pytest.importorskip("pydantic_ai")
    _e_endpoint(openai_mock, mode).response = tool_call("final_result", _E_KYOTO.model_dump())
    output, _ = await _e_run_pydantic(_e_pydantic_agent(mode, output_type=_e_City), "Kyoto?", streamed=False)
    assert output == _E_KYOTO
