"""The certificates of a proxy."""


class X509Chain:
    """There are none."""

    def dumpAllToString(self):
        """As text."""
        return {"OK": True, "Value": b""}
