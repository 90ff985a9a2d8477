"""One file per resource: from a checked call to a flow, and from its result to an answer."""
