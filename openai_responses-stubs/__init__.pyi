# What follows from the table of the module, a class for every part of a dotted name, is in `_endpoints.pyi`. Names that
# one of these files takes from another have no underscore in front: jedi finds only such.
import builtins
import re
from collections import UserDict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Protocol, overload

import httpx
import httpx2  # type: ignore[import-not-found, unused-ignore]
import respx
from pydantic import BaseModel
from typing_extensions import Self, TypeVar

from . import ext as ext
from . import plugin as plugin
from . import stores as stores
from . import streaming as streaming
from ._endpoints import Endpoints, Resources

__version__: str
__all__ = [
    "OpenAIMock",
    "mock",
    "tool_call",
    "refusal",
    "cut",
    "filtered",
    "error",
    "timeout",
    "stream",
    "EventStream",
    "AsyncEventStream",
    "MockTransport",
    "StateStore",
    "MockError",
]

DEFAULT_MODEL: str
DEFAULT_TEXT: str

_R = TypeVar("_R")
_EventT = TypeVar("_EventT")
_V = TypeVar("_V", contravariant=True, default=Any)

# ---- what the model says ----

@dataclass(frozen=True)
class ToolCall:
    name: str
    arguments: str
    id: str | None = ...
    broken: bool = ...

@dataclass(frozen=True)
class Turn:
    text: str | None = ...
    tool_calls: tuple[ToolCall, ...] = ...
    refusal: str | None = ...
    stop: str | None = ...
    def __add__(self, other: Turn | str) -> Turn: ...
    def __radd__(self, other: str) -> Turn: ...

@dataclass(frozen=True)
class Pace:
    chunk: int | None = ...
    first_delay: float = ...
    delay: float = ...
    fail_after: int | None = ...
    fault: Any = ...

@dataclass(frozen=True)
class Streamed:
    value: Any
    pace: Pace

def tool_call(
    name: str,
    arguments: Mapping[str, Any] | BaseModel | str | None = None,
    id: str | None = None,
    /,
    **kwargs: Any,
) -> Turn: ...
def refusal(text: str = ...) -> Turn: ...
def cut(text: str = ...) -> Turn: ...
def filtered(text: str = ...) -> Turn: ...
def error(
    status: int,
    message: str | None = None,
    *,
    code: str | None = None,
    type: str | None = None,
    param: str | None = None,
    retry_after: float | None = None,
) -> httpx.Response: ...
def timeout() -> Exception: ...
def stream(
    value: Any,
    *,
    chunk: int | None = None,
    delay: float = 0,
    first_delay: float | None = None,
    fail_after: int | None = None,
    fault: Exception | type[Exception] | Mapping[str, Any] | str | None = None,
) -> Streamed: ...

class EventStream(httpx.SyncByteStream, httpx.AsyncByteStream, Generic[_EventT]):
    def generate(self) -> Iterator[_EventT]: ...
    def __iter__(self) -> Iterator[bytes]: ...
    def __aiter__(self) -> AsyncIterator[bytes]: ...

class AsyncEventStream(EventStream[_EventT]):
    def agenerate(self) -> AsyncIterator[_EventT]: ...

class MockTransport(httpx.MockTransport, httpx2.MockTransport):  # type: ignore[misc, unused-ignore]
    otherwise: Any
    def __init__(self, handler: Callable[[Any], Any], otherwise: Any = None) -> None: ...
    def handle_request(self, request: Any) -> Any: ...
    async def handle_async_request(self, request: Any) -> Any: ...
    def __enter__(self) -> Self: ...
    async def __aenter__(self) -> Self: ...

class MockError(BaseException): ...

# ---- endpoints ----

class Scripted(Generic[_V]):
    @property
    def response(self) -> Any: ...
    @response.setter
    def response(self, value: _V) -> None: ...
    @response.deleter
    def response(self) -> None: ...

class Rule(Scripted[_V]): ...

class Endpoint(Scripted[_V]):
    @property
    def route(self) -> respx.Route: ...
    @property
    def requests(self) -> list[Record]: ...
    @property
    def state_store(self) -> StateStore: ...
    def when(
        self,
        what: str | re.Pattern[str] | Callable[[dict[str, Any]], Any] | None = None,
        /,
        *,
        tool_result: bool | None = None,
        **subset: Any,
    ) -> Rule[_V]: ...
    def assert_called_with(self, expected: Mapping[str, Any] | None = None, /, **subset: Any) -> None: ...

@dataclass(frozen=True, eq=False)
class Record:
    endpoint: str
    deployment: str | None
    request: httpx.Request
    status: int | None
    duration: float
    @property
    def body(self) -> dict[str, Any]: ...
    @property
    def headers(self) -> dict[str, str]: ...
    @property
    def attempt(self) -> int: ...
    def __getitem__(self, name: str) -> Any: ...

class Namespace:
    # A part of a dotted name on the way to an endpoint.
    ...

# ---- the mock ----

class Router(respx.MockRouter):
    def stop(self, clear: bool = False, reset: bool = False, quiet: bool = False) -> None: ...
    def handler(self, request: Any) -> httpx.Response: ...
    async def async_handler(self, request: Any) -> httpx.Response: ...

class OpenAIMock(Endpoints):
    def __init__(
        self,
        base_url: str | None = None,
        state: StateStore | Mapping[str, Any] | None = None,
        strict: bool = False,
        assert_all_used: bool = False,
    ) -> None: ...
    @property
    def router(self) -> Router: ...
    @property
    def state(self) -> StateStore: ...
    @state.setter
    def state(self, state: StateStore | Mapping[str, Any]) -> None: ...
    @property
    def requests(self) -> list[Record]: ...
    def assert_all_used(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...

class _Decorator(Protocol):
    # A decorated function can be called with or without `openai_mock`.
    def __call__(self, func: Callable[..., _R], /) -> Callable[..., _R]: ...

@overload
def mock(func: Callable[..., _R]) -> Callable[..., _R]: ...
@overload
def mock(
    func: None = None,
    *,
    base_url: str | None = None,
    state: StateStore | Mapping[str, Any] | None = None,
    strict: bool = False,
    assert_all_used: bool = False,
) -> _Decorator: ...

# ---- state ----

class Objects:
    def put(self, obj: BaseModel | Mapping[str, Any], content: None = None) -> None: ...
    def get(self, *ids: str) -> Any: ...
    def delete(self, *ids: str) -> bool: ...
    def list(self, *parents: str, **params: Any) -> builtins.list[Any]: ...  # its own name hides the type

class ContentStore:
    # File bytes; the key is the id, after the ids of the parents.
    def put(self, id: str | tuple[str, ...], content: bytes, /) -> None: ...
    def get(self, *ids: str) -> bytes | None: ...
    def delete(self, *ids: str) -> bool: ...

class StateStore(UserDict[str, dict[Any, Any]], Resources):
    def __init__(self, data: Mapping[str, Any] | None = None) -> None: ...
