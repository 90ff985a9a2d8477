"""Every flow from every state: what is allowed, and what is refused with which code."""
