"""The wall inside a run's pod: a server in the agent's container, and the runner's side of its socket."""
