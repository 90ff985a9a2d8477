"""`prorata demo`: the main job told as a story, with real processes, and every number in it checked."""
