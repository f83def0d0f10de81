"""``/v2``: the Open Inference Protocol of KServe and Triton."""

from shufflenet.serve.kserve._routes import kserve_routes
from shufflenet.serve.kserve._signature import FILES, LOGITS, Signature, sign

__all__ = ["FILES", "LOGITS", "Signature", "kserve_routes", "sign"]
