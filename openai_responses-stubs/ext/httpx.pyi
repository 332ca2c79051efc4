# ruff: noqa: F403, F811, I001
# Everything of httpx but its `MockTransport`: mypy takes the first import of a name, others the last.
from .. import MockTransport as MockTransport
from httpx import *  # type: ignore[assignment]
from .. import MockTransport as MockTransport
