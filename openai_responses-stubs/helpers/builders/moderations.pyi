from collections.abc import Mapping
from typing import Any

import httpx
from openai.types import ModerationCreateResponse

def moderation_create_response_from_create_request(
    request: httpx.Request, *, extra: Mapping[str, Any] | None = None
) -> ModerationCreateResponse: ...
