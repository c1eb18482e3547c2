from typing import Any

core: Any
nn: Any
numpy: Any

def __getattr__(name: str) -> Any: ...
