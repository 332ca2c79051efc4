from respx import *  # noqa: F403
