from collections.abc import Mapping
from typing import Any

import httpx
from openai.types.chat import ChatCompletion

def chat_completion_from_create_request(
    request: httpx.Request, *, extra: Mapping[str, Any] | None = None
) -> ChatCompletion: ...
