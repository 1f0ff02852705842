"""What hosts of a cluster are like, for requests that none of them can ever run."""

from __future__ import annotations

from datetime import timedelta

import pytest
from anybatch import Resources
from anybatch.host import Completed
from anybatch.nodes import NodeKind, why_never
from anybatch.testing.scripted import ScriptedHost
from anybatch_lsf import nodes
from anybatch_lsf.plugin import LSF
from hypothesis import given
from hypothesis import strategies as st

from .captured import read

GIB = 2**30
BHOSTS = """\
*** Welcome ***
HOST_NAME          STATUS          JL/U    MAX  NJOBS    RUN  SSUSP  USUSP    RSV
a1                 ok                 -     16     16     16      0      0      0
a2                 closed_Adm         4     16      0      0      0      0      0
a3                 unavail            -     16      0      0      0      0      0
big-host-with-a-name-that-is-longer-than-its-column closed_Full     -     64     64     64      0
free               ok                 -      -      0      0      0      0      0
lost_and_found     unavail            -      -      0      0      0      0      0
"""
LSHOSTS = """\
HOST_NAME                       type       model  cpuf ncpus maxmem maxswp server RESOURCES
a1                            X86_64    Intel_E5  12.5    16  62.3G      -    Yes (mg x y)
a2                            X86_64    Intel_E5  12.5    16  62.3G   1.9G    Yes ()
a3                           UNKNOWN    UNKNOWN_   1.0     -      -      -    Yes ()
big-host-with-a-name-that-is-longer-than-its-column X86_64 Intel 12.5 64 910M 100M Yes ()
login                         X86_64    Intel_E5  12.5     -      -      -     No ()
"""
SEVERAL = """\
CLUSTER_NAME   STATUS   MASTER_HOST               ADMIN    HOSTS  SERVERS
here           ok       a1                     lsfadmin        5        4
there          ok       b1                     lsfadmin      500      400
"""


def test_hosts_that_are_closed_or_away_count() -> None:
    """They may take jobs again; what is not told is not known."""
    tenth = GIB // 10 + 1
    kinds = {(kind.count, kind.cores): kind.memory for kind in nodes.read_nodes(BHOSTS, LSHOSTS)}
    assert kinds.keys() == {(2, 16), (1, 16), (1, 64), (1, None)}
    assert 62.3 * GIB < (kinds[2, 16] or 0) <= 62.3 * GIB + tenth
    assert (kinds[1, 16], kinds[1, 64], kinds[1, None]) == (None, 911 * 2**20, None)


@given(st.integers(1, 2**50), st.sampled_from("KMGT"), st.integers(0, 3))
def test_no_job_is_refused_for_a_size_that_was_rounded(size: int, unit: str, digits: int) -> None:
    """A host of 62.34 GiB that shows 62.3G may run a job of 62.34 GiB."""
    shown = f"{size / 1024 ** ('KMGT'.index(unit) + 1):.{digits}f}{unit}"
    table = f"HOST_NAME maxmem\nh {shown}\n"
    [kind] = nodes.read_nodes("HOST_NAME MAX\nh 1\n", table)
    assert kind.memory is not None
    assert not why_never(Resources(memory=size), [kind])
    assert kind.memory <= size + 2 * 10**-digits * 1024 ** ("KMGT".index(unit) + 1) + 1


@pytest.mark.parametrize("version", ["2.2", "4.0"])
def test_what_openlava_printed_is_read(version: str) -> None:
    """The one host of a real cluster."""
    assert nodes.read_nodes(read(version, "bhosts").stdout, "") == [NodeKind(cores=64)]


@given(st.text(), st.text())
def test_answers_that_make_no_sense_refuse_nothing(one: str, other: str) -> None:
    """No host is known then."""
    assert all(kind.cores is None or kind.cores >= 0 for kind in nodes.read_nodes(one, other))


def host(lsclusters: str, configuration: str, lshosts: str, bhosts: str = "") -> ScriptedHost:
    steps = [("lsclusters -w", Completed(0, lsclusters))]
    if "there" not in lsclusters:
        steps.append(("badmin showconf mbd", Completed(0, configuration)))
        if "EXTERNAL" not in configuration:
            steps.append(("lshosts -w", Completed(0, lshosts)))
    if bhosts:
        steps.append(("bhosts -w", Completed(0, bhosts)))
    return ScriptedHost(*steps)


@pytest.mark.parametrize(
    "answers",
    [
        (SEVERAL, "", ""),
        ("", "\tLSB_RC_EXTERNAL_HOST_FLAG = awshost\n", ""),
        ("", "\tLSF_X = y\n", LSHOSTS.replace("Yes ()", "Dyn (cloud)")),
    ],
)
def test_where_there_may_be_other_hosts_nobody_knows(answers: tuple[str, str, str]) -> None:
    """In another cluster, or in a cloud from which hosts are borrowed."""
    lsf = LSF(host(*answers))
    assert lsf.anybatch_nodes({"timeout": timedelta(seconds=9)}) is None


def test_hosts_are_asked_for() -> None:
    """Two commands, however many hosts there are."""
    scripted = host(SEVERAL.rpartition("there")[0], "\tLSF_X = y\n", LSHOSTS, BHOSTS)
    kinds = LSF(scripted).anybatch_nodes({"timeout": timedelta(seconds=9)})
    assert kinds == nodes.read_nodes(BHOSTS, LSHOSTS)
    assert not scripted.steps
