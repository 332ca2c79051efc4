from collections.abc import Mapping
from typing import Any

import httpx
from openai.types import VectorStore

def vector_store_from_create_request(
    request: httpx.Request, *, extra: Mapping[str, Any] | None = None
) -> VectorStore: ...
