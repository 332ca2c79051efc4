from collections.abc import Mapping
from typing import Any

from openai.types.beta.threads import Run

def merge_run_with_partial(model: Run, partial: Mapping[str, Any]) -> Run: ...
