"""When a job that failed is run again, how often, and as what: `Retry` and `RetryRule`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import attrs

from anybatch.errors import InvalidValue, JobError, did_you_mean, shown
from anybatch.resources import read
from anybatch.states import Reason
from anybatch.units import parse_duration, parse_size

_MOST_TIMES = 1_000_000
#: How often a job that checkpoints is run again, where no rule says so: three weeks of half an
#: hour each; and one that saves nothing comes to an end.
CHECKPOINTS = 1000
_LONGEST_NUMBER = 19  #: characters


def _times(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_TIMES:
        raise InvalidValue(f"{attribute.name} must be a whole number, 0 or more: {shown(value)}")


def _reasons(values: Reason | str | Iterable[Reason | str]) -> frozenset[Reason]:
    if isinstance(values, str):
        values = [values]
    if not isinstance(values, Iterable):
        raise InvalidValue(f"on must be a list of reasons, not {shown(values)}")
    return frozenset(_reason(value, "on: ") for value in values)


def _reason(value: Reason | str, where: str = "") -> Reason:
    try:
        return Reason(value)
    except ValueError:
        hint = did_you_mean(
            str(value)[:50] if isinstance(value, str) else "", [reason.value for reason in Reason]
        )
        raise InvalidValue(f"{where}unknown reason {shown(value)}{hint}") from None


def _factor(value: float | str | None) -> float | None:
    """`x1.5`, as a text or a number; None: it stays."""
    if value is None:
        return None
    try:
        factor = float(value.strip().lstrip("xX") if isinstance(value, str) else value)
    except (TypeError, ValueError, OverflowError):
        factor = 0.0
    if isinstance(value, bool) or not 1 < factor <= 1000:
        raise InvalidValue(
            f"{shown(value)} is no growth; give a factor above 1 and up to 1000, such as 'x1.5'"
        )
    return factor


def _most(value: timedelta | float | str | None) -> str:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    return (
        "" if value is None else shown(value).strip("'\"") if not isinstance(value, str) else value
    )


def _pause(value: timedelta | float | str) -> timedelta:
    return timedelta(0) if value in (0, timedelta(0)) else read(parse_duration, value)


def _codes(values: int | Iterable[int]) -> tuple[int, ...]:
    if not isinstance(values, int | Iterable):
        raise InvalidValue(f"codes must be exit codes, 1 to 255, not {shown(values)}")
    made = (values,) if isinstance(values, int) else tuple(values)
    for code in made:
        if isinstance(code, bool) or not isinstance(code, int) or not 1 <= code <= 255:
            raise InvalidValue(f"codes must be exit codes, 1 to 255, not {shown(code)}")
    return tuple(sorted(set(made)))


@attrs.frozen
class RetryRule:
    """How often a job is run again that ended for one reason, and as what.

    Attributes:
        reason: which.
        times: the most attempts that follow one that ended for this reason.
        codes: only for these exit codes, where the reason is `exit_code`; empty: any.
        memory: what the memory of an attempt is multiplied by for the next (`x2`).
        time: the same of the time limit.
        most: what that grows to at most: `64 GiB`, `2d`. A job that had as much is not run again.
        pause: how long the next attempt waits; accepts `1m`.
        avoid_host: the next attempt avoids the host of this one, where the batch system can; None:
            for `node_failure`.

    Raises:
        InvalidValue: an unknown reason, or a value that is out of range.
    """

    reason: Reason = attrs.field(converter=_reason)
    times: int = attrs.field(validator=_times)
    codes: tuple[int, ...] = attrs.field(default=(), converter=_codes, kw_only=True)
    memory: float | None = attrs.field(default=None, converter=_factor, kw_only=True)
    time: float | None = attrs.field(default=None, converter=_factor, kw_only=True)
    most: str = attrs.field(default="", converter=_most, kw_only=True)
    pause: timedelta = attrs.field(default=timedelta(0), converter=_pause, kw_only=True)
    avoid_host: bool | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if self.codes and self.reason is not Reason.EXIT_CODE:
            raise InvalidValue(f"codes are for exit_code, not for {self.reason.value}")
        if not isinstance(self.avoid_host, bool | None):
            raise InvalidValue(f"avoid_host must be True or False, not {shown(self.avoid_host)}")
        grows = [name for name in ("memory", "time") if getattr(self, name) is not None]
        if self.most and len(grows) != 1:
            raise InvalidValue("most is the limit of either memory or time; just one of them grows")
        if self.most:
            self.limits()

    def limits(self) -> tuple[int | None, timedelta | None]:
        """The most memory and the longest time; None: no limit."""
        if not self.most:
            return None, None
        if self.memory is not None:
            return read(parse_size, self.most), None
        return None, read(parse_duration, self.most)

    @property
    def avoids(self) -> bool:
        """Whether the next attempt avoids the host of this one."""
        return self.reason is Reason.NODE_FAILURE if self.avoid_host is None else self.avoid_host


def _rules(values: Iterable[RetryRule]) -> tuple[RetryRule, ...]:
    if not isinstance(values, Iterable):
        raise InvalidValue(f"rules must be a list of RetryRule, not {shown(values)}")
    made = tuple(values)
    for one in made:
        if not isinstance(one, RetryRule):
            raise InvalidValue(f"rules must be a list of RetryRule, not of {shown(one)}")
    return made


@attrs.frozen
class Retry:
    """When a failed job is run again.

    Attributes:
        times: the maximum number of attempts that follow for the reasons in `on`, all together.
        on: the reasons to retry for; by default those that may go away by themselves. A lost job
            may still be running somewhere, so it is run again only if `Reason.LOST` is listed.
        rules: for reasons that are counted apart; they go before `on`.

    Raises:
        InvalidValue: a negative number, an unknown reason, or two rules for one reason.
    """

    times: int = attrs.field(default=0, validator=_times)
    on: frozenset[Reason] = attrs.field(
        default=frozenset({Reason.EXIT_CODE, Reason.SIGNAL, Reason.NODE_FAILURE, Reason.PREEMPTED}),
        converter=_reasons,
    )
    rules: tuple[RetryRule, ...] = attrs.field(default=(), converter=_rules, kw_only=True)

    def __attrs_post_init__(self) -> None:
        reasons = [rule.reason for rule in self.rules]
        for reason in reasons:
            if reasons.count(reason) > 1:
                raise InvalidValue(f"there are two rules for {reason.value}")

    @property
    def most(self) -> int:
        """The most attempts that can follow the first."""
        return self.times + sum(rule.times for rule in self.rules)

    def rule(self, reason: Reason | None, exit_code: int | None) -> RetryRule | None:
        """The rule for an attempt that ended so; None: `times` and `on` say what holds."""
        for rule in self.rules:
            if rule.reason is reason and (not rule.codes or exit_code in rule.codes):
                return rule
        return None


_RULE_KEYS = tuple(name for name in attrs.fields_dict(RetryRule) if name != "reason")


def read_retry(value: int | Retry | Mapping[str, Any]) -> Retry:
    """What may be given for `Job.retry`.

    Raises:
        JobError: it says nothing that can be.
    """
    if isinstance(value, Retry):
        return value
    try:
        return _from_table(value) if isinstance(value, Mapping) else Retry(value)
    except (ValueError, TypeError) as error:
        how = "" if isinstance(value, Mapping) else "; give a number of times, or a Retry"
        raise JobError(f"retry: {error}{how}") from None


def with_checkpoints(retry: Retry) -> Retry:
    """The same for a job that checkpoints: it is run again, whatever else is."""
    if any(rule.reason is Reason.CHECKPOINTED for rule in retry.rules):
        return retry
    rule = RetryRule(Reason.CHECKPOINTED, CHECKPOINTS)
    return attrs.evolve(retry, rules=(*retry.rules, rule))


def _from_table(table: Mapping[str, Any]) -> Retry:
    """`{"times": 2, "on": [...], "node_failure": 3, "out_of_memory": {"times": 2, ...}}`."""
    own = {name: table[name] for name in ("times", "on") if name in table}
    rules = [_rule(name, given) for name, given in table.items() if name not in own]
    return Retry(**own, rules=rules)


def _rule(name: str, given: int | Mapping[str, Any]) -> RetryRule:
    known = ["times", "on", *(reason.value for reason in Reason)]
    if name not in known:
        raise InvalidValue(f"unknown key {shown(name)}{did_you_mean(str(name), known)}")
    fields = given if isinstance(given, Mapping) else {"times": given}
    for key in fields:
        if key not in _RULE_KEYS:
            raise InvalidValue(
                f"{name}: unknown key {shown(key)}{did_you_mean(str(key), _RULE_KEYS)}"
            )
    if "times" not in fields:
        raise InvalidValue(f"{name}: times is missing: how often it is run again")
    try:
        return RetryRule(_reason(name), **fields)
    except (ValueError, TypeError) as error:
        raise InvalidValue(f"{name}: {error}") from None


def read_retry_option(text: str) -> int | RetryRule:
    """`3`, or `REASON=TIMES[,KEY=VALUE]...`: `exit_code=5,codes=75,76,pause=1m`.

    Raises:
        InvalidValue: it says nothing that can be.
    """
    if text.strip().removeprefix("-").isdecimal() and len(text) < _LONGEST_NUMBER:
        return Retry(int(text)).times
    (name, times), *more = _pairs(text)
    fields: dict[str, Any] = {"times": _number(times)}
    for key, value in more:
        field = key.replace("-", "_")
        fields[field] = {"codes": _numbers, "avoid_host": _flag}.get(field, str)(value)
    return _rule(name, fields)


def _pairs(text: str) -> list[tuple[str, str]]:
    """What stands before and after each `=`; a part without one belongs to the value before it."""
    pairs: list[tuple[str, str]] = []
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if equals:
            pairs.append((key.strip(), value.strip()))
        elif pairs:
            pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]},{part.strip()}")
        else:
            raise InvalidValue(f"{shown(text)}: expected TIMES, or REASON=TIMES[,KEY=VALUE]...")
    return pairs


def _number(text: str) -> int | str:
    return int(text) if text.isdecimal() and len(text) < _LONGEST_NUMBER else text


def _numbers(text: str) -> list[int | str]:
    return [_number(one) for one in text.split(",")]


def _flag(text: str) -> bool | str:
    return {"true": True, "yes": True, "false": False, "no": False}.get(text.lower(), text)
