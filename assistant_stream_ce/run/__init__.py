"""Lifecycle of a run: drivers, hooks, cancellation, shutdown. Only this package starts threads, tasks and loops."""
