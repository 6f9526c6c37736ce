"""What the newsroom does: plain classes that are given what they need, and know no protocol and no database."""
