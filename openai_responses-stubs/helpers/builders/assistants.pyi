from collections.abc import Mapping
from typing import Any

import httpx
from openai.types.beta import Assistant

def assistant_from_create_request(request: httpx.Request, *, extra: Mapping[str, Any] | None = None) -> Assistant: ...
