"""From a submission to the text that bsub gets."""

from __future__ import annotations

import os
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from anybatch import Resources, UsageError
from anybatch.records import Limits, Submission, Transfer
from anybatch_lsf.render import Cluster, format_time, job_name, render
from anybatch_lsf.settings import FLAGS, MANAGED, NAMES, OPTIONS, SETTINGS
from hypothesis import given
from hypothesis import strategies as st
from lsfsim.submission import directives, read_options

TOKEN = "ab-20261120-094725-64a26d-0"
TABLE = {setting.name: setting.default for setting in SETTINGS}
KILOBYTES = Cluster(unit="KB")
OLD = Cluster(modern=False, unit="")
ANY = st.text(st.characters(exclude_categories=["Cs"]))
#: What may stand in a directive, and what would end it.
TEXTS = ANY | st.lists(
    st.sampled_from(["-q", " ", "'", '"', "\\", "#", "\n", "#BSUB -H", "x", "[1-3]", "-", "\t"])
).map("".join)


def submission(
    own: dict[str, Any] | None = None, cluster: Cluster = KILOBYTES, **fields: Any
) -> Submission:
    usual: dict[str, Any] = {
        **{"token": TOKEN, "run": "20261120-094725-64a26d", "number": 0},
        **{"folder": Path("/runs/one"), "count": 1, "name": "fit"},
        "limits": Limits(array=1000, render_context=cluster.render_context()),
    }
    return Submission(**{**usual, **fields, "settings": {**TABLE, **(own or {})}})


def script(one: Submission) -> str:
    """What bsub reads."""
    return render(one).command.stdin


def options(one: Submission) -> dict[str, str]:
    """The options that bsub finds, by letters."""
    words = directives(script(one))
    found, rest = read_options(
        words, ("o", "env", "cwd", *(set(OPTIONS) - FLAGS)), tuple(FLAGS), "bsub"
    )
    assert not rest, f"{rest} would be the job's command"
    return found


# -- the whole


def test_one_job_is_this_script() -> None:
    """What is shown is what runs, to the byte."""
    rendered = render(submission())
    assert rendered.files == ()
    assert rendered.command.argv == ("bsub",)
    assert rendered.command.cwd == Path("/runs/one")
    assert rendered.command.timeout == timedelta(minutes=2)
    assert rendered.command.stdin == (
        "#!/bin/sh\n"
        "#BSUB -J fit\n"
        "#BSUB -o /dev/null\n"
        "#BSUB -env none\n"
        "#BSUB -cwd /runs/one\n"
        f"#BSUB -Jd {TOKEN}\n"
        "exec >>/runs/one/logs/system.log 2>&1 || exit 1\n"
        "ab_signalled_all=1; export ab_signalled_all\n"
        "command -v bash >/dev/null && exec bash /runs/one/job.sh 0 1 0\n"
        "exec /bin/sh /runs/one/job.sh 0 1 0\n"
    )


def test_many_jobs_with_everything_are_this_script() -> None:
    """One array; the resources, then the user's own options, which win."""
    one = submission(
        {"project": "physics", "G": "theory", "H": True, "Jd": "my own words", "queue": "long"},
        number=3,
        count=200,
        name="Größe #1",
        resources=Resources(
            nodes=2,
            tasks=8,
            cores=4,
            gpus=1,
            memory="2 GiB",
            disk="10 GiB",
            time="1h30m",
            queue="short",
            exclusive=True,
        ),
    )
    run = '/runs/one/job.sh 3 "$LSB_JOBINDEX" 0'
    assert script(one) == (
        "#!/bin/sh\n"
        '#BSUB -J "Gr_e_1[1-200]"\n'
        "#BSUB -o /dev/null\n"
        "#BSUB -env none\n"
        "#BSUB -cwd /runs/one\n"
        "#BSUB -n 32\n"
        '#BSUB -R "rusage[mem=2097152:tmp=10485760] span[ptile=16]"\n'
        "#BSUB -M 2097152\n"
        "#BSUB -W 1:30\n"
        "#BSUB -gpu num=4\n"
        "#BSUB -q long\n"
        "#BSUB -x\n"
        "#BSUB -G theory\n"
        "#BSUB -H\n"
        f'#BSUB -Jd "{TOKEN} my own words"\n'
        "#BSUB -P physics\n"
        "exec >>/runs/one/logs/system.log 2>&1 || exit 1\n"
        "ab_signalled_all=1; export ab_signalled_all\n"
        f"command -v bash >/dev/null && exec bash {run}\n"
        f"exec /bin/sh {run}\n"
    )


def test_an_old_lsf_gets_no_option_that_it_does_not_know() -> None:
    """The token is in the name there, and the folder is where bsub runs."""
    found = options(submission(cluster=OLD, count=2))
    assert found == {"J": f"{TOKEN}.fit[1-2]", "o": "/dev/null"}
    with pytest.raises(UsageError, match=r"GPUs need LSF 10\.1 or newer"):
        render(submission(cluster=OLD, resources=Resources(gpus=1)))


@given(
    count=st.integers(1, 3),
    number=st.integers(0, 9),
    name=st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1)
    | st.just("a\n#BSUB -H\nb"),
)
def test_the_job_script_is_started_with_its_numbers(count: int, number: int, name: str) -> None:
    """The last lines give path and numbers to the job script unchanged; no path is a directive."""
    one = submission(folder=Path("/r", name), count=count, number=number)
    assert set(options(one)) <= {"J", "o", "env", "cwd", "Jd"}
    shown = 'bash() { for word; do printf "<%s>" "$word"; done; exit; }\n'
    text = script(one).replace("&& exec bash", "&& bash")
    done = subprocess.run(
        ["/bin/sh"],
        input=(shown + text.replace("exec >>", ": ")).encode(),
        env={"LSB_JOBINDEX": "2", "PATH": os.defpath},
        capture_output=True,
        check=True,
    )
    task = 2 if count > 1 else 1
    assert done.stdout.decode() == f"<{one.script}><{number}><{task}><0>"


# -- files that LSF moves


@pytest.mark.parametrize("cluster", [KILOBYTES, OLD])
def test_files_travel_by_names_that_only_this_job_has(cluster: Cluster) -> None:
    """There and back; all machines have the folder that the job begins in."""
    one = submission(cluster=cluster, transfer=Transfer.SYSTEM, transfer_sets=("",))
    archive = f"/runs/one/lsf/{TOKEN}"
    found = [line for line in script(one).splitlines() if line.startswith("#BSUB -f")]
    assert found == [
        f'#BSUB -f "{archive}.in.tgz > {TOKEN}.in.tgz"',
        f'#BSUB -f "{archive}.out.tgz < {TOKEN}.out.tgz"',
    ]
    assert ("#BSUB -cwd /tmp\n" in script(one)) is (cluster is KILOBYTES)
    assert render(one).command.cwd == Path("/tmp")
    assert f"\nab_token={TOKEN}\nab_words='.anybatch/job.sh 0 1 0'\n" in script(one)


@pytest.mark.parametrize(
    "folder", ["/my runs", "/it's", '/a"b', "/ü", "/a:b", "/%J", "/a\nb", "/<"]
)
def test_a_path_that_f_cannot_carry_is_refused(folder: str) -> None:
    """It goes through a directive, a shell's quotes and a copy between machines."""
    with pytest.raises(UsageError, match="runs_dir"):
        render(submission(folder=Path(folder), transfer=Transfer.SYSTEM, transfer_sets=("",)))


def test_an_array_whose_files_lsf_moves_is_refused() -> None:
    """Its elements would all bring back the same file."""
    with pytest.raises(UsageError, match=r"anybatch\.toml"):
        render(submission(count=2, transfer=Transfer.SYSTEM, transfer_sets=("",)))


# -- resources


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, {}),
        ({"cores": 1, "tasks": 1, "nodes": 1}, {}),
        ({"cores": 4}, {"n": "4", "R": "span[hosts=1]"}),
        ({"tasks": 3, "cores": 2}, {"n": "6", "R": "span[hosts=1]"}),
        ({"nodes": 2, "tasks": 4}, {"n": "4", "R": "span[ptile=2]"}),
        ({"gpus": 2}, {"gpu": "num=2"}),
        ({"queue": "short"}, {"q": "short"}),
        ({"exclusive": True}, {"x": ""}),
        ({"disk": 2**20}, {"R": "rusage[tmp=1024]"}),
        ({"memory": 1}, {"R": "rusage[mem=1]", "M": "1"}),
        (
            {"memory": "1 GiB", "cores": 2},
            {"n": "2", "R": "rusage[mem=1048576] span[hosts=1]", "M": "1048576"},
        ),
        ({"time": 1}, {"W": "0:01"}),
    ],
)
def test_resources(asked: dict[str, Any], expected: dict[str, str]) -> None:
    """Nothing is asked for that the job does not ask for."""
    found = options(submission(resources=Resources(**asked)))
    usual = options(submission())
    assert {name: value for name, value in found.items() if name not in usual} == expected


@pytest.mark.parametrize(
    ("cluster", "own", "limit", "reserved"),
    [
        (Cluster(unit="KB"), {}, "2097152", "mem=2097152"),
        (Cluster(unit="MB"), {}, "2048", "mem=2048"),
        (Cluster(unit="GB"), {}, "2", "mem=2"),
        (Cluster(unit="TB"), {}, "1", "mem=1"),
        (Cluster(unit=""), {}, "2097152", "mem=2048"),
        (OLD, {}, "2097152", "mem=2048"),
        (Cluster(unit=None), {"unit_for_limits": "MB"}, "2048", "mem=2048"),
        (Cluster(unit="MB", per_task=True), {}, "2048", "mem=512"),
    ],
)
def test_memory_is_in_the_unit_of_the_cluster(
    cluster: Cluster, own: dict[str, str], limit: str, reserved: str
) -> None:
    """Without LSF_UNIT_FOR_LIMITS limits are KB and reservations MB; it is rounded up."""
    need = Resources(memory="2 GiB", cores=4)
    found = options(submission(own, cluster, resources=need))
    assert found["M"] == limit
    assert found["R"] == f"rusage[{reserved}] span[hosts=1]"


def test_a_unit_that_nobody_tells_is_not_guessed() -> None:
    """Where a job asks for memory the setting has to say it; others do not need it."""
    cluster = Cluster(unit=None)
    with pytest.raises(UsageError, match="unit_for_limits"):
        render(submission(cluster=cluster, resources=Resources(memory="1 GB")))
    assert render(submission(cluster=cluster))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5, "0:01"), (60, "0:01"), (61, "0:02"), (5400, "1:30"), (90000, "25:00")],
)
def test_time_is_whole_minutes(seconds: float, text: str) -> None:
    """Rounded up, so that no job gets less than it asked for."""
    assert format_time(timedelta(seconds=seconds)) == text


# -- settings


def test_every_option_is_a_setting_once() -> None:
    """By letters or by a name; what anybatch needs itself is refused."""
    names = [setting.name for setting in SETTINGS]
    assert len(names) == len(set(names))
    assert set(NAMES.values()) <= set(OPTIONS)
    assert set(OPTIONS) >= FLAGS
    assert not set(OPTIONS) & set(MANAGED)


@pytest.mark.parametrize(("name", "letters"), NAMES.items())
def test_a_name_is_the_same_as_its_letters(name: str, letters: str) -> None:
    """And both at once may not differ."""
    value: Any = True if letters in FLAGS else "7"
    assert script(submission({name: value})) == script(submission({letters: value}))
    with pytest.raises(UsageError, match="same option"):
        render(submission({name: value, letters: "8"}))


def test_an_option_can_be_taken_away() -> None:
    """By `false`, by `skip` with its letters or its name."""
    need = Resources(memory="1 GB", queue="short", exclusive=True)
    one = submission({"skip": ["M", "queue"], "x": False}, resources=need)
    assert not {"M", "q", "x"} & set(options(one))


@pytest.mark.parametrize(
    ("cluster", "name"), [(KILOBYTES, "Jd"), (KILOBYTES, "job_name"), (OLD, "J")]
)
def test_what_jobs_are_found_by_cannot_be_skipped(cluster: Cluster, name: str) -> None:
    """A submission that is not known to have arrived would be repeated."""
    with pytest.raises(UsageError, match="cannot be skipped"):
        render(submission({"skip": [name]}, cluster))
    assert TOKEN in script(submission({"skip": ["Jd"]}, OLD))


@pytest.mark.parametrize("name", sorted(FLAGS))
def test_a_flag_takes_no_value(name: str) -> None:
    """The value would be the job's command."""
    with pytest.raises(UsageError, match="is a flag"):
        render(submission({name: "yes"}))


def test_flags_and_other_options_are_told_apart_as_in_the_manual() -> None:
    """`-ul` has no value. What runs a job again by its exit code is refused."""
    assert "ul" in FLAGS
    assert "Q" in MANAGED


@pytest.mark.parametrize("name", sorted(set(OPTIONS) - FLAGS - {"J", "Jd"}))
@given(value=TEXTS)
def test_no_value_adds_a_directive(name: str, value: str) -> None:
    """It arrives as it is, or is refused; nothing else changes."""
    one = submission({name: value})
    usual = options(submission())
    try:
        found = options(one)
    except UsageError:
        return
    assert found == {**usual, name: value}
    assert script(one).count("\n") == script(submission()).count("\n") + 1


@pytest.mark.parametrize("name", sorted(set(OPTIONS) - FLAGS - {"J"}))
def test_a_bare_option_that_needs_a_value_is_refused(name: str) -> None:
    """The next line would be its value."""
    with pytest.raises(UsageError, match=r"needs a value|must not start like|Jd"):
        render(submission({name: True if name != "Jd" else "-a\n"}))


@given(name=TEXTS.filter(lambda text: text.strip()), old=st.booleans(), count=st.integers(1, 2))
def test_any_name_is_one_of_lsf(name: str, old: bool, count: int) -> None:
    """Letters, digits, dots, dashes; brackets would make an array of it."""
    one = submission(name=name, cluster=OLD if old else KILOBYTES, count=count)
    assert options(one)["J"].removesuffix("[1-2]") == job_name(one)
    assert job_name(one).startswith(f"{TOKEN}.") is old
    assert not set(job_name(one)) & set("[]*<> \"'\n")
    assert len(job_name(one)) < 255


@pytest.mark.parametrize("name", ["J", "job_name"])
@given(own=TEXTS.filter(bool) | st.from_regex(r"[a-z0-9._:+@=,-]{1,250}", fullmatch=True))
def test_a_name_of_the_users_own_is_carried_or_refused(name: str, own: str) -> None:
    """What is asked for by `J` is never something else; on OpenLava it follows the token."""
    try:
        found = options(submission({name: own}))["J"]
    except UsageError:
        with pytest.raises(UsageError):
            options(submission({name: own}, OLD))
        return
    assert found == own
    assert options(submission({name: own}, OLD))["J"] == f"{TOKEN}.{own}"


@pytest.mark.parametrize("own", ["proj-sub:1", "a+b=c@d,e", "x" * 200])
def test_a_usual_name_is_carried(own: str) -> None:
    """As it is."""
    assert options(submission({"J": own}))["J"] == own


@pytest.mark.parametrize("own", ["fit[1-3]%5", "two words", "a*", "a/b", "x" * 201, "-x"])
def test_a_name_that_cannot_be_carried_is_refused(own: str) -> None:
    """With what it may hold."""
    with pytest.raises(UsageError, match="J is the name of a job"):
        render(submission({"J": own}))


LAVA = Cluster(modern=False, unit="", openlava=True)


@pytest.mark.parametrize("name", ["M", "memory_limit", "D", "S", "v"])
def test_a_limit_that_openlava_would_make_another_is_refused(name: str) -> None:
    """It cuts kilobytes to 32 bits, silently."""
    assert f"#BSUB -{name[:1].upper() if name[1:] else name} 2147483647\n" in script(
        submission({name: 2**31 - 1}, LAVA)
    )
    with pytest.raises(UsageError, match=r"2147483648 KB\. OpenLava takes at most 2147483647 KB"):
        render(submission({name: 2**31}, LAVA))
    assert "2147483648" in script(submission({name: 2**31}))


def test_more_memory_than_openlava_can_limit_is_refused() -> None:
    """2 TiB, unless the limit is skipped; a reservation is in megabytes."""
    need = Resources(memory="90000 GiB")
    with pytest.raises(UsageError, match="94371840000 KB"):
        render(submission(cluster=LAVA, resources=need))
    found = options(submission({"skip": ["M"]}, LAVA, resources=need))
    assert found["R"] == "rusage[mem=92160000]"
    assert options(submission(cluster=KILOBYTES, resources=need))["M"] == "94371840000"


@given(TEXTS)
def test_a_description_stands_behind_the_token(words: str) -> None:
    """The token is a word of its own, whatever the user adds."""
    try:
        found = options(submission({"Jd": words}))
    except UsageError:
        return
    assert found["Jd"].split(" ")[0] == TOKEN


@given(
    st.builds(
        Cluster,
        modern=st.booleans(),
        unit=st.sampled_from([None, "", "KB", "GB"]),
        per_task=st.booleans(),
        openlava=st.booleans(),
    )
)
def test_what_is_known_of_a_cluster_travels(cluster: Cluster) -> None:
    """Through the texts that are kept with a run."""
    assert Cluster.of(cluster.render_context()) == cluster


def test_hosts_are_avoided() -> None:
    """Those that bjobs named, of a parallel job too; what can be no host is left out."""
    hosts = ("n-1", "4*n2:n3", "x' || '1")
    found = options(submission(avoid=hosts, resources=Resources(cores=2)))
    assert found["R"] == "select[hname!='n-1' && hname!='n2' && hname!='n3'] span[hosts=1]"
    assert "R" not in options(submission())


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("select[a || b] order[ut]", "select[(a || b) && hname!='n1'] order[ut]"),
        ("a||b rusage[x=1]", "select[(a||b) && hname!='n1'] rusage[x=1]"),
        ("rusage[x=1]", "select[hname!='n1'] rusage[x=1]"),
        ("1*{select[a]}+1*{b}", "1*{select[a]}+1*{b}"),
    ],
)
def test_hosts_are_avoided_within_the_users_requirement(own: str, expected: str) -> None:
    """A requirement has one selection, of both."""
    assert options(submission({"R": own}, avoid=("n1",)))["R"] == expected


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("select[type==any]", "select[type==any] rusage[mem=2097152] span[hosts=1]"),
        ("span[ptile=2]", "span[ptile=2] rusage[mem=2097152]"),
        ("", "rusage[mem=2097152] span[hosts=1]"),
    ],
)
def test_a_requirement_is_joined_with_that_of_the_job(own: str, expected: str) -> None:
    """What the job asks for stays; where the user places its slots, ours goes."""
    needs = Resources(cores=4, memory="2 GiB")
    assert options(submission({"R": own}, resources=needs))["R"] == expected


# -- how urgent jobs are


@pytest.mark.parametrize(
    ("most", "urgency", "priority"),
    [
        *((100, -100, 1), (100, -1, 49), (100, 1, 51), (100, 100, 100), (100, 20, 60)),
        *((2, 1, 2), (2, 100, 2), (9, -50, 2), (10**9, 1, 505_000_000)),
    ],
)
def test_urgency_is_a_part_of_the_priorities(most: int, urgency: int, priority: int) -> None:
    """Of 1 to MAX_USER_PRIORITY, half of which is usual."""
    cluster = Cluster(unit="KB", priorities=most)
    assert options(submission(cluster=cluster, urgency=urgency))["sp"] == str(priority)
    assert "sp" not in options(submission(cluster=cluster))


@pytest.mark.parametrize(
    ("most", "urgency", "words"),
    [
        (0, 5, "MAX_USER_PRIORITY is not set"),
        (0, -5, "MAX_USER_PRIORITY is not set"),
        (1, 5, "the priorities 1 to 1"),
        (3, -5, "the priorities 1 to 3"),
    ],
)
def test_an_urgency_without_a_priority_is_refused(most: int, urgency: int, words: str) -> None:
    """Where users give none, or there is none on that side of the usual one."""
    with pytest.raises(UsageError, match=words):
        render(submission(cluster=Cluster(unit="KB", priorities=most), urgency=urgency))
