"""Writes `docs/endpoints.md`, the table of all endpoints, from the tables of the module.

    python docs/development/make_endpoints.py

The same tables always give the same bytes, whichever SDK is installed.
"""

import inspect
import itertools
import pathlib
from collections.abc import Iterable
from typing import Any

import openai_responses as module

HEAD = """\
# Endpoints

Every call of the SDK that is answered: {rows} of them, of openai 2 and openai 3 together. Which of them there are
depends on the SDK that is installed. A call that releases send differently stands twice, each time with its releases.

- **State**: what the call does with what is kept below that name, or another, see [State](state.md). Chat completions
  are kept with `store=True`, responses unless `store=False`, as in the real service.
- **Streams**: whether it answers with events, see [Streaming](streaming.md).
- **Checks**: what has to be there already, or it is a 404 or a 400, and what else is refused. On top of this every call
  wants the parameters the API requires; see [Request checks](checks.md) for the rest.

A table that lacks a column has nothing to say there.

What is set for a call is served whatever the state holds. Below a name, every call has `.response`, `.when(...)` and
[the others](responses.md).
"""

COLUMNS = ("call", "request", "state", "streams", "checks", "openai")

DOES = {
    "create": "adds",
    "list": "lists",
    "retrieve": "reads",
    "update": "changes",
    "delete": "removes",
    "action": "changes",
    "content": "reads bytes",
    "singleton": "there is one",
    "compute": "",
}


def owner(row: module._Row) -> str:
    return row.name.rpartition(".")[0]


def order(row: module._Row) -> tuple[Any, ...]:
    """By owner, what administers at the end."""
    return row.name.startswith("admin."), owner(row), row.name, row.since


def state_of(row: module._Row) -> str:
    """Return what a call does with stored objects, and the name of their resource unless it is its own."""
    shape = module._shape_of(row)
    own = shape.verb == "compute" or shape.resource == owner(row)
    return DOES[shape.verb] + ("" if own else f" `{shape.resource}`")


def streams_of(row: module._Row) -> str:
    """Return True if a call answers with events."""
    behavior = module._behavior_of(row.name)
    return "always" if behavior.always_streams or row.method == "WS" else "yes" if behavior.events else ""


def checks_of(row: module._Row) -> str:
    """The parameters whose ids must be there, and what else is refused."""
    shape, behavior = module._shape_of(row), module._behavior_of(row.name)
    path = [*shape.parent_params, *([shape.item_param] if shape.item_param else [])]
    ids = ", ".join(f"`{name}`" for name in [*path, *behavior.references])
    more = (inspect.getdoc(behavior.check) or "") if behavior.check not in (None, module._require_target) else ""
    return ". ".join(filter(None, [ids, more.partition("\n")[0]]))


def releases_of(row: module._Row) -> str:
    """The releases that send a call this way, where others do it otherwise."""
    since, until = (".".join(map(str, version)) for version in (row.since, row.until))
    words = [f"from {since}" if any(row.since) else "", f"before {until}" if row.until < (1000,) else ""]
    return " ".join(filter(None, words))


def cells(row: module._Row) -> tuple[str, ...]:
    call = f"`{row.name.rpartition('.')[2]}`"
    return call, f"`{row.method} {row.path}`", state_of(row), streams_of(row), checks_of(row), releases_of(row)


def table(rows: Iterable[module._Row]) -> str:
    """The rows of one owner; a column in which nothing stands is left out."""
    columns = [column for column in zip(COLUMNS, *map(cells, rows), strict=True) if any(column[1:])]
    head, *lines = [f"| {' | '.join(words)} |\n" for words in zip(*columns, strict=True)]
    return "".join([head, "|---" * len(columns), "|\n", *lines])


def page() -> str:
    """The text of `endpoints.md`."""
    rows = sorted((module._Row(*row) for row in module._ROUTES), key=order)
    owners = itertools.groupby(rows, key=owner)
    tables = [f"## {name}\n\n{table(group)}" for name, group in owners]
    return "\n".join([HEAD.format(rows=len({row.name for row in rows})), *tables])


def main() -> None:
    path = pathlib.Path(__file__).resolve().parents[1] / "endpoints.md"
    path.write_text(page(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
