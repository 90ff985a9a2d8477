"""Random histories of the twin: what is asked, what is asked wrongly, and what must hold all the while."""
