"""One process that is a deployment, its Stripe and its bad luck, run from a seed.

moment     the one clock of the simulation: ours, PostgreSQL's and Stripe's
database   a database whose time stands still, and its way back to the beginning
wire       the way of a request to the local Stripe, on which it may get lost, wait or die
stage      everything wired together: stores, flows, mirror, inbox, the local Stripe
life       what can happen: the rules of the machine, by name
watch      what must hold after every step
rest       what must hold at the end, when faults are off and everything was delivered
books      what must hold of our own books then
machine    the rules as a state machine of hypothesis
run        many seeds, for `make proof`; seeds.py keeps those that once failed
"""
