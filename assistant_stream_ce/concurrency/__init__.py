"""Queues, waiters and locks between threads and event loops."""
