"""How runs are executed: in which processes, how often, and what is shown of them."""
