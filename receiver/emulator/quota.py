"""The hourly quota of one account, shared by all of its applications."""

HOUR = 3600.0


class Quota:
    """Counts calls by the hour. Times are epoch seconds."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._hour = 0
        self._used = 0
        self._blocked_until = 0.0

    def charge(self, now: float) -> bool:
        """Count a call and return whether it is allowed."""
        self._turn(now)
        if now < self._blocked_until or self._used >= self.limit:
            return False
        self._used += 1
        return True

    def block(self, now: float, seconds: float) -> bool:
        """Refuse all calls for some seconds; return False, and do nothing, if they are refused already."""
        if now < self._blocked_until:
            return False
        self._blocked_until = now + seconds
        return True

    def headers(self, now: float) -> dict[str, str]:
        self._turn(now)
        blocked = now < self._blocked_until
        remaining = 0 if blocked else max(0, self.limit - self._used)
        reset = (self._blocked_until if blocked else (self._hour + 1) * HOUR) - now
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Reset": str(int(reset) + 1),
        }

    def _turn(self, now: float) -> None:
        hour = int(now // HOUR)
        if hour != self._hour:
            self._hour, self._used = hour, 0
