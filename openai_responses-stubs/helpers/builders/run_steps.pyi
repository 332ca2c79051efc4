from collections.abc import Mapping
from typing import Any

from openai.types.beta.threads.runs import RunStep

def build_run_step(partial: Mapping[str, Any]) -> RunStep: ...
