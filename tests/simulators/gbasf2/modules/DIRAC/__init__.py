"""A stand-in for DIRAC, as far as the grid client's helper scripts need it."""


class _Logger:
    def setLevel(self, level):
        """Nothing is logged anyway."""


gLogger = _Logger()
