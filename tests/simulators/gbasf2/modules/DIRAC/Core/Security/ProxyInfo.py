"""The user's proxy."""

import gridsim

from DIRAC.Core.Security.X509Chain import X509Chain


def getProxyInfo():
    """What is known of it."""
    gridsim.log_call("proxy_info", [])
    with gridsim.grid() as g:
        if not g.state["proxy"]:
            return {"OK": False, "Message": "Can't find a valid proxy"}
        proxy = {name: g.state["proxy"][name] for name in ("username", "group")}
        left = max(0, g.proxy_left())
        return {"OK": True, "Value": {**proxy, "secondsLeft": left, "chain": X509Chain()}}
