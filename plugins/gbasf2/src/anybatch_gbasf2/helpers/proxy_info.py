"""Prints the user's proxy as JSON, `{}` where there is none. Runs in the grid client's environment.

python3 proxy_info.py
"""

import json

from DIRAC import gLogger
from DIRAC.Core.Base.Script import enableCS
from DIRAC.Core.Security.ProxyInfo import getProxyInfo

if __name__ == "__main__":
    gLogger.setLevel("FATAL")
    enableCS()
    answer = getProxyInfo()
    print("\n@anybatch " + json.dumps(answer["Value"] if answer["OK"] else {}, default=str))
