"""A newsroom's back office: files and what is known about them, jobs, tasks and publications.

The records and errors at the root are the language of the whole; each package around them knows one technology and the
root; `newsroom.app` puts them together.
"""
