"""Aliases of variables."""


class _Manager:
    def __init__(self):
        self.aliases = {}

    def addAlias(self, name, variable):
        """Give a variable one more name."""
        self.aliases[name] = variable

    def getAliasNames(self):
        """All of them."""
        return list(self.aliases)

    def getVariable(self, name):
        """The variable behind a name."""
        import types

        return types.SimpleNamespace(name=self.aliases.get(name, name))


variables = _Manager()
