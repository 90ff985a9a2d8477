"""The steps of the story, one file each, in the order of `worker.demo.story.STEPS`."""
