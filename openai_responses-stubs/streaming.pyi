from . import AsyncEventStream as AsyncEventStream
from . import EventStream as EventStream
