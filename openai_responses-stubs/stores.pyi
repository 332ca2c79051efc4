from . import ContentStore as ContentStore
from . import StateStore as StateStore
