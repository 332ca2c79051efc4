from collections.abc import Mapping
from typing import Any

from openai.types.beta import Thread

def merge_thread_with_partial(model: Thread, partial: Mapping[str, Any]) -> Thread: ...
