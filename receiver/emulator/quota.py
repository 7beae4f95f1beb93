"""The hourly quota of one account, shared by all of its applications."""

from dataclasses import dataclass

HOUR = 3600.0


@dataclass
class Quota:
    """Counts calls by the hour. `hour`: its number since the epoch. `blocked_until`: epoch seconds."""

    limit: int
    hour: int = 0
    used: int = 0
    blocked_until: float = 0.0

    def charge(self, now: float) -> bool:
        """Count a call and return whether it is allowed."""
        self._turn(now)
        if now < self.blocked_until or self.used >= self.limit:
            return False
        self.used += 1
        return True

    def block(self, now: float, seconds: float) -> bool:
        """Refuse all calls for some seconds; return False, and do nothing, if they are refused already."""
        if now < self.blocked_until:
            return False
        self.blocked_until = now + seconds
        return True

    def headers(self, now: float) -> dict[str, str]:
        self._turn(now)
        blocked = now < self.blocked_until
        remaining = 0 if blocked else max(0, self.limit - self.used)
        reset = (self.blocked_until if blocked else (self.hour + 1) * HOUR) - now
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Reset": str(int(reset) + 1),
        }

    def _turn(self, now: float) -> None:
        hour = int(now // HOUR)
        if hour != self.hour:
            self.hour, self.used = hour, 0
