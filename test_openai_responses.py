"""Tests of `openai_responses`, in the order of its sections, then of its pages, its type stubs and agent frameworks."""

import ast
import asyncio
import base64
import calendar
import concurrent.futures
import contextlib
import dataclasses
import functools
import gc
import gzip
import hashlib
import http.server
import importlib
import inspect
import io
import itertools
import json
import logging
import math
import multiprocessing
import operator
import os
import pathlib
import random
import re
import runpy
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import time
import types
import typing
import unittest
import unittest.mock
import warnings
from typing import NamedTuple, Optional

import httpx
import jsonschema
import openai
import pydantic
import pytest
import respx
import typing_extensions
from hypothesis import HealthCheck, given, settings, stateful
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai_responses.ext.httpx import MockTransport
from openai_responses.stores import ContentStore
from openai_responses.streaming import AsyncEventStream, EventStream

import openai_responses
from openai_responses import (
    OpenAIMock,
    StateStore,
    as_json,
    cited,
    cut,
    error,
    filtered,
    reasoning,
    refusal,
    streamed,
    timeout,
    tool_call,
)

try:
    import httpx2
except ImportError:
    httpx2 = None

# Private names of the module that several tests use.
ROUTES = [openai_responses._Row(*row) for row in openai_responses._ROUTES]  # of every generation of the SDK
HELPERS = openai_responses._HELPER_ENDPOINTS  # `chat.completions.parse` leads to `chat.completions.create`
ENDPOINT_NAMES = openai_responses._endpoint_names()  # what the installed SDK has, helpers included
ROWS = {name: row for name, row in openai_responses._rows().items() if name in ENDPOINT_NAMES}
HTTP_NAMES = sorted(name for name, row in ROWS.items() if row.method != "WS")
# the keys of the state, with the path parameters of their parents
_RESOURCES = {name: resource.parent_params for name, resource in openai_responses._all_resources().items()}
CONTENT_RESOURCES = openai_responses._CONTENT_RESOURCES  # those of them that hold bytes
_param_names = openai_responses._param_names  # what a call takes
_shape_of = openai_responses._shape_of  # what a row does, and which ids lead there
_sdk_type = openai_responses._sdk_type  # the SDK's type behind a row's model


def resource_of(row):
    """Return the resource of a row's objects."""
    return openai_responses._shape_of(row).resource


ROOT = pathlib.Path(__file__).parent
API_KEY = "sk-very-secret"
BASE_URL = "https://api.openai.com/v1"
OPENAI_2 = openai.__version__.startswith("2.")
# releases before 3.15 retry after any exception
SDK_RETRIES_ALL_EXCEPTIONS = not hasattr(openai._base_client, "request_exceptions")
HTTP_LIB = httpx if OPENAI_2 else httpx2  # the library that the SDK's clients send requests with
HTTP_LIBS = [family for family in (httpx, httpx2) if family]

USER_MESSAGES = [{"role": "user", "content": "What is the weather in Tokyo?"}]
CHAT_REQUEST = {"model": "gpt-4o", "messages": USER_MESSAGES}
INPUT_REQUEST = {"model": "gpt-4o", "input": "Hi"}  # the responses API
CHAT_CREATE = "chat.completions.create"
UNICODE_TEXT = "Grüße, 世界! 🎉👩‍👩‍👧  zwei\n\nZeilen\t\u2028 e\u0301nd "
UNKNOWN_ID = "unknown-1"  # an id that nothing has


def object_schema(properties):
    """Return the strict JSON schema of an object whose properties are all required."""
    object_keywords = {"required": sorted(properties), "additionalProperties": False}
    return {"type": "object", "properties": properties} | object_keywords


CITY_SCHEMA = object_schema({"city": {"type": "string"}})
WEATHER_FUNCTION = {"name": "get_weather", "parameters": CITY_SCHEMA}
CHAT_TOOL = {"type": "function", "function": WEATHER_FUNCTION}  # of chat completions and assistants
RESPONSES_TOOL = {"type": "function", "strict": True, **WEATHER_FUNCTION}  # of responses
TOOL_LOOP_STEPS = [tool_call("get_weather", city="Tokyo"), "It is sunny in Tokyo."]


class Person(pydantic.BaseModel):
    name: str
    age: int
    tags: list[str]


class Town(pydantic.BaseModel):
    name: str
    population: int
    tags: list[str]


ADA = Person(name="Ada", age=36, tags=["a b", "ü"])
OSLO = {"city": "Oslo"}
TURNS = {
    "text": "Hello there, how are you?",
    "unicode": UNICODE_TEXT,
    "empty": "",
    "blank": "  \n ",
    "one tool call": tool_call("get_weather", city="Tōkyō"),
    "tool call without arguments": tool_call("now"),
    "parallel tool calls": tool_call("get_weather", OSLO) + tool_call("get_time", OSLO | {"at": [1, 2.5, None]}),
    "text and tool call": "Let me look. " + tool_call("get_weather", city="Rome"),
    "refusal": refusal("I will not do that."),
    "structured": ADA,
}

# The number of examples of each property test: HYPOTHESIS_PROFILE=deep tries many, ci the same ones each time.
for profile, number in (("dev", 10), ("ci", 50), ("deep", 10_000)):
    unhurried = {"deadline": None, "suppress_health_check": list(HealthCheck), "stateful_step_count": 20}
    settings.register_profile(profile, max_examples=number, derandomize=profile == "ci", **unhurried)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture(params=["sync", "async"])
def client_kind(request):
    """Run a test once with each of the SDK's two clients."""
    return request.param


@pytest.fixture(params=HTTP_LIBS, ids=lambda lib: lib.__name__)
def http_lib(request):
    """Run a test once with each HTTP library."""
    return request.param


@pytest.fixture(params=["chat.completions", "responses"])
def api(request):
    """Run a test once with each of the two APIs that generate text."""
    return request.param


def new_client(kind="sync", **options):
    """Return a client with a fake key."""
    return (openai.OpenAI if kind == "sync" else openai.AsyncOpenAI)(api_key=API_KEY, **options)


@functools.cache
def sdk(kind="sync", strict=True):
    """Return a client, made once per kind: making one takes longer than most tests."""
    admin = {"admin_api_key": API_KEY} if "admin_api_key" in inspect.signature(openai.OpenAI).parameters else {}
    return new_client(kind, _strict_response_validation=strict, **admin)


def lenient_client(kind="sync"):
    """Return a client without strict validation, for answers that the SDK's types don't allow."""
    return sdk(kind, strict=False)


@pytest.fixture
def client(openai_mock):
    """Return the synchronous client, while the mock is active."""
    return sdk()


@pytest.fixture
def create(openai_mock):
    """Return the endpoint that most tests use."""
    return openai_mock.chat.completions.create


def resource_fixture(name):
    """Return a fixture that is a resource of the client."""

    @pytest.fixture
    def resource(client):
        if not any(endpoint.startswith(f"{name}.") for endpoint in ENDPOINT_NAMES):
            pytest.skip(f"this SDK has no {name}")
        return lookup(client, name)

    return resource


def requires(*names):
    """Skip a test on releases of the SDK that lack one of these endpoints, item types or formats."""
    unknown = set(names) - {*ENDPOINT_NAMES, *MISSING_NAMES, *NEWER_ITEM_TYPES, "diarized_json"}
    assert not unknown, f"no release has {unknown}"
    missing = [name for name in names if name in MISSING_NAMES]
    return pytest.mark.skipif(bool(missing), reason=f"this SDK has no {', '.join(missing)}")


def skip_if_missing(code):
    """Skip a test that runs code of the pages if the code uses something that this SDK lacks."""
    if missing := [name for name in MISSING_NAMES if name in code and re.search(rf"\b{name}\b", code)]:
        pytest.skip(f"this SDK has no {', '.join(missing)}")


@pytest.fixture(autouse=True, scope="session")
def reduce_gc_overhead():
    """Exempt the SDK's modules from garbage collection, which takes a seventh of the time otherwise."""
    gc.freeze()
    gc.set_threshold(20_000)


def lookup(start, name):
    """Return the attribute at a dotted path."""
    return functools.reduce(getattr, name.split("."), start)


def run_with_client(client_kind, coroutine_function, *args):
    """Return the result of a coroutine function that takes the client first."""
    return run_coroutine(client_kind, coroutine_function(sdk(client_kind), *args))


def run_coroutine(client_kind, coroutine):
    """Return the result of a coroutine that calls the SDK.

    For the synchronous client it runs without an event loop, as an application's code does. The coroutine never waits
    then, so its first step is its last.
    """
    if client_kind == "async":
        return asyncio.run(coroutine)
    with pytest.raises(StopIteration) as stop:
        coroutine.send(None)
    return stop.value.value


@pytest.fixture(params=["sync", "async"])
def either_client(request, openai_mock):
    """Run a test once with each of the SDK's clients."""
    return sdk(request.param)


async def awaited(value):
    """Return a value, awaited if it is awaitable."""
    return await value if inspect.isawaitable(value) else value


async def collect(events):
    """Return all events of a stream, synchronous or not."""
    events = await awaited(events)
    return [event async for event in events] if hasattr(events, "__aiter__") else list(events)


def contains(actual, expected):
    """Return True if a value has everything of another one, at every depth."""
    if isinstance(expected, dict):
        return all(key in actual and contains(actual[key], value) for key, value in expected.items())
    if isinstance(expected, list):
        return len(actual) == len(expected) and all(map(contains, actual, expected))
    return actual == expected


@contextlib.asynccontextmanager
async def enter(manager):
    """Enter a context manager, synchronous or not."""
    if hasattr(manager, "__aenter__"):
        async with manager as entered:
            yield entered
    else:
        with manager as entered:
            yield entered


def complete(text, **options):
    """Return the text that chat answers to a message."""
    messages = [{"role": "user", "content": text}]
    return sdk().chat.completions.create(**{"model": "m", "messages": messages, **options}).choices[0].message.content


async def complete_with(client, **options):
    """Return the text that chat answers, with a client of either kind."""
    completion = await awaited(client.chat.completions.create(**CHAT_REQUEST | options))
    return completion.choices[0].message.content


async def stream_with(client):
    """Return the text of a streamed chat completion, with a client of either kind."""
    chunks = await collect(client.chat.completions.create(**CHAT_REQUEST, stream=True))
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


def plain_and_streamed(kind, response, endpoint, plain, streaming):
    """Return the results of the plain and the streamed call, each from a new mock with the same response."""
    results = []
    for coroutine_function in (plain, streaming):
        with OpenAIMock() as openai_mock:
            if response is not None:
                lookup(openai_mock, endpoint).response = response
            results.append(run_with_client(kind, coroutine_function))
    return results


async def async_value(value):
    """Return a value after one step of the event loop."""
    await asyncio.sleep(0)
    return value


def chat_json(text="ready"):
    """Return a complete chat completion as JSON."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


def file_json(id):
    """Return a complete file object as JSON."""
    file = {"object": "file", "filename": "a.txt", "bytes": 2, "created_at": 1, "purpose": "batch"}
    return file | {"id": id, "status": "processed"}


def request_of(row, body=b"{}", /, **query):
    """Return a request for a row, with made-up IDs in its path."""
    url = BASE_URL + re.sub(r"{(\w+)}", r"\1-1", row.path)
    content_options = {"headers": {"content-type": "application/json"}, "content": body} if row.method == "POST" else {}
    return httpx.Request(row.method, url, params=query or None, **content_options)


def populated_mock(**options):
    """Return a mock with an object under every ID that `request_of` makes up."""
    openai_mock = OpenAIMock(**options)
    for shape in map(_shape_of, ROWS.values()):
        ids = tuple(f"{name}-1" for name in (*shape.parent_params, shape.item_param))
        if shape.item_param and shape.resource not in CONTENT_RESOURCES:
            openai_mock.state[shape.resource][ids if len(ids) > 1 else ids[0]] = {}
    return openai_mock


def sent(openai_mock, name, body, /, **query):
    """Send a request for a row to a mock, and return the response, read to its end."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = openai_mock.router.handler(request_of(ROWS[name], content, **query))
    response.read()
    return response


def post_stream(path, body):
    """Return the (event, data) pairs of a streamed call, as they are sent."""
    response = httpx.post(BASE_URL + path, headers={"authorization": f"Bearer {API_KEY}"}, json=body | {"stream": True})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    return parse_sse(response.text)


def parse_sse(text):
    """Return the (event, data) pairs of server-sent events. Data is parsed as JSON, except for `[DONE]`."""
    frames = [frame.split("\n") for frame in text.split("\n\n")]
    assert frames.pop() == [""], "the last event needs its blank line"
    fields = [dict(line.split(": ", 1) for line in frame) for frame in frames]
    return [
        (event.get("event"), event["data"] if event["data"] == "[DONE]" else json.loads(event["data"]))
        for event in fields
    ]


@functools.cache
def union_members(name, field="type"):
    """Return the members of one of the SDK's unions, by their discriminating literal."""
    members = {}
    for member in typing.get_args(typing.get_args(_sdk_type(name))[0]):
        literals = typing.get_args(member.model_fields[field].annotation)
        if literals:
            members[literals[0]] = member
    return members


# Calls, item types and formats that this release lacks and others have.
MISSING_NAMES = sorted({*HELPERS, *(row.name for row in ROUTES)} - {*ENDPOINT_NAMES})
NEWER_ITEM_TYPES = {"apply_patch_call", "shell_call", "shell_call_output", "tool_search_call", "tool_search_output"}
MISSING_NAMES += sorted(NEWER_ITEM_TYPES - {*union_members("responses.ResponseOutputItem")})
MISSING_NAMES += sorted({"diarized_json"} - {*typing.get_args(openai.types.AudioResponseFormat)})


def valid(model, data):
    """Validate JSON strictly against a model of the SDK, or against a union of `openai.types`."""
    if isinstance(model, str):
        field = "event" if model.endswith("AssistantStreamEvent") else "type"
        model = union_members(model, field)[data[field]]
    return model.model_validate_json(json.dumps(data), strict=True)


def normalized(value):
    """Return a value without what the wire leaves out: times, nulls, parsed objects, positions of calls."""
    if isinstance(value, pydantic.BaseModel):
        value = value.to_dict(exclude_unset=False, warnings=False)
    if isinstance(value, list):
        return [normalized(item) for item in value]
    if not isinstance(value, dict):
        return value
    skipped = {"parsed", "parsed_arguments", "created"} | ({"index"} if "function" in value else set())
    fields = {k: v for k, v in value.items() if k not in skipped and not k.endswith("_at")}
    return {key: normalized(item) for key, item in fields.items() if item is not None}


def python(*arguments, cwd=None, succeeds=True, timeout=None, **environment):
    """Run a fresh interpreter, and return the completed process."""
    settings = {"cwd": cwd, "env": {**os.environ, **environment}, "timeout": timeout}
    argv = [sys.executable, *arguments]
    completed = subprocess.run(argv, capture_output=True, text=True, encoding="utf-8", **settings)
    assert not succeeds or completed.returncode == 0, completed.stdout + completed.stderr
    return completed


@pytest.fixture
def run_suite(tmp_path, monkeypatch, capsys):
    """Return a function that runs a test module with pytest, in this process or in a new one.

    The run loads this module's plugin and the plugins in its options. It doesn't use `pytester`, which unloads all
    modules that were imported during a run: a later import would load them again, without the mock's patches.
    """
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # loading other plugins takes longer than most tests
    monkeypatch.chdir(tmp_path)
    settings = ["-p", "openai_responses", "-p", "no:cacheprovider", "-W", "ignore"]
    settings += ["-c", os.devnull, "--rootdir", str(tmp_path)]
    # the plugin `unraisableexception` collects garbage twice, which is slow
    in_process_options = ["--import-mode=importlib", "-p", "no:unraisableexception", "test_it.py"]

    def run(code, *options, apart=False):
        (tmp_path / "test_it.py").write_text(inspect.cleandoc(code), encoding="utf-8")
        if apart:
            completed = python("-m", "pytest", *settings, *options, succeeds=False, PYTHONPATH=str(ROOT))
            output = completed.stdout.splitlines()
            return pytest.RunResult(completed.returncode, output, completed.stderr.splitlines(), 0)
        status = pytest.main([*settings, *options, *in_process_options])
        assert not any(mocker.routers for mocker in respx.mocks.Mocker.registry.values()), "a mock was left running"
        del sys.modules["test_it"]
        return pytest.RunResult(status, capsys.readouterr().out.splitlines(), [], 0)

    return run


PATCHED = ("httpx", "httpx2", "httpcore", "httpcore2", "aiohttp", "websockets")


def patchable_attributes():
    """Return every function and class of the HTTP packages, and every attribute of these classes, by its path.

    A test compares the result before and after a mock, to show that all patches were removed.
    """
    modules = {
        name: module
        for name, module in sys.modules.copy().items()
        if name.partition(".")[0] in PATCHED or name == "openai._base_client"
    }
    found = {}
    for module_name, module in modules.items():
        for name, value in vars(module).items():
            if not callable(value):
                continue
            found[module_name, name] = value
            if getattr(value, "__module__", "") != module_name:
                continue
            for attribute, member in getattr(value, "__dict__", {}).items():
                if not attribute.startswith("__pydantic"):
                    found[module_name, name, attribute] = member
    return found


def changed_since(before):
    """Return the paths of the attributes that changed since."""
    after = patchable_attributes()
    return [key for key, value in before.items() if after.get(key) is not value]


def statuses(retrieve, number):
    """Return the statuses of an object over some retrieves."""
    return [retrieve().status for _ in range(number)]


def add_file(client, data=b"some text", name="a.txt", purpose="assistants"):
    """Upload a file, and return its ID."""
    return client.files.create(file=(name, data), purpose=purpose).id


def add_stores(client, count):
    """Create vector stores, and return their IDs."""
    return [client.vector_stores.create(name=f"{i}").id for i in range(count)]


def add_store(client):
    """Create a vector store, and return its ID."""
    return client.vector_stores.create().id


def add_job(client, **options):
    """Create a fine-tuning job with a new training file."""
    file = add_file(client, b"{}", "in.jsonl", "fine-tune")
    return client.fine_tuning.jobs.create(model="gpt-4o-mini", training_file=file, **options)


def add_thread(client, *texts):
    """Create a thread with messages of the user, and return its ID."""
    return client.beta.threads.create(messages=[{"role": "user", "content": text} for text in texts]).id


def add_assistant(client, **options):
    """Create an assistant, and return its ID."""
    return client.beta.assistants.create(**{"model": "gpt-4o"} | options).id


def thread_texts(client, thread):
    """Return the texts of the messages of a thread, oldest first."""
    return [message.content[0].text.value for message in client.beta.threads.messages.list(thread, order="asc")]


SDK_TYPES = pathlib.Path(openai.types.__file__).parent


def websocket_resources(resource, name=""):
    """Yield the dotted name of each resource of the SDK that connects over a WebSocket."""
    if hasattr(type(resource), "connect"):
        yield name
    for child in dir(type(resource)):
        member = inspect.getattr_static(type(resource), child)
        if isinstance(member, functools.cached_property) and not child.startswith(("with_", "_")):
            yield from websocket_resources(getattr(resource, child), f"{name}.{child}".lstrip("."))


# ======================================================================================================================
# ROUTE TABLE
# ======================================================================================================================


ROW_COUNTS = {"2.54.0": 293, "3.54.0": 404}  # by pinned release: the table was made from these two
MISSING_ROWS_SCRIPT = runpy.run_path(str(ROOT / "docs" / "development" / "missing_rows.py"))
pinned_release = pytest.mark.skipif(
    openai.__version__ not in ROW_COUNTS, reason="the literals are those of the pinned releases"
)


@pytest.mark.filterwarnings("default:openai .* has rows:UserWarning")  # a newer SDK is not a failure
def test_table_equals_the_surface_of_the_sdk():
    sdk_rows = {row[:3] for row in MISSING_ROWS_SCRIPT["surface"](sdk()) if row[0] not in HELPERS}
    table = {(row.name, row.method, row.path) for row in ROWS.values() if row.method != "WS"}
    missing = sorted(sdk_rows - table)
    extra = sorted(table - sdk_rows)
    if openai.__version__ in ROW_COUNTS:
        assert missing == []
        assert extra == []
    elif missing or extra:
        message = f"openai {openai.__version__} has rows the table lacks: {missing}; and lacks: {extra}"
        warnings.warn(message, stacklevel=1)


@pinned_release
def test_no_rows_are_missing_for_a_pinned_release():
    assert MISSING_ROWS_SCRIPT["missing_rows"]() == []


def test_missing_rows_are_printed_as_table_rows(monkeypatch):
    removed = {"files.list", "files.delete", "files.content", "chat.completions.create", "beta.threads.retrieve"}
    rows = {name: row for name, row in openai_responses._rows().items() if name not in removed}
    monkeypatch.setattr(openai_responses, "_rows", lambda: rows)
    printed = {row[0]: row for row in ast.literal_eval(f"[{''.join(MISSING_ROWS_SCRIPT['missing_rows']())}]")}
    assert {name: printed[name] for name in removed} == {name: ROWS[name][:4] for name in removed}


@pinned_release
def test_table_has_the_known_number_of_rows():
    assert len(ROWS) == ROW_COUNTS[openai.__version__]


@pytest.mark.parametrize("release", [(2, 0, 0), (3, 22, 1), (3, 23, 0), (4, 0, 0)], ids="{0[0]}.{0[1]}.{0[2]}".format)
def test_route_names_are_unique_in_each_release(release):
    names = [row.name for row in ROUTES if row.since <= release < row.until]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("helper, target", sorted(HELPERS.items()))
def test_helpers_resolve_to_routed_endpoints(helper, target):
    assert target in {row.name for row in ROUTES}
    if helper in ENDPOINT_NAMES:
        openai_mock = OpenAIMock()
        assert lookup(openai_mock, helper) is lookup(openai_mock, target)


def test_aliases_share_one_endpoint(openai_mock):
    assert openai_mock.files.retrieve_content is openai_mock.files.content


@requires("beta.responses.create")
def test_beta_responses_have_separate_endpoints(openai_mock):
    assert openai_mock.beta.responses.create is not openai_mock.responses.create


# ======================================================================================================================
# RESOURCES
# ======================================================================================================================


def test_behavior_rows_name_existing_endpoints():
    behaviors = openai_responses._BEHAVIORS
    assert set(behaviors) <= {row.name for row in ROUTES}
    # a row of `responses` also applies to `beta.responses`
    assert not {f"beta.{name}" for name in behaviors} & set(behaviors)


def test_behavior_rows_differ_from_the_default():
    default = dataclasses.asdict(openai_responses._Behavior())
    unneeded = [name for name, row in openai_responses._BEHAVIORS.items() if dataclasses.asdict(row) == default]
    assert unneeded == []


def test_resource_rows_name_existing_resources():
    assert set(openai_responses._RESOURCES) <= {*_RESOURCES, "admin"}  # "admin" sets the paging of its resources


@pytest.mark.parametrize(
    "name, prefix",
    [
        ("batches.create", "batch_"),
        ("beta.assistants.create", "asst_"),
        ("beta.threads.create", "thread_"),
        ("chat.completions.create", "chatcmpl-"),
        ("completions.create", "cmpl-"),
        ("containers.create", "cntr_"),
        ("conversations.create", "conv_"),
        ("evals.create", "eval_"),
        ("files.create", "file-"),
        ("fine_tuning.jobs.create", "ftjob-"),
        ("moderations.create", "modr-"),
        ("responses.create", "resp_"),
        pytest.param("skills.create", "skill_", marks=requires("skills.create")),
        ("uploads.create", "upload_"),
        ("vector_stores.create", "vs_"),
        pytest.param("videos.create", "video_", marks=requires("videos.create")),
    ],
)
def test_ids_have_api_prefixes_and_are_deterministic(name, prefix):
    def ids():
        openai_mock = OpenAIMock()
        lookup(openai_mock, name).response = {}
        return [openai_mock.router.handler(request_of(ROWS[name])).json()["id"] for _ in range(3)]

    assert all(re.fullmatch(rf"{prefix}\w+", id) for id in ids())
    assert len(set(ids())) == 3
    assert ids() == ids()


def keys_by_prefix(table):
    """Group the keys of a table of ID prefixes by their prefix."""
    keys = {}
    for key, prefix in table.items():
        keys.setdefault(prefix, set()).add(key)
    return keys


def test_id_prefixes_of_models():
    assert keys_by_prefix(openai_responses._ID_PREFIXES) == {
        "apc_": {"ResponseApplyPatchToolCall"},
        "apco_": {"ResponseApplyPatchToolCallOutput"},
        "asst_": {"Assistant"},
        "audit_log-": {"AuditLogListResponse"},
        "call_": {
            "ChatCompletionMessageCustomToolCall",
            "ChatCompletionMessageFunctionToolCall",
            "FunctionToolCall",
            "RequiredActionFunctionToolCall",
        },
        "cert_": {"Certificate"},
        "cfile_": {"FileCreateResponse"},
        "char_": {"VideoCreateCharacterResponse"},
        "chatcmpl-": {"ChatCompletion"},
        "ci_": {"ResponseCodeInterpreterToolCall"},
        "cksess_": {"ChatSession"},
        "cm_": {"Program"},
        "cmo_": {"ProgramOutput"},
        "cmp_": {"ResponseCompactionItem"},
        "cmpl-": {"Completion"},
        "cntr_": {"ContainerCreateResponse"},
        "cons_": {"VoiceConsent"},
        "conv_": {"Conversation"},
        "cp_": {"PermissionCreateResponse"},
        "ctc_": {"ResponseCustomToolCall", "ResponseCustomToolCallItem"},
        "cthr_": {"ChatKitThread"},
        "cu_": {"ResponseComputerToolCall"},
        "eval_": {"EvalCreateResponse"},
        "evalrun_": {"RunCreateResponse"},
        "fc_": {"ResponseFunctionToolCall", "ResponseFunctionToolCallItem"},
        "fco_": {"ResponseFunctionToolCallOutputItem"},
        "file-": {"FileObject", "VectorStoreFile"},
        "fs_": {"ResponseFileSearchToolCall"},
        "ftckpt_": {"FineTuningJobCheckpoint"},
        "ftevent-": {"FineTuningJobEvent"},
        "ftjob-": {"FineTuningJob"},
        "ig_": {"ImageGenerationCall"},
        "invite-": {"Invite"},
        "item_": {
            "ConversationItem",
            "RealtimeConversationItemAssistantMessage",
            "RealtimeConversationItemFunctionCall",
        },
        "key_": {"AdminAPIKey", "AdminAPIKeyCreateResponse", "APIKeyCreateResponse", "ProjectAPIKey", "APIKey"},
        "lsh_": {"LocalShellCall", "LocalShellCallAction"},
        "mcp_": {"McpCall"},
        "mcpl_": {"McpListTools", "McpListToolsTool"},
        "mcpr_": {"McpApprovalRequest"},
        "modr-": {"ModerationCreateResponse"},
        "msg_": {"ResponseOutputMessage", "ResponseInputMessageItem", "ResponseOutputText", "Message"},
        "outputitem_": {"OutputItemListResponse", "OutputItemRetrieveResponse"},
        "part_": {"UploadPart"},
        "proj_": {"Project"},
        "resp_": {"CompactedResponse", "Response", "RealtimeResponse"},
        "rl-": {"ProjectRateLimit"},
        "rs_": {"ResponseReasoningItem"},
        "sess_": {
            "RealtimeSessionCreateResponse",
            "SessionResource",
            "RealtimeTranscriptionSessionCreateResponse",
            "RealtimeTranslationSession",
        },
        "sh_": {"ResponseFunctionShellToolCall"},
        "sho_": {"ResponseFunctionShellToolCallOutput"},
        "skillver_": {"SkillVersion"},
        "step_": {"RunStep"},
        "svc_acct_": {"ProjectServiceAccount", "ServiceAccountCreateResponse"},
        "tsc_": {"ResponseToolSearchCall"},
        "tso_": {"ResponseToolSearchOutputItem"},
        "user-": {"OrganizationUser", "ProjectUser"},
        "vs_": {"VectorStore"},
        "vsfb_": {"VectorStoreFileBatch"},
        "we_": {"WebhookEndpointWithSecret"},
        "ws_": {"ResponseFunctionWebSearch", "ActionSearch"},
    }


def test_id_prefixes_of_fields_that_refer_to_other_objects():
    assert keys_by_prefix(openai_responses._ID_PREFIXES_BY_FIELD) == {
        "asst_": {"assistant_id"},
        "call_": {"tool_call_id"},
        "cntr_": {"container_id"},
        "file-": {"file_id", "input_file_id", "training_file"},
        "ftjob-": {"fine_tuning_job_id"},
        "msg_": {"message_id"},
        "org-": {"organization_id"},
        "proj_": {"project_id"},
        "resp_": {"response_id"},
        "sess_": {"session_id"},
        "user-": {"user_id"},
        "vs_": {"vector_store_id"},
    }


def test_new_ids_skip_stored_ids(openai_mock, client):
    first = client.containers.create(name="x").id
    with OpenAIMock(state={"containers": {first: {"id": first, "name": "kept"}}}) as second_mock:
        second = client.containers.create(name="y").id
    assert second != first
    assert second_mock.state["containers"][first]["name"] == "kept"


@pytest.fixture
def calls_by_thread(client):
    """Return a thread with a message, a run and a step, and calls of its children that take a thread's ID."""
    threads = client.beta.threads
    thread = add_thread(client, "Hi")
    message = threads.messages.list(thread).data[0].id
    run = threads.runs.create_and_poll(thread_id=thread, assistant_id=add_assistant(client)).id
    step = threads.runs.steps.list(run, thread_id=thread).data[0].id
    calls = [
        lambda thread: threads.messages.retrieve(message, thread_id=thread),
        lambda thread: threads.messages.delete(message, thread_id=thread),
        lambda thread: threads.runs.retrieve(run, thread_id=thread),
        lambda thread: threads.runs.steps.list(run, thread_id=thread),
        lambda thread: threads.runs.steps.retrieve(step, run_id=run, thread_id=thread),
    ]
    return thread, calls


def test_children_are_not_found_below_another_parent(client, calls_by_thread):
    _, calls = calls_by_thread
    other_thread = add_thread(client, "Ho")
    for call in calls:
        with pytest.raises(openai.NotFoundError, match=r"(?i)no .*with id|not found|no such"):
            call(other_thread)
    assert thread_texts(client, other_thread) == ["Ho"]


def test_children_are_deleted_with_their_parent(openai_mock, client, calls_by_thread):
    thread, calls = calls_by_thread
    client.beta.threads.delete(thread)
    for call in calls:
        with pytest.raises(openai.NotFoundError, match=r"(?i)no .*with id|not found|no such"):
            call(thread)
    for resource in ("beta.threads.messages", "beta.threads.runs", "beta.threads.runs.steps"):
        assert openai_mock.state[resource] == {}


# ======================================================================================================================
# DEFAULTS
# ======================================================================================================================


NOW = 1_800_000_000  # the time of the mock's clock in the tests of defaults
NEWER_NULL = object()  # a null in a field that openai 2 doesn't have


# The JSON of each endpoint with an empty partial as its response, and of each page with one empty object. One endpoint
# stands for all that return the same model. "#" is the number of an ID.
DEFAULT_RESPONSES = {
    "admin.organization.admin_api_keys.create": {
        "id": "key_#",
        "created_at": NOW,
        "expires_at": None,
        "object": "organization.admin_api_key",
        "owner": {"id": "owner_#"},
        "redacted_value": "redacted_value",
        "last_used_at": None,
        "name": None,
        "value": "value",
    },
    "admin.organization.admin_api_keys.retrieve": {
        "id": "key_id-1",
        "created_at": NOW,
        "expires_at": None,
        "object": "organization.admin_api_key",
        "owner": {"id": "owner_#"},
        "redacted_value": "redacted_value",
        "last_used_at": None,
        "name": None,
    },
    "admin.organization.certificates.activate": {
        "object": "list",
        "has_more": False,
        "data": [
            {
                "id": "certificate_activate_response_#",
                "active": False,
                "certificate_details": {},
                "created_at": NOW,
                "name": None,
                "object": "organization.certificate",
            }
        ],
    },
    "admin.organization.certificates.create": {
        "id": "cert_#",
        "certificate_details": {},
        "created_at": NOW,
        "name": None,
        "object": "certificate",
        "active": None,
    },
    "admin.organization.certificates.deactivate": {
        "object": "list",
        "has_more": False,
        "data": [
            {
                "id": "certificate_deactivate_response_#",
                "active": False,
                "certificate_details": {},
                "created_at": NOW,
                "name": None,
                "object": "organization.certificate",
            }
        ],
    },
    "admin.organization.certificates.list": {
        "object": "list",
        "first_id": "certificate_list_response_#",
        "last_id": "certificate_list_response_#",
        "has_more": False,
        "data": [
            {
                "id": "certificate_list_response_#",
                "active": False,
                "certificate_details": {},
                "created_at": NOW,
                "name": None,
                "object": "organization.certificate",
            }
        ],
    },
    "admin.organization.data_retention.retrieve": {
        "object": "organization.data_retention",
        "type": "zero_data_retention",
    },
    "admin.organization.external_keys.create": {
        "id": "external_key_#",
        "api_project_ids": [],
        "created_at": NOW,
        "name": "",
        "object": "object",
        "type": "type",
        "workspace_id": "workspace_#",
        "audience": None,
        "external_id": None,
        "key_name": None,
        "key_ocid": None,
        "key_version": None,
        "key_version_ocid": None,
        "kms_arn": None,
        "kms_key_location": None,
        "kms_key_name": None,
        "kms_key_ring_name": None,
        "kms_key_version": None,
        "kms_project_id": None,
        "purpose": None,
        "region": None,
        "role_arn": None,
        "tenant_id": None,
        "vault_ocid": None,
        "vault_uri": None,
        "workload_identity_pool_id": None,
        "workload_identity_project_number": None,
        "workload_identity_provider_id": None,
    },
    "admin.organization.external_keys.validate": {"status": "status"},
    "admin.organization.external_storage.create": {
        "id": "external_storage_configuration_#",
        "created_at": NOW,
        "geography": "geography",
        "object": "organization.external_storage",
        "project_id": "proj_#",
        "provider": {
            "account_id": "account_#",
            "bucket": "bucket",
            "external_id": "external_#",
            "region": "region",
            "role_arn": "role_arn",
            "type": "aws",
        },
        "status": "pending",
    },
    "admin.organization.groups.create": {
        "id": "group_#",
        "created_at": NOW,
        "group_type": "group",
        "is_scim_managed": False,
        "name": "",
    },
    "admin.organization.groups.roles.create": {
        "group": {"id": "group_#", "created_at": NOW, "name": "", "object": "group", "scim_managed": False},
        "object": "group.role",
        "role": {
            "id": "role_#",
            "description": None,
            "name": "",
            "object": "role",
            "permissions": [],
            "predefined_role": False,
            "resource_type": "resource_type",
        },
    },
    "admin.organization.groups.roles.list": {
        "object": "list",
        "next": None,
        "has_more": False,
        "data": [
            {
                "id": "role_list_response_#",
                "assignment_sources": None,
                "created_at": None,
                "created_by": None,
                "created_by_user_obj": None,
                "description": None,
                "metadata": None,
                "name": "",
                "permissions": [],
                "predefined_role": False,
                "resource_type": "resource_type",
                "updated_at": None,
            }
        ],
    },
    "admin.organization.groups.roles.retrieve": {
        "id": "role_id-1",
        "assignment_sources": None,
        "created_at": None,
        "created_by": None,
        "created_by_user_obj": None,
        "description": None,
        "metadata": None,
        "name": "",
        "permissions": [],
        "predefined_role": False,
        "resource_type": "resource_type",
        "updated_at": None,
    },
    "admin.organization.groups.update": {
        "id": "group_id-1",
        "created_at": NOW,
        "is_scim_managed": False,
        "name": "",
    },
    "admin.organization.groups.users.create": {
        "group_id": "group_id-1",
        "object": "group.user",
        "user_id": "user-#",
    },
    "admin.organization.groups.users.list": {
        "object": "list",
        "next": None,
        "has_more": False,
        "data": [{"id": "organization_group_user_#", "email": None, "name": ""}],
    },
    "admin.organization.groups.users.retrieve": {
        "id": "user_id-1",
        "email": None,
        "is_service_account": None,
        "name": "",
        "picture": None,
        "user_type": "user",
    },
    "admin.organization.invites.create": {
        "id": "invite-#",
        "created_at": NOW,
        "email": "user@example.com",
        "object": "organization.invite",
        "projects": [],
        "role": "owner",
        "accepted_at": None,
        "expires_at": None,
        "status": "pending",
    },
    "admin.organization.projects.api_keys.retrieve": {
        "id": "api_key_id-1",
        "created_at": NOW,
        "last_used_at": None,
        "name": "",
        "object": "organization.project.api_key",
        "owner": {},
        "owner_project_access": "active",
        "redacted_value": "redacted_value",
        "expires_at": NEWER_NULL,
    },
    "admin.organization.projects.certificates.activate": {
        "object": "list",
        "has_more": False,
        "data": [
            {
                "id": "certificate_activate_response_#",
                "active": False,
                "certificate_details": {},
                "created_at": NOW,
                "name": None,
                "object": "organization.project.certificate",
            }
        ],
    },
    "admin.organization.projects.certificates.deactivate": {
        "object": "list",
        "has_more": False,
        "data": [
            {
                "id": "certificate_deactivate_response_#",
                "active": False,
                "certificate_details": {},
                "created_at": NOW,
                "name": None,
                "object": "organization.project.certificate",
            }
        ],
    },
    "admin.organization.projects.certificates.list": {
        "object": "list",
        "first_id": "certificate_list_response_#",
        "last_id": "certificate_list_response_#",
        "has_more": False,
        "data": [
            {
                "id": "certificate_list_response_#",
                "active": False,
                "certificate_details": {},
                "created_at": NOW,
                "name": None,
                "object": "organization.project.certificate",
            }
        ],
    },
    "admin.organization.projects.create": {
        "id": "proj_#",
        "created_at": NOW,
        "object": "organization.project",
        "archived_at": None,
        "external_key_id": None,
        "residency": NEWER_NULL,
        "name": "",
        "status": "active",
    },
    "admin.organization.projects.data_retention.retrieve": {
        "object": "project.data_retention",
        "type": "organization_default",
    },
    "admin.organization.projects.groups.create": {
        "created_at": NOW,
        "group_id": "group_#",
        "group_name": "group_name",
        "group_type": "group",
        "object": "project.group",
        "project_id": "project_id-1",
    },
    "admin.organization.projects.groups.roles.create": {
        "group": {"id": "group_#", "created_at": NOW, "name": "", "object": "group", "scim_managed": False},
        "object": "group.role",
        "role": {
            "id": "role_#",
            "description": None,
            "name": "",
            "object": "role",
            "permissions": [],
            "predefined_role": False,
            "resource_type": "resource_type",
        },
    },
    "admin.organization.projects.groups.roles.list": {
        "object": "list",
        "next": None,
        "has_more": False,
        "data": [
            {
                "id": "role_list_response_#",
                "assignment_sources": None,
                "created_at": None,
                "created_by": None,
                "created_by_user_obj": None,
                "description": None,
                "metadata": None,
                "name": "",
                "permissions": [],
                "predefined_role": False,
                "resource_type": "resource_type",
                "updated_at": None,
            }
        ],
    },
    "admin.organization.projects.groups.roles.retrieve": {
        "id": "role_id-1",
        "assignment_sources": None,
        "created_at": None,
        "created_by": None,
        "created_by_user_obj": None,
        "description": None,
        "metadata": None,
        "name": "",
        "permissions": [],
        "predefined_role": False,
        "resource_type": "resource_type",
        "updated_at": None,
    },
    "admin.organization.projects.hosted_tool_permissions.retrieve": {
        "code_interpreter": {"enabled": False},
        "file_search": {"enabled": False},
        "image_generation": {
            "enabled": False,
            "background": "auto",
            "moderation": "auto",
            "n": 1,
            "output_compression": 100,
            "output_format": "png",
            "quality": "auto",
            "size": "auto",
        },
        "mcp": {
            "enabled": False,
            "allowed_tools": None,
            "headers": None,
            "require_approval": "always",
            "server_description": None,
        },
        "web_search": {"enabled": False},
    },
    "admin.organization.projects.model_permissions.retrieve": {
        "mode": "allow_list",
        "model_ids": [],
        "object": "project.model_permissions",
    },
    "admin.organization.projects.rate_limits.list_rate_limits": {
        "object": "list",
        "first_id": "rl-#",
        "last_id": "rl-#",
        "has_more": False,
        "data": [
            {
                "id": "rl-#",
                "max_requests_per_1_minute": 0,
                "max_tokens_per_1_minute": 0,
                "model": "gpt-5.5",
                "object": "project.rate_limit",
                "batch_1_day_max_input_tokens": None,
                "max_audio_megabytes_per_1_minute": None,
                "max_images_per_1_minute": None,
                "max_requests_per_1_day": None,
            }
        ],
    },
    "admin.organization.projects.roles.create": {
        "id": "role_#",
        "description": None,
        "name": "",
        "object": "role",
        "permissions": [],
        "predefined_role": False,
        "resource_type": "resource_type",
    },
    "admin.organization.projects.service_accounts.api_keys.create": {
        "id": "key_#",
        "created_at": NOW,
        "name": "",
        "object": "organization.project.service_account.api_key",
        "value": "value",
        "expires_at": NEWER_NULL,
    },
    "admin.organization.projects.service_accounts.create": {
        "id": "svc_acct_#",
        "api_key": {
            "id": "key_#",
            "created_at": NOW,
            "name": "",
            "object": "organization.project.service_account.api_key",
            "value": "value",
        },
        "created_at": NOW,
        "name": "",
        "object": "organization.project.service_account",
        "role": "member",
    },
    "admin.organization.projects.service_accounts.retrieve": {
        "id": "service_account_id-1",
        "created_at": NOW,
        "name": "",
        "object": "organization.project.service_account",
        "role": "owner",
    },
    "admin.organization.projects.service_tier_settings.retrieve": {
        "default": "standard",
        "enabled_tiers": "all",
        "object": "project.service_tier_settings",
    },
    "admin.organization.projects.spend_alerts.create": {
        "id": "project_spend_alert_#",
        "currency": "USD",
        "interval": "month",
        "notification_channel": {"recipients": [], "type": "email"},
        "object": "project.spend_alert",
        "threshold_amount": 0,
    },
    "admin.organization.projects.spend_limit.retrieve": {
        "currency": "currency",
        "enforcement": {"status": "status"},
        "interval": "interval",
        "object": "project.spend_limit",
        "threshold_amount": 0,
    },
    "admin.organization.projects.users.create": {
        "id": "user-#",
        "added_at": NOW,
        "object": "organization.project.user",
        "role": "role",
        "email": None,
        "name": None,
    },
    "admin.organization.projects.users.roles.create": {
        "object": "user.role",
        "role": {
            "id": "role_#",
            "description": None,
            "name": "",
            "object": "role",
            "permissions": [],
            "predefined_role": False,
            "resource_type": "resource_type",
        },
        "user": {
            "id": "user-#",
            "added_at": NOW,
            "object": "organization.user",
            "api_key_last_used_at": None,
            "created": None,
            "developer_persona": None,
            "email": None,
            "is_default": None,
            "is_scale_tier_authorized_purchaser": None,
            "is_scim_managed": None,
            "is_service_account": None,
            "name": None,
            "projects": None,
            "role": None,
            "technical_level": None,
            "user": None,
        },
    },
    "admin.organization.projects.users.roles.list": {
        "object": "list",
        "next": None,
        "has_more": False,
        "data": [
            {
                "id": "role_list_response_#",
                "assignment_sources": None,
                "created_at": None,
                "created_by": None,
                "created_by_user_obj": None,
                "description": None,
                "metadata": None,
                "name": "",
                "permissions": [],
                "predefined_role": False,
                "resource_type": "resource_type",
                "updated_at": None,
            }
        ],
    },
    "admin.organization.projects.users.roles.retrieve": {
        "id": "role_id-1",
        "assignment_sources": None,
        "created_at": None,
        "created_by": None,
        "created_by_user_obj": None,
        "description": None,
        "metadata": None,
        "name": "",
        "permissions": [],
        "predefined_role": False,
        "resource_type": "resource_type",
        "updated_at": None,
    },
    "admin.organization.spend_alerts.create": {
        "id": "organization_spend_alert_#",
        "currency": "USD",
        "interval": "month",
        "notification_channel": {"recipients": [], "type": "email"},
        "object": "organization.spend_alert",
        "threshold_amount": 0,
    },
    "admin.organization.spend_limit.retrieve": {
        "currency": "currency",
        "enforcement": {"status": "status"},
        "interval": "interval",
        "object": "organization.spend_limit",
        "threshold_amount": 0,
    },
    "admin.organization.usage.completions": {
        "data": [],
        "has_more": False,
        "next_page": None,
        "object": "page",
    },
    "admin.organization.users.retrieve": {
        "id": "user_id-1",
        "added_at": NOW,
        "object": "organization.user",
        "api_key_last_used_at": None,
        "created": None,
        "developer_persona": None,
        "email": None,
        "is_default": None,
        "is_scale_tier_authorized_purchaser": None,
        "is_scim_managed": None,
        "is_service_account": None,
        "name": None,
        "projects": None,
        "role": None,
        "technical_level": None,
        "user": None,
    },
    "admin.organization.users.roles.create": {
        "object": "user.role",
        "role": {
            "id": "role_#",
            "description": None,
            "name": "",
            "object": "role",
            "permissions": [],
            "predefined_role": False,
            "resource_type": "resource_type",
        },
        "user": {
            "id": "user-#",
            "added_at": NOW,
            "object": "organization.user",
            "api_key_last_used_at": None,
            "created": None,
            "developer_persona": None,
            "email": None,
            "is_default": None,
            "is_scale_tier_authorized_purchaser": None,
            "is_scim_managed": None,
            "is_service_account": None,
            "name": None,
            "projects": None,
            "role": None,
            "technical_level": None,
            "user": None,
        },
    },
    "admin.organization.users.roles.list": {
        "object": "list",
        "next": None,
        "has_more": False,
        "data": [
            {
                "id": "role_list_response_#",
                "assignment_sources": None,
                "created_at": None,
                "created_by": None,
                "created_by_user_obj": None,
                "description": None,
                "metadata": None,
                "name": "",
                "permissions": [],
                "predefined_role": False,
                "resource_type": "resource_type",
                "updated_at": None,
            }
        ],
    },
    "admin.organization.users.roles.retrieve": {
        "id": "role_id-1",
        "assignment_sources": None,
        "created_at": None,
        "created_by": None,
        "created_by_user_obj": None,
        "description": None,
        "metadata": None,
        "name": "",
        "permissions": [],
        "predefined_role": False,
        "resource_type": "resource_type",
        "updated_at": None,
    },
    "admin.organization.workload_identity_providers.create": {
        "id": "workload_identity_provider_#",
        "attribute_transformations": [],
        "audience": "audience",
        "created_at": NOW,
        "description": None,
        "enabled": False,
        "issuer": "issuer",
        "name": "",
        "object": "organization.workload_identity_provider",
        "type": "oidc",
        "updated_at": NOW,
        "verification": {"type": "discovery"},
    },
    "admin.organization.workload_identity_providers.federation_rules.create": {
        "id": "federation_rule_#",
        "attribute_matchers": {},
        "created_at": NOW,
        "description": None,
        "enabled": False,
        "name": None,
        "object": "organization.workload_identity_federation_rule",
        "permissions": {"type": "service_account_default"},
        "project_id": "proj_#",
        "service_account_id": "service_account_#",
        "updated_at": NOW,
        "workload_identity_provider_id": "workload_identity_provider_id-1",
    },
    "audio.transcriptions.create": {
        "languages": None,
        "logprobs": None,
        "usage": {
            "type": "tokens",
            "input_tokens": 10,
            "input_token_details": {"text_tokens": 0, "audio_tokens": 10},
            "output_tokens": 6,
            "total_tokens": 16,
        },
        "text": "This is a mock response.",
    },
    "audio.translations.create": {"text": "This is a mock response."},
    "audio.voice_consents.create": {
        "id": "cons_#",
        "created_at": NOW,
        "language": "en",
        "name": "",
        "object": "audio.voice_consent",
    },
    "audio.voices.create": {
        "id": "voice_#",
        "created_at": NOW,
        "name": "",
        "object": "audio.voice",
        "type": "audio_sample",
        "prompt": None,
    },
    "batches.create": {
        "id": "batch_#",
        "completion_window": "24h",
        "created_at": NOW,
        "endpoint": "/v1/chat/completions",
        "input_file_id": "file-#",
        "object": "batch",
        "cancelled_at": None,
        "cancelling_at": None,
        "completed_at": None,
        "error_file_id": None,
        "errors": None,
        "expired_at": None,
        "expires_at": NOW + 86400,
        "failed_at": None,
        "finalizing_at": None,
        "in_progress_at": None,
        "metadata": None,
        "model": None,
        "output_file_id": None,
        "status": "validating",
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "usage": {
            "input_tokens": 0,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 0,
        },
    },
    "beta.agents.automations.create": {
        "id": "periodic_automation_#",
        "created_at": NOW,
        "created_by": {"type": "developer"},
        "expression": "expression",
        "metadata": {},
        "name": "",
        "object": "agent.automation",
        "status": "active",
        "target": {
            "environment": {"type": "none"},
            "input": [],
            "metadata": {},
            "type": "new_session",
            "vault_ids": [],
        },
        "timezone": "timezone",
        "type": "periodic",
    },
    "beta.agents.automations.invocations.create": {
        "id": "automation_invocation_#",
        "automation_id": "automation_id-1",
        "created_at": NOW,
        "error": None,
        "object": "agent.automation.invocation",
        "scheduled_at": None,
        "session_id": None,
        "skip_reason": None,
        "source": {"type": "manual"},
        "status": "completed",
    },
    "beta.agents.create": {
        "id": "agent_#",
        "created_at": NOW,
        "instructions": None,
        "metadata": {},
        "model": "gpt-5.5",
        "multi_agent": {"enabled": False},
        "name": None,
        "object": "agent",
        "reasoning": {},
        "service_tier": "auto",
        "text": {"format": {"type": "text"}, "verbosity": "low"},
        "tools": [],
        "updated_at": NOW,
        "compaction": None,
        "experimental": None,
    },
    "beta.agents.environments.create": {
        "id": "environment_info_#",
        "files": [],
        "object": "agent.environment",
        "plugins": [],
        "skills": [],
        "status": "pending",
        "type": "openai_hosted",
    },
    "beta.agents.environments.files.create": {
        "environment_id": "environment_id-1",
        "object": "agent.environment.file",
        "path": "/mnt/data/file.txt",
        "size_bytes": 0,
    },
    "beta.agents.environments.templates.create": {
        "id": "environment_template_#",
        "capability_directories": [],
        "created_at": NOW,
        "files": [],
        "name": None,
        "network": {"access": "enabled", "allowed_domains": []},
        "object": "agent.environment.template",
        "packages": {"npm": [], "python": [], "system": []},
        "plugins": [],
        "skills": [],
        "updated_at": NOW,
        "desktop": None,
    },
    "beta.agents.sessions.artifacts.retrieve": {
        "id": "artifact_id-1",
        "created_at": NOW,
        "environment_id": "environment_#",
        "object": "agent.session.artifact",
        "path": "/mnt/data/file.txt",
        "session_id": "session_id-1",
        "size_bytes": 0,
        "turn_id": "turn_#",
    },
    "beta.agents.sessions.create": {
        "id": "agent_session_#",
        "agent": {
            "id": "agent_#",
            "instructions": None,
            "model": "gpt-5.5",
            "multi_agent": {"enabled": False},
            "name": None,
            "reasoning": {},
            "service_tier": "auto",
            "text": {"format": {"type": "text"}, "verbosity": "low"},
            "tools": [],
            "compaction": None,
            "experimental": None,
        },
        "created_at": NOW,
        "environment": {"type": "none"},
        "error": None,
        "last_active_at": NOW,
        "metadata": {},
        "object": "agent.session",
        "required_actions": [],
        "status": "idle",
        "usage": None,
        "vault_ids": [],
        "prompt_cache_options": None,
        "review": None,
        "spend_control": None,
    },
    "beta.agents.sessions.items.list": {
        "object": "list",
        "first_id": "agent_session_message_#",
        "last_id": "agent_session_message_#",
        "has_more": False,
        "data": [
            {
                "id": "agent_session_message_#",
                "content": [],
                "role": "user",
                "status": "completed",
                "turn_id": "turn_#",
                "type": "message",
            }
        ],
    },
    "beta.agents.sessions.subagents.retrieve": {
        "id": "subagent_id-1",
        "closed_at": None,
        "instructions": None,
        "name": None,
        "object": "agent.session.subagent",
        "opened_at": NOW,
        "parent_agent_id": "parent_agent_#",
        "session_id": "session_id-1",
        "status": "active",
    },
    "beta.agents.sessions.subagents.turns.retrieve": {
        "id": "turn_id-1",
        "agent_id": "agent_#",
        "completed_at": None,
        "created_at": NOW,
        "error": None,
        "object": "agent.session.turn",
        "session_id": "session_id-1",
        "started_at": None,
        "status": "completed",
        "subagent_id": "subagent_id-1",
        "usage": None,
        "prompt_cache_options": None,
    },
    "beta.agents.sessions.traces.list": {
        "object": "list",
        "first_id": "session_trace_#",
        "last_id": "session_trace_#",
        "has_more": False,
        "data": [
            {
                "id": "session_trace_#",
                "created_at": NOW,
                "object": "agent.session.trace",
                "otlp": {},
                "session_id": "sess_#",
            }
        ],
    },
    "beta.agents.vaults.create": {
        "id": "vault_#",
        "created_at": NOW,
        "metadata": {},
        "name": None,
        "object": "vault",
    },
    "beta.agents.vaults.credentials.create": {
        "id": "credential_#",
        "auth": {"mcp_server_url": "mcp_server_url", "type": "mcp_oauth"},
        "created_at": NOW,
        "metadata": {},
        "name": "",
        "object": "vault.credential",
        "updated_at": NOW,
        "vault_id": "vault_id-1",
    },
    "beta.assistants.create": {
        "id": "asst_#",
        "created_at": NOW,
        "description": None,
        "instructions": None,
        "model": "gpt-5.5",
        "name": None,
        "object": "assistant",
        "tools": [],
        "metadata": {},
        "temperature": 1.0,
        "top_p": 1.0,
        "response_format": "auto",
        "tool_resources": {},
        "reasoning_effort": None,
    },
    "beta.chatkit.sessions.create": {
        "id": "cksess_#",
        "chatkit_configuration": {
            "automatic_thread_titling": {"enabled": False},
            "file_upload": {"enabled": False, "max_file_size": None, "max_files": None},
            "history": {"enabled": False, "recent_threads": None},
        },
        "client_secret": "client_secret",
        "expires_at": NOW + 3600,
        "max_requests_per_1_minute": 0,
        "object": "chatkit.session",
        "rate_limits": {"max_requests_per_1_minute": 0},
        "status": "active",
        "user": "user",
        "workflow": {
            "id": "chat_kit_workflow_#",
            "tracing": {"enabled": False},
            "state_variables": None,
            "version": None,
        },
    },
    "beta.chatkit.threads.list_items": {
        "object": "list",
        "first_id": "chat_kit_thread_user_message_item_#",
        "last_id": "chat_kit_thread_user_message_item_#",
        "has_more": False,
        "data": [
            {
                "id": "chat_kit_thread_user_message_item_#",
                "attachments": [],
                "content": [],
                "created_at": NOW,
                "object": "chatkit.thread_item",
                "thread_id": "thread_#",
                "type": "chatkit.user_message",
                "inference_options": None,
            }
        ],
    },
    "beta.chatkit.threads.retrieve": {
        "id": "thread_id-1",
        "created_at": NOW,
        "object": "chatkit.thread",
        "status": {"type": "active"},
        "title": None,
        "user": "user",
    },
    "beta.realtime.sessions.create": {
        "client_secret": {"value": "ek_#", "expires_at": NOW + 60},
        "id": "sess_#",
        "object": "realtime.session",
        "model": "gpt-4o-realtime-preview",
        "modalities": ["audio", "text"],
        "instructions": "You are a helpful assistant.",
        "voice": "alloy",
        "input_audio_format": "pcm16",
        "output_audio_format": "pcm16",
        "input_audio_transcription": None,
        "input_audio_noise_reduction": None,
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 200,
            "create_response": True,
            "interrupt_response": True,
        },
        "tools": [],
        "tool_choice": "auto",
        "temperature": 0.8,
        "speed": 1.0,
        "max_response_output_tokens": "inf",
        "tracing": None,
    },
    "beta.realtime.transcription_sessions.create": {
        "client_secret": {"value": "ek_#", "expires_at": NOW + 60},
        "input_audio_format": None,
        "input_audio_transcription": None,
        "modalities": None,
        "turn_detection": None,
    },
    "beta.responses.compact": {
        "id": "resp_#",
        "created_at": NOW,
        "object": "response.compaction",
        "usage": {
            "input_tokens": 0,
            "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 0},
            "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 0,
        },
        "image": NEWER_NULL,
        "output": [{"id": "cmp_#", "type": "compaction", "encrypted_content": "mock"}],
    },
    "beta.responses.input_items.list": {
        "object": "list",
        "first_id": "msg_#",
        "last_id": "msg_#",
        "has_more": False,
        "data": [{"id": "msg_#", "content": [], "role": "user", "type": "message", "status": "completed"}],
    },
    "beta.responses.input_tokens.count": {"input_tokens": 0, "object": "response.input_tokens"},
    "beta.responses.retrieve": {
        "id": "response_id-1",
        "access_programs": NEWER_NULL,
        "created_at": NOW,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "model": "gpt-5.5",
        "object": "response",
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "conversation": None,
        "image": NEWER_NULL,
        "input_transformations": NEWER_NULL,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "moderation": None,
        "previous_response_id": None,
        "prompt": None,
        "prompt_cache_diagnostics": NEWER_NULL,
        "prompt_cache_key": None,
        "prompt_cache_options": None,
        "safety_identifier": None,
        "status": "completed",
        "user": None,
        "output": [
            {
                "id": "msg_#",
                "role": "assistant",
                "status": "completed",
                "content": [
                    {"annotations": [], "text": "This is a mock response.", "logprobs": [], "type": "output_text"}
                ],
                "type": "message",
            }
        ],
        "usage": {
            "input_tokens": 0,
            "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 0},
            "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 0,
        },
        "metadata": {},
        "temperature": 1.0,
        "top_p": 1.0,
        "truncation": "disabled",
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "reasoning": {"effort": None, "summary": None},
        "top_logprobs": 0,
        "frequency_penalty": 0.0,
        "presence_penalty": 0.0,
        "store": True,
        "billing": {"payer": "developer"},
        "prompt_cache_retention": "in_memory",
        "tool_usage": {
            "image_gen": {
                "input_tokens": 0,
                "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
                "output_tokens": 0,
                "output_tokens_details": {"image_tokens": 0, "text_tokens": 0},
                "total_tokens": 0,
            },
            "web_search": {"num_requests": 0},
        },
        "background": False,
        "service_tier": "default",
        "completed_at": NOW,
    },
    "beta.threads.create": {
        "id": "thread_#",
        "created_at": NOW,
        "object": "thread",
        "metadata": {},
        "tool_resources": {},
    },
    "beta.threads.messages.create": {
        "id": "msg_#",
        "assistant_id": None,
        "completed_at": None,
        "created_at": NOW,
        "incomplete_at": None,
        "incomplete_details": None,
        "object": "thread.message",
        "role": "user",
        "run_id": None,
        "status": "completed",
        "thread_id": "thread_id-1",
        "metadata": {},
        "content": [{"text": {"annotations": [], "value": "This is a mock response."}, "type": "text"}],
        "attachments": [],
    },
    "beta.threads.runs.create": {
        "id": "run_#",
        "assistant_id": "asst_#",
        "cancelled_at": None,
        "created_at": NOW,
        "expires_at": NOW + 600,
        "failed_at": None,
        "incomplete_details": None,
        "instructions": "",
        "last_error": None,
        "max_completion_tokens": None,
        "max_prompt_tokens": None,
        "model": "gpt-5.5",
        "object": "thread.run",
        "parallel_tool_calls": True,
        "required_action": None,
        "status": "queued",
        "thread_id": "thread_id-1",
        "tools": [],
        "usage": None,
        "started_at": None,
        "completed_at": None,
        "metadata": {},
        "temperature": 1.0,
        "top_p": 1.0,
        "truncation_strategy": {"type": "auto", "last_messages": None},
        "tool_choice": "auto",
        "response_format": "auto",
        "tool_resources": {},
        "reasoning_effort": None,
    },
    "beta.threads.runs.steps.retrieve": {
        "id": "step_id-1",
        "assistant_id": "asst_#",
        "cancelled_at": None,
        "created_at": NOW,
        "expired_at": None,
        "failed_at": None,
        "last_error": None,
        "metadata": None,
        "object": "thread.run.step",
        "run_id": "run_id-1",
        "status": "completed",
        "step_details": {"message_creation": {"message_id": "msg_#"}, "type": "message_creation"},
        "thread_id": "thread_id-1",
        "type": "message_creation",
        "usage": {"completion_tokens": 0, "prompt_tokens": 0, "total_tokens": 0},
        "completed_at": NOW,
    },
    "chat.completions.create": {
        "id": "chatcmpl-#",
        "created": NOW,
        "model": "gpt-5.5",
        "object": "chat.completion",
        "metadata": NEWER_NULL,
        "moderation": None,
        "choices": [
            {
                "finish_reason": "stop",
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "This is a mock response.",
                    "refusal": None,
                    "annotations": [],
                },
                "logprobs": None,
            }
        ],
        "usage": {
            "completion_tokens": 6,
            "prompt_tokens": 0,
            "total_tokens": 6,
            "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 0},
            "completion_tokens_details": {
                "accepted_prediction_tokens": 0,
                "audio_tokens": 0,
                "reasoning_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
        "system_fingerprint": None,
    },
    "chat.completions.messages.list": {
        "object": "list",
        "first_id": "chat_completion_store_message_#",
        "last_id": "chat_completion_store_message_#",
        "has_more": False,
        "data": [
            {
                "content": None,
                "refusal": None,
                "role": "assistant",
                "annotations": None,
                "audio": None,
                "function_call": None,
                "tool_calls": None,
                "id": "chat_completion_store_message_#",
                "content_parts": None,
            }
        ],
    },
    "completions.create": {
        "id": "cmpl-#",
        "created": NOW,
        "model": "gpt-5.5",
        "object": "text_completion",
        "system_fingerprint": None,
        "choices": [{"finish_reason": "stop", "index": 0, "text": "This is a mock response.", "logprobs": None}],
        "usage": {
            "completion_tokens": 6,
            "prompt_tokens": 0,
            "total_tokens": 6,
            "prompt_tokens_details": None,
            "completion_tokens_details": None,
        },
    },
    "containers.create": {
        "id": "cntr_#",
        "created_at": NOW,
        "name": "",
        "memory_limit": None,
        "network_policy": None,
        "object": "container",
        "status": "running",
        "last_active_at": NOW,
        "expires_after": {"anchor": "last_active_at", "minutes": 20},
    },
    "containers.files.create": {
        "id": "cfile_#",
        "bytes": 0,
        "container_id": "container_id-1",
        "created_at": NOW,
        "object": "container.file",
        "path": "/mnt/data/upload",
        "source": "user",
    },
    "containers.files.list": {
        "object": "list",
        "first_id": "file_list_response_#",
        "last_id": "file_list_response_#",
        "has_more": False,
        "data": [
            {
                "id": "file_list_response_#",
                "bytes": 0,
                "container_id": "cntr_#",
                "created_at": NOW,
                "object": "container.file",
                "path": "/mnt/data/file.txt",
                "source": "source",
            }
        ],
    },
    "containers.files.retrieve": {
        "id": "file_id-1",
        "bytes": 0,
        "container_id": "container_id-1",
        "created_at": NOW,
        "object": "container.file",
        "path": "/mnt/data/file.txt",
        "source": "source",
    },
    "containers.list": {
        "object": "list",
        "first_id": "container_list_response_#",
        "last_id": "container_list_response_#",
        "has_more": False,
        "data": [
            {
                "id": "container_list_response_#",
                "created_at": NOW,
                "name": "",
                "memory_limit": None,
                "network_policy": None,
                "object": "container",
                "status": "running",
                "last_active_at": NOW,
                "expires_after": {"anchor": "last_active_at", "minutes": 20},
            }
        ],
    },
    "containers.retrieve": {
        "id": "container_id-1",
        "created_at": NOW,
        "name": "",
        "memory_limit": None,
        "network_policy": None,
        "object": "container",
        "status": "running",
        "last_active_at": NOW,
        "expires_after": {"anchor": "last_active_at", "minutes": 20},
    },
    "content_provenance_checks.create": {
        "created_at": NOW,
        "object": "content_provenance_check",
        "results": [],
    },
    "conversations.create": {
        "id": "conv_#",
        "created_at": NOW,
        "object": "conversation",
        "metadata": {},
    },
    "conversations.items.create": {
        "data": [],
        "has_more": False,
        "object": "list",
        "first_id": "",
        "last_id": "",
    },
    "conversations.items.retrieve": {
        "id": "item_id-1",
        "content": [],
        "role": "unknown",
        "status": "completed",
        "type": "message",
    },
    "decisions.create": {
        "answers": [],
        "model": "gpt-5.5",
        "usage": {
            "input_tokens": 0,
            "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 0},
            "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 0,
        },
    },
    "evals.create": {
        "id": "eval_#",
        "created_at": NOW,
        "data_source_config": {
            "schema": {
                "type": "object",
                "properties": {"item": {"type": "object"}, "sample": {"type": "object"}},
                "required": ["item", "sample"],
            },
            "type": "custom",
        },
        "metadata": None,
        "name": "",
        "object": "eval",
        "testing_criteria": [],
    },
    "evals.list": {
        "object": "list",
        "first_id": "eval_list_response_#",
        "last_id": "eval_list_response_#",
        "has_more": False,
        "data": [
            {
                "id": "eval_list_response_#",
                "created_at": NOW,
                "data_source_config": {"schema": {}, "type": "custom"},
                "metadata": None,
                "name": "",
                "object": "eval",
                "testing_criteria": [],
            }
        ],
    },
    "evals.retrieve": {
        "id": "eval_id-1",
        "created_at": NOW,
        "data_source_config": {"schema": {}, "type": "custom"},
        "metadata": None,
        "name": "",
        "object": "eval",
        "testing_criteria": [],
    },
    "evals.runs.create": {
        "id": "evalrun_#",
        "created_at": NOW,
        "data_source": {"source": {"content": [], "type": "file_content"}, "type": "jsonl"},
        "error": {"code": "", "message": ""},
        "eval_id": "eval_id-1",
        "metadata": None,
        "model": "gpt-5.5",
        "name": "",
        "object": "eval.run",
        "per_model_usage": [],
        "per_testing_criteria_results": [],
        "report_url": "https://platform.openai.com/evaluations",
        "result_counts": {"errored": 0, "failed": 0, "passed": 0, "total": 0},
        "status": "queued",
    },
    "evals.runs.list": {
        "object": "list",
        "first_id": "run_list_response_#",
        "last_id": "run_list_response_#",
        "has_more": False,
        "data": [
            {
                "id": "run_list_response_#",
                "created_at": NOW,
                "data_source": {"source": {"content": [], "type": "file_content"}, "type": "jsonl"},
                "error": {"code": "", "message": ""},
                "eval_id": "eval_#",
                "metadata": None,
                "model": "gpt-5.5",
                "name": "",
                "object": "eval.run",
                "per_model_usage": [],
                "per_testing_criteria_results": [],
                "report_url": "https://platform.openai.com/evaluations",
                "result_counts": {"errored": 0, "failed": 0, "passed": 0, "total": 0},
                "status": "status",
            }
        ],
    },
    "evals.runs.output_items.list": {
        "object": "list",
        "first_id": "outputitem_#",
        "last_id": "outputitem_#",
        "has_more": False,
        "data": [
            {
                "id": "outputitem_#",
                "created_at": NOW,
                "datasource_item": {},
                "datasource_item_id": 0,
                "eval_id": "eval_#",
                "object": "eval.run.output_item",
                "results": [],
                "run_id": "run_#",
                "sample": {
                    "error": {"code": "", "message": ""},
                    "finish_reason": "finish_reason",
                    "input": [],
                    "max_completion_tokens": 0,
                    "model": "gpt-5.5",
                    "output": [],
                    "seed": 0,
                    "temperature": 0.0,
                    "top_p": 0.0,
                    "usage": {"cached_tokens": 0, "completion_tokens": 0, "prompt_tokens": 0, "total_tokens": 0},
                },
                "status": "status",
            }
        ],
    },
    "evals.runs.output_items.retrieve": {
        "id": "output_item_id-1",
        "created_at": NOW,
        "datasource_item": {},
        "datasource_item_id": 0,
        "eval_id": "eval_id-1",
        "object": "eval.run.output_item",
        "results": [],
        "run_id": "run_id-1",
        "sample": {
            "error": {"code": "", "message": ""},
            "finish_reason": "finish_reason",
            "input": [],
            "max_completion_tokens": 0,
            "model": "gpt-5.5",
            "output": [],
            "seed": 0,
            "temperature": 0.0,
            "top_p": 0.0,
            "usage": {"cached_tokens": 0, "completion_tokens": 0, "prompt_tokens": 0, "total_tokens": 0},
        },
        "status": "status",
    },
    "evals.runs.retrieve": {
        "id": "run_id-1",
        "created_at": NOW,
        "data_source": {"source": {"content": [], "type": "file_content"}, "type": "jsonl"},
        "error": {"code": "", "message": ""},
        "eval_id": "eval_id-1",
        "metadata": None,
        "model": "gpt-5.5",
        "name": "",
        "object": "eval.run",
        "per_model_usage": [],
        "per_testing_criteria_results": [],
        "report_url": "https://platform.openai.com/evaluations",
        "result_counts": {"errored": 0, "failed": 0, "passed": 0, "total": 0},
        "status": "status",
    },
    "evals.update": {
        "id": "eval_id-1",
        "created_at": NOW,
        "data_source_config": {"schema": {}, "type": "custom"},
        "metadata": None,
        "name": "",
        "object": "eval",
        "testing_criteria": [],
    },
    "files.create": {
        "id": "file-#",
        "bytes": 0,
        "created_at": NOW,
        "filename": "upload",
        "object": "file",
        "expires_at": None,
        "status_details": None,
        "status": "processed",
        "purpose": "assistants",
    },
    "files.delete": {"id": "file_id-1", "deleted": True, "object": "file"},
    "fine_tuning.alpha.graders.run": {
        "metadata": {
            "errors": {
                "formula_parse_error": False,
                "invalid_variable_error": False,
                "model_grader_parse_error": False,
                "model_grader_refusal_error": False,
                "model_grader_server_error": False,
                "other_error": False,
                "python_grader_runtime_error": False,
                "python_grader_server_error": False,
                "sample_parse_error": False,
                "truncated_observation_error": False,
                "unresponsive_reward_error": False,
                "model_grader_server_error_details": None,
                "python_grader_runtime_error_details": None,
                "python_grader_server_error_type": None,
            },
            "execution_time": 0.0,
            "name": "",
            "scores": {},
            "type": "type",
            "sampled_model_name": None,
            "token_usage": None,
        },
        "model_grader_token_usage_per_model": {},
        "reward": 0.0,
        "sub_rewards": {},
    },
    "fine_tuning.alpha.graders.validate": {"grader": None},
    "fine_tuning.checkpoints.permissions.create": {
        "object": "list",
        "has_more": False,
        "data": [{"id": "cp_#", "created_at": NOW, "object": "checkpoint.permission", "project_id": "proj_#"}],
    },
    "fine_tuning.checkpoints.permissions.list": {
        "object": "list",
        "first_id": "permission_list_response_#",
        "last_id": "permission_list_response_#",
        "has_more": False,
        "data": [
            {
                "id": "permission_list_response_#",
                "created_at": NOW,
                "object": "checkpoint.permission",
                "project_id": "proj_#",
            }
        ],
    },
    "fine_tuning.checkpoints.permissions.retrieve": {
        "data": [],
        "object": "list",
        "first_id": None,
        "last_id": None,
        "has_more": False,
    },
    "fine_tuning.jobs.checkpoints.list": {
        "object": "list",
        "first_id": "ftckpt_#",
        "last_id": "ftckpt_#",
        "has_more": False,
        "data": [
            {
                "id": "ftckpt_#",
                "created_at": NOW,
                "fine_tuned_model_checkpoint": "fine_tuned_model_checkpoint",
                "fine_tuning_job_id": "ftjob-#",
                "metrics": {},
                "object": "fine_tuning.job.checkpoint",
                "step_number": 0,
            }
        ],
    },
    "fine_tuning.jobs.create": {
        "id": "ftjob-#",
        "created_at": NOW,
        "error": None,
        "fine_tuned_model": None,
        "finished_at": None,
        "model": "gpt-5.5",
        "object": "fine_tuning.job",
        "organization_id": "org-#",
        "result_files": [],
        "seed": 0,
        "trained_tokens": None,
        "training_file": "file-#",
        "validation_file": None,
        "estimated_finish": None,
        "metadata": None,
        "status": "validating_files",
        "hyperparameters": {"batch_size": "auto", "learning_rate_multiplier": "auto", "n_epochs": "auto"},
        "integrations": [],
        "shared_with_openai": False,
        "eval_id": None,
        "usage_metrics": None,
        "user_provided_suffix": None,
        "method": {
            "type": "supervised",
            "supervised": {
                "hyperparameters": {"batch_size": "auto", "learning_rate_multiplier": "auto", "n_epochs": "auto"}
            },
        },
    },
    "fine_tuning.jobs.list_events": {
        "object": "list",
        "first_id": "ftevent-#",
        "last_id": "ftevent-#",
        "has_more": False,
        "data": [
            {
                "id": "ftevent-#",
                "created_at": NOW,
                "level": "info",
                "message": "message",
                "object": "fine_tuning.job.event",
                "data": None,
                "type": None,
            }
        ],
    },
    "images.create_variation": {
        "created": NOW,
        "background": None,
        "output_format": None,
        "quality": None,
        "safety_identifier": NEWER_NULL,
        "size": None,
        "svg_usage": NEWER_NULL,
        "usage": None,
        "data": [
            {
                "b64_json": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcS"
                "JAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
            }
        ],
    },
    "live.create": {"session": {"id": "session_#"}, "transport": {"sdp": "sdp", "type": "webrtc"}},
    "live.sessions.fork": {
        "session": {"id": "session_#"},
        "transport": {"sdp": "sdp", "type": "webrtc"},
    },
    "models.retrieve": {
        "id": "model-1",
        "created": NOW,
        "object": "model",
        "owned_by": "openai",
        "shutdown_date": NEWER_NULL,
    },
    "moderations.create": {
        "id": "modr-#",
        "results": [
            {
                "categories": {
                    "harassment": False,
                    "harassment/threatening": False,
                    "hate": False,
                    "hate/threatening": False,
                    "self-harm": False,
                    "self-harm/instructions": False,
                    "self-harm/intent": False,
                    "sexual": False,
                    "sexual/minors": False,
                    "violence": False,
                    "violence/graphic": False,
                    "illicit": False,
                    "illicit/violent": False,
                },
                "category_applied_input_types": {
                    "harassment": [],
                    "harassment/threatening": [],
                    "hate": [],
                    "hate/threatening": [],
                    "illicit": [],
                    "illicit/violent": [],
                    "self-harm": [],
                    "self-harm/instructions": [],
                    "self-harm/intent": [],
                    "sexual": [],
                    "sexual/minors": [],
                    "violence": [],
                    "violence/graphic": [],
                },
                "category_scores": {
                    "harassment": 0.0,
                    "harassment/threatening": 0.0,
                    "hate": 0.0,
                    "hate/threatening": 0.0,
                    "illicit": 0.0,
                    "illicit/violent": 0.0,
                    "self-harm": 0.0,
                    "self-harm/instructions": 0.0,
                    "self-harm/intent": 0.0,
                    "sexual": 0.0,
                    "sexual/minors": 0.0,
                    "violence": 0.0,
                    "violence/graphic": 0.0,
                },
                "flagged": False,
            }
        ],
        "model": "omni-moderation-latest",
    },
    "realtime.client_secrets.create": {
        "session": {
            "id": "sess_#",
            "object": "realtime.session",
            "type": "realtime",
            "model": "gpt-realtime",
            "output_modalities": ["audio"],
            "instructions": "You are a helpful assistant.",
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "tracing": None,
            "truncation": "auto",
            "prompt": None,
            "expires_at": NOW + 3600,
            "include": None,
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "transcription": None,
                    "noise_reduction": None,
                    "turn_detection": {
                        "type": "server_vad",
                        "threshold": 0.5,
                        "prefix_padding_ms": 300,
                        "silence_duration_ms": 200,
                        "create_response": True,
                        "interrupt_response": True,
                        "idle_timeout_ms": None,
                    },
                },
                "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy", "speed": 1.0},
            },
        },
        "value": "ek_#",
        "expires_at": NOW + 600,
    },
    "realtime.translations.client_secrets.create": {
        "session": {
            "id": "sess_#",
            "expires_at": NOW + 3600,
            "type": "translation",
            "model": "gpt-realtime-translate",
            "audio": {"input": {}, "output": {"language": "en"}},
        },
        "value": "ek_#",
        "expires_at": NOW + 600,
    },
    "responses.compact": {
        "id": "resp_#",
        "created_at": NOW,
        "object": "response.compaction",
        "usage": {
            "input_tokens": 0,
            "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 0},
            "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 0,
        },
        "image": NEWER_NULL,
        "output": [{"id": "cmp_#", "type": "compaction", "encrypted_content": "mock"}],
    },
    "responses.create": {
        "id": "resp_#",
        "access_programs": NEWER_NULL,
        "created_at": NOW,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "model": "gpt-5.5",
        "object": "response",
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "conversation": None,
        "image": NEWER_NULL,
        "input_transformations": NEWER_NULL,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "moderation": None,
        "previous_response_id": None,
        "prompt": None,
        "prompt_cache_diagnostics": NEWER_NULL,
        "prompt_cache_key": None,
        "prompt_cache_options": None,
        "safety_identifier": None,
        "status": "completed",
        "user": None,
        "output": [
            {
                "id": "msg_#",
                "role": "assistant",
                "status": "completed",
                "content": [
                    {"annotations": [], "text": "This is a mock response.", "logprobs": [], "type": "output_text"}
                ],
                "type": "message",
                "phase": "final_answer",
            }
        ],
        "usage": {
            "input_tokens": 0,
            "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 0},
            "output_tokens": 6,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 6,
        },
        "metadata": {},
        "temperature": 1.0,
        "top_p": 0.98,
        "truncation": "disabled",
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "reasoning": {"context": "current_turn", "effort": "medium", "summary": None, "mode": "standard"},
        "top_logprobs": 0,
        "frequency_penalty": 0.0,
        "presence_penalty": 0.0,
        "store": True,
        "billing": {"payer": "developer"},
        "prompt_cache_retention": "24h",
        "tool_usage": {
            "image_gen": {
                "input_tokens": 0,
                "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
                "output_tokens": 0,
                "output_tokens_details": {"image_tokens": 0, "text_tokens": 0},
                "total_tokens": 0,
            },
            "web_search": {"num_requests": 0},
        },
        "background": False,
        "service_tier": "default",
        "completed_at": NOW,
    },
    "responses.input_items.list": {
        "object": "list",
        "first_id": "msg_#",
        "last_id": "msg_#",
        "has_more": False,
        "data": [{"id": "msg_#", "content": [], "role": "user", "type": "message", "status": "completed"}],
    },
    "responses.input_tokens.count": {"input_tokens": 0, "object": "response.input_tokens"},
    "safety.alerts.retrieve": {
        "id": "id-1",
        "created_at": NOW,
        "error_type": "potentially_unintended_data_transfer",
        "model": "gpt-5.5",
        "object": "safety.alert",
        "reason": None,
        "request_id": "request_#",
        "request_paused": False,
        "response_id": "resp_#",
        "detailed_explanation": None,
    },
    "safety.cases.retrieve": {
        "id": "id-1",
        "created_at": NOW,
        "entity_identifier": "entity_identifier",
        "notice": {"type": "warning"},
        "object": "safety.case",
        "reason": None,
    },
    "skills.create": {
        "id": "skill_#",
        "created_at": NOW,
        "description": "description",
        "name": "",
        "object": "skill",
        "default_version": "1",
        "latest_version": "1",
    },
    "skills.versions.create": {
        "id": "skillver_#",
        "created_at": NOW,
        "description": "description",
        "name": "",
        "object": "skill.version",
        "skill_id": "skill_id-1",
        "version": "1",
    },
    "uploads.create": {
        "id": "upload_#",
        "bytes": 0,
        "created_at": NOW,
        "expires_at": NOW + 3600,
        "filename": "file.txt",
        "object": "upload",
        "purpose": "purpose",
        "file": None,
        "status": "pending",
    },
    "uploads.parts.create": {
        "id": "part_#",
        "created_at": NOW,
        "object": "upload.part",
        "upload_id": "upload_id-1",
    },
    "vector_stores.create": {
        "id": "vs_#",
        "created_at": NOW,
        "file_counts": {"cancelled": 0, "completed": 0, "failed": 0, "in_progress": 0, "total": 0},
        "name": "",
        "object": "vector_store",
        "status": "completed",
        "usage_bytes": 0,
        "expires_after": None,
        "expires_at": None,
        "metadata": {},
        "last_active_at": NOW,
    },
    "vector_stores.file_batches.create": {
        "id": "vsfb_#",
        "created_at": NOW,
        "file_counts": {"cancelled": 0, "completed": 0, "failed": 0, "in_progress": 0, "total": 0},
        "object": "vector_store.files_batch",
        "status": "in_progress",
        "vector_store_id": "vector_store_id-1",
    },
    "vector_stores.files.content": {
        "object": "list",
        "has_more": False,
        "data": [{"text": None, "type": None}],
    },
    "vector_stores.files.create": {
        "id": "file-#",
        "created_at": NOW,
        "last_error": None,
        "object": "vector_store.file",
        "status": "in_progress",
        "usage_bytes": 0,
        "vector_store_id": "vector_store_id-1",
        "attributes": {},
        "chunking_strategy": {"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}},
    },
    "vector_stores.search": {
        "object": "list",
        "has_more": False,
        "data": [{"attributes": None, "content": [], "file_id": "file-#", "filename": "file.txt", "score": 0.0}],
    },
    "videos.create": {
        "id": "video_#",
        "completed_at": None,
        "created_at": NOW,
        "error": None,
        "expires_at": None,
        "object": "video",
        "prompt": None,
        "remixed_from_video_id": None,
        "status": "queued",
        "progress": 0,
        "model": "sora-2",
        "seconds": "4",
        "size": "720x1280",
    },
    "videos.create_character": {"id": "char_#", "created_at": NOW, "name": None},
    "videos.get_character": {"id": "character_id-1", "created_at": NOW, "name": None},
    "webhooks.create": {
        "id": "we_#",
        "created_at": NOW,
        "event_types": [],
        "name": "",
        "object": "webhook_endpoint",
        "signing_secret": "signing_secret",
        "signing_secret_hint": None,
        "url": "https://example.com",
        "updated_at": None,
    },
    "webhooks.event_types.list": {
        "object": "list",
        "data": ["response.completed", "batch.completed"],
    },
    "webhooks.retrieve": {
        "id": "webhook_endpoint_id-1",
        "created_at": NOW,
        "event_types": [],
        "name": "",
        "object": "webhook_endpoint",
        "signing_secret_hint": None,
        "url": "https://example.com",
        "updated_at": None,
    },
    "webhooks.test": {
        "event_type": "event_type",
        "object": "webhook_endpoint.test",
        "status_code": 0,
        "success": True,
        "webhook_endpoint_id": "webhook_endpoint_id-1",
    },
}


def expected_json(value):
    """Return a literal of these tables as sorted JSON, with null in newer fields, or without the newer fields."""
    if isinstance(value, dict):
        items = [(key, item) for key, item in value.items() if item is not NEWER_NULL or not OPENAI_2]
        return {key: expected_json(item) for key, item in items}
    if isinstance(value, list):
        return [expected_json(item) for item in value]
    return None if value is NEWER_NULL else value


def assert_same_json(text, expected):
    """Compare JSON with a literal: completely, and with the types of its numbers. Numbers of IDs are ignored."""
    actual = json.loads(re.sub(r"\d{20,}", "#", text))
    expected = expected_json(expected)
    assert actual == expected
    assert json.dumps(actual, sort_keys=True) == json.dumps(expected, sort_keys=True)  # 1 is neither 1.0 nor true


@pytest.fixture
def frozen_clock(monkeypatch):
    """Stop the clock of the mock."""
    monkeypatch.setattr(time, "time", lambda: float(NOW))


@pinned_release
@pytest.mark.parametrize("name", [pytest.param(name, marks=requires(name)) for name in DEFAULT_RESPONSES])
def test_default_response_is_complete_and_exact(openai_mock, frozen_clock, name):
    lookup(openai_mock, name).response = {"data": [{}]} if ROWS[name].model.endswith("]") else {}
    assert_same_json(sent(openai_mock, name, {}).text, DEFAULT_RESPONSES[name])


@pinned_release
@requires("beta.responses.create")
def test_beta_response_has_the_same_defaults(openai_mock, frozen_clock):
    openai_mock.beta.responses.create.response = {}
    assert_same_json(sent(openai_mock, "beta.responses.create", {}).text, DEFAULT_RESPONSES["responses.create"])


@pytest.mark.parametrize(
    "name, request_body",
    [
        (CHAT_CREATE, CHAT_REQUEST),
        ("completions.create", {"model": "m", "prompt": "Hi"}),
        ("embeddings.create", INPUT_REQUEST),
        ("moderations.create", INPUT_REQUEST),
        ("responses.create", INPUT_REQUEST),
    ],
)
def test_empty_partial_equals_the_response_with_nothing_set(frozen_clock, name, request_body):
    unset_mock = OpenAIMock()
    empty_mock = OpenAIMock()
    lookup(empty_mock, name).response = {}
    default_text, empty_text = (sent(mock, name, request_body).text for mock in (unset_mock, empty_mock))
    assert re.sub(r"\d{20,}", "#", default_text) == re.sub(r"\d{20,}", "#", empty_text)


SERVER_VAD = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 200}
PCM_AUDIO = {"type": "audio/pcm", "rate": 24000}
US_LOCATION = {"type": "approximate", "city": None, "country": "US", "region": None, "timezone": None}
MOCK_TEXT = "This is a mock response."


@pinned_release
@pytest.mark.parametrize(
    "name, partial, expected",
    [
        (
            "responses.create",
            {"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]},
            {
                "tools": [
                    {
                        "type": "file_search",
                        "vector_store_ids": ["vs_1"],
                        "filters": None,
                        "max_num_results": 20,
                        "ranking_options": {"ranker": "auto", "score_threshold": 0.0},
                    }
                ]
            },
        ),
        (
            "responses.create",
            {"tools": [{"type": "function", "name": "f", "parameters": {}}]},
            {
                "tools": [
                    {
                        "type": "function",
                        "name": "f",
                        "parameters": {},
                        "description": None,
                        "output_schema": None,
                        "strict": True,
                    }
                ]
            },
        ),
        (
            "responses.create",
            {"tools": [{"type": "web_search"}]},
            {
                "tools": [
                    {
                        "type": "web_search",
                        "search_context_size": "medium",
                        "user_location": US_LOCATION,
                        "return_token_budget": "default",
                        "search_content_types": ["text"],
                    }
                ]
            },
        ),
        (
            "responses.create",
            {"tools": [{"type": "web_search", "user_location": {}}]},
            {
                "tools": [
                    {
                        "type": "web_search",
                        "search_context_size": "medium",
                        "user_location": US_LOCATION | {"country": None},
                        "return_token_budget": "default",
                        "search_content_types": ["text"],
                    }
                ]
            },
        ),
        (
            "responses.create",
            {"tools": [{"type": "web_search_preview"}]},
            {"tools": [{"type": "web_search_preview", "search_context_size": "medium", "user_location": US_LOCATION}]},
        ),
        (
            "responses.create",
            {"tools": [{"type": "image_generation"}]},
            {
                "tools": [
                    {
                        "type": "image_generation",
                        "background": "auto",
                        "moderation": "auto",
                        "n": 1,
                        "output_compression": 100,
                        "output_format": "png",
                        "quality": "auto",
                        "size": "auto",
                    }
                ]
            },
        ),
        (
            "responses.create",
            {"tools": [{"type": "mcp", "server_label": "s"}]},
            {
                "tools": [
                    {
                        "type": "mcp",
                        "server_label": "s",
                        "allowed_tools": None,
                        "headers": None,
                        "require_approval": "always",
                        "server_description": None,
                    }
                ]
            },
        ),
        (
            "responses.create",
            {"text": {"format": {"type": "json_schema", "name": "n", "schema": {}}}},
            {
                "text": {
                    "verbosity": "medium",
                    "format": {"type": "json_schema", "name": "n", "schema": {}, "description": None},
                }
            },
        ),
        (
            "chat.completions.create",
            {"choices": [{"message": {"tool_calls": [{"function": {"name": "f"}}]}}]},
            {
                "choices": [
                    {
                        "finish_reason": "tool_calls",
                        "index": 0,
                        "logprobs": None,
                        "message": {
                            "role": "assistant",
                            "content": None,
                            "refusal": None,
                            "annotations": [],
                            "tool_calls": [
                                {"id": "call_#", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                            ],
                        },
                    }
                ]
            },
        ),
        (
            "chat.completions.create",
            {"choices": [{"message": {"tool_calls": [{"type": "custom", "custom": {"name": "f"}}]}}]},
            {
                "choices": [
                    {
                        "finish_reason": "tool_calls",
                        "index": 0,
                        "logprobs": None,
                        "message": {
                            "role": "assistant",
                            "content": None,
                            "refusal": None,
                            "annotations": [],
                            "tool_calls": [
                                {"id": "call_#", "type": "custom", "custom": {"name": "f", "input": "input"}}
                            ],
                        },
                    }
                ]
            },
        ),
        (
            "beta.assistants.create",
            {"tools": [{"type": "function", "function": {"name": "f"}}]},
            {
                "tools": [
                    {
                        "type": "function",
                        "function": {"name": "f", "strict": False, "parameters": {"type": "object", "properties": {}}},
                    }
                ]
            },
        ),
        (
            "beta.threads.runs.create",
            {"required_action": {"submit_tool_outputs": {"tool_calls": [{}]}}},
            {
                "required_action": {
                    "type": "submit_tool_outputs",
                    "submit_tool_outputs": {
                        "tool_calls": [
                            {"id": "call_#", "type": "function", "function": {"name": "", "arguments": "{}"}}
                        ]
                    },
                }
            },
        ),
        (
            "beta.threads.runs.steps.retrieve",
            {"step_details": {"type": "tool_calls", "tool_calls": [{"type": "function", "function": {"name": "f"}}]}},
            {
                "step_details": {
                    "type": "tool_calls",
                    "tool_calls": [{"id": "call_#", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                }
            },
        ),
        (
            "fine_tuning.jobs.create",
            {"hyperparameters": {}},
            {"hyperparameters": {"batch_size": "auto", "learning_rate_multiplier": "auto", "n_epochs": "auto"}},
        ),
        ("evals.runs.create", {"error": {}}, {"error": {"code": "", "message": ""}}),
        (
            "realtime.client_secrets.create",
            {"session": {"type": "transcription"}},
            {
                "value": "ek_#",
                "expires_at": NOW + 600,
                "session": {
                    "id": "sess_#",
                    "object": "realtime.transcription_session",
                    "type": "transcription",
                    "expires_at": NOW + 3600,
                    "include": None,
                    "audio": {
                        "input": {
                            "format": PCM_AUDIO,
                            "transcription": None,
                            "noise_reduction": None,
                            "turn_detection": SERVER_VAD | {"idle_timeout_ms": None},
                        }
                    },
                },
            },
        ),
    ],
)
def test_defaults_complete_a_partial_object(openai_mock, frozen_clock, name, partial, expected):
    lookup(openai_mock, name).response = partial
    answer = sent(openai_mock, name, {}).json()
    assert_same_json(json.dumps({key: answer[key] for key in expected}), expected)


@pinned_release
@pytest.mark.parametrize(
    "name, response_format, expected",
    [
        (
            "audio.transcriptions.create",
            "verbose_json",
            {
                "text": MOCK_TEXT,
                "task": "transcribe",
                "language": "english",
                "duration": 1.0,
                "usage": {"type": "duration", "seconds": 1},
                "segments": [
                    {
                        "id": 0,
                        "avg_logprob": -0.1,
                        "compression_ratio": 0.0,
                        "end": 1.0,
                        "no_speech_prob": 0.0,
                        "seek": 0,
                        "start": 0.0,
                        "temperature": 0.0,
                        "text": f" {MOCK_TEXT}",
                        "tokens": [0, 1, 2, 3, 4, 5],
                    }
                ],
            },
        ),
        pytest.param(
            "audio.transcriptions.create",
            "diarized_json",
            {
                "text": MOCK_TEXT,
                "task": "transcribe",
                "duration": 1.0,
                "segments": [
                    {
                        "id": "seg_0",
                        "type": "transcript.text.segment",
                        "speaker": "A",
                        "start": 0.0,
                        "end": 1.0,
                        "text": MOCK_TEXT,
                    }
                ],
                "usage": {
                    "type": "tokens",
                    "input_tokens": 10,
                    "input_token_details": {"text_tokens": 0, "audio_tokens": 10},
                    "output_tokens": 6,
                    "total_tokens": 16,
                },
            },
            marks=requires("diarized_json"),
        ),
        (
            "audio.translations.create",
            "verbose_json",
            {"text": MOCK_TEXT, "task": "translate", "language": "english", "duration": 1.0, "segments": []},
        ),
    ],
)
def test_default_transcripts_by_format(openai_mock, name, response_format, expected):
    lookup(openai_mock, name).response = {}
    assert_same_json(sent(openai_mock, name, {"response_format": response_format}).text, expected)


@pinned_release
@pytest.mark.parametrize(
    "name, message, params, expected",
    [
        pytest.param(
            "realtime",
            None,
            {"model": "m"},
            {
                "type": "realtime",
                "id": "sess_#",
                "object": "realtime.session",
                "model": "m",
                "expires_at": NOW + 3600,
                "include": None,
                "instructions": "You are a helpful assistant.",
                "max_output_tokens": "inf",
                "output_modalities": ["audio"],
                "prompt": None,
                "tool_choice": "auto",
                "tools": [],
                "tracing": None,
                "truncation": "auto",
                "audio": {
                    "input": {
                        "format": PCM_AUDIO,
                        "noise_reduction": None,
                        "transcription": None,
                        "turn_detection": SERVER_VAD
                        | {"create_response": True, "idle_timeout_ms": None, "interrupt_response": True},
                    },
                    "output": {"format": PCM_AUDIO, "speed": 1.0, "voice": "alloy"},
                },
            },
            id="realtime",
        ),
        pytest.param(
            "realtime",
            None,
            {"model": "m", "extra_query": {"intent": "transcription"}},
            {
                "type": "transcription",
                "id": "sess_#",
                "object": "realtime.transcription_session",
                "model": "m",
                "expires_at": NOW + 3600,
                "include": None,
                "audio": {
                    "input": {
                        "format": PCM_AUDIO,
                        "noise_reduction": None,
                        "transcription": None,
                        "turn_detection": SERVER_VAD | {"idle_timeout_ms": None},
                    }
                },
            },
            id="transcription",
        ),
        pytest.param(
            "beta.realtime",
            None,
            {"model": "m"},
            {
                "id": "sess_#",
                "object": "realtime.session",
                "model": "m",
                "modalities": ["audio", "text"],
                "instructions": "You are a helpful assistant.",
                "voice": "alloy",
                "input_audio_format": "pcm16",
                "output_audio_format": "pcm16",
                "input_audio_transcription": None,
                "input_audio_noise_reduction": None,
                "turn_detection": SERVER_VAD | {"create_response": True, "interrupt_response": True},
                "tools": [],
                "tool_choice": "auto",
                "temperature": 0.8,
                "speed": 1.0,
                "max_response_output_tokens": "inf",
                "tracing": None,
            },
            id="beta",
        ),
        pytest.param(
            "realtime.translations",
            None,
            {"model": "m"},
            {
                "id": "sess_#",
                "type": "translation",
                "model": "m",
                "expires_at": NOW + 3600,
                "audio": {"input": {}, "output": {"language": "en"}},
            },
            id="translation",
            marks=requires("realtime.translations.connect"),
        ),
        pytest.param(
            "live",
            {"type": "session.start", "session": {"model": "gpt-live-1"}},
            {},
            {
                "id": "sess_#",
                "expires_at": NOW + 3600,
                "status": "active",
                "model": "gpt-live-1",
                "audio": {"format": PCM_AUDIO, "output": {"voice": "marin"}},
            },
            id="live",
            marks=requires("live.connect"),
        ),
    ],
)
def test_default_session_is_complete_and_exact(openai_mock, frozen_clock, name, message, params, expected):
    with lookup(sdk(), name).connect(**params) as connection:
        if message:
            connection._connection.send(json.dumps(message))
        event = json.loads(connection.recv_bytes())
    assert_same_json(json.dumps(event["session"]), expected)


def test_tool_calls_replace_default_content(create, client):
    calls = [{"function": {"name": name, "arguments": "{}"}} for name in "fg"]
    create.response = {"choices": [{"message": {"tool_calls": calls}}]}
    choice = client.chat.completions.create(**CHAT_REQUEST).choices[0]
    assert (choice.message.content, choice.finish_reason) == (None, "tool_calls")
    assert [call.type for call in choice.message.tool_calls] == ["function", "function"]
    ids = [call.id for call in choice.message.tool_calls]
    assert len(set(ids)) == 2
    assert all(id.startswith("call_") for id in ids)


@pytest.mark.parametrize(
    "name, usage, expected",
    [
        (CHAT_CREATE, {"prompt_tokens": 3, "completion_tokens": 4}, {"total_tokens": 7}),
        (CHAT_CREATE, {"prompt_tokens": 7}, {"completion_tokens": 6, "total_tokens": 13}),
        (CHAT_CREATE, {"prompt_tokens": 3, "total_tokens": 90}, {"completion_tokens": 6}),
        ("responses.create", {"input_tokens": 5, "output_tokens": 6}, {"total_tokens": 11}),
        ("batches.create", {"input_tokens": 5, "output_tokens": 6}, {"total_tokens": 11}),
        ("batches.create", {"input_tokens": 5, "total_tokens": 90}, {"output_tokens": 0}),
        ("images.generate", {"input_tokens": 5, "output_tokens": 6}, {"total_tokens": 11}),
        (
            "audio.transcriptions.create",
            {"type": "tokens", "input_tokens": 5, "output_tokens": 6},
            {"total_tokens": 11},
        ),
    ],
)
def test_missing_usage_counts_are_filled_individually(openai_mock, name, usage, expected):
    lookup(openai_mock, name).response = {"usage": usage}
    assert contains(sent(openai_mock, name, {**CHAT_REQUEST, **INPUT_REQUEST}).json()["usage"], usage | expected)


@pytest.mark.parametrize(
    "partial, status",
    [
        ({}, "completed"),
        ({"error": {"code": "server_error", "message": "sorry"}}, "failed"),
        ({"incomplete_details": {"reason": "max_output_tokens"}}, "incomplete"),
        ({"error": {"code": "server_error", "message": "sorry"}, "status": "cancelled"}, "cancelled"),
    ],
)
def test_response_status_is_derived_from_error_and_incomplete_details(openai_mock, client, partial, status):
    openai_mock.responses.create.response = partial
    assert client.responses.create(**INPUT_REQUEST).status == status


def test_default_model_is_used_without_a_model(client):
    assert client.responses.create(input="x").model == openai_responses._DEFAULT_MODEL


def test_request_value_overrides_default(client):
    response = client.responses.create(input="x", model="gpt-asked", instructions="asked", metadata={"a": "asked"})
    assert response.model == "gpt-asked"
    assert response.instructions == "asked"
    assert response.metadata == {"a": "asked"}


def test_set_value_overrides_request(openai_mock, client):
    openai_mock.responses.create.response = {"model": "gpt-set", "metadata": {"b": "set"}}
    response = client.responses.create(input="x", model="gpt-asked", instructions="asked", metadata={"a": "asked"})
    assert response.model == "gpt-set"
    assert response.metadata == {"b": "set"}
    assert response.instructions == "asked"


@pytest.mark.parametrize("response", [{}, {"choices": [{"message": {"content": "a"}}]}], ids=["empty", "message"])
def test_request_only_fields_are_not_echoed(create, client, response):
    create.response = response
    raw = client.chat.completions.with_raw_response.create(**CHAT_REQUEST, temperature=0.5, seed=3, stop=["x"])
    assert not json.loads(raw.content).keys() - ChatCompletion.model_fields.keys()


FUNCTION_TOOL = {"type": "function", "name": "f", "parameters": {}}
FILE_SEARCH_TOOL = {"type": "file_search", "vector_store_ids": ["vs_1"]}


@pytest.mark.parametrize(
    "path, body, expected",
    [
        pytest.param(
            "/responses",
            {},
            {"reasoning": {"context": None, "effort": None, "summary": None}, "prompt_cache_retention": "in_memory"},
            marks=pinned_release,
        ),
        ("/responses", {}, {"text": {"format": {"type": "text"}, "verbosity": "medium"}}),
        ("/responses", {}, {"top_logprobs": 0, "store": True, "frequency_penalty": 0.0}),
        ("/responses", {"store": False, "temperature": None}, {"store": False, "temperature": 1.0}),
        ("/responses", {"service_tier": "auto"}, {"service_tier": "default"}),
        ("/responses", {"service_tier": "flex"}, {"service_tier": "flex"}),
        ("/responses", {"text": {"verbosity": "low"}}, {"text": {"format": {"type": "text"}, "verbosity": "low"}}),
        pytest.param(
            "/responses",
            {"model": "o3-mini", "reasoning": {"effort": "high"}},
            {"reasoning": {"context": "current_turn", "effort": "high", "mode": "standard", "summary": None}},
            marks=pinned_release,
        ),
        pytest.param(
            "/responses",
            {"model": "gpt-5.2", "reasoning": {"summary": "auto"}},
            {"reasoning": {"context": "current_turn", "effort": "none", "mode": "standard", "summary": "detailed"}},
            marks=pinned_release,
        ),
        ("/responses", {"model": "gpt-5.2"}, {"top_p": 0.98}),
        ("/responses", {"model": "gpt-5.2", "top_p": 0.5}, {"top_p": 0.5, "prompt_cache_retention": "24h"}),
        (
            "/responses",
            {"tools": [FUNCTION_TOOL | {"description": ""}]},
            {"tools": [FUNCTION_TOOL | {"description": None, "output_schema": None, "strict": True}]},
        ),
        ("/chat/completions", {"metadata": {"a": "b"}}, {"metadata": None}),
        ("/chat/completions", {"model": "gpt-5-nano"}, {"system_fingerprint": None}),
        ("/chat/completions", {"store": True}, {"metadata": None, "system_fingerprint": "fp_44709d6fcb"}),
        ("/chat/completions", {"model": "gpt-4"}, {"system_fingerprint": None}),
        ("/chat/completions", {"model": "gpt-4o-search-preview"}, {"system_fingerprint": "", "service_tier": None}),
        (
            "/completions",
            {},
            {
                "choices": [
                    {"finish_reason": "stop", "index": 0, "logprobs": None, "text": "This is a mock response."}
                ],
                "usage": {
                    "prompt_tokens": 1,
                    "completion_tokens": 6,
                    "total_tokens": 7,
                    "prompt_tokens_details": None,
                    "completion_tokens_details": None,
                },
            },
        ),
        ("/assistants", {}, {"metadata": {}, "temperature": 1.0, "top_p": 1.0}),
        ("/assistants", {}, {"response_format": "auto", "tool_resources": {}}),
        (
            "/assistants",
            {"tools": [{"type": "code_interpreter"}]},
            {"tool_resources": {"code_interpreter": {"file_ids": []}}},
        ),
        ("/threads/runs", {}, {"tool_choice": "auto", "truncation_strategy": {"type": "auto", "last_messages": None}}),
        ("/threads/runs", {}, {"top_p": 1.0}),
        ("/containers", {"name": "c"}, {"object": "container", "status": "running"}),
        ("/containers", {"name": "c"}, {"expires_after": {"anchor": "last_active_at", "minutes": 20}}),
        (
            "/images/generations",
            {"model": "gpt-image-1", "quality": "auto", "size": "1024x1536"},
            {"background": "opaque", "quality": "high", "size": "1024x1536"},
        ),
        ("/images/generations", {"model": "dall-e-2", "size": "256x256"}, {"size": None, "usage": None}),
    ],
)
def test_response_defaults_match_the_api(client, path, body, expected):
    fields = {"input": "Hi", "messages": USER_MESSAGES, "prompt": "Hi", "assistant_id": add_assistant(client)}
    request = {"model": "gpt-4o"} | fields | body
    answer = client.post(path, body=request, cast_to=object)
    assert {key: answer.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    "method, path, body, content_type, rate_limit_headers",
    [
        ("POST", "/audio/speech", {"model": "tts-1", "voice": "alloy", "input": "Hi"}, "audio/mpeg", 6),
        ("GET", "/files/file-0", None, "application/json", 0),
    ],
    ids=["speech", "file"],
)
def test_response_headers_match_the_api(openai_mock, method, path, body, content_type, rate_limit_headers):
    headers = httpx.request(method, BASE_URL + path, json=body).headers
    assert headers["content-type"] == content_type
    assert {"date", "openai-organization", "openai-project", "openai-version"} <= headers.keys()
    assert headers["x-content-type-options"] == "nosniff"
    assert "strict-transport-security" in headers
    assert len([name for name in headers if name.startswith("x-ratelimit-")]) == rate_limit_headers


@pytest.mark.parametrize(
    "field, value",
    [
        ("action", "edit"),
        ("input_fidelity", "high"),
        ("input_image_mask", {"file_id": "file-1"}),
    ],
)
def test_image_tool_settings_are_not_echoed(client, field, value):
    tool = {"type": "image_generation", "quality": "low"}
    (returned,) = client.responses.create(**INPUT_REQUEST, tools=[tool | {field: value}]).to_dict()["tools"]
    assert contains(returned, tool)
    assert field not in returned


def test_web_search_tool_settings(client):
    tool = {"type": "web_search", "search_context_size": "low", "external_web_access": True}
    (returned,) = client.responses.create(**INPUT_REQUEST, tools=[tool]).to_dict()["tools"]
    assert returned["search_context_size"] == "low"
    assert returned["return_token_budget"] == "default"
    assert returned["search_content_types"] == ["text"]
    assert "external_web_access" not in returned


def test_vector_store_file_attributes_keep_their_types(client):
    store = add_store(client)
    file = add_file(client)
    client.vector_stores.files.create(store, file_id=file)
    attributes = {"flag": True, "number": 1.5, "text": "a"}
    updated = client.vector_stores.files.update(file, vector_store_id=store, attributes=attributes)
    assert updated.attributes == attributes
    assert updated.attributes["flag"] is True


def test_file_purpose_is_echoed(openai_mock):
    assert lenient_client().files.create(file=b"x", purpose="evals").purpose == "evals"


def test_known_model_is_retrieved(client):
    assert client.models.retrieve("gpt-3.5-turbo-instruct").id == "gpt-3.5-turbo-instruct"


def test_moderation_without_a_model_uses_the_latest(client):
    moderation = client.moderations.create(input="Hi")
    assert moderation.model == "omni-moderation-latest"
    assert moderation.results[0].categories.illicit is False


def test_builder_objects_get_unique_ids(openai_mock, client):
    build = helper("builders.messages.build_message")
    thread = add_thread(client, "Hi")
    stored = openai_mock.state.beta.threads.messages
    stored.put(build({"thread_id": thread, "content": []}))
    first, second = stored.list(thread_id=thread, order="asc")
    assert first.id != second.id
    assert len(client.beta.threads.messages.list(thread).data) == 2
    assert [message.id for message in stored.list(thread_id=thread, order="asc", after=first.id)] == [second.id]


def test_global_random_state_is_unchanged(client):
    before = random.getstate()
    client.embeddings.create(model="text-embedding-3-small", input="x", encoding_format="float")
    client.chat.completions.create(**CHAT_REQUEST)
    assert random.getstate() == before


# ======================================================================================================================
# TYPES AND MERGING
# ======================================================================================================================


@pytest.mark.parametrize("name", [name for name in ENDPOINT_NAMES if name in {*HTTP_NAMES, *HELPERS}])
def test_empty_partial_is_completed_to_a_valid_response(openai_mock, name):
    lookup(openai_mock, name).response = {}
    row = ROWS[HELPERS.get(name, name)]
    response = openai_mock.router.handler(request_of(row))
    assert response.status_code == 200
    data = response.read()
    if response.headers["content-type"].startswith("text/event-stream"):
        data = re.search(rb"data: (.*)", data)[1]
    if row.model not in ("bytes", "str", "None"):
        pydantic.TypeAdapter(_sdk_type(row.model)).validate_json(data, strict=True)


def test_chat_partial_is_completed_at_every_depth(create, client):
    create.response = {"choices": [{"message": {"content": "a"}}, {"message": {"content": "b"}}]}
    completion = client.chat.completions.create(**CHAT_REQUEST)
    assert [choice.index for choice in completion.choices] == [0, 1]
    assert {(c.message.role, c.finish_reason, c.logprobs) for c in completion.choices} == {("assistant", "stop", None)}
    assert [choice.message.content for choice in completion.choices] == ["a", "b"]
    assert completion.object == "chat.completion"
    assert completion.id.startswith("chatcmpl-")


QUOTA_ERROR = {"code": "insufficient_quota", "message": "No more."}


def complete_response(openai_mock, name, changes):
    """Return the default response of an endpoint with some fields changed."""
    lookup(openai_mock, name).response = {}
    return sent(openai_mock, name, {}).json() | changes


@pytest.mark.parametrize(
    "name, changes",
    [
        ("beta.threads.runs.create", {"instructions": None}),
        ("vector_stores.create", {"name": None, "last_active_at": 7}),
        ("vector_stores.file_batches.create", {"object": "vector_store.file_batch"}),
        ("embeddings.create", {"data": [{"object": "embedding", "index": 0, "embedding": "AAAAPw=="}]}),
        ("responses.create", {"error": QUOTA_ERROR, "status": "failed"}),
        ("responses.delete", {"object": "response.deleted", "deleted": True}),
    ],
)
def test_complete_object_is_returned_as_set(openai_mock, name, changes):
    response = complete_response(openai_mock, name, changes)
    lookup(openai_mock, name).response = response
    assert sent(openai_mock, name, {}).json() == response


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"choices": 5}, r"\.choices is 5; expected list of"),
        ({"choices": [{"finish_reason": 7, "message": {}}]}, r"\.finish_reason is 7; expected 'stop'"),
        ({"choices": [{"message": {"content": 5}}]}, r"\.content is 5; expected str"),
        ({"model": 5}, r"\.model is 5; expected str"),
    ],
)
def test_complete_object_with_wrong_types_is_rejected(openai_mock, create, changes, message):
    response = complete_response(openai_mock, CHAT_CREATE, changes)
    with pytest.raises(ValueError, match=message):
        create.response = response


@pytest.mark.parametrize(
    "choice, expected",
    [
        (
            {"logprobs": {"content": [{"token": "a", "logprob": -0.5}]}},
            {
                "logprobs": {
                    "content": [{"token": "a", "logprob": -0.5, "top_logprobs": [], "bytes": None}],
                    "refusal": None,
                }
            },
        ),
        ({"message": {"refusal": "no"}}, {"message": {"content": None, "refusal": "no"}}),
    ],
    ids=["logprobs", "refusal"],
)
def test_set_choice_is_completed(create, client, choice, expected):
    create.response = {"choices": [choice]}
    (completed,) = client.chat.completions.create(**CHAT_REQUEST).model_dump()["choices"]
    assert contains(completed, expected)


@pytest.mark.parametrize(
    "choice",
    [
        {"index": 7},
        {"message": {"content": "a", "reasoning_content": "because"}, "native_finish_reason": "STOP"},
        {
            "message": {"content": "let me see", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]},
            "finish_reason": "stop",
        },
    ],
    ids=["index", "fields the SDK does not have", "content with tool calls"],
)
def test_set_choice_is_kept(create, client, choice):
    create.response = {"choices": [choice, {}], "provider": "other"}
    completion = client.chat.completions.create(**CHAT_REQUEST)
    first, second = completion.model_dump()["choices"]
    assert contains(first, choice)
    assert second["index"] == 1
    assert completion.provider == "other"


@pytest.mark.parametrize(
    "item, expected",
    [
        ({"content": [{"text": "hi"}]}, "message"),
        ({"type": "function_call", "name": "f", "arguments": "{}"}, "function_call"),
        ({"name": "f", "arguments": "{}", "call_id": "call_1"}, "function_call"),
        ({"name": "f", "arguments": "{}", "custom": "x"}, "function_call"),
        ({"type": "reasoning", "summary": [{"text": "so"}]}, "reasoning"),
        ({"type": "web_search_call"}, "web_search_call"),
        ({"type": "mcp_call", "name": "f", "server_label": "s"}, "mcp_call"),
        ({"type": "image_generation_call", "result": "aGk="}, "image_generation_call"),
    ],
)
def test_union_member_is_selected_by_literals_then_by_keys(openai_mock, client, item, expected):
    openai_mock.responses.create.response = {"output": [item]}
    (output_item,) = client.responses.create(**INPUT_REQUEST).output
    assert output_item.type == expected
    set_strings = {key: value for key, value in item.items() if isinstance(value, str)}
    assert contains(output_item.to_dict(), set_strings)


def test_response_message_is_completed(openai_mock, client):
    openai_mock.responses.create.response = {"output": [{"content": [{"text": "hi"}]}]}
    response = client.responses.create(**INPUT_REQUEST)
    assert response.output_text == "hi"
    assert response.status == "completed"
    assert response.output[0].role == "assistant"
    assert response.output[0].content[0].annotations == []


@pytest.mark.parametrize(
    "name, partial, message",
    [
        ("audio.transcriptions.create", {"duration": "x"}, "duration is 'x'; expected float"),
        (CHAT_CREATE, {"choises": []}, ".response has no field 'choises'; did you mean 'choices'?"),
        (CHAT_CREATE, {"choices": [{"mesage": {}}]}, ".choices[0] has no field 'mesage'; did you mean 'message'?"),
        ("responses.create", {"outputs": []}, ".response has no field 'outputs'; did you mean 'output'?"),
        ("responses.create", {"output": [{"contnt": []}]}, ".output[0] has no field 'contnt'; did you mean 'content'?"),
        (
            "responses.create",
            {"output": [{"content": [{"txt": "hi"}]}]},
            "[0] has no field 'txt'; did you mean 'text'?",
        ),
        ("responses.create", {"output": [{"content": [], "staus": "x"}]}, "no field 'staus'; did you mean 'status'?"),
        ("files.create", {"file_name": "x"}, ".response has no field 'file_name'; did you mean 'filename'?"),
        ("files.list", {"data": [{"purposes": "batch"}]}, ".data[0] has no field 'purposes'; did you mean 'purpose'?"),
        (CHAT_CREATE, {"choices": "x"}, "response.choices is 'x'; expected list of"),
        (
            CHAT_CREATE,
            {"choices": [{"finish_reason": "nope"}]},
            "[0].finish_reason is 'nope'; expected 'stop' or 'length'",
        ),
        (CHAT_CREATE, {"created": "soon"}, "response.created is 'soon'; expected int"),
        (CHAT_CREATE, {"choices": [{"message": {"content": 5}}]}, "choices[0].message.content is 5; expected str"),
        (CHAT_CREATE, {"usage": {"total_tokens": "many"}}, "usage.total_tokens is 'many'; expected int"),
        ("responses.create", {"status": "done"}, "response.status is 'done'; expected 'completed'"),
        ("files.create", {"bytes": "many"}, "response.bytes is 'many'; expected int"),
        ("embeddings.create", {"data": [{"embedding": ["x"]}]}, "data[0].embedding[0] is 'x'; expected float"),
    ],
)
def test_invalid_partials_raise_on_assignment(openai_mock, name, partial, message):
    with pytest.raises(ValueError, match=rf"^{re.escape(name)}.*{re.escape(message)}"):
        lookup(openai_mock, name).response = partial
    assert lookup(openai_mock, name).response is None


@pytest.mark.parametrize(
    "name, partial",
    [
        ("responses.create", {"metadata": {"metadatas": "x", "mode": "y"}}),
        ("vector_stores.files.create", {"attributes": {"attribute": "x", "file_idd": 3}}),
        ("responses.create", {"tools": [FUNCTION_TOOL | {"parameters": {"propertys": {}, "typ": "x"}}]}),
    ],
)
def test_keys_of_untyped_dicts_are_not_spell_checked(openai_mock, name, partial):
    lookup(openai_mock, name).response = partial
    assert lookup(openai_mock, name).response == partial


def test_sdk_model_can_be_set_as_response(create, client):
    first = client.chat.completions.create(**CHAT_REQUEST)
    create.response = first
    assert client.chat.completions.create(**CHAT_REQUEST).model_dump() == first.model_dump()


texts = st.text(st.characters(codec="utf-8"), max_size=30)
some = functools.partial(st.fixed_dictionaries, {})
pick = st.sampled_from
calls = st.fixed_dictionaries({"function": st.fixed_dictionaries({"name": texts, "arguments": texts})})
messages = some(optional={"content": st.none() | texts, "refusal": texts, "tool_calls": st.lists(calls, max_size=2)})
finish_reasons = pick(["stop", "length", "tool_calls", "content_filter"])
choices = st.lists(some(optional={"message": messages, "finish_reason": finish_reasons}), max_size=3)
partial_usages = some(optional=dict.fromkeys(("prompt_tokens", "completion_tokens"), st.integers(0, 10**9)))
service_tiers = st.none() | pick(["auto", "default"])
chat_partials = some(
    optional={"choices": choices, "usage": partial_usages, "model": texts, "service_tier": service_tiers}
)


@given(chat_partials)
def test_any_chat_partial_parses_strictly_and_keeps_set_fields(partial):
    openai_mock = OpenAIMock()
    openai_mock.chat.completions.create.response = partial
    response = sent(openai_mock, CHAT_CREATE, CHAT_REQUEST)
    answer = response.json()
    pydantic.TypeAdapter(ChatCompletion).validate_json(response.content, strict=True)
    assert contains(answer, partial)
    if "choices" in partial:
        assert [choice["index"] for choice in answer["choices"]] == list(range(len(partial["choices"])))
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


# ======================================================================================================================
# STATE
# ======================================================================================================================


def test_plain_dicts_in_the_state_are_served(openai_mock, client):
    openai_mock.state["files"]["file-1"] = file_json("file-1")
    openai_mock.state["files.content"]["file-1"] = b"hi"
    assert client.files.retrieve("file-1").filename == "a.txt"
    assert client.files.content("file-1").read() == b"hi"
    assert [file.id for file in client.files.list()] == ["file-1"]


def test_plain_dicts_of_children_are_served(openai_mock, client):
    store = add_store(client)
    openai_mock.state["vector_stores.files"][store, "file-1"] = {
        "id": "file-1",
        "object": "vector_store.file",
        "vector_store_id": store,
        "usage_bytes": 0,
        "created_at": 1,
        "status": "completed",
        "last_error": None,
    }
    assert client.vector_stores.files.retrieve("file-1", vector_store_id=store).id == "file-1"


def test_misspelt_key_of_the_state_suggests_the_right_one(openai_mock):
    with pytest.raises(KeyError, match=r"vector_stores\.files"):
        openai_mock.state["vector_stores.filez"]


def test_misspelt_attribute_of_the_state_suggests_the_right_one(openai_mock):
    with pytest.raises(AttributeError, match="files"):
        _ = openai_mock.state.filez


def test_incomplete_stored_objects_are_completed_on_use(openai_mock, client):
    openai_mock.state["vector_stores"]["vs_hand"] = {"id": "vs_hand"}
    client.vector_stores.files.create("vs_hand", file_id=add_file(client))
    assert client.vector_stores.retrieve("vs_hand").file_counts.total == 1
    openai_mock.state["batches"]["batch_hand"] = {"id": "batch_hand"}
    assert client.batches.cancel("batch_hand").status == "cancelling"


def test_state_holds_plain_json_dicts(openai_mock, client):
    assert openai_mock.state["files"] == {}
    file = add_file(client)
    assert sorted(openai_mock.state.keys()) == ["files", "files.content"]
    assert len(openai_mock.state) == 2
    assert type(openai_mock.state["files"]) is dict
    assert type(openai_mock.state["files"][file]) is dict
    assert openai_mock.state["files"][file]["filename"] == "a.txt"
    assert json.dumps(openai_mock.state["files"])


def test_store_gets_and_puts_models(openai_mock, client):
    state = openai_mock.state
    file = client.files.create(file=("a.txt", b"a"), purpose="user_data")
    file_model = state.files.get(file.id)
    assert isinstance(file_model, openai.types.FileObject)
    assert file_model == file
    file_model.filename = "b.txt"
    assert client.files.retrieve(file.id).filename == "a.txt"
    state.files.put(file_model)
    assert client.files.retrieve(file.id).filename == "b.txt"


def test_store_gets_puts_and_deletes_content(openai_mock, client):
    content = openai_mock.state.files.content
    file = add_file(client, b"a")
    content.put(file, b"other")
    assert content.get(file) == b"other"
    assert client.files.content(file).read() == b"other"
    assert content.delete(file)
    assert content.get(file) is None


def test_store_lists_by_field_and_deletes(openai_mock, client):
    files = openai_mock.state.files
    file = add_file(client, purpose="user_data")
    assert [item.id for item in files.list(purpose="user_data")] == [file]
    assert files.list(purpose="batch") == []
    assert files.delete(file) is True
    assert files.delete(file) is False
    assert files.get(file) is None


def test_store_lists_and_puts_children(openai_mock, client):
    thread = add_thread(client, "0", "1", "2")
    stored = openai_mock.state.beta.threads.messages
    messages = stored.list(thread, limit=2, order="asc")
    assert [message.content[0].text.value for message in messages] == ["0", "1"]
    copied = messages[0].model_copy(update={"id": "msg_new"})
    stored.put(copied)
    assert client.beta.threads.messages.retrieve("msg_new", thread_id=thread).content == copied.content


def test_content_store_stores_bytes():
    store = ContentStore()
    store.put("file-1", b"x")
    assert store.get("file-1") == b"x"
    assert store.delete("file-1") is True
    assert store.delete("file-1") is False


@pytest.mark.parametrize("state", [StateStore, lambda: {"files": {}}], ids=["store", "dict"])
def test_one_state_serves_several_mocks(client, state):
    state = state()
    files = state["files"]
    with OpenAIMock(state=state):
        file = client.files.create(file=("a.txt", b"a"), purpose="user_data")
    with OpenAIMock(state=state) as second_mock:
        assert client.files.retrieve(file.id) == file
        assert add_file(client, name="b.txt") != file.id
    assert len(files) == 2
    assert (second_mock.state is state) == isinstance(state, StateStore)


def test_mocks_on_one_plain_dict_share_pending_state_and_ids(client):
    state = {}
    with OpenAIMock(state=state) as first_mock, OpenAIMock(state=state) as second_mock:
        response_id = client.responses.create(**INPUT_REQUEST, background=True).id
        assert list(state["responses"]) == [response_id]
        assert first_mock.state is not second_mock.state
    with OpenAIMock(state=state):
        assert statuses(lambda: client.responses.retrieve(response_id), 3) == ["in_progress", "completed", "completed"]
        assert add_file(client) != add_file(client)
    with OpenAIMock(state=state):
        assert len({add_file(client), *state["files"]}) == 3 == len(state["files"])


def test_deleted_objects_leave_no_metadata(openai_mock, client):
    response = client.responses.create(**INPUT_REQUEST, background=True)
    client.responses.delete(response.id)
    file = add_file(client, b"cats sleep")
    store = client.vector_stores.create(file_ids=[file]).id
    assert client.vector_stores.search(store, query="cats").data
    assert openai_mock.state.files.delete(file)
    assert not client.vector_stores.search(store, query="cats").data
    assert client.vector_stores.retrieve(store).file_counts.total == 0
    client.vector_stores.delete(store)
    assert not any(openai_mock.state.values())
    assert not openai_mock.state._store_metadata.by_key


@requires("admin.organization.projects.create")
def test_singleton_resource_is_found_by_parent_id(openai_mock, client):
    openai_mock.state["admin.organization.projects.data_retention"]["proj_1"] = {"object": "x"}
    assert openai_mock.state.admin.organization.projects.data_retention.get("proj_1").object == "x"


def test_cyclic_previous_response_ids_terminate(openai_mock, client):
    openai_mock.state["responses"]["resp_1"] = {"id": "resp_1", "previous_response_id": "resp_1", "output": []}
    assert client.responses.create(**INPUT_REQUEST, previous_response_id="resp_1").previous_response_id == "resp_1"


def test_assigning_a_store_keeps_responses_and_routes(openai_mock, create):
    create.response = "kept"
    complete("Hi")
    openai_mock.state = StateStore({"containers": {}})
    assert complete("Hi") == "kept"
    assert create.route.call_count == 2
    assert create.state_store is openai_mock.state


@given(
    st.lists(
        st.tuples(st.sampled_from(["put", "delete", "list"]), st.integers(0, 2), st.integers(0, 5)),
        max_size=40,
    )
)
def test_children_are_listed_in_dict_order(steps):
    store = StateStore()
    objects = store["vector_stores.files"]
    for operation, parent, number in steps:
        key = (f"vs_{parent}", f"file-{number}")
        if operation == "put":
            objects[key] = {"id": key[1]}
        elif operation == "delete":
            objects.pop(key, None)
        else:
            assert list(store._children("vector_stores.files", key[0])) == [k for k in objects if k[0] == key[0]]


def test_concurrent_threads_lose_no_writes(openai_mock, client):
    def work(number):
        created = [client.vector_stores.create(name=f"{number}-{i}").id for i in range(6)]
        client.vector_stores.update(created[0], name=f"{number} updated")
        assert set(created) <= {item.id for item in client.vector_stores.list(limit=100)}
        client.vector_stores.delete(created[1])
        return created

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        created = list(pool.map(work, range(32)))
    ids = {*itertools.chain(*created)}
    deleted = {group[1] for group in created}
    assert len(ids) == 192
    stored = openai_mock.state["vector_stores"]
    assert set(stored) == ids - deleted
    assert [stored[group[0]]["name"] for group in created] == [f"{number} updated" for number in range(32)]
    assert openai_mock.vector_stores.create.route.call_count == 192


def test_dir_of_state_store_lists_resources_and_dict_methods():
    resources = {name.partition(".")[0] for name in _RESOURCES}
    dict_methods = {name for name in dir(dict) if not name.startswith("_")}
    assert set(dir(StateStore())) == resources | dict_methods


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a child that is not forked begins without the mock")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_child_is_mocked_while_another_thread_holds_the_lock(openai_mock):
    def run():
        with OpenAIMock() as child_mock:
            child_mock.chat.completions.create.response = "own"
            os._exit(complete("Hi") != "own" or len(openai_mock.requests) != 1)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        complete("Hi")
        pool.submit(StateStore.lock.acquire).result()
        child = multiprocessing.get_context("fork").Process(target=run)
        child.start()
        child.join(20)
        child.kill()
        pool.submit(StateStore.lock.release).result()
    assert child.exitcode == 0
    assert len(openai_mock.requests) == 1


def test_concurrent_threads_share_a_mock(openai_mock, create):
    create.response = [str(number) for number in range(1600)]
    send = openai_mock.router.handler
    chat = request_of(ROWS[CHAT_CREATE], json.dumps(CHAT_REQUEST))
    store = request_of(ROWS["vector_stores.create"], json.dumps({"name": "s"}))
    response = request_of(ROWS["responses.create"], json.dumps(INPUT_REQUEST))
    files = request_of(ROWS["files.list"])
    contents, ids = [], []  # `append` is atomic

    def work(_):
        for _ in range(50):
            contents.append(send(chat).json()["choices"][0]["message"]["content"])
            store_id = send(store).json()["id"]
            ids.append(store_id)
            ids.append(send(response).json()["id"])
            openai_mock.state.vector_stores.get(store_id)
            send(files)

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        list(pool.map(work, range(32)))
    assert sorted(contents, key=int) == create.response
    assert len(ids) == 3200
    assert len(set(ids)) == 3200
    assert create.call_count == create.route.call_count == len(create.requests) == 1600
    assert len(openai_mock.requests) == openai_mock.router.calls.call_count == 32 * 200


def test_concurrent_event_loops_share_a_mock(openai_mock):
    async def scene():
        return await asyncio.gather(*(complete_with(sdk("async")) for _ in range(10)))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = pool.map(lambda _: asyncio.run(scene()), range(4))
        contents = [*itertools.chain(*results)]
    assert contents == 40 * [openai_responses._DEFAULT_TEXT]
    assert len(openai_mock.requests) == 40


# ======================================================================================================================
# CALLS AND REQUEST CHECKS
# ======================================================================================================================


@pytest.mark.parametrize(
    "path, body, name",
    [
        ("/chat/completions", {"messages": []}, "model"),
        ("/chat/completions", {"model": "m"}, "messages"),
        ("/embeddings", {"model": "m"}, "input"),
        ("/images/generations", {}, "prompt"),
    ],
)
def test_missing_required_parameters_are_rejected(client, path, body, name):
    with pytest.raises(openai.BadRequestError, match=f"Missing required parameter: '{name}'") as raised:
        client.post(path, body=body, cast_to=object)
    assert raised.value.param == name
    assert raised.value.code == "missing_required_parameter"


def test_required_parameters_are_not_checked_if_a_response_is_set(create, client):
    create.response = "fine"
    completion = client.post("/chat/completions", body={}, cast_to=ChatCompletion)
    assert completion.choices[0].message.content == "fine"


@pytest.mark.parametrize(
    "call, param, code, message",
    [
        (lambda c: c.files.retrieve("file-0"), "id", None, "No such File object: file-0"),
        (lambda c: c.models.retrieve("m"), "model", "model_not_found", "The model 'm' does not exist"),
        (lambda c: c.responses.retrieve("resp_0"), None, None, "Response with id 'resp_0' not found."),
        (lambda c: c.chat.completions.retrieve("c"), "completion_id", "not_found", "Completion c not found"),
        (
            lambda c: c.fine_tuning.jobs.retrieve("j"),
            "fine_tune_id",
            "fine_tune_not_found",
            "Could not find fine tune: j",
        ),
    ],
)
def test_not_found_errors_have_param_code_and_message(client, call, param, code, message):
    with pytest.raises(openai.NotFoundError) as raised:
        call(client)
    assert raised.value.param == param
    assert raised.value.code == code
    assert raised.value.body["message"].startswith(message)


@pytest.mark.parametrize(
    "path, body, param, code, message",
    [
        (
            "/files",
            {"purpose": "fun", "file": "x"},
            "purpose",
            "invalid_value",
            "Invalid value: 'fun'. Supported values are: ",
        ),
        (
            "/responses",
            {"input": [{"type": "message", "role": "user", "content": 5}]},
            "input[0].content",
            "invalid_type",
            "Invalid type for 'input[0].content': expected a string, but got an integer instead.",
        ),
        (
            "/responses",
            {"service_tier": "fast!"},
            "service_tier",
            "invalid_value",
            "Invalid value: 'fast!'. Supported values are: 'auto', 'default', 'flex', 'scale', ",
        ),
        (
            "/responses",
            {"metadata": {"a": True}},
            "metadata.a",
            "invalid_type",
            "Invalid type for 'metadata.a': expected a string, but got a boolean instead.",
        ),
        (
            "/responses",
            {"stream": "soon"},
            "stream",
            "invalid_type",
            "Invalid type for 'stream': expected a boolean, but got a string instead.",
        ),
        (
            "/responses",
            {"truncation": "all"},
            "truncation",
            "invalid_value",
            "Invalid value: 'all'. Supported values are: 'auto' and 'disabled'.",
        ),
        (
            "/responses",
            {"input": [{"role": "narrator", "content": "Hi"}]},
            "input[0].role",
            "invalid_value",
            "Invalid value: 'narrator'. Supported values are: 'user', 'assistant', 'system', and 'developer'.",
        ),
        (
            "/responses",
            {"input": [{"type": "dance"}]},
            "input[0].type",
            "invalid_value",
            "Invalid value: 'dance'. Supported values are: 'message', ",
        ),
        (
            "/responses",
            {"input": [{"role": "user", "content": [{"type": "text"}]}]},
            "input[0].content[0].type",
            "invalid_value",
            "Invalid value: 'text'. Supported values are: 'input_text', 'input_image', ",
        ),
        (
            "/conversations",
            {"items": [{"type": "message", "role": "narrator"}]},
            "items[0].role",
            "invalid_value",
            "Invalid value: 'narrator'. Supported values are: ",
        ),
        (
            "/moderations",
            {"input": [{"type": "dance"}]},
            "input[0].type",
            "invalid_value",
            "Invalid value: 'dance'. Supported values are: 'image_url' and 'text'.",
        ),
        (
            "/chat/completions",
            CHAT_REQUEST | {"messages": [{"role": "user", "content": [{"type": "dance"}]}]},
            "messages[0].content[0].type",
            "invalid_value",
            "Invalid value: 'dance'. Supported values are: 'text', ",
        ),
        (
            "/chat/completions",
            CHAT_REQUEST | {"messages": [{"role": "user", "content": 5}]},
            "messages[0].content",
            "invalid_type",
            "Invalid type for 'messages[0].content': expected a string, but got an integer instead.",
        ),
        (
            "/chat/completions",
            CHAT_REQUEST | {"messages": [{"content": "Hi"}]},
            "messages[0].role",
            "missing_required_parameter",
            "Missing required parameter: 'messages[0].role'.",
        ),
        (
            "/chat/completions",
            CHAT_REQUEST | {"tool_choice": {"type": "dance"}},
            "tool_choice.type",
            "invalid_value",
            "Invalid value: 'dance'. Supported values are: ",
        ),
        (
            "/chat/completions",
            CHAT_REQUEST | {"tool_choice": {}},
            "tool_choice.type",
            "missing_required_parameter",
            "Missing required parameter: 'tool_choice.type'.",
        ),
        (
            "/responses",
            {"tools": [{"type": "function", "name": 5}]},
            "tools[0].name",
            "invalid_type",
            "Invalid type for 'tools[0].name': expected a string, but got an integer instead.",
        ),
        (
            "/responses",
            {"tools": [{"type": "function", "name": 5, "server_label": "a", "server_url": "b"}]},
            "tools[0].name",
            "invalid_type",
            "Invalid type for 'tools[0].name': ",
        ),
        (
            "/responses",
            {"tools": [{"name": 5, "type": "dance"}]},
            "tools[0].type",
            "invalid_value",
            "Invalid value: 'dance'. Supported values are: 'function', ",
        ),
        (
            "/responses",
            {"tools": [{"type": "mcp", "require_approval": "no"}]},
            "tools[0].require_approval",
            "invalid_value",
            "Invalid value: 'no'. Supported values are: 'always' and 'never'.",
        ),
        (
            "/responses",
            {"input": [{}]},
            "input[0].role",
            "missing_required_parameter",
            "Missing required parameter: 'input[0].role'.",
        ),
        (
            "/responses",
            {"input": [{"call_id": "call_1", "output": "x"}]},
            "input[0].type",
            "missing_required_parameter",
            "Missing required parameter: 'input[0].type'.",
        ),
        (
            "/responses",
            {"input": [{"role": "assistant", "content": [{"type": "output_text", "text": 5}]}]},
            "input[0].content[0].text",
            "invalid_type",
            "Invalid type for 'input[0].content[0].text': expected a string, but got an integer instead.",
        ),
        (
            "/responses",
            {"text": {"verbosity": "loud", "format": {"type": "dance"}}},
            "text.verbosity",
            "invalid_value",
            "Invalid value: 'loud'. Supported values are: 'low', 'medium', and 'high'.",
        ),
        (
            "/responses",
            {"truncation": 5},
            "truncation",
            "invalid_type",
            "Invalid type for 'truncation': expected a string, but got an integer instead.",
        ),
        (
            "/responses",
            {"metadata": "a"},
            "metadata",
            "invalid_type",
            "Invalid type for 'metadata': expected an object, but got a string instead.",
        ),
        (
            "/responses",
            {"top_logprobs": 1.5},
            "top_logprobs",
            "invalid_type",
            "Invalid type for 'top_logprobs': expected an integer, but got a decimal instead.",
        ),
        (
            "/chat/completions",
            CHAT_REQUEST | {"messages": [{"role": "user", "content": None}]},
            "messages[0].content",
            "invalid_type",
            "Invalid type for 'messages[0].content': expected a string, but got null instead.",
        ),
        (
            "/chat/completions",
            CHAT_REQUEST | {"temperature": "0.5"},
            "temperature",
            "invalid_type",
            "Invalid type for 'temperature': expected a decimal, but got a string instead.",
        ),
        (
            "/chat/completions",
            CHAT_REQUEST | {"temperature": True},
            "temperature",
            "invalid_type",
            "Invalid type for 'temperature': expected a decimal, but got a boolean instead.",
        ),
        (
            "/chat/completions",
            CHAT_REQUEST | {"n": "2"},
            "n",
            "invalid_type",
            "Invalid type for 'n': expected an integer, but got a string instead.",
        ),
        (
            "/chat/completions",
            CHAT_REQUEST | {"n": True},
            "n",
            "invalid_type",
            "Invalid type for 'n': expected an integer, but got a boolean instead.",
        ),
        (
            "/chat/completions",
            CHAT_REQUEST | {"logprobs": "true"},
            "logprobs",
            "invalid_type",
            "Invalid type for 'logprobs': expected a boolean, but got a string instead.",
        ),
        (
            "/chat/completions",
            CHAT_REQUEST | {"logprobs": 1},
            "logprobs",
            "invalid_type",
            "Invalid type for 'logprobs': expected a boolean, but got an integer instead.",
        ),
        (
            "/chat/completions",
            {"model": "m", "messages": None},
            "messages",
            "invalid_type",
            "Invalid type for 'messages': expected an array, but got null instead.",
        ),
        (
            "/chat/completions",
            CHAT_REQUEST | {"timeout": 5},
            "timeout",
            "unknown_parameter",
            "Unknown parameter: 'timeout'.",
        ),
        (
            "/chat/completions",
            CHAT_REQUEST | {"extra_headers": {}},
            "extra_headers",
            "unknown_parameter",
            "Unknown parameter: 'extra_headers'.",
        ),
        (
            "/images/edits",
            {"image": 5, "prompt": "x"},
            "image",
            "invalid_type",
            "Invalid type for 'image': expected a file, but got an integer instead.",
        ),
        (
            "/moderations",
            {"input": ["a", 5]},
            "input[1]",
            "invalid_type",
            "Invalid type for 'input[1]': expected a string, but got an integer instead.",
        ),
    ],
)
@openai_responses.mock(strict=True)
def test_invalid_values_are_rejected_with_param_code_and_message(client, path, body, param, code, message):
    with pytest.raises(openai.BadRequestError) as raised:
        client.post(path, body=body, cast_to=object)
    assert raised.value.param == param
    assert raised.value.code == code
    assert raised.value.body["message"].startswith(message)


@pytest.mark.parametrize(
    "params",
    [
        {"response_format": None, "temperature": None},
        {"messages": [{"role": "user", "content": "Hi", "name": None}]},
        {"messages": [{"role": "assistant", "content": "Hi", "audio": None, "tool_calls": None}]},
        {"tools": [{"type": "function", "function": {"name": "f", "description": None, "strict": None}}]},
    ],
    ids=lambda params: ",".join(params),
)
@openai_responses.mock(strict=True)
def test_null_optional_parameters_of_chat_are_accepted(openai_mock, client, params):
    completion = client.post("/chat/completions", body=CHAT_REQUEST | params, cast_to=ChatCompletion)
    assert completion.choices[0].finish_reason == "stop"
    assert contains(openai_mock.requests[-1].body, params)


@pytest.mark.parametrize(
    "params",
    [
        {"text": {"format": None}, "tools": [{"type": "mcp", "server_label": "a", "headers": None}]},
        {"input": [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": None}]},
        {"input": [{"role": "user", "content": "Hi", "id": None, "phase": None}]},
    ],
    ids=["format and headers", "reasoning item", "message"],
)
@openai_responses.mock(strict=True)
def test_null_optional_parameters_of_responses_are_accepted(openai_mock, client, params):
    response = client.post("/responses", body=INPUT_REQUEST | params, cast_to=openai.types.responses.Response)
    assert response.status == "completed"
    assert contains(openai_mock.requests[-1].body, params)


@openai_responses.mock(strict=True)
def test_prompt_variables_accept_content_without_optional_keys(client):
    image = {"type": "input_image", "image_url": "https://example.com/a.png"}
    prompt = {"id": "pmpt_1", "variables": {"city": "Oslo", "picture": image}}
    assert client.responses.create(model="m", prompt=prompt).id
    prompt["variables"]["picture"] = {"type": "dance"}
    with pytest.raises(openai.BadRequestError) as raised:
        client.responses.create(model="m", prompt=prompt)
    assert raised.value.param == "prompt.variables.picture.type"


@requires("beta.agents.create")
@openai_responses.mock(strict=True)
def test_aliased_params_are_validated_by_wire_name(client):
    body = {"model": "m", "compaction": {"async": "soon"}}
    with pytest.raises(openai.BadRequestError) as raised:
        client.post("/agents", body=body, cast_to=object)
    assert raised.value.param == "compaction.async"


IMAGE_EDIT_FORM = {"stream": "true", "output_compression": "50", "model": "gpt-image-1", "prompt": "x"}
IMAGE_EDIT_FILES = [("image[]", b"png"), ("image[]", b"png")]


def test_form_numbers_and_booleans_may_be_strings(openai_mock):
    response = httpx.post(f"{BASE_URL}/images/edits", data=IMAGE_EDIT_FORM | {"n": "2"}, files=IMAGE_EDIT_FILES)
    assert response.status_code == 200


@pytest.mark.parametrize(
    "number, code", [("many", "invalid_type"), ("11", "integer_above_max_value"), ("0", "integer_below_min_value")]
)
def test_invalid_form_numbers_are_rejected(openai_mock, number, code):
    response = httpx.post(f"{BASE_URL}/images/edits", data=IMAGE_EDIT_FORM | {"n": number}, files=IMAGE_EDIT_FILES)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "n"
    assert response.json()["error"]["code"] == code


@openai_responses.mock(strict=True)
def test_input_message_may_omit_type(client):
    message = {"role": "assistant", "content": [{"type": "output_text", "text": "Hi", "annotations": []}]}
    response = client.responses.create(model="m", input=[message])
    (item,) = client.responses.input_items.list(response.id)
    assert item.type == "message"
    assert item.content[0].text == "Hi"


@pytest.mark.parametrize(
    "content, message",
    [
        (b"{broken", "We could not parse the JSON body of your request: "),
        (b"[1]", "Invalid body: expected an object, but got list"),
        (b"\xff", "We could not read the body of your request: "),
    ],
)
def test_invalid_json_bodies_are_rejected(openai_mock, content, message):
    response = sent(openai_mock, CHAT_CREATE, content)
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith(message)
    assert [request.status for request in openai_mock.requests] == [400]


def test_body_without_a_content_type_is_decoded_as_json(openai_mock):
    response = httpx.post(f"{BASE_URL}/files", content=b"[1]")
    assert response.status_code == 400
    assert response.json()["error"]["message"] == "Invalid body: expected an object, but got list"


URLENCODED = "application/x-www-form-urlencoded"
MULTIPART_BODY = b"""\
--b\r
Content-Disposition: form-data; name="file"; filename="a%22b.csv"\r
Content-Type: text/csv\r
\r
1,2\r
\r
--b\r
Content-Disposition: form-data; name="meta"\r
Content-Type: application/json\r
\r
{"a": 1}\r
--b\r
Content-Disposition: form-data; name="city"\r
\r
K\xc3\xb6ln\r
--b--\r
"""


@pytest.mark.parametrize(
    "content_type, content, body",
    [
        ("application/json", b'{"a": [1, null]}', {"a": [1, None]}),
        (None, b'{"a": 1}', {"a": 1}),
        (None, b"", {}),
        ("text/plain", b"x", {}),
        ("application/sdp", "v=0 ü".encode(), {"sdp": "v=0 ü"}),
        (URLENCODED, b"a=1&b=&c", {"a": "1", "b": "", "c": ""}),
        (URLENCODED, b"a=1&a=2", {"a": ["1", "2"]}),
        (URLENCODED, b"a[]=1", {"a": ["1"]}),
        (URLENCODED, b"a[]=1&a[]=2", {"a": ["1", "2"]}),
        (URLENCODED, b"a[b][c]=1&a[d]=2", {"a": {"b": {"c": "1"}, "d": "2"}}),
        (URLENCODED, b"[]=1", {"[]": ["1"]}),
        (
            "multipart/form-data; boundary=b",
            MULTIPART_BODY,
            {"file": ('a"b.csv', b"1,2\r\n", "text/csv"), "meta": {"a": 1}, "city": "Köln"},
        ),
        ('multipart/form-data; boundary="b"', b"--b--\r\n", {}),
    ],
)
def test_bodies_are_decoded_by_content_type(openai_mock, content_type, content, body):
    openai_mock.files.create.response = {}
    headers = {"content-type": content_type} if content_type else {}
    httpx.post(f"{BASE_URL}/files", content=content, headers=headers)
    assert openai_mock.requests[-1].body == body


@requires("realtime.calls.accept", "realtime.calls.create")
def test_non_json_bodies_are_accepted(openai_mock, client):
    openai_mock.realtime.calls.create.response = b"v=0 answer"
    assert client.realtime.calls.create(sdp="v=0").read() == b"v=0 answer"


fuzz_words = pick(["x", "two", "-1", "and", "static", "function", "json_schema", "tool", "message", "required"])
fuzz_keys = pick(["id", "type", "role", "content", "filters", "key", "schema", "name", "function", "a"])
fuzz_scalars = st.none() | st.booleans() | pick([-1, 0, 2, 1.5, 10**9, 10**30, "file-1", "\ud800"]) | fuzz_words
fuzz_dicts = functools.partial(st.dictionaries, fuzz_keys, max_size=4)
fuzz_values = st.recursive(fuzz_scalars, lambda inner: st.lists(inner, max_size=2) | fuzz_dicts(inner), max_leaves=6)


@given(st.sampled_from(HTTP_NAMES), st.data())
def test_random_requests_get_a_success_or_a_client_error(name, data):
    openai_mock = populated_mock()
    names = st.sampled_from(_param_names(name) or ("x",))
    body = data.draw(st.dictionaries(names, fuzz_values, max_size=6))
    queries = st.dictionaries(names | st.sampled_from(["limit", "after", "a[gte]", "[]", ""]), fuzz_words, max_size=3)
    response = sent(openai_mock, name, body, **data.draw(queries))
    assert response.status_code in (200, 204, 400, 403, 404), response.text
    if "json" in response.headers.get("content-type", ""):
        json.loads(response.content, parse_constant=pytest.fail)


def test_stored_run_without_required_action_accepts_empty_outputs(client):
    openai_mock = populated_mock()
    openai_mock.state["beta.threads.runs"]["thread_id-1", "run_id-1"] = {"status": "requires_action"}
    submitted = sent(openai_mock, "beta.threads.runs.submit_tool_outputs", {"tool_outputs": []})
    assert submitted.json()["status"] == "queued"


@given(st.sampled_from(HTTP_NAMES), st.data())
def test_any_partial_of_any_endpoint_is_served_or_rejected_on_assignment(name, data):
    model = _sdk_type(ROWS[name].model)
    fields = sorted(field.alias or name for name, field in getattr(model, "model_fields", {}).items()) or ["x"]
    partial = data.draw(st.dictionaries(st.sampled_from(fields) | fuzz_keys, fuzz_values, max_size=3))
    openai_mock = populated_mock()
    try:
        lookup(openai_mock, name).response = partial
    except ValueError as mistake:
        assert ".response" in str(mistake)
        return
    content = sent(openai_mock, name, {}).content
    if isinstance(model, type) and issubclass(model, pydantic.BaseModel) and content.startswith(b"{"):
        nonempty = {key: value for key, value in partial.items() if value not in ({}, [], None)}
        assert contains(json.loads(content), nonempty)


@given(pick(HTTP_NAMES), fuzz_dicts(fuzz_values))
def test_any_object_in_the_state_is_served(name, garbage):
    openai_mock = populated_mock()
    _, resource, parents, item = _shape_of(ROWS[name])
    if item and resource not in CONTENT_RESOURCES:
        ids = tuple(f"{param}-1" for param in (*parents, item))
        openai_mock.state[resource][ids if len(ids) > 1 else ids[0]] = garbage
    if ROWS[name].method == "GET":
        assert sent(openai_mock, name, {}).status_code in (200, 400, 404)


FILE_MODEL = openai.types.FileObject(**file_json("file-1"))


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("file-1", FILE_MODEL, r"\['file-1'\] is FileObject.*; state.files.put\(...\) also accepts a model"),
        ("file-1", None, r"\['file-1'\] is None; expected dict"),
        (("a", "file-1"), {}, r" has the key \('a', 'file-1'\); expected a string"),
    ],
    ids=["model", "None", "tuple as key"],
)
def test_invalid_state_entries_raise_an_error_naming_the_entry(client, openai_mock, key, value, message):
    openai_mock.state["files"][key] = value
    with pytest.raises(TypeError, match=rf"state\['files'\]{message}"):
        client.files.retrieve("file-1")
    with pytest.raises(TypeError, match=rf"state\['files'\]{message}"):
        OpenAIMock(state=openai_mock.state.data)


@pytest.mark.parametrize("value", [FILE_MODEL, None], ids=["model", "None"])
def test_invalid_state_entries_raise_an_error_in_lists(client, openai_mock, value):
    openai_mock.state["files"]["file-1"] = value
    with pytest.raises(TypeError, match=r"state\['files'\]\['file-1'\] is "):
        client.files.list()


@pytest.mark.parametrize("key", ["file-1", ("vs_1", 1)], ids=["string", "number"])
def test_invalid_keys_of_nested_objects_raise_an_error_with_the_expected_form(client, openai_mock, key):
    openai_mock.state["vector_stores"]["vs_1"] = {}
    openai_mock.state["vector_stores.files"][key] = {}
    message = re.escape(f"has the key {key!r}; expected a tuple of strings: (vector_store_id, id)")
    with pytest.raises(TypeError, match=message):
        client.vector_stores.files.retrieve("file-1", vector_store_id="vs_1")
    with pytest.raises(TypeError, match=message):
        OpenAIMock(state=openai_mock.state.data)


@pytest.mark.parametrize(
    "state, message",
    [
        ({"files": None}, "expected a dict of objects"),
        ({"files": [{"id": "file-1"}]}, "expected a dict of objects"),
        ({"files.content": {"file-1": "text"}}, "['file-1'] is 'text'; expected bytes"),
        ({"admin.organization.spend_limit": {"a": {}}}, "has the key 'a'; expected a tuple of strings: ()"),
    ],
)
def test_invalid_initial_state_is_rejected(state, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        OpenAIMock(state=state)


def test_unserializable_stored_values_raise_an_error(openai_mock, client):
    openai_mock.state["files"]["file-1"] = cycle = file_json("file-1")
    cycle["itself"] = cycle
    with pytest.raises(TypeError, match="cannot be converted to JSON: Circular reference"):
        client.files.retrieve("file-1")
    cycle["itself"] = {1}
    with pytest.raises(TypeError, match="cannot be converted to JSON: Object of type set"):
        client.files.retrieve("file-1")


@pytest.mark.parametrize(
    "resource, key",
    [
        ("admin.organization.data_retention", ()),
        ("admin.organization.spend_limit", ()),
        ("admin.organization.projects.data_retention", "proj_1"),
        ("admin.organization.projects.hosted_tool_permissions", "proj_1"),
        ("admin.organization.projects.model_permissions", "proj_1"),
        ("admin.organization.projects.service_tier_settings", "proj_1"),
        ("admin.organization.projects.spend_limit", "proj_1"),
    ],
)
def test_key_of_a_singleton_is_the_id_of_its_parent(openai_mock, resource, key):
    openai_mock.state[resource][key] = {}
    assert OpenAIMock(state=openai_mock.state.data).state[resource] == {key: {}}
    with pytest.raises(TypeError, match=r"has the key \('a', 'b'\); expected a "):
        OpenAIMock(state={resource: {("a", "b"): {}}})


@pytest.mark.parametrize("item_type", sorted(union_members("conversations.ConversationItem")))
def test_set_items_without_an_id_are_stored(openai_mock, item_type):
    openai_mock.conversations.items.create.response = {"data": [{"type": item_type}]}
    (item,) = sent(openai_mock, "conversations.items.create", {"items": []}).json()["data"]
    assert item["type"] == item_type
    assert list(openai_mock.state["conversations.items"].values()) == [item]


def test_incomplete_stored_objects_are_completed_in_lists(openai_mock, client):
    openai_mock.state["files"]["file-1"] = {"filename": "a.txt"}
    (listed,) = client.files.list()
    assert listed.id == "file-1"
    assert listed.filename == "a.txt"
    assert listed.bytes == 0


def test_run_over_incomplete_stored_messages_completes():
    state = {"beta.threads": {"t": {}}, "beta.threads.messages": {("t", "msg_1"): {}}, "beta.assistants": {"a": {}}}
    with OpenAIMock(state=state):
        run = sdk().beta.threads.runs.create_and_poll(thread_id="t", assistant_id="a")
        assert run.status == "completed"
        assert thread_texts(sdk(), "t") == [openai_responses._DEFAULT_TEXT] * 2


def test_file_added_through_the_state_is_searched(openai_mock):
    openai_mock.state["vector_stores"]["vector_store_id-1"] = {}
    openai_mock.state["vector_stores.files"]["vector_store_id-1", "file-1"] = {}
    openai_mock.state["files"]["file-1"] = {}
    openai_mock.state["files.content"]["file-1"] = b"cows sleep"
    (hit,) = sent(openai_mock, "vector_stores.search", {"query": "cows"}).json()["data"]
    assert hit["file_id"] == "file-1"
    assert hit["content"] == [{"type": "text", "text": "cows sleep"}]


@pytest.mark.parametrize(
    "name, body, message",
    [
        ("containers.files.create", {"file": [], "file_id": []}, "Invalid type for 'file_id'"),
        (
            "responses.create",
            INPUT_REQUEST | {"input": [{"type": "function_call_output", "call_id": ["a"], "output": "x"}]},
            "Invalid type for 'input[0].call_id'",
        ),
        ("beta.threads.create", {"tool_resources": -1}, "Invalid type for 'tool_resources'"),
        ("conversations.create", {"items": [{"role": "user", "content": "x", "id": {}}]}, "the id of an item"),
        ("embeddings.create", {"input": "x", "model": "m", "dimensions": "two"}, "Invalid type for 'dimensions'"),
        ("responses.create", {"previous_response_id": []}, "Invalid type for 'previous_response_id'"),
        ("uploads.complete", {"part_ids": 1}, "Invalid type for 'part_ids'"),
        ("vector_stores.create", {"expires_after": {"days": "two"}}, "Invalid type for 'expires_after.days'"),
        ("vector_stores.search", {"query": "x", "filters": {"type": "and", "filters": ["x"]}}, "Invalid filter type"),
        ("vector_stores.search", {"query": "x", "filters": {"type": "eq", "key": "a"}}, "needs 'key' and 'value'"),
        ("admin.organization.groups.roles.create", {"role_id": 5}, "Invalid type for 'role_id'"),
        pytest.param(
            "decisions.create",
            INPUT_REQUEST | {"questions": [{"type": "predicate"}, {"type": "choice", "choices": [{"value": "a"}, {}]}]},
            "Missing required parameter: 'questions[1].choices[1].value'.",
            marks=requires("decisions.create"),
        ),
        pytest.param(
            "decisions.create",
            INPUT_REQUEST | {"questions": [{"type": "score"}]},
            "Missing required parameter: 'questions[0].levels'.",
            marks=requires("decisions.create"),
        ),
        (CHAT_CREATE, b'{"messages": [], "model": "m", "temperature": NaN}', "could not parse the JSON body"),
        (CHAT_CREATE, b'{"messages": [], "model": "m", "temperature": 1e999}', "could not parse the JSON body"),
        (CHAT_CREATE, b'{"a":' * 100_000, "could not parse the JSON body"),
        (CHAT_CREATE, b'{"model": "\xff"}', "could not read the body"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_malformed_requests_get_the_api_400(name, body, message):
    openai_mock = populated_mock()
    openai_mock.state["vector_stores.files"]["vector_store_id-1", "f"] = {"id": "f", "attributes": {"a": 1}}
    openai_mock.state["files.content"]["f"] = b"x"
    response = sent(openai_mock, name, body)
    assert response.status_code == 400
    assert message in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "content_type, content",
    [
        ("application/x-www-form-urlencoded", b"purpose=1&purpose[b]=2"),
        ("application/x-www-form-urlencoded", b"purpose=\xff"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n\xff\r\n--b--\r\n',
        ),
    ],
)
def test_malformed_forms_get_the_api_400(openai_mock, content_type, content):
    response = httpx.post(f"{BASE_URL}/files", content=content, headers={"content-type": content_type})
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


def raise_defect(*arguments):
    raise TypeError("a defect")


def test_exception_of_a_handler_propagates_for_an_invalid_request(create):
    create.response = raise_defect
    with pytest.raises(TypeError, match="a defect"):
        complete("Hi", extra_body={"temperature": "hot"})


def test_internal_error_propagates_for_a_valid_request(create, monkeypatch):
    monkeypatch.setattr(openai_responses, "_count_tokens", raise_defect)
    with pytest.raises(TypeError, match="a defect"):
        complete("Hi")


def test_internal_error_becomes_400_for_an_invalid_request(create, monkeypatch):
    monkeypatch.setattr(openai_responses, "_count_tokens", raise_defect)
    with pytest.raises(openai.BadRequestError, match="Invalid type for 'temperature'") as raised:
        complete("Hi", extra_body={"temperature": "hot"})
    assert raised.value.param == "temperature"


PARAM_BOUNDS = [
    (CHAT_CREATE, "n", 1, 128),
    (CHAT_CREATE, "top_logprobs", 0, 20),
    (CHAT_CREATE, "temperature", 0, 2),
    (CHAT_CREATE, "top_p", 0, 1),
    (CHAT_CREATE, "frequency_penalty", -2, 2),
    (CHAT_CREATE, "presence_penalty", -2, 2),
    ("completions.create", "n", 1, 128),
    ("completions.create", "logprobs", 0, 5),
    ("responses.create", "temperature", 0, 2),
    ("responses.create", "top_p", 0, 1),
    ("responses.create", "top_logprobs", 0, 20),
    ("images.generate", "n", 1, 10),
    ("images.generate", "partial_images", 0, 3),
    ("images.edit", "n", 1, 10),
    ("images.create_variation", "n", 1, 10),
    ("vector_stores.search", "max_num_results", 1, 50),
    ("embeddings.create", "dimensions", 1, 3072),
]
DECIMAL_PARAMS = {"temperature", "top_p", "frequency_penalty", "presence_penalty"}
BOUNDED_REQUESTS = {
    CHAT_CREATE: CHAT_REQUEST,
    "completions.create": {"model": "m", "prompt": "x"},
    "responses.create": INPUT_REQUEST,
    "images.generate": {"prompt": "x"},
    "images.edit": {"image": "x", "prompt": "x"},
    "images.create_variation": {"image": "x"},
    "vector_stores.search": {"query": "x"},
    "embeddings.create": {"model": "m", "input": "x"},
}


@pytest.mark.parametrize("name, param, minimum, maximum", PARAM_BOUNDS)
def test_numbers_at_their_bounds_are_accepted(name, param, minimum, maximum):
    openai_mock = populated_mock()
    for number in (minimum, maximum):
        response = sent(openai_mock, name, BOUNDED_REQUESTS[name] | {param: number})
        assert response.status_code == 200, response.text


@pytest.mark.parametrize("name, param, minimum, maximum", PARAM_BOUNDS)
@pytest.mark.parametrize("response", [None, {}], ids=["default response", "set response"])
def test_numbers_out_of_bounds_are_rejected(name, param, minimum, maximum, response):
    openai_mock = populated_mock()
    if response is not None:
        lookup(openai_mock, name).response = response
    number_type = "decimal" if param in DECIMAL_PARAMS else "integer"
    for number, message, code in (
        (
            minimum - 1,
            f"Invalid '{param}': {number_type} below minimum value. Expected a value >= {minimum}",
            f"{number_type}_below_min_value",
        ),
        (
            maximum + 1,
            f"Invalid '{param}': {number_type} above maximum value. Expected a value <= {maximum}",
            f"{number_type}_above_max_value",
        ),
    ):
        rejection = sent(openai_mock, name, BOUNDED_REQUESTS[name] | {param: number})
        assert rejection.status_code == 400
        if name == "embeddings.create":  # its message is tested below
            continue
        assert rejection.json()["error"] == {
            "message": f"{message}, but got {number} instead.",
            "type": "invalid_request_error",
            "param": param,
            "code": code,
        }


@pytest.mark.parametrize(
    "size, message",
    [
        (-42, "-42 is less than the minimum of 1 - 'dimensions'"),
        (5000, "5000 is greater than the maximum of 3072 - 'dimensions'"),
    ],
)
def test_out_of_bounds_dimensions_have_the_message_of_json_schema(client, size, message):
    with pytest.raises(openai.BadRequestError) as raised:
        client.embeddings.create(model="m", input="x", dimensions=size)
    assert raised.value.body["message"] == message
    assert raised.value.code is None
    assert raised.value.param is None


def test_null_is_accepted_for_bounded_numbers(client):
    completion = client.chat.completions.create(**CHAT_REQUEST, n=None, temperature=None)
    assert len(completion.choices) == 1


ENDPOINT_SHUTDOWNS = [
    ("beta.assistants.list", "beta.assistants", "2026-08-26"),
    ("beta.threads.create", "beta.threads", "2026-08-26"),
    pytest.param("videos.list", "videos", "2026-09-24", marks=requires("videos.list")),
    ("evals.runs.list", "evals", "2026-11-30"),
]


def response_at(monkeypatch, name, now, strict):
    """Return the response to a request for an endpoint at a time."""
    monkeypatch.setattr(time, "time", lambda: now)
    request = request_of(ROWS[name])
    request.headers["authorization"] = f"Bearer {API_KEY}"
    response = populated_mock(strict=strict).router.handler(request)
    response.read()
    return response


@pytest.mark.parametrize("days", [0, 900])
@pytest.mark.parametrize("name, group, date", ENDPOINT_SHUTDOWNS)
def test_strict_mode_returns_404_for_endpoints_from_their_shutdown_date(monkeypatch, name, group, date, days):
    shutdown = calendar.timegm(time.strptime(date, "%Y-%m-%d"))
    response = response_at(monkeypatch, name, shutdown + days * 86400, strict=True)
    assert response.status_code == 404
    row = ROWS[name]
    path = request_of(row).url.path
    message = f"Invalid URL ({row.method} {path}): {group} was shut down on {date}."
    assert response.json()["error"]["message"] == message


@pytest.mark.parametrize("name, group, date", ENDPOINT_SHUTDOWNS)
def test_endpoints_answer_before_shutdown_and_always_without_strict_mode(monkeypatch, name, group, date):
    shutdown = calendar.timegm(time.strptime(date, "%Y-%m-%d"))
    assert response_at(monkeypatch, name, shutdown - 1, strict=True).status_code == 200
    assert response_at(monkeypatch, name, shutdown, strict=False).status_code == 200


def test_endpoints_without_a_shutdown_date_answer_forever(monkeypatch):
    year_2100 = calendar.timegm((2100, 1, 1, 0, 0, 0))
    assert response_at(monkeypatch, "files.list", year_2100, strict=True).status_code == 200


OPEN_SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
CLOSED_SCHEMA = OPEN_SCHEMA | {"additionalProperties": False}


def chat_tool_request(schema, **options):
    function = {"name": "f", "parameters": schema, **options}
    return CHAT_CREATE, CHAT_REQUEST | {"tools": [CHAT_TOOL, {"type": "function", "function": function}]}


def responses_tool_request(schema, **options):
    tool = {"type": "function", "name": "f", "parameters": schema, **options}
    return "responses.create", INPUT_REQUEST | {"tools": [tool]}


def text_format_request(schema, **options):
    text_format = {"type": "json_schema", "name": "n", "schema": schema, **options}
    return "responses.create", INPUT_REQUEST | {"text": {"format": text_format}}


def response_format_request(schema, **options):
    response_format = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, **options}}
    return CHAT_CREATE, CHAT_REQUEST | {"response_format": response_format}


def send_with_key(openai_mock, name, body):
    """Return the JSON of the response to a request with an API key."""
    request = request_of(ROWS[name], json.dumps(body).encode())
    request.headers["authorization"] = f"Bearer {API_KEY}"
    return json.loads(openai_mock.router.handler(request).read())


@pytest.mark.parametrize(
    "make, label, param, code",
    [
        (chat_tool_request, "function 'f'", "tools[1].function.parameters", "invalid_function_parameters"),
        (responses_tool_request, "function 'f'", "tools[0].parameters", "invalid_function_parameters"),
        (text_format_request, "response_format 'n'", "text.format.schema", "invalid_json_schema"),
        (response_format_request, "response_format 'n'", "response_format", None),
    ],
)
def test_strict_mode_rejects_open_objects_in_strict_schemas(make, label, param, code):
    error = send_with_key(OpenAIMock(strict=True), *make(OPEN_SCHEMA, strict=True))["error"]
    message = "'additionalProperties' is required to be supplied and to be false."
    assert error["message"] == f"Invalid schema for {label}: In context=(), {message}"
    assert error["param"] == param
    assert error["code"] == code


ADDITIONAL_PROPERTIES_FLAW = "'additionalProperties' is required to be supplied and to be false."


@pytest.mark.parametrize(
    "changes, flaw",
    [
        (
            {"required": []},
            "context=(), 'required' is required to be supplied and to be an array including every key in properties. "
            "Missing 'a'.",
        ),
        ({"required": 1}, "context=(), 'required' is required to be supplied"),
        ({"properties": {"a": OPEN_SCHEMA}}, f"context=('properties', 'a'), {ADDITIONAL_PROPERTIES_FLAW}"),
        (
            {"properties": {"a": {"type": "array", "items": OPEN_SCHEMA}}},
            f"context=('properties', 'a', 'items'), {ADDITIONAL_PROPERTIES_FLAW}",
        ),
        (
            {"properties": {"a": {"anyOf": [CLOSED_SCHEMA, OPEN_SCHEMA]}}},
            f"context=('properties', 'a', 'anyOf', '1'), {ADDITIONAL_PROPERTIES_FLAW}",
        ),
        ({"$defs": {"b": OPEN_SCHEMA}}, f"context=('$defs', 'b'), {ADDITIONAL_PROPERTIES_FLAW}"),
        ({"definitions": {"b": OPEN_SCHEMA}}, f"context=('definitions', 'b'), {ADDITIONAL_PROPERTIES_FLAW}"),
        ({"properties": {"a": {"oneOf": []}}}, "context=('properties', 'a'), 'oneOf' is not permitted."),
        (
            {"properties": {"a": {"type": ["object", "null"]}}},
            f"context=('properties', 'a'), {ADDITIONAL_PROPERTIES_FLAW}",
        ),
        ({"allOf": []}, "context=(), 'allOf' is not permitted."),
        ({"dependentRequired": {}}, "context=(), 'dependentRequired' is not permitted."),
        ({"dependentSchemas": {}}, "context=(), 'dependentSchemas' is not permitted."),
        ({"else": {}}, "context=(), 'else' is not permitted."),
        ({"if": {}}, "context=(), 'if' is not permitted."),
        ({"not": {}}, "context=(), 'not' is not permitted."),
        ({"oneOf": []}, "context=(), 'oneOf' is not permitted."),
        ({"patternProperties": {}}, "context=(), 'patternProperties' is not permitted."),
        ({"then": {}}, "context=(), 'then' is not permitted."),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_strict_mode_rejects_each_flaw_of_a_strict_schema(changes, flaw):
    request = text_format_request(CLOSED_SCHEMA | changes, strict=True)
    error = send_with_key(OpenAIMock(strict=True), *request)["error"]
    assert error["message"].startswith(f"Invalid schema for response_format 'n': In {flaw}")


@pytest.mark.parametrize("make", [chat_tool_request, responses_tool_request])
def test_strict_function_without_parameters_is_rejected(make):
    error = send_with_key(OpenAIMock(strict=True), *make(None, strict=True))["error"]
    assert error["message"] == f"Invalid schema for function 'f': In context=(), {ADDITIONAL_PROPERTIES_FLAW}"


@pytest.mark.parametrize(
    "make", [chat_tool_request, responses_tool_request, text_format_request, response_format_request]
)
def test_strict_mode_accepts_closed_strict_schemas_and_open_other_schemas(make):
    openai_mock = OpenAIMock(strict=True)
    for request in (make(CLOSED_SCHEMA, strict=True), make(OPEN_SCHEMA), make(OPEN_SCHEMA, strict=False)):
        assert "id" in send_with_key(openai_mock, *request)


@pytest.mark.parametrize(
    "make, param, code, tool_choice",
    [
        (responses_tool_request, "tools[0].parameters", "invalid_function_parameters", {"tool_choice": "required"}),
        (text_format_request, "text.format.schema", "invalid_json_schema", {}),
    ],
)
def test_invalid_schema_error_names_its_param(make, param, code, tool_choice):
    name, body = make({"type": "nonsense"})
    error = send_with_key(OpenAIMock(), name, body | tool_choice)["error"]
    assert "'nonsense' is not a valid type" in error["message"]
    assert error["param"] == param
    assert error["code"] == code


def test_strict_mode_rejects_a_set_call_of_a_tool_with_an_invalid_schema():
    openai_mock = OpenAIMock(strict=True)
    openai_mock.responses.create.response = tool_call("f", {"a": 1})
    error = send_with_key(openai_mock, *responses_tool_request({"type": "nonsense"}))["error"]
    assert "nonsense" in error["message"]


@openai_responses.mock(strict=True)
def test_strict_mode_error_lists_all_supported_values(client):
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model="m", messages=[*USER_MESSAGES, {"role": "x", "content": "Hi"}])
    assert raised.value.param == "messages[1].role"
    assert raised.value.code == "invalid_value"
    for role in ("developer", "system", "user", "assistant", "tool", "function"):
        assert f"'{role}'" in raised.value.body["message"]


NOT_A_CHAT_MODEL = (
    "This is not a chat model and thus not supported in the v1/chat/completions endpoint. "
    "Did you mean to use v1/completions?"
)
CHAT_MODEL = (
    "This is a chat model and not supported in the v1/completions endpoint. Did you mean to use v1/chat/completions?"
)
CANNOT_SAMPLE = "You are not allowed to sample from this model"
CANNOT_EMBED = "You are not allowed to generate embeddings from this model"
MODEL_REQUESTS = {
    CHAT_CREATE: {"messages": USER_MESSAGES},
    "completions.create": {"prompt": "x"},
    "embeddings.create": {"input": "x"},
}


def response_for_model(name, model, strict):
    """Return the response to a request with a model."""
    request = request_of(ROWS[name], json.dumps(MODEL_REQUESTS[name] | {"model": model}).encode())
    request.headers["authorization"] = f"Bearer {API_KEY}"
    response = OpenAIMock(strict=strict).router.handler(request)
    response.read()
    return response


@pytest.mark.parametrize(
    "name, model, status, message, param",
    [
        (CHAT_CREATE, "davinci-002", 404, NOT_A_CHAT_MODEL, "model"),
        (CHAT_CREATE, "babbage-002", 404, NOT_A_CHAT_MODEL, "model"),
        (CHAT_CREATE, "gpt-3.5-turbo-instruct", 404, NOT_A_CHAT_MODEL, "model"),
        (CHAT_CREATE, "text-embedding-3-small", 403, CANNOT_SAMPLE, None),
        ("completions.create", "gpt-3.5-turbo", 404, CHAT_MODEL, "model"),
        ("completions.create", "gpt-4o", 404, CHAT_MODEL, "model"),
        ("completions.create", "gpt-5.5", 404, CHAT_MODEL, "model"),
        ("completions.create", "o1", 404, CHAT_MODEL, "model"),
        ("completions.create", "o3-mini", 404, CHAT_MODEL, "model"),
        ("completions.create", "o4-mini", 404, CHAT_MODEL, "model"),
        ("completions.create", "text-embedding-ada-002", 403, CANNOT_SAMPLE, None),
        ("embeddings.create", "gpt-4o", 403, CANNOT_EMBED, None),
        ("embeddings.create", "davinci-002", 403, CANNOT_EMBED, None),
    ],
)
def test_strict_mode_rejects_models_of_other_endpoints(name, model, status, message, param):
    response = response_for_model(name, model, strict=True)
    assert response.status_code == status
    assert response.json()["error"] == {
        "message": message,
        "type": "invalid_request_error",
        "param": param,
        "code": None,
    }
    assert response_for_model(name, model, strict=False).status_code == 200


@pytest.mark.parametrize(
    "name, model",
    [
        (CHAT_CREATE, "gpt-4o"),
        ("completions.create", "gpt-3.5-turbo-instruct"),
        ("embeddings.create", "text-embedding-3-small"),
        ("embeddings.create", "a-model-of-tomorrow"),
    ],
)
def test_strict_mode_accepts_models_of_the_endpoint_and_unknown_models(name, model):
    assert response_for_model(name, model, strict=True).status_code == 200


@openai_responses.mock(strict=True)
def test_strict_mode_accepts_api_params_missing_from_the_sdk(openai_mock, client):
    body = {"model": "gpt-image-1", "prompt": "x", "images": [{"image_url": "https://example.com/a.png"}]}
    response = client.post("/images/edits", body=body, cast_to=openai.types.ImagesResponse)
    assert len(response.data) == 1
    assert openai_mock.requests[-1].body == body
    with pytest.raises(openai.BadRequestError, match="Unknown parameter: 'images'"):
        client.post("/images/generations", body=body, cast_to=object)


BILLION_LAUGHS_DEFS = {
    f"d{i}": {"type": "array", "minItems": 10, "items": {"$ref": f"#/$defs/d{i + 1}"}} for i in range(9)
}


@pytest.mark.parametrize(
    "schema, message",
    [
        ({"$ref": "#/$defs/nowhere"}, "'#/$defs/nowhere' leads nowhere"),
        ({"$ref": "https://example.com/schema"}, "leads nowhere"),
        ({"$ref": "#anchor"}, "'#anchor' leads nowhere"),
        ({"type": "text"}, "'text' is not a valid type"),
        ({"type": []}, "[] is not a valid type"),
        ({"anyOf": []}, "'anyOf' should be non-empty"),
        ({"type": "integer", "multipleOf": 0}, "by zero"),
        ({"type": "string", "pattern": "("}, "missing )"),
        ({"type": "string", "pattern": "a\\"}, "bad escape (end of pattern)"),
        ({"type": "string", "pattern": "[z-a]"}, "bad character range"),
    ],
)
def test_invalid_schema_is_rejected_as_response_format_and_as_parameters(client, schema, message):
    response_format, _ = formats(schema)
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(**CHAT_REQUEST, response_format=response_format)
    assert raised.value.body["message"].startswith("Invalid schema for response_format: ")
    assert message in raised.value.body["message"]

    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(**CHAT_REQUEST, tools=[tool], tool_choice="required")
    assert raised.value.body["message"].startswith("Invalid schema for function 'f': ")
    assert message in raised.value.body["message"]


def deep_schema(depth):
    return functools.reduce(lambda schema, _: object_schema({"x": schema}), range(depth), {"type": "null"})


NOT_STRING = object_schema({"x": {"type": "string", "not": {"type": "string"}}})


@pytest.mark.parametrize(
    "schema, limit",
    [
        (NOT_STRING, "a schema with 'not' at properties.x"),
        (
            {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"oneOf": [True, True]}}},
            "a schema with 'oneOf' at $defs.a",
        ),
        (
            {"anyOf": [{"type": "integer", "minimum": 5, "maximum": 3}]},
            "a schema with 'minimum' and 'maximum' at anyOf[0]",
        ),
        (
            {"type": "object", "description": "?", "required": ["a"], "additionalProperties": False},
            "a schema with 'required' and 'additionalProperties'",
        ),
        ({"anyOf": [False]}, "a schema that no value satisfies"),
        (object_schema({"a": False}), "a schema with 'properties', 'required', and 'additionalProperties'"),
        (
            {"allOf": [object_schema({"a": {"type": "null"}}), object_schema({"a": {"type": "string"}})]},
            "a schema with 'type' at allOf[0].properties.a and allOf[1].properties.a",
        ),
        ({"$ref": "#"}, "a schema that refers to itself without end"),
        (object_schema({"x": {"$ref": "#"}}), "a schema that refers to itself without end"),
        (deep_schema(400), "a schema that is nested too deeply"),
        ({"type": "string", "pattern": "a{1000000000}"}, "a schema that asks for too large a value"),
        ({"type": "string", "pattern": "a{99999999999}"}, "a schema with a number that is too large"),
        (
            {"type": "string", "pattern": r"^\p{L}+$"},
            r"a schema with a pattern that Python can't compile, bad escape \p",
        ),
        (
            {"type": "string", "pattern": r"(?<year>\d{4})"},
            "a pattern that Python can't compile, unknown extension ?<y",
        ),
        ({"type": "string", "pattern": r"(?<=a*)b"}, "a pattern that Python can't compile, look-behind requires"),
        ({"type": "string", "pattern": r"(\1a)"}, "a pattern that Python can't compile, cannot refer to an open group"),
        ({"type": "string", "pattern": r"(a)\2"}, "a pattern that Python can't compile, invalid group reference 2"),
        ({"type": "string", "pattern": r"[^\s\S]"}, r"a schema with the pattern '[^\\s\\S]'"),
        ({"type": "string", "pattern": r"(a)?(?(1)b|c)"}, "a schema with the pattern '(a)?(?(1)b|c)'"),
        ({"type": "string", "minLength": 10**9}, "a schema that asks for too large a value"),
        ({"type": "array", "minItems": 10**9}, "a schema that asks for too large a value"),
        ({"type": "array", "minItems": 10**30}, "too large"),
        ({"type": "object", "minProperties": 10**30}, "a schema that asks for too large a value"),
        ({"$ref": "#/$defs/d0", "$defs": BILLION_LAUGHS_DEFS | {"d9": {"type": "string"}}}, "for too many attempts"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_schema_without_a_generated_value_is_an_error_to_the_author(create, schema, limit):
    response_format, _ = formats(schema)
    with pytest.raises(AssertionError) as raised:
        complete("Hi", response_format=response_format)
    message = str(raised.value)
    assert message.startswith("openai-responses can't generate a value for a schema ")
    assert limit in message
    hint = "(response_format): set a response, e.g. openai_mock.chat.completions.create.response = ..."
    assert message.endswith(hint)
    assert create.call_count == 1
    create.response = '{"x": 1}'
    assert complete("Hi", response_format=response_format) == '{"x": 1}'


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "make, options, label",
    [
        (chat_tool_request, {"tool_choice": {"type": "function", "function": {"name": "f"}}}, "function 'f'"),
        (responses_tool_request, {"tool_choice": "required"}, "function 'f'"),
        (text_format_request, {}, "response_format"),
        (response_format_request, {}, "response_format"),
    ],
)
def test_generation_error_names_the_endpoint_and_is_not_retried(openai_mock, client, make, options, label, stream):
    name, body = make(NOT_STRING)
    send = functools.partial(lookup(client, name), **body, **options, stream=stream)
    with pytest.raises(AssertionError) as raised:
        send()
    assert str(raised.value) == (
        f"openai-responses can't generate a value for a schema with 'not' at properties.x ({label}): "
        f"set a response, e.g. openai_mock.{name}.response = ..."
    )
    assert len(openai_mock.requests) == 1
    lookup(openai_mock, name).response = as_json({"x": 1})
    assert send()


async def test_generation_error_reaches_the_author_of_an_asynchronous_test(openai_mock):
    response_format, _ = formats(NOT_STRING)
    with pytest.raises(AssertionError, match=r"'not' at properties\.x"):
        await sdk("async").chat.completions.create(**CHAT_REQUEST, response_format=response_format)


def test_generation_error_in_a_run_reaches_the_author(openai_mock, client):
    response_format, _ = formats(NOT_STRING)
    assistant = client.beta.assistants.create(model="m", response_format=response_format)
    with pytest.raises(AssertionError, match=r"openai_mock\.beta\.threads\.create_and_run\.response = "):
        client.beta.threads.create_and_run(assistant_id=assistant.id)


def test_generation_error_in_a_batch_reaches_the_author(openai_mock, client):
    name, body = response_format_request(NOT_STRING)
    line = {"custom_id": "1", "method": "POST", "url": ROWS[name].path, "body": body}
    batch = add_batch(client, line)
    with pytest.raises(AssertionError, match=rf"openai_mock\.{name}\.response = "):
        for _ in range(9):
            client.batches.retrieve(batch.id)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    "make_partial",
    [
        lambda number: {"extra": number},
        lambda number: {"choices": [{"logprobs": {"content": [{"logprob": number}]}}]},
    ],
    ids=["unknown field", "nested field"],
)
def test_non_json_values_raise_on_assignment(openai_mock, number, make_partial):
    with pytest.raises(ValueError, match="not valid JSON"):
        openai_mock.chat.completions.create.response = make_partial(number)


@openai_responses.mock(strict=True)
def test_strict_mode_does_not_fetch_remote_schemas(create):
    create.response = "1"
    response_format, _ = formats({"$ref": "https://example.com/schema"})
    with pytest.raises(ValueError, match="cannot be checked"):
        complete("Hi", response_format=response_format)


def test_base_url_credentials_are_hidden_and_ignored():
    url = f"http://user:{API_KEY}@localhost:1234/v1"
    with OpenAIMock(base_url=url) as openai_mock:
        for base_url in (url, "http://localhost:1234/v1"):
            assert new_client(base_url=base_url).models.retrieve("gpt-4o").id == "gpt-4o"
        assert API_KEY not in repr(openai_mock) + repr(openai_mock.requests)


@pytest.mark.parametrize("name", ["Ocp-Apim-Subscription-Key", "apikey", "x-functions-key", "Api-Key", "Set-Cookie"])
def test_credential_headers_are_redacted(openai_mock, client, name):
    client.models.retrieve("gpt-4o", extra_headers={name: API_KEY})
    assert API_KEY not in f"{openai_mock.requests[-1].headers} {openai_mock.requests}"


def test_lone_surrogate_gets_an_embedding(openai_mock):
    assert sent(openai_mock, "embeddings.create", {"model": "m", "input": "\ud800"}).status_code == 200


def test_embedding_vectors_are_drawn_in_one_call(openai_mock, monkeypatch):
    """A number each cost ten times as much."""
    sizes = []
    randbytes = random.Random.randbytes
    monkeypatch.setattr(random.Random, "randbytes", lambda self, size: sizes.append(size) or randbytes(self, size))
    monkeypatch.setattr(random.Random, "random", lambda self: pytest.fail("a number of its own"))
    vectors = lenient_client().embeddings.create(model="m", input=[f"text {n}" for n in range(100)]).data
    assert sizes == [2 * 1536] * 100
    assert vectors[0].embedding != vectors[1].embedding


def test_result_of_an_unknown_tool_call_is_rejected_by_chat(client):
    tool = {"role": "tool", "tool_call_id": "call_nobody", "content": "x"}
    with pytest.raises(openai.BadRequestError, match="call_nobody") as raised:
        client.chat.completions.create(model="m", messages=[*USER_MESSAGES, tool])
    assert raised.value.param.startswith("messages")


def test_result_of_an_unknown_tool_call_is_rejected_by_responses(client):
    result = {"type": "function_call_output", "call_id": "call_nobody", "output": "x"}
    message = "No tool call found for function call output with call_id call_nobody"
    with pytest.raises(openai.BadRequestError, match=re.escape(message)):
        client.responses.create(model="m", input=[result])
    call = {"type": "function_call", "call_id": "call_nobody", "name": "f", "arguments": "{}"}
    assert client.responses.create(model="m", input=[call, result]).status == "completed"


INVALID_PARAMS = [
    ({"temprature": 1}, "Unknown parameter: 'temprature'.*temperature", "temprature", "unknown_parameter"),
    ({"temperature": "hot"}, "Invalid type for 'temperature'", "temperature", "invalid_type"),
    ({"messages": "hello"}, "Invalid type for 'messages'", "messages", "invalid_type"),
    ({"n": 1.5}, "Invalid type for 'n'", "n", "invalid_type"),
]


@pytest.mark.parametrize("params, message, param, code", INVALID_PARAMS)
@pytest.mark.parametrize("response", [None, "set"])
@openai_responses.mock(strict=True)
def test_strict_mode_rejects_invalid_requests(create, client, params, message, param, code, response):
    if response:
        create.response = response
    with pytest.raises(openai.BadRequestError, match=message) as raised:
        client.chat.completions.create(**CHAT_REQUEST, extra_body=params)
    assert raised.value.param == param
    assert raised.value.code == code


@pytest.mark.parametrize("params", [params for params, *_ in INVALID_PARAMS], ids=",".join)
def test_invalid_requests_are_accepted_without_strict_mode_if_a_response_is_set(create, params):
    create.response = "fine"
    assert complete("Hi", extra_body=params) == "fine"


@openai_responses.mock(strict=True)
def test_strict_mode_requires_only_api_params(client):
    tool = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
    assert client.responses.create(**INPUT_REQUEST, tools=[tool]).tools[0].name == "f"


@openai_responses.mock(strict=True)
def test_strict_mode_rejects_invalid_content_of_a_message(client):
    messages = [*USER_MESSAGES, {"role": "assistant", "content": 7}]
    with pytest.raises(openai.BadRequestError, match=r"messages\[1\]\.content"):
        client.chat.completions.create(model="gpt-4o", messages=messages)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": "sk-naked"},
        {"authorization": "Basic abc"},
        {"api-key": ""},
    ],
    ids=str,
)
def test_strict_mode_requires_an_api_key(headers):
    with OpenAIMock(strict=True):
        response = httpx.post(f"{BASE_URL}/chat/completions", json=CHAT_REQUEST, headers=headers)
    assert response.status_code == 401
    assert response.json()["error"] == {
        "message": "You didn't provide an API key. You need to provide your API key in an Authorization header.",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_api_key",
    }
    with OpenAIMock():
        assert httpx.post(f"{BASE_URL}/chat/completions", json=CHAT_REQUEST, headers=headers).status_code == 200


@pytest.mark.parametrize("headers", [{"authorization": "Bearer sk-x"}, {"api-key": "sk-x"}], ids=str)
def test_strict_mode_accepts_a_bearer_key_and_an_azure_key(headers):
    with OpenAIMock(strict=True):
        response = httpx.post(f"{BASE_URL}/chat/completions", json=CHAT_REQUEST, headers=headers)
    assert response.status_code == 200


def test_api_keys_are_hidden_in_reprs_and_errors(openai_mock, create):
    objects = []
    mistakes = (lambda request: 1 / 0, lambda request: object(), [])
    for client in (sdk(), azure_client(azure_endpoint="https://a.openai.azure.com")):
        for response in ("x", *mistakes, httpx.ConnectError("gone"), error(401)):
            create.response = response
            try:
                client.with_options(max_retries=0).chat.completions.create(**CHAT_REQUEST)
            except BaseException as raised:
                objects += [raised, raised.__cause__, str(raised), str(raised.__cause__)]
        with pytest.raises(AssertionError, match="/nowhere") as raised:
            client.get("/nowhere", cast_to=object)
        objects += [raised.value, str(raised.value), raised.value.__cause__]
    assert len(objects) == 2 * (4 * 5 + 3)
    objects += [openai_mock, create, create.when("x"), openai_mock.chat, openai_mock.requests, openai_mock.state]
    for value in (*objects, openai_mock.router, create.route, *create.route.calls):
        assert API_KEY not in repr(value)
    with pytest.raises(AssertionError, match="called with different arguments") as raised:
        create.assert_called_with(model="other")
    assert API_KEY not in str(raised.value)
    assert len(openai_mock.mistakes) == 2 * 3
    assert API_KEY not in repr(openai_mock.mistakes)
    openai_mock.mistakes.clear()


def azure_client(**options):
    return openai.AzureOpenAI(api_key=API_KEY, api_version="2024-10-21", **options)


AZURE_ENDPOINT = "https://mine.openai.azure.com"
GATEWAY_URL = "https://gateway.test/azure"
AZURE_CLIENTS = {
    "endpoint": lambda: azure_client(azure_endpoint=AZURE_ENDPOINT),
    "deployment": lambda: azure_client(azure_endpoint=AZURE_ENDPOINT, azure_deployment="gpt-4o"),
    "v1": lambda: new_client(base_url=f"{AZURE_ENDPOINT}/openai/v1/"),
}
GATEWAY_CLIENTS = {
    "base_url": lambda: azure_client(base_url=f"{GATEWAY_URL}/openai"),
    "own endpoint": lambda: azure_client(azure_endpoint=GATEWAY_URL),
}
AZURE_CASES = [pytest.param(make, None, id=name) for name, make in AZURE_CLIENTS.items()]
AZURE_CASES += [pytest.param(make, GATEWAY_URL, id=name) for name, make in GATEWAY_CLIENTS.items()]


@pytest.mark.parametrize("make_client, base_url", AZURE_CASES)
def test_azure_clients_are_mocked_by_default_and_with_a_base_url(make_client, base_url):
    client = make_client()
    with OpenAIMock(base_url=base_url, strict=True) as openai_mock:
        completion = client.chat.completions.create(**CHAT_REQUEST)
        assert completion.model == "gpt-4o"
        assert completion.choices[0].message.content == openai_responses._DEFAULT_TEXT
        assert len(client.embeddings.create(model="text-embedding-3-small", input="x").data) == 1
        file = client.files.create(file=b"abc", purpose="batch")
        assert client.files.content(file.id).read() == b"abc"
    names = [CHAT_CREATE, "embeddings.create", "files.create", "files.content"]
    assert [request.endpoint for request in openai_mock.requests] == names
    for request in openai_mock.requests:
        assert API_KEY not in request.headers.values()


@pytest.mark.parametrize("make_client, base_url", AZURE_CASES)
def test_azure_urls_match_endpoint_routes(make_client, base_url):
    client = make_client()
    with OpenAIMock(base_url=base_url) as openai_mock:
        client.chat.completions.create(**CHAT_REQUEST)
        route = openai_mock.chat.completions.create.route
        assert route.call_count == 1
        assert route.pattern.match(route.calls.last.request)


def test_azure_deployment_becomes_the_model(openai_mock):
    url = f"{AZURE_ENDPOINT}/openai/deployments/my%20dep/chat/completions?api-version=1"
    completion = httpx.post(url, json={"messages": USER_MESSAGES}, headers={"api-key": API_KEY})
    assert completion.json()["model"] == "my dep"
    assert openai_mock.requests[0].body["model"] == "my dep"


@openai_responses.mock(strict=True)
def test_strict_mode_does_not_check_the_model_category_on_azure():
    client = azure_client(azure_endpoint=AZURE_ENDPOINT)  # the model is the name of a deployment
    assert client.chat.completions.create(**CHAT_REQUEST | {"model": "davinci-002"}).model == "davinci-002"


def test_rule_matches_azure_deployment_as_model(create):
    create.when(model="mine").response = "by rule"
    client = azure_client(azure_endpoint=AZURE_ENDPOINT, azure_deployment="mine")
    completion = client.chat.completions.create(**CHAT_REQUEST)
    assert completion.model == "mine"
    assert completion.choices[0].message.content == "by rule"


def test_mock_with_base_url_does_not_match_azure(client_kind):
    with OpenAIMock(base_url="https://gateway.test/v1") as openai_mock:
        client = new_client(client_kind, base_url=f"{AZURE_ENDPOINT}/openai/v1")
        with pytest.raises(AssertionError, match=f"{AZURE_ENDPOINT}/openai/v1/chat/completions would reach"):
            run_coroutine(client_kind, complete_with(client))
        request = httpx.Request("POST", f"{AZURE_ENDPOINT}/openai/v1/chat/completions")
        assert not openai_mock.chat.completions.create.route.pattern.match(request)


# ---- the other hosts of the SDK's own clients ------------------------------------------------------------------------

VERTEX_PATH = "aiplatform.googleapis.com/v1/projects/p/locations"
CLIENT_BASE_URLS = [  # by hand, because openai 2 has no settings for most of them
    *(f"https://{name}.api.openai.com/v1" for name in ("us", "eu", "jp", "mtls", "mtls-us", "mtls-eu")),
    "https://mine.azure.openai.com/openai/v1",
    "https://mine.openai.azure.us/openai/v1",
    "https://mine.openai.azure.cn/openai/v1",
    "https://mine.cognitiveservices.azure.com/openai/v1",
    "https://mine.services.ai.azure.com/api/projects/p/openai/v1",
    "https://mine.services.ai.azure.us/openai/v1",
    "https://mine.azure-api.net/openai/v1",
    "https://mine.azure-api.net/a/team/openai/v1",
    "https://bedrock-mantle.us-east-1.api.aws/openai/v1",
    "https://bedrock-mantle.us-east-1.api.aws/v1",
    "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1",
    "https://bedrock-runtime-fips.us-gov-west-1.api.aws/openai/v1",
    "https://bedrock-runtime.cn-north-1.amazonaws.com.cn/openai/v1",
    f"https://{VERTEX_PATH}/global/publishers/openai/v1",
    f"https://europe-west1-{VERTEX_PATH}/europe-west1/publishers/openai/v1",
]


@pytest.mark.parametrize("base_url", CLIENT_BASE_URLS)
def test_hosts_of_sdk_clients_are_mocked(openai_mock, base_url, client_kind):
    client = new_client(client_kind, base_url=base_url)

    async def create_and_retrieve():
        file = await awaited(client.files.create(file=b"abc", purpose="batch"))
        retrieved = await awaited(client.files.retrieve(file.id))
        assert retrieved.id == file.id
        await complete_with(client)

    run_coroutine(client_kind, create_and_retrieve())
    assert [record.endpoint for record in openai_mock.requests] == ["files.create", "files.retrieve", CHAT_CREATE]
    for endpoint in (openai_mock.files.create, openai_mock.files.retrieve, openai_mock.chat.completions.create):
        assert endpoint.route.pattern.match(endpoint.route.calls.last.request)


@pytest.mark.parametrize("base_url", CLIENT_BASE_URLS)
def test_route_patterns_capture_path_params_on_hosts_of_sdk_clients(openai_mock, base_url):
    pattern = openai_mock.files.retrieve.route.pattern
    match = pattern.match(httpx.Request("GET", f"{base_url}/files/file-1"))
    assert match.context == {"file_id": "file-1"}
    assert not pattern.match(httpx.Request("POST", f"{base_url}/files"))
    assert repr(pattern).count("files.retrieve") == 1


@pytest.mark.parametrize(
    "base_url",
    [
        "https://europe.api.openai.com/v1",
        "https://eu.api.openai.com/v2",
        "https://eu.api.openai.com.evil.test/v1",
        "https://mine.openai.azure.com.evil.test/openai/v1",
        "https://mine.azure-api.net/team/v1",
        "https://bedrock-mantle.us-east-1.api.aws.evil.test/openai/v1",
        "https://bedrock-runtime.us-east-1.evil.test/openai/v1",
        f"https://{VERTEX_PATH}/global/publishers/google/v1",
    ],
)
def test_lookalike_hosts_are_not_mocked(openai_mock, base_url, client_kind):
    client = new_client(client_kind, base_url=base_url)
    hint = re.escape(f'write OpenAIMock(base_url="{base_url}"), or')
    with pytest.raises(AssertionError, match=f"would reach the network.*{hint}"):
        run_coroutine(client_kind, complete_with(client))
    request = httpx.Request("POST", f"{base_url}/chat/completions")
    assert not openai_mock.chat.completions.create.route.pattern.match(request)


@requires("responses.connect")
def test_regional_websockets_are_mocked(openai_mock, client_kind):
    openai_mock.responses.connect.response = "from Europe"
    client = new_client(client_kind, base_url="https://eu.api.openai.com/v1")

    async def respond():
        async with enter(client.responses.connect()) as connection:
            await awaited(connection.response.create(**INPUT_REQUEST))
            while (event := await awaited(connection.recv())).type != "response.completed":
                pass
            return event.response.output_text

    assert run_coroutine(client_kind, respond()) == "from Europe"


def bedrock_client(kind):
    client_class = openai.BedrockOpenAI if kind == "sync" else openai.AsyncBedrockOpenAI
    return client_class(api_key=API_KEY, aws_region="eu-west-1")


def regional_client(kind):
    return new_client(kind, data_residency="eu")


def bedrock_runtime_client(kind):
    provider = importlib.import_module("openai.providers").bedrock(
        endpoint="runtime", region="cn-north-1", api_key=API_KEY
    )
    return client_without_key(kind, provider=provider)


def vertex_client(kind):
    provider = importlib.import_module("openai.providers").vertex(
        project="p", location="global", token_provider=lambda: API_KEY
    )
    return client_without_key(kind, provider=provider)


def client_without_key(kind, **options):
    """Return a client that gets its key from the options."""
    client_class = openai.OpenAI if kind == "sync" else openai.AsyncOpenAI
    return client_class(**options)


SDK_CLIENTS = {"bedrock": bedrock_client}
if not OPENAI_2:
    SDK_CLIENTS |= {"region": regional_client, "runtime": bedrock_runtime_client, "vertex": vertex_client}


@pytest.mark.parametrize("name", SDK_CLIENTS)
def test_sdk_provider_clients_are_mocked_by_default(openai_mock, name, client_kind):
    openai_mock.responses.create.response = "Hi"
    client = SDK_CLIENTS[name](client_kind)

    response = run_coroutine(client_kind, awaited(client.responses.create(**INPUT_REQUEST)))
    assert response.output_text == "Hi"
    assert openai_mock.responses.create.call_count == 1


@pytest.mark.skipif(OPENAI_2, reason="this SDK does not have the hosts in tables")
def test_every_host_in_sdk_tables_is_mocked(openai_mock):
    x509 = importlib.import_module("openai.auth._x509")
    bedrock = importlib.import_module("openai.providers.bedrock")
    bases = [*openai._data_residency._DATA_RESIDENCY_BASE_URLS.values(), *x509._MTLS_REGIONAL_BASE_URLS.values()]
    for partition in ("us", "us-gov", "cn", "eusc-de", "us-iso", "us-isob", "eu-isoe", "us-isof"):
        for suffix in bedrock._runtime_dns_suffixes(f"{partition}-east-1"):
            bases.append(f"https://bedrock-runtime.{partition}-east-1.{suffix}/openai/v1")
    assert len(set(bases)) == 7 + 3 + 16
    pattern = openai_mock.files.list.route.pattern
    for base_url in bases:
        assert pattern.match(httpx.Request("GET", f"{base_url}/files")), base_url


# ---- workload identity -----------------------------------------------------------------------------------------------

TOKEN_URL = "https://auth.openai.com/oauth/token"
WORKLOAD_IDENTITY = {
    "client_id": "client",
    "identity_provider_id": "provider",
    "service_account_id": "account",
    "provider": {"token_type": "jwt", "get_token": lambda: "subject token"},
}


def identity_client(kind, identity=WORKLOAD_IDENTITY, **options):
    return client_without_key(kind, workload_identity=identity, **options)


@pytest.mark.parametrize("base_url", [None, "https://gateway.test/v1"])
def test_workload_token_exchange_is_not_in_the_request_log(client_kind, base_url):
    with OpenAIMock(base_url=base_url, strict=True) as openai_mock:
        run_coroutine(client_kind, complete_with(identity_client(client_kind, base_url=base_url)))
        assert [record.endpoint for record in openai_mock.requests] == [CHAT_CREATE]
        request = openai_mock.chat.completions.create.route.calls.last.request
        assert request.headers["authorization"] == "Bearer mock-access-token"


def test_route_overrides_the_workload_token(openai_mock, client_kind):
    route = openai_mock.router.post(TOKEN_URL)
    route.respond(json={"access_token": "mine", "expires_in": 60})
    run_coroutine(client_kind, complete_with(identity_client(client_kind)))
    request = openai_mock.chat.completions.create.route.calls.last.request
    assert request.headers["authorization"] == "Bearer mine"
    assert route.call_count == 1
    assert json.loads(route.calls.last.request.content)["subject_token"] == "subject token"
    assert [record.endpoint for record in openai_mock.requests] == [CHAT_CREATE]


def test_route_rejects_the_token_exchange(openai_mock, client_kind):
    openai_mock.router.post(TOKEN_URL).respond(401, json={"error": "invalid_grant", "error_description": "Unknown."})
    with pytest.raises(openai.OAuthError) as raised:
        run_coroutine(client_kind, complete_with(identity_client(client_kind)))
    assert raised.value.status_code == 401
    assert openai_mock.requests == []


X509_IDENTITY = getattr(getattr(openai, "auth", None), "x509_workload_identity", None)


def x509_client(kind, **transport):
    http_client_class = openai.DefaultHttpxClient if kind == "sync" else openai.DefaultAsyncHttpxClient
    identity = X509_IDENTITY(identity_provider_id="provider", service_account_id="account")
    return identity_client(kind, identity, http_client=http_client_class(**transport))


@pytest.mark.skipif(X509_IDENTITY is None, reason="this SDK has no X.509 identities")
@pytest.mark.parametrize("form", ["active", "transport"])
def test_x509_workload_gets_a_token(client_kind, form):
    openai_mock = OpenAIMock()
    if form == "active":
        client = x509_client(client_kind)
        with openai_mock:
            run_coroutine(client_kind, complete_with(client))
    else:
        client = x509_client(client_kind, transport=MockTransport(openai_mock))
        run_coroutine(client_kind, complete_with(client))
    route = openai_mock.chat.completions.create.route
    assert route.call_count == 1
    assert route.calls.last.request.url.host == "mtls.api.openai.com"
    assert [record.endpoint for record in openai_mock.requests] == [CHAT_CREATE]


def test_token_url_accepts_only_post(openai_mock, http_lib):
    assert http_lib.post(TOKEN_URL).json()["expires_in"] == 3600
    with pytest.raises(http_lib.ConnectError, match=f"GET {TOKEN_URL} would reach the network"):
        http_lib.get(TOKEN_URL)


# ======================================================================================================================
# MODEL OUTPUT AND SCHEMA GENERATION
# ======================================================================================================================


@pytest.mark.parametrize("turn, reason", [(cut("half"), "length"), (filtered("half"), "content_filter")])
def test_truncated_and_filtered_turns_set_the_finish_reason(openai_mock, client, turn, reason):
    openai_mock.chat.completions.create.response = turn
    openai_mock.completions.create.response = turn
    assert client.chat.completions.create(**CHAT_REQUEST).choices[0].finish_reason == reason
    assert client.completions.create(model="m", prompt="x").choices[0].finish_reason == reason


@pytest.mark.parametrize("turn, reason", [(cut("half"), "max_output_tokens"), (filtered("half"), "content_filter")])
def test_truncated_and_filtered_turns_make_a_response_incomplete(openai_mock, client, turn, reason):
    openai_mock.responses.create.response = turn
    response = client.responses.create(**INPUT_REQUEST)
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == reason
    assert response.output_text == "half"
    assert response.output[0].status == "incomplete"


def test_refusal_turn_is_a_field_in_chat_and_a_part_in_responses(openai_mock, client):
    openai_mock.chat.completions.create.response = refusal("No.")
    openai_mock.responses.create.response = refusal("No.")
    message = client.chat.completions.create(**CHAT_REQUEST).choices[0].message
    assert message.content is None
    assert message.refusal == "No."
    (part,) = client.responses.create(**INPUT_REQUEST).output[0].content
    assert part.to_dict() == {"type": "refusal", "refusal": "No."}


def test_refusal_has_a_default_text():
    assert repr(refusal()) == """Turn(refusal="I'm sorry, I can't help with that.")"""


@pytest.mark.parametrize(
    "response, expected",
    [
        (tool_call("f"), [("f", {})]),
        (tool_call("f", a=1, b=["ü"]), [("f", {"a": 1, "b": ["ü"]})]),
        (tool_call("f", {"name": "x"}), [("f", {"name": "x"})]),
        (tool_call("f", name="x", id=3), [("f", {"name": "x", "id": 3})]),
        (tool_call("f", ADA), [("f", ADA.model_dump())]),
        (tool_call("f", '{"a": 1}'), [("f", {"a": 1})]),
        (tool_call("f") + tool_call("g", x=1), [("f", {}), ("g", {"x": 1})]),
    ],
)
def test_tool_call_turn_in_each_api(openai_mock, client, response, expected):
    openai_mock.chat.completions.create.response = response
    openai_mock.responses.create.response = response
    openai_mock.beta.threads.create_and_run.response = response

    choice = client.chat.completions.create(**CHAT_REQUEST).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    chat_calls = choice.message.tool_calls
    assert [(call.function.name, json.loads(call.function.arguments)) for call in chat_calls] == expected

    items = client.responses.create(**INPUT_REQUEST).output
    assert [(item.name, json.loads(item.arguments)) for item in items] == expected

    run = client.beta.threads.create_and_run_poll(assistant_id=add_assistant(client))
    run_calls = run.required_action.submit_tool_outputs.tool_calls
    assert [(call.function.name, json.loads(call.function.arguments)) for call in run_calls] == expected

    ids = [call.id for call in (*chat_calls, *run_calls)] + [item.call_id for item in items]
    assert len(set(ids)) == 3 * len(expected)
    for id in ids:
        assert id.startswith("call_")


def test_tool_call_accepts_an_id_and_invalid_json(create, client):
    create.response = tool_call("f", "{broken", "call_mine")
    (call,) = client.chat.completions.create(**CHAT_REQUEST).choices[0].message.tool_calls
    assert call.id == "call_mine"
    assert call.function.arguments == "{broken"


RAIN_CITATION = cited("it rains", url="https://example.com/rain", title="Rain")
TEXT_WITH_URLS = "Umbrella: " + RAIN_CITATION + ", " + cited("often", url="u")
TEXT_WITH_FILE = "Look: " + cited("page 7", file_id="file-1", title="book.pdf")


def test_cited_pages_become_annotations_of_a_chat_message(create, client):
    create.response = TEXT_WITH_URLS
    message = client.chat.completions.create(**CHAT_REQUEST).choices[0].message
    assert message.content == "Umbrella: it rains, often"
    rain = {"url": "https://example.com/rain", "title": "Rain", "start_index": 10, "end_index": 18}
    often = {"url": "u", "title": "", "start_index": 20, "end_index": 25}
    assert [annotation.to_dict() for annotation in message.annotations] == [
        {"type": "url_citation", "url_citation": rain},
        {"type": "url_citation", "url_citation": often},
    ]


def test_cited_pages_become_annotations_of_a_response(openai_mock, client):
    openai_mock.responses.create.response = TEXT_WITH_URLS
    (part,) = client.responses.create(**INPUT_REQUEST).output[0].content
    rain = {"url": "https://example.com/rain", "title": "Rain", "start_index": 10, "end_index": 18}
    often = {"url": "u", "title": "", "start_index": 20, "end_index": 25}
    assert [annotation.to_dict() for annotation in part.annotations] == [
        {"type": "url_citation", **rain},
        {"type": "url_citation", **often},
    ]


def test_cited_file_becomes_an_annotation_of_a_response(openai_mock, client):
    openai_mock.responses.create.response = TEXT_WITH_FILE
    (part,) = client.responses.create(**INPUT_REQUEST).output[0].content
    citation = {"type": "file_citation", "file_id": "file-1", "filename": "book.pdf", "index": 12}
    assert [annotation.to_dict() for annotation in part.annotations] == [citation]


def test_cited_file_becomes_an_annotation_of_a_thread_message(openai_mock, client):
    openai_mock.beta.threads.runs.create.response = TEXT_WITH_FILE
    thread = add_thread(client)
    client.beta.threads.runs.create_and_poll(thread_id=thread, assistant_id=add_assistant(client))
    text = client.beta.threads.messages.list(thread).data[0].content[0].text
    (citation,) = text.annotations
    assert citation.text == "page 7"
    assert text.value[citation.start_index : citation.end_index] == "page 7"
    assert citation.file_citation.file_id == "file-1"


def test_reasoning_is_counted_in_the_usage_of_chat(create, client):
    create.response = reasoning("Two and two") + "4"
    completion = client.chat.completions.create(**CHAT_REQUEST)
    assert completion.choices[0].message.content == "4"
    assert completion.usage.completion_tokens_details.reasoning_tokens == 3
    assert completion.usage.completion_tokens == 4


@pytest.mark.parametrize("stream", [False, True])
def test_reasoning_is_an_item_of_a_response(openai_mock, client, stream):
    openai_mock.responses.create.response = reasoning("Two and two") + "4"
    if stream:
        with client.responses.stream(**INPUT_REQUEST) as events:
            response = events.get_final_response()
    else:
        response = client.responses.create(**INPUT_REQUEST)
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert response.output[0].summary[0].text == "Two and two"
    assert response.output_text == "4"
    assert response.usage.output_tokens_details.reasoning_tokens == 3
    assert response.usage.output_tokens == 4


def test_call_of_a_custom_tool_has_text_input_in_chat(create, client):
    create.response = tool_call("run_sql", "SELECT 1") + tool_call("f", a=1)
    tools = [{"type": "custom", "custom": {"name": "run_sql"}}, {"type": "function", "function": {"name": "f"}}]
    message = client.chat.completions.create(**CHAT_REQUEST, tools=tools).choices[0].message
    custom_call, function_call = message.tool_calls
    assert custom_call.type == "custom"
    assert custom_call.custom.name == "run_sql"
    assert custom_call.custom.input == "SELECT 1"
    assert function_call.type == "function"


@pytest.mark.parametrize("stream", [False, True])
def test_call_of_a_custom_tool_has_text_input_in_responses(openai_mock, client, stream):
    openai_mock.responses.create.response = tool_call("run_sql", "SELECT 1") + tool_call("f", a=1)
    request = INPUT_REQUEST | {"tools": [{"type": "custom", "name": "run_sql"}, RESPONSES_TOOL | {"name": "f"}]}
    if stream:
        with client.responses.stream(**request) as events:
            output = events.get_final_response().output
    else:
        output = client.responses.create(**request).output
    custom_call, function_call = output
    assert custom_call.type == "custom_tool_call"
    assert custom_call.name == "run_sql"
    assert custom_call.input == "SELECT 1"
    assert function_call.type == "function_call"


def test_forced_custom_tool_is_called_in_chat(client):
    tool = {"type": "custom", "custom": {"name": "run_sql"}}
    completion = client.chat.completions.create(**CHAT_REQUEST, tools=[tool], tool_choice=tool)
    (call,) = completion.choices[0].message.tool_calls
    assert call.type == "custom"
    assert call.custom.name == "run_sql"
    assert call.custom.input == "text"


@pytest.mark.parametrize("choice", ["required", {"type": "custom", "name": "run_sql"}], ids=["required", "named"])
def test_forced_custom_tool_is_called_in_responses(openai_mock, client, choice):
    request = INPUT_REQUEST | {"tools": [{"type": "custom", "name": "run_sql"}], "tool_choice": choice}
    (call,) = client.responses.create(**request).output
    assert call.type == "custom_tool_call"
    assert call.name == "run_sql"
    assert call.input == "text"

    openai_mock.responses.create.response = as_json({"a": 1})
    (call,) = client.responses.create(**request).output
    assert call.type == "custom_tool_call"
    assert call.input == '{"a": 1}'


@pytest.mark.parametrize(
    "value, plain",
    [
        ({"city": "Tōkyō"}, {"city": "Tōkyō"}),
        ([1, None], [1, None]),
        (Town(name="Kyoto", population=1, tags=[]), {"name": "Kyoto", "population": 1, "tags": []}),
    ],
    ids=["dict", "list", "model"],
)
def test_json_value_becomes_content_or_forced_call_arguments(create, client, value, plain):
    create.response = as_json(value)
    assert json.loads(complete("Hi")) == plain
    choice = {"type": "function", "function": {"name": "get_weather"}}
    completion = client.chat.completions.create(**CHAT_REQUEST, tools=[CHAT_TOOL], tool_choice=choice)
    assert completion.choices[0].message.content is None
    assert json.loads(completion.choices[0].message.tool_calls[0].function.arguments) == plain


def test_citation_needs_a_source():
    with pytest.raises(TypeError, match=re.escape("cited('x', ...) needs one source: url= or file_id=")):
        cited("x")


def test_reprs_of_builders_leave_out_defaults():
    assert repr(cut("x")) == "Turn(text='x', stop='length')"
    assert repr([error(429, "Wait."), timeout()]) == "[error(429, 'Wait.', code='rate_limit_exceeded'), timeout()]"
    assert repr(tool_call("f", a=1)) == """Turn(tool_calls=(ToolCall(name='f', arguments='{"a": 1}'),))"""


def test_equal_errors_and_timeouts_are_equal_and_have_the_same_hash():
    assert {error(429), timeout()} == {error(429), timeout()}
    assert error(429) != error(429, headers={"x-a": "b"})


@pytest.mark.parametrize(
    "turn, expected",
    [
        ("ab" + cut("c"), "Turn(text='abc', stop='length')"),
        (cut("c") + "ab", "Turn(text='cab', stop='length')"),
        (cut("a") + filtered("b"), "Turn(text='ab', stop='length')"),
        (refusal("No.") + refusal("Never."), "Turn(refusal='No.')"),
        (reasoning("a") + reasoning("b") + "c", "Turn(text='c', reasoning='ab')"),
        (
            tool_call("f") + "x" + tool_call("g"),
            "Turn(text='x', tool_calls=(ToolCall(name='f', arguments='{}'), ToolCall(name='g', arguments='{}')))",
        ),
        (
            "ab" + cited("c", url="u") + cited("d", file_id="file-1"),
            "Turn(text='abcd', citations=(Citation(start=2, end=3, url='u'), "
            "Citation(start=3, end=4, file_id='file-1')))",
        ),
        (reasoning("a") + as_json(1), "Turn(text='1', reasoning='a', structured=True)"),
        (as_json(1) + refusal("No."), "Turn(text='1', refusal='No.', structured=True)"),
        ("a" + as_json(1), "Turn(text='a1')"),
    ],
)
def test_sum_of_turns_combines_each_field(turn, expected):
    assert repr(turn) == expected


def chat_loop(client):
    messages = [*USER_MESSAGES]
    arguments = []
    while True:
        message = client.chat.completions.create(model="gpt-5", messages=messages, tools=[CHAT_TOOL]).choices[0].message
        if not message.tool_calls:
            return message.content, arguments
        messages.append(message.to_dict())
        for call in message.tool_calls:
            arguments.append(json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": "sunny"})


def responses_loop(client):
    create = functools.partial(client.responses.create, model="gpt-5", tools=[RESPONSES_TOOL])
    arguments = []
    response = create(input=USER_MESSAGES)
    while calls := [item for item in response.output if item.type == "function_call"]:
        outputs = []
        for call in calls:
            arguments.append(json.loads(call.arguments))
            outputs.append({"type": "function_call_output", "call_id": call.call_id, "output": "sunny"})
        response = create(input=outputs, previous_response_id=response.id)
    return response.output_text, arguments


def assistants_loop(client):
    runs = client.beta.threads.runs
    thread = client.beta.threads.create(messages=USER_MESSAGES).id
    run = runs.create_and_poll(thread_id=thread, assistant_id=add_assistant(client, tools=[CHAT_TOOL]))
    arguments = []
    while run.status == "requires_action":
        outputs = []
        for call in run.required_action.submit_tool_outputs.tool_calls:
            arguments.append(json.loads(call.function.arguments))
            outputs.append({"tool_call_id": call.id, "output": "sunny"})
        run = runs.submit_tool_outputs_and_poll(run_id=run.id, thread_id=thread, tool_outputs=outputs)
    assert run.status == "completed"
    return client.beta.threads.messages.list(thread).data[0].content[0].text.value, arguments


TOOL_LOOPS = {CHAT_CREATE: chat_loop, "responses.create": responses_loop, "beta.threads.runs.create": assistants_loop}


@pytest.mark.parametrize("name", TOOL_LOOPS)
@pytest.mark.parametrize(
    "steps", [TOOL_LOOP_STEPS, [TOOL_LOOP_STEPS[0], error(500), TOOL_LOOP_STEPS[1]]], ids=["no error", "with a retry"]
)
def test_one_response_list_drives_the_tool_loop_in_every_api(openai_mock, monkeypatch, name, steps):
    monkeypatch.setenv("OPENAI_API_KEY", API_KEY)
    lookup(openai_mock, name).response = steps
    assert TOOL_LOOPS[name](openai.OpenAI()) == ("It is sunny in Tokyo.", [{"city": "Tokyo"}])
    openai_mock.assert_all_used()


def formats(schema):
    """Return the options that request a schema: `response_format` of chat completions, and `text` of responses."""
    named_schema = {"name": "s", "schema": schema}
    return {"type": "json_schema", "json_schema": named_schema}, {"format": {"type": "json_schema", **named_schema}}


def validator_of(schema):
    """Return a validator for a schema that is valid itself."""
    validator = jsonschema.Draft202012Validator
    validator.check_schema(schema)
    return validator(schema, format_checker=validator.FORMAT_CHECKER)


def generated_value(schema, openai_mock=None):
    """Return the value that chat completions generate for a schema, with a new mock by default."""
    body = CHAT_REQUEST | {"response_format": formats(schema)[0]}
    completion = sent(openai_mock or OpenAIMock(), CHAT_CREATE, body).json()
    return json.loads(completion["choices"][0]["message"]["content"])


def typed_schema(type, **keywords):
    return st.fixed_dictionaries({"type": st.just(type), **keywords})


digits = st.integers(0, 9)
numbers = st.integers(-9, 9)
halves = numbers.map(lambda number: number / 2)
patterns = [r"^[A-Z]{2}-\d+$", "^(a|bc)+$", "ab", "^[a-z]*$", r"^[^\w]+$", "^a?b?c?$", r"^(?=.*\d).+$", r"\bfoo\b"]
format_names = {"date-time", "date", "time", "email", "uuid", "ipv4", "ipv6", "hostname", "duration", "zzz"}


def keyword_schema(type, **keywords):
    return st.fixed_dictionaries({"type": pick(type if isinstance(type, list) else [type])}, optional=keywords)


leaf_schemas = st.one_of(
    st.just({"type": "string"}),
    st.builds(lambda n, more: {"type": "string", "minLength": n, "maxLength": n + more}, st.integers(0, 30), digits),
    st.builds(lambda n, more: {"type": "integer", "minimum": n, "maximum": n + more}, numbers, digits),
    typed_schema("integer", exclusiveMinimum=numbers),
    typed_schema("integer", multipleOf=st.integers(1, 9), minimum=numbers),
    typed_schema("number", exclusiveMaximum=st.floats(-9, 9)),
    typed_schema("string", format=pick(["date-time", "date", "time", "email", "uuid", "ipv4"])),
    typed_schema("string", pattern=pick([r"^[A-Z]{2}-\\d+$", r"^(a|bc)+$", r"^[^x]\\w{2,4}$"])),
    pick(["boolean", "null", ["string", "null"], ["null", "integer"]]).map(lambda t: {"type": t}),
    st.lists(st.integers() | st.text(max_size=3), min_size=1, max_size=3).map(lambda values: {"enum": values}),
    (st.integers() | st.booleans() | st.text(max_size=3)).map(lambda value: {"const": value}),
)


# schemas for which there may be no value, or none that the mock finds
loose_leaves = leaf_schemas | st.one_of(
    keyword_schema(
        ["integer", "number", ["integer", "null"]],
        minimum=halves,
        maximum=halves,
        multipleOf=digits.map(lambda n: (n + 1) / 4),
        exclusiveMinimum=halves,
        exclusiveMaximum=halves,
    ),
    keyword_schema(
        "string", minLength=digits, maxLength=digits, pattern=pick(patterns), format=pick(sorted(format_names))
    ),
    pick(["node", "sum", "color"]).map(lambda name: {"$ref": f"#/$defs/{name}"}),
    st.just({"type": "integer", "enum": ["a", 1]}),
)

# a recursive schema, with a union whose members are distinguished by a constant
LEAF_SCHEMA = object_schema({"kind": {"const": "leaf"}, "value": {"type": "integer", "minimum": 3}})
NODE_SCHEMA = object_schema({"kind": {"const": "node"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, LEAF_SCHEMA]}})


def objects_of(schemas):
    return st.dictionaries(st.text("abcdef", min_size=1, max_size=3), schemas, max_size=3).map(object_schema)


schemas = st.recursive(
    leaf_schemas,
    lambda inner: st.one_of(
        objects_of(inner),
        st.builds(lambda of, n: {"type": "array", "items": of, "minItems": n, "maxItems": n + 1}, inner, digits),
        st.lists(inner, min_size=1, max_size=3).map(lambda union_members: {"anyOf": union_members}),
        inner.map(lambda item: {"anyOf": [{"type": "null"}, item]}),
        inner.map(lambda item: {"anyOf": [NODE_SCHEMA, item]}),
        st.just({"$ref": "#/$defs/node"}),
        inner.map(lambda item: {"$defs": {"x": item}, "allOf": [item]}),
    ),
    max_leaves=5,
)


@given(objects_of(schemas).map(lambda schema: {**schema, "$defs": {"node": NODE_SCHEMA}}))
def test_default_answer_follows_any_requested_schema(schema):
    response_format, text = formats(schema)
    function = {"name": "f", "parameters": schema}
    chat_options = CHAT_REQUEST | {"tools": [{"type": "function", "function": function}]}
    response_options = INPUT_REQUEST | {"tools": [{"type": "function", "strict": True, **function}]}
    with OpenAIMock():
        create = sdk().chat.completions.create
        respond = sdk().responses.create
        answers = [create(**CHAT_REQUEST, response_format=response_format).choices[0].message.content]
        answers.append(respond(**INPUT_REQUEST, text=text).output_text)
        for choice in ("required", {"type": "function", "function": {"name": "f"}}):
            message = create(**chat_options, tool_choice=choice).choices[0].message
            answers.append(message.tool_calls[0].function.arguments)
        for choice in ("required", {"type": "function", "name": "f"}):
            answers.append(respond(**response_options, tool_choice=choice).output[0].arguments)
    validator = validator_of(schema)
    for answer in answers:
        validator.validate(json.loads(answer))


loose_schemas = st.recursive(
    loose_leaves,
    lambda inner: st.one_of(
        keyword_schema(
            "array",
            items=inner,
            minItems=st.integers(0, 4),
            maxItems=digits,
            uniqueItems=st.booleans(),
            prefixItems=st.lists(inner, min_size=1, max_size=2),
        ),
        keyword_schema(
            "object",
            properties=st.dictionaries(pick(list("abc")), inner, max_size=3),
            required=st.lists(pick(list("abcd")), unique=True),
            additionalProperties=pick([True, False, {}]),
            patternProperties=st.dictionaries(pick(["^a", "b|d"]), inner, max_size=1),
            minProperties=digits,
        ),
        inner.map(lambda unwanted: {"not": unwanted}),
        st.builds(lambda one, then, other: {"if": one, "then": then, "else": other}, inner, inner, inner),
        st.lists(inner, min_size=1, max_size=3).map(lambda ways: {"anyOf": ways, "minLength": len(ways)}),
        st.lists(inner, min_size=1, max_size=3).map(lambda ways: {"oneOf": ways}),
        st.lists(inner, min_size=1, max_size=2).map(lambda parts: {"allOf": parts}),
    ),
    max_leaves=5,
)
COLOR = {"$ref": "#/$defs/color"}
DEFS = {
    "node": NODE_SCHEMA,
    "color": {"enum": ["red", "green"]},
    "value": object_schema({"v": COLOR}),
    "sum": {"anyOf": [{"$ref": "#/$defs/more"}, {"$ref": "#/$defs/value"}]},
    "more": object_schema({"left": {"$ref": "#/$defs/sum"}, "right": {"$ref": "#/$defs/sum"}}),
}


@given(loose_schemas.map(lambda schema: {**schema, "$defs": DEFS}))
def test_generated_value_follows_any_loose_schema_or_is_an_error(schema):
    openai_mock = OpenAIMock()
    try:
        value = generated_value(schema, openai_mock)
    except AssertionError as error:
        assert str(error).startswith("openai-responses can't generate a value for a schema with '")
        openai_mock.mistakes.clear()
    else:
        validator_of(schema).validate(value)


BACKTRACKING = "^(a+)+b$"  # takes twice as long for each further "a"


def doubling(key, depth):
    """Return a small schema whose value, or the work to find one, doubles with each of its references."""
    schemas = {}
    for level in range(depth):
        ref = {"$ref": f"#/$defs/{level + 1}"}
        schemas[str(level)] = {
            "required": object_schema({"a": ref, "b": ref}),
            "allOf": {"allOf": [ref, ref]},
            "minItems": {"type": "array", "items": ref, "minItems": 9},
        }[key]
    return {"$ref": "#/$defs/0", "$defs": {**schemas, str(depth): {}}}


@pytest.mark.parametrize(
    "schema, limit",
    [
        (doubling("required", 40), "asks for too large a value"),
        (doubling("minItems", 40), "asks for too large a value"),
        ({"type": "string", "minLength": 10**9}, "asks for too large a value"),
        ({"type": "string", "pattern": "((a{1000}){1000}){1000}"}, "asks for too large a value"),
        ({"type": "string", "pattern": r"^(a+)+\B$"}, "a schema with 'pattern'"),
        ({"type": "string", "pattern": r"^(?=(a+)+b)a{40}$"}, "a schema with 'pattern'"),
        (
            {"type": "array", "items": {"type": "null"}, "minItems": 2, "uniqueItems": True},
            "a schema with 'items', 'minItems', and 'uniqueItems'",
        ),
        ({"type": "object", "not": {}}, "a schema with 'not'"),
        (
            {"type": "array", "allOf": [{"prefixItems": [{"type": kind}]} for kind in ("null", "string")]},
            "a schema with 'type' at allOf[0].prefixItems[0] and allOf[1].prefixItems[0]",
        ),
        (
            {"type": "object", "required": ["a"], "additionalProperties": False},
            "a schema with 'required' and 'additional",
        ),
        ({"allOf": [{"const": 0}, {"const": False}]}, "a schema with 'allOf'"),
        ({"oneOf": [{"minLength": 1}, {"maxLength": 9}]}, "a schema with 'oneOf'"),
        ({"oneOf": [{"type": "array"}, {"type": "array", "items": {}}]}, "a schema with 'oneOf'"),
        ({"type": "array", "contains": {"type": "null"}}, "a schema with 'contains'"),
        ({"allOf": [{"pattern": "^a{40}$"}, {"pattern": BACKTRACKING}]}, "a schema with 'allOf'"),
        ({"minLength": 21, "not": {"pattern": BACKTRACKING}}, "a schema with 'minLength' and 'not'"),
        (
            {"type": "object", "required": ["a" * 40], "patternProperties": {BACKTRACKING: {}}},
            "a schema with the pattern '^(a+)+b$', which takes too long to match with 'aaa",
        ),
        (
            {
                "oneOf": [{"type": "string", "minLength": 40}, doubling("allOf", 40)],
                "$defs": doubling("allOf", 40)["$defs"],
            },
            "for too many attempts",
        ),
    ],
)
def test_generation_gives_up_within_its_budget(monkeypatch, schema, limit):
    calls = itertools.count()
    spend = openai_responses._Generation.spend

    def count_and_spend(generation, cost):
        if next(calls) > 50_000:
            pytest.fail("the generation takes too long")
        return spend(generation, cost)

    monkeypatch.setattr(openai_responses._Generation, "spend", count_and_spend)
    with pytest.raises(AssertionError, match=re.escape(limit)):
        generated_value(schema)


@pytest.mark.parametrize(
    "schema, value",
    [
        (doubling("allOf", 5), "text"),
        ({"type": "array", "uniqueItems": True, "minItems": 3, "items": {"type": "integer", "minimum": 5}}, [5, 6, 7]),
        ({"type": "array", "uniqueItems": True, "minItems": 2, "items": COLOR, "$defs": DEFS}, ["red", "green"]),
        ({"type": "array", "uniqueItems": True, "minItems": 2, "items": {"pattern": "^a+$"}}, ["a", "aa"]),
        ({"type": "string", "pattern": "^[a-z]+-x$", "minLength": 6, "maxLength": 6}, "aaaa-x"),
        ({"type": "string", "pattern": "^ab", "minLength": 4}, "abxx"),
        ({"type": "integer", "exclusiveMinimum": 2.5, "exclusiveMaximum": 3.5}, 3),
        ({"type": "integer", "minimum": 1, "multipleOf": 1.5}, 3),
        ({"type": ["integer", "null"], "minimum": 3, "maximum": 2}, None),
        ({"type": "object", "required": ["a"]}, {"a": {}}),
        ({"$ref": "#/$defs/sum", "$defs": DEFS}, {"v": "red"}),
        ({"allOf": [{"minLength": 5}, {"minLength": 3, "maxLength": 6}]}, "textx"),
        ({"oneOf": [{"type": "string", "maxLength": 2}, {"type": "string"}]}, "text"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}, {"type": "boolean"}]}, False),
        ({"oneOf": [LEAF_SCHEMA, {"$ref": "#/$defs/node"}], "$defs": DEFS}, {"kind": "leaf", "value": 3}),
        ({"oneOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object"}, {"a": {}}),
        (
            {"oneOf": [object_schema({"a": COLOR}), object_schema({"a": {"const": "green"}})], "$defs": DEFS},
            {"a": "red"},
        ),
        (
            {
                "oneOf": [
                    {"anyOf": [{"type": "null"}, {"type": "string"}]},
                    {"type": "array", "minItems": 1, "items": COLOR},
                ],
                "$defs": DEFS,
            },
            None,
        ),
        (
            {
                "$defs": DEFS,
                "type": "array",
                "uniqueItems": False,
                "items": COLOR,
                "allOf": [{"uniqueItems": True, "minItems": 2}],
            },
            ["red", "green"],
        ),
        (
            {"type": "array", "uniqueItems": True, "minItems": 3, "items": {"type": "integer", "maximum": -2}},
            [-2, -3, -4],
        ),
        ({"uniqueItems": True, "minItems": 2, "type": "array", "items": {"type": ["null", "boolean"]}}, [None, False]),
        ({"type": "array", "uniqueItems": True, "prefixItems": [{"type": "integer"}, {"type": "integer"}]}, [0, 1]),
        (
            {"type": "array", "prefixItems": [{"type": "null"}], "items": {"type": "integer"}, "minItems": 3},
            [None, 0, 0],
        ),
        ({}, {}),
        ({"type": "boolean"}, False),
        ({"type": "null"}, None),
        ({"type": "integer"}, 0),
        ({"type": "string"}, "text"),
        ({"type": "string", "minLength": 6}, "textxx"),
        ({"type": "string", "maxLength": 2}, "xt"),
        ({"type": "array"}, []),
        ({"properties": {"a": {"type": "null"}}}, {}),
        ({"type": "number", "minimum": 0.3, "maximum": 0.4}, 0.3),
        ({"type": "number", "exclusiveMinimum": 0.3, "maximum": 0.4}, 0.4),
        ({"type": "string", "minLength": 20, "not": {"pattern": BACKTRACKING}}, "text" + 16 * "x"),
        ({"type": "number", "exclusiveMinimum": 0}, 1),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5),
        ({"type": "number", "multipleOf": 0.2, "exclusiveMinimum": 0.1, "maximum": 0.3}, 0.2),
        ({"allOf": [{"type": "integer", "multipleOf": 2, "minimum": 1}, {"type": "number", "multipleOf": 3}]}, 6),
        ({"allOf": [{"enum": ["a", "b", "c"]}, {"enum": ["c", "b"]}]}, "b"),
        ({"allOf": [{"pattern": "^a+b?$"}, {"pattern": "b$"}]}, "ab"),
        ({"anyOf": [{"const": ""}, {"type": "string"}], "minLength": 2}, "text"),
        ({"oneOf": [{"enum": [0]}, {"type": "integer"}]}, 1),
        ({"oneOf": [{"const": "a" * 40}, {"pattern": BACKTRACKING}]}, "ab"),
        ({"anyOf": [{"type": "string", "pattern": r"^\d+$", "maxLength": 0}, {"minLength": 21}]}, 21 * "0"),
        ({"pattern": "^[a-z]+(-[a-z]+)*$", "enum": ["a-name-of-more-than-twenty"]}, "a-name-of-more-than-twenty"),
        ({"pattern": "^[a-z]+(-[a-z]+)*$", "minLength": 24}, 22 * "a" + "-a"),
        ({"const": "2030-01-01", "format": "zzz"}, "2030-01-01"),
        ({"type": "string", "not": {"const": "text"}}, "text1"),
        ({"type": "object", "properties": {"a": {"type": "null"}}, "minProperties": 2}, {"a": None, "key0": {}}),
        ({"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 1}, {"key0": 0}),
        (
            {"type": "object", "required": ["ab"], "patternProperties": {"^a": {"type": "null"}, "b$": True}},
            {"ab": None},
        ),
        (
            {
                "type": "object",
                "required": ["zip"],
                "properties": {"zip": {"type": "string"}},
                "if": {"required": ["zip"]},
                "then": {"properties": {"zip": {"pattern": "^[0-9]{5}$"}}},
                "else": False,
            },
            {"zip": "00000"},
        ),
        (
            {
                "$ref": "#/$defs/tree",
                "required": ["left"],
                "$defs": {"tree": {"type": "object", "properties": {"left": {"$ref": "#/$defs/tree"}}}},
            },
            {"left": {}},
        ),
    ],
)
def test_smallest_value_is_generated(schema, value):
    assert json.dumps(generated_value(schema)) == json.dumps(value)  # unlike ==, this distinguishes 0 and False


@pytest.mark.parametrize(
    "name, value",
    [
        ("date", "2024-01-01"),
        ("date-time", "2024-01-01T00:00:00Z"),
        ("duration", "P1D"),
        ("email", "user@example.com"),
        ("hostname", "example.com"),
        ("ipv4", "192.0.2.1"),
        ("ipv6", "2001:db8::1"),
        ("time", "12:00:00Z"),
        ("uri", "https://example.com"),
        ("uuid", "00000000-0000-4000-8000-000000000000"),
        ("unknown", "text"),
    ],
)
def test_text_with_a_format_is_the_example_of_the_format(name, value):
    assert generated_value({"type": "string", "format": name}) == value


@pytest.mark.parametrize(
    "pattern, value",
    [
        (r"^\d\D\w\W\s\S$", "0aa- a"),
        ("^[^a][^0][^a0 _A.]$", "ba-"),
        ("^[^a-z]$", "0"),
        (r"^[^\d\s]$", "a"),
        (r"^[^\w]$", " "),
        (r"^[^\W]$", "a"),
        ("^[b-d]$", "b"),
        (r"^[\d]$", "0"),
        ("^.$", "a"),
        ("^(?:a|b)c?$", "ac"),
        ("^b{2,3}?$", "bb"),
        ("^x*$", "x"),
        (r"^(?=b)b\b$", "b"),
    ],
)
def test_text_with_a_pattern_is_its_simplest_match(pattern, value):
    assert generated_value({"type": "string", "pattern": pattern}) == value
    assert re.search(pattern, value)


@pytest.mark.parametrize(
    "schema, valid",
    [
        ({"contains": {"type": "null"}, "minContains": 2, "maxContains": 3}, [None, None]),
        ({"maxProperties": 1}, {"a": 0}),
        ({"dependentRequired": {"a": ["b"], "c": ["d"]}}, {"a": 0, "b": 0}),
        ({"dependentSchemas": {"a": {"required": ["b"]}}}, {"a": 0, "b": 0}),
        ({"propertyNames": {"maxLength": 1}}, {"a": 0}),
        ({"patternProperties": {"^a": {"type": "null"}}, "additionalProperties": False}, {"ab": None}),
        ({"if": {"type": "integer"}, "then": {"minimum": 3}, "else": {"maxLength": 1}}, "a"),
        ({"prefixItems": [{"type": "null"}], "items": {"type": "string"}}, [None, "a"]),
    ],
)
@pytest.mark.parametrize(
    "value",
    [
        0,
        3,
        "a",
        "ab",
        [],
        [None],
        [None] * 2,
        [None] * 4,
        [None, "a"],
        ["a"],
        {},
        {"a": 0},
        {"a": 0, "b": 0},
        {"ab": 0},
        {"ab": None},
        {"c": 0},
        {"b": None},
    ],
)
def test_generated_value_check_agrees_with_jsonschema(schema, valid, value):
    validator = validator_of(schema)
    assert validator.is_valid(valid)
    enumerated = {"enum": [value], **schema}
    if validator.is_valid(value):
        assert generated_value(enumerated) == value
    else:
        with pytest.raises(AssertionError, match="can't generate a value"):
            generated_value(enumerated)


POINTER_DEFS = {"a/b": {"const": 1}, "m~n": {"const": 2}, "x y": {"const": 3}, "~1": {"const": 4}, "": {"const": 5}}
POINTER_DEFS["list"] = {"anyOf": [{"const": 6}, {"const": 7}]}


@pytest.mark.parametrize(
    "ref, value",
    [
        ("#/$defs/a~1b", 1),
        ("#/$defs/m~0n", 2),
        ("#/$defs/x%20y", 3),
        ("#/$defs/~01", 4),
        ("#/$defs/", 5),
        ("#/%24defs/list/anyOf/1", 7),
    ],
)
def test_references_are_json_pointers(ref, value):
    schema = {"$defs": POINTER_DEFS, **object_schema({"x": {"$ref": ref}})}
    assert generated_value(schema) == {"x": value}
    validator_of(schema).validate({"x": value})


@pytest.mark.parametrize("index", ["2", "-1", "01", "+1", "1 ", "one", "0/const/0"])
def test_reference_with_an_invalid_list_index_is_rejected(client, index):
    ref = f"#/$defs/list/anyOf/{index}"
    response_format, _ = formats({"$defs": POINTER_DEFS, **object_schema({"x": {"$ref": ref}})})
    with pytest.raises(openai.BadRequestError, match=re.escape(f"the reference {ref!r} leads nowhere")):
        client.chat.completions.create(**CHAT_REQUEST, response_format=response_format)


@pytest.mark.parametrize("pattern", [r"^[A-Z]{2}-\d+$", r"(a|b)c?", r"[^a]\w+", r"^#[0-9a-f]{6}$", r"\S+@\S+", "x*"])
def test_default_text_follows_the_pattern(pattern):
    assert re.search(pattern, generated_value({"type": "string", "pattern": pattern}))


class Node(pydantic.BaseModel):
    value: int = pydantic.Field(ge=3, le=5)
    kind: typing.Literal["a", "b"]
    children: list["Node"]
    parent: Optional["Node"]
    person: Person


class NodeOrPerson(pydantic.BaseModel):
    member: typing.Union[Node, Person]
    numbers: list[float] = pydantic.Field(min_length=2)


@pytest.mark.parametrize("model", [Person, Node, NodeOrPerson])
def test_parse_returns_an_instance_of_any_model(openai_mock, client_kind, model):
    client = sdk(client_kind)
    completion = run_coroutine(
        client_kind, awaited(client.chat.completions.parse(**CHAT_REQUEST, response_format=model))
    )
    response = run_coroutine(client_kind, awaited(client.responses.parse(**INPUT_REQUEST, text_format=model)))
    assert isinstance(completion.choices[0].message.parsed, model)
    assert isinstance(response.output_parsed, model)


def test_json_mode_answers_with_an_empty_object(client):
    assert complete("Hi", response_format={"type": "json_object"}) == "{}"
    assert client.responses.create(**INPUT_REQUEST, text={"format": {"type": "json_object"}}).output_text == "{}"


@pytest.mark.parametrize(
    "choice, names",
    [
        ("auto", []),
        ("none", []),
        ("required", ["f"]),
        ({"type": "function", "name": "g"}, ["g"]),
        ({"type": "function", "name": "not_offered"}, []),
        ({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]}, ["g"]),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "g"}]}, []),
    ],
    ids=["auto", "none", "required", "named", "not offered", "required allowed", "auto allowed"],
)
def test_forced_tool_is_called_in_responses(client, choice, names):
    tools = [{"type": "function", "name": name, "strict": False, "parameters": {"type": "object"}} for name in "fg"]
    output = client.responses.create(**INPUT_REQUEST, tools=tools, tool_choice=choice).output
    assert [item.name for item in output if item.type == "function_call"] == names
    if not names:
        assert [item.type for item in output] == ["message"]


@pytest.mark.parametrize(
    "choice, names",
    [
        ("auto", []),
        ("none", []),
        ("required", ["get_weather"]),
        ({"type": "function", "function": {"name": "get_time"}}, ["get_time"]),
        ({"type": "function", "function": {"name": "not_offered"}}, []),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [CHAT_TOOL]}}, ["get_weather"]),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [CHAT_TOOL]}}, []),
    ],
    ids=["auto", "none", "required", "named", "not offered", "required allowed", "auto allowed"],
)
def test_forced_tool_is_called_in_chat(client, choice, names):
    tools = [CHAT_TOOL, {"type": "function", "function": {"name": "get_time"}}]
    message = client.chat.completions.create(**CHAT_REQUEST, tools=tools, tool_choice=choice).choices[0].message
    assert [call.function.name for call in message.tool_calls or ()] == names
    assert (message.content is None) == bool(names)


def test_tool_choice_without_tools_is_ignored(client):
    assert client.responses.create(**INPUT_REQUEST, tool_choice="required").output[0].type == "message"


PERSON_FORMAT, PERSON_TEXT = formats(Person.model_json_schema())


@pytest.mark.parametrize(
    "response, message",
    [
        ("no json", "is 'no json', but the request requires JSON"),
        ('{"name": "A"}', r"does not follow the request's schema at \$.*'age' is a required property"),
        ('{"name": 5, "age": 1, "tags": []}', r"schema at \$\.name.*5 is not of type 'string'"),
    ],
    ids=["text", "missing property", "wrong type"],
)
@openai_responses.mock(strict=True)
def test_strict_mode_validates_answers_against_the_request_schema(openai_mock, create, client, response, message):
    create.response = response
    with pytest.raises(ValueError, match=message):
        client.chat.completions.create(**CHAT_REQUEST, response_format=PERSON_FORMAT)
    openai_mock.responses.create.response = response
    with pytest.raises(ValueError, match=message):
        client.responses.create(**INPUT_REQUEST, text=PERSON_TEXT)


@pytest.mark.parametrize(
    "response",
    [
        {"choices": [{"message": {"content": "no json"}}]},
        lambda request: "no json",
        streamed("no json"),
        ["no json"],
    ],
    ids=["partial", "handler", "streamed", "list"],
)
@openai_responses.mock(strict=True)
def test_strict_mode_validates_every_form_of_answer(create, client, response):
    create.response = response
    with pytest.raises(ValueError, match="but the request requires JSON"):
        client.chat.completions.create(**CHAT_REQUEST, response_format=PERSON_FORMAT)


@pytest.mark.parametrize(
    "response, text",
    [
        (ADA, ADA.model_dump_json()),
        (ADA.model_dump_json(), ADA.model_dump_json()),
        (refusal(), None),
        (cut('{"na'), '{"na'),
        (filtered(""), ""),
    ],
    ids=["model", "text", "refusal", "cut", "filtered"],
)
@openai_responses.mock(strict=True)
def test_strict_mode_accepts_valid_and_intentionally_broken_answers(create, response, text):
    create.response = response
    assert complete("Hi", response_format=PERSON_FORMAT) == text


@openai_responses.mock(strict=True)
def test_strict_mode_does_not_validate_errors(create):
    create.response = error(400)
    with pytest.raises(openai.BadRequestError, match="The request was invalid"):
        complete("Hi", response_format=PERSON_FORMAT)


@openai_responses.mock(strict=True)
def test_strict_mode_accepts_intentionally_broken_arguments(create, client):
    create.response = tool_call("get_weather", "{broken")
    (call,) = client.chat.completions.create(**CHAT_REQUEST, tools=[CHAT_TOOL]).choices[0].message.tool_calls
    assert call.function.arguments == "{broken"


@pytest.mark.parametrize(
    "response, message",
    [
        (tool_call("get_weather", town="Oslo"), "the call of 'get_weather' does not follow"),
        (tool_call("get_weather", city=5), r"schema at \$\.city"),
        (tool_call("get_news"), "calls 'get_news', but the request offers get_weather"),
        (tool_call("get_weather", city="Oslo") + tool_call("get_news"), "calls 'get_news'"),
    ],
    ids=["wrong property", "wrong type", "unknown tool", "second call"],
)
@openai_responses.mock(strict=True)
def test_strict_mode_validates_tool_calls(openai_mock, create, client, response, message):
    create.response = response
    with pytest.raises(ValueError, match=message):
        client.chat.completions.create(**CHAT_REQUEST, tools=[CHAT_TOOL])
    openai_mock.responses.create.response = response
    with pytest.raises(ValueError, match=message):
        client.responses.create(**INPUT_REQUEST, tools=[RESPONSES_TOOL | {"strict": False}])


TOKEN_COUNTS = [("", 0), ("a", 1), ("1234", 1), ("12345", 2), ("word " * 100, 125)]


@pytest.mark.parametrize("text, count", TOKEN_COUNTS)
def test_chat_usage_counts_a_token_for_every_four_characters(create, client, text, count):
    create.response = text
    messages = [{"role": "user", "content": text}]
    usage = client.chat.completions.create(model="m", messages=messages).usage
    assert usage.prompt_tokens == count
    assert usage.completion_tokens == count
    assert usage.total_tokens == 2 * count


@pytest.mark.parametrize("text, count", TOKEN_COUNTS)
def test_response_usage_counts_a_token_for_every_four_characters(openai_mock, client, text, count):
    openai_mock.responses.create.response = text
    usage = client.responses.create(model="m", input=text).usage
    assert usage.input_tokens == count
    assert usage.output_tokens == count
    assert usage.total_tokens == 2 * count


@pytest.mark.parametrize("text, count", TOKEN_COUNTS)
def test_completion_usage_counts_a_token_for_every_four_characters(openai_mock, client, text, count):
    openai_mock.completions.create.response = text
    usage = client.completions.create(model="m", prompt=text).usage
    assert usage.prompt_tokens == count
    assert usage.completion_tokens == count
    assert usage.total_tokens == 2 * count


@pytest.mark.parametrize("text, count", TOKEN_COUNTS)
def test_embedding_usage_counts_a_token_for_every_four_characters(openai_mock, text, count):
    usage = lenient_client().embeddings.create(model="m", input=text).usage
    assert usage.prompt_tokens == count
    assert usage.total_tokens == count


@pytest.mark.parametrize(
    "item",
    [
        {"role": "user", "content": "1234" * 5},
        {"role": "user", "content": [{"type": "input_text", "text": "1234" * 5}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "1234" * 5, "annotations": []}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "1234" * 5}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "1234" * 5}]},
    ],
    ids=["text", "text part", "output text", "refusal", "reasoning"],
)
def test_usage_counts_the_text_of_each_form_of_input(client, item):
    assert client.responses.create(model="m", input=[item]).usage.input_tokens == 5


def test_logprobs_list_a_token_for_every_four_characters(create, client):
    create.response = "Hi you, é!"
    completion = client.chat.completions.create(**CHAT_REQUEST, logprobs=True, top_logprobs=2)
    tokens = completion.choices[0].logprobs.content
    assert [token.token for token in tokens] == ["Hi y", "ou, ", "é!"]
    assert tokens[2].to_dict() == {
        "token": "é!",
        "logprob": -0.1,
        "bytes": [195, 169, 33],
        "top_logprobs": [
            {"token": "é!", "logprob": -0.1, "bytes": [195, 169, 33]},
            {"token": "é!1", "logprob": -3.0, "bytes": [195, 169, 33, 49]},
        ],
    }


def test_set_text_ignores_max_tokens(create, client):
    create.response = "a long answer " * 50
    choice = client.chat.completions.create(**CHAT_REQUEST, max_tokens=5).choices[0]
    assert choice.message.content == "a long answer " * 50
    assert choice.finish_reason == "stop"


# ======================================================================================================================
# ANSWERS
# ======================================================================================================================


# ---- the life cycle of objects ---------------------------------------------------------------------------------------


# For parameters that refer to other objects: the endpoint that creates such an object.
REFERENCE_PARAMS = {
    "assistant_id": "beta.assistants.create",
    "group_id": "admin.organization.groups.create",
    "file_id": "files.create",
    "input_file_id": "files.create",
    "training_file": "files.create",
    "project_id": "admin.organization.projects.create",
}
# Arguments that a create endpoint needs besides the required ones.
EXTRA_ARGUMENTS = {
    "chat.completions.create": {"store": True},
    "beta.chat.completions.create": {"store": True},
    "admin.organization.projects.users.create": {"user_id": "user-1"},
    "vector_stores.file_batches.create": {"file_ids": ["files.create"]},
}
# Values of path parameters that no create endpoint returns.
FIXED_PATH_PARAMS = {"fine_tuned_model_checkpoint": "ft:gpt-4o-mini:org::1:ckpt-step-1", "user_id": "user-1"}
# Arguments that determine the id of the object, so that the same arguments don't create a second object.
ID_PARAMS = {"file_id", "group_id", "path", "role_id", "user_id"}
# Values for update endpoints. A test changes the first of these fields that the endpoint accepts.
UPDATE_VALUES = {
    "metadata": {"k": "v"},
    "name": "renamed",
    "description": "changed",
    "role": "member",
    "threshold_amount": 7,
    "attributes": {"k": "v"},
    "default_version": "1",
}


def creatable_resources():
    """Yield the resources whose objects can be created, and then retrieved, listed, updated or deleted."""
    for name in ROWS:
        owner, _, method = name.rpartition(".")
        if owner == "beta.agents.environments.files" and "beta.agents.environments.create" not in ROWS:
            continue  # some releases have no endpoint that creates the parent
        others = {f"{owner}.{verb}" for verb in ("retrieve", "list", "delete", "update")}
        if method == "create" and others & ROWS.keys():
            yield owner


def endpoint_of(resource, verb):
    """Return the name of an endpoint of a resource, or None if the SDK has none."""
    name = f"{resource}.{verb}"
    if name not in ROWS:
        return None
    if verb == "retrieve" and ROWS[name].path == ROWS[f"{resource}.create"].path:
        return None  # it returns a list, as `list` of other resources
    return name


def resources_with(*verbs):
    """Return the creatable resources that have an endpoint for each verb."""
    return [name for name in creatable_resources() if all(endpoint_of(name, verb) for verb in verbs)]


def resources_with_generated_ids():
    """Return the creatable resources whose ids don't depend on the arguments."""
    found = []
    for resource in creatable_resources():
        create = f"{resource}.create"
        arguments = {*required_params(create)[0], *EXTRA_ARGUMENTS.get(create, ())}
        if not ID_PARAMS & arguments:
            found.append(resource)
    return found


def path_params(name):
    """Return the names of the path parameters of an endpoint."""
    return re.findall(r"{(\w+)}", ROWS[name].path)


def sample_value(name, tp):
    """Return a small value of a parameter's type."""
    origin = typing.get_origin(tp)
    args = typing.get_args(tp)
    if hasattr(tp, "__required_keys__"):
        return sample_dict(tp)
    if origin in (typing_extensions.Required, typing.Annotated):
        return sample_value(name, args[0])
    if origin in (typing.Union, types.UnionType):
        return ("file.txt", b"some text") if bytes in args else sample_value(name, args[0])
    if origin is typing.Literal:
        return args[0]
    if origin is dict:
        return {}
    if origin is not None:
        return [sample_value(name, args[0])]
    return {str: f"https://example.com/{name}", int: 5, float: 0.5, bool: True, object: {}}[tp]


def sample_dict(typed_dict):
    """Return a dict with the required keys of a TypedDict."""
    sample = {}
    for key, hint in typing_extensions.get_type_hints(typed_dict, include_extras=True).items():
        if typed_dict.__total__ or typing.get_origin(hint) is typing_extensions.Required:
            sample[key] = sample_value(key, hint)
    return sample


def required_params(name):
    """Return the types of an endpoint's required parameters (of its first overload), and all its parameters."""
    owner, _, method = name.rpartition(".")
    function = getattr(type(lookup(sdk(), owner)), method)
    hints = typing.get_type_hints(inspect.unwrap(function))
    parameters = inspect.signature(inspect.unwrap(function)).parameters
    variants = inspect.getclosurevars(function).nonlocals.get("variants")
    if variants:
        required = variants[0]
    else:
        required = [param.name for param in parameters.values() if param.default is param.empty]
    return {key: hints[key] for key in required if key not in ("self", *path_params(name))}, parameters


def id_of(create, created):
    """Return the id by which other endpoints reach the object that a create endpoint answered with."""
    owner = create.rpartition(".")[0]
    if isinstance(getattr(created, "data", None), list):
        created = created.data[0]
    names = ["id", "path"]
    for verb in ("retrieve", "delete"):
        if f"{owner}.{verb}" in ROWS:
            names = [*path_params(f"{owner}.{verb}")[-1:], *names]
    for name in names:
        if getattr(created, name, None):
            return getattr(created, name)
    return created.role.id


class Scenario:
    """Calls endpoints by name with sample arguments, and creates the objects that the arguments refer to."""

    def __init__(self, openai_mock, client):
        self.client = client
        self.references = {}
        user = {"id": "user-1", "object": "organization.user", "name": "U", "email": "u@example.com", "role": "reader"}
        openai_mock.state["admin.organization.users"]["user-1"] = user | {"added_at": 1, "created": 1}

    async def call(self, name, /, *path, **arguments):
        path_arguments = dict(zip(path_params(name), path, strict=False))
        return await awaited(lookup(self.client, name)(**path_arguments, **arguments))

    async def create(self, name, path):
        arguments = {}
        for key, tp in required_params(name)[0].items():
            arguments[key] = await self.argument(name, key, tp, path)
        for key, value in EXTRA_ARGUMENTS.get(name, {}).items():
            if isinstance(value, list):
                value = [await self.reference(creator, ()) for creator in value]
            arguments[key] = value
        return await self.call(name, *path, **arguments)

    async def argument(self, name, key, tp, path):
        if key == "role_id" and ".projects." in name:
            return await self.reference("admin.organization.projects.roles.create", path[:1])
        if key == "role_id":
            return await self.reference("admin.organization.roles.create", ())
        if key in REFERENCE_PARAMS:
            return await self.reference(REFERENCE_PARAMS[key], ())
        return FIXED_PATH_PARAMS.get(key) or sample_value(key, tp)

    async def reference(self, creator, path):
        """Return the id of the one object that an endpoint creates for references, created on first use."""
        if (creator, path) not in self.references:
            self.references[creator, path] = id_of(creator, await self.create(creator, path))
        return self.references[creator, path]

    async def parents(self, resource):
        """Return the ids in the path of a resource's create endpoint, and create each parent below its own parent."""
        ancestors = [resource.rsplit(".", depth)[0] for depth in range(resource.count("."), 0, -1)]
        creators = [f"{ancestor}.create" for ancestor in ancestors if f"{ancestor}.create" in ROWS]
        path = ()
        for param in path_params(f"{resource}.create"):
            # the nearest ancestor whose path has as many ids as there are so far
            candidates = [creator for creator in creators if len(path_params(creator)) == len(path)]
            if candidates:
                path += (await self.reference(candidates[-1], path),)
            else:
                path += (FIXED_PATH_PARAMS[param],)
        return path


class LifeCycle:
    """A created object, and a check for each step of its life."""

    def __init__(self, scenario, resource, path, id):
        self.scenario = scenario
        self.resource = resource
        self.path = path
        self.id = id
        # checkpoints have no endpoint of their own, so any id of a checkpoint is accepted
        self.parent_must_exist = bool(path) and "fine_tuned_model_checkpoint" not in path_params(f"{resource}.create")

    @classmethod
    async def start(cls, scenario, resource):
        """Create an object of a resource, with its parents."""
        path = await scenario.parents(resource)
        created = await scenario.create(f"{resource}.create", path)
        return cls(scenario, resource, path, id_of(f"{resource}.create", created))

    async def create_another(self):
        """Create a second object with the same parents, and return its id."""
        create = f"{self.resource}.create"
        return id_of(create, await self.scenario.create(create, self.path))

    async def call(self, verb, *path, **arguments):
        return await self.scenario.call(f"{self.resource}.{verb}", *path, **arguments)

    async def listed_ids(self):
        """Return the ids in the list of the resource."""
        page = await self.call("list", *self.path)
        return [id_of(f"{self.resource}.create", item) for item in page.data]

    async def check_retrieve(self):
        retrieved = await self.call("retrieve", *self.path, self.id)
        assert id_of(f"{self.resource}.create", retrieved) == self.id
        await self.check_not_found("retrieve")

    async def check_list(self):
        assert self.id in await self.listed_ids()
        if self.parent_must_exist:
            with pytest.raises(openai.NotFoundError):
                await self.call("list", *self.path[:-1], UNKNOWN_ID)

    async def check_update(self):
        required, parameters = required_params(f"{self.resource}.update")
        field = next(key for key in UPDATE_VALUES if key in parameters)
        arguments = {key: sample_value(key, tp) for key, tp in required.items()} | {field: UPDATE_VALUES[field]}
        updated = await self.call("update", *self.path, self.id, **arguments)
        assert getattr(updated, field) == UPDATE_VALUES[field]
        if endpoint_of(self.resource, "retrieve"):
            retrieved = await self.call("retrieve", *self.path, self.id)
            assert getattr(retrieved, field) == UPDATE_VALUES[field]
        with pytest.raises(openai.NotFoundError):
            await self.call("update", *self.path, UNKNOWN_ID, **arguments)

    async def check_delete(self):
        await self.check_not_found("delete")
        deleted = await self.call("delete", *self.path, self.id)
        assert getattr(deleted, "deleted", True) is True
        for verb in ("retrieve", "delete"):
            if endpoint_of(self.resource, verb):
                with pytest.raises(openai.NotFoundError):
                    await self.call(verb, *self.path, self.id)
        if endpoint_of(self.resource, "list"):
            assert self.id not in await self.listed_ids()

    async def check_not_found(self, verb):
        """Check that an unknown id, or an unknown id of the parent, gets the API's 404."""
        with pytest.raises(openai.NotFoundError) as raised:
            await self.call(verb, *self.path, UNKNOWN_ID)
        assert UNKNOWN_ID in raised.value.body["message"]
        assert raised.value.body.keys() == {"message", "type", "param", "code"}
        if self.parent_must_exist:
            with pytest.raises(openai.NotFoundError):
                await self.call(verb, *self.path[:-1], UNKNOWN_ID, self.id)


@pytest.fixture
def scenario(openai_mock):
    """Return a scenario with the synchronous client."""
    return Scenario(openai_mock, sdk())


@pytest.mark.parametrize("resource", resources_with_generated_ids())
async def test_created_objects_have_different_ids(scenario, resource):
    life_cycle = await LifeCycle.start(scenario, resource)
    assert await life_cycle.create_another() != life_cycle.id


@pytest.mark.parametrize("resource", resources_with("retrieve"))
async def test_created_object_can_be_retrieved(scenario, resource):
    life_cycle = await LifeCycle.start(scenario, resource)
    await life_cycle.check_retrieve()


@pytest.mark.parametrize("resource", resources_with("list"))
async def test_created_object_is_listed(scenario, resource):
    life_cycle = await LifeCycle.start(scenario, resource)
    await life_cycle.check_list()


@pytest.mark.parametrize("resource", resources_with("update"))
async def test_created_object_can_be_updated(scenario, resource):
    life_cycle = await LifeCycle.start(scenario, resource)
    await life_cycle.check_update()


@pytest.mark.parametrize("resource", resources_with("delete"))
async def test_created_object_can_be_deleted(scenario, resource):
    life_cycle = await LifeCycle.start(scenario, resource)
    await life_cycle.check_delete()


@pytest.mark.parametrize(
    "resource", [name for name in resources_with("delete", "list") if name in resources_with_generated_ids()]
)
async def test_deleting_an_object_keeps_the_others(scenario, resource):
    life_cycle = await LifeCycle.start(scenario, resource)
    other_id = await life_cycle.create_another()
    await life_cycle.call("delete", *life_cycle.path, life_cycle.id)
    remaining = await life_cycle.listed_ids()
    assert other_id in remaining
    assert life_cycle.id not in remaining


async def check_life_cycle(scenario, resource):
    """Check every step in the life of one object of a resource."""
    life_cycle = await LifeCycle.start(scenario, resource)
    for verb in ("retrieve", "list", "update", "delete"):
        if endpoint_of(resource, verb):
            await getattr(life_cycle, f"check_{verb}")()


@pytest.mark.parametrize("resource", list(creatable_resources()))
async def test_life_cycle_with_the_asynchronous_client(openai_mock, resource):
    await check_life_cycle(Scenario(openai_mock, sdk("async")), resource)


# ---- lists -----------------------------------------------------------------------------------------------------------


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
        ({"after": 0}, [], False),
        ({"after": 1, "order": "asc"}, [2, 3, 4], False),
        ({"before": 2}, [4, 3], False),
        ({"before": 1, "limit": 2, "order": "asc"}, [0], False),
        ({"before": 4, "limit": 2, "order": "asc"}, [2, 3], True),
        ({"after": 4, "before": 1}, [3, 2], False),
    ],
    ids=str,
)
def test_lists_are_paged_by_order_limit_and_cursors(client, query, expected, has_more):
    ids = add_stores(client, 5)
    cursors = {name: ids[query[name]] for name in ("after", "before") if name in query}
    page = client.vector_stores.list(**query | cursors)
    expected_ids = [ids[position] for position in expected]
    assert [item.id for item in page.data] == expected_ids
    assert page.has_more is has_more
    assert page.first_id == next(iter(expected_ids), None)
    assert page.last_id == next(reversed(expected_ids), None)


@requires("admin.organization.audit_logs.list")
@pytest.mark.parametrize(
    "query, found",
    [
        ("effective_at[eq]=2", ["log-2"]),
        ("effective_at[ne]=2", ["log-1", "log-3"]),
        ("effective_at[gt]=1", ["log-2", "log-3"]),
        ("effective_at[gte]=2", ["log-2", "log-3"]),
        ("effective_at[lt]=3", ["log-1", "log-2"]),
        ("effective_at[lte]=1.5", ["log-1"]),
        ("effective_at[gte]=2&effective_at[lt]=3", ["log-2"]),
        ("effective_at[gt]=soon", []),
        ("effective_at[in]=2", ["log-2"]),
        ("effective_at[in]=1,3", ["log-1", "log-3"]),
        ("effective_at[in]=1,soon", []),
        ("effective_at[nin]=2", ["log-1", "log-3"]),
        ("effective_at=2", ["log-2"]),
        ("good=true", ["log-1", "log-3"]),
        ("metadata[number]=2", ["log-2"]),
        ("metadata[other]=2", []),
        ("unknown[name]=2", ["log-1", "log-2", "log-3"]),
    ],
)
def test_lists_are_filtered_by_query_parameters(openai_mock, query, found):
    logs = openai_mock.state["admin.organization.audit_logs"]
    for number in (1, 2, 3):
        log = {"id": f"log-{number}", "effective_at": number, "good": number != 2, "type": "x"}
        logs[log["id"]] = log | {"metadata": {"number": str(number)}}
    answer = httpx.get(f"{BASE_URL}/organization/audit_logs?{query}").json()
    assert [log["id"] for log in answer["data"]] == found


def test_vector_store_files_are_filtered_by_status(openai_mock, client):
    store = add_store(client)
    openai_mock.vector_stores.files.create.response = [{"status": "completed"}, {"status": "failed"}]
    completed = client.vector_stores.files.create(store, file_id=add_file(client))
    failed = client.vector_stores.files.create(store, file_id=add_file(client))
    assert [file.id for file in client.vector_stores.files.list(store, filter="completed")] == [completed.id]
    assert [file.id for file in client.vector_stores.files.list(store, filter="failed")] == [failed.id]


@pytest.mark.parametrize("param, value", [("limit", 0), ("limit", -1), ("limit", 101), ("after", "x"), ("before", "x")])
def test_invalid_limits_and_unknown_cursors_are_rejected(client, param, value):
    add_stores(client, 1)
    with pytest.raises(openai.BadRequestError) as raised:
        client.vector_stores.list(**{param: value})
    assert raised.value.param == param


async def test_auto_paging_over_thousands_of_objects(openai_mock, client):
    stores = openai_mock.state["vector_stores"]
    store = stores.pop(add_store(client))
    expected = [f"vs_{number}" for number in range(2500)]
    for id in expected:
        stores[id] = store | {"id": id}
    assert [item.id for item in client.vector_stores.list(limit=100, order="asc")] == expected
    assert [item.id async for item in sdk("async").vector_stores.list(limit=100)] == expected[::-1]


LIST_ENDPOINTS = [row.name for row in ROWS.values() if "Page[" in row.model and row.method == "GET"]
UNSTORED_LISTS = ["models.list", "vector_stores.files.content"]  # their items are not objects of the state


@pytest.mark.parametrize(
    "name", [name for name in LIST_ENDPOINTS if name not in UNSTORED_LISTS and not name.startswith("beta.chat.")]
)
def test_every_list_links_to_its_next_page(openai_mock, name):
    row = ROWS[name]
    lookup(openai_mock, name).response = {"data": [{}]}
    (default_item,) = openai_mock.router.handler(request_of(row)).json()["data"]
    del lookup(openai_mock, name).response
    objects = openai_mock.state[resource_of(row)]
    parents = [f"{param}-1" for param in path_params(name)]
    for id in ("id-0", "id-1", "id-2"):
        key = (*parents, id) if parents else id
        objects[key] = default_item | {"id": id}
    body = openai_mock.router.handler(request_of(row, limit="2", order="asc")).json()
    assert [item["id"] for item in body["data"]] == ["id-0", "id-1"]
    assert body["has_more"] is True
    next_page = _sdk_type(row.model).construct(**body).next_page_info()
    cursor = "page" if "page" in next_page.params else "after"
    second_page = openai_mock.router.handler(request_of(row, limit="2", order="asc", **{cursor: "id-1"})).json()
    assert [item["id"] for item in second_page["data"]] == ["id-2"]
    assert second_page["has_more"] is False


@pytest.mark.parametrize("name", UNSTORED_LISTS)
def test_set_list_is_returned(openai_mock, name):
    lookup(openai_mock, name).response = {"data": [{}, {}]}
    body = openai_mock.router.handler(request_of(ROWS[name])).json()
    assert len(body["data"]) == 2


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_deleted_after_cursor_keeps_its_position(client, order):
    ids = add_stores(client, 9)
    if order == "desc":
        ids.reverse()
    page = client.vector_stores.list(limit=4, order=order)
    for id in ids[1:5]:
        client.vector_stores.delete(id)
    assert [store.id for store in page.get_next_page().data] == ids[5:]
    for id in (ids[0], *ids[5:]):
        client.vector_stores.delete(id)
    assert page.get_next_page().data == []


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_deleted_before_cursor_keeps_its_position(client, order):
    ids = add_stores(client, 6)
    if order == "desc":
        ids.reverse()
    client.vector_stores.delete(ids[2])
    client.vector_stores.delete(ids[3])
    list_stores = functools.partial(client.vector_stores.list, order=order)
    assert [store.id for store in list_stores(before=ids[2]).data] == ids[:2]
    assert [store.id for store in list_stores(before=ids[3]).data] == ids[:2]
    assert [store.id for store in list_stores(before=ids[3], limit=1).data] == ids[1:2]
    assert [store.id for store in list_stores(after=ids[2], before=ids[5]).data] == ids[4:5]
    with pytest.raises(openai.BadRequestError, match="Invalid 'before'") as raised:
        list_stores(after=ids[4], before=ids[0])
    assert raised.value.param == "before"


def test_auto_paging_over_conversation_items(client):
    conversation = client.conversations.create().id
    texts = [str(number) for number in range(45)]
    for text in texts:
        message = {"type": "message", "role": "user", "content": text}
        client.conversations.items.create(conversation, items=[message])
    assert [item.content[0].text for item in client.conversations.items.list(conversation, order="asc")] == texts


# ---- set responses and stored objects --------------------------------------------------------------------------------


def test_null_clears_nullable_fields(client):
    store = client.vector_stores.create(name="n", expires_after={"anchor": "last_active_at", "days": 1})
    assert store.expires_at == store.created_at + 86400
    updated = client.vector_stores.update(store.id, expires_after=None)
    assert updated.expires_after is None
    assert updated.expires_at is None
    assert updated.name == "n"
    assert client.vector_stores.retrieve(store.id).expires_after is None


def test_set_response_of_retrieve_does_not_change_the_object(openai_mock, client):
    file = add_file(client)
    openai_mock.files.retrieve.response = {"filename": "set.txt"}
    assert client.files.retrieve(file).filename == "set.txt"
    del openai_mock.files.retrieve.response
    assert client.files.retrieve(file).filename == "a.txt"


def test_set_response_of_create_is_stored(openai_mock, client):
    openai_mock.files.create.response = {"filename": "set.txt"}
    file = add_file(client)
    assert client.files.retrieve(file).filename == "set.txt"
    assert [item.filename for item in client.files.list()] == ["set.txt"]


def test_set_response_of_delete_deletes_the_object(openai_mock, client):
    file = add_file(client)
    other_file = add_file(client)
    openai_mock.files.delete.response = {}
    client.files.delete(file)
    assert list(openai_mock.state["files"]) == [other_file]


def test_http_response_to_a_create_is_stored(openai_mock, client):
    openai_mock.files.create.response = httpx.Response(200, json=file_json("file-ready"))
    file = add_file(client)
    assert file == "file-ready"
    assert client.files.retrieve(file).filename == "a.txt"


def test_http_response_of_chat_is_stored_only_on_request(openai_mock, create, client):
    create.response = httpx.Response(200, json=chat_json())
    client.chat.completions.create(**CHAT_REQUEST)
    client.chat.completions.create(**CHAT_REQUEST, store=False)
    assert not openai_mock.state["chat.completions"]
    completion = client.chat.completions.create(**CHAT_REQUEST, store=True)
    assert list(openai_mock.state["chat.completions"]) == [completion.id]


def test_http_response_of_responses_is_stored_unless_refused(openai_mock):
    response = {"id": "resp_ready", "object": "response", "created_at": 1, "model": "m", "output": []}
    openai_mock.responses.create.response = httpx.Response(200, json=response)
    lenient_client().responses.create(**INPUT_REQUEST, store=False)
    assert not openai_mock.state["responses"]
    lenient_client().responses.create(**INPUT_REQUEST)
    assert list(openai_mock.state["responses"]) == ["resp_ready"]


def test_http_response_of_another_service_is_not_stored(openai_mock):
    openai_mock.responses.create.response = httpx.Response(200, json={"id": 5, "output": "of some other service"})
    assert lenient_client().responses.create(**INPUT_REQUEST).id == 5
    assert not openai_mock.state["responses"]


def test_set_id_is_kept(openai_mock, client):
    openai_mock.responses.create.response = {"id": "resp_set"}
    openai_mock.files.create.response = {"id": "file-set"}
    for _ in range(2):
        assert client.responses.create(**INPUT_REQUEST).id == "resp_set"
        assert add_file(client) == "file-set"


def test_set_status_overrides_the_background_status(openai_mock, client):
    openai_mock.responses.create.response = {"status": "failed"}
    assert client.responses.create(**INPUT_REQUEST, background=True).status == "failed"


def test_set_thread_id_overrides_the_created_thread(openai_mock, client):
    openai_mock.beta.threads.create_and_run.response = {"thread_id": "thread_set"}
    thread = {"messages": [{"role": "user", "content": "x"}]}
    run = client.beta.threads.create_and_run(assistant_id=add_assistant(client), thread=thread)
    assert run.thread_id == "thread_set"
    assert thread_texts(client, "thread_set") == ["x"]


@requires("videos.create")
def test_set_video_completion_time_is_kept(openai_mock, client):
    openai_mock.videos.create.response = {"completed_at": 5}
    assert client.videos.create(prompt="p").completed_at == 5


def start_vector_store(client):
    expiry = {"anchor": "last_active_at", "days": 1}
    return client.vector_stores.create(file_ids=[add_file(client), add_file(client)], expires_after=expiry)


def start_store_file(client):
    return client.vector_stores.files.create(add_store(client), file_id=add_file(client))


def start_file_batch(client):
    return client.vector_stores.file_batches.create(add_store(client), file_ids=[add_file(client), add_file(client)])


def start_eval_run(client):
    config, source = {"type": "logs"}, {"type": "file_content", "content": [{"item": {}}, {"item": {}}]}
    eval = client.evals.create(data_source_config=config, testing_criteria=[STRING_CHECK])
    return client.evals.runs.create(eval.id, data_source={"type": "jsonl", "source": source})


def start_run(client):
    return client.beta.threads.runs.create(thread_id=add_thread(client, "Hi"), assistant_id=add_assistant(client))


def retrieve_run(client, run):
    return client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)


def retrieve_file_batch(client, batch):
    return client.vector_stores.file_batches.retrieve(batch.id, vector_store_id=batch.vector_store_id)


def retrieve_video(client, video):
    return client.videos.retrieve(video.id)


def complete_upload(client, upload):
    if upload.status == "completed":
        return upload
    part = client.uploads.parts.create(upload.id, data=b"12345")
    return client.uploads.complete(upload.id, part_ids=[part.id])


# For each endpoint whose objects are unfinished at first: how to create one, and the call that advances it.
PROGRESS = {
    "batches.create": (
        lambda c: add_batch(c, batch_line("1"), batch_line("2", "/v1/nothing")),
        lambda c, batch: c.batches.retrieve(batch.id),
    ),
    "beta.threads.create_and_run": (
        lambda c: c.beta.threads.create_and_run(assistant_id=add_assistant(c)),
        retrieve_run,
    ),
    "beta.threads.runs.create": (start_run, retrieve_run),
    "containers.create": (
        lambda c: c.containers.create(name="c"),
        lambda c, container: c.containers.retrieve(container.id),
    ),
    "evals.runs.create": (start_eval_run, lambda c, run: c.evals.runs.retrieve(run.id, eval_id=run.eval_id)),
    "fine_tuning.jobs.create": (add_job, lambda c, job: c.fine_tuning.jobs.retrieve(job.id)),
    "responses.create": (
        lambda c: c.responses.create(**INPUT_REQUEST, background=True),
        lambda c, response: c.responses.retrieve(response.id),
    ),
    "uploads.create": (
        lambda c: c.uploads.create(bytes=5, filename="a.txt", mime_type="text/plain", purpose="batch"),
        complete_upload,
    ),
    "vector_stores.create": (start_vector_store, lambda c, store: c.vector_stores.retrieve(store.id)),
    "vector_stores.file_batches.create": (start_file_batch, retrieve_file_batch),
    "vector_stores.files.create": (
        start_store_file,
        lambda c, file: c.vector_stores.files.retrieve(file.id, vector_store_id=file.vector_store_id),
    ),
    "videos.create": (lambda c: c.videos.create(prompt="p"), retrieve_video),
    "videos.edit": (lambda c: c.videos.edit(prompt="p", video=b"video"), retrieve_video),
    "videos.extend": (
        lambda c: c.videos.extend(prompt="p", seconds="4", video=b"video"),
        retrieve_video,
    ),
    "videos.remix": (lambda c: c.videos.remix(c.videos.create(prompt="p").id, prompt="p"), retrieve_video),
}
# The call that cancels an object, by the endpoint that creates it.
CANCEL_CALLS = {
    "batches.create": lambda c, batch: c.batches.cancel(batch.id),
    "beta.threads.runs.create": lambda c, run: c.beta.threads.runs.cancel(run.id, thread_id=run.thread_id),
    "vector_stores.file_batches.create": lambda c, batch: c.vector_stores.file_batches.cancel(
        batch.id, vector_store_id=batch.vector_store_id
    ),
}
STATUS_FIELDS = {"status", "error", "incomplete_details", "last_error", "required_action"}


def progress_of(monkeypatch, name, partial, cancel=None):
    """Return an object as its creation and five later calls, ten seconds apart, return it, as JSON.

    cancel: the call that comes first after the creation, instead of one that advances the object.
    """
    create, advance = PROGRESS[name]
    with OpenAIMock() as mock:
        lookup(mock, name).response = partial
        monkeypatch.setattr(time, "time", lambda: 2_000_000_000)
        objects = [create(sdk())]
        for number in range(1, 6):
            monkeypatch.setattr(time, "time", lambda now=2_000_000_000 + 10 * number: now)
            call = cancel if cancel and number == 1 else advance
            objects.append(call(sdk(), objects[-1]))
    return [obj.to_dict() for obj in objects]


def changed_fields(objects):
    """Return the last value of each field that changes during an object's life, without the fields of its status."""
    names = {name for obj in objects for name in obj} - STATUS_FIELDS
    changed = {}
    for name in sorted(names):
        values = [obj.get(name) for obj in objects]
        if any(value != values[0] for value in values):
            changed[name] = [value for value in values if value is not None][-1]
    return changed


def other_values(name, value):
    """Yield values that a test may set instead of a value: of a dict, one for each number in it."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, (dict, int)):
                yield from ({key: alternative} for alternative in other_values(key, item))
    elif isinstance(value, list):
        yield []
    elif name == "service_tier":
        yield "flex"
    elif isinstance(value, str):
        yield f"{value}-set"
    else:
        yield value + 1000


@pytest.mark.parametrize("name", sorted(PROGRESS.keys() & ROWS.keys()))
def test_set_fields_survive_progress(monkeypatch, name):
    changed = changed_fields(progress_of(monkeypatch, name, {}))
    assert changed
    for field, value in changed.items():
        for set_value in other_values(field, value):
            last = progress_of(monkeypatch, name, {field: set_value})[-1]
            assert contains(last[field], set_value), (field, set_value, last)
            if isinstance(set_value, dict):
                assert total_is_consistent(last[field], set_value), (field, set_value, last)


def total_is_consistent(counts, set_counts):
    """Return True if the total in a dict is the sum of the other counts, was set, or does not exist."""
    for name in ("total", "total_tokens"):
        if name in counts and name not in set_counts:
            return 2 * counts[name] == sum(count for count in counts.values() if isinstance(count, int))
    return True


@pytest.mark.parametrize("name", ["batches.create", "beta.threads.runs.create"])
def test_set_fields_survive_cancelling(monkeypatch, name):
    changed = changed_fields(progress_of(monkeypatch, name, {}, CANCEL_CALLS[name]))
    assert changed
    for field, value in changed.items():
        for set_value in other_values(field, value):
            last = progress_of(monkeypatch, name, {field: set_value}, CANCEL_CALLS[name])[-1]
            assert contains(last[field], set_value), (field, set_value, last)
            assert last["status"] == "cancelled"


def test_progress_table_covers_all_calls_with_stages():
    staged = {name for name, behavior in openai_responses._BEHAVIORS.items() if behavior.stages}
    assert {name for name in staged if name.endswith((".create", ".edit", ".extend", ".remix"))} <= PROGRESS.keys()


@pytest.mark.parametrize(
    "name, partial, expected",
    [
        ("batches.create", {"usage": {"input_tokens": 90}}, {"usage": {"output_tokens": 6, "total_tokens": 96}}),
        (
            "batches.create",
            {"request_counts": {"failed": 8}},
            {"request_counts": {"completed": 1, "failed": 8, "total": 9}},
        ),
        ("beta.threads.runs.create", {"usage": {"prompt_tokens": 90}}, {"usage": {"total_tokens": 96}}),
        (
            "evals.runs.create",
            {"result_counts": {"failed": 1}},
            {
                "result_counts": {"errored": 0, "failed": 1, "passed": 1, "total": 2},
                "per_testing_criteria_results": [{"testing_criteria": "right", "passed": 1, "failed": 1}],
            },
        ),
        (
            "vector_stores.create",
            {"file_counts": {"failed": 3}},
            {"file_counts": {"completed": 2, "failed": 3, "in_progress": 0, "total": 5}, "usage_bytes": 18},
        ),
        ("uploads.create", {"file": {"filename": "set.txt"}}, {"file": {"filename": "set.txt", "bytes": 5}}),
        ("fine_tuning.jobs.create", {"trained_tokens": None}, {"trained_tokens": None, "status": "succeeded"}),
        ("batches.create", {"status": "completed", "completed_at": 5}, {"completed_at": 5, "output_file_id": None}),
    ],
)
def test_progress_completes_partially_set_fields(monkeypatch, name, partial, expected):
    last = progress_of(monkeypatch, name, partial)[-1]
    assert contains({**dict.fromkeys(expected), **last}, expected)


@pytest.mark.parametrize(
    "name, cancel, status",
    [
        ("batches.create", CANCEL_CALLS["batches.create"], "cancelled"),
        ("beta.threads.runs.create", CANCEL_CALLS["beta.threads.runs.create"], "cancelled"),
        ("evals.runs.create", lambda c, run: c.evals.runs.cancel(run.id, eval_id=run.eval_id), "canceled"),
        ("vector_stores.file_batches.create", CANCEL_CALLS["vector_stores.file_batches.create"], "cancelled"),
    ],
)
def test_cancelling_overrides_a_set_status(monkeypatch, name, cancel, status):
    nulls = {"cancelling_at": None, "cancelled_at": None} if name == "batches.create" else {}
    objects = progress_of(monkeypatch, name, {"status": "in_progress", **nulls}, cancel)
    assert objects[0]["status"] == "in_progress"
    assert objects[-1]["status"] == status
    assert all(objects[-1][field] for field in nulls)


def test_update_overrides_set_fields(openai_mock, client):
    openai_mock.vector_stores.create.response = {"expires_at": 4_000_000_000}
    store = client.vector_stores.create(expires_after={"anchor": "last_active_at", "days": 1})
    client.vector_stores.update(store.id, expires_after={"anchor": "last_active_at", "days": 2})
    client.vector_stores.files.create(store.id, file_id=add_file(client))
    updated = client.vector_stores.retrieve(store.id)
    assert updated.expires_at == updated.last_active_at + 2 * 86400


def test_fine_tuning_creates_the_set_model(openai_mock, client):
    openai_mock.fine_tuning.jobs.create.response = {"fine_tuned_model": "ft:set"}
    job = add_job(client).id
    assert statuses(lambda: client.fine_tuning.jobs.retrieve(job), 3)[-1] == "succeeded"
    assert client.models.retrieve("ft:set").id == "ft:set"
    assert client.fine_tuning.jobs.checkpoints.list(job).data[0].fine_tuned_model_checkpoint == "ft:set"


def test_upload_stores_the_set_file(openai_mock, client):
    openai_mock.uploads.create.response = {"file": {"filename": "set.txt"}}
    upload = complete_upload(client, PROGRESS["uploads.create"][0](client))
    assert client.files.retrieve(upload.file.id).filename == "set.txt"
    assert client.files.content(upload.file.id).read() == b"12345"


def test_batch_keeps_a_set_output_file(openai_mock, client):
    openai_mock.batches.create.response = {"output_file_id": add_file(client, b"{}")}
    batch = add_batch(client, batch_line("1"), batch_line("2", "/v1/nothing"))
    before = {file.id for file in client.files.list()}
    assert statuses(lambda: client.batches.retrieve(batch.id), 2)[-1] == "completed"
    completed = client.batches.retrieve(batch.id)
    assert client.files.content(completed.output_file_id).read() == b"{}"
    assert {file.id for file in client.files.list()} == before | {completed.error_file_id}


def test_readded_file_drops_previously_set_fields(openai_mock, client):
    file, store = add_file(client, b"12345"), add_store(client)
    openai_mock.vector_stores.files.create.response = {"usage_bytes": 9}
    added = client.vector_stores.files.create(store, file_id=file)
    assert (added.status, added.usage_bytes) == ("in_progress", 9)
    client.vector_stores.files.poll(file, vector_store_id=store)
    assert client.vector_stores.retrieve(store).usage_bytes == 9
    del openai_mock.vector_stores.files.create.response
    client.vector_stores.files.create_and_poll(file, vector_store_id=store)
    assert client.vector_stores.retrieve(store).usage_bytes == 5


@requires("skills.create", "skills.versions.create", "skills.versions.retrieve")
def test_set_skill_version_is_kept(openai_mock, client):
    skill = client.skills.create(files=[("SKILL.md", b"name: a")]).id
    openai_mock.skills.versions.create.response = {"version": "7"}
    assert client.skills.versions.create(skill, files=[("SKILL.md", b"name: b")]).version == "7"
    assert client.skills.versions.retrieve("7", skill_id=skill).name == "b"


def test_set_response_under_an_unknown_parent_is_stored(openai_mock, client):
    openai_mock.beta.threads.runs.create.response = {"status": "completed"}
    run = client.beta.threads.runs.create_and_poll(thread_id="thread_x", assistant_id="asst_x")
    assert run.status == "completed"
    assert [listed_run.id for listed_run in client.beta.threads.runs.list("thread_x")] == [run.id]
    openai_mock.vector_stores.files.create.response = {}
    assert client.vector_stores.files.create_and_poll("file-x", vector_store_id="vs_x").status == "completed"


verbs = st.sampled_from(["create", "create", "update", "delete", "list"])
operations = st.lists(st.tuples(verbs, st.integers(0, 7), st.integers(1, 4)), max_size=14)


@given(operations, st.sampled_from(["asc", "desc"]))
def test_any_sequence_of_calls_matches_a_dict_model(operations, order):
    model = {}
    with OpenAIMock():
        stores = sdk().vector_stores
        for number, (operation, position, limit) in enumerate(operations):
            ids = list(model) if order == "asc" else list(model)[::-1]
            id = ids[position % len(ids)] if ids else UNKNOWN_ID
            if operation == "create":
                model[stores.create(name=f"{number}").id] = f"{number}"
            elif operation == "list":
                listed = [(item.id, item.name) for item in stores.list(order=order, limit=limit)]
                assert listed == [(key, model[key]) for key in ids]
            elif not ids:
                with pytest.raises(openai.NotFoundError, match="Vector store with id 'unknown-1' not found"):
                    getattr(stores, operation)(id)
            elif operation == "update":
                model[id] = f"u{number}"
                assert stores.update(id, name=model[id]).name == model[id]
            else:
                assert stores.delete(id).deleted
                assert model.pop(id)
        assert [(item.id, item.name) for item in stores.list(order="asc", limit=100)] == list(model.items())


class Operations(stateful.RuleBasedStateMachine):
    """Call endpoints in random order, and compare the lists and counts with a model of dicts."""

    files, stores, threads, conversations, batches = map(
        stateful.Bundle, ("files", "stores", "threads", "conversations", "batches")
    )

    def __init__(self):
        super().__init__()
        state = {}
        self.mocks = [OpenAIMock(state=state), OpenAIMock(state=state)]  # they share a state, and answer in turn
        self.next_mock = itertools.cycle(self.mocks)
        self.files_made, self.store_files, self.items, self.messages, self.batches_made = [], {}, {}, {}, {}

    def ask(self, method, path, body=None):
        request = httpx.Request(method, f"{BASE_URL}/{path}", **({"json": body} if method == "POST" else {}))
        response = next(self.next_mock).router.handler(request)
        assert response.status_code in (200, 400, 404), response.text
        return response.json()

    def make(self, path, **body):
        return self.ask("POST", path, body)["id"]

    def ids(self, path):
        return [obj["id"] for obj in self.ask("GET", f"{path}?order=asc&limit=100")["data"]]

    @stateful.rule(target=files)
    def make_file(self):
        self.files_made.append(self.make("files", purpose="assistants", file="x"))
        return self.files_made[-1]

    @stateful.rule(id=stateful.consumes(files))
    def delete_file(self, id):
        assert self.ask("DELETE", f"files/{id}")["deleted"]
        self.files_made.remove(id)
        self.store_files = {
            store: [file_id for file_id in file_ids if file_id != id] for store, file_ids in self.store_files.items()
        }

    @stateful.rule(target=stores)
    def make_store(self):
        id = self.make("vector_stores")
        self.store_files[id] = []
        return id

    @stateful.rule(store=stores, file=files)
    def add_to_store(self, store, file):
        self.ask("POST", f"vector_stores/{store}/files", {"file_id": file})
        self.store_files[store] += [] if file in self.store_files[store] else [file]

    @stateful.rule(store=stores, file=files)
    def leave_store(self, store, file):
        response = self.ask("DELETE", f"vector_stores/{store}/files/{file}")
        assert ("error" in response) == (file not in self.store_files[store])
        self.store_files[store] = [file_id for file_id in self.store_files[store] if file_id != file]

    @stateful.rule(id=stateful.consumes(stores))
    def delete_store(self, id):
        assert self.ask("DELETE", f"vector_stores/{id}")["deleted"]
        del self.store_files[id]

    @stateful.rule(target=threads)
    def make_thread(self):
        id = self.make("threads")
        self.messages[id] = 0
        return id

    @stateful.rule(thread=threads)
    def run(self, thread):
        run = self.make(f"threads/{thread}/runs", assistant_id=self.make("assistants", model="m"))
        statuses = [self.ask("GET", f"threads/{thread}/runs/{run}")["status"] for _ in range(3)]
        assert statuses[-1] == "completed"
        self.messages[thread] += 1

    @stateful.rule(target=conversations)
    def make_conversation(self):
        id = self.make("conversations")
        self.items[id] = 0
        return id

    @stateful.rule(id=conversations)
    def respond(self, id):
        assert self.ask("POST", "responses", {"model": "m", "input": "x", "conversation": id})["status"] == "completed"
        self.items[id] += 2

    @stateful.rule(target=batches, lines=st.lists(st.sampled_from(["good", "bad"]), max_size=3))
    def make_batch(self, lines):
        requests = [batch_line("1", body=CHAT_REQUEST if line == "good" else {}) for line in lines]
        file = self.make("files", purpose="batch", file="x")
        self.mocks[0].state["files.content"][file] = "\n".join(map(json.dumps, requests)).encode()
        batch = self.make("batches", input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h")
        self.files_made.append(file)
        self.batches_made[batch] = ["validating", lines]
        return batch

    @stateful.rule(id=batches)
    def look_at_batch(self, id):
        batch = self.ask("GET", f"batches/{id}")
        status, lines = self.batches_made[id]
        next_statuses = {"validating": "in_progress", "in_progress": "completed", "cancelling": "cancelled"}
        self.batches_made[id][0] = next_statuses.get(status, status)
        assert batch["status"] == self.batches_made[id][0]
        if (status, batch["status"]) == ("in_progress", "completed"):
            self.files_made += filter(None, [batch.get("output_file_id"), batch.get("error_file_id")])
        if batch["status"] == "completed":
            counts = {"total": len(lines), "completed": lines.count("good"), "failed": lines.count("bad")}
            assert batch["request_counts"] == counts

    @stateful.rule(id=batches)
    def cancel_batch(self, id):
        expected = self.batches_made[id]
        response = self.ask("POST", f"batches/{id}/cancel", {})
        expected[0] = "cancelling" if expected[0] in ("validating", "in_progress") else expected[0]
        assert response.get("status", expected[0]) == expected[0]

    @stateful.rule(id=stateful.consumes(conversations))
    def delete_conversation(self, id):
        assert self.ask("DELETE", f"conversations/{id}")["deleted"]
        del self.items[id]

    @stateful.invariant()
    def listed_is_what_was_made_and_not_deleted(self):
        assert self.ids("files") == self.files_made
        assert self.ids("batches") == list(self.batches_made)
        assert self.ids("vector_stores") == list(self.store_files)
        for store, file_ids in self.store_files.items():
            assert sorted(self.ids(f"vector_stores/{store}/files")) == sorted(file_ids)
            assert self.ask("GET", f"vector_stores/{store}")["file_counts"]["total"] == len(file_ids)
        for thread, number in self.messages.items():
            assert len(self.ids(f"threads/{thread}/messages")) == number
        for conversation, number in self.items.items():
            assert len(self.ids(f"conversations/{conversation}/items")) == number


def test_operations_in_any_order():
    stateful.run_state_machine_as_test(Operations)


@pytest.mark.parametrize(
    "message, call",
    [
        (
            "No such FileBatch object: x",
            lambda c: c.vector_stores.file_batches.retrieve("x", vector_store_id=add_store(c)),
        ),
        pytest.param(
            "No such Video object: x", lambda c: c.videos.remix("x", prompt="p"), marks=requires("videos.remix")
        ),
        ("No such File object: x", lambda c: c.files.content("x")),
        ("No such File object: x", lambda c: c.containers.files.create(c.containers.create(name="c").id, file_id="x")),
        ("No such File object: x", lambda c: c.vector_stores.files.create(add_store(c), file_id="x")),
        ("No such File object: x", lambda c: c.vector_stores.create(file_ids=["x"])),
        ("Vector store with id 'x' not found.", lambda c: c.vector_stores.search("x", query="q")),
        ("The model 'x' does not exist", lambda c: c.models.retrieve("x")),
    ],
)
def test_missing_object_errors_match_the_api_message(client, message, call):
    with pytest.raises(openai.NotFoundError) as raised:
        call(client)
    assert raised.value.body["message"] == message
    assert raised.value.type == "invalid_request_error"


@pytest.mark.parametrize(
    "name, order, default_limit, max_limit",
    [
        ("files.list", "desc", 10_000, 10_000),
        ("vector_stores.list", "desc", 20, 100),
        ("chat.completions.list", "asc", 20, 100),
        ("evals.list", "asc", 20, 100),
        ("fine_tuning.jobs.list", "desc", 20, 100),
        ("fine_tuning.jobs.checkpoints.list", "desc", 10, 100),
        pytest.param("admin.organization.users.list", "asc", 20, 100, marks=requires("admin.organization.users.list")),
        pytest.param(
            "admin.organization.groups.list", "asc", 100, 1000, marks=requires("admin.organization.groups.list")
        ),
        pytest.param(
            "admin.organization.roles.list", "asc", 1000, 1000, marks=requires("admin.organization.roles.list")
        ),
        pytest.param(
            "admin.organization.certificates.list",
            "desc",
            20,
            100,
            marks=requires("admin.organization.certificates.list"),
        ),
    ],
)
def test_lists_have_the_api_page_limit_and_order(openai_mock, name, order, default_limit, max_limit):
    objects = openai_mock.state[resource_of(ROWS[name])]
    ids = [f"id-{number}" for number in range(default_limit + 1)]
    parents = [f"{param}-1" for param in path_params(name)]
    for id in ids:
        objects[(*parents, id) if parents else id] = {"id": id}
    if order == "desc":
        ids.reverse()
    page = sent(openai_mock, name, {}).json()
    listed = [item["id"] for item in page["data"]]
    assert page["has_more"] is True
    assert len(listed) == default_limit
    added = [id for id in listed if id in ids]  # the list of roles begins with the predefined ones
    assert added
    assert added == ids[: len(added)]
    assert sent(openai_mock, name, {}, limit=max_limit).status_code == 200
    assert sent(openai_mock, name, {}, limit=max_limit + 1).status_code == 400


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda c: c.files.list(order="sideways"), "Invalid 'order': expected 'asc' or 'desc', but got 'sideways'."),
        (lambda c: c.files.list(limit=0), "Invalid 'limit': expected an integer between 1 and 10000"),
        (lambda c: c.fine_tuning.jobs.resume(add_job(c).id), "it is not paused"),
        (lambda c: c.fine_tuning.jobs.pause(c.fine_tuning.jobs.cancel(add_job(c).id).id), "Cannot pause a job with"),
        (lambda c: search(c, {"type": "x"}), "Invalid filter type: 'x'"),
        (lambda c: search(c, {"type": "gt", "key": "n", "value": 1}), "Invalid filter value for 'n'"),
        (lambda c: c.responses.cancel(c.responses.create(**INPUT_REQUEST).id), "Only background responses"),
    ],
)
def test_invalid_requests_get_the_api_error(client, call, message):
    with pytest.raises(openai.BadRequestError, match=re.escape(message)):
        call(client)


def search(client, filters):
    """Search a vector store with one file, whose attribute `n` is a string."""
    store = add_store(client)
    client.vector_stores.files.create(store, file_id=add_file(client), attributes={"n": "text"})
    return client.vector_stores.search(store, query="x", filters=filters)


@pytest.fixture
def set_clock(monkeypatch):
    """Return a function that sets the clock to a number of seconds after its start."""
    start = int(time.time())

    def set_seconds(seconds):
        monkeypatch.setattr(time, "time", lambda: start + seconds)
        return start + seconds

    set_seconds(0)
    return set_seconds


def test_answers_have_the_time_of_the_test(client, set_clock):
    now = set_clock(3601)
    assert client.chat.completions.create(**CHAT_REQUEST).created == now


def test_expired_file_is_not_found(client, set_clock):
    permanent_file = add_file(client)
    expiry = {"anchor": "created_at", "seconds": 3600}
    file = client.files.create(file=b"x", purpose="user_data", expires_after=expiry).id
    store = add_store(client)
    set_clock(3600)
    assert client.files.retrieve(file).id == file
    set_clock(3601)
    assert [item.id for item in client.files.list()] == [permanent_file]
    for call in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError, match=f"No such File object: {file}"):
            call(file)
    with pytest.raises(openai.NotFoundError, match=f"No such File object: {file}"):
        client.vector_stores.files.create(store, file_id=file)


def test_expired_upload_rejects_parts(client, set_clock):
    upload = create_upload(client)
    assert upload.expires_at == upload.created_at + 3600
    set_clock(3601)
    with pytest.raises(openai.BadRequestError, match="is expired and takes no more"):
        client.uploads.parts.create(upload.id, data=b"x")


def test_unfinished_run_expires(client, set_clock):
    run = client.beta.threads.create_and_run(assistant_id=add_assistant(client))
    set_clock(3601)
    assert client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id).status == "expired"


def test_vector_store_expires_after_its_last_activity(client, set_clock):
    expiry = {"anchor": "last_active_at", "days": 1}
    store = client.vector_stores.create(expires_after=expiry, file_ids=[add_file(client)])
    assert store.expires_at == store.created_at + 86400
    set_clock(3600)
    client.vector_stores.files.create(store.id, file_id=add_file(client))
    set_clock(86401)
    assert client.vector_stores.retrieve(store.id).status == "completed"
    set_clock(3 * 86400)
    assert [item.status for item in client.vector_stores.list()] == ["expired"]


# ======================================================================================================================
# FILES AND UPLOADS
# ======================================================================================================================


def test_file_content_round_trips_unchanged(client):
    data = b"\r\n--x\r\n\x00\xff" + bytes(range(256))
    file = client.files.create(file=("a.bin", data), purpose="vision")
    assert file.bytes == len(data)
    assert file.filename == "a.bin"
    assert file.purpose == "vision"
    assert file.status == "processed"
    assert client.files.content(file.id).read() == data
    assert client.files.wait_for_processing(file.id) == file


@pytest.mark.parametrize("name", ["\u00e9.txt", "\u6587\u4ef6.txt"])
def test_file_names_may_be_non_ascii(client, name):
    assert client.files.create(file=(name, b"x"), purpose="vision").filename == name


def test_files_are_listed_by_purpose(client):
    first = add_file(client)
    second = add_file(client, purpose="batch")
    assert [file.id for file in client.files.list(purpose="batch")] == [second]
    assert [file.id for file in client.files.list(order="asc")] == [first, second]
    assert [file.id for file in client.files.list()] == [second, first]


def test_deleted_file_has_no_content(client):
    file = add_file(client)
    assert client.files.delete(file).deleted
    with pytest.raises(openai.NotFoundError, match=f"No such File object: {file}") as raised:
        client.files.content(file)
    assert raised.value.param == "id"


def test_deleted_file_is_removed_from_its_vector_stores(client):
    file = add_file(client)
    other_file = add_file(client)
    store = client.vector_stores.create(file_ids=[file, other_file]).id
    client.files.delete(file)
    assert [item.id for item in client.vector_stores.files.list(store)] == [other_file]


@pytest.mark.parametrize(
    "purpose, expires_after, seconds",
    [
        ("assistants", openai.omit, None),
        ("batch", openai.omit, 30 * 86400),
        ("batch", {"anchor": "created_at", "seconds": 3600}, 3600),
        ("user_data", {"anchor": "created_at", "seconds": 7200}, 7200),
    ],
    ids=["never", "batch files after 30 days", "batch file on request", "other file on request"],
)
def test_file_expiry(client, purpose, expires_after, seconds):
    file = client.files.create(file=b"x", purpose=purpose, expires_after=expires_after)
    expires_at = None if seconds is None else file.created_at + seconds
    assert file.expires_at == expires_at


@pytest.mark.parametrize(
    "size, content", [(7, b"mock file content"), (0, b""), (None, b"")], ids=["with size", "empty", "without size"]
)
def test_content_of_a_file_without_stored_bytes(openai_mock, client, size, content):
    openai_mock.state["files"]["file-1"] = file_json("file-1") | {"bytes": size}
    assert client.files.content("file-1").read() == content


def create_upload(client, **options):
    settings = {"bytes": 6, "filename": "u.txt", "mime_type": "text/plain", "purpose": "batch"} | options
    return client.uploads.create(**settings)


def test_new_upload_is_pending(client):
    upload = create_upload(client)
    assert upload.status == "pending"
    assert upload.file is None
    assert upload.bytes == 6
    assert upload.filename == "u.txt"
    assert upload.purpose == "batch"


def test_upload_expires_on_request(client):
    upload = create_upload(client, expires_after={"anchor": "created_at", "seconds": 7200})
    assert upload.expires_at == upload.created_at + 7200


def test_upload_parts_are_joined_in_part_ids_order(client):
    upload = create_upload(client)
    second_part = client.uploads.parts.create(upload.id, data=b"def")
    first_part = client.uploads.parts.create(upload.id, data=b"abc")
    assert second_part.id.startswith("part_")
    assert second_part.upload_id == upload.id
    md5 = hashlib.md5(b"abcdef").hexdigest()
    completed = client.uploads.complete(upload.id, part_ids=[first_part.id, second_part.id], md5=md5)
    assert completed.status == "completed"
    file = completed.file
    assert file.id.startswith("file-")
    assert file.bytes == 6
    assert file.filename == "u.txt"
    assert file.purpose == "batch"
    assert client.files.content(file.id).read() == b"abcdef"
    assert client.files.retrieve(file.id) == file


@pytest.mark.parametrize(
    "part_ids, md5, param, message",
    [
        (["part_1"], openai.omit, "bytes", "Expected 6 bytes, but the parts have 3."),
        (["part_1", "part_x"], openai.omit, "part_ids", "No such Part object: part_x"),
        (["part_1", "part_1"], "0" * 32, "md5", "The md5 checksum of the parts is not the one given."),
    ],
    ids=["size", "unknown part", "checksum"],
)
def test_upload_is_not_completed_with_wrong_parts(openai_mock, client, part_ids, md5, param, message):
    openai_mock.uploads.parts.create.response = {"id": "part_1"}
    upload = create_upload(client)
    client.uploads.parts.create(upload.id, data=b"abc")
    with pytest.raises(openai.BadRequestError) as raised:
        client.uploads.complete(upload.id, part_ids=part_ids, md5=md5)
    assert raised.value.param == param
    assert raised.value.body["message"] == message
    assert client.uploads.complete(upload.id, part_ids=["part_1", "part_1"]).status == "completed"


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_finished_upload_rejects_further_calls(client, status):
    upload = create_upload(client, bytes=0)
    if status == "completed":
        finished = client.uploads.complete(upload.id, part_ids=[])
    else:
        finished = client.uploads.cancel(upload.id)
    assert finished.status == status
    message = f"Upload {upload.id} is {status} and takes no more changes"
    with pytest.raises(openai.BadRequestError, match=message):
        client.uploads.parts.create(upload.id, data=b"x")
    with pytest.raises(openai.BadRequestError, match=message):
        client.uploads.complete(upload.id, part_ids=[])
    with pytest.raises(openai.BadRequestError, match=message):
        client.uploads.cancel(upload.id)


def test_part_of_an_unknown_upload_is_rejected(client):
    with pytest.raises(openai.NotFoundError, match="No such Upload object: upload_x"):
        client.uploads.parts.create("upload_x", data=b"x")


async def test_upload_file_chunked(openai_mock, either_client):
    data = bytes(range(256)) * 4
    options = {"filename": "u.bin", "mime_type": "text/plain", "purpose": "batch", "bytes": len(data), "part_size": 100}
    upload = await awaited(either_client.uploads.upload_file_chunked(file=data, **options))
    assert upload.status == "completed"
    assert openai_mock.state["files.content"][upload.file.id] == data
    assert openai_mock.uploads.parts.create.route.call_count == 11


# ======================================================================================================================
# RESPONSES AND CONVERSATIONS
# ======================================================================================================================


def echo_conversation(request, conversation):
    """Answer with the texts of the conversation, as a response function."""
    contents = [item["content"] for item in conversation]
    return " ".join(content if isinstance(content, str) else content[0]["text"] for content in contents)


def test_previous_response_continues_the_conversation(openai_mock, client):
    openai_mock.responses.create.response = echo_conversation
    create = functools.partial(client.responses.create, model="gpt-4o")
    first = create(input="a")
    second = create(input=[{"role": "user", "content": "b"}], previous_response_id=first.id)
    third = create(input="c", previous_response_id=second.id)
    assert second.output_text == "a a b"
    assert second.previous_response_id == first.id
    assert third.output_text == "a a b a a b c"
    assert client.responses.retrieve(second.id) == second
    (item,) = client.responses.input_items.list(second.id).data
    assert item.role == "user"
    assert item.content[0].text == "b"


def test_previous_response_continues_its_stored_conversation(openai_mock, client):
    openai_mock.responses.create.response = ["c", echo_conversation]
    conversation = client.conversations.create(items=[{"role": "user", "content": "a"}])
    first = client.responses.create(model="gpt-4o", input="b", conversation=conversation.id)
    second = client.responses.create(model="gpt-4o", input="d", previous_response_id=first.id)
    assert second.output_text == "a b c d"


def test_response_chain_may_be_a_loop(openai_mock, client):
    openai_mock.responses.create.response = ["b", echo_conversation]
    first = client.responses.create(model="gpt-4o", input="a")
    openai_mock.state["responses"][first.id]["previous_response_id"] = first.id
    second = client.responses.create(model="gpt-4o", input="c", previous_response_id=first.id)
    assert second.output_text == "a b c"


def test_response_usage_counts_all_text(openai_mock, client):
    openai_mock.responses.create.response = ["x" * 20, "y" * 8]
    first = client.responses.create(model="gpt-4o", input="i" * 400, instructions="i" * 40)
    assert first.usage.input_tokens == 110
    assert first.usage.output_tokens == 5
    assert first.usage.total_tokens == 115
    second = client.responses.create(model="gpt-4o", input="i" * 4, previous_response_id=first.id)
    assert second.usage.input_tokens == 106
    assert second.usage.output_tokens == 2


@pytest.mark.parametrize(
    "tool", [RESPONSES_TOOL | {"strict": False}, {"type": "custom", "name": "get_weather"}], ids=["function", "custom"]
)
def test_response_usage_counts_tool_calls(openai_mock, client, tool):
    openai_mock.responses.create.response = tool_call("get_weather", "x" * 400)
    response = client.responses.create(**INPUT_REQUEST, tools=[tool])
    assert response.usage.output_tokens == 100


@requires("responses.input_tokens.count")
@pytest.mark.parametrize(
    "input",
    [
        "x" * 400,
        [{"role": "user", "content": "x" * 400}],
        [{"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "x" * 400}],
        [{"type": "custom_tool_call", "call_id": "call_1", "name": "f", "input": "x" * 400}],
    ],
    ids=["text", "message", "function call", "custom tool call"],
)
def test_input_tokens_are_counted(client, input):
    assert client.responses.input_tokens.count(model="gpt-4o", input=input).input_tokens == 100


@requires("responses.input_tokens.count")
def test_input_tokens_include_the_previous_response(openai_mock, client):
    openai_mock.responses.create.response = "x" * 40
    previous = client.responses.create(model="gpt-4o", input="x" * 40)
    count = client.responses.input_tokens.count(model="gpt-4o", input="x" * 40, previous_response_id=previous.id)
    assert count.input_tokens == 30


@requires("responses.compact")
def test_compacted_response_has_user_messages_and_a_compaction(client):
    first = client.responses.create(model="gpt-4o", input="first words")
    compacted = client.responses.compact(model="gpt-4o", previous_response_id=first.id, input="more")
    first_message, second_message, compaction = compacted.output
    (first_input,) = client.responses.input_items.list(first.id).data
    assert first_message.id == first_input.id
    assert first_message.role == "assistant"
    assert first_message.content[0].text == "first words"
    assert second_message.content[0].text == "more"
    assert compaction.type == "compaction"


@pytest.mark.skipif("mode" not in openai.types.Reasoning.model_fields, reason="this SDK has no reasoning modes")
@pytest.mark.parametrize(
    "model, reasoning, top_p, retention",
    [
        ("gpt-4o", {"context": None, "effort": None}, 1.0, "in_memory"),
        ("gpt-5-chat-latest", {"context": None, "effort": None}, 1.0, "in_memory"),
        ("gpt-5", {"context": "current_turn", "effort": "medium", "mode": "standard"}, 1.0, "in_memory"),
        ("o3", {"context": "current_turn", "effort": "medium", "mode": "standard"}, 1.0, "in_memory"),
        ("computer-use", {"context": "current_turn", "effort": "medium", "mode": "standard"}, 1.0, "in_memory"),
        ("gpt-5.1", {"context": "current_turn", "effort": "none", "mode": "standard"}, 1.0, "in_memory"),
        ("gpt-5.2", {"context": "current_turn", "effort": "none", "mode": "standard"}, 0.98, "24h"),
        ("gpt-5.4", {"context": "current_turn", "effort": "none", "mode": "standard"}, 0.98, "24h"),
        ("gpt-5.5", {"context": "current_turn", "effort": "medium", "mode": "standard"}, 0.98, "24h"),
        ("gpt-5.6", {"context": "all_turns", "effort": "medium", "mode": "standard"}, 0.98, "24h"),
        ("gpt-5.10", {"context": "all_turns", "effort": "medium", "mode": "standard"}, 0.98, "24h"),
    ],
)
def test_response_defaults_depend_on_the_model(client, model, reasoning, top_p, retention):
    response = client.responses.create(model=model, input="Hi").to_dict()
    assert response["reasoning"] == reasoning | {"summary": None}
    assert response["top_p"] == top_p
    assert response["prompt_cache_retention"] == retention


def test_failed_response_has_no_output(openai_mock, client):
    openai_mock.responses.create.response = {"error": {"code": "server_error", "message": "sorry"}}
    response = client.responses.create(**INPUT_REQUEST)
    assert response.output == []
    assert response.usage is None
    assert response.completed_at is None


def test_incomplete_response_keeps_its_output(openai_mock, client):
    openai_mock.responses.create.response = {"incomplete_details": {"reason": "max_output_tokens"}}
    response = client.responses.create(**INPUT_REQUEST)
    assert response.output_text == "This is a mock response."
    assert response.usage.output_tokens == 6
    assert response.completed_at is None


@pytest.mark.parametrize(
    "part, listed, include",
    [
        (
            {"type": "input_file", "filename": "a.pdf", "file_data": "QQ=="},
            {"type": "input_file", "filename": "a.pdf", "file_id": None},
            (),
        ),
        ({"type": "input_image", "detail": "low", "image_url": "https://example.test/a.png"}, {"image_url": None}, ()),
        (
            {"type": "input_image", "detail": "low", "image_url": "https://example.test/a.png"},
            {"image_url": "https://example.test/a.png"},
            ["message.input_image.image_url"],
        ),
        ({"type": "input_image", "detail": "low", "file_id": "file-1"}, {"file_id": "file-1"}, ()),
    ],
    ids=["file", "image", "image with its URL", "image by file id"],
)
def test_input_items_are_listed_without_file_data(client, part, listed, include):
    response = client.responses.create(model="gpt-4o", input=[{"role": "user", "content": [part]}])
    (item,) = client.responses.input_items.list(response.id, include=include).data
    (listed_part,) = item.to_dict()["content"]
    assert contains(listed_part, listed)
    assert "file_data" not in listed_part


EMPTY_SCHEMA = {"type": "object", "properties": {}}
DEFAULT_ITEMS = {
    "apply_patch_call": {
        "operation": {"type": "create_file", "path": "/mnt/data/file.txt", "diff": "diff"},
        "status": "completed",
    },
    "code_interpreter_call": {"code": "print(42)", "outputs": None, "status": "completed"},
    "compaction": {"encrypted_content": "encrypted_content"},
    "computer_call": {
        "action": {"type": "click", "button": "left", "x": 0, "y": 0},
        "pending_safety_checks": [],
        "status": "completed",
    },
    "custom_tool_call": {"name": "", "input": "input"},
    "file_search_call": {"queries": ["Hi"], "results": None, "status": "completed"},
    "function_call": {"name": "", "arguments": "{}", "status": "completed"},
    "image_generation_call": {
        "background": "opaque",
        "output_format": "png",
        "quality": "high",
        "revised_prompt": "This is a mock response.",
        "size": "1024x1024",
        "status": "completed",
    },
    "local_shell_call": {"action": {"type": "exec", "command": ["ls"], "env": {}}, "status": "completed"},
    "mcp_approval_request": {"name": "", "arguments": "{}", "server_label": "server_label"},
    "mcp_call": {
        "name": "",
        "arguments": "{}",
        "server_label": "server_label",
        "approval_request_id": None,
        "error": None,
        "output": "This is a mock response.",
        "status": "completed",
    },
    "mcp_list_tools": {
        "server_label": "server_label",
        "tools": [
            {
                "name": "",
                "description": "This is a mock response.",
                "annotations": {"read_only": False},
                "input_schema": EMPTY_SCHEMA,
            }
        ],
    },
    "message": {
        "role": "assistant",
        "content": [
            {"type": "output_text", "text": "This is a mock response.", "annotations": [], "logprobs": []},
        ],
        "status": "completed",
    },
    "reasoning": {"summary": [], "content": [], "encrypted_content": "gAAAAABmock"},
    "shell_call": {
        "action": {"commands": ["ls"], "max_output_length": None, "timeout_ms": None},
        "environment": {"type": "container_reference", "container_id": "cntr_1"},
        "status": "completed",
    },
    "shell_call_output": {
        "max_output_length": None,
        "output": [
            {"outcome": {"type": "exit", "exit_code": 0}, "stderr": "", "stdout": "This is a mock response."},
        ],
        "status": "completed",
    },
    "tool_search_call": {"arguments": {"paths": []}, "call_id": None, "execution": "server", "status": "completed"},
    "tool_search_output": {"tools": [], "call_id": None, "execution": "server", "status": "completed"},
    "web_search_call": {"action": {"type": "search", "query": "Hi", "queries": ["Hi"]}, "status": "completed"},
}


@pytest.mark.parametrize(
    "item_type", sorted(DEFAULT_ITEMS.keys() & union_members("responses.ResponseOutputItem").keys())
)
def test_default_output_item(openai_mock, client, item_type):
    openai_mock.responses.create.response = {"output": [{"type": item_type}]}
    (item,) = client.responses.create(**INPUT_REQUEST).to_dict()["output"]
    expected = DEFAULT_ITEMS[item_type]
    generated_names = {"id", "type", "call_id", "container_id", "result"} - expected.keys()
    if item_type == "shell_call":
        assert item["environment"].pop("container_id").startswith("cntr_")
        item["environment"]["container_id"] = "cntr_1"
    assert {key: value for key, value in item.items() if key not in generated_names} == expected


def test_default_image_is_a_png(openai_mock, client):
    openai_mock.responses.create.response = {"output": [{"type": "image_generation_call"}]}
    (item,) = client.responses.create(**INPUT_REQUEST).output
    assert base64.b64decode(item.result).startswith(b"\x89PNG")


DEFERRED_TOOLS = [
    {"type": "function", "name": "f", "parameters": {}, "defer_loading": True},
    {"type": "function", "name": "g", "parameters": {}},
    {"type": "tool_search"},
]
PROGRAM_TOOLS = [
    {"type": "function", "name": "f", "parameters": {}, "allowed_callers": ["programmatic"]},
    {"type": "programmatic_tool_calling"},
]
CLIENT_TOOL_SEARCH = {"type": "tool_search", "execution": "client", "parameters": CITY_SCHEMA}
MCP_TOOL = {"type": "mcp", "server_label": "maps", "server_url": "https://example.test/mcp"}


@pytest.mark.parametrize(
    "item_type, request_fields, expected",
    [
        (
            "web_search_call",
            {"include": ["web_search_call.action.sources"]},
            {"action": {"query": "Hi", "sources": [{"type": "url", "url": "https://example.com"}]}},
        ),
        (
            "code_interpreter_call",
            {"include": ["code_interpreter_call.outputs"]},
            {"outputs": [{"type": "logs", "logs": "42\n"}]},
        ),
        ("file_search_call", {"include": ["file_search_call.results"]}, {"results": []}),
        (
            "file_search_call",
            {"input": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]},
            {"queries": ["b"]},
        ),
        ("file_search_call", {"input": []}, {"queries": ["This is a mock response."]}),
        ("reasoning", {"reasoning": {"effort": "low"}}, {"summary": []}),
        (
            "reasoning",
            {"reasoning": {"summary": "auto"}},
            {"summary": [{"type": "summary_text", "text": "This is a mock response."}]},
        ),
        ("mcp_list_tools", {"tools": [MCP_TOOL]}, {"server_label": "maps"}),
        ("mcp_approval_request", {"tools": [MCP_TOOL]}, {"server_label": "maps"}),
        ("mcp_call", {"tools": [MCP_TOOL]}, {"server_label": "maps"}),
        (
            "mcp_call",
            {"input": [{"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}]},
            {"approval_request_id": "mcpr_1"},
        ),
        (
            "image_generation_call",
            {"tools": [{"type": "image_generation", "quality": "low", "size": "auto"}]},
            {"quality": "low", "size": "1024x1024"},
        ),
        ("image_generation_call", {"tools": [{"type": "image_generation", "action": "edit"}]}, {"action": "edit"}),
        pytest.param(
            "tool_search_call",
            {"tools": DEFERRED_TOOLS},
            {"arguments": {"paths": ["f"]}, "call_id": None},
            marks=requires("tool_search_call"),
        ),
        pytest.param(
            "tool_search_call",
            {"tools": [CLIENT_TOOL_SEARCH]},
            {"arguments": {"city": "text"}, "execution": "client"},
            marks=requires("tool_search_call"),
        ),
        pytest.param(
            "tool_search_output",
            {"tools": DEFERRED_TOOLS},
            {"tools": [{"name": "f", "defer_loading": True}]},
            marks=requires("tool_search_output"),
        ),
        pytest.param(
            "tool_search_output",
            {"tools": [CLIENT_TOOL_SEARCH]},
            {"tools": [], "execution": "client"},
            marks=requires("tool_search_output"),
        ),
    ],
    ids=[
        "web search with sources",
        "code with outputs",
        "file search with results",
        "file search for the last message",
        "file search without input",
        "reasoning without summary",
        "reasoning with summary",
        "listed MCP tools",
        "MCP approval request",
        "MCP call",
        "approved MCP call",
        "image with a size of auto",
        "image with an action",
        "tool search by the service",
        "tool search by the client",
        "result of a tool search by the service",
        "result of a tool search by the client",
    ],
)
def test_output_item_depends_on_the_request(openai_mock, client, item_type, request_fields, expected):
    openai_mock.responses.create.response = {"output": [{"type": item_type}]}
    (item,) = client.responses.create(**INPUT_REQUEST | request_fields).to_dict()["output"]
    assert contains(item, expected)


def test_client_side_tool_search_has_a_call_id(openai_mock, client):
    openai_mock.responses.create.response = {"output": [{"type": "tool_search_call"}]}
    (item,) = client.responses.create(**INPUT_REQUEST, tools=[CLIENT_TOOL_SEARCH]).output
    assert item.call_id.startswith("call_")


requires_programs = pytest.mark.skipif(
    "program" not in union_members("responses.ResponseOutputItem"), reason="this SDK has no programs"
)


@requires_programs
@pytest.mark.parametrize(
    "tools, name, is_called_by_program",
    [
        (PROGRAM_TOOLS, "f", True),
        (PROGRAM_TOOLS, "undefined", True),
        ([*PROGRAM_TOOLS, {"type": "function", "name": "g", "parameters": {}}], "f", True),
        ([*PROGRAM_TOOLS, {"type": "function", "name": "g", "parameters": {}}], "g", False),
        ([*PROGRAM_TOOLS, {"type": "function", "name": "g", "parameters": {}}], "undefined", False),
        ([{"type": "programmatic_tool_calling"}], "f", False),
    ],
    ids=[
        "only for programs",
        "undefined",
        "other for anyone",
        "for anyone",
        "undefined, other for anyone",
        "no function",
    ],
)
def test_program_calls_functions_that_only_programs_may_call(openai_mock, client, tools, name, is_called_by_program):
    openai_mock.responses.create.response = {"output": [{"type": "function_call", "name": name}]}
    (item,) = client.responses.create(**INPUT_REQUEST, tools=tools).to_dict()["output"]
    assert ("caller" in item) is is_called_by_program
    assert item["status"] == ("in_progress" if is_called_by_program else "completed")
    if is_called_by_program:
        assert item["caller"]["type"] == "program"
        assert item["caller"]["caller_id"].startswith("call_")


@requires_programs
def test_function_call_names_the_calling_program(openai_mock, client):
    program = {"type": "program", "call_id": "call_p"}
    openai_mock.responses.create.response = {"output": [program, {"type": "function_call", "name": "f"}]}
    first = client.responses.create(**INPUT_REQUEST, tools=PROGRAM_TOOLS)
    openai_mock.responses.create.response = tool_call("f")
    second = client.responses.create(**INPUT_REQUEST, tools=PROGRAM_TOOLS, previous_response_id=first.id)
    assert first.output[1].caller.caller_id == "call_p"
    assert second.output[0].caller.caller_id == "call_p"


def test_complete_response_is_returned_as_set(openai_mock, client):
    recorded = client.responses.create(**INPUT_REQUEST).to_dict()
    recorded["reasoning"] = {"effort": "low", "summary": None}
    openai_mock.responses.create.response = recorded
    response = client.responses.create(model="gpt-5.6", input="Hi", reasoning={"effort": "high"})
    assert response.to_dict() == recorded


def test_set_item_fields_override_tool_fields(openai_mock, client):
    mcp_call = {"type": "mcp_call", "server_label": "mine", "name": "find", "arguments": "{}"}
    mcp_list = {"type": "mcp_list_tools", "tools": [{"name": "find", "input_schema": CITY_SCHEMA}]}
    openai_mock.responses.create.response = {"output": [mcp_call, mcp_list]}
    returned_call, returned_list = client.responses.create(**INPUT_REQUEST, tools=[MCP_TOOL]).output
    assert returned_call.server_label == "mine"
    assert returned_list.server_label == "maps"
    assert returned_list.tools[0].input_schema == CITY_SCHEMA


def test_set_reasoning_summary_is_kept(openai_mock, client):
    summary = [{"type": "summary_text", "text": "I think."}]
    openai_mock.responses.create.response = {"output": [{"type": "reasoning", "summary": summary}]}
    (item,) = client.responses.create(**INPUT_REQUEST, reasoning={"summary": "auto"}).to_dict()["output"]
    assert item["summary"] == summary


@pytest.mark.parametrize(
    "set_action, action",
    [
        ({"query": "x"}, {"type": "search", "query": "x", "queries": ["x"]}),
        ({"query": "x", "queries": ["y"]}, {"type": "search", "query": "x", "queries": ["y"]}),
        ({"type": "open_page", "url": "u"}, {"type": "open_page", "url": "u"}),
    ],
    ids=["query", "queries", "page"],
)
def test_set_web_search_action_is_completed(openai_mock, client, set_action, action):
    openai_mock.responses.create.response = {"output": [{"type": "web_search_call", "action": set_action}]}
    assert client.responses.create(**INPUT_REQUEST).output[0].action.to_dict() == action


@pytest.mark.parametrize(
    "model, response, phases",
    [
        ("gpt-4o", "Hi", [None]),
        ("gpt-5.2", "Hi", [None]),
        ("gpt-5.3-codex", "Hi", ["final_answer"]),
        ("gpt-5.4", "Hi", ["final_answer"]),
        ("gpt-5.10", "Hi", ["final_answer"]),
        ("gpt-5.4", "Let me see. " + tool_call("now"), ["commentary", None]),
        (
            "gpt-5.3-codex",
            {"output": [{"type": "message", "phase": "commentary"}, {"type": "message"}]},
            ["commentary", "final_answer"],
        ),
    ],
)
def test_message_phase_depends_on_the_model(openai_mock, client, model, response, phases):
    openai_mock.responses.create.response = response
    output = client.responses.create(model=model, input="x").to_dict()["output"]
    assert [item.get("phase") for item in output] == phases


def test_unknown_previous_response_gets_the_api_error(client):
    with pytest.raises(openai.BadRequestError) as raised:
        client.responses.create(**INPUT_REQUEST, previous_response_id="resp_x")
    assert raised.value.body == {
        "message": "Previous response with id 'resp_x' not found.",
        "type": "invalid_request_error",
        "param": "previous_response_id",
        "code": "previous_response_not_found",
    }


@pytest.mark.parametrize("reference", [lambda id: id, lambda id: {"id": id}], ids=["id", "object"])
def test_response_items_are_appended_to_the_conversation(openai_mock, client, reference):
    openai_mock.responses.create.response = "c"
    conversation = client.conversations.create(items=[{"role": "user", "content": "a"}])
    response = client.responses.create(**INPUT_REQUEST, conversation=reference(conversation.id))
    assert response.conversation.id == conversation.id
    items = client.conversations.items.list(conversation.id, order="asc").data
    assert [(item.role, item.content[0].text) for item in items] == [("user", "a"), ("user", "Hi"), ("assistant", "c")]
    assert items[-1].id == response.output[0].id


def test_response_cannot_have_a_previous_response_and_a_conversation(client):
    conversation = client.conversations.create()
    response = client.responses.create(**INPUT_REQUEST)
    with pytest.raises(openai.BadRequestError) as raised:
        client.responses.create(**INPUT_REQUEST, conversation=conversation.id, previous_response_id=response.id)
    assert raised.value.body["message"] == "Only one of 'previous_response_id' and 'conversation' can be given."
    assert raised.value.param == "previous_response_id"


def test_response_to_an_unknown_conversation_is_rejected(client):
    with pytest.raises(openai.NotFoundError, match="Conversation with id 'conv_x' not found"):
        client.responses.create(model="gpt-4o", conversation="conv_x")


def test_conversation_items_can_be_added_and_retrieved(client):
    conversation = client.conversations.create()
    items = client.conversations.items
    first_message = {"role": "user", "content": "a"}
    second_message = {"role": "assistant", "content": "b"}
    created = items.create(conversation.id, items=[first_message, second_message])
    first, second = created.data
    assert created.first_id == first.id
    assert created.last_id == second.id
    assert first.id.startswith("msg_")
    assert first.status == "completed"
    assert first.content[0].to_dict() == {"type": "input_text", "text": "a"}
    assert contains(second.content[0].to_dict(), {"type": "output_text", "text": "b"})
    assert items.retrieve(first.id, conversation_id=conversation.id) == first


def test_conversation_item_with_null_status_is_completed(client):
    conversation = client.conversations.create()
    message = {"type": "message", "role": "user", "content": "a", "status": None}
    (item,) = client.conversations.items.create(conversation.id, items=[message]).data
    assert item.status == "completed"


def test_conversation_item_id_must_be_a_string(client):
    with pytest.raises(openai.BadRequestError, match="expected a string, but got 5"):
        client.conversations.create(items=[{"type": "item_reference", "id": 5}])


def test_conversation_item_belongs_to_one_conversation(client):
    conversation = client.conversations.create(items=[{"role": "user", "content": "a"}]).id
    other_conversation = client.conversations.create().id
    (item,) = client.conversations.items.list(conversation).data
    with pytest.raises(openai.NotFoundError, match=f"Item with id '{item.id}' not found"):
        client.conversations.items.retrieve(item.id, conversation_id=other_conversation)


def test_deleted_conversation_item_is_not_listed(client):
    messages = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    conversation = client.conversations.create(items=messages, metadata={"k": "v"}).id
    items = client.conversations.items
    first, second = items.list(conversation, order="asc").data
    answer = items.delete(first.id, conversation_id=conversation)
    assert answer.id == conversation
    assert answer.metadata == {"k": "v"}
    assert [item.id for item in items.list(conversation)] == [second.id]


def test_deleted_conversation_has_no_items(client):
    conversation = client.conversations.create(items=[{"role": "user", "content": "a"}]).id
    assert client.conversations.delete(conversation).deleted
    with pytest.raises(openai.NotFoundError, match=f"Conversation with id '{conversation}' not found"):
        client.conversations.items.list(conversation)


def test_background_response_advances_with_each_retrieve(openai_mock, client):
    openai_mock.responses.create.response = "done"
    created = client.responses.create(**INPUT_REQUEST, background=True)
    snapshots = [created, *(client.responses.retrieve(created.id) for _ in range(3))]
    assert [snapshot.status for snapshot in snapshots] == ["queued", "in_progress", "completed", "completed"]
    assert [snapshot.output_text for snapshot in snapshots] == ["", "", "done", "done"]
    assert [snapshot.service_tier for snapshot in snapshots] == ["auto", "auto", "default", "default"]
    assert [bool(snapshot.completed_at) for snapshot in snapshots] == [False, False, True, True]
    assert snapshots[1].usage is None
    assert snapshots[2].usage.output_tokens == 1


def test_background_response_may_end_incomplete(openai_mock, client):
    openai_mock.responses.create.response = cut("half of")
    created = client.responses.create(**INPUT_REQUEST, background=True, service_tier="flex")
    snapshots = [created, *(client.responses.retrieve(created.id) for _ in range(2))]
    assert [snapshot.status for snapshot in snapshots] == ["queued", "in_progress", "incomplete"]
    assert [snapshot.service_tier for snapshot in snapshots] == ["flex", "flex", "flex"]
    assert created.incomplete_details is None
    assert snapshots[-1].incomplete_details.reason == "max_output_tokens"


def test_background_response_extends_its_conversation_when_it_completes(openai_mock, client):
    openai_mock.responses.create.response = "done"
    conversation = client.conversations.create().id
    response = client.responses.create(**INPUT_REQUEST, background=True, conversation=conversation)
    client.responses.retrieve(response.id)
    assert client.conversations.items.list(conversation).data == []
    output = client.responses.retrieve(response.id).output
    user_item, assistant_item = client.conversations.items.list(conversation, order="asc").data
    assert user_item.content[0].text == "Hi"
    assert assistant_item.content[0].text == "done"
    assert assistant_item.id == output[0].id
    client.responses.retrieve(response.id)
    assert len(client.conversations.items.list(conversation).data) == 2


def test_background_responses_can_be_cancelled(client):
    response = client.responses.create(**INPUT_REQUEST, background=True)
    assert client.responses.cancel(response.id).status == "cancelled"
    for _ in range(3):
        assert client.responses.retrieve(response.id).status == "cancelled"


def test_cancelling_a_finished_background_response_changes_nothing(client):
    response = client.responses.create(**INPUT_REQUEST, background=True)
    client.responses.retrieve(response.id)
    finished = client.responses.retrieve(response.id)
    assert client.responses.cancel(response.id) == finished


def test_cancelled_background_response_adds_nothing_to_its_conversation(client):
    conversation = client.conversations.create().id
    response = client.responses.create(**INPUT_REQUEST, background=True, conversation=conversation)
    client.responses.cancel(response.id)
    client.responses.retrieve(response.id)
    client.responses.retrieve(response.id)
    assert client.conversations.items.list(conversation).data == []


def test_unstored_response_is_not_found(client):
    response = client.responses.create(**INPUT_REQUEST, store=False)
    with pytest.raises(openai.NotFoundError, match=f"Response with id '{response.id}' not found"):
        client.responses.retrieve(response.id)
    with pytest.raises(openai.BadRequestError, match=f"Previous response with id '{response.id}' not found"):
        client.responses.create(**INPUT_REQUEST, previous_response_id=response.id)


def test_function_call_outputs_need_a_matching_call(openai_mock, client):
    openai_mock.responses.create.response = [tool_call("f"), "done"]
    first = client.responses.create(**INPUT_REQUEST)
    output = {"type": "function_call_output", "call_id": first.output[0].call_id, "output": "1"}
    second = client.responses.create(model="gpt-4o", input=[output], previous_response_id=first.id)
    assert second.output_text == "done"
    del openai_mock.responses.create.response
    wrong_output = output | {"call_id": "call_x"}
    with pytest.raises(openai.BadRequestError, match="No tool call found for function call output with call_id call_x"):
        client.responses.create(model="gpt-4o", input=[wrong_output], previous_response_id=first.id)


# ======================================================================================================================
# CHAT AND COMPLETIONS
# ======================================================================================================================


def test_default_chat_completion(client):
    completion = client.chat.completions.create(**CHAT_REQUEST)
    assert completion.id.startswith("chatcmpl-")
    expected = {
        "id": completion.id,
        "object": "chat.completion",
        "created": completion.created,
        "model": "gpt-4o",
        "service_tier": "default",
        "system_fingerprint": "fp_44709d6fcb",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "logprobs": None,
                "message": {
                    "role": "assistant",
                    "content": "This is a mock response.",
                    "refusal": None,
                    "annotations": [],
                },
            },
        ],
        "usage": {
            "prompt_tokens": 8,
            "completion_tokens": 6,
            "total_tokens": 14,
            "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 0},
            "completion_tokens_details": {
                "accepted_prediction_tokens": 0,
                "audio_tokens": 0,
                "reasoning_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
    }
    assert contains(completion.to_dict(), expected)


@pytest.mark.parametrize(
    "response, tokens",
    [
        ("x" * 40, 10),
        (refusal("x" * 40), 10),
        (tool_call("get_weather", "x" * 40), 10),
        (tool_call("search", "x" * 40), 10),
        (tool_call("get_weather", "x" * 40) + tool_call("search", "x" * 40), 20),
        ("x" * 40 + tool_call("get_weather", "x" * 40), 20),
        (reasoning("x" * 40) + "x" * 8, 12),
        ({"choices": [{"message": {"content": "x" * 40}}, {"message": {"content": "x" * 8}}]}, 12),
    ],
    ids=["text", "refusal", "function", "custom tool", "both tools", "text and function", "reasoning", "two choices"],
)
def test_chat_usage_counts_all_output(create, client, response, tokens):
    create.response = response
    tools = [CHAT_TOOL, {"type": "custom", "custom": {"name": "search"}}]
    usage = client.chat.completions.create(**CHAT_REQUEST, tools=tools).usage
    assert usage.completion_tokens == tokens
    assert usage.total_tokens == usage.prompt_tokens + tokens


def test_chat_choices_are_repeated_with_their_own_call_ids(create, client):
    create.response = tool_call("get_weather", "x" * 40)
    completion = client.chat.completions.create(**CHAT_REQUEST, n=3)
    assert [choice.index for choice in completion.choices] == [0, 1, 2]
    assert [choice.finish_reason for choice in completion.choices] == ["tool_calls"] * 3
    assert len({choice.message.tool_calls[0].id for choice in completion.choices}) == 3
    assert completion.usage.completion_tokens == 30


def test_several_set_choices_are_not_repeated(create, client):
    create.response = {"choices": [{"message": {"content": "a"}}, {"message": {"content": "b"}}]}
    choices = client.chat.completions.create(**CHAT_REQUEST, n=3).choices
    assert [choice.message.content for choice in choices] == ["a", "b"]


@pytest.mark.parametrize(
    "model, fingerprint, service_tier",
    [
        ("gpt-4o", "fp_44709d6fcb", "default"),
        ("gpt-4.1", "fp_44709d6fcb", "default"),
        ("gpt-4", None, "default"),
        ("gpt-4-turbo", None, "default"),
        ("gpt-3.5-turbo", None, "default"),
        ("gpt-5-nano", None, "default"),
        ("o4-mini", None, "default"),
        ("gpt-4o-search-preview", "", None),
        ("gpt-5-search-api", "", None),
    ],
)
def test_chat_defaults_depend_on_the_model(client, model, fingerprint, service_tier):
    completion = client.chat.completions.create(model=model, messages=USER_MESSAGES)
    assert completion.system_fingerprint == fingerprint
    assert completion.service_tier == service_tier


def test_tool_message_needs_a_preceding_tool_call(client):
    messages = [*USER_MESSAGES, {"role": "tool", "tool_call_id": "call_x", "content": "sunny"}]
    with pytest.raises(openai.BadRequestError, match="unknown tool_call_id 'call_x'") as raised:
        client.chat.completions.create(model="gpt-4o", messages=messages)
    assert raised.value.param == "messages.[1].tool_call_id"


def test_stored_chat_completions_are_filtered(client):
    completions = client.chat.completions
    first = completions.create(messages=USER_MESSAGES, model="gpt-4o", metadata={"k": "a"}, store=True)
    second = completions.create(messages=USER_MESSAGES, model="gpt-5", metadata={"k": "b"}, store=True)
    assert [completion.id for completion in completions.list()] == [first.id, second.id]
    assert [completion.id for completion in completions.list(model="gpt-5")] == [second.id]
    assert [completion.id for completion in completions.list(metadata={"k": "a"})] == [first.id]
    completions.update(first.id, metadata={"k": "c"})
    assert [completion.id for completion in completions.list(metadata={"k": "a"})] == []
    assert [completion.id for completion in completions.list(metadata={"k": "c"})] == [first.id]


def test_stored_chat_messages_have_ids_and_content_parts(client):
    parts = [{"type": "text", "text": "What is"}, {"type": "text", "text": " it?"}]
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": parts}]
    completion = client.chat.completions.create(model="gpt-4o", messages=messages, store=True)
    # the SDK's type of a stored message has the role of the assistant only
    stored = lenient_client().chat.completions.messages.list(completion.id).data
    system_message, user_message = [message.to_dict() for message in stored]
    expected_system_message = {
        "id": f"{completion.id}-0",
        "role": "system",
        "name": None,
        "content": "Be brief.",
        "content_parts": None,
    }
    expected_user_message = {
        "id": f"{completion.id}-1",
        "role": "user",
        "name": None,
        "content": "What is\n it?",
        "content_parts": parts,
    }
    assert contains(system_message, expected_system_message)
    assert contains(user_message, expected_user_message)


def test_chat_completion_is_stored_only_on_request(create, client):
    completion = client.chat.completions.create(**CHAT_REQUEST)
    with pytest.raises(openai.NotFoundError, match=f"Completion {completion.id} not found") as raised:
        client.chat.completions.retrieve(completion.id)
    assert raised.value.code == "not_found"


def test_deleted_chat_completion_is_not_found(create, client):
    create.response = "answer"
    completion = client.chat.completions.create(**CHAT_REQUEST, store=True)
    assert client.chat.completions.retrieve(completion.id).choices[0].message.content == "answer"
    assert client.chat.completions.delete(completion.id).deleted
    with pytest.raises(openai.NotFoundError, match=f"Completion {completion.id} not found"):
        client.chat.completions.retrieve(completion.id)


def test_stored_completion_has_metadata_but_not_usage_details(client):
    created = client.chat.completions.create(**CHAT_REQUEST, store=True, metadata={"a": "b"})
    stored = client.chat.completions.retrieve(created.id)
    assert created.to_dict().get("metadata") is None  # openai 2 has no such field
    assert stored.to_dict()["metadata"] == {"a": "b"}
    assert stored.usage.to_dict() == {"prompt_tokens": 8, "completion_tokens": 6, "total_tokens": 14}


@pytest.mark.parametrize(
    "tool_choice, finish_reason",
    [
        ({"type": "function", "function": {"name": "get_weather"}}, "stop"),
        ({"type": "custom", "custom": {"name": "get_weather"}}, "stop"),
        ("required", "tool_calls"),
        ("auto", "tool_calls"),
    ],
    ids=["function", "custom tool", "required", "auto"],
)
def test_named_tool_choice_finishes_with_stop(create, client, tool_choice, finish_reason):
    create.response = tool_call("get_weather", city="Oslo")
    options = CHAT_REQUEST | {"tools": [CHAT_TOOL], "tool_choice": tool_choice}
    assert client.chat.completions.create(**options).choices[0].finish_reason == finish_reason
    *_, last_chunk = client.chat.completions.create(**options, stream=True)
    assert last_chunk.choices[0].finish_reason == finish_reason


def test_set_finish_reason_is_kept_with_a_named_tool_choice(create, client):
    call = {"function": {"name": "get_weather", "arguments": "{}"}}
    create.response = {"choices": [{"message": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]}
    tool_choice = {"type": "function", "function": {"name": "get_weather"}}
    completion = client.chat.completions.create(**CHAT_REQUEST, tools=[CHAT_TOOL], tool_choice=tool_choice)
    assert completion.choices[0].finish_reason == "tool_calls"


AUDIO_REQUEST = CHAT_REQUEST | {
    "model": "gpt-audio",
    "modalities": ["text", "audio"],
    "audio": {"voice": "alloy", "format": "mp3"},
}


async def test_audio_modality_returns_text_as_audio(create, either_client):
    create.response = "Hello there."
    completion = await awaited(either_client.chat.completions.create(**AUDIO_REQUEST))
    message = completion.choices[0].message
    assert message.content is None
    assert message.audio.transcript == "Hello there."
    assert message.audio.id.startswith("audio_")
    assert completion.created + 3600 <= message.audio.expires_at <= time.time() + 3600
    assert base64.b64decode(message.audio.data).startswith(b"\xff\xfb")


async def test_audio_is_streamed(create, either_client):
    create.response = "Hello there."
    completion = await awaited(either_client.chat.completions.create(**AUDIO_REQUEST))
    async with enter(either_client.chat.completions.stream(**AUDIO_REQUEST)) as stream:
        await collect(stream)
        streamed_completion = await awaited(stream.get_final_completion())
    audio = streamed_completion.choices[0].message.to_dict()["audio"]
    assert audio["transcript"] == "Hello there."
    assert audio["data"] == completion.choices[0].message.audio.data


def test_audio_usage_has_details_by_modality(create, client):
    create.response = "Hello there."
    usage = client.chat.completions.create(**AUDIO_REQUEST).usage.to_dict()
    assert usage["completion_tokens"] == 3
    assert usage["completion_tokens_details"]["text_tokens"] == 3
    assert usage["prompt_tokens_details"] == {
        "audio_tokens": 0,
        "cached_tokens": 0,
        "image_tokens": 0,
        "text_tokens": 8,
    }


def test_tool_call_has_no_audio(create, client):
    create.response = tool_call("get_weather", city="Oslo")
    assert client.chat.completions.create(**AUDIO_REQUEST).choices[0].message.audio is None


def test_default_completion(client):
    completion = client.completions.create(model="gpt-3.5-turbo-instruct", prompt="x" * 40)
    assert completion.id.startswith("cmpl-")
    expected = {
        "id": completion.id,
        "object": "text_completion",
        "created": completion.created,
        "model": "gpt-3.5-turbo-instruct",
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None, "text": "This is a mock response."}],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 6,
            "total_tokens": 16,
            "prompt_tokens_details": None,
            "completion_tokens_details": None,
        },
    }
    assert contains(completion.to_dict(), expected)


@pytest.mark.parametrize(
    "prompt, n, choices",
    [("x", openai.omit, 1), ("x", 3, 3), (["x", "y"], openai.omit, 2), (["x", "y"], 2, 4), ([1, 2, 3], 2, 2)],
    ids=["one", "n", "prompts", "n and prompts", "tokens"],
)
def test_completion_has_n_choices_for_each_prompt(client, prompt, n, choices):
    completion = client.completions.create(model="gpt-3.5-turbo-instruct", prompt=prompt, n=n)
    assert [choice.index for choice in completion.choices] == list(range(choices))
    assert completion.usage.completion_tokens == 6 * choices


def test_completion_usage_counts_every_prompt(client):
    completion = client.completions.create(model="gpt-3.5-turbo-instruct", prompt=["x" * 40, "x" * 8])
    assert completion.usage.prompt_tokens == 12


def chat_logprobs(client):
    """Return the log probabilities of a chat completion."""
    completion = client.chat.completions.create(**CHAT_REQUEST, logprobs=True, top_logprobs=2)
    return completion.choices[0].logprobs.content


def response_logprobs(client):
    """Return the log probabilities of a response."""
    include = ["message.output_text.logprobs"]
    response = client.responses.create(**INPUT_REQUEST, include=include, top_logprobs=2)
    return response.output[0].content[0].logprobs


def transcription_logprobs(client):
    """Return the log probabilities of a transcription."""
    options = {"model": "gpt-4o-transcribe", "response_format": "json", "include": ["logprobs"]}
    return client.audio.transcriptions.create(file=b"x", **options).logprobs


def set_text_response(openai_mock, response):
    """Set the response of every endpoint that returns log probabilities."""
    openai_mock.chat.completions.create.response = response
    openai_mock.responses.create.response = response
    openai_mock.audio.transcriptions.create.response = response


@pytest.mark.parametrize("text", ["Hello there, you.", UNICODE_TEXT, "a"], ids=["text", "unicode", "one letter"])
@pytest.mark.parametrize("request_logprobs", [chat_logprobs, response_logprobs, transcription_logprobs])
def test_logprobs_are_returned_on_request(openai_mock, client, request_logprobs, text):
    set_text_response(openai_mock, text)
    tokens = request_logprobs(client)
    assert "".join(item.token for item in tokens) == text
    for item in tokens:
        assert bytes(map(int, item.bytes)).decode() == item.token
        assert item.logprob < 0
    assert request_logprobs(client) == tokens


@pytest.mark.parametrize("request_logprobs", [chat_logprobs, response_logprobs])
def test_top_logprobs_are_a_distribution(openai_mock, client, request_logprobs):
    set_text_response(openai_mock, "Hello there, you.")
    for item in request_logprobs(client):
        first, second = item.top_logprobs
        assert first.token == item.token
        assert second.token != item.token
        assert math.exp(first.logprob) + math.exp(second.logprob) <= 1


def test_logprobs_are_omitted_by_default(client):
    assert client.chat.completions.create(**CHAT_REQUEST).choices[0].logprobs is None
    assert client.responses.create(**INPUT_REQUEST).output[0].content[0].logprobs == []
    assert client.completions.create(model="m", prompt="x").choices[0].logprobs is None


def test_tool_call_has_no_logprobs(create, client):
    create.response = tool_call("get_weather", city="Oslo")
    assert client.chat.completions.create(**CHAT_REQUEST, logprobs=True).choices[0].logprobs is None


def test_refusal_has_logprobs(create, client):
    create.response = refusal("No, no.")
    logprobs = client.chat.completions.create(**CHAT_REQUEST, logprobs=True).choices[0].logprobs
    assert logprobs.content is None
    assert "".join(token.token for token in logprobs.refusal) == "No, no."


def test_set_chat_logprobs_are_kept(create, client):
    logprob = {"token": "Hi", "logprob": -0.25, "bytes": [72, 105], "top_logprobs": []}
    create.response = {"choices": [{"message": {"content": "Hi"}, "logprobs": {"content": [logprob]}}]}
    (item,) = client.chat.completions.create(**CHAT_REQUEST, logprobs=True).choices[0].logprobs.content
    assert item.logprob == -0.25


def test_set_response_logprobs_are_kept(openai_mock, client):
    logprob = {"token": "Hi", "logprob": -0.25, "bytes": [72, 105], "top_logprobs": []}
    part = {"type": "output_text", "text": "Hi", "logprobs": [logprob]}
    openai_mock.responses.create.response = {"output": [{"type": "message", "content": [part]}]}
    (item,) = response_logprobs(client)
    assert item.logprob == -0.25


def test_legacy_completion_logprobs(openai_mock, client):
    openai_mock.completions.create.response = "Hello there."
    logprobs = client.completions.create(model="m", prompt="x", logprobs=3).choices[0].logprobs
    assert logprobs.tokens == ["Hell", "o th", "ere."]
    assert logprobs.text_offset == [0, 4, 8]
    assert len(logprobs.token_logprobs) == 3
    for token, logprob, top in zip(logprobs.tokens, logprobs.token_logprobs, logprobs.top_logprobs, strict=True):
        assert len(top) == 3
        assert top[token] == logprob


def test_set_legacy_completion_logprobs_are_kept(openai_mock, client):
    logprobs = {"tokens": ["Hi"], "token_logprobs": [-0.25], "top_logprobs": [{}], "text_offset": [0]}
    openai_mock.completions.create.response = {"choices": [{"text": "Hi", "logprobs": logprobs}]}
    choice = client.completions.create(model="m", prompt="x", logprobs=3).choices[0]
    assert choice.logprobs.token_logprobs == [-0.25]


def tokens_of(logprobs):
    """Return the tokens of a list of log probabilities."""
    return [item.token for item in logprobs]


@pytest.mark.parametrize("chunk", [None, 1, 7])
def test_chat_logprobs_are_streamed_with_text_deltas(create, client, chunk):
    create.response = streamed("Hello there, you.", chunk=chunk)
    chunks = client.chat.completions.create(**CHAT_REQUEST, logprobs=True, stream=True)
    choices = [item.choices[0] for item in chunks]
    tokens = [tokens_of(choice.logprobs.content) for choice in choices if choice.logprobs]
    assert list(itertools.chain(*tokens)) == ["Hell", "o th", "ere,", " you", "."]
    texts = [choice.delta.content for choice in choices if choice.logprobs]
    assert "".join(texts) == "Hello there, you."
    if chunk is None:
        assert texts[0] == "Hello "
        assert tokens[0] == ["Hell", "o th"]


@pytest.mark.parametrize("chunk", [None, 1, 7])
def test_response_logprobs_are_streamed_with_text_deltas(openai_mock, chunk):
    openai_mock.responses.create.response = streamed("Hello there, you.", chunk=chunk)
    streamed_tokens = []
    for event_type, data in post_stream("/responses", INPUT_REQUEST | {"include": ["message.output_text.logprobs"]}):
        if event_type == "response.output_text.delta":
            streamed_tokens += [item["token"] for item in data["logprobs"]]
        if event_type == "response.output_text.done":
            assert [item["token"] for item in data["logprobs"]] == ["Hell", "o th", "ere,", " you", "."]
        if event_type == "response.content_part.done":
            assert data["part"]["logprobs"] == []  # the events of the text and of the item contain them
    assert streamed_tokens == ["Hell", "o th", "ere,", " you", "."]


@pytest.mark.parametrize("chunk", [None, 1, 7])
def test_transcription_logprobs_are_streamed_with_text_deltas(openai_mock, client, chunk):
    openai_mock.audio.transcriptions.create.response = streamed("Hello there, you.", chunk=chunk)
    options = {"model": "gpt-4o-transcribe", "include": ["logprobs"], "stream": True}
    *deltas, done = client.audio.transcriptions.create(file=b"x", **options)
    tokens = [tokens_of(delta.logprobs) for delta in deltas]
    assert list(itertools.chain(*tokens)) == ["Hell", "o th", "ere,", " you", "."]
    assert tokens_of(done.logprobs) == ["Hell", "o th", "ere,", " you", "."]
    if chunk is None:
        assert tokens[0] == ["Hell", "o th"]


# ---- what Azure adds -------------------------------------------------------------------------------------------------


@pytest.fixture
def azure(openai_mock):
    """Return a client for Azure, while the mock is active."""
    return azure_client(azure_endpoint=AZURE_ENDPOINT)


SAFE_HARMS = {
    "hate": {"filtered": False, "severity": "safe"},
    "self_harm": {"filtered": False, "severity": "safe"},
    "sexual": {"filtered": False, "severity": "safe"},
    "violence": {"filtered": False, "severity": "safe"},
}
SAFE_PROMPT = SAFE_HARMS | {"jailbreak": {"filtered": False, "detected": False}}
SAFE_ANSWER = SAFE_HARMS | {
    "protected_material_code": {"filtered": False, "detected": False},
    "protected_material_text": {"filtered": False, "detected": False},
}


def test_azure_chat_has_content_filter_results(azure):
    completion = azure.chat.completions.create(**CHAT_REQUEST).to_dict()
    assert completion["prompt_filter_results"] == [{"prompt_index": 0, "content_filter_results": SAFE_PROMPT}]
    assert completion["choices"][0]["content_filter_results"] == SAFE_ANSWER


def test_only_azure_has_content_filter_results(client):
    completion = client.chat.completions.create(**CHAT_REQUEST).to_dict()
    assert "prompt_filter_results" not in completion
    assert "content_filter_results" not in completion["choices"][0]
    assert "content_filters" not in client.responses.create(**INPUT_REQUEST).to_dict()


def test_azure_service_tier_is_null_unless_requested(azure):
    assert azure.chat.completions.create(**CHAT_REQUEST).service_tier is None
    assert azure.chat.completions.create(**CHAT_REQUEST, service_tier="flex").service_tier == "flex"


def test_azure_streams_content_filter_results(azure):
    chunks = [chunk.to_dict() for chunk in azure.chat.completions.create(**CHAT_REQUEST, stream=True)]
    assert chunks[0]["choices"] == []
    assert chunks[0]["prompt_filter_results"] == [{"prompt_index": 0, "content_filter_results": SAFE_PROMPT}]
    assert chunks[2]["choices"][0]["content_filter_results"] == SAFE_ANSWER


def test_azure_reports_filtered_chat_content(create, azure):
    create.response = filtered("so far")
    choice = azure.chat.completions.create(**CHAT_REQUEST).choices[0].to_dict()
    assert choice["content_filter_results"] == SAFE_ANSWER | {"hate": {"filtered": True, "severity": "high"}}


def test_azure_does_not_filter_tool_calls(create, azure):
    create.response = tool_call("get_weather", city="Oslo")
    choice = azure.chat.completions.create(**CHAT_REQUEST).choices[0].to_dict()
    assert choice["content_filter_results"] == {}


def test_set_content_filter_results_are_kept(create, azure):
    choice = {"message": {"content": "x"}, "content_filter_results": {"a": 1}}
    create.response = {"prompt_filter_results": [], "choices": [choice]}
    completion = azure.chat.completions.create(**CHAT_REQUEST).to_dict()
    assert completion["prompt_filter_results"] == []
    assert completion["choices"][0]["content_filter_results"] == {"a": 1}


def test_azure_completion_has_content_filter_results(azure):
    completion = azure.completions.create(model="m", prompt="x").to_dict()
    assert completion["prompt_filter_results"] == [{"prompt_index": 0, "content_filter_results": SAFE_PROMPT}]
    assert completion["choices"][0]["content_filter_results"] == SAFE_ANSWER


def test_azure_response_has_content_filters(azure):
    prompt, completion = azure.responses.create(**INPUT_REQUEST).to_dict()["content_filters"]
    assert prompt == {
        "blocked": False,
        "source_type": "prompt",
        "content_filter_raw": [],
        "content_filter_results": SAFE_PROMPT,
        "content_filter_offsets": {"start_offset": 0, "end_offset": 2, "check_offset": 0},
    }
    assert completion == {
        "blocked": False,
        "source_type": "completion",
        "content_filter_raw": [],
        "content_filter_results": SAFE_ANSWER,
        "content_filter_offsets": {"start_offset": 0, "end_offset": 24, "check_offset": 0},
    }


def test_azure_blocks_a_filtered_response(openai_mock, azure):
    openai_mock.responses.create.response = filtered("so far")
    prompt, completion = azure.responses.create(**INPUT_REQUEST).to_dict()["content_filters"]
    assert prompt["blocked"] is False
    assert completion["blocked"] is True
    assert completion["content_filter_results"]["hate"] == {"filtered": True, "severity": "high"}


# ======================================================================================================================
# ASSISTANTS
# ======================================================================================================================


runs = resource_fixture("beta.threads.runs")


@pytest.fixture
def thread(client):
    """Return the ID of a thread with one message."""
    return add_thread(client, "Hi")


@pytest.fixture
def assistant(client):
    """Return the ID of an assistant without tools and instructions."""
    return add_assistant(client)


def test_new_assistant_has_default_fields(client):
    assistant = client.beta.assistants.create(model="gpt-4o").to_dict()
    assert assistant == {
        "id": "asst_000000000000000000000001",
        "object": "assistant",
        "created_at": assistant["created_at"],
        "model": "gpt-4o",
        "name": None,
        "description": None,
        "instructions": None,
        "metadata": {},
        "temperature": 1.0,
        "top_p": 1.0,
        "response_format": "auto",
        "reasoning_effort": None,
        "tools": [],
        "tool_resources": {},
    }


@pytest.mark.parametrize(
    "tool_type, requested, expected",
    [
        ("code_interpreter", None, {"code_interpreter": {"file_ids": []}}),
        (
            "code_interpreter",
            {"code_interpreter": {"file_ids": ["file-1"]}},
            {"code_interpreter": {"file_ids": ["file-1"]}},
        ),
        ("file_search", None, {}),
    ],
    ids=["code interpreter", "code interpreter with files", "file search"],
)
def test_code_interpreter_of_an_assistant_has_a_list_of_files(client, tool_type, requested, expected):
    assistant = client.beta.assistants.create(model="m", tools=[{"type": tool_type}], tool_resources=requested)
    assert assistant.to_dict()["tool_resources"] == expected


def test_retrieved_thread_without_files_has_an_empty_list_of_files(client):
    thread = client.beta.threads.create()
    assert thread.to_dict()["tool_resources"] == {}
    retrieved = client.beta.threads.retrieve(thread.id)
    assert retrieved.to_dict()["tool_resources"] == {"code_interpreter": {"file_ids": []}}


def test_retrieved_thread_keeps_its_tool_resources(client):
    tool_resources = {"file_search": {"vector_store_ids": [add_store(client)]}}
    thread = client.beta.threads.create(tool_resources=tool_resources)
    assert thread.to_dict()["tool_resources"] == tool_resources
    assert client.beta.threads.retrieve(thread.id) == thread


def test_message_text_becomes_a_block_with_annotations(client, thread):
    image = {"type": "image_file", "image_file": {"file_id": "file-1"}}
    content = [{"type": "text", "text": "see"}, image]
    message = client.beta.threads.messages.create(thread, role="user", content=content).to_dict()
    text_block = {"type": "text", "text": {"value": "see", "annotations": []}}
    assert message["content"] == [text_block, image]
    assert message["object"] == "thread.message"
    assert message["status"] == "completed"
    assert message["attachments"] == []
    assert message["metadata"] == {}


def test_updated_message_has_file_ids_instead_of_attachments(client, thread):
    message = client.beta.threads.messages.create(thread, role="user", content="Hi")
    updated = client.beta.threads.messages.update(message.id, thread_id=thread, metadata={"a": "b"}).to_dict()
    assert "attachments" not in updated
    assert updated["file_ids"] == []
    assert updated["metadata"] == {"a": "b"}
    stored = client.beta.threads.messages.retrieve(message.id, thread_id=thread)
    assert stored.attachments == []
    assert stored.metadata == {"a": "b"}


def test_new_run_has_default_fields(runs, thread, assistant):
    run = runs.create(thread, assistant_id=assistant).to_dict()
    assert run == {
        "id": "run_000000000000000000000001",
        "object": "thread.run",
        "thread_id": thread,
        "assistant_id": assistant,
        "status": "queued",
        "created_at": run["created_at"],
        "expires_at": run["created_at"] + 600,
        "started_at": None,
        "completed_at": None,
        "cancelled_at": None,
        "failed_at": None,
        "last_error": None,
        "incomplete_details": None,
        "required_action": None,
        "usage": None,
        "model": "gpt-4o",
        "instructions": "",
        "metadata": {},
        "temperature": 1.0,
        "top_p": 1.0,
        "response_format": "auto",
        "reasoning_effort": None,
        "tools": [],
        "tool_choice": "auto",
        "tool_resources": {},
        "parallel_tool_calls": True,
        "truncation_strategy": {"type": "auto", "last_messages": None},
        "max_completion_tokens": None,
        "max_prompt_tokens": None,
    }


def test_run_advances_with_each_retrieve(runs, thread, assistant):
    run = runs.create(thread, assistant_id=assistant)
    assert run.status == "queued"
    retrieved_statuses = statuses(lambda: runs.retrieve(run.id, thread_id=thread), 3)
    assert retrieved_statuses == ["in_progress", "completed", "completed"]


def test_run_timestamps_follow_its_status(openai_mock, monkeypatch, runs, thread, assistant):
    openai_mock.beta.threads.runs.create.response = [tool_call("f"), "done"]
    start = 2_000_000_000
    monkeypatch.setattr(time, "time", lambda: start)
    id = runs.create(thread, assistant_id=assistant).id

    def retrieve(seconds):
        monkeypatch.setattr(time, "time", lambda: start + seconds)
        return runs.retrieve(id, thread_id=thread)

    in_progress = retrieve(10)
    assert in_progress.started_at == start + 10
    assert in_progress.completed_at is None
    waiting = retrieve(20)
    assert waiting.status == "requires_action"
    call_id = waiting.required_action.submit_tool_outputs.tool_calls[0].id
    outputs = [{"tool_call_id": call_id, "output": "x"}]
    queued = runs.submit_tool_outputs(id, thread_id=thread, tool_outputs=outputs)
    assert queued.status == "queued"
    assert queued.expires_at == start + 20 + 600
    assert retrieve(30).started_at == start + 10  # the run started before it waited
    completed = retrieve(40)
    assert completed.completed_at == start + 40
    assert completed.expires_at is None
    tool_step, message_step = runs.steps.list(id, thread_id=thread, order="asc")
    assert tool_step.created_at == start + 20
    assert tool_step.completed_at == start + 20
    assert message_step.completed_at == start + 40


def test_completed_run_adds_a_message_and_its_step(openai_mock, client, runs, thread, assistant):
    openai_mock.beta.threads.runs.create.response = "Hello"
    run = runs.create_and_poll(thread_id=thread, assistant_id=assistant)
    assert thread_texts(client, thread) == ["Hi", "Hello"]
    answer = client.beta.threads.messages.list(thread).data[0]
    assert answer.role == "assistant"
    assert answer.run_id == run.id
    assert answer.assistant_id == assistant
    (step,) = runs.steps.list(run.id, thread_id=thread).data
    assert step.type == "message_creation"
    assert step.step_details.message_creation.message_id == answer.id
    assert step.assistant_id == assistant
    assert step.status == "completed"
    assert step.usage.to_dict() == run.usage.to_dict()
    assert runs.steps.retrieve(step.id, run_id=run.id, thread_id=thread) == step


def test_run_usage_counts_instructions_and_messages(openai_mock, client, runs, assistant):
    openai_mock.beta.threads.runs.create.response = "a" * 12
    thread = add_thread(client, "b" * 40, "c" * 400)
    run = runs.create_and_poll(thread_id=thread, assistant_id=assistant, instructions="d" * 4000)
    assert run.usage.to_dict() == {
        "prompt_tokens": 1000 + 100 + 10,
        "completion_tokens": 3,
        "total_tokens": 1113,
        "prompt_token_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def test_set_run_usage_appears_when_the_run_ends(openai_mock, runs, thread, assistant):
    openai_mock.beta.threads.runs.create.response = {"usage": {"prompt_tokens": 2, "completion_tokens": 3}}
    assert runs.create(thread, assistant_id=assistant).usage is None
    assert runs.create_and_poll(thread_id=thread, assistant_id=assistant).usage.total_tokens == 5


def test_create_and_poll_returns_the_completed_run(openai_mock, client, client_kind, thread, assistant):
    openai_mock.beta.threads.runs.create.response = "polled"

    async def poll(client):
        runs = client.beta.threads.runs
        return await awaited(runs.create_and_poll(thread_id=thread, assistant_id=assistant))

    run = run_with_client(client_kind, poll)
    assert run.status == "completed"
    assert run.thread_id == thread
    assert thread_texts(client, thread) == ["Hi", "polled"]


def test_create_and_run_poll_creates_the_thread(openai_mock, client, client_kind, assistant):
    openai_mock.beta.threads.create_and_run.response = "created and polled"
    new_thread = {"messages": [{"role": "user", "content": "Hi"}], "metadata": {"k": "v"}}

    async def poll(client):
        return await awaited(client.beta.threads.create_and_run_poll(thread=new_thread, assistant_id=assistant))

    run = run_with_client(client_kind, poll)
    assert run.status == "completed"
    assert client.beta.threads.retrieve(run.thread_id).metadata == {"k": "v"}
    assert thread_texts(client, run.thread_id) == ["Hi", "created and polled"]


def test_run_with_tool_calls_waits_for_their_outputs(openai_mock, client, runs, thread, assistant):
    openai_mock.beta.threads.runs.create.response = [tool_call("f", a=1) + tool_call("g"), "done"]
    run = runs.create_and_poll(thread_id=thread, assistant_id=assistant)
    assert run.status == "requires_action"
    tool_calls = run.required_action.submit_tool_outputs.tool_calls
    assert [(call.function.name, call.function.arguments) for call in tool_calls] == [("f", '{"a": 1}'), ("g", "{}")]
    (waiting_step,) = runs.steps.list(run.id, thread_id=thread)
    assert waiting_step.status == "in_progress"
    assert waiting_step.completed_at is None
    assert [call.function.output for call in waiting_step.step_details.tool_calls] == [None, None]

    outputs = [{"tool_call_id": call.id, "output": call.function.name} for call in tool_calls]
    completed = runs.submit_tool_outputs_and_poll(run_id=run.id, thread_id=thread, tool_outputs=outputs)
    assert completed.status == "completed"
    assert completed.id == run.id
    assert completed.required_action is None
    assert thread_texts(client, thread) == ["Hi", "done"]
    tool_step, message_step = runs.steps.list(run.id, thread_id=thread, order="asc").data
    assert tool_step.type == "tool_calls"
    assert tool_step.status == "completed"
    assert [call.function.output for call in tool_step.step_details.tool_calls] == ["f", "g"]
    assert message_step.type == "message_creation"
    assert len(runs.list(thread).data) == 1
    assert openai_mock.state._store_metadata.id_counters["run_"] == 1  # no ID was used for a second run


@pytest.mark.parametrize(
    "other_ids, answers_call",
    [(["call_x"], False), (["call_x"], True), ([], False)],
    ids=["unknown call", "additional call", "no outputs"],
)
@pytest.mark.parametrize("answer", [..., "final"])
def test_wrong_tool_outputs_are_rejected_without_consuming_a_step(
    openai_mock, client, runs, thread, assistant, other_ids, answers_call, answer
):
    openai_mock.beta.threads.runs.create.response = [tool_call("f"), answer]
    run = runs.create_and_poll(thread_id=thread, assistant_id=assistant)
    call_id = run.required_action.submit_tool_outputs.tool_calls[0].id
    submit = functools.partial(runs.submit_tool_outputs_and_poll, run_id=run.id, thread_id=thread)
    ids = [call_id] * answers_call + other_ids
    with pytest.raises(openai.BadRequestError, match="Expected tool outputs for call_ids") as caught:
        submit(tool_outputs=[{"tool_call_id": id, "output": "x"} for id in ids])
    assert caught.value.param == "tool_outputs"
    assert runs.retrieve(run.id, thread_id=thread).status == "requires_action"
    assert submit(tool_outputs=[{"tool_call_id": call_id, "output": "x"}]).status == "completed"
    expected_text = "This is a mock response." if answer is ... else answer
    assert thread_texts(client, thread)[-1] == expected_text


def test_run_uses_the_tools_of_its_assistant(client, runs, thread):
    assistant = add_assistant(client, tools=[CHAT_TOOL])
    run = runs.create_and_poll(thread_id=thread, assistant_id=assistant, tool_choice="required")
    call = run.required_action.submit_tool_outputs.tool_calls[0]
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments).keys() == {"city"}
    outputs = [{"tool_call_id": call.id, "output": "sunny"}]
    completed = runs.submit_tool_outputs_and_poll(run_id=run.id, thread_id=thread, tool_outputs=outputs)
    assert completed.status == "completed"  # `tool_choice` does not require a second call


def test_run_can_be_set_to_require_action(openai_mock, runs, thread, assistant):
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [call]}}
    openai_mock.beta.threads.runs.create.response = {"status": "requires_action", "required_action": action}
    with runs.stream(thread_id=thread, assistant_id=assistant) as stream:
        assert stream.get_final_run_steps()[0].step_details.tool_calls[0].id == "call_1"
    run = runs.list(thread).data[0]
    submission = {"thread_id": thread, "tool_outputs": [{"tool_call_id": "call_1", "output": "x"}]}
    assert runs.submit_tool_outputs_and_poll(run_id=run.id, **submission).status == "completed"
    with pytest.raises(openai.BadRequestError, match="Runs in status 'completed' do not accept tool outputs"):
        runs.submit_tool_outputs(run.id, **submission)


def test_run_refusal_becomes_refusal_content(openai_mock, client, assistant):
    openai_mock.beta.threads.create_and_run.response = refusal("No.")
    run = client.beta.threads.create_and_run_poll(assistant_id=assistant)
    message = client.beta.threads.messages.list(run.thread_id).data[0]
    assert message.content[0].to_dict() == {"type": "refusal", "refusal": "No."}
    assert run.usage.completion_tokens == 1
    with client.beta.threads.create_and_run_stream(assistant_id=assistant) as stream:
        assert stream.get_final_messages()[0].content[0].refusal == "No."


def test_run_stream_shows_each_state_of_the_run_its_step_and_its_message(openai_mock, runs, thread, assistant):
    openai_mock.beta.threads.runs.create.response = streamed("Hello", chunk=3)
    events = list(runs.create(thread, assistant_id=assistant, stream=True))
    event_statuses = [(event.event, getattr(event.data, "status", None)) for event in events]
    assert event_statuses == [
        ("thread.run.created", "queued"),
        ("thread.run.queued", "queued"),
        ("thread.run.in_progress", "in_progress"),
        ("thread.run.step.created", "in_progress"),
        ("thread.run.step.in_progress", "in_progress"),
        ("thread.message.created", "in_progress"),
        ("thread.message.in_progress", "in_progress"),
        ("thread.message.delta", None),
        ("thread.message.delta", None),
        ("thread.message.delta", None),
        ("thread.message.completed", "completed"),
        ("thread.run.step.completed", "completed"),
        ("thread.run.completed", "completed"),
    ]
    objects = {event.event: event.data for event in events}
    assert objects["thread.run.step.created"].completed_at is None
    assert objects["thread.run.step.created"].usage is None
    assert objects["thread.run.step.completed"].usage
    assert objects["thread.message.created"].content == []
    deltas = [event.data.delta.content[0].text.value for event in events if event.event == "thread.message.delta"]
    assert deltas == ["", "Hel", "lo"]


def test_run_stream_with_tool_calls_shows_the_step_without_calls_first(openai_mock, runs, thread, assistant):
    openai_mock.beta.threads.runs.create.response = [tool_call("f", a=1), "done"]
    events = list(runs.create(thread, assistant_id=assistant, stream=True))
    objects = {event.event: event.data for event in events}
    assert objects["thread.run.step.created"].step_details.tool_calls == []
    assert "thread.run.step.completed" not in objects
    assert events[-1].event == "thread.run.requires_action"
    run = events[-1].data
    call_id = run.required_action.submit_tool_outputs.tool_calls[0].id
    outputs = [{"tool_call_id": call_id, "output": "x"}]
    resumed = list(runs.submit_tool_outputs(run.id, thread_id=thread, tool_outputs=outputs, stream=True))
    assert resumed[0].event == "thread.run.step.completed"
    assert resumed[0].data.step_details.tool_calls[0].function.output == "x"
    assert resumed[1].event == "thread.run.queued"
    assert resumed[-1].event == "thread.run.completed"


def test_run_is_cancelled_once(runs, thread, assistant):
    run = runs.create(thread, assistant_id=assistant)
    assert runs.cancel(run.id, thread_id=thread).status == "cancelling"
    cancelled = runs.retrieve(run.id, thread_id=thread)
    assert cancelled.status == "cancelled"
    assert cancelled.cancelled_at
    assert cancelled.expires_at is None
    with pytest.raises(openai.BadRequestError, match="Cannot cancel run with status 'cancelled'"):
        runs.cancel(run.id, thread_id=thread)


def test_run_expires_at_its_expiry_time(openai_mock, runs, thread, assistant):
    run = runs.create(thread, assistant_id=assistant)
    openai_mock.state["beta.threads.runs"][thread, run.id]["expires_at"] = 1
    assert runs.retrieve(run.id, thread_id=thread).status == "expired"


@pytest.mark.parametrize(
    "response, message_reason",
    [(cut("Hel"), "max_tokens"), (filtered("Hel"), "content_filter")],
    ids=["cut", "filtered"],
)
def test_run_with_incomplete_text_is_incomplete(openai_mock, client, runs, thread, assistant, response, message_reason):
    openai_mock.beta.threads.runs.create.response = response
    run = runs.create_and_poll(thread_id=thread, assistant_id=assistant)
    assert run.status == "incomplete"
    assert run.incomplete_details.reason == "max_completion_tokens"
    assert run.completed_at is None
    assert run.usage.completion_tokens == 1
    message = client.beta.threads.messages.list(thread).data[0]
    assert message.content[0].text.value == "Hel"
    assert message.status == "incomplete"
    assert message.incomplete_details.reason == message_reason


@pytest.mark.parametrize(
    "fields, status",
    [
        ({"last_error": {"code": "server_error", "message": "sorry"}}, "failed"),
        ({"incomplete_details": {"reason": "max_prompt_tokens"}}, "incomplete"),
        (
            {"required_action": {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": []}}},
            "requires_action",
        ),
    ],
    ids=["error", "incomplete details", "required action"],
)
def test_run_status_follows_from_set_fields(openai_mock, runs, thread, assistant, fields, status):
    openai_mock.beta.threads.runs.create.response = fields
    run = runs.create(thread, assistant_id=assistant)
    assert run.status == status
    assert run.completed_at is None
    assert runs.retrieve(run.id, thread_id=thread).status == status


def test_run_inherits_unset_fields_from_its_assistant(client, runs, thread):
    fields = {
        "model": "gpt-5",
        "instructions": "be nice",
        "temperature": 0.5,
        "top_p": 0.25,
        "response_format": {"type": "json_object"},
    }
    assistant = add_assistant(client, **fields, tools=[CHAT_TOOL], metadata={"k": "assistant"})
    run = runs.create(thread, assistant_id=assistant)
    assert {name: run.to_dict()[name] for name in fields} == fields
    assert run.tools[0].function.name == "get_weather"
    assert run.metadata == {}


def test_run_fields_override_those_of_its_assistant(client, runs, thread):
    assistant = add_assistant(client, model="gpt-5", instructions="be nice", temperature=0.5, tools=[CHAT_TOOL])
    fields = {"model": "gpt-4o", "instructions": "no", "temperature": 0.25, "tools": [], "metadata": {"k": "run"}}
    run = runs.create(thread, assistant_id=assistant, **fields)
    assert {name: run.to_dict()[name] for name in fields} == fields


@pytest.mark.parametrize(
    "options, expected",
    [({}, "be nice more"), ({"instructions": "no"}, "no more"), ({"instructions": ""}, "more")],
    ids=["inherited", "overridden", "empty"],
)
def test_additional_instructions_follow_the_instructions(client, runs, thread, options, expected):
    assistant = add_assistant(client, instructions="be nice")
    run = runs.create(thread, assistant_id=assistant, additional_instructions="more", **options)
    assert run.instructions == expected


def test_additional_messages_are_added_to_the_thread(client, runs, thread, assistant):
    runs.create(thread, assistant_id=assistant, additional_messages=[{"role": "user", "content": "and?"}])
    assert thread_texts(client, thread) == ["Hi", "and?"]


def test_run_with_unknown_assistant_is_rejected(runs, thread):
    with pytest.raises(openai.NotFoundError, match="No assistant found with id 'asst_x'"):
        runs.create(thread, assistant_id="asst_x")


@pytest.mark.parametrize(
    "retrieve, message",
    [
        (lambda runs, thread, run: runs.retrieve("x", thread_id=thread), "No run found with id 'x'."),
        (lambda runs, thread, run: runs.list("x"), "No thread found with id 'x'."),
        (
            lambda runs, thread, run: runs.steps.retrieve("x", run_id=run, thread_id=thread),
            "No run step found with id 'x'.",
        ),
    ],
    ids=["run", "thread", "step"],
)
def test_missing_run_objects_are_not_found(runs, thread, assistant, retrieve, message):
    run = runs.create(thread, assistant_id=assistant).id
    with pytest.raises(openai.NotFoundError) as caught:
        retrieve(runs, thread, run)
    assert caught.value.body["message"] == message


def test_requested_vector_stores_are_created_with_their_files(client):
    file = add_file(client)
    tool_resources = {"file_search": {"vector_stores": [{"file_ids": [file]}]}}
    created_objects = [
        client.beta.threads.create(tool_resources=tool_resources),
        client.beta.assistants.create(model="gpt-4o", tool_resources=tool_resources),
    ]
    for created in created_objects:
        (store,) = created.tool_resources.file_search.vector_store_ids
        assert [item.id for item in client.vector_stores.files.list(store)] == [file]


def test_attachments_become_tool_resources_of_the_thread(client, thread):
    messages = client.beta.threads.messages
    tools = [{"type": "file_search"}, {"type": "code_interpreter"}]
    files = [add_file(client, name="a.txt"), add_file(client, name="b.txt")]
    for file in files:
        attachments = [{"file_id": file, "tools": tools}]
        message = messages.create(thread, role="user", content="see", attachments=attachments)
        assert message.attachments[0].file_id == file
    resources = client.beta.threads.retrieve(thread).tool_resources
    assert resources.code_interpreter.file_ids == files
    (store,) = resources.file_search.vector_store_ids  # both files are in the same vector store
    assert [item.id for item in client.vector_stores.files.list(store, order="asc")] == files


# ======================================================================================================================
# HOSTED AGENTS AND CHATKIT
# ======================================================================================================================


def test_chatkit_session_is_cancelled(client):
    session = client.beta.chatkit.sessions.create(user="u", workflow={"id": "wf_1"})
    assert session.id.startswith("cksess_")
    assert session.status == "active"
    assert session.workflow.to_dict() == {
        "id": "wf_1",
        "state_variables": None,
        "tracing": {"enabled": False},
        "version": None,
    }
    assert client.beta.chatkit.sessions.cancel(session.id).status == "cancelled"


@requires("beta.agents.automations.pause", "beta.agents.automations.resume")
def test_paused_automation_can_be_resumed(openai_mock):
    openai_mock.state["beta.agents.automations"]["automation-1"] = {"id": "automation-1"}
    automations = lenient_client().beta.agents.automations
    assert automations.pause("automation-1").status == "paused"
    assert automations.resume("automation-1").status == "active"


# ======================================================================================================================
# VECTOR STORES
# ======================================================================================================================


async def test_files_are_uploaded_into_a_vector_store(openai_mock, either_client):
    stores = either_client.vector_stores
    store = await awaited(stores.create())
    options = {"vector_store_id": store.id, "attributes": {"lang": "en"}}
    file = await awaited(stores.files.upload_and_poll(file=("b.txt", b"123"), **options))
    assert file.status == "completed"
    assert file.attributes == {"lang": "en"}
    assert file.usage_bytes == 3


async def test_file_batch_uploads_are_counted(openai_mock, either_client):
    stores = either_client.vector_stores
    store = await awaited(stores.create())
    files = [("d.txt", b"d"), ("e.txt", b"e"), ("f.txt", b"f")]
    batch = await awaited(stores.file_batches.upload_and_poll(store.id, files=files))
    assert batch.status == "completed"
    assert batch.file_counts.completed == 3
    assert batch.file_counts.total == 3
    updated_store = await awaited(stores.retrieve(store.id))
    assert updated_store.file_counts.total == 3


def test_vector_store_counts_its_files_and_their_bytes(client):
    stores = client.vector_stores
    store = stores.create(file_ids=[add_file(client, b"12345")]).id
    file = stores.files.upload_and_poll(vector_store_id=store, file=("b.txt", b"123"))
    updated_store = stores.retrieve(store)
    assert updated_store.file_counts.completed == 2
    assert updated_store.file_counts.total == 2
    assert updated_store.usage_bytes == 8
    assert stores.files.delete(file.id, vector_store_id=store).deleted
    updated_store = stores.retrieve(store)
    assert updated_store.file_counts.total == 1
    assert updated_store.usage_bytes == 5
    assert client.files.retrieve(file.id).id == file.id  # the file itself is still stored


def test_new_vector_store_has_default_fields(client):
    store = client.vector_stores.create().to_dict()
    assert store == {
        "id": "vs_000000000000000000000001",
        "object": "vector_store",
        "created_at": store["created_at"],
        "last_active_at": store["created_at"],
        "name": "",
        "status": "completed",
        "metadata": {},
        "usage_bytes": 0,
        "file_counts": {"cancelled": 0, "completed": 0, "failed": 0, "in_progress": 0, "total": 0},
        "expires_after": None,
        "expires_at": None,
    }


def test_new_vector_store_file_has_default_fields(client):
    store = add_store(client)
    file_id = add_file(client, b"12345")
    file = client.vector_stores.files.create(store, file_id=file_id).to_dict()
    assert file == {
        "id": file_id,
        "object": "vector_store.file",
        "created_at": file["created_at"],
        "vector_store_id": store,
        "status": "in_progress",
        "usage_bytes": 0,
        "last_error": None,
        "attributes": {},
        "chunking_strategy": {
            "type": "static",
            "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400},
        },
    }


def test_new_file_batch_has_default_fields(client):
    store = add_store(client)
    batch = client.vector_stores.file_batches.create(store, file_ids=[add_file(client)]).to_dict()
    assert batch == {
        "id": "vsfb_000000000000000000000001",
        "object": "vector_store.files_batch",
        "created_at": batch["created_at"],
        "vector_store_id": store,
        "status": "in_progress",
        "file_counts": {"cancelled": 0, "completed": 0, "failed": 0, "in_progress": 1, "total": 1},
    }


@pytest.mark.parametrize(
    "retrieve",
    [
        lambda stores, store, file: stores.retrieve(store).id,
        lambda stores, store, file: stores.list().data,
        lambda stores, store, file: stores.files.retrieve(file, vector_store_id=store),
        lambda stores, store, file: stores.files.list(store).data,
    ],
    ids=["store", "stores", "file", "files"],
)
def test_vector_store_files_complete_on_first_retrieve(openai_mock, client, retrieve):
    stores = client.vector_stores
    file = add_file(client, b"12345")
    store = stores.create(file_ids=[file])
    assert store.status == "in_progress"
    assert store.file_counts.in_progress == 1
    assert store.usage_bytes == 0
    assert openai_mock.state["vector_stores.files"][store.id, file]["status"] == "in_progress"
    retrieve(stores, store.id, file)
    assert openai_mock.state["vector_stores.files"][store.id, file]["status"] == "completed"
    stored = openai_mock.state["vector_stores"][store.id]
    assert stored["status"] == "completed"
    assert stored["usage_bytes"] == 5
    assert stored["file_counts"]["in_progress"] == 0
    assert stored["file_counts"]["completed"] == 1


def test_added_file_sets_the_vector_store_in_progress(client):
    stores = client.vector_stores
    store = add_store(client)
    added = stores.files.create(store, file_id=add_file(client))
    assert added.status == "in_progress"
    assert stores.update(store, name="n").status == "in_progress"
    assert stores.retrieve(store).status == "completed"
    assert stores.files.list(store).data[0].status == "completed"


def test_file_in_progress_can_be_removed_from_a_vector_store(client):
    file = add_file(client)
    store = client.vector_stores.create(file_ids=[file]).id
    client.vector_stores.files.delete(file, vector_store_id=store)
    updated_store = client.vector_stores.retrieve(store)
    assert updated_store.status == "completed"
    assert updated_store.file_counts.total == 0
    assert updated_store.file_counts.in_progress == 0


def test_expired_vector_store_stays_expired_when_a_file_is_added(openai_mock, client):
    store = client.vector_stores.create(expires_after={"anchor": "last_active_at", "days": 1}).id
    openai_mock.state["vector_stores"][store]["expires_at"] = 1
    assert client.vector_stores.retrieve(store).status == "expired"
    client.vector_stores.files.create_and_poll(add_file(client), vector_store_id=store)
    updated_store = client.vector_stores.retrieve(store)
    assert updated_store.status == "expired"
    assert updated_store.file_counts.completed == 1


def test_set_vector_store_status_is_kept(openai_mock, client):
    openai_mock.vector_stores.create.response = {"status": "in_progress"}
    store = client.vector_stores.create(file_ids=[add_file(client)]).id
    assert statuses(lambda: client.vector_stores.retrieve(store), 2) == ["in_progress", "in_progress"]


def test_set_vector_store_file_counts_are_kept(openai_mock, client):
    openai_mock.vector_stores.create.response = {"file_counts": {"completed": 7, "total": 7}}
    store = client.vector_stores.create(file_ids=[add_file(client)])
    assert store.file_counts.completed == 7
    assert client.vector_stores.retrieve(store.id).file_counts == store.file_counts


def test_set_vector_store_expiry_is_kept(openai_mock, client):
    openai_mock.vector_stores.create.response = {"expires_at": 5}
    expiry = {"anchor": "last_active_at", "days": 1}
    store = client.vector_stores.create(file_ids=[add_file(client)], expires_after=expiry)
    assert store.expires_at == 5


def test_set_vector_store_file_status_is_kept_and_counted(openai_mock, client):
    store = add_store(client)
    openai_mock.vector_stores.files.create.response = {"status": "failed"}
    file = client.vector_stores.files.create(store, file_id=add_file(client))
    assert client.vector_stores.files.retrieve(file.id, vector_store_id=store).status == "failed"
    assert client.vector_stores.retrieve(store).file_counts.failed == 1


@pytest.mark.parametrize("retrieve", ["batch", "files", "store"])
def test_file_batch_completes_on_first_retrieve(client, retrieve):
    batches = client.vector_stores.file_batches
    store = add_store(client)
    files = [add_file(client, name="a.txt"), add_file(client, name="b.txt")]
    batch = batches.create(store, file_ids=files)
    assert batch.status == "in_progress"
    assert batch.file_counts.in_progress == 2
    assert batch.file_counts.total == 2
    if retrieve == "files":
        assert {file.status for file in batches.list_files(batch.id, vector_store_id=store)} == {"completed"}
    elif retrieve == "store":
        assert client.vector_stores.retrieve(store).file_counts.completed == 2
    completed = batches.retrieve(batch.id, vector_store_id=store)
    assert completed.status == "completed"
    assert completed.file_counts.completed == 2
    assert completed.file_counts.in_progress == 0
    assert batches.cancel(batch.id, vector_store_id=store) == completed  # a completed batch is not cancelled


def test_cancelled_file_batch_cancels_its_files(client):
    batches = client.vector_stores.file_batches
    store = add_store(client)
    file = add_file(client)
    batch = batches.create(store, file_ids=[file])
    cancelled = batches.cancel(batch.id, vector_store_id=store)
    assert cancelled.status == "cancelled"
    assert cancelled.file_counts.cancelled == 1
    assert batches.retrieve(batch.id, vector_store_id=store) == cancelled
    cancelled_file = client.vector_stores.files.retrieve(file, vector_store_id=store)
    assert cancelled_file.status == "cancelled"
    assert cancelled_file.usage_bytes == 0
    updated_store = client.vector_stores.retrieve(store)
    assert updated_store.status == "completed"
    assert updated_store.file_counts.cancelled == 1
    assert updated_store.file_counts.in_progress == 0


@pytest.mark.parametrize(
    "response", [{"status": "failed"}, {"file_counts": {"failed": 1}}], ids=["status", "file counts"]
)
def test_set_file_batch_fields_are_kept(openai_mock, client, response):
    store = add_store(client)
    openai_mock.vector_stores.file_batches.create.response = response
    batch = client.vector_stores.file_batches.create(store, file_ids=[add_file(client)])
    assert contains(batch.to_dict(), response)
    assert client.vector_stores.file_batches.retrieve(batch.id, vector_store_id=store) == batch


@pytest.mark.parametrize("form", sorted({"file_ids", "files"} & {*_param_names("vector_stores.file_batches.create")}))
def test_file_batch_accepts_file_ids_and_files(client, form):
    batches = client.vector_stores.file_batches
    store = add_store(client)
    ids = [add_file(client, name=f"{number}.txt") for number in range(3)]
    static = {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50}}
    common = {"attributes": {"k": 1.0}, "chunking_strategy": static}
    if form == "file_ids":
        options = {"file_ids": ids, **common}
    else:
        options = {"files": [{"file_id": id, **common} for id in ids]}
    batch = batches.create(store, **options)
    assert batches.poll(batch.id, vector_store_id=store).file_counts.completed == 3
    files = batches.list_files(batch.id, vector_store_id=store, order="asc").data
    assert [file.id for file in files] == ids
    for file in files:
        assert file.attributes == {"k": 1.0}
        assert file.chunking_strategy.to_dict() == static


def test_file_batch_lists_its_newest_files_first(client):
    batches = client.vector_stores.file_batches
    store = add_store(client)
    ids = [add_file(client, name=f"{number}.txt") for number in range(3)]
    batch = batches.create(store, file_ids=ids)
    page = batches.list_files(batch.id, vector_store_id=store, limit=2)
    assert [file.id for file in page.data] == [ids[2], ids[1]]
    assert page.has_more


def test_file_batch_with_unknown_file_is_rejected(client):
    with pytest.raises(openai.NotFoundError, match="No such File object: file-x"):
        client.vector_stores.file_batches.create(add_store(client), file_ids=["file-x"])


@pytest.fixture
def search_names(client):
    """Return a function that searches a vector store with three files and returns the names of the files it finds."""
    store = add_store(client)
    texts = {"fox.txt": b"The quick brown fox jumps", "dog.txt": b"A lazy dog and a fox sleep", "sea.txt": b"Deep sea"}
    for year, (name, text) in enumerate(texts.items(), 1):
        attributes = {"year": year, "name": name}
        client.vector_stores.files.upload_and_poll(vector_store_id=store, file=(name, text), attributes=attributes)

    def search(query, **options):
        return [hit.filename for hit in client.vector_stores.search(store, query=query, **options)]

    return search


@pytest.mark.parametrize(
    "query, names",
    [
        ("quick fox", ["fox.txt", "dog.txt"]),
        ("LAZY", ["dog.txt"]),
        ("nothing", []),
        (["sea", "lazy"], ["dog.txt", "sea.txt"]),
        ("sea sea fox quick", ["fox.txt", "sea.txt", "dog.txt"]),
    ],
    ids=str,
)
def test_search_ranks_files_by_the_words_of_the_query(search_names, query, names):
    assert search_names(query) == names


def test_search_returns_at_most_the_requested_results(search_names):
    assert search_names("quick fox", max_num_results=1) == ["fox.txt"]


def test_search_returns_only_results_with_the_minimum_score(search_names):
    assert search_names("quick fox", ranking_options={"score_threshold": 0.5}) == ["fox.txt"]


@pytest.mark.parametrize(
    "operator, value, years",
    [
        ("eq", 2, [2]),
        ("ne", 2, [1, 3]),
        ("gt", 2, [3]),
        ("gte", 2, [2, 3]),
        ("lt", 2, [1]),
        ("lte", 2, [1, 2]),
        ("in", [1, 3], [1, 3]),
        ("nin", [1, 3], [2]),
    ],
)
def test_search_filters_compare_attributes(search_names, operator, value, years):
    names = {1: "fox.txt", 2: "dog.txt", 3: "sea.txt"}
    found = search_names("fox sea", filters={"type": operator, "key": "year", "value": value})
    assert sorted(found) == sorted(names[year] for year in years)


@pytest.mark.parametrize(
    "operator, count", [("eq", 0), ("ne", 3), ("gt", 0), ("gte", 0), ("lt", 0), ("lte", 0), ("in", 0), ("nin", 3)]
)
def test_missing_attribute_passes_only_negative_filters(search_names, operator, count):
    value = ["x"] if operator in ("in", "nin") else "x"
    found = search_names("fox sea", filters={"type": operator, "key": "missing", "value": value})
    assert len(found) == count


@pytest.mark.parametrize("operator, names", [("and", []), ("or", ["dog.txt", "fox.txt"])])
def test_search_filters_can_be_combined(search_names, operator, names):
    year_filter = {"type": "gte", "key": "year", "value": 2}
    name_filter = {"type": "eq", "key": "name", "value": "fox.txt"}
    assert sorted(search_names("fox", filters={"type": operator, "filters": [year_filter, name_filter]})) == names


def test_search_filter_without_a_value_is_rejected(search_names):
    with pytest.raises(openai.BadRequestError, match="needs 'key' and 'value'") as caught:
        search_names("fox", filters={"type": "eq", "key": "year"})
    assert caught.value.param == "filters"


def test_search_page_contains_the_query_and_the_hits(client):
    store = add_store(client)
    uploaded = client.vector_stores.files.upload_and_poll(
        vector_store_id=store, file=("a.txt", b"The quick fox"), attributes={"year": 1}
    )
    page = client.vector_stores.search(store, query="Fox!")
    assert page.to_dict() == {
        "object": "vector_store.search_results.page",
        "search_query": ["Fox!"],
        "has_more": False,
        "next_page": None,
        "data": [
            {
                "file_id": uploaded.id,
                "filename": "a.txt",
                "attributes": {"year": 1},
                "score": 1.0,
                "content": [{"type": "text", "text": "The quick fox"}],
            }
        ],
    }


def test_search_returns_the_rewritten_query_on_request(client):
    page = client.vector_stores.search(add_store(client), query=["Hi, you!", "Who?"], rewrite_query=True)
    assert page.to_dict()["search_query"] == ["hi you", "who"]


def test_search_score_is_the_weighted_share_of_the_query(client):
    store = add_store(client)
    for name, text in (("a.txt", b"fox dog"), ("b.txt", b"fox")):
        client.vector_stores.files.upload_and_poll(vector_store_id=store, file=(name, text))
    first, second = client.vector_stores.search(store, query="fox dog unknown")
    fox_weight = math.log(2)  # both files contain the word
    dog_weight = math.log(3)  # one file of two contains it
    total = fox_weight + dog_weight + 1  # a word that no file contains weighs 1
    assert first.score == pytest.approx((fox_weight + dog_weight) / total, abs=1e-6)
    assert second.score == pytest.approx(fox_weight / total, abs=1e-6)


def test_search_results_are_chunks_of_the_requested_size(client):
    store = add_store(client)
    static = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 25}}
    text = "".join(f"{number:03} fox " for number in range(100))  # 800 characters, in chunks of 400 that share 100
    client.vector_stores.files.upload_and_poll(
        vector_store_id=store, file=("a.txt", text.encode()), chunking_strategy=static
    )
    hits = client.vector_stores.search(store, query="fox")
    assert [hit.content[0].text for hit in hits] == [text[:400], text[300:700], text[600:]]


def test_vector_store_file_content_is_a_page_of_text(client):
    store = add_store(client)
    file = client.vector_stores.files.upload_and_poll(vector_store_id=store, file=("a.txt", b"The fox"))
    page = client.vector_stores.files.content(file.id, vector_store_id=store)
    assert page.to_dict() == {
        "object": "vector_store.file_content.page",
        "data": [{"type": "text", "text": "The fox"}],
        "has_more": False,
        "next_page": None,
    }


def test_file_in_two_stores_has_separate_attributes(client):
    files = client.vector_stores.files
    file = add_file(client)
    first_store, second_store = add_stores(client, 2)
    files.create(first_store, file_id=file, attributes={"n": 0.0})
    files.create(second_store, file_id=file, attributes={"n": 1.0})
    files.update(file, vector_store_id=second_store, attributes={"n": 7.0})
    assert files.retrieve(file, vector_store_id=first_store).attributes == {"n": 0.0}
    assert files.retrieve(file, vector_store_id=second_store).attributes == {"n": 7.0}


def test_deleted_vector_store_keeps_its_files_in_other_stores(client):
    files = client.vector_stores.files
    file = add_file(client)
    first_store, second_store = add_stores(client, 2)
    for store in (first_store, second_store):
        files.create(store, file_id=file)
    client.vector_stores.delete(first_store)
    assert [item.id for item in files.list(second_store)] == [file]
    with pytest.raises(openai.NotFoundError, match=f"Vector store with id '{first_store}' not found"):
        files.retrieve(file, vector_store_id=first_store)


def test_deleted_file_is_removed_from_vector_stores(client):
    stores = client.vector_stores
    file = add_file(client)
    store = stores.create(file_ids=[file]).id
    batch = stores.file_batches.create_and_poll(store, file_ids=[file])
    client.files.delete(file)
    assert stores.files.list(store).data == []
    assert stores.file_batches.list_files(batch.id, vector_store_id=store).data == []
    assert stores.retrieve(store).file_counts.total == 0


# ======================================================================================================================
# BATCHES
# ======================================================================================================================


def add_batch(client, *lines):
    """Create a batch from lines of its input file, each a dict or a string."""
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    file = add_file(client, "\n".join(texts).encode(), "in.jsonl", "batch")
    return client.batches.create(input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h")


def batch_line(id, url="/v1/chat/completions", body=CHAT_REQUEST):
    """Return a line of an input file, by default one that calls chat completions."""
    return {"custom_id": id, "method": "POST", "url": url, "body": body}


def complete_batch(client, batch):
    """Retrieve a batch until it is completed, and return it."""
    while batch.status != "completed":
        batch = client.batches.retrieve(batch.id)
    return batch


def read_results(client, file_id):
    """Return the lines of an output or error file, or [] if the batch has no such file."""
    if file_id is None:
        return []
    return [json.loads(line) for line in client.files.content(file_id).text.splitlines()]


def batch_results(client, batch):
    """Complete a batch, and return the lines of its output file and of its error file."""
    batch = complete_batch(client, batch)
    return read_results(client, batch.output_file_id), read_results(client, batch.error_file_id)


def test_new_batch_has_default_fields(client):
    batch = add_batch(client, batch_line("1"), "", "not JSON", "  ").to_dict()
    assert batch == {
        "id": "batch_000000000000000000000001",
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "input_file_id": "file-000000000000000000000001",
        "status": "validating",
        "created_at": batch["created_at"],
        "expires_at": batch["created_at"] + 86400,
        "in_progress_at": None,
        "finalizing_at": None,
        "completed_at": None,
        "cancelling_at": None,
        "cancelled_at": None,
        "expired_at": None,
        "failed_at": None,
        "output_file_id": None,
        "error_file_id": None,
        "errors": None,
        "metadata": None,
        "model": None,
        "request_counts": {"completed": 0, "failed": 0, "total": 2},  # without the blank lines
        "usage": {
            "input_tokens": 0,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 0,
        },
    }


def test_batch_advances_with_each_retrieve(client, monkeypatch):
    start = 2_000_000_000
    monkeypatch.setattr(time, "time", lambda: start)
    id = add_batch(client, batch_line("1")).id

    def retrieve(seconds):
        monkeypatch.setattr(time, "time", lambda: start + seconds)
        return client.batches.retrieve(id)

    in_progress = retrieve(10)
    assert in_progress.status == "in_progress"
    assert in_progress.in_progress_at == start + 10
    completed = retrieve(20)
    assert completed.status == "completed"
    assert completed.finalizing_at == start + 20
    assert completed.completed_at == start + 20
    assert retrieve(30) == completed


def test_batch_counts_succeeded_and_failed_lines(client):
    batch = add_batch(client, batch_line("1"), batch_line("2"), batch_line("3", "/v1/nothing"))
    counts = complete_batch(client, batch).request_counts
    assert counts.completed == 2
    assert counts.failed == 1
    assert counts.total == 3


def test_batch_sums_the_usage_of_its_lines(create, client):
    create.response = {"usage": {"prompt_tokens": 20, "completion_tokens": 5}}
    embedding = batch_line("2", "/v1/embeddings", {"model": "text-embedding-3-small", "input": "a" * 12})
    response = batch_line("3", "/v1/responses", {"model": "gpt-5", "input": "b" * 400})
    batch = complete_batch(client, add_batch(client, batch_line("1"), embedding, response))
    assert batch.model == "gpt-4o"  # the model of the first line
    assert batch.usage.to_dict() == {
        "input_tokens": 20 + 3 + 100,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 5 + 6,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 134,
    }


def test_batch_result_contains_the_response(create, client):
    create.response = lambda request: json.loads(request.content)["model"]
    ((result,), errors) = batch_results(client, add_batch(client, batch_line("1")))
    assert errors == []
    assert list(result) == ["id", "custom_id", "response", "error"]
    assert result["id"].startswith("batch_req_")
    assert result["custom_id"] == "1"
    assert result["error"] is None
    assert result["response"]["status_code"] == 200
    assert result["response"]["request_id"].startswith("req_")
    assert result["response"]["body"]["choices"][0]["message"]["content"] == "gpt-4o"


def test_batch_lines_call_the_endpoint_of_their_url(client):
    body = {"model": "text-embedding-3-small", "input": "x", "dimensions": 3}
    results, _ = batch_results(client, add_batch(client, batch_line("1", "/v1/embeddings", body)))
    assert len(results[0]["response"]["body"]["data"][0]["embedding"]) == 3


def test_batch_line_that_streams_gets_a_complete_response(client):
    results, _ = batch_results(client, add_batch(client, batch_line("1", body=CHAT_REQUEST | {"stream": True})))
    assert results[0]["response"]["body"]["object"] == "chat.completion"


def test_batch_lines_are_not_counted_as_calls(create, client):
    complete_batch(client, add_batch(client, batch_line("1")))
    assert create.route.call_count == 0


def test_batch_result_files_are_named_after_the_batch(client):
    batch = complete_batch(client, add_batch(client, batch_line("1"), batch_line("2", "/v1/nothing")))
    output_file = client.files.retrieve(batch.output_file_id)
    assert output_file.filename == f"{batch.id}_output.jsonl"
    assert output_file.purpose == "batch_output"
    error_file = client.files.retrieve(batch.error_file_id)
    assert error_file.filename == f"{batch.id}_error.jsonl"
    assert error_file.purpose == "batch_output"


def test_batch_lines_use_response_lists_and_rules(openai_mock, create, client):
    create.response = ["one", error(429), httpx.ConnectError("no"), "four"]
    create.when(user="me").response = "by the rule"
    batch = add_batch(client, *map(batch_line, "1234"), batch_line("5", body=CHAT_REQUEST | {"user": "me"}))
    results, errors = batch_results(client, batch)
    texts = {line["custom_id"]: line["response"]["body"]["choices"][0]["message"]["content"] for line in results}
    assert texts == {"1": "one", "4": "four", "5": "by the rule"}
    rate_limit_line, connection_line = errors
    assert rate_limit_line["custom_id"] == "2"
    assert rate_limit_line["response"]["status_code"] == 429
    assert rate_limit_line["response"]["body"]["error"]["message"]
    assert rate_limit_line["error"] is None
    assert connection_line["custom_id"] == "3"
    assert connection_line["response"] is None
    assert connection_line["error"]["message"] == "no"
    openai_mock.assert_all_used()


def raised(exception):
    """Return a callable that raises an exception."""

    def answer(request):
        raise exception

    return answer


@pytest.mark.parametrize(
    "response, code, message",
    [
        (httpx.ConnectError("no route"), "network_error", "no route"),
        (timeout(), "network_error", "timed out"),
        (raised(RuntimeError("overloaded")), "network_error", "overloaded"),
        (httpx.Response(200, content=b"\xff", headers={"content-type": "application/json"}), "server_error", "decode"),
        (httpx.Response(502, text="<html>"), "server_error", "Expecting value"),
    ],
    ids=["connection", "timeout", "function raises", "not UTF-8", "not JSON"],
)
def test_failed_batch_lines_go_to_the_error_file(create, client, response, code, message):
    create.when("fails").response = response
    failing_body = CHAT_REQUEST | {"messages": [{"role": "user", "content": "fails"}]}
    results, errors = batch_results(client, add_batch(client, batch_line("1", body=failing_body), batch_line("2")))
    assert [line["custom_id"] for line in results] == ["2"]
    (error_line,) = errors
    assert error_line["custom_id"] == "1"
    assert error_line["response"] is None
    assert error_line["error"]["code"] == code
    assert message in error_line["error"]["message"]


@pytest.mark.parametrize(
    "line, custom_id, code, message",
    [
        (batch_line("1", "/v1/nothing"), "1", "invalid_url", "Invalid URL (POST /v1/nothing)"),
        (batch_line("1") | {"method": "PUT"}, "1", "invalid_url", "Invalid URL (PUT /v1/chat/completions)"),
        (batch_line("1", body="x"), "1", "invalid_request", "Invalid body: expected an object, but got str"),
        ({"custom_id": "1"}, "1", "invalid_url", "Invalid URL (POST None)"),
    ],
    ids=["unknown URL", "unknown method", "invalid body", "no URL"],
)
def test_invalid_batch_lines_have_an_error_code(client, line, custom_id, code, message):
    results, errors = batch_results(client, add_batch(client, line))
    assert results == []
    assert errors[0]["custom_id"] == custom_id
    assert errors[0]["response"] is None
    assert errors[0]["error"] == {"code": code, "message": message}


@pytest.mark.parametrize("line", ["not JSON", "[1]"])
def test_batch_line_that_is_not_a_json_object_fails(client, line):
    results, errors = batch_results(client, add_batch(client, line))
    assert results == []
    assert errors[0]["custom_id"] is None
    assert errors[0]["error"]["code"] == "invalid_request"


def test_batch_line_needs_a_json_response(openai_mock, create, client):
    bodies = [{"usage": {"total_tokens": "x"}}, {"usage": 1, "model": []}, [1]]
    create.response = [httpx.Response(200, json=body) for body in bodies]
    speech = batch_line("0", "/v1/audio/speech", {"model": "tts-1", "input": "x", "voice": "alloy"})
    batch = complete_batch(client, add_batch(client, speech, *map(batch_line, "123")))
    results = read_results(client, batch.output_file_id)
    assert [line["response"]["body"] for line in results] == bodies
    errors = read_results(client, batch.error_file_id)
    assert [line["custom_id"] for line in errors] == ["0"]
    assert batch.model is None
    assert batch.usage.total_tokens == 0


def test_assertion_in_a_batch_line_is_raised_and_the_line_is_retried(create, client):
    def fail(request):
        raise AssertionError("no model given")

    create.response = fail
    batch = add_batch(client, batch_line("1"))
    assert client.batches.retrieve(batch.id).status == "in_progress"
    with pytest.raises(AssertionError, match="no model given"):
        client.batches.retrieve(batch.id)
    create.response = "Hi"
    assert client.batches.retrieve(batch.id).status == "completed"


def test_batch_does_not_advance_while_its_lines_are_answered(create, client):
    create.response = lambda request: client.batches.retrieve(batch.id).status
    batch = add_batch(client, batch_line("1"))
    results, _ = batch_results(client, batch)
    assert results[0]["response"]["body"]["choices"][0]["message"]["content"] == "in_progress"


async def test_async_batch_responses_can_wait_and_call_the_api(either_client, create):
    """Check that lines are answered without the lock of the state, and without blocking the event loop."""
    ticks = itertools.count()

    async def answer(request):
        for _ in range(5):
            await asyncio.sleep(0)
        return f"{len((await sdk('async').files.list()).data)} files"

    async def tick():
        while next(ticks) < 1000:
            await asyncio.sleep(0)

    create.response = answer
    batch = add_batch(sdk(), batch_line("1"), batch_line("2"))
    is_async = isinstance(either_client, openai.AsyncOpenAI)
    if is_async:
        ticking = asyncio.create_task(tick())
    await awaited(either_client.batches.retrieve(batch.id))
    batch = await awaited(either_client.batches.retrieve(batch.id))
    assert batch.request_counts.completed == 2
    assert "1 files" in sdk().files.content(batch.output_file_id).text
    if is_async:
        ticking.cancel()
        assert next(ticks) > 5


def test_batch_is_cancelled_once(client):
    batch = add_batch(client, batch_line("1"))
    cancelling = client.batches.cancel(batch.id)
    assert cancelling.status == "cancelling"
    assert cancelling.cancelling_at
    cancelled = client.batches.retrieve(batch.id)
    assert cancelled.status == "cancelled"
    assert cancelled.cancelled_at
    assert cancelled.output_file_id is None
    with pytest.raises(openai.BadRequestError, match="Cannot cancel batch with status 'cancelled'"):
        client.batches.cancel(batch.id)


def test_batch_with_unknown_file_is_rejected(client):
    with pytest.raises(openai.NotFoundError, match="No such File object: file-x"):
        client.batches.create(input_file_id="file-x", endpoint="/v1/responses", completion_window="24h")


def test_unknown_batch_is_not_found(client):
    with pytest.raises(openai.NotFoundError, match="No batch found with id 'batch_x'"):
        client.batches.retrieve("batch_x")


# ======================================================================================================================
# FINE-TUNING AND MODELS
# ======================================================================================================================


@pytest.mark.parametrize("param", ["training_file", "validation_file"])
def test_fine_tuning_job_with_unknown_file_is_rejected(client, param):
    files = {"training_file": add_file(client)} | {param: UNKNOWN_ID}
    with pytest.raises(openai.BadRequestError) as caught:
        client.fine_tuning.jobs.create(model="gpt-4o-mini", **files)
    assert caught.value.body["message"] == f"invalid {param}: {UNKNOWN_ID}"
    assert caught.value.param == param


def test_unknown_fine_tuning_job_is_not_found(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.fine_tuning.jobs.retrieve("ftjob-x")
    assert caught.value.body["message"] == "Could not find fine tune: ftjob-x"
    assert caught.value.code == "fine_tune_not_found"
    assert caught.value.param == "fine_tune_id"


def test_new_fine_tuning_job_has_default_fields(client):
    job = add_job(client).to_dict()
    auto = {"batch_size": "auto", "learning_rate_multiplier": "auto", "n_epochs": "auto"}
    assert job == {
        "id": "ftjob-000000000000000000000001",
        "object": "fine_tuning.job",
        "created_at": job["created_at"],
        "organization_id": "org-000000000000000000000001",
        "model": "gpt-4o-mini",
        "status": "validating_files",
        "training_file": "file-000000000000000000000001",
        "validation_file": None,
        "method": {"type": "supervised", "supervised": {"hyperparameters": auto}},
        "hyperparameters": auto,
        "seed": 0,
        "user_provided_suffix": None,
        "fine_tuned_model": None,
        "finished_at": None,
        "estimated_finish": None,
        "trained_tokens": None,
        "result_files": [],
        "error": None,
        "eval_id": None,
        "integrations": [],
        "metadata": None,
        "shared_with_openai": False,
        "usage_metrics": None,
    }


def test_fine_tuning_job_advances_with_each_retrieve(client):
    jobs = client.fine_tuning.jobs
    job = add_job(client)
    assert job.status == "validating_files"
    assert statuses(lambda: jobs.retrieve(job.id), 4) == ["queued", "running", "succeeded", "succeeded"]


def complete_job(client, **options):
    """Create a fine-tuning job, retrieve it until it succeeds, and return it."""
    job = add_job(client, **options)
    while job.status != "succeeded":
        job = client.fine_tuning.jobs.retrieve(job.id)
    return job


def test_succeeded_job_has_a_model_and_trained_tokens(client):
    job = complete_job(client, suffix="mine")
    number = job.id.removeprefix("ftjob-")
    assert job.fine_tuned_model == f"ft:gpt-4o-mini:{job.organization_id}:mine:{number}"
    assert job.to_dict()["user_provided_suffix"] == "mine"
    assert job.finished_at
    assert job.trained_tokens == 1


def test_model_of_a_job_without_suffix_has_an_empty_part(client):
    job = complete_job(client)
    number = job.id.removeprefix("ftjob-")
    assert job.fine_tuned_model == f"ft:gpt-4o-mini:{job.organization_id}::{number}"


def test_fine_tuned_model_can_be_deleted(client):
    job = complete_job(client)
    name = job.fine_tuned_model
    assert name in {model.id for model in client.models.list()}
    assert client.models.retrieve(name).owned_by == job.organization_id
    assert client.models.delete(name).deleted
    assert name not in {model.id for model in client.models.list()}


def test_fine_tuning_job_has_events_newest_first(client):
    job = complete_job(client)
    events = client.fine_tuning.jobs.list_events(job.id).data
    assert [event.message for event in events] == [
        "The job has successfully completed",
        "Fine-tuning job started",
        "Files validated, moving job to queued state",
        f"Created fine-tuning job: {job.id}",
    ]
    assert {event.type for event in events} == {"message"}
    assert {event.level for event in events} == {"info"}
    assert events[0].id.startswith("ftevent-")


def test_succeeded_job_has_a_checkpoint(client):
    job = complete_job(client)
    (checkpoint,) = client.fine_tuning.jobs.checkpoints.list(job.id)
    assert checkpoint.id.startswith("ftckpt_")
    assert checkpoint.fine_tuning_job_id == job.id
    assert checkpoint.fine_tuned_model_checkpoint == job.fine_tuned_model
    assert checkpoint.step_number == 100


def test_paused_job_advances_after_it_is_resumed(client):
    jobs = client.fine_tuning.jobs
    job = add_job(client)
    jobs.pause(job.id)
    assert statuses(lambda: jobs.retrieve(job.id), 4) == ["validating_files"] * 4
    jobs.resume(job.id)
    assert statuses(lambda: jobs.retrieve(job.id), 3) == ["queued", "running", "succeeded"]


def test_succeeded_job_cannot_be_cancelled_or_paused(client):
    job = complete_job(client)
    with pytest.raises(openai.BadRequestError, match="Cannot cancel job with status 'succeeded'"):
        client.fine_tuning.jobs.cancel(job.id)
    with pytest.raises(openai.BadRequestError, match="Cannot pause a job with status 'succeeded'"):
        client.fine_tuning.jobs.pause(job.id)


def test_cancelled_job_stays_cancelled(client):
    jobs = client.fine_tuning.jobs
    job = add_job(client).id
    assert jobs.cancel(job).status == "cancelled"
    assert jobs.retrieve(job).status == "cancelled"


@pytest.mark.parametrize(
    "options, requested",
    [
        ({}, {}),
        ({"method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}}}, {"n_epochs": 2}),
        ({"method": {"type": "dpo", "dpo": {"hyperparameters": {"batch_size": 3}}}}, {"batch_size": 3}),
        ({"method": {"type": "dpo"}}, {}),
    ],
    ids=["no method", "supervised", "dpo", "dpo without hyperparameters"],
)
def test_job_hyperparameters_are_taken_from_the_method(client, options, requested):
    job = add_job(client, **options)
    defaults = {"batch_size": "auto", "learning_rate_multiplier": "auto", "n_epochs": "auto"}
    assert job.hyperparameters.to_dict() == defaults | requested


def test_checkpoint_permissions_are_created_for_each_project(client):
    permissions = client.fine_tuning.checkpoints.permissions
    created = permissions.create("ft:m", project_ids=["proj_1", "proj_2"]).data
    assert [permission.project_id for permission in created] == ["proj_1", "proj_2"]
    assert {permission.object for permission in created} == {"checkpoint.permission"}
    assert created[0].id.startswith("cp_")
    assert permissions.delete(created[0].id, fine_tuned_model_checkpoint="ft:m").deleted
    stored = permissions.list("ft:m").data
    assert [permission.id for permission in stored] == [created[1].id]


@pytest.mark.parametrize(
    "name",
    [
        "gpt-4o",
        "o3-pro",
        "gpt-3.5-turbo-instruct",
        "text-embedding-3-small",
        "omni-moderation-latest",
        "whisper-1",
        "tts-1",
        "gpt-image-1",
        "sora-2",
    ],
)
def test_models_of_every_api_are_stored(client, name):
    model = client.models.retrieve(name)
    assert model.id == name
    assert model.object == "model"
    assert model.owned_by == "openai"
    assert model.created == 1687882411


def test_models_are_listed_once_each(client):
    names = [model.id for model in client.models.list()]
    assert {*typing.get_args(openai.types.ChatModel), "whisper-1", "sora-2"} <= {*names}
    assert len({*names}) == len(names)


def test_unknown_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-none")
    assert caught.value.body["message"] == "The model 'gpt-none' does not exist"
    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"


def test_models_of_openai_cannot_be_deleted(client):
    with pytest.raises(openai.PermissionDeniedError, match="You have insufficient permissions for this operation"):
        client.models.delete("gpt-4o")
    assert client.models.retrieve("gpt-4o").id == "gpt-4o"


# ======================================================================================================================
# AUDIO, IMAGES, EMBEDDINGS, MODERATIONS, DECISIONS
# ======================================================================================================================


TRANSCRIPTION_REQUEST = {"file": b"x", "model": "whisper-1"}


@pytest.mark.parametrize("name", ["transcriptions", "translations"])
@pytest.mark.parametrize(
    "response_format, template",
    [
        ("text", "{}\n"),
        ("srt", "1\n00:00:00,000 --> 00:00:01,000\n{}\n\n\n"),
        ("vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n{}\n\n"),
    ],
    ids=["text", "srt", "vtt"],
)
def test_non_json_transcript_contains_the_text(openai_mock, client, name, response_format, template):
    endpoint = lookup(openai_mock, f"audio.{name}.create")
    create = functools.partial(lookup(client, f"audio.{name}.create"), **TRANSCRIPTION_REQUEST)
    default = template.format("This is a mock response.")
    assert create(response_format=response_format) == default
    endpoint.response = {}
    assert create(response_format=response_format) == default
    endpoint.response = "As it is."
    assert create(response_format=response_format) == "As it is."


def test_default_json_transcripts(client):
    transcript = client.audio.transcriptions.create(**TRANSCRIPTION_REQUEST)
    assert transcript.text == "This is a mock response."
    assert transcript.logprobs is None
    assert client.audio.translations.create(**TRANSCRIPTION_REQUEST).to_dict() == {"text": "This is a mock response."}


def test_default_verbose_transcript(client):
    transcript = client.audio.transcriptions.create(**TRANSCRIPTION_REQUEST, response_format="verbose_json")
    segment = {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": 1.0,
        "text": " This is a mock response.",
        "tokens": [0, 1, 2, 3, 4, 5],
        "temperature": 0.0,
        "avg_logprob": -0.1,
        "compression_ratio": 0.0,
        "no_speech_prob": 0.0,
    }
    assert transcript.to_dict() == {
        "task": "transcribe",
        "language": "english",
        "duration": 1.0,
        "text": "This is a mock response.",
        "segments": [segment],
        "usage": {"type": "duration", "seconds": 1},
    }


def test_default_verbose_translation(client):
    translation = client.audio.translations.create(**TRANSCRIPTION_REQUEST, response_format="verbose_json")
    assert translation.to_dict() == {
        "task": "translate",
        "language": "english",
        "duration": 1.0,
        "text": "This is a mock response.",
        "segments": [],
    }


@pytest.mark.parametrize("name", ["transcriptions", "translations"])
@pytest.mark.parametrize(
    "fields",
    [
        {"text": "Hallo", "language": "german", "duration": 2.5},
        {"language": "german"},
        {"segments": []},
        {"task": "other", "segments": [{"id": 7}]},
    ],
    ids=["text", "language", "no segments", "segment"],
)
def test_verbose_transcript_fields_can_be_set(openai_mock, client, name, fields):
    lookup(openai_mock, f"audio.{name}.create").response = fields
    create = lookup(client, f"audio.{name}.create")
    transcript = create(**TRANSCRIPTION_REQUEST, response_format="verbose_json").to_dict()
    assert contains(transcript, {"text": "This is a mock response."} | fields)
    if "segments" in fields:
        assert len(transcript["segments"]) == len(fields["segments"])


@pytest.mark.parametrize(
    "options, expected",
    [
        ({}, {"segments"}),
        ({"timestamp_granularities": ["segment"]}, {"segments"}),
        ({"timestamp_granularities": ["word"]}, {"words"}),
        ({"timestamp_granularities": ["word", "segment"]}, {"words", "segments"}),
    ],
    ids=["default", "segment", "word", "both"],
)
def test_verbose_transcript_has_the_requested_timestamps(client, options, expected):
    transcript = client.audio.transcriptions.create(**TRANSCRIPTION_REQUEST, response_format="verbose_json", **options)
    assert {"words", "segments"} & transcript.to_dict().keys() == expected


def test_timestamps_divide_the_duration_among_the_words(openai_mock, client):
    openai_mock.audio.transcriptions.create.response = {"text": "one two three", "duration": 6.0}
    options = {"response_format": "verbose_json", "timestamp_granularities": ["word", "segment"]}
    transcript = client.audio.transcriptions.create(**TRANSCRIPTION_REQUEST, **options)
    words = [(word.word, word.start, word.end) for word in transcript.words]
    assert words == [("one", 0, 2), ("two", 2, 4), ("three", 4, 6)]
    (segment,) = transcript.segments
    assert segment.text == " one two three"
    assert segment.start == 0
    assert segment.end == 6
    assert transcript.usage.to_dict() == {"type": "duration", "seconds": 6}


TOKEN_USAGE = {
    "type": "tokens",
    "input_tokens": 10,
    "input_token_details": {"audio_tokens": 10, "text_tokens": 0},
    "output_tokens": 6,
    "total_tokens": 16,
}


@pytest.mark.parametrize(
    "options, usage",
    [
        ({}, {"type": "duration", "seconds": 1}),
        ({"model": "gpt-4o-transcribe"}, TOKEN_USAGE),
        (
            {"model": "gpt-4o-transcribe", "prompt": "A cat."},
            TOKEN_USAGE
            | {
                "input_tokens": 12,
                "input_token_details": {"audio_tokens": 10, "text_tokens": 2},
                "total_tokens": 18,
            },
        ),
        pytest.param(
            {"model": "gpt-4o-transcribe", "response_format": "diarized_json"},
            TOKEN_USAGE,
            marks=requires("diarized_json"),
        ),
    ],
    ids=["whisper", "model with tokens", "prompt", "diarized"],
)
def test_transcripts_report_usage(client, options, usage):
    assert client.audio.transcriptions.create(**TRANSCRIPTION_REQUEST | options).usage.to_dict() == usage


def test_usage_counts_started_seconds(openai_mock, client):
    openai_mock.audio.transcriptions.create.response = {"duration": 2.5}
    transcript = client.audio.transcriptions.create(**TRANSCRIPTION_REQUEST, response_format="verbose_json")
    assert transcript.usage.seconds == 3


def test_transcript_has_logprobs_on_request(client):
    request = {"file": b"x", "model": "gpt-4o-transcribe", "include": ["logprobs"]}
    transcript = client.audio.transcriptions.create(**request)
    assert "".join(token.token for token in transcript.logprobs) == transcript.text
    events = list(client.audio.transcriptions.create(**request, stream=True))
    delta_tokens = []
    for event in events[:-1]:
        delta_tokens += [token.token for token in event.logprobs]
    assert "".join(delta_tokens) == transcript.text
    assert [token.token for token in events[-1].logprobs] == [token.token for token in transcript.logprobs]


@requires("diarized_json")
def test_default_diarized_transcript_has_one_segment(client):
    request = {"file": b"x", "model": "gpt-4o-transcribe-diarize", "response_format": "diarized_json"}
    transcript = client.audio.transcriptions.create(**request)
    assert transcript.task == "transcribe"
    assert transcript.duration == 1.0
    (segment,) = transcript.segments
    assert segment.to_dict() == {
        "id": "seg_0",
        "type": "transcript.text.segment",
        "speaker": "A",
        "start": 0.0,
        "end": 1.0,
        "text": "This is a mock response.",
    }
    events = list(client.audio.transcriptions.create(**request, stream=True))
    assert [event.type for event in events] == ["transcript.text.segment", "transcript.text.done"]


@pytest.mark.parametrize("text", ["Hello there, you", UNICODE_TEXT, ""], ids=["text", "unicode", "empty"])
async def test_transcription_stream_ends_with_the_plain_text(openai_mock, text, either_client):
    openai_mock.audio.transcriptions.create.response = {"text": text}
    request = {"file": b"wav", "model": "gpt-4o-transcribe"}
    create = either_client.audio.transcriptions.create
    plain = await awaited(create(**request))
    *deltas, done = await collect(create(**request, stream=True))
    assert done.type == "transcript.text.done"
    assert done.text == text
    assert plain.text == text
    assert done.usage.to_dict() == plain.usage.to_dict()
    assert {event.type for event in deltas} <= {"transcript.text.delta"}
    assert "".join(event.delta for event in deltas) == text
    for event in (*deltas, done):
        valid("audio.TranscriptionStreamEvent", event.to_dict(mode="json"))


@requires("diarized_json")
async def test_diarized_transcription_streams_its_segments(openai_mock, either_client):
    segment = {
        "id": "seg_1",
        "type": "transcript.text.segment",
        "text": "Hi",
        "speaker": "A",
        "start": 0.0,
        "end": 1.5,
    }
    openai_mock.audio.transcriptions.create.response = {"text": "Hi", "segments": [segment]}
    request = {"file": b"wav", "model": "gpt-4o-transcribe", "response_format": "diarized_json", "stream": True}
    segment_event, done = await collect(either_client.audio.transcriptions.create(**request))
    assert segment_event.to_dict() == segment
    assert done.type == "transcript.text.done"
    assert done.text == "Hi"
    for event in (segment_event, done):
        valid("audio.TranscriptionStreamEvent", event.to_dict(mode="json"))


@pytest.mark.parametrize("audio", [b"", b"\x00\x01mp3" * 300], ids=["empty", "audio"])
def test_speech_streams_as_raw_bytes(openai_mock, client, audio):
    openai_mock.audio.speech.create.response = audio
    request = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "Hello"}
    assert client.audio.speech.create(**request).read() == audio
    with client.audio.speech.with_streaming_response.create(**request) as response:
        assert b"".join(response.iter_bytes(64)) == audio


@pytest.mark.parametrize(
    "audio, sizes", [(b"", []), (b"\x00\x01mp3" * 120, [256, 256, 88])], ids=["empty", "three pieces"]
)
def test_speech_streams_as_events(openai_mock, client, audio, sizes):
    openai_mock.audio.speech.create.response = audio
    request = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "Hello", "stream_format": "sse"}
    with client.audio.speech.with_streaming_response.create(**request) as response:
        events = parse_sse(b"".join(response.iter_bytes()).decode())
    assert {name for name, _ in events} == {None}  # these streams have no `event:` lines
    *deltas, done, last_data = [data for _, data in events]
    assert last_data == "[DONE]"
    assert {delta["type"] for delta in deltas} <= {"speech.audio.delta"}
    pieces = [base64.b64decode(delta["audio"]) for delta in deltas]
    assert b"".join(pieces) == audio
    assert [len(piece) for piece in pieces] == sizes
    assert done == {
        "type": "speech.audio.done",
        "usage": {"input_tokens": 2, "output_tokens": len(audio), "total_tokens": 2 + len(audio)},
    }


def test_speech_stream_breaks_after_the_set_chunks(openai_mock, client):
    openai_mock.audio.speech.create.response = streamed(b"x" * 1000, chunk=100, fail_after=3)
    request = {"model": "tts-1", "voice": "alloy", "input": "Hi"}
    pieces = []
    with (
        client.audio.speech.with_streaming_response.create(**request) as response,
        pytest.raises(HTTP_LIB.RemoteProtocolError, match="the mock broke off the stream"),
    ):
        for piece in response.iter_bytes():
            pieces.append(piece)
    assert pieces == [b"x" * 100] * 3


@pytest.mark.parametrize(
    "options, fields",
    [
        ({"model": "dall-e-2"}, {"url"}),
        ({"model": "dall-e-2", "response_format": "b64_json"}, {"b64_json"}),
        ({"model": "dall-e-3"}, {"url", "revised_prompt"}),
        ({"model": "gpt-image-1"}, {"b64_json"}),
        ({"model": "gpt-image-1", "response_format": "url"}, {"url"}),
        ({}, {"b64_json"}),
    ],
    ids=["dall-e-2", "dall-e-2 with data", "dall-e-3", "gpt-image", "gpt-image with URL", "no model"],
)
def test_default_image_has_a_url_or_data(client, options, fields):
    (image,) = client.images.generate(prompt="a cat", **options).data
    assert image.to_dict().keys() == fields
    if "url" in fields:
        assert image.url == "https://example.com/image.png"
    if "b64_json" in fields:
        assert base64.b64decode(image.b64_json).startswith(b"\x89PNG")
    if "revised_prompt" in fields:
        assert image.revised_prompt == "a cat"


@pytest.mark.parametrize(
    "requested, expected",
    [
        ({}, {"background": "opaque", "output_format": "png", "quality": "high", "size": "1024x1024"}),
        (
            {"background": "auto", "quality": "low", "size": "1536x1024", "output_format": "webp"},
            {"background": "opaque", "output_format": "webp", "quality": "low", "size": "1536x1024"},
        ),
    ],
    ids=["default", "requested"],
)
def test_gpt_images_have_settings(client, requested, expected):
    images = client.images.generate(model="gpt-image-1", prompt="a cat", **requested).to_dict()
    assert {name: images[name] for name in expected} == expected


def test_gpt_images_have_usage(client):
    images = client.images.generate(model="gpt-image-1", prompt="a cat", n=2)
    assert images.usage.to_dict() == {
        "input_tokens": 2,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": 2},
        "output_tokens": 8320,
        "output_tokens_details": {"image_tokens": 8320, "text_tokens": 0},
        "total_tokens": 8322,
    }


def test_dall_e_images_have_no_settings_and_usage(client):
    images = client.images.generate(model="dall-e-3", prompt="a cat")
    assert images.quality is None
    assert images.size is None
    assert images.usage is None


def test_image_variations_are_repeated(client):
    images = client.images.create_variation(image=b"png", n=3, response_format="url").data
    assert [image.url for image in images] == ["https://example.com/image.png"] * 3


def test_several_set_images_are_not_repeated(openai_mock, client):
    openai_mock.images.generate.response = {"data": [{"url": "https://a.test"}, {}]}
    images = client.images.generate(model="dall-e-2", prompt="p", n=3).data
    assert [image.url for image in images] == ["https://a.test", "https://example.com/image.png"]


def test_image_can_be_set_as_bytes(openai_mock, client):
    openai_mock.images.generate.response = [b"one", b"two"]
    (first,) = client.images.generate(model="gpt-image-1", prompt="p").data
    assert base64.b64decode(first.b64_json) == b"one"
    images = client.images.generate(model="gpt-image-1", prompt="p", n=2).data
    assert [base64.b64decode(image.b64_json) for image in images] == [b"two", b"two"]


@pytest.mark.parametrize(
    "name, options, prefix, union",
    [
        ("generate", {}, "image_generation", "ImageGen"),
        ("edit", {"image": b"png"}, "image_edit", "ImageEdit"),
    ],
    ids=["generate", "edit"],
)
@pytest.mark.parametrize("partial_count", [0, 3])
async def test_image_stream_ends_with_the_plain_image(
    openai_mock, name, options, prefix, union, partial_count, either_client
):
    lookup(openai_mock, f"images.{name}").response = {"data": [{"b64_json": "QUJDRA=="}]}
    request = {"model": "gpt-image-1", "prompt": "a cat", "quality": "low", **options}
    method = getattr(either_client.images, name)
    plain = await awaited(method(**request))
    *partial_images, completed = await collect(method(**request, stream=True, partial_images=partial_count))
    assert [event.type for event in partial_images] == [f"{prefix}.partial_image"] * partial_count
    assert [event.partial_image_index for event in partial_images] == list(range(partial_count))
    assert completed.type == f"{prefix}.completed"
    assert completed.b64_json == plain.data[0].b64_json
    assert contains(plain.usage.to_dict(), completed.usage.to_dict())
    for event in (*partial_images, completed):
        assert event.quality == "low"
        assert event.size == "1024x1024"
        valid(f"{union}StreamEvent", event.to_dict(mode="json"))


def test_image_stream_without_settings_reports_auto(client):
    (completed,) = client.images.generate(model="dall-e-3", prompt="a cat", stream=True)
    settings = {name: getattr(completed, name) for name in ("background", "output_format", "quality", "size")}
    assert settings == {"background": "auto", "output_format": "png", "quality": "auto", "size": "auto"}
    assert completed.usage.total_tokens == 0


@pytest.mark.parametrize(
    "options, size",
    [
        ({"model": "text-embedding-3-small"}, 1536),
        ({"model": "text-embedding-3-large"}, 3072),
        ({"model": "text-embedding-3-large", "dimensions": 5}, 5),
    ],
    ids=["default", "large", "requested"],
)
def test_embedding_has_the_dimensions_of_its_model(client, options, size):
    vector = lenient_client().embeddings.create(**options, input="x").data[0].embedding  # decoded from base64
    assert len(vector) == size
    assert math.hypot(*vector) == pytest.approx(1, abs=1e-6)


def test_same_text_has_the_same_embedding(client):
    create = functools.partial(client.embeddings.create, model="m", dimensions=4, encoding_format="float")
    first, second, third = [item.embedding for item in create(input=["a", "b", "a"]).data]
    assert first == third
    assert first != second
    assert create(input="a").data[0].embedding == first


@pytest.mark.parametrize(
    "value, count, tokens",
    [("a" * 8, 1, 2), (["a" * 8, "b"], 2, 3), ([1, 2], 1, 2), ([[1], [2], [3]], 3, 3)],
    ids=["text", "texts", "token IDs", "lists of token IDs"],
)
def test_each_input_has_an_embedding(client, value, count, tokens):
    answer = client.embeddings.create(model="m", input=value, dimensions=2, encoding_format="float")
    assert answer.object == "list"
    assert answer.model == "m"
    assert [item.index for item in answer.data] == list(range(count))
    assert {item.object for item in answer.data} == {"embedding"}
    assert answer.usage.to_dict() == {"prompt_tokens": tokens, "total_tokens": tokens}


@pytest.mark.parametrize(
    "value, vectors",
    [
        ([0.5, 1], [[0.5, 1], [0.5, 1]]),
        ([[0.5, 1]], [[0.5, 1], [0.5, 1]]),
        ([[0.5, 1], [0, 1]], [[0.5, 1], [0, 1]]),
    ],
    ids=["one vector", "list of one vector", "two vectors"],
)
def test_set_vectors_become_embeddings(openai_mock, client, value, vectors):
    openai_mock.embeddings.create.response = [value, error(500), ...]
    answer = client.embeddings.create(model="m", input=["a", "b"])
    assert [item.embedding for item in answer.data] == vectors
    assert [item.index for item in answer.data] == [0, 1]
    assert answer.usage.prompt_tokens == 2


@pytest.mark.parametrize(
    "value, number",
    [(..., 2), ([0.5, 1], 2), ([[0.5, 1], [0, 1]], 2), ({"data": [{"embedding": [0.5, 1]}]}, 1)],
    ids=["default", "one vector", "two vectors", "partial"],
)
def test_embeddings_are_base64_on_request(openai_mock, value, number):
    openai_mock.embeddings.create.response = value
    for encoding, embedding_type in (("base64", str), ("float", list), ("base64", str)):
        body = {"model": "m", "input": ["a", "b"], "encoding_format": encoding}
        data = sent(openai_mock, "embeddings.create", body).json()["data"]
        assert [type(item["embedding"]) for item in data] == [embedding_type] * number


def test_base64_embeddings_are_32_bit_floats(openai_mock):
    openai_mock.embeddings.create.response = [0.5, 1]
    body = {"model": "m", "input": "a", "encoding_format": "base64"}
    (item,) = sent(openai_mock, "embeddings.create", body).json()["data"]
    assert base64.b64decode(item["embedding"]) == b"\x00\x00\x00\x3f\x00\x00\x80\x3f"


def test_recorded_base64_embeddings_are_unchanged(openai_mock):
    vector = {"object": "embedding", "index": 0, "embedding": "AACAPwAAAAA="}
    recorded = {"object": "list", "model": "m", "data": [vector], "usage": {"prompt_tokens": 1, "total_tokens": 1}}
    openai_mock.embeddings.create.response = recorded
    body = {"model": "m", "input": "a", "encoding_format": "base64"}
    assert sent(openai_mock, "embeddings.create", body).json() == recorded


def test_vector_and_input_count_mismatch_raises(openai_mock, client):
    openai_mock.embeddings.create.response = [[0.5, 1], [0, 1]]
    message = "embeddings.create.response has 2 vectors for 3 inputs; set one vector for all, or one for each"
    with pytest.raises(AssertionError, match=message):
        client.embeddings.create(model="m", input=["a", "b", "c"])


@pytest.mark.parametrize(
    "value, count",
    [
        ("Hi", 1),
        (["Hi"], 1),
        (["Hi", "you"], 2),
        ([{"type": "text", "text": "Hi"}, {"type": "image_url", "image_url": {"url": "https://a.test/b.png"}}], 1),
    ],
    ids=["text", "one text", "two texts", "parts of one input"],
)
def test_each_input_has_a_moderation_result(client, value, count):
    moderation = client.moderations.create(input=value)
    assert moderation.id == "modr-000000000000000000000001"
    assert moderation.model == "omni-moderation-latest"
    assert len(moderation.results) == count


def test_default_moderation_flags_nothing(client):
    (result,) = client.moderations.create(model="omni-moderation-2024-09-26", input="Hi").to_dict()["results"]
    categories = {
        "harassment",
        "harassment/threatening",
        "hate",
        "hate/threatening",
        "illicit",
        "illicit/violent",
        "self-harm",
        "self-harm/instructions",
        "self-harm/intent",
        "sexual",
        "sexual/minors",
        "violence",
        "violence/graphic",
    }
    assert result == {
        "flagged": False,
        "categories": dict.fromkeys(categories, False),
        "category_scores": dict.fromkeys(categories, 0.0),
        "category_applied_input_types": {category: [] for category in categories},
    }


@requires("decisions.create")
def test_decision_usage_counts_the_input_and_the_instructions(client):
    questions = [
        {"type": "predicate", "instructions": "a" * 40},
        {"type": "choice", "instructions": "b" * 400, "choices": [{"value": "c"}]},
    ]
    usage = client.decisions.create(model="m", input="d" * 4000, questions=questions).usage
    assert usage.input_tokens == 1000 + 100 + 10
    assert usage.output_tokens == 2
    assert usage.total_tokens == 1112


@requires("decisions.create")
def test_default_decision_is_certain(client):
    questions = [
        {"type": "choice", "name": "n", "instructions": "a", "choices": [{"value": "b"}, {"value": "c"}]},
        {"type": "score", "instructions": "d", "levels": [{"label": "low"}, {"label": "high"}]},
    ]
    choice, score = client.decisions.create(model="m", input="d", questions=questions).to_dict()["answers"]
    assert choice == {
        "type": "choice",
        "name": "n",
        "choice": "b",
        "confidence": 1.0,
        "probabilities": [{"value": "b", "probability": 1.0}, {"value": "c", "probability": 0.0}],
    }
    assert score == {
        "type": "score",
        "name": None,
        "score": 0.0,
        "confidence": 1.0,
        "probabilities": [
            {"label": "low", "value": 0, "probability": 1.0},
            {"label": "high", "value": 1, "probability": 0.0},
        ],
    }


# ======================================================================================================================
# REALTIME
# ======================================================================================================================


SERVER_EVENTS = {
    "realtime": "realtime.RealtimeServerEvent",
    "beta.realtime": "beta.realtime.RealtimeServerEvent",
    "realtime.translations": "realtime.RealtimeTranslationServerEvent",
    "live": "live.ServerEvent",
    "live.forks": "live.ForkServerEvent",
    "live.sideband": "live.ConnectServerEvent",
}
CONNECT_PARAMS = {
    "realtime": {"model": "gpt-4o-realtime-preview"},
    "beta.realtime": {"model": "gpt-4o-realtime-preview"},
    "realtime.translations": {"model": "gpt-realtime-translate"},
    "live.forks": {"session_id": "sess_1"},
    "live.sideband": {"session_id": "sess_1"},
}
RESPONSE_CREATE = {"type": "response.create"}
NOISE = b"\1\2" * 4800  # 200 ms of sound in the default format
SILENCE = bytes(9600)  # 200 ms
PCM_FORMAT = {"type": "audio/pcm", "rate": 24000}
VAD_DEFAULTS = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 200}
TRANSCRIPTION_AUDIO_INPUT = {
    "format": PCM_FORMAT,
    "transcription": None,
    "noise_reduction": None,
    "turn_detection": VAD_DEFAULTS | {"idle_timeout_ms": None},
}
RESPONDING_VAD = VAD_DEFAULTS | {"create_response": True, "interrupt_response": True}
REALTIME_AUDIO_INPUT = TRANSCRIPTION_AUDIO_INPUT | {"turn_detection": RESPONDING_VAD | {"idle_timeout_ms": None}}


def in_base64(data):
    """Return bytes as a base64 string."""
    return base64.b64encode(data).decode()


def item(text="Hi", role="user", part_type="input_text", **item_fields):
    """Return the client event that adds a message to the conversation."""
    message = {"type": "message", "role": role, "content": [{"type": part_type, "text": text}]}
    return {"type": "conversation.item.create", "item": message | item_fields}


def function_output_message(call_id, output="sunny"):
    """Return the client event that adds the output of a tool call to the conversation."""
    output_item = {"type": "function_call_output", "call_id": call_id, "output": output}
    return {"type": "conversation.item.create", "item": output_item}


def append_audio(data, event_type="input_audio_buffer.append"):
    """Return the client event that adds audio to the input buffer."""
    return {"type": event_type, "audio": in_base64(data)}


def update_audio_input(**settings):
    """Return the client event that changes settings of the input audio."""
    return {"type": "session.update", "session": {"type": "realtime", "audio": {"input": settings}}}


def realtime_events(kind, *messages, name="realtime", client=None, **settings):
    """Return all events of a new session that receives these messages, validated with the SDK's types.

    A message that is the type of a final event means: wait for that event before the next message is sent.
    """
    settings = CONNECT_PARAMS.get(name, {}) | settings

    async def use_session():
        events = []
        async with enter(lookup(client or sdk(kind), name).connect(**settings)) as connection:
            for message in (*messages, {"type": "the.end"}):
                if message in FINAL_EVENT_TYPES:
                    events += await send_and_receive(connection, final_types=[message])
                    continue
                await awaited(connection._connection.send(message if isinstance(message, str) else json.dumps(message)))
            while "the.end" not in str(events[-1:]):  # the error about an unknown type is the last event
                events.append(json.loads(await awaited(connection.recv_bytes())))
                valid(SERVER_EVENTS[name], events[-1])
        return events[:-1]

    return run_coroutine(kind, use_session())


def distinct_event_types(events):
    """Return the types of events in order, with consecutive repetitions left out."""
    return [event_type for event_type, _ in itertools.groupby(event["type"] for event in events)]


def events_of_type(events, event_type):
    """Return the events of a type."""
    return [event for event in events if event["type"] == event_type]


def error_codes(events):
    """Return the codes of the error events."""
    return [event["error"]["code"] for event in events_of_type(events, "error")]


def last_response(events):
    """Return the response that finished last."""
    return events_of_type(events, "response.done")[-1]["response"]


def response_texts(response):
    """Return the texts and transcripts in the output of a response."""
    texts = []
    for output_item in response["output"]:
        for part in output_item.get("content", ()):
            texts.append(part.get("text", part.get("transcript")))
    return texts


def all_response_texts(events):
    """Return the texts of each finished response."""
    return [response_texts(event["response"]) for event in events_of_type(events, "response.done")]


def pop_expiry(fields):
    """Remove and return the seconds until an object expires, rounded to tens."""
    return round(fields.pop("expires_at") - time.time(), -1)


def test_realtime_session_has_the_default_settings(openai_mock):
    session = realtime_events("sync", model="gpt-realtime-mini")[0]["session"]
    assert pop_expiry(session) == 3600
    assert session.pop("id", "sess_0").startswith("sess_")  # early releases of openai 2 don't have it
    assert session.pop("object", "realtime.session") == "realtime.session"
    assert session == {
        "type": "realtime",
        "model": "gpt-realtime-mini",
        "output_modalities": ["audio"],
        "instructions": "You are a helpful assistant.",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "include": None,
        "audio": {
            "input": REALTIME_AUDIO_INPUT,
            "output": {"format": PCM_FORMAT, "voice": "alloy", "speed": 1.0},
        },
    }


def test_transcription_session_has_the_default_settings(openai_mock):
    session = realtime_events("sync", extra_query={"intent": "transcription"})[0]["session"]
    assert pop_expiry(session) == 3600
    assert session.pop("id").startswith("sess_")
    assert session == {
        "type": "transcription",
        "object": "realtime.transcription_session",
        "model": "gpt-4o-realtime-preview",
        "include": None,
        "audio": {"input": TRANSCRIPTION_AUDIO_INPUT},
    }


BETA_SESSION_DEFAULTS = {
    "object": "realtime.session",
    "model": "gpt-4o-realtime-preview",
    "modalities": ["audio", "text"],
    "instructions": "You are a helpful assistant.",
    "voice": "alloy",
    "input_audio_format": "pcm16",
    "output_audio_format": "pcm16",
    "input_audio_transcription": None,
    "input_audio_noise_reduction": None,
    "turn_detection": RESPONDING_VAD,
    "tools": [],
    "tool_choice": "auto",
    "temperature": 0.8,
    "speed": 1.0,
    "max_response_output_tokens": "inf",
    "tracing": None,
}


def test_beta_realtime_session_has_the_default_settings(openai_mock):
    created, conversation_created = realtime_events("sync", name="beta.realtime")
    assert created["session"].pop("id").startswith("sess_")
    assert created["session"] == BETA_SESSION_DEFAULTS
    conversation = conversation_created["conversation"]
    assert conversation.pop("id").startswith("conv_")
    assert conversation == {"object": "realtime.conversation"}


def test_beta_realtime_session_can_be_created_over_http(client):
    session = client.beta.realtime.sessions.create().to_dict(warnings=False)
    assert session.pop("id").startswith("sess_")
    client_secret = session.pop("client_secret")
    assert client_secret["value"].startswith("ek_")
    assert pop_expiry(client_secret) == 60
    assert session == BETA_SESSION_DEFAULTS


@requires("realtime.translations.connect")
def test_translation_session_has_the_default_settings(openai_mock):
    (created,) = realtime_events("sync", name="realtime.translations")
    session = created["session"]
    assert session.pop("id").startswith("sess_")
    assert pop_expiry(session) == 3600
    assert session == {
        "type": "translation",
        "model": "gpt-realtime-translate",
        "audio": {"input": {}, "output": {"language": "en"}},
    }


@pytest.mark.parametrize("name", ["live", "live.forks"])
@requires("live.forks.connect", "live.connect")
def test_live_session_has_the_default_settings(openai_mock, name):
    (started,) = realtime_events("sync", {"type": "session.start", "session": {}}, name=name)
    session = started["session"]
    expected_id = "sess_1" if name == "live.forks" else "sess_"
    assert session.pop("id").startswith(expected_id)
    assert pop_expiry(session) == 3600
    assert session == {
        "status": "active",
        "model": "gpt-live-1",
        "audio": {"format": PCM_FORMAT, "output": {"voice": "marin"}},
    }


CONTENT_PART_EVENTS = ("response.content_part.added", "response.content_part.done")
AUDIO_EVENTS = [
    CONTENT_PART_EVENTS[0],
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    CONTENT_PART_EVENTS[1],
]
TEXT_EVENTS = [
    CONTENT_PART_EVENTS[0],
    "response.output_text.delta",
    "response.output_text.done",
    CONTENT_PART_EVENTS[1],
]
FUNCTION_CALL_EVENTS = ["response.function_call_arguments.delta", "response.function_call_arguments.done"]
ITEM_ADDED_EVENTS = ["response.output_item.added", "conversation.item.added"]
ITEM_DONE_EVENTS = ["conversation.item.done", "response.output_item.done"]


@pytest.mark.parametrize(
    ("turn", "response_params", "output_events"),
    [
        ("Hello", {}, AUDIO_EVENTS),
        ("Hello", {"output_modalities": ["text"]}, TEXT_EVENTS),
        (tool_call("f", {}), {}, FUNCTION_CALL_EVENTS),
        (
            "Hello" + tool_call("f", {}),
            {},
            [*AUDIO_EVENTS, *ITEM_DONE_EVENTS, *ITEM_ADDED_EVENTS, *FUNCTION_CALL_EVENTS],
        ),
        (refusal("Hello"), {"output_modalities": ["text"]}, TEXT_EVENTS),
        (..., {}, AUDIO_EVENTS),
    ],
    ids=["audio", "text", "function call", "audio and function call", "refusal", "default"],
)
def test_realtime_response_sends_its_lifecycle_events(openai_mock, client_kind, turn, response_params, output_events):
    openai_mock.realtime.connect.response = streamed(turn, chunk=100)
    created, *events = realtime_events(client_kind, item(), RESPONSE_CREATE | {"response": response_params})
    assert created["type"] == "session.created"
    first_events = ["conversation.item.added", "conversation.item.done", "response.created", "rate_limits.updated"]
    item_events = [*ITEM_ADDED_EVENTS, *output_events, *ITEM_DONE_EVENTS]
    assert distinct_event_types(events) == [*first_events, *item_events, "response.done"]
    assert len({event["event_id"] for event in events}) == len(events)
    response = last_response(events)
    assert response["status"] == "completed"
    assert response["conversation_id"].startswith("conv_")
    assert response["usage"]["total_tokens"] == response["usage"]["input_tokens"] + response["usage"]["output_tokens"]
    if "Hello" in repr(turn):
        assert response_texts(response) == ["Hello"]


def response_events(turn, output_modalities):
    """Return the events of a response from its first item on, without event IDs, and the response."""
    with OpenAIMock() as openai_mock:
        openai_mock.realtime.connect.response = streamed(turn, chunk=2)
        response_params = {"output_modalities": output_modalities}
        _, _, _, *events = realtime_events("sync", RESPONSE_CREATE | {"response": response_params})
    for event in events:
        assert event.pop("event_id").startswith("event_")
    *events, done = events
    return events, done["response"]


def output_item_events(response, output_item, initial_fields, output_events):
    """Return the expected events of the only output item of a response."""
    position = {"response_id": response["id"], "output_index": 0}
    initial = output_item | {"status": "in_progress"} | initial_fields
    added = {"previous_item_id": None, "item": initial}
    return [
        {"type": "response.output_item.added", "item": initial} | position,
        {"type": "conversation.item.added"} | added,
        *(event | position | {"item_id": output_item["id"]} for event in output_events),
        {"type": "conversation.item.done"} | added | {"item": output_item},
        {"type": "response.output_item.done", "item": output_item} | position,
    ]


def test_realtime_text_response_events_have_all_fields():
    events, response = response_events("Hey", ["text"])
    output_item = {
        "id": response["output"][0]["id"],
        "object": "realtime.item",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "Hey"}],
    }
    assert response["output"] == [output_item]
    output_events = [
        {"type": "response.content_part.added", "part": {"type": "text", "text": ""}, "content_index": 0},
        {"type": "response.output_text.delta", "delta": "He", "content_index": 0},
        {"type": "response.output_text.delta", "delta": "y", "content_index": 0},
        {"type": "response.output_text.done", "text": "Hey", "content_index": 0},
        {"type": "response.content_part.done", "part": {"type": "text", "text": "Hey"}, "content_index": 0},
    ]
    assert events == output_item_events(response, output_item, {"content": []}, output_events)


def test_realtime_audio_response_events_have_all_fields():
    events, response = response_events("Hey", ["audio"])
    output_item = {
        "id": response["output"][0]["id"],
        "object": "realtime.item",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_audio", "transcript": "Hey"}],
    }
    assert response["output"] == [output_item]
    ten_ms = bytes(480)  # of silence, for each character
    output_events = [
        {"type": "response.content_part.added", "part": {"type": "audio", "transcript": ""}},
        {"type": "response.output_audio_transcript.delta", "delta": "He"},
        {"type": "response.output_audio.delta", "delta": in_base64(ten_ms * 2)},
        {"type": "response.output_audio_transcript.delta", "delta": "y"},
        {"type": "response.output_audio.delta", "delta": in_base64(ten_ms)},
        {"type": "response.output_audio.done"},
        {"type": "response.output_audio_transcript.done", "transcript": "Hey"},
        {"type": "response.content_part.done", "part": {"type": "audio", "transcript": "Hey"}},
    ]
    output_events = [event | {"content_index": 0} for event in output_events]
    assert events == output_item_events(response, output_item, {"content": []}, output_events)


def test_realtime_function_call_events_have_all_fields():
    events, response = response_events(tool_call("f", {}, "call_1"), ["audio"])
    output_item = {
        "id": response["output"][0]["id"],
        "object": "realtime.item",
        "type": "function_call",
        "status": "completed",
        "call_id": "call_1",
        "name": "f",
        "arguments": "{}",
    }
    assert response["output"] == [output_item]
    done = {"type": "response.function_call_arguments.done", "call_id": "call_1", "name": "f", "arguments": "{}"}
    output_events = [
        {"type": "response.function_call_arguments.delta", "call_id": "call_1", "delta": "{}"},
        done,
    ]
    assert events == output_item_events(response, output_item, {"arguments": ""}, output_events)


def test_realtime_response_starts_without_output_and_usage(openai_mock):
    created, *_, done = realtime_events("sync", RESPONSE_CREATE)[1:]
    initial = created["response"]
    assert initial["status"] == "in_progress"
    assert initial["output"] == []
    assert initial["usage"] is None
    assert initial["status_details"] is None
    final_fields = {"status": "completed", "output": done["response"]["output"], "usage": done["response"]["usage"]}
    assert done["response"] == initial | final_fields


def test_cut_realtime_response_is_incomplete(openai_mock):
    openai_mock.realtime.connect.response = cut("Hello")
    response = last_response(realtime_events("sync", RESPONSE_CREATE))
    assert response["status"] == "incomplete"
    assert response["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
    assert response["output"][0]["status"] == "incomplete"


def test_realtime_response_cannot_have_citations(openai_mock):
    with pytest.raises(TypeError, match="a realtime response cannot have citations"):
        openai_mock.realtime.connect.response = cited("Hi", url="https://example.com")


def test_realtime_audio_and_transcript_are_streamed_in_deltas(openai_mock, client_kind):
    audio = bytes(range(256)) * 3 + b"!"
    part = {"transcript": "one two three", "audio": in_base64(audio)}
    openai_mock.realtime.connect.response = [{"output": [{"role": "assistant", "content": [part]}]}, "one two"]
    events = realtime_events(client_kind, RESPONSE_CREATE, "response.done", RESPONSE_CREATE)
    pieces = [base64.b64decode(event["delta"]) for event in events_of_type(events, "response.output_audio.delta")]
    assert b"".join(pieces[:3]) == audio
    assert len(pieces) == 5
    assert set(b"".join(pieces[3:])) == {0}
    assert all(pieces)
    transcript_deltas = [event["delta"] for event in events_of_type(events, "response.output_audio_transcript.delta")]
    assert transcript_deltas == ["one ", "two ", "three", "one ", "two"]
    assert "audio" not in json.dumps(last_response(events)["output"]).replace("output_audio", "")


@pytest.mark.parametrize(
    ("audio_type", "silence"),
    [
        ("audio/pcm", b"\0" * 480),
        ("audio/pcmu", b"\xff" * 80),
        ("audio/pcma", b"\xd5" * 80),
    ],
    ids=["pcm", "pcmu", "pcma"],
)
def test_realtime_output_audio_has_the_format_of_the_session(openai_mock, audio_type, silence):
    openai_mock.realtime.connect.response = "Hey"
    session = {"type": "realtime", "audio": {"output": {"format": {"type": audio_type}}}}
    events = realtime_events("sync", {"type": "session.update", "session": session}, RESPONSE_CREATE)
    (delta,) = events_of_type(events, "response.output_audio.delta")
    assert base64.b64decode(delta["delta"]) == silence * 3  # 10 ms for each character


@pytest.mark.parametrize(
    ("audio_format", "silence"),
    [("pcm16", b"\0" * 480), ("g711_ulaw", b"\xff" * 80), ("g711_alaw", b"\xd5" * 80)],
    ids=["pcm16", "ulaw", "alaw"],
)
def test_beta_realtime_output_audio_has_the_format_of_the_session(openai_mock, audio_format, silence):
    openai_mock.beta.realtime.connect.response = "Hey"
    update = {"type": "session.update", "session": {"output_audio_format": audio_format}}
    events = realtime_events("sync", update, RESPONSE_CREATE, name="beta.realtime")
    (delta,) = events_of_type(events, "response.audio.delta")
    assert base64.b64decode(delta["delta"]) == silence * 3


def test_realtime_tool_loop_uses_rules_and_callables(openai_mock, client_kind):
    connect = openai_mock.realtime.connect
    connect.when("Tokyo").response = tool_call("get_weather", city="Tokyo")
    tool_result_rule = connect.when(tool_result=True)
    tool_result_rule.response = lambda request, body, conversation, tools: (
        f"{conversation[-1]['output']} {len(conversation)} {tools[0]['name']} {body['instructions']}"
    )
    weather = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}
    session = {"type": "realtime", "tools": [weather], "instructions": "Be brief.", "output_modalities": ["text"]}

    async def use_session():
        async with enter(sdk(client_kind).realtime.connect(model="gpt-realtime")) as connection:
            update = {"type": "session.update", "session": session}
            question = item("Weather in Tokyo?")
            received = await send_and_receive(connection, update, final_types=["session.updated"])
            received += await send_and_receive(connection, question, final_types=["conversation.item.done"])
            received += await send_and_receive(connection, RESPONSE_CREATE)
            (call,) = last_response(received)["output"]
            output = function_output_message(call["call_id"])
            received += await send_and_receive(connection, output, final_types=["conversation.item.done"])
            return received + await send_and_receive(connection, RESPONSE_CREATE)

    events = run_coroutine(client_kind, use_session())
    assert response_texts(last_response(events)) == ["sunny 3 get_weather Be brief."]
    assert tool_result_rule.call_count == 1
    assert connect.call_count == 5


def added_item_ids(events):
    """Return the ID of each added item with that of the item before it."""
    added = events_of_type(events, "conversation.item.added")
    return [(event["item"]["id"], event["previous_item_id"]) for event in added]


def test_realtime_item_is_inserted_after_the_previous_item(openai_mock, client_kind):
    events = realtime_events(
        client_kind,
        item("A", id="a"),
        item("C", id="c"),
        item("B", id="b") | {"previous_item_id": "a"},
        item("Z", id="z") | {"previous_item_id": "root"},
        RESPONSE_CREATE,
    )
    *created, answer = added_item_ids(events)
    assert created == [("a", None), ("c", "a"), ("b", "a"), ("z", None)]
    assert answer[1] == "c"


def test_created_realtime_item_is_reported_with_its_defaults(openai_mock):
    _, added, done = realtime_events("sync", item("Hi"))
    created_item = added["item"]
    assert created_item["id"].startswith("item_")
    assert created_item["object"] == "realtime.item"
    assert created_item["status"] == "completed"
    assert created_item["content"] == [{"type": "input_text", "text": "Hi"}]
    assert done["item"] == created_item
    assert done["previous_item_id"] is None


def test_duplicate_realtime_item_id_is_rejected(openai_mock, client_kind):
    events = realtime_events(client_kind, item("A", id="a"), item("A", id="a"))
    assert error_codes(events) == ["item_create_duplicate_item_id"]
    assert events[-1]["error"]["param"] == "item.id"


def test_truncated_realtime_item_loses_its_text(openai_mock, client_kind):
    truncate_params = {"item_id": "b", "content_index": 0, "audio_end_ms": 10}
    truncate = {"type": "conversation.item.truncate", **truncate_params}
    answer = item("B", role="assistant", part_type="output_text", id="b")
    retrieve = {"type": "conversation.item.retrieve", "item_id": "b"}
    *_, truncated, retrieved = realtime_events(client_kind, answer, truncate, retrieve)
    assert truncated.pop("event_id")
    assert truncated == {"type": "conversation.item.truncated", **truncate_params}
    assert retrieved["item"]["content"] == [{"type": "output_text", "transcript": ""}]


@pytest.mark.parametrize(
    ("role", "part_type", "content_index"),
    [("user", "input_text", 0), ("assistant", "output_text", 1), ("assistant", "output_text", -1)],
)
def test_truncation_needs_a_content_part_of_the_assistant(openai_mock, role, part_type, content_index):
    truncate = {"type": "conversation.item.truncate", "item_id": "a", "audio_end_ms": 10}
    created = item("A", role=role, part_type=part_type, id="a")
    events = realtime_events("sync", created, truncate | {"content_index": content_index})
    assert error_codes(events) == ["invalid_value"]
    assert events[-1]["error"]["message"] == "Only audio of the assistant can be truncated."


def test_deleted_realtime_item_is_not_part_of_the_conversation(openai_mock, client_kind):
    openai_mock.realtime.connect.response = lambda request, conversation: str([each["id"] for each in conversation])
    delete = {"type": "conversation.item.delete", "item_id": "a"}
    events = realtime_events(client_kind, item("A", id="a"), item("B", id="b"), delete, RESPONSE_CREATE)
    (deleted,) = events_of_type(events, "conversation.item.deleted")
    assert deleted["item_id"] == "a"
    assert response_texts(last_response(events)) == ["['b']"]


TURN_DETECTION_PARAM = "session.audio.input.turn_detection"


@pytest.mark.parametrize(
    ("message", "code", "param", "expected_text"),
    [
        ("{no json", None, None, "could not parse"),
        ({"type": "response.dance"}, "invalid_value", "type", "response.dance"),
        ({"type": "conversation.item.create"}, "missing_required_parameter", "item", "item"),
        ({"type": "conversation.item.create", "item": {"type": "dance"}}, "invalid_value", "item.type", "dance"),
        ({"type": "conversation.item.create", "item": 3}, "invalid_type", "item", "an integer"),
        (
            {"type": "conversation.item.create", "item": {"role": "user"}},
            "missing_required_parameter",
            "item.type",
            "type",
        ),
        (item(id="a") | {"previous_item_id": "x"}, "item_create_invalid_previous_item_id", "previous_item_id", "'x'"),
        (function_output_message("call_x"), "invalid_tool_call_id", "item.call_id", "call_x"),
        (
            {"type": "conversation.item.retrieve", "item_id": "x"},
            "item_retrieve_invalid_item_id",
            "item_id",
            "'conversation.item.retrieve': the item with id 'x' does not exist",
        ),
        (
            {"type": "conversation.item.truncate", "item_id": "x", "content_index": 0, "audio_end_ms": 1},
            "item_truncate_invalid_item_id",
            "item_id",
            "'x'",
        ),
        ({"type": "conversation.item.delete", "item_id": "x"}, "item_delete_invalid_item_id", "item_id", "'x'"),
        ({"type": "input_audio_buffer.append", "audio": "%%%"}, "invalid_value", "audio", "base64"),
        ({"type": "input_audio_buffer.append", "audio": 3}, "invalid_type", "audio", "a string"),
        ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty", None, "0.00ms"),
        ({"type": "response.cancel"}, "response_cancel_not_active", None, "no active response"),
        ({"type": "session.update", "session": 3}, "invalid_type", "session", "an object"),
        ({"type": "session.update", "session": {"type": "dance"}}, "invalid_value", "session.type", "dance"),
        (
            update_audio_input(turn_detection={"type": "new", "threshold": {}}),
            "invalid_type",
            f"{TURN_DETECTION_PARAM}.threshold",
            "a decimal",
        ),
        ({"type": "output_audio_buffer.clear"}, "invalid_value", None, "no response was made"),
        ({"type": "response.create", "response": 3}, "invalid_type", "response", "an object"),
    ],
)
def test_realtime_session_continues_after_an_invalid_message(
    openai_mock, client_kind, message, code, param, expected_text
):
    openai_mock.realtime.connect.response = ["I am still here."]  # an invalid message doesn't consume a step
    event_id = None
    if isinstance(message, dict):
        event_id = "event_mine"
        message = {"event_id": event_id, **message}
    _, error_event, *events = realtime_events(client_kind, message, RESPONSE_CREATE)
    assert error_event["type"] == "error"
    details = error_event["error"]
    assert (details["code"], details["param"]) == (code, param)
    assert details["type"] == "invalid_request_error"
    assert expected_text in details["message"]
    assert details["event_id"] == event_id
    assert response_texts(last_response(events)) == ["I am still here."]


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        (RESPONSE_CREATE | {"dance": 1}, "unknown_parameter", "dance"),
        (RESPONSE_CREATE | {"response": {"tool_choice": 3}}, "invalid_type", "response.tool_choice"),
        (item() | {"event_id": 3}, "invalid_type", "event_id"),
        (update_audio_input(format={"type": "audio/opus"}), "invalid_value", "session.audio.input.format.type"),
        (
            update_audio_input(format={"type": "audio/pcm", "rate": 8000}),
            "invalid_value",
            "session.audio.input.format.rate",
        ),
    ],
)
def test_strict_realtime_session_validates_messages(client_kind, message, code, param):
    with OpenAIMock(strict=True):
        _, error_event, *events = realtime_events(client_kind, message, RESPONSE_CREATE)
    assert (error_event["error"]["code"], error_event["error"]["param"]) == (code, param)
    assert last_response(events)["status"] == "completed"


@pytest.mark.parametrize(
    ("strict", "duration_ms", "codes"),
    [
        (False, 10, []),
        (True, 10, ["input_audio_buffer_commit_empty"]),
        (True, 99, ["input_audio_buffer_commit_empty"]),
        (True, 100, []),
    ],
)
def test_strict_commit_needs_100_ms_of_audio(client_kind, strict, duration_ms, codes):
    commit = {"type": "input_audio_buffer.commit"}
    with OpenAIMock(strict=strict):
        events = realtime_events(client_kind, append_audio(NOISE[: 48 * duration_ms]), commit)
    assert error_codes(events) == codes
    if codes:
        assert f"buffer only has {duration_ms}.00ms" in events[-1]["error"]["message"]


@pytest.mark.parametrize(
    "settings",
    [
        {"format": {"type": "audio/opus"}},
        {"turn_detection": {"type": "new_vad", "sensitivity": 3}},
        {"noise_reduction": {"type": "far_side"}, "dance": True},
    ],
    ids=["format", "turn detection", "field"],
)
def test_realtime_settings_unknown_to_the_sdk_are_accepted(openai_mock, client_kind, settings):
    async def use_session():
        async with enter(sdk(client_kind).realtime.connect(model="gpt-realtime")) as connection:
            update = await send_and_receive(connection, update_audio_input(**settings), final_types=["session.updated"])
            await awaited(connection.input_audio_buffer.append(audio=in_base64(NOISE)))
            return update[-1], (await send_and_receive(connection, RESPONSE_CREATE))[-1]

    updated, done = run_coroutine(client_kind, use_session())
    assert contains(updated["session"]["audio"]["input"], settings)
    assert done["response"]["status"] == "completed"


def test_session_update_keeps_other_audio_settings(openai_mock):
    session = {"type": "realtime", "audio": {"output": {"voice": "cedar"}}, "instructions": "Be brief."}
    created, updated = realtime_events("sync", {"type": "session.update", "session": session})
    expected = created["session"] | {"instructions": "Be brief."}
    expected["audio"]["output"]["voice"] = "cedar"
    assert updated["session"] == expected


def test_realtime_usage_counts_spoken_input_and_output_as_audio_tokens(openai_mock, client_kind):
    openai_mock.realtime.connect.response = "Hello there."
    openai_mock.realtime.connect.when("again").response = "Bye"
    events = realtime_events(
        client_kind,
        update_audio_input(turn_detection=None),
        append_audio(NOISE + SILENCE),
        {"type": "input_audio_buffer.commit"},
        RESPONSE_CREATE | {"response": {"instructions": "Be brief"}},
        "response.done",
        item("Say it again"),
        RESPONSE_CREATE | {"response": {"output_modalities": ["text"], "instructions": ""}},
    )
    first, second = [event["response"]["usage"] for event in events_of_type(events, "response.done")]
    assert first == {
        "input_tokens": 6,
        "input_token_details": {"text_tokens": 2, "audio_tokens": 4, "cached_tokens": 0},
        "output_tokens": 3,
        "output_token_details": {"text_tokens": 0, "audio_tokens": 3},
        "total_tokens": 9,
    }
    assert second == {
        "input_tokens": 10,
        "input_token_details": {"text_tokens": 3, "audio_tokens": 7, "cached_tokens": 0},
        "output_tokens": 1,
        "output_token_details": {"text_tokens": 1, "audio_tokens": 0},
        "total_tokens": 11,
    }


@pytest.mark.parametrize("name", ["realtime", "beta.realtime"])
def test_output_audio_buffer_clear_is_confirmed(openai_mock, client_kind, name):
    clear = {"type": "output_audio_buffer.clear"}
    events = realtime_events(client_kind, RESPONSE_CREATE, "response.done", clear, name=name)
    assert events[-1]["type"] == "output_audio_buffer.cleared"
    assert events[-1]["response_id"] == last_response(events)["id"]


def test_realtime_rate_limits_match_the_http_headers(openai_mock, client, client_kind):
    headers = client.chat.completions.with_raw_response.create(**CHAT_REQUEST).headers
    (updated,) = events_of_type(realtime_events(client_kind, RESPONSE_CREATE), "rate_limits.updated")
    for limit in updated["rate_limits"]:
        assert headers[f"x-ratelimit-limit-{limit['name']}"] == str(limit["limit"])
        assert headers[f"x-ratelimit-remaining-{limit['name']}"] == str(limit["remaining"])
    assert [limit["name"] for limit in updated["rate_limits"]] == ["requests", "tokens"]
    assert [limit["reset_seconds"] for limit in updated["rate_limits"]] == [0.006, 0.0]
    assert headers["x-ratelimit-reset-requests"] == "6ms"
    assert headers["x-ratelimit-reset-tokens"] == "0s"


async def interrupted_response(kind, *messages):
    """Send messages after the first audio of a long response.

    Returns the events until all messages are handled, and the first item of the response as it is in the conversation.
    """
    async with enter(sdk(kind).realtime.connect(model="gpt-realtime")) as connection:
        events = await send_and_receive(connection, RESPONSE_CREATE, final_types=["response.output_audio.delta"])
        for message in messages:
            await awaited(connection._connection.send(json.dumps(message)))
        events += await send_and_receive(connection, {"type": "the.end"}, final_types=["error"])
        retrieve = {"type": "conversation.item.retrieve", "item_id": last_response(events)["output"][0]["id"]}
        *_, retrieved = await send_and_receive(connection, retrieve, final_types=["conversation.item.retrieved"])
        return events, retrieved["item"]


@pytest.mark.parametrize(
    ("message", "reason"),
    [({"type": "response.cancel"}, "client_cancelled"), (append_audio(NOISE), "turn_detected")],
    ids=["cancel", "speech"],
)
def test_interrupted_response_is_truncated_to_the_sent_transcript(openai_mock, client_kind, message, reason):
    openai_mock.realtime.connect.response = "word " * 400 + tool_call("f", {})  # the response ends before the call
    events, retrieved_item = run_coroutine(client_kind, interrupted_response(client_kind, message))
    response = last_response(events)
    assert response["status"] == "cancelled"
    assert response["status_details"] == {"type": "cancelled", "reason": reason}
    assert [each["status"] for each in response["output"]] == ["incomplete"]
    assert retrieved_item["status"] == "incomplete"
    deltas = events_of_type(events, "response.output_audio_transcript.delta")
    sent_transcript = "".join(event["delta"] for event in deltas)
    assert 0 < len(sent_transcript) < 1500
    assert response_texts(response) == [sent_transcript]
    assert retrieved_item["content"][0]["transcript"] == sent_transcript


def test_speech_does_not_interrupt_if_the_settings_disable_it(openai_mock, client_kind):
    openai_mock.realtime.connect.response = ["word " * 400]
    update = update_audio_input(turn_detection={"type": "server_vad", "interrupt_response": False})
    messages = [update, append_audio(NOISE + SILENCE)]
    events, _ = run_coroutine(client_kind, interrupted_response(client_kind, *messages))
    assert len(events_of_type(events, "input_audio_buffer.committed")) == 1
    assert all_response_texts(events) == [["word " * 400]]


def test_second_response_is_rejected_while_the_first_is_in_progress(openai_mock, client_kind):
    openai_mock.realtime.connect.response = ["Hello"]
    events = realtime_events(client_kind, RESPONSE_CREATE, RESPONSE_CREATE, RESPONSE_CREATE)
    assert error_codes(events) == ["conversation_already_has_active_response"] * 2
    response = last_response(events)
    assert events_of_type(events, "error")[0]["error"]["message"].endswith(f"in progress: {response['id']}.")
    assert all_response_texts(events) == [["Hello"]]


def test_out_of_band_response_is_not_part_of_the_conversation(openai_mock, client_kind):
    out_of_band = {"conversation": "none", "input": [item("Apart")["item"]], "metadata": {"topic": "aside"}}
    openai_mock.realtime.connect.response = "Hello"
    openai_mock.realtime.connect.when("Apart").response = "Aside"
    events = realtime_events(client_kind, RESPONSE_CREATE, RESPONSE_CREATE | {"response": out_of_band})
    assert all_response_texts(events) == [["Hello"], ["Aside"]]
    response = last_response(events)
    assert response["conversation_id"] is None
    assert response["metadata"] == {"topic": "aside"}
    assert len(events_of_type(events, "conversation.item.added")) == 1
    assert len(events_of_type(events, "response.output_item.added")) == 2


def test_response_input_can_refer_to_items_of_the_conversation(openai_mock):
    openai_mock.realtime.connect.response = lambda request, conversation: json.dumps(conversation)
    response_params = {"conversation": "none", "input": [{"type": "item_reference", "id": "b"}, item("C")["item"]]}
    events = realtime_events(
        "sync", item("A", id="a"), item("B", id="b"), RESPONSE_CREATE | {"response": response_params}
    )
    (text,) = response_texts(last_response(events))
    assert [each["content"][0]["text"] for each in json.loads(text)] == ["B", "C"]


@pytest.mark.skipif(
    not openai_responses._client_events("realtime.ResponseCreateEventWithReferencesParam"),
    reason="this SDK has no type for references to items",
)
def test_strict_response_input_can_refer_to_items_of_the_conversation():
    response_params = {"conversation": "none", "input": [{"type": "item_reference", "id": "b"}]}
    with OpenAIMock(strict=True):
        events = realtime_events("sync", item("B", id="b"), RESPONSE_CREATE | {"response": response_params})
    assert error_codes(events) == []
    assert last_response(events)["status"] == "completed"


def test_out_of_band_response_can_be_cancelled_by_its_id(openai_mock, client_kind):
    openai_mock.realtime.connect.response = "word " * 400
    out_of_band = RESPONSE_CREATE | {"response": {"conversation": "none", "output_modalities": ["text"]}}

    async def use_session():
        async with enter(sdk(client_kind).realtime.connect(model="gpt-realtime")) as connection:
            events = await send_and_receive(connection, out_of_band, final_types=["response.output_text.delta"])
            (created,) = events_of_type(events, "response.created")
            cancel = {"type": "response.cancel", "response_id": created["response"]["id"]}
            return await send_and_receive(connection, cancel, final_types=["response.done"])

    response = last_response(run_coroutine(client_kind, use_session()))
    assert response["status"] == "cancelled"
    assert response["status_details"]["reason"] == "client_cancelled"


SPEECH_TURN_EVENTS = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
]
TRANSCRIPTION_EVENT = "conversation.item.input_audio_transcription"


def test_speech_turn_is_detected_transcribed_and_answered(openai_mock, client_kind):
    openai_mock.audio.transcriptions.create.when(model="whisper-1").response = "Weather in Oslo?"
    openai_mock.realtime.connect.when("Oslo").response = "It rains."
    update = update_audio_input(transcription={"model": "whisper-1"})
    events = realtime_events(client_kind, update, append_audio(SILENCE + NOISE), append_audio(SILENCE))[2:]
    assert distinct_event_types(events)[:8] == [
        *SPEECH_TURN_EVENTS,
        f"{TRANSCRIPTION_EVENT}.delta",
        f"{TRANSCRIPTION_EVENT}.completed",
        "response.created",
    ]
    started, stopped, committed, added = events[:4]
    item_id = added["item"]["id"]
    assert started["audio_start_ms"] == 200
    assert started["item_id"] == item_id
    assert stopped["audio_end_ms"] == 400
    assert stopped["item_id"] == item_id
    assert committed["item_id"] == item_id
    assert committed["previous_item_id"] is None
    (completed,) = events_of_type(events, f"{TRANSCRIPTION_EVENT}.completed")
    assert completed.pop("event_id")
    assert completed == {
        "type": f"{TRANSCRIPTION_EVENT}.completed",
        "item_id": item_id,
        "content_index": 0,
        "transcript": "Weather in Oslo?",
        "usage": {"type": "duration", "seconds": 0.6},
    }
    deltas = events_of_type(events, f"{TRANSCRIPTION_EVENT}.delta")
    assert "".join(event["delta"] for event in deltas) == "Weather in Oslo?"
    assert {(event["item_id"], event["content_index"]) for event in deltas} == {(item_id, 0)}
    assert all_response_texts(events) == [["It rains."]]


def test_second_speech_turn_continues_the_time_of_the_session(openai_mock, client_kind):
    messages = [append_audio(SILENCE + NOISE + SILENCE), "response.done"]
    events = realtime_events(client_kind, *messages, *messages)
    first_start, second_start = events_of_type(events, "input_audio_buffer.speech_started")
    assert (first_start["audio_start_ms"], second_start["audio_start_ms"]) == (200, 800)
    assert first_start["item_id"] != second_start["item_id"]
    stops = events_of_type(events, "input_audio_buffer.speech_stopped")
    assert [event["audio_end_ms"] for event in stops] == [400, 1000]
    committed = events_of_type(events, "input_audio_buffer.committed")
    first_answer = events_of_type(events, "response.done")[0]["response"]["output"][0]
    assert committed[1]["previous_item_id"] == first_answer["id"]


def test_failed_transcription_is_reported_and_the_turn_is_answered(openai_mock, client_kind):
    openai_mock.audio.transcriptions.create.response = error(400, "Too much noise.")
    update = update_audio_input(transcription={"model": "whisper-1"})
    events = realtime_events(client_kind, update, append_audio(NOISE + SILENCE))
    (failed,) = events_of_type(events, f"{TRANSCRIPTION_EVENT}.failed")
    (added, _) = events_of_type(events, "conversation.item.added")
    assert failed["error"]["message"] == "Too much noise."
    assert failed["item_id"] == added["item"]["id"]
    assert failed["content_index"] == 0
    assert last_response(events)["status"] == "completed"


@pytest.mark.parametrize(
    ("audio_format", "silence", "sound"),
    [
        ({"type": "audio/pcm", "rate": 24000}, b"\0" * 48, b"\1" * 48),
        ({"type": "audio/pcmu"}, b"\xff" * 8, b"\0" * 8),
        ({"type": "audio/pcma"}, b"\xd5" * 8, b"\0" * 8),
    ],
    ids=["pcm", "pcmu", "pcma"],
)
def test_speech_turn_is_detected_in_every_audio_format(openai_mock, audio_format, silence, sound):
    audio = silence * 100 + sound * 300 + silence * 250
    events = realtime_events("sync", update_audio_input(format=audio_format), append_audio(audio))
    (started,) = events_of_type(events, "input_audio_buffer.speech_started")
    (stopped,) = events_of_type(events, "input_audio_buffer.speech_stopped")
    assert started["audio_start_ms"] == 100
    assert stopped["audio_end_ms"] == 400


@pytest.mark.parametrize(
    ("settings", "last_type"),
    [
        ({"turn_detection": None}, "session.updated"),
        ({"turn_detection": {"type": "server_vad", "create_response": False}}, "conversation.item.done"),
        ({"turn_detection": {"type": "server_vad", "silence_duration_ms": 500}}, SPEECH_TURN_EVENTS[0]),
        ({"turn_detection": {"type": "server_vad", "silence_duration_ms": 200}}, "response.done"),
        ({"turn_detection": {"type": "semantic_vad", "interrupt_response": False}}, "response.done"),
        ({"format": {"type": "audio/pcmu"}}, SPEECH_TURN_EVENTS[0]),
    ],
    ids=["disabled", "no response", "long silence", "short silence", "semantic", "pcmu"],
)
def test_turn_detection_uses_the_session_settings(openai_mock, client_kind, settings, last_type):
    events = realtime_events(client_kind, update_audio_input(**settings), append_audio(NOISE + SILENCE))
    assert events[-1]["type"] == last_type


def test_transcription_session_transcribes_and_does_not_respond(openai_mock, client_kind):
    openai_mock.audio.transcriptions.create.when(model="gpt-4o-mini-transcribe").response = "Hello there."
    update = {"type": "session.update", "session": {"type": "transcription", "audio": {"input": {}}}}
    audio = append_audio(NOISE + SILENCE)
    created, updated, *events = realtime_events(client_kind, update, audio, extra_query={"intent": "transcription"})
    assert created["session"]["type"] == "transcription"
    assert updated["session"]["type"] == "transcription"
    assert events[-1]["type"] == f"{TRANSCRIPTION_EVENT}.completed"
    assert events[-1]["transcript"] == "Hello there."


def test_input_audio_buffer_is_committed_and_cleared_by_messages(openai_mock, client_kind):
    disable_vad = update_audio_input(turn_detection=None)
    append = append_audio(NOISE)
    commit = {"type": "input_audio_buffer.commit"}
    clear = {"type": "input_audio_buffer.clear"}
    events = realtime_events(client_kind, disable_vad, append, append, commit, append, clear, commit)[2:]
    commit_events = ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"]
    assert distinct_event_types(events) == [*commit_events, "input_audio_buffer.cleared", "error"]
    assert error_codes(events) == ["input_audio_buffer_commit_empty"]
    assert events[1]["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    commit_record = openai_mock.requests[4]
    assert [event["type"] for event in commit_record.events] == commit_events


@requires("responses.connect")
def test_events_of_an_unanswered_message_are_empty(openai_mock):
    with sdk().responses.connect() as connection:
        connection.response.create(model="gpt-5", input="Hi")
        assert openai_mock.requests[-1].events == []


def test_realtime_session_starts_with_the_settings_of_its_client_secret(openai_mock, client, client_kind):
    session = {"type": "realtime", "instructions": "Whisper.", "audio": {"output": {"voice": "cedar"}}}
    secret = client.realtime.client_secrets.create(session=session)
    assert secret.value.startswith("ek_")
    assert round(secret.expires_at - time.time(), -1) == 600
    client_with_secret = new_client(client_kind).with_options(api_key=secret.value)
    secret_session = realtime_events(client_kind, client=client_with_secret)[0]["session"]
    assert secret_session["instructions"] == "Whisper."
    assert secret_session["audio"]["input"] == REALTIME_AUDIO_INPUT
    assert secret_session["audio"]["output"] == {"format": PCM_FORMAT, "voice": "cedar", "speed": 1.0}
    assert secret_session.get("id") == secret.session.to_dict().get("id")  # early releases of openai 2 don't have it
    assert secret.session.audio.input.to_dict() == REALTIME_AUDIO_INPUT


def test_client_secret_of_a_transcription_session_has_its_defaults(client):
    secret = client.realtime.client_secrets.create(session={"type": "transcription"})
    assert secret.session.type == "transcription"
    assert secret.session.audio.input.to_dict() == TRANSCRIPTION_AUDIO_INPUT


@requires("realtime.translations.connect", "realtime.translations.client_secrets.create")
def test_translation_session_starts_with_the_settings_of_its_client_secret(openai_mock, client, client_kind):
    session = {"model": "gpt-realtime-translate", "audio": {"output": {"language": "fr"}}}
    secret = client.realtime.translations.client_secrets.create(session=session)
    assert secret.value.startswith("ek_")
    assert round(secret.expires_at - time.time(), -1) == 600
    client_with_secret = new_client(client_kind).with_options(api_key=secret.value)
    (created,) = realtime_events(client_kind, name="realtime.translations", client=client_with_secret)
    assert created["session"]["audio"]["output"] == {"language": "fr"}
    assert created["session"]["id"] == secret.session.id


@requires("realtime.calls.accept", "realtime.calls.create")
def test_realtime_session_starts_with_the_settings_of_its_accepted_call(openai_mock, client, client_kind):
    client.realtime.calls.accept("call_1", type="realtime", instructions="Answer the phone.")
    created, *_ = realtime_events(client_kind, extra_query={"call_id": "call_1"})
    assert created["session"]["instructions"] == "Answer the phone."


@requires("realtime.calls.accept", "realtime.calls.create")
def test_realtime_session_starts_with_the_settings_of_its_created_call(openai_mock, client, client_kind):
    for _ in range(2):
        answer = client.realtime.calls.create(sdp="v=0", session={"type": "realtime", "instructions": "Ask."}).response
    assert answer.read().startswith(b"v=0\r\n")
    path, _, call_id = answer.headers["location"].rpartition("/")
    assert path == "/v1/realtime/calls"
    assert call_id.startswith("rtc_")
    assert list(openai_mock.state["realtime.calls"])[-1] == call_id
    created, *_ = realtime_events(client_kind, extra_query={"call_id": call_id})
    assert created["session"]["instructions"] == "Ask."


@pytest.mark.parametrize("name", ["realtime", "beta.realtime"])
def test_azure_realtime_session_is_answered(openai_mock, client_kind, name):
    client_class = openai.AzureOpenAI if client_kind == "sync" else openai.AsyncAzureOpenAI
    client = client_class(api_key=API_KEY, azure_endpoint="https://mine.openai.azure.com", api_version="2025-08-28")
    events = realtime_events(client_kind, RESPONSE_CREATE, name=name, client=client, model="gpt-realtime-2025-08-28")
    assert events[0]["session"]["model"] == "gpt-realtime-2025-08-28"
    assert last_response(events)["status"] == "completed"
    assert openai_mock.requests[0].endpoint == f"{name}.connect"


def test_beta_realtime_sends_beta_event_names(openai_mock, client_kind):
    openai_mock.beta.realtime.connect.response = streamed("Hello" + tool_call("f", {}), chunk=100)
    events = realtime_events(
        client_kind,
        {"type": "session.update", "session": {"turn_detection": None, "input_audio_format": "g711_ulaw"}},
        {"type": "transcription_session.update", "session": {"include": []}},
        append_audio(NOISE),
        item(),
        RESPONSE_CREATE,
        "response.done",
        RESPONSE_CREATE | {"response": {"modalities": ["text"]}},
        name="beta.realtime",
    )
    assert distinct_event_types(events)[:6] == [
        "session.created",
        "conversation.created",
        "session.updated",
        "transcription_session.updated",
        "conversation.item.created",
        "response.created",
    ]
    sent_types = {event["type"] for event in events}
    assert {"response.audio_transcript.delta", "response.audio.delta", "response.text.done"} <= sent_types
    assert not [event_type for event_type in sent_types if "output_audio" in event_type]
    assert not [event_type for event_type in sent_types if event_type.startswith("conversation.item.d")]
    logged_events = [event for record in openai_mock.requests[:-1] for event in record.events or ()]
    assert logged_events == events


def test_beta_realtime_response_uses_the_names_of_the_beta(openai_mock):
    openai_mock.beta.realtime.connect.response = "Hello"
    create_text = RESPONSE_CREATE | {"response": {"modalities": ["text"]}}
    events = realtime_events("sync", RESPONSE_CREATE, "response.done", create_text, name="beta.realtime")
    audio_response, text_response = [event["response"] for event in events_of_type(events, "response.done")]
    assert audio_response["output"][0]["content"][0]["type"] == "audio"
    assert text_response["output"][0]["content"][0]["type"] == "text"
    assert text_response["modalities"] == ["text"]
    assert "output_modalities" not in text_response


async def utterance_events(client, name, *utterances, pause=SILENCE):
    """Return the events of a new session that receives audio and a pause for each utterance, until it is closed.

    The session is closed by the client, after all audio is sent.
    """
    messages = []
    append_type = "session.input_audio_buffer.append"
    if name != "realtime.translations":
        messages.append({"type": "session.start", "session": {"model": "gpt-live-1"}})
        append_type = "session.input_audio.append"
    messages += [append_audio(audio + pause, append_type) for audio in utterances]
    messages.append({"type": "session.close"})
    events = []
    async with enter(lookup(client, name).connect(**CONNECT_PARAMS.get(name, {}))) as connection:
        for message in messages:
            await awaited(connection._connection.send(json.dumps(message)))
        while "session.closed" not in str(events[-1:]):
            events.append(json.loads(await awaited(connection.recv_bytes())))
            valid(SERVER_EVENTS[name], events[-1])
    return events


@pytest.mark.parametrize("name", ["realtime.translations", "live", "live.forks"])
@requires("live.forks.connect", "realtime.translations.connect")
def test_each_utterance_is_transcribed_and_answered(openai_mock, client_kind, name):
    openai_mock.audio.transcriptions.create.response = ["Guten Tag.", "Danke."]
    lookup(openai_mock, name).connect.when("Tag").response = "Good day."
    lookup(openai_mock, name).connect.response = "Thanks."
    events = run_with_client(client_kind, utterance_events, name, NOISE, NOISE)
    spoken_events = [event for event in events if event["type"] != "session.output_audio.delta"]
    assert distinct_event_types(spoken_events) == [
        "session.created" if name == "realtime.translations" else "session.started",
        *["session.input_transcript.delta", "session.output_transcript.delta"] * 2,
        "session.closed",
    ]
    assert "".join(event.get("delta", "") for event in spoken_events) == "Guten Tag.Good day.Danke.Thanks."
    audio = [base64.b64decode(event["delta"]) for event in events_of_type(events, "session.output_audio.delta")]
    assert b"".join(audio) == bytes(480 * len("Good day.Thanks."))


@pytest.mark.parametrize("name", ["realtime.translations", "live", "live.forks"])
@requires("live.forks.connect", "realtime.translations.connect")
def test_utterance_without_a_pause_is_answered_at_the_end(openai_mock, client_kind, name):
    openai_mock.audio.transcriptions.create.response = ["Guten Tag."]
    events = run_with_client(client_kind, functools.partial(utterance_events, pause=b""), name, NOISE, NOISE)
    input_deltas = events_of_type(events, "session.input_transcript.delta")
    assert "".join(event["delta"] for event in input_deltas) == "Guten Tag."
    assert events_of_type(events, "session.output_transcript.delta")


@requires("live.forks.connect", "live.connect")
def test_live_transcripts_have_the_times_of_their_utterance(openai_mock, client_kind):
    events = run_with_client(client_kind, utterance_events, "live", SILENCE + NOISE, SILENCE + NOISE)
    times = {
        "session.input_transcript.delta": [],
        "session.output_transcript.delta": [],
        "session.output_audio.delta": [],
    }
    for event in events:
        if event["type"] in times:
            times[event["type"]].append((event["start_ms"], event["end_ms"]))
    for times_of_type in times.values():
        assert list(dict.fromkeys(times_of_type)) == [(0, 400), (600, 1000)]


@requires("live.forks.connect", "realtime.translations.connect")
def test_translation_events_have_the_elapsed_time(openai_mock, client_kind):
    openai_mock.realtime.translations.connect.response = "Hi"
    events = run_with_client(client_kind, utterance_events, "realtime.translations", NOISE)
    (delta,) = events_of_type(events, "session.output_transcript.delta")
    assert delta.pop("event_id")
    assert delta == {"type": "session.output_transcript.delta", "delta": "Hi", "elapsed_ms": 200}
    assert not {"reason", "usage"} & events[-1].keys()


@requires("live.forks.connect", "live.connect")
def test_closed_live_session_reports_its_reason_and_usage(openai_mock, client_kind):
    events = run_with_client(client_kind, utterance_events, "live", NOISE)
    assert events[-1]["reason"] == "close_requested"
    assert events[-1]["usage"] == {"seconds": 0.4}
    assert events[-1]["session"] == events[0]["session"]


@requires("live.forks.connect", "realtime.translations.connect")  # `transport.dtmf.send` is as new as these
def test_live_session_confirms_commands(openai_mock, client_kind):
    context = {"content": "x", "delegation_id": None}
    events = realtime_events(
        client_kind,
        {"type": "session.start", "event_id": "mine", "session": {"model": "gpt-live-1"}},
        {"type": "session.instructions.append", **context},
        {"type": "session.thinking.append", **context},
        {"type": "session.commentary.append", **context},
        {"type": "session.output_audio.fixture.play", "audio": in_base64(NOISE)},
        name="live",
    )
    assert events[0]["client_event_id"] == "mine"
    assert distinct_event_types(events) == [
        "session.started",
        "session.instructions.appended",
        "session.thinking.appended",
        "session.commentary.appended",
        "session.output_audio.fixture.playing",
        "session.output_audio.fixture.played",
    ]
    assert (events[1]["start_ms"], events[1]["end_ms"]) == (0, 0)


@requires("live.forks.connect", "live.connect")
def test_muted_live_session_ignores_audio(openai_mock, client_kind):
    append = append_audio(NOISE + SILENCE, "session.input_audio.append")
    mute = {"type": "session.input_audio.mute"}
    unmute = {"type": "session.input_audio.unmute"}
    start = {"type": "session.start", "session": {}}
    openai_mock.live.connect.response = streamed("Hi", chunk=10)
    openai_mock.audio.transcriptions.create.response = "Hello"
    events = realtime_events(client_kind, start, mute, append, unmute, append, name="live")
    assert [event["type"] for event in events] == [
        "session.started",
        "session.input_audio.muted",
        "session.input_audio.unmuted",
        "session.input_transcript.delta",
        "session.output_transcript.delta",
        "session.output_audio.delta",
    ]


@requires("live.forks.connect", "realtime.translations.connect")
def test_sideband_connection_sends_dtmf_and_cannot_start_the_session(openai_mock, client_kind):
    press_key = {"type": "transport.dtmf.send", "event": "1"}
    start = {"type": "session.start", "event_id": "mine", "session": {"model": "gpt-live-1"}}
    sent, error_event = realtime_events(client_kind, press_key, start, name="live.sideband")
    assert sent["type"] == "transport.dtmf.sent"
    assert sent["event"] == "1"
    assert error_event["error"]["code"] == "invalid_value"
    assert error_event["error"]["client_event_id"] == "mine"


@requires("live.forks.connect", "live.connect")
def test_live_error_without_a_code_is_an_invalid_request(openai_mock):
    (error_event,) = realtime_events("sync", "{no json", name="live")
    assert error_event["error"]["code"] == "invalid_request"
    assert error_event["error"]["client_event_id"] is None


@requires("live.forks.connect", "live.connect")
def test_live_session_reports_its_expiry_and_closes(openai_mock, client_kind):
    openai_mock.live.connect.response = streamed("Hello there", fail_after=1, fault=1001)

    async def use_session():
        async with enter(sdk(client_kind).live.connect()) as connection:
            append = append_audio(NOISE + SILENCE, "session.input_audio.append")
            *_, last = await send_and_receive(connection, append, final_types=["session.closed"])
            with pytest.raises(connection_closed_error(), match="1001"):
                await awaited(connection.recv_bytes())
            return last

    last = run_coroutine(client_kind, use_session())
    valid(SERVER_EVENTS["live"], last)
    assert last["reason"] == "expired"
    assert last["usage"]["seconds"] == 0.4


@requires("live.forks.connect")
def test_live_session_delegates_to_responses(openai_mock, client_kind):
    openai_mock.responses.create.when("Tokyo", tool_result=False).response = tool_call("f", {}, "call_1")
    openai_mock.responses.create.when(tool_result=True, model="gpt-5").response = "Sunny."
    delegation = {"type": "responses", "responses": {"model": "gpt-5"}}
    call_item = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
    events = realtime_events(
        client_kind,
        {"type": "session.start", "session": {"model": "gpt-live-1", "delegation": delegation}},
        {"type": "response.item.create", "item": item("Weather in Tokyo?")["item"]},
        RESPONSE_CREATE,
        {"type": "response.item.create", "item": call_item},
        {"type": "response.item.create", "item": function_output_message("call_1")["item"]},
        RESPONSE_CREATE,
        name="live",
    )
    response_events = [event["event"] for event in events_of_type(events, "response.event")]
    first, second = [event["response"]["output"][0] for event in events_of_type(response_events, "response.completed")]
    assert first["call_id"] == "call_1"
    assert second["content"][0]["text"] == "Sunny."


@requires("live.forks.connect")
def test_live_session_without_delegation_responds_with_the_default_model(openai_mock):
    start = {"type": "session.start", "session": {"model": "gpt-live-1"}}
    create_item = {"type": "response.item.create", "item": item("Hi")["item"]}
    events = realtime_events("sync", start, create_item, RESPONSE_CREATE, name="live")
    response = events_of_type(events, "response.event")[-1]["event"]["response"]
    assert response["model"] == "gpt-5.5"


QUESTIONS = [
    {"type": "predicate", "name": "polite", "instructions": "Is it?"},
    {"type": "choice", "instructions": "Which?", "choices": [{"value": "a"}, {"value": True}]},
    {"type": "score", "instructions": "How much?", "levels": [{"label": "low"}, {"label": "high"}]},
]
EVIDENCE = {"id": "mine", "role": "user", "content": "A fact."}


@requires("decisions.create")
def test_decision_answers_each_question(client):
    polite, choice, score = client.decisions.create(model="gpt-6-luna", input="Hi", questions=QUESTIONS).answers
    assert polite.name == "polite"
    assert polite.probability == 1.0
    assert choice.choice == "a"
    assert [level.value for level in choice.probabilities] == ["a", True]
    assert score.score == 0.0
    levels = [(level.label, level.value, level.probability) for level in score.probabilities]
    assert levels == [("low", 0, 1), ("high", 1, 0)]


@requires("decisions.create")
def test_set_answers_of_a_decision_are_merged_into_its_questions(openai_mock, client):
    openai_mock.decisions.create.response = {"answers": [{"probability": 0.2}, {"type": "refusal"}]}
    polite, refusal_answer = client.decisions.create(model="gpt-6-luna", input="Hi", questions=QUESTIONS).answers
    assert polite.name == "polite"
    assert polite.probability == 0.2
    assert refusal_answer.type == "refusal"


def live_decision_messages(*messages, triggers=(), questions=QUESTIONS):
    """Return client events: start a session that delegates to decisions, speak, and these messages."""
    delegation = {"type": "decisions", "decisions": {"model": "gpt-6-luna", "questions": questions}}
    settings = {"model": "gpt-live-1", "delegation": delegation, "triggers": list(triggers)}
    start = {"type": "session.start", "session": settings}
    return [start, append_audio(NOISE + SILENCE, "session.input_audio.append"), *messages]


@requires("live.forks.connect", "decisions.create", "live.connect")
def test_live_decision_is_about_the_transcript_and_the_items(openai_mock, client_kind):
    inputs = []

    def decide(request, body):
        inputs.append(body["input"])
        return {"answers": [{"probability": 0.3}]}

    openai_mock.audio.transcriptions.create.response = "Be so kind."
    openai_mock.live.connect.response = "Gladly."
    openai_mock.decisions.create.response = decide
    create_item = {"type": "decision.item.create", "item": EVIDENCE}
    create_decision = {"type": "decision.create", "event_id": "event_1"}
    messages = live_decision_messages(create_item, create_decision, questions=QUESTIONS[:1])
    *_, decision_event = realtime_events(client_kind, *messages, name="live")
    user_message = {"role": "user", "content": "Be so kind."}
    assistant_message = {"role": "assistant", "content": "Gladly."}
    assert inputs == [[user_message, assistant_message, EVIDENCE]]
    assert decision_event["type"] == "decision.event"
    assert decision_event["delegation_id"].startswith("delegation_")
    assert decision_event["event"]["type"] == "decision.completed"
    assert decision_event["event"]["decision"]["answers"][0]["probability"] == 0.3


@requires("live.forks.connect", "decisions.create", "live.connect")
def test_live_decision_is_triggered_by_transcripts(openai_mock, client_kind):
    trigger_types = ["session.input_transcript.delta", "session.output_transcript.delta"]
    triggers = [
        {"type": "decisions", "event_type": event_type, "decisions": {"questions": QUESTIONS[:1]}}
        for event_type in trigger_types
    ]
    events = realtime_events(client_kind, *live_decision_messages(triggers=triggers), name="live")
    decision_events = events_of_type(events, "decision.event")
    assert [event["source_event_type"] for event in decision_events] == trigger_types
    for event in decision_events:
        last_of_type = events_of_type(events, event["source_event_type"])[-1]
        assert event["source_event_id"] == last_of_type["event_id"]
        assert event["trigger_id"].startswith("trigger_")
        assert event["delegation_id"] is None
        assert event["event"]["decision"]["answers"][0]["name"] == "polite"


@requires("live.forks.connect", "decisions.create", "live.connect")
def test_items_of_a_live_decision_are_created_and_deleted(openai_mock, client_kind):
    create_item = {"type": "decision.item.create", "item": EVIDENCE}
    delete_item = {"type": "decision.item.delete", "item_id": "mine"}
    messages = live_decision_messages(create_item, create_item, delete_item, delete_item)
    created, duplicate, deleted, missing = realtime_events(client_kind, *messages, name="live")[-4:]
    assert created["item"] == EVIDENCE
    assert duplicate["error"]["message"] == "Item with id 'mine' already exists."
    assert duplicate["error"]["code"] == "invalid_value"
    assert deleted["item_id"] == "mine"
    assert missing["error"]["message"] == "Item with id 'mine' not found."
    assert missing["error"]["code"] == "invalid_value"


@requires("live.forks.connect", "decisions.create", "live.connect")
def test_live_decision_errors_are_events(openai_mock, client_kind):
    openai_mock.decisions.create.response = [..., error(429)]
    first, second = [{"type": "decision.create", "event_id": f"event_{number}"} for number in (1, 2)]
    events = realtime_events(client_kind, first, *live_decision_messages(first, first, second), name="live")
    no_delegation, duplicate, rate_limit = [event["error"] for event in events_of_type(events, "error")]
    assert no_delegation["message"] == "The session does not delegate to decisions."
    assert no_delegation["param"] == "session.delegation"
    assert duplicate["message"] == "A decision was made for the event 'event_1' already."
    assert rate_limit["message"].startswith("Rate limit")
    assert rate_limit["client_event_id"] == "event_2"
    assert len(events_of_type(events, "decision.event")) == 1


def client_event_types(union):
    """Return the types of the client events in one of the SDK's unions."""
    event_types = set()
    for event in typing.get_args(union) or (union,):
        if typing_extensions.is_typeddict(event):
            event_types.update(typing.get_args(typing_extensions.get_type_hints(event)["type"]))
    return event_types


def sent_event_types(name):
    """Return the types of the events that `send` of the SDK's connection accepts."""
    connect = type(lookup(sdk(), name)).connect
    module = sys.modules[connect.__module__]
    manager = getattr(module, connect.__annotations__["return"])
    connection = getattr(module, manager.__enter__.__annotations__["return"])
    return client_event_types(typing.get_type_hints(connection.send)["event"])


@pytest.mark.parametrize("name", sorted(websocket_resources(sdk())))
def test_every_event_that_a_connection_can_send_is_handled(name):
    session = openai_responses._SOCKET_SESSIONS[f"{name}.connect"]
    event_types = sent_event_types(name)
    assert event_types
    assert event_types <= session.handlers.keys()
    for event_type in event_types:
        assert openai_responses._client_event_type(session.client_events, event_type)


@pytest.mark.parametrize("path", sorted(SDK_TYPES.rglob("*_client_event_param.py")), ids=lambda path: path.stem)
def test_every_union_of_client_events_is_handled_by_a_session(path):
    """Check the unions too that are not the type of an argument of `send`."""
    package = ".".join(path.parent.relative_to(SDK_TYPES).parts)
    module = importlib.import_module(f"openai.types.{package}.{path.stem}")
    (union,) = [value for name, value in vars(module).items() if name.endswith("ClientEventParam")]
    event_types = client_event_types(union)
    assert event_types
    handled_types = [
        session.handlers.keys()
        for session in openai_responses._SOCKET_SESSIONS.values()
        if f" {package}." in f" {session.client_events}"
    ]
    assert any(event_types <= types_of_session for types_of_session in handled_types)


@given(st.sampled_from(sorted(websocket_resources(sdk()))), st.data())
def test_generated_client_events_never_raise_from_inside(name, data):
    client_events = openai_responses._SOCKET_SESSIONS[f"{name}.connect"].client_events

    def draw_event():
        event_type = data.draw(st.sampled_from(sorted(sent_event_types(name))))
        event = openai_responses._client_event_type(client_events, event_type)
        field_names = st.sampled_from(sorted(openai_responses._client_event_fields(event)))
        fields = data.draw(st.dictionaries(field_names, fuzz_values | st.just("AAAA"), max_size=4))
        return fields | {"type": event_type}

    with OpenAIMock(), lookup(sdk(), name).connect(**required_connect_params(name)) as connection:
        for client_event in [draw_event(), draw_event(), {"type": "the.end"}]:
            with contextlib.suppress(connection_closed_error()):
                connection._connection.send(json.dumps(client_event))
        with contextlib.suppress(connection_closed_error()):
            while "the.end" not in (event := connection.recv_bytes().decode()):
                assert "type" in json.loads(event)


requires_steering = pytest.mark.skipif(
    "response.steer" not in openai_responses._client_events("responses.ResponsesClientEventParam"),
    reason="this SDK has no response.steer",
)
requires_injection = pytest.mark.skipif(
    "response.inject" not in openai_responses._client_events("beta.BetaResponsesClientEventParam"),
    reason="this SDK has no response.inject",
)


@requires("responses.connect")
@requires_steering
def test_steering_starts_a_follow_up_response(openai_mock, client_kind):
    openai_mock.responses.connect.response = "word " * 50
    openai_mock.responses.connect.when("shorter").response = "Shorter."

    async def use_session():
        async with enter(sdk(client_kind).responses.connect()) as connection:
            create = says("Hi", stream_id="a", metadata={"a": "b"})
            (created,) = await send_and_receive(connection, create, final_types=["response.created"])
            steer = {"type": "response.steer", "previous_response_id": created["response"]["id"], "input": "shorter"}
            events = await send_and_receive(connection, steer, final_types=["response.steer.accepted"])
            events += await send_and_receive(connection, final_types=["response.completed"])
            return events + await send_and_receive(connection, final_types=["response.completed"])

    events = run_coroutine(client_kind, use_session())
    for event in events:
        valid("responses.ResponsesServerEvent", event)
    first, second = [event["response"] for event in events_of_type(events, "response.completed")]
    assert second["previous_response_id"] == first["id"]
    assert second["metadata"] == {"a": "b"}
    assert second["output"][0]["content"][0]["text"] == "Shorter."
    (accepted,) = events_of_type(events, "response.steer.accepted")
    assert accepted["stream_id"] == "a"
    assert accepted["steer"]["previous_response_id"] == first["id"]


@requires("responses.connect")
@requires_steering
def test_invalid_steering_fails_with_a_code(openai_mock, client_kind):
    openai_mock.responses.connect.response = "word " * 50
    steer = {"type": "response.steer"}

    async def start_response(connection, stream_id, **params):
        create = says("Hi", stream_id=stream_id, **params)
        events = await send_and_receive(connection, create, final_types=["response.created"])
        return events[-1]["response"]["id"]

    async def failure(connection, id, input):
        message = steer | {"previous_response_id": id, "input": input}
        events = await send_and_receive(connection, message, final_types=["response.steer.failed"])
        return events[-1]

    async def use_session():
        async with enter(sdk(client_kind).responses.connect()) as connection:
            id = await start_response(connection, "a")
            unstored_id = await start_response(connection, "b", store=False)
            failures = [
                await failure(connection, UNKNOWN_ID, "x"),
                await failure(connection, id, []),
                await failure(connection, unstored_id, "x"),
            ]
            accepted_steer = steer | {"previous_response_id": id, "input": "shorter"}
            await send_and_receive(connection, accepted_steer, final_types=["response.steer.accepted"])
            failures.append(await failure(connection, id, "longer"))
            for _ in ("a", "b", "the response to the steering"):
                await send_and_receive(connection, final_types=["response.completed"])
            return [*failures, await failure(connection, id, "late")]

    failures = run_coroutine(client_kind, use_session())
    for event in failures:
        valid("responses.ResponsesServerEvent", event)
    assert [event["error"]["code"] for event in failures] == [
        "response_not_found",
        "invalid_input",
        "steering_not_supported",
        "too_many_pending_steers",
        "response_already_completed",
    ]


@requires("responses.connect")
@requires_steering
def test_steering_is_pending_until_tool_outputs_arrive(openai_mock, client_kind):
    openai_mock.responses.connect.response = [tool_call("f", {}), lambda request, body: json.dumps(body["input"])]

    async def use_session():
        async with enter(sdk(client_kind).responses.connect()) as connection:
            (created,) = await send_and_receive(connection, says("Hi"), final_types=["response.created"])
            id = created["response"]["id"]
            steer = {"type": "response.steer", "previous_response_id": id, "input": "Hurry."}
            (*_, pending) = await send_and_receive(connection, steer, final_types=["response.steer.pending"])
            valid("responses.ResponsesServerEvent", pending)
            outputs = [call_output | {"output": "done"} for call_output in pending["required_input"]]
            return await send_and_receive(connection, says(outputs, previous_response_id=id))

    completed = run_coroutine(client_kind, use_session())[-1]
    steering, output = json.loads(completed["response"]["output"][0]["content"][0]["text"])
    assert steering["content"] == "Hurry."
    assert output["output"] == "done"
    assert output["name"] == "f"


@requires("beta.responses.connect", "responses.connect")
@requires_injection
def test_injected_outputs_are_input_of_the_next_response(openai_mock, client_kind):
    call = tool_call("f", {}, "call_1")
    openai_mock.responses.connect.response = [call, lambda request, body: json.dumps(body["input"])]
    output = {"type": "function_call_output", "call_id": "call_1", "output": "done"}

    async def use_session():
        async with enter(sdk(client_kind).beta.responses.connect()) as connection:
            (started,) = await send_and_receive(connection, says("Hi"), final_types=["response.created"])
            id = started["response"]["id"]
            inject = {"type": "response.inject", "response_id": id, "input": [output]}
            events = await send_and_receive(connection, inject, final_types=["response.inject.created"])
            await send_and_receive(connection, final_types=["response.completed"])
            *_, completed = await send_and_receive(connection, says("Go on", previous_response_id=id))
            return events[-1], completed

    created, completed = run_coroutine(client_kind, use_session())
    valid("beta.BetaResponsesServerEvent", created)
    injected, next_message = json.loads(completed["response"]["output"][0]["content"][0]["text"])
    assert contains(injected, output)
    assert next_message["role"] == "user"


@requires("beta.responses.connect", "responses.connect")
@requires_injection
def test_invalid_injection_fails_with_a_code(openai_mock, client_kind):
    openai_mock.responses.connect.response = tool_call("f", {}, "call_1")
    output = {"type": "function_call_output", "call_id": "call_1", "output": "done"}

    async def use_session():
        async with enter(sdk(client_kind).beta.responses.connect()) as connection:
            (started,) = await send_and_receive(connection, says("Hi"), final_types=["response.created"])
            inject = {"type": "response.inject", "response_id": started["response"]["id"], "input": [output]}
            invalid = [inject | {"response_id": UNKNOWN_ID}, inject | {"input": [EVIDENCE]}]
            events = await send_and_receive(connection, *invalid, final_types=["response.inject.failed", "error"])
            await send_and_receive(connection, final_types=["response.completed"])
            return events + await send_and_receive(connection, inject, final_types=["response.inject.failed"])

    events = run_coroutine(client_kind, use_session())
    failures = events_of_type(events, "response.inject.failed")
    for event in failures:
        valid("beta.BetaResponsesServerEvent", event)
    assert [event["error"]["code"] for event in failures] == ["response_not_found", "response_already_completed"]
    assert error_codes(events) == ["invalid_value"]


@requires("responses.connect")
def test_strict_websocket_accepts_beta_params(client_kind):
    with OpenAIMock(strict=True):
        events = websocket_events(client_kind, says("Hi", multi_agent={"enabled": True}))
    assert events[-1]["type"] == "response.completed"


@requires("beta.responses.create", "responses.connect")
def test_beta_responses_websocket_sends_beta_events(openai_mock, client_kind):
    openai_mock.responses.connect.response = reasoning("Hm.") + "Hello" + tool_call("f", {})
    events = websocket_events(client_kind, says("Hi"), name="beta.responses")
    for event in events:
        valid("beta.BetaResponsesServerEvent", event)
    output = events[-1]["response"]["output"]
    assert [output_item["type"] for output_item in output] == ["reasoning", "message", "function_call"]


@requires("responses.connect")
def test_responses_websocket_sends_the_set_events(openai_mock, client_kind):
    delta_event = {"type": "response.output_text.delta", "delta": "Hi"}
    openai_mock.responses.connect.response = streamed([delta_event, {"type": "error"}])
    assert websocket_events(client_kind, says("Hi")) == [delta_event, {"type": "error"}]


def test_realtime_session_sends_the_set_events(openai_mock, client_kind):
    delta_event = {"type": "response.output_text.delta", "delta": "Hi"}
    openai_mock.realtime.connect.response = streamed([delta_event, {"type": "error"}])

    async def use_session():
        async with enter(sdk(client_kind).realtime.connect(model="gpt-realtime")) as connection:
            return await send_and_receive(connection, RESPONSE_CREATE)

    _, delta, last = run_coroutine(client_kind, use_session())
    assert delta.pop("event_id").startswith("event_")
    assert delta == delta_event
    assert last["type"] == "error"


@requires("responses.connect")
def test_stream_ids_of_a_websocket_are_answered_concurrently(openai_mock, client_kind):
    openai_mock.responses.connect.response = ["one " * 9, "two " * 9, "three"]
    messages = [says("Hi", stream_id=stream_id) for stream_id in ("a", "b", "a")]

    async def use_session():
        events = []
        async with enter(sdk(client_kind).responses.connect()) as connection:
            for message in messages:
                await awaited(connection._connection.send(json.dumps(message)))
            while len(events_of_type(events, "response.completed")) < len(messages):
                events.append(json.loads(await awaited(connection.recv_bytes())))
        return events

    events = run_coroutine(client_kind, use_session())
    assert [event["stream_id"] for event in events[:6]] == ["a", "b"] * 3
    assert [event["stream_id"] for event in events_of_type(events, "response.completed")] == ["a", "b", "a"]


def test_close_code_is_rejected_as_a_fault_of_an_http_call(create):
    with pytest.raises(ValueError, match=r"fault=1011\) closes a WebSocket"):
        create.response = [streamed("Hello", fail_after=1, fault=1011)]


@requires("responses.connect")
def test_http_is_mocked_without_the_websockets_package(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "websockets"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(openai_responses, "_patches", openai_responses._patches.__wrapped__)
    with OpenAIMock() as openai_mock:
        openai_mock.responses.connect.response = "This is not sent."
        assert complete("Hi") == "This is a mock response."
        with pytest.raises(openai.OpenAIError, match="realtime"):
            sdk().responses.connect().__enter__()


# ======================================================================================================================
# EVALS
# ======================================================================================================================


STRING_CHECK = {"type": "string_check", "name": "right", "input": "{{a}}", "reference": "x", "operation": "eq"}


def add_eval(client, **options):
    """Create an eval of logs, and return its ID."""
    defaults = {"data_source_config": {"type": "logs"}, "testing_criteria": [STRING_CHECK]}
    return client.evals.create(**defaults | options).id


def jsonl_source(*items):
    """Return a data source that contains these items."""
    return {"type": "jsonl", "source": {"type": "file_content", "content": [{"item": item} for item in items]}}


@pytest.mark.parametrize(
    "config, properties",
    [
        ({"type": "custom", "item_schema": CITY_SCHEMA}, {"item": CITY_SCHEMA}),
        (
            {"type": "custom", "item_schema": CITY_SCHEMA, "include_sample_schema": True},
            {"item": CITY_SCHEMA, "sample": {"type": "object"}},
        ),
        ({"type": "logs"}, {"item": {"type": "object"}, "sample": {"type": "object"}}),
    ],
    ids=["custom", "custom with sample", "logs"],
)
def test_eval_has_a_schema_of_its_data(client, config, properties):
    created = client.evals.create(data_source_config=config, testing_criteria=[STRING_CHECK])
    schema = created.data_source_config.schema_
    assert schema == {"type": "object", "properties": properties, "required": list(properties)}
    assert client.evals.retrieve(created.id).to_dict() == created.to_dict()


def test_new_eval_run_has_default_fields(client):
    eval_id = add_eval(client)
    source = jsonl_source({"q": "1"})
    run = client.evals.runs.create(eval_id, data_source=source, name="r").to_dict()
    assert run == {
        "id": "evalrun_000000000000000000000001",
        "object": "eval.run",
        "eval_id": eval_id,
        "name": "r",
        "status": "queued",
        "created_at": run["created_at"],
        "data_source": source,
        "model": run["model"],  # differs between releases of the SDK
        "report_url": "https://platform.openai.com/evaluations",
        "result_counts": {"errored": 0, "failed": 0, "passed": 0, "total": 0},
        "per_model_usage": [],
        "per_testing_criteria_results": [],
        "error": {"code": "", "message": ""},
        "metadata": None,
    }


def test_eval_run_advances_with_each_retrieve(client):
    runs = client.evals.runs
    run = runs.create(add_eval(client), data_source=jsonl_source({"q": "1"}))
    run_statuses = statuses(lambda: runs.retrieve(run.id, eval_id=run.eval_id), 3)
    assert run_statuses == ["in_progress", "completed", "completed"]


def complete_run(client, data_source):
    """Create a run of a new eval, retrieve it until it is completed, and return it."""
    run = client.evals.runs.create(add_eval(client), data_source=data_source)
    while run.status != "completed":
        run = client.evals.runs.retrieve(run.id, eval_id=run.eval_id)
    return run


def test_all_items_of_a_completed_eval_run_pass(client):
    run = complete_run(client, jsonl_source({"q": "1"}, {"q": "2"}))
    assert run.result_counts.to_dict() == {"errored": 0, "failed": 0, "passed": 2, "total": 2}
    (result,) = run.per_testing_criteria_results
    assert result.to_dict() == {"testing_criteria": "right", "passed": 2, "failed": 0}


def test_eval_run_counts_the_lines_of_a_file(client):
    file = add_file(client, b'{"item": {}}\n\n{"item": {}}\n', "in.jsonl")
    run = complete_run(client, {"type": "jsonl", "source": {"type": "file_id", "id": file}})
    assert run.result_counts.total == 2  # without the blank line


@pytest.mark.parametrize(
    "counts, passed, failed",
    [({"failed": 1}, 2, 1), ({"errored": 1}, 2, 0), ({"failed": 2, "errored": 1}, 0, 2)],
    ids=["failed", "errored", "both"],
)
def test_items_that_are_not_set_as_failed_or_errored_pass(openai_mock, client, counts, passed, failed):
    openai_mock.evals.runs.create.response = {"result_counts": counts}
    run = complete_run(client, jsonl_source({}, {}, {}))
    assert run.result_counts.passed == passed
    assert run.result_counts.total == 3
    (result,) = run.per_testing_criteria_results
    assert result.passed == passed
    assert result.failed == failed


def test_set_eval_result_counts_are_kept(openai_mock, client):
    openai_mock.evals.runs.create.response = {"result_counts": {"total": 3, "failed": 3}}
    run = client.evals.runs.create(add_eval(client), data_source=jsonl_source({}))
    assert run.result_counts.total == 3
    assert run.result_counts.failed == 3


def test_cancelled_eval_run_stays_canceled(client):
    runs = client.evals.runs
    run = runs.create(add_eval(client), data_source=jsonl_source({}))
    assert runs.cancel(run.id, eval_id=run.eval_id).status == "canceled"
    assert statuses(lambda: runs.retrieve(run.id, eval_id=run.eval_id), 2) == ["canceled", "canceled"]


def test_eval_runs_are_listed_oldest_first(client):
    runs = client.evals.runs
    eval_id = add_eval(client)
    first = runs.create(eval_id, data_source=jsonl_source({}))
    second = runs.create(eval_id, data_source=jsonl_source({}))
    assert [run.id for run in runs.list(eval_id)] == [first.id, second.id]
    assert runs.output_items.list(first.id, eval_id=eval_id).data == []


def test_eval_runs_are_deleted_with_their_eval(client):
    eval_id = add_eval(client)
    run = client.evals.runs.create(eval_id, data_source=jsonl_source({}))
    client.evals.delete(eval_id)
    with pytest.raises(openai.NotFoundError, match=f"No such Eval object: {eval_id}"):
        client.evals.runs.retrieve(run.id, eval_id=eval_id)


# ======================================================================================================================
# CONTAINERS
# ======================================================================================================================


def test_new_container_has_default_fields(client):
    container = client.containers.create(name="c").to_dict()
    assert container == {
        "id": "cntr_000000000000000000000001",
        "object": "container",
        "name": "c",
        "status": "running",
        "created_at": container["created_at"],
        "last_active_at": container["created_at"],
        "expires_after": {"anchor": "last_active_at", "minutes": 20},
        "memory_limit": None,
        "network_policy": None,
    }
    assert client.containers.retrieve(container["id"]).to_dict() == container
    assert [listed.to_dict() for listed in client.containers.list()] == [container]


@pytest.mark.parametrize("source", ["user", "assistant"])
def test_container_file_is_an_upload_or_a_stored_file(client, source):
    container = client.containers.create(name="c").id
    if source == "user":
        options = {"file": ("a.txt", b"abc")}
    else:
        options = {"file_id": add_file(client, b"abc", "a.txt")}
    file = client.containers.files.create(container, **options).to_dict()
    assert file == {
        "id": "cfile_000000000000000000000001",
        "object": "container.file",
        "container_id": container,
        "created_at": file["created_at"],
        "path": "/mnt/data/a.txt",
        "bytes": 3,
        "source": source,
    }
    response = client.containers.files.content.retrieve(file["id"], container_id=container)
    assert response.read() == b"abc"
    assert response.response.headers["content-type"] == "text/plain; charset=utf-8"


def test_container_files_are_deleted_with_their_container(client):
    container = client.containers.create(name="c").id
    file = client.containers.files.create(container, file=("a.txt", b"abc")).id
    client.containers.delete(container)
    with pytest.raises(openai.NotFoundError, match=f"No such Container object: {container}"):
        client.containers.files.content.retrieve(file, container_id=container)


CONTAINER_CALLS = {
    "files.create": lambda client, container, file: client.containers.files.create(container, file=b"x"),
    "files.retrieve": lambda client, container, file: client.containers.files.retrieve(file, container_id=container),
    "files.content": lambda client, container, file: client.containers.files.content.retrieve(
        file, container_id=container
    ),
    "files.delete": lambda client, container, file: client.containers.files.delete(file, container_id=container),
    "responses.create": lambda client, container, file: client.responses.create(
        **INPUT_REQUEST, tools=[{"type": "code_interpreter", "container": container}]
    ),
}


@pytest.fixture
def container_and_file(client, monkeypatch):
    """Return the IDs of a container and of its file, created at the time 2,000,000,000."""
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000)
    container = client.containers.create(name="c").id
    file = client.containers.files.create(container, file=("a.txt", b"abc"))
    return container, file.id


@pytest.mark.parametrize("name", ["retrieve", *CONTAINER_CALLS])
def test_using_a_container_postpones_its_expiry(openai_mock, client, monkeypatch, container_and_file, name):
    container, file = container_and_file
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000 + 19 * 60)
    if name == "retrieve":
        client.containers.retrieve(container)
    else:
        CONTAINER_CALLS[name](client, container, file)
    stored = openai_mock.state["containers"][container]
    assert stored["last_active_at"] == 2_000_000_000 + 19 * 60
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000 + 38 * 60)
    assert client.containers.list().data[0].status == "running"


@pytest.mark.parametrize("name", CONTAINER_CALLS)
def test_expired_container_cannot_be_used(client, monkeypatch, container_and_file, name):
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000 + 20 * 60 + 1)
    with pytest.raises(openai.BadRequestError, match=r"Container is expired\."):
        CONTAINER_CALLS[name](client, *container_and_file)


def test_expired_container_can_be_retrieved_and_deleted(client, monkeypatch, container_and_file):
    container, _ = container_and_file
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000 + 20 * 60 + 1)
    expired = client.containers.retrieve(container)
    assert expired.status == "expired"
    assert expired.last_active_at == 2_000_000_000
    client.containers.delete(container)
    assert client.containers.list().data == []


# ======================================================================================================================
# SKILLS
# ======================================================================================================================


SKILL_FILE = ("SKILL.md", b"---\nname: weather\ndescription: Tells the weather. \n---\n# one")


@requires("skills.create", "skills.retrieve")
def test_skill_has_the_name_and_description_of_its_file(client):
    skill = client.skills.create(files=[SKILL_FILE]).to_dict()
    assert skill == {
        "id": "skill_000000000000000000000001",
        "object": "skill",
        "created_at": skill["created_at"],
        "name": "weather",
        "description": "Tells the weather.",
        "default_version": "1",
        "latest_version": "1",
    }
    assert client.skills.retrieve(skill["id"]).to_dict() == skill


@requires("skills.create", "skills.versions.retrieve")
def test_new_skill_has_a_first_version(client):
    skill = client.skills.create(files=[SKILL_FILE]).id
    version = client.skills.versions.retrieve("1", skill_id=skill).to_dict()
    assert version == {
        "id": "skillver_000000000000000000000001",
        "object": "skill.version",
        "created_at": version["created_at"],
        "skill_id": skill,
        "version": "1",
        "name": "weather",
        "description": "Tells the weather.",
    }


@requires("skills.create", "skills.retrieve", "skills.versions.create", "skills.versions.list")
def test_created_version_is_the_latest_of_its_skill(client):
    skill = client.skills.create(files=[SKILL_FILE]).id
    version = client.skills.versions.create(skill, files=[("SKILL.md", b"name: rain\ndescription: d")])
    assert version.version == "2"
    assert version.skill_id == skill
    assert version.name == "rain"
    updated = client.skills.retrieve(skill)
    assert updated.default_version == "1"
    assert updated.latest_version == "2"
    versions = client.skills.versions.list(skill, order="asc")
    assert [listed.version for listed in versions] == ["1", "2"]


@requires("skills.create", "skills.retrieve", "skills.update", "skills.versions.create")
def test_default_version_of_a_skill_can_be_changed(client):
    skill = client.skills.create(files=[SKILL_FILE]).id
    client.skills.versions.create(skill, files=[SKILL_FILE], default=True)
    assert client.skills.retrieve(skill).default_version == "2"
    assert client.skills.update(skill, default_version="1").default_version == "1"
    assert client.skills.retrieve(skill).default_version == "1"


@requires("skills.create", "skills.content.retrieve", "skills.versions.create", "skills.versions.content.retrieve")
def test_skill_versions_keep_their_content(client):
    skill = client.skills.create(files=[("a.md", b"one"), ("b.md", b"two")]).id
    client.skills.versions.create(skill, files=[("a.md", b"three")])
    assert client.skills.content.retrieve(skill).read() == b"onetwo"
    assert client.skills.versions.content.retrieve("1", skill_id=skill).read() == b"onetwo"
    assert client.skills.versions.content.retrieve("2", skill_id=skill).read() == b"three"


@requires("skills.create", "skills.delete", "skills.versions.retrieve")
def test_skill_versions_are_deleted_with_their_skill(client):
    skill = client.skills.create(files=[SKILL_FILE]).id
    client.skills.delete(skill)
    with pytest.raises(openai.NotFoundError, match=f"No such Skill object: {skill}"):
        client.skills.versions.retrieve("1", skill_id=skill)


# ======================================================================================================================
# VIDEOS
# ======================================================================================================================


@requires("videos.create")
def test_new_video_has_default_fields(client):
    video = client.videos.create(prompt="a cat").to_dict()
    assert video == {
        "id": "video_000000000000000000000001",
        "object": "video",
        "created_at": video["created_at"],
        "completed_at": None,
        "expires_at": None,
        "error": None,
        "model": "sora-2",
        "progress": 0,
        "prompt": "a cat",
        "remixed_from_video_id": None,
        "seconds": "4",
        "size": "720x1280",
        "status": "queued",
    }


@requires("videos.create", "videos.retrieve")
def test_video_advances_with_each_retrieve(client):
    id = client.videos.create(prompt="a cat").id
    videos = [client.videos.retrieve(id) for _ in range(3)]
    assert [video.status for video in videos] == ["in_progress", "completed", "completed"]
    assert [video.progress for video in videos] == [50, 100, 100]
    assert videos[0].completed_at is None
    assert videos[1].completed_at


@requires("videos.create")
def test_video_has_the_requested_settings(client):
    video = client.videos.create(prompt="a cat", model="sora-2-pro", seconds="8", size="1280x720")
    assert video.model == "sora-2-pro"
    assert video.seconds == "8"
    assert video.size == "1280x720"


@requires("videos.create_and_poll")
async def test_video_create_and_poll_returns_the_completed_video(either_client):
    video = await awaited(either_client.videos.create_and_poll(prompt="a cat"))
    assert video.status == "completed"


@requires("videos.create", "videos.list", "videos.remix")
def test_remixed_video_names_its_source(client):
    video = client.videos.create(prompt="a cat")
    remixed = client.videos.remix(video.id, prompt="a dog")
    assert remixed.remixed_from_video_id == video.id
    assert remixed.prompt == "a dog"
    assert remixed.status == "queued"
    assert [listed.id for listed in client.videos.list()] == [remixed.id, video.id]


@requires("videos.create", "videos.edit", "videos.extend")
@pytest.mark.parametrize("name", ["videos.edit", "videos.extend"])
def test_edited_or_extended_video_names_its_source(openai_mock, client, name):
    source = client.videos.create(prompt="a cat").id
    body = {"prompt": "a dog", "seconds": "4", "video": {"id": source}}  # the SDK accepts only uploads here
    assert sent(openai_mock, name, body).json()["remixed_from_video_id"] == source


@requires("videos.edit")
def test_edited_upload_has_no_source(client):
    assert client.videos.edit(prompt="a dog", video=b"video").remixed_from_video_id is None


@requires("videos.create", "videos.delete", "videos.download_content")
def test_deleted_video_has_no_content(client):
    video = client.videos.create(prompt="a cat").id
    assert client.videos.download_content(video).read()
    assert client.videos.delete(video).deleted
    with pytest.raises(openai.NotFoundError, match=f"No such Video object: {video}"):
        client.videos.download_content(video)


@requires("videos.create_character", "videos.get_character")
def test_video_character_can_be_retrieved(client):
    character = client.videos.create_character(name="Tom", video=("t.mp4", b"t"))
    assert character.id.startswith("char_")
    assert client.videos.get_character(character.id).name == "Tom"


# ======================================================================================================================
# ADMINISTRATION
# ======================================================================================================================


organization = resource_fixture("admin.organization")
projects = resource_fixture("admin.organization.projects")


@pytest.fixture
def project(projects):
    """Return the ID of a project."""
    return projects.create(name="p").id


def test_new_project_is_active(projects):
    project = projects.create(name="p")
    assert project.id == "proj_000000000000000000000001"
    assert project.object == "organization.project"
    assert project.name == "p"
    assert project.status == "active"
    assert project.archived_at is None


def test_archived_projects_are_listed_on_request(projects, project):
    other_project = projects.create(name="q").id
    archived = projects.archive(project)
    assert archived.status == "archived"
    assert archived.archived_at
    assert [listed.id for listed in projects.list()] == [other_project]
    assert [listed.id for listed in projects.list(include_archived=False)] == [other_project]
    assert [listed.status for listed in projects.list(include_archived=True)] == ["archived", "active"]


def test_project_user_keeps_the_user_id(projects, project):
    user = projects.users.create(project, user_id="user-7", role="member")
    assert user.id == "user-7"
    assert user.role == "member"
    assert user.object == "organization.project.user"
    assert projects.users.update("user-7", project_id=project, role="owner").role == "owner"
    assert projects.users.retrieve("user-7", project_id=project).role == "owner"


def test_project_user_is_not_in_other_projects(projects, project):
    projects.users.create(project, user_id="user-7", role="member")
    other_project = projects.create(name="q").id
    with pytest.raises(openai.NotFoundError, match="No such User object: user-7"):
        projects.users.retrieve("user-7", project_id=other_project)


def test_service_account_has_a_project_key(projects, project):
    account = projects.service_accounts.create(project, name="robot")
    assert account.id.startswith("svc_acct_")
    assert account.role == "member"
    assert account.api_key.id.startswith("key_")
    assert account.api_key.value
    assert projects.service_accounts.retrieve(account.id, project_id=project).name == "robot"
    (listed_key,) = projects.api_keys.list(project)
    assert listed_key.id == account.api_key.id
    assert listed_key.object == "organization.project.api_key"
    assert "value" not in listed_key.to_dict()


def test_key_of_a_service_account_can_be_deleted(projects, project):
    key = projects.service_accounts.create(project, name="robot").api_key.id
    assert projects.api_keys.delete(key, project_id=project).deleted
    assert projects.api_keys.list(project).data == []


@requires("admin.organization.projects.service_accounts.api_keys.create")
def test_service_account_can_get_another_key(projects, project):
    account = projects.service_accounts.create(project, name="robot")
    key = projects.service_accounts.api_keys.create(account.id, project_id=project)
    assert key.id.startswith("key_")
    listed_ids = [listed.id for listed in projects.api_keys.list(project)]
    assert sorted(listed_ids) == sorted([account.api_key.id, key.id])
    with pytest.raises(openai.NotFoundError, match="svc_acct_x"):
        projects.service_accounts.api_keys.create("svc_acct_x", project_id=project)


def test_secrets_are_shown_once(organization):
    keys = organization.admin_api_keys
    created = keys.create(name="k")
    assert created.value
    assert "value" not in keys.retrieve(created.id).to_dict()
    (listed_key,) = keys.list()
    assert listed_key.name == "k"
    assert "value" not in listed_key.to_dict()


def test_new_invite_is_pending(organization):
    invite = organization.invites.create(email="a@b.test", role="reader")
    assert invite.id.startswith("invite-")
    assert invite.object == "organization.invite"
    assert invite.email == "a@b.test"
    assert invite.role == "reader"
    assert invite.status == "pending"
    assert invite.projects == []
    assert invite.accepted_at is None


def test_role_name_is_set_by_role_name(organization):
    role = organization.roles.create(role_name="r", permissions=["api.read"])
    assert role.name == "r"
    assert role.permissions == ["api.read"]
    assert organization.roles.update(role.id, role_name="s").name == "s"
    assert organization.roles.retrieve(role.id).name == "s"


def test_project_role_name_is_set_by_role_name(projects, project):
    role = projects.roles.create(project, role_name="r", permissions=["api.read"])
    assert role.name == "r"
    assert projects.roles.update(role.id, project_id=project, role_name="s").name == "s"
    assert projects.roles.retrieve(role.id, project_id=project).name == "s"


def test_roles_are_assigned_to_groups(organization):
    group = organization.groups.create(name="g").id
    role = organization.roles.create(role_name="r", permissions=["api.read"]).id
    assignment = organization.groups.roles.create(group, role_id=role)
    assert assignment.role.id == role
    assert assignment.role.name == "r"
    assert assignment.group.id == group
    assert assignment.group.name == "g"
    (assigned_role,) = organization.groups.roles.list(group)
    assert assigned_role.id == role
    assert assigned_role.permissions == ["api.read"]


def test_unassigned_role_still_exists(organization):
    group = organization.groups.create(name="g").id
    role = organization.roles.create(role_name="r", permissions=["api.read"]).id
    organization.groups.roles.create(group, role_id=role)
    organization.groups.roles.delete(role, group_id=group)
    assert organization.groups.roles.list(group).data == []
    assert organization.roles.retrieve(role).id == role


def test_roles_are_assigned_to_users(openai_mock, organization):
    openai_mock.state["admin.organization.users"]["user-7"] = {"id": "user-7", "name": "Ada"}
    role = organization.roles.create(role_name="r", permissions=["api.read"]).id
    assignment = organization.users.roles.create("user-7", role_id=role)
    assert assignment.role.name == "r"
    assert assignment.user.id == "user-7"
    (assigned_role,) = organization.users.roles.list("user-7")
    assert assigned_role.permissions == ["api.read"]


def test_project_roles_are_assigned_in_the_project(projects, project):
    role = projects.roles.create(project, role_name="r", permissions=["api.read"]).id
    projects.users.create(project, user_id="user-7", role="member")
    assignment = projects.users.roles.create("user-7", project_id=project, role_id=role)
    assert assignment.role.name == "r"
    assert assignment.user.id == "user-7"
    (assigned_role,) = projects.users.roles.list("user-7", project_id=project)
    assert assigned_role.id == role
    assert assigned_role.permissions == ["api.read"]


def test_users_are_added_to_groups(openai_mock, organization):
    openai_mock.state["admin.organization.users"]["user-7"] = {"id": "user-7", "name": "Ada", "email": "a@b.test"}
    group = organization.groups.create(name="g").id
    membership = organization.groups.users.create(group, user_id="user-7")
    assert membership.user_id == "user-7"
    assert membership.group_id == group
    (user,) = organization.groups.users.list(group)
    assert user.id == "user-7"
    assert user.name == "Ada"


def test_groups_are_added_to_projects(organization, projects, project):
    group = organization.groups.create(name="g").id
    added = projects.groups.create(project, group_id=group, role="member")
    assert added.group_id == group
    assert added.group_name == "g"
    assert added.project_id == project
    assert [listed.group_name for listed in projects.groups.list(project)] == ["g"]


def test_set_role_overrides_the_assigned_role(openai_mock, organization):
    group = organization.groups.create(name="g").id
    response = {"role": {"name": "set", "id": "role_set"}}
    openai_mock.admin.organization.groups.roles.create.response = response
    assignment = organization.groups.roles.create(group, role_id="role_x")
    assert assignment.role.name == "set"
    assert assignment.role.id == "role_set"
    assert assignment.group.name == "g"
    assert [role.id for role in organization.groups.roles.list(group)] == ["role_set"]


def test_set_group_name_overrides_the_stored_name(openai_mock, organization, projects, project):
    group = organization.groups.create(name="g").id
    openai_mock.admin.organization.projects.groups.create.response = {"group_name": "set"}
    assert projects.groups.create(project, group_id=group, role="member").group_name == "set"


def test_set_key_of_a_service_account_is_stored(openai_mock, projects, project):
    endpoint = openai_mock.admin.organization.projects.service_accounts.create
    endpoint.response = {"api_key": {"id": "key_set", "value": "v"}}
    key = projects.service_accounts.create(project, name="n").api_key
    assert key.id == "key_set"
    assert key.value == "v"
    assert [listed.id for listed in projects.api_keys.list(project)] == ["key_set"]


def test_service_account_can_be_set_to_have_no_key(openai_mock, projects, project):
    openai_mock.admin.organization.projects.service_accounts.create.response = {"api_key": None}
    assert projects.service_accounts.create(project, name="n").api_key is None
    assert projects.api_keys.list(project).data == []


def test_certificates_are_activated_and_deactivated(organization):
    certificates = organization.certificates
    certificate = certificates.create(certificate="pem", name="c").id
    activated = certificates.activate(certificate_ids=[certificate])
    assert activated.object == "organization.certificate.activation"
    assert [item.active for item in activated] == [True]
    assert [item.active for item in certificates.list()] == [True]
    deactivated = certificates.deactivate(certificate_ids=[certificate])
    assert deactivated.object == "organization.certificate.deactivation"
    assert [item.active for item in deactivated] == [False]
    assert [item.active for item in certificates.list()] == [False]
    assert certificates.retrieve(certificate).name == "c"


def test_project_certificate_is_activated_independently(organization, projects, project):
    certificate = organization.certificates.create(certificate="pem", name="c").id
    organization.certificates.activate(certificate_ids=[certificate])
    organization.certificates.deactivate(certificate_ids=[certificate])
    activated = projects.certificates.activate(project, certificate_ids=[certificate])
    assert activated.object == "organization.project.certificate.activation"
    assert [item.object for item in activated] == ["organization.project.certificate"]
    assert [item.active for item in organization.certificates.list()] == [False]
    (project_certificate,) = projects.certificates.list(project)
    assert project_certificate.id == certificate
    assert project_certificate.active is True
    deactivated = projects.certificates.deactivate(project, certificate_ids=[certificate])
    assert deactivated.object == "organization.project.certificate.deactivation"
    assert [item.active for item in projects.certificates.list(project)] == [False]


def test_unknown_certificate_or_project_is_not_found(organization, projects):
    with pytest.raises(openai.NotFoundError, match="No such Certificate object: cert_x"):
        organization.certificates.activate(certificate_ids=["cert_x"])
    certificate = organization.certificates.create(certificate="pem", name="c").id
    with pytest.raises(openai.NotFoundError, match="No such Project object: proj_x"):
        projects.certificates.activate("proj_x", certificate_ids=[certificate])


@requires("admin.organization.spend_limit.update", "admin.organization.spend_limit.retrieve")
def test_organization_has_one_spend_limit(organization):
    organization.spend_limit.update(currency="USD", interval="month", threshold_amount=100)
    limit = organization.spend_limit.retrieve()
    assert limit.object == "organization.spend_limit"
    assert limit.currency == "USD"
    assert limit.threshold_amount == 100


@requires("admin.organization.projects.spend_limit.retrieve")
def test_spend_limits_of_projects_are_separate(openai_mock, projects, project):
    limits = projects.spend_limit
    other_project = projects.create(name="q").id
    limits.update(project, currency="USD", interval="month", threshold_amount=5)
    limits.update(other_project, currency="USD", interval="month", threshold_amount=6)
    assert limits.retrieve(project).threshold_amount == 5
    assert limits.delete(project).deleted
    assert openai_mock.state["admin.organization.projects.spend_limit"].keys() == {other_project}
    assert limits.retrieve(other_project).threshold_amount == 6
    with pytest.raises(openai.NotFoundError, match="No such Project object: proj_x"):
        limits.update("proj_x", currency="USD", interval="month", threshold_amount=5)


@requires("webhooks.create", "webhooks.retrieve", "webhooks.update")
def test_webhook_endpoint_shows_its_secret_once(client):
    created = client.webhooks.create(name="w", url="https://example.com/w", event_types=["batch.completed"])
    assert created.id.startswith("we_")
    assert created.object == "webhook_endpoint"
    assert created.url == "https://example.com/w"
    assert created.event_types == ["batch.completed"]
    assert created.signing_secret
    assert client.webhooks.update(created.id, name="x").name == "x"
    retrieved = client.webhooks.retrieve(created.id)
    assert retrieved.name == "x"
    assert "signing_secret" not in retrieved.to_dict()


@requires("webhooks.create", "webhooks.rotate_secret")
def test_webhook_secret_can_be_rotated(client):
    created = client.webhooks.create(name="w", url="https://example.com/w", event_types=["batch.completed"])
    first = client.webhooks.rotate_secret(created.id)
    assert first.id == created.id
    assert first.signing_secret.startswith("whsec_")
    assert client.webhooks.rotate_secret(created.id).signing_secret != first.signing_secret
    with pytest.raises(openai.NotFoundError, match="No such Webhook object: we_x"):
        client.webhooks.rotate_secret("we_x")


@requires("webhooks.create", "webhooks.test")
def test_webhook_test_event_names_the_endpoint(client):
    created = client.webhooks.create(name="w", url="https://example.com/w", event_types=["batch.completed"])
    result = client.webhooks.test(created.id, event_type="batch.completed")
    assert result.webhook_endpoint_id == created.id
    assert result.event_type == "batch.completed"


@requires("webhooks.event_types.list")
def test_webhook_event_types_are_listed(client):
    assert client.webhooks.event_types.list().data == ["response.completed", "batch.completed"]


# ======================================================================================================================
# REPLIES AND STREAMS
# ======================================================================================================================


def single_choice(message, **choice_fields):
    """Return a chat completion with one choice as a dict."""
    return {"choices": [{"message": message} | choice_fields]}


# ---- bodies and headers ----------------------------------------------------------------------------------------------


def test_generated_response_has_the_headers_of_the_service(openai_mock):
    headers = dict(sent(openai_mock, CHAT_CREATE, CHAT_REQUEST).headers)
    sent_at = calendar.timegm(time.strptime(headers.pop("date"), "%a, %d %b %Y %H:%M:%S GMT"))
    assert abs(time.time() - sent_at) < 60
    assert int(headers.pop("content-length")) > 0
    assert headers == {
        "content-type": "application/json",
        "x-request-id": "req_000000000000000000000001",
        "openai-processing-ms": "1",
        "openai-version": "2020-10-01",
        "openai-organization": "org-mock",
        "openai-project": "proj_mock",
        "strict-transport-security": "max-age=31536000; includeSubDomains; preload",
        "x-content-type-options": "nosniff",
        "x-envoy-upstream-service-time": "1",
        "x-openai-proxy-wasm": "v0.1",
        "x-ratelimit-limit-requests": "10000",
        "x-ratelimit-remaining-requests": "9999",
        "x-ratelimit-reset-requests": "6ms",
        "x-ratelimit-limit-tokens": "2000000",
        "x-ratelimit-remaining-tokens": "1999990",
        "x-ratelimit-reset-tokens": "0s",
    }


def test_only_retrieves_have_a_polling_interval():
    retrieved = sent(populated_mock(), "files.retrieve", {})
    listed = sent(populated_mock(), "files.list", {})
    assert retrieved.headers["openai-poll-after-ms"] == "1"
    assert "openai-poll-after-ms" not in listed.headers


def test_deletion_without_a_model_is_reported(client):
    response = client.responses.create(**INPUT_REQUEST)
    url = f"{BASE_URL}/responses/{response.id}"
    deleted = httpx.delete(url, headers={"authorization": f"Bearer {API_KEY}"})
    assert deleted.json() == {"id": response.id, "object": "response.deleted", "deleted": True}


@pytest.mark.parametrize("audio_format, content_type", [("mp3", "audio/mpeg"), ("wav", "audio/wav")])
@pytest.mark.parametrize("response", [b"sound", streamed(b"sound", chunk=2)], ids=["at once", "in pieces"])
def test_speech_has_the_content_type_of_its_format(openai_mock, client, response, audio_format, content_type):
    openai_mock.audio.speech.create.response = response
    request_params = {"model": "tts-1", "voice": "alloy", "input": "Hi", "response_format": audio_format}
    speech = client.audio.speech.create(**request_params)
    assert speech.response.headers["content-type"] == content_type
    assert speech.read() == b"sound"


def test_bytes_arrive_in_pieces_of_the_set_size(openai_mock, client):
    openai_mock.files.content.response = streamed(b"abcde", chunk=2)
    with client.files.with_streaming_response.content("file-1") as response:
        assert list(response.iter_bytes()) == [b"ab", b"cd", b"e"]
        assert response.headers["content-type"] == "application/octet-stream"


def test_bytes_arrive_in_one_piece_without_a_set_size(openai_mock, client):
    openai_mock.files.content.response = streamed(b"abcde", delay=0.001)
    with client.files.with_streaming_response.content("file-1") as response:
        assert list(response.iter_bytes()) == [b"abcde"]


@pytest.mark.parametrize("pace", [{"delay": 0.001}, {"first_delay": 0.001}, {"chunk": 4}], ids=str)
def test_empty_bytes_can_be_paced(openai_mock, client, pace):
    openai_mock.files.content.response = streamed(b"", **pace)
    assert client.files.content("file-1").read() == b""


def test_delay_applies_to_empty_bytes(openai_mock, client):
    openai_mock.files.content.response = streamed(b"", delay=0.02)
    started = time.perf_counter()
    client.files.content("file-1")
    assert time.perf_counter() - started >= 0.02


@pytest.mark.parametrize(
    "item, text",
    [
        (("done", "[DONE]"), "event: done\ndata: [DONE]\n\n"),
        ((None, {"n": 1}), 'data: {"n":1}\n\n'),
        ({"type": "created", "n": 1}, 'event: created\ndata: {"type":"created","n":1}\n\n'),
        ({"event": "created", "data": {"n": 1}}, 'event: created\ndata: {"n":1}\n\n'),
        ({"event": "created"}, 'data: {"event":"created"}\n\n'),
        ({"event": 1, "data": 2}, 'data: {"event":1,"data":2}\n\n'),
        ([1, 2], "data: [1,2]\n\n"),
        ("two\nlines", "data: two\ndata: lines\n\n"),
        (b": a comment\n\n", ": a comment\n\n"),
    ],
    ids=str,
)
def test_items_of_a_stream_are_encoded_as_server_sent_events(openai_mock, create, item, text):
    create.response = streamed([item])
    assert sent(openai_mock, CHAT_CREATE, CHAT_REQUEST | {"stream": True}).text == text


def delays_of(response):
    """Return the seconds to wait before each of three events, for a result of `streamed()`."""
    request = httpx.Request("POST", BASE_URL)
    stream = openai_responses._PacedStream(["one", "two", "three"], response.pace, request)
    return [delay for delay, _ in stream.timed_messages()]


def test_first_delay_applies_only_to_the_first_event():
    assert delays_of(streamed("", first_delay=3, delay=2)) == [3, 2, 2]
    assert delays_of(streamed("", first_delay=0, delay=2)) == [0, 2, 2]
    assert delays_of(streamed("", first_delay=3)) == [3, 0, 0]


def test_first_delay_defaults_to_the_delay():
    assert delays_of(streamed("", delay=2)) == [2, 2, 2]


@pytest.mark.parametrize("option", ["delay", "first_delay"])
def test_delay_precedes_the_first_chunk(create, client_kind, option):
    create.response = streamed(["[DONE]"], **{option: 0.02})
    started = time.perf_counter()
    assert run_with_client(client_kind, stream_with) == ""
    assert time.perf_counter() - started >= 0.02


def test_stream_is_not_affected_by_later_changes_of_the_stored_response(openai_mock, client):
    openai_mock.responses.create.response = "Hello big wide world"
    events = client.responses.create(**INPUT_REQUEST, stream=True)
    first = next(events)
    stored = openai_mock.state["responses"][first.response.id]
    stored["output"].clear()
    *_, last = events
    assert last.response.output_text == "Hello big wide world"


# ---- streams of chat completions -------------------------------------------------------------------------------------


def test_chat_stream_of_a_text(openai_mock, create):
    create.response = "Hi you"
    *events, last = post_stream("/chat/completions", CHAT_REQUEST)
    assert [data["choices"] for _, data in events] == [
        [
            {
                "index": 0,
                "delta": {"role": "assistant", "content": "", "refusal": None},
                "finish_reason": None,
                "logprobs": None,
            }
        ],
        [{"index": 0, "delta": {"content": "Hi "}, "finish_reason": None, "logprobs": None}],
        [{"index": 0, "delta": {"content": "you"}, "finish_reason": None, "logprobs": None}],
        [{"index": 0, "delta": {}, "finish_reason": "stop", "logprobs": None}],
    ]
    assert last == (None, "[DONE]")


def test_chat_stream_of_a_tool_call(create):
    create.response = tool_call("f", {"a": 1}, "call_1")
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    assert chat_deltas() == [
        {"role": "assistant", "content": None, "refusal": None, "tool_calls": [call]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a": '}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]},
        {},
    ]


def test_chat_stream_of_audio(create):
    audio = {"id": "audio_1", "data": "QUJD", "expires_at": 9, "transcript": "x y"}
    create.response = single_choice({"content": None, "audio": audio})
    _, *deltas = chat_deltas()
    assert deltas == [
        {"audio": {"id": "audio_1", "transcript": "x "}},
        {"audio": {"transcript": "y"}},
        {"audio": {"data": "QUJD"}},
        {"audio": {"expires_at": 9}},
        {},
    ]


FUNCTION_CALL = {"function": {"name": "f", "arguments": "{}"}}
LOGPROB = {"token": "Hi", "logprob": -0.25, "bytes": [72, 105], "top_logprobs": []}
CHAT_RESPONSES = TURNS | {
    "nothing set": {},
    "several choices": {"choices": [{"message": {"content": "one"}}, {"message": {"content": "two words"}}]},
    "choices of kinds": {"choices": [{"message": {"tool_calls": [FUNCTION_CALL]}}, {}]},
    "logprobs": single_choice({"content": "Hi"}, logprobs={"content": [LOGPROB]}),
    "audio": single_choice({"audio": {"id": "audio_1", "data": "QUJD", "expires_at": 9, "transcript": "x y"}}),
    "fields of other services": single_choice({"content": "x", "reasoning_content": "because of that"}),
}
# The SDK's accumulator raises for these, as `parse` does.
TRUNCATED_CHAT_RESPONSES = {"length": cut("half of"), "content filter": filtered("so far")}


async def create_chat(client):
    """Return a chat completion that is not streamed."""
    return await awaited(client.chat.completions.create(**CHAT_REQUEST))


async def accumulate_chat(client):
    """Return the chat completion that the SDK accumulates from a stream with usage."""
    manager = client.chat.completions.stream(**CHAT_REQUEST, stream_options={"include_usage": True})
    async with enter(manager) as events:
        await collect(events)
        return await awaited(events.get_final_completion())


@pytest.mark.parametrize("chunk", [None, 1, 3])
@pytest.mark.parametrize("name", CHAT_RESPONSES)
def test_chat_stream_accumulates_to_the_unstreamed_completion(name, chunk, client_kind):
    response = streamed(CHAT_RESPONSES[name], chunk=chunk) if chunk else CHAT_RESPONSES[name]
    completions = plain_and_streamed(client_kind, response, CHAT_CREATE, create_chat, accumulate_chat)
    unstreamed, accumulated = map(normalized, completions)
    for choice in unstreamed["choices"]:
        if not choice["message"].get("annotations"):  # an empty list is not streamed
            choice["message"].pop("annotations", None)
    assert accumulated == unstreamed


@pytest.mark.parametrize("response, message", [(cut('{"name": "A'), "length"), (filtered('{"na'), "content filter")])
def test_truncated_chat_stream_raises_the_same_error_as_parse(create, client, response, message):
    create.response = response
    with pytest.raises(openai.OpenAIError, match=message):
        client.chat.completions.parse(**CHAT_REQUEST, response_format=Person)
    streaming = client.chat.completions.stream(**CHAT_REQUEST, response_format=Person)
    with pytest.raises(openai.OpenAIError, match=message), streaming as events:
        events.until_done()


@pytest.mark.parametrize("response", (CHAT_RESPONSES | TRUNCATED_CHAT_RESPONSES).values())
def test_chat_chunks_validate_against_the_sdk_model(create, response):
    create.response = response
    *events, last = post_stream("/chat/completions", CHAT_REQUEST)
    assert last == (None, "[DONE]")
    assert {event_type for event_type, _ in events} == {None}
    chunks = [valid(ChatCompletionChunk, data) for _, data in events]
    assert len({chunk.id for chunk in chunks}) == 1
    assert len({chunk.created for chunk in chunks}) == 1
    assert {len(chunk.choices) for chunk in chunks} == {1}
    assert {chunk.usage for chunk in chunks} == {None}

    chunks_by_choice = {}
    for chunk in chunks:
        chunks_by_choice.setdefault(chunk.choices[0].index, []).append(chunk.choices[0])
    for first, *later in chunks_by_choice.values():
        assert first.delta.role == "assistant"
        assert {choice.delta.role for choice in later} == {None}
        assert [choice for choice in (first, *later) if choice.finish_reason] == later[-1:]
        started_indexes = []
        for choice in (first, *later):
            for call in choice.delta.tool_calls or ():
                if call.id:
                    started_indexes.append(call.index)
                assert call.index == started_indexes[-1]
        assert started_indexes == list(range(len(started_indexes)))


@pytest.mark.parametrize("response", (CHAT_RESPONSES | TRUNCATED_CHAT_RESPONSES).values())
def test_requested_usage_is_in_the_last_chat_chunk(create, response):
    create.response = response
    body = CHAT_REQUEST | {"stream_options": {"include_usage": True}}
    *events, (_, last), _ = post_stream("/chat/completions", body)
    valid(ChatCompletionChunk, last)
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] > 0
    for _, data in events:
        assert data["usage"] is None
        assert data["choices"] != []


def chat_deltas():
    """Return the deltas of a streamed chat completion."""
    *events, _ = post_stream("/chat/completions", CHAT_REQUEST)
    return [data["choices"][0]["delta"] for _, data in events]


def streamed_contents():
    """Return the pieces of text of a streamed chat completion."""
    return [delta["content"] for delta in chat_deltas() if delta.get("content")]


@pytest.mark.parametrize(
    "response, pieces",
    [
        ("Hello big  world", ["Hello ", "big  ", "world"]),
        ("  Hello", ["  ", "Hello"]),
        (streamed("Hello", chunk=2), ["He", "ll", "o"]),
        (streamed("日本🎉語", chunk=1), ["日", "本", "🎉", "語"]),
        ("", []),
    ],
)
def test_chat_deltas_are_words_or_chunks_of_the_set_size(create, response, pieces):
    create.response = response
    assert streamed_contents() == pieces


def test_chat_stream_sends_custom_tool_input_in_deltas(create):
    call = {"id": "call_1", "type": "custom", "custom": {"name": "c", "input": "do this"}}
    create.response = single_choice({"tool_calls": [call]})
    initial_call = call | {"index": 0, "custom": {"name": "c", "input": ""}}
    assert chat_deltas() == [
        {"role": "assistant", "content": None, "refusal": None, "tool_calls": [initial_call]},
        {"tool_calls": [{"index": 0, "custom": {"input": "do "}}]},
        {"tool_calls": [{"index": 0, "custom": {"input": "this"}}]},
        {},
    ]


@given(st.text(), st.sampled_from([None, 1, 7]))
def test_any_text_streams_unchanged(text, chunk):
    client = sdk()
    with OpenAIMock() as openai_mock:
        for name in (CHAT_CREATE, "responses.create", "completions.create"):
            lookup(openai_mock, name).response = streamed(text, chunk=chunk)
        with client.chat.completions.stream(**CHAT_REQUEST) as events:
            assert events.get_final_completion().choices[0].message.content == text
        with client.responses.stream(**INPUT_REQUEST) as events:
            pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
            assert events.get_final_response().output_text == text
        assert "".join(pieces) == text
        chunks = lenient_client().completions.create(model="m", prompt="Hi", stream=True)
        assert "".join(chunk.choices[0].text for chunk in chunks) == text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(st.text(max_size=5), json_values, max_size=3), min_size=1, max_size=3))
def test_any_tool_arguments_stream_unchanged(arguments):
    calls = [tool_call("f", call_arguments) for call_arguments in arguments]
    response = streamed(functools.reduce(operator.add, calls), chunk=4)
    with OpenAIMock() as openai_mock:
        openai_mock.chat.completions.create.response = response
        with sdk().chat.completions.stream(**CHAT_REQUEST) as events:
            chat_calls = events.get_final_completion().choices[0].message.tool_calls
        assert [json.loads(call.function.arguments) for call in chat_calls] == arguments
        assert len({call.id for call in chat_calls}) == len(arguments)

        openai_mock.responses.create.response = response
        accumulated = dict.fromkeys(range(len(arguments)), "")
        with sdk().responses.stream(**INPUT_REQUEST) as events:
            for event in events:
                if event.type == "response.function_call_arguments.delta":
                    accumulated[event.output_index] += event.delta
            output = events.get_final_response().output
        assert [json.loads(item.arguments) for item in output] == arguments
        assert [*accumulated.values()] == [item.arguments for item in output]


async def create_completion(client, **options):
    """Return a legacy completion, or its chunks if it is streamed."""
    request = {"model": "gpt-3.5-turbo-instruct", "prompt": "Once"} | options
    if "stream" in request:
        return await collect(client.completions.create(**request))
    return await awaited(client.completions.create(**request))


@pytest.mark.parametrize("text", ["Once upon a time", UNICODE_TEXT, ""])
def test_completion_stream_accumulates_to_the_unstreamed_text(openai_mock, text, client_kind):
    second_choice = {"text": "other", "finish_reason": "length"}
    openai_mock.completions.create.response = {"choices": [{"text": text}, second_choice]}
    client = lenient_client(client_kind)
    streaming_options = {"stream": True, "stream_options": {"include_usage": True}}
    unstreamed = run_coroutine(client_kind, create_completion(client))
    *chunks, last = run_coroutine(client_kind, create_completion(client, **streaming_options))

    texts = ["", ""]
    finish_reasons = [[], []]
    for chunk in chunks:
        (choice,) = chunk.choices
        texts[choice.index] += choice.text
        finish_reasons[choice.index].append(choice.finish_reason)
    assert texts == [text, "other"]
    assert [choice.text for choice in unstreamed.choices] == texts
    assert [reasons[-1] for reasons in finish_reasons] == ["stop", "length"]
    for *earlier_reasons, _ in finish_reasons:
        assert set(earlier_reasons) <= {None}
    assert last.choices == []
    assert last.usage == unstreamed.usage
    assert {chunk.id for chunk in chunks} == {last.id}


# ---- streams of responses --------------------------------------------------------------------------------------------


CITATION = {"type": "url_citation", "url": "https://a.b", "title": "t", "start_index": 0, "end_index": 2}
MCP_CALL_FIELDS = union_members("responses.ResponseOutputItem")["mcp_call"].model_fields
MCP_ERROR_IS_TEXT = str in typing.get_args(MCP_CALL_FIELDS["error"].annotation)  # a dict in later releases
MCP_ERROR = "broken" if MCP_ERROR_IS_TEXT else {"type": "http_error", "code": 500, "message": "broken"}
STREAMED_ITEMS = {
    "message": {
        "type": "message",
        "content": [
            {"type": "output_text", "text": "See here and there.", "annotations": [CITATION]},
            {"type": "output_text", "text": "More."},
        ],
    },
    "refusing message": {"type": "message", "content": [{"type": "refusal", "refusal": "No, I will not."}]},
    "reasoning": {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "First one."}, {"text": "Then two."}],
    },
    "reasoning text": {
        "type": "reasoning",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "I think so."}],
    },
    "encrypted": {"type": "reasoning", "summary": [], "encrypted_content": "abc"},
    "function_call": {"type": "function_call", "name": "f", "arguments": '{"a": "b c"}', "call_id": "call_1"},
    "custom_tool_call": {"type": "custom_tool_call", "name": "c", "input": "do this now", "call_id": "call_1"},
    "web_search_call": {"type": "web_search_call", "action": {"type": "search", "query": "q"}},
    "file_search_call": {"type": "file_search_call", "queries": ["q"], "results": [{"text": "found"}]},
    "code_interpreter_call": {"type": "code_interpreter_call", "code": "print(1 + 1)\n", "container_id": "cntr_1"},
    "image_generation_call": {"type": "image_generation_call", "result": "QUJD"},
    "mcp_call": {"type": "mcp_call", "name": "n", "server_label": "s", "arguments": '{"q": 1}', "output": "out"},
    "failed mcp_call": {
        "type": "mcp_call",
        "name": "n",
        "server_label": "s",
        "arguments": "{}",
        "error": MCP_ERROR,
    },
    "mcp_list_tools": {"type": "mcp_list_tools", "server_label": "s", "tools": [{"name": "n", "input_schema": {}}]},
}
STREAMED_RESPONSES = {name: {"output": [item]} for name, item in STREAMED_ITEMS.items()} | {
    "several items": {
        "output": [
            {"type": "reasoning", "summary": []},
            {"content": [{"text": "hi"}]},
            {"type": "function_call", "name": "f"},
        ]
    }
}


@pytest.fixture(params=["responses", pytest.param("beta.responses", marks=requires("beta.responses.create"))])
def responses_api(request):
    """Run a test once with each form of the responses API."""
    return request.param


@pytest.fixture
def responses_path(responses_api):
    """Return the path and query of a form of the responses API."""
    return "/responses?beta=true" if responses_api == "beta.responses" else "/responses"


@pytest.fixture
def model_prefix(responses_api):
    """Return how the names of the SDK's models for a form of the responses API begin."""
    return "beta.Beta" if responses_api == "beta.responses" else "responses."


def test_response_stream_of_a_text(openai_mock):
    openai_mock.responses.create.response = "Hi"
    events = post_stream("/responses", INPUT_REQUEST)
    item = {"id": "msg_000000000000000000000001", "role": "assistant", "type": "message"}
    part = {"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}
    part_place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    assert [data for _, data in events[2:-1]] == [
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": item | {"content": [], "status": "in_progress"},
            "sequence_number": 2,
        },
        part_place | {"type": "response.content_part.added", "part": part | {"text": ""}, "sequence_number": 3},
        part_place | {"type": "response.output_text.delta", "delta": "Hi", "logprobs": [], "sequence_number": 4},
        part_place | {"type": "response.output_text.done", "text": "Hi", "logprobs": [], "sequence_number": 5},
        part_place | {"type": "response.content_part.done", "part": part, "sequence_number": 6},
        {
            "type": "response.output_item.done",
            "output_index": 0,
            "item": item | {"content": [part], "status": "completed"},
            "sequence_number": 7,
        },
    ]


def test_response_stream_starts_with_an_empty_response_in_progress(openai_mock):
    openai_mock.responses.create.response = "Hi"
    events = post_stream("/responses", INPUT_REQUEST)
    completed = events[-1][1]["response"]
    initial = {"status": "in_progress", "output": [], "usage": None, "completed_at": None, "service_tier": "auto"}
    assert [event_type for event_type, _ in events[:2]] == ["response.created", "response.in_progress"]
    assert events[0][1]["response"] == completed | initial
    assert events[1][1]["response"] == completed | initial
    assert completed["status"] == "completed"
    assert completed["usage"]["output_tokens"] == 1


@pytest.mark.parametrize("response", [*TURNS.values(), *STREAMED_RESPONSES.values()], ids=[*TURNS, *STREAMED_RESPONSES])
def test_response_stream_ends_with_the_unstreamed_response(response, responses_api, client_kind):
    async def create_unstreamed(client):
        return await awaited(lookup(client, responses_api).create(**INPUT_REQUEST))

    async def create_streamed(client):
        if responses_api != "responses":  # the beta has no accumulator
            events = await collect(lookup(client, responses_api).create(**INPUT_REQUEST, stream=True))
            return events[-1].response
        async with enter(client.responses.stream(**INPUT_REQUEST)) as events:
            await collect(events)
            return await awaited(events.get_final_response())

    name = f"{responses_api}.create"
    unstreamed, final = plain_and_streamed(client_kind, response, name, create_unstreamed, create_streamed)
    assert normalized(final) == normalized(unstreamed)


@pytest.mark.parametrize("name", [*STREAMED_RESPONSES, *union_members("responses.ResponseOutputItem")])
def test_output_items_stream_valid_events(openai_mock, name, responses_api, responses_path):
    response = STREAMED_RESPONSES.get(name) or {"output": [{"type": name}]}
    lookup(openai_mock, f"{responses_api}.create").response = response
    events = post_stream(responses_path, INPUT_REQUEST)
    for number, (event_type, data) in enumerate(events):
        assert event_type == data["type"]
        assert data["sequence_number"] == number
        if event_type in union_members("responses.ResponseStreamEvent"):  # older releases lack some
            valid("responses.ResponseStreamEvent", data)

    final = events[-1][1]["response"]
    assert events[-1][0] == "response.completed"
    assert {data["response"]["id"] for _, data in events if "response" in data} == {final["id"]}
    set_types = [item.get("type", "message") for item in response["output"]]
    assert [item["type"] for item in final["output"]] == set_types

    added = [data["item"] for event_type, data in events if event_type == "response.output_item.added"]
    done = [data["item"] for event_type, data in events if event_type == "response.output_item.done"]
    assert done == final["output"]
    for key in ("type", "id", "call_id"):
        assert [item.get(key) for item in added] == [item.get(key) for item in done]
    for _, data in events:
        if "item_id" in data:
            assert data["item_id"] == final["output"][data["output_index"]]["id"]


# Events that the SDK declares and the mock never sends.
UNSENT_EVENTS = {
    # No item of a response has audio: models that answer with audio are in chat completions and in realtime.
    "response.audio.delta",
    "response.audio.done",
    "response.audio.transcript.delta",
    "response.audio.transcript.done",
    # Sent only if the input has a `compaction_trigger`, for which the mock makes no compaction item.
    "response.compaction.compacting",
}


def test_every_declared_response_event_is_sent_or_listed_as_unsent(
    openai_mock, responses_api, responses_path, model_prefix
):
    failed_list = {"type": "mcp_list_tools", "server_label": "s", "tools": [], "error": "unreachable"}
    items_by_type = [{"type": type} for type in union_members(f"{model_prefix}ResponseOutputItem")]
    answers = [
        {"output": [*STREAMED_ITEMS.values(), failed_list, *items_by_type]},
        {"status": "incomplete"},
        failed_response(openai_mock, f"{responses_api}.create"),
    ]
    lookup(openai_mock, f"{responses_api}.create").response = answers
    body = INPUT_REQUEST | {"background": True, "tools": [{"type": "image_generation", "partial_images": 1}]}
    sent_types = set()
    for _ in answers:
        sent_types.update(event_type for event_type, _ in post_stream(responses_path, body))
    declared_types = {*union_members(f"{model_prefix}ResponseStreamEvent")}
    assert declared_types - sent_types == UNSENT_EVENTS & declared_types


@pytest.mark.parametrize("union", ["ResponseOutputItem", "ResponseItem"])
def test_item_type_rows_name_the_sdk_models(union, model_prefix):
    rows = openai_responses._ITEM_TYPES
    unnamed = {}
    for type, model in union_members(f"{model_prefix}{union}").items():
        name = model.__name__.removeprefix("Beta")
        if type in rows and name not in rows[type].models:
            unnamed[type] = name
    assert unnamed == {}


ID_PREFIXES = {
    "apply_patch_call": "apc_",
    "apply_patch_call_output": "apco_",
    "code_interpreter_call": "ci_",
    "compaction": "cmp_",
    "computer_call": "cu_",
    "custom_tool_call": "ctc_",
    "file_search_call": "fs_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "image_generation_call": "ig_",
    "local_shell_call": "lsh_",
    "mcp_approval_request": "mcpr_",
    "mcp_call": "mcp_",
    "mcp_list_tools": "mcpl_",
    "message": "msg_",
    "program": "cm_",
    "program_output": "cmo_",
    "reasoning": "rs_",
    "shell_call": "sh_",
    "shell_call_output": "sho_",
    "tool_search_call": "tsc_",
    "tool_search_output": "tso_",
    "web_search_call": "ws_",
}


def test_output_item_ids_have_the_prefix_of_their_type(openai_mock, client, responses_api):
    sdk_types = union_members("responses.ResponseOutputItem")
    expected = {type: prefix for type, prefix in ID_PREFIXES.items() if type in sdk_types}
    lookup(openai_mock, f"{responses_api}.create").response = {"output": [{"type": type} for type in expected]}
    output = lookup(client, responses_api).create(**INPUT_REQUEST).to_dict()["output"]
    assert {item["type"]: item["id"].rstrip("0123456789") for item in output} == expected


@pytest.mark.parametrize("type", ["custom_tool_call", "function_call"])
def test_input_item_ids_have_the_prefix_of_their_type(client, type):
    item = {"type": type, "call_id": "call_1", "name": "f", "arguments": "{}", "input": "x"}
    (created_item,) = client.conversations.items.create(client.conversations.create().id, items=[item]).data
    assert created_item.id.startswith(ID_PREFIXES[type])


SHELL_CALL = {"type": "shell_call", "action": {"commands": ["ls -l", "pwd"]}}
TIMED_OUT_COMMAND = {"stdout": "a", "stderr": "", "outcome": {"type": "timeout"}}
FAILED_COMMAND = {"stdout": "", "stderr": "b", "outcome": {"type": "exit", "exit_code": 1}}
SHELL_OUTPUT = {"type": "shell_call_output", "output": [TIMED_OUT_COMMAND, FAILED_COMMAND]}
CREATE_FILE_PATCH = {"type": "apply_patch_call", "operation": {"type": "create_file", "path": "a", "diff": "+a +b"}}
DELETE_FILE_PATCH = {"type": "apply_patch_call", "operation": {"type": "delete_file", "path": "a"}}


def events_between(openai_mock, item, **body):
    """Return the events between `output_item.added` and `output_item.done` of an item, without IDs and numbers."""
    openai_mock.responses.create.response = {"output": [item]}
    events = [data for _, data in post_stream("/responses", INPUT_REQUEST | body)]
    assert events[2]["type"] == "response.output_item.added"
    assert events[-2]["type"] == "response.output_item.done"
    for event in events[3:-2]:
        event["type"] = event["type"].removeprefix("response.")
        for key in ("item_id", "output_index", "sequence_number"):
            del event[key]
    return events[3:-2]


@pytest.mark.parametrize(
    "item, events",
    [
        (
            STREAMED_ITEMS["refusing message"],
            [
                {"type": "content_part.added", "content_index": 0, "part": {"type": "refusal", "refusal": ""}},
                {"type": "refusal.delta", "content_index": 0, "delta": "No, "},
                {"type": "refusal.delta", "content_index": 0, "delta": "I "},
                {"type": "refusal.delta", "content_index": 0, "delta": "will "},
                {"type": "refusal.delta", "content_index": 0, "delta": "not."},
                {"type": "refusal.done", "content_index": 0, "refusal": "No, I will not."},
                {
                    "type": "content_part.done",
                    "content_index": 0,
                    "part": {"type": "refusal", "refusal": "No, I will not."},
                },
            ],
        ),
        (
            {"type": "reasoning", "summary": [{"text": "One."}, {"text": "Two."}]},
            [
                {
                    "type": "reasoning_summary_part.added",
                    "summary_index": 0,
                    "part": {"type": "summary_text", "text": ""},
                },
                {"type": "reasoning_summary_text.delta", "summary_index": 0, "delta": "One."},
                {"type": "reasoning_summary_text.done", "summary_index": 0, "text": "One."},
                {
                    "type": "reasoning_summary_part.done",
                    "summary_index": 0,
                    "part": {"type": "summary_text", "text": "One."},
                },
                {
                    "type": "reasoning_summary_part.added",
                    "summary_index": 1,
                    "part": {"type": "summary_text", "text": ""},
                },
                {"type": "reasoning_summary_text.delta", "summary_index": 1, "delta": "Two."},
                {"type": "reasoning_summary_text.done", "summary_index": 1, "text": "Two."},
                {
                    "type": "reasoning_summary_part.done",
                    "summary_index": 1,
                    "part": {"type": "summary_text", "text": "Two."},
                },
            ],
        ),
        (
            {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "So."}]},
            [
                {"type": "content_part.added", "content_index": 0, "part": {"type": "reasoning_text", "text": ""}},
                {"type": "reasoning_text.delta", "content_index": 0, "delta": "So."},
                {"type": "reasoning_text.done", "content_index": 0, "text": "So."},
                {"type": "content_part.done", "content_index": 0, "part": {"type": "reasoning_text", "text": "So."}},
            ],
        ),
        (
            {"type": "function_call", "name": "f", "arguments": '{"a": 1}'},
            [
                {"type": "function_call_arguments.delta", "delta": '{"a": '},
                {"type": "function_call_arguments.delta", "delta": "1}"},
                {"type": "function_call_arguments.done", "arguments": '{"a": 1}', "name": "f"},
            ],
        ),
        (
            {"type": "custom_tool_call", "name": "c", "input": "do this"},
            [
                {"type": "custom_tool_call_input.delta", "delta": "do "},
                {"type": "custom_tool_call_input.delta", "delta": "this"},
                {"type": "custom_tool_call_input.done", "input": "do this", "name": "c"},
            ],
        ),
        (
            {"type": "code_interpreter_call", "code": "1 + 1"},
            [
                {"type": "code_interpreter_call.in_progress"},
                {"type": "code_interpreter_call_code.delta", "delta": "1 "},
                {"type": "code_interpreter_call_code.delta", "delta": "+ "},
                {"type": "code_interpreter_call_code.delta", "delta": "1"},
                {"type": "code_interpreter_call_code.done", "code": "1 + 1"},
                {"type": "code_interpreter_call.interpreting"},
                {"type": "code_interpreter_call.completed"},
            ],
        ),
        (
            STREAMED_ITEMS["mcp_call"],
            [
                {"type": "mcp_call.in_progress"},
                {"type": "mcp_call_arguments.delta", "delta": '{"q": '},
                {"type": "mcp_call_arguments.delta", "delta": "1}"},
                {"type": "mcp_call_arguments.done", "arguments": '{"q": 1}', "name": "n"},
                {"type": "mcp_call.completed"},
            ],
        ),
        (
            STREAMED_ITEMS["failed mcp_call"],
            [
                {"type": "mcp_call.in_progress"},
                {"type": "mcp_call_arguments.delta", "delta": "{}"},
                {"type": "mcp_call_arguments.done", "arguments": "{}", "name": "n"},
                {"type": "mcp_call.failed"},
            ],
        ),
        (
            STREAMED_ITEMS["mcp_list_tools"],
            [{"type": "mcp_list_tools.in_progress"}, {"type": "mcp_list_tools.completed"}],
        ),
        (
            STREAMED_ITEMS["web_search_call"],
            [
                {"type": "web_search_call.in_progress"},
                {"type": "web_search_call.searching"},
                {"type": "web_search_call.completed"},
            ],
        ),
        (
            STREAMED_ITEMS["file_search_call"],
            [
                {"type": "file_search_call.in_progress"},
                {"type": "file_search_call.searching"},
                {"type": "file_search_call.completed"},
            ],
        ),
        (
            STREAMED_ITEMS["image_generation_call"],
            [
                {"type": "image_generation_call.in_progress"},
                {"type": "image_generation_call.generating"},
                {"type": "image_generation_call.completed"},
            ],
        ),
        (
            CREATE_FILE_PATCH,
            [
                {"type": "apply_patch_call_operation_diff.delta", "delta": "+a "},
                {"type": "apply_patch_call_operation_diff.delta", "delta": "+b"},
                {"type": "apply_patch_call_operation_diff.done", "diff": "+a +b"},
            ],
        ),
        (DELETE_FILE_PATCH, []),
        (
            SHELL_CALL,
            [
                {"type": "shell_call_command.added", "command": "", "command_index": 0},
                {"type": "shell_call_command.delta", "delta": "ls ", "command_index": 0},
                {"type": "shell_call_command.delta", "delta": "-l", "command_index": 0},
                {"type": "shell_call_command.done", "command": "ls -l", "command_index": 0},
                {"type": "shell_call_command.added", "command": "", "command_index": 1},
                {"type": "shell_call_command.delta", "delta": "pwd", "command_index": 1},
                {"type": "shell_call_command.done", "command": "pwd", "command_index": 1},
            ],
        ),
        (
            SHELL_OUTPUT,
            [
                {"type": "shell_call_output_content.delta", "delta": {"stdout": "a"}, "command_index": 0},
                {"type": "shell_call_output_content.done", "output": [TIMED_OUT_COMMAND], "command_index": 0},
                {"type": "shell_call_output_content.delta", "delta": {"stderr": "b"}, "command_index": 1},
                {"type": "shell_call_output_content.done", "output": [FAILED_COMMAND], "command_index": 1},
            ],
        ),
    ],
    ids=[
        "refusal",
        "reasoning summary",
        "reasoning text",
        "function call",
        "custom tool call",
        "code interpreter call",
        "MCP call",
        "failed MCP call",
        "MCP tools",
        "web search",
        "file search",
        "image generation",
        "patch that creates a file",
        "patch that deletes a file",
        "shell call",
        "shell output",
    ],
)
def test_items_send_the_events_of_the_service(openai_mock, item, events):
    assert events_between(openai_mock, item) == events


def annotated_text_events(openai_mock, text, annotation):
    """Return the types and deltas of the events of a text with one annotation."""
    part = {"text": text, "annotations": [annotation]}
    events = events_between(openai_mock, {"content": [part]})
    return [(event["type"], event.get("delta")) for event in events]


def test_annotation_follows_the_text_that_it_annotates(openai_mock):
    annotation = {"type": "url_citation", "end_index": 7}
    assert annotated_text_events(openai_mock, "one two three", annotation) == [
        ("content_part.added", None),
        ("output_text.delta", "one "),
        ("output_text.delta", "two"),
        ("output_text.annotation.added", None),
        ("output_text.delta", " "),
        ("output_text.delta", "three"),
        ("output_text.done", None),
        ("content_part.done", None),
    ]


def test_annotation_within_a_word_splits_it(openai_mock):
    annotation = {"type": "file_citation", "index": 3}
    assert annotated_text_events(openai_mock, "one.", annotation) == [
        ("content_part.added", None),
        ("output_text.delta", "one"),
        ("output_text.annotation.added", None),
        ("output_text.delta", "."),
        ("output_text.done", None),
        ("content_part.done", None),
    ]


def test_annotation_after_the_text_is_sent_before_the_text_is_done(openai_mock):
    annotation = {"type": "url_citation", "end_index": 99}
    assert annotated_text_events(openai_mock, "one", annotation) == [
        ("content_part.added", None),
        ("output_text.delta", "one"),
        ("output_text.annotation.added", None),
        ("output_text.done", None),
        ("content_part.done", None),
    ]


def test_annotations_are_streamed_with_their_index(openai_mock):
    second_citation = CITATION | {"start_index": 3, "end_index": 5}
    part = {"type": "output_text", "text": "See here.", "annotations": [CITATION, second_citation]}
    events = events_between(openai_mock, {"type": "message", "content": [part]})
    assert [event for event in events if event["type"] == "output_text.annotation.added"] == [
        {"type": "output_text.annotation.added", "content_index": 0, "annotation_index": 0, "annotation": CITATION},
        {
            "type": "output_text.annotation.added",
            "content_index": 0,
            "annotation_index": 1,
            "annotation": second_citation,
        },
    ]


def added_item(openai_mock, item):
    """Return an item as it is in the event `response.output_item.added`."""
    openai_mock.responses.create.response = {"output": [item]}
    return dict(post_stream("/responses", INPUT_REQUEST))["response.output_item.added"]["item"]


@pytest.mark.parametrize(
    "item, initial",
    [
        (STREAMED_ITEMS["code_interpreter_call"], {"code": "", "status": "in_progress"}),
        (CREATE_FILE_PATCH, {"operation": {"type": "create_file", "path": "a", "diff": ""}, "status": "in_progress"}),
        (DELETE_FILE_PATCH, {"operation": {"type": "delete_file", "path": "a"}, "status": "in_progress"}),
        (SHELL_CALL, {"action": {"commands": []}, "status": "in_progress"}),
        (SHELL_OUTPUT, {"output": [], "status": "in_progress"}),
        (STREAMED_ITEMS["custom_tool_call"], {"input": ""}),
        (STREAMED_ITEMS["file_search_call"], {"queries": ["q"], "status": "in_progress"}),
        (STREAMED_ITEMS["function_call"], {"arguments": "", "status": "in_progress"}),
        (STREAMED_ITEMS["image_generation_call"], {"result": None, "status": "in_progress"}),
        (STREAMED_ITEMS["mcp_call"], {"arguments": "", "status": "in_progress"}),
        (STREAMED_ITEMS["message"], {"content": [], "status": "in_progress"}),
        (STREAMED_ITEMS["reasoning text"], {"content": []}),
        (STREAMED_ITEMS["reasoning"], {"summary": []}),
        (STREAMED_ITEMS["web_search_call"], {"status": "in_progress"}),
        ({"type": "local_shell_call"}, {"status": "completed"}),
        ({"type": "computer_call"}, {"status": "completed"}),
    ],
    ids=lambda value: value.get("type"),
)
def test_added_items_are_empty_before_their_deltas(openai_mock, item, initial):
    added = added_item(openai_mock, item)
    action = added.get("action")
    if "action" in initial:  # the other settings of the action are sent at once
        added["action"] = {"commands": action["commands"]}
    assert {key: added[key] for key in initial} == initial


@pytest.mark.skipif("program" not in union_members("responses.ResponseOutputItem"), reason="this SDK has no programs")
@pytest.mark.parametrize(
    "type, initial", [("program", {"code": ""}), ("program_output", {"result": "", "status": "completed"})]
)
def test_added_programs_are_empty(openai_mock, type, initial):
    added = added_item(openai_mock, {"type": type})
    assert {key: added[key] for key in initial} == initial


def test_stream_of_a_background_request_starts_queued(openai_mock):
    events = post_stream("/responses", INPUT_REQUEST | {"background": True})
    first_states = [(event_type, data["response"]["status"]) for event_type, data in events[:3]]
    assert first_states == [
        ("response.created", "queued"),
        ("response.queued", "queued"),
        ("response.in_progress", "in_progress"),
    ]


@pytest.mark.parametrize("requested, initial", [(None, "auto"), ("flex", "flex")])
def test_stream_starts_with_the_requested_service_tier(openai_mock, requested, initial):
    openai_mock.responses.create.response = {"service_tier": "default"}
    events = post_stream("/responses", INPUT_REQUEST | {"service_tier": requested})
    assert events[0][1]["response"]["service_tier"] == initial
    assert events[1][1]["response"]["service_tier"] == initial
    assert events[-1][1]["response"]["service_tier"] == "default"


@pytest.mark.parametrize(
    "call_count, text, fields",
    [
        (1, None, [["role", "tool_calls"], ["tool_calls"], []]),
        (2, None, [["role"], ["tool_calls"], ["tool_calls"], ["tool_calls"], ["tool_calls"], []]),
        (1, "Hi", [["role"], ["content"], ["tool_calls"], ["tool_calls"], []]),
        (0, "Hi", [["role"], ["content"], []]),
    ],
    ids=["one call", "two calls", "text and call", "text"],
)
def test_first_chat_chunk_contains_a_single_tool_call(create, call_count, text, fields):
    create.response = single_choice({"content": text, "tool_calls": [FUNCTION_CALL] * call_count})
    deltas = chat_deltas()
    assert [[key for key, value in delta.items() if value] for delta in deltas] == fields
    assert deltas[0]["refusal"] is None
    assert "annotations" not in deltas[0]


def test_usage_missing_from_a_completion_is_not_streamed(openai_mock, create):
    completion = complete_response(openai_mock, CHAT_CREATE, {})
    del completion["usage"]
    create.response = completion
    *chunks, last = post_stream("/chat/completions", CHAT_REQUEST | {"stream_options": {"include_usage": True}})
    assert last == (None, "[DONE]")
    assert len(chunks) > 2
    assert {data["usage"] for _, data in chunks} == {None}


def test_azure_content_filter_results_are_streamed_like_the_service(create):
    safe = {"hate": {"filtered": False, "severity": "safe"}}
    prompt_results = [{"prompt_index": 0, "content_filter_results": safe}]
    completion = single_choice({"content": "a b"}, content_filter_results=safe)
    create.response = completion | {"prompt_filter_results": prompt_results}
    (_, first), *events, _ = post_stream("/chat/completions", CHAT_REQUEST)
    assert first == {
        "id": "",
        "object": "",
        "created": 0,
        "model": "",
        "choices": [],
        "prompt_filter_results": prompt_results,
    }
    assert [data["choices"][0]["content_filter_results"] for _, data in events] == [{}, safe, safe, {}]
    for _, data in events:
        assert "prompt_filter_results" not in data


@pytest.mark.parametrize(
    "name, event, field",
    [
        ("message", "response.output_text", "text"),
        ("refusing message", "response.refusal", "refusal"),
        ("reasoning", "response.reasoning_summary_text", "text"),
        ("reasoning text", "response.reasoning_text", "text"),
        ("function_call", "response.function_call_arguments", "arguments"),
        ("custom_tool_call", "response.custom_tool_call_input", "input"),
        ("code_interpreter_call", "response.code_interpreter_call_code", "code"),
        ("mcp_call", "response.mcp_call_arguments", "arguments"),
    ],
)
def test_response_deltas_accumulate_to_the_done_event(openai_mock, name, event, field):
    openai_mock.responses.create.response = streamed(STREAMED_RESPONSES[name], chunk=2)
    accumulated = {}
    done = {}
    pieces = []
    for event_type, data in post_stream("/responses", INPUT_REQUEST):
        key = (data.get("item_id"), data.get("summary_index"), data.get("content_index"))
        if event_type == f"{event}.delta":
            pieces.append(data["delta"])
            accumulated[key] = accumulated.get(key, "") + data["delta"]
        elif event_type == f"{event}.done":
            done[key] = data[field]
    assert accumulated == done
    assert len(pieces) > len(done)
    assert {len(piece) for piece in pieces} <= {1, 2}


@pytest.mark.parametrize("number", [None, 0, 2])
def test_requested_number_of_partial_images_is_streamed(openai_mock, number):
    tool = {"type": "image_generation", "partial_images": number, "quality": "low"}
    events = events_between(openai_mock, {"type": "image_generation_call", "result": "QUJD"}, tools=[tool])
    partial_images = [event for event in events if event["type"] == "image_generation_call.partial_image"]
    assert [event["partial_image_index"] for event in partial_images] == list(range(number or 0))
    for event in partial_images:
        assert event["partial_image_b64"] == "QUJD"
        assert event["quality"] == "low"
        assert event["size"] == "1024x1024"
        assert event["background"] == "opaque"
        assert event["output_format"] == "png"


@pytest.mark.parametrize(
    "response, status",
    [
        (cut("half of"), "incomplete"),
        (filtered("so far"), "incomplete"),
        ({"incomplete_details": {"reason": "max_output_tokens"}}, "incomplete"),
        ({"error": {"code": "server_error", "message": "boom"}}, "failed"),
        ({"error": {"code": "rate_limit_exceeded", "message": "boom"}, "output": []}, "failed"),
    ],
    ids=["cut", "filtered", "incomplete", "server error", "rate limit"],
)
def test_failed_and_incomplete_responses_end_with_a_matching_event(response, status, responses_api):
    async def create_unstreamed(client):
        return lookup(client, responses_api).create(**INPUT_REQUEST)

    async def create_streamed(client):
        return list(lookup(client, responses_api).create(**INPUT_REQUEST, stream=True))[-1]

    name = f"{responses_api}.create"
    unstreamed, last = plain_and_streamed("sync", response, name, create_unstreamed, create_streamed)
    assert last.type == f"response.{status}"
    assert unstreamed.status == status
    assert last.response.status == status
    assert normalized(unstreamed) == normalized(last.response)


def failed_response(openai_mock, name):
    """Return a complete response that failed because the quota is used up."""
    return complete_response(openai_mock, name, {"error": QUOTA_ERROR, "status": "failed", "output": []})


def test_exceeded_quota_sends_an_error_before_the_failed_response(openai_mock):
    openai_mock.responses.create.response = failed_response(openai_mock, "responses.create")
    events = post_stream("/responses", INPUT_REQUEST)
    event_types = [event_type for event_type, _ in events]
    assert event_types == ["response.created", "response.in_progress", "error", "response.failed"]
    assert events[2][1]["error"] == {"type": "insufficient_quota", "param": None, **QUOTA_ERROR}


def test_exceeded_quota_raises_from_the_stream(openai_mock, client):
    openai_mock.responses.create.response = failed_response(openai_mock, "responses.create")
    with pytest.raises(openai.APIError, match=QUOTA_ERROR["message"]) as raised:
        list(client.responses.create(**INPUT_REQUEST, stream=True))
    assert raised.value.code == "insufficient_quota"


async def test_stored_response_can_be_streamed_again_from_any_event(openai_mock, responses_api, either_client):
    lookup(openai_mock, f"{responses_api}.create").response = "Hello big wide world"
    resource = lookup(either_client, responses_api)
    first = await collect(resource.create(**INPUT_REQUEST, stream=True))
    assert [event.sequence_number for event in first] == list(range(len(first)))
    id = first[0].response.id
    last = first[-1]
    assert await collect(resource.retrieve(id, stream=True)) == first
    assert await collect(resource.retrieve(id, stream=True, starting_after=4)) == first[5:]
    assert await collect(resource.retrieve(id, stream=True, starting_after=last.sequence_number)) == []
    assert normalized(last.response) == normalized(await awaited(resource.retrieve(id)))


def test_streamed_retrieve_returns_the_set_response(openai_mock, client):
    openai_mock.responses.retrieve.response = tool_call("f", a=1)
    plain = client.responses.retrieve("resp_x")
    *_, last = client.responses.retrieve("resp_x", stream=True)
    assert plain.output[0].arguments == '{"a": 1}'
    assert last.response.output[0].arguments == '{"a": 1}'


async def parse_chat(client):
    """Return the parsed message of an unstreamed chat completion."""
    completion = await awaited(client.chat.completions.parse(**CHAT_REQUEST, response_format=Person))
    return completion.choices[0].message.parsed


async def parse_streamed_chat(client):
    """Return the parsed message of a streamed chat completion."""
    async with enter(client.chat.completions.stream(**CHAT_REQUEST, response_format=Person)) as events:
        await collect(events)
        completion = await awaited(events.get_final_completion())
    return completion.choices[0].message.parsed


async def parse_response(client):
    """Return the parsed output of an unstreamed response."""
    response = await awaited(client.responses.parse(**INPUT_REQUEST, text_format=Person))
    return response.output_parsed


async def parse_streamed_response(client):
    """Return the parsed output of a streamed response."""
    async with enter(client.responses.stream(**INPUT_REQUEST, text_format=Person)) as events:
        response = await awaited(events.get_final_response())
    return response.output_parsed


@pytest.mark.parametrize("response", [ADA, ADA.model_dump_json(), None], ids=["model", "JSON", "default"])
@pytest.mark.parametrize(
    "name, parse, parse_streamed",
    [
        (CHAT_CREATE, parse_chat, parse_streamed_chat),
        ("responses.create", parse_response, parse_streamed_response),
    ],
    ids=["chat.completions", "responses"],
)
def test_parsed_streams_return_the_same_object_as_parse(client_kind, response, name, parse, parse_streamed):
    unstreamed, accumulated = plain_and_streamed(client_kind, response, name, parse, parse_streamed)
    assert isinstance(unstreamed, Person)
    assert accumulated == unstreamed
    assert response is None or unstreamed == ADA


# ---- streams of runs and sessions ------------------------------------------------------------------------------------


async def poll_run(client, thread, assistant):
    """Return a run, the messages of the thread and the steps of the run, after polling the run."""
    runs = client.beta.threads.runs
    run = await awaited(runs.create_and_poll(thread_id=thread, assistant_id=assistant))
    messages = await awaited(client.beta.threads.messages.list(thread, order="asc"))
    steps = await awaited(runs.steps.list(run.id, thread_id=thread, order="asc"))
    return run, messages.data, steps.data


async def stream_run(client, thread, assistant):
    """Return a run, the messages of the thread and the steps of the run, as the SDK's event handler collects them."""
    is_async = isinstance(client, openai.AsyncOpenAI)
    handler_class = openai.AsyncAssistantEventHandler if is_async else openai.AssistantEventHandler
    runs = client.beta.threads.runs
    manager = runs.stream(thread_id=thread, assistant_id=assistant, event_handler=handler_class())
    async with enter(manager) as handler:
        await awaited(handler.until_done())
        run = await awaited(handler.get_final_run())
        steps = await awaited(handler.get_final_run_steps())
        messages = [] if run.required_action else await awaited(handler.get_final_messages())
    return run, messages, steps


@pytest.mark.parametrize(
    "name, status",
    [
        ("text", "completed"),
        ("unicode", "completed"),
        ("empty", "completed"),
        ("one tool call", "requires_action"),
        ("parallel tool calls", "requires_action"),
    ],
)
def test_run_stream_ends_with_the_same_run_as_polling(name, status, client_kind):
    results = []
    for run_assistant in (poll_run, stream_run):
        with OpenAIMock() as openai_mock:
            openai_mock.beta.threads.runs.create.response = TURNS[name]
            thread = add_thread(sdk())
            run, messages, steps = run_with_client(client_kind, run_assistant, thread, add_assistant(sdk()))
        normalized_steps = normalized(steps)
        for step in normalized_steps:  # the SDK's handler keeps a step as it began
            del step["status"]
            step.pop("usage", None)
        results.append((normalized(run), normalized(messages), normalized_steps))
    polled, accumulated = results
    assert polled == accumulated
    assert polled[0]["status"] == status


def test_run_with_a_message_streams_its_events_in_order(openai_mock, client):
    openai_mock.beta.threads.create_and_run.response = streamed("Hello you", chunk=5)
    *events, last = post_stream("/threads/runs", {"assistant_id": add_assistant(client)})
    assert last == ("done", "[DONE]")
    for event_type, data in events:
        valid("beta.AssistantStreamEvent", {"event": event_type, "data": data})
    assert [(event_type, data.get("status")) for event_type, data in events] == [
        ("thread.created", None),
        ("thread.run.created", "queued"),
        ("thread.run.queued", "queued"),
        ("thread.run.in_progress", "in_progress"),
        ("thread.run.step.created", "in_progress"),
        ("thread.run.step.in_progress", "in_progress"),
        ("thread.message.created", "in_progress"),
        ("thread.message.in_progress", "in_progress"),
        ("thread.message.delta", None),
        ("thread.message.delta", None),
        ("thread.message.delta", None),
        ("thread.message.completed", "completed"),
        ("thread.run.step.completed", "completed"),
        ("thread.run.completed", "completed"),
    ]


def test_run_stream_sends_a_message_in_deltas(openai_mock, client):
    openai_mock.beta.threads.create_and_run.response = streamed("Hello you", chunk=5)
    events = post_stream("/threads/runs", {"assistant_id": add_assistant(client)})
    created = dict(events)["thread.message.created"]
    deltas = [data for event_type, data in events if event_type == "thread.message.delta"]
    assert created["content"] == []
    assert {delta["id"] for delta in deltas} == {created["id"]}
    assert {delta["object"] for delta in deltas} == {"thread.message.delta"}
    assert [delta["delta"]["content"] for delta in deltas] == [
        [{"index": 0, "type": "text", "text": {"value": "", "annotations": []}}],
        [{"index": 0, "type": "text", "text": {"value": "Hello"}}],
        [{"index": 0, "type": "text", "text": {"value": " you"}}],
    ]


def test_run_stream_sends_a_tool_call_in_deltas(openai_mock, client):
    openai_mock.beta.threads.create_and_run.response = tool_call("f", {"a": 1}, "call_1")
    events = post_stream("/threads/runs", {"assistant_id": add_assistant(client)})
    created = dict(events)["thread.run.step.created"]
    deltas = [data["delta"]["step_details"] for event_type, data in events if event_type == "thread.run.step.delta"]
    function = {"name": "f", "arguments": "", "output": None}
    assert created["step_details"] == {"type": "tool_calls", "tool_calls": []}
    assert {details["type"] for details in deltas} == {"tool_calls"}
    assert [details["tool_calls"] for details in deltas] == [
        [{"index": 0, "type": "function", "id": "call_1", "function": function}],
        [{"index": 0, "type": "function", "function": {"arguments": '{"a": '}}],
        [{"index": 0, "type": "function", "function": {"arguments": "1}"}}],
    ]


@pytest.mark.parametrize("response", ["Hi", tool_call("f")], ids=["message", "tool call"])
def test_created_step_has_no_usage_and_no_end(openai_mock, client, response):
    openai_mock.beta.threads.create_and_run.response = response
    events = dict(post_stream("/threads/runs", {"assistant_id": add_assistant(client)}))
    for event_type in ("thread.run.step.created", "thread.run.step.in_progress"):
        assert events[event_type]["status"] == "in_progress"
        assert events[event_type]["usage"] is None
        assert events[event_type]["completed_at"] is None


def test_run_stream_stops_for_tool_calls_and_resumes_with_their_outputs(openai_mock, client, client_kind):
    openai_mock.beta.threads.runs.create.response = [TURNS["parallel tool calls"], "It is cold and late."]
    thread = add_thread(client)
    assistant = add_assistant(client)

    async def run_tools(client):
        runs = client.beta.threads.runs
        first = await collect(runs.create(thread, assistant_id=assistant, stream=True))
        (run,) = [event.data for event in first if event.event == "thread.run.requires_action"]
        calls = run.required_action.submit_tool_outputs.tool_calls
        outputs = [{"tool_call_id": call.id, "output": "1"} for call in calls]
        submitted = runs.submit_tool_outputs(run.id, thread_id=thread, tool_outputs=outputs, stream=True)
        return first, run, await collect(submitted)

    first, run, resumed = run_with_client(client_kind, run_tools)
    assert run.status == "requires_action"
    pieces = {0: "", 1: ""}
    for event in first:
        assert not event.event.startswith("thread.message")
        if event.event == "thread.run.step.delta":
            for call in event.data.delta.step_details.tool_calls:
                pieces[call.index] += call.function.arguments or ""
    calls = run.required_action.submit_tool_outputs.tool_calls
    assert [*pieces.values()] == [call.function.arguments for call in calls]

    assert [event.event for event in resumed[:2]] == ["thread.run.step.completed", "thread.run.queued"]
    assert [call.function.output for call in resumed[0].data.step_details.tool_calls] == ["1", "1"]
    assert [event.data.id for event in resumed if event.event == "thread.run.completed"] == [run.id]
    assert thread_texts(client, thread) == ["It is cold and late."]


@requires("beta.agents.sessions.events.stream")
def test_agent_session_events_can_be_streamed(client):
    body = {"agent_id": "agent_1", "environment": {"type": "new"}}
    session = client.post("/agents/sessions", body=body, cast_to=openai.types.beta.AgentSession)
    events = list(client.beta.agents.sessions.events.stream(session.id))
    assert [event.type.rpartition(".")[2] for event in events] == ["created", "idle"]
    assert {event.session_id for event in events} == {session.id}
    for event in events:
        pydantic.TypeAdapter(openai.types.beta.AgentSessionEvent).validate_python(event.to_dict())


# ---- streams that a test sets event by event -------------------------------------------------------------------------


WORDS = ["one ", "two ", "three"]


def chat_chunk(text):
    """Return a chunk of a chat completion with a piece of text."""
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return base | {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}


def chunks():
    yield from map(chat_chunk, WORDS)
    yield "[DONE]"


def chunks_of_request(request):
    assert request.method == "POST"
    yield from chunks()


def chunk_models():
    for chunk in map(chat_chunk, WORDS):
        yield ChatCompletionChunk.model_validate(chunk)


async def async_chunks():
    for event in chunks():
        await asyncio.sleep(0)
        yield event


class Chunks(EventStream[ChatCompletionChunk]):
    def generate(self):
        yield from chunk_models()


class AsyncChunks(AsyncEventStream[ChatCompletionChunk]):
    async def agenerate(self):
        for chunk in chunk_models():
            await asyncio.sleep(0)
            yield chunk


SINGLE_USE_STREAMS = {  # streams that can be read once: each is made in the test
    "generator": chunks,
    "asynchronous generator": async_chunks,
    "generator of models": chunk_models,
    "generator of pairs": lambda: ((None, chat_chunk(word)) for word in WORDS),
    "stream of a generator": lambda: streamed(chunks()),
    "stream of an asynchronous generator": lambda: streamed(async_chunks()),
    "stream of an iterator": lambda: streamed(iter(list(chunks()))),
}
REUSABLE_STREAMS = {  # streams that serve every call
    "generator function": lambda: chunks,
    "generator function of the request": lambda: chunks_of_request,
    "asynchronous generator function": lambda: async_chunks,
    "stream of a list": lambda: streamed(list(chunks())),
    "stream of models": lambda: streamed(list(chunk_models())),
    "stream of a tuple": lambda: streamed(tuple(chunks())),
    "stream of a generator function": lambda: streamed(chunks),
    "event stream": Chunks,
    "asynchronous event stream": AsyncChunks,
    "event stream as content": lambda: httpx.Response(200, content=Chunks()),
    "asynchronous event stream as content": lambda: httpx.Response(200, content=AsyncChunks()),
    "callable that returns a generator": lambda: lambda request: chunks(),
    "callable that returns an event stream": lambda: lambda request: Chunks(),
    "asynchronous callable that returns a generator": lambda: lambda request: async_value(chunks()),
}


@pytest.mark.parametrize("name", REUSABLE_STREAMS)
def test_reusable_stream_serves_repeated_sync_and_async_calls(create, name):
    create.response = REUSABLE_STREAMS[name]()
    for kind in ("sync", "async", "async", "sync"):
        assert run_with_client(kind, stream_with) == "one two three"
    assert create.route.call_count == 4


@pytest.mark.parametrize("name", REUSABLE_STREAMS)
async def test_reusable_stream_serves_clients_in_a_running_event_loop(create, client_kind, name):
    create.response = REUSABLE_STREAMS[name]()
    assert await stream_with(sdk(client_kind)) == "one two three"


@pytest.mark.parametrize("name", SINGLE_USE_STREAMS)
async def test_iterator_is_read_once_and_a_second_call_raises(create, client_kind, name):
    create.response = SINGLE_USE_STREAMS[name]()
    assert await stream_with(sdk(client_kind)) == "one two three"
    with pytest.raises(TypeError, match="is an iterator that an earlier call has read; set a list or a function"):
        sdk().chat.completions.create(**CHAT_REQUEST, stream=True)


class CreatedEvent(pydantic.BaseModel):
    event: str = "thread.created"
    data: dict = {"id": "thread_1"}


class NamedEvents(EventStream[CreatedEvent]):
    def generate(self):
        yield CreatedEvent()
        yield {"type": "response.created", "n": 1}
        yield "done", "[DONE]"
        yield {"n": 2}


@pytest.mark.parametrize(
    "response",
    [NamedEvents(), httpx.Response(200, content=NamedEvents(), headers={"content-type": "text/event-stream"})],
    ids=["event stream", "content of a response"],
)
def test_stream_events_are_sent_with_their_event_name(create, response):
    create.response = response
    assert post_stream("/chat/completions", CHAT_REQUEST) == [
        ("thread.created", {"id": "thread_1"}),
        ("response.created", {"type": "response.created", "n": 1}),
        ("done", "[DONE]"),
        (None, {"n": 2}),
    ]


@pytest.mark.parametrize(
    "base, message",
    [
        (EventStream, r"^Incomplete must override generate\(\)$"),
        (AsyncEventStream, r"^Incomplete must override agenerate\(\)$"),
    ],
)
def test_event_stream_without_generate_raises_not_implemented_error(create, base, message):
    class Incomplete(base):
        pass

    create.response = Incomplete()
    with pytest.raises(NotImplementedError, match=message):
        run_with_client("sync", stream_with)


@pytest.mark.parametrize("is_async", [False, True], ids=["generator", "asynchronous generator"])
def test_closing_a_lazy_stream_closes_its_generator(create, client_kind, is_async):
    log = []

    def events():
        try:
            for word in WORDS:
                log.append(word)
                yield chat_chunk(word)
        finally:
            log.append("closed")

    async def async_events():
        with contextlib.closing(events()) as inner:
            for event in inner:
                yield event

    async def read_one_chunk(client):
        chunks = await awaited(client.chat.completions.create(**CHAT_REQUEST, stream=True))
        first = await chunks.__anext__() if client_kind == "async" else next(chunks)
        assert first.choices[0].delta.content == "one "
        assert log == ["one "]
        await awaited(chunks.close())

    create.response = async_events if is_async else events
    run_with_client(client_kind, read_one_chunk)
    assert log == ["one ", "closed"]


def test_generator_is_consumed_only_as_the_stream_is_read(create, client):
    generated = []

    def events():
        for word in WORDS:
            generated.append(word)
            yield chat_chunk(word)

    create.response = events
    with client.chat.completions.create(**CHAT_REQUEST, stream=True) as chunks:
        next(chunks)
        assert generated == ["one "]
    assert len(generated) < 3


async def test_delays_do_not_block_the_event_loop(create):
    create.response = streamed("one two three", delay=0.001)
    loop_turns = 0

    async def count_turns():
        nonlocal loop_turns
        while True:
            loop_turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(count_turns())
    turns_by_chunk = []
    async for _ in await sdk("async").chat.completions.create(**CHAT_REQUEST, stream=True):
        turns_by_chunk.append(loop_turns)
    task.cancel()
    assert len(turns_by_chunk) == 5
    assert turns_by_chunk == sorted(set(turns_by_chunk)), "other tasks run before each chunk"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"chunk": 0}, r"^streamed\(\.\.\., chunk=0\): expected 1 or more$"),
        ({"delay": -1}, r"^streamed\(\.\.\., delay=-1\): expected 0 or more$"),
        ({"first_delay": -0.5}, r"^streamed\(\.\.\., first_delay=-0.5\): expected 0 or more$"),
        ({"fail_after": -1}, r"^streamed\(\.\.\., fail_after=-1\): expected 0 or more$"),
        ({"stop_after": -1}, r"^streamed\(\.\.\., stop_after=-1\): expected 0 or more$"),
        ({"stop_after": 1, "fail_after": 1}, "either fail_after= or stop_after=, not both"),
        ({"fault": {}}, "needs fail_after="),
    ],
    ids=str,
)
def test_streamed_rejects_invalid_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        streamed("text", **arguments)


# ---- faults of streams -----------------------------------------------------------------------------------------------


BROKEN_CONNECTION_ERROR = HTTP_LIB.RemoteProtocolError if SDK_RETRIES_ALL_EXCEPTIONS else openai.APIConnectionError


async def read_stream(client, events_read, api="chat.completions"):
    """Append the events of a stream to a list, so that a test has them if the stream raises."""
    request = CHAT_REQUEST if api == "chat.completions" else INPUT_REQUEST
    events = await awaited(lookup(client, api).create(**request, stream=True))
    if hasattr(events, "__aiter__"):
        async for event in events:
            events_read.append(event)
    else:
        events_read.extend(events)


def network_error(raised):
    """Return the exception of the HTTP library that the SDK raised, or raised from."""
    return raised.value if SDK_RETRIES_ALL_EXCEPTIONS else raised.value.__cause__


@pytest.mark.parametrize("fail_after", [0, 2])
def test_broken_connection_raises_the_connection_error_of_the_sdk(openai_mock, client_kind, api, fail_after):
    lookup(openai_mock, f"{api}.create").response = streamed("one two three", fail_after=fail_after)
    for _ in range(2):
        events_read = []
        with pytest.raises(BROKEN_CONNECTION_ERROR) as raised:
            run_with_client(client_kind, read_stream, events_read, api)
        assert len(events_read) == fail_after
        assert type(network_error(raised)) is HTTP_LIB.RemoteProtocolError
        assert str(network_error(raised)) == "the mock broke off the stream"
    assert [request.attempt for request in openai_mock.requests] == [0, 0]


@pytest.mark.parametrize("fault", ["ReadTimeout", "ReadError"])
@pytest.mark.parametrize("as_class", [False, True])
def test_fault_may_be_a_network_exception(create, client_kind, http_lib, fault, as_class):
    exception = getattr(http_lib, fault)
    create.response = streamed("one two", fail_after=1, fault=exception if as_class else exception("gone"))
    with pytest.raises((openai.APIConnectionError, HTTP_LIB.TransportError)) as raised:
        run_with_client(client_kind, read_stream, [])
    assert type(network_error(raised)) is getattr(HTTP_LIB, fault)
    assert as_class or str(network_error(raised)) == "gone"


def test_malformed_event_raises_json_decode_error(create, client_kind):
    create.response = streamed("one two", fail_after=2, fault='{"choices": [{"del')
    events_read = []
    with pytest.raises(json.JSONDecodeError):
        run_with_client(client_kind, read_stream, events_read)
    assert len(events_read) == 2


def test_error_event_raises_the_api_error_of_the_sdk(openai_mock, client_kind, api):
    fault = {"error": {"message": "overloaded", "type": "server_error", "param": None, "code": "busy"}}
    lookup(openai_mock, f"{api}.create").response = streamed("one two", fail_after=2, fault=fault)
    events_read = []
    with pytest.raises(openai.APIError, match="overloaded") as raised:
        run_with_client(client_kind, read_stream, events_read, api)
    assert len(events_read) == 2
    assert raised.value.code == "busy"
    assert raised.value.type == "server_error"
    assert not isinstance(raised.value, openai.APIConnectionError)


def test_fault_without_a_type_is_sent_as_an_error_event(create):
    create.response = streamed("one two", fail_after=1, fault={"error": {"message": "overloaded"}})
    assert post_stream("/chat/completions", CHAT_REQUEST)[1:] == [("error", {"error": {"message": "overloaded"}})]


def test_error_event_of_responses_matches_the_sdk_type(openai_mock):
    fault = {"type": "error", "message": "overloaded", "code": "busy", "param": None, "sequence_number": 2}
    openai_mock.responses.create.response = streamed("one two", fail_after=2, fault=fault)
    event_type, data = post_stream("/responses", INPUT_REQUEST)[-1]
    assert event_type == "error"
    assert data == fault
    valid("responses.ResponseStreamEvent", data)


def test_faults_apply_only_to_streamed_calls(create):
    create.response = streamed("one two", fail_after=0)
    assert complete("Hi") == "one two"


@pytest.mark.parametrize(
    "new_events",
    [lambda: chunks, lambda: chunks(), lambda: async_chunks, lambda: list(chunks())],
    ids=["function", "generator", "asynchronous function", "list"],
)
def test_faults_break_streams_of_set_events(create, client_kind, new_events):
    create.response = streamed(new_events(), fail_after=2)
    events_read = []
    with pytest.raises(BROKEN_CONNECTION_ERROR):
        run_with_client(client_kind, read_stream, events_read)
    assert len(events_read) == 2


def test_stop_after_ends_a_stream_without_an_error(create, client_kind):
    create.response = streamed("one two three", stop_after=3)
    assert run_with_client(client_kind, stream_with) == "one two "


def test_sdk_retries_set_faults_without_delay(create, client_kind, caplog):
    caplog.set_level(logging.INFO, "openai._base_client")
    create.response = [timeout(), httpx.ConnectError("no route"), error(500), "Here I am."]
    client = sdk(client_kind).with_options(max_retries=3)
    assert run_coroutine(client_kind, complete_with(client)) == "Here I am."
    pauses = re.findall(r"in ([\d.]+) seconds", caplog.text)
    assert [float(pause) for pause in pauses] == [0, 0, 0.001]


def test_abandoned_endless_stream_leaks_neither_threads_nor_loops():
    script = """
        import gc, itertools, threading, httpx, openai
        from openai_responses import AsyncEventStream, OpenAIMock

        class Endless(AsyncEventStream):
            async def agenerate(self):
                while True:
                    yield {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []}

        def generator():
            return Endless().agenerate()

        def content():
            return httpx.Response(200, content=Endless())

        for ending, response in itertools.product(("close", "drop"), (generator, Endless, content)):
            with OpenAIMock() as openai_mock:
                openai_mock.chat.completions.create.response = response()
                stream = openai.OpenAI(api_key="k").chat.completions.create(model="m", messages=[], stream=True)
                assert next(iter(stream)).id == "c"
                if ending == "close":
                    stream.close()
            if ending == "drop":
                del stream
            del openai_mock
            gc.collect()
            assert threading.enumerate() == [threading.main_thread()], (ending, response)
    """
    completed = python("-W", "error::ResourceWarning", "-c", textwrap.dedent(script), timeout=120)
    assert completed.stderr == ""


# ======================================================================================================================
# SCRIPTS
# ======================================================================================================================


READY_FORMS = {
    "text": "ready",
    "partial": {"choices": [{"message": {"content": "ready"}}]},
    "model": ChatCompletion.model_validate(chat_json()),
    "stream": streamed("ready"),
    "list": ["ready"] * 4,
    "tuple": ("ready",) * 4,
    "function": lambda request: "ready",
    "callable object": type("Callable", (), {"__call__": lambda self, request: "ready"})(),
    "partial function": functools.partial(lambda text, request: text, "ready"),
    "coroutine function": lambda request: async_value("ready"),
    "function of any arguments": lambda *args, **kwargs: "ready",
    "function that returns a function": lambda request: lambda request: "ready",
    "function that returns nested awaitables": lambda request: async_value(lambda request: async_value("ready")),
    "function that returns a model": lambda request: ChatCompletion.model_validate(chat_json()),
    "function that returns a list": lambda request: ["ready"],
}


async def complete_without_retries(client):
    """Return the text that chat answers, without a retry after an error."""
    return await complete_with(client.with_options(max_retries=0))


def assert_ready_for_both_clients(create):
    """Assert that calls of synchronous and asynchronous clients in turn get the text "ready"."""
    for client_kind in ("sync", "async", "sync", "async"):
        assert run_with_client(client_kind, complete_with) == "ready"


@pytest.mark.parametrize("response", READY_FORMS.values(), ids=READY_FORMS)
def test_response_forms_answer_sync_and_async_calls(create, response):
    create.response = response
    assert create.response is response
    assert_ready_for_both_clients(create)


def test_http_response_answers_sync_and_async_calls(create, http_lib):
    create.response = response = http_lib.Response(200, json=chat_json())
    assert create.response is response
    assert_ready_for_both_clients(create)


def test_callable_may_return_an_http_response(create, http_lib):
    create.response = lambda request: http_lib.Response(200, json=chat_json())
    assert_ready_for_both_clients(create)


# ---- complete responses ----------------------------------------------------------------------------------------------


def test_response_with_an_unread_body_is_answered(create, http_lib, client_kind):
    create.response = http_lib.Response(200, content=iter([json.dumps(chat_json()).encode()]))
    assert run_with_client(client_kind, complete_with) == "ready"


def test_response_with_an_iterator_as_body_serves_one_call(create, http_lib):
    create.response = http_lib.Response(200, content=iter([json.dumps(chat_json()).encode()]))
    assert complete("Hi") == "ready"
    with pytest.raises(TypeError, match=r"create\.response has an iterator as content that an earlier call has read"):
        complete("Hi")


def test_response_keeps_its_status_and_headers(create, client, http_lib):
    create.response = http_lib.Response(202, json=chat_json(), headers={"x-request-id": "req_mine", "x-own": "yes"})
    for _ in range(2):
        raw = client.chat.completions.with_raw_response.create(**CHAT_REQUEST)
        assert raw.status_code == 202
        assert raw.headers["x-own"] == "yes"
        assert raw.request_id == "req_mine"
        assert raw.parse().choices[0].message.content == "ready"


def test_response_gets_the_headers_that_it_does_not_set(openai_mock, create):
    create.response = httpx.Response(200, content=b"{}", headers={"openai-version": "mine"})
    headers = sent(openai_mock, CHAT_CREATE, CHAT_REQUEST).headers
    assert headers["openai-version"] == "mine"
    assert headers["openai-organization"] == "org-mock"
    assert headers["x-ratelimit-limit-requests"] == "10000"
    assert "content-type" not in headers


def test_response_keeps_its_reason_phrase(openai_mock, create):
    create.response = httpx.Response(200, json=chat_json(), extensions={"reason_phrase": b"Fine", "trace": print})
    response = sent(openai_mock, CHAT_CREATE, CHAT_REQUEST)
    assert response.reason_phrase == "Fine"
    assert response.extensions == {"reason_phrase": b"Fine"}


def test_compressed_responses_are_decoded(openai_mock, client):
    body = b'{"object": "list", "data": []}'
    compressed_headers = {"content-encoding": "gzip"}
    openai_mock.models.list.response = httpx.Response(200, content=gzip.compress(body), headers=compressed_headers)
    raw = client.models.with_raw_response.list()
    assert raw.parse().data == []
    assert "content-encoding" not in raw.headers
    assert raw.headers["content-length"] == str(len(body))


def test_each_call_of_a_response_gets_a_new_request_id(openai_mock, client):
    openai_mock.models.list.response = httpx.Response(200, json={"object": "list", "data": []})
    first = client.models.with_raw_response.list()
    second = client.models.with_raw_response.list()
    assert first.request_id != second.request_id


def test_object_in_a_response_to_a_create_is_stored(openai_mock, client):
    openai_mock.files.create.response = httpx.Response(200, json=file_json("file-9"))
    add_file(client)
    assert client.files.retrieve("file-9").filename == "a.txt"


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(300, json=file_json("file-9")),
        httpx.Response(200, content=b"not JSON"),
        httpx.Response(200, json=[file_json("file-9")]),
        httpx.Response(200, json={"object": "file"}),
    ],
    ids=["redirect", "invalid JSON", "list", "object without an ID"],
)
def test_other_responses_to_a_create_are_not_stored(openai_mock, response):
    openai_mock.files.create.response = response
    sent(openai_mock, "files.create", {})
    assert list(openai_mock.state["files"]) == []


# ---- texts, bytes and partials ---------------------------------------------------------------------------------------


TEXT_CALLS = {
    "responses.create": lambda client: client.responses.create(**INPUT_REQUEST).output_text,
    "completions.create": lambda client: client.completions.create(model="m", prompt="x").choices[0].text,
    "audio.transcriptions.create": lambda client: client.audio.transcriptions.create(file=b"x", model="m").text,
    "audio.translations.create": lambda client: client.audio.translations.create(file=b"x", model="m").text,
    "files.content": lambda client: client.files.content("file-1").text,
}


@pytest.mark.parametrize("name", TEXT_CALLS)
def test_text_is_accepted_by_endpoints_that_return_text(openai_mock, client, name):
    lookup(openai_mock, name).response = "Hallo 世界"
    assert TEXT_CALLS[name](client) == "Hallo 世界"


def test_text_is_the_body_of_a_transcription_as_text(openai_mock, client):
    openai_mock.audio.transcriptions.create.response = "Hallo 世界"
    raw = client.audio.transcriptions.with_raw_response.create(file=b"x", model="m", response_format="text")
    assert raw.parse().strip() == "Hallo 世界"
    assert raw.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("data", [b"\x00\r\n\xff", b"", bytearray(b"ab")])
def test_bytes_are_accepted_by_binary_endpoints(openai_mock, client, data):
    openai_mock.files.content.response = data
    assert client.files.content("file-1").read() == data


def test_model_is_the_json_content_of_a_file(openai_mock, client):
    openai_mock.files.content.response = ADA
    assert client.files.content("file-1").read() == b'{"name":"Ada","age":36,"tags":["a b","\xc3\xbc"]}'


def test_empty_partial_is_accepted_by_a_binary_endpoint(openai_mock, client):
    openai_mock.files.content.response = {}
    assert client.files.content("file-1").read()


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"data": []},
        {"has_more": False},
        {"object": "list"},
        {"first_id": "file-1"},
        {"last_id": "file-1"},
    ],
    ids=str,
)
def test_partial_page_answers_a_list(openai_mock, client, page):
    openai_mock.files.list.response = page
    assert client.files.list().data == []


@requires("admin.organization.roles.list")
def test_partial_page_with_a_cursor_answers_a_list(openai_mock, client):
    openai_mock.admin.organization.roles.list.response = {"next": None}
    assert client.admin.organization.roles.list().data == []


# ---- exceptions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_class", [False, True])
@pytest.mark.parametrize(
    "name, raised",
    [
        ("ConnectError", openai.APIConnectionError),
        ("RemoteProtocolError", openai.APIConnectionError),
        ("ReadTimeout", openai.APITimeoutError),
        ("ConnectTimeout", openai.APITimeoutError),
    ],
)
def test_http_library_exceptions_are_network_faults(openai_mock, create, http_lib, name, raised, as_class, client_kind):
    exception = getattr(http_lib, name)
    create.response = exception if as_class else exception("gone")
    with pytest.raises(raised) as caught:
        run_with_client(client_kind, complete_without_retries)
    assert type(caught.value) is raised
    cause = caught.value.__cause__
    assert isinstance(cause, getattr(HTTP_LIB, name))
    assert cause.request.url.path == "/v1/chat/completions"
    assert as_class or str(cause) == "gone"
    assert [request.status for request in openai_mock.requests] == [None]


@pytest.mark.parametrize("exception_class", [openai.APITimeoutError, openai.APIConnectionError])
def test_connection_errors_of_the_sdk_are_raised_unchanged(create, exception_class):
    create.response = exception_class(request=HTTP_LIB.Request("POST", BASE_URL))
    with pytest.raises(exception_class) as raised:
        run_with_client("sync", complete_without_retries)
    assert type(raised.value) is exception_class


def test_status_error_of_the_sdk_is_raised_with_its_response(create):
    request = HTTP_LIB.Request("POST", BASE_URL)
    error_response = HTTP_LIB.Response(404, json={"error": {"message": "gone"}}, request=request)
    create.response = openai.NotFoundError("gone", response=error_response, body=None)
    with pytest.raises(openai.NotFoundError, match="gone") as raised:
        run_with_client("sync", complete_without_retries)
    assert raised.value.body == {"message": "gone"}


def raise_connect_error(request):
    """Raise a network fault, as a callable that a test sets."""
    raise httpx.ConnectError("gone")


@pytest.mark.parametrize(
    "response",
    [raise_connect_error, lambda request: httpx.ConnectError("gone"), lambda request: httpx.ConnectError],
    ids=["raises", "returns an exception", "returns a class"],
)
def test_callables_may_return_exceptions_and_raise_network_faults(create, response):
    create.response = response
    with pytest.raises(openai.APIConnectionError, match="Connection error"):
        run_with_client("sync", complete_without_retries)


# ---- callables -------------------------------------------------------------------------------------------------------


async def test_callables_get_the_parameters_they_declare(openai_mock, either_client):
    received = {}

    async def retrieve(request, file_id, state_store, route):
        received.update(request=request, file_id=file_id, state_store=state_store, route=route)
        return {"filename": f"{route.call_count}.txt"}

    endpoint = openai_mock.files.retrieve
    endpoint.response = retrieve
    first = await awaited(either_client.files.retrieve("file-7"))
    second = await awaited(either_client.files.retrieve("file-7"))
    assert first.filename == "0.txt"
    assert second.filename == "1.txt"
    assert isinstance(received.pop("request"), httpx.Request)
    assert received == {"file_id": "file-7", "state_store": openai_mock.state, "route": endpoint.route}
    assert endpoint.state_store is openai_mock.state


def test_callables_get_body_and_tools_by_name(create):
    create.response = lambda request, body, tools: f"{body['model']}: {tools[0]['function']['name']}"
    assert complete("Hi", tools=[CHAT_TOOL]) == "m: get_weather"


def test_callables_get_an_empty_list_if_the_request_has_no_tools(create):
    create.response = lambda request, tools: f"{tools}"
    assert complete("Hi") == "[]"


def test_callables_get_all_arguments_as_keyword_arguments(openai_mock, client):
    received = {}
    openai_mock.files.retrieve.response = lambda request, **kwargs: received.update(kwargs) or {}
    client.files.retrieve("file-7")
    assert received.keys() == {"body", "tools", "state_store", "route", "file_id"}


def test_callables_cannot_change_the_request(openai_mock, client):
    def clear(request, body, tools):
        body.clear()
        tools.clear()
        return "done"

    openai_mock.responses.create.response = clear
    response = client.responses.create(**INPUT_REQUEST, tools=[RESPONSES_TOOL])
    assert response.output_text == "done"
    assert response.model == "gpt-4o"
    assert response.tools[0].name == "get_weather"
    assert openai_mock.requests[0]["tools"] == [RESPONSES_TOOL]


def count_items(request, conversation):
    """Return the number of items that a callable gets, and the last one."""
    return f"{len(conversation)} items, last {conversation[-1]['content']}"


def test_callables_get_the_messages_of_a_chat(create):
    create.response = count_items
    assert complete("Hi") == "1 items, last Hi"


def test_callables_get_the_effective_conversation(openai_mock, client):
    openai_mock.responses.create.response = count_items
    first = client.responses.create(model="m", input="one")
    second = client.responses.create(model="m", input="two", previous_response_id=first.id)
    assert first.output_text.startswith("1 items")
    assert second.output_text.startswith("3 items")


@pytest.mark.parametrize(
    "name, body, content",
    [
        ("embeddings.create", {"input": "Hi"}, "Hi"),
        ("completions.create", {"prompt": "Once"}, "Once"),
        ("embeddings.create", {}, ""),
    ],
)
def test_callables_get_the_input_or_prompt_as_a_conversation(openai_mock, name, body, content):
    received = []
    lookup(openai_mock, name).response = lambda request, conversation: received.extend(conversation) or {}
    sent(openai_mock, name, {"model": "m"} | body)
    assert received == [{"role": "user", "content": content}]


@pytest.mark.parametrize(
    "response, mistake, message",
    [
        (lambda request: 1 / 0, ZeroDivisionError, "division by zero"),
        (lambda request: object(), TypeError, r"chat\.completions\.create\.response cannot be <object"),
        (lambda request: None, TypeError, "cannot be None"),
        (lambda request: {"choises": []}, ValueError, "choises"),
        (lambda request, file_id: "x", TypeError, "file_id"),
        (lambda request: async_value(5), TypeError, "cannot be 5"),
    ],
    ids=["raises", "object", "None", "misspelled field", "unknown parameter", "awaitable of an int"],
)
def test_mistakes_in_callables_raise_without_retries(openai_mock, create, response, mistake, message, client_kind):
    create.response = response
    with pytest.raises(mistake, match=message):
        run_with_client(client_kind, complete_with)
    assert [request.attempt for request in openai_mock.requests] == [0]
    assert create.route.call_count == 1


def test_magic_mock_without_return_value_is_rejected(create):
    create.response = unittest.mock.MagicMock()
    with pytest.raises(TypeError, match=r"create\.response returned <MagicMock .*; give the mock a return_value"):
        complete("Hi")


def test_magic_mock_returns_its_value(create):
    create.response = unittest.mock.MagicMock(return_value="Hi")
    assert complete("Hi") == "Hi"


def test_pace_applies_to_the_value_that_a_callable_returns(create):
    create.response = streamed(lambda request: "Hello", chunk=2)
    assert streamed_contents() == ["He", "ll", "o"]


def test_pace_of_the_returned_value_overrides_the_outer_pace(create):
    create.response = streamed(lambda request: streamed("Hello", chunk=3), chunk=2)
    assert streamed_contents() == ["Hel", "lo"]


# ---- values that are not accepted ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, value, message",
    [
        (
            CHAT_CREATE,
            {"content": "Hi"},
            r"ChatCompletion has none of these fields; set choices\[0\]\.message\.content instead",
        ),
        (CHAT_CREATE, {"city": "Tokyo"}, r"to make the model output it as JSON, set as_json\(\.\.\.\)$"),
        ("responses.create", {"arguments": "{}"}, r"; set output\[0\]\.arguments instead"),
        ("files.retrieve", {"foo": 1}, "but FileObject has none of these fields$"),
        (CHAT_CREATE, error, r"call it: error\(\.\.\.\)"),
        (CHAT_CREATE, streamed, r"call it: streamed\(\.\.\.\)"),
        (CHAT_CREATE, openai_responses.mock, r"call it: mock\(\.\.\.\)"),
        (CHAT_CREATE, openai_responses.webhook, r"call it: webhook\(\.\.\.\)"),
        (CHAT_CREATE, Person, r"set an instance of it: Person\(\.\.\.\)"),
        (CHAT_CREATE, (tool_call("a"), tool_call("b")), r"cannot be a tuple.*\+ for the parts"),
        ("files.content", {"data": 1}, r"files\.content\.response is {'data': 1}, but takes bytes or {}$"),
        ("responses.delete", {"data": 1}, "but takes only {}$"),
        ("files.list", {"filename": "a"}, r"but takes a page: {'data': \[\.\.\.\]}"),
    ],
)
def test_misplaced_values_raise_with_a_suggestion(openai_mock, name, value, message):
    with pytest.raises((TypeError, ValueError), match=message):
        lookup(openai_mock, name).response = value
    assert lookup(openai_mock, name).response is None


@pytest.mark.parametrize(
    "name, value, mistake, message",
    [
        (CHAT_CREATE, b"x", TypeError, "cannot be bytes: this call does not answer with a file"),
        (CHAT_CREATE, ["fine", {"choises": []}], ValueError, "^step 1: .*choises"),
        (CHAT_CREATE, streamed({"choises": []}), ValueError, "choises"),
        ("files.create", "text", TypeError, "does not answer with text"),
        ("files.create", tool_call("f"), TypeError, r"cannot be Turn\(.*does not answer with model output"),
        ("embeddings.create", refusal(), TypeError, r"cannot be Turn\("),
        ("files.list", [{"filename": "a"}], ValueError, r"^step 0: files\.list\.response is .*, but takes a page"),
        ("files.create", KeyboardInterrupt, TypeError, "it would end the test run"),
        ("files.create", SystemExit(), TypeError, "it would end the test run"),
        (CHAT_CREATE, openai.RateLimitError, TypeError, r"use openai_responses\.error\(429\)"),
        (CHAT_CREATE, lambda: "x", TypeError, "must take the request as its first parameter"),
        (CHAT_CREATE, lambda conversation: "x", TypeError, "must take the request as its first parameter"),
        (CHAT_CREATE, lambda *, request: "x", TypeError, "may also take body, conversation, tools, route, state_store"),
        (CHAT_CREATE, [["a", "b"]], TypeError, r"create\.response\[0\] is the list \['a', 'b'\]; a step is one answer"),
        (CHAT_CREATE, ["a", 5], TypeError, "^step 1: "),
        ("completions.create", tool_call("f"), TypeError, "without tool calls, refusals or citations"),
        (CHAT_CREATE, "Look: " + cited("page 7", file_id="file-1"), TypeError, "cites pages .*, but not files"),
        (
            "beta.threads.runs.create",
            cited("it rains", url="https://example.com/rain"),
            TypeError,
            "messages of threads can cite only files",
        ),
    ],
)
def test_invalid_values_raise_on_assignment(openai_mock, name, value, mistake, message):
    with pytest.raises(mistake, match=message):
        lookup(openai_mock, name).response = value
    assert lookup(openai_mock, name).response is None


@pytest.mark.parametrize(
    "name, accepted",
    [
        (CHAT_CREATE, "a dict, a model, a str, an httpx.Response"),
        ("files.content", "a dict, a model, bytes, an httpx.Response"),
        ("files.retrieve", "a dict, a model, an httpx.Response"),
    ],
)
def test_error_for_an_unsupported_value_lists_the_accepted_types(openai_mock, name, accepted):
    with pytest.raises(TypeError) as raised:
        lookup(openai_mock, name).response = 5
    assert str(raised.value) == (
        f"{name}.response cannot be 5; it takes {accepted}, an exception, a callable, or a list of these"
    )


def test_none_is_rejected_and_keeps_the_response(create):
    create.response = "mine"
    with pytest.raises(TypeError, match=r"cannot be None.*del chat\.completions\.create\.response"):
        create.response = None
    assert create.response == "mine"
    assert complete("Hi") == "mine"


def test_stream_of_events_needs_a_streamed_request(create):
    create.response = streamed(["[DONE]"])
    with pytest.raises(TypeError, match="is a stream of events, but the request does not have stream=True"):
        complete("Hi")


# ---- defaults and lists ----------------------------------------------------------------------------------------------


def test_ellipsis_in_a_list_returns_the_default_response(openai_mock, create, client):
    create.response = [error(429), ...]
    assert complete("Hi") == openai_responses._DEFAULT_TEXT
    openai_mock.files.create.response = [error(500), ...]
    assert client.files.retrieve(add_file(client)).filename == "a.txt"


def test_callable_may_return_ellipsis(openai_mock, client):
    openai_mock.files.retrieve.response = lambda request, file_id: {"filename": "set"} if file_id == "file-1" else ...
    assert client.files.retrieve("file-1").filename == "set"
    with pytest.raises(openai.NotFoundError, match="No such File object: unknown-1"):
        client.files.retrieve(UNKNOWN_ID)


@pytest.mark.parametrize("response", [..., [...]], ids=["ellipsis", "list"])
def test_request_of_a_default_response_is_checked(openai_mock, client, response):
    openai_mock.batches.create.response = response
    with pytest.raises(openai.APIStatusError, match="No such File object: unknown-1"):
        client.batches.create(input_file_id=UNKNOWN_ID, endpoint="/v1/embeddings", completion_window="24h")


def test_list_is_one_response_per_attempt(openai_mock, create):
    create.response = ["one", error(429), {"choices": [{"message": {"content": "two"}}]}, lambda request: "three"]
    assert [complete("Hi") for _ in range(3)] == ["one", "two", "three"]
    attempts = [(request.attempt, request.status) for request in openai_mock.requests]
    assert attempts == [(0, 200), (0, 429), (1, 200), (0, 200)]


def test_call_after_the_last_step_of_a_list_raises(create):
    create.response = ["one", "two"]
    assert [complete("Hi") for _ in range(2)] == ["one", "two"]
    message = r"chat\.completions\.create was called 3 times, but its \.response has 2 steps; add a step"
    with pytest.raises(AssertionError, match=message):
        complete("Hi")
    assert create.route.call_count == 3


def test_call_of_an_empty_list_raises(create):
    create.response = []
    with pytest.raises(AssertionError, match=r"was called once, but its \.response has 0 steps"):
        complete("Hi")


def test_rejected_request_does_not_use_up_a_step_of_a_list(client):
    with OpenAIMock(strict=True) as openai_mock:
        openai_mock.responses.create.response = ["one"]
        with pytest.raises(openai.APIStatusError) as raised:
            client.responses.create(**INPUT_REQUEST, previous_response_id="resp_unknown")
        assert raised.value.param == "previous_response_id"
        assert client.responses.create(**INPUT_REQUEST).output_text == "one"


def test_list_set_again_restarts_at_its_first_step(create):
    steps = ["one", "two"]
    for _ in range(2):
        create.response = steps
        assert [complete("Hi") for _ in steps] == steps


def test_deleting_a_response_restores_the_default(create):
    assert create.response is None
    default = complete("Hi")
    create.response = "mine"
    assert complete("Hi") == "mine"
    del create.response
    assert create.response is None
    assert complete("Hi") == default


# ---- model output ----------------------------------------------------------------------------------------------------


def test_tool_call_ids_are_unique_across_choices(create, client):
    create.response = tool_call("f") + tool_call("g")
    call_ids = set()
    for choice in client.chat.completions.create(**CHAT_REQUEST, n=3).choices:
        call_ids.update(call.id for call in choice.message.tool_calls)
    assert len(call_ids) == 6


def test_refusal_counts_as_output_tokens(openai_mock, client):
    openai_mock.responses.create.response = refusal("Never ever, not in my whole life.")
    assert client.responses.create(**INPUT_REQUEST).usage.output_tokens == 9


def test_first_delay_slows_unstreamed_calls(create):
    create.response = streamed("slow", first_delay=0.02)
    started = time.perf_counter()
    assert complete("Hi") == "slow"
    assert time.perf_counter() - started >= 0.02
    assert create.requests[-1].response.status_code == 200


# ---- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status, raised, attempts",
    [
        (400, openai.BadRequestError, 1),
        (401, openai.AuthenticationError, 1),
        (403, openai.PermissionDeniedError, 1),
        (404, openai.NotFoundError, 1),
        (409, openai.ConflictError, 3),
        (422, openai.UnprocessableEntityError, 1),
        (429, openai.RateLimitError, 3),
        (500, openai.InternalServerError, 3),
        (503, openai.InternalServerError, 3),
    ],
)
def test_errors_raise_the_matching_sdk_exception(openai_mock, create, status, raised, attempts, client_kind):
    create.response = error(status, "It went wrong.", code="a_code", type="a_type", param="a_param")
    with pytest.raises(raised, match="It went wrong") as caught:
        run_with_client(client_kind, complete_with)
    exception = caught.value
    assert type(exception) is raised
    assert exception.status_code == status
    assert exception.code == "a_code"
    assert exception.type == "a_type"
    assert exception.param == "a_param"
    assert exception.body == {"message": "It went wrong.", "type": "a_type", "param": "a_param", "code": "a_code"}
    assert exception.request_id.startswith("req_")
    sent_attempts = [(record.attempt, record.status) for record in openai_mock.requests]
    assert sent_attempts == [(attempt, status) for attempt in range(attempts)]


@pytest.mark.parametrize(
    "status, type, code, message",
    [
        (400, "invalid_request_error", None, "The request was invalid."),
        (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
        (403, "invalid_request_error", None, "You are not allowed to do this."),
        (404, "invalid_request_error", None, "The requested resource does not exist."),
        (408, "server_error", None, "The request timed out."),
        (409, "invalid_request_error", None, "The resource is being changed by another request."),
        (418, "invalid_request_error", None, "The request was invalid."),
        (422, "invalid_request_error", None, "The request could not be processed."),
        (429, "requests", "rate_limit_exceeded", "Rate limit reached."),
        (500, "server_error", None, "The server had an error while processing your request."),
        (502, "server_error", None, "The server had an error while processing your request."),
        (503, "server_error", None, "The engine is currently overloaded."),
        (599, "server_error", None, "The server had an error while processing your request."),
    ],
)
def test_errors_have_a_default_message_type_and_code(create, status, type, code, message):
    create.response = error(status)
    with pytest.raises(openai.APIStatusError) as raised:
        run_with_client("sync", complete_without_retries)
    assert raised.value.status_code == status
    assert raised.value.body == {"message": message, "type": type, "param": None, "code": code}


@pytest.mark.parametrize("status", [200, 399, 600, -1, "404", None])
def test_error_rejects_a_status_outside_400_to_599(status):
    with pytest.raises(ValueError, match=f"between 400 and 599, got {status!r}"):
        error(status)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 599])
def test_errors_that_the_sdk_retries_have_a_short_retry_after(status):
    assert error(status).headers["retry-after-ms"] == "1"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 499])
def test_errors_that_the_sdk_does_not_retry_have_no_retry_after(status):
    assert "retry-after-ms" not in error(status, retry_after=1).headers


@pytest.mark.parametrize("status, retry_after, header", [(429, 0.01, "10"), (503, 2, "2000"), (500, 0, "0")])
def test_retry_after_is_sent_in_milliseconds(status, retry_after, header):
    assert error(status, retry_after=retry_after).headers["retry-after-ms"] == header


def test_errors_keep_their_headers(create):
    create.response = error(429, headers={"x-limit": "5", "retry-after-ms": "2"})
    with pytest.raises(openai.RateLimitError) as raised:
        run_with_client("sync", complete_without_retries)
    assert raised.value.response.headers["x-limit"] == "5"
    assert raised.value.response.headers["retry-after-ms"] == "2"


def test_timeout_raises_api_timeout_error(openai_mock, create, client_kind):
    create.response = timeout()
    with pytest.raises(openai.APITimeoutError) as raised:
        run_with_client(client_kind, complete_without_retries)
    assert type(raised.value.__cause__) is HTTP_LIB.ReadTimeout
    assert str(raised.value.__cause__) == "the mock timed out"
    assert [(request.attempt, request.status) for request in openai_mock.requests] == [(0, None)]


# ======================================================================================================================
# INTERCEPTION
# ======================================================================================================================


async def post_chat(http_client):
    """Return the JSON of a chat completion, with an HTTP client of either kind."""
    response = await awaited(http_client.post(f"{BASE_URL}/chat/completions", json=CHAT_REQUEST))
    return response.json()


async def get_status(http_client, url):
    """Return the status of a GET request, with an HTTP client of either kind."""
    response = await awaited(http_client.get(url))
    return response.status_code


def test_clients_created_before_the_mock_are_answered(http_lib, client_kind):
    http_client = http_lib.Client() if client_kind == "sync" else http_lib.AsyncClient()
    sdk_accepts_client = http_lib is HTTP_LIB or not OPENAI_2
    client = new_client(client_kind, http_client=http_client) if sdk_accepts_client else None
    with OpenAIMock() as openai_mock:
        openai_mock.chat.completions.create.response = "Hi"
        completion = run_coroutine(client_kind, post_chat(http_client))
        assert completion["choices"][0]["message"]["content"] == "Hi"
        if sdk_accepts_client:
            assert run_coroutine(client_kind, complete_with(client)) == "Hi"
        assert openai_mock.chat.completions.create.route.call_count == 1 + sdk_accepts_client


async def test_aiohttp_clients_are_intercepted(create):
    create.response = ["Hi", streamed("one two"), error(400)]
    async with new_client("async", http_client=openai.DefaultAioHttpClient()) as client:
        assert await complete_with(client) == "Hi"
        assert await stream_with(client) == "one two"
        with pytest.raises(openai.BadRequestError):
            await complete_with(client)
    assert create.route.call_count == 3


def test_mock_transport_works_without_patches(client_kind):
    openai_mock = OpenAIMock()
    create = openai_mock.chat.completions.create
    create.response = ["Hi", streamed("one two"), error(429), "again", httpx.ConnectError]
    if client_kind == "sync":
        transport = MockTransport(openai_mock.router.handler)
        client = new_client(http_client=openai.DefaultHttpxClient(transport=transport))
    else:
        transport = MockTransport(openai_mock.router.async_handler)
        client = new_client("async", http_client=openai.DefaultAsyncHttpxClient(transport=transport))

    async def scene():
        texts = [await complete_with(client), await stream_with(client), await complete_with(client)]
        with pytest.raises(openai.APIConnectionError):
            await complete_with(client.with_options(max_retries=0))
        return texts

    assert run_coroutine(client_kind, scene()) == ["Hi", "one two", "again"]
    assert create.route.call_count == 5


def test_user_routes_take_precedence_over_endpoints(openai_mock, create, client_kind):
    create.response = "from the endpoint"
    route = openai_mock.router.post(path__regex="completions$", json__model="mine")
    route.respond(json=chat_json("from the route"))
    assert run_with_client(client_kind, complete_with) == "from the endpoint"
    assert run_with_client(client_kind, functools.partial(complete_with, model="mine")) == "from the route"
    assert route.call_count == 1
    assert create.route.call_count == 1
    assert openai_mock.router.calls.call_count == 2
    assert [(record.endpoint, record.status) for record in openai_mock.requests] == [(CHAT_CREATE, 200)] * 2


def test_user_routes_for_other_hosts_are_not_in_the_request_log(openai_mock):
    route = openai_mock.router.get("https://other.test/x").respond(418)
    assert httpx.get("https://other.test/x").status_code == 418
    assert route.call_count == 1
    assert openai_mock.router.calls.call_count == 1
    assert openai_mock.requests == []


def test_endpoint_route_mock_overrides_its_response(openai_mock, create, client_kind):
    create.response = "response"
    create.route.respond(json=chat_json("route"))
    assert run_with_client(client_kind, complete_with) == "route"
    create.route.mock(side_effect=lambda request: httpx.Response(200, json=chat_json("effect")))
    assert run_with_client(client_kind, complete_with) == "effect"
    assert create.route.call_count == 2
    assert len(openai_mock.requests) == 2


def test_endpoint_route_side_effect_can_raise(create, client):
    create.route.mock(side_effect=httpx.ConnectError)
    with pytest.raises(openai.APIConnectionError, match="Connection error"):
        client.with_options(max_retries=0).chat.completions.create(**CHAT_REQUEST)
    assert create.route.call_count == 1


def test_endpoint_route_side_effect_gets_path_parameters(openai_mock, client_kind):
    async def retrieve(client):
        return (await awaited(client.files.retrieve("file-9"))).id

    def side_effect(request, file_id):
        return httpx.Response(200, json=file_json(file_id))

    async def async_side_effect(request, file_id):
        return await async_value(httpx.Response(200, json=file_json(f"{file_id}-async")))

    openai_mock.files.retrieve.route.mock(side_effect=side_effect)
    assert run_with_client(client_kind, retrieve) == "file-9"
    openai_mock.files.retrieve.route.mock(side_effect=async_side_effect)
    assert run_with_client(client_kind, retrieve) == "file-9-async"


def test_endpoint_answers_if_a_side_effect_returns_none(create, client_kind):
    create.response = "response"
    create.route.mock(side_effect=lambda request: None)
    assert run_with_client(client_kind, complete_with) == "response"


def test_pass_through_requests_are_sent_to_the_server(openai_mock):
    passed = []

    class Server:
        def handle_request(self, request):
            passed.append(str(request.url))
            return HTTP_LIB.Response(200, json=chat_json("from the server"))

    transport = MockTransport(openai_mock.router.handler, otherwise=Server())
    client = new_client(http_client=openai.DefaultHttpxClient(transport=transport))
    openai_mock.router.post(f"{BASE_URL}/chat/completions", json__model="passed").pass_through()
    assert run_coroutine("sync", complete_with(client, model="passed")) == "from the server"
    assert run_coroutine("sync", complete_with(client)) != "from the server"
    openai_mock.embeddings.create.route.pass_through()
    assert client.post("/embeddings", body={"model": "m", "input": "x"}, cast_to=ChatCompletion).id == "c"
    assert passed == [f"{BASE_URL}/chat/completions", f"{BASE_URL}/embeddings"]


def enter_with_respx(stack, openai_mock, respx_mock, inner):
    """Enter a mock and a mocker of RESPX, of which `inner` names the inner one: "mock" or "respx"."""
    mocks = [openai_mock, respx_mock]
    if inner == "mock":
        mocks.reverse()
    for mock in mocks:
        stack.enter_context(mock)


@pytest.mark.parametrize("inner", ["mock", "respx"])
def test_mock_works_with_respx_in_both_nesting_orders(inner, client_kind):
    openai_mock = OpenAIMock()
    respx_mock = respx.mock(assert_all_called=False)
    openai_mock.chat.completions.create.response = "Hi"
    with contextlib.ExitStack() as stack:
        enter_with_respx(stack, openai_mock, respx_mock, inner)
        respx_mock.get("https://other.test/").respond(204)
        assert httpx.get("https://other.test/").status_code == 204
        assert run_with_client(client_kind, complete_with) == "Hi"
        completion = httpx.post(f"{BASE_URL}/chat/completions", json=CHAT_REQUEST).json()
        assert completion["choices"][0]["message"]["content"] == "Hi"
    assert openai_mock.chat.completions.create.route.call_count == 2


def test_respx_inside_the_mock_answers_api_urls():
    with OpenAIMock(), respx.mock(assert_all_called=False) as respx_mock:
        respx_mock.post(f"{BASE_URL}/chat/completions").respond(json={"from": "respx"})
        assert httpx.post(f"{BASE_URL}/chat/completions", json=CHAT_REQUEST).json() == {"from": "respx"}
        assert httpx.get(f"{BASE_URL}/files").json()["data"] == []  # RESPX has no route for it


def test_respx_outside_the_mock_does_not_answer_api_urls():
    with respx.mock(assert_all_called=False) as respx_mock, OpenAIMock():
        respx_mock.post(f"{BASE_URL}/chat/completions").respond(json={"from": "respx"})
        assert httpx.post(f"{BASE_URL}/chat/completions", json=CHAT_REQUEST).json()["object"] == "chat.completion"
        with pytest.raises(httpx.ConnectError, match="would reach the network"):
            httpx.get("https://nobody.test/")


@pytest.mark.parametrize("wrapping", ["delegation", "inheritance"])
def test_custom_transports_on_network_transports_are_answered(openai_mock, http_lib, wrapping):
    class Delegating(http_lib.BaseTransport):
        def handle_request(self, request):
            return http_lib.HTTPTransport().handle_request(request)

    class Inheriting(http_lib.HTTPTransport):
        def handle_request(self, request):
            return super().handle_request(request)

    transport = Delegating() if wrapping == "delegation" else Inheriting()
    assert http_lib.Client(transport=transport).get(f"{BASE_URL}/files").json()["object"] == "list"
    assert len(openai_mock.requests) == 1


def test_transports_without_network_are_not_intercepted(openai_mock, http_lib):
    transport = http_lib.MockTransport(lambda request: http_lib.Response(203))
    assert http_lib.Client(transport=transport).get(f"{BASE_URL}/files").status_code == 203
    assert openai_mock.requests == []


def required_connect_params(resource):
    """Return values for the parameters that a WebSocket resource needs to connect."""
    parameters = inspect.signature(lookup(sdk(), resource).connect).parameters.items()
    return {name: "x" for name, parameter in parameters if parameter.default is parameter.empty or name == "model"}


def record_calls(method, calls):
    """Wrap a method as tracers do, and add it to `calls` each time it is called."""

    @functools.wraps(method)
    def wrapper(*args, **settings):
        calls.append(method)
        return method(*args, **settings)

    return wrapper


class DescriptorWrapper:
    """A wrapper on a class that isn't a function and forwards attributes, like that of wrapt."""

    def __init__(self, function, calls):
        self.function = function
        self.calls = calls

    def __get__(self, instance, owner):
        if instance is None:
            return self
        return record_calls(self.function.__get__(instance, owner), self.calls)

    def __getattr__(self, name):
        return getattr(self.function, name)


HANDLE_METHODS = {"sync": "handle_request", "async": "handle_async_request"}


def transport_class(lib, kind):
    """Return the network transport of an HTTP library."""
    return lib.HTTPTransport if kind == "sync" else lib.AsyncHTTPTransport


def custom_transport(lib, kind, handle, inner):
    """Return a transport of a new class that answers with a function, and closes another transport or pool."""
    if kind == "sync":
        base = lib.BaseTransport
        methods = {"handle_request": lambda self, request: handle(request), "close": lambda self: inner.close()}
    else:
        base = lib.AsyncBaseTransport
        methods = {"handle_async_request": lambda self, request: handle(request), "aclose": lambda self: inner.aclose()}
    return type("Custom", (base,), methods)()


def plain_transport(lib, kind, calls, monkeypatch):
    return transport_class(lib, kind)()


def transport_wrapped_on_the_instance(lib, kind, calls, monkeypatch, **settings):
    transport = transport_class(lib, kind)(**settings)
    setattr(transport, HANDLE_METHODS[kind], record_calls(getattr(transport, HANDLE_METHODS[kind]), calls))
    return transport


def transport_wrapped_behind_a_proxy(lib, kind, calls, monkeypatch):
    return transport_wrapped_on_the_instance(lib, kind, calls, monkeypatch, proxy="http://127.0.0.1:9")


def transport_with_a_bound_method(lib, kind, calls, monkeypatch):
    inner = transport_class(lib, kind)()
    return custom_transport(lib, kind, record_calls(getattr(inner, HANDLE_METHODS[kind]), calls), inner)


def transport_of_a_subclass(lib, kind, calls, monkeypatch):
    def handle(self, request):
        inherited = getattr(super(type(self), self), HANDLE_METHODS[kind])
        return record_calls(inherited, calls)(request)

    return type("Own", (transport_class(lib, kind),), {HANDLE_METHODS[kind]: handle})()


def transport_wrapped_on_the_class_by_a_function(lib, kind, calls, monkeypatch):
    base = transport_class(lib, kind)
    monkeypatch.setattr(base, HANDLE_METHODS[kind], record_calls(vars(base)[HANDLE_METHODS[kind]], calls))
    return base()


def transport_wrapped_on_the_class_by_a_descriptor(lib, kind, calls, monkeypatch):
    base = transport_class(lib, kind)
    monkeypatch.setattr(base, HANDLE_METHODS[kind], DescriptorWrapper(vars(base)[HANDLE_METHODS[kind]], calls))
    return base()


def core_module(lib):
    """Return httpcore for httpx, or httpcore2 for httpx2."""
    return importlib.import_module(lib.__name__.replace("httpx", "httpcore"))


def transport_on_a_connection_pool(lib, kind, calls, monkeypatch):
    core = core_module(lib)
    pool = core.ConnectionPool() if kind == "sync" else core.AsyncConnectionPool()

    def to_core_request(request):
        url = core.URL(str(request.url))
        return core.Request(request.method, url, headers=request.headers.raw, content=request.stream)

    def from_core_response(response):
        return lib.Response(response.status, headers=response.headers, stream=Body(response.stream))

    class Body(lib.SyncByteStream, lib.AsyncByteStream):
        def __init__(self, stream):
            self.stream = stream

        def __iter__(self):
            return iter(self.stream)

        def __aiter__(self):
            return aiter(self.stream)

    def handle(request):
        calls.append(pool)
        try:
            return from_core_response(pool.handle_request(to_core_request(request)))
        except core.ConnectError as error:
            raise lib.ConnectError(str(error)) from error

    async def handle_async(request):
        calls.append(pool)
        try:
            return from_core_response(await pool.handle_async_request(to_core_request(request)))
        except core.ConnectError as error:
            raise lib.ConnectError(str(error)) from error

    return custom_transport(lib, kind, handle if kind == "sync" else handle_async, pool)


DIRECT_TRANSPORTS = (
    plain_transport,
    transport_wrapped_on_the_instance,
    transport_with_a_bound_method,
    transport_of_a_subclass,
    transport_wrapped_on_the_class_by_a_function,
    transport_wrapped_on_the_class_by_a_descriptor,
    transport_on_a_connection_pool,
)


@pytest.fixture(params=DIRECT_TRANSPORTS)
def direct_transport(request):
    """Run a test once with each form of a transport that connects to the host itself."""
    return request.param


@pytest.fixture(params=[*DIRECT_TRANSPORTS, transport_wrapped_behind_a_proxy])
def transport_form(request):
    """Run a test once with each form of a transport."""
    return request.param


async def request_chat_text(lib, kind, http_client, url=BASE_URL, stream=False):
    """Return the text of a chat call.

    The SDK sends it or, if the SDK rejects the HTTP client, the HTTP client does with the SDK's headers.
    """
    if lib is HTTP_LIB or not OPENAI_2:
        client = new_client(kind, http_client=http_client, base_url=url, max_retries=0)
        return await (stream_with(client) if stream else complete_with(client))
    headers = {"Authorization": f"Bearer {API_KEY}", "X-Stainless-Lang": "python"}
    body = CHAT_REQUEST | {"stream": stream}
    response = await awaited(http_client.post(f"{url}/chat/completions", json=body, headers=headers))
    if not stream:
        return response.json()["choices"][0]["message"]["content"]
    chunks = [data for _, data in parse_sse(response.text) if data != "[DONE]"]
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)


def http_client_of(lib, kind, transport):
    """Return a client of an HTTP library that uses a transport."""
    return (lib.Client if kind == "sync" else lib.AsyncClient)(transport=transport)


def test_transports_created_before_the_mock_are_answered_and_wrappers_run(
    transport_form, http_lib, client_kind, monkeypatch
):
    calls = []
    http_client = http_client_of(http_lib, client_kind, transport_form(http_lib, client_kind, calls, monkeypatch))
    with OpenAIMock() as openai_mock:
        openai_mock.chat.completions.create.response = ["Hi", streamed("one two"), httpx.ConnectError("no route")]
        request_text = functools.partial(request_chat_text, http_lib, client_kind, http_client)
        assert run_coroutine(client_kind, request_text()) == "Hi"
        assert run_coroutine(client_kind, request_text(stream=True)) == "one two"
        with pytest.raises((openai.APIConnectionError, http_lib.ConnectError)) as raised:
            run_coroutine(client_kind, request_text())
        assert "no route" in f"{raised.value} {raised.value.__cause__}"
        assert [record["model"] for record in openai_mock.requests] == [CHAT_REQUEST["model"]] * 3
    assert len(calls) == (0 if transport_form is plain_transport else 3)


def test_mistake_raises_through_a_wrapped_transport(transport_form, http_lib, client_kind, monkeypatch):
    http_client = http_client_of(http_lib, client_kind, transport_form(http_lib, client_kind, [], monkeypatch))
    with OpenAIMock() as openai_mock:
        openai_mock.chat.completions.create.response = lambda request: 1 / 0
        with pytest.raises(ZeroDivisionError):
            run_coroutine(client_kind, request_chat_text(http_lib, client_kind, http_client))


@pytest.fixture
def listener():
    """Listen on a port of loopback, return its address, and check that nothing connected."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(BlockingIOError):
            server.accept()


def test_transports_do_not_connect_to_a_listener(transport_form, http_lib, client_kind, monkeypatch, listener):
    calls = []
    http_client = http_client_of(http_lib, client_kind, transport_form(http_lib, client_kind, calls, monkeypatch))
    with OpenAIMock() as openai_mock:
        with pytest.raises(AssertionError, match="would reach the network"):
            run_coroutine(client_kind, request_chat_text(http_lib, client_kind, http_client, f"http://{listener}/v1"))
        assert [(record.endpoint, record.path) for record in openai_mock.requests] == [("", "/v1/chat/completions")]
        assert len(calls) == (transport_form is not plain_transport)


@pytest.mark.parametrize("resource", sorted(websocket_resources(sdk())))
def test_sdk_websockets_do_not_connect_to_a_listener(openai_mock, resource, client_kind, listener):
    async def scene():
        client = new_client(client_kind, base_url=f"http://{listener}/v1")
        async with enter(lookup(client, resource).connect(**required_connect_params(resource))):
            pytest.fail("connected")

    message = rf'would reach the network\. To mock it, write OpenAIMock\(base_url="https?://{listener}/v1"\)'
    with pytest.raises(AssertionError, match=message):
        run_coroutine(client_kind, scene())
    (record,) = openai_mock.requests
    assert record.endpoint == ""
    assert record.status is None
    assert record.headers["authorization"] == "***"


@pytest.mark.parametrize("resource", sorted(websocket_resources(sdk())))
def test_websocket_to_a_base_url_without_tls_is_answered(resource, client_kind):
    async def scene():
        client = new_client(client_kind, base_url="http://localhost:9/v1")
        async with enter(lookup(client, resource).connect(**required_connect_params(resource))):
            assert openai_mock.requests[0].status == 101

    with OpenAIMock(base_url="http://localhost:9/v1") as openai_mock:
        run_coroutine(client_kind, scene())


@pytest.fixture
def local_server():
    """Start a server on loopback that keeps the bodies posted to it, and answers with a chat completion."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers["content-length"])
            server.bodies.append(json.loads(self.rfile.read(length)))
            body = json.dumps(chat_json("from the server")).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.bodies = []
        server.url = f"http://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_transports_send_pass_through_requests(direct_transport, http_lib, client_kind, monkeypatch, local_server):
    http_client = http_client_of(http_lib, client_kind, direct_transport(http_lib, client_kind, [], monkeypatch))

    async def scene():
        with OpenAIMock() as openai_mock:
            openai_mock.router.route(host="127.0.0.1").pass_through()
            async with enter(http_client):
                return await request_chat_text(http_lib, client_kind, http_client, local_server.url)

    assert run_coroutine(client_kind, scene()) == "from the server"
    assert [body["messages"] for body in local_server.bodies] == [USER_MESSAGES]


@pytest.mark.parametrize("inner", ["mock", "respx"])
def test_respx_leaves_wrapped_transports_to_the_mock(transport_form, client_kind, monkeypatch, inner):
    http_client = http_client_of(httpx, client_kind, transport_form(httpx, client_kind, [], monkeypatch))
    respx_mock = respx.mock(assert_all_called=False)
    before = patchable_attributes()
    with contextlib.ExitStack() as stack:
        enter_with_respx(stack, OpenAIMock(), respx_mock, inner)
        respx_mock.get("https://other.test/").respond(204)
        assert run_coroutine(client_kind, post_chat(http_client))["object"] == "chat.completion"
        assert run_coroutine(client_kind, get_status(http_client, "https://other.test/")) == 204
    assert changed_since(before) == []


def test_respx_stopped_before_the_mock_keeps_requests_mocked(transport_form, client_kind, monkeypatch):
    http_client = http_client_of(httpx, client_kind, transport_form(httpx, client_kind, [], monkeypatch))
    respx_mock = respx.mock()
    before = patchable_attributes()
    respx_mock.start()
    with OpenAIMock() as openai_mock:
        respx_mock.stop()
        assert run_coroutine(client_kind, post_chat(http_client))["object"] == "chat.completion"
        assert len(openai_mock.requests) == 1
    assert changed_since(before) == []


async def test_task_started_by_a_pass_through_request_is_still_mocked(listener):
    http_client = http_client_of(httpx, "async", transport_wrapped_on_the_instance(httpx, "async", [], None))

    async def request_later():
        await asyncio.sleep(0.01)
        return await get_status(http_client, f"http://{listener}/")

    def start_task(request):
        tasks.append(asyncio.get_running_loop().create_task(request_later()))
        return httpx.Response(204)

    tasks = []
    with OpenAIMock(), respx.mock as respx_mock:
        respx_mock.get("http://127.0.0.1/start").mock(side_effect=start_task)
        async with httpx.AsyncClient() as other_client:
            assert await get_status(other_client, "http://127.0.0.1/start") == 204
        with pytest.raises(AssertionError, match="would reach the network"):
            await tasks[0]


def test_wrapper_installed_during_the_mock_remains_and_runs(http_lib, client_kind, monkeypatch):
    base = transport_class(http_lib, client_kind)
    method_name = HANDLE_METHODS[client_kind]
    calls = []
    original = vars(base)[method_name]
    with OpenAIMock():
        wrapper = DescriptorWrapper(vars(base)[method_name], calls)
        monkeypatch.setattr(base, method_name, wrapper)
        http_client = http_client_of(http_lib, client_kind, base())
        assert run_coroutine(client_kind, post_chat(http_client))
        assert len(calls) == 1
    assert vars(base)[method_name] is wrapper
    with OpenAIMock() as second_mock:
        assert run_coroutine(client_kind, post_chat(http_client))
        assert len(calls) == 2
        assert len(second_mock.requests) == 1
    setattr(base, method_name, wrapper.function)  # a tracer that is switched off does this
    with OpenAIMock():
        assert run_coroutine(client_kind, post_chat(http_client))
        assert len(calls) == 2
    assert vars(base)[method_name] is original
    monkeypatch.undo()
    setattr(base, method_name, original)


@pytest.mark.parametrize(
    "url", ["https://elsewhere.test/prices.json", "https://93.184.216.34/", "https://api.openai.com.evil.test/v1"]
)
def test_request_to_another_host_raises_connect_error(
    openai_mock, transport_form, http_lib, client_kind, monkeypatch, url
):
    http_client = http_client_of(http_lib, client_kind, transport_form(http_lib, client_kind, [], monkeypatch))
    with pytest.raises(http_lib.ConnectError, match=r"would reach the network.*openai_mock\.router"):
        run_coroutine(client_kind, get_status(http_client, url))
    assert [(record.endpoint, record.status) for record in openai_mock.requests] == [("", None)]


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost.", "app.localhost", "127.0.0.1", "127.8.9.10", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"],
)
def test_request_to_loopback_raises_assertion_error(
    openai_mock, transport_form, http_lib, client_kind, monkeypatch, host
):
    http_client = http_client_of(http_lib, client_kind, transport_form(http_lib, client_kind, [], monkeypatch))
    with pytest.raises(AssertionError, match="would reach the network"):
        run_coroutine(client_kind, get_status(http_client, f"http://{host}:9/health"))


def test_mock_that_starts_while_another_one_stops_answers(monkeypatch):
    first_mock = OpenAIMock()
    second_mock = OpenAIMock()
    started = threading.Event()
    stop_import_hook = openai_responses._ImportHook.stop

    def start_second_mock():
        second_mock.start()
        started.set()

    thread = threading.Thread(target=start_second_mock)

    def stop_slowly():  # runs when the first mock has decided to remove its patches
        thread.start()
        assert not started.wait(0.05)
        stop_import_hook()

    first_mock.start()
    monkeypatch.setattr(openai_responses._ImportHook, "stop", stop_slowly)
    first_mock.stop()
    monkeypatch.undo()
    thread.join()
    try:
        assert complete("Hi")
        assert len(second_mock.requests) == 1
    finally:
        second_mock.stop()


def test_start_after_a_failed_start_answers(monkeypatch):
    mock = OpenAIMock()
    monkeypatch.setenv("OPENAI_BASE_URL", "nonsense")
    with pytest.raises(ValueError, match="OPENAI_BASE_URL"):
        mock.start()
    monkeypatch.delenv("OPENAI_BASE_URL")
    with mock:
        assert complete("Hi")
        assert len(mock.requests) == 1
    assert not openai_responses._active_routers()


def test_unknown_api_path_raises_assertion_error_for_any_client(openai_mock, http_lib, client_kind):
    http_client = http_client_of(http_lib, client_kind, None)
    with pytest.raises(AssertionError, match="the API has no endpoint GET /nowhere"):
        run_coroutine(client_kind, get_status(http_client, f"{BASE_URL}/nowhere"))


def test_unmatched_request_is_logged_by_every_active_mock():
    with OpenAIMock(base_url="https://a.test/v1") as outer, OpenAIMock(base_url="https://b.test/v1") as inner:
        with pytest.raises(httpx.ConnectError) as raised:
            httpx.get("https://c.test/health")
        inner_message, outer_message = str(raised.value).split("; ")
        assert "The mock only answers at https://b.test/v1" in inner_message
        assert "The mock only answers at https://a.test/v1" in outer_message
        assert [record.path for record in outer.requests] == ["/health"]
        assert [record.path for record in inner.requests] == ["/health"]


def test_equal_messages_of_nested_mocks_are_reported_once():
    with OpenAIMock(), OpenAIMock(), pytest.raises(httpx.ConnectError) as raised:
        httpx.get("https://c.test/health")
    assert str(raised.value).count("would reach the network") == 1


def test_sdk_retries_after_a_set_network_fault_without_a_delay(create, client_kind):
    create.response = [httpx.ConnectError, httpx.ReadTimeout, "Hi"]
    started = time.monotonic()
    assert run_with_client(client_kind, complete_with) == "Hi"
    assert time.monotonic() - started < 1  # by default the SDK waits at least 0.375 s and then 0.75 s


@pytest.mark.parametrize(
    ("fault", "expected", "message"),
    [
        (httpx.ReadTimeout, "ReadTimeout", "mocked ReadTimeout"),
        (httpx.ConnectError("no route"), "ConnectError", "no route"),
        (httpx.RemoteProtocolError("gone"), "RemoteProtocolError", "gone"),
    ],
    ids=["class", "instance", "protocol error"],
)
def test_connection_pools_raise_their_own_errors(openai_mock, create, http_lib, fault, expected, message):
    core = core_module(http_lib)
    create.response = fault
    content = json.dumps(CHAT_REQUEST).encode()
    with core.ConnectionPool() as pool, pytest.raises(getattr(core, expected)) as raised:
        pool.request("POST", f"{BASE_URL}/chat/completions", content=content)
    assert str(raised.value) == message


def test_connection_pool_raises_connect_error_for_other_hosts(openai_mock, http_lib):
    core = core_module(http_lib)
    with core.ConnectionPool() as pool, pytest.raises(core.ConnectError, match="would reach the network"):
        pool.request("GET", "https://elsewhere.test/")


# ---- aiohttp ---------------------------------------------------------------------------------------------------------


def aiohttp_transport(calls, monkeypatch):
    return openai.DefaultAioHttpClient()


def aiohttp_transport_wrapped_on_the_instance(calls, monkeypatch):
    http_client = openai.DefaultAioHttpClient()
    transport = http_client._transport
    transport.handle_async_request = record_calls(transport.handle_async_request, calls)
    return http_client


def aiohttp_transport_wrapped_on_the_class(calls, monkeypatch):
    base = type(openai.DefaultAioHttpClient()._transport)
    monkeypatch.setattr(base, "handle_async_request", record_calls(base.handle_async_request, calls))
    return openai.DefaultAioHttpClient()


def aiohttp_transport_in_a_custom_transport(calls, monkeypatch):
    transport = openai.DefaultAioHttpClient()._transport
    custom = custom_transport(HTTP_LIB, "async", record_calls(transport.handle_async_request, calls), transport)
    return openai.DefaultAsyncHttpxClient(transport=custom)


def aiohttp_session_with_a_wrapped_request(calls, monkeypatch):
    import aiohttp

    monkeypatch.setattr(aiohttp.ClientSession, "_request", record_calls(aiohttp.ClientSession._request, calls))
    return aiohttp_transport_in_a_custom_transport([], monkeypatch)


@pytest.fixture(
    params=[
        aiohttp_transport,
        aiohttp_transport_wrapped_on_the_instance,
        aiohttp_transport_wrapped_on_the_class,
        aiohttp_transport_in_a_custom_transport,
        aiohttp_session_with_a_wrapped_request,
    ]
)
def aiohttp_form(request):
    """Run a test once with each way to send a request with aiohttp."""
    return request.param


async def test_aiohttp_transports_are_answered_and_wrappers_run(aiohttp_form, monkeypatch):
    calls = []
    async with new_client("async", http_client=aiohttp_form(calls, monkeypatch), max_retries=0) as client:
        with OpenAIMock() as openai_mock:
            steps = ["Hi", streamed(UNICODE_TEXT), error(400), httpx.ConnectError]
            openai_mock.chat.completions.create.response = steps
            assert await complete_with(client) == "Hi"
            assert await stream_with(client) == UNICODE_TEXT
            with pytest.raises(openai.BadRequestError):
                await complete_with(client)
            with pytest.raises(openai.APIConnectionError):
                await complete_with(client)
            openai_mock.chat.completions.create.response = lambda request: 1 / 0
            with pytest.raises(ZeroDivisionError):
                await complete_with(client)
            assert openai_mock.chat.completions.create.call_count == 5
    assert len(calls) == (0 if aiohttp_form is aiohttp_transport else 5)


async def test_aiohttp_transports_do_not_connect_to_a_listener(aiohttp_form, monkeypatch, listener):
    http_client = aiohttp_form([], monkeypatch)
    async with new_client("async", http_client=http_client, base_url=f"http://{listener}/v1") as client:
        with OpenAIMock(), pytest.raises(AssertionError, match="would reach the network"):
            await complete_with(client)


async def test_aiohttp_transports_send_pass_through_requests(aiohttp_form, monkeypatch, local_server):
    async with new_client("async", http_client=aiohttp_form([], monkeypatch), base_url=local_server.url) as client:
        with OpenAIMock() as openai_mock:
            openai_mock.router.route(host="127.0.0.1").pass_through()
            assert await complete_with(client) == "from the server"
    assert [body["messages"] for body in local_server.bodies] == [USER_MESSAGES]


@pytest.mark.parametrize("inner", ["mock", "respx"])
async def test_respx_does_not_unblock_aiohttp_requests(aiohttp_form, monkeypatch, inner, listener):
    http_client = aiohttp_form([], monkeypatch)
    async with new_client("async", http_client=http_client, base_url=f"http://{listener}/v1") as client:
        with contextlib.ExitStack() as stack:
            enter_with_respx(stack, OpenAIMock(), respx.mock, inner)
            with pytest.raises(AssertionError, match="would reach the network"):
                await complete_with(client)


async def chunked_body():
    """Yield a chat request in two chunks."""
    body = json.dumps(CHAT_REQUEST).encode()
    yield body[:20]
    yield body[20:]


@pytest.mark.parametrize(
    "make_params",
    [
        lambda: {"json": CHAT_REQUEST},
        lambda: {"data": chunked_body()},
        lambda: {"json": CHAT_REQUEST, "expect100": True},
        lambda: {"json": CHAT_REQUEST, "headers": {f"x-{number}": "x" * 8000 for number in range(4)}},
    ],
    ids=["json", "chunked body", "100 continue", "long headers"],
)
async def test_aiohttp_sessions_are_answered(openai_mock, create, make_params):
    import aiohttp

    create.response = "Hi"
    async with (
        aiohttp.ClientSession(headers={"content-type": "application/json"}) as session,
        session.post(f"{BASE_URL}/chat/completions", **make_params()) as response,
    ):
        assert response.reason == "OK"
        assert (await response.json())["choices"][0]["message"]["content"] == "Hi"
    assert [record["messages"] for record in create.requests] == [USER_MESSAGES]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (httpx.ReadTimeout, "ServerTimeoutError"),
        (httpx.PoolTimeout, "ServerTimeoutError"),
        (httpx.ConnectError, "ClientConnectorError"),
        (httpx.ReadError, "ClientConnectionError"),
        (httpx.RemoteProtocolError, "ClientConnectionError"),
    ],
)
async def test_aiohttp_sessions_raise_network_faults_as_aiohttp_errors(create, fault, expected):
    import aiohttp

    create.response = fault
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError, match=f"mocked {fault.__name__}") as raised:
            await session.post(f"{BASE_URL}/chat/completions", json=CHAT_REQUEST)
    assert type(raised.value) is getattr(aiohttp, expected)


async def test_aiohttp_sessions_raise_payload_errors_for_broken_streams(create):
    import aiohttp

    create.response = streamed("one two three", fail_after=2, fault=httpx.ReadError)
    body = {**CHAT_REQUEST, "stream": True}
    async with aiohttp.ClientSession() as session, session.post(f"{BASE_URL}/chat/completions", json=body) as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_aiohttp_sessions_do_not_reach_the_network(openai_mock):
    import aiohttp

    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError, match="would reach the network"):
            await session.get("https://elsewhere.test/")
        with pytest.raises(AssertionError, match="would reach the network"):
            await session.get("http://127.0.0.1:9/")
        with pytest.raises(AssertionError, match="the API has no endpoint"):
            await session.get(f"{BASE_URL}/nowhere")


async def test_stream_abandoned_by_aiohttp_is_closed(openai_mock, create):
    import aiohttp

    closed = []
    number = itertools.count()

    async def endless(request):
        try:
            while True:
                next(number)
                yield chat_chunk("x" * 10_000)
        finally:
            closed.append(True)

    create.response = endless
    post_params = {"url": f"{BASE_URL}/chat/completions", "json": {**CHAT_REQUEST, "stream": True}}
    async with aiohttp.ClientSession() as session, session.post(**post_params) as response:
        assert (await response.content.readline()).startswith(b"data:")
        await asyncio.sleep(0.01)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert closed == [True]
    assert next(number) < 100  # the stream waits while the client doesn't read
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_aiohttp_test_client_and_websockets_are_not_intercepted(openai_mock):
    from aiohttp import ClientSession, test_utils, web

    async def chat(request):
        return web.Response(text=await complete_with(sdk("async")))

    async def echo(request):
        server = web.WebSocketResponse()
        await server.prepare(request)
        await server.send_str(await server.receive_str())
        return server

    openai_mock.chat.completions.create.response = "Hi"
    application = web.Application()
    application.add_routes([web.get("/chat", chat), web.get("/echo", echo)])
    async with test_utils.TestClient(test_utils.TestServer(application)) as client, ClientSession() as session:
        assert await (await client.get("/chat")).text() == "Hi"
        async with session.ws_connect(client.make_url("/echo")) as connection:
            await connection.send_str("hello")
            assert await connection.receive_str() == "hello"


async def test_aiohttp_application_under_test_is_intercepted(openai_mock):
    from aiohttp import ClientError, ClientSession, test_utils, web

    errors = []

    async def warm_up(application):
        async with ClientSession() as session:
            try:
                await session.get("https://elsewhere.test/")
            except ClientError as error:
                errors.append(error)

    application = web.Application()
    application.on_startup.append(warm_up)
    async with test_utils.TestClient(test_utils.TestServer(application)) as client:
        assert (await client.get("/nowhere")).status == 404
    assert [type(error).__name__ for error in errors] == ["ClientConnectorError"]


async def test_aiohttp_request_with_an_upgrade_header_is_answered(openai_mock):
    from aiohttp import ClientSession

    async with (
        ClientSession() as session,
        session.post(f"{BASE_URL}/chat/completions", json=CHAT_REQUEST, headers={"upgrade": "h2c"}) as response,
    ):
        assert response.status == 200
    assert [record.endpoint for record in openai_mock.requests] == ["chat.completions.create"]


def test_aiohttp_is_patched_when_it_is_imported_during_a_mock():
    code = """
import asyncio, sys
import openai, openai_responses

for name in [*sys.modules]:
    if name.partition(".")[0] == "aiohttp":
        del sys.modules[name]  # some releases of the SDK import it

async def scene():
    with openai_responses.OpenAIMock() as openai_mock:
        import aiohttp
        async with aiohttp.ClientSession() as session:
            async with session.get("https://api.openai.com/v1/files") as response:
                print((await response.json())["object"], len(openai_mock.requests))
    print(openai_responses._is_own_patch(aiohttp.BaseConnector.connect), openai_responses._ImportHook in sys.meta_path)

asyncio.run(scene())
"""
    assert python("-c", code, PYTHONPATH=str(ROOT)).stdout.split() == ["list", "1", "False", "False"]


# ---- WebSockets that are not answered --------------------------------------------------------------------------------


@pytest.mark.parametrize("resource", sorted(websocket_resources(sdk())))
def test_api_websockets_stay_in_the_process(openai_mock, monkeypatch, resource, client_kind):
    monkeypatch.setattr(socket.socket, "connect", None)  # calling it would raise a TypeError

    async def scene():
        async with enter(lookup(sdk(client_kind), resource).connect(**required_connect_params(resource))):
            endpoint = openai_mock.requests[0].endpoint
            # the SDK's `beta.responses.connect` opens the same URL as `responses.connect`
            assert endpoint in (f"{resource}.connect", f"{resource.removeprefix('beta.')}.connect")

    run_coroutine(client_kind, scene())


@requires("responses.connect")
def test_websocket_to_an_unknown_path_raises_assertion_error(openai_mock, monkeypatch, client_kind):
    monkeypatch.setattr(socket.socket, "connect", None)
    client = new_client(client_kind, websocket_base_url="wss://api.openai.com/v1/dance")

    async def scene():
        async with enter(client.responses.connect()):
            pytest.fail("connected")

    with pytest.raises(AssertionError, match=r"WS wss://api\.openai\.com/v1/dance/responses would reach the network"):
        run_coroutine(client_kind, scene())


@pytest.fixture
def socket_server():
    """Start a WebSocket server that sends the `authorization` header of each client, and return its address."""
    from websockets.sync.server import serve

    def handler(connection):
        connection.send(connection.request.headers.get("authorization", "none"))

    with serve(handler, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


def websockets_connect(kind):
    """Return the function of `websockets` that connects, while a mock has patched it."""
    if kind == "sync":
        return importlib.import_module("websockets.sync.client").connect
    return importlib.import_module("websockets.asyncio.client").connect


async def receive_first(connect, url, **settings):
    """Return the first message of a WebSocket."""
    async with enter(connect(url, **settings)) as connection:
        return await awaited(connection.recv())


def test_websockets_to_other_hosts_are_not_intercepted(openai_mock, client_kind, socket_server):
    connect = websockets_connect(client_kind)
    assert run_coroutine(client_kind, receive_first(connect, f"ws://{socket_server}")) == "none"
    assert openai_mock.requests == []


async def sdk_websocket_header(kind, address):
    """Return the `authorization` header that the server at an address gets from the SDK."""
    client = new_client(kind, base_url=f"http://{address}/v1")
    async with enter(client.responses.connect()) as connection:
        return (await awaited(connection.recv_bytes())).decode()


@requires("responses.connect")
@pytest.mark.parametrize("url", ["http://{}/v1/responses", "ws://{}/v1/responses"])
def test_sdk_websocket_connects_with_a_pass_through_route(openai_mock, client_kind, socket_server, url):
    openai_mock.router.get(url.format(socket_server)).pass_through()
    assert run_coroutine(client_kind, sdk_websocket_header(client_kind, socket_server)) == f"Bearer {API_KEY}"


@requires("responses.connect")
def test_pass_through_route_without_a_pattern_matches_websockets(openai_mock, client_kind, socket_server):
    openai_mock.router.route().pass_through()
    assert run_coroutine(client_kind, sdk_websocket_header(client_kind, socket_server)) == f"Bearer {API_KEY}"


@requires("responses.connect")
def test_route_without_pass_through_blocks_sdk_websockets(openai_mock, client_kind, listener):
    openai_mock.router.route(host="127.0.0.1").respond(204)
    openai_mock.router.route().pass_through()  # the first route that matches decides
    with pytest.raises(AssertionError, match="would reach the network"):
        run_coroutine(client_kind, sdk_websocket_header(client_kind, listener))


@requires("responses.connect")
def test_pass_through_route_for_another_host_blocks_sdk_websockets(openai_mock, client_kind, listener):
    openai_mock.router.route(host="other.test").pass_through()
    with pytest.raises(AssertionError, match="would reach the network"):
        run_coroutine(client_kind, sdk_websocket_header(client_kind, listener))


@pytest.mark.parametrize(
    "headers", [{"X-Stainless-Lang": "python"}, [("x-stainless-lang", "python")]], ids=["dict", "pairs"]
)
def test_websockets_with_sdk_headers_are_blocked(openai_mock, client_kind, listener, headers):
    connect = websockets_connect(client_kind)
    with pytest.raises(AssertionError, match="would reach the network"):
        run_coroutine(client_kind, receive_first(connect, f"ws://{listener}/", additional_headers=headers))


DIAL_CODE = """
async def dial(url):
    async with connect(url) as connection:
        return await connection.recv()
"""


@pytest.mark.parametrize("package", ["openai", "agents"])
async def test_websockets_of_sdk_packages_are_blocked(openai_mock, monkeypatch, listener, package):
    monkeypatch.setitem(sys.modules, "agents", types.SimpleNamespace(flush_traces=lambda: None))
    scope = {"__name__": f"{package}.inner", "connect": websockets_connect("async")}
    exec(DIAL_CODE, scope)
    with pytest.raises(AssertionError, match="would reach the network"):
        await scope["dial"](f"ws://{listener}/")


async def test_websocket_of_a_tool_that_agents_runs_is_not_intercepted(openai_mock, monkeypatch, socket_server):
    async def tool():
        return await receive_first(websockets_connect("async"), f"ws://{socket_server}/")

    scope = {"__name__": "agents.tool"}
    exec("async def run(tool):\n    return await tool()", scope)
    monkeypatch.setitem(sys.modules, "agents", types.SimpleNamespace(flush_traces=lambda: None))
    assert await scope["run"](tool) == "none"


@pytest.mark.parametrize("name", ["agents.inner", "openai_tools.inner"])
async def test_packages_with_similar_names_are_not_intercepted(openai_mock, monkeypatch, socket_server, name):
    monkeypatch.setitem(sys.modules, "agents", types.SimpleNamespace())  # openai-agents would have `flush_traces`
    scope = {"__name__": name, "connect": websockets_connect("async")}
    exec(DIAL_CODE, scope)
    assert await scope["dial"](f"ws://{socket_server}/") == "none"


def test_nested_entries_of_a_mock_answer_until_the_last_exit(openai_mock):
    with openai_mock, openai_mock.router:
        complete("Hi")
    complete("Hi")
    with openai_mock.router:
        complete("Hi")
    complete("Hi")
    assert len(openai_mock.requests) == 4


# The key and the self-signed certificate of a server at 127.0.0.1.
UNTRUSTED_KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg3V9qqXNenEF+jPed
P5VHmcbGatNggNq2y8p+tTHBfOihRANCAAS5+oGzoUdAXYe6mUwjnOpIGhYZes1w
MJ+JfGsox2ff9cCnZ1KJfGqulvCnDh4s0MW/A/v3ZPdjIJL+MbrU004e
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBjzCCATagAwIBAgIUM5SIlYo+SSSxFtLxlcIBqpfZyG8wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJMTI3LjAuMC4xMCAXDTI2MTEyNDE1Mzg1MVoYDzIxMjYxMDMx
MTUzODUxWjAUMRIwEAYDVQQDDAkxMjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAS5+oGzoUdAXYe6mUwjnOpIGhYZes1wMJ+JfGsox2ff9cCnZ1KJfGqu
lvCnDh4s0MW/A/v3ZPdjIJL+MbrU004eo2QwYjAdBgNVHQ4EFgQUqGiOAkPUn/NA
tspQEGtrV3MbZR4wHwYDVR0jBBgwFoAUqGiOAkPUn/NAtspQEGtrV3MbZR4wDwYD
VR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0cAMEQC
IFo3Hi8NuDimCIRrPqyndL1rkMrQXvsSGuPf1y5WJaZLAiAIHSGb1hLIGUdzT0LC
RVaHBzANTkeg8MBYQVPDnZcABw==
-----END CERTIFICATE-----
"""


@pytest.fixture
def created_contexts(http_lib, tmp_path, monkeypatch):
    """Return the settings of each SSL context that an HTTP library creates during a test."""
    created = []
    create_context = http_lib.create_ssl_context

    def recording_create_context(**settings):
        created.append(settings)
        return create_context(**settings)

    monkeypatch.setattr(http_lib, "create_ssl_context", recording_create_context)
    monkeypatch.setenv(
        "SSL_CERT_DIR", str(tmp_path)
    )  # contexts are cached by this variable, so the test gets a new one
    return created


def test_transports_share_an_ssl_context(http_lib, client_kind, created_contexts):
    with OpenAIMock():
        context = http_lib.HTTPTransport()._pool._ssl_context
        assert transport_class(http_lib, client_kind)()._pool._ssl_context is context
        client = http_client_of(http_lib, client_kind, None)
        assert client._transport._pool._ssl_context is context
    assert isinstance(context, ssl.SSLContext)
    assert created_contexts == []


def test_transports_with_other_settings_have_another_ssl_context(http_lib, client_kind, created_contexts, monkeypatch):
    make_transport = transport_class(http_lib, client_kind)
    own_context = ssl.create_default_context()
    with OpenAIMock():
        context = make_transport()._pool._ssl_context
        assert make_transport(trust_env=False)._pool._ssl_context is not context
        assert make_transport(verify=False)._pool._ssl_context.verify_mode == ssl.CERT_NONE
        assert make_transport(verify=own_context)._pool._ssl_context is own_context
        monkeypatch.setenv("SSL_CERT_DIR", os.devnull)
        assert make_transport()._pool._ssl_context is not context


def test_shared_ssl_context_is_created_at_the_first_handshake(http_lib, client_kind, created_contexts, tmp_path):
    with OpenAIMock():
        client = http_client_of(http_lib, client_kind, None)
    assert created_contexts == []
    (tmp_path / "server.pem").write_text(UNTRUSTED_KEY)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(tmp_path / "server.pem")
    with socket.create_server(("127.0.0.1", 0)) as server_socket, concurrent.futures.ThreadPoolExecutor(1) as pool:
        handshake = pool.submit(lambda: server_context.wrap_socket(server_socket.accept()[0], server_side=True))
        with pytest.raises(http_lib.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            run_coroutine(client_kind, get_status(client, f"https://127.0.0.1:{server_socket.getsockname()[1]}/"))
        assert isinstance(handshake.exception(), OSError)
    assert created_contexts == [{"trust_env": True}]


def test_recorded_calls_remain_after_exit_and_continue_on_reentry():
    openai_mock = OpenAIMock()
    create = openai_mock.chat.completions.create
    create.response = "Hi"
    for count in (1, 2):
        with openai_mock.router:
            run_with_client("sync", complete_with)
        assert create.route.call_count == len(create.requests) == len(openai_mock.requests) == count
        last = create.route.calls.last
        assert create.response == "Hi"
        assert last.request.method == "POST"
        assert json.loads(last.request.content) == CHAT_REQUEST
        assert last.response.json()["choices"][0]["message"]["content"] == "Hi"


async def test_with_streaming_response_is_open_until_read(openai_mock, either_client):
    async with enter(either_client.chat.completions.with_streaming_response.create(**CHAT_REQUEST)) as response:
        assert not response.is_closed
        body = json.loads(await awaited(response.read()))
        assert response.is_closed
    assert body["object"] == "chat.completion"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/chat/complations", r"the API has no endpoint POST /chat/complations\. Closest: 'POST /chat/completions'"),
        ("/files/a/b/c/d", "the API has no endpoint POST /files/a/b/c/d"),
        ("https://elsewhere.test/v1/chat/completions", r"would reach the network.*base_url.*openai_mock\.router"),
        ("https://elsewhere.test/v1/dance", r"would reach the network\. To mock it, add a route to"),
        ("https://me:pass@elsewhere.test/v1/files", r'write OpenAIMock\(base_url="https://elsewhere\.test/v1"\)'),
        ("https://elsewhere.test/v1/responses?beta=true", r'write OpenAIMock\(base_url="https://elsewhere\.test/v1"\)'),
        ("https://api.openai.com/v2/chat/completions", "would reach the network"),
        ("https://api.openai.com.evil.test/v1/files", "would reach the network"),
    ],
)
def test_unmatched_sdk_requests_raise_without_retries(openai_mock, path, message, client_kind):
    async def scene(client):
        return await awaited(client.post(path, body={}, cast_to=object))

    with pytest.raises(AssertionError, match=message):
        run_with_client(client_kind, scene)
    assert [(record.endpoint, record.status) for record in openai_mock.requests] == [("", None)]
    assert openai_mock.router.calls.call_count == 1


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY", "https_proxy"])
def test_environment_proxies_are_not_used(openai_mock, monkeypatch, variable, http_lib):
    monkeypatch.setenv(variable, "http://user:password@127.0.0.1:9")
    with new_client() as client, http_lib.Client() as http_client:
        assert client.files.list().data == []
        assert http_client.get(f"{BASE_URL}/files").json()["data"] == []


def test_proxy_of_a_client_is_not_used(openai_mock, http_lib):
    with http_lib.Client(proxy="http://127.0.0.1:9") as http_client:
        assert http_client.get(f"{BASE_URL}/files").json()["data"] == []


def test_mistake_raises_without_an_active_mock():
    """Check the exception without patches. An SDK that retries every exception lets only a `MockError` through."""
    openai_mock = OpenAIMock()
    openai_mock.chat.completions.create.response = lambda request: 1 / 0
    client = new_client(http_client=openai.DefaultHttpxClient(transport=MockTransport(openai_mock)))
    expected = openai_responses.MockError if SDK_RETRIES_ALL_EXCEPTIONS else ZeroDivisionError
    with pytest.raises(expected, match="division by zero") as raised:
        client.chat.completions.create(**CHAT_REQUEST)
    if SDK_RETRIES_ALL_EXCEPTIONS:
        assert isinstance(raised.value.__cause__, ZeroDivisionError)


async def test_cancelled_calls_and_streams_are_cleaned_up(create):
    closed = []

    async def wait(request):
        try:
            await asyncio.sleep(60)
        finally:
            closed.append(True)

    async def stream_and_wait(request):
        yield chat_chunk("one")
        await wait(request)

    async def cancel(response, call):
        create.response = response
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(call(sdk("async")), 0.05)

    await cancel(wait, complete_with)
    await cancel(stream_and_wait, stream_with)
    await cancel(streamed("a", first_delay=60), stream_with)
    create.response = "Hi"
    assert await complete_with(sdk("async")) == "Hi"
    assert len(closed) == 2
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
def unpatched_attributes():
    """Return the attributes that can be patched, before a mock starts and after all packages are imported."""
    for name in ("aiohttp", "websockets.sync.client", "websockets.asyncio.client"):
        importlib.import_module(name)
    return patchable_attributes()


def test_innermost_mock_answers():
    with OpenAIMock() as outer, OpenAIMock() as inner, outer, respx.mock:
        assert complete("Hi")
        assert len(outer.requests) == 1  # it was entered last
        assert inner.requests == []


def test_patches_are_removed_on_exit(unpatched_attributes):
    with OpenAIMock() as outer, OpenAIMock(), outer, respx.mock:
        assert len(changed_since(unpatched_attributes)) > 8
    assert changed_since(unpatched_attributes) == []


def test_patches_are_removed_after_an_exception(unpatched_attributes):
    with pytest.raises(ZeroDivisionError), OpenAIMock():
        raise ZeroDivisionError
    assert changed_since(unpatched_attributes) == []


def test_patch_that_was_kept_has_no_effect_after_exit(http_lib):
    with OpenAIMock():
        kept_patch = http_lib.HTTPTransport.handle_request
    with socket.socket() as idle_socket, http_lib.HTTPTransport(verify=False) as transport:
        idle_socket.bind(("127.0.0.1", 0))  # it does not listen
        request = http_lib.Request("GET", f"http://127.0.0.1:{idle_socket.getsockname()[1]}/")
        with pytest.raises(http_lib.ConnectError, match="refused"):
            kept_patch(transport, request)


# ======================================================================================================================
# WEBSOCKET CONNECTIONS
# ======================================================================================================================


FINAL_EVENT_TYPES = ("response.completed", "response.done", "error")  # the last event that follows a message


async def receive_until(connection, final_types):
    """Return the events of a connection as JSON, up to the first one of a final type."""
    events = []
    while not events or events[-1]["type"] not in final_types:
        events.append(json.loads(await awaited(connection.recv_bytes())))
    return events


async def send_and_receive(connection, *messages, final_types=FINAL_EVENT_TYPES):
    """Send messages, and return the events that follow them as JSON. Without messages, only receive events."""
    if not messages:
        return await receive_until(connection, final_types)
    events = []
    for message in messages:
        await awaited(connection._connection.send(message if isinstance(message, str) else json.dumps(message)))
        events += await receive_until(connection, final_types)
    return events


def connection_closed_error():
    """Return the exception of `websockets` for a closed connection."""
    from websockets.exceptions import ConnectionClosed

    return ConnectionClosed


def says(text, **params):
    """Return a message that requests a response to a text."""
    return {"type": "response.create", "model": "gpt-5", "input": text} | params


def websocket_events(kind, *messages, name="responses", final_types=FINAL_EVENT_TYPES, **settings):
    """Send messages on a new connection, and return the events that follow them as JSON."""

    async def scene():
        async with enter(lookup(sdk(kind), name).connect(**settings)) as connection:
            return await send_and_receive(connection, *messages, final_types=final_types)

    return run_coroutine(kind, scene())


def output_without_ids(event):
    """Return the output items of a final event, without their IDs."""
    return [{**item, "id": None, "call_id": None} for item in event["response"]["output"]]


def event_output_text(event):
    """Return the text of the first output item of a final event."""
    return event["response"]["output"][0]["content"][0]["text"]


def websocket_mistake(kind, raised):
    """Return a mistake in a test. The asynchronous client raises it as the cause of a `ConnectionClosed`."""
    return raised if kind == "sync" else raised.__cause__


@requires("responses.connect")
@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_websocket_sends_the_same_events_as_the_stream(turn, client_kind):
    with OpenAIMock() as openai_mock:
        openai_mock.responses.create.response = turn
        streamed_events = [event for _, event in post_stream("/responses", INPUT_REQUEST)]
    with OpenAIMock() as openai_mock:
        openai_mock.responses.connect.response = turn
        events = websocket_events(client_kind, says("Hi", model=INPUT_REQUEST["model"]))
    for event in events:
        valid("responses.ResponsesServerEvent", event)
    assert [event["type"] for event in events] == [event["type"] for event in streamed_events]
    assert output_without_ids(events[-1]) == output_without_ids(streamed_events[-1])


@requires("responses.connect")
def test_websocket_shares_steps_and_state_with_http(openai_mock, client, client_kind):
    openai_mock.responses.create.response = TOOL_LOOP_STEPS
    tool_response = websocket_events(client_kind, says("Hi"))[-1]["response"]
    call_id = tool_response["output"][0]["call_id"]
    output = {"type": "function_call_output", "call_id": call_id, "output": "sunny"}
    message = says([output], previous_response_id=tool_response["id"], stream_id="lane-1")
    last = websocket_events(client_kind, message)[-1]
    assert event_output_text(last) == TOOL_LOOP_STEPS[1]
    assert last["stream_id"] == "lane-1"
    assert client.responses.retrieve(last["response"]["id"]).previous_response_id == tool_response["id"]
    assert len(openai_mock.responses.connect.requests) == 2
    assert not openai_mock.responses.create.called


@requires("responses.connect")
def test_websocket_uses_the_rules_of_http(openai_mock, client_kind):
    rule = openai_mock.responses.create.when("bye")
    rule.response = "Goodbye."
    last = websocket_events(client_kind, says("bye"))[-1]
    assert event_output_text(last) == "Goodbye."
    assert "stream_id" not in last
    assert len(rule.requests) == 1


@requires("responses.connect")
@pytest.mark.parametrize(
    ("message", "status", "code", "expected"),
    [
        ("{no json", 400, None, "could not parse"),
        ("[1]", 400, None, "expected an object"),
        ({"type": "response.dance"}, 400, "invalid_value", "'response.dance'"),
        ({}, 400, "invalid_value", "None"),
        (says("Hi", previous_response_id=UNKNOWN_ID), 400, "previous_response_not_found", UNKNOWN_ID),
        (says("Hi", conversation=UNKNOWN_ID), 404, None, UNKNOWN_ID),
    ],
    ids=["not JSON", "not an object", "unknown type", "no type", "unknown response", "unknown conversation"],
)
def test_websocket_continues_after_an_invalid_message(openai_mock, client_kind, message, status, code, expected):
    openai_mock.responses.connect.response = ["I am still here."]  # a rejected message uses no step
    error_event, *_, last = websocket_events(client_kind, message, says("Hi"))
    # without a status, the SDK's error event is that of a stream over HTTP
    if "status" in union_members("responses.ResponsesServerEvent")["error"].model_fields:
        valid("responses.ResponsesServerEvent", error_event)
    assert error_event["status"] == status
    assert error_event["error"]["code"] == code
    assert expected in error_event["error"]["message"]
    assert event_output_text(last) == "I am still here."


@requires("responses.connect")
def test_set_error_is_sent_as_a_websocket_event(openai_mock, client_kind):
    openai_mock.responses.connect.response = ["Hi.", error(429, "Slow down.")]
    *_, last = websocket_events(client_kind, says("Hi"), says("Hi"))
    assert contains(last, {"status": 429, "error": {"message": "Slow down.", "code": "rate_limit_exceeded"}})


@requires("responses.connect")
def test_websocket_breaks_off_after_the_set_number_of_events(openai_mock, client_kind):
    openai_mock.responses.connect.response = streamed("Hello there", fail_after=2)
    with pytest.raises(connection_closed_error(), match="no close frame received") as raised:
        websocket_events(client_kind, says("Hi"))
    assert raised.value.rcvd is None
    assert [event["type"] for event in openai_mock.requests[-1].events] == ["response.created", "response.in_progress"]


@requires("responses.connect")
def test_websocket_closes_with_the_set_code(openai_mock, client_kind):
    openai_mock.responses.connect.response = streamed("Hello there", fail_after=2, fault=1011)
    with pytest.raises(connection_closed_error()) as raised:
        websocket_events(client_kind, says("Hi"))
    assert raised.value.rcvd.code == 1011
    assert raised.value.rcvd.reason == "the mock closed the connection"
    assert [event["type"] for event in openai_mock.requests[-1].events] == ["response.created", "response.in_progress"]


@requires("responses.connect")
@pytest.mark.parametrize(
    ("response", "call_count"),
    [(timeout(), 1), (httpx.ConnectError, 1), (["Hi", timeout()], 2)],
    ids=["timeout", "exception class", "second step"],
)
def test_network_fault_breaks_a_websocket(openai_mock, client_kind, response, call_count):
    openai_mock.responses.connect.response = response
    with pytest.raises(connection_closed_error()) as raised:
        websocket_events(client_kind, says("Hi"), says("Hi"))
    assert raised.value.rcvd is None
    assert openai_mock.responses.connect.call_count == call_count


@requires("responses.connect")
@pytest.mark.parametrize(
    ("name", "message", "code"),
    [
        ("responses", says("Hi"), "websocket_connection_limit_reached"),
        ("realtime", {"type": "response.create"}, "session_expired"),
        ("beta.realtime", {"type": "response.create"}, "session_expired"),
    ],
    ids=["responses", "realtime", "beta.realtime"],
)
def test_expired_session_sends_an_error_and_closes(openai_mock, client_kind, name, message, code):
    lookup(openai_mock, name).connect.response = streamed("Hello there", fail_after=1, fault=1001)

    async def scene():
        async with enter(lookup(sdk(client_kind), name).connect(**required_connect_params(name))) as connection:
            *_, last = await send_and_receive(connection, message)
            with pytest.raises(connection_closed_error(), match="1001"):
                await awaited(connection.recv_bytes())
            return last

    error_event = run_coroutine(client_kind, scene())
    assert contains(error_event, {"type": "error", "error": {"code": code, "type": "invalid_request_error"}})
    assert "60 minutes" in error_event["error"]["message"]
    assert openai_mock.requests[-1].events[-1] == error_event


@requires("responses.connect")
def test_set_error_rejects_the_websocket_handshake(openai_mock, client_kind):
    from websockets.exceptions import InvalidStatus

    openai_mock.responses.connect.response = [error(401), "Welcome."]
    with pytest.raises(InvalidStatus) as raised:
        websocket_events(client_kind)
    rejection = raised.value.response
    assert rejection.status_code == 401
    assert rejection.headers.get_all("Content-Type") == ["application/json"]
    assert json.loads(bytes(rejection.body))["error"]["code"] == "invalid_api_key"
    assert event_output_text(websocket_events(client_kind, says("Hi"))[-1]) == "Welcome."
    assert [record.status for record in openai_mock.requests] == [401, 101, None]


@requires("responses.connect")
def test_websocket_is_accepted_after_the_last_step_was_an_error(openai_mock, client_kind):
    openai_mock.responses.connect.response = ["Hi.", error(500)]
    assert websocket_events(client_kind, says("Hi"), says("Hi"))[-1]["type"] == "error"

    async def connect():
        async with enter(sdk(client_kind).responses.connect()):
            """Send nothing."""

    run_coroutine(client_kind, connect())
    assert [record.status for record in openai_mock.requests] == [101, None, 500, 101]


@requires("responses.connect")
def test_websocket_rejects_a_response_with_a_body(openai_mock, client_kind):
    openai_mock.responses.connect.response = lambda request: httpx.Response(200, json={"id": "resp_1"})
    with pytest.raises((TypeError, connection_closed_error())) as raised:
        websocket_events(client_kind, says("Hi"))
    mistake = websocket_mistake(client_kind, raised.value)
    assert isinstance(mistake, TypeError)
    assert "sends events, not a body" in str(mistake)
    openai_mock.mistakes.clear()  # the asynchronous client raises it as a cause


@requires("responses.connect")
@pytest.mark.parametrize("name", ["realtime", "responses"])
def test_strict_mock_with_rules_rejects_the_websocket_handshake(client_kind, name):
    from websockets.exceptions import InvalidStatus

    with OpenAIMock(strict=True) as openai_mock:
        connect = lookup(openai_mock, name).connect
        connect.response = error(429)
        connect.when("Hi").response = "Hello."
        with pytest.raises(InvalidStatus) as raised:
            websocket_events(client_kind, name=name, **required_connect_params(name))
    assert raised.value.response.status_code == 429


@requires("responses.connect")
def test_strict_mock_rejects_a_websocket_without_an_api_key(client_kind):
    from websockets.exceptions import InvalidStatus

    async def connect():
        from websockets.asyncio.client import connect as connect_async
        from websockets.sync.client import connect as connect_sync

        connect = connect_sync if client_kind == "sync" else connect_async
        async with enter(connect("wss://api.openai.com/v1/responses")):
            pytest.fail("connected")

    with OpenAIMock(strict=True) as openai_mock:
        with pytest.raises(InvalidStatus) as raised:
            run_coroutine(client_kind, connect())
        assert raised.value.response.status_code == 401
        assert "didn't provide an API key" in raised.value.response.body.decode()
        assert [record.status for record in openai_mock.requests] == [401]


@requires("responses.connect")
def test_sdk_websocket_reconnects_and_sends_queued_messages(openai_mock, client_kind):
    openai_mock.responses.connect.response = [streamed("Hello", fail_after=1), "Back again."]

    async def scene():
        def on_reconnecting(event):
            attempts.append((event.attempt, event.close_code))
            coroutine = connection.send(says("Hi"))
            if client_kind == "async":
                tasks.append(asyncio.ensure_future(coroutine))

        attempts = []
        tasks = []  # asyncio itself keeps only a weak reference to a task
        connecting = sdk(client_kind).responses.connect(on_reconnecting=on_reconnecting, initial_delay=0.0)
        async with enter(connecting) as connection:
            await awaited(connection.response.create(model="gpt-5", input="Hi"))
            events = aiter(connection) if client_kind == "async" else iter(connection)
            while True:
                event = await anext(events) if client_kind == "async" else next(events)
                if event.type == "response.completed":
                    return attempts, event.response.output_text

    assert run_coroutine(client_kind, scene()) == ([(1, 1006)], "Back again.")


@requires("responses.connect")
def test_websocket_recv_without_pending_events_raises(openai_mock):
    with sdk().responses.connect() as connection:
        connection.response.create(model="gpt-5", input="Hi")
        with pytest.raises(AssertionError, match=r"would wait forever: the client sent response\.create"):
            for _ in range(100):
                connection.recv()


@requires("responses.connect")
def test_websocket_recv_before_the_first_message_raises(openai_mock):
    with (
        sdk().responses.connect() as connection,
        pytest.raises(AssertionError, match="would wait forever: the client sent nothing"),
    ):
        connection.recv()


@requires("responses.connect")
@pytest.mark.parametrize(
    ("message", "send_options"),
    [
        (json.dumps(says("Hi")), {}),
        (json.dumps(says("Hi")).encode(), {"text": True}),
        (json.dumps(says("Hi")).encode(), {}),
    ],
    ids=["str", "bytes as text", "bytes"],
)
def test_sync_connection_sends_and_receives_text_and_bytes(openai_mock, message, send_options):
    from websockets.sync.client import connect

    with connect("wss://api.openai.com/v1/responses") as connection:
        connection.send(message, **send_options)
        text = connection.recv()
        data = connection.recv(decode=False)
    assert json.loads(text)["type"] == "response.created"
    assert type(text) is str
    assert json.loads(data)["type"] == "response.in_progress"
    assert type(data) is bytes


@requires("responses.connect")
def test_sync_connection_recv_times_out_without_waiting(openai_mock):
    from websockets.sync.client import connect

    with (
        connect("wss://api.openai.com/v1/responses") as connection,
        pytest.raises(TimeoutError, match="the session has no message to send"),
    ):
        connection.recv(timeout=60)


@requires("responses.connect")
def test_sync_connection_iterates_until_it_is_closed(openai_mock):
    from websockets.exceptions import ConnectionClosedOK
    from websockets.sync.client import connect

    openai_mock.responses.connect.response = streamed("Hello there", fail_after=2, fault=1000)
    with connect("wss://api.openai.com/v1/responses") as connection:
        connection.send(json.dumps(says("Hi")))
        types = [json.loads(message)["type"] for message in connection]
        with pytest.raises(ConnectionClosedOK, match="received 1000"):
            connection.send("{}")
    assert types == ["response.created", "response.in_progress"]


@requires("responses.connect")
def test_sync_connection_keeps_the_size_limit_of_websockets(openai_mock):
    from websockets.sync.client import connect

    openai_mock.responses.connect.response = "x" * 2**20
    with connect("wss://api.openai.com/v1/responses") as connection:
        connection.send(json.dumps(says("Hi")))
        with pytest.raises(connection_closed_error(), match="1009"):
            for _ in range(100):
                connection.recv()


@requires("responses.connect")
def test_websocket_sends_and_receives_messages_over_1_mib(openai_mock, client_kind):
    text = "x" * (2**20 + 1)
    openai_mock.responses.connect.response = text
    unlimited = {"max_size": None}  # openai 3 passes it by default
    *_, last = websocket_events(client_kind, says(text), websocket_connection_options=unlimited)
    assert event_output_text(last) == text
    assert openai_mock.requests[-1]["input"] == text


@requires("responses.connect")
async def test_websocket_accepts_fragmented_messages_and_pings(openai_mock):
    from websockets.asyncio.client import connect

    message = json.dumps(says("Hi"))
    async with connect("wss://api.openai.com/v1/responses") as connection:
        for _ in range(2):
            await connection.send([message[:9], message[9:20], message[20:]])
            await (await connection.ping())
    assert [record["input"] for record in openai_mock.responses.connect.requests] == ["Hi", "Hi"]


@requires("responses.connect")
def test_websocket_waits_for_the_set_delay(openai_mock, client_kind):
    openai_mock.responses.connect.response = streamed("Hi", first_delay=0.05)
    started = time.monotonic()
    websocket_events(client_kind, says("Hi"))
    assert time.monotonic() - started >= 0.05


@requires("responses.connect")
def test_mistake_raises_through_a_websocket(openai_mock, client_kind):
    openai_mock.responses.connect.response = ["Hi."]
    with pytest.raises((AssertionError, connection_closed_error())) as raised:
        websocket_events(client_kind, says("Hi"), says("Hi"))
    mistake = websocket_mistake(client_kind, raised.value)
    assert isinstance(mistake, AssertionError)
    assert "has 1 step" in str(mistake)
    openai_mock.mistakes.clear()  # the asynchronous client raises it as a cause


@requires("responses.connect")
def test_generation_error_raises_through_a_websocket(openai_mock, client_kind):
    with pytest.raises((AssertionError, connection_closed_error())) as raised:
        websocket_events(client_kind, says("Hi") | {"text": formats(NOT_STRING)[1]})
    mistake = websocket_mistake(client_kind, raised.value)
    assert isinstance(mistake, AssertionError)
    assert "'not' at properties.x (response_format)" in str(mistake)
    openai_mock.mistakes.clear()  # the asynchronous client raises it as a cause


@requires("responses.connect")
def test_request_log_has_websocket_connections_and_messages(openai_mock, client_kind):
    websocket_events(client_kind, says("Hi", model="gpt-5-mini"))
    opening, message = openai_mock.requests
    assert opening.method == "GET"
    assert opening.path == "/v1/responses"
    assert opening.status == 101
    assert opening.endpoint == "responses.connect"
    assert opening.headers["authorization"] == "***"
    assert openai_mock.responses.connect.requests == [message]
    assert message["model"] == "gpt-5-mini"
    assert message.events[0]["type"] == "response.created"
    assert repr(message) == f"<responses.connect gpt-5-mini: {len(message.events)} events>"


def test_repr_of_a_realtime_message_has_its_type(openai_mock, client_kind):
    realtime_events(client_kind, item())
    assert repr(openai_mock.requests[-2]) == "<realtime.connect conversation.item.create: 2 events>"


# ======================================================================================================================
# SERVER
# ======================================================================================================================


def server_client(app, key=API_KEY, **options):
    """Return a client of a mock that is served as an ASGI application, without a socket."""
    http_client = HTTP_LIB.AsyncClient(transport=HTTP_LIB.ASGITransport(app=app))
    return openai.AsyncOpenAI(api_key=key, base_url="http://mock/v1", http_client=http_client, **options)


async def server_chat_text(app, text="Hi", key=API_KEY, **body_fields):
    """Return the text that a served mock answers to a message."""
    body = {"model": "m", "messages": [{"role": "user", "content": text}]} | body_fields
    completion = await server_client(app, key).chat.completions.create(**body)
    return completion.choices[0].message.content


async def server_request(app, method, path, **options):
    """Send a request to a served mock, and return the response."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://mock") as http_client:
        return await http_client.request(method, path, **options)


def asgi_scope(path, scope_type="http", method="POST", headers=(), **scope_fields):
    """Return the scope of a request or of a WebSocket connection, as an ASGI server passes it to an application."""
    return {
        "type": scope_type,
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in dict(headers).items()],
        **scope_fields,
    }


async def run_asgi_app(app, scope, *messages, until=None):
    """Return what an application sends to a client that sends messages and then disconnects.

    until: a function of the list of sent messages. The client disconnects when it returns True; without it, after the
        last message.
    """
    sent = []
    client_is_done = asyncio.Event()
    pending = list(messages)
    if until is None:
        client_is_done.set()

    async def receive():
        if pending:
            return pending.pop(0)
        await asyncio.sleep(0)
        await client_is_done.wait()
        return {"type": f"{scope['type']}.disconnect"}

    async def send(message):
        sent.append(message)
        if until and until(sent):
            client_is_done.set()

    await asyncio.wait_for(app(scope, receive, send), 10)
    return sent


def json_request_body(value):
    """Return the message that holds the whole body of a request."""
    return {"type": "http.request", "body": json.dumps(value).encode()}


@pytest.mark.parametrize(
    "path", ["/v1", "", "/openai/v1", "/openai/deployments/gpt-4o", "/openai/deployments/gpt%2D4o"]
)
async def test_server_accepts_each_form_of_a_path(path):
    app = OpenAIMock()
    url = f"{path}/chat/completions?api-version=1"
    answer = await server_request(app, "POST", url, json=CHAT_REQUEST, headers={"api-key": API_KEY})
    assert answer.status_code == 200
    assert answer.headers["x-request-id"]
    assert answer.json()["model"] == "gpt-4o"
    assert app.requests[0]["model"] == "gpt-4o"
    assert app.requests[0].query == {"api-version": "1"}


async def test_server_accepts_any_host_name():
    transport = httpx.ASGITransport(app=OpenAIMock())
    async with httpx.AsyncClient(transport=transport, base_url="http://elsewhere:8000") as http_client:
        answer = await http_client.get("/v1/models")
    assert answer.status_code == 200


async def test_mounted_server_decodes_a_quoted_id_in_the_raw_path():
    raw_path = b"/apps/ai/v1/models/ft%3Aa%2Fb"
    scope = asgi_scope("/apps/ai/v1/models/ft:a/b", method="GET", root_path="/apps/ai", raw_path=raw_path)
    start, body = await run_asgi_app(OpenAIMock(), scope, {"type": "http.request"})
    assert start["status"] == 404
    assert json.loads(body["body"])["error"]["message"] == "The model 'ft:a/b' does not exist"


async def test_mounted_server_without_a_raw_path_reads_a_slash_as_a_separator():
    app = OpenAIMock()
    scope = asgi_scope("/apps/ai/v1/models/ft:a/b", method="GET", root_path="/apps/ai", raw_path=None)
    start, body = await run_asgi_app(app, scope, {"type": "http.request"})
    assert start["status"] == 404
    assert "the API has no endpoint GET /models/ft%3Aa/b." in json.loads(body["body"])["error"]["message"]
    app.mistakes.clear()


async def test_server_with_custom_base_url_answers():
    assert await server_chat_text(OpenAIMock(base_url="http://localhost:1234/api/v1")) == openai_responses._DEFAULT_TEXT


@pytest.mark.parametrize("name", TURNS)
async def test_server_streams_match_in_process_streams(name):
    app = OpenAIMock()
    app.responses.create.response = TURNS[name]
    from_server = await collect(server_client(app).responses.create(**INPUT_REQUEST, stream=True))
    with app:
        in_process = await collect(sdk("async").responses.create(**INPUT_REQUEST, stream=True))
    assert [event.type for event in from_server] == [event.type for event in in_process]
    assert from_server[-1].response.output_text == in_process[-1].response.output_text


async def test_server_sends_events_as_generated_and_stops_on_disconnect():
    app = OpenAIMock()
    closed_after = []

    def events(request):
        try:
            for number in itertools.count():
                yield {"type": "response.output_text.delta", "delta": str(number)}
        finally:
            closed_after.append(number)

    app.responses.create.response = events
    body = json_request_body(INPUT_REQUEST | {"stream": True})
    sent = await run_asgi_app(app, asgi_scope("/v1/responses"), body, until=lambda sent: len(sent) > 5)
    assert len(closed_after) == 1
    assert closed_after[0] < 20
    assert len(sent) < 20
    assert b'"delta":"0"' in sent[1]["body"]
    assert sent[1]["more_body"]


# ---- a mock for each API key -----------------------------------------------------------------------------------------


async def test_each_key_of_the_server_starts_with_the_first_step():
    app = OpenAIMock()
    app.chat.completions.create.response = ["first", "second"]
    assert await server_chat_text(app, key="a") == "first"
    assert await server_chat_text(app, key="b") == "first"
    assert await server_chat_text(app, key="a") == "second"
    assert await server_chat_text(app, key="b") == "second"


async def test_each_key_of_the_server_has_the_rules_of_the_server_mock():
    app = OpenAIMock()
    app.chat.completions.create.when("weather").response = "sunny"
    assert await server_chat_text(app, "the weather?", "a") == "sunny"
    assert await server_chat_text(app, "the weather?", "b") == "sunny"


async def test_each_key_of_the_server_has_its_own_copy_of_the_state():
    app = OpenAIMock()
    app.state["files"]["file-1"] = {"id": "file-1", "filename": "a.txt", "notes": []}
    await server_client(app, "a").files.delete("file-1")
    assert (await server_client(app, "a").files.list()).data == []
    assert [file.id for file in (await server_client(app, "b").files.list()).data] == ["file-1"]
    assert list(app.state["files"]) == ["file-1"]


async def test_response_of_one_key_of_the_server_does_not_apply_to_another_key():
    app = OpenAIMock()
    app.for_key("a").responses.create.response = "of a"
    response_of_a = await server_client(app, "a").responses.create(**INPUT_REQUEST)
    response_of_b = await server_client(app, "b").responses.create(**INPUT_REQUEST)
    assert response_of_a.output_text == "of a"
    assert response_of_b.output_text == openai_responses._DEFAULT_TEXT


async def test_server_mock_records_the_requests_of_every_key():
    app = OpenAIMock()
    await server_chat_text(app, "one", key="a")
    await server_chat_text(app, "two", key="b")
    await server_chat_text(app, "three", key="b")
    assert [record["messages"][0]["content"] for record in app.for_key("a").requests] == ["one"]
    assert [record["messages"][0]["content"] for record in app.for_key("b").requests] == ["two", "three"]
    assert [record["messages"][0]["content"] for record in app.requests] == ["one", "two", "three"]
    assert app.for_key("").requests == app.requests


async def test_response_set_on_the_server_mock_applies_to_keys_that_have_called():
    app = OpenAIMock()
    create = app.chat.completions.create
    assert await server_chat_text(app, key="a") == openai_responses._DEFAULT_TEXT
    create.response = ["one", "two"]
    assert await server_chat_text(app, key="a") == "one"
    assert await server_chat_text(app, key="a") == "two"
    assert create.call_count == 3
    del create.response
    assert await server_chat_text(app, key="a") == openai_responses._DEFAULT_TEXT


async def test_rule_set_on_the_server_mock_applies_to_keys_that_have_called():
    app = OpenAIMock()
    await server_chat_text(app, key="a")
    rule = app.chat.completions.create.when("weather")
    rule.response = "sunny"
    assert await server_chat_text(app, "weather", "a") == "sunny"
    assert rule.call_count == 1
    rule.remove()
    assert await server_chat_text(app, "weather", "a") == openai_responses._DEFAULT_TEXT


async def test_assert_all_used_of_the_server_mock_counts_the_calls_of_each_key():
    app = OpenAIMock()
    app.chat.completions.create.response = ["one", "two"]
    app.chat.completions.create.when("weather").response = "sunny"
    with pytest.raises(AssertionError, match="2 steps left") as raised:
        app.assert_all_used()
    assert "when('weather') was never hit" in str(raised.value)
    await server_chat_text(app, "Hi", "a")
    await server_chat_text(app, "Hi", "a")
    with pytest.raises(AssertionError, match=r"when\('weather'\) was never hit"):
        app.assert_all_used()
    await server_chat_text(app, "weather", "a")
    app.assert_all_used()


# ---- limits ----------------------------------------------------------------------------------------------------------


async def test_server_drops_the_least_recently_used_key_beyond_the_limit():
    app = OpenAIMock(limits={"keys": 2})
    app.chat.completions.create.response = ["first", "second", "third"]
    texts = [await server_chat_text(app, key=key) for key in ["a", "b", "a", "c"]]
    assert texts == ["first", "first", "second", "first"]
    assert [*app._key_mocks] == ["a", "c"]
    assert await server_chat_text(app, key="a") == "third"
    assert await server_chat_text(app, key="b") == "first"


async def test_server_drops_the_oldest_records_beyond_the_limit():
    app = OpenAIMock(limits={"records": 3})
    for text in ["1", "2", "3", "4"]:
        await server_chat_text(app, text, key="b")
    key_mock = app.for_key("b")
    assert [record["messages"][0]["content"] for record in key_mock.requests] == ["2", "3", "4"]
    assert [record["messages"][0]["content"] for record in app.requests] == ["2", "3", "4"]
    assert key_mock.chat.completions.create.route.call_count == 3
    assert len(key_mock.router.calls) == 3


async def test_keys_share_the_server_mock_with_a_limit_of_no_keys():
    app = OpenAIMock(limits={"keys": 0})
    await server_chat_text(app)
    assert app.for_key(API_KEY) is app
    assert app.chat.completions.create.route.called


@pytest.mark.parametrize(
    "limits, name", [({"kyes": 1}, "kyes"), ({"keys": -1}, "keys"), ({"body": "1 MB"}, "body")], ids=str
)
def test_invalid_limit_is_rejected_with_the_available_names(limits, name):
    with pytest.raises(ValueError, match=name) as raised:
        OpenAIMock(limits=limits)
    assert "records" in str(raised.value)


async def test_server_accepts_a_body_of_the_size_limit():
    content = json.dumps(CHAT_REQUEST).encode()
    app = OpenAIMock(limits={"body": len(content)})
    answer = await server_request(app, "POST", "/v1/chat/completions", content=content)
    assert answer.status_code == 200
    assert app.requests[0].body == CHAT_REQUEST


async def test_server_rejects_a_body_one_byte_above_the_size_limit():
    content = json.dumps(CHAT_REQUEST).encode()
    app = OpenAIMock(limits={"body": len(content) - 1})
    answer = await server_request(app, "POST", "/v1/chat/completions", content=content)
    assert answer.status_code == 413
    assert answer.json()["error"]["message"] == f"The body of the request is larger than {len(content) - 1} bytes."
    assert app.requests == []


@pytest.mark.parametrize("excess, status", [(0, 200), (1, 413)])
async def test_size_limit_applies_to_the_sum_of_the_pieces_of_a_body(excess, status):
    content = json.dumps(CHAT_REQUEST).encode()
    app = OpenAIMock(limits={"body": len(content) - excess})
    first = {"type": "http.request", "body": content[:5], "more_body": True}
    last = {"type": "http.request", "body": content[5:]}
    start, _ = await run_asgi_app(app, asgi_scope("/v1/chat/completions"), first, last)
    assert start["status"] == status


async def test_oversized_body_is_not_retried():
    app = OpenAIMock(limits={"body": 100})
    with pytest.raises(openai.APIStatusError, match="larger than 100 bytes") as raised:
        await server_chat_text(app, "x" * 100)
    assert raised.value.status_code == 413
    assert raised.value.response.headers["x-should-retry"] == "false"
    assert app.requests == []


async def test_incomplete_body_is_ignored():
    app = OpenAIMock()
    incomplete = {"type": "http.request", "body": b"{", "more_body": True}
    assert await run_asgi_app(app, asgi_scope("/v1/responses"), incomplete) == []
    assert app.requests == []


# ---- mistakes and faults ---------------------------------------------------------------------------------------------


def raise_bug(request):
    """Raise an exception that is not a network fault, as a callable of the test with a bug."""
    raise NameError("a bug of the test")


async def test_call_after_the_last_step_is_reported_by_the_server_without_retries():
    app = OpenAIMock()
    app.chat.completions.create.response = ["only one"]
    await server_chat_text(app)
    with pytest.raises(openai.InternalServerError, match="called twice") as raised:
        await server_chat_text(app)
    assert raised.value.type == "mock_error"
    assert [record.attempt for record in app.requests] == [0, 0]
    app.mistakes.clear()


@pytest.mark.parametrize(
    "response, message", [(raise_bug, "a bug of the test"), (lambda request: 1, "cannot be 1")], ids=["raises", "int"]
)
async def test_mistake_in_a_callable_is_logged_by_the_server_and_not_retried(response, message, caplog):
    app = OpenAIMock()
    app.chat.completions.create.response = response
    with pytest.raises(openai.InternalServerError, match=message) as raised:
        await server_chat_text(app)
    assert raised.value.type == "mock_error"
    assert [record.attempt for record in app.requests] == [0]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert message in caplog.text
    app.mistakes.clear()


async def test_call_without_a_response_is_reported_by_the_server_without_a_log_entry(caplog):
    app = OpenAIMock(only_scripted=True)
    with pytest.raises(openai.InternalServerError, match="only_scripted") as raised:
        await server_chat_text(app)
    assert raised.value.type == "mock_error"
    assert [record.attempt for record in app.requests] == [0]
    assert caplog.records == []
    app.mistakes.clear()


async def test_mistake_over_the_server_is_kept():
    app = OpenAIMock(only_scripted=True)
    with pytest.raises(openai.InternalServerError, match="only_scripted") as raised:
        await server_client(app).responses.create(**INPUT_REQUEST)
    assert raised.value.status_code == 500
    assert [str(mistake.error) for mistake in app.mistakes] == [
        "responses.create was called, but nothing is set for it (only_scripted=True)"
    ]
    app.mistakes.clear()


async def test_generation_error_is_reported_by_the_server_as_a_mistake():
    app = OpenAIMock()
    response_format, _ = formats(NOT_STRING)
    with pytest.raises(openai.InternalServerError, match=r"'not' at properties\.x") as raised:
        await server_chat_text(app, response_format=response_format)
    assert raised.value.type == "mock_error"
    assert len(app.requests) == 1
    app.mistakes.clear()


async def test_unknown_path_returns_404_with_the_closest_endpoint():
    app = OpenAIMock()
    with pytest.raises(openai.NotFoundError, match="Closest: 'POST /chat/completions'"):
        await server_client(app).post("/chat/completion", cast_to=object)
    app.mistakes.clear()


async def test_server_error_and_network_fault_are_retried_by_the_client(monkeypatch):
    monkeypatch.setattr(openai._base_client, "INITIAL_RETRY_DELAY", 0)  # the SDK's pause after a broken connection
    app = OpenAIMock()
    app.chat.completions.create.response = [error(429), httpx.ConnectError, "Here I am."]
    assert await complete_with(server_client(app, max_retries=3)) == "Here I am."
    assert [record.attempt for record in app.requests] == [0, 1, 2]


async def test_fault_of_a_stream_breaks_the_connection_of_the_server():
    app = OpenAIMock()
    app.responses.create.response = streamed("Hello there", fail_after=3)
    body = json_request_body(INPUT_REQUEST | {"stream": True})
    with pytest.raises(httpx.RemoteProtocolError, match="the mock broke off the stream"):
        await run_asgi_app(app, asgi_scope("/v1/responses"), body, until=lambda sent: len(sent) > 9)


# ---- browsers and the start of the server ----------------------------------------------------------------------------


CROSS_ORIGIN_HEADERS = {"origin": "http://page", "access-control-request-headers": "authorization"}


async def test_preflight_request_of_any_origin_is_allowed():
    app = OpenAIMock()
    answer = await server_request(app, "OPTIONS", "/v1/responses", headers=CROSS_ORIGIN_HEADERS)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "*"
    assert answer.headers["access-control-allow-headers"] == "authorization"
    assert app.requests == []


async def test_page_of_any_origin_may_read_a_response():
    answer = await server_request(OpenAIMock(), "GET", "/v1/models", headers={"origin": "http://page"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-expose-headers"] == "*"


async def test_response_to_a_request_without_an_origin_has_no_cors_headers():
    answer = await server_request(OpenAIMock(), "GET", "/v1/models")
    assert "access-control-allow-origin" not in answer.headers


async def test_page_of_another_origin_may_not_read_the_control_plane():
    answer = await server_request(OpenAIMock(), "GET", "/_mock/health", headers=CROSS_ORIGIN_HEADERS)
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers
    assert "access-control-allow-headers" not in answer.headers


async def test_preflight_request_to_the_control_plane_is_not_allowed():
    answer = await server_request(OpenAIMock(), "OPTIONS", "/_mock/health", headers=CROSS_ORIGIN_HEADERS)
    assert answer.status_code == 404
    assert "access-control-allow-origin" not in answer.headers


async def test_lifespan_is_answered():
    startup = {"type": "lifespan.startup"}
    shutdown = {"type": "lifespan.shutdown"}
    sent = await run_asgi_app(OpenAIMock(), {"type": "lifespan"}, startup, shutdown)
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


# ---- the control plane -----------------------------------------------------------------------------------------------


CHAT_RESPONSE_PATH = f"responses/{CHAT_CREATE}"
CHAT_RULES_PATH = f"rules/{CHAT_CREATE}"


async def control_request(app, method, path, value=..., key=""):
    """Send a request to the control plane, and return the status and the JSON of the answer.

    value: the body as JSON, without one if it is `...`.
    """
    options = {}
    if key:
        options["headers"] = {"authorization": f"Bearer {key}"}
    if value is not ...:
        options["content"] = json.dumps(value)
    response = await server_request(app, method, f"/_mock/{path}", **options)
    return response.status_code, response.json()


JSON_RESPONSE_FORMS = [
    ("Hi", "Hi"),
    ({"choices": [{"message": {"content": "Hi"}}]}, {"choices": [{"message": {"content": "Hi"}}]}),
    ({"$tool_call": {"name": "f", "arguments": {"a": 1}, "id": "call_1"}}, tool_call("f", {"a": 1}, "call_1")),
    ({"$tool_call": "f"}, tool_call("f")),
    ({"$refusal": "No."}, refusal("No.")),
    ({"$refusal": {}}, refusal()),
    ({"$cut": "Hel"}, cut("Hel")),
    ({"$filtered": "Hel"}, filtered("Hel")),
    ({"$join": [{"$reasoning": "Hm."}, "4"]}, reasoning("Hm.") + "4"),
    ({"$cited": {"text": "rain", "url": "https://example.com"}}, cited("rain", url="https://example.com")),
    ({"$as_json": {"value": {"city": "Oslo"}}}, as_json({"city": "Oslo"})),
    ({"$streamed": {"value": {"$refusal": "No."}, "chunk": 3}}, streamed(refusal("No."), chunk=3)),
    (["Hi", {"$default": {}}], ["Hi", ...]),
]


@pytest.mark.parametrize("json_form, response", JSON_RESPONSE_FORMS, ids=str)
async def test_control_plane_sets_a_response_by_its_json_form(json_form, response):
    app = OpenAIMock()
    assert await control_request(app, "PUT", CHAT_RESPONSE_PATH, json_form) == (200, json_form)
    assert app.chat.completions.create.response == response
    assert await control_request(app, "GET", CHAT_RESPONSE_PATH) == (200, json_form)
    assert await control_request(app, "GET", "responses") == (200, {CHAT_CREATE: json_form})


async def test_control_plane_deletes_a_response():
    app = OpenAIMock()
    app.chat.completions.create.response = "Hi"
    assert await control_request(app, "DELETE", CHAT_RESPONSE_PATH) == (200, None)
    assert app.chat.completions.create.response is None
    assert await control_request(app, "GET", CHAT_RESPONSE_PATH) == (200, None)
    assert await control_request(app, "GET", "responses") == (200, {})


async def test_control_plane_sets_bytes_as_base64():
    app = OpenAIMock()
    status, _ = await control_request(app, "PUT", "responses/audio.speech.create", {"$bytes": "aGk="})
    speech = await server_client(app).audio.speech.create(model="m", voice="alloy", input="Hi")
    assert status == 200
    assert speech.content == b"hi"
    assert app.audio.speech.create.call_count == 1


@pytest.mark.parametrize(
    "json_form, status, message",
    [
        ({"$error": 404}, 404, "The requested resource does not exist."),
        ({"$error": {"status": 418, "message": "tea"}}, 418, "tea"),
    ],
    ids=["status", "status and message"],
)
async def test_control_plane_sets_an_error(json_form, status, message):
    app = OpenAIMock()
    control_status, _ = await control_request(app, "PUT", CHAT_RESPONSE_PATH, json_form)
    with pytest.raises(openai.APIStatusError, match=message) as raised:
        await complete_with(server_client(app, max_retries=0))
    assert control_status == 200
    assert raised.value.status_code == status
    assert app.chat.completions.create.call_count == 1


async def test_control_plane_sets_a_network_fault():
    app = OpenAIMock()
    status, _ = await control_request(app, "PUT", CHAT_RESPONSE_PATH, {"$timeout": {}})
    with pytest.raises(openai.APITimeoutError, match="Request timed out"):
        await complete_with(server_client(app, max_retries=0))
    assert status == 200
    assert app.chat.completions.create.call_count == 1


async def test_control_plane_returns_python_values_as_repr():
    app = OpenAIMock()
    app.chat.completions.create.response = ["Hi", refusal("No.")]
    assert await control_request(app, "GET", CHAT_RESPONSE_PATH) == (200, ["Hi", {"$python": repr(refusal("No."))}])


async def test_control_plane_sets_a_rule_that_answers_and_counts_calls():
    app = OpenAIMock()
    when = {"what": {"$pattern": "(?i)WEATHER"}, "model": "m"}
    assert await control_request(app, "PUT", CHAT_RULES_PATH, {"when": when, "response": "sunny"}) == (200, "sunny")
    assert await server_chat_text(app, "The weather?") == "sunny"
    rule = {"when": when, "response": "sunny", "call_count": 1}
    assert await control_request(app, "GET", CHAT_RULES_PATH) == (200, [rule])


async def test_control_plane_replaces_the_response_of_a_rule_with_equal_conditions():
    app = OpenAIMock()
    when = {"what": {"$pattern": "(?i)WEATHER"}, "model": "m"}
    await control_request(app, "PUT", CHAT_RULES_PATH, {"when": when, "response": "sunny"})
    await control_request(app, "PUT", CHAT_RULES_PATH, {"when": when, "response": "rainy"})
    assert await server_chat_text(app, "The weather?") == "rainy"
    rule = {"when": when, "response": "rainy", "call_count": 1}
    assert await control_request(app, "GET", CHAT_RULES_PATH) == (200, [rule])


async def test_control_plane_lists_the_rules_that_a_key_inherits():
    app = OpenAIMock()
    await control_request(app, "PUT", CHAT_RULES_PATH, {"when": {"what": "weather"}, "response": "sunny"})
    await control_request(app, "PUT", CHAT_RULES_PATH, {"when": {"tool_result": True}, "response": {"$refusal": "No."}})
    first = {"when": {"what": "weather"}, "response": "sunny", "call_count": 0}
    second = {"when": {"tool_result": True}, "response": {"$refusal": "No."}, "call_count": 0}
    assert await control_request(app, "GET", CHAT_RULES_PATH) == (200, [first, second])
    assert await control_request(app, "GET", CHAT_RULES_PATH, key="another") == (200, [first, second])


async def test_control_plane_reports_unused_rules():
    app = OpenAIMock()
    rule = {"when": {"tool_result": True}, "response": {"$refusal": "No."}}
    await control_request(app, "PUT", CHAT_RULES_PATH, rule)
    status, answer = await control_request(app, "POST", "assert_all_used")
    assert status == 409
    assert "tool_result=True" in answer["error"]["message"]


async def test_control_plane_reports_success_if_all_rules_are_used():
    app = OpenAIMock()
    await control_request(app, "PUT", CHAT_RULES_PATH, {"when": {"what": "weather"}, "response": "sunny"})
    await server_chat_text(app, "The weather?")
    assert await control_request(app, "POST", "assert_all_used") == (200, None)


async def test_control_plane_deletes_one_rule():
    app = OpenAIMock()
    await control_request(app, "PUT", CHAT_RULES_PATH, {"when": {"what": "weather"}, "response": "sunny"})
    await control_request(app, "PUT", CHAT_RULES_PATH, {"when": {"tool_result": True}, "response": "done"})
    assert await control_request(app, "DELETE", CHAT_RULES_PATH, {"when": {"tool_result": True}}) == (200, None)
    remaining = {"when": {"what": "weather"}, "response": "sunny", "call_count": 0}
    assert await control_request(app, "GET", CHAT_RULES_PATH) == (200, [remaining])


async def test_control_plane_deletes_all_rules_without_a_body():
    app = OpenAIMock()
    await control_request(app, "PUT", CHAT_RULES_PATH, {"when": {"what": "weather"}, "response": "sunny"})
    await control_request(app, "PUT", CHAT_RULES_PATH, {"when": {"tool_result": True}, "response": "done"})
    assert await control_request(app, "DELETE", CHAT_RULES_PATH) == (200, None)
    assert await control_request(app, "GET", CHAT_RULES_PATH) == (200, [])


@pytest.fixture
async def recorded_app():
    """Return a mock that has served a chat completion after an error, and an upload with another key."""
    app = OpenAIMock()
    app.chat.completions.create.response = [error(429), "Hi"]
    await server_chat_text(app, key="sk-secret-a", temperature=0.5)
    await server_client(app, "sk-secret-b").files.create(file=b"bytes", purpose="assistants")
    return app


@pytest.mark.parametrize(
    "query, endpoints",
    [
        ("", [CHAT_CREATE, CHAT_CREATE, "files.create"]),
        ("status=200", [CHAT_CREATE, "files.create"]),
        (f"endpoint={CHAT_CREATE}", [CHAT_CREATE, CHAT_CREATE]),
        ("temperature=0.5&attempt=1", [CHAT_CREATE]),
        ("purpose=assistants", ["files.create"]),
        ("purpose=batch", []),
    ],
)
async def test_control_plane_filters_requests(recorded_app, query, endpoints):
    status, records = await control_request(recorded_app, "GET", f"requests?{query}")
    assert status == 200
    assert [record["endpoint"] for record in records] == endpoints


async def test_control_plane_returns_a_record_as_json(recorded_app):
    _, (record,) = await control_request(recorded_app, "GET", "requests?attempt=1")
    assert record.pop("duration") >= 0
    assert record.pop("headers")["authorization"] == "***"
    assert record == {
        "endpoint": CHAT_CREATE,
        "method": "POST",
        "path": "/v1/chat/completions",
        "query": {},
        "params": {},
        "body": {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5},
        "attempt": 1,
        "status": 200,
        "answered_by": CHAT_CREATE,
    }


async def test_control_plane_hides_api_keys(recorded_app):
    status, records = await control_request(recorded_app, "GET", "requests")
    assert status == 200
    assert "sk-secret" not in json.dumps(records)


async def test_control_plane_returns_and_deletes_the_requests_of_one_key(recorded_app):
    _, records = await control_request(recorded_app, "GET", "requests", key="sk-secret-b")
    assert [record["endpoint"] for record in records] == ["files.create"]
    assert await control_request(recorded_app, "DELETE", "requests", key="sk-secret-b") == (200, None)
    assert recorded_app.for_key("sk-secret-b").requests == []
    assert len(recorded_app.requests) == 3


async def test_control_plane_reset_of_a_key_makes_it_a_copy_again():
    app = OpenAIMock()
    app.chat.completions.create.response = ["first", "second"]
    await control_request(app, "PUT", "responses/responses.create", "of a", key="a")
    assert await server_chat_text(app, key="a") == "first"
    assert await server_chat_text(app, key="a") == "second"
    assert await control_request(app, "POST", "reset", key="a") == (200, None)
    assert await server_chat_text(app, key="a") == "first"
    assert app.for_key("a").responses.create.response is None


async def test_control_plane_reset_of_a_key_keeps_other_keys():
    app = OpenAIMock()
    app.chat.completions.create.response = ["first", "second"]
    assert await server_chat_text(app, key="b") == "first"
    assert await control_request(app, "POST", "reset", key="a") == (200, None)
    assert await server_chat_text(app, key="b") == "second"


async def test_control_plane_reset_without_a_key_clears_every_key():
    app = OpenAIMock()
    app.chat.completions.create.response = ["first", "second"]
    assert await server_chat_text(app, key="a") == "first"
    assert await control_request(app, "POST", "reset") == (200, None)
    assert app.requests == []
    assert await server_chat_text(app, key="a") == openai_responses._DEFAULT_TEXT


async def test_control_plane_health_has_version_and_number_of_keys():
    app = OpenAIMock()
    await server_chat_text(app, key="a")
    health = {"status": "ok", "version": openai_responses.__version__, "keys": 1}
    assert await control_request(app, "GET", "health") == (200, health)


@pytest.mark.parametrize(
    "method, path, body, status, message",
    [
        ("GET", "nothing", ..., 404, "GET /_mock/health"),
        ("POST", CHAT_RESPONSE_PATH, "Hi", 404, "PUT /_mock/responses/{endpoint}"),
        ("GET", "responses/chat", ..., 404, "completions"),
        ("PUT", "responses/chat.completions.crate", "Hi", 404, "Closest: 'create'"),
        ("PUT", "responses/reset", "Hi", 404, "no 'reset'"),
        ("PUT", CHAT_RESPONSE_PATH, {"choises": []}, 400, "choises"),
        ("PUT", CHAT_RESPONSE_PATH, {"$eror": 429}, 400, "Closest: 'error'"),
        ("PUT", CHAT_RESPONSE_PATH, {"$error": 200}, 400, "between 400 and 599, got 200"),
        ("PUT", CHAT_RESPONSE_PATH, {"$error": {"code": "x"}}, 400, "status"),
        ("PUT", CHAT_RESPONSE_PATH, None, 400, "cannot be None"),
        ("PUT", CHAT_RESPONSE_PATH, ..., 400, "Expecting value"),
        ("PUT", CHAT_RESPONSE_PATH, {"$bytes": 1}, 400, "bytes"),
        ("PUT", CHAT_RULES_PATH, {"response": "Hi"}, 400, '"when"'),
        ("PUT", CHAT_RULES_PATH, ["Hi"], 400, '"when"'),
        ("PUT", CHAT_RULES_PATH, {"when": {}, "response": "Hi"}, 400, "needs a condition"),
        ("PUT", CHAT_RULES_PATH, {"when": {"what": {"$pattern": "("}}, "response": "Hi"}, 400, "unterminated"),
    ],
)
async def test_control_plane_reports_invalid_requests(method, path, body, status, message):
    actual_status, answer = await control_request(OpenAIMock(), method, path, body)
    assert actual_status == status
    assert message in answer["error"]["message"]


async def test_oversized_control_request_is_rejected():
    app = OpenAIMock(limits={"body": 10})
    status, answer = await control_request(app, "PUT", CHAT_RESPONSE_PATH, "x" * 20)
    assert status == 413
    assert answer["error"]["message"] == "The body of the request is larger than 10 bytes."
    assert app.chat.completions.create.response is None


async def test_incomplete_control_request_is_ignored():
    app = OpenAIMock()
    scope = asgi_scope(f"/_mock/{CHAT_RESPONSE_PATH}", method="PUT")
    incomplete = {"type": "http.request", "body": b'"a', "more_body": True}
    assert await run_asgi_app(app, scope, incomplete) == []
    assert app.chat.completions.create.response is None


# ---- WebSockets over ASGI --------------------------------------------------------------------------------------------


def websocket_scope(path="/v1/responses", **scope_fields):
    """Return the scope of a WebSocket connection."""
    return asgi_scope(path, "websocket", "GET", **scope_fields)


def websocket_messages(*texts):
    """Return the messages of a client that connects and sends texts."""
    messages = [{"type": "websocket.connect"}]
    messages += [{"type": "websocket.receive", "text": text} for text in texts]
    return messages


def response_is_complete_or_closed(sent):
    """Return True if the last message closes the connection or completes a response."""
    last = sent[-1]
    return last["type"] == "websocket.close" or "response.completed" in last.get("text", "")


@requires("responses.connect")
async def test_server_websocket_uses_the_mock_of_its_key():
    app = OpenAIMock()
    app.for_key("sk-a").responses.create.response = "Hello over there"
    scope = websocket_scope(headers={"authorization": "Bearer sk-a"})
    messages = websocket_messages(json.dumps(says("Hi")))
    sent = await run_asgi_app(app, scope, *messages, until=response_is_complete_or_closed)
    assert sent[0] == {"type": "websocket.accept", "subprotocol": None}
    assert event_output_text(json.loads(sent[-1]["text"])) == "Hello over there"
    assert len(app.for_key("sk-a").requests) == 2


@requires("responses.connect")
async def test_server_websocket_reads_the_key_of_a_browser_from_its_subprotocols():
    app = OpenAIMock()
    app.for_key("sk-a").responses.create.response = "Hello over there"
    headers = {"sec-websocket-protocol": "realtime, openai-insecure-api-key.sk-a"}
    scope = websocket_scope(headers=headers, subprotocols=["realtime", "openai-insecure-api-key.sk-a"])
    messages = websocket_messages(json.dumps(says("Hi")))
    sent = await run_asgi_app(app, scope, *messages, until=response_is_complete_or_closed)
    assert sent[0] == {"type": "websocket.accept", "subprotocol": "realtime"}
    assert event_output_text(json.loads(sent[-1]["text"])) == "Hello over there"
    assert len(app.for_key("sk-a").requests) == 2
    assert "sk-a" not in str([record.headers for record in app.requests])


@requires("responses.connect")
async def test_server_websocket_continues_after_an_invalid_message():
    app = OpenAIMock()
    messages = websocket_messages("no json", json.dumps(says("Hi")))
    _, *sent = await run_asgi_app(app, websocket_scope(), *messages, until=response_is_complete_or_closed)
    event_types = [json.loads(message["text"])["type"] for message in sent]
    assert event_types[:2] == ["error", "response.created"]
    assert event_types[-1] == "response.completed"
    assert len(app.requests) == 3


@requires("responses.connect")
async def test_server_websocket_drops_the_oldest_records_beyond_the_limit():
    app = OpenAIMock(limits={"records": 1})
    messages = websocket_messages(json.dumps(says("one")), json.dumps(says("two")))
    await run_asgi_app(app, websocket_scope(), *messages, until=lambda sent: "response.completed" in str(sent[-1]))
    (record,) = app.requests
    assert record["input"] == "two"


@requires("responses.connect")
@pytest.mark.parametrize("fault, code", [(None, 1011), (4000, 4000)])
async def test_server_websocket_closes_with_the_code_of_the_set_fault(fault, code):
    app = OpenAIMock()
    app.responses.connect.response = streamed("Hello there", fail_after=2, fault=fault)
    messages = websocket_messages(json.dumps(says("Hi")))
    sent = await run_asgi_app(app, websocket_scope(), *messages, until=response_is_complete_or_closed)
    assert [message["type"] for message in sent] == [
        "websocket.accept",
        "websocket.send",
        "websocket.send",
        "websocket.close",
    ]
    assert sent[-1]["code"] == code


def raise_bug_with_long_message(request):
    """Raise an exception whose message does not fit into a close frame."""
    raise NameError("a bug of the test" + "世" * 50)


@requires("responses.connect")
@pytest.mark.parametrize(
    "response, reason",
    [(raise_bug, "a bug of the test"), (raise_bug_with_long_message, "a bug of the test" + "世" * 35)],
    ids=["short", "long"],
)
async def test_mistake_closes_the_server_websocket_with_its_message(caplog, response, reason):
    app = OpenAIMock()
    app.responses.create.response = response
    messages = websocket_messages(json.dumps(says("Hi")))
    *_, last = await run_asgi_app(app, websocket_scope(), *messages, until=response_is_complete_or_closed)
    assert last == {"type": "websocket.close", "code": 1011, "reason": reason}
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "a bug of the test" in caplog.text
    app.mistakes.clear()


@requires("responses.connect")
async def test_generation_error_closes_the_server_websocket_with_its_message():
    app = OpenAIMock()
    _, text_format = formats(NOT_STRING)
    messages = websocket_messages(json.dumps(says("Hi") | {"text": text_format}))
    *_, last = await run_asgi_app(app, websocket_scope(), *messages, until=response_is_complete_or_closed)
    assert last["type"] == "websocket.close"
    assert last["code"] == 1011
    assert "can't generate a value for a schema with 'not' at properties.x" in last["reason"]
    assert len(last["reason"].encode()) < 124  # what fits into a frame
    app.mistakes.clear()


@requires("responses.connect")
async def test_rejected_server_websocket_is_closed_without_the_denial_extension():
    app = OpenAIMock()
    app.responses.connect.response = error(429)
    sent = await run_asgi_app(app, websocket_scope(), *websocket_messages())
    assert sent == [{"type": "websocket.close"}]


@requires("responses.connect")
async def test_rejected_server_websocket_gets_the_response_with_the_denial_extension():
    app = OpenAIMock()
    app.responses.connect.response = error(429)
    scope = websocket_scope(extensions={"websocket.http.response": {}})
    start, body = await run_asgi_app(app, scope, *websocket_messages())
    assert start["type"] == "websocket.http.response.start"
    assert start["status"] == 429
    assert body["type"] == "websocket.http.response.body"
    assert json.loads(body["body"])["error"]["code"] == "rate_limit_exceeded"


@requires("responses.connect")
async def test_server_websocket_to_an_unknown_path_is_rejected_with_404():
    app = OpenAIMock()
    scope = websocket_scope("/v1/dance", extensions={"websocket.http.response": {}})
    start, body = await run_asgi_app(app, scope, *websocket_messages())
    assert start["type"] == "websocket.http.response.start"
    assert start["status"] == 404
    assert "/dance" in json.loads(body["body"])["error"]["message"]
    app.mistakes.clear()


@requires("responses.connect")
async def test_server_websocket_to_an_unknown_path_is_closed_without_the_denial_extension():
    app = OpenAIMock()
    sent = await run_asgi_app(app, websocket_scope("/v1/dance"), *websocket_messages())
    assert sent == [{"type": "websocket.close"}]
    app.mistakes.clear()


@requires("responses.connect")
async def test_server_websocket_ends_on_client_disconnect():
    sent = await run_asgi_app(OpenAIMock(), websocket_scope(), *websocket_messages())
    assert [message["type"] for message in sent] == ["websocket.accept"]


# ---- the command -----------------------------------------------------------------------------------------------------


def mock_from_command_line(*arguments):
    """Return the mock that the command would serve."""
    return openai_responses._mock_from_options(openai_responses._parse_arguments(arguments))


SERVER_SCRIPTS = {
    "set_up": "def set_up(openai_mock):\n    openai_mock.chat.completions.create.response = 'Hi'",
    "openai_mock": "from openai_responses import OpenAIMock\n"
    "openai_mock = OpenAIMock()\n"
    "openai_mock.chat.completions.create.response = 'Hi'",
}


@pytest.mark.parametrize("name", SERVER_SCRIPTS)
async def test_script_sets_the_responses_of_the_server(tmp_path, name):
    script = tmp_path / "fake.py"
    script.write_text(SERVER_SCRIPTS[name])
    assert await server_chat_text(mock_from_command_line("--script", str(script))) == "Hi"


def test_command_options_override_the_settings_of_the_script(tmp_path):
    script = tmp_path / "fake.py"
    script.write_text(
        "from openai_responses import OpenAIMock\n"
        "openai_mock = OpenAIMock(strict=True, limits={'keys': 1, 'records': 2})"
    )
    mock = mock_from_command_line("--script", str(script), "--only-scripted", "--keys", "3", "--body", "9")
    assert mock._strict
    assert mock._only_scripted
    assert mock._limits == {"keys": 3, "records": 2, "body": 9}


def test_command_without_options_has_the_default_settings():
    mock = mock_from_command_line()
    assert not mock._strict
    assert not mock._only_scripted
    assert mock._limits == {"keys": 100, "records": 1000, "body": 512 * 1024 * 1024}


def test_command_option_of_zero_overrides_the_default():
    assert mock_from_command_line("--keys", "0")._limits["keys"] == 0


def test_command_reports_a_missing_script(tmp_path):
    with pytest.raises(SystemExit, match="No such file"):
        mock_from_command_line("--script", str(tmp_path / "none.py"))


def test_command_reports_a_script_without_a_mock(tmp_path):
    script = tmp_path / "empty.py"
    script.write_text("")
    with pytest.raises(SystemExit, match=r"expected the script to define set_up\(openai_mock\)"):
        mock_from_command_line("--script", str(script))


def test_command_reports_missing_uvicorn(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(SystemExit, match=re.escape("pip install 'openai-responses[server]'")):
        openai_responses._main(["--port", "0"])


@pytest.mark.parametrize(
    "option, value, message",
    [
        ("--port", "70000", "expected a port from 0 to 65535, got '70000'"),
        ("--port", "65536", "expected a port from 0 to 65535, got '65536'"),
        ("--port", "-1", "expected a port from 0 to 65535, got '-1'"),
        ("--port", "http", "expected a port from 0 to 65535, got 'http'"),
        ("--keys", "-1", "expected a non-negative integer, got '-1'"),
        ("--records", "1.5", "expected a non-negative integer, got '1.5'"),
    ],
)
def test_command_rejects_an_invalid_number(capsys, option, value, message):
    with pytest.raises(SystemExit, match="2"):
        mock_from_command_line(option, value)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("port", [0, 65535])
def test_command_accepts_the_lowest_and_the_highest_port(port):
    assert openai_responses._parse_arguments(["--port", str(port)]).port == port


def test_command_reports_an_occupied_port():
    with openai_responses._listen_at("127.0.0.1", 0) as server_socket:
        port = server_socket.getsockname()[1]
        with pytest.raises(SystemExit, match=re.escape(f"cannot listen on 127.0.0.1:{port}: ")):
            openai_responses._listen_at("127.0.0.1", port)


# ---- over a socket ---------------------------------------------------------------------------------------------------


CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
NODE_PACKAGES = CACHE / "openai-responses" / "node" / "node_modules"  # where .ci/run installs `openai` of npm

requires_uvicorn = pytest.mark.skipif(
    importlib.util.find_spec("uvicorn") is None, reason="uvicorn, which listens, is not installed"
)


@requires_uvicorn
@pytest.mark.parametrize("resource", list(creatable_resources()))
async def test_object_has_its_life_cycle_over_a_socket(openai_server, resource):
    scenario = Scenario(openai_server.mock, sdk().with_options(base_url=openai_server.url))
    await check_life_cycle(scenario, resource)


@requires_uvicorn
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the calls that the SDK wants nobody to use
@pytest.mark.parametrize("name", HTTP_NAMES)
def test_every_call_of_the_sdk_is_answered_over_a_socket(openai_server, name):
    lookup(openai_server.mock, name).response = {}
    arguments = {param: f"{param}-1" for param in path_params(name)}
    for key, tp in required_params(name)[0].items():
        arguments[key] = sample_value(key, tp)
    lookup(sdk().with_options(base_url=openai_server.url), name)(**arguments)
    (record,) = openai_server.mock.requests
    assert record.status == 200
    assert ROWS[record.endpoint].path == ROWS[name].path
    assert ROWS[record.endpoint].method == ROWS[name].method


@requires_uvicorn
def test_short_client_timeout_over_a_socket_raises_api_timeout_error(openai_server):
    openai_server.mock.chat.completions.create.response = timeout()
    client = sdk().with_options(base_url=openai_server.url, max_retries=0, timeout=0.3)
    with pytest.raises(openai.APITimeoutError, match="Request timed out"):
        client.chat.completions.create(**CHAT_REQUEST)


@requires_uvicorn
def test_long_client_timeout_over_a_socket_breaks_the_connection_at_once(openai_server):
    openai_server.mock.chat.completions.create.response = [timeout(), "Here I am."]
    client = sdk().with_options(base_url=openai_server.url, max_retries=0)
    with pytest.raises(openai.APIConnectionError, match="Connection error") as raised:
        client.chat.completions.create(**CHAT_REQUEST)
    assert not isinstance(raised.value, openai.APITimeoutError)
    assert client.chat.completions.create(**CHAT_REQUEST).choices[0].message.content == "Here I am."


@requires_uvicorn
@pytest.mark.parametrize("name", REUSABLE_STREAMS)
async def test_streams_arrive_whole_over_a_socket(openai_server, name):
    openai_server.mock.chat.completions.create.response = REUSABLE_STREAMS[name]()
    assert await stream_with(sdk().with_options(base_url=openai_server.url)) == "one two three"


@requires_uvicorn
def test_fixture_environment_variables_point_to_its_mock(openai_server, monkeypatch):
    openai_server.mock.chat.completions.create.response = "Hello, process"
    for name, value in openai_server.env.items():
        monkeypatch.setenv(name, value)
    client = openai.OpenAI()
    assert client.chat.completions.create(**CHAT_REQUEST).choices[0].message.content == "Hello, process"
    assert openai_server.mock.chat.completions.create.call_count == 1


# A response that takes minutes, so that it is unfinished when a test stops the server.
ENDLESS_SCRIPT = """
import openai_responses

def set_up(openai_mock):
    endless = openai_responses.streamed("word " * 1000, delay=0.1)
    openai_mock.chat.completions.create.response = endless
    openai_mock.responses.create.response = endless
"""


@pytest.fixture
def server_process(tmp_path):
    """Return a server in its own process, whose responses don't end, and a client of it."""
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS_SCRIPT)
    argv = [sys.executable, "-m", "openai_responses", "--port", "0", "--script", str(script)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(argv, cwd=ROOT, **pipes) as process:
        url = process.stdout.readline().strip()
        yield process, sdk().with_options(base_url=url, max_retries=0)
        process.kill()


def assert_ends_cleanly(process, signal_number):
    """Assert that a signal ends a process with exit code 0, without further output."""
    process.send_signal(signal_number)
    output, errors = process.communicate(timeout=10)
    assert output == ""
    assert errors == ""
    assert process.returncode == 0


@requires_uvicorn
@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_server_process_without_connections(server_process, signal_number):
    process, client = server_process
    assert client.models.list().data
    assert_ends_cleanly(process, signal_number)
    with pytest.raises(openai.APIConnectionError, match="Connection error"):
        client.models.list()


@requires_uvicorn
def test_sigterm_ends_the_server_process_with_an_open_stream(server_process):
    process, client = server_process
    with client.chat.completions.create(**CHAT_REQUEST, stream=True) as stream:
        assert next(iter(stream)).choices[0].delta.role == "assistant"
        assert client.models.list().data  # the stream does not keep the server from answering
        assert_ends_cleanly(process, signal.SIGTERM)
        with pytest.raises(BROKEN_CONNECTION_ERROR) as raised:
            list(stream)
        assert "incomplete chunked read" in str(network_error(raised))


@requires("responses.connect")
@requires_uvicorn
def test_sigterm_ends_the_server_process_with_an_open_websocket(server_process):
    process, client = server_process
    with client.responses.connect() as connection:
        connection.response.create(**INPUT_REQUEST)
        assert connection.recv().type == "response.created"
        assert_ends_cleanly(process, signal.SIGTERM)
        with pytest.raises(connection_closed_error(), match="no close frame"):
            while True:
                connection.recv()


@requires_uvicorn
@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.skipif(
    not (NODE_PACKAGES / "openai").exists(), reason=f"npm's package openai is not installed in {NODE_PACKAGES}"
)
@pytest.mark.openai_mock(limits={"keys": 100})
def test_npm_package_passes_its_checks_over_a_socket(openai_server):
    environment = {**os.environ, **openai_server.env, "NODE_PATH": str(NODE_PACKAGES)}
    script = str(ROOT / "docs" / "development" / "node.js")
    completed = subprocess.run(["node", script], env=environment, capture_output=True, text=True, timeout=60)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert completed.stdout.count("passed: ") == 15
    assert len(openai_server.mock.mistakes) == 1
    openai_server.mock.mistakes.clear()  # the script shows what a call too many gets


# ======================================================================================================================
# PUBLIC API: endpoints, rules, the request log
# ======================================================================================================================


@pytest.mark.parametrize(
    "name, message",
    [
        ("chta", r"openai_mock has no 'chta'\. Closest: 'chat'\. Available: .*files"),
        ("chat.completions.crate", r"openai_mock\.chat\.completions has no 'crate'\. Closest: 'create'\. .*list"),
        ("chat.completions.create.respons", "respons"),
    ],
)
def test_unknown_name_raises_with_the_available_names(openai_mock, name, message):
    with pytest.raises(AttributeError, match=message):
        lookup(openai_mock, name)


def test_dir_lists_the_names_of_the_api(openai_mock):
    assert {"chat", "files", "router", "state", "requests"} <= set(dir(openai_mock))
    assert {"create", "parse", "list"} <= set(dir(openai_mock.chat.completions))


def test_private_and_special_names_are_not_attributes(openai_mock):
    assert not hasattr(openai_mock, "_anything")
    assert not hasattr(openai_mock.chat, "__wrapped__")


# ---- rules -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "what, fields, text, options",
    [
        ("weather", {}, "The weather?", {}),
        ("a.b", {}, "a.b", {}),
        (re.compile("(?i)WEATHER"), {}, "the weather", {}),
        (re.compile("the$"), {}, "the weather is the", {}),
        (lambda body: len(body["messages"]) == 1, {}, "x", {}),
        (None, {"model": "m"}, "x", {}),
        (None, {"temperature": 0}, "x", {"temperature": 0}),
        (None, {"messages": [{"content": "x"}]}, "x", {}),
        (None, {"metadata": {"a": "1"}}, "x", {"metadata": {"a": "1", "b": "2"}}),
        (None, {"tool_result": False}, "x", {}),
        ("weather", {"model": "m", "tool_result": False}, "weather", {}),
    ],
)
def test_rule_answers_a_request_that_matches_its_conditions(create, what, fields, text, options):
    create.response = "otherwise"
    create.when(what, **fields).response = "by rule"
    assert complete(text, **options) == "by rule"


@pytest.mark.parametrize(
    "what, fields, text, options",
    [
        ("weather", {}, "the Weather", {}),
        ("a.b", {}, "axb", {}),
        (re.compile("^the$"), {}, "the weather", {}),
        (lambda body: body["model"] == "other", {}, "x", {}),
        (None, {"model": "gpt-5"}, "x", {}),
        (None, {"temperature": 0}, "x", {}),
        (None, {"messages": [{"content": "x", "role": "system"}]}, "x", {}),
        (None, {"metadata": {"a": "2"}}, "x", {"metadata": {"a": "1"}}),
        (None, {"tool_result": True}, "x", {}),
        ("weather", {"model": "n"}, "weather", {}),
        ("weather", {"model": "m"}, "news", {}),
    ],
)
def test_rule_does_not_answer_a_request_that_fails_a_condition(create, what, fields, text, options):
    create.response = "otherwise"
    create.when(what, **fields).response = "by rule"
    assert complete(text, **options) == "otherwise"


@pytest.mark.parametrize(
    "input_param",
    [
        "the weather",
        [{"role": "user", "content": "the weather"}],
        [{"role": "user", "content": [{"type": "input_text", "text": "the weather"}]}],
    ],
    ids=["text", "message", "content parts"],
)
def test_rule_matches_responses_input_of_any_form(openai_mock, client, input_param):
    openai_mock.responses.create.when("weather").response = "by rule"
    assert client.responses.create(model="m", input=input_param).output_text == "by rule"


WEATHER_CONVERSATION = [
    *USER_MESSAGES,
    {"role": "assistant", "content": "Sunny."},
    {"role": "user", "content": "Thanks, weather-man."},
]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_rule_matches_the_last_user_message(create, length):
    create.response = "otherwise"
    create.when("weather").response = "by rule"
    assert complete("", messages=WEATHER_CONVERSATION[:length]) == "by rule"


def test_rule_does_not_match_an_earlier_user_message(create):
    create.response = "otherwise"
    create.when("weather").response = "by rule"
    thanks = {"role": "user", "content": [{"type": "text", "text": "Thanks."}]}
    assert complete("", messages=[*WEATHER_CONVERSATION, thanks]) == "otherwise"


def test_rule_matches_the_messages_of_a_thread(openai_mock, client):
    openai_mock.beta.threads.runs.create.when("weather").response = "by rule"
    thread = add_thread(client, "What is the weather?")
    client.beta.threads.runs.create_and_poll(thread_id=thread, assistant_id=add_assistant(client))
    assert thread_texts(client, thread)[-1] == "by rule"


@pytest.mark.parametrize("what", [None, "weather"], ids=["any text", "text of the question"])
def test_tool_result_distinguishes_the_calls_of_a_tool_loop_of_chat(create, client, what):
    create.when("weather", tool_result=False).response = tool_call("get_weather")
    create.when(what, tool_result=True).response = "It is sunny."
    message = client.chat.completions.create(**CHAT_REQUEST).choices[0].message
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny"}
    assert message.tool_calls[0].function.name == "get_weather"
    assert complete("", messages=[*USER_MESSAGES, message, result]) == "It is sunny."


@pytest.mark.parametrize("what", [None, "weather"], ids=["any text", "text of the question"])
def test_tool_result_distinguishes_the_calls_of_a_tool_loop_of_responses(openai_mock, client, what):
    create = openai_mock.responses.create
    create.when("weather", tool_result=False).response = tool_call("get_weather")
    create.when(what, tool_result=True).response = "It is sunny."
    first = client.responses.create(model="m", input="weather")
    output = [{"type": "function_call_output", "call_id": first.output[0].call_id, "output": "sunny"}]
    second = client.responses.create(model="m", input=output, previous_response_id=first.id)
    assert first.output[0].name == "get_weather"
    assert second.output_text == "It is sunny."


def test_newest_matching_rule_answers(create):
    create.when("weather").response = "old"
    create.when(model="m").response = error(400)
    with pytest.raises(openai.BadRequestError, match="The request was invalid"):
        complete("weather")


def test_steps_of_a_rule_answer_plain_and_streamed_calls(create):
    create.when("weather").response = ["one", "two"]
    assert complete("weather") == "one"
    assert run_with_client("sync", stream_with) == "two"
    with pytest.raises(
        AssertionError, match=r"create\.when\('weather'\) was called 3 times, but its \.response has 2 steps"
    ):
        complete("weather")
    assert create.when("weather").call_count == 3


def test_rule_without_a_response_does_not_answer(create):
    create.response = "otherwise"
    create.when("weather")
    assert complete("weather") == "otherwise"


def test_new_response_starts_with_its_first_step(create):
    create.response = ["one", "two"]
    assert complete("Hi") == "one"
    create.response = ["three", "four"]
    assert complete("Hi") == "three"
    assert complete("Hi") == "four"


def test_equal_conditions_replace_the_response_of_a_rule(create):
    create.when("weather").response = "old"
    create.when("weather").response = "new"
    assert complete("weather") == "new"


@pytest.mark.parametrize(
    "name, what, fields, message",
    [
        (CHAT_CREATE, None, {}, r"when\(\) needs a condition"),
        (CHAT_CREATE, 5, {}, r"when\(5\): expected a str"),
        (CHAT_CREATE, None, {"mesages": []}, r"no parameter 'mesages'.*messages"),
        (CHAT_CREATE, None, {"tool_result": "yes"}, r"when\(tool_result='yes'\): expected True or False"),
        ("files.list", "weather", {}, r"when\('weather'\): this endpoint has no text input to match; use a parameter"),
    ],
    ids=["no condition", "int", "unknown parameter", "tool_result", "endpoint without text"],
)
def test_when_rejects_invalid_conditions(openai_mock, name, what, fields, message):
    with pytest.raises(TypeError, match=message):
        lookup(openai_mock, name).when(what, **fields)


def test_when_without_arguments_is_rejected(create):
    with pytest.raises(TypeError, match=r"when\(\) needs a condition"):
        create.when()


@pytest.mark.parametrize(
    "text, model, message",
    [
        (
            "the weather?",
            "m",
            r"no rule matches this call to chat\.completions\.create; closest: .*model='gpt-5'\), but model is 'm'",
        ),
        ("nothing", "gpt-4o", r"closest: .*'stocks'.*the last user input is 'nothing'"),
    ],
    ids=["field", "text"],
)
@openai_responses.mock(strict=True)
def test_strict_mode_names_the_closest_rule(openai_mock, create, text, model, message):
    create.when("weather", model="gpt-5").response = "a"
    create.when("stocks", model="gpt-4o").response = "b"
    with pytest.raises(AssertionError, match=message):
        complete(text, model=model)
    assert len(openai_mock.requests) == 1
    assert create.requests == openai_mock.requests


@openai_responses.mock(strict=True)
def test_strict_mode_names_the_rule_with_the_most_parameters_of_equally_close_rules(create):
    create.when("news", model="m").response = "a"
    create.when("stocks").response = "b"
    with pytest.raises(AssertionError, match=r"closest: chat\.completions\.create\.when\('news', model='m'\), but"):
        complete("weather")


@openai_responses.mock(strict=True)
def test_strict_mode_answers_calls_without_a_matching_rule_if_a_response_is_set(create):
    create.when("weather").response = "by rule"
    create.response = "otherwise"
    assert complete("nothing") == "otherwise"


def test_when_returns_the_same_rule_for_equal_conditions(create):
    rule = create.when("weather", model="m")
    assert create.when("weather", model="m") is rule
    assert create.when("weather") is not rule


def test_rule_counts_and_records_its_own_calls(create):
    create.response = "other"
    rule = create.when("weather", model="m")
    rule.response = "sunny"
    assert complete("weather") == "sunny"
    assert complete("news") == "other"
    rule.assert_called_once()
    assert rule.call_count == 1
    assert rule.requests == [create.requests[0]]
    assert create.call_count == 2


def test_removed_rule_does_not_answer(create):
    create.response = "other"
    rule = create.when("weather")
    rule.response = "sunny"
    rule.remove()
    rule.remove()  # has no effect
    assert complete("weather") == "other"


@pytest.mark.parametrize(
    "name, fields, call",
    [
        ("files.list", {"purpose": "batch", "limit": 2}, lambda c: c.files.list(purpose="batch", limit=2)),
        ("files.retrieve", {"file_id": "file-1"}, lambda c: c.files.retrieve("file-1")),
        ("responses.retrieve", {"include": ["b"]}, lambda c: c.responses.retrieve("resp_1", include=["a", "b"])),
        (CHAT_CREATE, {"model": re.compile("^gpt")}, lambda c: c.chat.completions.create(**CHAT_REQUEST)),
        ("images.edit", {"n": 2, "model": "m"}, lambda c: c.images.edit(image=b"x", prompt="p", n=2, model="m")),
        (
            "vector_stores.files.update",
            {"file_id": "file-1", "attributes": {"a": 1.5}},
            lambda c: c.vector_stores.files.update("file-1", vector_store_id="vs_1", attributes={"a": 1.5}),
        ),
    ],
    ids=["query", "path", "list in the query", "pattern", "form", "path and body"],
)
def test_rules_and_assertions_match_body_path_and_query_params(openai_mock, name, fields, call):
    endpoint = lookup(openai_mock, name)
    rule = endpoint.when(**fields)
    rule.response = {}
    call(lenient_client())
    assert rule.call_count == 1
    endpoint.assert_called_with(fields)
    record = endpoint.requests[0]
    for field in fields:
        assert record[field] is not None


# ---- assertions ------------------------------------------------------------------------------------------------------


def test_assert_all_used_passes_if_nothing_is_set(openai_mock):
    openai_mock.assert_all_used()


def test_assert_all_used_reports_unused_steps_and_rules(openai_mock, create):
    create.response = ["one", "two", "three"]
    create.when("weather", model="m").response = "sunny"
    create.when("stocks").response = ["up", "down"]
    complete("hello")
    complete("stocks")
    with pytest.raises(AssertionError) as raised:
        openai_mock.assert_all_used()
    message = str(raised.value)
    assert "2 steps left of 3" in message
    assert "1 step left of 2" in message
    assert "when('weather', model='m') was never hit" in message
    assert "when('stocks') was never hit" not in message


def test_assert_all_used_passes_after_the_last_step_and_rule(openai_mock, create):
    create.response = ["one", "two"]
    create.when("weather").response = "sunny"
    complete("hello")
    complete("weather")
    complete("hello")
    openai_mock.assert_all_used()


def test_assert_all_used_setting_checks_at_the_end_of_a_with_block():
    with (
        pytest.raises(AssertionError, match=r"responses\.create.* has 1 step left of 1"),
        OpenAIMock(assert_all_used=True) as openai_mock,
    ):
        openai_mock.responses.create.response = ["never"]


async def test_assert_all_used_setting_checks_at_the_end_of_an_async_with_block():
    with pytest.raises(AssertionError, match=r"responses\.create.* has 1 step left of 1"):
        async with OpenAIMock(assert_all_used=True) as openai_mock:
            openai_mock.responses.create.response = ["never"]


def test_assert_all_used_setting_checks_at_the_end_of_a_router():
    openai_mock = OpenAIMock(assert_all_used=True)
    with pytest.raises(AssertionError, match=r"responses\.create.* has 1 step left of 1"), openai_mock.router:
        openai_mock.responses.create.response = ["never"]


def test_assert_all_used_setting_checks_at_the_end_of_a_decorated_function():
    @openai_responses.mock(assert_all_used=True)
    def set_unused_step(openai_mock):
        openai_mock.responses.create.response = ["never"]

    with pytest.raises(AssertionError, match=r"responses\.create.* has 1 step left of 1"):
        set_unused_step()


def test_assert_all_used_setting_does_not_hide_another_exception():
    with pytest.raises(ZeroDivisionError), OpenAIMock(assert_all_used=True) as openai_mock:
        openai_mock.responses.create.response = ["never"]
        raise ZeroDivisionError


def test_call_assertions_of_an_endpoint_that_was_not_called(create):
    create.assert_not_called()
    assert create.called is False
    assert create.call_count == 0
    with pytest.raises(AssertionError, match=r"expected at least one call to chat\.completions\.create, got 0"):
        create.assert_called()
    with pytest.raises(AssertionError, match=r"expected one call to chat\.completions\.create, got 0"):
        create.assert_called_once()
    with pytest.raises(AssertionError, match=r"expected at least one call to chat\.completions\.create, got 0"):
        create.assert_called_with(model="m")


def test_call_assertions_of_an_endpoint_that_was_called_once(create):
    complete("one")
    create.assert_called()
    create.assert_called_once()
    assert create.called is True
    assert create.call_count == 1
    with pytest.raises(AssertionError, match=r"expected no calls to chat\.completions\.create, got 1"):
        create.assert_not_called()


def test_call_assertions_of_an_endpoint_that_was_called_twice(create):
    complete("one")
    complete("two")
    create.assert_called()
    assert create.called is True
    assert create.call_count == 2
    with pytest.raises(AssertionError, match=r"expected one call to chat\.completions\.create, got 2"):
        create.assert_called_once()
    with pytest.raises(AssertionError, match=r"expected no calls to chat\.completions\.create, got 2"):
        create.assert_not_called()


def test_assert_any_call_finds_an_earlier_call(create):
    complete("one", temperature=1)
    complete("two")
    create.assert_any_call(temperature=1)
    create.assert_any_call(messages=[{"content": "one"}])
    with pytest.raises(AssertionError, match="temperature is 1; temperature is missing"):
        create.assert_any_call(temperature=2)


def test_expected_list_elements_match_distinct_elements(create):
    complete("Hi", tools=[CHAT_TOOL])
    create.assert_called_with(tools=[CHAT_TOOL])
    with pytest.raises(AssertionError, match="tools has no other"):
        create.assert_called_with(tools=[CHAT_TOOL, CHAT_TOOL])


def test_assert_called_with_checks_the_last_call(create):
    complete("first")
    complete("hello", temperature=0.5)
    create.assert_called_with(model="m", messages=[{"content": "hello"}])
    create.assert_called_with({"temperature": 0.5})
    create.assert_called_with({"model": "m"}, temperature=0.5)
    create.assert_called_with()
    with pytest.raises(AssertionError, match=r"messages has no .*first"):
        create.assert_called_with(messages=[{"content": "first"}])
    with pytest.raises(AssertionError, match="top_p is missing"):
        create.assert_called_with(top_p=1)


def test_assert_called_with_shows_the_difference(create):
    complete("hello", temperature=0.5)
    with pytest.raises(AssertionError) as raised:
        create.assert_called_with(model="gpt-5", temperature=0.5)
    first, *difference = str(raised.value).splitlines()
    assert "chat.completions.create" in first
    assert "model is 'm'" in first
    assert '-  "model": "gpt-5",' in difference
    assert '+  "model": "m",' in difference


# ---- the request log -------------------------------------------------------------------------------------------------


def test_request_log_has_every_request_in_order(openai_mock, create, client):
    create.response = [error(429), "x"]
    client.chat.completions.create(**CHAT_REQUEST)
    client.files.create(file=b"x", purpose="batch")
    client.models.list()
    assert [(record.endpoint, record.attempt, record.status) for record in openai_mock.requests] == [
        (CHAT_CREATE, 0, 429),
        (CHAT_CREATE, 1, 200),
        ("files.create", 0, 200),
        ("models.list", 0, 200),
    ]
    assert openai_mock.files.create.requests == [openai_mock.requests[2]]


def test_record_has_the_body_and_the_headers_of_the_request(create, client):
    client.chat.completions.create(**CHAT_REQUEST)
    (record,) = create.requests
    assert record.body == CHAT_REQUEST
    assert record.headers["content-type"] == "application/json"
    assert record.duration >= 0


@pytest.mark.parametrize(
    "header",
    ["authorization", "api-key", "x-api-key", "ocp-apim-subscription-key", "x-functions-key", "cookie", "x-auth-token"],
)
def test_record_hides_secrets_in_headers(create, client, header):
    client.with_options(default_headers={header: f"Bearer {API_KEY}"}).chat.completions.create(**CHAT_REQUEST)
    (record,) = create.requests
    assert record.headers[header] == "***"
    assert API_KEY not in str(record.headers)


def test_record_of_an_upload_has_the_form_fields(openai_mock, client):
    file = ("a.txt", b"\x00\r\nabc", "text/plain")
    client.files.create(file=file, purpose="batch")
    (record,) = openai_mock.requests
    assert record.body == {"purpose": "batch", "file": file}
    assert record["purpose"] == "batch"


def test_record_has_the_response_and_the_rule_that_answered(create):
    rule = create.when("weather")
    rule.response = "sunny"
    complete("weather", user="me")
    (record,) = create.requests
    assert record.method == "POST"
    assert record.path == "/v1/chat/completions"
    assert record["user"] == "me"
    assert record.answered_by is rule
    assert record.response.json()["choices"][0]["message"]["content"] == "sunny"
    assert repr(record) == "<chat.completions.create m: 200>"


def test_record_has_the_query_params(openai_mock, client):
    client.files.list(limit=3)
    (record,) = openai_mock.requests
    assert record.query == {"limit": "3"}
    assert record["limit"] == "3"
    assert record.answered_by is None


def test_record_of_an_error_has_the_path_params_and_the_status(openai_mock, client):
    with pytest.raises(openai.NotFoundError, match="No such File object: file-1"):
        client.files.retrieve("file-1")
    (record,) = openai_mock.requests
    assert record.params == {"file_id": "file-1"}
    assert record["file_id"] == "file-1"
    assert record.status == 404
    assert repr(record) == "<files.retrieve: 404>"


def test_record_is_unaffected_by_later_state_changes(openai_mock, client):
    thread = client.beta.threads.create(tool_resources={"code_interpreter": {"file_ids": []}}).id
    attachment = {"file_id": add_file(client), "tools": [{"type": "code_interpreter"}]}
    client.beta.threads.messages.create(thread, role="user", content="x", attachments=[attachment])
    resources = openai_mock.state["beta.threads"][thread]["tool_resources"]
    assert resources["code_interpreter"]["file_ids"] == [attachment["file_id"]]
    assert openai_mock.beta.threads.create.requests[0]["tool_resources"] == {"code_interpreter": {"file_ids": []}}


# ======================================================================================================================
# PUBLIC API: the mock
# ======================================================================================================================


@pytest.mark.parametrize(
    "base_url, message",
    [
        ("localhost", "base_url is 'localhost'; expected a URL"),
        ("http://me:pass@host:port", "base_url is 'http://***@host:port';"),
        ("http://me:pa#ss@host", "base_url is 'http://***@host';"),
        ("me:pa'ss@host", 'base_url is "***@host";'),
        ("ftp://me:pass@host/v1", "base_url is 'ftp://***@host/v1';"),
    ],
)
def test_invalid_base_url_raises_without_its_credentials(base_url, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        OpenAIMock(base_url=base_url)


def test_state_of_another_type_raises():
    with pytest.raises(TypeError, match=re.escape("state is []; expected a StateStore or a dict of dicts")):
        OpenAIMock(state=[])


def test_state_with_an_unknown_resource_raises():
    with pytest.raises(KeyError, match=r"no resource 'filez' in the state\. Closest: 'files'\."):
        OpenAIMock(state={"filez": {}})


def test_state_without_a_list_call_raises():
    with pytest.raises(TypeError, match=r"state\.files\.content has no list call"):
        OpenAIMock().state.files.content.list()


def test_tool_call_with_a_dict_and_keywords_raises():
    with pytest.raises(TypeError, match="as a dict or as keywords, not both"):
        tool_call("f", {}, x=1)


def test_tool_call_with_an_argument_that_json_lacks_raises():
    with pytest.raises(ValueError, match="which is not valid JSON"):
        tool_call("f", x=object())


def test_stream_with_a_fault_but_without_fail_after_raises():
    with pytest.raises(ValueError, match="needs fail_after"):
        streamed("x", fault="y")


def test_assignment_to_a_misspelled_attribute_of_an_endpoint_raises(create):
    with pytest.raises(AttributeError, match=r"Closest: 'response'\."):
        create.respnse = 1


def test_assignment_to_a_namespace_of_the_mock_raises(openai_mock):
    with pytest.raises(AttributeError, match="has no attribute 'files' to set"):
        openai_mock.files = 1


def test_assignment_to_an_endpoint_raises(openai_mock):
    with pytest.raises(AttributeError, match=r"set its response: openai_mock\.files\.create\."):
        openai_mock.files.create = 1


# ---- URLs ------------------------------------------------------------------------------------------------------------


def test_base_url_is_the_only_answered_url():
    with OpenAIMock(base_url="https://gateway.test/v2/") as openai_mock:
        assert sdk().with_options(base_url="https://gateway.test/v2").chat.completions.create(**CHAT_REQUEST).id
        with pytest.raises(
            AssertionError, match=r"POST https://api\.openai\.com/v1/chat/completions would reach the network"
        ):
            complete("Hi")
        assert [request.endpoint for request in openai_mock.requests] == [CHAT_CREATE, ""]


@pytest.mark.parametrize("base_url", [None, BASE_URL])
def test_environment_base_url_is_also_answered(monkeypatch, base_url):
    monkeypatch.setenv("OPENAI_BASE_URL", "https://gateway.test/v1/")
    with OpenAIMock() as openai_mock:
        new_client(base_url=base_url).chat.completions.create(**CHAT_REQUEST)
        assert openai_mock.chat.completions.create.route.call_count == 1


def test_environment_base_url_may_be_set_before_and_after_the_start(monkeypatch, client_kind):
    openai_mock = OpenAIMock()
    monkeypatch.setenv("OPENAI_BASE_URL", "https://set-before.test/v1")
    earlier_client = new_client(client_kind)
    with openai_mock:
        run_coroutine(client_kind, complete_with(earlier_client))
        monkeypatch.setenv("OPENAI_BASE_URL", "https://set-after.test/v1")
        run_coroutine(client_kind, complete_with(new_client(client_kind)))
    route = openai_mock.chat.completions.create.route
    hosts = [call.request.url.host for call in route.calls]
    assert hosts == ["set-before.test", "set-after.test"]
    for call in route.calls:
        assert route.pattern.match(call.request)


def test_earlier_environment_base_urls_are_still_answered(monkeypatch, client_kind):
    clients = []
    with OpenAIMock() as openai_mock:
        for host in ("first", "second"):
            monkeypatch.setenv("OPENAI_BASE_URL", f"https://{host}.test/v1")
            clients.append(new_client(client_kind))
            run_coroutine(client_kind, complete_with(clients[-1]))
        monkeypatch.delenv("OPENAI_BASE_URL")
        clients.append(new_client(client_kind))
        for client in clients:
            run_coroutine(client_kind, complete_with(client))
    route = openai_mock.chat.completions.create.route
    hosts = [call.request.url.host for call in route.calls]
    assert hosts == ["first.test", "second.test", "first.test", "second.test", "api.openai.com"]
    for call in route.calls:
        assert route.pattern.match(call.request)


def test_environment_base_url_is_ignored_if_the_mock_has_a_base_url(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "https://environment.test/v1")
    own_mock = OpenAIMock(base_url="https://own.test/v1")
    with own_mock, pytest.raises(AssertionError, match=r"The mock only answers at https://own\.test/v1$"):
        new_client().chat.completions.create(**CHAT_REQUEST)


def test_invalid_environment_base_url_raises(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "gateway.test")
    with pytest.raises(ValueError, match=re.escape("OPENAI_BASE_URL is 'gateway.test'; expected a URL")):
        OpenAIMock()


def test_mock_with_the_base_url_of_a_request_answers_it(client_kind):
    clients = {}
    for url in (BASE_URL, "https://a.test/v1", "https://b.test/v1"):
        clients[url] = sdk(client_kind).with_options(base_url=url)
    with (
        OpenAIMock() as outer,
        OpenAIMock(base_url="https://a.test/v1") as mock_a,
        OpenAIMock(base_url="https://b.test/v1") as mock_b,
    ):
        outer.chat.completions.create.response = "outer"
        mock_a.chat.completions.create.response = "a"
        mock_b.chat.completions.create.response = "b"
        assert run_coroutine(client_kind, complete_with(clients[BASE_URL])) == "outer"
        assert run_coroutine(client_kind, complete_with(clients["https://a.test/v1"])) == "a"
        assert run_coroutine(client_kind, complete_with(clients["https://b.test/v1"])) == "b"
    assert len(outer.requests) == 1
    assert len(mock_a.requests) == 1
    assert len(mock_b.requests) == 1


def test_innermost_of_several_mocks_answers(client_kind):
    with OpenAIMock() as outer:
        outer.chat.completions.create.response = "outer"
        with OpenAIMock() as inner:
            inner.chat.completions.create.response = "inner"
            assert run_with_client(client_kind, complete_with) == "inner"
        assert run_with_client(client_kind, complete_with) == "outer"
    assert len(inner.requests) == 1
    assert len(outer.requests) == 1


def test_inner_mock_without_a_base_url_leaves_other_urls_to_the_outer_mock(client_kind):
    client = sdk(client_kind).with_options(base_url="https://a.test/v1")
    with OpenAIMock(base_url="https://a.test/v1") as outer, OpenAIMock() as inner:
        outer.chat.completions.create.response = "outer"
        assert run_coroutine(client_kind, complete_with(client)) == "outer"
    assert inner.requests == []


# ---- only_scripted, reset, start and stop ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, arguments",
    [
        (CHAT_CREATE, CHAT_REQUEST),
        ("responses.create", INPUT_REQUEST),
        ("embeddings.create", {"model": "m", "input": "x"}),
        ("images.generate", {"prompt": "x"}),
        ("moderations.create", {"input": "x"}),
        ("audio.speech.create", {"input": "x", "model": "m", "voice": "alloy"}),
        ("audio.transcriptions.create", {"file": b"x", "model": "m"}),
    ],
)
@openai_responses.mock(only_scripted=True)
def test_only_scripted_rejects_calls_with_generated_output(openai_mock, client, name, arguments):
    with pytest.raises(AssertionError, match=re.escape(f"{name} was called, but nothing is set for it")):
        lookup(client, name)(**arguments)


@openai_responses.mock(only_scripted=True)
def test_only_scripted_rejects_runs_without_a_response(openai_mock, client):
    thread = add_thread(client, "Hi")
    assistant = add_assistant(client)
    with pytest.raises(AssertionError, match=r"beta\.threads\.runs\.create was called, but nothing is set for it"):
        client.beta.threads.runs.create(thread, assistant_id=assistant)


@openai_responses.mock(only_scripted=True)
def test_only_scripted_rejects_calls_without_a_matching_rule(openai_mock):
    openai_mock.chat.completions.create.when("weather").response = "sunny"
    assert complete("weather") == "sunny"
    with pytest.raises(AssertionError, match=r"chat\.completions\.create was called"):
        complete("news")


@openai_responses.mock(only_scripted=True)
def test_only_scripted_answers_calls_without_generated_output(openai_mock, client):
    assert client.files.list().data == []
    assert client.models.list().data


def test_reset_removes_responses_rules_and_routes(openai_mock, create, client):
    create.response = ["one", "two"]
    create.when("weather").response = "sunny"
    openai_mock.models.list.route.respond(503)
    assert complete("Hi") == "one"
    openai_mock.reset()
    assert create.response is None
    assert complete("Hi") == openai_responses._DEFAULT_TEXT
    assert complete("weather") == openai_responses._DEFAULT_TEXT
    assert client.models.list().data


def test_reset_clears_the_request_log(openai_mock, create):
    complete("Hi")
    assert len(openai_mock.requests) == 1
    openai_mock.reset()
    assert openai_mock.requests == []
    assert create.route.call_count == 0
    assert not openai_mock.router.calls


def test_reset_clears_the_state_and_restarts_the_ids(openai_mock, client):
    first_id = "file-" + 23 * "0" + "1"
    assert add_file(client) == first_id
    openai_mock.reset()
    assert client.files.list().data == []
    assert add_file(client) == first_id


def test_started_mock_answers_until_stop():
    client = new_client(base_url="https://started.test/v1")
    with OpenAIMock():
        openai_mock = OpenAIMock(base_url="https://started.test/v1").start()
        try:
            assert client.models.list().data
        finally:
            openai_mock.stop()
        with pytest.raises(AssertionError, match="reach the network"):
            client.models.list()
    assert len(openai_mock.requests) == 1


def test_mock_that_is_not_started_does_not_answer():
    openai_mock = OpenAIMock(base_url="https://started.test/v1")
    with OpenAIMock(), pytest.raises(AssertionError, match="reach the network"):
        new_client(base_url="https://started.test/v1").models.list()
    assert openai_mock.requests == []


def test_reentered_mock_is_innermost_until_exit():
    with OpenAIMock() as first, OpenAIMock() as second:
        first.chat.completions.create.response = "first"
        second.chat.completions.create.response = "second"
        with first:
            assert complete("Hi") == "first"
        assert complete("Hi") == "second"


def test_router_with_custom_settings_answers(create):
    create.response = "Hi"
    with OpenAIMock().router(assert_all_called=True) as router:
        assert isinstance(router, respx.MockRouter)
        assert complete("Hi") == openai_responses._DEFAULT_TEXT


# ---- the transport ---------------------------------------------------------------------------------------------------


def http_client_with(http_lib, kind, transport):
    """Return a client of an HTTP library that sends requests to a transport."""
    client_class = http_lib.Client
    if kind == "async":
        client_class = http_lib.AsyncClient
    return client_class(transport=transport)


def test_mock_transport_accepts_a_mock(http_lib, client_kind):
    openai_mock = OpenAIMock()
    client = new_client(client_kind, http_client=http_client_with(http_lib, client_kind, MockTransport(openai_mock)))
    assert run_coroutine(client_kind, complete_with(client)) == openai_responses._DEFAULT_TEXT
    assert len(openai_mock.requests) == 1


def test_mock_transport_accepts_the_handler_of_a_router(http_lib, client_kind):
    openai_mock = OpenAIMock()
    handler = openai_mock.router.handler
    if client_kind == "async":
        handler = openai_mock.router.async_handler
    client = new_client(client_kind, http_client=http_client_with(http_lib, client_kind, MockTransport(handler)))
    assert run_coroutine(client_kind, complete_with(client)) == openai_responses._DEFAULT_TEXT
    assert len(openai_mock.requests) == 1


@pytest.mark.parametrize(
    "base_url, model",
    [
        ("http://127.0.0.1:8000", "gpt-4o"),
        ("https://gateway.test/models/v9", "gpt-4o"),
        ("https://gateway.test/openai/deployments/my%20dep", "my dep"),
        ("https://api.openai.com.evil.test/v1", "gpt-4o"),
    ],
)
@pytest.mark.parametrize("transport_of", ["mock", "handler"])
def test_mock_transport_answers_every_host(base_url, model, transport_of, http_lib, client_kind):
    openai_mock = OpenAIMock()
    targets = {
        ("mock", "sync"): openai_mock,
        ("mock", "async"): openai_mock,
        ("handler", "sync"): openai_mock.router.handler,
        ("handler", "async"): openai_mock.router.async_handler,
    }
    transport = MockTransport(targets[transport_of, client_kind])
    http_client = http_client_with(http_lib, client_kind, transport)
    client = new_client(client_kind, base_url=base_url, http_client=http_client)

    async def create_retrieve_and_complete():
        created = await awaited(client.files.create(file=b"abc", purpose="batch"))
        retrieved = await awaited(client.files.retrieve(created.id))
        completion = await awaited(client.chat.completions.create(**CHAT_REQUEST))
        return created, retrieved, completion

    created, retrieved, completion = run_coroutine(client_kind, create_retrieve_and_complete())
    assert retrieved.id == created.id
    assert completion.model == model
    assert [record.endpoint for record in openai_mock.requests] == ["files.create", "files.retrieve", CHAT_CREATE]


@pytest.mark.parametrize(
    "url, name, params",
    [
        (
            "https://a.test/v1/vector_stores/vs_1/files/file_1",
            "vector_stores.files.retrieve",
            {"vector_store_id": "vs_1", "file_id": "file_1"},
        ),
        ("https://a.test/v1/files/file_1", "files.retrieve", {"file_id": "file_1"}),
        ("https://a.test/v1/chat/models", "models.list", {}),
    ],
)
def test_longest_matching_url_suffix_selects_the_endpoint(url, name, params, http_lib):
    openai_mock = OpenAIMock()
    http_lib.Client(transport=MockTransport(openai_mock.router.handler)).get(url)
    (record,) = openai_mock.requests
    assert record.endpoint == name
    assert record.params == params


def test_longest_matching_url_suffix_selects_the_endpoint_of_a_post(http_lib):
    openai_mock = OpenAIMock()
    client = http_lib.Client(transport=MockTransport(openai_mock.router.handler))
    client.post("https://a.test/v1/chat/responses", json=INPUT_REQUEST)
    (record,) = openai_mock.requests
    assert record.endpoint == "responses.create"
    assert record.params == {}


@pytest.mark.parametrize(
    "settings, path, message",
    [
        (
            {},
            "/chat/complations",
            r"the API has no endpoint POST /v1/chat/complations\. Closest: 'POST /chat/completions'",
        ),
        ({"base_url": "https://own.test/v1"}, "/chat/completions", "would reach the network"),
    ],
    ids=["unknown path", "another host"],
)
def test_mock_transport_rejects_unknown_paths_and_hosts(http_lib, client_kind, settings, path, message):
    client = http_client_with(http_lib, client_kind, MockTransport(OpenAIMock(**settings)))

    async def post():
        return await awaited(client.post(f"https://gateway.test/v1{path}", json=CHAT_REQUEST))

    with pytest.raises(AssertionError, match=message):
        run_coroutine(client_kind, post())


# ---- the decorator ---------------------------------------------------------------------------------------------------


def test_mock_decorator_is_a_context_manager_with_a_new_mock_each_time():
    decorator = openai_responses.mock(only_scripted=True)
    with decorator as outer, decorator as inner:
        inner.chat.completions.create.response = "inner"
        assert complete("Hi") == "inner"
        assert outer is not inner
        assert outer.requests == []


async def test_mock_decorator_is_an_asynchronous_context_manager():
    async with openai_responses.mock() as openai_mock:
        assert await complete_with(sdk("async")) == openai_responses._DEFAULT_TEXT
        assert len(openai_mock.requests) == 1


@openai_responses.mock(only_scripted=True)
class TestDecoratedClass:
    text = "of the class"

    def test_method_gets_a_mock(self, openai_mock):
        openai_mock.chat.completions.create.response = self.text
        assert complete("Hi") == "of the class"
        assert len(openai_mock.requests) == 1

    def test_method_without_the_argument_is_mocked(self):
        with pytest.raises(AssertionError, match="only_scripted"):
            complete("Hi")

    async def test_coroutine_method_gets_a_mock(self, *, openai_mock):
        openai_mock.chat.completions.create.response = self.text
        assert await complete_with(sdk("async")) == "of the class"
        assert len(openai_mock.requests) == 1


def run_test_case(test_case):
    """Run a `unittest.TestCase`, and return the result."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(test_case).run(result)
    return result


def test_decorated_class_runs_its_own_and_inherited_tests_under_unittest():
    class Base(unittest.TestCase):
        def test_inherited(self, openai_mock):
            self.assertEqual(openai_mock.requests, [])

    @openai_responses.mock()
    class Cases(Base):
        def setUp(self):
            self.text = "prepared"

        def test_own(self, openai_mock):
            openai_mock.chat.completions.create.response = self.text
            self.assertEqual(complete("Hi"), "prepared")

    result = run_test_case(Cases)
    assert result.testsRun == 2
    assert result.errors == []
    assert result.failures == []


def test_decorated_class_leaves_other_methods_as_they_are():
    @openai_responses.mock()
    class Cases:
        def helper(self, openai_mock):
            return openai_mock

    assert list(inspect.signature(Cases.helper).parameters) == ["self", "openai_mock"]
    assert Cases().helper("given") == "given"


def test_method_decorator_is_inside_the_mock_started_by_set_up(run_suite):
    suite = """
        import unittest, openai, openai_responses

        def chat_text():
            create = openai.OpenAI(api_key="sk").chat.completions.create
            return create(model="m", messages=[{"role": "user", "content": "Hi"}]).choices[0].message.content

        class Base:
            def start(self):
                self.outer = openai_responses.OpenAIMock().start()
                self.outer.chat.completions.create.response = "outer"

            @openai_responses.mock()
            def test_decorated(self, openai_mock):
                openai_mock.chat.completions.create.response = "inner"
                assert openai_mock is not self.outer
                assert chat_text() == "inner"

            def stop(self):
                assert chat_text() == "outer"
                self.outer.stop()

        class TestUnit(Base, unittest.TestCase):
            def setUp(self):
                self.start()

            def tearDown(self):
                self.stop()

        class TestPlain(Base):
            def setup_method(self):
                self.start()

            def teardown_method(self):
                self.stop()
    """
    run_suite(suite).assert_outcomes(passed=2)


@openai_responses.mock
def test_decorator_without_parentheses_gives_a_mock(openai_mock):
    openai_mock.chat.completions.create.response = "Hi"
    assert complete("Hi") == "Hi"


@openai_responses.mock()
async def test_decorated_coroutine_function_gets_a_mock(openai_mock):
    openai_mock.chat.completions.create.response = "Hi"
    assert await complete_with(sdk("async")) == "Hi"


@openai_responses.mock()
def test_decorated_function_without_the_argument_is_mocked():
    assert complete("Hi") == openai_responses._DEFAULT_TEXT


@openai_responses.mock(base_url="https://a.test/v1")
def test_decorated_function_may_take_the_mock_as_keyword_only_argument(tmp_path, *, openai_mock):
    assert tmp_path.exists()
    assert "https://a.test/v1" in repr(openai_mock)


@pytest.mark.parametrize("number", [1, 2, 3])
@openai_responses.mock(state={"files": {"file-1": file_json("file-1")}})
def test_parametrized_cases_get_separate_mocks(number, openai_mock, client, tmp_path):
    assert openai_mock.chat.completions.create.response is None
    assert openai_mock.requests == []
    assert list(openai_mock.state["files"]) == ["file-1"]
    assert client.files.delete("file-1").deleted
    openai_mock.chat.completions.create.response = str(number)
    assert complete("Hi") == str(number)


class TestDecoratedMethods:
    @openai_responses.mock()
    def test_decorated_method_gets_itself_and_a_mock(self, openai_mock):
        assert isinstance(self, TestDecoratedMethods)
        assert complete("Hi") == openai_responses._DEFAULT_TEXT
        assert len(openai_mock.requests) == 1

    @openai_responses.mock
    async def test_decorated_coroutine_method_gets_a_mock(self, openai_mock):
        assert await complete_with(sdk("async")) == openai_responses._DEFAULT_TEXT
        assert len(openai_mock.requests) == 1


def test_decorated_methods_run_under_unittest():
    class Cases(unittest.TestCase):
        @openai_responses.mock(strict=True)
        def test_plain(self, openai_mock):
            openai_mock.chat.completions.create.response = "Hi"
            self.assertEqual(complete("Hi"), "Hi")

        @openai_responses.mock
        def test_keyword_only(self, *, openai_mock):
            self.assertEqual(openai_mock.requests, [])

    result = run_test_case(Cases)
    assert result.testsRun == 2
    assert result.failures == []
    assert result.errors == []


def test_decorated_method_reports_its_exception_under_unittest():
    class Cases(unittest.TestCase):
        @openai_responses.mock()
        def test_failing(self, openai_mock):
            openai_mock.nothing  # noqa: B018

    result = run_test_case(Cases)
    assert result.failures == []
    ((test, traceback),) = result.errors
    assert str(test).startswith("test_failing ")
    assert "openai_mock has no 'nothing'" in traceback


def test_decorated_coroutine_method_runs_under_unittest():
    class Cases(unittest.IsolatedAsyncioTestCase):
        @openai_responses.mock()
        async def test_coroutine(self, openai_mock):
            self.assertTrue(await complete_with(sdk("async")))
            self.assertEqual(len(openai_mock.requests), 1)

    result = run_test_case(Cases)
    assert result.testsRun == 1
    assert result.failures == []
    assert result.errors == []


def test_decorated_function_can_be_called_directly():
    @openai_responses.mock()
    def suffixed(prefix, openai_mock, *, suffix="!"):
        """Says something."""
        openai_mock.chat.completions.create.response = f"{prefix}{suffix}"
        return complete("Hi")

    assert suffixed("Hi") == "Hi!"
    assert suffixed("Ho", suffix="?") == "Ho?"
    assert suffixed.__doc__ == "Says something."


def test_decorated_function_uses_the_mock_that_a_direct_call_passes():
    @openai_responses.mock()
    def chat_text(openai_mock):
        openai_mock.chat.completions.create.response = "Hi!"
        return complete("Hi")

    with OpenAIMock() as own_mock:
        assert chat_text(openai_mock=own_mock) == "Hi!"
        assert len(own_mock.requests) == 1


def test_decorated_coroutine_function_can_be_called_directly():
    @openai_responses.mock
    async def chat_text(openai_mock):
        openai_mock.chat.completions.create.response = "Hi!"
        return await complete_with(sdk("async"))

    assert inspect.iscoroutinefunction(chat_text)
    assert asyncio.run(chat_text()) == "Hi!"


# ======================================================================================================================
# PUBLIC API: webhooks
# ======================================================================================================================


@pytest.mark.parametrize("secret", ["whsec_" + base64.b64encode(b"secret").decode(), "plain"], ids=["base64", "plain"])
@pytest.mark.parametrize("name", sorted(openai_responses._webhook_events()))
def test_webhook_of_every_type_is_verified_and_parsed(client, name, secret):
    delivery = openai_responses.webhook(name, secret=secret)
    event = client.webhooks.unwrap(delivery.body, delivery.headers, secret=secret)
    assert event.type == name
    assert event.object == "event"
    assert event.id.startswith("evt_")


def test_webhook_has_the_set_data(client):
    delivery = openai_responses.webhook("response.completed", {"id": "resp_1"}, secret="plain")
    assert client.webhooks.unwrap(delivery.body, delivery.headers, secret="plain").data.id == "resp_1"


def test_modified_webhook_is_rejected(client):
    delivery = openai_responses.webhook("response.completed", secret="plain")
    with pytest.raises(openai.InvalidWebhookSignatureError, match="does not match the expected signature"):
        client.webhooks.unwrap(delivery.body + " ", delivery.headers, secret="plain")


def test_webhook_signed_with_another_secret_is_rejected(client):
    delivery = openai_responses.webhook("response.completed", secret="other")
    with pytest.raises(openai.InvalidWebhookSignatureError, match="does not match the expected signature"):
        client.webhooks.unwrap(delivery.body, delivery.headers, secret="plain")


def test_webhook_is_a_new_event_each_time():
    first = openai_responses.webhook("response.completed", {"id": "resp_1"}, secret="plain")
    second = openai_responses.webhook("response.completed", {"id": "resp_1"}, secret="plain")
    assert first.headers["webhook-id"] != second.headers["webhook-id"]
    assert json.loads(first.body)["id"] != json.loads(second.body)["id"]


def test_webhook_of_an_unknown_type_raises():
    with pytest.raises(ValueError, match=r"Closest: 'response\.completed'"):
        openai_responses.webhook("response.complete", secret="x")


def test_webhook_with_invalid_data_raises():
    with pytest.raises(ValueError, match=r"\.data\.id is 5; expected str"):
        openai_responses.webhook("response.completed", {"id": 5}, secret="x")


@pytest.mark.parametrize("secret", ["", None, "whsec_", "whsec_no64x"])
def test_webhook_with_an_invalid_secret_raises_without_the_secret(secret):
    with pytest.raises(ValueError, match='expected a string, or "whsec_" followed by base64') as raised:
        openai_responses.webhook("response.completed", secret=secret)
    assert repr(secret) not in str(raised.value)


# ======================================================================================================================
# IMPORT PATHS
# ======================================================================================================================


def test_importing_the_module_does_not_import_openai_or_pytest():
    times = python("-X", "importtime", "-c", "import openai_responses").stderr
    imported = {line.rpartition("|")[2].strip() for line in times.splitlines()}
    assert "openai_responses" in imported
    assert [name for name in imported if name.partition(".")[0] == "openai"] == []
    assert "pytest" not in imported


def test_all_lists_every_public_function():
    functions = {
        name
        for name, member in vars(openai_responses).items()
        if inspect.isfunction(member) and member.__module__ == "openai_responses"
    }
    assert {name for name in functions if not name.startswith(("_", "pytest_"))} <= set(openai_responses.__all__)


def test_all_is_what_dir_lists():
    assert sorted(openai_responses.__all__) == dir(openai_responses)
    assert len(openai_responses.__all__) == len(set(openai_responses.__all__))


def test_star_import_binds_every_public_name():
    namespace = {}
    exec("from openai_responses import *", namespace)
    assert set(openai_responses.__all__) <= set(namespace)


def test_every_public_name_has_a_docstring():
    assert [name for name in openai_responses.__all__ if not getattr(openai_responses, name).__doc__] == []


IMPORT_STATEMENTS = {
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


@pytest.mark.parametrize("name", IMPORT_STATEMENTS)
def test_import_paths_work_in_a_fresh_interpreter(name):
    full_name = f"openai_responses.{name}"
    check = f"from importlib.util import find_spec\nassert find_spec({full_name!r}).name == {full_name!r}"
    python("-c", f"{IMPORT_STATEMENTS[name]}\n{check}")


@pytest.mark.parametrize("name", ["ext", "ext.httpx", "stores", "helpers", "helpers.builders", "helpers.builders.chat"])
def test_submodule_is_an_attribute_of_its_package(name):
    module = importlib.import_module(f"openai_responses.{name}")
    assert lookup(openai_responses, name) is module
    assert module.__name__ == f"openai_responses.{name}"
    assert inspect.ismodule(module)


def test_submodules_have_only_public_members():
    names = vars(openai_responses.ext.httpx).keys()
    assert {name for name in names if not name.startswith("__")} >= {"Client", "MockTransport", "HTTPStatusError"}
    assert [name for name in names if name.startswith("_") and not name.startswith("__")] == []


def test_unknown_submodule_or_member_raises_import_error():
    with pytest.raises(ModuleNotFoundError, match=r"openai_responses\.nothing"):
        importlib.import_module("openai_responses.nothing")
    with pytest.raises(ModuleNotFoundError, match=r"openai_responses\.ext\.nothing"):
        importlib.import_module("openai_responses.ext.nothing")
    with pytest.raises(ImportError, match=r"cannot import name 'Nothing' from 'openai_responses\.ext\.httpx'"):
        exec("from openai_responses.ext.httpx import Nothing")


def helper(name):
    """Return a function below `openai_responses.helpers`, by its dotted name."""
    module, _, function = name.rpartition(".")
    return getattr(importlib.import_module(f"openai_responses.helpers.{module}"), function)


def post_request(path, body, http_lib=httpx):
    """Return a request of an HTTP library that posts JSON to the API."""
    return http_lib.Request("POST", BASE_URL + path, json=body)


@pytest.mark.parametrize(
    ("builder", "path", "body", "model", "fields"),
    [
        ("chat.chat_completion", "/chat/completions", CHAT_REQUEST, "chat.ChatCompletion", {"model": "gpt-4o"}),
        (
            "embeddings.embedding_create_response",
            "/embeddings",
            {"model": "m", "input": "x"},
            "CreateEmbeddingResponse",
            {"model": "m"},
        ),
        (
            "moderations.moderation_create_response",
            "/moderations",
            {"model": "m", "input": "x"},
            "ModerationCreateResponse",
            {"model": "m"},
        ),
        ("threads.thread", "/threads", {"metadata": {"a": "b"}}, "beta.Thread", {"metadata": {"a": "b"}}),
        ("vector_stores.vector_store", "/vector_stores", {"name": "n"}, "VectorStore", {"name": "n"}),
        (
            "vector_store_files.vector_store_file",
            "/vector_stores/vs_1/files",
            {"file_id": "file-1"},
            "vector_stores.VectorStoreFile",
            {"id": "file-1", "vector_store_id": "vs_1"},
        ),
        (
            "assistants.assistant",
            "/assistants",
            {"model": "m", "name": "n"},
            "beta.Assistant",
            {"model": "m", "name": "n"},
        ),
    ],
)
def test_builder_makes_a_model_from_a_request(builder, path, body, model, fields, http_lib):
    request = post_request(path, body, http_lib)
    built = helper(f"builders.{builder}_from_create_request")(request)
    assert type(built) is _sdk_type(model)
    assert built.model_dump(include=set(fields)) == fields
    type(built).model_validate_json(built.model_dump_json(by_alias=True), strict=True)


def test_builder_overrides_fields_with_extra():
    build = helper("builders.threads.thread_from_create_request")
    thread = build(post_request("/threads", {"metadata": {"a": "b"}}), extra={"metadata": {"k": "v"}})
    assert thread.metadata == {"k": "v"}


@pytest.mark.parametrize(
    ("path", "extra", "store_id"),
    [
        ("/vector_stores/vs_1/files", {}, "vs_1"),
        ("/vector_stores/vs_1/files", {"vector_store_id": "vs_2"}, "vs_2"),
        ("/elsewhere", {"vector_store_id": "vs_2"}, "vs_2"),
        ("/elsewhere", {}, "vector_store_id_1"),
    ],
)
def test_builder_takes_parent_id_from_extra_or_the_path(path, extra, store_id):
    build = helper("builders.vector_store_files.vector_store_file_from_create_request")
    assert build(post_request(path, {"file_id": "file-1"}), extra=extra).vector_store_id == store_id


def test_builder_rejects_invalid_extra():
    build = helper("builders.vector_store_files.vector_store_file_from_create_request")
    request = post_request("/vector_stores/vs_1/files", {"file_id": "file-1"})
    with pytest.raises(ValueError, match=r"vector_stores\.files\.create\.response\.status is 7; expected"):
        build(request, extra={"status": 7})
    with pytest.raises(ValueError, match="VectorStoreFile has none of these fields"):
        build(request, extra={"file": "file-1"})


def test_message_builder_uses_the_request_and_extra():
    request = post_request("/threads/thread_1/messages", {"role": "user", "content": "Hi"})
    build = helper("builders.messages.message_from_create_request")
    message = build("thread_2", request, extra={"metadata": {"a": "b"}})
    assert type(message) is openai.types.beta.threads.Message
    assert message.thread_id == "thread_2"  # the argument overrides the path
    assert message.metadata == {"a": "b"}
    assert message.content[0].text.value == "Hi"


def test_run_builder_uses_the_request_and_extra():
    request = post_request("/threads/thread_1/runs", {"assistant_id": "asst_1", "model": "m"})
    run = helper("builders.runs.run_from_create_request")("thread_1", request, extra={"status": "failed"})
    assert type(run) is openai.types.beta.threads.Run
    assert run.thread_id == "thread_1"
    assert run.assistant_id == "asst_1"
    assert run.model == "m"
    assert run.status == "failed"


def test_model_builders_fill_the_fields_of_a_partial():
    message = helper("builders.messages.build_message")({"id": "msg_1", "content": [{"text": {"value": "Ho"}}]})
    assert type(message) is openai.types.beta.threads.Message
    assert message.id == "msg_1"
    assert message.content[0].text.value == "Ho"
    step = helper("builders.run_steps.build_run_step")({"run_id": "run_1", "status": "failed"})
    assert type(step) is openai.types.beta.threads.runs.RunStep
    assert step.run_id == "run_1"
    assert step.status == "failed"


def test_model_builder_rejects_an_invalid_partial():
    with pytest.raises(ValueError, match=r"beta\.threads\.Message\.role is 3; expected 'user' or 'assistant'"):
        helper("builders.messages.build_message")({"role": 3})


@pytest.mark.parametrize(
    ("kind", "model", "args", "body", "partial"),
    [
        ("assistant", "beta.Assistant", [], {"model": "m", "name": "n"}, {"name": "new"}),
        ("thread", "beta.Thread", [], {"metadata": {"a": "b"}}, {"metadata": {"c": "d"}}),
        ("run", "beta.threads.Run", ["thread_1"], {"assistant_id": "asst_1"}, {"status": "failed"}),
    ],
    ids=["assistant", "thread", "run"],
)
def test_merger_returns_a_new_model(kind, model, args, body, partial):
    original = helper(f"builders.{kind}s.{kind}_from_create_request")(*args, post_request("/x", body))
    before = original.model_dump()
    merged = helper(f"mergers.{kind}s.merge_{kind}_with_partial")(original, partial)
    assert type(merged) is _sdk_type(model)
    assert merged is not original
    assert original.model_dump() == before
    assert merged.model_dump() == before | partial


def test_merger_keeps_other_fields_of_a_nested_object():
    request = post_request("/threads/thread_1/runs", {"assistant_id": "asst_1"})
    run = helper("builders.runs.run_from_create_request")("thread_1", request)
    merged = helper("mergers.runs.merge_run_with_partial")(run, {"truncation_strategy": {"last_messages": 3}})
    assert merged.truncation_strategy.to_dict() == {"type": "auto", "last_messages": 3}


def test_merger_rejects_an_invalid_partial():
    thread = helper("builders.threads.thread_from_create_request")(post_request("/threads", {}))
    with pytest.raises(ValueError, match=r"Thread\.metadata is 3; expected dict"):
        helper("mergers.threads.merge_thread_with_partial")(thread, {"metadata": 3})


# ======================================================================================================================
# PYTEST PLUGIN
# ======================================================================================================================


SUITE_HELPERS = """
    import unittest
    import httpx, openai, openai_responses, pytest

    def chat_text(text="Hi", client=None):
        client = client or openai.OpenAI(api_key="sk-fake")
        messages = [{"role": "user", "content": text}]
        return client.chat.completions.create(model="m", messages=messages).choices[0].message.content

    async def chat_text_async(client=None):
        client = client or openai.AsyncOpenAI(api_key="sk-fake")
        messages = [{"role": "user", "content": "Hi"}]
        completion = await client.chat.completions.create(model="m", messages=messages)
        return completion.choices[0].message.content
"""


def with_helpers(*parts):
    """Return the code of a test module that has functions to call the SDK."""
    return "\n\n".join(inspect.cleandoc(part) for part in (SUITE_HELPERS, *parts))


# ---- the fixture and the decorator -----------------------------------------------------------------------------------


SHARED_MOCK_SUITE = """
    @pytest.fixture
    def prepared(openai_mock):
        openai_mock.chat.completions.create.response = "prepared"
        return openai_mock

    @openai_responses.mock(strict=True)
    def test_decorator_and_fixtures_have_the_same_mock(prepared, openai_mock, request):
        assert prepared is openai_mock
        assert request.getfixturevalue("openai_mock") is openai_mock
        assert chat_text() == "prepared"

    @openai_responses.mock(strict=True)
    def test_fixture_has_the_settings_of_the_decorator(openai_mock):
        response = httpx.get("https://api.openai.com/v1/models")  # strict mode rejects a request without a key
        assert response.status_code == 401

    @openai_responses.mock()
    def test_decorated_test_may_take_another_fixture_only(prepared):
        assert chat_text() == "prepared"
        assert len(prepared.requests) == 1

    def test_fixture_is_active_without_a_decorator(openai_mock):
        openai_mock.chat.completions.create.response = "alone"
        assert chat_text() == "alone"

    class TestMethods:
        @openai_responses.mock()
        def test_decorated_method(self, prepared, *, openai_mock):
            assert prepared is openai_mock
"""


def test_plugin_decorator_fixture_and_other_fixtures_share_one_mock(run_suite):
    run_suite(with_helpers(SHARED_MOCK_SUITE)).assert_outcomes(passed=5)


NEW_MOCK_SUITE = """
    earlier_mocks = []

    @pytest.mark.parametrize("number", range(3))
    @openai_responses.mock()
    def test_mark_above_the_decorator(number, openai_mock):
        assert openai_mock.requests == []
        for earlier_mock in earlier_mocks:
            assert openai_mock is not earlier_mock
        earlier_mocks.append(openai_mock)
        assert chat_text() == "This is a mock response."

    @openai_responses.mock()
    @pytest.mark.parametrize("number", range(2))
    def test_mark_below_the_decorator(number, openai_mock):
        assert openai_mock.requests == []
        assert chat_text() == "This is a mock response."
"""


def test_each_case_of_a_decorated_test_gets_a_new_mock(run_suite):
    run_suite(with_helpers(NEW_MOCK_SUITE)).assert_outcomes(passed=5)


def test_decorated_test_gets_a_new_mock_after_a_failure(run_suite):
    suite = """
        @pytest.mark.parametrize("text", ["a", "b"])
        @openai_responses.mock()
        def test_response(text, openai_mock):
            assert openai_mock.chat.completions.create.response is None
            openai_mock.chat.completions.create.response = text
            assert chat_text() == "b"
    """
    result = run_suite(with_helpers(suite))
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["FAILED *test_response?a? - AssertionError: assert 'a' == 'b'"])


def test_assert_all_used_of_the_decorator_fails_a_test_with_unused_steps(run_suite):
    suite = """
        @openai_responses.mock(assert_all_used=True)
        def test_unused_step(openai_mock):
            openai_mock.responses.create.response = ["never"]
    """
    result = run_suite(with_helpers(suite))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*responses.create* has 1 step left of 1*"])


def test_direct_call_of_a_decorated_test_does_not_reuse_the_mock_of_its_run(run_suite):
    suite = """
        @openai_responses.mock()
        def test_decorated(openai_mock):
            assert openai_mock.requests == []
            assert chat_text() == "This is a mock response."

        def test_direct_call():
            test_decorated()
    """
    run_suite(with_helpers(suite)).assert_outcomes(passed=2)


UNITTEST_SUITE = """
    class TestCases(unittest.TestCase):
        def setUp(self):
            self.started = openai_responses.OpenAIMock().start()
            self.addCleanup(self.started.stop)
            self.started.chat.completions.create.response = "setUp"

        def test_plain(self):
            assert chat_text() == "setUp"

        @openai_responses.mock()
        def test_decorated(self, openai_mock):
            openai_mock.chat.completions.create.response = "decorator"
            assert chat_text() == "decorator"
            assert self.started.requests == []
"""


def test_decorator_is_inside_the_mock_that_set_up_starts(run_suite):
    run_suite(with_helpers(UNITTEST_SUITE)).assert_outcomes(passed=2)


UNSTOPPED_SUITE = """
    unstopped_mocks = []

    def test_mock_is_not_stopped():
        unstopped_mocks.append(openai_responses.OpenAIMock().start())
        assert chat_text() == "This is a mock response."

    @openai_responses.mock()
    def test_next(openai_mock):
        (unstopped_mock,) = unstopped_mocks
        openai_mock.chat.completions.create.response = "next"
        assert chat_text() == "next"
        assert len(unstopped_mock.requests) == 1
        unstopped_mock.stop()
"""


def test_decorated_test_is_not_answered_by_a_mock_that_an_earlier_test_left_active(run_suite):
    run_suite(with_helpers(UNSTOPPED_SUITE)).assert_outcomes(passed=2)


def test_nested_pytest_session_leaves_the_plugin_active(run_suite):
    run_suite("def test_nothing(): pass").assert_outcomes(passed=1)

    @openai_responses.mock()
    def test(openai_mock):
        raise NotImplementedError

    assert [mark.args for mark in test.pytestmark] == [("openai_mock",)]


WITHOUT_PLUGIN_SUITE = """
    @openai_responses.mock()
    def test_decorated(openai_mock, tmp_path):
        openai_mock.chat.completions.create.response = "Hi"
        assert chat_text() == "Hi"
        assert tmp_path.exists()

    @pytest.mark.parametrize("number", [1, 2])
    @openai_responses.mock
    def test_keyword_only(number, *, openai_mock):
        assert openai_mock.requests == []
        assert chat_text() == "This is a mock response."

    def test_there_is_no_fixture(request):
        with pytest.raises(pytest.FixtureLookupError):
            request.getfixturevalue("openai_mock")
"""


def test_decorated_tests_work_with_the_plugin_disabled(run_suite, monkeypatch):
    monkeypatch.setattr(openai_responses, "_pytest_session_count", 0)  # this session has the plugin
    run_suite(with_helpers(WITHOUT_PLUGIN_SUITE), "-p", "no:openai_responses").assert_outcomes(passed=4)


def test_plugin_does_not_import_openai_for_tests_without_a_mock(run_suite):
    suite = """
        import sys

        def test_first():
            pass

        def test_second():
            assert "openai" not in sys.modules
            assert "websockets" not in sys.modules
    """
    assert run_suite(suite, apart=True).parseoutcomes() == {"passed": 2}


# ---- the mark --------------------------------------------------------------------------------------------------------


MARK_SETTINGS_SUITE = """
    @pytest.mark.openai_mock(only_scripted=True)
    class TestMarked:
        def test_mark_of_the_class(self, openai_mock):
            assert openai_mock._only_scripted
            assert not openai_mock._strict

        @pytest.mark.openai_mock(strict=True)
        def test_nearest_mark(self, openai_mock):
            assert openai_mock._strict
            assert not openai_mock._only_scripted

        @openai_responses.mock(strict=True)
        def test_mark_and_decorator(self, openai_mock):
            assert openai_mock._strict
            assert openai_mock._only_scripted

        @pytest.mark.openai_mock(base_url="https://mark.test/v1")
        @openai_responses.mock(base_url="https://decorator.test/v1")
        def test_decorator_overrides_the_mark(self, openai_mock):
            assert repr(openai_mock) == "<OpenAIMock at https://decorator.test/v1>"
"""


def test_mark_has_the_settings_of_the_fixture(run_suite):
    run_suite(with_helpers(MARK_SETTINGS_SUITE), "--strict-markers").assert_outcomes(passed=4)


MARK_ONLY_SUITE = """
    def is_active():
        return bool(openai_responses._active_routers())

    @pytest.fixture(autouse=True)
    def check_that_marked_tests_are_mocked(request):
        marked = request.node.get_closest_marker("openai_mock") is not None
        assert is_active() == marked
        if marked:
            openai.OpenAI(api_key="sk-fake").models.list()
        yield
        assert is_active() == marked

    @pytest.fixture
    def answer():
        return chat_text()

    def test_without_a_mark():
        assert not is_active()

    @pytest.mark.openai_mock
    def test_mark_without_parentheses():
        assert chat_text() == "This is a mock response."

    @pytest.mark.openai_mock(strict=True)
    def test_mark_with_settings():
        with pytest.raises(openai.BadRequestError, match="Unknown parameter"):
            openai.OpenAI(api_key="sk-fake").embeddings.create(model="m", input="Hi", extra_body={"inptu": 1})

    @pytest.mark.openai_mock()
    def test_calls_of_fixtures_are_answered(answer):
        assert answer == "This is a mock response."

    @pytest.mark.openai_mock()
    def test_calls_of_fixtures_are_recorded(answer, openai_mock):
        assert answer == "This is a mock response."
        assert [record.endpoint for record in openai_mock.requests] == ["models.list", "chat.completions.create"]

    @pytest.mark.openai_mock()
    @pytest.mark.parametrize("number", range(2))
    def test_parametrized(number):
        assert chat_text() == "This is a mock response."

    @pytest.mark.openai_mock()
    async def test_asynchronous():
        assert await chat_text_async() == "This is a mock response."

    @pytest.mark.openai_mock()
    class TestClass:
        def test_method(self):
            assert chat_text() == "This is a mock response."

        def test_fixture_is_the_same_mock(self, request):
            openai_mock = request.getfixturevalue("openai_mock")
            chat_text()
            assert [record.endpoint for record in openai_mock.requests] == ["models.list", "chat.completions.create"]

    @pytest.mark.openai_mock(only_scripted=True)
    class TestUnittest(unittest.TestCase):
        def setUp(self):
            openai.OpenAI(api_key="sk-fake").files.list()

        def test_method(self):
            with self.assertRaisesRegex(AssertionError, "only_scripted"):
                chat_text()
"""


def test_mark_starts_a_mock_for_tests_without_the_fixture(run_suite):
    options = ("--strict-markers", "-p", "pytest_asyncio.plugin", "-o", "asyncio_mode=auto")
    run_suite(with_helpers(MARK_ONLY_SUITE), *options).assert_outcomes(passed=11)


def test_mark_with_a_positional_argument_is_an_error(run_suite):
    suite = """
        @pytest.mark.openai_mock("strict")
        def test_marked(openai_mock):
            pass
    """
    result = run_suite(with_helpers(suite))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("*TypeError: the mark openai_mock takes keyword arguments only*got ('strict',)*")


@requires_uvicorn
def test_mark_on_a_server_test_starts_only_the_mock_of_the_server(run_suite):
    suite = """
        @pytest.mark.openai_mock(only_scripted=True)
        def test_server(openai_server):
            assert openai_server.mock._only_scripted
            assert not openai_responses._active_routers()
    """
    run_suite(with_helpers(suite)).assert_outcomes(passed=1)


@requires_uvicorn
def test_assert_all_used_of_the_mark_checks_the_mock_of_the_server(run_suite):
    suite = """
        @pytest.mark.openai_mock(assert_all_used=True)
        def test_unused_step(openai_server):
            openai_server.mock.responses.create.response = ["never"]
    """
    result = run_suite(with_helpers(suite))
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*responses.create* has 1 step left of 1*"])


# ---- reports of failed tests -----------------------------------------------------------------------------------------


MISTAKE_SUITE = """
    def test_mistake(openai_mock):
        openai_mock.chat.completions.create.response = []
        chat_text()
"""


def test_report_of_a_failed_test_lists_its_requests(run_suite):
    suite = """
        API_KEY = "sk-secret"

        def test_failing(openai_mock):
            create = openai_mock.chat.completions.create
            create.response = [openai_responses.error(429), "Hi"]
            create.when("sun").response = "sunny"
            chat_text("what?")
            chat_text("the sun")
            openai.OpenAI(api_key=API_KEY).files.list()
            assert False
    """
    result = run_suite(with_helpers(suite))
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines(
        [
            r"-+ OpenAI requests -+",
            r"chat\.completions\.create 429 .*'what\?', answered by chat\.completions\.create, [\d.]+ ms",
            r"chat\.completions\.create 200 .*'what\?', retry 1, answered by chat\.completions\.create, [\d.]+ ms",
            r"chat\.completions\.create 200 .*'the sun', answered by chat\.completions\.create\.when\('sun'\), .*",
            r"files\.list 200, default answer, [\d.]+ ms",
        ],
        consecutive=True,
    )
    assert "sk-secret" not in result.stdout.str()


def test_report_shows_the_last_input_of_a_request(run_suite):
    suite = """
        def test_failing(openai_mock):
            messages = [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]
            openai.OpenAI(api_key="sk-fake").chat.completions.create(model="m", messages=messages)
            assert False
    """
    result = run_suite(with_helpers(suite))
    result.stdout.re_match_lines([r"chat\.completions\.create 200 m 'two', default answer, [\d.]+ ms"])


def test_report_of_a_request_that_raised_names_no_answer(run_suite):
    suite = """
        @pytest.mark.openai_mock(only_scripted=True)
        def test_mistake():
            chat_text()
    """
    result = run_suite(with_helpers(suite))
    result.stdout.re_match_lines([r"chat\.completions\.create raised AssertionError m 'Hi', [\d.]+ ms"])


def test_report_does_not_list_requests_of_passed_tests_and_of_tests_without_a_request(run_suite):
    suite = """
        def test_passing(openai_mock):
            chat_text("passes")

        def test_without_a_request(openai_mock):
            assert False
    """
    result = run_suite(with_helpers(suite), "-rA")
    result.assert_outcomes(passed=1, failed=1)
    assert "OpenAI requests" not in result.stdout.str()
    assert "'passes'" not in result.stdout.str()


def test_traceback_of_a_mistake_hides_the_frames_of_the_client(run_suite):
    result = run_suite(with_helpers(MISTAKE_SUITE))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*was called once, but its .response has 0 steps*"])
    assert "_base_client.py" not in result.stdout.str()


def test_full_trace_shows_the_frames_of_the_client(run_suite):
    result = run_suite(with_helpers(MISTAKE_SUITE), "--full-trace")
    result.assert_outcomes(failed=1)
    assert "_base_client.py" in result.stdout.str()


# ---- mistakes that the application caught ----------------------------------------------------------------------------


MISTAKE_HELPERS = """
    import asyncio, re, threading

    def chat_text_or_fallback(text="Hi", **options):
        try:
            return chat_text(text, openai.OpenAI(api_key="sk-fake", **options))
        except Exception:
            return "fallback"

    async def chat_text_or_fallback_async():
        try:
            return await chat_text_async()
        except Exception:
            return "fallback"

    class AppError(Exception):
        pass

    def raise_app_error():
        try:
            chat_text()
        except Exception as error:
            raise AppError from error

    def bug(request):
        return {}["missing"]

    async def async_bug(request):
        return {}["missing"]

    def down(request):
        raise RuntimeError("down")
"""

FAILING_MISTAKES_SUITE = """
    @pytest.fixture
    def own_mock():
        with openai_responses.OpenAIMock(only_scripted=True) as own_mock:
            yield own_mock

    @pytest.mark.parametrize("response", [[], bug, async_bug], ids=["list", "callable", "async_callable"])
    def test_response(openai_mock, response):
        openai_mock.chat.completions.create.response = response
        assert chat_text_or_fallback() == "fallback"

    @pytest.mark.openai_mock(only_scripted=True)
    def test_only_scripted():
        assert chat_text_or_fallback() == "fallback"

    @openai_responses.mock(strict=True)
    def test_no_rule(openai_mock):
        openai_mock.chat.completions.create.when("weather").response = "Sunny."
        assert chat_text_or_fallback() == "fallback"

    def test_foreign_host(openai_mock):
        assert chat_text_or_fallback(base_url="https://foreign.test/v1") == "fallback"

    def test_context_manager():
        with openai_responses.OpenAIMock(only_scripted=True):
            assert chat_text_or_fallback() == "fallback"

    def test_mock_of_another_fixture(own_mock):
        assert chat_text_or_fallback() == "fallback"

    def test_thread(openai_mock):
        openai_mock.chat.completions.create.response = []
        thread = threading.Thread(target=chat_text_or_fallback)
        thread.start()
        thread.join()

    def test_cause_of_an_expected_error(openai_mock):
        openai_mock.chat.completions.create.response = []
        with pytest.raises(AppError):
            raise_app_error()

    def test_async_client(openai_mock):
        openai_mock.chat.completions.create.response = []
        assert asyncio.run(chat_text_or_fallback_async()) == "fallback"

    def test_mistake_that_nothing_caught(openai_mock):
        openai_mock.chat.completions.create.response = []
        chat_text()

    def test_another_error(openai_mock):
        openai_mock.chat.completions.create.response = []
        assert chat_text_or_fallback() == "Hi"

    def test_bug_in_a_route_of_the_test(openai_mock):
        openai_mock.router.post(url__regex=".*").mock(side_effect=bug)
        assert chat_text_or_fallback(max_retries=0) == "fallback"

    def test_expected_error_around_the_mock():
        with pytest.raises(AppError), openai_responses.OpenAIMock(only_scripted=True):
            raise_app_error()

    def test_expected_mistake_of_another_type(openai_mock):
        openai_mock.chat.completions.create.response = [bug]
        assert chat_text_or_fallback() == "fallback"
        with pytest.raises(AssertionError, match="has 1 step"):
            chat_text()

    class TestStarted(unittest.TestCase):
        def setUp(self):
            self.openai_mock = openai_responses.OpenAIMock(only_scripted=True).start()
            self.addCleanup(self.openai_mock.stop)

        def test_mistake_that_nothing_caught(self):
            chat_text()
"""

PASSING_MISTAKES_SUITE = """
    def test_expected(openai_mock):
        openai_mock.chat.completions.create.response = []
        with pytest.raises(AssertionError, match="0 steps"):
            chat_text()
        assert openai_mock.mistakes == []

    def test_expected_after_equal_ones(openai_mock):
        openai_mock.chat.completions.create.response = []
        assert chat_text_or_fallback() == "fallback"
        with pytest.raises(AssertionError, match="0 steps"):
            chat_text()

    def test_first_of_equal_ones(openai_mock):
        openai_mock.chat.completions.create.response = []
        with pytest.raises(AssertionError) as raised:
            chat_text()
        with pytest.raises(AssertionError, match="0 steps"):
            try:
                chat_text()
            except AssertionError as first:
                chat_text_or_fallback()
                raise first

    class TestUnittest(unittest.TestCase):
        @openai_responses.mock()
        def test_assert_raises(self, openai_mock):
            openai_mock.chat.completions.create.response = []
            with self.assertRaises(AssertionError):
                chat_text()

    def test_cleared(openai_mock):
        openai_mock.chat.completions.create.response = []
        assert chat_text_or_fallback() == "fallback"
        (mistake,) = openai_mock.mistakes
        assert mistake.request == "POST /v1/chat/completions"
        assert isinstance(mistake.error, AssertionError)
        openai_mock.mistakes.clear()

    FAULTS = [down, RuntimeError("down"), httpx.ConnectError("down"), openai_responses.error(400)]

    @pytest.mark.parametrize("response", FAULTS)
    def test_fault_that_the_test_sets(openai_mock, response):
        openai_mock.chat.completions.create.response = response
        assert chat_text_or_fallback(max_retries=0) == "fallback"
        assert openai_mock.mistakes == []

    @pytest.mark.parametrize("side_effect", [RuntimeError("down"), KeyError("set"), down])
    def test_fault_of_a_route_of_the_test(openai_mock, side_effect):
        openai_mock.router.post(url__regex=".*").mock(side_effect=side_effect)
        assert chat_text_or_fallback(max_retries=0) == "fallback"

    def test_expected_mistake_around_the_mock():
        with pytest.raises(AssertionError, match="only_scripted"), openai_responses.OpenAIMock(only_scripted=True):
            chat_text()

    class NoGroup(Exception):
        exceptions = None

    def test_exception_that_looks_like_a_group(openai_mock):
        with pytest.raises(NoGroup):
            raise NoGroup
"""


@pytest.fixture
def mistakes_report(run_suite):
    """Return the result of tests that fail because of a mistake, most of which the application caught."""
    return run_suite(with_helpers(MISTAKE_HELPERS, FAILING_MISTAKES_SUITE))


def test_mistake_that_the_application_caught_fails_the_test(mistakes_report):
    assert mistakes_report.parseoutcomes() == {"failed": 17}  # no errors at teardown


def test_mistake_that_the_test_expected_or_cleared_does_not_fail_the_test(run_suite):
    result = run_suite(with_helpers(MISTAKE_HELPERS, PASSING_MISTAKES_SUITE))
    assert result.parseoutcomes() == {"passed": 14}


def test_report_names_the_request_and_the_line_of_a_mistake(mistakes_report):
    mistakes_report.stdout.fnmatch_lines(["*POST /v1/chat/completions (test_it.py:*): KeyError: 'missing'*"])
    mistakes_report.stdout.fnmatch_lines(
        ["*If they were intended, call openai_mock.mistakes.clear() at the end of the test."]
    )


def test_report_of_another_error_lists_the_mistakes_in_a_section(mistakes_report):
    mistakes_report.stdout.fnmatch_lines(["*OpenAI mistakes that the application caught*"])
    assert "raised AssertionError" in mistakes_report.stdout.str()


def test_report_of_a_mistake_that_nothing_caught_names_it_once(mistakes_report):
    report = mistakes_report.stdout.str()
    _, _, following = report.partition("_ test_mistake_that_nothing_caught _")
    own_report, _, _ = following.partition("_ test_another_error _")
    assert "0 steps" in own_report
    assert "mistakes" not in own_report


def test_report_of_an_exception_that_a_mistake_caused_does_not_repeat_the_mistake(run_suite):
    suite = """
        def test_cause(openai_mock):
            openai_mock.chat.completions.create.response = []
            raise_app_error()
    """
    result = run_suite(with_helpers(MISTAKE_HELPERS, suite))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * test_it.AppError"])
    assert "OpenAI mistakes that the application caught" not in result.stdout.str()


def test_report_of_a_mistake_hides_the_frames_of_the_client(mistakes_report):
    assert "_base_client.py" not in mistakes_report.stdout.str()


def test_mistakes_are_checked_without_pytest():
    code = """
        import openai, openai_responses
        with openai_responses.OpenAIMock(only_scripted=True):
            try:
                openai.OpenAI(api_key="k").responses.create(model="m", input="Hi")
            except Exception:
                print("fallback")
    """
    completed = python("-c", textwrap.dedent(code), succeeds=False)
    assert completed.returncode == 1
    assert completed.stdout == "fallback\n"
    assert "AssertionError: the application caught exceptions of mistakes in this test" in completed.stderr
    assert "POST /v1/responses (<string>:5)" in completed.stderr


def test_mistake_in_a_batch_line_raises(openai_mock, client):
    openai_mock.chat.completions.create.response = lambda request: object()
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": CHAT_REQUEST}
    file = add_file(client, json.dumps(line).encode(), "in.jsonl", "batch")
    batch = client.batches.create(input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h")
    with pytest.raises(TypeError, match=r"chat\.completions\.create\.response cannot be <object"):
        for _ in range(3):
            client.batches.retrieve(batch.id)


@requires("responses.connect")
def test_mistake_over_a_websocket_fails_the_test():
    with (
        pytest.raises(AssertionError, match="the application caught exceptions of mistakes"),
        OpenAIMock() as openai_mock,
    ):
        openai_mock.responses.create.response = lambda request: {}["missing"]
        with contextlib.suppress(KeyError), sdk().responses.connect() as connection:
            connection.response.create(model="m", input="Hi")
            connection.recv()


@requires_uvicorn
def test_mistake_over_a_socket_fails_the_test(run_suite):
    suite = """
        def test_server(openai_server):
            openai_server.mock.chat.completions.create.response = []
            client = openai.OpenAI(api_key="sk-fake", base_url=openai_server.url)
            with pytest.raises(openai.InternalServerError):
                chat_text("Hi", client)
    """
    result = run_suite(with_helpers(suite))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the application caught exceptions of mistakes in this test*"])


# ======================================================================================================================
# INTERPLAY: other tools for tests, each suite in its own process
# ======================================================================================================================


# The `conftest.py` of each suite. It has the functions `patchable_attributes` and `changed_since` of this module.
LEFTOVER_CHECK = """
    import importlib, sys
    import pytest, respx

    for name in ("httpx", "httpx2", "aiohttp", "openai", "websockets.asyncio.client", "websockets.sync.client"):
        if importlib.util.find_spec(name.partition(".")[0]):
            importlib.import_module(name)

    @pytest.fixture(autouse=True)
    def check_that_patches_are_removed():
        before = patchable_attributes()
        yield
        assert changed_since(before) == []
        for mocker in respx.mocks.Mocker.registry.values():
            assert mocker.routers == []
"""

RANDOM_ORDER_SUITE = """
    import time

    mocks_of_tests = {}

    @pytest.mark.parametrize("number", range(8))
    @openai_responses.mock()
    def test_each_case_has_its_own_mock(number, openai_mock):
        assert openai_mock.requests == []
        assert list(openai_mock.state["files"]) == []
        openai_mock.chat.completions.create.response = str(number)
        assert chat_text() == str(number)
        file = openai.OpenAI(api_key="sk-fake").files.create(file=b"x", purpose="batch")
        assert file.id == "file-" + 23 * "0" + "1"

    @openai_responses.mock()
    def test_each_rerun_has_its_own_mock(openai_mock, request):
        earlier_mocks = mocks_of_tests.setdefault(request.node.name, [])
        assert openai_mock.requests == []
        for earlier_mock in earlier_mocks:
            assert openai_mock is not earlier_mock
        earlier_mocks.append(openai_mock)
        assert chat_text() == "This is a mock response."
        assert len(earlier_mocks) == 3  # fails twice

    @openai_responses.mock()
    async def test_each_rerun_of_a_coroutine_has_its_own_mock(openai_mock, request):
        earlier_mocks = mocks_of_tests.setdefault(request.node.name, [])
        assert openai_mock.requests == []
        for earlier_mock in earlier_mocks:
            assert openai_mock is not earlier_mock
        earlier_mocks.append(openai_mock)
        assert await chat_text_async() == "This is a mock response."
        assert len(earlier_mocks) == 2  # fails once

    with openai_responses.mock():
        chat_text()  # imports the SDK, which takes longer than the timeout of the next test on a slow machine

    @pytest.mark.timeout(1)
    @pytest.mark.xfail(strict=True)
    def test_timeout_ends_a_call(openai_mock):
        openai_mock.chat.completions.create.response = lambda request: time.sleep(20)
        chat_text()

    class TestCases(unittest.IsolatedAsyncioTestCase):
        @openai_responses.mock()
        async def test_coroutine_method_has_its_own_mock(self, openai_mock):
            assert await chat_text_async() == "This is a mock response."
            assert len(openai_mock.requests) == 1
"""

OTHER_MOCKS_SUITE = """
    import http.server, threading
    import aiohttp, vcr

    OTHER_URL = "https://other.test/"

    @pytest.fixture(scope="module")
    def server_url():
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args):
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}/"
            server.shutdown()
            thread.join()

    def get_status(url):
        with httpx.Client(trust_env=False) as client:
            return client.get(url).status_code

    def test_httpx_mock_after_the_fixture(openai_mock, httpx_mock):
        httpx_mock.add_response(url=OTHER_URL, status_code=204)
        assert chat_text() == "This is a mock response."
        assert get_status(OTHER_URL) == 204
        assert len(openai_mock.requests) == 1

    def test_httpx_mock_before_the_fixture(httpx_mock, openai_mock):
        httpx_mock.add_response(url=OTHER_URL, status_code=204)
        assert chat_text() == "This is a mock response."
        assert get_status(OTHER_URL) == 204
        assert len(openai_mock.requests) == 1

    @pytest.mark.asyncio
    @openai_responses.mock()
    async def test_httpx_mock_with_the_decorator(httpx_mock):
        httpx_mock.add_response(url=OTHER_URL, status_code=204)
        assert await chat_text_async() == "This is a mock response."
        async with httpx.AsyncClient() as client:
            response = await client.get(OTHER_URL)
        assert response.status_code == 204

    def test_httpx_mock_inside_a_second_mock(openai_mock, monkeypatch, request):
        with openai_responses.OpenAIMock() as inner:
            httpx_mock = request.getfixturevalue("httpx_mock")
            httpx_mock.add_response(url=OTHER_URL, status_code=204)
            assert chat_text() == "This is a mock response."
            assert get_status(OTHER_URL) == 204
            assert len(inner.requests) == 1

    @pytest.mark.httpx_mock(assert_all_requests_were_expected=False)
    def test_request_that_no_mock_answers(openai_mock, httpx_mock):
        with pytest.raises(httpx.TimeoutException, match="No response can be found"):
            get_status(OTHER_URL)
        with pytest.raises(AssertionError, match="the API has no endpoint"):
            get_status("https://api.openai.com/v1/nowhere")

    @pytest.mark.parametrize("outer", ["mock", "cassette"])
    def test_cassette_records_and_replays_only_other_requests(tmp_path, server_url, outer):
        path = tmp_path / "cassette.yaml"
        for record_mode in ("once", "none"):  # records first, then replays
            openai_mock = openai_responses.OpenAIMock()
            cassette = vcr.use_cassette(str(path), record_mode=record_mode)
            managers = {"mock": (openai_mock, cassette), "cassette": (cassette, openai_mock)}
            first, second = managers[outer]
            with first, second:
                assert chat_text() == "This is a mock response."
                assert get_status(server_url) == 204
            assert len(openai_mock.requests) == 1
        assert server_url in path.read_text()
        assert "openai" not in path.read_text()

    @pytest.mark.asyncio
    @pytest.mark.parametrize("outer", ["mock", "cassette"])
    async def test_cassette_records_and_replays_requests_of_aiohttp(tmp_path, server_url, outer):
        path = tmp_path / "cassette.yaml"
        for record_mode in ("once", "none"):  # records first, then replays
            openai_mock = openai_responses.OpenAIMock()
            cassette = vcr.use_cassette(str(path), record_mode=record_mode)
            managers = {"mock": (openai_mock, cassette), "cassette": (cassette, openai_mock)}
            first, second = managers[outer]
            with first, second:
                async with aiohttp.ClientSession() as session, session.get(server_url) as response:
                    assert response.status == 204
        assert server_url in path.read_text()

    @openai_responses.mock()
    @vcr.use_cassette("none.yaml", record_mode="none")
    def test_cassette_below_the_decorator(openai_mock):
        assert chat_text() == "This is a mock response."

    @pytest.mark.asyncio
    @vcr.use_cassette("none.yaml", record_mode="none")
    @openai_responses.mock()
    async def test_cassette_above_the_decorator(openai_mock):
        assert await chat_text_async() == "This is a mock response."

    @pytest.mark.vcr
    @pytest.mark.block_network
    def test_mark_of_pytest_recording(openai_mock):
        assert chat_text() == "This is a mock response."
"""

TRIO_SUITE = """
    import anyio

    pytestmark = pytest.mark.anyio

    CHUNK = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": None}],
    }

    @pytest.fixture(params=["asyncio", "trio"])
    def anyio_backend(request):
        return request.param

    def stream_chat(client):
        return client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True)

    @openai_responses.mock()
    async def test_concurrent_calls(openai_mock):
        async with openai.AsyncOpenAI(api_key="sk-fake") as client, anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(chat_text_async, client)
        assert len(openai_mock.requests) == 10

    async def test_coroutine_function_answers_both_clients(openai_mock):
        async def answer(request):
            await anyio.sleep(0.001)
            return "later"

        openai_mock.chat.completions.create.response = answer
        assert await chat_text_async() == "later"
        assert chat_text() == "later"

    async def test_generator_is_closed_if_the_stream_is_closed_or_cancelled(openai_mock):
        closed = []

        async def answer(request):
            try:
                while True:
                    yield CHUNK
                    await anyio.sleep(0)
            finally:
                closed.append(True)

        openai_mock.chat.completions.create.response = answer
        async with openai.AsyncOpenAI(api_key="sk-fake") as client:
            async with await stream_chat(client) as stream:
                async for event in stream:
                    break
            assert closed == [True]
            with anyio.move_on_after(0.05) as scope:
                async for event in await stream_chat(client):
                    pass
        assert scope.cancelled_caught
        assert closed == [True, True]

    async def test_delay_can_be_cancelled(openai_mock):
        openai_mock.chat.completions.create.response = openai_responses.streamed("a b", first_delay=60)
        async with openai.AsyncOpenAI(api_key="sk-fake") as client:
            with anyio.move_on_after(0.05) as scope:
                async for event in await stream_chat(client):
                    raise AssertionError("an event before the end of the delay")
        assert scope.cancelled_caught

    async def test_delayed_stream_arrives_whole(openai_mock):
        openai_mock.chat.completions.create.response = openai_responses.streamed("a b", delay=0.001)
        deltas = []
        async with openai.AsyncOpenAI(api_key="sk-fake") as client:
            async for event in await stream_chat(client):
                deltas.append(event.choices[0].delta.content or "")
        assert "".join(deltas) == "a b"

    async def test_mistake_raises(openai_mock):
        openai_mock.chat.completions.create.response = lambda request: 1 / 0
        with pytest.raises(ZeroDivisionError):
            await chat_text_async()
"""

APPLICATIONS_SUITE = """
    import contextlib, datetime
    import django, fastapi.testclient, freezegun, time_machine
    from django.conf import settings
    from django.http import HttpResponse
    from django.test import AsyncClient, Client
    from django.urls import path

    application = fastapi.FastAPI()

    @application.get("/plain")
    def plain():
        return chat_text()

    @application.get("/coroutine")
    async def coroutine():
        return await chat_text_async()

    @application.middleware("http")
    async def middleware(request, call_next):
        return await call_next(request)

    def plain_view(request):
        return HttpResponse(chat_text())

    async def coroutine_view(request):
        return HttpResponse(await chat_text_async())

    settings.configure(ALLOWED_HOSTS=["testserver"])
    settings.ROOT_URLCONF = (path("plain", plain_view), path("coroutine", coroutine_view))
    django.setup()

    def get_with_lifespan(path):
        with fastapi.testclient.TestClient(application) as client:
            return client.get(path)

    GET_FUNCTIONS = {
        "FastAPI": fastapi.testclient.TestClient(application).get,
        "FastAPI with lifespan": get_with_lifespan,
        "Django": Client().get,
    }

    @pytest.mark.parametrize("path", ["/plain", "/coroutine"])
    @pytest.mark.parametrize("name", GET_FUNCTIONS)
    def test_application_is_answered_and_raises_mistakes(openai_mock, name, path):
        openai_mock.chat.completions.create.response = ["It is sunny.", lambda request: 1 / 0]
        assert b"It is sunny." in GET_FUNCTIONS[name](path).content
        with pytest.raises(ZeroDivisionError, match="division by zero"):
            GET_FUNCTIONS[name](path)

    @pytest.mark.parametrize("path", ["/plain", "/coroutine"])
    async def test_asynchronous_client_is_answered_and_raises_mistakes(openai_mock, path):
        openai_mock.chat.completions.create.response = ["It is sunny.", lambda request: 1 / 0]
        response = await AsyncClient().get(path)
        assert response.content == b"It is sunny."
        with pytest.raises(ZeroDivisionError, match="division by zero"):
            await AsyncClient().get(path)

    START = 1_893_456_000

    @contextlib.contextmanager
    def freezegun_clock():
        with freezegun.freeze_time(datetime.datetime.fromtimestamp(START, datetime.timezone.utc)) as clock:
            yield lambda seconds: clock.tick(datetime.timedelta(seconds=seconds))

    @contextlib.contextmanager
    def time_machine_clock():
        with time_machine.travel(START, tick=False) as clock:
            yield clock.shift

    @pytest.mark.parametrize("clock", [freezegun_clock, time_machine_clock])
    def test_objects_expire_by_the_clock_of_the_test(openai_mock, clock):
        client = openai.OpenAI(api_key="sk-fake")
        with clock() as advance:
            file = client.files.create(
                file=b"x", purpose="batch", expires_after={"anchor": "created_at", "seconds": 3600}
            )
            store = client.vector_stores.create(expires_after={"anchor": "last_active_at", "days": 1})
            upload = client.uploads.create(bytes=1, filename="a", mime_type="text/plain", purpose="batch")
            assert file.created_at == START
            assert file.expires_at == START + 3600
            assert store.created_at == START
            advance(3601)
            assert client.files.list().data == []
            assert client.vector_stores.retrieve(store.id).status == "completed"
            with pytest.raises(openai.BadRequestError, match="is expired"):
                client.uploads.cancel(upload.id)
            advance(86400)
            assert client.vector_stores.retrieve(store.id).status == "expired"

    def test_http2_client_is_answered(openai_mock):
        with openai.DefaultHttpxClient(http2=True) as http_client:
            client = openai.OpenAI(api_key="sk-fake", http_client=http_client)
            assert chat_text(client=client) == "This is a mock response."

    async def test_asynchronous_http2_client_is_answered(openai_mock):
        async with openai.DefaultAsyncHttpxClient(http2=True) as http_client:
            client = openai.AsyncOpenAI(api_key="sk-fake", http_client=http_client)
            assert await chat_text_async(client) == "This is a mock response."
"""

OPENTELEMETRY_SUITE = """
    from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    UNKNOWN_FILE = "https://api.openai.com/v1/files/unknown"

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    @pytest.fixture(autouse=True)
    def clear_spans():
        exporter.clear()

    @pytest.fixture
    def instrumented():
        HTTPXClientInstrumentor().instrument(tracer_provider=provider)
        yield
        HTTPXClientInstrumentor().uninstrument()

    def span_statuses():
        return [span.attributes["http.status_code"] for span in exporter.get_finished_spans()]

    def make_calls(http_client):
        with http_client:
            client = openai.OpenAI(api_key="sk-fake", http_client=http_client)
            assert chat_text(client=client) == "This is a mock response."
            assert http_client.get(UNKNOWN_FILE).status_code == 404

    async def make_calls_async(http_client):
        async with http_client:
            client = openai.AsyncOpenAI(api_key="sk-fake", http_client=http_client)
            assert await chat_text_async(client) == "This is a mock response."
            response = await http_client.get(UNKNOWN_FILE)
            assert response.status_code == 404

    def test_instrumented_before_the_mock_starts(instrumented, openai_mock):
        make_calls(httpx.Client())
        assert span_statuses() == [200, 404]
        assert len(openai_mock.requests) == 2

    async def test_instrumented_before_the_mock_starts_async(instrumented, openai_mock):
        await make_calls_async(httpx.AsyncClient())
        assert span_statuses() == [200, 404]
        assert len(openai_mock.requests) == 2

    def test_instrumented_after_the_mock_starts(openai_mock, instrumented):
        make_calls(httpx.Client())
        assert span_statuses() == [200, 404]
        assert len(openai_mock.requests) == 2

    async def test_instrumented_after_the_mock_starts_async(openai_mock, instrumented):
        await make_calls_async(httpx.AsyncClient())
        assert span_statuses() == [200, 404]
        assert len(openai_mock.requests) == 2

    async def test_client_instrumented_before_the_mock_starts():
        http_client = httpx.Client()
        async_http_client = httpx.AsyncClient()
        HTTPXClientInstrumentor.instrument_client(http_client, tracer_provider=provider)
        HTTPXClientInstrumentor.instrument_client(async_http_client, tracer_provider=provider)
        with openai_responses.OpenAIMock() as openai_mock:
            make_calls(http_client)
            await make_calls_async(async_http_client)
        assert span_statuses() == [200, 404, 200, 404]
        assert len(openai_mock.requests) == 4

    async def test_client_instrumented_after_the_mock_starts():
        http_client = httpx.Client()
        async_http_client = httpx.AsyncClient()
        with openai_responses.OpenAIMock() as openai_mock:
            HTTPXClientInstrumentor.instrument_client(http_client, tracer_provider=provider)
            HTTPXClientInstrumentor.instrument_client(async_http_client, tracer_provider=provider)
            make_calls(http_client)
            await make_calls_async(async_http_client)
        assert span_statuses() == [200, 404, 200, 404]
        assert len(openai_mock.requests) == 4

    def test_streams_and_faults_have_spans(instrumented, openai_mock):
        openai_mock.chat.completions.create.response = [
            openai_responses.streamed("one two"),
            httpx.ConnectError("no route"),
        ]
        with httpx.Client() as http_client:
            client = openai.OpenAI(api_key="sk-fake", http_client=http_client, max_retries=0)
            chunks = client.chat.completions.create(model="m", messages=[], stream=True)
            assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "one two"
            with pytest.raises(openai.APIConnectionError):
                client.chat.completions.create(model="m", messages=[])
        assert len(exporter.get_finished_spans()) == 2

    def test_instrumentation_that_outlives_the_mock(request):
        with openai_responses.OpenAIMock():
            request.getfixturevalue("instrumented")
            make_calls(httpx.Client())
        with openai_responses.OpenAIMock() as later_mock:
            make_calls(httpx.Client())
            assert span_statuses() == [200, 404, 200, 404]
            assert len(later_mock.requests) == 2
        HTTPXClientInstrumentor().uninstrument()
        with openai_responses.OpenAIMock():
            make_calls(httpx.Client())
        assert len(span_statuses()) == 4
"""


class InterplaySuite(NamedTuple):
    """A test suite that runs with other tools for tests."""

    modules: list[str]  # that it needs
    options: list[str]  # of pytest
    outcomes: dict[str, int]  # the number of tests by outcome
    code: str


ASYNCIO_OPTIONS = ["-p", "pytest_asyncio.plugin", "-o", "asyncio_default_fixture_loop_scope=function"]
INTERPLAY_SUITES = {
    "random order": InterplaySuite(
        [
            "random_order",
            "pytest_repeat",
            "pytest_rerunfailures",
            "pytest_socket",
            "pytest_timeout",
            "xdist",
        ],
        [
            *("-p", "xdist", "-n", "2"),  # first, because pytest_rerunfailures imports it
            *ASYNCIO_OPTIONS,
            *("-o", "asyncio_mode=auto"),
            *("-p", "random_order", "--random-order", "--random-order-bucket=global"),
            *("-p", "pytest_repeat", "--count", "2"),
            *("-p", "pytest_rerunfailures", "--reruns", "2"),
            *("-p", "pytest_socket", "--disable-socket", "--allow-unix-socket"),
            *("-p", "pytest_timeout", "--timeout", "50"),
        ],
        {"passed": 21, "xfailed": 2, "rerun": 6},
        RANDOM_ORDER_SUITE,
    ),
    "other mocks": InterplaySuite(
        ["aiohttp", "pytest_httpx", "pytest_recording", "vcr"],
        [*ASYNCIO_OPTIONS, "-o", "asyncio_mode=strict", "-p", "pytest_httpx", "-p", "pytest_recording.plugin"],
        {"passed": 12},
        OTHER_MOCKS_SUITE,
    ),
    "trio": InterplaySuite(["anyio", "trio"], ["-p", "anyio.pytest_plugin"], {"passed": 12}, TRIO_SUITE),
    "tracing": InterplaySuite(
        ["opentelemetry.instrumentation.httpx", "opentelemetry.sdk"],
        [*ASYNCIO_OPTIONS, "-o", "asyncio_mode=auto"],
        {"passed": 8},
        OPENTELEMETRY_SUITE,
    ),
    "applications and clocks": InterplaySuite(
        ["django", "fastapi", "freezegun", "h2", "time_machine"],
        [*ASYNCIO_OPTIONS, "-o", "asyncio_mode=auto", "-p", "time_machine"],
        {"passed": 12},
        APPLICATIONS_SUITE,
    ),
}
IGNORED_WARNINGS = [
    "Async generator 'openai._streaming:ResourceWarning",  # under trio, the SDK does not close its generators
    "Using `httpx` with",
    ":DeprecationWarning",
]


def is_installed(module):
    """Return True if a module can be imported. It is not imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the parent of the module is missing
        return False


@pytest.mark.parametrize("name", INTERPLAY_SUITES)
def test_interplay(run_suite, tmp_path, name):
    suite = INTERPLAY_SUITES[name]
    missing = [module for module in suite.modules if not is_installed(module)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    helper_sources = [inspect.getsource(patchable_attributes), inspect.getsource(changed_since)]
    conftest = [inspect.cleandoc(LEFTOVER_CHECK), f"PATCHED = {PATCHED}", *helper_sources]
    (tmp_path / "conftest.py").write_text("\n\n".join(conftest), encoding="utf-8")
    warning_options = ["-W", "error"]
    for warning in IGNORED_WARNINGS:
        warning_options += ["-W", f"ignore:{warning}"]
    result = run_suite(with_helpers(suite.code), *suite.options, *warning_options, apart=True)
    assert result.ret == 0, result.stdout.str() + result.stderr.str()
    outcomes = result.parseoutcomes()
    outcomes.pop("warnings", None)
    assert outcomes == suite.outcomes


# ======================================================================================================================
# THE DOCUMENTATION
# ======================================================================================================================


class Block(NamedTuple):
    """An example: its file, the line where its code begins, and the code."""

    file: pathlib.Path
    line: int
    code: str


def page_blocks(page):
    """Yield the fenced Python blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for match in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Block(page, text.count("\n", 0, match.start(1)) + 1, match[1])


def docstring_blocks(module):
    """Yield the indented blocks of docstrings, without the list of sections in the module's docstring."""
    source = module.read_text(encoding="utf-8")
    for docstring in re.finditer(r'^ *"""(.*?)"""$', source, re.MULTILINE | re.DOTALL):
        text = inspect.cleandoc(docstring[1]) + "\n"
        for match in re.finditer(r"(?<=\n\n)(?: {4}.*\n|\n(?= {4}))+", text):
            code = textwrap.dedent(match[0])
            if not code[:2].isupper():
                line = source.count("\n", 0, docstring.start()) + text.count("\n", 0, match.start()) + 1
                yield Block(module, line, code)


def block_id(block):
    """Return the test ID of an example: its file and line."""
    return f"{block.file.relative_to(ROOT)}:{block.line}"


DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", DOCS / "llms.txt", *sorted([*DOCS.glob("*.md"), *DOCS.glob("development/*.md")])]
PAGE_BLOCKS = [block for page in PAGES for block in page_blocks(page)]
DOCSTRING_BLOCKS = list(docstring_blocks(ROOT / "openai_responses.py"))
PUBLIC_NAMES = {name: getattr(openai_responses, name) for name in openai_responses.__all__}


def execute(block, **names):
    """Run an example in a new namespace, and return the namespace. Tracebacks show the lines of the page."""
    namespace = {"__name__": "example", **names}
    exec(compile("\n" * (block.line - 1) + block.code, str(block.file), "exec"), namespace)
    return namespace


def call_test(test):
    """Call a test function as pytest does: with a mock, unless a decorator provides it."""
    arguments = {}
    with OpenAIMock() as openai_mock:
        if "openai_mock" in inspect.signature(test).parameters and not hasattr(test, "openai_mock"):
            arguments["openai_mock"] = openai_mock
        result = test(**arguments)
        if inspect.isawaitable(result):
            asyncio.run(awaited(result))


def needs_pytest(code):
    """Return True if an example has more than plain test functions."""
    return "@pytest." in code or "unittest" in code or "\nclass Test" in code


@pytest.mark.parametrize("block", [block for block in PAGE_BLOCKS if not needs_pytest(block.code)], ids=block_id)
def test_example_of_a_page_runs(block, monkeypatch):
    skip_if_missing(block.code)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-fake")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    namespace = execute(block)
    tests = [value for name, value in namespace.items() if name.startswith("test_")]
    assert tests or "def test_" not in block.code
    for test in tests:
        call_test(test)


@pytest.mark.parametrize("block", [block for block in PAGE_BLOCKS if needs_pytest(block.code)], ids=block_id)
def test_example_of_a_page_runs_with_pytest(block, run_suite, monkeypatch):
    skip_if_missing(block.code)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-fake")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    result = run_suite(block.code, "-p", "pytest_asyncio.plugin")
    assert result.ret == 0, result.stdout.str()
    assert result.parseoutcomes()["passed"] > 0


@pytest.mark.parametrize("block", DOCSTRING_BLOCKS, ids=block_id)
def test_example_of_a_docstring_runs(block, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-fake")
    with OpenAIMock() as openai_mock:
        example_names = PUBLIC_NAMES | {
            "openai": openai,
            "openai_responses": openai_responses,
            "openai_mock": openai_mock,
            "re": re,
            "create": openai_mock.chat.completions.create,
            "client": sdk(),
        }
        namespace = execute(block, **example_names)
    for name in namespace.keys() - example_names.keys():
        if name.startswith("test_"):
            call_test(namespace[name])


def test_docs_are_collected():
    assert {block.file.name for block in PAGE_BLOCKS} >= {"README.md", "scripting.md", "streaming.md", "state.md"}
    assert DOCSTRING_BLOCKS


# ---- the lines of the page of tasks ----------------------------------------------------------------------------------


TASK_REQUEST = {"model": "gpt-5.5", "input": "Hi"}
# the wish and the line of each row
TASKS = dict(re.findall(r"^\| (.+?) \| `(.+)` \| \[", (DOCS / "tasks.md").read_text(encoding="utf-8"), re.MULTILINE))


def run_task(line, openai_mock):
    """Run a line of the page of tasks after one call, and return the names that it can use and set.

    `printed` is what the line prints.
    """
    sdk().responses.create(**TASK_REQUEST)
    names = PUBLIC_NAMES | {
        "httpx": httpx,
        "openai": openai,
        "pytest": pytest,
        "openai_mock": openai_mock,
        "create": openai_mock.responses.create,
        "client": sdk(),
        "store": sdk().vector_stores.create(),
    }
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(line, names)
    return names | {"printed": output.getvalue()}


def task_text(**options):
    """Return the text of a response to the request of the page."""
    return sdk().responses.create(**TASK_REQUEST | options).output_text


def task_output(**options):
    """Return the output items of a response to the request of the page."""
    return sdk().responses.create(**TASK_REQUEST | options).output


def task_events():
    """Return an iterator over the events of a streamed response to the request of the page."""
    return sdk().responses.create(**TASK_REQUEST, stream=True)


@pytest.mark.parametrize(
    "wish, texts",
    [
        ("say something", ["It is sunny.", "It is sunny."]),
        ("answer in my JSON schema", ['{"name": "Oslo", "people": 700000}']),
        ("say one thing first, another the next time", ["First.", "Second."]),
        ("answer by what was asked", ["You asked gpt-5.5."]),
        ("limit the rate once, then work", ["Here I am."]),
        ("fail twice, then work", ["Here I am."]),
        ("fail once, then behave as ever", [openai_responses._DEFAULT_TEXT]),
        ("say when to try again", ["Here I am."]),
    ],
)
def test_line_of_the_tasks_page_sets_the_texts(openai_mock, wish, texts):
    run_task(TASKS[wish], openai_mock)
    assert [task_text() for _ in texts] == texts


@pytest.mark.parametrize(
    "wish, statuses",
    [
        ("limit the rate once, then work", [429, 200]),
        ("fail twice, then work", [500, 503, 200]),
        ("fail once, then behave as ever", [500, 200]),
        ("say when to try again", [429, 200]),
    ],
)
def test_line_of_the_tasks_page_sets_errors_that_the_client_retries(openai_mock, wish, statuses):
    run_task(TASKS[wish], openai_mock)
    task_text()
    assert [record.status for record in openai_mock.responses.create.requests] == [200, *statuses]


def test_line_of_the_tasks_page_sets_when_to_try_again(openai_mock):
    run_task(TASKS["say when to try again"], openai_mock)
    task_text()
    assert openai_mock.responses.create.requests[1].response.headers["retry-after-ms"] == "10"


@pytest.mark.parametrize(
    "wish, names",
    [
        ("call a tool", ["get_weather"]),
        ("call a tool, then answer", ["get_weather"]),
        ("call two tools at once", ["get_weather", "get_time"]),
    ],
)
def test_line_of_the_tasks_page_sets_tool_calls(openai_mock, wish, names):
    run_task(TASKS[wish], openai_mock)
    calls = task_output()
    assert [call.type for call in calls] == ["function_call"] * len(names)
    assert [call.name for call in calls] == names
    assert json.loads(calls[0].arguments).keys() == {"city"}


def test_line_of_the_tasks_page_sets_a_tool_call_and_then_an_answer(openai_mock):
    run_task(TASKS["call a tool, then answer"], openai_mock)
    assert task_text() == ""
    assert task_text() == "It is sunny."


def test_line_of_the_tasks_page_sets_a_refusal(openai_mock):
    run_task(TASKS["refuse"], openai_mock)
    (part,) = task_output()[0].content
    assert part.type == "refusal"
    assert part.refusal == "I'd rather not."


@pytest.mark.parametrize(
    "wish, reason, text",
    [
        ("stop at the token limit", "max_output_tokens", "It all began when"),
        ("be stopped by the content filter", "content_filter", "Take a"),
    ],
)
def test_line_of_the_tasks_page_sets_an_incomplete_response(openai_mock, wish, reason, text):
    run_task(TASKS[wish], openai_mock)
    response = sdk().responses.create(**TASK_REQUEST)
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == reason
    assert response.output_text == text


def test_line_of_the_tasks_page_sets_reasoning(openai_mock):
    run_task(TASKS["think first"], openai_mock)
    reasoning_item, message = task_output()
    assert reasoning_item.type == "reasoning"
    assert message.content[0].text == "4"


def test_line_of_the_tasks_page_sets_a_citation(openai_mock):
    run_task(TASKS["cite a source"], openai_mock)
    (part,) = task_output()[0].content
    assert part.text == "Look: it rains"
    assert [annotation.url for annotation in part.annotations] == ["https://example.com/rain"]


@pytest.mark.parametrize(
    "wish, matching, other, text",
    [
        ("answer one question only", {"input": "How is the weather?"}, {}, "It is sunny."),
        ("answer for one model only", {}, {"model": "gpt-4o"}, "I am large."),
        (
            "answer once the tool result is there",
            {
                "input": [
                    {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
                    {"type": "function_call_output", "call_id": "call_1", "output": "rain"},
                ]
            },
            {},
            "It rains.",
        ),
    ],
)
def test_line_of_the_tasks_page_sets_a_rule(openai_mock, wish, matching, other, text):
    run_task(TASKS[wish], openai_mock)
    assert task_text(**matching) == text
    assert task_text(**other) == openai_responses._DEFAULT_TEXT


def test_line_of_the_tasks_page_sets_the_usage(openai_mock):
    run_task(TASKS["use so many tokens"], openai_mock)
    usage = sdk().responses.create(**TASK_REQUEST).usage
    assert usage.input_tokens == 1000
    assert usage.output_tokens == 50


def test_line_of_the_tasks_page_sets_fields(openai_mock):
    run_task(TASKS["answer with fields of mine"], openai_mock)
    response = sdk().responses.create(**TASK_REQUEST)
    assert response.output_text == "Hi"
    assert response.status == "incomplete"


def test_line_of_the_tasks_page_sets_a_vector(openai_mock, client):
    run_task(TASKS["give a vector"], openai_mock)
    assert client.embeddings.create(model="m", input="x").data[0].embedding == [0.1, 0.2, 0.3]


def test_line_of_the_tasks_page_sets_a_transcription(openai_mock, client):
    run_task(TASKS["hear something"], openai_mock)
    assert client.audio.transcriptions.create(file=b"x", model="m").text == "Good morning."


def test_line_of_the_tasks_page_sets_speech(openai_mock, client):
    run_task(TASKS["speak"], openai_mock)
    assert client.audio.speech.create(model="m", voice="alloy", input="x").read() == b"RIFF"


def test_line_of_the_tasks_page_sets_an_image(openai_mock, client):
    run_task(TASKS["paint"], openai_mock)
    (image,) = client.images.generate(prompt="x").data
    assert base64.b64decode(image.b64_json) == b"\x89PNG"


def test_line_of_the_tasks_page_sets_a_flag(openai_mock, client):
    run_task(TASKS["flag a text"], openai_mock)
    assert client.moderations.create(input="x").results[0].flagged is True


@requires("realtime.connect")
def test_line_of_the_tasks_page_sets_the_speech_of_a_voice_session(openai_mock, client):
    run_task(TASKS["talk in a voice session"], openai_mock)
    with client.realtime.connect(model="gpt-realtime") as connection:
        connection.response.create()
        done = next(event for event in connection if event.type == "response.done")
    assert done.response.output[0].content[0].transcript == "It is sunny."


@requires("responses.connect")
def test_line_of_the_tasks_page_sets_the_text_over_a_websocket(openai_mock, client):
    run_task(TASKS["talk over a WebSocket"], openai_mock)
    with client.responses.connect() as connection:
        connection.response.create(**TASK_REQUEST)
        completed = next(event for event in connection if event.type == "response.completed")
    assert completed.response.output_text == "It is sunny."


@pytest.mark.parametrize(
    "wish, exception, message",
    [
        ("fail for good", openai.InternalServerError, "The server had an error"),
        ("find my prompt too long", openai.BadRequestError, "Too long."),
        ("not know my key", openai.AuthenticationError, "Incorrect API key provided"),
        ("time out", openai.APITimeoutError, "Request timed out"),
        ("be out of reach", openai.APIConnectionError, "Connection error"),
    ],
)
def test_line_of_the_tasks_page_sets_an_exception(openai_mock, client, wish, exception, message):
    run_task(TASKS[wish], openai_mock)
    with pytest.raises(exception, match=message) as raised:
        client.with_options(max_retries=0).responses.create(**TASK_REQUEST)
    assert type(raised.value) is exception


def test_line_of_the_tasks_page_sets_the_code_of_an_error(openai_mock):
    run_task(TASKS["find my prompt too long"], openai_mock)
    with pytest.raises(openai.BadRequestError) as raised:
        task_text()
    assert raised.value.code == "context_length_exceeded"


def test_line_of_the_tasks_page_sets_a_delay_between_events(openai_mock):
    run_task(TASKS["stream slowly"], openai_mock)
    started = time.perf_counter()
    with task_events() as events:
        next(events)
        next(events)
    assert time.perf_counter() - started >= 0.05


def test_line_of_the_tasks_page_sets_the_size_of_the_pieces(openai_mock):
    run_task(TASKS["stream in small pieces"], openai_mock)
    deltas = [event.delta for event in task_events() if event.type == "response.output_text.delta"]
    assert deltas == ["Hel", "lo ", "the", "re"]


def test_line_of_the_tasks_page_breaks_a_stream(openai_mock):
    run_task(TASKS["break off in the middle of a stream"], openai_mock)
    events_read = []
    with pytest.raises(BROKEN_CONNECTION_ERROR):
        events_read.extend(task_events())
    assert len(events_read) == 3


def test_line_of_the_tasks_page_sends_an_error_in_a_stream(openai_mock):
    run_task(TASKS["send an error in the middle of a stream"], openai_mock)
    events_read = []
    with pytest.raises(openai.APIError, match=r"Overloaded\."):
        events_read.extend(task_events())
    assert len(events_read) == 3


def test_line_of_the_tasks_page_ends_a_stream_too_early(openai_mock):
    run_task(TASKS["end a stream too early, without an error"], openai_mock)
    assert len(list(task_events())) == 3


def test_line_of_the_tasks_page_uploads_a_file(openai_mock, client):
    run_task(TASKS["a file to be there"], openai_mock)
    (file,) = client.files.list().data
    assert file.filename == "notes.txt"
    assert file.purpose == "user_data"
    assert client.files.content(file.id).read() == b"Buy milk."


def test_line_of_the_tasks_page_adds_a_file_that_a_search_finds(openai_mock, client):
    names = run_task(TASKS["a file search to find my text"], openai_mock)
    (hit,) = client.vector_stores.search(names["store"].id, query="cats").data
    assert hit.filename == "pets.txt"
    assert hit.content[0].text == "Cats sleep."


def test_line_of_the_tasks_page_stores_an_object(openai_mock, client):
    run_task(TASKS["an object that no call made"], openai_mock)
    assert client.models.retrieve("ft:mine").id == "ft:mine"


@requires("videos.create")
def test_line_of_the_tasks_page_fails_a_job(openai_mock, client):
    run_task(TASKS["a job to fail"], openai_mock)
    assert client.videos.create_and_poll(prompt="x").status == "failed"


def test_line_of_the_tasks_page_makes_a_run_wait_for_tools(openai_mock, client):
    run_task(TASKS["a run to wait for my tools"], openai_mock)
    thread = add_thread(client, "How is the weather?")
    runs = client.beta.threads.runs
    run = runs.create_and_poll(thread_id=thread, assistant_id=add_assistant(client))
    assert run.status == "requires_action"
    (call,) = run.required_action.submit_tool_outputs.tool_calls
    assert call.function.name == "get_weather"
    outputs = [{"tool_call_id": call.id, "output": "rain"}]
    run = runs.submit_tool_outputs_and_poll(run_id=run.id, thread_id=thread, tool_outputs=outputs)
    assert run.status == "completed"
    assert thread_texts(client, thread)[-1] == "It rains."


def test_line_of_the_tasks_page_fails_a_line_of_a_batch(openai_mock, client):
    run_task(TASKS["a batch with a line that failed"], openai_mock)
    line = {"method": "POST", "url": "/v1/chat/completions", "body": CHAT_REQUEST}
    lines = [json.dumps(line | {"custom_id": "a"}), json.dumps(line | {"custom_id": "b"})]
    file = add_file(client, "\n".join(lines).encode(), "in.jsonl", "batch")
    batch = client.batches.create(input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h")
    while batch.status != "completed":
        batch = client.batches.retrieve(batch.id)
    assert batch.request_counts.completed == 1
    assert batch.request_counts.failed == 1


def test_line_of_the_tasks_page_resets_the_mock(openai_mock, client):
    openai_mock.responses.create.response = "set"
    run_task(TASKS["to start over"], openai_mock)
    assert openai_mock.requests == []
    assert client.vector_stores.list().data == []
    assert task_text() == openai_responses._DEFAULT_TEXT


@pytest.mark.parametrize(
    "wish",
    [
        "that it was called once",
        "that it was not called",
        "that this was sent",
        "what was sent",
        "which tools were offered",
        "whether it was a retry",
        "that no answer I set is left over",
    ],
)
def test_line_of_the_tasks_page_asserts_what_was_sent(openai_mock, client, wish):
    names = run_task(TASKS[wish], openai_mock)  # passes after one call
    openai_mock.reset()
    openai_mock.responses.create.response = [error(500), "first", "second", "third"]
    task_text(input="Other", tools=[RESPONSES_TOOL])
    task_text(model="gpt-4o")
    client.embeddings.create(model="m", input="x", encoding_format="float")
    with pytest.raises(AssertionError):
        exec(TASKS[wish], names)


def test_line_of_the_tasks_page_prints_every_request(openai_mock):
    names = run_task(TASKS["every request, in order"], openai_mock)
    assert names["printed"] == "<responses.create gpt-5.5: 200>\n<vector_stores.create: 200>\n"


@pytest.mark.parametrize(
    "wish, mark",
    [
        ("no request of this file to leave the process", pytest.mark.usefixtures("openai_mock")),
        ("no answer that is made up", pytest.mark.openai_mock(only_scripted=True)),
        ("wrong parameters to be refused", pytest.mark.openai_mock(strict=True)),
        ("another address than OpenAI's", pytest.mark.openai_mock(base_url="http://localhost:8000/v1")),
    ],
)
def test_line_of_the_tasks_page_marks_a_file(openai_mock, wish, mark):
    names = run_task(TASKS[wish], openai_mock)
    assert names["pytestmark"] == mark


@pytest.mark.parametrize("wish", ["Azure", "a region, Bedrock or Vertex"])
def test_line_of_the_tasks_page_makes_a_client_of_another_host(openai_mock, wish):
    names = run_task(TASKS[wish], openai_mock)
    assert names["client"].responses.create(**TASK_REQUEST).output_text == openai_responses._DEFAULT_TEXT


def test_line_of_the_tasks_page_refuses_a_token_to_a_workload(openai_mock):
    run_task(TASKS["no token for my workload"], openai_mock)
    assert httpx.post("https://auth.openai.com/oauth/token").status_code == 401


def test_line_of_the_tasks_page_makes_an_http_client_with_a_transport(openai_mock):
    names = run_task(TASKS["a client to hand over"], openai_mock)
    client = new_client(base_url="https://any.test/v1", http_client=names["http_client"])
    assert client.responses.create(**TASK_REQUEST).output_text == openai_responses._DEFAULT_TEXT


def test_line_of_the_tasks_page_answers_another_service(openai_mock):
    run_task(TASKS["another service answered, too"], openai_mock)
    assert httpx.get("https://weather.example/today").json() == {"sky": "blue"}


def test_line_of_the_tasks_page_lets_requests_to_a_server_through(openai_mock):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args):
            pass

    run_task(TASKS["requests to my own server let through"], openai_mock)
    with http.server.HTTPServer(("localhost", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with httpx.Client(trust_env=False) as http_client:
            assert http_client.get(f"http://localhost:{server.server_port}/").status_code == 204
        thread.join()


def test_line_of_the_tasks_page_signs_a_webhook(openai_mock, client):
    posted = run_task(TASKS["a signed webhook"], openai_mock)["posted"]
    event = client.webhooks.unwrap(posted.body, posted.headers, secret="whsec_c2VjcmV0")
    assert event.type == "response.completed"
    assert event.data.id == "resp_1"


def test_line_of_the_tasks_page_makes_a_mock_without_pytest(openai_mock):
    own_mock = run_task(TASKS["the mock without pytest"], openai_mock)["openai_mock"]
    assert own_mock is not openai_mock
    with own_mock:
        assert task_text() == "Hi"


def test_every_line_of_the_tasks_page_has_a_test():
    source = pathlib.Path(__file__).read_text(encoding="utf-8")
    assert TASKS
    assert [wish for wish in TASKS if f'"{wish}"' not in source] == []


# ---- what follows from the module ------------------------------------------------------------------------------------


def test_page_of_endpoints_is_up_to_date():
    generated = runpy.run_path(str(DOCS / "development" / "make_endpoints.py"))["page"]()
    on_disk = (DOCS / "endpoints.md").read_bytes().decode()
    assert on_disk == generated, "the route table has changed: run python docs/development/make_endpoints.py"


@pinned_release
def test_readme_has_the_figures_of_the_sdk_release():
    figures = runpy.run_path(str(DOCS / "development" / "figures.py"))["figures"]()
    line = f"| openai {openai.__version__} | {figures} |"
    assert line in (ROOT / "README.md").read_text(encoding="utf-8"), f"the README should say: {line}"


def test_example_models_are_not_deprecated():
    # each of these files of the SDK has the deprecated models among its literals, with a comment
    sources = ["audio_model.py", "realtime/realtime_session_create_request.py", "shared/chat_model.py"]
    source = "".join((SDK_TYPES / name).read_text(encoding="utf-8") for name in sources)
    deprecated = set()
    for names in re.findall(r'^ *- ("[^:]+):', source, re.MULTILINE):
        deprecated.update(re.findall('"([^"]+)"', names))
    text = "".join(page.read_text(encoding="utf-8") for page in [*PAGES, DOCS / "example.py"])
    model_names = set(re.findall(r"""(?:model"?[=:] ?|models\.retrieve\()["']([\w.-]+)""", text))
    assert openai_responses._DEFAULT_MODEL in model_names
    assert model_names & deprecated == set()


# ---- links and the example script ------------------------------------------------------------------------------------


def anchors(page):
    """Return the anchors of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_have_existing_targets(page):
    for link in re.findall(r"\]\((?!https://)([^)]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        target = page
        if path:
            target = page.parent / path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.filterwarnings("error")
def test_example_script_prints_the_responses(monkeypatch, capsys):
    for key in [key for key in os.environ if key.startswith("OPENAI_")]:
        monkeypatch.delenv(key)
    runpy.run_path(str(DOCS / "example.py"), run_name="__main__")
    printed = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert printed["plain"] == "Hello! How can I help?"
    assert printed["streamed"].replace("|", "") == "Hello! How can I help?"
    assert printed["tool loop"] == "get_weather(Tokyo) -> It is sunny in Tokyo."
    assert printed["search"] == "pets.txt says: Cats sleep most of the day."
    assert printed["error"] == "429, then: Here I am."


# ======================================================================================================================
# TYPE STUBS
# ======================================================================================================================


STUBS = ROOT / "openai_responses-stubs"

STUB_TREE = ast.parse(
    "".join((STUBS / name).read_text(encoding="utf-8") for name in ("__init__.pyi", "_endpoints.pyi"))
)
STUB_CLASSES = {node.name: node for node in STUB_TREE.body if isinstance(node, ast.ClassDef)}


def stub_attributes(name):
    """Return the annotated attributes of a class and its bases, as source by name."""
    node = STUB_CLASSES.get(name)
    if node is None:
        return {}
    attributes = {}
    for base in node.bases:
        attributes |= stub_attributes(ast.unparse(base))
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign):
            attributes[statement.target.id] = ast.unparse(statement.annotation)
    return attributes


def stub_leaves(name, is_leaf, prefix=""):
    """Return the types below a class for which `is_leaf` is true, by dotted name."""
    leaves = {}
    for attribute, annotation in stub_attributes(name).items():
        dotted = f"{prefix}{attribute}"
        if is_leaf(annotation):
            leaves[dotted] = annotation
        leaves |= stub_leaves(annotation, is_leaf, f"{dotted}.")
    return leaves


def stub_endpoints():
    """Return the types of all endpoints in the stubs, by dotted name."""
    return stub_leaves("OpenAIMock", lambda annotation: annotation.endswith("Endpoint"))


def test_stubs_are_up_to_date():
    generated = runpy.run_path(str(ROOT / "docs" / "development" / "make_stubs.py"))["stub"]()
    on_disk = (STUBS / "_endpoints.pyi").read_bytes().decode()
    assert on_disk == generated, "the table has changed since: run python docs/development/make_stubs.py"


def test_stubs_import_only_public_names_from_each_other():
    """Check this because jedi doesn't complete private names."""
    imported_names = set()
    for path in STUBS.rglob("*.pyi"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.level:
                imported_names.update(alias.name for alias in node.names)
    assert "Endpoint" in imported_names
    assert not [name for name in imported_names if name.startswith("_")]


def test_stubs_define_each_class_once():
    names = [node.name for node in STUB_TREE.body if isinstance(node, ast.ClassDef)]
    assert len(names) == len(set(names))


def test_stubs_define_exactly_the_endpoints_of_the_table():
    assert set(stub_endpoints()) == {row.name for row in ROUTES} | set(HELPERS)
    assert set(ENDPOINT_NAMES) <= set(stub_endpoints())


def test_stubs_define_exactly_the_resources_of_the_state():
    def is_resource(annotation):
        if annotation in ("Objects", "ContentStore"):
            return True
        node = STUB_CLASSES.get(annotation)
        return node is not None and "Objects" in map(ast.unparse, node.bases)

    resources = stub_leaves("StateStore", is_resource)
    assert set(resources) == set(_RESOURCES)
    content_resources = {name for name, annotation in resources.items() if annotation == "ContentStore"}
    assert content_resources == set(CONTENT_RESOURCES)
    store = StateStore()
    for name in resources:
        assert isinstance(lookup(store, name), openai_responses.Objects), name


@pytest.mark.parametrize(
    ("value", "endpoint_types"),
    [
        ("text", {"TextEndpoint", "BinaryEndpoint"}),
        (b"bytes", {"BinaryEndpoint", "ImageEndpoint"}),
        ([[0.5, 1]], {"VectorEndpoint"}),
        (cut("turn"), {"TextEndpoint"}),
        ({}, {"ObjectEndpoint", "TextEndpoint", "BinaryEndpoint", "ImageEndpoint", "VectorEndpoint"}),
    ],
    ids=["text", "bytes", "vectors", "turn", "dict"],
)
def test_stubs_accept_the_same_values_as_endpoints(value, endpoint_types):
    openai_mock = OpenAIMock()
    accepted = set()
    for name in ENDPOINT_NAMES:
        with contextlib.suppress(TypeError):
            lookup(openai_mock, name).response = value
            accepted.add(name)
    types_of_endpoints = stub_endpoints()
    assert accepted == {name for name in ENDPOINT_NAMES if types_of_endpoints[name] in endpoint_types}


def stub_parameters(node):
    """Return the name and kind of each parameter of a function in the stubs, and whether it has a default."""
    kinds = inspect.Parameter
    arguments = node.args
    positional = [(arg.arg, kinds.POSITIONAL_ONLY) for arg in arguments.posonlyargs]
    positional += [(arg.arg, kinds.POSITIONAL_OR_KEYWORD) for arg in arguments.args]
    first_default = len(positional) - len(arguments.defaults)
    parameters = [(name, kind, index >= first_default) for index, (name, kind) in enumerate(positional)]
    if arguments.vararg:
        parameters.append((arguments.vararg.arg, kinds.VAR_POSITIONAL, False))
    for arg, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        parameters.append((arg.arg, kinds.KEYWORD_ONLY, default is not None))
    if arguments.kwarg:
        parameters.append((arguments.kwarg.arg, kinds.VAR_KEYWORD, False))
    return parameters


def stub_functions(body, prefix=""):
    """Return the public functions and methods of the stubs by dotted name. Of overloads, it is the last."""
    found = {}
    for node in body:
        name = getattr(node, "name", "_")
        is_public = not name.startswith("_")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (is_public or name == "__init__"):
            found[f"{prefix}{name}"] = node
        if isinstance(node, ast.ClassDef) and is_public and name != "ContentStore":
            found |= stub_functions(node.body, f"{name}.")
    return found


@pytest.mark.parametrize("name", stub_functions(STUB_TREE.body))
def test_stubs_declare_the_parameters_of_functions(name):
    node = stub_functions(STUB_TREE.body)[name]
    member = lookup(openai_responses, name)
    if isinstance(member, property | functools.cached_property):
        assert ast.unparse(node.decorator_list[0]).endswith(("property", "setter", "deleter"))
        return
    parameters = inspect.signature(member).parameters.values()
    assert stub_parameters(node) == [
        (parameter.name, parameter.kind, parameter.default is not parameter.empty) for parameter in parameters
    ]


@pytest.mark.parametrize(
    "name", ["OpenAIMock", "Endpoint", "Rule", "Objects", "MockTransport", "EventStream", "AsyncEventStream"]
)
def test_stubs_declare_the_public_methods_of_classes(name):
    public_names = set()
    stub_names = set()
    for cls in getattr(openai_responses, name).__mro__:
        if cls.__module__ != "openai_responses" or cls.__name__.startswith("_"):
            continue
        public_names.update(attribute for attribute in vars(cls) if not attribute.startswith("_"))
        stub_names.update(dotted.partition(".")[2] for dotted in stub_functions([STUB_CLASSES[cls.__name__]]))
    assert public_names == stub_names - {"__init__"}


@pytest.mark.parametrize("name", ["Record", "Turn", "ToolCall", "Citation", "Streamed", "Pace"])
def test_stubs_declare_the_fields_of_dataclasses(name):
    fields = [field.name for field in dataclasses.fields(getattr(openai_responses, name))]
    assert list(stub_attributes(name)) == [field for field in fields if not field.startswith("_")]


def test_stubs_export_the_same_names_as_the_module():
    assigned = {ast.unparse(node.targets[0]): node.value for node in STUB_TREE.body if isinstance(node, ast.Assign)}
    exported = ast.literal_eval(assigned["__all__"])
    assert exported == openai_responses.__all__
    defined = set()
    for node in STUB_TREE.body:
        if hasattr(node, "name"):
            defined.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            defined.update(alias.name for alias in node.names)
    assert set(exported) <= defined


def submodule_trees():
    """Return the syntax trees of the stubs of public submodules, by dotted name."""
    trees = {}
    for path in STUBS.rglob("*.pyi"):
        parts = [part for part in path.relative_to(STUBS).with_suffix("").parts if part != "__init__"]
        if parts and not parts[0].startswith("_"):
            trees[".".join(parts)] = ast.parse(path.read_text(encoding="utf-8"))
    return trees


SUBMODULES = submodule_trees()


def test_stubs_contain_exactly_the_submodules():
    prefix = "openai_responses."
    assert set(SUBMODULES) == {name.removeprefix(prefix) for name in sys.modules if name.startswith(prefix)}


@pytest.mark.parametrize("name", sorted(SUBMODULES))
def test_stubs_of_submodules_declare_existing_names(name):
    module = sys.modules[f"openai_responses.{name}"]
    for node in SUBMODULES[name].body:
        if isinstance(node, ast.ImportFrom) and node.level:
            assert {alias.name for alias in node.names} <= set(dir(module))
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            public_names = [public_name for public_name in sys.modules[node.module].__all__ if public_name[0] != "_"]
            assert set(public_names) <= set(dir(module))
        if isinstance(node, ast.FunctionDef):
            parameter_names = [parameter_name for parameter_name, _, _ in stub_parameters(node)]
            inspect.signature(getattr(module, node.name)).bind(**dict.fromkeys(parameter_names))


VALID_CODE = """\
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any
import httpx
from pydantic import BaseModel
import openai_responses
from openai_responses import Answer, EventStream, OpenAIMock, StateStore, as_json, cited, cut, error, reasoning, refusal
from openai_responses import streamed, timeout, tool_call
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
def set_response(openai_mock: OpenAIMock, value: Answer) -> None:
    openai_mock.responses.create.response = value
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
    create.response = ("a", cut("b"), streamed("c", chunk=3, fail_after=2, fault={"error": {}}))
    openai_mock.realtime.connect.response = streamed("a", fail_after=2, fault=1011)
    steps = ["a", "b"]
    create.response = steps
    plan = [tool_call("f", x=1), error(429), "text"]
    create.response = plan
    set_response(openai_mock, reasoning("Hm.") + cited("So.", url="https://example.com") + as_json({"a": 1}))
    openai_mock.embeddings.create.response = [0.5, 1]
    openai_mock.embeddings.create.response = [[0.5, 1], [0, 1]]
    openai_mock.images.generate.response = [b"png", error(500), {}]
    del create.response
    create.when("weather").response = [error(500), "Sunny"]
    create.when(re.compile("weather"), tool_result=True, model="gpt-4o").response = {}
    create.when(lambda body: len(body["messages"]) > 3).response = streamed(["a", "b"])
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
def test_served(openai_server: openai_responses.Server) -> None:
    openai_server.mock.for_key("sk-a").responses.create.response = "Hi"
    environment: dict[str, str] = {**openai_server.env, "URL": openai_server.url}
openai_mock = OpenAIMock()
served = httpx.AsyncClient(transport=httpx.ASGITransport(app=OpenAIMock(limits={"keys": 0})))
client = httpx.Client(transport=MockTransport(openai_mock.router.handler))
async_client = httpx.AsyncClient(transport=MockTransport(openai_mock.router.async_handler, otherwise=None))
openai_responses.ext.httpx.Request("GET", "https://example.test")
"""

# Lines that a type checker should report, by mypy's error code.
INVALID_LINES = {
    "attr-defined": [
        "from openai_responses.ext.httpx import MockTransprt",
        "from openai_responses import nothing",
        "openai_mock.chats",
        "openai_mock.chat.completion.create.response = 'Hi'",
        "openai_mock.chat.completions.creat.response = 'Hi'",
        "openai_mock.chat.completions.create.respose = 'Hi'",
        "openai_mock.state.fils",
        "openai_mock.state.beta.put({})",
        "openai_mock.requests[0].bdy",
    ],
    "assignment": [
        "openai_mock.chat.completions.create = 'Hi'",
        "openai_mock.chat.completions.create.response = 1",
        "openai_mock.chat.completions.create.response = None",
        "openai_mock.chat.completions.create.response = b'Hi'",
        "openai_mock.chat.completions.create.response = lambda request: 1",
        "openai_mock.state = 1",
        "openai_mock.chat.completions.create.response = KeyboardInterrupt",
        "openai_mock.chat.completions.create.when('x').response = 1",
        "openai_mock.files.create.response = 'text'",
        "openai_mock.files.create.response = cut('text')",
        "openai_mock.files.content.response = cut('text')",
        "openai_mock.files.create.when(purpose='batch').response = b'bytes'",
        "openai_mock.embeddings.create.response = 'text'",
        "openai_mock.images.generate.response = 'text'",
    ],
    "call-arg": ["OpenAIMock(nonsense=1)"],
    "call-overload": ["openai_responses.mock(strct=True)"],
    "arg-type": [
        "openai_mock.files.create.when(1)",
        "openai_mock.state.files.content.put('file-1', 'text')",
        "openai_mock.for_key(1)",
        "streamed('Hi', chunk='word')",
        "tool_call(1)",
    ],
}


SAMPLE = VALID_CODE + "\n".join(itertools.chain(*INVALID_LINES.values()))


@pytest.fixture
def run_type_checker(tmp_path):
    """Return a function that runs a type checker over the valid code and the invalid lines."""
    shutil.copytree(STUBS, tmp_path / "path" / "openai_responses")  # a `-stubs` folder would have to be installed
    project = tmp_path / "project"
    project.mkdir()
    (project / "sample.py").write_text(SAMPLE)

    def run_type_checker(arguments):
        return python(*arguments.split(), cwd=project, succeeds=False, MYPYPATH=str(tmp_path / "path"))

    return run_type_checker


def test_mypy_accepts_valid_code_and_reports_invalid_lines(run_type_checker, pytestconfig, monkeypatch):
    pytest.importorskip("mypy")
    if hasattr(pytestconfig, "cache"):  # to check the SDK takes ten times as long as the rest
        monkeypatch.setenv("MYPY_CACHE_DIR", str(pytestconfig.cache.mkdir("mypy")))
    run = run_type_checker("-m mypy --strict --config-file= --no-error-summary --hide-error-context sample.py")
    assert not run.stderr
    found = []
    for line in run.stdout.splitlines():
        if ": error: " in line:
            path, number, _ = line.split(":", 2)
            found.append((path, int(number), line.rpartition("[")[2].rstrip("]")))
    codes = [code for code, lines in INVALID_LINES.items() for _ in lines]
    assert found == [("sample.py", number, code) for number, code in enumerate(codes, VALID_CODE.count("\n") + 1)]


def test_pyright_accepts_valid_code_and_reports_invalid_lines(run_type_checker, tmp_path):
    pytest.importorskip("basedpyright")  # pyright with a node of its own
    settings = {"typeCheckingMode": "standard", "extraPaths": ["../path"]}
    (tmp_path / "project" / "pyrightconfig.json").write_text(json.dumps(settings))
    run = run_type_checker(f"-m basedpyright --pythonpath {sys.executable} --outputjson .")
    reports = json.loads(run.stdout)["generalDiagnostics"]
    reported_lines = {report["range"]["start"]["line"] for report in reports if report["severity"] == "error"}
    assert reported_lines == set(range(VALID_CODE.count("\n"), SAMPLE.count("\n") + 1))


# ======================================================================================================================
# AGENT FRAMEWORKS
# ======================================================================================================================


KYOTO = Town(name="Kyoto", population=1_460_000, tags=["temples", "京都"])
HELLO = "Hello! How can I help? 東京 🌞"


@pytest.fixture
def fake_api_key(monkeypatch):
    """Set a fake API key, and disable the tracing of LangChain."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-fake")
    monkeypatch.setenv("LANGSMITH_TRACING", "false")


@pytest.fixture(params=[False, True], ids=["plain", "streaming"])
def streaming(request):
    """Run a test once without and once with a stream."""
    return request.param


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def asynchronous(request):
    """Run a test once with the synchronous and once with the asynchronous API of a framework."""
    return request.param


strict_mark = pytest.mark.openai_mock(strict=True)  # strict mode accepts the requests of the frameworks


@pytest.fixture
def endpoint(openai_mock, fake_api_key, api):
    """Return the endpoint that a framework calls."""
    return lookup(openai_mock, f"{api}.create")


@pytest.fixture
def event_loop():
    """Set the event loop that the synchronous functions of asynchronous frameworks run on, and close it."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture
def cities():
    """Return the list of the cities that `get_weather` was called with."""
    return []


@pytest.fixture
def get_weather(cities):
    """Return a function that frameworks call as a tool."""

    def get_weather(city: str) -> str:
        """The weather in a city."""
        cities.append(city)
        return "sunny"

    return get_weather


@pytest.fixture
def agents(fake_api_key):
    """Return the module of openai-agents."""
    return pytest.importorskip("agents")


@pytest.fixture
def langchain_openai(fake_api_key):
    """Return the module of langchain-openai."""
    return pytest.importorskip("langchain_openai")


@pytest.fixture
def pydantic_ai(fake_api_key):
    """Return the module of pydantic-ai."""
    return pytest.importorskip("pydantic_ai")


@pytest.fixture
def make_agent(agents):
    """Return a function that makes an agent of openai-agents."""
    return functools.partial(agents.Agent, name="Helper", instructions="Be short.", model="gpt-5")


@pytest.fixture
def weather_agent(agents, make_agent, get_weather):
    """Return an agent of openai-agents with a tool."""
    return make_agent(tools=[agents.function_tool(get_weather)])


@pytest.fixture
def run_config(agents, api):
    """Return settings of openai-agents that select the API."""
    return agents.RunConfig(model_provider=agents.OpenAIProvider(use_responses=api == "responses"))


@pytest.fixture
def run_agent(agents, run_config):
    """Return a function that runs an agent, and returns the result and the text deltas of a stream."""

    async def run_agent(agent, text, streaming=False):
        if not streaming:
            return await agents.Runner.run(agent, text, run_config=run_config), None
        result = agents.Runner.run_streamed(agent, text, run_config=run_config)
        deltas = []
        async for event in result.stream_events():
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                deltas.append(event.data.delta)
        return result, deltas

    return run_agent


def test_openai_agents_answers_synchronously(openai_mock, agents, make_agent, run_config, event_loop, endpoint, api):
    endpoint.response = HELLO
    assert agents.Runner.run_sync(make_agent(), "Hi", run_config=run_config).final_output == HELLO
    assert endpoint.route.call_count == 1
    assert [request.endpoint for request in openai_mock.requests] == [f"{api}.create"]


async def test_openai_agents_answers_without_a_run_config(openai_mock, agents):
    openai_mock.responses.create.response = "Hello!"
    result = await agents.Runner.run(agents.Agent(name="Helper", model="gpt-5"), "Hi")
    assert result.final_output == "Hello!"
    assert result.context_wrapper.usage.total_tokens > 0


async def test_openai_agents_answers(make_agent, run_agent, endpoint):
    endpoint.response = HELLO
    result, _ = await run_agent(make_agent(), "Hi")
    assert result.final_output == HELLO


async def test_openai_agents_streams(make_agent, run_agent, endpoint):
    endpoint.response = HELLO
    result, deltas = await run_agent(make_agent(), "Hi", streaming=True)
    assert result.final_output == HELLO
    assert len(deltas) > 1
    assert "".join(deltas) == HELLO


@pytest.mark.parametrize("output_type", [str, Town])
async def test_openai_agents_returns_default_output(openai_mock, make_agent, run_agent, output_type, streaming):
    result, _ = await run_agent(make_agent(output_type=output_type), "Tell me of a town", streaming)
    assert isinstance(result.final_output, output_type)
    assert result.final_output


@pytest.mark.parametrize("streaming", [False, True, pytest.param(False, marks=strict_mark)])
async def test_openai_agents_runs_the_tool_loop(openai_mock, weather_agent, run_agent, cities, endpoint, streaming):
    endpoint.response = TOOL_LOOP_STEPS
    result, _ = await run_agent(weather_agent, "What is the weather in Tokyo?", streaming)
    assert result.final_output == "It is sunny in Tokyo."
    assert cities == ["Tokyo"]
    assert [record.status for record in endpoint.requests] == [200, 200]
    openai_mock.assert_all_used()


async def test_openai_agents_runs_parallel_tool_calls(weather_agent, run_agent, cities, endpoint):
    parallel_calls = tool_call("get_weather", city="Tokyo") + tool_call("get_weather", city="Oslo")
    endpoint.response = [parallel_calls, "Sunny in both."]
    result, _ = await run_agent(weather_agent, "Where is it sunny?")
    assert result.final_output == "Sunny in both."
    assert sorted(cities) == ["Oslo", "Tokyo"]


async def test_openai_agents_hands_off_to_another_agent(make_agent, run_agent, endpoint):
    endpoint.response = [tool_call("transfer_to_spanish"), "¡Hola!"]
    result, _ = await run_agent(make_agent(handoffs=[make_agent(name="Spanish")]), "Hola")
    assert result.final_output == "¡Hola!"
    assert result.last_agent.name == "Spanish"


async def test_openai_agents_returns_the_set_structured_output(make_agent, run_agent, endpoint, streaming):
    endpoint.response = KYOTO
    result, _ = await run_agent(make_agent(output_type=Town), "Tell me of Kyoto", streaming)
    assert result.final_output == KYOTO


async def test_openai_agents_retries_a_rate_limit(openai_mock, make_agent, run_agent, endpoint):
    endpoint.response = [error(429, code="rate_limit_exceeded"), "Here I am."]
    result, _ = await run_agent(make_agent(), "Hi")
    assert result.final_output == "Here I am."
    assert [(request.attempt, request.status) for request in openai_mock.requests] == [(0, 429), (1, 200)]


async def test_openai_agents_exports_traces_without_warnings(openai_mock, agents, make_agent, caplog, recwarn):
    caplog.set_level(logging.DEBUG, logger="openai.agents")
    openai_mock.responses.create.response = "Hello!"
    agents.set_tracing_disabled(False)
    with agents.trace("one trace"):
        await agents.Runner.run(make_agent(), "Hi")
    await asyncio.to_thread(agents.flush_traces)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert "Exported" in caplog.text
    assert [str(warning.message) for warning in recwarn] == []
    assert [request.endpoint for request in openai_mock.requests] == ["responses.create"]


async def test_openai_agents_flushes_traces_before_the_mock_ends(openai_mock, agents, make_agent):
    agents.set_tracing_disabled(False)
    await asyncio.to_thread(agents.flush_traces)
    ingest = openai_mock.router.post("https://api.openai.com/v1/traces/ingest").respond(204)
    with OpenAIMock() as inner:
        inner.responses.create.response = "Hello!"
        await agents.Runner.run(make_agent(), "Hi")
    await asyncio.to_thread(agents.flush_traces)
    assert ingest.call_count == 0


@requires("responses.connect")
async def test_openai_agents_runs_the_tool_loop_over_a_websocket(openai_mock, agents, weather_agent, cities):
    openai_mock.responses.connect.response = TOOL_LOOP_STEPS
    async with agents.responses_websocket_session() as session:
        result = await session.run(weather_agent, "What is the weather in Tokyo?")
    assert result.final_output == "It is sunny in Tokyo."
    assert cities == ["Tokyo"]
    assert openai_mock.responses.connect.call_count == 2


async def test_openai_agents_runs_the_tool_loop_in_a_realtime_session(openai_mock, agents, get_weather, cities):
    realtime = pytest.importorskip("agents.realtime")
    openai_mock.realtime.connect.response = TOOL_LOOP_STEPS
    agent = realtime.RealtimeAgent(name="Ann", tools=[agents.function_tool(get_weather)])
    async with await realtime.RealtimeRunner(agent).run(model_config={"api_key": API_KEY}) as session:
        await session.send_message("What is the weather in Tokyo?")
        async for event in session:
            if event.type == "audio_end":
                break
    assert cities == ["Tokyo"]
    assert [message["type"] for message in openai_mock.realtime.connect.requests].count("response.create") == 2


@pytest.fixture
def make_chat_model(langchain_openai, api):
    """Return a function that makes a chat model of LangChain."""
    return functools.partial(langchain_openai.ChatOpenAI, model="gpt-5", use_responses_api=api == "responses")


async def invoke(model, value, asynchronous):
    """Return the answer of a model of LangChain."""
    if asynchronous:
        return await model.ainvoke(value)
    return model.invoke(value)


async def stream_chunks(model, value, asynchronous):
    """Return the chunks of a stream of LangChain."""
    if asynchronous:
        return [chunk async for chunk in model.astream(value)]
    return list(model.stream(value))


def message_text(message):
    """Return the text of a message of LangChain, whose content is a string or a list of blocks."""
    if isinstance(message.content, str):
        return message.content
    return "".join(block.get("text", "") for block in message.content)


async def test_langchain_answers(openai_mock, make_chat_model, endpoint, api, asynchronous):
    endpoint.response = HELLO
    message = await invoke(make_chat_model(), "Hi", asynchronous)
    assert message_text(message) == HELLO
    assert message.usage_metadata["total_tokens"] > 0
    assert [request.endpoint for request in openai_mock.requests] == [f"{api}.create"]


async def test_langchain_streams(make_chat_model, endpoint, asynchronous):
    endpoint.response = HELLO
    chunks = await stream_chunks(make_chat_model(stream_usage=True), "Hi", asynchronous)
    assert len([chunk for chunk in chunks if message_text(chunk)]) > 1
    assert "".join(map(message_text, chunks)) == HELLO
    assert functools.reduce(operator.add, chunks).usage_metadata["total_tokens"] > 0


async def test_langchain_runs_the_tool_loop(make_chat_model, get_weather, cities, endpoint, asynchronous, streaming):
    from langchain_core.messages import HumanMessage
    from langchain_core.tools import tool

    endpoint.response = TOOL_LOOP_STEPS
    weather_tool = tool(get_weather)
    model = make_chat_model().bind_tools([weather_tool])
    messages = [HumanMessage("What is the weather in Tokyo?")]
    while True:
        if streaming:
            answer = functools.reduce(operator.add, await stream_chunks(model, messages, asynchronous))
        else:
            answer = await invoke(model, messages, asynchronous)
        if not answer.tool_calls:
            break
        messages += [answer, *(weather_tool.invoke(call) for call in answer.tool_calls)]
    assert message_text(answer) == "It is sunny in Tokyo."
    assert cities == ["Tokyo"]
    assert len(endpoint.requests) == 2


@pytest.mark.parametrize("method", ["json_schema", "json_mode", pytest.param("json_schema", marks=strict_mark)])
async def test_langchain_returns_the_set_structured_output(make_chat_model, endpoint, asynchronous, method):
    endpoint.response = KYOTO
    model = make_chat_model().with_structured_output(Town, method=method)
    assert await invoke(model, "Tell me of Kyoto in JSON", asynchronous) == KYOTO


async def test_langchain_returns_structured_output_from_a_function_call(make_chat_model, endpoint):
    endpoint.response = tool_call("Town", KYOTO.model_dump())
    model = make_chat_model().with_structured_output(Town, method="function_calling")
    assert await invoke(model, "Tell me of Kyoto", asynchronous=True) == KYOTO


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
async def test_langchain_returns_default_structured_output(openai_mock, make_chat_model, asynchronous, method):
    model = make_chat_model().with_structured_output(Town, method=method)
    assert isinstance(await invoke(model, "Tell me of a town", asynchronous), Town)


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # LangChain causes them
def test_langchain_streams_structured_output(make_chat_model, endpoint):
    endpoint.response = KYOTO
    *_, last = make_chat_model().with_structured_output(Town).stream("Tell me of Kyoto")
    assert last == KYOTO


def test_langchain_raises_the_set_refusal(make_chat_model, endpoint):
    from langchain_openai.chat_models.base import OpenAIRefusalError

    endpoint.response = refusal("I would rather not.")
    model = make_chat_model().with_structured_output(Town)
    with pytest.raises(OpenAIRefusalError, match="I would rather not"):
        model.invoke("Tell me of Kyoto")


async def test_langchain_embeds(openai_mock, langchain_openai, asynchronous):
    model = langchain_openai.OpenAIEmbeddings(
        model="text-embedding-3-small", dimensions=8, check_embedding_ctx_length=False
    )
    texts = ["one", "two", "one"]
    vectors = await model.aembed_documents(texts) if asynchronous else model.embed_documents(texts)
    assert vectors[0] == vectors[2]
    assert vectors[0] != vectors[1]
    assert [len(vector) for vector in vectors] == [8, 8, 8]


@pytest.fixture
def make_pydantic_agent(pydantic_ai, api):
    """Return a function that makes an agent of pydantic-ai."""
    provider = {"chat.completions": "openai-chat", "responses": "openai-responses"}[api]
    return functools.partial(pydantic_ai.Agent, f"{provider}:gpt-5")


async def pydantic_output(agent, text, streaming=False):
    """Return the output of an agent, and the partial outputs of a stream."""
    if not streaming:
        return (await agent.run(text)).output, None
    async with agent.run_stream(text) as result:
        partial_outputs = [output async for output in result.stream_output(debounce_by=None)]
        return await result.get_output(), partial_outputs


def test_pydantic_ai_answers_synchronously(openai_mock, make_pydantic_agent, event_loop, endpoint, api):
    endpoint.response = HELLO
    result = make_pydantic_agent().run_sync("Hi")
    assert result.output == HELLO
    assert result.usage.total_tokens > 0
    assert [request.endpoint for request in openai_mock.requests] == [f"{api}.create"]


async def test_pydantic_ai_answers(make_pydantic_agent, endpoint):
    endpoint.response = HELLO
    output, _ = await pydantic_output(make_pydantic_agent(), "Hi")
    assert output == HELLO


async def test_pydantic_ai_streams(make_pydantic_agent, endpoint):
    endpoint.response = HELLO
    output, partial_outputs = await pydantic_output(make_pydantic_agent(), "Hi", streaming=True)
    assert output == HELLO
    assert partial_outputs[-1] == HELLO
    assert len(partial_outputs) > 2


async def test_pydantic_ai_runs_the_tool_loop(
    openai_mock, make_pydantic_agent, get_weather, cities, endpoint, streaming
):
    endpoint.response = TOOL_LOOP_STEPS
    agent = make_pydantic_agent()
    agent.tool_plain(get_weather)
    output, _ = await pydantic_output(agent, "What is the weather in Tokyo?", streaming)
    assert output == "It is sunny in Tokyo."
    assert cities == ["Tokyo"]
    openai_mock.assert_all_used()


@pytest.fixture(params=["output tool", "native"])
def town_agent(request, pydantic_ai, make_pydantic_agent):
    """Return an agent of pydantic-ai with structured output, once as a tool call and once as a response format."""
    if request.param == "native":
        return make_pydantic_agent(output_type=pydantic_ai.NativeOutput(Town))
    return make_pydantic_agent(output_type=Town)


async def test_pydantic_ai_returns_the_set_structured_output(town_agent, endpoint, streaming):
    endpoint.response = KYOTO
    output, _ = await pydantic_output(town_agent, "Kyoto?", streaming)
    assert output == KYOTO
    assert len(endpoint.requests) == 1


async def test_pydantic_ai_returns_default_structured_output(town_agent, endpoint, streaming):
    output, _ = await pydantic_output(town_agent, "Tell me of a town", streaming)
    assert isinstance(output, Town)
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("streaming", [False, True, pytest.param(False, marks=strict_mark)])
async def test_pydantic_ai_returns_structured_output_from_its_output_tool(make_pydantic_agent, endpoint, streaming):
    endpoint.response = tool_call("final_result", KYOTO.model_dump())
    output, _ = await pydantic_output(make_pydantic_agent(output_type=Town), "Tell me of Kyoto", streaming)
    assert output == KYOTO


async def test_pydantic_ai_retries_invalid_tool_arguments(make_pydantic_agent, endpoint):
    invalid_call = tool_call("final_result", name="Kyoto", population="many", tags=[])
    endpoint.response = [invalid_call, tool_call("final_result", KYOTO.model_dump())]
    output, _ = await pydantic_output(make_pydantic_agent(output_type=Town), "Kyoto?")
    assert output == KYOTO
    assert "population" in json.dumps(endpoint.requests[1].body)
