"""Jobs: what they are, what keeps them and what runs them, whatever engine and worker there is."""

from .backoff import Backoff
from .engine import LEASE, MOST_CRASHES, Engine, Standing
from .leases import Leases
from .records import (
    DEFAULT,
    FINAL,
    LONGEST_HISTORY,
    PRIORITIES,
    Attempt,
    Claim,
    Entry,
    Job,
    Lane,
    Message,
    Outcome,
    Priority,
    State,
    Verdict,
    job_of,
    moment,
    new_id,
)
from .running import PATIENCE, Report, Runner

__all__ = [
    "DEFAULT",
    "FINAL",
    "LEASE",
    "LONGEST_HISTORY",
    "MOST_CRASHES",
    "PATIENCE",
    "PRIORITIES",
    "Attempt",
    "Backoff",
    "Claim",
    "Engine",
    "Entry",
    "Job",
    "Lane",
    "Leases",
    "Message",
    "Outcome",
    "Priority",
    "Report",
    "Runner",
    "Standing",
    "State",
    "Verdict",
    "job_of",
    "moment",
    "new_id",
]
