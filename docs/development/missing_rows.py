"""Prints the rows of the installed SDK that the table lacks, ready to paste; nothing where it has them all.

    python docs/development/missing_rows.py

What a row says stands in the source of the SDK's methods: the request each makes, and the model it is read as. A
request sent another way than the table has it is printed too: that row stands twice, each with its releases.
"""

import ast
import functools
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import openai

import openai_responses as module

SENDING = re.compile(r"self\._(get|post|delete|put|patch)(_api_list)?").fullmatch
# models that the table knows by another name
PLAIN = {"NoneType": "None", "HttpxBinaryResponseContent": "bytes", "str": "str"}


def surface(resource: Any, prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Every REST call below a client or resource: (dotted name, METHOD, path, model)."""
    for name in dir(type(resource)):
        member = inspect.getattr_static(type(resource), name)
        if name.startswith(("_", "with_")):
            continue
        if isinstance(member, functools.cached_property):
            yield from surface(getattr(resource, name), f"{prefix}{name}.")
        elif inspect.isfunction(member) and prefix:
            yield from ((f"{prefix}{name}", *request) for request in requests_of(inspect.unwrap(member)))


@functools.cache
def requests_of(method: Any) -> list[tuple[str, str, str]]:
    """(METHOD, path, model) of every request that the source of a method makes."""
    found = []
    for call in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(method)))):
        sent = SENDING(ast.unparse(call.func)) if isinstance(call, ast.Call) and call.args else None
        if sent:
            said = {keyword.arg: keyword.value for keyword in call.keywords}
            verb = said["method"].value if "method" in said else sent[1]
            found.append((verb.upper(), path_of(call.args[0]), model_of(said, method.__globals__)))
    return found


def path_of(node: Any) -> str:
    """The path as the table has it, out of `path_template("...")`, an f-string or a string."""
    while isinstance(node, ast.Call):
        node = node.args[0]
    return ast.unparse(node)[2:-1] if isinstance(node, ast.JoinedStr) else node.value


def model_of(said: dict[str, Any], names: dict[str, Any]) -> str:
    """The model an answer is read as, by its name below `openai.types`; empty for a union, whose name is not known."""
    written = ast.unparse(said.get("page", said.get("cast_to")))
    if page := re.fullmatch(r"Sync(\w+)\[(\w+)\]", written):
        return f"{page[1]}[{model_name(names.get(page[2]))}]"
    return PLAIN.get(written.rpartition(".")[2]) or model_name(names.get(written))


def model_name(model: Any) -> str:
    """The name of a model below `openai.types`."""
    if not inspect.isclass(model):
        return ""
    return f"{model.__module__.rpartition('.')[0]}.{model.__name__}".removeprefix("openai.types.")


def missing_rows() -> list[str]:
    """The rows the table lacks, each a line of it."""
    rows = {(row.name, row.method, row.path) for row in module._rows().values()}
    found = {call for call in surface(openai.OpenAI(api_key="sk-fake")) if call[0] not in module._HELPER_ENDPOINTS}
    lacking = sorted(call for call in found if call[:3] not in rows)
    return ["    (" + ", ".join(f'"{word}"' for word in call) + ")," for call in lacking]


if __name__ == "__main__":
    print(*missing_rows(), sep="\n", end="\n" if missing_rows() else "")
