"""Write `docs/reference.md`, the API reference, from the docstrings of the module.

    python docs/development/make_reference.py

A docstring begins with a paragraph. Lines that are indented are an example, and a line like "name: description"
describes a parameter or a field. The same docstrings always give the same page, whatever versions are installed.
"""

import dataclasses
import functools
import inspect
import pathlib
import re
import textwrap
import unittest.mock
from collections.abc import Callable, Iterator
from typing import Any

import openai_responses as module

HEAD = """\
# API reference

Everything that you can import from `openai_responses`, its pytest plugin, and its command line, with the docstrings.
The examples use these names:

```py
import re
import openai
import openai_responses
from openai_responses import *

client = openai.OpenAI(api_key="sk-fake")
openai_mock = OpenAIMock().start()  # in a pytest test, the fixture `openai_mock`
create = openai_mock.chat.completions.create
```

[All endpoints](endpoints.md) lists the endpoints of a mock, and [What `.response` takes](responses.md) the values that
you can set.
"""

# Names by section. A name outside of `__all__` is the type of a value that you get.
SECTIONS = {
    "The mock": ("OpenAIMock", "mock"),
    "Endpoints and rules": ("Endpoint", "Rule", "Scripted", "Namespace", "Answer"),
    "Builders": (
        "tool_call",
        "refusal",
        "cut",
        "filtered",
        "reasoning",
        "cited",
        "as_json",
        "reply",
        "error",
        "timeout",
    ),
    "Streams": ("streamed", "EventStream", "AsyncEventStream"),
    "The request log": ("Record", "Mistake"),
    "State": ("StateStore", "Objects", "ContentStore"),
    "Transports and routes": ("MockTransport", "Router"),
    "Webhooks": ("webhook", "Webhook"),
    "Exceptions": ("RequestNotMocked", "MockError"),
    "Results of builders": ("Turn", "ToolCall", "Citation", "Reply", "Streamed", "Pace"),
    "The server": ("Server",),
}

# Public names that are not functions or classes have no docstring.
VARIABLES = {
    "Answer": "The type of the values that you can set as the `.response` of an endpoint that answers with text, for "
    "annotations.\nType checkers know it; at run time it is `Any`.",
}


class Verbatim:
    """An annotation whose repr is its source, for the text of a signature."""

    def __init__(self, source: Any) -> None:
        self.source = source

    def __repr__(self) -> str:
        return str(self.source)


def signature(name: str, function: Any) -> str:
    """Return the signature of a function, method or class, with a parameter per line if it is long."""
    found = inspect.signature(function)
    parts = []
    for parameter in found.parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not any(part.startswith("*") for part in parts):
            parts.append("*")
        if parameter.annotation is not parameter.empty:
            parameter = parameter.replace(annotation=Verbatim(parameter.annotation))
        parts.append(str(parameter))
        if parameter.kind is parameter.POSITIONAL_ONLY:
            parts = [part for part in parts if part != "/"] + ["/"]
    result = ""
    if found.return_annotation not in (found.empty, "None") and not inspect.isclass(function):
        result = f" -> {found.return_annotation}"
    line = f"{name}({', '.join(parts)}){result}"
    if len(line) <= 100:
        return line
    lines = "".join(f"    {part},\n" for part in parts)
    return f"{name}(\n{lines}){result}"


def code(text: str) -> str:
    """Return a block of code. Its language is `py`, because tests run each `python` block of a page."""
    return f"```py\n{text}\n```\n"


def formatted(doc: str, types: dict[str, str]) -> str:
    """Return a docstring as Markdown.

    types: the types of the parameters or fields by name, "" to leave the type out.
    """
    parts: list[str] = []
    for kind, lines in blocks(doc, types):
        text = "\n".join(lines)
        if kind == "example":
            parts.append(code(textwrap.dedent(text).strip("\n")))
        elif kind == "text":
            parts.append("\n".join(line.strip() for line in lines) + "\n")
        else:
            names, _, description = text.partition(": ")
            named = ", ".join(f"`{name}`" for name in names.split(", "))
            annotation = types[names.partition(",")[0]]
            typed = f" (`{annotation}`)" if annotation else ""
            parts.append(f"- {named}{typed}: {re.sub(chr(10) + ' +', chr(10) + '  ', description)}")
    return join(parts)


def join(parts: list[str]) -> str:
    """Join the parts of a docstring. Items of a list follow each other without a blank line."""
    text = ""
    for part, following in zip(parts, [*parts[1:], ""], strict=True):
        is_item = part.startswith("- ")
        text += part + ("\n" if is_item and following.startswith("- ") else "\n\n" if is_item else "\n")
    return text.rstrip("\n") + "\n"


def blocks(doc: str, types: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the blocks of a docstring: "example", "parameter" or "text", and the lines."""
    kind, lines = "text", []
    for line in doc.splitlines():
        is_indented = line.startswith("    ")
        begins_parameter = re.match(r"(\w+)(, \w+)*: ", line) and line.partition(":")[0].split(", ")[0] in types
        if begins_parameter:
            new_kind, begins = "parameter", True
        elif is_indented and (kind == "parameter" or (kind == "text" and lines)):
            new_kind, begins = kind, False
        elif is_indented:
            new_kind, begins = "example", kind != "example"
        elif not line:
            new_kind, begins = (kind, False) if kind == "example" else ("text", True)
        else:
            new_kind, begins = "text", kind != "text"
        if begins and any(lines):
            yield kind, lines
        if begins:
            lines = []
        kind = new_kind
        if line or kind == "example":
            lines.append(line)
    yield kind, lines


def members(cls: type) -> dict[str, Any]:
    """Return the public methods and properties that a class itself defines."""
    kinds = (property, functools.cached_property)
    return {
        name: member
        for name, member in vars(cls).items()
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, kinds))
    }


def getter(member: Any) -> Any:
    """Return the function of a property."""
    return member.func if isinstance(member, functools.cached_property) else member.fget


def member_entry(owner: str, name: str, member: Any) -> str:
    """Return the entry of a method or property."""
    function = member if inspect.isfunction(member) else getter(member)
    if inspect.isfunction(member):
        head = signature(name, member)
        types = dict.fromkeys(inspect.signature(member).parameters, "")
    else:
        head = f"{name}: {inspect.signature(function).return_annotation}"
        types = {}
    return f"#### {owner}.{name}\n\n{code(head)}\n{formatted(inspect.getdoc(function), types)}"


def field_types(cls: type) -> dict[str, str]:
    """Return the types of the public fields of a dataclass or a named tuple by name."""
    if dataclasses.is_dataclass(cls):
        return {field.name: field.type for field in dataclasses.fields(cls) if not field.name.startswith("_")}
    return {name: source_of(cls.__annotations__[name]) for name in getattr(cls, "_fields", ())}


def source_of(annotation: Any) -> str:
    """Return the source of an annotation, which a named tuple keeps as a `ForwardRef`."""
    return getattr(annotation, "__forward_arg__", annotation)


def bases(cls: type) -> str:
    """Return a sentence about the classes that a class inherits from."""
    names = []
    for base in cls.__bases__:
        if base.__module__ == module.__name__ and not base.__name__.startswith("_"):
            names.append(f"[`{base.__name__}`](#{base.__name__.lower()})")
        elif base.__module__.partition(".")[0] in ("httpx", "respx"):
            names.append(f"`{base.__module__.partition('.')[0]}.{base.__name__}`")
    return f"Inherits from {' and '.join(names)}.\n" if names else ""


def class_entry(name: str, cls: type) -> str:
    """Return the entry of a class, with its fields, methods and properties."""
    types = field_types(cls)
    parts = [f"### {name}\n"]
    if name in module.__all__ and "__init__" in vars(cls):
        parts.append(code(signature(name, cls)))
        types = dict.fromkeys(inspect.signature(cls).parameters, "")
    parts.append(formatted(inspect.getdoc(cls), types))
    parts.append(bases(cls))
    parts += [member_entry(name, *member) for member in members(cls).items()]
    return "\n".join(filter(None, parts))


def entry(name: str) -> str:
    """Return the entry of a public name."""
    if name in VARIABLES:
        return f"### {name}\n\n{VARIABLES[name]}\n"
    member = getattr(module, name)
    if inspect.isclass(member):
        return class_entry(name, member)
    types = dict.fromkeys(inspect.signature(member).parameters, "")
    return f"### {name}\n\n{code(signature(name, member))}\n{formatted(inspect.getdoc(member), types)}"


class PluginOptions:
    """Collect what the pytest plugin registers, in place of the parser and the configuration that its hooks get."""

    def __init__(self) -> None:
        self.options: list[tuple[str, str]] = []
        self.settings: list[tuple[str, str]] = []
        self.marks: list[tuple[str, str]] = []
        self.pluginmanager = unittest.mock.Mock()

    def getgroup(self, *names: str, **options: Any) -> "PluginOptions":
        """Return the group of options, as pytest's parser does."""
        return self

    def addoption(self, *names: str, **attributes: Any) -> None:
        """Register an option of the command line."""
        metavar = attributes.get("metavar")
        self.options.append((f"{', '.join(names)} {metavar or ''}".rstrip(), attributes["help"]))

    def getoption(self, name: str, default: Any = None) -> Any:
        """Return the value of an option that is not given."""
        return default

    def addini(self, name: str, help: str, **attributes: Any) -> None:
        """Register a setting of the configuration file."""
        self.settings.append((name, help))

    def add_cleanup(self, function: Callable[[], Any]) -> None:
        """Call nothing, because this is not a session of pytest."""

    def addinivalue_line(self, name: str, line: str) -> None:
        """Register a mark."""
        usage, _, description = line.partition(": ")
        self.marks.append((f"@pytest.mark.{usage}", description))


def plugin_options() -> PluginOptions:
    """Return what the pytest plugin registers."""
    found = PluginOptions()
    plugin = module.plugin
    if hasattr(plugin, "pytest_addoption"):
        plugin.pytest_addoption(found)
    plugin.pytest_configure(found)
    plugin.pytest_unconfigure()
    module._pytest_configs.remove(found)
    return found


def fixtures() -> dict[str, str]:
    """Return the docstrings of the plugin's fixtures by name."""
    found = vars(module._fixtures_module()).items()
    names = [name for name, member in found if not name.startswith(("_", "pytest_")) and inspect.getdoc(member)]
    return {name: inspect.getdoc(getattr(module._fixtures_module(), name)) for name in names}


def table(columns: tuple[str, str], rows: list[tuple[str, str]]) -> str:
    """Return a table in Markdown with code in its first column."""
    lines = [f"| {' | '.join(columns)} |", "|---|---|"]
    lines += [f"| `{name}` | {description} |" for name, description in rows]
    return "\n".join(lines) + "\n"


def pytest_section() -> str:
    """Return the section about the pytest plugin."""
    found = plugin_options()
    parts = ["## The pytest plugin\n"]
    parts += [f"### Fixture {name}\n\n{formatted(doc, {})}" for name, doc in fixtures().items()]
    parts.append(f"### Marks\n\n{table(('mark', 'meaning'), found.marks)}")
    if found.options:
        parts.append(f"### Options of pytest\n\n{table(('option', 'meaning'), found.options)}")
    if found.settings:
        parts.append(f"### Settings in pytest's configuration file\n\n{table(('setting', 'meaning'), found.settings)}")
    return "\n".join(parts)


def command_line() -> list[tuple[str, str]]:
    """Return the options of `python -m openai_responses` and their descriptions."""
    rows = []
    for action in module._argument_parser()._actions:
        if action.dest == "help":
            continue
        names = ", ".join(action.option_strings)
        value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
        rows.append((names + value, action.help % vars(action)))
    return rows


def command_line_section() -> str:
    """Return the section about the command line."""
    usage = "`python -m openai_responses` serves a mock, and prints its URL; see [Server](server.md)."
    return f"## The command line\n\n{usage}\n\n{table(('option', 'meaning'), command_line())}"


def page() -> str:
    """Return the text of `reference.md`."""
    parts = [HEAD]
    for title, names in SECTIONS.items():
        parts += [f"## {title}\n", *map(entry, names)]
    return "\n".join([*parts, pytest_section(), command_line_section()])


def main() -> None:
    path = pathlib.Path(__file__).resolve().parents[1] / "reference.md"
    path.write_text(page(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
