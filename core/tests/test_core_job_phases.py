"""What the job script does before and after the command, and how it names what fails."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from anybatch.hookspecs import hookimpl
from anybatch.model import Job
from anybatch.records import Environment, Transfer
from anybatch.worker.exit_records import parse_record
from anybatch.worker_paths import WorkerPath

from .shells import RunFolder, write_run
from .toy import Toy

if TYPE_CHECKING:
    from .shells import Shell

pytestmark = pytest.mark.usefixtures("isolated")

PRINT_ENV = ["sh", "-c", 'printf "%s\\n" "$VALUE"']


def run_job(base: Path, shell: Shell, command: Any, **fields: Any) -> RunFolder:
    """The run folder of a job that has run."""
    more = {name: fields.pop(name) for name in ("toy", "environ", "others") if name in fields}
    run = write_run(base, shell, Job(command, **fields), **more)
    run.run()
    return run


def script(folder: Path, text: str, name: str = "env script.sh") -> Path:
    (folder / name).write_text(text)
    return folder / name


# -- the shell itself


def test_the_shell_is_the_one_that_is_meant(isolated: Path, shell: Shell) -> None:
    """With bash on the PATH scripts run in bash, without it in the shell that was called."""
    run = run_job(isolated, shell, ["true"], setup="readlink /proc/$$/exe")
    assert run.how == ("command", 0, None, None)
    assert Path(run.out().strip()).name == shell.name


# -- setup

#: What fails, and the exit code that is told; None: the shells differ.
FAILURES = [
    ("false", 1),
    ("(exit 3)", 3),
    ("exit 3", 3),
    ("exit 0", 0),
    ("return 4", 4),
    ("no_such_command_at_all", 127),
    ("cd /no/such/folder", None),
    ("set -u; echo $NOT_SET_AT_ALL", None),
    ("set -e; false; true", 1),
    (". ./no-such-file", None),
    ("if", None),
    ("echo 'unfinished", None),
    ("trap true EXIT; false", 1),
]


@pytest.mark.parametrize(("line", "code"), FAILURES)
def test_a_setup_line_that_fails_is_named(
    isolated: Path, shell: Shell, line: str, code: int | None
) -> None:
    """A set-up line that fails, or leaves the shell, keeps the command from running."""
    run = run_job(isolated, shell, ["echo", "ran"], setup=["true", line, "true"])
    assert run.record.phase == "setup"
    assert run.record.exit_code is not None
    assert code in (None, run.record.exit_code)
    assert "ran" not in run.out()
    assert f"setup: {line}" in run.err()


@pytest.mark.parametrize(
    ("text", "code"), [(line, code) for line, code in FAILURES if line != "return 4"]
)
def test_an_env_script_that_fails_is_named(
    isolated: Path, shell: Shell, text: str, code: int | None
) -> None:
    """An env_script that fails, or leaves the shell, keeps the command from running."""
    path = script(isolated, f"{text}\n")
    run = run_job(isolated, shell, ["echo", "ran"], env_script=path)
    assert run.record.phase == "setup"
    assert run.record.exit_code is not None
    assert code in (None, run.record.exit_code)
    assert "ran" not in run.out()
    assert f"env_script {path}" in run.err()


def test_a_variable_that_cannot_be_set_is_named(isolated: Path, shell: Shell) -> None:
    """A variable that the env_script has made read-only is a failure of the set-up."""
    path = script(isolated, "readonly VALUE=1\n")
    run = run_job(isolated, shell, ["echo", "ran"], env_script=path, env={"VALUE": "2"})
    assert run.record.phase == "setup"
    assert "ended with status" in run.err()


def test_an_env_script_may_return(isolated: Path, shell: Shell) -> None:
    """`return` in an env_script ends it and nothing else."""
    path = script(isolated, "export VALUE=set\nreturn 0\nexit 9\n")
    run = run_job(isolated, shell, PRINT_ENV, env_script=path)
    assert (run.how, run.out()) == (("command", 0, None, None), "set\n")


def test_options_of_an_env_script_do_not_reach_further(isolated: Path, shell: Shell) -> None:
    """An env_script with `set -eu` leaves set-up lines as they are without it."""
    path = script(isolated, "set -eu\n")
    run = run_job(isolated, shell, ["true"], env_script=path, setup="false; echo $NOT_SET")
    assert run.how == ("command", 0, None, None)


def test_an_env_script_does_not_see_the_command(isolated: Path, shell: Shell) -> None:
    """The words of the command are no arguments of the env_script."""
    path = script(isolated, 'echo "$# arguments"\n')
    run = run_job(isolated, shell, ["true", "a", "b"], env_script=path)
    assert run.out() == "0 arguments\n"


def test_env_wins_over_env_script_and_that_over_what_is_inherited(
    isolated: Path, shell: Shell
) -> None:
    """Variables are inherited first, then the env_script may change them, then env is set."""
    path = script(isolated, 'echo "$VALUE"; VALUE=script; echo "$VALUE"\n')
    toy = Toy(environment=Environment(env={"VALUE": "plugin", "OTHER": "plugin"}))
    run = run_job(
        isolated,
        shell,
        ["sh", "-c", "echo $VALUE $OTHER"],
        env={"VALUE": "job"},
        env_script=path,
        environ={"VALUE": "inherited"},
        toy=toy,
        settings={"anybatch": {"inherit_env": ["VALUE"]}},
    )
    assert run.out().split() == ["inherited", "script", "job", "plugin"]


def test_the_setup_of_plugins_comes_first(isolated: Path, shell: Shell) -> None:
    """Set-up lines of plugins run before the job's own, in the shell that the command is run by."""
    toy = Toy(environment=Environment(setup=("export VALUE=plugin",)))
    run = run_job(isolated, shell, PRINT_ENV, setup='export VALUE="$VALUE job"', toy=toy)
    assert run.out() == "plugin job\n"


def test_a_setup_line_may_have_several_lines(isolated: Path, shell: Shell) -> None:
    """A set-up text with line breaks and quotes is run as it is written."""
    text = "VALUE=\"it's\n$((1 + 1))\"\nexport VALUE # 'no end\n"
    assert run_job(isolated, shell, PRINT_ENV, setup=text).out() == "it's\n2\n"


def test_a_job_tells_the_command_which_it_is(isolated: Path, shell: Shell) -> None:
    """Every job finds its run, number, count and attempt in its environment."""
    names = ("RUN", "INDEX", "COUNT", "ATTEMPT")
    command = ["sh", "-c", f"echo {' '.join(f'$ANYBATCH_{name}' for name in names)}"]
    run = write_run(isolated, shell, [Job(command)] * 3)
    run.run(2, ANYBATCH_INDEX="77", ANYBATCH_RUN="other", ANYBATCH_ATTEMPT="5")
    assert run.out(2) == f"{run.path.name} 2 3 0\n"


def test_the_shells_own_settings_do_not_reach_the_job(isolated: Path, shell: Shell) -> None:
    """BASH_ENV, ENV and CDPATH of the batch system's environment do nothing."""
    noise = script(isolated, "echo noise\n", "noise.sh")
    (isolated / "sub" / "work").mkdir(parents=True)
    run = write_run(isolated, shell, Job(["pwd"], workdir="sub/work"))
    run.run(BASH_ENV=str(noise), ENV=str(noise), CDPATH=str(isolated / "sub"))
    assert run.out() == f"{isolated / 'sub' / 'work'}\n"
    assert run.err() == ""


def test_a_script_given_as_text_is_run(isolated: Path, shell: Shell) -> None:
    """A command that is a text is a shell script, or what its first line says."""
    script_text = "for i in 1 2; do\n  echo \"$i 'ü'\"\ndone\n"
    run = write_run(isolated, shell, [Job(script_text), Job("#!/bin/cat\nit reads itself\n")])
    run.run(0)
    run.run(1)
    assert run.out(0) == "1 'ü'\n2 'ü'\n"
    assert run.out(1) == "#!/bin/cat\nit reads itself\n"


# -- folders and logs


def test_a_working_folder_with_the_index_is_made(isolated: Path, shell: Shell) -> None:
    """`{index}` in a working folder gives each job its own, made when it is not there."""
    run = write_run(isolated, shell, [Job(["pwd"], workdir="w/{index} {index}")] * 2)
    run.run(1)
    assert run.out(1) == f"{isolated / 'w' / '1 1'}\n"


def test_a_working_folder_that_has_gone_is_told(isolated: Path, shell: Shell) -> None:
    """A working folder that is no longer there is a failure of the set-up."""
    (isolated / "work").mkdir()
    run = write_run(isolated, shell, Job(["echo", "ran"], workdir="work"))
    (isolated / "work").rmdir()
    assert run.run() == 1
    assert run.how == ("setup", 1, None, None)
    assert f"cannot enter the working folder {isolated / 'work'}" in run.err()


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_log_that_cannot_be_opened_is_told(isolated: Path, shell: Shell, stream: str) -> None:
    """Where a log cannot be made the command does not run, and the batch system is told why."""
    (isolated / "file").touch()
    run = write_run(isolated, shell, Job(["touch", "ran"], **{stream: "file/log"}))
    assert run.run() == 1
    assert run.how == ("setup", 1, None, None)
    assert "file/log" in run.system_output
    assert not (isolated / "ran").exists()


def test_a_full_disk_under_a_log_fails_the_command_alone(isolated: Path, shell: Shell) -> None:
    """A log on a full disk costs the output; the command's own exit code is told."""
    run = write_run(isolated, shell, Job(["sh", "-c", "echo x; exit 7"], stdout="/dev/full"))
    run.run()
    assert run.how == ("command", 7, None, None)


def test_standard_input_that_has_gone_is_told(isolated: Path, shell: Shell) -> None:
    """A file for standard input that is no longer there is a failure of the set-up."""
    (isolated / "in").touch()
    run = write_run(isolated, shell, Job(["cat"], stdin="in"))
    (isolated / "in").unlink()
    run.run()
    assert run.how == ("setup", 1, None, None)
    assert f"cannot open {isolated / 'in'}" in run.err()


def test_without_a_file_standard_input_is_empty(isolated: Path, shell: Shell) -> None:
    """A command that reads without being given anything sees the end of its input."""
    assert run_job(isolated, shell, ["cat"]).how == ("command", 0, None, None)


def test_folders_of_logs_are_made(isolated: Path, shell: Shell) -> None:
    """A log's folder is made, `{index}` in its name filled in."""
    jobs = [Job(["echo", "x"], stdout="logs of {index}/out", stderr="-e/{index}")] * 2
    run = write_run(isolated, shell, jobs)
    run.run(1)
    assert (isolated / "logs of 1" / "out").read_text() == "x\n"
    assert (isolated / "-e" / "1").read_text() == ""


# -- stage in


def staged(isolated: Path) -> Path:
    """A folder outside of the working folder, with something to stage."""
    source = isolated / "elsewhere"
    (source / "a folder").mkdir(parents=True)
    (source / "data").write_text("1")
    (source / "a folder" / "inner").write_text("2")
    (isolated / "work").mkdir()
    return source


@pytest.mark.parametrize("transfer", [Transfer.SHARED, Transfer.SCRIPT])
def test_inputs_are_brought(isolated: Path, shell: Shell, transfer: Transfer) -> None:
    """On a shared file system inputs are linked, else copied; folders too, with their layout."""
    source = staged(isolated)
    inputs = ["elsewhere/data", "elsewhere/a folder"]
    command = ["cat", "elsewhere/data", "elsewhere/a folder/inner"]
    toy = Toy(transfer=transfer)
    run = run_job(isolated, shell, command, workdir="work", inputs=inputs, toy=toy)
    assert run.out() == "12"
    assert (isolated / "work" / "elsewhere" / "data").is_symlink() == (transfer is Transfer.SHARED)
    assert (source / "data").read_text() == "1"


def test_an_input_that_has_gone_is_told(isolated: Path, shell: Shell) -> None:
    """An input that is no longer there is a failure of stage_in."""
    source = staged(isolated)
    run = write_run(isolated, shell, Job(["true"], workdir="work", inputs=["elsewhere/data"]))
    (source / "data").unlink()
    run.run()
    assert run.how == ("stage_in", 1, None, None)
    assert f"input {source / 'data'} is not there" in run.err()


def test_another_file_of_an_inputs_name_is_kept(isolated: Path, shell: Shell) -> None:
    """An input never overwrites a different file in the working folder; the job fails."""
    source = staged(isolated)
    (isolated / "work" / "data").write_text("mine")
    job = Job(["true"], workdir="work", inputs=[str(source / "data")], flat=True)
    run = write_run(isolated, shell, job)
    run.run()
    assert run.how == ("stage_in", 1, None, None)
    assert "another file" in run.err()
    assert (isolated / "work" / "data").read_text() == "mine"


@pytest.mark.parametrize("transfer", [Transfer.SHARED, Transfer.SCRIPT])
def test_an_input_that_is_there_already_is_fine(
    isolated: Path, shell: Shell, transfer: Transfer
) -> None:
    """A second run in the same folder finds its inputs in place, linked or equal."""
    staged(isolated)
    job = Job(["cat", "data"], workdir="work", inputs=["elsewhere/data"], flat=True)
    run = write_run(isolated, shell, [job, job], toy=Toy(transfer=transfer))
    run.run(0)
    run.run(1)
    assert run.names == ["0.0.0.command.exit-0", "1.0.0.command.exit-0"]


def test_an_input_from_where_the_job_runs_is_left_alone(isolated: Path, shell: Shell) -> None:
    """An input in the working folder itself is neither linked nor copied."""
    (isolated / "data").write_text("1")
    run = run_job(isolated, shell, ["cat", "data"], inputs=["data"])
    assert run.how == ("command", 0, None, None)
    assert not (isolated / "data").is_symlink()


def test_an_input_in_its_place_that_has_gone_is_told(isolated: Path, shell: Shell) -> None:
    """An input that lies in the working folder has to be there when the command begins."""
    (isolated / "data").touch()
    run = write_run(isolated, shell, Job(["touch", "ran"], inputs=["data"]))
    (isolated / "data").unlink()
    run.run()
    assert run.how == ("stage_in", 1, None, None)
    assert f"input {isolated / 'data'} is not there" in run.err()
    assert not (isolated / "ran").exists()


@pytest.mark.parametrize("transfer", [Transfer.SHARED, Transfer.SCRIPT])
@pytest.mark.parametrize("same", [True, False])
def test_a_folder_of_an_inputs_name_is_the_same_or_a_failure(
    isolated: Path, shell: Shell, transfer: Transfer, same: bool
) -> None:
    """A folder is never put into another of its name, and never into the input itself."""
    source = staged(isolated)
    job = Job(["true"], workdir="work", inputs=["elsewhere/a folder"], flat=True)
    run = write_run(isolated, shell, [job, job], toy=Toy(transfer=transfer))
    (isolated / "work" / "a folder").mkdir()
    (isolated / "work" / "a folder" / "inner").write_text("2" if same else "3")
    codes = [run.run(0), run.run(1)]
    assert codes == ([0, 0] if same else [1, 1])
    assert os.listdir(source / "a folder") == os.listdir(isolated / "work" / "a folder")
    assert same or "another file ./a folder" in run.err() or "another file a folder" in run.err()


def test_a_link_of_a_folder_is_found_in_place(isolated: Path, shell: Shell) -> None:
    """A second job of the folder leaves the link of the first alone, and the input clean."""
    source = staged(isolated)
    job = Job(["cat", "a folder/inner"], workdir="work", inputs=["elsewhere/a folder"], flat=True)
    run = write_run(isolated, shell, [job, job])
    assert [run.run(0), run.run(1)] == [0, 0]
    assert os.listdir(source / "a folder") == ["inner"]


def test_an_input_that_does_not_fit_is_told(isolated: Path, shell: Shell) -> None:
    """What keeps an input from its place is said in the words of the system."""
    staged(isolated)
    job = Job(["true"], workdir="work", inputs=["elsewhere/data"], flat=True)
    run = write_run(isolated, shell, job)
    (isolated / "work" / "data").symlink_to("gone")
    run.run()
    assert run.how == ("stage_in", 1, None, None)
    assert "another file data" in run.err()


def test_links_are_copied_as_what_they_point_to(isolated: Path, shell: Shell) -> None:
    """Where the script copies inputs, links to files and in folders become files."""
    source = staged(isolated)
    (source / "link").symlink_to("data")
    (source / "a folder" / "out").symlink_to("../data")
    run = run_job(
        isolated,
        shell,
        ["cat", "link", "a folder/out"],
        workdir="work",
        inputs=["elsewhere/link", "elsewhere/a folder"],
        flat=True,
        toy=Toy(transfer=Transfer.SCRIPT),
    )
    assert (run.how, run.out()) == (("command", 0, None, None), "11")
    assert [p for p in (isolated / "work").rglob("*") if p.is_symlink()] == []


# -- stage out


def outcome_of(isolated: Path, shell: Shell, text: str, **fields: Any) -> RunFolder:
    """The run folder of a job that ran a shell text in the folder `work`."""
    (isolated / "work").mkdir(exist_ok=True)
    return run_job(isolated, shell, ["sh", "-c", text], workdir="work", **fields)


def test_outputs_are_brought(isolated: Path, shell: Shell) -> None:
    """Files and folders that match are moved to output_dir, with their folders."""
    text = "mkdir -p 'a b/c'; echo 1 >'a b/c/one'; echo 2 >two.dat; echo 3 >three.dat; echo 4 >4"
    run = outcome_of(isolated, shell, text, outputs=["a b", "*.dat"], output_dir="results/{index}")
    assert run.how == ("command", 0, None, None)
    out = isolated / "results" / "0"
    found = sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file())
    assert found == ["a b/c/one", "three.dat", "two.dat"]
    assert sorted(os.listdir(isolated / "work")) == ["4"]


def test_a_link_is_brought_as_what_it_points_to(isolated: Path, shell: Shell) -> None:
    """Links to files and folders are followed; what they point to may be brought as well."""
    text = (
        "mkdir -p real/in; echo 1 >real/in/x; echo 2 >a; ln -s real/in folder; ln -s a z-link; "
        "ln -s real/in/x -- '-odd link'; ln -s x real/in/inner"
    )
    patterns = ["a", "*link", "folder", "-odd*"]
    run = outcome_of(isolated, shell, text, outputs=patterns, output_dir="results")
    assert run.how == ("command", 0, None, None)
    out = isolated / "results"
    shutil.rmtree(isolated / "work")
    brought = {str(p.relative_to(out)): p.read_text() for p in out.rglob("*") if p.is_file()}
    assert brought == {
        "a": "2\n",
        "z-link": "2\n",
        "-odd link": "1\n",
        "folder/x": "1\n",
        "folder/inner": "1\n",
    }
    assert [p.name for p in out.rglob("*") if p.is_symlink()] == ["inner"]


@pytest.mark.parametrize("output_dir", ["results", None])
def test_a_link_to_nothing_is_no_output(
    isolated: Path, shell: Shell, output_dir: str | None
) -> None:
    """A job whose output is a dangling link is not done."""
    run = outcome_of(isolated, shell, "ln -s gone x", outputs=["x"], output_dir=output_dir)
    assert run.how == ("stage_out", 1, None, None)
    assert "output x: the link points to nothing" in run.err()


def test_a_link_that_breaks_on_the_way_is_told(isolated: Path, shell: Shell) -> None:
    """A link inside a folder that leads out of it works where it is brought, or is a failure."""
    text = "mkdir d; echo 1 >beside; ln -s ../beside d/out; ln -s gone d/dangling"
    run = outcome_of(isolated, shell, text, outputs=["d", "beside"], output_dir="whole")
    assert run.how == ("command", 0, None, None)
    shutil.rmtree(isolated / "work")
    run = outcome_of(isolated, shell, text, outputs=["d"], output_dir="part")
    assert run.how == ("stage_out", 1, None, None)
    assert "output d/out: the link points to nothing in" in run.err()


def test_an_input_is_no_output(isolated: Path, shell: Shell) -> None:
    """A pattern that matches an input takes it only where the job has replaced it."""
    staged(isolated)
    fields = {"inputs": ["elsewhere/data"], "flat": True, "outputs": ["*"], "output_dir": "r"}
    outcome_of(isolated, shell, "echo 1 >new", **fields)
    assert os.listdir(isolated / "r") == ["new"]
    shutil.rmtree(isolated / "work")
    outcome_of(isolated, shell, "rm data; echo 2 >data", **fields)
    assert (isolated / "r" / "data").read_text() == "2\n"
    assert (isolated / "elsewhere" / "data").exists()


#: The input, where the job works, what it makes, its outputs, and what is brought.
OWN: Any = [
    ("data", "work", "true", ["data/*"], ["data/a", "data/sub/b"]),
    ("data", "work", "echo 3 >data/new", ["data/new"], ["data/new"]),
    ("data", "work", "true", ["data/sub"], ["data/sub/b"]),
    ("data", ".", "true", ["data/*"], ["data/a", "data/sub/b"]),
    ("data", ".", "true", ["data"], ["data/a", "data/sub/b"]),
    ("data/sub/b", ".", "echo 3 >data/new", ["data"], ["data/a", "data/new", "data/sub/b"]),
    ("data/a", ".", "true", ["data/./a"], ["data/a"]),
    ("data/*", ".", "mkdir r; mkdir r/data", ["data"], ["data/a", "data/sub/b"]),
]


@pytest.mark.parametrize(("given", "workdir", "text", "outputs", "brought"), OWN)
def test_no_output_takes_an_input_away(
    isolated: Path,
    shell: Shell,
    given: str,
    workdir: str,
    text: str,
    outputs: list[str],
    brought: list[str],
) -> None:
    """What is in a linked input, or is one in its place, stays there, and is copied."""
    (isolated / "data" / "sub").mkdir(parents=True)
    (isolated / "work").mkdir()
    (isolated / "data" / "a").write_text("1")
    (isolated / "data" / "sub" / "b").write_text("2")
    more = {"workdir": workdir, "outputs": outputs, "output_dir": "r"}
    run = run_job(isolated, shell, ["sh", "-c", text], inputs=[given], **more)
    assert run.how == ("command", 0, None, None), run.err()
    found = [p.relative_to(isolated / "r") for p in (isolated / "r").rglob("*") if p.is_file()]
    assert sorted(map(str, found)) == brought
    assert (isolated / "data" / "a").read_text() == "1"
    assert (isolated / "data" / "sub" / "b").read_text() == "2"


def test_a_failed_command_keeps_its_exit_code(isolated: Path, shell: Shell) -> None:
    """After a command that failed, an output that cannot be brought changes nothing."""
    (isolated / "file").touch()
    run = outcome_of(isolated, shell, "echo 1 >x; exit 3", outputs=["x"], output_dir="file/r")
    assert run.how == ("command", 3, None, None)


def test_a_full_disk_is_told(isolated: Path, shell: Shell) -> None:
    """An output that does not fit fails stage_out, and says why."""
    disk = isolated / "disk"
    disk.mkdir()
    mount = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"'
    rights = ["-m"] if os.geteuid() == 0 else ["-r", "-m"]
    inside = ("unshare", *rights, "sh", "-c", mount, str(disk), *shell.argv)
    text = "head -c 3000000 /dev/zero >big"
    run = outcome_of(
        isolated,
        attrs.evolve(shell, argv=inside),
        text,
        outputs=["big"],
        output_dir=disk / "results",
    )
    assert run.how == ("stage_out", 1, None, None)
    assert "No space left" in run.err()


def test_a_folder_is_brought_into_one_that_is_there(isolated: Path, shell: Shell) -> None:
    """An output folder joins what an earlier job has brought under its name."""
    (isolated / "results" / "data").mkdir(parents=True)
    (isolated / "results" / "data" / "old").touch()
    text = "mkdir -p data; touch data/new data/.hidden"
    outcome_of(isolated, shell, text, outputs=["data"], output_dir="results")
    assert sorted(os.listdir(isolated / "results" / "data")) == [".hidden", "new", "old"]


def test_a_second_result_takes_the_place_of_the_first(isolated: Path, shell: Shell) -> None:
    """An output file overwrites one of its name in output_dir."""
    (isolated / "results").mkdir()
    (isolated / "results" / "x").write_text("old")
    outcome_of(isolated, shell, "echo new >x", outputs=["x"], output_dir="results")
    assert os.listdir(isolated / "results") == ["x"]
    assert (isolated / "results" / "x").read_text() == "new\n"


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("a b.dat", "*.dat"),
        ("a b.dat", "a b.dat"),
        ("a b.dat", "a ?.dat"),
        ("-n", "-n"),
        ("-n", "-*"),
        ("-rf x", "-rf [xyz]"),
        ("two\nlines.dat", "*.dat"),
        ("two\nlines.dat", "two\nl*"),
        ("$(touch hacked)", "$(touch*"),
        ("`x`;'q'\"", "`x`;'q'*"),
        ("[1].dat", "[1].dat"),
        ("job 0!", "job {index}!"),
        ("ü漢", "ü*"),
        ("{a,b}", "{a,b}"),
        ("b.dat", "[!a].dat"),
        ("c-d", "[a-c]-[d-f]"),
        ("x y", "x[ z]y"),
        ("it's", "it['\"]s"),
        ("a\nb", "a[\n]b"),
        ("$", "[$(touch hacked)]"),
        ("`", "[`touch hacked`;|&<>]"),
        ("=é", "=[éü]*"),
        ("~root", "~root"),
        ("#x", "#x"),
        ("a\\*b", "a\\*b"),
    ],
)
def test_patterns_match_names_as_they_are(
    isolated: Path, shell: Shell, name: str, pattern: str
) -> None:
    """In a pattern only `*`, `?`, `[...]` and `{index}` mean something."""
    (isolated / "name").write_text(name)
    (isolated / "work").mkdir()
    run = run_job(
        isolated,
        shell,
        ["sh", "-c", 'echo x >"./$0"', name],
        workdir="work",
        outputs=[pattern],
        output_dir="results",
    )
    assert run.how == ("command", 0, None, None)
    assert os.listdir(isolated / "results") == [name]
    assert os.listdir(isolated / "work") == []


@pytest.mark.parametrize("pattern", ["*.dat", "gone", "no such/*", "-x", "[ab]{index}"])
def test_a_pattern_that_matches_nothing_is_a_failure(
    isolated: Path, shell: Shell, pattern: str
) -> None:
    """After a command that succeeded, an output that is not there fails stage_out."""
    run = outcome_of(isolated, shell, "echo 1 >there", outputs=[pattern, "there"], output_dir="r")
    assert run.how == ("stage_out", 1, None, None)
    shown = pattern.replace("{index}", "0")
    assert f"output {shown}: nothing matches in {isolated / 'work'}" in run.err()
    assert os.listdir(isolated / "r") == ["there"]


@pytest.mark.parametrize("pattern", ["*.dat", "gone", "no such/*", "-x", "[ab]{index}"])
def test_an_optional_pattern_may_match_nothing(isolated: Path, shell: Shell, pattern: str) -> None:
    """An optional output that is not there is no failure; one that is there is brought."""
    text = "echo 1 >there; echo 2 >more"
    patterns = [pattern, "mor?"]
    run = outcome_of(
        isolated, shell, text, outputs=["there"], optional_outputs=patterns, output_dir="r"
    )
    assert run.how == ("command", 0, None, None)
    assert sorted(os.listdir(isolated / "r")) == ["more", "there"]
    assert run.err() == ""


def test_an_optional_output_that_cannot_be_brought_is_a_failure(
    isolated: Path, shell: Shell
) -> None:
    """What an optional pattern matches is an output like any other."""
    run = outcome_of(isolated, shell, "ln -s gone x", optional_outputs=["x"], output_dir="r")
    assert run.how == ("stage_out", 1, None, None)
    assert "output x: the link points to nothing" in run.err()
    (isolated / "file").touch()
    run = outcome_of(isolated, shell, "rm x; echo >x", optional_outputs="x", output_dir="file/r")
    assert run.how == ("stage_out", 1, None, None)


@pytest.mark.parametrize(
    ("outputs", "optional"),
    [(["*.dat", "a*"], []), (["a*"], ["*.dat", "*"]), (["a.dat", "a.dat"], [])],
)
def test_patterns_may_match_the_same_file(
    isolated: Path, shell: Shell, outputs: list[str], optional: list[str]
) -> None:
    """A file that one pattern has brought is not missed by the next."""
    run = outcome_of(
        isolated,
        shell,
        "echo 1 >a.dat",
        outputs=outputs,
        optional_outputs=optional,
        output_dir="r",
    )
    assert run.how == ("command", 0, None, None), run.err()
    assert os.listdir(isolated / "r") == ["a.dat"]


def test_a_failed_command_brings_what_it_made(isolated: Path, shell: Shell) -> None:
    """After a command that failed, what it has made is brought and nothing is missed."""
    text = "echo half >half; exit 5"
    run = outcome_of(isolated, shell, text, outputs=["half", "whole"], output_dir="results")
    assert run.how == ("command", 5, None, None)
    assert os.listdir(isolated / "results") == ["half"]
    assert "nothing matches" not in run.err()


def test_without_output_dir_outputs_stay(isolated: Path, shell: Shell) -> None:
    """Outputs without output_dir are looked for, and left where they are."""
    run = outcome_of(isolated, shell, "echo 1 >there", outputs=["there"])
    assert run.how == ("command", 0, None, None)
    assert (isolated / "work" / "there").exists()


def test_an_output_dir_that_cannot_be_made_is_a_failure(isolated: Path, shell: Shell) -> None:
    """Outputs that cannot be brought fail stage_out, and stay."""
    (isolated / "file").touch()
    run = outcome_of(isolated, shell, "echo 1 >x", outputs=["x"], output_dir="file/results")
    assert run.how == ("stage_out", 1, None, None)
    assert (isolated / "work" / "x").exists()


def test_outputs_are_brought_across_file_systems(isolated: Path, shell: Shell) -> None:
    """output_dir may lie on another file system."""
    other = Path("/dev/shm")
    if other.stat().st_dev == isolated.stat().st_dev:
        pytest.fail("/dev/shm is no file system of its own here; this test needs one")
    target = other / f"anybatch-test-{os.urandom(8).hex()}"
    try:
        text = "mkdir d; echo 1 >d/x; echo 2 >y; ln -s y link"
        run = outcome_of(isolated, shell, text, outputs=["*"], output_dir=target)
        assert run.how == ("command", 0, None, None)
        assert sorted(os.listdir(target)) == ["d", "link", "y"]
        assert (target / "d" / "x").read_text() == "1\n"
    finally:
        shutil.rmtree(target, ignore_errors=True)


# -- wrappers


class Wrapper:
    """A plugin that wraps commands, as one for containers does."""

    def __init__(self, *words: str | WorkerPath) -> None:
        self._words = words

    @hookimpl
    def anybatch_environment(self) -> Environment:
        return Environment(wrapper=self._words)


def program(folder: Path, text: str) -> str:
    path = script(folder, f"#!/bin/sh\n{text}\n", "wrap per")
    path.chmod(0o700)
    return str(path)


def test_the_set_up_happens_inside_the_wrapper(isolated: Path, shell: Shell) -> None:
    """env_script, env and setup take effect in what the wrapper starts, whatever it clears."""
    path = script(isolated, "export FROM_SCRIPT=1\n")
    command = ["sh", "-c", 'echo "$FROM_SCRIPT $VALUE $FROM_SETUP $ANYBATCH_INDEX $LEAKED"']
    run = write_run(
        isolated,
        shell,
        Job(command, env_script=path, env={"VALUE": "a\n b'"}, setup="export FROM_SETUP=$VALUE"),
        others={"wrapper": Wrapper("env", "-i", f"PATH={shell.path}")},
    )
    run.run(LEAKED="leaked")
    assert run.how == ("command", 0, None, None)
    assert run.out() == "1 a\n b' a\n b' 0 \n"


def test_a_wrapper_is_run_once_around_all(isolated: Path, shell: Shell) -> None:
    """The wrapper's words are passed on whole, and what it starts ends as the command does."""
    text = 'echo "[$1]"; shift; exec "$@"'
    wrapper = Wrapper(program(isolated, text), "it's $HOME\n*")
    command = ["sh", "-c", "exit 6"]
    run = run_job(isolated, shell, command, setup="echo set", others={"wrapper": wrapper})
    assert run.how == ("command", 6, None, None)
    assert run.out() == "[it's $HOME\n*]\nset\n"


def test_a_failed_set_up_is_recorded_after_its_script_has_ended(
    isolated: Path, shell: Shell
) -> None:
    """A record is a job's last word: who removes it after that removes nothing that is needed."""
    text = 'records() { find . -path "*/exit/*" -type f -name "*.exit-*"; }; "$@"; records; exit 3'
    wrapper = Wrapper(program(isolated, text))
    run = run_job(isolated, shell, ["true"], setup="exit 3", others={"wrapper": wrapper})
    assert run.how == ("setup", 3, None, None)
    assert run.out() == ""


def test_wrappers_compose(isolated: Path, shell: Shell) -> None:
    """Of two wrappers the batch system's is the inner one."""
    toy = Toy(environment=Environment(wrapper=("env", "VALUE=inner")))
    outer = Wrapper("env", "VALUE=outer", "OTHER=outer")
    command = ["sh", "-c", "echo $VALUE $OTHER"]
    run = run_job(isolated, shell, command, toy=toy, others={"wrapper": outer})
    assert run.out() == "inner outer\n"


SHOW_PLACES = 'printf "<%s>\\n" "$1" "$2" "$3"; [ ! -d "$3" ] || echo made; shift 3; exec "$@"'
PLACES = (WorkerPath.RUN, WorkerPath.WORKDIR, WorkerPath.OUTPUT_DIR)


def test_a_wrapper_is_told_the_folders(isolated: Path, shell: Shell) -> None:
    """It gets run folder, working folder and output folder as they are there, which is made."""
    wrapper = Wrapper(program(isolated, SHOW_PLACES), *PLACES)
    run = write_run(
        isolated,
        shell,
        [Job(["echo", "ran"], workdir="w '$x' {index}", output_dir="out -{index}\n*")] * 2,
        others={"wrapper": wrapper},
    )
    assert run.run(1) == 0
    workdir, out = isolated / "w '$x' 1", isolated / "out -1\n*"
    assert run.out(1) == f"<{run.path}>\n<{workdir}>\n<{out}>\nmade\nran\n"
    assert out.is_dir()


def test_without_an_output_folder_it_is_the_working_folder(isolated: Path, shell: Shell) -> None:
    """A wrapper may name the output folder of jobs that have none."""
    wrapper = Wrapper(program(isolated, SHOW_PLACES), *PLACES)
    run = run_job(isolated, shell, ["echo", "ran"], others={"wrapper": wrapper})
    assert run.out() == f"<{run.path}>\n<{isolated}>\n<{isolated}>\nmade\nran\n"


def test_an_output_folder_that_cannot_be_made_is_told(isolated: Path, shell: Shell) -> None:
    """A wrapper is not run without a folder that it is to have."""
    (isolated / "file").touch()
    wrapper = Wrapper(program(isolated, SHOW_PLACES), *PLACES)
    run = run_job(
        isolated, shell, ["echo", "ran"], output_dir="file/out", others={"wrapper": wrapper}
    )
    assert run.record.phase == "setup"
    assert "file" in run.err()
    assert "ran" not in run.out()


def test_a_wrapper_is_told_the_files_that_lie_elsewhere(isolated: Path, shell: Shell) -> None:
    """Inputs that are links and the env_script are one word; there may be none."""
    wrapper = {
        "wrapper": Wrapper(program(isolated, 'echo "<$1>"; shift; exec "$@"'), WorkerPath.FILES)
    }
    for name in ("a b", "c"):
        (isolated / name).touch()
    path = script(isolated, "true\n")
    run = run_job(
        isolated,
        shell,
        ["true"],
        inputs=["a b", "c"],
        env_script=path,
        workdir="w-{index}",
        others=wrapper,
    )
    assert run.out() == f"<{isolated}/a b,{isolated}/c,{path}>\n"
    assert run_job(isolated, shell, ["true"], inputs=["c"], others=wrapper).out() == "<>\n"


def test_a_folder_that_no_wrapper_names_is_not_made(isolated: Path, shell: Shell) -> None:
    """The output folder of a job without outputs is made for a wrapper alone."""
    wrapper = Wrapper(program(isolated, 'shift; exec "$@"'), WorkerPath.RUN)
    run = run_job(isolated, shell, ["true"], output_dir="out", others={"wrapper": wrapper})
    assert run.how == ("command", 0, None, None)
    assert not (isolated / "out").exists()


def test_a_run_folder_that_cannot_be_written_inside_is_told(isolated: Path, shell: Shell) -> None:
    """A command is not run where nobody would learn of it."""
    hidden = 'mv "$mark" "$mark.hidden"; mkdir "$mark"; "$@"; s=$?'
    text = f'for mark; do :; done; {hidden}; rmdir "$mark"; mv "$mark.hidden" "$mark"; exit $s'
    wrapper = Wrapper(program(isolated, text))
    run = run_job(isolated, shell, ["echo", "ran"], others={"wrapper": wrapper})
    assert run.how == ("setup", 1, None, None)
    assert "ran" not in run.out()


def test_a_failure_of_the_set_up_inside_a_wrapper_is_told(isolated: Path, shell: Shell) -> None:
    """A set-up that fails in a wrapper is a failure of the set-up, though the wrapper ended."""
    others = {"wrapper": Wrapper(program(isolated, '"$@"; exit 1'))}
    run = run_job(isolated, shell, ["echo", "ran"], setup="exit 5", others=others)
    assert run.how == ("setup", 5, None, None)


def test_a_wrapper_that_is_not_there_is_told(isolated: Path, shell: Shell) -> None:
    """A wrapper that cannot be found is a failure of the set-up, and named in the log."""
    others = {"wrapper": Wrapper("no-such-wrapper", "image")}
    run = run_job(isolated, shell, ["true"], others=others)
    assert run.how == ("setup", 127, None, None)
    assert "no-such-wrapper" in run.err()


def test_a_wrapper_that_runs_nothing_is_a_failure_of_the_set_up(
    isolated: Path, shell: Shell
) -> None:
    """A wrapper that ends, though it says with success, before the job's command began."""
    others = {"wrapper": Wrapper("true")}
    run = run_job(isolated, shell, ["echo", "ran"], others=others)
    assert run.how == ("setup", 1, None, None)


def test_every_record_has_the_form_that_is_read(isolated: Path, shell: Shell) -> None:
    """What scripts leave is what `parse_record` reads."""
    jobs = [Job(["true"]), Job(["true"], setup="false"), Job(["true"], outputs=["gone"])]
    run = write_run(isolated, shell, jobs)
    for index in range(3):
        run.run(index)
    records = [parse_record(name) for name in run.names]
    assert [record and record.phase for record in records] == ["command", "setup", "stage_out"]
