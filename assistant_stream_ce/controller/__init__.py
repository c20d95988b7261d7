"""What a callback calls: the run controller and the tool call controller."""

__all__ = ()
