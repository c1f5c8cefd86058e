"""For our tests and users': stand-ins, a clock to turn by hand, faults at every commit, contracts for implementers."""
