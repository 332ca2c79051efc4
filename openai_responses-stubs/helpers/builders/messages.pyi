from collections.abc import Mapping
from typing import Any

import httpx
from openai.types.beta.threads import Message

def build_message(partial: Mapping[str, Any]) -> Message: ...
def message_from_create_request(
    thread_id: str, request: httpx.Request, *, extra: Mapping[str, Any] | None = None
) -> Message: ...
