"""Inputs for the fuzzers' targets where there is no atheris."""


class Drawn:
    """Draws from bytes as atheris' FuzzedDataProvider does; from none left, zeros."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def ConsumeBytes(self, count: int) -> bytes:
        drawn, self._data = self._data[:count], self._data[count:]
        return drawn

    def ConsumeIntInRange(self, least: int, most: int) -> int:
        size = (max(1, most - least).bit_length() + 7) // 8
        return least + int.from_bytes(self.ConsumeBytes(size), "big") % (most - least + 1)

    def ConsumeBool(self) -> bool:
        return bool(self.ConsumeIntInRange(0, 1))
