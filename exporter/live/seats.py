"""How many clients watch at once. For the event loop only."""

from __future__ import annotations


class Seats:
    """A fixed number of places, shared by all live streams."""

    def __init__(self, seats_max: int) -> None:
        self.seats_max = seats_max
        self.taken = 0

    def take(self) -> bool:
        """Take a place; return whether there was one. Who got one must leave."""
        if self.taken >= self.seats_max:
            return False
        self.taken += 1
        return True

    def leave(self) -> None:
        """Give a place back."""
        self.taken -= 1
