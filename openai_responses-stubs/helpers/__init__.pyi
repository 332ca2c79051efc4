from . import builders as builders
from . import mergers as mergers
