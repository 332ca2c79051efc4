from . import httpx as httpx
from . import respx as respx
