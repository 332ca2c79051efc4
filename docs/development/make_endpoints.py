"""Write `docs/endpoints.md`, the tables of all endpoints by API, from the tables of the module.

    python docs/development/make_endpoints.py

The same tables always give the same bytes, whichever SDK is installed.
"""

import inspect
import pathlib
import re
from collections.abc import Iterable
from typing import Any

import openai_responses as module

HEAD = """\
# Endpoints

A mock answers {rows} calls of the SDK, those of openai 2 and openai 3 together. Which of them you can call depends on
the release that is installed. A call that releases send differently has a row for each way.

- **state**: what the call does with the stored objects of its resource, or of the resource that is named; see
  [State](state.md). Chat completions are stored with `store=True`, and responses unless `store=False`, as by the real
  service.
- **streams**: whether the call answers with events; see [Streaming](streaming.md).
- **checks**: the parameters whose ids have to exist, and what else is rejected with a 400 or 404. Every call also needs
  its required parameters; see [Request checks](checks.md).
- **openai**: the releases of the SDK that have the call, and send it this way.

A table has no column that would be empty. If you set a `.response`, it is served whatever is stored.

{contents}
"""

# The first parts of the names of endpoints by API.
APIS = {
    "Responses and conversations": ("responses", "beta.responses", "conversations"),
    "Chat and completions": ("chat", "beta.chat", "completions"),
    "Embeddings, moderations and decisions": ("embeddings", "moderations", "decisions", "content_provenance_checks"),
    "Files and uploads": ("files", "uploads"),
    "Vector stores": ("vector_stores",),
    "Assistants": ("beta.assistants", "beta.threads"),
    "Hosted agents": ("beta.agents",),
    "ChatKit": ("beta.chatkit",),
    "Batches": ("batches",),
    "Audio": ("audio",),
    "Images": ("images",),
    "Videos": ("videos",),
    "Realtime and live": ("realtime", "beta.realtime", "live"),
    "Models and fine-tuning": ("models", "fine_tuning"),
    "Evals": ("evals",),
    "Containers": ("containers",),
    "Skills": ("skills",),
    "Webhooks and safety": ("webhooks", "safety"),
    "Administration": ("admin",),
}

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
    """Return the name of the resource that has a call."""
    return row.name.rpartition(".")[0]


def api_of(row: module._Row) -> str:
    """Return the API of a row. Raises `LookupError` if `APIS` has none."""
    found = [api for api, prefixes in APIS.items() if f"{row.name}.".startswith(tuple(f"{name}." for name in prefixes))]
    if len(found) != 1:
        raise LookupError(f"{row.name} needs an API: add its prefix to APIS in {pathlib.Path(__file__).name}")
    return found[0]


def order(row: module._Row) -> tuple[Any, ...]:
    """Return a key that sorts the rows of an API by the order of its prefixes, then by resource."""
    prefixes = APIS[api_of(row)]
    position = next(index for index, prefix in enumerate(prefixes) if f"{row.name}.".startswith(f"{prefix}."))
    return position, owner(row), row.name, row.since


def state_of(row: module._Row) -> str:
    """Return what a call does with stored objects, and the name of their resource unless it is its own."""
    shape = module._shape_of(row)
    own = shape.verb == "compute" or shape.resource == owner(row)
    return DOES[shape.verb] + ("" if own else f" `{shape.resource}`")


def streams_of(row: module._Row) -> str:
    """Return whether a call answers with events: "always", "yes" if the request asks for them, or ""."""
    behavior = module._behavior_of(row.name)
    return "always" if behavior.always_streams or row.method == "WS" else "yes" if behavior.events else ""


def checks_of(row: module._Row) -> str:
    """Return the parameters whose ids have to exist, and what else is rejected."""
    shape, behavior = module._shape_of(row), module._behavior_of(row.name)
    path = [*shape.parent_params, *([shape.item_param] if shape.item_param else [])]
    ids = ", ".join(f"`{name}`" for name in [*path, *behavior.references])
    more = (inspect.getdoc(behavior.check) or "") if behavior.check not in (None, module._require_target) else ""
    return ". ".join(filter(None, [ids, more.partition("\n")[0]]))


def releases_of(row: module._Row) -> str:
    """Return the releases that send a call this way, or "" if all do."""
    since = max(row.since, module._first_release(row.name))
    words = []
    if since > (2, 0, 0):
        words.append(f"from {'.'.join(map(str, since))}")
    if row.until < (1000,):
        words.append(f"before {'.'.join(map(str, row.until))}")
    return " ".join(words)


def cells(row: module._Row) -> tuple[str, ...]:
    """Return the cells of a row in the order of `COLUMNS`."""
    call, request = f"`{row.name}`", f"`{row.method} {row.path}`"
    return call, request, state_of(row), streams_of(row), checks_of(row), releases_of(row)


def table(rows: Iterable[module._Row]) -> str:
    """Return the table of some rows, without the columns in which every cell is empty."""
    columns = [column for column in zip(COLUMNS, *map(cells, rows), strict=True) if any(column[1:])]
    head, *lines = [f"| {' | '.join(words)} |\n" for words in zip(*columns, strict=True)]
    return "".join([head, "|---" * len(columns), "|\n", *lines])


def contents(rows: Iterable[module._Row]) -> str:
    """Return a table with a link to each API and the number of its calls."""
    names: dict[str, set[str]] = {api: set() for api in APIS}
    for row in rows:
        names[api_of(row)].add(row.name)
    lines = ["| API | names begin with | calls |", "|---|---|---|"]
    for api, prefixes in APIS.items():
        anchor = re.sub(r"[^\w -]", "", api.lower()).replace(" ", "-")
        lines.append(f"| [{api}](#{anchor}) | {', '.join(f'`{prefix}`' for prefix in prefixes)} | {len(names[api])} |")
    return "\n".join(lines)


def page() -> str:
    """Return the text of `endpoints.md`."""
    rows = [module._Row(*row) for row in module._ROUTES]
    parts = [HEAD.format(rows=len({row.name for row in rows}), contents=contents(rows))]
    for api in APIS:
        parts.append(f"## {api}\n\n{table(sorted((row for row in rows if api_of(row) == api), key=order))}")
    return "\n".join(parts)


def main() -> None:
    path = pathlib.Path(__file__).resolve().parents[1] / "endpoints.md"
    path.write_text(page(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
