"""Many jobs that are described together, packed, and run again: a part of `SystemContract`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from anybatch import Job, Pack, Reason, Session, State
from anybatch.testing.promises import read_output

if TYPE_CHECKING:
    from collections.abc import Callable

#: Prints what it knows of itself; one seed fails until the file `mended` is there.
_FIT = """
cat calibration
echo "$ANYBATCH_PARAM_SEED $CUT $*"
test "$ANYBATCH_PARAM_SEED" != 1 || test -e "$0/mended" || exit 1
echo "$ANYBATCH_PARAM_SEED" >"fit-$ANYBATCH_PARAM_SEED.out"
"""


class CampaignPromises:
    """See `SystemContract`."""

    system: ClassVar[str]
    patience: ClassVar[float] = 120

    def test_a_packed_sweep_is_described_run_and_run_again(
        self, session: Session, new_session: Callable[..., Session]
    ) -> None:
        """Each job of a pack has its own parameters, logs, outputs, end and attempts."""
        here = Path.cwd()
        Path("calibration").write_text("old\n", encoding="utf-8")
        job = Job(
            ["sh", "-c", _FIT, str(here), "{seed}", "{cut}"],
            name="fit-{seed}",
            env={"CUT": "{cut}"},
            inputs=["calibration"],
            copy_inputs=True,
            scratch=True,
            outputs=["fit-{seed}.out"],
            optional_outputs=["*.debug"],
            output_dir="results/{cut}",
            labels={"campaign": "contract"},
        )
        sweep = job.sweep(seed=range(3), cut=[5.15, 5.2])
        run = session.submit(sweep, pack=Pack(3))
        Path("calibration").write_text("new\n", encoding="utf-8")
        outcomes = run.wait(self.patience)
        wanted = [(seed, cut) for seed in range(3) for cut in (5.15, 5.2)]
        assert [(one.params["seed"], one.params["cut"]) for one in outcomes] == wanted
        assert [read_output(one) for one in outcomes] == [
            f"old\n{seed} {cut} {seed} {cut}\n" for seed, cut in wanted
        ]
        failed = [one for one in outcomes if not one.done]
        assert [(one.index, one.reason, one.exit_code) for one in failed] == [
            (2, Reason.EXIT_CODE, 1),
            (3, Reason.EXIT_CODE, 1),
        ]

        Path("mended").touch()
        later = new_session(self.system)
        [chosen] = later.select(f"{run.id}:seed=1")
        again = chosen.run
        assert again.rerun(chosen.indices) == 2
        assert [one.state for one in again.wait(self.patience)] == [State.DONE] * 6
        assert [[one.done for one in again.attempts(index)] for index in (1, 2)] == [
            [True],
            [False, True],
        ]
        assert sorted(str(path) for path in Path("results").rglob("*.out")) == sorted(
            f"results/{cut}/fit-{seed}.out" for seed, cut in wanted
        )
