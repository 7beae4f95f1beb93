"""Whether a receiver that was started as a process takes requests by now."""

import time

import httpx2

_START_S = 60.0


def becomes_ready(api_url: str) -> bool:
    """Wait for it, but not for ever. `api_url`: the root of the API, which is where it says so."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        try:
            if httpx2.get(f"{api_url}/readyz").status_code == 200:
                return True
        except httpx2.TransportError:
            pass
        time.sleep(0.05)
    return False
