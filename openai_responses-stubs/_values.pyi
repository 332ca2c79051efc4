from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import httpx
from pydantic import BaseModel
from typing_extensions import Never, TypeVar

from . import Endpoint, EventStream, Reply, Rule, Streamed, Turn

_T = TypeVar("_T")
_ResultT = TypeVar("_ResultT", covariant=True)

# ---- what `.response` takes ----

class _Httpx2Response(Protocol):
    # What an `httpx2.Response` has; the package itself need not be installed.
    status_code: int
    stream: Any
    extensions: Any
    @property
    def num_bytes_downloaded(self) -> int: ...
    def raise_for_status(self) -> Any: ...

class _Function(Protocol[_ResultT]):
    # What a lambda's parameters are read from; the path parameters it may ask for differ from call to call.
    def __call__(self, request: httpx.Request, /, *args: Any, **kwargs: Any) -> _ResultT: ...

_Common: TypeAlias = (
    Mapping[str, Any]
    | BaseModel
    | httpx.Response
    | _Httpx2Response
    | Exception
    | type[Exception]
    | EventStream[Any]
    | Iterator[Any]
    | AsyncIterator[Any]
    | Streamed
    | Reply
)
_Given: TypeAlias = _Common | _T
_Result: TypeAlias = _Given[_T] | Awaitable[_Given[_T]]
_One: TypeAlias = _Common | _T | _Function[_Result[_T]] | Callable[..., _Result[_T]]
# Of a list that was made before it is set, mypy knows the items as objects; each is checked when it is set.
_Value: TypeAlias = _One[_T] | Sequence[_One[_T]] | list[Any]
_Vector: TypeAlias = Sequence[float]

# What the `.response` of a call that answers with text takes.
Answer: TypeAlias = _Value[str | Turn]

# ---- endpoints by what they take besides, and their rules: classes of their own, for names that are short ----

class ObjectRule(Rule[_Value[Never]]): ...
class TextRule(Rule[Answer]): ...
class BinaryRule(Rule[_Value[str | bytes | bytearray]]): ...
class ImageRule(Rule[_Value[bytes]]): ...
class ChoiceRule(Rule[_Value[str]]): ...
class VectorRule(Rule[_Value[_Vector | Sequence[_Vector]]]): ...
class ObjectEndpoint(Endpoint[_Value[Never], ObjectRule]): ...
class TextEndpoint(Endpoint[Answer, TextRule]): ...
class BinaryEndpoint(Endpoint[_Value[str | bytes | bytearray], BinaryRule]): ...
class ImageEndpoint(Endpoint[_Value[bytes], ImageRule]): ...
class ChoiceEndpoint(Endpoint[_Value[str], ChoiceRule]): ...
class VectorEndpoint(Endpoint[_Value[_Vector | Sequence[_Vector]], VectorRule]): ...
