from collections.abc import Mapping
from typing import Any

import httpx
from openai.types.vector_stores import VectorStoreFile

def vector_store_file_from_create_request(
    request: httpx.Request, *, extra: Mapping[str, Any] | None = None
) -> VectorStoreFile: ...
