"""Put random faults into the module, one at a time, and report which ones the tests don't notice.

    python docs/development/faults.py [NUMBER] [--seed SEED] [--at LINE:COLUMN]

Each fault is a small edit that a person could make by mistake: a comparison the other way round, a condition negated, a
number off by one, an entry missing. The suite runs against a copy of the project with that one fault. A fault that no
test notices is printed as a diff: either a test is missing, or the code makes no difference. A person has to judge.
`--at` repeats the fault at one place.

One run with coverage comes first and tells which tests run each line. For a fault, some tests go first: of those that
run its line (of all tests, if the line runs only during the import), those that share the most words with it. If they
pass, the whole suite follows.

Left out: the rows of the route table, which a test compares with the SDK; annotations, which other tools check; prose,
because wording isn't behavior.
"""

import argparse
import ast
import collections
import dataclasses
import difflib
import itertools
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator

import coverage

ROOT = pathlib.Path(__file__).parents[2]
MODULE = "openai_responses.py"
TESTS = "test_openai_responses"
PYTEST = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
ENDLESS_LOOP = ["-o", "faulthandler_timeout=60", "-o", "faulthandler_exit_on_timeout=true"]  # seconds for one test
WHOLE_SUITE = ["-n", "2", "--dist", "worksteal"]
TIMEOUT = 1800  # seconds; the run with coverage takes longest
MOST_TESTS_FIRST = 40  # an engine's line runs in thousands of tests; a few of them are enough to notice most faults

OPPOSITES = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
}


@dataclasses.dataclass
class Fault:
    """One edit: the node to replace, and the source that replaces it."""

    node: ast.expr | ast.stmt
    replacement: str


def faults_in(tree: ast.Module) -> Iterator[Fault]:
    """Yield every fault that can be put into the module."""
    for statement in tree.body:
        if not _is_left_out(statement):
            yield from _faults_below(statement)


def _is_left_out(statement: ast.stmt) -> bool:
    """Return True for the route table, `__all__`, and what runs only as a script."""
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return ast.unparse(targets[0]) in ("_ROUTES", "_TABLE", "__all__", "__version__")
    return isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test)


def _faults_below(node: ast.AST) -> Iterator[Fault]:
    yield from _faults_at(node)
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list") or isinstance(node, ast.JoinedStr):
            continue
        children = value if isinstance(value, list) else [value]
        for child in children:
            if isinstance(child, ast.AST):
                yield from _faults_below(child)


def _faults_at(node: ast.AST) -> Iterator[Fault]:
    """Yield the faults that change this node, or the condition it depends on."""
    if isinstance(node, (ast.If, ast.While)):
        yield Fault(node.test, f"(not ({ast.unparse(node.test)}))")
    for kind, change in CHANGES:
        if isinstance(node, kind):
            for changed in change(node):
                yield Fault(node, changed if isinstance(changed, str) else f"({ast.unparse(changed)})")


def _change_comparison(node: ast.Compare) -> Iterator[ast.expr]:
    if opposite := OPPOSITES.get(type(node.ops[0])):
        yield ast.Compare(node.left, [opposite(), *node.ops[1:]], node.comparators)


def _change_boolean(node: ast.BoolOp) -> Iterator[ast.expr]:
    yield ast.BoolOp(OPPOSITES[type(node.op)](), node.values)


def _change_arithmetic(node: ast.BinOp) -> Iterator[ast.expr]:
    if opposite := OPPOSITES.get(type(node.op)):
        yield ast.BinOp(node.left, opposite(), node.right)


def _drop_not(node: ast.UnaryOp) -> Iterator[ast.expr]:
    if isinstance(node.op, ast.Not):
        yield node.operand


def _swap_branches(node: ast.IfExp) -> Iterator[ast.expr]:
    yield ast.IfExp(node.test, node.orelse, node.body)


def _change_constant(node: ast.Constant) -> Iterator[ast.expr]:
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, (int, float)):
        yield ast.Constant(value + 1)
    elif isinstance(value, str) and value and not re.search(r"\s", value):  # with a space it is prose
        yield ast.Constant(f"{value}_x")


def _drop_entry(node: ast.Dict) -> Iterator[ast.expr]:
    for position in range(len(node.keys)):
        keys = node.keys[:position] + node.keys[position + 1 :]
        values = node.values[:position] + node.values[position + 1 :]
        yield ast.Dict(keys, values)


def _drop_element(node: ast.List | ast.Set) -> Iterator[ast.expr]:
    if isinstance(getattr(node, "ctx", None), ast.Store) or (isinstance(node, ast.Set) and len(node.elts) == 1):
        return
    for position in range(len(node.elts)):
        yield type(node)(elts=node.elts[:position] + node.elts[position + 1 :])


def _drop_keyword(node: ast.Call) -> Iterator[ast.expr]:
    for position in range(len(node.keywords)):
        yield ast.Call(node.func, node.args, node.keywords[:position] + node.keywords[position + 1 :])


def _drop_statement(node: ast.stmt) -> Iterator[str]:
    is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    if not is_docstring:
        yield "pass"


def _return_none(node: ast.Return) -> Iterator[str]:
    if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
        yield "return None"


CHANGES: list[tuple[type | tuple[type, ...], Callable[..., Iterator[ast.expr | str]]]] = [
    (ast.Compare, _change_comparison),
    (ast.BoolOp, _change_boolean),
    (ast.BinOp, _change_arithmetic),
    (ast.UnaryOp, _drop_not),
    (ast.IfExp, _swap_branches),
    (ast.Constant, _change_constant),
    (ast.Dict, _drop_entry),
    ((ast.List, ast.Set), _drop_element),
    (ast.Call, _drop_keyword),
    ((ast.Expr, ast.Raise, ast.AugAssign), _drop_statement),
    (ast.Return, _return_none),
]


def apply(source: str, fault: Fault) -> str:
    """Return the module's source with one fault in it."""
    lines = source.encode().splitlines(keepends=True)  # the columns of nodes count bytes
    node = fault.node
    start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    end = sum(map(len, lines[: node.end_lineno - 1])) + node.end_col_offset
    encoded = source.encode()
    return (encoded[:start] + fault.replacement.encode() + encoded[end:]).decode()


def tests_by_line(project: pathlib.Path) -> dict[int, list[str]]:
    """Run the whole suite of a copy of the project. Map each line of the module to the names of the tests that ran it.

    Exit with the end of pytest's output if a test fails, because then no fault could be told from the failure.
    """
    settings = project / "faults.coveragerc"
    settings.write_text(f"[run]\ninclude = {MODULE}\ndynamic_context = test_function\ndata_file = .coverage.faults\n")
    status, output = _run(project, ["-m", "coverage", "run", f"--rcfile={settings.name}", *PYTEST])
    if status != 0:
        sys.exit("\n".join([*output.splitlines()[-40:], "the suite fails without any fault"]))
    data = coverage.CoverageData(str(project / ".coverage.faults"))
    data.read()
    contexts_by_line = data.contexts_by_lineno(str((project / MODULE).resolve()))
    return {line: _test_names(contexts) for line, contexts in contexts_by_line.items()}


def _test_names(contexts: list[str]) -> list[str]:
    """Return the names of the suite's functions among coverage's contexts, which begin with the name of a module."""
    found = [re.fullmatch(rf"{TESTS}\.(test_\w+)", context) for context in contexts]
    return sorted(match[1] for match in found if match)


def words_of_tests(source: str) -> dict[str, set[str]]:
    """Map the name of each test to the words in its source."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_"):
            lines = [node.lineno, *(decorator.lineno for decorator in node.decorator_list)]
            found[node.name] = _words(source.splitlines()[min(lines) - 1 : node.end_lineno])
    return found


def _words(lines: list[str]) -> set[str]:
    return set(re.findall(r"\w{3,}", "\n".join(lines)))


def likely_tests(line: int, lines: list[str], candidates: list[str], words: dict[str, set[str]]) -> list[str]:
    """Return the tests that are most likely to notice a fault: those that share the rarest words with its surroundings.

    line, lines: the number of the faulty line, and the lines of the module.
    candidates: the tests that run the line. If there are none, all tests are candidates.
    words: the words of each test.
    """
    near = _words(lines[max(0, line - 4) : line + 3])
    frequencies = collections.Counter(word for test_words in words.values() for word in test_words)

    def score(name: str) -> float:
        return sum(frequencies[word] ** -0.5 for word in near & words.get(name, set()))

    return sorted(candidates or words, key=score, reverse=True)[:MOST_TESTS_FIRST]


def is_noticed(project: pathlib.Path, first_tests: list[str]) -> bool:
    """Run some tests of a copy of the project, then all. Return True if one fails, or if they don't end."""
    first = [f"{TESTS}.py::{name}" for name in first_tests]
    if _run(project, [*PYTEST, *ENDLESS_LOOP, *first])[0] != 0:
        return True
    return _run(project, [*PYTEST, *ENDLESS_LOOP, *WHOLE_SUITE])[0] != 0


def _run(project: pathlib.Path, arguments: list[str]) -> tuple[int | None, str]:
    """Run Python in a copy of the project, whose module every process imports. Return its exit status and its output.

    The status is None if the process took too long.
    """
    environment = os.environ | {"PYTHONPATH": str(project)}
    command = [sys.executable, *arguments]
    try:
        completed = subprocess.run(
            command,
            cwd=project,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired as error:
        return None, (error.output or b"").decode(errors="replace")
    return completed.returncode, completed.stdout.decode(errors="replace")


def sections(source: str) -> dict[int, str]:
    """Map the line of each banner to the name of its section."""
    lines = enumerate(source.splitlines(), start=1)
    found = {1: "HEAD"}
    for (_, first), (number, second) in itertools.pairwise(lines):
        if first.startswith("# ====") and second.startswith("# ") and not second.startswith("# ="):
            found[number] = second[2:].partition(":")[0]
    return found


def section_at(line: int, banners: dict[int, str]) -> str:
    """Return the name of the section that contains a line."""
    return banners[max(start for start in banners if start <= line)]


def main() -> int:
    """Print the faults that go unnoticed and a table by section. Return 1 if fewer than 93 % are noticed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("number", type=int, nargs="?", default=100, help="number of faults")
    parser.add_argument("--seed", type=int, default=1, help="selects other faults")
    parser.add_argument("--at", help="LINE:COLUMN of the only place to change")
    arguments = parser.parse_args()

    source = (ROOT / MODULE).read_text(encoding="utf-8")
    candidates = list(faults_in(ast.parse(source)))
    if arguments.at:
        chosen = [fault for fault in candidates if f"{fault.node.lineno}:{fault.node.col_offset}" == arguments.at]
    else:
        chosen = random.Random(arguments.seed).sample(candidates, arguments.number)

    banners = sections(source)
    total: collections.Counter[str] = collections.Counter()
    noticed: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        project = pathlib.Path(folder) / "project"
        shutil.copytree(ROOT, project, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__"))
        tests = tests_by_line(project)
        words = words_of_tests((ROOT / f"{TESTS}.py").read_text(encoding="utf-8"))
        for fault in chosen:
            faulty = apply(source, fault)
            (project / MODULE).write_text(faulty, encoding="utf-8")
            section = section_at(fault.node.lineno, banners)
            total[section] += 1
            line = fault.node.lineno
            if is_noticed(project, likely_tests(line, source.splitlines(), tests.get(line, []), words)):
                noticed[section] += 1
                continue
            print(f"not noticed, {fault.node.lineno}:{fault.node.col_offset}, {section}")
            print(
                *difflib.unified_diff(source.splitlines(), faulty.splitlines(), n=0, lineterm=""), sep="\n", flush=True
            )

    for section in total:
        print(f"{section:40} {noticed[section]:3} of {total[section]:3}")
    print(f"{noticed.total()} of {total.total()} noticed")
    return noticed.total() < 0.93 * total.total()


if __name__ == "__main__":
    sys.exit(main())
