"""Writes `docs/endpoints.md`, the table of all endpoints, from the tables of the module.

    python docs/development/make_endpoints.py

The same tables always give the same bytes, whichever SDK is installed.
"""

import inspect
import itertools
import pathlib

import openai_responses as module

HEAD = """\
# Endpoints

Every call of the SDK that is answered: {rows} of them, of openai 2 and openai 3 together. Which of them
there are depends on the SDK that is installed; the last column says where a call is not in all releases.

- **State**: what the call does with what is kept, see [State](state.md). Chat completions are kept with `store=True`,
  responses unless `store=False`, as in the real service.
- **Streams**: whether it answers with events, see [Streaming](streaming.md).
- **Checks**: what has to be there already, or it is a 404 or a 400, and what else is refused. On top of this every call
  wants the parameters the API requires; see [Request checks](scripting.md#request-checks-and-strict-mode) for the rest.

What is set for a call is served whatever the state holds. Below a name, every call has `.response`, `.when(...)` and
[the others](scripting.md).
"""

DOES = {
    "create": "adds to {}",
    "list": "lists {}",
    "retrieve": "reads from {}",
    "update": "changes {}",
    "delete": "removes from {}",
    "action": "changes {}",
    "content": "reads the bytes of {}",
    "singleton": "{}, of which there is one",
    "compute": "",
}


def state_of(row: module.Row) -> str:
    """What a call does with what is kept."""
    shape = module._shape(row)
    return DOES[shape.verb].format(f"`{shape.resource}`")


def streams_of(row: module.Row) -> str:
    """Whether a call answers with events."""
    behavior = module._behavior(row.name)
    return "always" if behavior.always_streams or row.method == "WS" else "yes" if behavior.events else ""


def checks_of(row: module.Row) -> str:
    """The parameters whose ids must be there, and what else is refused."""
    shape, behavior = module._shape(row), module._behavior(row.name)
    path = [*shape.parents, *([shape.item] if shape.item else [])]
    ids = ", ".join(f"`{name}`" for name in [*path, *behavior.refers])
    more = (inspect.getdoc(behavior.check) or "") if behavior.check not in (None, module._fetch) else ""
    return ". ".join(filter(None, [ids, more.partition("\n")[0]]))


def releases_of(row: module.Row) -> str:
    """The releases that have a row, where not all do."""
    since, until = (".".join(map(str, version)) for version in (row.since, row.until))
    words = [f"from {since}" if any(row.since) else "", f"before {until}" if row.until < (1000,) else ""]
    return " ".join(filter(None, words))


def line(row: module.Row) -> str:
    cells = [f"`{row.name}`", f"`{row.method} {row.path}`", state_of(row), streams_of(row), checks_of(row)]
    return f"| {' | '.join([*cells, releases_of(row)])} |"


def page() -> str:
    """The text of `endpoints.md`."""
    rows = sorted((module.Row(*row) for row in module._TABLE), key=lambda row: (row.name, row.since))
    parts = [HEAD.format(rows=len({row.name for row in rows}))]
    for name, group in itertools.groupby(rows, key=lambda row: row.name.partition(".")[0]):
        head = f"## {name}\n\n| call | request | state | streams | checks | openai |\n|---|---|---|---|---|---|\n"
        parts.append(head + "".join(f"{line(row)}\n" for row in group))
    return "\n".join(parts)


def main() -> None:
    path = pathlib.Path(__file__).resolve().parents[1] / "endpoints.md"
    path.write_text(page(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
