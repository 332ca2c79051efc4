from collections.abc import Mapping
from typing import Any

import httpx
from openai.types.beta import Thread

def thread_from_create_request(request: httpx.Request, *, extra: Mapping[str, Any] | None = None) -> Thread: ...
