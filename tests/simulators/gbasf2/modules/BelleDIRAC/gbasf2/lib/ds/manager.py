"""Datasets."""

import gridsim


class Manager:
    """Asks for datasets."""

    def getLfns(self, dataType=None, dataset=None, user=None):
        """The files of a dataset."""
        gridsim.log_call("ds_list", [dataset])
        with gridsim.grid() as g:
            if g.proxy_left() <= 0:
                return {"OK": False, "Message": gridsim.NO_VOMS}
            return {"OK": True, "Value": g.files(dataset)}
