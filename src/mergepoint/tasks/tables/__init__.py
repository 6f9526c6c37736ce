"""Jobs in tables of the application's database: the engine that needs nothing else."""

from .engine import Tables
from .schema import JobTables, job_tables

__all__ = ["JobTables", "Tables", "job_tables"]
