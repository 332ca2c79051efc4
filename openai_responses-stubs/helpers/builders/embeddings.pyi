from collections.abc import Mapping
from typing import Any

import httpx
from openai.types import CreateEmbeddingResponse

def embedding_create_response_from_create_request(
    request: httpx.Request, *, extra: Mapping[str, Any] | None = None
) -> CreateEmbeddingResponse: ...
