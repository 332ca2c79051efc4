"""Prints how many calls of the installed SDK are answered, and how many of them keep something, stream, or refuse.

python docs/development/figures.py
"""

from collections import Counter

import openai

import openai_responses as module


def figures() -> str:
    """Return the figures of a release as docs/figures.md states them."""
    rows = [row for name, row in module._rows().items() if name in module._endpoint_names()]
    behaviors = [module._behavior_of(row.name) for row in rows if row.method != "WS"]
    kinds = Counter("WebSockets" if row.method == "WS" else "REST endpoints" for row in rows)
    kinds["that stream"] = sum(bool(behavior.events) for behavior in behaviors)
    return ", ".join(f"{number} {kind}" for kind, number in kinds.items())


if __name__ == "__main__":
    print(f"openai {openai.__version__}: {figures()}")
