from . import assistants as assistants
from . import runs as runs
from . import threads as threads
