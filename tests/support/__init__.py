"""What several folders of tests need: a database server, a fence around the network."""
