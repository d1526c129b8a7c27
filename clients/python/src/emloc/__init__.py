"""
Client of the EMLoC mesh: memory-efficient fine-tuning as gRPC services.

`Client` and `AsyncClient` speak with a mesh; the messages of its contracts are in `emloc.<package>.v1`.
"""

from emloc._artifacts import Artifact
from emloc._channels import Tls
from emloc._generation import Piece, Scored
from emloc._linears import Corrected, Factors, LayerGrams
from emloc._results import JobResult
from emloc._rpcs import RetryPolicy
from emloc._version import version as __version__
from emloc.aio import AsyncClient
from emloc.aio_work import AsyncJob, AsyncOperation
from emloc.client import Client
from emloc.errors import EmlocError
from emloc.events import Event
from emloc.work import Job, Operation

__all__ = [
    "Artifact",
    "AsyncClient",
    "AsyncJob",
    "AsyncOperation",
    "Client",
    "Corrected",
    "EmlocError",
    "Event",
    "Factors",
    "Job",
    "JobResult",
    "LayerGrams",
    "Operation",
    "Piece",
    "RetryPolicy",
    "Scored",
    "Tls",
    "__version__",
]
