from collections.abc import Mapping
from typing import Any

from openai.types.beta import Assistant

def merge_assistant_with_partial(model: Assistant, partial: Mapping[str, Any]) -> Assistant: ...
