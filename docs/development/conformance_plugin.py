"""Have a mock answer the requests of the SDK's own API tests; `conformance.py` loads this plugin into pytest.

Each endpoint has the response `{}`, so it answers with its default, whatever objects exist. The SDK's tests parse the
answers strictly.
"""

import functools
import os
from collections.abc import Iterator

import pytest

import openai_responses


@pytest.fixture(scope="session")
def default_mock() -> openai_responses.OpenAIMock:
    """Return a mock that answers with the default of each endpoint, at the address that the SDK's tests use."""
    openai_mock = openai_responses.OpenAIMock(base_url=os.environ["TEST_API_BASE_URL"])
    rows = openai_responses._rows()
    for name in openai_responses._endpoint_names():
        if name in rows and rows[name].method != "WS":  # helpers of the SDK have no row of their own
            functools.reduce(getattr, name.split("."), openai_mock).response = {}
    return openai_mock


# The fixtures of RESPX, and of the SDK's copy of it for httpx2.
ROUTER_FIXTURES = {"respx_mock", "respx2_mock"}


@pytest.fixture(autouse=True)
def answer_with_defaults(request: pytest.FixtureRequest, default_mock: openai_responses.OpenAIMock) -> Iterator[None]:
    """Answer the requests of a test, except for tests that have routes of their own."""
    if ROUTER_FIXTURES.intersection(request.fixturenames):
        yield
        return
    with default_mock:
        yield
